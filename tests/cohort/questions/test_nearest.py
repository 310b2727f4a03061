from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import workbench as wb
from tests.cohort.made import Made, cohort_of, image
from workbench.errors import UsageError
from workbench.extracts.record import ClinicalRow, StudyRef


def psa(patient: str, value: str, date: str = "", row: int = 2, **more: Any) -> ClinicalRow:
    return ClinicalRow(patient, "psa", value, unit="ng/mL", date=date, table="labs", file="labs.csv", row=row, **more)


@pytest.fixture(scope="module")
def labs(tmp_path_factory: pytest.TempPathFactory) -> wb.Cohort:
    north = Made(
        series=[
            image("P1", "a", StudyDate="20200301"), image("P1", "b", StudyDate="20200901"),
            image("P2", "c", StudyDate="20200301"),
            image("P3", "d"),
            image("P4", "e", StudyDate="20200301"),
            image("P5", "f", StudyDate="20200301"),
        ],
        clinical=[
            psa("P1", "1", "2020-02-20"), psa("P1", "2", "2020-03-01T23:30:00-05:00", 3), psa("P1", "3", "20200305", 4),
            psa("P1", "4", "2020-08-22", 5), psa("P1", "5", "2020-09-11", 6),
            psa("P2", "7", "2020-02-27", 9), psa("P2", "8", "2020-02-27", 8), psa("P2", "9", "2020-03-05", 10),
            psa("P3", "1", "2020-03-01"),
            psa("P4", "6", "", timepoint="1"), psa("P4", "6", "", offset="3"),
        ],
    )  # fmt: skip
    return cohort_of(tmp_path_factory.mktemp("labs"), {"north": north})


def told(cohort: wb.Cohort, **how: Any) -> dict[tuple[str, str], tuple[Any, ...]]:
    found = cohort.nearest("psa", **how)
    rows = found[["patient_id", "timepoint", "value", "days_apart"]].astype(object).where(found["value"].notna(), None)
    return {
        (patient or "", timepoint or ""): tuple(more)
        for patient, timepoint, *more in rows.to_numpy().tolist()
        if patient
    }


def test_the_value_before_and_on_the_day_of_imaging(labs: wb.Cohort) -> None:
    found = labs.nearest("psa", direction="before").set_index(["patient_id", "timepoint"])
    assert found.loc[("P1", "1"), ["value", "days_apart", "clock", "row"]].tolist() == [2.0, 0, "date", 3]
    assert found.loc[("P1", "2"), ["value", "days_apart", "row"]].tolist() == [4.0, -10, 5]


def test_the_value_after(labs: wb.Cohort) -> None:
    found = told(labs, direction="after")
    assert found["P1", "1"] == (2.0, 0)
    assert found["P1", "2"] == (5.0, 10)
    assert found["P2", "1"] == (9.0, 4)


def test_of_values_as_near_on_both_sides_the_earlier_stands_and_the_tie_is_told(labs: wb.Cohort) -> None:
    found = labs.nearest("psa", direction="either").set_index(["patient_id", "timepoint"])
    assert found.loc[("P1", "2"), ["value", "days_apart", "ties", "ties_differ"]].tolist() == [4.0, -10, 2, True]


def test_of_two_values_of_one_day_the_first_in_its_table_stands(labs: wb.Cohort) -> None:
    found = labs.nearest("psa").set_index(["patient_id", "timepoint"])
    assert found.loc[("P2", "1"), ["value", "row", "ties", "ties_differ"]].tolist() == [8.0, 8, 2, True]


def test_there_is_one_row_per_imaging_case_and_a_reason_where_there_is_no_value(labs: wb.Cohort) -> None:
    found = labs.nearest("psa", within_days=5)
    assert len(found) == (labs.cases["n_series"] > 0).sum()
    assert dict(zip(found["patient_id"] + found["timepoint"], found["why"], strict=True)) == {
        "P11": "",
        "P12": "none in the time asked for",
        "P21": "",
        "P31": "images without date and offset",
        "P41": "values without a time that can be compared",
        "P51": "no value",
    }


def test_a_time_zone_changes_no_day(labs: wb.Cohort) -> None:
    assert labs.nearest("psa").set_index(["patient_id", "timepoint"]).loc[("P1", "1"), "days_apart"] == 0


def test_offsets_are_compared_with_offsets(tmp_path: Path) -> None:
    made = Made(
        series=[image("P", "a", StudyDate="20200101"), image("P", "b", StudyDate="20200101", StudyTime="1200")],
        studies=[StudyRef("a", offset="10"), StudyRef("b", offset="4", offset_unit="weeks")],
        clinical=[psa("P", "1", offset="9"), psa("P", "2", offset="1", offset_unit="mo", row=3)],
    )
    found = cohort_of(tmp_path, {"north": made}).nearest("psa", direction="either")
    assert found["clock"].tolist() == ["offset", "offset"]
    assert found["value"].tolist() == [1.0, 2.0]
    assert found["days_apart"].round(2).tolist() == [-1.0, 2.44]


def test_the_join_is_one_line(labs: wb.Cohort) -> None:
    keys = ["node", "patient_id", "timepoint"]
    joined = labs.clinical.merge(labs.nearest("psa", within_days=90), on=keys)
    assert len(joined) == (labs.cases["n_series"] > 0).sum()


def test_a_category_stays_a_word_and_an_unmapped_variable_a_text(tmp_path: Path) -> None:
    rows = [ClinicalRow("P", name, value, date="2020-01-01", table="t", file="t.csv") for name, value in
            (("sex", "f"), ("blue stain", "3"))]  # fmt: skip
    cohort = cohort_of(tmp_path, {"north": Made([image("P", "a", StudyDate="20200102")], rows)})
    assert cohort.nearest("sex")["value"].tolist() == ["female"]
    assert cohort.nearest("blue stain")["value"].tolist() == ["3"]


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"variable": "psaa"}, "there is psa"),
        ({"variable": "nope"}, "see cohort.variables"),
        ({"variable": "psa", "direction": "around"}, "give 'before', 'after' or 'either'"),
        ({"variable": "psa", "within_days": -1}, "0 or more"),
        ({"variable": "psa", "within_days": float("nan")}, "give a number"),
    ],
)
def test_what_cannot_be_asked_says_why(labs: wb.Cohort, wrong: dict[str, Any], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        labs.nearest(wrong.pop("variable"), **wrong)


def test_the_day_of_a_marker_test_in_the_same_row_counts(tmp_path: Path) -> None:
    cells = (("psa", "4"), ("tumor_marker_date", "2020-02-20"))
    rows = [ClinicalRow("P1", name, text, table="labs", file="labs.csv", row=2) for name, text in cells]
    north = Made(series=[image("P1", "a", StudyDate="20200301")], clinical=rows)
    found = cohort_of(tmp_path, {"north": north}).nearest("psa")
    assert found[["value", "days_apart", "clock"]].values.tolist() == [[4.0, -10, "date"]]
