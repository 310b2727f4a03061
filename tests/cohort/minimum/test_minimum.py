"""``cohort.check``: a small dataset that has everything, and each check failing alone."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from pydicom.dataset import Dataset

import workbench as wb
from tests import factories
from tests.cohort.made import Made, cohort_of, image, mask
from tests.running import run
from workbench.cohort.minimum import Checked, checks
from workbench.cohort.minimum.checked import CheckRow
from workbench.cohort.minimum.counting import Count, Unit, count_units
from workbench.errors import PathNotFound, UsageError
from workbench.extracts.record import ClinicalRow, StudyRef
from workbench.options import options

SEGMENTATION = "1.2.840.10008.5.1.4.1.1.66.4"
DESCRIPTION = {
    "number_of_annotators": 2,
    "annotator_type": "radiologist",
    "annotator_experience": "9 and 14 years",
    "annotation_sequence": "independent, then consensus",
}
#: What the clinical table says of a patient with cancer.
CANCER = {
    "population": "patient with cancer", "sex": "female", "age_at_diagnosis": "63.4", "topography": "C61.9",
    "date_of_radiology_detection": "2020-03-05", "date_of_diagnosis": "2020-03-19",
    "pathology_confirmation": "biopsy", "histology_morphology": "8140/3", "imaging_procedure": "IMG1000022",
    "treatment_type": "radiotherapy", "date_of_first_treatment": "2020-05-07",
}  # fmt: skip
CONTROL = {"population": "negative screening", "sex": "male", "topography": "prostate"}


@dataclass
class Handed:
    """A dataset that can be spoiled before it is written."""

    #: Patient -> elements of their two images.
    images: dict[str, dict[str, Any]] = field(default_factory=dict)
    #: Patient -> what the table says.
    table: dict[str, dict[str, str]] = field(default_factory=dict)
    #: Elements of the one segment.
    segment: dict[str, Any] = field(default_factory=dict)

    def write(self, root: Path) -> Path:
        for number, (patient, tags) in enumerate(self.images.items(), 1):
            for slice_ in (1, 2):
                one = {
                    "PatientID": patient, "StudyInstanceUID": f"2.25.{number}", "SeriesInstanceUID": f"2.25.{number}1",
                    "SOPInstanceUID": f"2.25.{number}1{slice_}", "ImagePositionPatient": [0, 0, 2 * slice_], **tags,
                }  # fmt: skip
                dataset = factories.header(slice_, **one)
                picture = factories.pixels(slice_)[None]
                factories.describe_pixels(dataset, picture)
                factories.write(root / patient / "image" / f"{slice_}.dcm", dataset, picture)
        self._segmentation(root / "P1" / "mask" / "1.dcm")
        names = sorted({name for row in self.table.values() for name in row})
        lines = [",".join(["patient_id", *names])]
        lines += [",".join([patient, *(row.get(name, "") for name in names)]) for patient, row in self.table.items()]
        (root / "clinical.csv").write_text("\n".join(lines) + "\n")
        return root

    def _segmentation(self, path: Path) -> None:
        item, series = Dataset(), Dataset()
        for keyword, value in self.segment.items():
            if value is not None:
                setattr(item, keyword, value)
        series.SeriesInstanceUID = "2.25.11"
        dataset = factories.header(
            1, SOPClassUID=SEGMENTATION, Modality="SEG", PatientID="P1", StudyInstanceUID="2.25.1",
            SeriesInstanceUID="2.25.19", SOPInstanceUID="2.25.191", StudyDate="20200310",
        )  # fmt: skip
        dataset.SegmentationType = "BINARY"
        dataset.SegmentSequence, dataset.ReferencedSeriesSequence = [item], [series]
        factories.write(path, dataset)


def whole() -> Handed:
    """Everything there is to have: two patients with cancer and a control."""
    tags = {
        "BodyPartExamined": "PROSTATE", "Manufacturer": "Maker", "StudyDate": "20200310",
        "AcquisitionDate": "20200310", "PatientAge": "063Y",
    }  # fmt: skip
    segment = {
        "SegmentNumber": 1, "SegmentLabel": "GTV", "SegmentDescription": "gross tumour volume",
        "SegmentAlgorithmType": "SEMIAUTOMATIC", "SegmentAlgorithmName": "grower 1.2",
    }  # fmt: skip
    return Handed(
        {patient: dict(tags) for patient in ("P1", "P2", "C1")},
        {"P1": dict(CANCER), "P2": dict(CANCER), "C1": dict(CONTROL)},
        segment,
    )


def checked(root: Path, given: Handed, description: Any = DESCRIPTION) -> Checked:
    return wb.open_cohort(given.write(root), layout="plain").check(description=description, tier3=True)


def failing(found: Checked) -> set[str]:
    return {row.check.id for row in found.rows if row.result == "fail"}


def test_a_dataset_that_has_everything_passes_every_check(tmp_path: Path) -> None:
    found = checked(tmp_path / "north", whole())
    assert failing(found) == set()
    assert found.passed
    nothing = {row.check.id for row in found.rows if row.result == "none"}
    assert nothing == {"img-nifti-sidecar", "cli-offsets"}
    assert {row.check.id: row.n for row in found.rows if row.check.id in ("img-age", "cli-sex", "seg-label")} == {
        "img-age": 3, "cli-sex": 3, "seg-label": 1,
    }  # fmt: skip
    # Patients, studies and series with the segmentation.
    assert found["no-duplicates"].n == 3 + 3 + 4
    assert found["cli-age-at-diagnosis"].n == 2
    assert found["ctl-age"].n == 1


def _tag(keyword: str, value: Any, patient: str = "P1") -> Callable[[Handed], None]:
    return lambda given: given.images[patient].__setitem__(keyword, value)


def _cell(variable: str, value: str, *patients: str) -> Callable[[Handed], None]:
    def spoil(given: Handed) -> None:
        for patient in patients or ("P1",):
            given.table[patient][variable] = value

    return spoil


def _segment(keyword: str, value: Any) -> Callable[[Handed], None]:
    return lambda given: given.segment.__setitem__(keyword, value)


def _no_age(given: Handed) -> None:
    given.images["P1"]["PatientAge"] = None
    given.table["P1"]["age_at_diagnosis"] = ""


def _control_of_unknown_age(given: Handed) -> None:
    given.images["C1"]["PatientAge"] = None


def _first_days(given: Handed) -> None:
    for tags in given.images.values():
        tags["StudyDate"] = tags["AcquisitionDate"] = "20200301"


def _marked(given: Handed) -> None:
    given.images["P2"]["LongitudinalTemporalInformationModified"] = "MODIFIED"


#: What is spoiled -> the checks that fail then.
SPOILT: dict[str, tuple[Callable[[Handed], None], set[str]]] = {
    "no modality": (_tag("Modality", ""), {"img-modality"}),
    "no body part": (_tag("BodyPartExamined", None), {"img-body-part"}),
    "body part of blanks": (_tag("BodyPartExamined", "  "), {"img-body-part"}),
    "no manufacturer": (_tag("Manufacturer", None), {"img-manufacturer"}),
    "no acquisition date": (_tag("AcquisitionDate", None), {"img-acquisition-date"}),
    "no day of the calendar": (_tag("AcquisitionDate", "20200231"), {"img-acquisition-date"}),
    "no age": (_no_age, {"img-age", "cli-age-at-diagnosis"}),
    "population unknown": (_cell("population", ""), {"cli-population"}),
    "population in other words": (_cell("population", "somebody"), {"cli-population"}),
    "no sex": (_cell("sex", ""), {"cli-sex"}),
    "age in whole years": (_cell("age_at_diagnosis", "63"), {"cli-age-at-diagnosis"}),
    "no organ": (_cell("topography", ""), {"cli-topography-organ"}),
    "radiology date of nobody": (_cell("date_of_radiology_detection", "", "P1", "P2"), {"cli-date-radiology"}),
    "pathology date of nobody": (_cell("date_of_diagnosis", "", "P1", "P2"), {"cli-date-pathology"}),
    "confirmed nowhere": (_cell("pathology_confirmation", "", "P1", "P2"), {"cli-pathology-confirmation"}),
    "pathology in words": (_cell("histology_morphology", "adenocarcinoma", "P1", "P2"), {"cli-pathology"}),
    "no procedure": (_cell("imaging_procedure", "", "P1", "P2"), {"cli-procedure"}),
    "no treatment": (_cell("treatment_type", "", "P1", "P2"), {"cli-treatment"}),
    "no date of treatment": (_cell("date_of_first_treatment", "", "P1", "P2"), {"cli-date-first-treatment"}),
    "every date on day 01": (_first_days, {"cli-offsets"}),
    "dates marked as modified": (_marked, {"cli-offsets"}),
    "a control of unknown age": (_control_of_unknown_age, {"ctl-age", "img-age"}),
    "a control without organ": (_cell("topography", "", "C1"), {"ctl-topography"}),
    "no segment number": (_segment("SegmentNumber", None), {"seg-number"}),
    "no segment label": (_segment("SegmentLabel", ""), {"seg-label"}),
    "no segment description": (_segment("SegmentDescription", None), {"seg-description"}),
    "another algorithm type": (_segment("SegmentAlgorithmType", "GUESSED"), {"seg-algorithm-type"}),
    "no algorithm name": (_segment("SegmentAlgorithmName", None), {"seg-algorithm-name"}),
}


@pytest.mark.slow
@pytest.mark.parametrize("what", SPOILT)
def test_each_check_fails_alone(tmp_path: Path, what: str) -> None:
    spoil, expected = SPOILT[what]
    given = whole()
    spoil(given)
    found = checked(tmp_path / "north", given)
    assert failing(found) == expected
    for name in expected:
        row = found[name]
        assert row.n_ok < row.n
        # Pseudonyms and paths of the dataset, nothing else.
        examples = row.examples(several=False)
        assert examples
        assert all(example.split("/")[0] in ("P1", "P2", "C1") for example in examples)


def test_a_series_of_no_patient_fails_by_the_header(tmp_path: Path) -> None:
    given = whole()
    given.images["P2"]["PatientID"] = ""
    found = checked(tmp_path / "north", given)
    assert found["img-patient-id"].n_ok == 2
    # The patient of the table has no images then, and that of the images no name.
    assert found["link-patient-id"].result == "fail"


def test_one_spelling_of_a_pseudonym(tmp_path: Path) -> None:
    given = whole()
    given.table["p 1"] = dict(CANCER)
    given.images["P 1"] = dict(given.images["P1"])
    found = checked(tmp_path / "north", given)
    assert set(found["link-patient-id"].examples(several=False)) == {"P 1", "p 1"}


def test_images_without_a_clinical_row_and_the_reverse(tmp_path: Path) -> None:
    given = whole()
    given.table["P3"] = dict(CANCER)
    del given.table["P2"]
    found = checked(tmp_path / "north", given)
    assert found["link-patient-id"].examples(several=False) == ("P2", "P3")
    assert (found["link-patient-id"].n, found["link-patient-id"].n_ok) == (4, 2)


def test_a_study_of_two_patients_and_an_instance_stored_twice_are_duplicates(tmp_path: Path) -> None:
    given = whole()
    given.images["P2"]["StudyInstanceUID"] = "2.25.1"
    root = tmp_path / "north"
    given.write(root)
    copy = root / "again" / "1.dcm"
    copy.parent.mkdir()
    copy.write_bytes((root / "C1" / "image" / "1.dcm").read_bytes())
    row = wb.open_cohort(root, layout="plain").check()["no-duplicates"]
    # Two patients, the study at each of them, and the series of the control.
    assert row.n - row.n_ok == 5


def test_age_at_diagnosis_with_the_date_stands_for_the_age_in_the_header(tmp_path: Path) -> None:
    given = whole()
    given.images["P1"]["PatientAge"] = None
    assert failing(checked(tmp_path / "north", given)) == set()
    given.images["P1"]["AcquisitionDate"] = None
    assert failing(checked(tmp_path / "south", given)) == {"img-age", "img-acquisition-date"}


def test_a_hand_needs_no_name(tmp_path: Path) -> None:
    given = whole()
    given.segment |= {"SegmentAlgorithmType": "MANUAL", "SegmentAlgorithmName": None}
    found = checked(tmp_path / "north", given)
    assert failing(found) == set()
    assert found["seg-algorithm-name"].result == "none"


def test_offsets_replace_dates(tmp_path: Path) -> None:
    given = whole()
    _first_days(given)
    for row in given.table.values():
        row["study_offset_days"] = "12"
    found = checked(tmp_path / "north", given)
    assert found["cli-offsets"].n == found["cli-offsets"].n_ok == 3


def test_dates_of_one_patient_alone_are_absent(tmp_path: Path) -> None:
    given = whole()
    given.images["P2"] |= {"StudyDate": None, "AcquisitionDate": None}
    row = checked(tmp_path / "north", given)["cli-offsets"]
    assert (row.n, row.n_ok, row.examples(several=False)) == (1, 0, ("P2",))


@pytest.mark.parametrize("lacking", DESCRIPTION)
def test_what_the_description_does_not_say_fails(tabled: wb.Cohort, lacking: str) -> None:
    ids = dict(zip(DESCRIPTION, ("ann-number", "ann-type", "ann-experience", "ann-sequence"), strict=True))
    found = tabled.check(description={**DESCRIPTION, lacking: ""})
    assert {name for name in failing(found) if name.startswith("ann-")} == {ids[lacking]}


@pytest.fixture(scope="module")
def tabled(tmp_path_factory: pytest.TempPathFactory) -> wb.Cohort:
    """Two nodes of tables alone; one has a structure set."""
    north = Made([image("P1", "1"), mask("P1", "1", ["1.1"], kind="structure-set", Modality="RTSTRUCT")])
    return cohort_of(tmp_path_factory.mktemp("tabled"), {"north": north, "south": Made([image("Q1", "2")])})


def test_a_description_by_node_from_a_file(tabled: wb.Cohort, tmp_path: Path) -> None:
    place = tmp_path / "description.json"
    place.write_text(json.dumps({"north": DESCRIPTION}))
    found = tabled.check(description=place)
    # The dataset without annotations has nothing to describe.
    assert [(count.node, count.n, count.n_ok) for count in found["ann-number"].counts] == [("north", 1, 1)]


@pytest.mark.parametrize("wrong", ["[1]", "{", '{"east": {}}', '{"annotators": 3}'])
def test_a_description_that_is_none_is_refused(tabled: wb.Cohort, tmp_path: Path, wrong: str) -> None:
    place = tmp_path / "description.json"
    place.write_text(wrong)
    with pytest.raises(UsageError, match="description"):
        tabled.check(description=place)
    with pytest.raises(PathNotFound):
        tabled.check(description=tmp_path / "absent.json")


def test_an_unknown_profile_is_refused(tabled: wb.Cohort) -> None:
    with pytest.raises(UsageError, match="eucaim-minimum"):
        tabled.check("eucaim-maximum")


def test_structure_sets_fail_the_formats_of_tier_3_alone(tabled: wb.Cohort) -> None:
    assert "tier3-formats" in tabled.check(tier3=True).failing
    found = tabled.check()
    assert found["tier3-formats"].result == "fail"
    assert "tier3-formats" not in found.failing


def test_offsets_of_a_table_of_studies_count(tmp_path: Path) -> None:
    rows = [image("P1", "1", StudyDate="20200301"), image("P2", "2", StudyDate="20200401")]
    studies = [StudyRef("1", "P1", offset="30", offset_unit="d", source="t.csv:2")]
    row = cohort_of(tmp_path, {"north": Made(rows, studies=studies)}).check()["cli-offsets"]
    assert (row.n, row.n_ok) == (2, 1)


def test_nifti_needs_its_dicom_json(tmp_path: Path) -> None:
    root = tmp_path / "study"
    full = {
        "00100020": ["P1"], "00080060": ["MR"], "00180015": ["BRAIN"], "00080070": ["Maker"],
        "00080022": ["20200310"], "00101010": ["063Y"],
    }  # fmt: skip
    for patient, lacking in (("P1", None), ("P2", "00101010"), ("P3", "00080022"), ("P4", "all")):
        place = root / patient / "T1" / "t1.nii.gz"
        place.parent.mkdir(parents=True)
        nib.save(nib.Nifti1Image(np.zeros((4, 5, 6), np.int16), np.eye(4)), place)
        if lacking != "all":
            told = {tag: {"vr": "LO", "Value": value} for tag, value in full.items() if tag != lacking}
            (place.parent / "t1.json").write_text(json.dumps(told))
    row = wb.open_cohort(root, layout="medical-folder").check()["img-nifti-sidecar"]
    assert (row.n, row.n_ok) == (4, 1)
    assert [example.split("/")[0] for example in row.examples(several=False)] == ["P2", "P3", "P4"]


def test_the_demo_federation(cohort: wb.Cohort) -> None:
    found = cohort.check()
    by_id = {row["id"]: row for row in found.cells()}
    assert list(by_id) == [check.id for check in checks()]
    assert all(by_id[name]["share"] == 1 for name in ("img-patient-id", "img-body-part", "img-age", "link-patient-id"))
    # One patient per node has gaps in the clinical table.
    assert (by_id["cli-sex"]["n"], by_id["cli-sex"]["n_ok"]) == (24, 21)
    assert [example.split(":")[0] for example in by_id["cli-sex"]["examples"]] == ["aurora", "boreal", "cedro"]
    # Headers say the sex of all of them, and do not count.
    assert cohort.sql("select count(distinct patient_id) from \"values\" where variable = 'sex'").iloc[0, 0] == 24
    assert by_id["tier3-formats"]["n_ok"] == 66 - 10
    assert "cli-population" in found.failing
    assert not found.passed
    narrowed = cohort.where("modality = 'PT'").check()
    assert narrowed["img-modality"].n == 10


def test_per_node(cohort: wb.Cohort) -> None:
    rows = cohort.check().by_node
    shares = rows[rows["id"] == "cli-age-at-diagnosis"].set_index("node")["n_ok"].to_dict()
    # Whole years at the first, months at the last; the second writes a decimal.
    assert shares == {"aurora": 0, "boreal": 7, "cedro": 0}


def test_others_see_no_pseudonym_and_no_small_count(cohort: wb.Cohort) -> None:
    options.audience = "shareable"
    found = cohort.check()
    text = f"{found!r} {found._repr_html_()} {found.table.to_json()} {found.by_node.to_json()}"
    for patient in cohort.sql("select patient_id from patients")["patient_id"]:
        assert patient not in text
    rows = {row["id"]: row for row in found.cells()}
    # 21 of 24: the three would follow.
    assert rows["cli-sex"]["n"] == 24
    assert rows["cli-sex"]["n_ok"] == rows["cli-sex"]["share"] == "–"
    assert rows["cli-sex"]["result"] == "fail"


def test_html_escapes_and_text_stays_on_its_line(tmp_path: Path) -> None:
    odd = "<b>\x1b[31m\nP1"
    cohort = cohort_of(tmp_path, {"north": Made([image(odd, "1")], [ClinicalRow("P2", "sex", "female")])})
    found = cohort.check()
    assert "\x1b" not in repr(found)
    assert "<b>" not in found._repr_html_()


def _run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return run("check", *arguments)


def test_the_command_ends_with_0_unless_strict(federation: Path) -> None:
    cedro = str(federation / "extracts" / "cedro")
    done = _run(cedro)
    assert done.returncode == 0, done.stderr
    assert "cli-population" in done.stdout
    told = json.loads(_run(cedro, "--json", "--profile", "eucaim-minimum").stdout)
    assert told["passed"] is False
    assert {"id", "level", "unit", "n", "n_ok", "share", "examples", "remedy"} <= set(told["checks"][0])
    strict = _run(cedro, "--strict", "--by-node")
    assert strict.returncode == 1
    assert "cedro" in strict.stdout
    assert _run(cedro, "--profile", "other").returncode == 2


def test_the_page_lists_the_checks_of_the_table() -> None:
    page = (Path(__file__).resolve().parents[3] / "docs" / "checking.md").read_text("utf-8")
    listed = [line for line in page.splitlines() if line.startswith("| `")]
    assert listed == [
        f"| `{one.id}` | {one.level}{', where ' + one.when if one.when else ''} | {one.unit} | {one.passes_when} |"
        for one in checks()
    ]


def _checked(*counts: Count) -> Checked:
    """One check of series, counted at several nodes, as others may see it."""
    (check,) = (check for check in checks("eucaim-minimum") if check.id == "img-modality")
    return Checked("eucaim-minimum", tuple(c.node for c in counts), (CheckRow(check, counts),)).shareable()


def _units(node: str, n_ok: int, n: int, second: int = 0) -> Count:
    """Counts of *n* patients with a series each, some of whom have a second; *n_ok* of the first ones pass."""
    firsts = [Unit(node, f"P{i}", i < n_ok, "x") for i in range(n)]
    return count_units([*firsts, *(Unit(node, f"P{i}", i < n_ok, "x") for i in range(second))])[0]


def test_others_do_not_see_that_one_patient_has_a_second_series() -> None:
    found = _checked(_units("north", 12, 12, second=1), _units("south", 6, 6))
    assert found.by_node["n"].tolist() == ["–", 6]
    # Nor follows it from the sum.
    assert found.cells()[0]["n"] == "–"
    shown = _checked(_units("north", 12, 12), _units("south", 6, 6, second=6))
    assert (shown.by_node["n"].tolist(), shown.cells()[0]["n"]) == ([12, 12], 24)


def test_a_sum_of_those_that_pass_tells_no_nodes_few() -> None:
    found = _checked(_units("north", 2, 16), _units("south", 8, 16))
    assert found.by_node["n_ok"].tolist() == ["–", 8]
    row = found.cells()[0]
    assert (row["n"], row["n_ok"], row["share"]) == (32, "–", "–")
    row = _checked(_units("north", 6, 16), _units("south", 8, 16)).cells()[0]
    assert (row["n"], row["n_ok"], row["share"]) == (32, 14, 0.4375)


def test_two_checks_do_not_tell_a_few_apart() -> None:
    one, two, three = [check for check in checks("eucaim-minimum") if check.unit == "series"][:3]
    rows = tuple(
        CheckRow(check, (_units("north", n, n), _units("south", 9, 9)))
        for check, n in ((one, 20), (two, 17), (three, 15))
    )
    found = Checked("eucaim-minimum", ("north", "south"), rows).shareable()
    # Three of the twenty would be those whom the second does not ask.
    assert found.by_node["n"].tolist() == [20, 9, "–", 9, 15, 9]
    assert [row["n"] for row in found.cells()] == [29, "–", 24]
    assert [row["n"] for row in replace(found, min_count=0).cells()] == [29, 26, 24]


def test_a_patient_may_stand_on_both_sides() -> None:
    counts = count_units(Unit("north", f"P{i}", ok, "x") for i in range(3) for ok in (True, False))[0]
    assert (counts.n_patients_ok, counts.n_patients_not, counts.n_patients) == (3, 3, 3)
