"""Slices that are missing made visible as slices of NaN, so that the grid is even."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from workbench.arrays.image_grid import AXES, GRID_COORDINATES, grid_attrs, grid_coords, image_grid
from workbench.arrays.same_grid import irregular, missing_slices
from workbench.errors import UsageError


def fill_gaps(dataset: xr.Dataset) -> xr.Dataset:
    """Dataset with a slice of NaN (``image`` float32) at each missing position, and ``observed (z)`` that says which.

    Parameters
    ----------
    dataset : xarray.Dataset
        A series; one without gaps comes back with ``observed`` True throughout.

    Returns
    -------
    xarray.Dataset
        In memory, ``geometry`` "regular" (or "sheared") with an affine. Never a number where nothing was measured:
        0 would be water in a CT. Masks are False and labels 0 there; per-slice numbers NaN, texts empty.

    Raises
    ------
    IrregularGeometry
        The steps are not whole multiples of one spacing, or the image has no place.

    Notes
    -----
    Memory: the filled image, and one volume of the source at a time.

    Examples
    --------
    >>> from workbench.arrays import from_array
    >>> axes = np.array([[0, 0, 1.0, 0], [0, 1, 0, 0], [2, 0, 0, 0], [0, 0, 0, 1]])
    >>> ds = from_array(np.ones((4, 2, 2), "int16"), axes).isel(z=[0, 1, 3])
    >>> filled = fill_gaps(ds)
    >>> filled["observed"].values.tolist(), filled["image"][:, 0, 0].values.tolist()
    ([True, True, False, True], [1.0, 1.0, nan, 1.0])
    """
    grid = image_grid(dataset)
    if grid.affine is not None:
        return dataset.assign_coords(observed=("z", np.ones(grid.shape[0], dtype=bool)))
    if grid.kind != "gaps":
        raise irregular(dataset, grid, "fill_gaps")
    if "observed" in dataset.coords:
        raise UsageError("this image was filled before", remedy="fill the gaps of the whole series")
    numbers, total = missing_slices(grid)
    z_step = (grid.positions[-1] - grid.positions[0]) / (total - 1)
    positions = grid.positions[0] + np.outer(np.arange(total), z_step)
    # The slices that are there keep their true places.
    positions[numbers] = grid.positions
    kind = "sheared" if "sheared" in grid.flags else "regular"
    even = replace(
        grid, kind=kind, flags=(), shape=(total, *grid.shape[1:]), positions=positions, z_step=z_step, n_gaps=0
    )
    variables = {
        name: _spread(data, numbers, total, label=str(name) == "label")
        for name, data in dataset.variables.items()
        if name not in GRID_COORDINATES
    }
    coords: dict[Any, xr.Variable] = {name: variables.pop(name) for name in list(variables) if name in dataset.coords}
    observed = np.zeros(total, dtype=bool)
    observed[numbers] = True
    coords |= grid_coords(even)
    coords["observed"] = xr.Variable(("z",), observed)
    return xr.Dataset(variables, coords=coords, attrs=dataset.attrs | grid_attrs(even))


def _spread(variable: xr.Variable, numbers: NDArray[np.int64], total: int, *, label: bool) -> xr.Variable:
    """The variable with its slices at *numbers* of *total*; nothing, in the way of its type, elsewhere."""
    variable = variable.to_base_variable()
    if "z" not in variable.dims:
        return variable
    dtype, fill = _nothing(variable, label=label)
    shape = tuple(total if dim == "z" else variable.sizes[dim] for dim in variable.dims)
    result = np.full(shape, fill, dtype)
    others = [dim for dim in variable.dims if dim not in (*AXES, "channel")]
    z = variable.dims.index("z")
    for number in np.ndindex(*(variable.sizes[dim] for dim in others)):
        chosen = dict(zip(others, number, strict=True))
        key = tuple(numbers if i == z else chosen.get(dim, slice(None)) for i, dim in enumerate(variable.dims))
        # Single numbers before a list of them would move its axis to the front: an outer key keeps it in place.
        outer = tuple(slice(k, k + 1) if isinstance(k, int) else k for k in key)
        result[outer] = np.asarray(variable.isel({d: slice(n, n + 1) for d, n in chosen.items()}).values)
    attrs = variable.attrs
    if variable.dtype.kind in "iu" and np.dtype(dtype).kind == "f":
        attrs = {key: value for key, value in attrs.items() if not key.startswith("stored_")}
    return xr.Variable(variable.dims, result, attrs, variable.encoding if dtype == variable.dtype else None)


def _nothing(variable: xr.Variable, *, label: bool) -> tuple[np.dtype[Any], Any]:
    """Type that can say "nothing here", and its word for it."""
    if variable.dtype == bool:
        return np.dtype(bool), False
    if variable.dtype.kind in "UT":
        return variable.dtype, ""
    if label and set(AXES) <= set(variable.dims):
        return variable.dtype, 0
    if set(AXES) <= set(variable.dims):
        return np.dtype("float32"), np.nan
    return np.dtype("float64"), np.nan
