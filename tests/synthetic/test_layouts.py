from __future__ import annotations

import json
import os
import re

from workbench.synthetic.layouts import digits


def test_aurora_lists_its_series_in_index_json(federation, headers):
    root = federation.extract("aurora")
    entries = json.loads((root / "index.json").read_text(encoding="ascii"))
    assert {tuple(sorted(entry)) for entry in entries} == {
        ("path", "series", "studyId", "studyName", "subjectName", "url")
    }
    absent = digits(federation.fault("missing-folder")["series_uid"])
    listed = {s["folderName"] for entry in entries for s in entry["series"]}
    unreleased = digits(federation.fault("unreleased-series")["series_uid"])
    assert listed - {absent} == {digits(uid) for uid in headers["aurora"]} - {unreleased}
    for entry in entries:
        assert entry["path"].startswith(entry["subjectName"] + "/")
        for series in entry["series"]:
            files = sorted((root / entry["path"] / series["folderName"]).glob("*.dcm"))
            assert bool(files) == (series["folderName"] != absent)


def test_aurora_studies_are_relative_links_into_the_data_lake(federation):
    root = federation.extract("aurora")
    links = [study for subject in root.iterdir() if subject.is_dir() for study in subject.iterdir()]
    assert len(links) == federation.key["nodes"]["aurora"]["studies"]
    for link in links:
        assert link.is_symlink()
        assert not os.path.isabs(os.readlink(link))
        assert link.resolve().relative_to((federation.root / "datalake").resolve())


def test_aurora_files_are_named_after_their_instances(headers):
    for found in headers["aurora"].values():
        for path, header in found:
            assert path.name == f"{header.SOPInstanceUID}.dcm"


def test_aurora_study_name_with_an_accent_is_written_in_ascii(federation):
    text = (federation.extract("aurora") / "index.json").read_bytes()
    assert rb"T\u00d3RAX" in text
    assert text.isascii()


def test_aurora_subjects_are_the_patient_ids(federation, headers):
    subjects = {path.name for path in federation.extract("aurora").iterdir() if path.is_dir()}
    assert subjects == {str(h.PatientID) for found in headers["aurora"].values() for _, h in found}
    assert all(re.fullmatch("[0-9a-f]{64}", subject) for subject in subjects)


def test_boreal_folders_are_named_after_identifiers(federation, headers):
    root = federation.extract("boreal")
    for uid, found in headers["boreal"].items():
        for path, h in found:
            parts = path.relative_to(root).parts
            assert parts[:4] == ("boreal_thorax", h.PatientID, h.StudyInstanceUID, f"{h.Modality}_{uid}")
            assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\.dcm", parts[4])


def test_cedro_has_short_names_any_depth_and_partly_no_suffix(federation, headers):
    root = federation.extract("cedro")
    paths = [path.relative_to(root) for found in headers["cedro"].values() for path, _ in found]
    assert {len(path.parts) for path in paths} == {4, 5}
    assert {path.suffix for path in paths} == {"", ".dcm"}
    assert max(len(path.name) for path in paths) <= len("I0001_copy.dcm")


def test_nothing_of_ours_stands_inside_the_extracts(federation):
    for node in federation.key["nodes"]:
        assert not [name for name in os.listdir(federation.extract(node)) if name.startswith(".")]
