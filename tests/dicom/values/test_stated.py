"""Columns of a part, whether the table has them or not."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from workbench.dicom.values.stated import distinct, floats, values, words

PART = pa.table({"a": ["x ", None, "x "], "b": pa.array([1, None, 3], pa.int64()), "c": pa.nulls(3)})


def test_missing_column_is_missing_in_every_row() -> None:
    assert values(PART, "none") == [None] * 3
    assert np.isnan(floats(PART, "none")).all()
    assert distinct(PART, "none") == [None]
    assert words(PART, "none") == {""}


def test_numbers_are_doubles_with_nan() -> None:
    assert floats(PART, "b").dtype == np.float64
    np.testing.assert_array_equal(floats(PART, "b"), [1, np.nan, 3])
    assert np.isnan(floats(PART, "c")).all()


def test_different_values_keep_their_order() -> None:
    assert distinct(PART, "a") == ["x ", None]
    assert words(PART, "a") == {"X", ""}


def test_no_rows_have_no_values() -> None:
    assert distinct(PART.slice(0, 0), "none") == []
    assert distinct(PART.slice(0, 0), "a") == []
