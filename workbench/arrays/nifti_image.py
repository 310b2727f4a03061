"""A NIfTI image -> the xarray Dataset of a series, lazily, in the convention of those from DICOM.

The file's axes are i, j, k (fastest first): x, y and z here. Its world is RAS, ours LPS; slices ascend along the
normal of the image plane, so they are turned round where the file stores them the other way.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from xarray.backends import BackendArray
from xarray.core import indexing

from workbench.arrays.coordinates import grid_coords, text, words
from workbench.arrays.derived import TurnableArray
from workbench.arrays.memory import beyond_memory
from workbench.dicom.stacks.geometry import Grid, grid_from
from workbench.dicom.values.dtypes import LARGEST_WHOLE
from workbench.errors import ChangedFile, DicomError, IrregularGeometry, LabelError, NiftiError, UsageError
from workbench.findings import Finding
from workbench.labels.header import quiet
from workbench.labels.nifti_file import Stored, facts, load, world_affine

#: Length of the header of NIfTI-1, the shortest that a file may have.
_HEADER: Final = 348
_SECONDS: Final = {"sec": 1.0, "msec": 1e-3, "usec": 1e-6}


@dataclass(frozen=True, eq=False)
class NiftiImage:
    """What the header of a NIfTI image says; none of its numbers is read."""

    #: Where it is, and what to call it in messages.
    path: Path
    name: str
    #: Bytes and time of change when its header was read.
    facts: tuple[int, int]
    #: Slices, rows and columns, and where they are.
    grid: Grid
    #: Whether slices are stored against the normal of the image plane.
    turned: bool
    #: Volumes beyond the third axis.
    volumes: int
    #: Seconds from volume to volume; NaN where the header states no time.
    step_s: float
    #: dtype of the stored numbers, and what turns them into values.
    stored: np.dtype[Any]
    slope: float
    inter: float
    #: Why it cannot be loaded; empty where it can.
    refused: str
    #: What is irregular.
    findings: tuple[Finding, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        """Lengths of the axes of the array: volume where there are several, z, y, x."""
        return ((self.volumes,) if self.volumes > 1 else ()) + self.grid.shape

    @property
    def dims(self) -> tuple[str, ...]:
        """Names of these axes."""
        leading = "time" if np.isfinite(self.step_s) else "volume"
        return ((leading,) if self.volumes > 1 else ()) + ("z", "y", "x")


def read_header(path: Path, *, name: str = "") -> NiftiImage:
    """Header of a NIfTI image, judged as the geometry of a DICOM series is.

    Parameters
    ----------
    path : Path
        ``.nii`` or ``.nii.gz``.
    name : str, optional
        What to call it in messages; by default the file's own name.

    Raises
    ------
    NiftiError
        It cannot be read as NIfTI, or holds neither whole nor real numbers.

    Examples
    --------
    >>> import tempfile
    >>> from nibabel.nifti1 import Nifti1Image
    >>> place = Path(tempfile.mkdtemp()) / "t1.nii"
    >>> Nifti1Image(np.zeros((5, 4, 3), "int16"), np.diag([-1.0, -1.0, 2.0, 1.0])).to_filename(place)
    >>> image = read_header(place)
    >>> image.grid.kind, image.shape, image.grid.affine[:3, 0].tolist()
    ('regular', (3, 4, 5), [0.0, 0.0, 2.0])
    """
    name = name or path.name
    try:
        with quiet():
            return _read_header(path, name)
    except LabelError as error:
        raise NiftiError(error.what, file=name, remedy=error.remedy) from None
    except Exception as error:
        # A broken file fails in many ways inside nibabel and zlib; only the kind is told.
        raise NiftiError(
            f"could not be read as NIfTI ({type(error).__name__})", file=name, remedy="ask for the file again"
        ) from None


def _read_header(path: Path, name: str) -> NiftiImage:
    image = load(path)
    shape = (*image.shape, 1, 1, 1)
    columns, rows, slices = shape[:3]
    volumes = int(np.prod(shape[3:]))
    refused, findings = "", []
    affine: NDArray[np.float64] | None = None
    try:
        affine = world_affine(image, name=name)
    except LabelError as error:
        refused = error.what
        findings.append(Finding("nifti-forms-disagree", error.what, path=name))
    grid, turned = _grid(affine, (columns, rows, slices), tuple(float(zoom) for zoom in image.header.get_zooms()))
    if not refused:
        findings += [replace(finding, path=name) for finding in grid.findings]
    if min(columns, rows, slices, volumes) < 1:
        refused = "an axis of no length"
    needed = int(image.dataobj.offset) + int(np.prod([float(n) for n in image.shape])) * image.dataobj.dtype.itemsize
    size = path.stat().st_size
    if not path.name.lower().endswith(".gz") and size < max(needed, _HEADER):
        refused = refused or f"{size} bytes of {needed}"
        findings.append(Finding("file-truncated", f"{size} bytes of {needed}", path=name))
    slope, inter = float(image.dataobj.slope), float(image.dataobj.inter)
    return NiftiImage(
        path, name, facts(path), grid, turned, volumes, _step(image), np.dtype(image.dataobj.dtype).newbyteorder("="),
        slope, inter, refused, tuple(findings),
    )  # fmt: skip


def _step(image: Any) -> float:
    """Seconds from volume to volume; NaN where not stated."""
    zooms = image.header.get_zooms()
    factor = _SECONDS.get(image.header.get_xyzt_units()[1])
    return float(zooms[3]) * factor if factor and len(zooms) > 3 and zooms[3] > 0 else float("nan")


def _grid(
    affine: NDArray[np.float64] | None, lengths: tuple[int, int, int], zooms: tuple[float, ...]
) -> tuple[Grid, bool]:
    """Grid of slices along the third axis, and whether they had to be turned round to ascend."""
    columns, rows, slices = lengths
    nowhere = np.full((slices, 3), np.nan)
    if affine is None or not np.isfinite(affine).all():
        spacing = tuple(zoom if zoom > 0 else np.nan for zoom in (*zooms, np.nan, np.nan)[1::-1])
        grid = grid_from(nowhere, np.full(6, np.nan), (spacing[0], spacing[1]), (rows, columns))
        told = Finding("unplaced", "the file says nowhere where its voxels are (codes of sform and qform are 0)")
        return replace(grid, findings=(told,)), False
    right, down, along = affine[:3, :3].T
    spacing = (float(np.linalg.norm(down)), float(np.linalg.norm(right)))
    if not min(spacing) > 0:
        return grid_from(nowhere, np.full(6, np.nan), spacing, (rows, columns)), False
    positions = affine[:3, 3] + np.outer(np.arange(slices), along)
    turned = bool(along @ np.cross(right, down) < 0)
    if turned:
        positions = positions[::-1]
    orientation = np.concatenate([right / spacing[1], down / spacing[0]])
    return grid_from(positions, orientation, spacing, (rows, columns)), turned


class LazyNifti(BackendArray):
    """Values of a NIfTI image ([volume,] z, y, x), read when they are indexed.

    Of an uncompressed file only what is asked for is read; a compressed one is unpacked once and kept as it is stored.

    Parameters
    ----------
    image : NiftiImage
        Its header.
    dtype : dtype
        dtype of the values.
    stored : bool
        Give numbers as they are stored.
    """

    def __init__(self, image: NiftiImage, dtype: np.dtype[Any], *, stored: bool) -> None:
        self.image = image
        self.dtype = dtype
        self.shape = image.shape
        self._as_stored = stored
        self._held: Stored | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_held": None}

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        return indexing.explicit_indexing_adapter(key, self.shape, indexing.IndexingSupport.BASIC, self._read)

    def _read(self, key: tuple[Any, ...]) -> NDArray[Any]:
        numbers = self._numbers()
        array = numbers.array.T
        if self.image.turned:
            array = array[:, ::-1]
        part = np.asarray((array if self.image.volumes > 1 else array[0])[key])
        if self._as_stored or (numbers.slope, numbers.inter) == (1.0, 0.0):
            return np.array(part, dtype=self.dtype)
        result = np.empty(part.shape, self.dtype)
        # In float64, so that the map of large numbers is exact; piece by piece, for it takes up to eight times as much.
        pieces = zip(result, part, strict=True) if part.ndim > 1 else [(result, part)]
        for out, piece in pieces:
            exact = piece * np.float64(numbers.slope) + np.float64(numbers.inter)
            out[...] = np.rint(exact) if self.dtype.kind in "iu" else exact
        return result

    def _numbers(self) -> Stored:
        image = self.image
        try:
            if facts(image.path) != image.facts:
                raise ChangedFile("file changed after it was opened", file=image.name, remedy="open it again")
            if self._held is not None:
                return self._held
            if (short := beyond_memory(image.shape, image.stored.itemsize)) is not None:
                raise DicomError(f"array of {short}", file=image.name, remedy="open it on a larger machine")
            with quiet():
                found = Stored.of(load(image.path))
        except (DicomError, ChangedFile):
            raise
        except Exception as error:
            raise NiftiError(
                f"could not be read as NIfTI ({type(error).__name__})", file=image.name, remedy="ask for the file again"
            ) from None
        if not found.mapped:
            self._held = found
        return found


def open_nifti(
    image: NiftiImage,
    *,
    series_uid: str = "",
    attrs: Mapping[str, Any] | None = None,
    values: str = "physical",
    dtype: str | None = None,
) -> xr.Dataset:
    """Lazy Dataset of a NIfTI image: ``image`` ([time or volume,] z, y, x); its unit is not stated, so it is "".

    Parameters
    ----------
    image : NiftiImage
        Its header.
    series_uid : str, optional
        What the series is called.
    attrs : mapping, optional
        Further attributes, such as Modality.
    values : {"physical", "stored"}
        Numbers as the header's slope and intercept make them, or as they are stored.
    dtype : str, optional
        dtype of ``image`` instead of the smallest that fits.

    Raises
    ------
    IrregularGeometry
        sform and qform put the voxels in different places.
    NiftiError
        The file cannot be used.
    UsageError
        *values* or *dtype* is none that it has.
    """
    if values not in ("physical", "stored"):
        raise UsageError(f"values={values!r} is not in a NIfTI image", remedy="use 'physical' or 'stored'")
    if image.refused:
        disagree = any(finding.code == "nifti-forms-disagree" for finding in image.findings)
        kind = IrregularGeometry if disagree else NiftiError
        remedy = "find out which is right, and clear the code of the other" if disagree else "ask for the file again"
        raise kind(image.refused, file=image.name, series=series_uid or None, remedy=remedy)
    array = LazyNifti(image, _dtype(image, values, dtype), stored=values == "stored")
    chunk = {dim: 1 if dim not in ("y", "x") else size for dim, size in zip(image.dims, image.shape, strict=True)}
    kind_of_value: Literal["stored", "unknown"] = "stored" if values == "stored" else "unknown"
    about: dict[str, Any] = {"units": "", "long_name": "image", "value_kind": kind_of_value}
    if values == "physical":
        about |= {"stored_slope": image.slope, "stored_intercept": image.inter}
    variable = xr.Variable(image.dims, TurnableArray(array), attrs=about, encoding={"preferred_chunks": chunk})
    coords = grid_coords(image.grid)
    if image.volumes > 1 and np.isfinite(image.step_s):
        coords["time"] = xr.Variable(("time",), image.step_s * np.arange(image.volumes), {"units": "s"})
    elif image.volumes > 1:
        coords["volume"] = xr.Variable(("volume",), np.arange(1, image.volumes + 1), {"units": "1"})
    coords["series_instance_uid"] = text((), series_uid)
    dataset = xr.Dataset({"image": variable}, coords=coords, attrs={**_attrs(image), **(attrs or {})})
    dataset.encoding["source"] = str(image.path)
    return dataset


def _dtype(image: NiftiImage, values: str, asked: str | None) -> np.dtype[Any]:
    """The stored type where it holds the values, else a larger whole one, else float32."""
    if asked is not None:
        from workbench.dicom.values.dtypes import asked as checked

        return checked(asked)
    plain = values == "stored" or (image.slope, image.inter) == (1.0, 0.0)
    if image.stored.kind == "f":
        return np.dtype("float32")
    if plain:
        return image.stored
    limits = np.iinfo(image.stored)
    ends = [number * image.slope + image.inter for number in (float(limits.min), float(limits.max))]
    whole = image.slope.is_integer() and image.inter.is_integer()
    if not whole or max(abs(image.slope), abs(image.inter)) > LARGEST_WHOLE:
        return np.dtype("float32")
    for name in ("uint8", "int16", "uint16", "int32", "uint32"):
        fits = np.iinfo(name)
        if fits.min <= min(ends) and max(ends) <= fits.max:
            return np.dtype(name)
    return np.dtype("float32")


def _attrs(image: NiftiImage) -> dict[str, Any]:
    grid = image.grid
    attrs: dict[str, Any] = {
        "space": "LPS",
        "plane": grid.plane,
        "geometry": grid.kind,
        "geometry_flags": words(grid.flags),
        "pixel_spacing_mm": [float(value) for value in grid.pixel_spacing],
        "slice_spacing_mm": float(grid.slice_spacing),
        "obliquity_deg": float(grid.obliquity_deg),
        "shear_deg": float(grid.shear_deg),
        "findings": words(sorted({finding.code for finding in image.findings})),
        "part": 1,
        "n_parts": 1,
        "decoder": "nibabel",
    }
    if grid.placed:
        attrs["ImageOrientationPatient"] = [float(v) for v in (*grid.row_direction, *grid.column_direction)]
    # Unknown numbers are left out: JSON, and so Zarr, has no word for them.
    return {key: value for key, value in attrs.items() if not _unknown(value)}


def _unknown(value: Any) -> bool:
    numbers = value if isinstance(value, list) else [value]
    return any(isinstance(number, float) and not np.isfinite(number) for number in numbers)
