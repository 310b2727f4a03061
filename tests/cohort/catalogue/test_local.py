"""The catalogue of extracts at hand: headers that lack a field, ages by timepoint, patients of several diseases."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest

import workbench as wb
from tests import factories
from tests.cohort.made import Made, cohort_of, image
from workbench.cohort import catalogue
from workbench.extracts.record import ClinicalRow


def row(patient: str, variable: str, raw: str, number: int = 1) -> ClinicalRow:
    return ClinicalRow(patient, variable, raw, table="t", file="t.csv", row=number)


def write_series(folder: Path, number: int = 1, **tags: object) -> None:
    """A series of three images, a study of its own."""
    own = {"StudyInstanceUID": f"1.2.4.{number}", "SeriesInstanceUID": f"1.2.3.{number}"}
    for place in range(3):
        at = {"ImagePositionPatient": [0, 0, 2.0 * place], "SOPInstanceUID": f"1.2.3.{number}.{place + 1}"}
        factories.image(folder / f"s{number}" / f"{place}.dcm", place + 1, **own, **at, **tags)


FIELDS = ("SeriesDescription", "StudyDate", "BodyPartExamined", "Manufacturer", "Modality")


@pytest.mark.parametrize("field", FIELDS)
def test_a_field_that_one_series_lacks_costs_no_catalogue(tmp_path: Path, field: str) -> None:
    full = dict.fromkeys(FIELDS, "x") | {"StudyDate": "20200101", "bytes": 5}
    cohort = cohort_of(tmp_path, {"north": Made([image("A", "1", **full), image("B", "2", **full | {field: None})])})
    rows = catalogue.extracts(cohort).sql("select * from series order by PatientID")
    assert rows["PatientID"].tolist() == ["A", "B"]
    assert rows[field].isna().tolist() == [False, True]


def test_real_headers_of_which_one_lacks_a_field(tmp_path: Path) -> None:
    write_series(tmp_path / "north", 1, PatientID="A", SeriesDescription="thorax", StudyDate="20200101")
    write_series(tmp_path / "north", 2, PatientID="B", StudyDate=None, Manufacturer=None)
    held = catalogue.extracts(wb.open_cohort(tmp_path / "north"))
    assert held.rows("select PatientID, SeriesDescription, study_date is null from series order by 1") == [
        ("A", "thorax", False), ("B", None, True),
    ]  # fmt: skip


def test_the_age_is_that_at_the_time_of_the_series(tmp_path: Path) -> None:
    for study, (date, age) in enumerate((("20200101", "040Y"), ("20300101", "050Y"))):
        write_series(tmp_path / "north", study + 1, PatientID="A", StudyDate=date, PatientAge=age)
    held = catalogue.extracts(wb.open_cohort(tmp_path / "north"))
    assert held.rows("select study_date, age_years, age_note from series order by 1") == [
        (datetime.date(2020, 1, 1), 40.0, ""), (datetime.date(2030, 1, 1), 50.0, ""),
    ]  # fmt: skip


def test_ages_of_headers_are_read_as_those_of_the_archive(tmp_path: Path) -> None:
    raw = ("042Y", "000Y", "155Y", "018M", None)
    for position, age in enumerate(raw):
        write_series(tmp_path / "north", position + 1, PatientID=f"P{position}", PatientAge=age)
    held = catalogue.extracts(wb.open_cohort(tmp_path / "north"))
    told = held.rows("select age_years, age_note from series order by PatientID")
    assert told == [catalogue.age(age) for age in raw]
    assert told[1:3] == [(0.0, "zero"), (None, "beyond 120 years")]


def test_an_age_of_a_table_stands_where_no_header_tells_one(tmp_path: Path) -> None:
    clinical = [row("A", "age_at_imaging", "61"), row("B", "age_at_imaging", "0", 2)]
    cohort = cohort_of(tmp_path, {"north": Made([image("A", "1"), image("B", "2")], clinical)})
    held = catalogue.extracts(cohort)
    assert held.rows("select age_years, age_note from series order by PatientID") == [(61.0, ""), (0.0, "zero")]


def test_a_patient_of_two_diseases_is_found_by_each(tmp_path: Path) -> None:
    clinical = [row("A", "diagnosis", "Breast Cancer"), row("A", "diagnosis", "Lung Cancer", 2)]
    held = catalogue.extracts(cohort_of(tmp_path, {"north": Made([image("A", "1")], clinical)}))
    assert held.search("lung").n_series == held.search("breast").n_series == 1
    assert held.holdings("conditions")["north"].to_dict() == {"breast cancer": 1, "lung cancer": 1}


def test_a_series_of_two_catalogues_is_counted_once(tmp_path: Path) -> None:
    cohort = cohort_of(tmp_path, {"north": Made([image("A", "1"), image("B", "2"), image("B", "2", "2.2")])})
    whole, part = catalogue.extracts(cohort), catalogue.extracts(cohort.where("patient_id = 'B'"))
    for both in (catalogue.together(whole, part), catalogue.together(whole, whole)):
        assert both.rows("select count(*) from series") == [(3,)]
        assert "series that stand in several of these catalogues are counted once" in both.notes
        # Such a catalogue goes on into another one.
        assert catalogue.together(both, part).rows("select count(*) from series") == [(3,)]
