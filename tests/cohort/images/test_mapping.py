"""A function that would end the program, over images."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import xarray as xr

import workbench as wb
from tests import factories
from workbench.errors import UsageError
from workbench.options import options


@pytest.fixture
def two(tmp_path: Path) -> wb.Cohort:
    """Two patients with a series each."""
    for number, patient in enumerate(("A", "B")):
        factories.stack(
            tmp_path / "n" / patient, [0, 2, 4], first=10 * number + 1, PatientID=patient,
            SeriesInstanceUID=f"1.2.3.{number}", StudyInstanceUID=f"1.2.4.{number}",
        )  # fmt: skip
    return wb.open_cohort(tmp_path / "n", layout="plain")


@pytest.mark.parametrize("on", ["series", "patient"])
def test_a_function_that_ends_the_program_is_a_row_with_a_reason(two: wb.Cohort, on: str) -> None:
    seen: list[object] = []

    def ends(given: xr.Dataset) -> int:
        seen.append(given)
        if len(seen) == 1:
            sys.exit(3)
        return 7

    table = two.map(ends, on=on, workers=1, retries=0)
    assert table["result"].isna().tolist() == [True, False]
    assert "SystemExit(3)" in table["reason"][0]
    assert table["reason"][1] == ""


def test_what_is_pressed_stops_the_whole(two: wb.Cohort) -> None:
    def pressed(given: xr.Dataset) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        two.map(pressed, workers=1)


@pytest.mark.parametrize("path", [4, None, "", b"x", ["a"]])
def test_a_store_is_named_by_a_path(path: object) -> None:
    with pytest.raises(UsageError, match="path cannot be"):
        wb.cohort.open_store(path)  # type: ignore[arg-type]


def test_a_store_tells_others_no_small_count(two: wb.Cohort, tmp_path: Path) -> None:
    store = two.cache(tmp_path / "c.zarr")
    assert repr(store) == "images of 2 series of 2 patients in c.zarr"
    options.audience = "shareable"
    assert repr(store) == "images of – series of <5 patients in c.zarr"
