"""Places in the patient and voxels of an image: from one to the other, and the values there.

A place is (x, y, z), LPS mm; a voxel is (z, y, x), counted from 0, whole at its centre.
"""

from __future__ import annotations

from numbers import Real
from typing import Any, Final, Literal

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from workbench.arrays.arguments import one_of, short
from workbench.arrays.image_grid import AXES, GRID_COORDINATES, ImageGrid, image_grid
from workbench.arrays.resampling import is_label
from workbench.arrays.same_grid import irregular, require_even
from workbench.dicom.stacks.geometry import COORDINATE_DECIMALS
from workbench.errors import OutsideImage, UsageError

Floats = NDArray[np.float64]
PointMethod = Literal["nearest", "linear"]

#: Distance from the plane of a slice of unknown thickness at which a place still lies on it, mm.
ON_PLANE_MM: Final = 0.01
#: What the rounding of coordinates may add to a voxel number.
_SLACK: Final = 1e-4


def to_patient(dataset: xr.Dataset, indices: ArrayLike) -> Floats:
    """Places (n, 3) as (x, y, z) LPS mm of voxel numbers (n, 3) as (z, y, x).

    Parameters
    ----------
    dataset : xarray.Dataset
        A series, or a part of one; the numbers count its voxels as it is now.
    indices : array (n, 3) or (3,)
        Voxel numbers (z, y, x); fractions lie between centres. Numbers outside the image are places outside it.

    Raises
    ------
    IrregularGeometry
        The image has no place, or its slices are uneven and z is not the whole number of a slice.

    Examples
    --------
    >>> from workbench.arrays import from_array
    >>> ds = from_array(np.zeros((3, 4, 4)), np.array([[0, 0, 1.0, -5], [0, 1, 0, 7], [2, 0, 0, 9], [0, 0, 0, 1]]))
    >>> to_patient(ds, [1, 0, 3]).tolist()
    [-2.0, 7.0, 11.0]
    """
    grid = _placed(dataset, "to_patient")
    points, single = _triples(indices, "(z, y, x)")
    if grid.affine is not None:
        found = points @ grid.affine[:3, :3].T + grid.affine[:3, 3]
    else:
        numbers = np.rint(points[:, 0]).astype(np.int64)
        if (np.abs(points[:, 0] - numbers) > _SLACK).any() or (numbers < 0).any() or (numbers >= grid.shape[0]).any():
            raise irregular(dataset, grid, "a place between or beyond slices")
        found = grid.positions[numbers] + points[:, 1:] @ np.stack([grid.y_step, grid.x_step])
    return _shaped(found, single)


def to_voxel(dataset: xr.Dataset, points: ArrayLike) -> Floats:
    """Voxel numbers (n, 3) as (z, y, x), with fractions, of places (n, 3) as (x, y, z) LPS mm.

    Where slices have no even grid, z is the whole number of the slice that holds the place, or NaN where none does.

    Parameters
    ----------
    dataset : xarray.Dataset
        A series, or a part of one.
    points : array (n, 3) or (3,)
        Places (x, y, z), LPS mm; also outside the image.

    Raises
    ------
    IrregularGeometry
        The image has no place.

    Examples
    --------
    >>> from workbench.arrays import from_array
    >>> ds = from_array(np.zeros((3, 4, 4)), np.array([[0, 0, 1.0, -5], [0, 1, 0, 7], [2, 0, 0, 9], [0, 0, 0, 1]]))
    >>> to_voxel(ds, [-2.5, 7.0, 11.0]).tolist()
    [1.0, 0.0, 2.5]
    """
    grid = _placed(dataset, "to_voxel")
    places, single = _triples(points, "(x, y, z)")
    if grid.affine is not None:
        found = (places - grid.affine[:3, 3]) @ np.linalg.inv(grid.affine[:3, :3]).T
    else:
        numbers, distances, reach = _nearest_slice(grid, places, _thickness(dataset))
        found = _in_slice(grid, places, numbers)
        found[distances > reach, 0] = np.nan
    return _shaped(found, single)


