from __future__ import annotations

import errno
import hashlib
import json
import os
from collections import Counter
from pathlib import Path

import pytest

from workbench.errors import UsageError, WriteError
from workbench.synthetic import federation as module
from workbench.synthetic import shelf, write_federation


def digests(root: Path) -> dict[str, str]:
    """Digest of every file and target of every link, by relative path."""
    found = {}
    for folder, names, files in os.walk(root):
        for name in (*names, *files):
            path = Path(folder) / name
            relative = path.relative_to(root).as_posix()
            if path.is_symlink():
                found[relative] = os.readlink(path)
            elif path.is_file():
                found[relative] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    root = tmp_path_factory.mktemp("small") / "federation"
    return root, write_federation(root, patients=3, faults="all")


def test_same_arguments_write_the_same_bytes(small, tmp_path):
    root, key = small
    again = write_federation(tmp_path / "elsewhere", patients=3, faults="all")
    assert digests(tmp_path / "elsewhere") == digests(root)
    assert again == key


def test_another_seed_writes_other_patients(small, tmp_path):
    _, key = small
    other = write_federation(tmp_path / "other", patients=3, seed=1, faults="all")
    ids, others = ({p["patient_id"] for p in k["patients"]} for k in (key, other))
    assert ids.isdisjoint(others)
    assert {lesion["series_uid"] for lesion in key["lesions"]}.isdisjoint(
        lesion["series_uid"] for lesion in other["lesions"]
    )


def test_patients_are_shared_out_with_the_rest_at_the_first_nodes():
    from workbench.synthetic.draws import make_plan

    assert [len(node.patients) for node in make_plan(patients=24, seed=0).nodes] == [8, 8, 8]
    assert [len(node.patients) for node in make_plan(patients=11, seed=0).nodes] == [4, 4, 3]


def test_key_counts_equal_a_count_on_disk(federation, headers):
    unreleased = federation.fault("unreleased-series")["series_uid"]
    for node, told in federation.key["nodes"].items():
        series = {uid: found for uid, found in headers[node].items() if uid != unreleased}
        every = [header for found in series.values() for _, header in found]
        assert told["patients"] == len({h.PatientID for h in every})
        assert told["studies"] == len({h.StudyInstanceUID for h in every})
        assert told["series"] == dict(Counter(found[0][1].Modality for found in series.values()))
        assert told["instances"] == len({h.SOPInstanceUID for h in every})


def test_three_modalities_and_both_kinds_of_label_are_there(federation):
    modalities = set().union(*(node["series"] for node in federation.key["nodes"].values()))
    assert modalities == {"CT", "MR", "PT", "SEG", "RTSTRUCT"}


def test_some_patients_have_a_second_timepoint(federation):
    for node in federation.key["nodes"].values():
        assert node["patients"] < node["studies"] < 2 * node["patients"]


def test_key_is_written_as_json_with_sorted_keys(small, tmp_path):
    root, key = small
    write_federation(root, patients=3, faults="all", truth=tmp_path / "deep" / "answers.json")
    text = (tmp_path / "deep" / "answers.json").read_text()
    assert json.loads(text) == key
    assert text == json.dumps(key, indent=1, sort_keys=True) + "\n"
    assert os.listdir(tmp_path / "deep") == ["answers.json"]


def test_whole_federation_of_the_same_arguments_is_left_alone(small, monkeypatch):
    root, key = small
    monkeypatch.setattr(module, "_write", lambda *_: pytest.fail("wrote again"))
    assert write_federation(root, patients=3, faults="all") == key


def test_lost_file_is_written_again(tmp_path):
    root = tmp_path / "federation"
    write_federation(root, patients=3, faults="none")
    before = digests(root)
    next((root / "extracts" / "cedro").rglob("I0001*")).unlink()
    write_federation(root, patients=3, faults="none")
    assert digests(root) == before


def test_other_arguments_replace_only_what_was_written(tmp_path):
    root = tmp_path / "federation"
    write_federation(root, patients=3, faults="none")
    mine = root / "notes.txt"
    mine.write_text("mine")
    key = write_federation(root, patients=3, seed=1, faults="none")
    assert mine.read_text() == "mine"
    mine.unlink()
    fresh = tmp_path / "fresh"
    assert write_federation(fresh, patients=3, seed=1, faults="none") == key
    assert digests(root) == digests(fresh)


def test_strangers_among_our_files_stop_the_replacement(tmp_path):
    root = tmp_path / "federation"
    write_federation(root, patients=3, faults="none")
    (root / "extracts" / "cedro" / "mine.txt").write_text("mine")
    before = digests(root)
    with pytest.raises(UsageError, match=r"extracts/cedro/mine\.txt"):
        write_federation(root, patients=3, seed=1, faults="none")
    assert digests(root) == before
    assert os.listdir(tmp_path) == ["federation"]


def test_replacement_killed_half_way_is_finished_by_the_next_run(tmp_path, monkeypatch):
    root = tmp_path / "federation"
    write_federation(root, patients=3, faults="none")
    rename = os.replace

    def killed(source, destination):
        if Path(destination).name == "boreal":
            raise KeyboardInterrupt
        rename(source, destination)

    monkeypatch.setattr(os, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        write_federation(root, patients=3, seed=1, faults="none")
    monkeypatch.undo()
    assert json.loads((root / shelf.MARKER).read_text())["complete"] is False
    write_federation(root, patients=3, seed=1, faults="none")
    write_federation(tmp_path / "fresh", patients=3, seed=1, faults="none")
    assert digests(root) == digests(tmp_path / "fresh")


def test_empty_folder_is_filled(tmp_path):
    (tmp_path / "empty").mkdir()
    write_federation(tmp_path / "empty", patients=3, faults="none")
    assert sorted(os.listdir(tmp_path / "empty")) == [shelf.MARKER, "datalake", "extracts"]


def test_folder_with_other_files_is_refused(tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(UsageError, match="not empty"):
        write_federation(tmp_path, patients=3)
    with pytest.raises(UsageError, match="not a folder"):
        write_federation(tmp_path / "thesis.txt", patients=3)
    assert os.listdir(tmp_path) == ["thesis.txt"]


def test_full_disk_leaves_nothing_behind(tmp_path, monkeypatch):
    written = []

    def full(self, content):
        written.append(self)
        if len(written) == 40:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self))
        with open(self, "wb") as stream:
            return stream.write(content)

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(WriteError, match="No space left") as caught:
        write_federation(tmp_path / "federation", patients=3)
    assert caught.value.remedy
    assert os.listdir(tmp_path) == []


def test_interruption_leaves_nothing_behind(tmp_path, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(module._Writer, "_write_label", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_federation(tmp_path / "federation", patients=3)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"patients": 2}, "too few"),
        ({"seed": -1}, "seed"),
        ({"faults": ["missing-slice", "tea-stain"]}, "unknown fault: tea-stain.*known faults: missing-slice, .*"),
    ],
)
def test_arguments_that_make_no_sense_are_refused(tmp_path, arguments, says):
    with pytest.raises(UsageError, match=says):
        write_federation(tmp_path / "federation", **arguments)
    assert os.listdir(tmp_path) == []


def test_folder_with_a_space_and_accent_works(tmp_path):
    key = write_federation(tmp_path / "mé lange" / "a b", patients=3, faults="none")
    assert (tmp_path / "mé lange" / "a b" / key["nodes"]["aurora"]["path"] / "index.json").is_file()
