"""Which voxel of an array with an affine is which voxel of an image: axes permuted, flipped, cropped, padded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from workbench.dicom.stacks.geometry import Grid

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

#: Two voxels are the same when they are no further apart than this share of the step ...
ALIGN_SHARE: Final = 0.01
#: ... or this many millimetres, whichever is larger (as for the frames of a SEG).
ALIGN_MM: Final = 0.01


@dataclass(frozen=True, slots=True, eq=False)
class Overlay:
    """The voxels of an array on a grid; what of the grid the array does not reach is background."""

    #: Axes of the array that run along z, y and x of the grid.
    axes: tuple[int, int, int]
    #: Index into the array for each slice, row and column of the grid, -1 where it does not reach.
    indices: tuple[Integers, Integers, Integers]

    @property
    def shape(self) -> tuple[int, int, int]:
        """Slices, rows, columns of the grid."""
        z, y, x = (len(each) for each in self.indices)
        return z, y, x

    def inside(self, axis: int) -> Integers:
        """Indices along an axis of the array that lie on the grid, ascending."""
        along = self.indices[self.axes.index(axis)]
        return np.sort(along[along >= 0])

    def pick(
        self, array: NDArray[Any], slices: Integers, convert: Callable[[NDArray[Any]], NDArray[Any]], dtype: Any
    ) -> NDArray[Any]:
        """Converted values (len(slices), y, x) on slices of the grid; zero where the array does not reach."""
        whole = np.zeros((len(slices), *self.shape[1:]), dtype=dtype)
        wanted = self.indices[0][slices]
        (rows, row_source), (columns, column_source) = (_span(each) for each in self.indices[1:])
        turned = array.transpose(self.axes)
        # One slice at a time: a mapped file is read only where it is asked.
        for place in np.flatnonzero(wanted >= 0):
            whole[place, rows, columns] = convert(turned[wanted[place], row_source, column_source])
        return whole


def _span(indices: Integers) -> tuple[slice, slice]:
    """Part of the grid that is reached, and the part of the array that is there, in the grid's order."""
    here = np.flatnonzero(indices >= 0)
    if not len(here):
        return slice(0, 0), slice(0, 0)
    first, last = int(indices[here[0]]), int(indices[here[-1]])
    target = slice(int(here[0]), int(here[-1]) + 1)
    if last >= first:
        return target, slice(first, last + 1)
    return target, slice(first, last - 1 if last else None, -1)


def overlay(affine: Floats, shape: tuple[int, int, int], grid: Grid) -> Overlay | None:
    """Where the voxels of an array are on a grid, or None where they are on other places.

    Parameters
    ----------
    affine : array (4, 4)
        Index along the axes of the array -> LPS mm, voxel centres.
    shape : (int, int, int)
        Of the array.
    grid : Grid
        Of an image whose slices have a place. Slices that are missing or uneven need no affine: each slice of the
        array is looked for by its depth.

    Examples
    --------
    >>> from workbench.dicom.stacks.geometry import grid_from
    >>> z = np.array([[0, 0, 0], [0, 0, 2], [0, 0, 4.0]])
    >>> grid = grid_from(z, np.array([1.0, 0, 0, 0, 1, 0]), (1, 1), (4, 5))
    >>> flipped = np.array([[-1, 0, 0, 4], [0, 1, 0, 1], [0, 0, 2, 2], [0, 0, 0, 1.0]])
    >>> found = overlay(flipped, (5, 4, 3), grid)
    >>> found.axes, [each.tolist() for each in found.indices]
    ((2, 1, 0), [[-1, 0, 1], [-1, 0, 1, 2], [4, 3, 2, 1, 0]])
    """
    steps = affine[:3, :3].T
    lengths = np.linalg.norm(steps, axis=1)
    if not (np.isfinite(affine).all() and lengths.all()):
        return None
    directions = np.stack([grid.normal, grid.column_direction, grid.row_direction])
    alike = np.abs(steps / lengths[:, None] @ directions.T)
    # Rows and columns first: slices may be stacked askew.
    y_axis, x_axis = (int(alike[:, k].argmax()) for k in (1, 2))
    if y_axis == x_axis:
        return None
    axes = (3 - y_axis - x_axis, y_axis, x_axis)

    spacing = np.array(grid.pixel_spacing)
    tolerance = np.maximum(ALIGN_SHARE, ALIGN_MM / spacing)
    plane = np.stack([grid.column_direction, grid.row_direction])
    turn = steps[list(axes[1:])] @ plane.T / spacing
    sign = np.where(np.diag(turn) < 0, -1, 1)
    extent = np.array([shape[axis] - 1 for axis in axes[1:]])
    drift = np.abs(turn - np.diag(sign)).T @ extent
    lean = float(np.abs(steps[list(axes[1:])] @ grid.normal) @ extent)

    along = grid.positions @ grid.normal
    gaps = np.diff(along)
    tolerance_mm = max(ALIGN_SHARE * float(gaps.min()) if len(gaps) else 0.0, ALIGN_MM)
    starts = affine[:3, 3] + np.outer(np.arange(shape[axes[0]]), steps[axes[0]])
    depth = starts @ grid.normal
    nearest = np.abs(depth[:, None] - along).argmin(axis=1)
    on_slice = np.abs(depth - along[nearest]) <= tolerance_mm
    if (drift > tolerance).any() or lean > tolerance_mm or not _accounted(depth, along, on_slice, grid, tolerance_mm):
        return None
    offset = (starts - grid.positions[nearest])[on_slice] @ plane.T / spacing
    corner = np.rint(offset[0]) if len(offset) else np.zeros(2)
    if len(offset) and (np.abs(offset - corner) + drift > tolerance).any():
        return None
    slices = np.full(grid.shape[0], -1, dtype=np.int64)
    slices[nearest[on_slice]] = np.flatnonzero(on_slice)
    rows, columns = (
        _reached(int(corner[k]), int(sign[k]), shape[axes[k + 1]], grid.shape[k + 1] if len(offset) else 0)
        for k in (0, 1)
    )
    if not len(offset):
        rows, columns = (np.full(n, -1, dtype=np.int64) for n in grid.shape[1:])
    return Overlay(axes, (slices, rows, columns))


def _accounted(depth: Floats, along: Floats, on_slice: NDArray[np.bool_], grid: Grid, tolerance_mm: float) -> bool:
    """Whether each slice of the array is on one of the grid, beyond its ends, or where one is missing."""
    beyond = (depth < along[0] - tolerance_mm) | (depth > along[-1] + tolerance_mm)
    missing = np.zeros_like(on_slice)
    if grid.kind == "gaps":
        number = (depth - along[0]) / grid.slice_spacing
        missing = np.abs(number - np.rint(number)) * grid.slice_spacing <= tolerance_mm
    # Two slices of the array on one of the grid are a finer stack.
    taken = np.abs(depth[on_slice, None] - along).argmin(axis=1)
    return bool((on_slice | beyond | missing).all()) and len(np.unique(taken)) == len(taken)


def _reached(first: int, sign: int, length: int, size: int) -> Integers:
    """Index into the array for each index of the grid, along one axis of the plane."""
    index = (np.arange(size) - first) * sign
    return np.where((index >= 0) & (index < length), index, -1)
