"""Stored numbers become values exactly, or the read says that they do not fit."""

from __future__ import annotations

import numpy as np
import pytest

from workbench.dicom.values.scaling import apply_map
from workbench.errors import DicomError


@pytest.mark.parametrize(("slope", "intercept"), [(1, 0), (1, -1024), (-1, 5), (3, 7), (1, 40000)])
def test_integers_are_computed_exactly(slope: int, intercept: int) -> None:
    stored = np.arange(-300, 300, dtype=np.int16).reshape(20, 30)
    out = np.empty((20, 30), np.int32)
    apply_map(stored, slope, intercept, out, checked=False)
    assert (out == stored.astype(np.int64) * slope + intercept).all()


def test_floats_are_computed_in_double_and_rounded_once() -> None:
    stored = np.array([[30001, 7]], np.int16)
    out = np.empty((1, 2), np.float32)
    apply_map(stored, 0.1, 0.3, out, checked=False)
    assert (out == (stored.astype(np.float64) * 0.1 + 0.3).astype(np.float32)).all()


def test_value_beyond_the_dtype_is_an_error_and_not_wrapped() -> None:
    stored = np.array([[-32768, 5]], np.int16)
    with pytest.raises(DicomError, match="from -33792 to -1019 do not fit int16") as caught:
        apply_map(stored, 1, -1024, np.empty((1, 2), np.int16), checked=True)
    assert "dtype='int32'" in str(caught.value)


def test_empty_frames_are_no_error() -> None:
    apply_map(np.empty((0, 4), np.int16), 1, -1024, np.empty((0, 4), np.int16), checked=True)


@pytest.mark.parametrize("stored_type", ["uint16", "int16", "uint8", "int8"])
@pytest.mark.parametrize("out_type", ["int16", "uint16", "int32", "uint8", "int8"])
@pytest.mark.parametrize("offset", [-1024, -1, 0, 7, 1000])
@pytest.mark.parametrize("in_place", [True, False])
def test_a_whole_offset_is_exact_between_all_integer_types_or_refused(
    stored_type: str, out_type: str, offset: int, in_place: bool
) -> None:
    limits = np.iinfo(stored_type)
    stored = np.linspace(limits.min, limits.max, 60).astype(stored_type).reshape(6, 10)
    expected = stored.astype(np.int64) + offset
    fits = np.iinfo(out_type).min <= expected.min() and expected.max() <= np.iinfo(out_type).max
    out = np.empty(stored.shape, out_type)
    given = stored
    if in_place and np.dtype(stored_type).itemsize == out.dtype.itemsize:
        given = out.view(stored_type)
        given[...] = stored
    if not fits:
        with pytest.raises(DicomError):
            apply_map(given, 1.0, float(offset), out, checked=True)
        return
    apply_map(given, 1.0, float(offset), out, checked=True)
    np.testing.assert_array_equal(out, expected)


def test_numbers_beyond_the_limits_become_nan_also_in_place() -> None:
    out = np.array([[-2.0, -1.0, 0.0, 1.0, 2.0]], np.float32)
    apply_map(out, 2.0, 1.0, out, checked=False, limits=(-1.0, 1.0))
    np.testing.assert_array_equal(out, np.array([[np.nan, -1, 1, 3, np.nan]], np.float32))
