"""Values of a volume at the voxel centres of another grid, slab by slab and on all cores, within bounded memory."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from workbench.arrays.aligned import aligned_axes, fill_aligned
from workbench.arrays.image_grid import AXES, ImageGrid
from workbench.arrays.oblique import fill_oblique
from workbench.progress import task

Floats = NDArray[np.float64]

#: Voxels of one slab: its work arrays stay small, and there are enough slabs for the progress bar and the threads.
SLAB_VOXELS: Final = 1 << 21
#: How far a volume reaches beyond the centres of its outermost voxels, in voxels: half of one, and a hair for rounding.
_RIM: Final = 0.5 + 1e-4
#: Weight of NaN voxels in a value from which on it is NaN.
_NAN_WEIGHT: Final = 1e-5
#: Voxels around the needed part that a value depends on; a cubic spline forgets by 0.27 per voxel.
_MARGIN: Final = {"nearest": 1, "linear": 1, "cubic": 16}


@dataclass(frozen=True, eq=False)
class Slab:
    """Some slices of the new grid, and where their voxels are in the old one."""

    #: First slice of the new grid.
    start: int
    #: Slices, rows and columns.
    shape: tuple[int, int, int]
    #: New voxel number, counted from the first slice of the slab -> old voxel number, 3x3.
    matrix: Floats
    #: Old voxel number of the slab's first voxel, (3,).
    offset: Floats

    def corners(self) -> Floats:
        """Old voxel numbers of the eight corner voxels, (8, 3)."""
        ends = np.array(list(np.ndindex(2, 2, 2))) * (np.array(self.shape) - 1)
        found: Floats = ends @ self.matrix.T + self.offset
        return found

    def numbers(self, axes: tuple[int, int, int], low: NDArray[Any]) -> tuple[Floats, Floats, Floats]:
        """Old voxel number, counted from *low*, of each new voxel by new axis, where axes run along old *axes*."""
        z, y, x = (
            self.matrix[old, new] * np.arange(self.shape[new]) + self.offset[old] - low[old]
            for new, old in enumerate(axes)
        )
        return z, y, x

    def one(self, k: int) -> Slab:
        """Its slice *k* alone."""
        return Slab(self.start + k, (1, *self.shape[1:]), self.matrix, self.offset + k * self.matrix[:, 0])

    def touches(self, shape: tuple[int, int, int]) -> bool:
        """Whether the box around the slab reaches into a volume of *shape*."""
        corners = self.corners()
        low, high = corners.min(axis=0), corners.max(axis=0)
        return bool((high >= -_RIM).all() and (low <= np.array(shape) - 1 + _RIM).all())


def slabs_between(source: ImageGrid, target: ImageGrid) -> list[Slab]:
    """The new grid *target* in slabs over the old grid *source*, which has an affine."""
    assert source.affine is not None
    back = np.asarray(np.linalg.inv(source.affine[:3, :3]), dtype=np.float64)
    depth = max(1, SLAB_VOXELS // (target.shape[1] * target.shape[2])) if target.affine is not None else 1
    # Uneven slices are taken one by one: there the step along z plays no part.
    z_step = target.z_step if target.affine is not None else np.zeros(3)
    matrix: Floats = np.asarray(back @ np.stack([z_step, target.y_step, target.x_step], axis=1), dtype=np.float64)
    # What is parallel stays parallel: rounding of the affines must not make an axis-aligned map a general one.
    matrix[np.abs(matrix) < 1e-12] = 0
    slabs = []
    for start in range(0, target.shape[0], depth):
        n = min(depth, target.shape[0] - start)
        place = target.positions[start]
        if target.affine is not None:
            # From the affine, not the single position, which may err within the tolerance of an even grid.
            place = target.positions[0] + start * target.z_step
        offset: Floats = np.asarray(back @ (place - source.affine[:3, 3]), dtype=np.float64)
        slabs.append(Slab(start, (n, *target.shape[1:]), matrix, offset))
    return slabs


def wholly_inside(slabs: list[Slab], shape: tuple[int, int, int]) -> bool:
    """Whether every new voxel's centre lies in a voxel of a volume of *shape*."""
    return all(_inside(slab.corners(), shape).all() for slab in slabs)


def _inside(numbers: Floats, shape: tuple[int, int, int]) -> NDArray[np.bool_]:
    inside = (numbers >= -_RIM) & (numbers <= np.array(shape) - 1 + _RIM)
    return np.asarray(inside.all(axis=-1), dtype=bool)


