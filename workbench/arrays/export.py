"""Images for other programs: NIfTI by nibabel, SimpleITK. The only places where another world than LPS appears."""

from __future__ import annotations

import os
from collections.abc import Hashable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from workbench.arguments import checked
from workbench.arrays.arguments import short
from workbench.arrays.image_grid import AXES
from workbench.arrays.same_grid import require_even
from workbench.errors import MissingExtra, UsageError

if TYPE_CHECKING:
    from nibabel.nifti1 import Nifti1Image
    from SimpleITK import Image

#: LPS mm -> RAS mm.
TO_RAS: Final = np.diag([-1.0, -1.0, 1.0, 1.0])
#: Columns of an affine for voxel (z, y, x, 1) in the order (x, y, z, 1).
_XYZ: Final = [2, 1, 0, 3]


@checked
def to_nifti(
    dataset: xr.Dataset, path: str | os.PathLike[str] | None = None, *, variable: str = "image"
) -> Nifti1Image:
    """NIfTI image (x, y, z[, further]) with its RAS affine in sform and qform; written where *path* is given.

    Parameters
    ----------
    dataset : xarray.Dataset
        A series with an even, straight grid; one slice of it as ``ds.isel(z=[k])``, whose step stays known.
    path : path, optional
        ``.nii`` or ``.nii.gz``; written aside and renamed, so it is whole or not there. Folders on the way to it are
        made where they do not exist; a file of that name is replaced.
    variable : str
        ``"image"``, ``"mask"``, ``"fraction"`` ... One further dim (time, segment) becomes the fourth; an even time in
        s or ms gives the step of the fourth axis, else that is 1 of no unit.

    Returns
    -------
    nibabel.nifti1.Nifti1Image
        int16, int32, uint8, uint16 and float32 as they are, masks uint8; codes of sform and qform are 1 (scanner).

    Raises
    ------
    IrregularGeometry
        Slices are missing, uneven, alone, tilted or without a place.
    UsageError
        A colour image, more than one further dim, no numbers that NIfTI has, or a file name of another format.
    WriteError
        The file could not be written.

    Notes
    -----
    Memory: the array, and for big-endian or boolean data a copy.

    Examples
    --------
    >>> from workbench.arrays import from_array
    >>> axes = np.array([[0, 0, 1.0, -5], [0, 1, 0, 7], [2, 0, 0, 9], [0, 0, 0, 1]])
    >>> nifti = to_nifti(from_array(np.zeros((3, 4, 5), "int16"), axes))
    >>> nifti.shape, nifti.get_data_dtype().name, nifti.affine[:3, 3].tolist()
    ((5, 4, 3), 'int16', [5.0, -7.0, 9.0])
    """
    target = None if path is None else _nifti_name(path)
    data = _exported(dataset, variable)
    others = [dim for dim in data.dims if dim not in AXES]
    if len(others) > 1:
        raise UsageError(
            f"{variable} has the dims {', '.join(map(str, data.dims))}: NIfTI takes one beside x, y, z",
            remedy=f"select one first, for example ds.isel({others[0]}=0)",
        )
    grid = require_even(dataset, "to_nifti")
    assert grid.affine is not None
    from nibabel.nifti1 import Nifti1Image

    values = np.asarray(data.transpose("x", "y", "z", *others).values)
    if values.dtype == bool:
        values = values.view(np.uint8)
    affine = TO_RAS @ grid.affine[:, _XYZ]
    image = Nifti1Image(values, affine, dtype=values.dtype)
    step = _time_step(data, others)
    if step is None:
        image.header.set_xyzt_units("mm")
    else:
        image.header.set_xyzt_units("mm", "sec")
        image.header.set_zooms((*image.header.get_zooms()[:3], step))
    # The header holds float32; the image in memory keeps the affine as it is.
    image.set_sform(affine, code=1, update_affine=False)
    image.set_qform(affine, code=1, update_affine=False)
    if target is not None:
        _write(image, target)
    return image


