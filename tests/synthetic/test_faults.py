from __future__ import annotations

import csv
import json
import os

import numpy as np
import pytest
from pydicom import dcmread

from workbench.errors import UsageError
from workbench.findings import CODES
from workbench.synthetic import DEFAULT_FAULTS, FAULTS, write_federation
from workbench.synthetic.faults import chosen


def positions(found):
    rows = sorted((h for _, h in found), key=lambda h: float(h.ImagePositionPatient[2]))
    return np.array([[float(v) for v in h.ImagePositionPatient] for h in rows])


def test_every_fault_expects_finding_codes_that_exist():
    assert {code for fault in FAULTS.values() for code in fault.codes} <= set(CODES)


def test_default_set_is_the_five_of_the_demo():
    assert DEFAULT_FAULTS == (
        "missing-slice", "gantry-tilt", "localizer-in-series", "unit-mixup", "unreleased-series",
    )  # fmt: skip


def test_fault_names_come_as_list_word_or_one_string():
    assert chosen("all") == tuple(FAULTS)
    assert chosen("none") == () == chosen([])
    assert chosen("gantry-tilt,missing-slice") == chosen(["missing-slice", "gantry-tilt"])
    with pytest.raises(UsageError, match="unknown fault: coffee"):
        chosen("coffee")


def test_missing_slice_leaves_a_gap_above_the_tumour(federation, headers):
    uid = federation.fault("missing-slice")["series_uid"]
    z = positions(headers["aurora"][uid])[:, 2]
    assert len(z) == 23
    assert sorted(np.diff(z).round(3)) == [3.0] * 21 + [6.0]
    lesion = next(item for item in federation.key["lesions"] if item["series_uid"] == uid)
    (label,) = headers["aurora"][lesion["label_series_uid"]]
    places = [
        float(f.PlanePositionSequence[0].ImagePositionPatient[2]) for f in label[1].PerFrameFunctionalGroupsSequence
    ]
    gap = z[np.argmax(np.diff(z))] + 3.0
    assert max(places) < gap


def test_gantry_tilt_shears_by_fifteen_degrees(federation, headers):
    where = positions(headers["boreal"][federation.fault("gantry-tilt")["series_uid"]])
    step = where[-1] - where[0]
    assert np.degrees(np.arctan2(step[1], step[2])) == pytest.approx(15.0, abs=0.01)
    assert np.abs(np.diff(where, axis=0) - step / (len(where) - 1)).max() < 1e-3


def test_localizer_has_another_orientation_and_image_type(federation, headers):
    found = [h for _, h in headers["cedro"][federation.fault("localizer-in-series")["series_uid"]]]
    odd = [h for h in found if "LOCALIZER" in h.ImageType]
    assert len(odd) == 1
    assert len(found) == 25
    assert list(odd[0].ImageOrientationPatient) == [1, 0, 0, 0, 0, -1]
    assert {tuple(h.ImageOrientationPatient) for h in found if h is not odd[0]} == {(1, 0, 0, 0, 1, 0)}


def test_unit_mixup_writes_months_at_cedro_alone(federation):
    with open(federation.extract("cedro") / "clinical.csv", encoding="latin-1", newline="") as stream:
        ages = {row["patient_id"]: row["idade_diagnóstico"] for row in csv.DictReader(stream, delimiter=";")}
    truth = {p["patient_id"]: p for p in federation.key["patients"] if p["node"] == "cedro"}
    assert set(ages) == set(truth)
    given = {patient: int(age) for patient, age in ages.items() if age}
    assert given
    for patient, age in given.items():
        assert age // 12 == truth[patient]["clinical"]["age_at_diagnosis"]
    forms = json.loads((federation.extract("aurora") / "eforms.json").read_text())
    pages = [page["page_data"] for form in forms for page in form["eForm"]["pages"]]
    assert all(30 < page["age_at_diagnosis"]["value"] < 100 for page in pages if "age_at_diagnosis" in page)


def test_unreleased_series_is_visible_but_not_listed(federation, headers):
    uid = federation.fault("unreleased-series")["series_uid"]
    files = [path for path, _ in headers["aurora"][uid]]
    study = files[0].parent.parent
    link = federation.extract("aurora") / study.parent.name / study.name / files[0].parent.name
    assert link.is_dir()
    assert files[0].parent.name not in (federation.extract("aurora") / "index.json").read_text()


def test_truncated_file_ends_in_its_pixels(federation, headers):
    found = headers["cedro"][federation.fault("truncated-file")["series_uid"]]
    sizes = sorted((path.stat().st_size, path) for path, _ in found)
    assert sizes[0][0] < 0.7 * sizes[1][0]
    with pytest.raises(ValueError, match="less than expected"):
        _ = dcmread(sizes[0][1]).pixel_array


def test_duplicate_instance_is_the_same_bytes_twice(federation, headers):
    found = headers["cedro"][federation.fault("duplicate-instance")["series_uid"]]
    by_uid: dict[str, list[bytes]] = {}
    for path, header in found:
        by_uid.setdefault(str(header.SOPInstanceUID), []).append(path.read_bytes())
    (twice,) = [contents for contents in by_uid.values() if len(contents) > 1]
    assert len(twice) == 2
    assert twice[0] == twice[1]


def test_stray_text_is_named_like_dicom(federation, headers):
    folder = headers["boreal"][federation.fault("text-renamed-dcm")["series_uid"]][0][0].parent
    assert (folder / "note.dcm").read_bytes().isascii()


def test_listed_folder_is_absent(federation):
    from workbench.synthetic.layouts import digits

    name = digits(federation.fault("missing-folder")["series_uid"])
    assert name in (federation.extract("aurora") / "index.json").read_text()
    assert not list(federation.root.rglob(name))


def test_repeated_clinical_rows_differ(federation):
    patient = federation.fault("duplicate-clinical-row")["patient_id"]
    lines = (federation.extract("cedro") / "clinical.csv").read_text(encoding="latin-1").splitlines()
    rows = [line for line in lines if line.startswith(patient)]
    assert len(rows) == 2
    assert rows[0] != rows[1]


def test_outside_link_leads_out_of_the_extract(federation):
    link = federation.extract("cedro") / "vizinho"
    assert link.is_symlink()
    assert not link.resolve().is_relative_to(federation.extract("cedro").resolve())
    assert any(link.iterdir())


def test_no_fault_asked_for_is_no_fault_planted(tmp_path):
    key = write_federation(tmp_path / "clean", patients=3, faults="none")
    assert key["faults"] == []
    assert not [path for path in (tmp_path / "clean" / "extracts" / "cedro").rglob("*") if path.is_symlink()]
    index = json.loads((tmp_path / "clean" / key["nodes"]["aurora"]["path"] / "index.json").read_text())
    (entry,) = index
    study = tmp_path / "clean" / key["nodes"]["aurora"]["path"] / entry["path"]
    assert sorted(os.listdir(study)) == sorted(series["folderName"] for series in entry["series"])
