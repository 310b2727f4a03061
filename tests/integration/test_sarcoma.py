"""The whole journey on real input: seven patients, three nodes, three layouts, one cohort, one report."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pydicom
import pytest

import workbench as wb
from tests.integration import sarcoma
from tests.tries import part

pytestmark = pytest.mark.data

ALL = tuple(patient for _, patients in sarcoma.NODES.values() for patient in patients)
#: Each kind of image of each patient; where few are tried, each kind and each node all the same.
SERIES = part([(patient, kind) for kind in sarcoma.KINDS for patient in ALL], 0)


@pytest.fixture(scope="module")
def sts(data_dir: Path) -> Path:
    return data_dir / "sts"


@pytest.fixture(scope="module")
def laid_out(sts: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Path], Path]:
    out = tmp_path_factory.mktemp("three nodes")
    return sarcoma.lay_out(sts, out), out / "datalake"


@pytest.fixture(scope="module")
def cohort(laid_out: tuple[dict[str, Path], Path]) -> wb.Cohort:
    folders, lake = laid_out
    return wb.open_cohort(list(folders.values()), link_roots=[lake])


def test_each_node_is_read_in_its_own_layout(cohort: wb.Cohort) -> None:
    assert {e.node: e.layout for e in cohort.extracts} == {n: layout for n, (layout, _) in sarcoma.NODES.items()}


def test_nothing_is_lost(cohort: wb.Cohort) -> None:
    series = cohort.series
    assert len(cohort.patients) == 7
    assert len(cohort.studies) == 7
    assert (series["kind"] == "image").sum() == 21
    assert (series["Modality"] == "RTSTRUCT").sum() == 21
    assert int(series["n_instances"].sum()) == 1009
    assert cohort.sql("select count(*) as n from instances")["n"].item() == 1009
    assert series.query("kind == 'image'")["n_labels"].tolist() == [1] * 21


def test_every_patient_is_at_their_node(cohort: wb.Cohort) -> None:
    found = cohort.patients.groupby("node")["patient_id"].apply(lambda ids: tuple(sorted(ids))).to_dict()
    assert found == {node: patients for node, (_, patients) in sarcoma.NODES.items()}


def test_only_the_dialect_of_the_csv_is_worth_a_finding(cohort: wb.Cohort) -> None:
    assert set(cohort.findings["code"]) == {"clinical-dialect"}


@pytest.mark.parametrize(("patient", "kind"), SERIES)
def test_slices_are_in_order_and_values_are_pydicoms(cohort: wb.Cohort, sts: Path, patient: str, kind: str) -> None:
    expected = sarcoma.read_slices(sts, patient, kind)
    image = cohort.load(expected.uid)
    assert image["sop_instance_uid"].values.tolist() == expected.instances
    stored = cohort.load(expected.uid, values="stored")["image"].values
    np.testing.assert_array_equal(stored, expected.stored)
    values = image["image"].values
    assert values.dtype in (np.int16, np.float32)
    np.testing.assert_array_equal(values, expected.physical.astype(np.float32))
    assert image.attrs["geometry"] == "regular"
    assert (np.diff(image["z"].values) > 0).all()


@pytest.mark.parametrize(("patient", "kind"), SERIES)
def test_contours_give_the_mask_that_came_with_them(cohort: wb.Cohort, sts: Path, patient: str, kind: str) -> None:
    loaded = cohort.load(sarcoma.read_slices(sts, patient, kind).uid, masks=True)
    assert loaded.sizes["segment"] == 1
    nifti = nibabel.load(sts / "nifti" / patient / f"{kind}_mask.nii.gz")
    # NIfTI counts (x, y, z) in RAS: bring its affine to LPS, then its array to ours by the voxels' places.
    affine = np.diag([-1.0, -1.0, 1.0, 1.0]) @ nifti.affine
    ours = loaded.patient.affine[:, [2, 1, 0, 3]]
    to_theirs = np.linalg.inv(affine) @ ours
    steps = np.rint(to_theirs[:3, :3]).astype(int)
    assert np.abs(to_theirs[:3, :3] - steps).max() < 1e-3
    mask = np.asarray(nifti.dataobj) > 0
    for axis in range(3):
        assert abs(steps[axis, axis]) == 1
        if steps[axis, axis] < 0:
            mask = np.flip(mask, axis)
    np.testing.assert_array_equal(loaded["mask"].values[0], mask.transpose(2, 1, 0))
    assert mask.any()


def test_pet_slopes_differ_by_slice_and_give_suv(cohort: wb.Cohort, sts: Path) -> None:
    uid = sarcoma.read_slices(sts, "STS_003", "PET").uid
    image = cohort.load(uid)["image"]
    assert image.attrs["units"] == "g/mL"
    assert image.attrs["value_kind"] == "suv"
    assert "stored_slope" not in image.attrs


def test_clinical_tables_of_three_dialects_become_one(cohort: wb.Cohort, sts: Path) -> None:
    clinical = cohort.clinical.set_index("patient_id")
    for patient in ALL:
        header = sarcoma.headers(sts, patient)
        assert clinical.loc[patient, "sex"] == {"M": "male", "F": "female"}[header.PatientSex]
        assert clinical.loc[patient, "age_at_diagnosis"] == int(header.PatientAge[:3])


def test_a_condition_keeps_series_their_patients_and_what_refers_to_them(cohort: wb.Cohort) -> None:
    women = cohort.where("modality = 'PT' and sex = 'female'")
    assert sorted(women.patients["patient_id"]) == ["STS_003", "STS_008", "STS_019", "STS_035", "STS_042"]
    assert women.series["Modality"].value_counts().to_dict() == {"PT": 5, "RTSTRUCT": 5}


def test_the_tree_holds_every_series_at_its_place(cohort: wb.Cohort) -> None:
    tree = cohort.to_datatree()
    assert tree.attrs["not_loaded"] == []
    leaves = {leaf.path for leaf in tree.leaves}
    assert len(leaves) == 21
    for row in cohort.series.query("kind == 'image'").itertuples():
        assert f"/{row.node}/{row.patient_id}/{row.StudyInstanceUID}/{row.SeriesInstanceUID}" in leaves


def test_opening_again_reads_no_header(
    cohort: wb.Cohort, laid_out: tuple[dict[str, Path], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: object, **kwargs: object) -> None:
        raise AssertionError("a header was read")

    monkeypatch.setattr("workbench.dicom.scan._read", refuse)
    folders, lake = laid_out
    again = wb.open_cohort(list(folders.values()), link_roots=[lake])
    assert all(extract.reused for extract in again.extracts)
    assert repr(again) == repr(cohort)


@pytest.mark.slow
def test_the_reports_numbers_equal_an_independent_count(
    cohort: wb.Cohort, laid_out: tuple[dict[str, Path], Path], sts: Path, tmp_path: Path
) -> None:
    folders, lake = laid_out
    run = wb.report("cohort-profile", list(folders.values()), out=tmp_path, link_roots=[lake])
    assert run.status == "ok"
    results = json.loads((run.folder / "results.json").read_text())
    assert (run.folder / "report.html").stat().st_size > 10_000

    tables = {table["name"]: _rows(table) for table in results["tables"]}
    groups = {**{node: patients for node, (_, patients) in sarcoma.NODES.items()}, "All": ALL}
    ages = {patient: int(sarcoma.headers(sts, patient).PatientAge[:3]) for patient in ALL}
    sexes = {patient: sarcoma.headers(sts, patient).PatientSex for patient in ALL}
    for group, patients in groups.items():
        told = {(r["variable"], r["level"]): r for r in tables["table_one"] if r["group"] == group}
        for letter, word in (("M", "male"), ("F", "female")):
            n = sum(sexes[patient] == letter for patient in patients)
            row = told["sex", word]
            assert (row["n"], row["of"]) == (n, len(patients))
            assert row["percent"] == pytest.approx(100 * n / len(patients), abs=0.05)
        age = next(r for (variable, _), r in told.items() if variable == "age_at_diagnosis" and r["median"] is not None)
        quartiles = np.percentile([ages[patient] for patient in patients], [50, 25, 75])
        assert [age["median"], age["q1"], age["q3"]] == pytest.approx(quartiles)

    overview = {row["node"]: row for row in tables["overview"]}
    modalities = {(r["modality"], r["node"]): r["series"] for r in tables["modalities"]}
    for node, (_, patients) in sarcoma.NODES.items():
        images = [sts / "dicom" / patient / kind / "image" for patient in patients for kind in sarcoma.KINDS]
        assert overview[node]["patients"] == overview[node]["studies"] == len(patients)
        assert overview[node]["image_series"] == overview[node]["label_series"] == 3 * len(patients)
        assert overview[node]["images"] == sum(len(list(folder.iterdir())) for folder in images)
        assert [modalities[modality, node] for modality in ("CT", "MR", "PT")] == [len(patients)] * 3
    geometry = {(r["modality"], r["geometry"]): r["series"] for r in tables["geometry"]}
    assert geometry == {("CT", "regular"): 7, ("MR", "regular"): 7, ("PT", "regular"): 7}


def _rows(table: dict[str, Any]) -> list[dict[str, Any]]:
    columns = [column["name"] for column in table["columns"]]
    return [dict(zip(columns, row, strict=True)) for row in table["rows"]]


def test_minimum_attributes_are_those_an_independent_reader_counts(cohort: wb.Cohort, sts: Path) -> None:
    series = [
        [pydicom.dcmread(path, stop_before_pixels=True) for path in sorted(folder.iterdir())]
        for folder in sts.glob("dicom/*/*/image")
    ]
    checked = cohort.check()
    for name, keyword in (
        ("img-patient-id", "PatientID"),
        ("img-modality", "Modality"),
        ("img-body-part", "BodyPartExamined"),
        ("img-manufacturer", "Manufacturer"),
    ):
        there = sum(all(str(one.get(keyword) or "").strip() for one in images) for images in series)
        assert (checked[name].n, checked[name].n_ok) == (len(series), there)
    days = sum(all(len(str(one.get("AcquisitionDate") or "")) == 8 for one in images) for images in series)
    assert checked["img-acquisition-date"].n_ok == days
    # The tables give every patient's age, so a day is enough; headers of PET alone have one.
    aged = sum(all(one.get("PatientAge") for one in images) for images in series)
    assert aged <= checked["img-age"].n_ok <= len(series)
    assert checked["link-patient-id"].n_ok == 7
    # Their annotations are structure sets: there is no segment to look at.
    assert checked["seg-label"].result == "none"
    assert checked["tier3-formats"].n - checked["tier3-formats"].n_ok == len(list(sts.glob("dicom/*/*/mask/*")))