def sampled(volume: xr.Variable, slabs: list[Slab], out: NDArray[Any], *, method: str, fill: Any, label: str) -> None:
    """Fill *out* (z, y, x) with the values of *volume* (z, y, x), *fill* outside.

    Reads the part of the volume that the slabs cover. Allocates that part, for "cubic" and for volumes with NaN once
    more, and per thread a few arrays of one slab.
    """
    shape = (volume.sizes["z"], volume.sizes["y"], volume.sizes["x"])
    touching = [slab for slab in slabs if slab.touches(shape)]
    for slab in set(slabs) - set(touching):
        out[slab.start : slab.start + slab.shape[0]] = fill
    if not touching:
        return
    corners = np.concatenate([slab.corners() for slab in touching])
    margin = _MARGIN[method]
    low = np.clip(np.floor(corners.min(axis=0)) - margin, 0, np.array(shape) - 1).astype(int)
    high = np.clip(np.ceil(corners.max(axis=0)) + margin + 1, 1, shape).astype(int)
    box = volume.isel({axis: slice(a, b) for axis, a, b in zip(AXES, low.tolist(), high.tolist(), strict=True)})
    values, holes = _prepared(np.asarray(box.values), method)
    threads = min(8, os.cpu_count() or 1, len(touching))
    fill_slab = partial(_fill_slab, values=values, holes=holes, out=out, low=low, shape=shape, method=method, fill=fill)
    n_slices = sum(slab.shape[0] for slab in touching)
    with task(label, n_slices, unit="slices") as advance, ThreadPoolExecutor(threads) as pool:
        work = {pool.submit(fill_slab, slab): slab for slab in touching}
        try:
            for done in as_completed(work):
                done.result()
                advance(work[done].shape[0])
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _prepared(values: NDArray[Any], method: str) -> tuple[NDArray[Any], NDArray[Any] | None]:
    """Values as the interpolation wants them, C-contiguous, and where they are NaN (as numbers), None where nowhere."""
    from scipy.ndimage import spline_filter

    from workbench.errors import UsageError

    # Big-endian numbers of a file would be swapped at every access.
    values = np.ascontiguousarray(values, values.dtype.newbyteorder("="))
    if values.dtype == bool:
        return values.view(np.uint8), None
    holes = None
    if values.dtype.kind == "f" and method != "nearest":
        empty = np.isnan(values)
        if empty.any():
            if method == "cubic":
                raise UsageError("cubic needs every voxel, and the image holds NaN", remedy="use method='linear'")
            holes = empty.astype(np.uint8)
            values = np.where(empty, values.dtype.type(0), values)
    if method == "cubic":
        # One voxel in a row leaves nothing to filter; scipy passes over such axes.
        values = spline_filter(values, 3, output=np.float32, mode="mirror")
    return values, holes


def _fill_slab(
    slab: Slab,
    *,
    values: NDArray[Any],
    holes: NDArray[Any] | None,
    out: NDArray[Any],
    low: NDArray[Any],
    shape: tuple[int, int, int],
    method: str,
    fill: Any,
) -> None:
    place = out[slab.start : slab.start + slab.shape[0]]
    target = place.view(np.uint8) if place.dtype == bool else place

    def fill_from(old: NDArray[Any], new: NDArray[Any]) -> None:
        if method == "cubic":
            _fill_cubic(old, slab, low, new)
        elif (axes := aligned_axes(slab.matrix, slab.shape)) is not None:
            fill_aligned(old, slab.numbers(axes, low), axes, new, method=method)
        elif (axes := aligned_axes(slab.matrix, (1, *slab.shape[1:]))) is not None:
            # Slices that are shifted against each other, as tilted ones are, but not turned.
            for k in range(slab.shape[0]):
                fill_aligned(old, slab.one(k).numbers(axes, low), axes, new[k : k + 1], method=method)
        else:
            fill_oblique(old, slab.matrix, slab.offset - low, new, method=method)

    fill_from(values, target)
    if holes is not None:
        weight = np.empty(slab.shape, np.float32)
        fill_from(holes, weight)
        # The values beside a hole carry the weight that is left; where none is missing nothing changes.
        place[weight > _NAN_WEIGHT] = np.nan
    if not _inside(slab.corners(), shape).all():
        place[~_inside_slab(slab, shape)] = fill


def _fill_cubic(old: NDArray[Any], slab: Slab, low: NDArray[Any], new: NDArray[Any]) -> None:
    from scipy.ndimage import affine_transform

    affine_transform(
        old, slab.matrix, offset=slab.offset - low, output=new, output_shape=slab.shape, order=3, mode="mirror",
        prefilter=False,
    )  # fmt: skip


def _inside_slab(slab: Slab, shape: tuple[int, int, int]) -> NDArray[np.bool_]:
    """Which voxels of a slab have their centre in a voxel of a volume of *shape*.

    Along a row of the slab they are one stretch, so that its ends are worked out and not every voxel.
    """
    z, y, x = (np.arange(n) for n in slab.shape)
    first, last = np.zeros(slab.shape[:2]), np.full(slab.shape[:2], float(len(x) - 1))
    for row, offset, size in zip(slab.matrix, slab.offset, shape, strict=True):
        start = (row[0] * z + offset)[:, None] + row[1] * y
        low, high = -_RIM - start, size - 1 + _RIM - start
        if abs(row[2]) * len(x) < 1e-9:
            first[(low > 0) | (high < 0)] = len(x)
            continue
        one, other = low / row[2], high / row[2]
        first, last = np.maximum(first, np.minimum(one, other)), np.minimum(last, np.maximum(one, other))
    inside: NDArray[np.bool_] = (x >= first[..., None]) & (x <= last[..., None])
    return inside
