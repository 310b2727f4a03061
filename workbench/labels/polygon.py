"""Even-odd fill of contours with float vertices, voxel centres at integer indices.

The interiors of the contours of one slice combine by exclusive or, so that a contour within a contour is a hole.
A centre on the path of a contour is part of the region (PS3.3 C.8.8.6.3: "points in space lying along the path
defined by the contour are considered to be part of the ROI"), also on the border of a hole and where two contours
touch. A fill that includes borders contour by contour, as `skimage.draw.polygon` does, would cancel those.

`skimage.measure.grid_points_in_poly` agrees but for centres on a path, some of which it misses (the tests compare);
its time grows with pixels x vertices: an outline of 2000 points on 512 x 512 takes it 0.6 s, this one 0.004 s.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Mask = NDArray[np.bool_]

#: Vertices are rounded to this many decimals of a pixel, and what is no further from a path lies on it: rounding in
#: the change from millimetres to pixels must not decide on which side of its own outline a voxel is.
DECIMALS: Final = 7
_NEAR: Final = 10.0**-DECIMALS


def fill_contours(contours: Iterable[Floats], *, shape: tuple[int, int]) -> Mask:
    """Boolean (row, column): the pixels whose centre lies in an odd number of contours, or on the path of one.

    Parameters
    ----------
    contours : iterable of array (n, 2)
        Row and column index of each vertex, as floats; pixel centres are whole numbers. Contours close themselves,
        and may reach beyond the image.
    shape : (int, int)
        Rows, columns.

    Returns
    -------
    array (row, column) of bool

    Examples
    --------
    >>> outer = np.array([[0, 0], [0, 6], [6, 6], [6, 0]])
    >>> hole = np.array([[1.5, 1.5], [1.5, 4.5], [4.5, 4.5], [4.5, 1.5]])
    >>> fill_contours([outer, hole], shape=(8, 8)).astype(int)
    array([[1, 1, 1, 1, 1, 1, 1, 0],
           [1, 1, 1, 1, 1, 1, 1, 0],
           [1, 1, 0, 0, 0, 1, 1, 0],
           [1, 1, 0, 0, 0, 1, 1, 0],
           [1, 1, 0, 0, 0, 1, 1, 0],
           [1, 1, 1, 1, 1, 1, 1, 0],
           [1, 1, 1, 1, 1, 1, 1, 0],
           [0, 0, 0, 0, 0, 0, 0, 0]])
    """
    inside = np.zeros(shape, dtype=np.bool_)
    path = np.zeros(shape, dtype=np.bool_)
    for contour in contours:
        vertices: Floats = np.asarray(np.round(contour, DECIMALS), dtype=np.float64)
        _turn_over(inside, vertices)
        _trace(path, vertices)
    return inside | path


def _crossings(vertices: Floats, low: int, high: int) -> tuple[Integers, Floats]:
    """Where the edges cross the lines of whole first coordinate in [low, high): that coordinate, and the second one.

    An edge counts at its smaller end and not at its larger: a vertex on a line is crossed once, not twice.
    """
    # Every edge is taken from its smaller to its larger end: a line that is run twice, once each way (the channel to
    # an inner ring), then crosses at bit-identical places and cancels out.
    following = np.roll(vertices, -1, axis=0)
    upward = (vertices[:, 0] <= following[:, 0])[:, None]
    start, end = np.where(upward, vertices, following), np.where(upward, following, vertices)
    first = np.clip(np.ceil(start[:, 0]), low, high).astype(np.int64)
    count = np.clip(np.ceil(end[:, 0]), low, high).astype(np.int64) - first
    edge = np.repeat(np.arange(len(vertices)), count)
    line = first[edge] + np.arange(len(edge)) - np.repeat(np.cumsum(count) - count, count)
    start, end = start[edge], end[edge]
    share = (line - start[:, 0]) / (end[:, 0] - start[:, 0])
    return line, start[:, 1] + share * (end[:, 1] - start[:, 1])


def _turn_over(mask: Mask, vertices: Floats) -> None:
    """Turn over, in place, the pixels inside one contour; work is limited to its bounding box."""
    limits = np.array(mask.shape)
    low = np.clip(np.floor(vertices.min(axis=0)), 0, limits).astype(np.int64)
    high = np.clip(np.ceil(vertices.max(axis=0)) + 1, 0, limits).astype(np.int64)
    rows, columns = (int(n) for n in high - low)
    if not rows or not columns:
        return
    row, crossing = _crossings(vertices, low[0], high[0])
    column = np.clip(np.ceil(crossing), low[1], high[1]).astype(np.int64)
    cells = (row - low[0]) * (columns + 1) + (column - low[1])
    odd = (np.bincount(cells, minlength=rows * (columns + 1)) & 1).astype(np.uint8).reshape(rows, columns + 1)
    mask[low[0] : high[0], low[1] : high[1]] ^= np.bitwise_xor.accumulate(odd, axis=1)[:, :-1].astype(np.bool_)


def _trace(mask: Mask, vertices: Floats) -> None:
    """Set, in place, the pixels whose centre lies on the path of one contour."""
    row, at_column = _crossings(vertices, 0, mask.shape[0])
    column, at_row = _crossings(vertices[:, ::-1], 0, mask.shape[1])
    points = np.concatenate([vertices, np.stack([row, at_column], axis=1), np.stack([at_row, column], axis=1)])
    whole = np.rint(points)
    on = (np.abs(points - whole) <= _NEAR).all(axis=1) & (whole >= 0).all(axis=1) & (whole < mask.shape).all(axis=1)
    found = whole[on].astype(np.int64)
    mask[found[:, 0], found[:, 1]] = True
