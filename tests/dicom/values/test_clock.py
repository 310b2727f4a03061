"""DICOM dates and times, also those that are incomplete, old or impossible."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.dicom.values.clock import DAY, combined, read_date, read_datetime, read_time


@pytest.mark.parametrize(
    ("text", "seconds", "resolution"),
    [
        ("000000", 0, 1), ("235959.999999", 86_399.999999, 1e-6), ("101530.5", 36_930.5, 1e-6), ("1015", 36_900, 60),
        ("10", 36_000, 3600), ("10:15:30", 36_930, 1), ("101530 ", 36_930, 1), ("235960", 86_400, 1),
    ],
)  # fmt: skip
def test_time_of_day(text: str, seconds: float, resolution: float) -> None:
    clock = read_time(text)
    assert clock is not None
    assert (clock.seconds, clock.resolution) == (pytest.approx(seconds, abs=1e-9), resolution)


@pytest.mark.parametrize("text", [None, "", "1", "24", "1260", "101561", "10153", "101530.", "noon", "101530-103000"])
def test_what_is_no_time_of_day(text: str | None) -> None:
    assert read_time(text) is None


@pytest.mark.parametrize("text", [None, "", "2024", "202403", "20240230", "2024030", "20240301-20240302", "00000101"])
def test_what_is_no_date(text: str | None) -> None:
    assert read_date(text) is None


def test_old_form_of_a_date_is_read() -> None:
    assert read_date("2024.03.01") == read_date("20240301")


@pytest.mark.parametrize(
    "text", [None, "", "2024", "202403011", "20240301100000+1500", "20240301250000", "20240301+01"]
)
def test_what_is_no_instant(text: str | None) -> None:
    assert read_datetime(text) is None


def test_date_alone_leaves_a_day_open() -> None:
    instant = read_datetime("20240301")
    assert instant is not None
    assert instant.resolution == DAY


def test_date_and_time_need_each_other() -> None:
    assert combined("20240301", None) is None
    assert combined(None, "100000") is None


@given(st.datetimes(datetime(1900, 1, 1), datetime(2100, 1, 1)), st.integers(-12 * 4, 14 * 4))
def test_instants_differ_as_pythons_do(moment: datetime, quarters: int) -> None:
    zone = timezone(timedelta(minutes=15 * quarters))
    there = moment.replace(tzinfo=UTC).astimezone(zone)
    instant = read_datetime(there.strftime("%Y%m%d%H%M%S.%f%z"))
    plain = combined(f"{moment:%Y%m%d}", f"{moment:%H%M%S.%f}")
    assert instant is not None
    assert plain is not None
    assert instant.offset is not None
    assert instant.seconds - instant.offset == pytest.approx(plain.seconds, abs=1e-4)
    origin = datetime(1, 1, 1)
    assert plain.seconds == pytest.approx((moment - origin).total_seconds(), abs=1e-4)
