"""Two ways to the same values: axis by axis where axes run along, the general one elsewhere."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.tries import tries
from workbench.arrays import affine_slabs
from workbench.arrays.affine_slabs import Slab, sampled, slabs_between
from workbench.arrays.aligned import aligned_axes
from workbench.arrays.image_grid import even_grid

SHAPE = (5, 6, 7)


def volume(dtype: str, holes: bool) -> xr.Variable:
    values = np.random.default_rng(5).integers(-900, 900, SHAPE).astype(dtype)
    if holes:
        values[2, :, 3:] = np.nan
    return xr.Variable(("z", "y", "x"), values)


def filled(slab: Slab, variable: xr.Variable, method: str) -> np.ndarray:
    out = np.empty(slab.shape, np.float32)
    sampled(variable, [slab], out, method=method, fill=np.nan, label="test")
    return out


@settings(deadline=None, max_examples=tries(150))
@given(
    st.permutations(range(3)),
    st.tuples(*[st.floats(-2, 2).filter(lambda v: abs(v) > 0.05)] * 3),
    st.tuples(*[st.floats(-2, 8)] * 3),
    st.sampled_from(["nearest", "linear"]),
    st.sampled_from([("int16", False), ("float32", False), ("float32", True)]),
)
def test_axis_by_axis_equals_the_general_way(
    order: list[int], steps: Any, offset: Any, method: str, kind: tuple[str, bool]
) -> None:
    matrix = np.zeros((3, 3))
    matrix[order, range(3)] = steps
    slab = Slab(0, (4, 3, 5), matrix, np.array(offset) + 0.01234)
    assert aligned_axes(matrix, slab.shape) == tuple(order)
    fast = filled(slab, volume(*kind), method)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(affine_slabs, "aligned_axes", lambda *_: None)
        general = filled(slab, volume(*kind), method)
    axes = (order[0], order[1], order[2])
    numbers = np.concatenate(slab.numbers(axes, np.zeros(3)))
    if method == "linear" or np.abs(numbers % 1 - 0.5).min() > 1e-9:
        np.testing.assert_allclose(fast, general, atol=1e-2)


def test_an_axis_that_runs_across_is_not_aligned() -> None:
    assert aligned_axes(np.array([[1, 0, 0], [0.01, 1, 0], [0, 0, 1.0]]), (9, 9, 9)) is None
    assert aligned_axes(np.array([[1, 0, 0], [0.01, 1, 0], [0, 0, 1.0]]), (1, 9, 9)) == (0, 1, 2)
    assert aligned_axes(np.array([[1, 1, 0], [0, 0, 0], [0, 0, 1.0]]), (9, 9, 9)) is None


def test_slabs_cover_the_grid_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(affine_slabs, "SLAB_VOXELS", 60)
    grid = even_grid(np.eye(4), (7, 5, 6))
    slabs = slabs_between(grid, grid)
    assert [(slab.start, slab.shape[0]) for slab in slabs] == [(0, 2), (2, 2), (4, 2), (6, 1)]
    assert all(slab.offset == pytest.approx([slab.start, 0, 0]) for slab in slabs)


def test_an_error_in_one_slab_ends_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: Any, **__: Any) -> None:
        raise MemoryError

    monkeypatch.setattr(affine_slabs, "fill_aligned", fails)
    with pytest.raises(MemoryError):
        filled(Slab(0, (4, 3, 5), np.eye(3), np.zeros(3)), volume("int16", False), "linear")


@settings(deadline=None, max_examples=tries(100))
@given(
    st.lists(st.lists(st.sampled_from([0.0, 0.5, -0.7, 1.3]), min_size=3, max_size=3), min_size=3, max_size=3),
    st.tuples(*[st.floats(-3, 8)] * 3),
)
def test_stretch_of_a_row_inside_is_what_every_voxel_says(matrix: Any, offset: Any) -> None:
    slab = Slab(0, (4, 3, 5), np.array(matrix), np.array(offset))
    numbers = np.moveaxis(np.indices(slab.shape), 0, -1) @ slab.matrix.T + slab.offset
    ends = np.array([-affine_slabs._RIM, *(np.array(SHAPE) - 1 + affine_slabs._RIM)])
    # On the very edge rounding decides.
    clear = np.minimum(np.abs(numbers - ends[0]), np.abs(numbers - ends[1:])).min(axis=-1) > 1e-9
    expected = affine_slabs._inside(numbers, SHAPE)
    assert (affine_slabs._inside_slab(slab, SHAPE) == expected)[clear].all()
