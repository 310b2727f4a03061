"""Variables computed from others when they are read: the order of axes, a window, a factor. Lazy inputs stay lazy."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from xarray.backends import BackendArray
from xarray.core import indexing

#: Computes values, element by element, from the values of one or more variables on common dims.
Elementwise = Callable[..., Any]


class DerivedArray(BackendArray):
    """Elements of other variables, transposed and passed through a function when they are indexed.

    Parameters
    ----------
    sources : sequence of Variable
        The first has all dims; the others some of them.
    dims : sequence of str
        Order of the dims of the result.
    dtype : dtype
        dtype of the result.
    function : callable, optional
        Element by element; the first source as it is by default. Pickles where the function does.
    """

    def __init__(
        self,
        sources: Sequence[xr.Variable],
        dims: Sequence[str],
        dtype: np.dtype[Any],
        function: Elementwise | None = None,
    ) -> None:
        self.sources = tuple(sources)
        self.dims = tuple(dims)
        self.dtype = dtype
        self.function = function
        self.shape = tuple(self.sources[0].sizes[dim] for dim in self.dims)

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        return indexing.explicit_indexing_adapter(key, self.shape, indexing.IndexingSupport.OUTER, self._read)

    def _read(self, key: tuple[Any, ...]) -> NDArray[Any]:
        parts = dict(zip(self.dims, key, strict=True))
        read = [source.isel({d: p for d, p in parts.items() if d in source.dims}).load() for source in self.sources]
        result = self.function(*read) if self.function is not None else read[0]
        left = [dim for dim in self.dims if dim in read[0].dims]
        values: NDArray[Any] = result.transpose(*left).values.astype(self.dtype, copy=False)
        return values


class TurnableArray(indexing.LazilyIndexedArray):
    """A lazy array that stays one when it is transposed: a slice of it reads what that slice holds and no more.

    xarray's own gives up outer indexing there, and fails on whole numbers along all axes of a transposed array.
    """

    def transpose(self, order: Sequence[int]) -> TurnableArray:
        """The array with its axes in another order; nothing is read."""
        dims = [f"axis_{number}" for number in range(self.ndim)]
        source = xr.Variable(dims, self)
        return TurnableArray(DerivedArray([source], [dims[number] for number in order], self.dtype))


def derived(
    sources: Sequence[xr.Variable],
    function: Elementwise | None = None,
    *,
    dtype: Any = None,
    dims: Sequence[str] | None = None,
    attrs: dict[str, Any] | None = None,
) -> xr.Variable:
    """Variable computed from *sources*: at once where the first is in memory or dask's, else when it is read.

    Examples
    --------
    >>> doubled = derived([xr.Variable(("y", "x"), np.ones((2, 3)))], lambda v: 2 * v, dims=("x", "y"))
    >>> doubled.shape, float(doubled[0, 0])
    ((3, 2), 2.0)
    """
    first = sources[0]
    dims = tuple(str(dim) for dim in first.dims) if dims is None else tuple(dims)
    dtype = first.dtype if dtype is None else np.dtype(dtype)
    if first._in_memory or first.chunks is not None:
        result = function(*sources) if function is not None else first
        result = result.transpose(*dims).astype(dtype, copy=False)
        return xr.Variable(dims, result._data, first.attrs if attrs is None else attrs)
    array = DerivedArray(sources, dims, dtype, function)
    encoding = {key: value for key, value in first.encoding.items() if key == "preferred_chunks"}
    return xr.Variable(dims, TurnableArray(array), first.attrs if attrs is None else attrs, encoding)
