"""Masks of several label objects as one lazy array (segment, z, y, x): only frames that are asked for are read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from xarray import Variable
from xarray.backends import BackendArray
from xarray.core import indexing

from workbench.arrays.memory import beyond_memory
from workbench.errors import LabelError
from workbench.labels import Masks
from workbench.labels.segment import Integers, Layers, Voxels, occupied


@dataclass(frozen=True, slots=True, eq=False)
class Reordered:
    """Layers whose slices stand in another order, or some of them."""

    layers: Layers
    #: Slice of the layers for each slice.
    order: Integers

    def read(self, segment: int, slices: Integers) -> Voxels:
        """Voxels (len(slices), y, x) of a segment."""
        return self.layers.read(segment, self.order[np.asarray(slices, np.int64)])

    def occupied(self, segment: int) -> Integers | None:
        """Slices on which a segment may have voxels, as far as the layers know."""
        known = occupied(self.layers, segment)
        return None if known is None else np.flatnonzero(np.isin(self.order, known))


class LazyMasks(BackendArray):
    """Segments of masks as an array (segment, z, y, x) of bool or float32.

    Reading segment *s* on slice *k* reads the frames that show it there, and no other. Holds names of files and tables,
    no open handles, so it pickles.

    Parameters
    ----------
    masks : sequence of Masks
        On one grid and of one kind.
    """

    def __init__(self, masks: Sequence[Masks]) -> None:
        self.places: tuple[tuple[Layers, int], ...] = tuple(
            (each.layers, index) for each in masks for index in range(len(each.segments))
        )
        self.dtype: np.dtype[Any] = masks[0].dtype
        self.shape = (len(self.places), *masks[0].shape)

    def occupied(self, segment: int) -> Integers:
        """Slices on which a segment may have voxels, ascending; all where that is not known without reading."""
        known = occupied(*self.places[segment])
        return np.arange(self.shape[1]) if known is None else known

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        # xarray stumbles over a backward slice that selects nothing.
        parts = tuple(
            slice(0, 0) if isinstance(part, slice) and not len(range(*part.indices(size))) else part
            for part, size in zip(key.tuple, self.shape, strict=True)
        )
        return indexing.explicit_indexing_adapter(
            type(key)(parts), self.shape, indexing.IndexingSupport.OUTER, self._read
        )

    def _read(self, key: tuple[Any, ...]) -> NDArray[Any]:
        segments, slices, rows, columns = (
            np.atleast_1d(np.arange(size)[part]) for size, part in zip(self.shape, key, strict=True)
        )
        sizes = (len(segments), len(slices), len(rows), len(columns))
        if beyond := beyond_memory(sizes, self.dtype.itemsize):
            raise LabelError(
                f"array of {beyond}", remedy="take some segments with isel(segment=...), or ds.patient.label_map()"
            )
        inner = tuple(_plain(part) for part in key[2:])
        whole = all(isinstance(part, slice) and part == slice(None) for part in inner)
        result: NDArray[Any] | None = None
        for index, segment in enumerate(segments.tolist()):
            layers, place = self.places[segment]
            voxels = layers.read(place, slices)
            if not whole:
                voxels = voxels[:, inner[0]][:, :, inner[1]]
            if len(segments) == 1:
                # Without a copy; layers in memory give their own array, which nobody may write to through this one.
                result = voxels[None]
                break
            if result is None:
                result = np.empty(sizes, self.dtype)
            result[index] = voxels
        if result is None:
            result = np.empty(sizes, self.dtype)
        # A single number drops its axis.
        return result[tuple(0 if isinstance(part, (int, np.integer)) else slice(None) for part in key)]


def _plain(part: Any) -> Any:
    """A part of an axis that keeps the axis."""
    return slice(int(part), int(part) + 1) if isinstance(part, (int, np.integer)) else part


def occupied_slices(variable: Variable) -> list[Integers]:
    """Slices on which each segment of masks (segment, z, y, x) may have voxels, as numbers of the variable's own axis.

    All slices, where the masks are in memory already or were taken apart in a way that cannot be followed.

    Parameters
    ----------
    variable : xarray.Variable
        With the dims (segment, z, y, x).
    """
    every = np.arange(variable.shape[1])
    held: Any = variable._data
    lazy = held.array if isinstance(held, indexing.LazilyIndexedArray) else None
    if not isinstance(lazy, LazyMasks) or len(held.key.tuple) != 4:
        return [every] * variable.shape[0]
    segments, slices = (np.arange(size)[part] for size, part in zip(lazy.shape, held.key.tuple[:2], strict=False))
    if np.ndim(segments) != 1 or np.ndim(slices) != 1:
        return [every] * variable.shape[0]
    return [np.flatnonzero(np.isin(slices, lazy.occupied(segment))) for segment in segments.tolist()]
