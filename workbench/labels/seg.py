"""DICOM SEG: its segments, and their masks on a grid (PS3.3 C.8.20)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from workbench.dicom.stacks.geometry import Grid, orientation_ok
from workbench.errors import LabelError
from workbench.findings import Finding
from workbench.labels.frames import FrameTable, Plane, StoredFrames, frame_table
from workbench.labels.header import Origin, code, items, text
from workbench.labels.segment import Masks, Segment

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

#: A frame is on a slice, and a pixel on a pixel, when they differ by no more than this share of the step ...
ALIGN_SHARE: Final = 0.01
#: ... or this many millimetres, whichever is larger.
ALIGN_MM: Final = 0.01

_BACKGROUND = "DCM:125040"
_NOWHERE, _OUTSIDE, _OTHER_GRID = -1, -2, -3


def segments_of(dataset: Dataset, *, origin: Origin) -> tuple[Segment, ...]:
    """Segments of a SEG in its own order, the background of a LABELMAP left out.

    The background is the segment that carries PixelPaddingValue, or the code DCM 125040; label 0 is a segment
    like any other.
    """
    labelmap = text(dataset, "SegmentationType") == "LABELMAP"
    padding = text(dataset, "PixelPaddingValue") if labelmap else ""
    found: dict[int, Segment] = {}
    for item in items(dataset, "SegmentSequence"):
        number = text(item, "SegmentNumber")
        kind, meaning = code(item, "SegmentedPropertyTypeCodeSequence")
        if not number or number == padding or (labelmap and kind == _BACKGROUND):
            continue
        algorithm = text(item, "SegmentAlgorithmType")
        segment = Segment(
            number=int(number),
            name=text(item, "SegmentLabel") or meaning or f"segment {number}",
            code=kind,
            category=code(item, "SegmentedPropertyCategoryCodeSequence")[1],
            algorithm=algorithm,
            # What was drawn by hand may carry the name of the hand.
            annotator=text(item, "SegmentAlgorithmName") if algorithm in ("AUTOMATIC", "SEMIAUTOMATIC") else "",
            source_uid=origin.source_uid,
            series_uid=origin.series_uid,
            kind="SEG",
        )
        found.setdefault(segment.number, segment)
    return tuple(found.values())


@dataclass(frozen=True, slots=True, eq=False)
class _Placement:
    """Where frames go on the grid, one row per frame."""

    #: Slice of the grid; negative where there is none, see the constants.
    slices: NDArray[np.int64]
    #: Row and column of the grid on which the frame's first pixel (after flipping) falls, (frame, 2).
    corners: NDArray[np.int64]
    #: +1, or -1 where rows or columns run the other way, (frame, 2).
    signs: NDArray[np.int64]


def _align(positions: NDArray[np.float64], plane: Plane, shape: tuple[int, int], grid: Grid) -> _Placement:
    """Place frames that lie alike: by position, on the same voxels, up to flip, crop and pad."""
    count = len(positions)
    slices = np.full(count, _OTHER_GRID, dtype=np.int64)
    corners, signs = np.zeros((count, 2), dtype=np.int64), np.ones((count, 2), dtype=np.int64)
    nowhere = _Placement(slices, corners, signs)
    orientation = np.array(plane.orientation)
    if not (plane.known and orientation_ok(orientation)):
        return nowhere

    spacing = np.array(grid.pixel_spacing)
    axes = np.stack([grid.column_direction, grid.row_direction])
    # One step down and one step right in the frame, in mm, rows (row, column) and columns LPS.
    steps = np.stack([orientation[3:] * plane.spacing[0], orientation[:3] * plane.spacing[1]])
    turn = steps @ axes.T / spacing
    sign = np.where(np.diag(turn) < 0, -1, 1)
    extent = np.array(shape) - 1
    drift = np.abs(turn - np.diag(sign)).T @ extent
    tolerance = np.maximum(ALIGN_SHARE, ALIGN_MM / spacing)

    along = grid.positions @ grid.normal
    step = float(np.diff(along).min()) if len(along) > 1 else 0.0
    tolerance_mm = max(ALIGN_SHARE * step, ALIGN_MM)
    lean = float(np.abs(steps @ grid.normal) @ extent)
    if (drift > tolerance).any() or lean > tolerance_mm:
        return nowhere

    depth = positions @ grid.normal
    nearest = np.searchsorted((along[1:] + along[:-1]) / 2, depth)
    on_slice = np.abs(depth - along[nearest]) <= tolerance_mm
    origin = (positions - grid.positions[nearest]) @ axes.T / spacing
    on_pixel = (np.abs(origin - np.rint(origin)) + drift <= tolerance).all(axis=1)
    beyond = (depth < along[0] - tolerance_mm) | (depth > along[-1] + tolerance_mm)
    if grid.kind == "gaps":
        missing = (depth - along[0]) / grid.slice_spacing
        beyond |= ~on_slice & (np.abs(missing - np.rint(missing)) * grid.slice_spacing <= tolerance_mm)
    slices[on_slice & on_pixel] = nearest[on_slice & on_pixel]
    slices[beyond] = _OUTSIDE
    signs[:] = sign
    corners[:] = np.rint(origin) + np.where(sign < 0, -extent, 0)
    return _Placement(slices, corners, signs)


def _place(table: FrameTable, shape: tuple[int, int], grid: Grid, uids: Sequence[str]) -> _Placement:
    """Place every frame: by position, or on images without a place in the patient by the image it was drawn on."""
    count = len(table.positions)
    slices = np.full(count, _NOWHERE, dtype=np.int64)
    whole = _Placement(slices, np.zeros((count, 2), dtype=np.int64), np.ones((count, 2), dtype=np.int64))
    if not grid.placed:
        if shape == grid.shape[1:]:
            times = Counter(uids)
            known = {uid: index for index, uid in enumerate(uids) if uid and times[uid] == 1}
            slices[:] = [known.get(uid, _NOWHERE) for uid in table.sources]
        return whole
    for index, plane in enumerate(table.planes):
        chosen = (table.plane == index) & np.isfinite(table.positions).all(axis=1)
        part = _align(table.positions[chosen], plane, shape, grid)
        whole.slices[chosen], whole.corners[chosen], whole.signs[chosen] = part.slices, part.corners, part.signs
    return whole


class _Canvas:
    """The masks while frames are laid onto them, and what fell beside."""

    def __init__(self, segments: tuple[Segment, ...], grid: Grid, *, fractional: bool) -> None:
        self.rows = {segment.number: index for index, segment in enumerate(segments)}
        self.data: NDArray[Any] = np.zeros((len(segments), *grid.shape), dtype=np.float32 if fractional else np.bool_)
        self.outside = 0
        self.undescribed: dict[int, int] = {}

    def lay(self, number: int, frame: NDArray[Any], place: int, corner: NDArray[np.int64]) -> None:
        """Lay one frame of one segment, already turned the grid's way, onto its slice."""
        if number not in self.rows:
            self.undescribed[number] = self.undescribed.get(number, 0) + 1
            return
        if place == _OUTSIDE:
            self.outside += int(np.count_nonzero(frame))
            return
        low = np.clip(corner, 0, self.data.shape[2:])
        high = np.clip(corner + frame.shape, low, self.data.shape[2:])
        inside = frame[low[0] - corner[0] : high[0] - corner[0], low[1] - corner[1] : high[1] - corner[1]]
        if inside.shape != frame.shape:
            self.outside += int(np.count_nonzero(frame) - np.count_nonzero(inside))
        target = self.data[self.rows[number], place, low[0] : high[0], low[1] : high[1]]
        np.maximum(target, inside, out=target)


