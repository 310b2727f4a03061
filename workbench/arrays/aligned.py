"""Values on a grid whose axes run along those of the old one: axis by axis, many times faster than the general way."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def aligned_axes(matrix: Floats, shape: tuple[int, int, int]) -> tuple[int, int, int] | None:
    """Old axis along which each new axis runs; None where one runs across several.

    Parameters
    ----------
    matrix : array (3, 3)
        New voxel number -> old voxel number, without offset.
    shape : (int, int, int)
        Size of the new grid; the direction of an axis with one voxel does not matter.

    Examples
    --------
    >>> aligned_axes(np.array([[0, 0, 2.0], [-1.0, 0, 0], [0, 0.5, 0]]), (4, 4, 4))
    (1, 2, 0)
    >>> aligned_axes(np.array([[1, 0.1, 0], [0, 1, 0], [0, 0, 1]]), (4, 4, 4)) is None
    True
    """
    found: list[int] = [-1, -1, -1]
    for new in range(3):
        if shape[new] == 1:
            continue
        # A drift of less than a ten-thousandth of a voxel over the whole axis is rounding.
        far = np.abs(matrix[:, new]) * (shape[new] - 1)
        along = np.flatnonzero(far > 1e-4)
        if len(along) != 1 or int(along[0]) in found:
            return None
        found[new] = int(along[0])
    left = [old for old in range(3) if old not in found]
    first, second, third = (axis if axis >= 0 else left.pop(0) for axis in found)
    return first, second, third


def fill_aligned(
    values: NDArray[Any],
    numbers: tuple[Floats, Floats, Floats],
    axes: tuple[int, int, int],
    out: NDArray[Any],
    *,
    method: str,
) -> None:
    """Fill *out* with *values* at old voxel *numbers* along *axes*; beyond the outermost centre its value holds.

    Parameters
    ----------
    values : array
        Old volume.
    numbers : three arrays
        Old voxel number of each new voxel, by new axis.
    axes : (int, int, int)
        Old axis of each new axis.
    out : array
        New volume, as long along each axis as *numbers*.
    method : {"nearest", "linear"}
        Linear is computed in float32.
    """
    turned = values.transpose(axes)
    inside = [np.clip(number, 0, size - 1) for number, size in zip(numbers, turned.shape, strict=True)]
    if method == "nearest":
        z, y, x = (np.floor(number + 0.5).astype(np.intp) for number in inside)
        for i, k in enumerate(z):
            out[i] = turned[k][y][:, x]
        return
    low = [np.floor(number).astype(np.intp) for number in inside]
    high = [np.minimum(lower + 1, size - 1) for lower, size in zip(low, turned.shape, strict=True)]
    z_share, y_share, x_share = ((number - lower).astype(np.float32) for number, lower in zip(inside, low, strict=True))
    for i in range(len(z_share)):
        plane = _between(turned[low[0][i]], turned[high[0][i]], z_share[i])
        rows = _between(plane[low[1]], plane[high[1]], y_share[:, None])
        # Columns first where they become fewer would be cheaper; rows first reads memory in order.
        out[i] = _between(rows[:, low[2]], rows[:, high[2]], x_share)


def _between(first: NDArray[Any], second: NDArray[Any], share: Any) -> NDArray[np.float32]:
    """Both mixed, float32; exactly one of them where the share is 0 or 1."""
    if np.ndim(share) == 0 and share == 0:
        return first.astype(np.float32, copy=False)
    mixed: NDArray[np.float32] = first.astype(np.float32) * (np.float32(1) - share)
    mixed += second.astype(np.float32, copy=False) * share
    return mixed
