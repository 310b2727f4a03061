"""Masks grown, shrunk and tidied up, in millimetres on the image's own grid: anisotropic and oblique ones too.

Distances are from voxel centre to voxel centre, so a ball of *mm* takes the voxels whose centre lies in it. Beyond
the image there is background without end: a mask that meets the edge is eroded there, and closing never loses a voxel.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from workbench.arguments import checked
from workbench.errors import UsageError
from workbench.measure.crop import Box, region
from workbench.measure.given import Given, given_back, masks_of

if TYPE_CHECKING:
    from workbench.arrays import ImageGrid

Mask = NDArray[np.bool_]
#: Difference of distances that rounding of the spacing explains, mm.
_ROUNDING: Final = 1e-6


@checked
def dilate(mask: Given, *, mm: float) -> Given:
    """Masks and all voxels whose centre is within *mm* of one of theirs; same dims and coordinates.

    Parameters
    ----------
    mask : DataArray or Dataset
        Boolean (z, y, x) or (segment, z, y, x), or a Dataset with such a ``mask``; what is given comes back.
    mm : float
        Radius of the ball, at least the smallest distance of voxels. Thick slices are reached only where it is as
        large as their distance.

    Raises
    ------
    IrregularGeometry
        Slices missing, uneven, tilted, alone or without a place.
    UsageError
        Not boolean masks, or a radius that reaches no voxel.

    Examples
    --------
    >>> from workbench.arrays import from_array
    >>> ds = from_array(np.zeros((3, 2, 5)), np.diag([1.0, 1.0, 3.0, 1.0])[:, [2, 1, 0, 3]])
    >>> dot = ds["image"] > 0
    >>> dot[1, 0, 2] = True
    >>> dilate(dot, mm=1).values.astype(int).tolist()[1], int(dilate(dot, mm=1).sum())
    ([[0, 1, 1, 1, 0], [0, 0, 1, 0, 0]], 4)
    """
    return _by_ball(mask, mm, "dilate", _dilated)


@checked
def erode(mask: Given, *, mm: float) -> Given:
    """Masks without the voxels whose centre is within *mm* of the background; same dims and coordinates.

    Beyond the image is background. Parameters and errors are those of :func:`dilate`.

    Examples
    --------
    >>> from workbench.arrays import from_array
    >>> ds = from_array(np.zeros((3, 3, 3)), np.eye(4)[:, [2, 1, 0, 3]])
    >>> int(erode(ds["image"] == 0, mm=1).sum())
    1
    """
    return _by_ball(mask, mm, "erode", _eroded)


@checked
def opening(mask: Given, *, mm: float) -> Given:
    """Masks eroded, then dilated by *mm*: without parts and bridges thinner than the ball; same dims and coordinates.

    Parameters and errors are those of :func:`dilate`.

    Examples
    --------
    >>> from workbench.arrays import from_array
    >>> ds = from_array(np.zeros((3, 3, 7)), np.eye(4)[:, [2, 1, 0, 3]])
    >>> cube_and_line = ds["image"] == 0
    >>> cube_and_line[:, :, 3:] = False
    >>> cube_and_line[1, 1, 3:] = True
    >>> opening(cube_and_line, mm=1)[1, 1].values.astype(int).tolist()
    [1, 1, 1, 1, 0, 0, 0]
    """
    return _by_ball(mask, mm, "opening", lambda part, grid, ball: _dilated(_eroded(part, grid, ball), grid, ball))


@checked
def closing(mask: Given, *, mm: float) -> Given:
    """Masks dilated, then eroded by *mm*: gaps narrower than the ball are filled; same dims and coordinates.

    Parameters and errors are those of :func:`dilate`.

    Examples
    --------
    >>> from workbench.arrays import from_array
    >>> ds = from_array(np.zeros((3, 3, 5)), np.eye(4)[:, [2, 1, 0, 3]])
    >>> gap = ds["image"] == 0
    >>> gap[:, :, 2] = False
    >>> closing(gap, mm=1)[1, 1].values.tolist()
    [True, True, True, True, True]
    """
    return _by_ball(mask, mm, "closing", lambda part, grid, ball: _eroded(_dilated(part, grid, ball), grid, ball))


@checked
def largest_part(mask: Given, *, connectivity: int = 3) -> Given:
    """Masks of which only the part with the most voxels is left, per segment; the first of equals by voxel order.

    Parameters
    ----------
    mask : DataArray or Dataset
        Boolean (z, y, x) or (segment, z, y, x), or a Dataset with such a ``mask``; what is given comes back.
    connectivity : int, default 3
        3: voxels that share a corner are one part; 2: an edge; 1: a face.

    Examples
    --------
    >>> from workbench.arrays import from_array
    >>> ds = from_array(np.array([[[1, 0, 1, 1]]]), np.eye(4)[:, [2, 1, 0, 3]])
    >>> largest_part(ds["image"] == 1).values.tolist()
    [[[False, False, True, True]]]
    """

    def largest(part: Mask) -> Mask:
        numbers = _parts(part, connectivity)
        sizes = np.bincount(numbers.ravel())
        sizes[0] = 0
        kept: Mask = numbers == int(np.argmax(sizes))
        return kept

    _check_connectivity(connectivity)
    return _each(mask, lambda part: largest(part) if part.any() else part)


@checked
def remove_small(mask: Given, *, mm3: float, connectivity: int = 3) -> Given:
    """Masks without the parts that are smaller than *mm3*, per segment; same dims and coordinates.

    Parameters
    ----------
    mask : DataArray or Dataset
        Boolean (z, y, x) or (segment, z, y, x), or a Dataset with such a ``mask``; what is given comes back.
    mm3 : float
        Parts of at least this volume (voxels times the volume of one) stay.
    connectivity : int, default 3
        3: voxels that share a corner are one part; 2: an edge; 1: a face.

    Raises
    ------
    IrregularGeometry
        Slices missing, uneven, alone or without a place: a voxel has no volume.

    Examples
    --------
    >>> from workbench.arrays import from_array
    >>> ds = from_array(np.array([[[1, 0, 1, 1]] * 2] * 2), np.diag([1.0, 1.0, 3.0, 1.0])[:, [2, 1, 0, 3]])
    >>> remove_small(ds["image"] == 1, mm3=20).values[0, 0].tolist()
    [False, False, True, True]
    """
    _check_connectivity(connectivity)
    if isinstance(mm3, bool) or not np.isfinite(mm3) or mm3 <= 0:
        raise UsageError(f"mm3 cannot be {mm3!r}", remedy="give cubic millimetres above 0")
    voxel = float(np.prod(masks_of(mask).grid("remove_small", sheared=True).spacing))

    def large(part: Mask) -> Mask:
        numbers = _parts(part, connectivity)
        stays = np.bincount(numbers.ravel()) * voxel >= mm3 * (1 - 1e-9)
        stays[0] = False
        kept: Mask = stays[numbers]
        return kept

    return _each(mask, large)


@checked
def fill_holes(mask: Given, *, by_slice: bool = False) -> Given:
    """Masks with their holes filled: background that no path over faces joins to the outside; per segment.

    Parameters
    ----------
    mask : DataArray or Dataset
        Boolean (z, y, x) or (segment, z, y, x), or a Dataset with such a ``mask``; what is given comes back.
    by_slice : bool, default False
        Whether holes are looked for in each slice by itself: more is filled, also what is open towards other slices.

    Examples
    --------
    >>> from workbench.arrays import from_array
    >>> ds = from_array(np.array([[[1, 1, 1], [1, 0, 1], [1, 1, 1]]]), np.eye(4)[:, [2, 1, 0, 3]])
    >>> int(fill_holes(ds["image"] == 1).sum()), int(fill_holes(ds["image"] == 1, by_slice=True).sum())
    (8, 9)
    """
    from scipy.ndimage import binary_fill_holes

    def filled(part: Mask) -> Mask:
        if not by_slice:
            whole: Mask = binary_fill_holes(part)
            return whole
        return np.stack([binary_fill_holes(one) for one in part]) if len(part) else part

    return _each(mask, filled)


def _each(given: Given, function: Callable[[Mask], Mask]) -> Given:
    """*given* with *function* of each of its masks (z, y, x)."""
    masks = masks_of(given)
    found = np.zeros(masks.array.shape, dtype=bool)
    for index in range(masks.array.sizes[masks.dim]) if masks.dim else [None]:
        one = masks.array if index is None else masks.array.isel({masks.dim: index})
        found[... if index is None else index] = function(np.asarray(one.values))
    return given_back(given, "mask", masks.array.copy(data=found))


def _by_ball(given: Given, mm: float, operation: str, function: Callable[[Mask, ImageGrid, float], Mask]) -> Given:
    """*given* with *function* of each of its masks, in a box with room for the ball."""
    masks = masks_of(given)
    grid = masks.grid(operation)
    if isinstance(mm, (bool, str)) or not np.isfinite(mm) or mm < min(grid.spacing) - _ROUNDING:
        least = min(grid.spacing)
        raise UsageError(
            f"mm cannot be {mm!r}: voxels are {least:.2f} mm apart, so nothing would change",
            remedy=f"give {least:.2f} mm or more",
        )
    most = sum(n * step for n, step in zip(grid.shape, grid.spacing, strict=True))
    if mm > most:
        raise UsageError(f"mm={mm!r} is more than the image is wide", remedy=f"give at most {most:.0f} mm")
    room = [int((mm + _ROUNDING) / step) + 1 for step in grid.spacing]
    found = np.zeros(masks.array.shape, dtype=bool)
    for index in range(masks.array.sizes[masks.dim]) if masks.dim else [None]:
        one = masks.array if index is None else masks.array.isel({masks.dim: index})
        held = region(one, grid)
        if held is None:
            continue
        result = function(np.pad(held.mask, [(n, n) for n in room]), grid, float(mm))
        target, source = _within(held.box, room, one.shape)
        (found if index is None else found[index])[target] = result[source]
    return given_back(given, "mask", masks.array.copy(data=found))


def _within(box: Box, room: list[int], shape: tuple[int, ...]) -> tuple[Any, Any]:
    """What of a box with room around it lies in the image: there, and in the box."""
    target, source = [], []
    for part, margin, size in zip(box, room, shape, strict=True):
        start, stop = max(0, part.start - margin), min(size, part.stop + margin)
        target.append(slice(start, stop))
        source.append(slice(start - part.start + margin, stop - part.start + margin))
    return tuple(target), tuple(source)


def _dilated(part: Mask, grid: ImageGrid, ball: float) -> Mask:
    from scipy.ndimage import distance_transform_edt

    if not part.any():
        return part
    near: Mask = distance_transform_edt(~part, sampling=grid.spacing) <= ball + _ROUNDING
    return near


def _eroded(part: Mask, grid: ImageGrid, ball: float) -> Mask:
    from scipy.ndimage import distance_transform_edt

    # There is room around every mask, so that the background is never out of sight.
    left: Mask = distance_transform_edt(part, sampling=grid.spacing) > ball + _ROUNDING
    return left


def _parts(part: Mask, connectivity: int) -> NDArray[np.int32]:
    """Number of the part of each voxel, 0 for background; parts are numbered in the order of voxels."""
    from scipy.ndimage import generate_binary_structure, label

    numbers, _ = label(part, structure=generate_binary_structure(3, connectivity))
    return np.asarray(numbers, dtype=np.int32)


def _check_connectivity(connectivity: int) -> None:
    if connectivity not in (1, 2, 3):
        raise UsageError(f"connectivity cannot be {connectivity!r}", remedy="use 1, 2 or 3")
