"""Projections: the largest, smallest or mean value along an axis, through everything or in slabs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, Literal

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from workbench.arrays.arguments import finite_number, one_of
from workbench.arrays.image_grid import AXES, ImageGrid, image_grid
from workbench.arrays.memory import beyond_memory
from workbench.arrays.same_grid import irregular
from workbench.errors import UsageError
from workbench.progress import task

ProjectionMethod = Literal["max", "min", "mean"]
_WORDS: Final = {"max": "maximum", "min": "minimum", "mean": "mean"}
#: Bytes of slices that are read, or computed, together: enough to keep all cores busy.
BLOCK_BYTES: Final = 64_000_000


def mip(
    dataset: xr.Dataset,
    axis: Literal["z", "y", "x"] = "z",
    *,
    slab_mm: float | None = None,
    method: ProjectionMethod = "max",
) -> xr.DataArray:
    """Projection of ``image`` along *axis*: without that dim, or with one entry per slab, coordinates in mm.

    Parameters
    ----------
    dataset : xarray.Dataset
        A series; slices may have gaps or be uneven for "max" and "min".
    axis : {"z", "y", "x"}
        Axis to look along.
    slab_mm : float, optional
        Thickness of slabs, mm: one after the other from the first voxel's edge on, the last as thick as what is left.
        Default: all in one.
    method : {"max", "min", "mean"}
        "max" and "min" keep the dtype; "mean" is float32. NaN is passed over; where all is NaN, so is the result.

    Returns
    -------
    xarray.DataArray
        In memory. With slabs the coordinate of *axis* is the middle of each slab; a slab without a slice is NaN.

    Raises
    ------
    IrregularGeometry
        Tilted slices: a straight ray does not follow them. "mean" along uneven slices would weigh them wrongly.
    UsageError
        An axis, method or thickness that cannot be.

    Notes
    -----
    Memory: the result and up to 64 MB of slices at a time (of dask arrays at least one chunk), read or computed on all
    cores; every file is read once.

    Examples
    --------
    >>> from workbench.arrays import from_array
    >>> axes = np.array([[0, 0, 1.0, 0], [0, 1, 0, 0], [2, 0, 0, 0], [0, 0, 0, 1]])
    >>> ds = from_array(np.arange(16).reshape(4, 2, 2), axes)
    >>> mip(ds).values.tolist()
    [[12, 13], [14, 15]]
    >>> mip(ds, slab_mm=4.0)["z"].values.tolist()
    [1.0, 5.0]
    """
    if "image" not in dataset:
        raise UsageError("no variable 'image' in this Dataset", remedy="call it on a Dataset of a series")
    one_of(axis, AXES, name="axis")
    one_of(method, tuple(_WORDS), name="method")
    grid = image_grid(dataset)
    if grid.kind == "sheared" or "sheared" in grid.flags:
        raise irregular(dataset, grid, f"mip(axis={axis!r})")
    if method == "mean" and axis == "z" and grid.kind in ("gaps", "variable"):
        raise irregular(dataset, grid, "mip(method='mean')")
    image = dataset["image"]
    if not set(AXES) <= set(image.dims):
        raise UsageError(f"image has the dims {', '.join(map(str, image.dims))}", remedy="mip wants z, y and x")
    if image.dtype.kind not in "biuf":
        raise UsageError(f"image holds {image.dtype}, of which none is largest", remedy="take real numbers of it")
    number, middles = _slabs(dataset, grid, axis, slab_mm)
    values = _projected(image.variable, axis, number, len(middles), method)
    dims = [str(dim) for dim in image.dims]
    attrs = {key: value for key, value in image.attrs.items() if not (key.startswith("stored_") and method == "mean")}
    attrs |= {"long_name": f"{_WORDS[method]} along {axis}", "projection": f"{method} along {axis}"}
    coords = {
        name: c for name, c in image.coords.items() if axis not in c.dims and name not in ("affine", "world", "voxel")
    }
    if slab_mm is None:
        values = values.take(0, axis=dims.index(axis))
        dims.remove(axis)
        return xr.DataArray(values, dims=dims, coords=coords, attrs=attrs, name="image")
    attrs["slab_mm"] = float(slab_mm)
    coords[axis] = xr.DataArray(middles, dims=axis, attrs=dataset[axis].attrs)
    return xr.DataArray(values, dims=dims, coords=coords, attrs=attrs, name="image")


def _slabs(
    dataset: xr.Dataset, grid: ImageGrid, axis: str, slab_mm: float | None
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Slab of each voxel along the axis, and the middle of each slab, mm."""
    along = np.asarray(dataset[axis].values, dtype=np.float64)
    if slab_mm is None:
        return np.zeros(len(along), np.int64), np.zeros(1)
    if (slab_mm := finite_number(slab_mm, name="slab_mm", remedy="give millimetres above zero")) <= 0:
        raise UsageError(f"slab_mm cannot be {slab_mm:g}", remedy="give millimetres above zero")
    if not grid.placed:
        raise irregular(dataset, grid, "mip(slab_mm=...)")
    spacing = grid.spacing[AXES.index(axis)] if axis != "z" else grid.slice_spacing
    if not np.isfinite(spacing):
        spacing = float(np.median(np.diff(along))) if len(along) > 1 else 0.0
    descending = len(along) > 1 and along[-1] < along[0]
    depth = (along[0] - along if descending else along - along[0]) + spacing / 2
    others = [size for dim, size in dataset["image"].sizes.items() if dim != axis]
    if (short := beyond_memory((*others, float(depth[-1]) / slab_mm), 4)) is not None:
        raise UsageError(f"slabs of {slab_mm:g} mm make an array of {short}", remedy="take thicker slabs")
    # The centre on an edge belongs to the slab behind it, also after rounding of the coordinates.
    number = np.floor(depth / slab_mm + 1e-6).astype(np.int64)
    length = depth[-1] + spacing / 2
    starts = slab_mm * np.arange(int(number[-1]) + 1)
    middles = (starts + np.minimum(starts + slab_mm, max(length, starts[-1]))) / 2 - spacing / 2
    return number, np.round(along[0] - middles if descending else along[0] + middles, 5)


