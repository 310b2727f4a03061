"""Real-world value maps: which can be chosen, and what they give."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.dicom.values.real_world import LARGEST_TABLE, RealWorldMap, applied, choices
from workbench.dicom.values.scaling import apply_map

ADC = {"first": 0, "last": 4095, "slope": 0.5, "intercept": -3, "lut": None, "units": "um2/s", "label": "ADC"}


def part(*rows: list[dict[str, Any]] | None) -> pa.Table:
    texts = [None if maps is None else json.dumps(maps) for maps in rows]
    return pa.table({"real_world_values": pa.array(texts, pa.string())})


def names(*rows: list[dict[str, Any]] | None) -> tuple[list[str], list[str]]:
    found, unusable = choices(part(*rows))
    return [choice.name for choice in found], list(unusable)


def values_of(one: RealWorldMap, stored: np.ndarray, low: int, high: int) -> np.ndarray:
    form = applied((one,), low, high, floating=False)
    assert form.limits is None
    out = np.empty(stored.shape, np.float32)
    table = None if form.luts is None else form.luts[0]
    apply_map(stored, float(form.slope[0]), float(form.intercept[0]), out, checked=False, lut=table)
    return out


def test_a_map_is_named_by_its_label_or_else_its_units() -> None:
    assert names([ADC, ADC | {"label": "", "units": "s"}]) == (["ADC", "s"], [])


def test_one_label_with_two_units_is_told_apart() -> None:
    assert names([ADC, ADC | {"units": "mm2/s"}]) == (["ADC (um2/s)", "ADC (mm2/s)"], [])


def test_tables_without_the_column_or_without_maps_have_no_choice() -> None:
    assert choices(pa.table({"Modality": ["MR"]})) == ((), ())
    assert names(None, None) == ([], [])


def test_lines_may_differ_by_row() -> None:
    found, _ = choices(part([ADC], [ADC | {"slope": 2.0}]))
    assert applied(found[0].maps, 0, 4095, floating=False).slope.tolist() == [0.5, 2]


@pytest.mark.parametrize(
    "rows",
    [
        ([ADC], None),
        ([ADC, ADC],),
        ([ADC | {"slope": None}],),
        ([ADC | {"slope": 0}],),
        ([ADC | {"first": None}],),
        ([ADC | {"first": 9, "last": 3}],),
        ([ADC | {"slope": None, "lut": [1, 2, 3]}],),
    ],
)
def test_what_does_not_give_every_row_one_value_is_unusable(rows: Any) -> None:
    assert names(*rows) == ([], ["ADC"])


def test_numbers_beyond_the_map_have_no_value() -> None:
    one = RealWorldMap(2, 4, 0.5, 1, None, "1", "")
    found = values_of(one, np.array([0, 1, 2, 3, 4, 5, 255], "u1"), 0, 255)
    np.testing.assert_array_equal(found, np.float32([np.nan, np.nan, 2, 2.5, 3, np.nan, np.nan]))


def test_table_gives_its_entries_and_nothing_beyond() -> None:
    one = RealWorldMap(-1, 1, None, None, (10.5, 20, 30), "1", "")
    found = values_of(one, np.array([-2, -1, 0, 1, 2], "i2"), -2048, 2047)
    np.testing.assert_array_equal(found, np.float32([np.nan, 10.5, 20, 30, np.nan]))


def test_map_beyond_all_numbers_gives_no_value() -> None:
    one = RealWorldMap(300, 400, 1, 0, None, "1", "")
    assert np.isnan(values_of(one, np.array([0, 255], "u1"), 0, 255)).all()


def test_map_of_all_numbers_stays_a_line() -> None:
    form = applied((RealWorldMap(0, 4095, 2, 1, None, "1", ""),), 0, 4095, floating=False)
    assert (form.luts, form.limits, form.slope.tolist(), form.intercept.tolist()) == (None, None, [2], [1])


@pytest.mark.parametrize(("last", "floating"), [(LARGEST_TABLE + 1, False), (5, True)])
def test_range_that_no_table_holds_is_kept_as_limits(last: int, floating: bool) -> None:
    form = applied((RealWorldMap(0, last, 1, 0, None, "1", ""),), -(1 << 31), (1 << 31) - 1, floating=floating)
    assert (form.luts, form.limits) == (None, ((0, last),))


@given(st.integers(-300, 300), st.integers(0, 300), st.floats(-1e3, 1e3), st.floats(-1e3, 1e3))
def test_line_holds_within_its_range_and_nowhere_else(first: int, more: int, slope: float, intercept: float) -> None:
    one = RealWorldMap(first, first + more, slope, intercept, None, "1", "")
    stored = np.arange(-128, 128).astype("i1")
    inside = (stored >= first) & (stored <= first + more)
    expected = np.where(inside, stored * np.float64(slope) + intercept, np.nan).astype(np.float32)
    np.testing.assert_array_equal(values_of(one, stored, -128, 127), expected)
