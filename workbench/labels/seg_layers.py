"""The voxels of a SEG, read frame by frame when they are asked for, and what must be looked at before.

Nothing is held open: a file name, a table of frames, and how their numbers become voxels.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from workbench.dicom.pixels.frame_refs import FrameRef
from workbench.dicom.pixels.frames import read_frames
from workbench.labels.placing import OUTSIDE
from workbench.labels.segment import Integers, Voxels

SegKind = Literal["BINARY", "FRACTIONAL", "LABELMAP"]

#: Pixels decoded at a time where they go through a buffer.
_BATCH_PIXELS: Final = 1 << 23
#: Frames beside the image that are looked into to count voxels; of more, frames are counted.
MOST_COUNTED: Final = 4096


@dataclass(frozen=True, slots=True, eq=False)
class Cells:
    """What is drawn where: one row per frame and segment on it, by segment and then by slice."""

    #: Place among the segments, (n,).
    segments: Integers
    #: Slice of the image, (n,).
    slices: Integers
    #: Number of the frame in the file, (n,).
    frames: Integers
    #: Row and column of the image on which the frame's first pixel falls once it is turned the image's way, (n, 2).
    corners: Integers
    #: +1, or -1 where rows or columns run the other way, (n, 2).
    signs: Integers

    def take(self, rows: Any) -> Cells:
        """Some of the rows."""
        return Cells(self.segments[rows], self.slices[rows], self.frames[rows], self.corners[rows], self.signs[rows])

    def sorted(self) -> Cells:
        """The rows by segment, slice and frame."""
        return self.take(np.lexsort((self.frames, self.slices, self.segments)))


@dataclass(frozen=True, slots=True, eq=False)
class SegLayers:
    """Masks of the segments of a SEG on the grid of an image; reads the frames that are asked for, and no other."""

    #: A frame of the file; the others differ in their number alone.
    pixels: FrameRef
    #: Slices, rows, columns of the image.
    shape: tuple[int, int, int]
    #: SegmentationType.
    kind: SegKind
    #: Fractions: the stored number that is 1.
    scale: float
    #: Label maps: the stored number of each segment, (segment,).
    labels: Integers
    #: Frames on the image.
    cells: Cells

    def read(self, segment: int, slices: Integers) -> Voxels:
        """Voxels (len(slices), y, x) of a segment: bool, or float32 fractions.

        Raises
        ------
        DicomError
            A frame cannot be read; ChangedFile where the file is not the one that was opened.
        """
        wanted, back = np.unique(np.asarray(slices, np.int64), return_inverse=True)
        dtype = np.float32 if self.kind == "FRACTIONAL" else np.bool_
        out: NDArray[Any] = np.zeros((len(wanted), *self.shape[1:]), dtype)
        first, last = np.searchsorted(self.cells.segments, [segment, segment + 1])
        cells = self.cells.take(slice(first, last))
        cells = cells.take(np.isin(cells.slices, wanted))
        spots = np.searchsorted(wanted, cells.slices)
        if self._straight(cells, spots):
            # Bits become 0 and 1, which is what a bool is: read where they belong.
            for start, stop in _runs(spots):
                read_frames(self.refs(cells.frames[start:stop]), _bytes(out, spots[start], stop - start), checked=False)
        else:
            for row, frame in self.stored(cells.frames):
                voxels = self._voxels(frame, segment)[:: cells.signs[row, 0], :: cells.signs[row, 1]]
                inner, outer = overlap(cells.corners[row], voxels.shape, self.shape[1:])
                target = out[spots[row]][outer]
                np.maximum(target, voxels[inner], out=target)
        return out if len(wanted) == len(slices) and (wanted == slices).all() else out[back.ravel()]

    def occupied(self, segment: int) -> Integers:
        """Slices on which a segment has frames, ascending."""
        first, last = np.searchsorted(self.cells.segments, [segment, segment + 1])
        return np.unique(self.cells.slices[first:last])

    def _straight(self, cells: Cells, spots: Integers) -> bool:
        ref = self.pixels
        return (
            self.kind == "BINARY" and ref.bits_allocated == 1 and (ref.rows, ref.columns) == self.shape[1:]
            and bool((np.diff(spots) > 0).all()) and not cells.corners.any() and bool((cells.signs == 1).all())
        )  # fmt: skip

    def _voxels(self, frame: NDArray[Any], segment: int) -> NDArray[Any]:
        if self.kind == "FRACTIONAL":
            return frame.astype(np.float32) / np.float32(self.scale)
        return np.asarray(frame == self.labels[segment] if self.kind == "LABELMAP" else frame != 0)

    def refs(self, frames: Integers) -> list[FrameRef]:
        """Where frames lie, by their number in the file."""
        return [self.pixels._replace(frame=frame) for frame in frames.tolist()]

    def stored(self, frames: Integers) -> Iterator[tuple[int, NDArray[Any]]]:
        """Number in the list and stored pixels (row, column) of frames, one after the other."""
        ref = self.pixels
        batch = max(1, _BATCH_PIXELS // (ref.rows * ref.columns))
        dtype = np.uint16 if ref.bits_allocated == 16 else np.uint8
        for start in range(0, len(frames), batch):
            part = frames[start : start + batch]
            buffer = np.empty((len(part), ref.rows, ref.columns), dtype)
            read_frames(self.refs(part), buffer, checked=False)
            for index, frame in enumerate(buffer):
                yield start + index, frame


def _runs(spots: Integers) -> list[tuple[int, int]]:
    """Start and end of stretches of spots that follow each other."""
    ends = np.flatnonzero(np.diff(spots) != 1) + 1
    bounds = [0, *ends.tolist(), len(spots)]
    return [(start, stop) for start, stop in pairwise(bounds) if stop > start]


def _bytes(out: NDArray[Any], first: int, count: int) -> NDArray[np.uint8]:
    return out[first : first + count].view(np.uint8)


def overlap(
    corner: NDArray[np.int64], shape: Sequence[int], limits: Sequence[int]
) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """Part of a picture at *corner* that falls on an image: within the picture, and within the image.

    Examples
    --------
    >>> overlap(np.array([-1, 2]), (4, 4), (8, 5))
    ((slice(1, 4, None), slice(0, 3, None)), (slice(0, 3, None), slice(2, 5, None)))
    """
    low = np.clip(corner, 0, limits)
    high = np.clip(corner + np.array(shape), low, limits)
    inner, outer = [], []
    for start, stop, at in zip(low.tolist(), high.tolist(), corner.tolist(), strict=True):
        inner.append(slice(start - at, stop - at))
        outer.append(slice(start, stop))
    return (inner[0], inner[1]), (outer[0], outer[1])


@dataclass(slots=True)
class Looked:
    """What only the pixels tell."""

    #: Segments without a voxel on the image, by their place.
    empty: list[int] = field(default_factory=list)
    #: Voxels beside the image, and frames they are on.
    outside_voxels: int = 0
    outside_frames: int = 0
    #: Frames beside the image that were not looked into.
    not_counted: int = 0
    #: Labels of no segment -> frames they are on.
    undescribed: dict[int, int] = field(default_factory=dict)


def look(layers: SegLayers, outside: Cells, n_segments: int) -> Looked:
    """Which segments are empty on the image and what lies beside it; reads no more frames than that takes.

    Parameters
    ----------
    layers : SegLayers
        Of a BINARY or FRACTIONAL SEG.
    outside : Cells
        Frames that do not lie on a slice of the image.
    n_segments : int
        How many segments there are.
    """
    found = Looked()
    cells = layers.cells
    bounds = np.searchsorted(cells.segments, np.arange(n_segments + 1))
    for segment, (first, last) in enumerate(zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True)):
        if not _any_voxel(layers, cells.take(slice(first, last))):
            found.empty.append(segment)
    size = np.array([layers.pixels.rows, layers.pixels.columns])
    crossing = ((cells.corners < 0) | (cells.corners + size > np.array(layers.shape[1:]))).any(axis=1)
    beside = [(outside, False), (cells.take(crossing), True)]
    for some, partly in beside:
        counted = some.take(slice(0, MOST_COUNTED))
        found.not_counted += len(some.frames) - len(counted.frames)
        for row, frame in layers.stored(counted.frames):
            voxels = int(np.count_nonzero(frame))
            if partly:
                turned = frame[:: counted.signs[row, 0], :: counted.signs[row, 1]]
                voxels -= int(np.count_nonzero(turned[overlap(counted.corners[row], frame.shape, layers.shape[1:])[0]]))
            found.outside_voxels += voxels
            found.outside_frames += voxels > 0
    return found


def _any_voxel(layers: SegLayers, cells: Cells) -> bool:
    """Whether a segment has a voxel on the image."""
    cells = cells.take(_spread(len(cells.frames)))
    start, step = 0, 1
    while start < len(cells.frames):
        part = cells.take(slice(start, start + step))
        for row, frame in layers.stored(part.frames):
            turned = frame[:: part.signs[row, 0], :: part.signs[row, 1]]
            if turned[overlap(part.corners[row], frame.shape, layers.shape[1:])[0]].any():
                return True
        start, step = start + step, min(step * 2, 64)
    return False


def _spread(count: int) -> Integers:
    """Numbers from 0 to *count*, the first ones far apart: a lesion on a tenth of the slices is met after some ten."""
    bits = max(1, (count - 1).bit_length())
    number, turned = np.arange(1 << bits), np.zeros(1 << bits, np.int64)
    for bit in range(bits):
        turned = turned << 1 | number >> bit & 1
    return turned[turned < count]


def look_at_labels(
    layers: SegLayers, outside: Cells, numbers: Sequence[int], background: frozenset[int]
) -> tuple[SegLayers, Looked]:
    """Which labels a LABELMAP has on which frame, so that later each segment reads its own frames alone.

    Parameters
    ----------
    layers : SegLayers
        With a row for every frame, whatever is on it.
    outside : Cells
        Frames that do not lie on a slice of the image.
    numbers : sequence of int
        Stored number of each segment.
    background : frozenset of int
        Stored numbers that belong to no segment.
    """
    found = Looked()
    places = {number: index for index, number in enumerate(numbers)}
    cells = layers.cells
    rows: list[int] = []
    segments: list[int] = []
    for row, frame in layers.stored(cells.frames):
        turned = frame[:: cells.signs[row, 0], :: cells.signs[row, 1]]
        inner, _ = overlap(cells.corners[row], frame.shape, layers.shape[1:])
        inside = _histogram(turned[inner])
        if turned[inner].size < frame.size:
            whole = _histogram(frame)
            beside = sum(whole[label] - inside.get(label, 0) for label in whole if label not in background)
            found.outside_voxels += beside
            found.outside_frames += beside > 0
        for label in inside:
            if label in places:
                rows.append(row)
                segments.append(places[label])
            elif label not in background:
                found.undescribed[label] = found.undescribed.get(label, 0) + 1
    counted = outside.take(slice(0, MOST_COUNTED))
    found.not_counted = len(outside.frames) - len(counted.frames)
    for _, frame in layers.stored(counted.frames):
        beside = sum(n for label, n in _histogram(frame).items() if label not in background)
        found.outside_voxels += beside
        found.outside_frames += beside > 0
    kept = replace(cells.take(rows), segments=np.array(segments, np.int64)).sorted()
    found.empty = sorted(set(range(len(numbers))) - set(segments))
    return replace(layers, cells=kept), found


def _histogram(frame: NDArray[Any]) -> dict[int, int]:
    """Label -> how many pixels have it."""
    counts = np.bincount(frame.ravel())
    labels = np.flatnonzero(counts)
    return dict(zip(labels.tolist(), counts[labels].tolist(), strict=True))


def cells_of(
    segments: Integers, slices: Integers, corners: Integers, signs: Integers, chosen: NDArray[np.bool_]
) -> tuple[Cells, Cells]:
    """Frames on the image, by segment and slice, and those beside it.

    Parameters
    ----------
    segments : array (frame,)
        Place among the segments.
    slices : array (frame,)
        Slice of the image; ``OUTSIDE`` beside it.
    corners, signs : array (frame, 2)
        As in :class:`Cells`.
    chosen : array (frame,) of bool
        Frames of described segments.
    """
    whole = Cells(segments, slices, np.arange(len(slices)), corners, signs)
    return whole.take(chosen & (slices >= 0)).sorted(), whole.take(chosen & (slices == OUTSIDE)).sorted()
