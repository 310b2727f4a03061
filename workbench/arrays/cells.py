"""Cells of an axis: which stretch of millimetres each voxel takes, and where there is nothing."""

from __future__ import annotations

import numpy as np
import xarray as xr
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def cells(coordinate: Floats, *, width: float | None = None) -> tuple[Floats, NDArray[np.int64]]:
    """Edges in mm, (cells + 1), and the voxel in each cell; -1 where a stretch belongs to no voxel.

    Neighbours meet half-way, but no voxel is wider than *width*: what a missing slice leaves open stays open.

    Parameters
    ----------
    coordinate : array
        Ascending voxel centres, mm.
    width : float, optional
        Widest cell, mm; by default the median step, or 1 where there is one voxel.

    Examples
    --------
    >>> edges, voxel = cells(np.array([0.0, 2.0, 6.0]), width=2.0)
    >>> edges.tolist(), voxel.tolist()
    ([-1.0, 1.0, 3.0, 5.0, 7.0], [0, 1, -1, 2])
    """
    if width is None:
        width = float(np.median(np.diff(coordinate))) if len(coordinate) > 1 else 1.0
    half_way = (coordinate[1:] + coordinate[:-1]) / 2
    lower = np.concatenate([[coordinate[0] - width / 2], np.maximum(half_way, coordinate[1:] - width / 2)])
    upper = np.concatenate([np.minimum(half_way, coordinate[:-1] + width / 2), [coordinate[-1] + width / 2]])
    edges, voxel = [float(lower[0])], []
    for i in range(len(coordinate)):
        # Up to a hundredth of a cell is the tolerance of an even grid, not an opening.
        if lower[i] - edges[-1] > width / 100:
            edges.append(float(lower[i]))
            voxel.append(-1)
        edges.append(float(upper[i]))
        voxel.append(i)
    return np.array(edges), np.array(voxel)


def at_cells(values: NDArray[np.generic], voxel: NDArray[np.int64], *, axis: int) -> NDArray[np.generic]:
    """*values* by cell instead of by voxel; open stretches are masked (False in masks)."""
    taken = np.take(values, np.maximum(voxel, 0), axis=axis)
    if (voxel >= 0).all():
        return taken
    open_ = np.expand_dims(voxel < 0, tuple(i for i in range(values.ndim) if i != axis))
    if values.dtype == bool:
        filled: NDArray[np.generic] = taken & ~open_
        return filled
    masked: NDArray[np.generic] = np.ma.masked_where(np.broadcast_to(open_, taken.shape), taken)
    return masked


def lean(dataset: xr.Dataset) -> dict[str, float]:
    """Drift of the slices along ``y`` and ``x``, mm per mm of advance along ``z``; 0 where they are straight."""
    straight = {"y": 0.0, "x": 0.0}
    if dataset.attrs.get("geometry") != "sheared" or "affine" not in dataset.coords:
        return straight
    step, column, row = np.asarray(dataset["affine"].values, dtype=np.float64)[:3, :3].T
    column, row = column / np.linalg.norm(column), row / np.linalg.norm(row)
    advance = float(step @ np.cross(row, column))
    return {"y": float(step @ column) / advance, "x": float(step @ row) / advance}
