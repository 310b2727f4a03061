"""Time zones: no day is changed, studies of one day are in their true order, and what may be a day off is told."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import workbench as wb
from tests import factories
from workbench.cohort.clinical.rules.dates import iso
from workbench.cohort.tables.times import day
from workbench.cohort.tables.zones import minutes_of, spelt, stated

OFFSETS = st.integers(-12 * 60, 14 * 60)


@given(OFFSETS)
def test_an_offset_is_read_as_it_is_spelt(minutes: int) -> None:
    assert minutes_of(spelt(minutes)) == minutes
    assert minutes_of(spelt(minutes).replace(":", "")) == minutes
    assert stated(f"2024-03-01T09:30:00{spelt(minutes)}") == minutes
    assert stated(f"20240301093000.123{spelt(minutes).replace(':', '')}") == minutes


@pytest.mark.parametrize("text", ["", "CET", "+1500", "-1300", "+01", "+0160", "0100", "2024-03-01"])
def test_what_is_no_offset_is_none(text: str) -> None:
    assert minutes_of(text) is None
    assert stated(f"2024-03-01 09:30 {text}") is None


@given(st.dates(), OFFSETS, st.sampled_from(["T23:30:00", " 00:10", ""]))
def test_no_zone_changes_a_day(date: object, minutes: int, time: str) -> None:
    text = f"{date}{time}{spelt(minutes)}"
    assert iso(text) == str(date)
    assert day(text) == date


@pytest.fixture
def opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., wb.Cohort]:
    """Cohort of one patient's studies (date, time, zone), and a table."""
    monkeypatch.setenv("WORKBENCH_CACHE", str(tmp_path / "cache"))

    def made(*studies: tuple[str, str, str | None], table: str = "") -> wb.Cohort:
        for number, (date, time, zone) in enumerate(studies, 1):
            tags = {} if zone is None else {"TimezoneOffsetFromUTC": zone}
            factories.image(
                tmp_path / "site" / f"{number}.dcm", number, PatientID="P1", StudyInstanceUID=f"1.2.{number}",
                SeriesInstanceUID=f"1.2.{number}.1", StudyDate=date, StudyTime=time, **tags,
            )  # fmt: skip
        if table:
            (tmp_path / "site" / "clinical.csv").write_text(table)
        return wb.open_cohort(tmp_path / "site")

    return made


def _timepoints(cohort: wb.Cohort) -> list[str]:
    rows = cohort.sql("select StudyInstanceUID, timepoint from series order by 1")
    return list(rows["timepoint"])


def _told(cohort: wb.Cohort) -> list[str]:
    return list(cohort.sql("select message from findings where code = 'time-zones-differ'")["message"])


@pytest.mark.parametrize(
    ("zones", "order"),
    [
        (("+0200", "-0500"), ["1", "2"]),  # 08:00 and 12:00 in UTC
        (("+0000", "+0300"), ["2", "1"]),  # 10:00 and 04:00
        (("-1200", "+0100"), ["2", "1"]),  # 22:00 and 06:00
        (("+0100", "+0100"), ["2", "1"]),
        ((None, "-0500"), ["2", "1"]),  # one does not say: times as written
        ((None, None), ["2", "1"]),
        (("nonsense", "-0500"), ["2", "1"]),
    ],
)
def test_studies_of_one_day_are_in_the_order_of_utc_where_each_states_its_zone(
    opened: Callable[..., wb.Cohort], zones: tuple[str | None, str | None], order: list[str]
) -> None:
    cohort = opened(("20240301", "100000", zones[0]), ("20240301", "070000", zones[1]))
    assert _timepoints(cohort) == order
    assert set(cohort.series["date"].astype(str)) == {"2024-03-01"}


def test_days_stay_as_written_and_order_studies_whatever_the_zone(opened: Callable[..., wb.Cohort]) -> None:
    # In UTC the second one is the earlier.
    cohort = opened(("20240301", "233000", "-0500"), ("20240302", "003000", "+0900"))
    assert _timepoints(cohort) == ["1", "2"]
    assert _told(cohort) == ["offsets -05:00, +09:00: days as written may differ by one"]


def test_summer_time_is_no_other_place(opened: Callable[..., wb.Cohort]) -> None:
    assert _told(opened(("20240101", "100000", "+0100"), ("20240701", "100000", "+0200"))) == []


TABLE = "patient_id,date_of_diagnosis,date,psa\nP1,{},{},4.2\n"


@pytest.mark.parametrize(
    ("diagnosis", "taken", "told"),
    [
        ("2024-02-01T23:30:00-05:00", "2024-02-03", ["offsets -05:00, +02:00: days as written may differ by one"]),
        ("2024-02-01", "2024-02-03T22:00:00Z", ["offsets +00:00, +02:00: days as written may differ by one"]),
        ("2024-02-01T23:30:00+01:00", "2024-02-03 08:00", []),
        ("2024-02-01T00:00:00Z", "2024-02-03T00:00:00Z", []),  # days written as times
        ("2024-02-01", "2024-02-03", []),
    ],
)
def test_tables_are_held_against_the_images(
    opened: Callable[..., wb.Cohort], diagnosis: str, taken: str, told: list[str]
) -> None:
    cohort = opened(("20240301", "100000", "+0200"), table=TABLE.format(diagnosis, taken))
    assert _told(cohort) == told
    values = cohort.values.set_index("variable")
    assert values.loc["date_of_diagnosis", "value"] == "2024-02-01"
    assert values.loc["psa", "date"] == "2024-02-03"
