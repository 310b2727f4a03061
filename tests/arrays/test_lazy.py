"""Nothing is read before it is indexed, and then only what is asked."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from xarray.core import indexing

from workbench.arrays.lazy import LazyImage
from workbench.dicom.frames import FrameRef


class FakeReader:
    """Reads frame *k* as ``1000 * k + running index``, and counts."""

    def __init__(self) -> None:
        self.read: list[int] = []

    def __call__(self, ref: FrameRef, out: np.ndarray, *, checked: bool) -> None:
        self.read.append(ref.frame)
        out[...] = 1000 * ref.frame + np.arange(out.size).reshape(out.shape)


def ref(frame: int, samples: int = 1) -> FrameRef:
    return FrameRef(
        "path", "name", 0, 0, "", 0, 0, frame, 99, 4, 5, samples, 16, 16, 15, True, "MONOCHROME2", 1.0, 0.0
    )  # fmt: skip


def lazy(cells: Any, *, dtype: str = "int32", samples: int = 1) -> tuple[xr.Variable, np.ndarray, FakeReader]:
    """A lazy variable over *cells*, its eager twin, and the reader."""
    cells = np.asarray(cells)
    reader = FakeReader()
    array = LazyImage(
        [ref(i, samples) for i in range(int(cells.max()) + 1)], cells, np.dtype(dtype), reader=reader
    )  # fmt: skip
    shape = (4, 5) + ((samples,) if samples > 1 else ())
    eager = np.full((*cells.shape, *shape), np.nan if dtype == "float32" else 0, dtype)
    for index in np.ndindex(cells.shape):
        if cells[index] >= 0:
            eager[index] = 1000 * cells[index] + np.arange(np.prod(shape)).reshape(shape)
    dims = ("t", "z", "y", "x", "channel")[2 - cells.ndim :][: eager.ndim]
    return xr.Variable(dims, indexing.LazilyIndexedArray(array)), eager, reader


def test_opening_reads_nothing() -> None:
    variable, eager, reader = lazy(range(7))
    assert (variable.shape, variable.dtype) == (eager.shape, eager.dtype)
    assert repr(variable)
    assert reader.read == []


@pytest.mark.parametrize(
    ("key", "frames"),
    [
        ({"z": 3}, [3]),
        ({"z": -1}, [6]),
        ({"z": slice(2, 5)}, [2, 3, 4]),
        ({"z": slice(None, None, -3)}, [6, 3, 0]),
        ({"z": [4, 1]}, [4, 1]),
        ({"z": 3, "y": 2, "x": 1}, [3]),
        ({"z": slice(0, 0)}, []),
    ],
)
def test_only_the_frames_asked_for_are_read(key: dict[str, Any], frames: list[int]) -> None:
    variable, eager, reader = lazy(range(7))
    found = variable.isel(key).values
    assert sorted(reader.read) == sorted(frames)
    assert (found == eager[tuple(key.get(dim, slice(None)) for dim in ("z", "y", "x"))]).all()


def part(size: int) -> st.SearchStrategy[Any]:
    ends = st.one_of(st.none(), st.integers(-size - 2, size + 2))
    return st.one_of(
        st.integers(-size, size - 1),
        st.builds(slice, ends, ends, st.sampled_from([None, 1, 2, 3])),
        # Any lazy array of xarray reads [-size - 1::-1] as the whole, backwards; such starts are left out.
        st.builds(slice, st.one_of(st.none(), st.integers(-size, size + 2)), ends, st.sampled_from([-1, -2])),
        st.lists(st.integers(-size, size - 1), min_size=1, max_size=4).map(np.array),
    )


@given(st.tuples(part(3), part(4), part(4), part(5)))
@settings(derandomize=True, deadline=None, max_examples=300)
def test_any_key_gives_what_numpy_gives(key: tuple[Any, ...]) -> None:
    variable, eager, _ = lazy(np.arange(12).reshape(3, 4))
    ours = variable.isel(dict(zip(("t", "z", "y", "x"), key, strict=True)))
    expected = xr.Variable(("t", "z", "y", "x"), eager).isel(dict(zip(("t", "z", "y", "x"), key, strict=True)))
    assert ours.dims == expected.dims
    assert np.array_equal(ours.values, expected.values)


@given(part(4), part(4), part(4))
@settings(derandomize=True, deadline=None, max_examples=60)
def test_keys_upon_keys_give_what_numpy_gives(first: Any, second: Any, third: Any) -> None:
    variable, eager, _ = lazy(range(4))
    expected = xr.Variable(("z", "y", "x"), eager)
    for dim, key in (("z", first), ("y", second), ("z", third)):
        if dim in variable.dims and variable.sizes[dim] == 4:
            variable, expected = variable.isel({dim: key}), expected.isel({dim: key})
    assert np.array_equal(variable.values, expected.values)


def test_vectorised_keys_give_what_numpy_gives() -> None:
    variable, eager, _ = lazy(range(4))
    along = xr.Variable(("point",), [0, 3, 2])
    found = variable.isel(z=along, y=along, x=along)
    assert (found.values == eager[[0, 3, 2], [0, 3, 2], [0, 3, 2]]).all()


def test_missing_frames_are_nan_and_not_read() -> None:
    variable, eager, reader = lazy([[0, 1], [2, -1]], dtype="float32")
    assert np.array_equal(variable.values, eager, equal_nan=True)
    assert sorted(reader.read) == [0, 1, 2]


def test_colour_has_a_channel() -> None:
    variable, eager, reader = lazy(range(3), samples=3)
    assert variable.dims == ("z", "y", "x", "channel")
    assert (variable.isel(z=1, channel=2).values == eager[1, :, :, 2]).all()
    assert reader.read == [1]


def test_pickles_unread() -> None:
    variable, eager, _ = lazy(range(3))
    again = pickle.loads(pickle.dumps(variable))
    assert (again.values == eager).all()


def test_dask_chunks_read_one_frame_each() -> None:
    variable, eager, reader = lazy(range(5))
    chunked = variable.chunk({"z": 1})
    assert reader.read == []
    assert (chunked.isel(z=2).values == eager[2]).all()
    assert reader.read == [2]
