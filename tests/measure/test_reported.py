"""What others measured: structured reports of a cohort, each number beside its segment."""

from __future__ import annotations

import shutil
from pathlib import Path

import pandas as pd
import pytest
from pydicom import dcmread

import workbench as wb
from tests import factories
from workbench.labels import describe, read_measurements


@pytest.mark.data
def test_every_number_of_a_cohorts_reports_is_a_row_beside_its_segment(data_dir: Path, tmp_path: Path) -> None:
    for node in ("one", "two"):
        shutil.copytree(data_dir / "dcmqi" / "sr-example", tmp_path / node / "a")
    # Images of the same study, without which there is no imaging timepoint.
    header = dcmread(data_dir / "dcmqi" / "sr-example" / "sr.dcm")
    study = {name: header[name].value for name in ("PatientID", "StudyInstanceUID", "StudyDate", "StudyTime")}
    referenced = "1.3.6.1.4.1.14519.5.2.1.2744.7002.261560220703676715130542397405"
    factories.stack(tmp_path / "one" / "pet", SeriesInstanceUID=referenced, **study)
    # The second node did not hand the segmentation over.
    (tmp_path / "two" / "a" / "seg.dcm").unlink()
    cohort = wb.open_cohort([tmp_path / "one", tmp_path / "two"], layout="plain")
    table = wb.measure.reported(cohort)
    folder = data_dir / "dcmqi" / "sr-example"
    expected = read_measurements(folder / "sr.dcm").table(describe(folder / "seg.dcm").segments)
    first, second = (table[table["node"] == node].reset_index(drop=True) for node in ("one", "two"))
    assert (len(first), len(second)) == (22, 22)
    pd.testing.assert_frame_equal(first[expected.columns], expected, check_dtype=False)
    assert set(first["segment"]) == {"Neoplasm, Primary"}
    assert set(second["segment"]) == {""}
    assert first["value"].tolist() == second["value"].tolist()
    patient = cohort.patients["patient_id"].iloc[0]
    assert first[["patient_id", "timepoint", "path"]].drop_duplicates().values.tolist() == [[patient, "1", "a/sr.dcm"]]


@pytest.mark.data
def test_a_report_that_cannot_be_read_is_a_row_and_hides_no_other(data_dir: Path, tmp_path: Path) -> None:
    folder = tmp_path / "site"
    folder.mkdir()
    shutil.copy(data_dir / "highdicom" / "sr_document.dcm", folder)
    other = dcmread(data_dir / "highdicom" / "sr_document.dcm")
    other.SOPInstanceUID = other.file_meta.MediaStorageSOPInstanceUID = "2.25.1"
    # Another document than a measurement report: its numbers are counted, and told as unread.
    other.ConceptNameCodeSequence[0].CodeValue = "18748-4"
    other.save_as(folder / "b.dcm")
    table = wb.measure.reported(wb.open_cohort(folder, layout="plain"))
    unread = table[table["path"] == "b.dcm"]
    assert unread["value"].isna().all()
    assert unread["reason"].str.startswith("measurements-unread: ").all()
    assert len(unread) == 1
    read = table[table["path"] == "sr_document.dcm"]
    assert read["value"].notna().any()


def test_a_cohort_without_reports_gives_an_empty_table(cohort: wb.Cohort) -> None:
    table = wb.measure.reported(cohort)
    assert len(table) == 0
    assert list(table.columns[:4]) == ["node", "patient_id", "timepoint", "path"]
    assert {"segment", "value", "unit"} <= set(table.columns)
