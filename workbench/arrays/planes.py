"""What a figure shows: one volume in ascending millimetres, the planes through it, the outlines, the grey window."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from workbench.arrays.arguments import finite_number, image_of, short
from workbench.arrays.axes import AXES
from workbench.errors import OutsideImage, UsageError

#: Display windows (centre, width) by unit of the values, where neither caller nor header names one.
WINDOWS: Final = {"[hnsf'U]": (40.0, 400.0)}
#: Numbers of values per voxel that are a colour.
_COLOURS: Final = (3, 4)


@dataclass(frozen=True, eq=False)
class Shown:
    """One volume to draw."""

    #: Dims z, y, x[, channel], millimetres ascending.
    volume: xr.DataArray
    #: Axes across which a plane is drawn.
    planes: tuple[str, ...]
    #: Place chosen by the caller, mm by axis.
    point: dict[str, float]
    #: What was chosen of further dimensions, e.g. ``time = 12 s (2 of 20)``.
    levels: tuple[str, ...]


def shown(dataset: xr.Dataset, at: Mapping[str, float] | None) -> Shown:
    """The volume of *dataset* to draw, at the levels and the place that *at* names.

    Raises
    ------
    UsageError
        No image of real numbers, nothing left of it, fewer than two axes, or *at* names what is not there.
    OutsideImage
        The place is beyond the image.
    """
    image = image_of(dataset)
    if at is not None and not isinstance(at, Mapping):
        raise UsageError(f"at cannot be {short(at)}", remedy="give mm by axis, for example at={'z': 30.0}")
    wanted = dict(at or {})
    for dim, size in image.sizes.items():
        if not size:
            raise UsageError(f"axis {dim} is empty", remedy="select at least one voxel")
    levels = []
    for dim in [dim for dim in image.dims if dim not in (*AXES, "channel")]:
        number = _level(image, str(dim), wanted.pop(str(dim), None))
        levels.append(_told(image, str(dim), number))
        image = image.isel({dim: [number]}).squeeze(dim)
    gone = [axis for axis in AXES if axis not in image.dims]
    if len(gone) > 1:
        raise UsageError(
            f"a figure shows planes, and the image has no axes {' and '.join(gone)}", remedy="keep two of z, y and x"
        )
    unknown = set(map(str, wanted)) - (set(AXES) - set(gone))
    if unknown:
        there = ", ".join(axis for axis in AXES if axis not in gone)
        raise UsageError(f"no dimension {', '.join(sorted(unknown))} in this series", remedy=f"use {there}")
    volume = _numbered_channels(upright(image))
    point = {axis: _inside(volume, axis, value) for axis, value in wanted.items()}
    thin = [axis for axis in AXES if volume.sizes[axis] == 1]
    if gone or "z" in thin or dataset.attrs.get("geometry") in ("unplaced", "projection"):
        planes = gone or ["z"]
    else:
        planes = thin if len(thin) == 1 else list(AXES)
    return Shown(volume, tuple(planes), point, tuple(levels))


def upright(image: xr.DataArray) -> xr.DataArray:
    """The image with dims z, y, x before others and ascending millimetres; an axis that is gone has one voxel.

    Raises
    ------
    UsageError
        A coordinate holds no millimetres.
    """
    for axis in AXES:
        if axis not in image.dims:
            image = image.expand_dims(axis)
            if axis not in image.coords:
                image = image.assign_coords({axis: [0.0]})
        values = image[axis].values
        if axis not in image.coords or values.dtype.kind not in "iuf" or not np.isfinite(values).all():
            raise UsageError(
                f"coordinate {axis} does not say where every voxel is", remedy="open the series again and keep z, y, x"
            )
        if (np.diff(values) < 0).any():
            image = image.isel({axis: np.argsort(values, kind="stable")})
    return image.transpose(*AXES, ...)


def _level(image: xr.DataArray, dim: str, wanted: Any) -> int:
    """Number along a further dimension: the first, or the level nearest to the one wanted."""
    if wanted is None:
        return 0
    levels = image[dim].values
    if levels.dtype.kind in "iuf":
        number = finite_number(wanted, name=f"at[{dim!r}]", remedy=f"give a level of {dim}")
        return int(np.abs(levels - number).argmin())
    found = np.flatnonzero(levels.astype(str) == str(wanted))
    if not len(found):
        known = ", ".join(map(str, levels[:8]))
        raise UsageError(f"no {dim} {short(wanted)} in this series", remedy=f"there are: {known}")
    return int(found[0])


def _told(image: xr.DataArray, dim: str, number: int) -> str:
    count = f"{number + 1} of {image.sizes[dim]}"
    if dim not in image.coords:
        return f"{dim} {count}"
    level = image[dim].values[number]
    value = f"{level:g}" if image[dim].dtype.kind in "iuf" else str(level)
    units = image[dim].attrs.get("units", "")
    # The unit one would read as a number.
    return " ".join(part for part in (f"{dim} =", value, units if units != "1" else "", f"({count})") if part)


def _numbered_channels(volume: xr.DataArray) -> xr.DataArray:
    """The volume with three channels, or with none where there is one."""
    n = volume.sizes.get("channel", 0)
    if n == 1:
        return volume.squeeze("channel")
    if n and n not in _COLOURS:
        raise UsageError(f"an image of {n} channels is no colour", remedy="select one: ds.isel(channel=0)")
    return volume.isel(channel=slice(0, 3)) if n else volume


def _inside(volume: xr.DataArray, axis: str, wanted: Any) -> float:
    place = finite_number(wanted, name=f"at[{axis!r}]", remedy="give mm")
    values = volume[axis].values
    if len(values) > 1:
        half = float(np.diff(values).max()) / 2
        if not values[0] - half <= place <= values[-1] + half:
            raise OutsideImage(
                f"{axis} = {place:g} is outside the image, which spans {values[0]:.1f} to {values[-1]:.1f}",
                remedy=f"give a {axis} inside it",
            )
    return place


def outlined(dataset: xr.Dataset, wanted: Sequence[str] | None) -> dict[str, xr.DataArray]:
    """Boolean volumes (z, y, x) to outline, by segment name; a fraction is outlined at one half.

    Raises
    ------
    UsageError
        *wanted* is no list of names, or names what is not there.
    """
    if wanted is not None and (isinstance(wanted, str) or not isinstance(wanted, Sequence)):
        raise UsageError(f"segments cannot be {short(wanted)}", remedy="give a list of names, as in ['tumour']")
    found: dict[str, xr.DataArray] = {}
    for name, dim in (("mask", "segment"), ("fraction", "fraction_segment")):
        if name not in dataset:
            continue
        masks = dataset[name] if dim in dataset[name].dims else dataset[name].expand_dims(dim)
        names = masks[dim].values if dim in masks.coords else np.full(masks.sizes[dim], name)
        for number, label in enumerate(names):
            volume = masks.isel({dim: number})
            further = {other: 0 for other in volume.dims if other not in AXES}
            volume = upright(volume.isel(further) if further else volume)
            found[_unused(str(label), found)] = volume if name == "mask" else volume >= 0.5
    if wanted is not None:
        missing = {str(name) for name in wanted} - set(found)
        if missing:
            there = ", ".join(found) or "none"
            raise UsageError(f"no segment {', '.join(sorted(missing))}", remedy=f"there are: {there}")
        found = {name: found[name] for name in wanted}
    return found


def _unused(name: str, taken: dict[str, Any]) -> str:
    number, candidate = 1, name
    while candidate in taken:
        number += 1
        candidate = f"{name} ({number})"
    return candidate


def middle(volume: xr.DataArray, masks: dict[str, xr.DataArray], axis: str) -> float:
    """Coordinate of the slice with most of the largest segment, else the middle slice."""
    if masks:
        largest = max(masks.values(), key=lambda mask: int(mask.sum()))
        counts = largest.sum([other for other in AXES if other != axis]).values
        if counts.max() > 0:
            # Of slices with as much of it the middle one: a mask that fills the image begins at its edge.
            fullest = np.flatnonzero(counts == counts.max())
            return float(volume[axis].values[fullest[len(fullest) // 2]])
    return float(volume[axis].values[volume.sizes[axis] // 2])


def grey_range(
    dataset: xr.Dataset,
    window: tuple[float, float] | None,
    pictures: Sequence[NDArray[Any]],
    *,
    colour: bool,
) -> tuple[float, float]:
    """Values drawn black and white: of the window given, the unit's, the header's, or the pictures'.

    Raises
    ------
    UsageError
        *window* is no centre and width, or the image has colours.
    """
    image = dataset["image"]
    if window is not None:
        if colour:
            raise UsageError("a colour image has no window", remedy="leave window out")
        if not isinstance(window, (Sequence, np.ndarray)) or isinstance(window, str) or np.shape(window) != (2,):
            raise UsageError(f"window cannot be {short(window)}", remedy="give (centre, width), as in (40, 400)")
        centre, width = (finite_number(value, name="window", remedy="give (centre, width)") for value in window)
        if width <= 0:
            raise UsageError(f"window of width {width:g}", remedy="give a width above 0")
        return centre - width / 2, centre + width / 2
    if image.dtype == bool:
        return 0.0, 1.0
    found = WINDOWS.get(image.attrs.get("units", ""))
    if found is None and not colour and image.attrs.get("value_kind") != "suv":
        found = _header_window(dataset)
    if found is not None:
        return found[0] - found[1] / 2, found[0] + found[1] / 2
    values = np.concatenate([np.asarray(picture, dtype=np.float32).ravel() for picture in pictures])
    values = values[np.isfinite(values)]
    if not values.size:
        return 0.0, 1.0
    low, high = (float(v) for v in np.percentile(values, [1, 99.5]))
    return (low, high) if high > low else (low, low + 1)


def _header_window(dataset: xr.Dataset) -> tuple[float, float] | None:
    try:
        centre, width = (float(str(dataset.attrs[k]).split("\\")[0]) for k in ("WindowCenter", "WindowWidth"))
    except (KeyError, ValueError):
        return None
    return (centre, width) if np.isfinite([centre, width]).all() and width > 0 else None
