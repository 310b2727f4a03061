"""Every question that EUCAIM's Explorer asks is a condition: one test for each, on values as nodes spell them."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

import workbench as wb
from tests.cohort.made import Made, cohort_of, image
from workbench.extracts.record import ClinicalRow

#: Variable as a node spells it -> value of the patient asked for, value of the other.
SPELT = {
    "gender": ("FEMALE", "MALE"),
    "age_at_diagnosis": ("57", "71"),
    "diagnosis": ("Breast cancer", "Prostate cancer"),
    "year_of_diagnosis": ("2019", "2012"),
    "ER": ("positive", "negative"),
    "PR": ("positive", "negative"),
    "PSA": ("4.2", "31"),
    "HER2": ("positive", "negative"),
    "Ki-67": ("25", "5"),
    "gleason": ("7", "9"),
    "isup": ("2", "5"),
    "cT": ("cT2", "cT4"), "pT": ("pT2", "pT3"),
    "cN": ("cN0", "cN1"), "pN": ("pN0", "pN1"),
    "cM": ("cM0", "cM1"), "pM": ("pM0", "pM1"),
    "BI-RADS": ("4", "2"),
    "PI-RADS": ("5", "3"),
}  # fmt: skip

#: Question of the Explorer -> condition.
QUESTIONS = {
    "sex": "sex = 'female'",
    "age at diagnosis, between": "age_at_diagnosis between 50 and 60",
    "diagnosis": "diagnosis = 'breast cancer'",
    "year of diagnosis, between": "year_of_diagnosis between 2015 and 2020",
    "modality": "modality = 'MR'",
    "body part": "BodyPartExamined = 'BREAST'",
    "manufacturer": "manufacturer ilike 'siemens%'",
    "ER": "er_status = 'positive'",
    "PR": "pr_status = 'positive'",
    "PSA": "psa < 10",
    "HER2": "her2_status = 'positive'",
    "Ki-67": "ki67_percent >= 20",
    "Gleason": "gleason_score = 7",
    "ISUP": "isup_grade_group <= 2",
    "cT": "ct_category = 'cT2'",
    "pT": "pt_category = 'pT2'",
    "cN": "cn_category = 'cN0'",
    "pN": "pn_category = 'pN0'",
    "cM": "cm_category = 'cM0'",
    "pM": "pm_category = 'pM0'",
    "BI-RADS": "birads like '4%'",
    "PI-RADS": "pirads like '5%'",
}


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> wb.Cohort:
    clinical = [
        ClinicalRow(patient, variable, values[place], table="t", file="t.csv", row=2 + place)
        for place, patient in enumerate(("wanted", "other"))
        for variable, values in SPELT.items()
    ]
    series = [
        image("wanted", "w", Modality="MR", BodyPartExamined="BREAST", Manufacturer="SIEMENS"),
        image("other", "o", Modality="CT", BodyPartExamined="PROSTATE", Manufacturer="GE MEDICAL SYSTEMS"),
    ]
    return cohort_of(tmp_path_factory.mktemp("asked"), {"north": Made(series, clinical)})


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_question_of_the_explorer_is_a_condition(asked: wb.Cohort, question: str) -> None:
    condition = QUESTIONS[question]
    found = asked.where(condition)
    assert found.patients["patient_id"].tolist() == ["wanted"]
    assert asked.where(f"not ({condition})").patients["patient_id"].tolist() == ["other"]


def test_all_of_them_at_once(asked: wb.Cohort) -> None:
    flow = asked.attrition(list(QUESTIONS.items())).table.query("node == 'all'")
    assert flow["patients"].tolist() == [2] + [1] * len(QUESTIONS)


def test_a_patient_without_the_value_is_not_in_the_answer(tmp_path: Path) -> None:
    cohort = cohort_of(tmp_path, {"north": Made([image("P", "a")])})
    for condition in ("modality = 'CT'", "BodyPartExamined is null"):
        assert len(cohort.where(condition).patients) == 1


def test_every_answer_survives_the_pickle_and_can_be_printed(asked: wb.Cohort) -> None:
    for made in (asked.where("sex = 'female'"), asked.sample(1), asked - asked.sample(1),
                 *asked.split(fractions={"a": 0.5, "b": 0.5}).values()):  # fmt: skip
        again = pickle.loads(pickle.dumps(made))
        assert repr(again) == repr(made)
        assert again.clinical.equals(made.clinical)


def test_what_images_and_tables_both_name_asks_the_images(tmp_path: Path) -> None:
    rows = [ClinicalRow("P", name, value, table="t", file="t.csv", row=2) for name, value in
            (("modality", "MR"), ("manufacturer", "acme"), ("episode", "Relapse"), ("sex", "f"))]  # fmt: skip
    cohort = cohort_of(tmp_path, {"north": Made([image("P", "a", episode="Diagnosis")], rows)})
    assert len(cohort.where("modality = 'CT' and episode = 'Diagnosis' and sex = 'female'").series) == 1
    assert len(cohort.sample(1, stratify=["dataset_id", "sex"]).patients) == 1
    assert len(cohort.sample(1, by="case", stratify=["episode", "modalities"]).patients) == 1
    assert len(cohort.sample(1, by="series", stratify=["modality", "manufacturer"]).patients) == 1


def _rows(**values: str) -> list[ClinicalRow]:
    return [ClinicalRow(patient, "sex", value, table="t", file="t.csv", row=2) for patient, value in values.items()]


def test_tables_alone_are_asked_by_patient(tmp_path: Path) -> None:
    nodes = {"north": Made([], _rows(P1="M", P2="F", P3="M")), "south": Made([], _rows(P1="F", P4="M"))}
    cohort = cohort_of(tmp_path, nodes)
    men = cohort.where("sex = 'male'")
    assert sorted(men.sql("select node || patient_id as who from patients")["who"]) == ["northP1", "northP3", "southP4"]
    assert men.clinical["sex"].tolist() == ["male"] * 3
    assert men.where("clinical.sex = 'male' and node = 'south'").patients["patient_id"].tolist() == ["P4"]
    assert len(men.where("sex = 'female'").patients) == 0
    assert len(cohort.where("modality = 'CT'").patients) == 0
    flow = cohort.attrition([("men", "sex = 'male'")]).table.query("node == 'all'")
    assert flow["patients"].tolist() == [5, 3]
    assert flow["series"].tolist() == [0, 0]
    assert "left out" not in repr(men)


def test_patients_without_images_whom_a_condition_leaves_out_are_told(tmp_path: Path) -> None:
    nodes = {"north": Made([image("P1", "a")], _rows(P1="M", P2="M", P3="F")), "south": Made([image("P1", "b")])}
    cohort = cohort_of(tmp_path, nodes)
    assert "left out" not in repr(cohort)
    men = cohort.where("sex = 'male'")
    assert men.patients["patient_id"].tolist() == ["P1"]
    assert "where (sex = 'male'); without images, and so left out: north 2 patient(s)" in repr(men)
    assert "left out: north 2" in men._repr_html_()
    assert "in no condition's answer" in repr(cohort.sample(2).where("true"))
    assert "in no condition" not in repr(cohort.sample(2))
