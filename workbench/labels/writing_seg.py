"""Masks to a standard DICOM SEG on the slices of the series they were made on, through highdicom."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from workbench import __version__
from workbench.dicom.listing import Place
from workbench.dicom.scan import scan
from workbench.dicom.series import iterate_series, named
from workbench.dicom.stacks.stack import Plan
from workbench.errors import LabelError, PathNotFound, SeriesNotFound, UsageError, WorkbenchError
from workbench.labels.header import quiet
from workbench.labels.plain_array import masks_of
from workbench.labels.segment import Masks
from workbench.labels.segment_codes import Coded, OneOrMore, coded_segments
from workbench.writing import aside

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

SegType = Literal["BINARY", "FRACTIONAL", "LABELMAP"]
Paths = str | os.PathLike[str] | Sequence[str | os.PathLike[str]]

#: Steps between 0 and 1 of a written fraction (MaximumFractionalValue).
FRACTION_STEPS: Final = 255
#: What a SEG takes over from its images: of type 2 in PS3.3 C.7.1.1 and C.7.2.1, so empty where an image lacks it.
#: highdicom wants each of them there, and one character set: texts are written in UTF-8.
_COPIED: Final = (
    "PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyID", "StudyDate", "StudyTime",
    "AccessionNumber", "ReferringPhysicianName",
)  # fmt: skip


def to_seg(
    mask: Any,
    path: str | os.PathLike[str],
    *,
    images: Any,
    codes: Mapping[str, OneOrMore] | OneOrMore | None = None,
    algorithm: str = "",
    algorithm_name: str = "",
    names: Mapping[int, str] | Sequence[str] | None = None,
    kind: SegType | None = None,
    fraction: Literal["probability", "occupancy"] | None = None,
    series_description: str = "Segmentation",
    series_number: int = 1,
) -> Path:
    """Write a DICOM SEG of *mask* on the slices of its images; the path of the file, which is whole or not there.

    Parameters
    ----------
    mask : xarray.DataArray or array
        (segment, z, y, x) or (z, y, x): bool, whole-number labels, or fractions. A DataArray may be cropped; it is
        placed by its coordinates and must agree in ``sop_instance_uid``. An array has the shape of the image.
    path : path
        File to write.
    images : path, sequence of paths, or xarray.Dataset
        The series it was made on: a folder, its files, or the Dataset opened from them. Only headers are read.
    codes : mapping
        By segment name: the code of its type, or a mapping (or ``SegmentCodes``) with ``type``, ``category``,
        ``region``, ``algorithm``, ``algorithm_name``; given once, for all. A code is ``"scheme:value"`` of the
        shipped table or ``(scheme, value, meaning)``. What the mask's own coordinates say need not be repeated.
    algorithm : {"MANUAL", "SEMIAUTOMATIC", "AUTOMATIC"}
        How segments were drawn, where neither *codes* nor the mask say.
    algorithm_name : str
        What drew them, unless by hand; never a person.
    names : mapping of int to str, or sequence of str, optional
        Segment names where the mask has none.
    kind : {"BINARY", "FRACTIONAL", "LABELMAP"}, optional
        By default BINARY, and FRACTIONAL for fractions. LABELMAP takes no overlapping segments.
    fraction : {"probability", "occupancy"}, optional
        What fractions are; needed for them unless the mask says so in ``attrs["value_kind"]``.
    series_description, series_number : str, int
        Of the new series.

    Returns
    -------
    Path

    Raises
    ------
    UsageError
        Codes, algorithm or the kind of fractions are missing; they are named.
    GridMismatch
        The mask is not on the voxels of the images.
    LabelError
        Segments overlap in a LABELMAP, or the images' headers do not allow a segmentation.
    SeriesNotFound
        The images of the mask are not among *images*.
    WriteError
        The file could not be written.

    Notes
    -----
    Segments are numbered from 1 in their order, as PS3.3 C.8.20.4 has it. Empty frames are left out. Fractions are
    rounded to 1/255. Binary segments that do not overlap take the memory of one label map, others one byte per voxel
    and segment.

    Examples
    --------
    >>> to_seg(ds["mask"], "mask.dcm", images=ds, codes="SCT:108369006", algorithm="MANUAL")  # doctest: +SKIP
    """
    source = _source(mask, images)
    fraction = fraction or _stated_fraction(mask)
    masks = masks_of(mask, grid=source.plan.grid, sop_instance_uids=source.uids, names=names, fraction=fraction)
    written: SegType = kind or ("FRACTIONAL" if masks.kind == "fraction" else "BINARY")
    if (written == "FRACTIONAL") != (masks.kind == "fraction"):
        raise UsageError(f"{masks.kind}s are not written as {written}", remedy="leave kind out")
    if not masks.segments:
        raise UsageError("there is no segment to write", remedy="give a mask with at least one label")
    described = coded_segments(masks.segments, codes, algorithm=algorithm, name=algorithm_name)
    pixels = source.in_stored_order(_pixels(masks, written))
    with quiet():
        try:
            made = _segmentation(source, pixels, described, written, masks.fractional_type)
        except WorkbenchError:
            raise
        except Exception as error:
            # What highdicom refuses may quote header values; the kind, and a missing element's name, say enough.
            lacking = getattr(error, "name", None) if isinstance(error, AttributeError) else None
            what = f"the headers of the images lack {lacking}" if lacking else type(error).__name__
            raise LabelError(
                f"no segmentation can be written on these images ({what})",
                series=source.series_uid,
                tag=lacking,
                remedy="ask the node for the headers",
            ) from None
        if Path(path).resolve() in source.files():
            raise UsageError(
                "that file is one of the images", file=Path(path).name, remedy="give the segmentation a name of its own"
            )
        made.SeriesDescription = series_description
        made.SeriesNumber = series_number
        with aside(Path(path)) as place:
            made.save_as(place)
    return Path(path)


@dataclass(frozen=True, slots=True, eq=False)
class _Source:
    """The images a mask was made on."""

    #: SeriesInstanceUID.
    series_uid: str
    #: Where their frames are.
    plan: Plan
    #: Row of the plan of each slice.
    rows: list[int]
    #: Folder the paths are relative to.
    root: Path

    @property
    def uids(self) -> list[str]:
        """SOPInstanceUID of each slice."""
        uids = self.plan.rows["SOPInstanceUID"].to_pylist()
        return [uids[row] or "" for row in self.rows]

    @property
    def multi_frame(self) -> bool:
        """Whether the slices are frames of one file."""
        return int(self.plan.rows["NumberOfFrames"][self.rows[0]].as_py() or 1) > 1

    def files(self) -> set[Path]:
        """The files of the series, resolved."""
        return {(self.root / path).resolve() for path in self.plan.rows["path"].to_pylist()}

    def headers(self) -> list[Dataset]:
        """Headers of the files, in the order of the slices."""
        import pydicom

        paths = self.plan.rows["path"].to_pylist()
        several = dict.fromkeys(paths[row] for row in self.rows)
        if self.multi_frame and len(several) > 1:
            raise UsageError("the slices lie in several multi-frame files", remedy="write one SEG for each file")
        read = [pydicom.dcmread(self.root / path, stop_before_pixels=True) for path in several]
        # The first is the one that patient and study are taken from.
        read[0].decode()
        for header in read:
            for keyword in _COPIED:
                setattr(header, keyword, str(header.get(keyword) or ""))
            header.SpecificCharacterSet = "ISO_IR 192"
        return read

    def in_stored_order(self, pixels: NDArray[Any]) -> NDArray[Any]:
        """Pixels (z, y, x[, segment]) as a multi-frame file has its frames; unchanged for single frames."""
        if not self.multi_frame:
            return pixels
        count = int(self.plan.rows["NumberOfFrames"][self.rows[0]].as_py())
        frames = np.array([self.plan.rows["frame"][row].as_py() for row in self.rows])
        stored = np.zeros((count, *pixels.shape[1:]), dtype=pixels.dtype)
        stored[frames] = pixels
        return stored


def _source(mask: Any, images: Any) -> _Source:
    """The series, and its volume, that the mask's instance UIDs name; the only one where it names none."""
    wanted: list[str] = []
    if hasattr(mask, "coords") and "sop_instance_uid" in mask.coords:
        wanted = [str(uid) for uid in np.ravel(mask["sop_instance_uid"].values) if uid]
    root, places = _places(images)
    table = named(scan(root, places=places).table)
    plans = [(series.uid, plan) for series in iterate_series(table, root) for plan in series.plans if not plan.refused]
    if wanted:
        for uid, plan in plans:
            row_of = {uid: row for row, uid in enumerate(plan.rows["SOPInstanceUID"].to_pylist())}
            for volume in plan.cells.reshape(-1, plan.cells.shape[-1]):
                here = {plan.rows["SOPInstanceUID"][int(row)].as_py() for row in volume if row >= 0}
                if set(wanted) <= row_of.keys() and set(wanted) <= here:
                    return _Source(uid, plan, _complete(volume), root)
        raise SeriesNotFound("the images of the mask are not there", remedy="name the folder of the series it is of")
    if len(plans) != 1:
        raise SeriesNotFound(
            f"{len(plans)} series or parts that the mask could be of",
            remedy="give a mask with sop_instance_uid, or the images of one",
        )
    if plans[0][1].extras:
        dims = ", ".join(extra.name for extra in plans[0][1].extras)
        raise SeriesNotFound(
            f"several images at each place ({dims}), and the mask does not say which it was made on",
            remedy="pass images= as the files of one volume, or a mask with sop_instance_uid",
        )
    (uid, plan) = plans[0]
    return _Source(uid, plan, _complete(plan.cells), root)


