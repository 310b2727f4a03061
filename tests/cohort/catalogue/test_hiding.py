"""What a catalogue of extracts shows to others: no count of few patients, and none that tells one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import workbench as wb
from tests.cohort.made import Made, cohort_of, image
from tests.running import run
from workbench.cohort import catalogue
from workbench.cohort.catalogue.hiding import holdings_cells
from workbench.errors import QueryError
from workbench.extracts.record import ClinicalRow
from workbench.options import options


def patients(first: int, n: int, **facts: object) -> list[dict[str, object]]:
    return [image(f"SECRET{i:02d}", f"1.{i}", **{"bytes": 10**9, **facts}) for i in range(first, first + n)]


@pytest.fixture
def held(tmp_path: Path) -> wb.catalogue.Catalogue:
    """Nineteen series of eighteen patients at one node, six of six at the other; one patient with an MR."""
    rows = [*patients(0, 17, Manufacturer="SIEMENS"), *patients(17, 1, Manufacturer="Tiny Scanners"),
            image("SECRET00", "1.99", Modality="MR", bytes=10**9)]  # fmt: skip
    sexes = [ClinicalRow(f"SECRET{i:02d}", "sex", "F" if i < 15 else "M", table="t", file="t.csv", row=i)
             for i in range(18)]  # fmt: skip
    nodes = {"north": Made(rows, sexes), "south": Made(patients(50, 6))}  # type: ignore[arg-type]
    return catalogue.extracts(cohort_of(tmp_path, nodes))


def test_what_a_catalogue_prints_of_itself(held: wb.catalogue.Catalogue) -> None:
    assert "25 series of 24 patients" in repr(held)
    options.audience = "shareable"
    lines = repr(held).splitlines()
    assert lines[0] == "catalogue of 2 node(s): ≥24 series of 24 patients"
    assert lines[1] == "images: CT 24, MR –"
    assert "fewer than 5 patients" in repr(held)


def test_holdings_hide_few_and_what_would_tell_them(held: wb.catalogue.Catalogue) -> None:
    assert held.holdings("Modality").loc["MR", "north"] == 1
    options.audience = "shareable"
    assert held.holdings("Modality").to_dict() == {"north": {"CT": 18}, "south": {"CT": 6}}
    # Three men of eighteen patients would follow from fifteen women.
    assert held.holdings("sex").to_dict() == {"north": {"(none)": "<5", "female": "–"},
                                              "south": {"(none)": "–", "female": "<5"}}  # fmt: skip
    assert "Tiny Scanners" not in held.holdings("maker").index
    assert "Tiny Scanners" in held.sql("select distinct maker from series")["maker"].tolist()


def test_a_search_prints_no_small_count_and_no_condition_of_the_callers(held: wb.catalogue.Catalogue) -> None:
    few = held.search(modality="CT", where="PatientID < 'SECRET03'")
    assert "3 series of 3 patients" in repr(few)
    options.audience = "shareable"
    assert repr(few) == "modality CT, a condition: – series of <5 patients, – studies, – GB"
    many = held.search(modality="CT", node="north")
    assert repr(many) == "modality CT, node north: 18 series of 18 patients, 18 studies, 18.0 GB"
    assert "SECRET" not in few._repr_html_() + many._repr_html_()
    assert many.counts("Modality").to_dict("records") == [
        {"Modality": "CT", "n_series": 18, "n_patients": 18, "gb": 18.0}
    ]
    assert many.counts("maker").to_dict("records") == [
        {"maker": "Siemens", "n_series": "–", "n_patients": "–", "gb": "–"}
    ]
    with pytest.raises(QueryError, match="cannot be shared"):
        many.counts("PatientID")


def test_a_word_that_no_series_has_tells_no_other_word(held: wb.catalogue.Catalogue) -> None:
    options.audience = "shareable"
    with pytest.raises(QueryError) as caught:
        held.search(maker="Tiny Scanner")
    assert "Tiny Scanners" not in str(caught.value)


def test_what_is_odd_in_headers_is_for_nobody_else(held: wb.catalogue.Catalogue) -> None:
    assert len(held.dirt())
    options.audience = "shareable"
    with pytest.raises(QueryError, match="cannot be shared"):
        held.dirt()


def test_what_is_published_hides_nothing() -> None:
    series = """select 'idc' as node, 'c' as collection, 'p' as PatientID, 'image' as kind, 'CT' as Modality,
        1 as size_bytes, 1 as n_instances, '1' as StudyInstanceUID, true as commercial_use"""
    public = catalogue.Catalogue("small", {"series": series}, public=True)
    options.audience = "shareable"
    assert "1 series of 1 patients" in repr(public)
    assert public.holdings("Modality").loc["CT", "idc"] == 1


def test_the_command_line_too(small_federation: Path) -> None:
    options.audience = "shareable"
    where = [str(small_federation / "extracts" / "*"), "--link-root", str(small_federation / "datalake")]
    done = run("catalogue", "extracts", *where, "--json")
    assert done.returncode == 0
    # Four patients a node: nothing can be shown.
    assert json.loads(done.stdout) == []


@given(
    st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from("xyz"), st.integers(1, 20)), unique_by=lambda r: r[:2])
)
def test_no_count_below_the_threshold_follows_from_a_known_total(counted: list[tuple[str, str, int]]) -> None:
    cells = holdings_cells([(holder, value, n, n) for holder, value, n in counted], 5)
    there = {(holder, value): n for holder, value, n in counted}
    values = {value for _, value, _ in counted}
    for holder in {holder for holder, *_ in counted}:
        shown = {value: cells.get((holder, value)) for value in values}
        assert all(n is None or not isinstance(n, int) or n >= 5 for n in shown.values())
        hidden = [value for value, cell in shown.items() if not isinstance(cell, int)]
        # Who knows the total knows the sum of what is hidden: one hidden alone would be known.
        if any(there.get((holder, value), 0) < 5 for value in hidden):
            assert len(hidden) > 1 or len(values) == 1
