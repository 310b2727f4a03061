"""Images on other grids: ``resample_like``, ``resample``, ``straighten``.

Voxel centres are at whole numbers. Every output voxel takes the value at the place of its centre; nothing is averaged
over the voxel, so a coarser grid does not smooth.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal

import numpy as np
import xarray as xr

from workbench.arrays.affine_slabs import Slab, sampled, slabs_between, wholly_inside
from workbench.arrays.arguments import finite_number, one_of, short, yes_no
from workbench.arrays.image_grid import AXES, GRID_COORDINATES, ImageGrid, even_grid, image_grid, on_grid
from workbench.arrays.memory import beyond_memory
from workbench.arrays.same_grid import irregular, require_even, require_same_frame
from workbench.errors import GridMismatch, UsageError

Method = Literal["linear", "nearest", "cubic"]
METHODS = ("linear", "nearest", "cubic")
#: Smallest and largest spacing, mm, that is taken for one.
SPACINGS: Final = (1e-6, 1e6)


def resample_like(
    dataset: xr.Dataset, other: xr.Dataset, *, method: Method = "linear", check_frame: bool = True
) -> xr.Dataset:
    """Dataset on the voxels of *other*: ``image`` float32, masks bool, with the coordinates of *other*.

    Parameters
    ----------
    dataset : xarray.Dataset
        A series with an even grid; a sheared one will do.
    other : xarray.Dataset
        A series with places; its grid may be uneven.
    method : {"linear", "nearest", "cubic"}
        Between voxel centres. Masks and labels always take the nearest voxel. Integers stay integers with "nearest"
        where *other* lies inside *dataset*; else the result is float32. Cubic (B-spline) overshoots at edges.
    check_frame : bool, default True
        Whether both must have the same FrameOfReferenceUID.

    Returns
    -------
    xarray.Dataset
        In memory. Outside the source NaN, False in masks, 0 in labels. The source ends, as in ITK, at the edge of its
        outermost voxels; in the half voxel beyond their centres their own value holds. Coordinates along the old
        slices (SOP UIDs ...) are left out.

    Raises
    ------
    IrregularGeometry
        Slices of *dataset* are missing, uneven, alone or without a place.
    GridMismatch
        The frames of reference differ, or the images do not overlap.
    UsageError
        *other* is no Dataset, the result is larger than the memory, or values that cannot be mixed (complex numbers).

    Notes
    -----
    Memory: the result, and of the source one volume (one b-value, one segment) at a time, cropped to what *other*
    covers; for "cubic" that volume once more as float32.

    Examples
    --------
    >>> from workbench.arrays import from_array
    >>> axes = np.array([[0, 0, 1.0, 0], [0, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 1]])
    >>> ramp = np.broadcast_to(np.arange(4.0), (4, 4, 4))
    >>> ds = from_array(ramp, axes, frame_of_reference_uid="1.2.3")
    >>> half = ds.isel(x=slice(1, 3)).patient.resample(spacing=0.5)
    >>> resample_like(ds, half)["image"].values[0, 0].tolist()
    [1.0, 1.5, 2.0]
    """
    _known(method)
    given: Any = other
    if not isinstance(given, xr.Dataset):
        # An array alone carries neither affine nor positions: their dims are not its own.
        raise UsageError(
            f"resample_like wants the Dataset of a series, not {type(given).__name__}",
            remedy="give the whole Dataset, ds instead of ds['image']; for another spacing use resample(spacing)",
        )
    source = require_even(dataset, "resample_like", sheared=True)
    target = image_grid(other)
    if not target.placed:
        raise irregular(other, target, "resample_like")
    if yes_no(check_frame, name="check_frame"):
        require_same_frame(dataset, other)
    result = _resampled(dataset, source, target, method)
    exact = {axis: other[axis].variable for axis in AXES}
    return result.assign_coords(exact)


def resample(
    dataset: xr.Dataset, *, spacing: float | Sequence[float] | Mapping[str, float], method: Method = "linear"
) -> xr.Dataset:
    """Dataset with another distance between voxels, mm, on the same axes and about the same middle.

    Parameters
    ----------
    dataset : xarray.Dataset
        A series with an even grid; a sheared one stays sheared.
    spacing : float, dict or three floats
        Mm along all axes, by axis: ``{"z": 1.0}``, where axes not named stay, or along z, y and x: ``(2, 1, 1)``.
        Along z it counts across the slices.
    method : {"linear", "nearest", "cubic"}
        As in :func:`resample_like`.

    Returns
    -------
    xarray.Dataset
        As many voxels as fit between the first and the last centre, placed symmetrically, so that no voxel lies
        outside and nothing is extrapolated.

    Raises
    ------
    IrregularGeometry
        Slices are missing, uneven, alone or without a place.
    UsageError
        A spacing that is none, an axis that is not there, or a result larger than the memory.

    Notes
    -----
    Memory as in :func:`resample_like`.

    Examples
    --------
    >>> from workbench.arrays import from_array
    >>> axes = np.array([[0, 0, 1.0, 0], [0, 1, 0, 0], [2, 0, 0, 0], [0, 0, 0, 1]])
    >>> ds = from_array(np.zeros((3, 4, 4), "int16"), axes)
    >>> finer = resample(ds, spacing={"z": 1.0})
    >>> finer["z"].values.tolist(), finer["image"].dtype
    ([0.0, 1.0, 2.0, 3.0, 4.0], dtype('float32'))
    """
    _known(method)
    source = require_even(dataset, "resample", sheared=True)
    assert source.affine is not None
    affine = source.affine.copy()
    shape = [float(size) for size in source.shape]
    for i, (new, old) in enumerate(zip(_by_axis(spacing), source.spacing, strict=True)):
        if new is None:
            continue
        ratio = new / old
        # A hair of slack: 10 mm in steps of 0.1 mm are 101 voxels whatever binary fractions make of it.
        shape[i] = np.floor((source.shape[i] - 1) / ratio + 1e-6) + 1
        first = (source.shape[i] - 1 - (shape[i] - 1) * ratio) / 2
        affine[:3, 3] += first * source.affine[:3, i]
        affine[:3, i] *= ratio
    _require_room(dataset, shape, method, f" at {spacing!r} mm")
    target = even_grid(affine, (int(shape[0]), int(shape[1]), int(shape[2])), source.frame_of_reference_uid)
    return _resampled(dataset, source, target, method)


def resample_onto(dataset: xr.Dataset, target: ImageGrid, *, method: Method = "linear") -> xr.Dataset:
    """Dataset on the voxels of a grid, outside the image NaN; see :func:`resample_like`, whose memory it needs.

    Raises
    ------
    IrregularGeometry
        Slices are missing, uneven, alone or without a place.
    GridMismatch
        The grid lies outside the image.

    Examples
    --------
    >>> from workbench.arrays import from_array
    >>> axes = np.array([[0, 0, 1.0, 0], [0, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 1]])
    >>> ds = from_array(np.ones((2, 2, 2)), axes)
    >>> resample_onto(ds, even_grid(axes, (2, 2, 4)))["image"].values[0, 0].tolist()
    [1.0, 1.0, nan, nan]
    """
    _known(method)
    return _resampled(dataset, require_even(dataset, "resampling", sheared=True), target, method)


def straighten(dataset: xr.Dataset, *, method: Method = "linear") -> xr.Dataset:
    """Dataset of a tilted series on a straight grid, the same spacing in mm; NaN where there was nothing.

    Parameters
    ----------
    dataset : xarray.Dataset
        A series with an even grid, as a rule a sheared one (gantry tilt); a straight one comes back as it is.
    method : {"linear", "nearest", "cubic"}
        As in :func:`resample_like`.

    Returns
    -------
    xarray.Dataset
        Slices at the same depths along their normal, with as many rows and columns as hold them all.

    Raises
    ------
    IrregularGeometry
        Slices are missing, uneven, alone or without a place.

    Notes
    -----
    Memory as in :func:`resample_like`.

    Examples
    --------
    >>> from workbench.arrays import from_array
    >>> axes = np.array([[0, 0, 1.0, 0], [0, 1, 0.0, 0], [2, 0, 0, 0], [0, 0, 0, 1]])
    >>> axes[1, 0] = 1.0
    >>> tilted = from_array(np.ones((3, 4, 4)), axes)
    >>> straight = straighten(tilted)
    >>> straight["image"].shape, straight.attrs["geometry"], int(np.isnan(straight["image"]).sum())
    ((3, 6, 4), 'regular', 24)
    """
    _known(method)
    source = require_even(dataset, "straighten", sheared=True)
    if source.kind != "sheared":
        return dataset
    advance, dy, dx = source.spacing
    y_unit, x_unit = source.y_step / dy, source.x_step / dx
    drift = (source.positions - source.positions[0]) @ np.stack([y_unit / dy, x_unit / dx], axis=1)
    # Whole voxels before the first and behind the last, so that the first slice keeps its voxels.
    before, behind = np.floor(drift.min(axis=0) + 1e-6), np.ceil(drift.max(axis=0) - 1e-6)
    affine = np.eye(4)
    affine[:3, 0] = source.normal * advance
    affine[:3, 1], affine[:3, 2] = source.y_step, source.x_step
    affine[:3, 3] = source.positions[0] + before[0] * source.y_step + before[1] * source.x_step
    rows, columns = (int(n) for n in np.array(source.shape[1:]) + behind - before)
    target = even_grid(affine, (source.shape[0], rows, columns), source.frame_of_reference_uid)
    return _resampled(dataset, source, target, method)


def is_label(name: str, variable: xr.Variable) -> bool:
    """Whether a variable names classes, which have no values in between: masks and label maps."""
    return variable.dtype == bool or (name == "label" and variable.dtype.kind in "iu")


def _known(method: str) -> None:
    one_of(method, METHODS, name="method", remedy=f"use {', '.join(METHODS)}")


def _by_axis(spacing: Any) -> list[float | None]:
    """Spacing along z, y and x, mm; None where it stays."""
    if isinstance(spacing, Mapping):
        unknown = set(spacing) - set(AXES)
        if unknown:
            raise UsageError(f"no axis {', '.join(sorted(map(str, unknown)))}", remedy="use z, y or x")
        return [_millimetres(spacing[axis]) if axis in spacing else None for axis in AXES]
    if isinstance(spacing, (Sequence, np.ndarray)) and not isinstance(spacing, (str, bytes)):
        if np.shape(spacing) != (3,):
            raise UsageError(f"spacing cannot be {short(spacing)}", remedy="give three numbers, along z, y and x")
        return [_millimetres(value) for value in spacing]
    return [_millimetres(spacing)] * 3


def _millimetres(value: Any) -> float:
    least, most = SPACINGS
    remedy = f"give millimetres from {least:g} to {most:g}"
    if not least <= (number := finite_number(value, name="spacing", remedy=remedy)) <= most:
        raise UsageError(f"spacing cannot be {short(value)}", remedy=remedy)
    return number


def _require_room(dataset: xr.Dataset, shape: Sequence[float], method: Method, how: str = "") -> None:
    """Nothing where *dataset* fits into the memory on a grid of *shape*."""
    voxel = 0.0
    for name, data in dataset.data_vars.items():
        if set(AXES) <= set(data.dims):
            further = [data.sizes[dim] for dim in data.dims if dim not in AXES]
            voxel += float(np.prod(further)) * _kind(str(name), data.variable, method, whole=False)[0].itemsize
    if (short := beyond_memory(shape, voxel)) is not None:
        raise UsageError(
            f"{'x'.join(f'{size:.7g}' for size in reversed(shape))} voxels{how} need {short}",
            remedy="take a larger spacing, or a part with isel(...)",
        )


def _resampled(dataset: xr.Dataset, source: ImageGrid, target: ImageGrid, method: Method) -> xr.Dataset:
    """All variables of *dataset* that stand on *source*, on *target*."""
    _require_room(dataset, target.shape, method)
    slabs = slabs_between(source, target)
    variables: dict[str, xr.Variable] = {}
    volumes = {
        str(name): data.variable for name, data in dataset.data_vars.items() if set(AXES) <= set(data.variable.dims)
    }
    if volumes and not any(slab.touches(source.shape) for slab in slabs):
        raise GridMismatch(
            f"images do not overlap: {source.describe()} and {target.describe()}",
            remedy="check that both belong to one examination",
        )
    for name, variable in volumes.items():
        own: Method = "nearest" if is_label(name, variable) else method
        variables[name] = _variable(name, variable, source.shape, target.shape, slabs, own)
    variables |= {
        str(name): data.variable
        for name, data in dataset.data_vars.items()
        if not set(data.variable.dims) & {*AXES, *GRID_COORDINATES}
    }
    return on_grid(dataset, variables, target)


def _variable(
    name: str,
    variable: xr.Variable,
    shape: tuple[int, int, int],
    new_shape: tuple[int, int, int],
    slabs: list[Slab],
    method: Method,
) -> xr.Variable:
    """One variable on the new grid, volume by volume over its further dims."""
    others = [dim for dim in variable.dims if dim not in AXES]
    dtype, fill = _kind(name, variable, method, whole=wholly_inside(slabs, shape))
    result = np.empty((*(variable.sizes[dim] for dim in others), *new_shape), dtype)
    for number in np.ndindex(*result.shape[: len(others)]):
        volume = variable.isel(dict(zip(others, number, strict=True))).transpose(*AXES)
        sampled(volume, slabs, result[number], method=method, fill=fill, label=f"resampling {name}")
    attrs = {
        key: value for key, value in variable.attrs.items() if not (key.startswith("stored_") and dtype.kind == "f")
    }
    return xr.Variable((*others, *AXES), result, attrs).transpose(*variable.dims)


def _kind(name: str, variable: xr.Variable, method: Method, *, whole: bool) -> tuple[np.dtype[Any], Any]:
    """Type of the result, and the value outside the source."""
    if variable.dtype == bool:
        return np.dtype(bool), False
    if is_label(name, variable):
        return variable.dtype, 0
    if variable.dtype.kind not in "iuf":
        raise UsageError(f"{name} holds {variable.dtype}, which cannot be resampled", remedy="take real numbers of it")
    if method == "nearest" and variable.dtype.kind in "iu" and whole:
        return variable.dtype, 0
    return np.dtype("float32"), np.nan
