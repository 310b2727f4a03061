from __future__ import annotations

import pytest

import workbench as wb
from workbench.errors import UsageError
from workbench.options import options


def test_every_patient_is_counted_in_one_combination(cohort: wb.Cohort) -> None:
    found = cohort.overlap("CT", "MR", "PT", "psa")
    by_node = found.table.groupby("node")["patients"].sum()
    for node in cohort.nodes:
        assert by_node[node] == (cohort.patients["node"] == node).sum()
    assert by_node["all"] == len(cohort.patients)


def test_combinations_are_those_of_the_tables(cohort: wb.Cohort) -> None:
    found = cohort.overlap("CT", "PT", ("young", "age_at_diagnosis < 50"))
    owners = {
        name: set(cohort.series.query("Modality == @name")["patient_id"]) for name in ("CT", "PT")
    }  # fmt: skip
    owners["young"] = set(cohort.where("age_at_diagnosis < 50").patients["patient_id"])
    for row in found.table.query("node == 'all'").to_dict("records"):
        expected = [
            patient
            for patient in cohort.patients["patient_id"]
            if all((patient in who) == row[name] for name, who in owners.items())
        ]
        assert row["patients"] == len(expected)


def test_what_nobody_has_is_an_empty_set(cohort: wb.Cohort) -> None:
    found = cohort.overlap("US", "gleason_score").table.query("node == 'all'")
    assert found[["US", "gleason_score", "patients"]].to_numpy().tolist() == [[False, False, len(cohort.patients)]]


def test_the_largest_combination_comes_first(cohort: wb.Cohort) -> None:
    counts = cohort.overlap("CT", "MR", "PT").table.query("node == 'all'")["patients"].tolist()
    assert counts == sorted(counts, reverse=True)


def test_it_shows_as_text_html_and_a_figure(cohort: wb.Cohort) -> None:
    found = cohort.overlap("CT", "PT")
    assert repr(found).splitlines()[0].split() == ["CT", "PT", "aurora", "boreal", "cedro", "all"]
    assert found._repr_html_().count("<tr>") == 1 + len(found.table) // 4
    figure = found.figure()
    assert [text.get_text() for text in figure.axes[0].texts] == [
        str(n) for n in found.table.query("node == 'all'")["patients"]
    ]


def test_a_shareable_overlap_hides_small_groups(cohort: wb.Cohort) -> None:
    options.audience = "shareable"
    found = cohort.overlap("CT", "MR")
    assert found.min_count == 5
    shown = [cell for cell in found.table["patients"] if isinstance(cell, int)]
    assert all(cell >= 5 for cell in shown)
    assert found.figure().axes


@pytest.mark.parametrize("wrong", [(), ("blood type",), ("CT", "CT"), (("CT",),), tuple(f"M{i}" for i in range(11))])
def test_what_cannot_be_counted_is_refused(cohort: wb.Cohort, wrong: tuple[str, ...]) -> None:
    with pytest.raises(UsageError):
        cohort.overlap(*wrong)
