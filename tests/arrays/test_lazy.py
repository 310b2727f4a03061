"""Nothing is read before it is indexed, and then only what is asked."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from xarray.core import indexing

from tests import factories
from tests.tries import tries
from workbench.arrays.lazy import LazyImage
from workbench.dicom.pixels.frames import FrameRef
from workbench.errors import DicomError


class FakeReader:
    """Reads frame *k* as ``1000 * k + running index``, and counts frames and rows."""

    def __init__(self) -> None:
        self.read: list[int] = []
        self.rows: list[int] = []

    def __call__(self, ref: FrameRef, out: np.ndarray, *, checked: bool) -> None:
        self.read.append(ref.frame)
        self.rows.append(ref.rows)
        top = ref.crop[0] if ref.crop else 0
        shape = (*ref.stored_shape, *out.shape[2:])
        picture = 1000 * ref.frame + np.arange(np.prod(shape)).reshape(shape)
        out[...] = picture[top : top + ref.rows]


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
@settings(derandomize=True, deadline=None, max_examples=tries(300))
def test_any_key_gives_what_numpy_gives(key: tuple[Any, ...]) -> None:
    variable, eager, _ = lazy(np.arange(12).reshape(3, 4))
    ours = variable.isel(dict(zip(("t", "z", "y", "x"), key, strict=True)))
    expected = xr.Variable(("t", "z", "y", "x"), eager).isel(dict(zip(("t", "z", "y", "x"), key, strict=True)))
    assert ours.dims == expected.dims
    assert np.array_equal(ours.values, expected.values)


@given(part(4), part(4), part(4))
@settings(derandomize=True, deadline=None, max_examples=tries(60))
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


class Counted:
    """Files opened and bytes read meanwhile."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.opened: list[str] = []
        self.bytes = 0
        real = {name: getattr(os, name) for name in ("open", "pread", "preadv")}

        def opening(path: str, *args: Any, **kw: Any) -> int:
            self.opened.append(os.path.basename(path))
            return real["open"](path, *args, **kw)

        def reading(*args: Any) -> bytes:
            data = real["pread"](*args)
            self.bytes += len(data)
            return data

        def filling(*args: Any) -> int:
            n = real["preadv"](*args)
            self.bytes += n
            return n

        for name, counting in (("open", opening), ("pread", reading), ("preadv", filling)):
            monkeypatch.setattr(os, name, counting)


def opened(folder: Path) -> xr.DataArray:
    from workbench.arrays.opening import open_series

    return open_series(folder)["image"]


def test_one_slice_opens_one_file_and_reads_its_pixels_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    factories.stack(tmp_path, range(12))
    image = opened(tmp_path)
    count = Counted(monkeypatch)
    assert (image.isel(z=7).values == factories.pixels(8)).all()
    assert (count.opened, count.bytes) == (["0007.dcm"], 6 * 8 * 2)


def test_frames_of_one_file_are_read_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    factories.image(tmp_path / "a", frames=np.stack([factories.pixels(i) for i in range(12)]))
    image = opened(tmp_path)
    count = Counted(monkeypatch)
    assert (image.isel(z=slice(3, 5)).values == [factories.pixels(3), factories.pixels(4)]).all()
    assert (count.opened, count.bytes) == (["a"], 2 * 6 * 8 * 2)


def test_of_a_plane_across_the_slices_only_its_rows_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    factories.stack(tmp_path, range(5), bits_stored=12)
    image = opened(tmp_path)
    eager = image.values
    count = Counted(monkeypatch)
    assert (image.isel(y=2).values == eager[:, 2]).all()
    assert (sorted(count.opened), count.bytes) == ([f"{i:04d}.dcm" for i in range(5)], 5 * 8 * 2)
    count.bytes = 0
    assert (image.isel(y=[4, 2], x=slice(1, 7, 2)).values == eager[:, [4, 2], 1:7:2]).all()
    assert count.bytes == 5 * 3 * 8 * 2


@pytest.mark.parametrize("name", list(factories.LOSSLESS))
def test_parts_of_frames_are_parts_of_the_whole(name: str, tmp_path: Path) -> None:
    factories.stack(tmp_path, range(3), syntax=factories.LOSSLESS[name], RescaleIntercept=-5)
    image = opened(tmp_path)
    eager = image.values
    assert (image.isel(z=1, y=slice(2, 5), x=3).values == eager[1, 2:5, 3]).all()
    assert (image.isel(y=-1).values == eager[:, -1]).all()
    assert image.isel(y=slice(0, 0)).values.shape == (3, 0, 8)


def test_more_than_the_memory_of_the_machine_is_refused_before_it_is_asked_for() -> None:
    huge = ref(0)._replace(rows=1 << 20, columns=1 << 22)
    array = LazyImage([huge], np.zeros(9, np.int64), np.dtype("int32"))
    variable = xr.Variable(("z", "y", "x"), indexing.LazilyIndexedArray(array))
    with pytest.raises(DicomError, match=r"array of 158330 GB, this machine has \d+ GB of memory"):
        variable.values  # noqa: B018