def _complete(volume: NDArray[np.int64]) -> list[int]:
    if (volume < 0).any():
        raise LabelError("slices of this volume are missing", remedy="write on a volume that has all its slices")
    return [int(row) for row in volume]


def _places(images: Any) -> tuple[Path, list[Place]]:
    """Folder and places of the images; a Dataset knows where it was opened from."""
    given = images.encoding.get("source") if hasattr(images, "encoding") else images
    if given is None:
        raise UsageError("this Dataset does not know its files", remedy="pass images= as a folder or files")
    several = [given] if isinstance(given, (str, os.PathLike)) else list(given)
    paths = [Path(os.path.abspath(each)) for each in several]
    for path in paths:
        if not path.exists():
            raise PathNotFound("no such file or folder", file=path.name, remedy="pass images= as a folder or files")
    if not paths:
        raise UsageError("no images given", remedy="pass images= as a folder or files")
    if len(paths) == 1 and paths[0].is_dir():
        return paths[0], [Place()]
    root = Path(os.path.commonpath([path.parent for path in paths]))
    return root, [Place(path.relative_to(root).as_posix()) for path in paths]


def _stated_fraction(mask: Any) -> Literal["probability", "occupancy"] | None:
    """Kind of the fractions, where the mask is one of fractions and says one kind."""
    if np.dtype(mask.dtype).kind != "f":
        return None
    said = getattr(mask, "attrs", {}).get("value_kind", ())
    kinds = {said} if isinstance(said, str) else set(said)
    if kinds == {"probability"}:
        return "probability"
    if kinds == {"occupancy"}:
        return "occupancy"
    raise UsageError(
        "real numbers, and nothing says what they are", remedy="pass fraction='probability' or 'occupancy', or a mask"
    )