def sel_mm(
    dataset: xr.Dataset,
    point: ArrayLike | None = None,
    *,
    x: float | None = None,
    y: float | None = None,
    z: float | None = None,
    method: PointMethod = "nearest",
) -> xr.Dataset:
    """Dataset at one place (no z, y, x dims) or at several (dim ``point``), given in patient millimetres, LPS.

    Parameters
    ----------
    dataset : xarray.Dataset
        A series, upright or oblique, or a part of one.
    point : array (3,) or (n, 3), optional
        Places (x, y, z), LPS mm, instead of *x*, *y* and *z*.
    x, y, z : float, optional
        One place, LPS mm; all three.
    method : {"nearest", "linear"}
        The voxel whose centre is nearest, with all its coordinates; or values between the eight voxels around,
        float32 (masks and labels: nearest; in the outer half of the outermost voxels their own value). Linear needs
        an even grid and reads only the slices around the places.

    Returns
    -------
    xarray.Dataset
        All variables with an image grid, and the scalar (or per-point) coordinates of the voxel.

    Raises
    ------
    OutsideImage
        No voxel holds the place: beyond the image, or where a slice is missing.
    IrregularGeometry
        No place in the patient, or ``method="linear"`` on uneven slices.
    UsageError
        Something else than one or several triples of numbers.

    Examples
    --------
    >>> from workbench.arrays import from_array
    >>> values = np.arange(48.0).reshape(3, 4, 4)
    >>> ds = from_array(values, np.array([[0, 0, 1.0, -5], [0, 1, 0, 7], [2, 0, 0, 9], [0, 0, 0, 1]]))
    >>> float(sel_mm(ds, x=-2, y=7, z=11)["image"]), float(sel_mm(ds, x=-2.5, y=7, z=11, method="linear")["image"])
    (19.0, 18.5)
    """
    one_of(method, ("nearest", "linear"), name="method")
    axes = [value is not None for value in (x, y, z)]
    given = [value for value in (x, y, z) if value is not None]
    if any(getattr(value, "shape", ()) or isinstance(value, (list, tuple)) for value in given):
        raise UsageError(
            "x, y and z are one place", remedy="give several as one array (n, 3): sel_mm(np.stack([x, y, z], axis=1))"
        )
    if any(axes) if point is not None else not all(axes):
        raise UsageError(
            "sel_mm wants x, y and z, or one point (x, y, z)",
            remedy="for one axis of the image use ds.sel(z=..., method='nearest')",
        )
    places, single = _triples([x, y, z] if point is None else point, "(x, y, z)")  # type: ignore[arg-type]
    if method == "linear":
        return _linear(dataset, places, single)
    grid = _placed(dataset, "sel_mm")
    numbers, distances, reach = _nearest_slice(grid, places, _thickness(dataset))
    found = _in_slice(grid, places, numbers)
    _, rows, columns = grid.shape
    edge = 0.5 + _SLACK
    inside = ((found[:, 1:] >= -edge) & (found[:, 1:] <= [rows - 1 + edge, columns - 1 + edge])).all(axis=1)
    _refuse_outside(grid, places, inside & (distances <= reach), beyond=distances > reach)
    whole = np.clip(np.floor(found + 0.5).astype(np.int64), 0, np.array(grid.shape) - 1)
    if single:
        return dataset.isel(dict(zip(AXES, whole[0].tolist(), strict=True)))
    return dataset.isel({axis: xr.Variable("point", whole[:, i]) for i, axis in enumerate(AXES)})


def _linear(dataset: xr.Dataset, places: Floats, single: bool) -> xr.Dataset:
    """Values between the eight voxels around each place."""
    grid = require_even(dataset, "sel_mm(method='linear')", sheared=True)
    assert grid.affine is not None
    found = (places - grid.affine[:3, 3]) @ np.linalg.inv(grid.affine[:3, :3]).T
    last = np.array(grid.shape) - 1
    edge = 0.5 + _SLACK
    _refuse_outside(grid, places, np.asarray(((found >= -edge) & (found <= last + edge)).all(axis=1)))
    found = np.clip(found, 0, last)
    variables = {
        str(name): _interpolated(data.variable, found, nearest=is_label(str(name), data.variable))
        for name, data in dataset.data_vars.items()
        if set(AXES) <= set(data.dims)
    }
    _, dy, dx = grid.spacing
    units = np.stack([grid.normal, grid.y_step / dy, grid.x_step / dx])
    along = np.round(places @ units.T, COORDINATE_DECIMALS)
    coords: dict[str, Any] = {
        axis: xr.Variable("point", along[:, i], dataset[axis].attrs) for i, axis in enumerate(AXES)
    }
    left_out = set(GRID_COORDINATES) - {"frame_of_reference_uid"}
    coords |= {
        str(name): coordinate.variable
        for name, coordinate in dataset.coords.items()
        if name not in left_out and not set(coordinate.dims) & {*AXES, "axis", "world", "voxel"}
    }
    result = xr.Dataset(variables, coords=coords, attrs=dataset.attrs)
    return result.isel(point=0) if single else result


def _interpolated(variable: xr.Variable, found: Floats, *, nearest: bool) -> xr.Variable:
    """Values at voxel numbers *found* (n, 3), dim ``point`` first; reads the slices around them and no other."""
    low = np.floor(found + 0.5 if nearest else found).astype(np.int64)
    last = np.array([variable.sizes[axis] for axis in AXES]) - 1
    high = low if nearest else np.minimum(low + 1, last)
    slices = np.unique([low[:, 0], high[:, 0]])
    others = [dim for dim in variable.dims if dim not in AXES]
    block = variable.isel(z=slices).transpose(*AXES, *others).values
    ends = [np.stack([low[:, i], high[:, i]]) for i in range(3)]
    ends[0] = np.searchsorted(slices, ends[0])
    dims = ("point", *others)
    if nearest:
        return xr.Variable(dims, block[ends[0][0], ends[1][0], ends[2][0]], variable.attrs)
    total = np.zeros((len(found), *block.shape[3:]), np.float64)
    for corner in np.ndindex(2, 2, 2):
        weight = np.prod(np.where(corner, found - low, 1 - (found - low)), axis=1)
        values = block[tuple(ends[i][corner[i]] for i in range(3))].astype(np.float64)
        weight = weight.reshape(-1, *[1] * len(others))
        # A weight of nothing takes nothing, not even from NaN.
        total += np.where(weight > 0, weight * values, 0)
    return xr.Variable(dims, total.astype(np.float32), variable.attrs)


