"""Values on a grid that runs across the axes of the old one: gathered tile by tile, several times as fast as a spline.

The general interpolators of the usual libraries evaluate a spline at every voxel and in float64. Here the eight
neighbours of a tile of voxels are gathered at once and mixed in float32, while they are still in the cache.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

#: Voxels worked on at a time: their work arrays, some sixty bytes a voxel, stay near the core, and
#: threads seldom wait for each other.
TILE_VOXELS: Final = 1 << 16


def fill_oblique(values: NDArray[Any], matrix: Floats, offset: Floats, out: NDArray[Any], *, method: str) -> None:
    """Fill *out* with *values* at the old voxel numbers ``matrix @ number + offset``; its edge goes on beyond the old.

    Parameters
    ----------
    values : array (z, y, x), C-contiguous
        Old volume.
    matrix : array (3, 3)
        New voxel number -> old voxel number, without offset.
    offset : array (3,)
        Old voxel number of the first new voxel.
    out : array (z, y, x)
        New volume.
    method : {"nearest", "linear"}
        Numbers of voxels are computed in float64, linear values in float32.

    Notes
    -----
    Memory: work arrays of ``TILE_VOXELS``, or of one row of *out* where that is longer.

    Examples
    --------
    >>> values = np.arange(8, dtype="int16").reshape(2, 2, 2)
    >>> turn = np.array([[0.5, 0, 0.0], [0, 0.5, 0.25], [0, 0, 0.25]])
    >>> out = np.empty((1, 1, 3), "float32")
    >>> fill_oblique(values, turn, np.zeros(3), out, method="linear")
    >>> out.tolist()
    [[[0.0, 0.75, 1.5]]]
    """
    flat = values.reshape(-1)
    if not (out.size and flat.size):
        return
    depth, height, width = out.shape
    tile = _Tile(values.shape, max(1, TILE_VOXELS // width), width)
    # Infinities mix to NaN, as they should.
    with np.errstate(invalid="ignore", over="ignore"):
        for k in range(depth):
            for top in range(0, height, tile.rows):
                rows = np.arange(top, min(top + tile.rows, height))
                target = out[k, top : top + len(rows)]
                starts = offset[:, None] + matrix[:, :1] * k + matrix[:, 1:2] * rows
                if method == "nearest":
                    tile.nearest(flat, starts, matrix[:, 2], target)
                else:
                    tile.linear(flat, starts, matrix[:, 2], target)


class _Tile:
    """Work arrays for some rows of the new volume, used again for the next.

    Parameters
    ----------
    shape : (int, int, int)
        Of the old volume.
    rows, width : int
        Of the tile.
    """

    def __init__(self, shape: tuple[int, ...], rows: int, width: int) -> None:
        self.shape: Final = shape
        #: Values between neighbours along each old axis; none where there is but one voxel.
        self.steps: Final = tuple(
            stride if size > 1 else 0
            for stride, size in zip((shape[1] * shape[2], shape[2], 1), shape, strict=True)
        )  # fmt: skip
        self.rows: Final = rows
        self.columns: Final = np.arange(width)
        room = (rows, width)
        self._number: Final = np.empty(room, np.float64)
        self._lower: Final = np.empty(room, np.intp)
        self._first: Final = np.empty(room, np.intp)
        self._shares: Final = np.empty((3, *room), np.float32)
        self._mixed: Final = np.empty((4, *room), np.float32)
        self._taken: NDArray[Any] = np.empty((2, 0, 0))

    def _numbers(self, axis: int, start: Floats, step: float) -> tuple[Floats, bool]:
        """Old voxel numbers along one old axis, within the volume; and whether some are at its last voxel."""
        if step:
            number = np.add(start[:, None], step * self.columns, out=self._number[: len(start)])
        else:
            # The same along a row: computed once for it.
            number = start[:, None].copy()
        last, far = self.shape[axis] - 1, step * self.columns[-1]
        low, high = start.min() + min(far, 0), start.max() + max(far, 0)
        if low < 0 or high > last:
            np.clip(number, 0, last, out=number)
        return number, bool(high >= last)

    def nearest(self, flat: NDArray[Any], starts: Floats, steps: Floats, out: NDArray[Any]) -> None:
        """Values of the voxels next to each place; in the middle between two the second."""
        first = self._first[: len(out)]
        first[...] = 0
        for axis, stride in enumerate(self.steps):
            if stride:
                number, _ = self._numbers(axis, starts[axis], steps[axis])
                number += 0.5
                lower = self._lower[: len(out), : number.shape[1]]
                np.copyto(lower, number, casting="unsafe")
                lower *= stride
                first += lower
        out[...] = flat.take(first, mode="clip")

    def linear(self, flat: NDArray[Any], starts: Floats, steps: Floats, out: NDArray[Any]) -> None:
        """Values between the eight voxels around each place."""
        first, shares = self._first[: len(out)], self._shares[:, : len(out)]
        first[...] = 0
        for axis, stride in enumerate(self.steps):
            if not stride:
                continue
            number, at_end = self._numbers(axis, starts[axis], steps[axis])
            lower = self._lower[: len(out), : number.shape[1]]
            np.copyto(lower, number, casting="unsafe")
            if at_end:
                # The last voxel counts as the upper neighbour of the one before it.
                np.minimum(lower, self.shape[axis] - 2, out=lower)
            np.subtract(number, lower, out=number)
            np.copyto(shares[axis], number, casting="unsafe")
            lower *= stride
            first += lower
        near = self._plane(flat, first, shares, 0, 0)
        if self.steps[0] and shares[0].any():
            far = self._plane(flat, first, shares, self.steps[0], 2)
            far -= near
            far *= shares[0]
            near += far
        out[...] = near

    def _plane(self, flat: NDArray[Any], first: Any, shares: Any, start: int, place: int) -> NDArray[np.float32]:
        """Values within the slice that begins *start* values further on, mixed along rows and columns."""
        y = self.steps[1]
        near: NDArray[np.float32] = self._row(flat, first, shares[2], start, self._mixed[place, : len(first)])
        if y:
            far = self._row(flat, first, shares[2], start + y, self._mixed[place + 1, : len(first)])
            far -= near
            far *= shares[1]
            near += far
        return near

    def _row(self, flat: NDArray[Any], first: Any, share: Any, start: int, out: NDArray[np.float32]) -> Any:
        """Values along a row that begins *start* values further on."""
        if self._taken.dtype != flat.dtype or self._taken.shape[1] != self.rows:
            self._taken = np.empty((2, self.rows, len(self.columns)), flat.dtype)
        low, high = self._taken[:, : len(first)]
        # Positions are within the volume; "clip" alone writes without a buffer of its own.
        flat[start:].take(first, out=low, mode="clip")
        if not self.steps[2]:
            np.copyto(out, low, casting="unsafe")
            return out
        flat[start + 1 :].take(first, out=high, mode="clip")
        np.subtract(high, low, out=out, dtype=np.float32, casting="unsafe")
        out *= share
        out += low
        return out
