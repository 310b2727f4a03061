"""Where the frames of a SEG go on the grid of an image: by their position, on the same voxels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from workbench.dicom.stacks.geometry import Grid, orientation_ok
from workbench.labels.frames import FrameTable, Plane

#: A frame is on a slice, and a pixel on a pixel, when they differ by no more than this share of the step ...
ALIGN_SHARE: Final = 0.01
#: ... or this many millimetres, whichever is larger.
ALIGN_MM: Final = 0.01

#: In place of a slice: the frame has no place; lies beyond the image, or on a slice that it does not have; is on other
#: voxels.
NOWHERE, OUTSIDE, OTHER_GRID = -1, -2, -3


@dataclass(frozen=True, slots=True, eq=False)
class Placement:
    """Where frames go on the grid, one row per frame."""

    #: Slice of the grid; negative where there is none, see the constants.
    slices: NDArray[np.int64]
    #: Row and column of the grid on which the frame's first pixel (after flipping) falls, (frame, 2).
    corners: NDArray[np.int64]
    #: +1, or -1 where rows or columns run the other way, (frame, 2).
    signs: NDArray[np.int64]


def _align(positions: NDArray[np.float64], plane: Plane, shape: tuple[int, int], grid: Grid) -> Placement:
    """Place frames that lie alike: by position, on the same voxels, up to flip, crop and pad."""
    count = len(positions)
    slices = np.full(count, OTHER_GRID, dtype=np.int64)
    corners, signs = np.zeros((count, 2), dtype=np.int64), np.ones((count, 2), dtype=np.int64)
    nowhere = Placement(slices, corners, signs)
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
    between = ~on_slice & ~beyond
    if between.any() and _on_lattice(along, depth, tolerance_mm):
        beyond |= between
    slices[on_slice & on_pixel] = nearest[on_slice & on_pixel]
    slices[beyond] = OUTSIDE
    signs[:] = sign
    corners[:] = np.rint(origin) + np.where(sign < 0, -extent, 0)
    return Placement(slices, corners, signs)


def _on_lattice(along: NDArray[np.float64], depth: NDArray[np.float64], tolerance_mm: float) -> bool:
    """Whether every slice of the image is a whole number of steps between frames away from them.

    Then the image holds some of the slices that were drawn on, and what was drawn between them is on none of its own.
    """
    depths = np.sort(depth)
    steps = np.diff(depths)
    steps = steps[steps > tolerance_mm]
    if not len(steps):
        return False
    whole = float(depths[-1] - depths[0])
    step = whole / np.rint(whole / steps.min())
    number = (along - depths[0]) / step
    return bool((np.abs(number - np.rint(number)) * step <= tolerance_mm).all())


def place_by_position(table: FrameTable, shape: tuple[int, int], grid: Grid) -> Placement:
    """Slice and corner of every frame by its position, on a grid that has a place in the patient.

    Parameters
    ----------
    table : FrameTable
        Of the segmentation.
    shape : (int, int)
        Rows and columns of a frame.
    grid : Grid
        Of the images.
    """
    count = len(table.positions)
    slices = np.full(count, NOWHERE, dtype=np.int64)
    whole = Placement(slices, np.zeros((count, 2), dtype=np.int64), np.ones((count, 2), dtype=np.int64))
    known = np.isfinite(table.positions).all(axis=1)
    for index, plane in enumerate(table.planes):
        chosen = (table.plane == index) & known
        part = _align(table.positions[chosen], plane, shape, grid)
        whole.slices[chosen], whole.corners[chosen], whole.signs[chosen] = part.slices, part.corners, part.signs
    return whole


def place_by_source(sources: Sequence[str], shape: tuple[int, int], grid: Grid, uids: Sequence[str]) -> Placement:
    """Slice of every frame by the image it was drawn on, for images without a place in the patient.

    Parameters
    ----------
    sources : sequence of str
        SOPInstanceUID that each frame names.
    shape : (int, int)
        Rows and columns of a frame.
    grid : Grid
        Of the images.
    uids : sequence of str
        SOPInstanceUID of each slice; one that stands for several places none.
    """
    count = len(sources)
    slices = np.full(count, NOWHERE, dtype=np.int64)
    if shape == grid.shape[1:]:
        times = Counter(uids)
        known = {uid: index for index, uid in enumerate(uids) if uid and times[uid] == 1}
        slices[:] = [known.get(uid, NOWHERE) for uid in sources]
    return Placement(slices, np.zeros((count, 2), dtype=np.int64), np.ones((count, 2), dtype=np.int64))


def own_grid(table: FrameTable, shape: tuple[int, int]) -> Grid | None:
    """Grid that the frames themselves lie on; None where they do not lie alike, or have no place."""
    from workbench.dicom.stacks.geometry import grid_from

    if len(table.planes) != 1 or not np.isfinite(table.positions).all():
        return None
    plane = table.planes[0]
    orientation = np.array(plane.orientation)
    if not (plane.known and orientation_ok(orientation)):
        return None
    depth = table.positions @ np.cross(orientation[:3], orientation[3:])
    # Frames of several segments lie on one slice: positions that the writer rounded differently are one place.
    order = np.argsort(depth, kind="stable")
    new = np.diff(depth[order], prepend=-np.inf) > ALIGN_MM
    return grid_from(table.positions[order][new], orientation, (plane.spacing[0], plane.spacing[1]), shape)