def to_simpleitk(dataset: xr.Dataset, *, variable: str = "image") -> Image:
    """SimpleITK image of one volume, LPS mm as ITK has them: origin, spacing and direction exact.

    Parameters
    ----------
    dataset : xarray.Dataset
        A series with an even, straight grid.
    variable : str
        A variable with the dims z, y, x alone; masks come as uint8.

    Returns
    -------
    SimpleITK.Image
        Holds a copy of the values.

    Raises
    ------
    MissingExtra
        SimpleITK is not installed.
    IrregularGeometry
        Slices are missing, uneven, alone, tilted or without a place.
    UsageError
        Colour, or more dims than z, y, x.

    Examples
    --------
    >>> from workbench.arrays import from_array
    >>> axes = np.array([[0, 0, 1.0, -5], [0, 1, 0, 7], [2, 0, 0, 9], [0, 0, 0, 1]])
    >>> to_simpleitk(from_array(np.zeros((3, 4, 5), "int16"), axes)).GetOrigin()  # doctest: +SKIP
    (-5.0, 7.0, 9.0)
    """
    try:
        import SimpleITK
    except ImportError as error:
        raise MissingExtra(
            "to_simpleitk needs SimpleITK, which is not installed",
            remedy="pip install 'cancer-imaging-workbench[simpleitk]'",
        ) from error
    data = _exported(dataset, variable)
    others = [dim for dim in data.dims if dim not in AXES]
    if others:
        raise UsageError(
            f"{variable} has the dims {', '.join(map(str, data.dims))}: to_simpleitk takes one volume",
            remedy=f"select one first, for example ds.isel({others[0]}=0)",
        )
    grid = require_even(dataset, "to_simpleitk")
    values = np.asarray(data.transpose(*AXES).values)
    values = values.view(np.uint8) if values.dtype == bool else values
    image = SimpleITK.GetImageFromArray(np.ascontiguousarray(values))
    place: Any = image
    place.SetOrigin(_floats(grid.positions[0]))
    place.SetSpacing(_floats(grid.spacing[::-1]))
    place.SetDirection(_floats(grid.directions[:, ::-1].ravel()))
    return image


def _floats(values: Sequence[float] | NDArray[np.float64]) -> list[float]:
    return [float(value) for value in values]


def _exported(dataset: xr.Dataset, variable: str) -> xr.DataArray:
    if not isinstance(variable, str) or variable not in dataset.data_vars:
        names = ", ".join(map(str, dataset.data_vars)) or "none"
        raise UsageError(f"no variable {short(variable)} in this Dataset", remedy=f"there are: {names}")
    data = dataset[variable]
    absent = [axis for axis in AXES if axis not in data.dims]
    if absent:
        raise UsageError(
            f"{variable} has no axis {', '.join(absent)}", remedy=f"keep it: isel({absent[0]}=[k]) instead of k"
        )
    if data.dtype.kind not in "biufc" or data.dtype == np.float16:
        raise UsageError(
            f"{variable} holds {data.dtype}, which these formats do not have", remedy="use astype('float32')"
        )
    if "channel" in data.dims:
        raise UsageError("a colour image is no quantity on a grid", remedy="export one channel: ds.isel(channel=0)")
    return data


def _time_step(data: xr.DataArray, others: list[Hashable]) -> float | None:
    """Seconds from volume to volume where the further dim is an even time in s or ms; else None."""
    if others != ["time"] or data.sizes["time"] < 2:
        return None
    times = np.asarray(data["time"].values, dtype=np.float64)
    factor = {"s": 1.0, "ms": 1e-3}.get(str(data["time"].attrs.get("units", "")))
    steps = np.diff(times)
    if factor is None or steps.min() <= 0 or np.ptp(steps) > 0.01 * float(np.median(steps)):
        return None
    return float(steps.mean()) * factor


def _nifti_name(named: object) -> Path:
    if not isinstance(named, (str, os.PathLike)) or not isinstance(os.fspath(named), str):
        raise UsageError(f"not a path: {short(named)}", remedy="name a file, .nii or .nii.gz")
    path = Path(named)
    if not path.name.lower().endswith((".nii", ".nii.gz")):
        raise UsageError("a NIfTI file is named .nii or .nii.gz", file=path.name, remedy="change its ending")
    return path


def _write(image: Any, path: Path) -> None:
    import gzip

    from workbench.progress import task
    from workbench.writing import aside

    size = int(np.prod(image.shape)) * image.get_data_dtype().itemsize
    with aside(path) as place, task("writing", size >> 20, unit="MiB") as advance, open(place, "wb") as raw:
        if path.name.lower().endswith(".gz"):
            # No name and no time inside: equal images make equal files.
            with gzip.GzipFile(filename="", mode="wb", fileobj=raw, mtime=0, compresslevel=6) as packed:
                image.to_stream(_Counted(packed, advance))
        else:
            image.to_stream(_Counted(raw, advance))


class _Counted:
    """A file that tells how many MiB went into it."""

    def __init__(self, file: Any, advance: Any) -> None:
        self._file = file
        self._advance = advance
        self._bytes = 0

    def write(self, data: Any) -> int:
        n = memoryview(data).nbytes
        self._file.write(data)
        before, self._bytes = self._bytes, self._bytes + n
        if self._bytes >> 20 > before >> 20:
            self._advance((self._bytes >> 20) - (before >> 20))
        return n

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)
