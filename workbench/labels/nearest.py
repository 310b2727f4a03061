"""Masks of one grid on another in the same frame of reference: each voxel takes the nearest one of the masks' own grid.

Only where a caller asks for it: the edge of a structure moves by up to half a voxel. Voxels of a frame reach half a
step to either side; where frames were left out there is background, not the nearest frame that is there.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from workbench.dicom.stacks.geometry import Grid
from workbench.findings import Finding
from workbench.labels.header import Origin, empty_finding
from workbench.labels.segment import Floats, Integers, Layers, Masks, Voxels

#: Voxels of all segments together up to which it is looked where they come to lie.
MOST_LOOKED_AT: Final = 1 << 30
#: Slices brought over at a time.
_TOGETHER: Final = 8


@dataclass(frozen=True, slots=True, eq=False)
class NearestLayers:
    """Layers of one grid read on another, by the nearest voxel; outside their own grid there is background."""

    #: On their own grid.
    layers: Layers
    #: That grid.
    source: Grid
    #: Grid of the image.
    target: Grid
    #: How far along its normal a slice of the own grid reaches, mm to either side.
    reach_mm: float

    def read(self, segment: int, slices: Integers) -> Voxels:
        """Voxels (len(slices), y, x) of a segment."""
        out: NDArray[Any] | None = None
        for index, slice_ in enumerate(np.asarray(slices).tolist()):
            number, row, column, inside = self._indices(int(slice_))
            needed, place = np.unique(number[inside], return_inverse=True)
            stored = self.layers.read(segment, needed)
            if out is None:
                out = np.zeros((len(slices), *self.target.shape[1:]), stored.dtype)
            out[index][inside] = stored[place.ravel(), row[inside], column[inside]]
        if out is None:
            none = self.layers.read(segment, np.empty(0, np.int64))
            out = np.zeros((0, *self.target.shape[1:]), none.dtype)
        return out

    def _indices(self, slice_: int) -> tuple[Integers, Integers, Integers, NDArray[np.bool_]]:
        """Nearest voxel (slice, row, column) of the own grid for each voxel of a slice, and whether there is one."""
        rows, columns = np.ogrid[: self.target.shape[1], : self.target.shape[2]]
        source = self.source

        def along(direction: Floats) -> Floats:
            """Millimetres of every voxel centre along a direction, (y, x)."""
            down = self.target.column_direction @ direction * self.target.pixel_spacing[0]
            right = self.target.row_direction @ direction * self.target.pixel_spacing[1]
            return np.asarray(self.target.positions[slice_] @ direction + rows * down + columns * right)

        depths = source.positions @ source.normal
        depth = along(source.normal)
        number = np.searchsorted((depths[1:] + depths[:-1]) / 2, depth)
        inside = np.abs(depth - depths[number]) <= self.reach_mm * (1 + 1e-9)
        indices = []
        axes = (source.column_direction, source.row_direction)
        for direction, spacing, size in zip(axes, source.pixel_spacing, source.shape[1:], strict=True):
            # On tilted slices the first pixel wanders from slice to slice.
            exact = (along(direction) - (source.positions @ direction)[number]) / spacing
            index = np.floor(exact + 0.5).astype(np.int64)
            inside &= (index >= 0) & (index < size)
            indices.append(index)
        return number, indices[0], indices[1], inside


def nearest(masks: Masks, source: Grid, target: Grid, origin: Origin, *, thickness_mm: float = np.nan) -> Masks:
    """Masks of *source* on *target*, each voxel the nearest one; the findings say that it was done, and what was lost.

    Parameters
    ----------
    masks : Masks
        On their own grid.
    source : Grid
        That grid.
    target : Grid
        Grid of the image, in the same frame of reference.
    origin : Origin
        For findings.
    thickness_mm : float, optional
        What the object states of the distance between its slices; frames may have been left out, then the distance
        between those that are there says too much.

    Examples
    --------
    >>> from workbench.dicom.stacks.geometry import grid_from
    >>> from workbench.labels.segment import Segment
    >>> axial = np.array([1.0, 0, 0, 0, 1, 0])
    >>> coarse = grid_from(np.array([[0, 0, 0], [0, 0, 2.0]]), axial, (2, 2), (2, 2))
    >>> fine = grid_from(np.array([[0, 0, 0], [0, 0, 1.0], [0, 0, 2]]), axial, (1, 1), (3, 3))
    >>> data = np.zeros((1, 2, 2, 2), bool)
    >>> data[0, 0, 0, 0] = True
    >>> moved = nearest(Masks.from_array([Segment(1, "lesion")], data), coarse, fine, Origin("", "", "seg.dcm"))
    >>> moved.data[0, 0].astype(int)
    array([[1, 0, 0],
           [0, 0, 0],
           [0, 0, 0]])
    """
    depths = source.positions @ source.normal
    steps = np.diff(depths)
    step = float(np.fmin(steps.min(), thickness_mm)) if len(steps) else thickness_mm
    if not step > 0:
        step = float(max(source.pixel_spacing))
    layers = NearestLayers(masks.layers, source, target, step / 2)
    moved = replace(masks, shape=target.shape, layers=layers)
    message = f"brought onto the image from a grid of {_size(source)} by the nearest voxel"
    findings = [*masks.findings, origin.finding("label-resampled", message, count=len(masks.segments))]
    return replace(moved, findings=(*findings, *_lost(masks, moved, layers, origin)))


def _size(grid: Grid) -> str:
    z, y, x = grid.shape
    return f"{x}x{y}x{z} at {grid.pixel_spacing[1]:.2f}x{grid.pixel_spacing[0]:.2f} mm"


def _lost(masks: Masks, moved: Masks, layers: NearestLayers, origin: Origin) -> Iterator[Finding]:
    """Segments that come out empty, and voxels that lie beside the image."""
    n_voxels = len(masks.segments) * (int(np.prod(masks.shape)) + int(np.prod(moved.shape)))
    if n_voxels > MOST_LOOKED_AT:
        yield origin.finding("label-outside", "too large to look which voxels lie outside the image", count=0)
        return
    before = {segment.number for segment in masks.segments} - _empties(masks)
    empty = [s for s in moved.segments if s.number in before and s.number in _empties(moved)]
    if empty:
        yield empty_finding(empty, origin)
    outside = sum(_beside(masks, layers, index) for index in range(len(masks.segments)))
    if outside:
        message = f"{outside} voxels of the segmentation lie outside the image"
        yield origin.finding("label-outside", message, count=outside)


def _empties(masks: Masks) -> set[int]:
    empty = set()
    for index, segment in enumerate(masks.segments):
        parts = (np.arange(first, min(first + _TOGETHER, masks.shape[0])) for first in range(0, masks.shape[0], 8))
        if not any(masks.layers.read(index, part).any() for part in parts):
            empty.add(segment.number)
    return empty


def _beside(masks: Masks, layers: NearestLayers, segment: int) -> int:
    """Voxels of a segment, on its own grid, whose centre is on no voxel of the image."""
    source, target = layers.source, layers.target
    depths = target.positions @ target.normal
    middles = (depths[1:] + depths[:-1]) / 2
    steps = np.diff(depths)
    half = (float(steps.max()) if len(steps) else float(max(target.pixel_spacing))) / 2
    count = 0
    for slice_ in range(masks.shape[0]):
        rows, columns = np.nonzero(masks.layers.read(segment, np.array([slice_]))[0])
        if not len(rows):
            continue
        places = (
            source.positions[slice_]
            + np.outer(rows * source.pixel_spacing[0], source.column_direction)
            + np.outer(columns * source.pixel_spacing[1], source.row_direction)
        )
        depth = places @ target.normal
        number = np.searchsorted(middles, depth)
        on = np.abs(depth - depths[number]) <= half * (1 + 1e-9)
        axes = (target.column_direction, target.row_direction)
        for direction, spacing, size in zip(axes, target.pixel_spacing, target.shape[1:], strict=True):
            index = ((places - target.positions[number]) @ direction) / spacing
            on &= (index >= -0.5) & (index < size - 0.5)
        count += int(np.count_nonzero(~on))
    return count
