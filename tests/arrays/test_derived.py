"""Variables computed when they are read."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from xarray.backends import BackendArray
from xarray.core import indexing

from tests import factories
from tests.tries import tries
from workbench.arrays.derived import DerivedArray, derived


class Counted(BackendArray):
    """An array that counts the elements read from it."""

    def __init__(self, values: np.ndarray) -> None:
        self.values, self.shape, self.dtype, self.read = values, values.shape, values.dtype, 0

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        def get(parts: tuple[Any, ...]) -> np.ndarray:
            found = self.values[
                np.ix_(*(np.atleast_1d(np.arange(n)[p]) for n, p in zip(self.shape, parts, strict=True)))
            ]
            self.read += found.size
            return found[tuple(0 if isinstance(p, (int, np.integer)) else slice(None) for p in parts)]

        return indexing.explicit_indexing_adapter(key, self.shape, indexing.IndexingSupport.OUTER, get)


def lazy() -> tuple[xr.Variable, Counted]:
    counted = Counted(np.arange(24).reshape(2, 3, 4))
    return xr.Variable(("a", "b", "c"), indexing.LazilyIndexedArray(counted)), counted


def plus(image: xr.Variable, add: xr.Variable) -> xr.Variable:
    return image + add


PARTS = st.one_of(
    st.integers(-2, 1), st.builds(slice, st.integers(0, 1), st.one_of(st.none(), st.integers(1, 2))),
    st.just(slice(None, None, -1)), st.lists(st.integers(0, 1), min_size=1, max_size=3),
)  # fmt: skip


@settings(deadline=None, max_examples=tries(150))
@given(st.permutations("abc"), st.fixed_dictionaries({}, optional=dict.fromkeys("abc", PARTS)))
def test_indexing_equals_that_of_the_computed_array(dims: list[str], part: dict[str, Any]) -> None:
    source, _ = lazy()
    add = xr.Variable(("b",), np.array([100, 200, 300]))
    result = derived([source, add], plus, dims=dims, dtype="float32")
    expected = (source + add).transpose(*dims).astype("float32")
    xr.testing.assert_identical(result.isel(part).load(), expected.isel(part).load())


def test_nothing_is_read_before_it_is_asked_for() -> None:
    source, counted = lazy()
    result = derived([source], dims=("c", "a", "b"))
    assert (result.shape, counted.read) == ((4, 2, 3), 0)
    assert result[1, 0].values.tolist() == [1, 5, 9]
    assert counted.read == 3


def test_memory_is_computed_at_once() -> None:
    result = derived([xr.Variable("x", np.arange(3), {"units": "mm"})], lambda v: v * 2)
    assert isinstance(result._data, np.ndarray)
    assert result.attrs == {"units": "mm"}


def test_it_pickles() -> None:
    source, _ = lazy()
    array = DerivedArray([source, xr.Variable((), 5)], ("a", "b", "c"), np.dtype("int64"), plus)
    again = pickle.loads(pickle.dumps(array))
    assert (
        xr.Variable(array.dims, indexing.LazilyIndexedArray(again)).values == np.arange(24).reshape(2, 3, 4) + 5
    ).all()


def test_attributes_and_preferred_chunks_stay() -> None:
    source, _ = lazy()
    source.attrs["units"], source.encoding["preferred_chunks"] = "1", {"a": 1}
    result = derived([source])
    assert result.attrs == {"units": "1"}
    assert result.encoding == {"preferred_chunks": {"a": 1}}


def test_one_slice_of_a_transposed_series_opens_one_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    factories.stack(tmp_path, (0, 2, 4))
    turned = xr.open_dataset(tmp_path, engine="dicom")["image"].transpose("x", "y", "z")
    names: list[str] = []
    real = os.open
    monkeypatch.setattr(os, "open", lambda path, *a, **o: names.append(Path(path).name) or real(path, *a, **o))
    assert (turned.isel(z=1).values == factories.pixels(2).T).all()
    assert names == ["0001.dcm"]
    assert turned.isel(z=2, y=1, x=3).item() == factories.pixels(3)[1, 3]
