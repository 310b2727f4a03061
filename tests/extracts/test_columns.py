from __future__ import annotations

import pytest

from workbench.extracts.columns import told


def meaning(header: str) -> dict[str, str]:
    """Column names by what they mean."""
    names = header.split(",")
    found = told(names)
    roles = ("patient", "timepoint", "episode", "date", "offset", "offset_unit", "study")
    return {role: names[i] for role in roles if (i := getattr(found, role)) is not None}


def variables(header: str) -> list[str]:
    return [header.split(",")[i] for i in told(header.split(",")).variables]


@pytest.mark.parametrize(
    "header",
    [
        "PatientID,StudyUID,StudyDate,StudyDescription,Episode,Imaging Timepoint",
        "patientid,studyuid,studydate,studydescription,episode,imagingtimepoint",
    ],
)
def test_timepoint_table_of_the_handbook_is_one_of_studies(header: str) -> None:
    patient, study, date, _, episode, timepoint = header.split(",")
    assert meaning(header) == {
        "patient": patient,
        "study": study,
        "date": date,
        "episode": episode,
        "timepoint": timepoint,
    }
    assert variables(header) == []


@pytest.mark.parametrize("header", ["PatientID,StudyInstanceUID,Timepoint", "PATIENTID,STUDYINSTANCEUID,TIMEPOINT"])
def test_spelling_of_the_etl_questions_is_a_table_of_studies_too(header: str) -> None:
    patient, study, timepoint = header.split(",")
    assert meaning(header) == {"patient": patient, "study": study, "timepoint": timepoint}


def test_study_without_a_timepoint_is_a_value() -> None:
    assert variables("patient_id,StudyInstanceUID,psa") == ["StudyInstanceUID", "psa"]


@pytest.mark.parametrize(
    ("header", "role"),
    [
        ("patient_id,study_instance_uid,study_date", "date"),
        ("patient_id,study_instance_uid,study_date,psa", "date"),
        ("patient_id,study_instance_uid,study_offset_days", "offset"),
        ("patient_id,study_instance_uid,procedure_offset_days,psa", "offset"),
        ("patient_id,study_instance_uid,days_from_diagnosis", "offset"),
        ("patient_id,study_instance_uid,date", "date"),
    ],
)
def test_dates_and_offsets_of_studies_make_a_table_of_studies(header: str, role: str) -> None:
    found = meaning(header)
    assert found["study"] == "study_instance_uid"
    assert found[role] == header.split(",")[2]
    assert variables(header) == header.split(",")[3:]


@pytest.mark.parametrize("time", ["date", "days_from_diagnosis"])
def test_a_date_beside_values_that_does_not_name_the_study_is_not_the_studys(time: str) -> None:
    assert "study" not in meaning(f"patient_id,study_instance_uid,{time},birads")


def test_days_of_values_tell_rows_of_a_patient_apart() -> None:
    assert told(["patient_id", "psa", "psa_date"]).key == (0, 2)
    assert told(["patient_id", "psa", "tumor_marker_date"]).key == (0, 2)
    assert told(["patient_id", "psa", "date_of_birth"]).key == (0,)


def test_a_table_of_studies_may_hold_values_beside() -> None:
    assert variables("PatientID,StudyUID,Timepoint,psa") == ["psa"]


def test_date_offset_and_episode_belong_to_the_row() -> None:
    header = "patient_id,date,offset,offset_unit,Episode,psa"
    assert meaning(header) == {
        "patient": "patient_id",
        "date": "date",
        "offset": "offset",
        "offset_unit": "offset_unit",
        "episode": "Episode",
    }
    assert variables(header) == ["psa"]


def test_unit_that_the_name_of_the_offset_states() -> None:
    assert told(["patient_id", "days_from_baseline", "psa"]).offset_words == "days"


def test_dates_of_something_are_values() -> None:
    assert variables("patient_id,date_of_birth,lab_test_date") == ["date_of_birth", "lab_test_date"]


def test_what_is_all_a_table_says_stays_a_value() -> None:
    assert variables("patient_id,date") == ["date"]
    assert meaning("patient_id,date") == {"patient": "patient_id"}


def test_unit_column_belongs_to_the_variable_before_it_by_name() -> None:
    found = told(["patient_id", "psa", "psa_unit", "size", "Size Units", "unit"])
    assert (found.variables, dict(found.units)) == ((1, 3, 5), {1: 2, 3: 4})
    # A unit of nothing that is there is a value.
    assert variables("patient_id,volume_unit") == ["volume_unit"]


def test_columns_of_a_header_of_several_rows_are_told_by_its_last() -> None:
    assert told(["record.1.patient_id", "record.1.age"]).patient == 0
    assert told(["age.years", "record.id"]).guess == "column 2 was taken: it is named like an id"
    assert told(["case_no", "patient.age"]).guess == "the first column was taken"


def test_column_asked_for_may_be_named_by_one_row_of_the_header() -> None:
    names = ["codigo.patient.patient_id.HEX", "psa.lab.value.0"]
    assert told(names, id_column="codigo").patient == 0
    assert told(names, node_column="lab").node == 1
    assert told(["a.x", "b.x"], node_column="x").node is None
