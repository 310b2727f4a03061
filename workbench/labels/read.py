"""From a file to a description or to masks, by the kind of object in it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from workbench.dicom.headers.deflated import header_source
from workbench.dicom.stacks.geometry import Grid
from workbench.errors import DicomError, LabelError, PathNotFound, UsageError, WorkbenchError
from workbench.findings import Finding
from workbench.labels import rtstruct, seg
from workbench.labels.header import Origin, cut_off, first, items, origin_of, quiet, text, unique
from workbench.labels.seg_header import read_seg_header, sop_class_of
from workbench.labels.segment import Description, LabelKind, Masks

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

#: SOP class -> kind of label object (PS3.4 B.5).
SOP_CLASSES: Final[dict[str, LabelKind]] = {
    "1.2.840.10008.5.1.4.1.1.66.4": "SEG",
    "1.2.840.10008.5.1.4.1.1.66.7": "SEG",
    "1.2.840.10008.5.1.4.1.1.481.3": "RTSTRUCT",
}

_HEADER: Final = [
    "SOPClassUID",
    "SOPInstanceUID",
    "SeriesInstanceUID",
    "FrameOfReferenceUID",
    "ReferencedSeriesSequence",
    "SourceImageSequence",
    "ContentDate",
    "ContentTime",
    "StructureSetDate",
    "StructureSetTime",
    "SegmentationType",
    "SegmentSequence",
    "PixelPaddingValue",
    "ReferencedFrameOfReferenceSequence",
    "StructureSetROISequence",
    "RTROIObservationsSequence",
]
_REMEDY: Final = "ask the node for the object again"


def _read(path: str | Path, *, name: str, only: list[str] | None) -> tuple[Dataset, LabelKind, Origin]:
    """Dataset, kind and origin; with *only*, no more than these elements."""
    import pydicom

    # force: files without the preamble are read too; what they are is told by the SOP class.
    with open(path, "rb") as file:
        source = header_source(file, whole=True)
        dataset = pydicom.dcmread(source, force=True, specific_tags=only, stop_before_pixels=only is not None)
    if cut_off(dataset) and text(dataset, "SOPClassUID") in SOP_CLASSES:
        raise LabelError("the file is cut off", file=name, remedy="ask the node for the file again")
    kind = SOP_CLASSES.get(text(dataset, "SOPClassUID"))
    if kind is None:
        raise LabelError("neither a DICOM segmentation nor a structure set", file=name, remedy="name the label object")
    return dataset, kind, origin_of(dataset, name)


def _require(path: str | Path, name: str) -> None:
    if not Path(path).exists():
        raise PathNotFound("no such file", file=name)


def describe(path: str | Path, *, name: str = "") -> Description:
    """What a DICOM SEG or RTSTRUCT holds and refers to, from its header.

    Parameters
    ----------
    path : str or Path
        The file.
    name : str, optional
        Name for findings and messages, relative to the extract; by default the file's own.

    Returns
    -------
    Description

    Raises
    ------
    PathNotFound
        Where there is no such file.
    LabelError
        Where it is no label object or cannot be read.

    Examples
    --------
    >>> from pydicom.data import get_testdata_file
    >>> held = describe(get_testdata_file("liver_1frame.dcm"))
    >>> held.kind, [segment.name for segment in held.segments]
    ('SEG', ['Liver'])
    """
    name = name or Path(path).name
    _require(path, name)
    with quiet():
        try:
            return _describe(path, name)
        except WorkbenchError:
            raise
        except Exception as error:
            # Broken headers fail inside pydicom in many ways; its messages may quote values, so only the kind is kept.
            raise LabelError(f"header could not be read ({type(error).__name__})", file=name, remedy=_REMEDY) from None


def _describe(path: str | Path, name: str) -> Description:
    kind: LabelKind
    if SOP_CLASSES.get(sop_class_of(path)) == "SEG":
        dataset = read_seg_header(path, name=name).dataset
        kind, origin = "SEG", origin_of(dataset, name)
    else:
        dataset, kind, origin = _read(path, name=name, only=_HEADER)
    if kind == "SEG":
        segments = seg.segments_of(dataset, origin=origin)
        series = items(dataset, "ReferencedSeriesSequence")
        instances = [image for one in series for image in items(one, "ReferencedInstanceSequence")]
        instances += items(dataset, "SourceImageSequence")
        frames = [text(dataset, "FrameOfReferenceUID")]
    else:
        segments = rtstruct.segments_of(dataset, origin=origin)
        references = items(dataset, "ReferencedFrameOfReferenceSequence")
        studies = [study for one in references for study in items(one, "RTReferencedStudySequence")]
        series = [one for study in studies for one in items(study, "RTReferencedSeriesSequence")]
        instances = [image for one in series for image in items(one, "ContourImageSequence")]
        if not instances:
            # Only then are the contours read: each names the image it was drawn on.
            regions = items(_read(path, name=name, only=["SOPClassUID", "ROIContourSequence"])[0], "ROIContourSequence")
            contours = [contour for region in regions for contour in items(region, "ContourSequence")]
            instances = [image for contour in contours if (image := first(contour, "ContourImageSequence")) is not None]
        frames = [text(one, "ReferencedFrameOfReferenceUID") for one in items(dataset, "StructureSetROISequence")]
        frames += [text(one, "FrameOfReferenceUID") for one in references]
    findings: list[Finding] = []
    series_uids = unique(text(one, "SeriesInstanceUID") for one in series)
    if not series_uids:
        findings.append(origin.finding("label-source-missing", "names no series of images"))
    if not segments:
        findings.append(origin.finding("label-empty", "describes no segment"))
    return Description(
        kind=kind,
        segments=segments,
        referenced_series_uids=series_uids,
        referenced_instance_uids=unique(text(image, "ReferencedSOPInstanceUID") for image in instances),
        frame_of_reference_uids=unique(frames),
        fractional=text(dataset, "SegmentationType") == "FRACTIONAL",
        source_uid=origin.source_uid,
        series_uid=origin.series_uid,
        findings=tuple(findings),
    )


def masks_on_grid(
    path: str | Path,
    *,
    grid: Grid,
    sop_instance_uids: Sequence[str] = (),
    name: str = "",
    check_frame: bool = True,
    resample: Literal["nearest"] | None = None,
) -> Masks:
    """Masks (segment, z, y, x) of a DICOM SEG or RTSTRUCT on the grid of the images it refers to.

    Boolean; float32 between 0 and 1 for a fractional SEG, never thresholded. What cannot be drawn is left out and
    named in the findings.

    Parameters
    ----------
    path : str or Path
        The file.
    grid : Grid
        Of the images, slices ascending along the normal.
    sop_instance_uids : sequence of str, optional
        SOPInstanceUID of each slice of the grid, empty where unknown. Position decides; they are used only for
        images that have no place in the patient.
    name : str, optional
        Name for findings and messages, relative to the extract; by default the file's own.
    check_frame : bool, default True
        Do not draw what is in another frame of reference. Pass False if you know that they agree.
    resample : {"nearest"}, optional
        Bring a SEG on another grid onto the image by the nearest voxel. Without it, such a SEG is not drawn and a
        finding says so. Contours need none: they are drawn on the image's own voxels.

    Returns
    -------
    Masks
        Lazy: voxels are read from the file when they are asked for.

    Raises
    ------
    PathNotFound
        Where there is no such file.
    UsageError
        Where the UIDs are not one per slice, or *resample* is none that there is.
    LabelError
        Where it is no label object or cannot be read.

    Notes
    -----
    Even-odd fill at voxel centres, centres at whole indices, contours of one slice by exclusive or: PS3.3
    C.8.8.6.3. Frames of a SEG by Plane Position, C.7.6.16.2.3.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> from pydicom.dataset import Dataset, FileMetaDataset
    >>> from pydicom.uid import ExplicitVRLittleEndian, RTStructureSetStorage
    >>> contour, drawn, region, structures = Dataset(), Dataset(), Dataset(), Dataset()
    >>> contour.ContourGeometricType = "CLOSED_PLANAR"
    >>> contour.ContourData = [1, 1, 2, 3, 1, 2, 3, 3, 2, 1, 3, 2]
    >>> drawn.ReferencedROINumber, drawn.ContourSequence = 1, [contour]
    >>> region.ROINumber, region.ROIName = 1, "tumour"
    >>> structures.SOPClassUID = RTStructureSetStorage
    >>> structures.StructureSetROISequence, structures.ROIContourSequence = [region], [drawn]
    >>> structures.file_meta = FileMetaDataset()
    >>> structures.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    >>> from workbench.dicom.stacks.geometry import grid_from
    >>> slices = np.array([[0, 0, 0], [0, 0, 2], [0, 0, 4.0]])
    >>> grid = grid_from(slices, np.array([1.0, 0, 0, 0, 1, 0]), (1, 1), (5, 5))
    >>> with tempfile.NamedTemporaryFile(suffix=".dcm") as file:
    ...     structures.save_as(file.name, enforce_file_format=False)
    ...     masks = masks_on_grid(file.name, grid=grid)
    >>> masks.segments[0].name, masks.data[0].sum(axis=(1, 2)).tolist()
    ('tumour', [0, 9, 0])
    """
    name = name or Path(path).name
    uids = [str(uid) for uid in sop_instance_uids]
    if uids and len(uids) != grid.shape[0]:
        raise UsageError(f"{len(uids)} instance UIDs for {grid.shape[0]} slices", file=name)
    if resample not in (None, "nearest"):
        raise UsageError(f"resample={resample!r} is not 'nearest'", file=name)
    _require(path, name)
    with quiet():
        try:
            kind = SOP_CLASSES.get(sop_class_of(path))
            if kind == "SEG":
                return seg.masks_of(
                    path, grid=grid, sop_instance_uids=uids, name=name, check_frame=check_frame,
                    resample=resample == "nearest",
                )  # fmt: skip
            dataset, _, origin = _read(path, name=name, only=None)
            return rtstruct.masks_of(dataset, grid=grid, origin=origin, check_frame=check_frame)
        except WorkbenchError as error:
            if isinstance(error, DicomError):
                raise LabelError(error.what, file=name, tag=error.tag, remedy=error.remedy) from None
            raise
        except Exception as error:
            # As in describe: any failure of a broken object is this object's alone, and its values stay out of it.
            raise LabelError(f"could not be read ({type(error).__name__})", file=name, remedy=_REMEDY) from None
