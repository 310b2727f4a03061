"""Values across the axes of a volume: equal to what scipy interpolates, for every type, size and tile."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import affine_transform

from tests.tries import tries
from workbench.arrays import oblique
from workbench.arrays.oblique import fill_oblique

TYPES = ["int8", "int16", "uint16", "int32", "float32", "float64"]


def volume(shape: tuple[int, ...], dtype: str = "int16") -> np.ndarray:
    low, high = (0, 250) if dtype[0] == "u" else (-100, 100)
    return np.random.default_rng(5).integers(low, high, shape).astype(dtype)


def filled(values: np.ndarray, matrix: Any, offset: Any, shape: tuple[int, ...], method: str) -> np.ndarray:
    out = np.full(shape, -7, np.float32)
    fill_oblique(values, np.array(matrix), np.array(offset), out, method=method)
    return out


def expected(values: np.ndarray, matrix: Any, offset: Any, shape: tuple[int, ...], order: int) -> np.ndarray:
    return affine_transform(
        values.astype(np.float64), np.array(matrix), offset=offset, output_shape=shape, order=order, mode="nearest"
    )


matrices = st.lists(st.lists(st.floats(-1.5, 1.5), min_size=3, max_size=3), min_size=3, max_size=3)
offsets = st.lists(st.floats(-4, 8), min_size=3, max_size=3)
sizes = st.tuples(st.integers(1, 6), st.integers(1, 7), st.integers(1, 8))


@settings(deadline=None, max_examples=tries(300))
@given(matrices, offsets, sizes, sizes, st.sampled_from(TYPES), st.integers(1, 40))
def test_linear_is_scipys(matrix: Any, offset: Any, old: Any, new: Any, dtype: str, tile: int) -> None:
    values = volume(old, dtype)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(oblique, "TILE_VOXELS", tile)
        found = filled(values, matrix, offset, new, "linear")
    np.testing.assert_allclose(found, expected(values, matrix, offset, new, 1), atol=200 * 1e-5)


@settings(deadline=None, max_examples=tries(200))
@given(matrices, offsets, sizes, sizes, st.sampled_from(TYPES))
def test_nearest_is_the_voxel_next_to_it(matrix: Any, offset: Any, old: Any, new: Any, dtype: str) -> None:
    values = volume(old, dtype)
    numbers = np.moveaxis(np.indices(new), 0, -1) @ np.array(matrix).T + np.array(offset)
    numbers = np.clip(numbers, 0, np.array(old) - 1)
    chosen = np.floor(numbers + 0.5).astype(int)
    # In the middle between two voxels rounding may take either.
    clear = (np.abs(numbers % 1 - 0.5) > 1e-9).all(axis=-1)
    found = filled(values, matrix, offset, new, "nearest")
    assert (found == values[tuple(np.moveaxis(chosen, -1, 0))])[clear].all()


def test_whole_volume_of_one_value_stays_so_to_the_last_bit() -> None:
    values = np.full((5, 6, 7), 1234.567, np.float32)
    turn = [[0.9, 0.1, 0], [-0.1, 0.9, 0.2], [0, -0.2, 0.9]]
    assert (filled(values, turn, [0.1, 0.2, 0.3], (5, 6, 7), "linear") == values[0, 0, 0]).all()


def test_differences_of_unsigned_and_narrow_integers_do_not_wrap() -> None:
    for dtype in ("uint8", "int8", "uint16", "int16"):
        limits = np.iinfo(dtype)
        values = np.array([[[limits.max, limits.min]] * 2] * 2, dtype)
        found = filled(values, [[0, 1, 0], [1, 0, 0], [0.1, 0.1, 0.5]], [0, 0, 0], (2, 2, 2), "linear")
        assert found[0, 0].tolist() == [limits.max, (limits.max + limits.min) / 2]


def test_type_of_the_result_is_kept_by_nearest() -> None:
    values = volume((4, 5, 6), "int16")
    out = np.zeros((2, 3, 4), np.int16)
    fill_oblique(values, np.array([[1, 0.2, 0], [0, 1, 0.2], [0.2, 0, 1]]), np.zeros(3), out, method="nearest")
    assert out[0, 0, 1] == values[0, 0, 1]


def test_infinities_do_not_warn() -> None:
    values = volume((5, 5, 5), "float32")
    values[2, 2, 2], values[2, 2, 3] = np.inf, -np.inf
    found = filled(values, [[0.5, 0.1, 0], [0, 0.5, 0.1], [0.1, 0, 0.5]], [0, 0, 0], (5, 5, 5), "linear")
    assert not np.isfinite(found).all()
    assert np.isfinite(found[0, 0, 0])
