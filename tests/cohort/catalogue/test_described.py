"""How the record of a dataset prints."""

from __future__ import annotations

from workbench.cohort.catalogue.described import Described, Entry
from workbench.cohort.catalogue.fields import Field


def field(name: str, level: str = "M") -> Field:
    return Field("population", name, level, "sex", "", "says", "DCAT")


TOLD = Described(
    (
        Entry("north", field("a:sex"), "found", ("https://x.eu/o#COM1", "other"), ("male", "other"), note="<b>"),
        Entry("north", field("a:title"), "declared", declared="A \x1b[31mtrial"),
        Entry("north", field("a:many"), "found", tuple("variable" for _ in range(20))),
        Entry("north", field("a:law"), "to state"),
        Entry("north", field("a:series", "O"), "to state"),
        Entry("south", field("a:sex"), "missing"),
    ),
    notes=("not sealed",),
)


def test_codes_are_short_and_stand_with_their_words() -> None:
    assert "COM1 male, other" in repr(TOLD)
    assert "https" not in repr(TOLD)


def test_what_a_person_must_state_stands_in_one_line() -> None:
    assert "to be stated by a person: a:law M, a:series O" in repr(TOLD)


def test_lines_stay_lines_and_text_stays_text() -> None:
    assert "\x1b" not in repr(TOLD)
    assert "&lt;b&gt;" in TOLD._repr_html_()
    assert max(map(len, repr(TOLD).splitlines())) < 120


def test_missing_is_what_neither_cohort_nor_extract_tells() -> None:
    assert TOLD.missing("north") == ("a:law",)
    assert TOLD.missing("north", level="O") == ("a:series",)
    assert TOLD.missing("south") == ("a:sex",)