def _pixels(masks: Masks, kind: SegType) -> NDArray[Any]:
    """Fractions (z, y, x, segment), a label map (z, y, x), or binary (z, y, x, segment) where segments overlap."""
    every = np.arange(masks.shape[0])
    count = len(masks.segments)
    if kind == "FRACTIONAL":
        return np.stack([masks.layers.read(index, every) for index in range(count)], axis=-1)
    labels: NDArray[Any] = np.zeros(masks.shape, dtype=np.uint8 if count < 256 else np.uint16)
    for index in range(count):
        voxels = masks.layers.read(index, every).astype(np.bool_, copy=False)
        if (taken := labels[voxels]).any():
            if kind == "LABELMAP":
                other = masks.segments[int(taken.max()) - 1].name
                raise LabelError(
                    f"{other} and {masks.segments[index].name} overlap: a LABELMAP has one label per voxel",
                    remedy="leave kind out (BINARY), or write them one by one",
                )
            return np.stack([masks.layers.read(each, every).astype(np.uint8) for each in range(count)], axis=-1)
        labels[voxels] = index + 1
    return labels


def _segmentation(
    source: _Source, pixels: NDArray[Any], described: list[Coded], kind: SegType, fractional_type: str
) -> Dataset:
    import highdicom as hd
    from pydicom.uid import generate_uid

    options = {"fractional_type": fractional_type.upper()} if kind == "FRACTIONAL" else {}
    made: Dataset = hd.seg.Segmentation(
        source_images=source.headers(),
        pixel_array=pixels,
        segmentation_type=kind,
        segment_descriptions=[_description(each) for each in described],
        series_instance_uid=generate_uid(),
        series_number=1,
        sop_instance_uid=generate_uid(),
        instance_number=1,
        manufacturer="cancer-imaging-workbench",
        manufacturer_model_name="workbench",
        software_versions=__version__,
        # A program has none, and PS3.3 C.7.5.2 does not let it be empty.
        device_serial_number="none",
        max_fractional_value=FRACTION_STEPS,
        content_label="SEGMENTATION",
        **options,
    )
    return made


def _description(coded: Coded) -> Dataset:
    import highdicom as hd
    from pydicom.sr.coding import Code

    by_hand = coded.algorithm == "MANUAL"
    # The family belongs to an item that highdicom asks for and the standard does not (PS3.3 C.8.20.4): taken out again.
    program = None if by_hand else hd.AlgorithmIdentificationSequence(
        coded.algorithm_name, Code("123109", "DCM", "Artificial Intelligence"), "1"
    )  # fmt: skip
    made = hd.seg.SegmentDescription(
        segment_number=coded.number,
        segment_label=coded.label,
        segmented_property_category=Code(*coded.category),
        segmented_property_type=Code(*coded.type),
        algorithm_type=coded.algorithm,
        algorithm_identification=program,
        anatomic_regions=[Code(*coded.region)] if coded.region else None,
    )
    if not by_hand:
        del made.SegmentationAlgorithmIdentificationSequence
        made.SegmentAlgorithmName = coded.algorithm_name
    return made
