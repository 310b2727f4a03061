from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from pydicom import dcmread
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import Comprehensive3DSRStorage, ExplicitVRLittleEndian

from workbench.errors import LabelError, PathNotFound, UsageError
from workbench.labels import describe
from workbench.labels.measurements import read_measurements

FILES = ("dcmqi/sr-example/sr.dcm", "highdicom/sr_document.dcm", "highdicom/sr_document_with_multiple_groups.dcm")


def code(value: str, scheme: str = "DCM", meaning: str = "meaning") -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    return item


def item(kind: str, name: Dataset | None, *content: Dataset, **values: Any) -> Dataset:
    made = Dataset()
    made.ValueType = kind
    if name is not None:
        made.ConceptNameCodeSequence = [name]
    for keyword, value in values.items():
        setattr(made, keyword, value)
    if content:
        made.ContentSequence = list(content)
    return made


def number(value: str | None, unit: str = "mm", *content: Dataset, scheme: str = "UCUM", **values: Any) -> Dataset:
    measured = Dataset()
    measured.NumericValue = value
    measured.MeasurementUnitsCodeSequence = [code(unit, scheme, unit)]
    for keyword, given in values.items():
        setattr(measured, keyword, given)
    sequence = [measured] if value is not None else []
    return item("NUM", code("103355008", "SCT", "Width"), *content, MeasuredValueSequence=sequence)


