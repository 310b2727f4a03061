"""The number types that hold stored numbers and values."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.dicom.values.dtypes import integer_dtype, precision, stored_dtype, stored_range


@pytest.mark.parametrize("bits", [1, 8, 12, 16, 24, 32, 33, 64, 65535])
def test_any_number_of_bits_has_a_dtype(bits: int) -> None:
    assert stored_dtype(bits, signed=False).itemsize in (1, 2, 4, 8)


def test_floats_are_single_or_double() -> None:
    assert [stored_dtype(bits, signed=False, floating=True).name for bits in (16, 32, 64)] == [
        "float32", "float32", "float64",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([{"BitsAllocated": 16, "BitsStored": 12, "HighBit": 11, "PixelRepresentation": 0}], (0, 4095)),
        ([{"BitsAllocated": 16, "BitsStored": 12, "HighBit": 11, "PixelRepresentation": 1}], (-2048, 2047)),
        (
            [
                {"BitsAllocated": 16, "BitsStored": 16, "HighBit": 15, "PixelRepresentation": 0},
                {"BitsAllocated": 16, "BitsStored": 16, "HighBit": 15, "PixelRepresentation": 1},
            ],
            (-32768, 65535),
        ),
        ([{"BitsAllocated": None}], (0, 65535)),
    ],
)
def test_range_is_what_the_bits_allow(rows: list[dict[str, Any]], expected: tuple[int, int]) -> None:
    assert stored_range(pa.Table.from_pylist(rows)) == expected


@given(st.integers(-40_000, 40_000), st.integers(0, 70_000), st.integers(-3, 3), st.integers(-70_000, 70_000))
def test_unchecked_dtype_holds_every_declared_value(low: int, more: int, slope: int, intercept: int) -> None:
    chosen, checked = integer_dtype(low, low + more, slope, intercept)
    if not checked:
        limits = np.iinfo(chosen)
        assert all(limits.min <= stored * slope + intercept <= limits.max for stored in (low, low + more))


def test_bits_that_contradict_each_other_count_all() -> None:
    assert precision(16, 8, 3) == 16