def _projected(image: xr.Variable, axis: str, number: NDArray[np.int64], n_slabs: int, method: str) -> NDArray[Any]:
    """Values with the axis cut down to its slabs, same order of dims."""
    at = image.dims.index(axis)
    shape = tuple(n_slabs if dim == axis else size for dim, size in zip(image.dims, image.shape, strict=True))
    empty = len(np.unique(number)) < n_slabs
    floating = method == "mean" or image.dtype.kind == "f" or empty
    dtype = np.dtype("float32") if method == "mean" or (empty and image.dtype.kind != "f") else image.dtype
    result = np.full(shape, np.nan if floating else _start(dtype, method), dtype)
    if method == "mean":
        sums, counts = np.zeros(shape, np.float64), np.zeros(shape, np.int32)
    combine = _combined(dtype, method)
    z = image.dims.index("z")
    with task(f"projecting along {axis}", image.shape[z], unit="slices") as advance:
        for part in _blocks(image):
            values = np.asarray(image.isel(z=part).values)
            own = number[part] if axis == "z" else number
            for slab in np.unique(own):
                chosen = np.flatnonzero(own == slab)
                # Slabs are stretches of the axis.
                ray = values[(slice(None),) * at + (slice(chosen[0], chosen[-1] + 1),)]
                place = tuple(slab if i == at else part if i == z else slice(None) for i in range(values.ndim))
                if method == "mean":
                    sums[place] += np.nansum(ray, axis=at, dtype=np.float64)
                    counts[place] += np.isfinite(ray).sum(axis=at) if ray.dtype.kind == "f" else len(chosen)
                else:
                    result[place] = combine(result[place], combine.reduce(ray, axis=at))
            advance(part.stop - part.start)
    if method == "mean":
        np.divide(sums, counts, out=result, where=counts > 0, casting="unsafe")
    return result


def _start(dtype: np.dtype[Any], method: str) -> Any:
    """What no value loses against."""
    if dtype.kind == "b":
        return method == "min"
    limits = np.iinfo(dtype)
    return limits.max if method == "min" else limits.min


def _combined(dtype: np.dtype[Any], method: str) -> np.ufunc:
    """The larger or smaller of two; only floats need the slower kind that passes over NaN."""
    if dtype.kind == "f":
        return np.fmin if method == "min" else np.fmax
    return np.minimum if method == "min" else np.maximum


def _blocks(image: xr.Variable) -> Iterator[slice]:
    """Slices, as many together as keep all cores busy; whole chunks of dask arrays, so that none is computed twice."""
    sizes = image.chunksizes["z"] if image.chunks is not None else (1,) * image.sizes["z"]
    bytes_of_one = image.dtype.itemsize * image.size // image.sizes["z"]
    start = stop = 0
    for size in sizes:
        if stop > start and (stop + size - start) * bytes_of_one > BLOCK_BYTES:
            yield slice(start, stop)
            start = stop
        stop += size
    yield slice(start, stop)
