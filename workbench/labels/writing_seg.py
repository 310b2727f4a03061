"""Masks to a standard DICOM SEG on the slices of the series they were made on, through highdicom."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from workbench import __version__
from workbench.arguments import checked
from workbench.errors import LabelError, PathNotFound, UsageError, WorkbenchError
from workbench.labels.header import quiet
from workbench.labels.plain_array import masks_of
from workbench.labels.segment import Masks
from workbench.labels.segment_codes import Coded, OneOrMore, coded_segments
from workbench.labels.source_images import SourceImages, source_images
from workbench.writing import aside

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

SegType = Literal["BINARY", "FRACTIONAL", "LABELMAP"]

#: SOP classes of segmentations: plain, and label map (PS3.4 B.5).
SEGMENTATIONS: Final = ("1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7")
#: Steps between 0 and 1 of a written fraction (MaximumFractionalValue).
FRACTION_STEPS: Final = 255


@checked
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
    overwrite: bool = False,
) -> Path:
    """Write a DICOM SEG of *mask* on the slices of its images; the path of the file, which is whole or not there.

    Parameters
    ----------
    mask : xarray.DataArray or array
        (segment, z, y, x) or (z, y, x): bool, whole-number labels, or fractions. A DataArray may be cropped; it is
        placed by its coordinates and must agree in ``sop_instance_uid``. An array has the shape of the image.
    path : path
        File to write, in a folder that is there.
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
    overwrite : bool, default False
        Replace a file of that name. Only a segmentation is ever replaced, and never one that the mask came from.

    Returns
    -------
    Path

    Raises
    ------
    UsageError
        Codes, algorithm or the kind of fractions are missing; they are named. Or there is such a file already.
    GridMismatch
        The mask is not on the voxels of the images.
    LabelError
        Segments overlap in a LABELMAP, or the images' headers do not allow a segmentation.
    PathNotFound
        No such folder to write to.
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
    if not hasattr(mask, "dtype"):
        what = "a Dataset" if hasattr(mask, "data_vars") else f"{type(mask).__name__}"
        raise UsageError(f"mask cannot be {what}", remedy="give an array of masks or labels: ds['mask']")
    target = _target(path)
    source = source_images(mask, images)
    fraction = fraction or _stated_fraction(mask)
    masks = masks_of(mask, grid=source.plan.grid, sop_instance_uids=source.uids, names=names, fraction=fraction)
    written: SegType = kind or ("FRACTIONAL" if masks.kind == "fraction" else "BINARY")
    if (written == "FRACTIONAL") != (masks.kind == "fraction"):
        raise UsageError(f"{masks.kind}s are not written as {written}", remedy="leave kind out")
    if not masks.segments:
        raise UsageError("there is no segment to write", remedy="give a mask with at least one label")
    _require_free(target, source, {s.source_uid for s in masks.segments if s.source_uid}, overwrite=overwrite)
    if source.mosaic:
        raise LabelError(
            "these slices are tiles of a mosaic: DICOM has no segmentation of a part of a picture",
            series=source.series_uid,
            remedy="write NIfTI, ds.patient.to_nifti(..., variable='mask'), or have the series exported as multi-frame",
        )
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
        made.SeriesDescription = series_description
        made.SeriesNumber = series_number
        with aside(target) as place:
            made.save_as(place)
    return target


def _target(path: str | os.PathLike[str]) -> Path:
    """Where to write, in a folder that is there."""
    target = Path(path)
    if not target.parent.is_dir():
        raise PathNotFound("no such folder", file=target.parent.name, remedy="make it first, or check the path")
    if target.is_dir():
        raise UsageError("that is a folder", file=target.name, remedy="name a file in it, e.g. 'lesion.dcm'")
    return target


def _require_free(target: Path, source: SourceImages, uids: Collection[str], *, overwrite: bool) -> None:
    """Nothing where writing destroys nothing but a segmentation that the caller gives up."""
    if not os.path.lexists(target):
        return
    if target.exists() and source.holds(target):
        raise UsageError("that file is one of the images", file=target.name, remedy="name another file")
    if not overwrite:
        raise UsageError("there is such a file already", file=target.name, remedy="name another, or overwrite=True")
    from pydicom import dcmread

    try:
        held = dcmread(target, specific_tags=["SOPClassUID", "SOPInstanceUID"], stop_before_pixels=True)
    except Exception:
        held = None
    if held is None or held.get("SOPClassUID") not in SEGMENTATIONS:
        raise UsageError("only a segmentation is overwritten, and that file is none", file=target.name,
                         remedy="name another file")  # fmt: skip
    if held.get("SOPInstanceUID") in uids:
        raise UsageError("the mask came from that file", file=target.name, remedy="name another file")


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
    source: SourceImages, pixels: NDArray[Any], described: list[Coded], kind: SegType, fractional_type: str
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
