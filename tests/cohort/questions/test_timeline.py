from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import workbench as wb
from tests.cohort.made import Made, cohort_of, image
from workbench.errors import UsageError
from workbench.extracts.record import ClinicalRow, StudyRef


def row(variable: str, value: str, n: int = 2, table: str = "visits", **more: Any) -> ClinicalRow:
    return ClinicalRow("P1", variable, value, table=table, file=f"{table}.csv", row=n, **more)


def dated(tmp_path: Path) -> wb.Cohort:
    made = Made(
        series=[
            image("P1", "b", StudyDate="20200601", StudyTime="083000", Modality="MR", StudyDescription="control"),
            image("P1", "a", "a.1", StudyDate="20200101", StudyTime="101500"),
            image("P1", "a", "a.2", StudyDate="20200101", Modality="PT"),
            image("P2", "z", StudyDate="20200101"),
        ],
        clinical=[
            row("sex", "f"),
            row("psa", "4", 3, date="2020-01-01T09:00:00+01:00"),
            row("psa", "9", 4, timepoint="2"),
            row("date_of_baseline", "2019-12-24"),
            row("treatment drug", "docetaxel", 2, "treatments", date="2020-02-03"),
            row("ki67", "20", 5, offset="12"),
        ],
    )
    return cohort_of(tmp_path, {"north": made})


def test_events_stand_in_order_and_say_what_they_are(tmp_path: Path) -> None:
    table = dated(tmp_path).timeline("P1").table
    assert table[["kind", "what", "value", "clock"]].to_numpy().tolist() == [
        ["clinical", "date_of_baseline", "", "date"],
        ["imaging", "CT, PT", "", "date"],
        ["clinical", "psa", "4", "date"],
        ["treatment", "treatment drug", "docetaxel", "date"],
        ["imaging", "MR", "control", "date"],
        ["clinical", "psa", "9", "date"],
        ["clinical", "ki67_percent", "20", "offset"],
        ["clinical", "sex", "female", ""],
    ]
    assert table["order"].tolist() == list(range(1, 9))
    assert table["source"].tolist()[:3] == ["visits.csv:2", "2 series", "visits.csv:3"]
    assert table["time"].tolist()[1] == "10:15"


def test_what_the_clock_does_not_reach_is_counted_and_comes_last(tmp_path: Path) -> None:
    line = dated(tmp_path).timeline("P1")
    assert line.n_unplaced == 2
    assert "by calendar days; 2 without it, last" in repr(line)


def test_offsets_are_the_clock_where_most_have_one(tmp_path: Path) -> None:
    made = Made(
        series=[image("P1", "a", StudyDate="20200601"), image("P1", "b", StudyDate="20200101")],
        studies=[StudyRef("a", offset="-5"), StudyRef("b", offset="40")],
        clinical=[row("psa", "4", offset="1", offset_unit="weeks"), row("psa", "5", date="1999-01-01")],
    )
    line = cohort_of(tmp_path, {"north": made}).timeline("P1")
    assert line.clock == "offset"
    assert line.table["offset_days"].fillna(999).tolist() == [-5.0, 7.0, 40.0, 999.0]
    assert "days since the node's zero" in repr(line)


def test_it_shows_as_text_html_and_a_figure(tmp_path: Path) -> None:
    line = dated(tmp_path).timeline("P1")
    assert "docetaxel" in repr(line)
    assert "<table" in line._repr_html_()
    figure = line.figure()
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == [
        "CT, PT", "MR", "treatment drug", "date_of_baseline", "psa",
    ]  # fmt: skip
    assert figure.axes[0].get_title(loc="left") == "not drawn: 2 events without a time on this axis"
    assert hasattr(figure, "_repr_png_")


def test_a_word_of_a_table_is_escaped(tmp_path: Path) -> None:
    made = Made([image("P1", "a", StudyDate="20200101")], [row("note", "<script>alert(1)</script>")])
    assert "<script>" not in cohort_of(tmp_path, {"north": made}).timeline("P1")._repr_html_()


def test_a_pseudonym_of_two_nodes_asks_which(tmp_path: Path) -> None:
    both = cohort_of(tmp_path, {name: Made([image("P1", name)]) for name in ("north", "south")})
    with pytest.raises(UsageError, match=r"north, south.*node="):
        both.timeline("P1")
    assert both.timeline("P1", node="south").node == "south"


def test_nobody_of_that_name_is_an_error_that_does_not_repeat_it(cohort: wb.Cohort) -> None:
    with pytest.raises(UsageError) as caught:
        cohort.timeline("Jane Doe")
    assert "Jane" not in str(caught.value)


def test_a_patient_without_any_time_has_a_table_and_no_figure(tmp_path: Path) -> None:
    line = cohort_of(tmp_path, {"north": Made([image("P1", "a")], [row("sex", "f")])}).timeline("P1")
    assert len(line.table) == line.n_unplaced == 2
    with pytest.raises(UsageError):
        line.figure()


def test_every_patient_of_the_make_believe_hospitals_has_one(cohort: wb.Cohort) -> None:
    node, patient = cohort.patients[["node", "patient_id"]].iloc[0]
    line = cohort.timeline(patient, node=node)
    assert (line.table["kind"] == "imaging").any()
    assert line.figure().axes