def masks_of(
    dataset: Dataset, *, grid: Grid, sop_instance_uids: Sequence[str], origin: Origin, check_frame: bool = True
) -> Masks:
    """Masks (segment, z, y, x) of a SEG on a grid; boolean, or float32 fractions between 0 and 1.

    Frames are placed by their position (within 1 % of the step or 0.01 mm, whichever is larger), in any order,
    flipped, cropped or padded; frames that a writer left out are background. On images without a place in the
    patient the source image of each frame decides.

    Parameters
    ----------
    dataset : pydicom.Dataset
        The segmentation with its pixels.
    grid : Grid
        Of the images.
    sop_instance_uids : sequence of str
        SOPInstanceUID of each slice of the grid.
    origin : Origin
        For findings.
    check_frame : bool, default True
        Refuse another FrameOfReferenceUID.

    Raises
    ------
    LabelError
        Where the pixels cannot be read.
    """
    segments = segments_of(dataset, origin=origin)
    kind = text(dataset, "SegmentationType")
    if kind not in ("BINARY", "FRACTIONAL", "LABELMAP"):
        raise LabelError("SegmentationType is not one that is read here", file=origin.path, tag="SegmentationType")

    def nothing(finding: str, message: str, *, count: int = 1) -> Masks:
        empty = np.zeros((0, *grid.shape), dtype=np.bool_)
        return Masks((), empty, findings=(origin.finding(finding, message, count=count),))

    uid = text(dataset, "FrameOfReferenceUID")
    if check_frame and uid and grid.frame_of_reference_uid and uid != grid.frame_of_reference_uid:
        return nothing("label-frame-differs", "segmentation and image differ in FrameOfReferenceUID")

    frames = StoredFrames(dataset, name=origin.path)
    table = frame_table(dataset, name=origin.path)
    where = _place(table, (int(dataset.Rows), int(dataset.Columns)), grid, sop_instance_uids)
    total = len(table.segments)
    if lost := int((where.slices == _NOWHERE).sum()):
        reason = "have no position in the patient" if grid.placed else "were drawn on no image of the series"
        return nothing("label-grid-differs", f"{lost} of {total} frames {reason}", count=lost)
    if lost := int((where.slices == _OTHER_GRID).sum()):
        message = f"{lost} of {total} frames are not on the voxels of the image"
        return nothing("label-grid-differs", message, count=lost)

    canvas = _Canvas(segments, grid, fractional=kind == "FRACTIONAL")
    for index, number, frame in _layers(dataset, frames, table, segments, origin=origin):
        rows, columns = where.signs[index]
        canvas.lay(number, frame[::rows, ::columns], int(where.slices[index]), where.corners[index])

    findings: list[Finding] = []
    if canvas.outside:
        message = f"{canvas.outside} voxels of the segmentation lie outside the image"
        findings.append(origin.finding("label-outside", message, count=canvas.outside))
    if canvas.undescribed:
        labels = ", ".join(str(number) for number in sorted(canvas.undescribed)[:5] if number >= 0)
        message = f"frames of segments that the object does not describe: {labels or 'not numbered'}"
        findings.append(origin.finding("label-unreadable", message, count=sum(canvas.undescribed.values())))
    fraction = text(dataset, "SegmentationFractionalType").lower() if kind == "FRACTIONAL" else ""
    if kind == "FRACTIONAL":
        findings.append(origin.finding("label-fractional", f"fractions of {fraction or 'a kind that is not stated'}"))
    return Masks(segments, canvas.data, fraction, tuple(findings))


def _layers(
    dataset: Dataset, frames: StoredFrames, table: FrameTable, segments: tuple[Segment, ...], *, origin: Origin
) -> Iterator[tuple[int, int, NDArray[Any]]]:
    """Frame index, segment number and values (row, column) of every segment on every frame."""
    kind = text(dataset, "SegmentationType")
    background = _background(dataset)
    most = np.float32(text(dataset, "MaximumFractionalValue") or "nan")
    if kind == "FRACTIONAL" and not most > 0:
        raise LabelError("fractions without a scale", file=origin.path, tag="MaximumFractionalValue")
    only = segments[0].number if len(segments) == 1 else -1
    for index, number in enumerate(table.segments.tolist()):
        frame = frames[index]
        if kind == "LABELMAP":
            for label in np.unique(frame).tolist():
                if label not in background:
                    yield index, label, frame == label
        elif kind == "FRACTIONAL":
            yield index, number if number >= 0 else only, frame.astype(np.float32) / most
        else:
            yield index, number if number >= 0 else only, frame.astype(np.bool_)


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
