"""What folders say and what headers say, compared when a cohort is opened."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import factories
from workbench.cohort import open_cohort

EXPERIMENT = Path("PROJECT", "P1", "P1_CT_1")


def _codes(root: Path) -> dict[str, int]:
    found = open_cohort(str(root)).sql("select code, count from findings")
    return dict(zip(found["code"], found["count"], strict=True))


def _datmat(root: Path, scan: str = "2_thorax", **tags: object) -> None:
    factories.stack(root / EXPERIMENT / scan, **tags)  # type: ignore[arg-type]


def test_an_experiment_with_one_study_and_every_image_has_no_finding(tmp_path: Path) -> None:
    _datmat(tmp_path)
    assert _codes(tmp_path) == {}


def test_an_experiment_of_two_studies_is_told(tmp_path: Path) -> None:
    _datmat(tmp_path)
    _datmat(tmp_path, "3_abdomen", StudyInstanceUID="1.2.9", SeriesInstanceUID="1.2.9.1", first=20)
    cohort = open_cohort(str(tmp_path))
    assert _codes(tmp_path)["experiment-not-one-study"] == 2
    assert list(cohort.studies["StudyInstanceUID"]) == [factories.STUDY, "1.2.9"]


@pytest.mark.parametrize(
    ("numbers", "absent"),
    [([1, 2, 3, 4, 5, 6], 0), ([11, 12, 13, 14, 15, 16], 0), ([2, 4, 6, 8, 10, 12], 0), ([1, 2, 3, 5, 6, 9], 3)],
)
def test_gaps_in_the_instance_numbers_are_a_suspicion(tmp_path: Path, numbers: list[int], absent: int) -> None:
    _datmat(tmp_path, per_slice={"InstanceNumber": numbers})
    assert _codes(tmp_path).get("series-incomplete-suspected", 0) == absent


def test_a_patient_of_another_id_in_the_headers_is_told(tmp_path: Path) -> None:
    _datmat(tmp_path, PatientID="P9")
    cohort = open_cohort(str(tmp_path))
    assert _codes(tmp_path) == {"patient-id-mismatch": 1}
    assert list(cohort.patients["patient_id"]) == ["P1"]


def test_a_series_fetched_in_both_schemes_is_counted_once(tmp_path: Path) -> None:
    _datmat(tmp_path)
    _datmat(tmp_path, "2_thorax/DICOM/files")
    cohort = open_cohort(str(tmp_path))
    assert len(cohort.series) == 1
    assert cohort.series["n_frames"][0] == 6
    assert {"scan-in-both-schemes", "duplicate-instance"} <= set(_codes(tmp_path))


@pytest.mark.parametrize(("series", "study", "told"), [
    (factories.SERIES, factories.STUDY, ""),
    ("1.2.3.4.5", factories.STUDY, "another series UID in the headers"),
    (factories.SERIES, "1.2.3.4", "another study UID in the headers"),
    ("1.2.3.4.5", "1.2.3.4", "another series and study UID in the headers"),
])  # fmt: skip
def test_folders_named_by_uid_are_compared(tmp_path: Path, series: str, study: str, told: str) -> None:
    factories.stack(tmp_path / "collection" / "P1" / study / f"CT_{series}")
    found = open_cohort(str(tmp_path)).sql("select message from findings where code = 'folder-uid-mismatch'")
    assert list(found["message"]) == ([told] if told else [])


def test_studies_of_tables_and_of_images_are_compared(tmp_path: Path) -> None:
    factories.stack(tmp_path / "images")
    (tmp_path / "patient_20260102_030405_records.csv").write_text("identifier,patient_birth_sex\nP1,COM1001366\n")
    studies = tmp_path / "image_study_20260102_030405_records.csv"
    studies.write_text("id,study_uid,imagingtimepoint\n1,2.25.7,1\n")
    assert {"study-not-in-cdm", "study-without-images"} <= set(_codes(tmp_path))
    studies.write_text(f"id,study_uid,imagingtimepoint\n1,{factories.STUDY},1\n")
    assert not {"study-not-in-cdm", "study-without-images"} & set(_codes(tmp_path))


@pytest.mark.parametrize(
    ("vr", "project", "diagnosis"),
    [
        ("LO", "Prostate cancer retrospective", ["prostate cancer"]),
        ("UN", b"Lung Cancer 2 ", ["lung cancer"]),
        ("OB", b"Rectum cancer ", ["rectum cancer"]),
        ("LO", "Demonstration", []),
        ("", "", []),
    ],
)
def test_the_project_in_the_private_tag_names_the_cancer(
    tmp_path: Path, vr: str, project: object, diagnosis: list[str]
) -> None:
    import json

    import pydicom
    from pydicom.dataelem import DataElement

    for path in factories.stack(tmp_path / "P1" / "S1" / "1"):
        if vr:
            dataset = pydicom.dcmread(path)
            dataset.add(DataElement(0x70D12000, vr, project))
            dataset.save_as(path)
    item = {"studyId": "1", "studyName": "s", "subjectName": "P1", "path": "P1/S1", "url": ""}
    (tmp_path / "index.json").write_text(json.dumps([{**item, "series": [{"folderName": "1", "tags": []}]}]))
    cohort = open_cohort(str(tmp_path))
    assert list(cohort.sql("select value from \"values\" where variable = 'diagnosis'")["value"]) == diagnosis
    assert "70d12000" not in cohort.sql("select * from instances").columns


@pytest.mark.parametrize(
    "template",
    ["collection/P1/{study}/CT_{series}", "collection/{study}/CT_{series}", "collection-P1/{study}/x/CT_{series}", "."],
)
def test_of_a_download_by_template_the_headers_say_who_it_is(tmp_path: Path, template: str) -> None:
    folder = template.format(study=factories.STUDY, series=factories.SERIES)
    factories.stack(tmp_path / folder)
    (tmp_path / "m.s5cmd").write_text("cp s3://idc-open-data/0000-1/* .\n")
    cohort = open_cohort(str(tmp_path))
    assert cohort.extracts[0].layout == "idc"
    assert list(cohort.patients["patient_id"]) == ["P1"]
    assert list(cohort.series["SeriesInstanceUID"]) == [factories.SERIES]
