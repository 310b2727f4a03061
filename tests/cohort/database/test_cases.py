from __future__ import annotations

from pathlib import Path

import pytest

import workbench as wb
from tests.cohort.made import Made, cohort_of, image, mask
from workbench.cohort.clinical.harmonise import variables
from workbench.cohort.database.cases import OF_PATIENT
from workbench.extracts.record import ClinicalRow, StudyRef


def row(patient: str, variable: str, value: str, timepoint: str = "", **more: object) -> ClinicalRow:
    return ClinicalRow(patient, variable, value, timepoint=timepoint, table="t", file="t.csv", **more)  # type: ignore[arg-type]


@pytest.fixture
def visits(tmp_path: Path) -> wb.Cohort:
    """P1 twice imaged, with lab values of two visits; P2 imaged once, described once; P3 without images."""
    north = Made(
        series=[
            image("P1", "a", "a.ct", StudyDate="20200101"),
            image("P1", "a", "a.pt", StudyDate="20200101", Modality="PT"),
            mask("P1", "a", ["a.ct"]),
            image("P1", "b", "b.ct", StudyDate="20200601"),
            image("P2", "c", "c.mr", StudyDate="20200301", Modality="MR"),
        ],
        clinical=[
            row("P1", "sex", "f", "01"), row("P1", "psa", "4.0", "01", row=2), row("P1", "psa", "9.0", "02", row=3),
            row("P1", "psa", "3.0", "screening", row=4), row("P1", "ki67", "20"),
            row("P2", "sex", "m"), row("P2", "psa", "7"),
            row("P3", "sex", "f", "1"), row("P3", "psa", "1", "1"), row("P3", "psa", "2", "2"),
        ],
    )  # fmt: skip
    return cohort_of(tmp_path, {"north": north})


def test_there_is_one_row_per_patient_and_timepoint(visits: wb.Cohort) -> None:
    cases = visits.cases
    found = cases[["patient_id", "timepoint", "number", "rule", "n_series", "n_labels", "modalities"]]
    assert found.to_numpy().tolist() == [
        ["P1", "1", 1, "date", 2, 1, "CT, PT"],
        ["P1", "2", 2, "date", 1, 0, "CT"],
        ["P1", "screening", 3, "clinical table", 0, 0, ""],
        ["P2", "1", 1, "date", 1, 0, "MR"],
        ["P3", "1", 1, "clinical table", 0, 0, ""],
        ["P3", "2", 2, "clinical table", 0, 0, ""],
    ]
    assert cases["clinical"].tolist() == [
        "timepoint and patient", "timepoint and patient", "timepoint and patient", "patient", "timepoint", "timepoint",
    ]  # fmt: skip


def test_clinical_values_join_their_timepoint_and_the_rest_every_case(visits: wb.Cohort) -> None:
    clinical = visits.clinical.set_index(["patient_id", "timepoint"])
    assert clinical["psa"].to_dict() == {
        ("P1", "1"): 4.0, ("P1", "2"): 9.0, ("P1", "screening"): 3.0, ("P2", "1"): 7.0, ("P3", "1"): 1.0,
        ("P3", "2"): 2.0,
    }  # fmt: skip
    assert clinical.loc["P1", "ki67_percent"].tolist() == [20.0, 20.0, 20.0]


def test_facts_of_the_patient_hold_at_every_timepoint(visits: wb.Cohort) -> None:
    assert visits.clinical.query("patient_id == 'P1'")["sex"].tolist() == ["female"] * 3
    assert visits.clinical.query("patient_id == 'P3'")["sex"].tolist() == ["female"] * 2


def test_clinical_and_cases_have_the_same_rows(visits: wb.Cohort, cohort: wb.Cohort) -> None:
    keys = ["node", "patient_id", "timepoint"]
    for one in (visits, cohort, cohort.where("modality = 'CT'")):
        assert one.clinical[keys].to_numpy().tolist() == one.cases[keys].to_numpy().tolist()


def test_a_condition_asks_the_case_of_a_series(visits: wb.Cohort) -> None:
    high = visits.where("psa > 8")
    assert high.series["SeriesInstanceUID"].tolist() == ["b.ct"]
    assert high.cases.query("n_series > 0")["timepoint"].tolist() == ["2"]
    assert visits.where("psa = 3").series.empty


def test_a_timepoint_left_out_is_no_case_and_the_others_keep_their_names(visits: wb.Cohort) -> None:
    second = visits.where("studyinstanceuid = 'b'")
    assert second.studies["timepoint"].tolist() == ["2"]
    assert second.cases["timepoint"].tolist() == ["2", "screening"]


def test_timepoint_tables_reach_the_cases(tmp_path: Path) -> None:
    studies = [
        StudyRef("a", timepoint="T1", offset="30", offset_unit="days", episode="Treatment"),
        StudyRef("b", timepoint="T0", offset="-2", offset_unit="days", episode="Diagnosis"),
    ]
    made = Made(series=[image("P", "a"), image("P", "b")], studies=studies, clinical=[row("P", "psa", "5", "T0")])
    cases = cohort_of(tmp_path, {"north": made})
    found = cases.cases[["timepoint", "number", "rule", "offset_days", "episode"]]
    assert found.to_numpy().tolist() == [
        ["T0", 1, "declared", -2.0, "Diagnosis"],
        ["T1", 2, "declared", 30.0, "Treatment"],
    ]
    assert cases.clinical["psa"].fillna(0).tolist() == [5.0, 0.0]


def test_the_same_pseudonym_at_two_nodes_has_cases_of_its_own(tmp_path: Path) -> None:
    made = {
        "north": Made([image("P", "a", StudyDate="20200101")], [row("P", "sex", "f")]),
        "south": Made([image("P", "b", StudyDate="20200101")], [row("P", "sex", "m")]),
    }
    both = cohort_of(tmp_path, made)
    assert both.clinical[["node", "sex"]].to_numpy().tolist() == [["north", "female"], ["south", "male"]]


def test_age_at_imaging_is_that_of_the_timepoint(cohort: wb.Cohort) -> None:
    twice = cohort.clinical.query("patient_id in @cohort.clinical.query(\"timepoint == '2'\")['patient_id']")
    for _, ages in twice.groupby("patient_id")["age_at_imaging"]:
        assert ages.notna().all()
        assert ages.is_monotonic_increasing


def test_facts_of_the_patient_are_variables() -> None:
    assert set(OF_PATIENT) <= set(variables())
