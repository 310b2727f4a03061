"""Spellings of headers: the table decides, what it does not know stays."""

from __future__ import annotations

import csv
from importlib.resources import files

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.cohort.catalogue import normalise


@pytest.mark.parametrize(
    ("spelt", "maker"),
    [
        ("GE MEDICAL SYSTEMS", "General Electric"),
        ("GE", "General Electric"),
        ("GEMS", "General Electric"),
        ("GE_MEDICAL_SYSTEMS", "General Electric"),
        ("GE MEDICAL S]STEMS", "General Electric"),
        ('"GE Healthcare"', "General Electric"),
        ("GE MEDICAL SYSTEMS / MIM Software", "General Electric"),
        ("Gevaert Lab Converted By Imaging Data Commons", "Gevaert Lab Converted By Imaging Data Commons"),
        ("SIEMENS HEALTHINEERS", "Siemens"),
        ("Philips / MIMvista", "Philips"),
        ("TOSHIBA_MEC", "Toshiba"),
        ("Lorad, A Hologic Company", "Hologic"),
        ("UIH", "United Imaging"),
        ("0000000", None),
        ("Unknown manufacturer", None),
        ("NA", None),
        ("NMS", "NMS"),
        ("  ", None),
        (None, None),
    ],
)
def test_makers_have_one_name(spelt: str | None, maker: str | None) -> None:
    assert normalise.maker(spelt) == maker


@given(st.text(max_size=30))
def test_no_text_is_refused(text: str) -> None:
    years, note = normalise.age(text)
    assert years is None or 0 <= years <= normalise.OLDEST
    assert normalise.sex(text) in ("male", "female", "other", "unknown", None)
    normalise.maker(text), normalise.body_parts(text), normalise.sites(text), normalise.listed(text)
    assert note == "" or years is None or note in ("no unit: taken for years", "zero")


@pytest.mark.parametrize(
    ("text", "years"), [("042y", 42), ("018M", 1.5), ("730D", 730 / 365.25), ("052W", 52 * 7 / 365.25), ("90", 90)]
)
def test_ages_of_every_unit_are_years(text: str, years: float) -> None:
    assert normalise.age(text)[0] == pytest.approx(years, abs=1e-3)


def test_every_row_of_the_tables_names_its_source_and_stands_once() -> None:
    for name in ("makers.csv", "body_parts.csv"):
        text = files("workbench.cohort").joinpath("catalogue", name).read_text("utf-8")
        rows = list(csv.DictReader(text.splitlines()))
        assert all(row["source"] for row in rows)
        keys = [next(iter(row.values())) for row in rows]
        assert len(set(keys)) == len(keys)
