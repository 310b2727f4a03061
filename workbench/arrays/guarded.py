"""Lazy arrays of a Zarr group that are checked before each read, and whose failures are one error of ours."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

import numpy as np
import xarray as xr
from xarray.backends import BackendArray
from xarray.core import indexing

from workbench.arrays import accessor as _accessor  # noqa: F401  registers ds.patient
from workbench.errors import WorkbenchError


class Guard(Protocol):
    """Knows whether what lies on the disk is what was written."""

    def require(self, array: str) -> None:
        """Nothing where the files of an array are there; raises where they are not."""

    def damaged(self) -> WorkbenchError:
        """The error of what cannot be read."""


class GuardedArray(BackendArray):
    """A lazy array behind a guard. It holds no open file, so it pickles."""

    def __init__(self, variable: xr.Variable, name: str, guard: Guard) -> None:
        self.variable, self.name, self.guard = variable, name, guard
        self.shape, self.dtype = variable.shape, variable.dtype

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        return indexing.explicit_indexing_adapter(key, self.shape, indexing.IndexingSupport.OUTER, self._read)

    def _read(self, key: tuple[Any, ...]) -> Any:
        self.guard.require(self.name)
        try:
            return np.asarray(self.variable[key].values)
        except (WorkbenchError, MemoryError, IndexError):
            raise
        except Exception as error:
            # Whatever codecs make of bytes that are no longer theirs.
            raise self.guard.damaged() from error


def open_guarded(group: Path, guard: Guard) -> xr.Dataset:
    """Lazy Dataset of a Zarr group, each array behind *guard*.

    Raises
    ------
    WorkbenchError
        The guard's own, also where the group cannot be opened.
    """
    try:
        # chunks=None: lazy by xarray's own arrays, without dask. Values are kept once, by the outer arrays.
        dataset = xr.open_dataset(group, engine="zarr", chunks=None, cache=False, consolidated=False)
    except Exception as error:
        raise guard.damaged() from error
    guarded = {
        name: _guarded(variable, str(name), guard)
        for name, variable in dataset.variables.items() if name not in dataset.xindexes
    }  # fmt: skip
    coords = {name: guarded.pop(name) for name in list(guarded) if name in dataset.coords}
    return dataset.assign_coords(coords).assign(guarded)


def _guarded(variable: xr.Variable, name: str, guard: Guard) -> xr.Variable:
    lazy = indexing.LazilyIndexedArray(GuardedArray(variable, name, guard))
    kept = indexing.MemoryCachedArray(indexing.CopyOnWriteArray(lazy))  # type: ignore[no-untyped-call,arg-type]
    return xr.Variable(variable.dims, kept, variable.attrs, variable.encoding)
