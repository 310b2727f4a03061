"""All segments as one map of labels (z, y, x): what viewers and networks want, and 98 times smaller than masks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from workbench.arguments import checked
from workbench.arrays.lazy_masks import occupied_slices
from workbench.errors import LabelError, UsageError

#: Bytes of one segment's mask that are read at a time.
_BLOCK_BYTES: Final = 1 << 22
#: Labels of a map at most: uint16.
_MOST: Final = 65535
#: Facts of segments that go along, a line for each segment.
_FACTS: Final = ("code", "standard", "number", "source_uid")


@checked
def label_map(dataset: xr.Dataset, *, variable: str = "mask", order: Sequence[str | int] | None = None) -> xr.DataArray:
    """``label`` (z, y, x), uint8 or uint16: 0 is background, *n* the *n*-th segment, counted from 1.

    Parameters
    ----------
    dataset : xarray.Dataset
        With masks (segment, z, y, x).
    variable : str, default "mask"
        Name of the masks.
    order : sequence of str or int, optional
        Which segment wins where several overlap, the first first; by name, or by place from 1. Those that are not
        named lose to those that are. Without it, overlapping segments are refused.

    Returns
    -------
    xarray.DataArray
        Line *n* of the text ``attrs["label_names"]`` names the segment of number *n*; ``label_code``,
        ``label_standard``, ``label_number`` and ``label_source_uid`` go along in the same way.

    Raises
    ------
    LabelError
        Two segments overlap, and *order* does not say which wins; names both. Or more segments than a map can hold.
    UsageError
        No such masks, or *order* names a segment that is not there, or that several are called.

    Examples
    --------
    >>> masks = np.zeros((2, 1, 2, 3), bool)
    >>> masks[0, 0, :, :2], masks[1, 0, :, 1:] = True, True
    >>> ds = xr.Dataset({"mask": (("segment", "z", "y", "x"), masks)}, {"segment": ["liver", "tumour"]})
    >>> label_map(ds, order=["tumour"]).values.tolist()
    [[[1, 2, 2], [1, 2, 2]]]
    >>> label_map(ds)
    Traceback (most recent call last):
    workbench.errors.LabelError: segments 'liver' and 'tumour' overlap (2 voxels on slice 0). say which wins with ...
    """
    if not isinstance(variable, str) or variable not in dataset or "segment" not in dataset[variable].dims:
        raise UsageError(f"no masks {variable!r} (segment, z, y, x) here", remedy="load them with ds.patient.masks()")
    if {"segment", "z", "y", "x"} != set(dataset[variable].dims):
        dims = ", ".join(map(str, dataset[variable].dims))
        raise UsageError(
            f"{variable!r} has the dims {dims}, not segment, z, y, x", remedy="rename or select them first"
        )
    masks = dataset[variable].transpose("segment", "z", "y", "x")
    if masks.dtype != np.bool_:
        raise UsageError(
            f"{variable!r} is not yes and no", remedy="choose a threshold: ds.patient.masks(threshold=...)"
        )
    n = masks.sizes["segment"]
    if n > _MOST:
        raise LabelError(f"{n} segments, a map holds {_MOST}", remedy="select some of them")
    names = (
        [str(name) for name in masks["segment"].values] if "segment" in masks.coords else [f"{i + 1}" for i in range(n)]
    )
    winners = _places(order or (), names)
    dtype = np.uint8 if n <= 255 else np.uint16
    labels: NDArray[Any] = np.zeros(masks.shape[1:], dtype)
    step = max(1, _BLOCK_BYTES // max(1, masks.shape[2] * masks.shape[3]))
    where = occupied_slices(masks.variable)
    # Those that win are laid on last; the first of the order at the very end.
    for place in (*(place for place in range(n) if place not in winners), *reversed(winners)):
        for start in range(0, len(where[place]), step):
            slices = where[place][start : start + step]
            voxels = np.asarray(masks.variable[place, slices].values)
            for slice_, plane in zip(slices.tolist(), voxels, strict=True):
                rows = np.flatnonzero(plane.any(axis=1))
                if not len(rows):
                    continue
                band = slice(rows[0], rows[-1] + 1)
                if place not in winners:
                    _refuse_overlap(labels[slice_, band], plane[band], place, names, slice_)
                np.copyto(labels[slice_, band], dtype(place + 1), where=plane[band])
    coords = {name: coord for name, coord in masks.coords.items() if "segment" not in coord.dims}
    # Lines and no lists: a list of one text does not come back as a list from every format.
    attrs = {"long_name": "label map", "units": "1", "label_names": "\n".join(_line(name) for name in names)}
    for fact in _FACTS:
        if f"segment_{fact}" in masks.coords:
            attrs[f"label_{fact}"] = "\n".join(_line(value) for value in masks[f"segment_{fact}"].values)
    return xr.DataArray(labels, coords, ("z", "y", "x"), name="label", attrs=attrs)


def _line(value: object) -> str:
    """A text as one line, for a name may hold a break."""
    return " ".join(str(value).splitlines())


def _places(order: Sequence[str | int], names: Sequence[str]) -> list[int]:
    """Places of the segments that an order names."""
    if isinstance(order, str):
        raise UsageError("order is a list of segments", remedy=f"order=[{order!r}]")
    found: list[int] = []
    for one in order:
        here = [one - 1] if isinstance(one, (int, np.integer)) else [i for i, name in enumerate(names) if name == one]
        if not here or not 0 <= here[0] < len(names):
            raise UsageError(f"no segment {one!r} here", remedy=f"there are {', '.join(names[:5])}")
        if len(here) > 1:
            raise UsageError(
                f"{len(here)} segments are called {one!r}",
                remedy=f"name them by place, from 1: {[i + 1 for i in here]}",
            )
        if here[0] not in found:
            found.append(int(here[0]))
    return found


def _refuse_overlap(
    labels: NDArray[Any], voxels: NDArray[np.bool_], place: int, names: Sequence[str], slice_: int
) -> None:
    clash = (labels != 0) & voxels
    if not clash.any():
        return
    taken = labels[clash]
    first, second = sorted((int(taken[0]) - 1, place))
    raise LabelError(
        f"segments {names[first]!r} and {names[second]!r} overlap "
        f"({int((taken == taken[0]).sum())} voxels on slice {slice_})",
        remedy="say which wins with order=[...], or work with the masks",
    )