def group(*content: Dataset, template: str = "") -> Dataset:
    made = item("CONTAINER", code("125007", meaning="Measurement Group"), *content)
    if template:
        stated = Dataset()
        stated.TemplateIdentifier, stated.MappingResource = template, "DCMR"
        made.ContentTemplateSequence = [stated]
    return made


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Writes a report of groups, beside which *others* stand."""

    def write(*groups: Dataset, others: tuple[Dataset, ...] = (), root: Dataset | None = None) -> Path:
        measured = item("CONTAINER", code("126010"), *groups)
        report = item("CONTAINER", root or code("126000"), *others, measured)
        report.SOPClassUID, report.SOPInstanceUID, report.SeriesInstanceUID = Comprehensive3DSRStorage, "1.2.3", "1.2.4"
        report.file_meta = FileMetaDataset()
        report.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        path = tmp_path / "sr.dcm"
        report.save_as(path, enforce_file_format=False)
        return path

    return write


def numbers_below(dataset: Dataset) -> int:
    library = dataset.get("ConceptNameCodeSequence") and dataset.ConceptNameCodeSequence[0].CodeValue == "111028"
    inner = [] if library else dataset.get("ContentSequence", [])
    return (dataset.get("ValueType") == "NUM") + sum(numbers_below(each) for each in inner)


@pytest.mark.data
@pytest.mark.parametrize("name", FILES)
def test_rows_and_findings_hold_every_number_of_the_document(data_dir: Path, name: str) -> None:
    report = read_measurements(data_dir / name)
    unread = sum(finding.count for finding in report.findings if finding.code == "measurements-unread")
    assert len(report.measurements) + unread == numbers_below(dcmread(data_dir / name))
    assert report.measurements


@pytest.mark.data
def test_the_table_of_a_pet_report_holds_what_it_says(data_dir: Path) -> None:
    folder = data_dir / "dcmqi" / "sr-example"
    report = read_measurements(folder / "sr.dcm")
    table = report.table(describe(folder / "seg.dcm").segments)
    assert len(table) == 22
    for column, value in {
        "template": "1411", "tracking_id": "primary tumor", "time_point": "1", "finding_type": "Neoplasm, Primary",
        "site": "pharyngeal tonsil (adenoid)", "referenced_segment": 1, "region": "SEGMENT", "observer": "Person",
        "tracking_uid": "2.25.318774060119084600392715520575818119084", "reason": "",
        "referenced_sop_uid": "1.2.276.0.7230010.3.1.4.8323329.18591.1440001312.777033",
        "referenced_series_uid": "1.3.6.1.4.1.14519.5.2.1.2744.7002.261560220703676715130542397405",
    }.items():  # fmt: skip
        assert set(table[column]) == {value}, column
    suv = table[table["quantity"] == "SUVbw"].set_index("derivation")["value"]
    assert suv["Mean"] == 6.01529
    assert suv["Maximum"] == 10.3814
    assert suv["Peak Value Within ROI"] == 9.45534
    volume = table[table["quantity_code"] == "SCT:118565006"].iloc[0]
    assert (volume["value"], volume["unit"], volume["method"]) == (33.5824, "ml", "Sum of segmented voxel volumes")
    assert set(table["unit"]) == {"{SUVbw}g/ml", "ml", "g", "%"}


@pytest.mark.data
def test_measurements_are_joined_to_the_segment_they_were_made_on(data_dir: Path) -> None:
    folder = data_dir / "dcmqi" / "sr-example"
    (segment,) = describe(folder / "seg.dcm").segments
    joined = read_measurements(folder / "sr.dcm").table([segment])
    assert set(joined["segment"]) == {"Neoplasm, Primary"}
    assert set(joined["segment_code"]) == {segment.code}
    alone = read_measurements(folder / "sr.dcm").table()
    assert set(alone["segment"]) == {""}
    # Whatever has the segments will do: the file, several, masks with their coordinates, one of them.
    facts = {"number": 1, "code": segment.code, "source_uid": segment.source_uid}
    mask = xr.DataArray(
        np.zeros((1, 1, 1, 1), bool), dims=("segment", "z", "y", "x"),
        coords={"segment": [segment.name], **{f"segment_{name}": ("segment", [fact]) for name, fact in facts.items()}},
    )  # fmt: skip
    for given in (folder / "seg.dcm", [str(folder / "seg.dcm")], mask, mask.isel(segment=0), mask.to_dataset(name="m")):
        pd.testing.assert_frame_equal(read_measurements(folder / "sr.dcm").table(given), joined)


def test_what_has_no_segments_is_refused(write: Callable[..., Path]) -> None:
    report = read_measurements(write(group(number("1"))))
    for given in (5, [5], None, object()):
        with pytest.raises(UsageError, match="segments cannot be"):
            report.table(given)


@pytest.mark.data
def test_regions_and_answers_without_a_segment_are_told(data_dir: Path) -> None:
    report = read_measurements(data_dir / FILES[2])
    table = report.table()
    assert table["quantity_code"].tolist() == ["IBSI:X6K6", "SCT:81827009", "SCT:81827009", "SCT:118565006"]
    assert table["value"].tolist() == [-119.0738525390625, 10.0, 20.0, 200.0]
    assert table["unit"].tolist() == ["[hnsf'U]", "mm", "mm", "mm3"]
    assert table["template"].tolist() == ["1501", "1410", "1410", "1411"]
    assert table["finding_type"].tolist() == ["", "Nodule", "Aorta", "Vertebra"]
    assert table["region"].tolist() == ["", "CIRCLE", "POLYLINE", "POINT"]
    assert set(table["referenced_sop_uid"]) == {"1.3.6.1.4.1.5962.1.1.1.1.1.20040119072730.12322"}
    answers = report.evaluation_table()
    assert answers[["group", "quantity", "answer"]].values.tolist() == [
        [1, "Anatomical position (finding)", "Level of T4/T5 intervertebral disc"],
        [2, "Level of Significance", "Not significant"],
    ]


@pytest.mark.data
@pytest.mark.parametrize("name", FILES)
def test_rows_agree_with_the_accessors_of_highdicom(data_dir: Path, name: str) -> None:
    import highdicom as hd

    from workbench.labels.header import quiet

    with quiet():
        content = hd.sr.srread(data_dir / name).content
        groups = [
            *content.get_image_measurement_groups(), *content.get_planar_roi_measurement_groups(),
            *content.get_volumetric_roi_measurement_groups(),
        ]  # fmt: skip
        theirs = sorted(
            (str(one.tracking_uid), each.value, each.unit.value) for one in groups for each in one.get_measurements()
        )
    ours = sorted((row.tracking_uid, row.value, row.unit) for row in read_measurements(data_dir / name).measurements)
    assert theirs
    assert ours == theirs


@pytest.mark.data
@pytest.mark.parametrize("name", FILES)
def test_no_name_of_a_person_is_in_the_tables(data_dir: Path, name: str) -> None:
    persons = set()

    def look(each: Dataset) -> None:
        concept = each.get("ConceptNameCodeSequence")
        if each.get("ValueType") == "PNAME" or (concept and concept[0].CodeValue == "121008"):
            persons.add(str(each.get("PersonName") or each.get("TextValue")))
        for inner in each.get("ContentSequence", []):
            look(inner)

    look(dcmread(data_dir / name))
    report = read_measurements(data_dir / name)
    assert persons
    cells = {str(cell) for rows in (report.table(), report.evaluation_table()) for cell in rows.values.ravel()}
    assert not persons & cells
    assert set(report.table()["observer"]) <= {"Person", "Person, Device"}


def test_what_a_measurement_says_holds_before_what_its_group_says(write: Callable[..., Path]) -> None:
    left = item("CODE", code("272741003", "SCT"), ConceptCodeSequence=[code("7771000", "SCT", "Left")])
    site = item("CODE", code("363698007", "SCT"), left, ConceptCodeSequence=[code("T-28000", "SRT", "Lung")])
    method = item("CODE", code("G-C036", "SRT"), ConceptCodeSequence=[code("1", "99X", "by eye")])
    other = item("CODE", code("370129005", "SCT"), ConceptCodeSequence=[code("2", "99X", "by rule")])
    derived = item("CODE", code("121401"), ConceptCodeSequence=[code("373098007", "SCT", "Mean")])
    algorithm = item("TEXT", code("111001"), TextValue="net")
    version = item("TEXT", code("111003"), TextValue="2.0")
    path = write(group(site, method, number("3"), number("4", "mm", other, derived, algorithm, version)))
    first, second = read_measurements(path).measurements
    assert (first.site, first.site_code, first.laterality) == ("Lung", "SCT:39607008", "Left")
    assert (first.method, first.derivation, first.algorithm) == ("by eye", "", "")
    assert (second.method, second.derivation, second.algorithm) == ("by rule", "Mean", "net 2.0")
    assert second.site == "Lung"


def test_a_number_that_is_not_there_is_nan_with_its_reason(write: Callable[..., Path]) -> None:
    failed = number(None)
    failed.NumericValueQualifierCodeSequence = [code("114009", meaning="Value indeterminate")]
    rows = read_measurements(write(group(failed, number(None), number("")))).measurements
    assert np.isnan([row.value for row in rows]).all()
    nothing = "the report gives no value"
    assert [row.reason for row in rows] == ["Value indeterminate", nothing, nothing]


def test_units_of_another_scheme_say_so_and_the_precise_number_is_taken(write: Callable[..., Path]) -> None:
    rows = read_measurements(
        write(group(number("1.5", "px", scheme="99X"), number("0.333", "1", FloatingPointValue=1 / 3)))
    ).measurements
    assert [(row.value, row.unit) for row in rows] == [(1.5, "99X:px"), (1 / 3, "1")]


def test_what_is_in_no_template_that_is_read_is_counted(write: Callable[..., Path]) -> None:
    nested = number("1", "mm", number("2"))
    derived = item("CONTAINER", code("126011"), number("5"), number("6"))
    elsewhere = item("CONTAINER", code("111412"), number("7"))
    report = read_measurements(write(group(nested), group(number("3"), template="9999"), derived, others=(elsewhere,)))
    assert [row.value for row in report.measurements] == [1.0]
    assert sorted((f.code, f.count, f.message) for f in report.findings) == [
        ("measurements-unread", 1, "1 numbers in an item of concept DCM:111412"),
        ("measurements-unread", 1, "1 numbers in numbers within a measurement"),
        ("measurements-unread", 1, "1 numbers in template 9999"),
        ("measurements-unread", 2, "2 numbers in an item of concept DCM:126011"),
    ]


def test_another_document_is_unread_as_a_whole(write: Callable[..., Path]) -> None:
    report = read_measurements(write(group(number("1")), root=code("111036")))
    assert report.measurements == ()
    assert [(f.code, f.count) for f in report.findings] == [("measurements-unread", 1)]


def test_a_report_without_a_number_says_so(write: Callable[..., Path]) -> None:
    assert [f.code for f in read_measurements(write(group())).findings] == ["label-empty"]
    assert read_measurements(write(group())).table().empty


def test_what_is_no_report_or_broken_is_an_error_with_its_name(tmp_path: Path, write: Callable[..., Path]) -> None:
    with pytest.raises(PathNotFound):
        read_measurements(tmp_path / "none.dcm")
    for content in (b"", b"no dicom", write(group(number("1"))).read_bytes()[:-20]):
        path = tmp_path / "broken.dcm"
        path.write_bytes(content)
        with pytest.raises(LabelError, match=r"broken\.dcm"):
            read_measurements(path)