def _placed(dataset: xr.Dataset, operation: str) -> ImageGrid:
    grid = image_grid(dataset)
    if not grid.placed:
        raise irregular(dataset, grid, operation)
    return grid


def _triples(values: ArrayLike, order: str) -> tuple[Floats, bool]:
    """Numbers as (n, 3), and whether one triple was given."""
    try:
        triples = np.asarray(values)
        # Text that reads as a number is none: a column of a table that was not converted.
        numbers = all(isinstance(value, Real) for value in triples.ravel()) if triples.dtype.kind == "O" else True
        if triples.dtype.kind not in "iufO" or not numbers:
            raise TypeError
        triples = triples.astype(np.float64)
    except (TypeError, ValueError, OverflowError):
        raise UsageError(f"not one or several triples of numbers: {short(values)}", remedy=f"give {order}") from None
    if triples.ndim not in (1, 2) or triples.shape[-1] != 3:
        raise UsageError(f"not one or several triples of numbers, shape {triples.shape}", remedy=f"give {order}")
    if not np.isfinite(triples).all():
        raise UsageError("a triple with NaN or infinity in it", remedy=f"give {order}")
    return triples.reshape(-1, 3), triples.ndim == 1


def _shaped(found: Floats, single: bool) -> Floats:
    return found[0] if single else found


def _thickness(dataset: xr.Dataset) -> float:
    """SliceThickness in mm, NaN where not stated or not the same for all."""
    stated = dataset.coords.get("SliceThickness")
    return float(stated) if stated is not None and stated.ndim == 0 else np.nan


def _nearest_slice(grid: ImageGrid, places: Floats, thickness: float) -> tuple[NDArray[np.int64], Floats, Floats]:
    """Slice nearest to each place, its distance along the normal, and how far that slice reaches on that side, mm."""
    along, places_along = grid.positions @ grid.normal, places @ grid.normal
    order = np.argsort(along)
    ascending = along[order]
    if len(ascending) > 1:
        middles = (ascending[1:] + ascending[:-1]) / 2
        at = np.searchsorted(middles, places_along, side="right")
        steps = np.diff(ascending)
        above, below = np.append(steps, steps[-1]), np.insert(steps, 0, steps[0])
        reach = np.where(places_along > ascending[at], above[at], below[at]) / 2
        if np.isfinite(grid.slice_spacing):
            # Where a slice is missing, its neighbours do not reach into its place.
            reach = np.minimum(reach, grid.slice_spacing / 2 * 1.01)
    else:
        at = np.zeros(len(places), np.int64)
        step = float(grid.z_step @ grid.normal) if grid.affine is not None else thickness
        reach = np.full(len(places), abs(step) / 2 if np.isfinite(step) else ON_PLANE_MM)
    return order[at], np.abs(places_along - ascending[at]), reach + _SLACK


def _in_slice(grid: ImageGrid, places: Floats, numbers: NDArray[np.int64]) -> Floats:
    """Voxel numbers (z, y, x) of places dropped perpendicularly onto slices."""
    _, dy, dx = grid.spacing
    offsets = places - grid.positions[numbers]
    return np.stack([numbers, offsets @ grid.y_step / dy**2, offsets @ grid.x_step / dx**2], axis=1).astype(np.float64)


def _refuse_outside(
    grid: ImageGrid,
    places: Floats,
    inside: NDArray[np.bool_],
    *,
    beyond: NDArray[np.bool_] | None = None,
) -> None:
    if inside.all():
        return
    first = int(np.argmin(inside))
    place = ", ".join(f"{value:.1f}" for value in places[first])
    along = grid.positions @ grid.normal
    depth = float(places[first] @ grid.normal)
    corners = grid.positions[[0, -1], None] + np.array(
        [i * (grid.shape[1] - 1) * grid.y_step + j * (grid.shape[2] - 1) * grid.x_step for i in (0, 1) for j in (0, 1)]
    )
    low, high = corners.min(axis=(0, 1)), corners.max(axis=(0, 1))
    reach = ", ".join(f"{axis} {a:.1f} to {b:.1f}" for axis, a, b in zip("xyz", low, high, strict=True))
    many = f" ({int((~inside).sum())} of {len(inside)} places)" if len(inside) > 1 else ""
    if beyond is not None and beyond[first] and along.min() < depth < along.max():
        what = f"no slice at ({place}) mm: {'slices are missing there' if grid.n_gaps else 'it lies between slices'}"
    else:
        what = f"({place}) mm is outside the image, whose voxel centres span {reach} mm"
    raise OutsideImage(what + many, remedy="give a place (x, y, z) in LPS mm inside it")
