"""DICOM SEG: its segments, and their masks on a grid (PS3.3 C.8.20)."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from workbench.dicom.pixels.frame_refs import FrameRef
from workbench.dicom.stacks.geometry import Grid
from workbench.errors import LabelError
from workbench.findings import Finding
from workbench.labels.frames import FrameTable, frame_table, pixels_of, source_uids
from workbench.labels.header import Origin, code, content_date, empty_finding, first, items, origin_of, text
from workbench.labels.nearest import nearest
from workbench.labels.placing import (
    NOWHERE,
    OTHER_GRID,
    Placement,
    own_grid,
    place_by_position,
    place_by_source,
)
from workbench.labels.seg_header import SegHeader, read_seg_header
from workbench.labels.seg_layers import Looked, SegLayers, cells_of, look, look_at_labels
from workbench.labels.segment import Masks, Segment

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

_BACKGROUND = "DCM:125040"


def segments_of(dataset: Dataset, *, origin: Origin) -> tuple[Segment, ...]:
    """Segments of a SEG in its own order, the background of a LABELMAP left out.

    The background is the segment that carries PixelPaddingValue, or the code DCM 125040; label 0 is a segment
    like any other.
    """
    labelmap = text(dataset, "SegmentationType") == "LABELMAP"
    padding = text(dataset, "PixelPaddingValue") if labelmap else ""
    date = content_date(dataset, "Content")
    found: dict[int, Segment] = {}
    for item in items(dataset, "SegmentSequence"):
        number = text(item, "SegmentNumber")
        kind, meaning = code(item, "SegmentedPropertyTypeCodeSequence")
        if not number or number == padding or (labelmap and kind == _BACKGROUND):
            continue
        algorithm = text(item, "SegmentAlgorithmType")
        category_code, category = code(item, "SegmentedPropertyCategoryCodeSequence")
        region, region_meaning = code(item, "AnatomicRegionSequence")
        segment = Segment(
            number=int(number),
            name=text(item, "SegmentLabel") or meaning or f"segment {number}",
            code=kind,
            meaning=meaning,
            category=category,
            category_code=category_code,
            algorithm=algorithm,
            # What was drawn by hand may carry the name of the hand.
            annotator=text(item, "SegmentAlgorithmName") if algorithm in ("AUTOMATIC", "SEMIAUTOMATIC") else "",
            source_uid=origin.source_uid,
            series_uid=origin.series_uid,
            kind="SEG",
            region=region,
            region_meaning=region_meaning,
            date=date,
        )
        found.setdefault(segment.number, segment)
    return tuple(found.values())


def masks_of(
    path: str | os.PathLike[str],
    *,
    grid: Grid,
    sop_instance_uids: Sequence[str],
    name: str,
    check_frame: bool = True,
    resample: bool = False,
) -> Masks:
    """Masks (segment, z, y, x) of a SEG on a grid; boolean, or float32 fractions between 0 and 1.

    Frames are placed by their position (within 1 % of the step or 0.01 mm, whichever is larger), in any order,
    flipped, cropped or padded; frames that a writer left out are background. On images without a place in the
    patient the source image of each frame decides. Pixels are read when voxels are asked for; before, only what it
    takes to say which segments are empty and what lies beside the image (of a LABELMAP that is all of them, once).

    Parameters
    ----------
    path : path
        The segmentation.
    grid : Grid
        Of the images.
    sop_instance_uids : sequence of str
        SOPInstanceUID of each slice of the grid.
    name : str
        File, for findings and messages.
    check_frame : bool, default True
        Refuse another FrameOfReferenceUID.
    resample : bool, default False
        Frames on other voxels are brought onto the image by the nearest voxel, instead of a finding.

    Raises
    ------
    LabelError
        Where the object cannot be read.
    """
    header = read_seg_header(path, name=name)
    dataset = header.dataset
    origin = origin_of(dataset, name)
    segments = segments_of(dataset, origin=origin)
    kind = text(dataset, "SegmentationType")
    if kind not in ("BINARY", "FRACTIONAL", "LABELMAP"):
        raise LabelError("SegmentationType is not one that is read here", file=name, tag="SegmentationType")
    uid = text(dataset, "FrameOfReferenceUID")
    if check_frame and uid and grid.frame_of_reference_uid and uid != grid.frame_of_reference_uid:
        message = "segmentation and image differ in FrameOfReferenceUID"
        return Masks.none(grid.shape, origin.finding("label-frame-differs", message))

    pixels = pixels_of(header, path, name=name)
    table = frame_table(header, name=name)
    shape = (pixels.rows, pixels.columns)
    target = grid
    where = _placement(header, table, shape, grid, sop_instance_uids)
    if resample and grid.placed and (where.slices == OTHER_GRID).any() and (own := own_grid(table, shape)) is not None:
        target, where = own, place_by_position(table, shape, own)
    if refused := _refused(where, grid, origin):
        return Masks.none(grid.shape, refused)

    layers, looked = _layers(dataset, segments, pixels, table, where, target.shape, name)
    fraction = text(dataset, "SegmentationFractionalType").lower() if kind == "FRACTIONAL" else ""
    findings = _findings(looked, segments, len(table.segments), origin)
    if kind == "FRACTIONAL":
        findings.append(origin.finding("label-fractional", f"fractions of {fraction or 'a kind that is not stated'}"))
    if kind == "LABELMAP" and pixels.bits_allocated == 1:
        findings.append(origin.finding("label-contradictory", "it says LABELMAP, and its frames are of one bit"))
    masks = Masks(
        segments, target.shape, layers, "fraction" if kind == "FRACTIONAL" else "mask", fraction, tuple(findings)
    )
    if target is grid:
        return masks
    return nearest(masks, target, grid, origin, thickness_mm=_thickness(dataset))


def _thickness(dataset: Dataset) -> float:
    """What the object says of the distance between its slices, mm; NaN where it says nothing."""
    shared = first(dataset, "SharedFunctionalGroupsSequence")
    measures = first(shared, "PixelMeasuresSequence") if shared is not None else None
    stated = text(measures, "SpacingBetweenSlices") or text(measures, "SliceThickness")
    return float(stated) if stated else float("nan")


def _placement(
    header: SegHeader, table: FrameTable, shape: tuple[int, int], grid: Grid, uids: Sequence[str]
) -> Placement:
    if grid.placed:
        return place_by_position(table, shape, grid)
    return place_by_source(source_uids(header, len(table.segments)), shape, grid, uids)


def _refused(where: Placement, grid: Grid, origin: Origin) -> Finding | None:
    """Why nothing of the object is drawn: frames that have no place, or are on other voxels."""
    total = len(where.slices)
    if lost := int((where.slices == NOWHERE).sum()):
        reason = "have no position in the patient" if grid.placed else "were drawn on no image of the series"
        return origin.finding("label-grid-differs", f"{lost} of {total} frames {reason}", count=lost)
    if lost := int((where.slices == OTHER_GRID).sum()):
        message = f"{lost} of {total} frames are not on the voxels of the image"
        return origin.finding("label-grid-differs", message, count=lost)
    return None


def _layers(
    dataset: Dataset,
    segments: tuple[Segment, ...],
    pixels: FrameRef,
    table: FrameTable,
    where: Placement,
    shape: tuple[int, int, int],
    name: str,
) -> tuple[SegLayers, Looked]:
    """Where voxels come from, and what had to be looked at."""
    kind: Any = text(dataset, "SegmentationType")
    scale = float(text(dataset, "MaximumFractionalValue") or "nan")
    if kind == "FRACTIONAL" and not scale > 0:
        raise LabelError("fractions without a scale", file=name, tag="MaximumFractionalValue")
    numbers = np.array([segment.number for segment in segments], np.int64)
    if kind == "LABELMAP":
        every = np.ones(len(where.slices), np.bool_)
        here, beside = cells_of(np.zeros_like(where.slices), where.slices, where.corners, where.signs, every)
        layers = SegLayers(pixels, shape, kind, 1.0, numbers, here)
        return look_at_labels(layers, beside, numbers.tolist(), _background(dataset))
    only = segments[0].number if len(segments) == 1 else -1
    drawn = np.where(table.segments >= 0, table.segments, only)
    places = {number: index for index, number in enumerate(numbers.tolist())}
    index = np.array([places.get(number, -1) for number in drawn.tolist()], np.int64)
    here, beside = cells_of(index, where.slices, where.corners, where.signs, index >= 0)
    layers = SegLayers(pixels, shape, kind, scale, numbers, here)
    looked = look(layers, beside, len(segments))
    looked.undescribed = dict(Counter(drawn[index < 0].tolist()))
    return layers, looked


def _findings(looked: Looked, segments: tuple[Segment, ...], total: int, origin: Origin) -> list[Finding]:
    findings: list[Finding] = []
    if looked.outside_voxels:
        message = (
            f"{looked.outside_voxels} voxels of the segmentation lie outside the image or between its slices, "
            f"on {looked.outside_frames} of {total} frames"
        )
        findings.append(origin.finding("label-outside", message, count=looked.outside_voxels))
    if looked.not_counted:
        message = f"{looked.not_counted} further frames lie outside the image or reach beyond it; not counted by voxel"
        findings.append(origin.finding("label-outside", message, count=looked.not_counted))
    if looked.undescribed:
        labels = ", ".join(str(number) for number in sorted(looked.undescribed)[:5] if number >= 0)
        message = f"frames of segments that the object does not describe: {labels or 'not numbered'}"
        findings.append(origin.finding("label-unreadable", message, count=sum(looked.undescribed.values())))
    if looked.empty:
        findings.append(empty_finding([segments[index] for index in looked.empty], origin))
    return findings


def _background(dataset: Dataset) -> frozenset[int]:
    """Labels of a LABELMAP that belong to no segment.

    What is padding or described as background; 0 only where no padding is stated and 0 is not described.
    """
    described = items(dataset, "SegmentSequence")
    labels = {
        int(text(item, "SegmentNumber"))
        for item in described
        if code(item, "SegmentedPropertyTypeCodeSequence")[0] == _BACKGROUND
    }
    if padding := text(dataset, "PixelPaddingValue"):
        labels.add(int(padding))
    elif all(text(item, "SegmentNumber") != "0" for item in described):
        labels.add(0)
    return frozenset(labels)
