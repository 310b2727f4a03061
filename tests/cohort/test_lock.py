"""A lock file opens exactly the cohort it was written from, or says what changed."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

import workbench as wb
from tests.factories import describe_pixels, header, pixels, write
from workbench.cohort.lock import _digest, read_lock
from workbench.errors import LockError, UsageError


def _series(folder: Path, patient: str, number: int, *, first: int = 0, slices: int = 3, day: str = "20200101") -> None:
    for index in range(first, first + slices):
        dataset = header(
            index, PatientID=patient, SeriesInstanceUID=f"1.2.{number}", StudyInstanceUID=f"1.3.{number}",
            SOPInstanceUID=f"1.2.{number}.{index}", ImagePositionPatient=[0.0, 0.0, 2.0 * index], StudyDate=day,
            Modality="CT" if number % 2 else "MR", PatientSex="M",
        )  # fmt: skip
        frames = pixels(index)[np.newaxis]
        describe_pixels(dataset, frames)
        write(folder / f"S{number}" / f"{index}.dcm", dataset, frames)


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two nodes: two patients each, one with a second study; a table each. No test changes them."""
    folders = []
    for node, start in (("north", 10), ("south", 20)):
        folder = tmp_path_factory.mktemp("pristine") / node
        _series(folder / "P1", "P1", start + 1)
        _series(folder / "P1", "P1", start + 2, day="20210101")
        _series(folder / "P2", "P2", start + 3)
        (folder / "clinical.csv").write_text("patient_id,sex,age_at_diagnosis\nP1,M,60\nP2,F,40\n")
        folders.append(folder)
    return folders


@pytest.fixture
def nodes(pristine: list[Path], tmp_path: Path) -> list[Path]:
    """The same, to be changed."""
    return [Path(shutil.copytree(folder, tmp_path / "data" / folder.name)) for folder in pristine]


@pytest.fixture(scope="module")
def locked(pristine: list[Path]) -> str:
    """Text of the lock file of both nodes."""
    return wb.open_cohort(pristine).lock(pristine[0].parent / "lock.json").read_text("utf-8")


@pytest.fixture(scope="module")
def locked_ct(pristine: list[Path]) -> str:
    """Text of the lock file of a part of one."""
    cohort = wb.open_cohort(pristine[:1]).where("modality = 'CT'")
    return cohort.lock(pristine[0].parent / "ct.json").read_text("utf-8")


def written(folder: Path, text: str) -> Path:
    place = folder / "lock.json"
    place.write_text(text, "utf-8")
    return place


def state(cohort: wb.Cohort) -> list[str]:
    """Every table of a cohort, as text."""
    names = ("patients", "studies", "cases", "series", "parts", "clinical", '"values"')
    return [cohort.sql(f"select * from {name} order by all").to_csv() for name in names]


@pytest.mark.parametrize("rehash", [False, True])
def test_unchanged_extracts_open_as_they_were(pristine: list[Path], tmp_path: Path, rehash: bool) -> None:
    cohort = wb.open_cohort(pristine).where("modality = 'CT'").where("age_at_diagnosis >= 50")
    place = cohort.lock(tmp_path / "cohort.lock.json", rehash=rehash)
    again = wb.open_cohort(pristine, lock=place)
    assert state(again) == state(cohort)
    assert again.conditions == cohort.conditions
    assert list(again.sql("select count(*) as n from series")["n"]) == [2]


def test_the_same_cohort_gives_the_same_bytes_and_no_absolute_path(nodes: list[Path], tmp_path: Path) -> None:
    cohort = wb.open_cohort(nodes)
    first = cohort.lock(tmp_path / "a.json").read_bytes()
    moved = tmp_path / "elsewhere"
    shutil.copytree(nodes[0].parent, moved)
    again = wb.open_cohort([moved / "south", moved / "north"])
    assert again.lock(tmp_path / "b.json").read_bytes() == first
    assert str(tmp_path).encode() not in first
    assert state(wb.open_cohort([moved / "north", moved / "south"], lock=tmp_path / "a.json")) == state(cohort)


def test_every_instance_is_named_with_its_facts(pristine: list[Path], tmp_path: Path) -> None:
    content = json.loads(wb.open_cohort(pristine).lock(tmp_path / "lock.json").read_text("utf-8"))
    north = content["extracts"][0]
    assert (north["node"], north["layout"], north["n_instances"], list(north["tables"])) == (
        "north", "plain", 9, ["clinical.csv"],
    )  # fmt: skip
    path, instance, size, digest, length = north["instances"]["1.2.11"][0]
    assert (path, instance, size) == ("P1/S11/0.dcm", "1.2.11.0", (pristine[0] / "P1/S11/0.dcm").stat().st_size)
    assert len(digest) >= 16
    assert length == 6 * 8 * 2


def test_whole_files_are_hashed_where_asked_for(pristine: list[Path], tmp_path: Path) -> None:
    import hashlib

    cohort = wb.open_cohort(pristine).where("modality = 'MR'")
    content = json.loads(cohort.lock(tmp_path / "lock.json", rehash=True).read_text("utf-8"))
    instances = content["extracts"][0]["instances"]
    assert instances["1.2.12"][0][-1] == hashlib.sha256((pristine[0] / "P1/S12/0.dcm").read_bytes()).hexdigest()
    assert [len(line) for line in instances["1.2.11"]] == [5, 5, 5], "series that were not kept are not read"


def test_instances_that_came_since_are_left_out_and_told(nodes: list[Path], tmp_path: Path) -> None:
    cohort = wb.open_cohort(nodes)
    place = cohort.lock(tmp_path / "lock.json")
    _series(nodes[0] / "P1", "P1", 11, first=3, slices=2)
    _series(nodes[0] / "P1", "P1", 15, day="20190101")
    assert len(wb.open_cohort(nodes).series) == 7
    again = wb.open_cohort(nodes, lock=place)
    assert state(again) == state(cohort)
    told = again.findings.set_index("code").loc["instances-beyond-lock"]
    assert (told["node"], told["count"]) == ("north", 5)


def test_a_sample_opens_as_the_patients_that_were_drawn(pristine: list[Path], tmp_path: Path) -> None:
    cohort = wb.open_cohort(pristine).sample(3, seed=4)
    again = wb.open_cohort(pristine, lock=cohort.lock(tmp_path / "lock.json"))
    assert state(again) == state(cohort)
    assert state(again.where("modality = 'CT'")) == state(cohort.where("modality = 'CT'"))


def _flip(path: Path, position: int) -> None:
    data = bytearray(path.read_bytes())
    data[position] ^= 1
    path.write_bytes(data)


def _header_changed(folder: Path) -> None:
    path = folder / "P1/S11/1.dcm"
    data = path.read_bytes()
    assert data.count(b"AXIAL") == 1
    path.write_bytes(data.replace(b"AXIAL", b"OTHER"))


CHANGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "removed": (lambda f: (f / "P1/S11/1.dcm").unlink(), r"north: 1 instance\(s\) missing \(P1/S11/1.dcm\)"),
    "many removed": (lambda f: shutil.rmtree(f / "P1"), r"north: 6 instance\(s\) missing \(.*, \.\.\.\)"),
    "renamed": (lambda f: (f / "P1/S11/1.dcm").rename(f / "P1/S11/x.dcm"), "1 instance.s. missing"),
    "header": (_header_changed, r"north: 1 instance\(s\) changed \(P1/S11/1.dcm\)"),
    "table": (lambda f: (f / "clinical.csv").write_text("patient_id,sex\nP1,F\n"), r"1 table\(s\) changed \(clinical"),
    "table added": (lambda f: (f / "more.csv").write_text("patient_id,psa\nP1,3\n"), r"1 table\(s\) changed \(more"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_changed_is_named(nodes: list[Path], locked: str, tmp_path: Path, change: str) -> None:
    place = written(tmp_path, locked)
    make, words = CHANGES[change]
    make(nodes[0])
    with pytest.raises(LockError, match=words) as caught:
        wb.open_cohort(nodes, lock=place)
    assert "south" not in str(caught.value)
    assert caught.value.changes


def test_pixels_that_changed_alone_are_noticed_where_files_were_hashed(nodes: list[Path], tmp_path: Path) -> None:
    cohort = wb.open_cohort(nodes)
    light, whole = cohort.lock(tmp_path / "light.json"), cohort.lock(tmp_path / "whole.json", rehash=True)
    _flip(nodes[1] / "P2/S23/2.dcm", -1)
    wb.open_cohort(nodes, lock=light)
    with pytest.raises(LockError, match=r"south: 1 instance\(s\) changed \(P2/S23/2.dcm\)"):
        wb.open_cohort(nodes, lock=whole)


def test_an_extract_that_is_not_opened_is_named(pristine: list[Path], tmp_path: Path) -> None:
    place = wb.open_cohort(pristine).lock(tmp_path / "lock.json")
    with pytest.raises(LockError, match=r"1 extract\(s\) not opened \(south\)"):
        wb.open_cohort(pristine[0], lock=place)
    only = wb.open_cohort(pristine[0]).lock(tmp_path / "one.json")
    with pytest.raises(LockError, match=r"1 extract\(s\) that it does not know \(south\)"):
        wb.open_cohort(pristine, lock=only)


def test_a_lock_file_that_is_not_there_is_misuse(pristine: list[Path], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"lock\.json"):
        wb.open_cohort(pristine, lock=tmp_path / "lock.json")


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", "3", '{"format": 99, "kept": 1, "extracts": []}', '{"format": 2}', "[" * 100_000, "\xff"]
)
def test_what_is_no_lock_file_says_so(tmp_path: Path, text: str) -> None:
    place = tmp_path / "lock.json"
    place.write_text(text, encoding="latin-1")
    with pytest.raises(LockError, match=r"lock\.json"):
        read_lock(place)


#: Changes by hand, each of which would open something else, or nothing, than what was locked.
EDITS: dict[str, Callable[[dict[str, Any]], object]] = {
    "kept null": lambda c: c.update(kept=None),
    "kept empty": lambda c: c.update(kept={}),
    "kept a list": lambda c: c["kept"].update(series=[]),
    "kept fewer": lambda c: c["kept"]["series"].popitem(),
    "conditions a number": lambda c: c.update(conditions=5),
    "other condition": lambda c: c.update(conditions=["true"]),
    "other selection": lambda c: c.update(selection="(true)"),
    "no selection": lambda c: c.update(kept=None, selection="", conditions=[]),
    "digest": lambda c: c["extracts"][0].update(digest="0"),
    "digest null": lambda c: c["extracts"][0].update(digest=None),
    "layout": lambda c: c["extracts"][0].update(layout="xnat"),
    "tables null": lambda c: c["extracts"][0].update(tables=None),
    "extract twice": lambda c: c["extracts"].append(c["extracts"][0]),
    "no extracts": lambda c: c.update(extracts=None),
    "instance gone": lambda c: c["extracts"][0]["instances"]["1.2.11"].pop(),
    "said a list": lambda c: c["extracts"][0].update(said=[]),
    "header a text": lambda c: c["extracts"][0].update(said={"header": "2"}),
    "folder gone": lambda c: c["extracts"][0].pop("folder"),
    "facts gone": lambda c: c["extracts"][0]["instances"]["1.2.11"][0].pop(),
    "no number": lambda c: c["extracts"][0].pop("n_instances"),
}
#: Those that leave a file which fits itself, and only its digest tells.
FITTING = ("digest", "layout", "kept fewer", "no selection")
#: That which leaves nothing a digest could be of.
SHAPELESS = ("no extracts",)
SEALED = [name for name in EDITS if name not in (*FITTING, *SHAPELESS)]


@pytest.mark.parametrize(("edit", "sealed"), [*((name, False) for name in EDITS), *((name, True) for name in SEALED)])
def test_a_lock_file_changed_by_hand_is_refused(
    pristine: list[Path], locked_ct: str, tmp_path: Path, edit: str, *, sealed: bool
) -> None:
    content = json.loads(locked_ct)
    EDITS[edit](content)
    if sealed:
        content["sha256"] = _digest(content)
    place = written(tmp_path, json.dumps(content))
    with pytest.raises(LockError, match=r"lock\.json.*not as one is written|not as one is written.*lock\.json"):
        read_lock(place)
    with pytest.raises(LockError):
        wb.open_cohort(pristine[:1], lock=place)


def test_spaces_and_order_of_a_lock_file_say_nothing(pristine: list[Path], locked_ct: str, tmp_path: Path) -> None:
    place = written(tmp_path, json.dumps(json.loads(locked_ct), indent=4, sort_keys=True))
    assert len(wb.open_cohort(pristine[:1], lock=place).series) == 2


def test_the_command_line_locks_and_opens(pristine: list[Path], tmp_path: Path) -> None:
    from workbench.cli import workbench

    place = str(tmp_path / "lock.json")
    given = [str(node) for node in pristine]
    run = CliRunner().invoke(workbench, ["lock", *given, "--where", "modality = 'MR'", "--out", place])
    assert (run.exit_code, run.output.strip()) == (0, place)
    shown = CliRunner().invoke(workbench, ["open", *given, "--lock", place, "--json"])
    assert [row["series"] for row in json.loads(shown.output)["nodes"]] == [1, 1]


def test_a_lock_file_of_an_older_format_says_what_to_do(nodes: list[Path], tmp_path: Path) -> None:
    place = wb.open_cohort(nodes).lock(tmp_path / "lock.json")
    place.write_text(json.dumps(json.loads(place.read_text("utf-8")) | {"format": 2}))
    with pytest.raises(
        LockError, match=r"is of format 2, and this version reads \d+ \[lock.json\]\. open .* lock anew"
    ):
        wb.open_cohort(nodes, lock=place)


def _nifti(place: Path, value: int = 1, spacing: float = 1.0) -> None:
    from nibabel.nifti1 import Nifti1Image

    place.parent.mkdir(parents=True, exist_ok=True)
    image = Nifti1Image(np.full((4, 4, 3), value, "int16"), np.diag([-1.0, -1.0, spacing, 1.0]))
    image.to_filename(place)


@pytest.fixture
def subjects(tmp_path: Path) -> Path:
    root = tmp_path / "data" / "north"
    _nifti(root / "P1" / "T1" / "a.nii")
    _nifti(root / "P2" / "T1" / "b.nii.gz")
    _nifti(root / "P2" / "tumour" / "c.nii")
    (root / "participants.csv").write_text("FOLDER_NAME,AGE,SEX\nP1,55,F\nP2,61,M\n")
    return root


def test_nifti_files_are_known_by_header_and_whole_where_asked_for(subjects: Path, tmp_path: Path) -> None:
    how = {"modalities": {"T1": "MR"}, "masks": ["tumour"]}
    cohort = wb.open_cohort(subjects, **how)  # type: ignore[arg-type]
    light, whole = cohort.lock(tmp_path / "light.json"), cohort.lock(tmp_path / "whole.json", rehash=True)
    content = json.loads(light.read_text("utf-8"))["extracts"][0]
    lines = [line for rows in content["instances"].values() for line in rows]
    assert [line[0] for line in lines if line[3]] == [line[0] for line in lines]
    assert content["n_instances"] == 3
    assert state(wb.open_cohort(subjects, lock=light)) == state(cohort), "what was said is taken from the lock file"
    _flip(subjects / "P1/T1/a.nii", -1)
    wb.open_cohort(subjects, lock=light)
    with pytest.raises(LockError, match=r"north: 1 instance\(s\) changed \(P1/T1/a.nii\)"):
        wb.open_cohort(subjects, lock=whole)
    _nifti(subjects / "P1/T1/a.nii", spacing=2.0)
    _nifti(subjects / "P2/T1/b.nii.gz", spacing=2.5)
    with pytest.raises(LockError, match=r"2 instance\(s\) changed \(P1/T1/a.nii, P2/T1/b.nii.gz\)"):
        wb.open_cohort(subjects, lock=light)
    (subjects / "P1/T1/a.nii").unlink()
    with pytest.raises(LockError, match=r"1 instance\(s\) missing \(P1/T1/a.nii\)"):
        wb.open_cohort(subjects, lock=light)


def test_what_the_json_beside_a_nifti_file_says_counts(subjects: Path, tmp_path: Path) -> None:
    beside = subjects / "P1/T1/a.json"
    beside.write_text(json.dumps({"00080060": {"vr": "CS", "Value": ["MR"]}}))
    place = wb.open_cohort(subjects).lock(tmp_path / "lock.json")
    beside.write_text(json.dumps({"00080060": {"vr": "CS", "Value": ["CT"]}}))
    with pytest.raises(LockError, match=r"1 instance\(s\) changed \(P1/T1/a.nii\)"):
        wb.open_cohort(subjects, lock=place)


def test_a_nifti_file_that_came_since_is_left_out(subjects: Path, tmp_path: Path) -> None:
    cohort = wb.open_cohort(subjects)
    place = cohort.lock(tmp_path / "lock.json")
    _nifti(subjects / "P1" / "T2" / "d.nii")
    again = wb.open_cohort(subjects, lock=place)
    assert state(again) == state(cohort)
    assert again.findings.set_index("code").loc["instances-beyond-lock", "count"] == 1


@pytest.fixture
def headed(nodes: list[Path]) -> list[Path]:
    """Tables whose header, patient column and centres must be said."""
    for number, node in enumerate(nodes):
        (node / "clinical.csv").write_text(
            f"study,study,other,site\ncode,sex,code,name\nP1,M,P2,a{number}\nP2,F,P1,b{number}\n"
        )
    return nodes


SAID: dict[str, Any] = {"header": 2, "id_column": "study.code", "node_column": "site.name", "layout": "plain"}


def test_what_was_said_when_opening_is_said_again_by_the_lock_file(headed: list[Path], tmp_path: Path) -> None:
    cohort = wb.open_cohort(headed, **SAID).where("sex = 'female'")
    place = cohort.lock(tmp_path / "lock.json")
    assert json.loads(place.read_text("utf-8"))["extracts"][0]["said"] == SAID
    again = wb.open_cohort(headed, lock=place)
    assert state(again) == state(cohort)
    assert again.nodes == cohort.nodes
    assert again.lock(tmp_path / "again.json").read_bytes() == place.read_bytes()
    moved = shutil.copytree(headed[0].parent, tmp_path / "moved")
    assert state(wb.open_cohort([moved / "south", moved / "north"], lock=place)) == state(cohort)


def test_one_extract_may_be_called_otherwise(headed: list[Path], tmp_path: Path) -> None:
    cohort = wb.open_cohort(headed[0], node="centre one", **{**SAID, "node_column": None})
    place = cohort.lock(tmp_path / "lock.json")
    again = wb.open_cohort(headed[0].rename(tmp_path / "other"), lock=place)
    assert again.nodes == ["centre one"]
    assert again.clinical.equals(cohort.clinical)


def test_what_is_said_otherwise_is_named(headed: list[Path], tmp_path: Path) -> None:
    how = {name: value for name, value in SAID.items() if name != "node_column"}
    place = wb.open_cohort(headed, **how).lock(tmp_path / "lock.json")
    with pytest.raises(LockError, match=r"north: 1 option.* \(id_column: 'study.code' when locked, 'other.code' now\)"):
        wb.open_cohort(headed, lock=place, id_column="other.code")


def test_the_mapping_must_be_the_same_file(nodes: list[Path], tmp_path: Path) -> None:
    mapping = tmp_path / "own.csv"
    mapping.write_text("source,variable\nage_at_diagnosis,age_at_diagnosis\n")
    cohort = wb.open_cohort(nodes, mapping=mapping)
    place = cohort.lock(tmp_path / "lock.json")
    copied = shutil.copy(mapping, tmp_path / "copied.csv")
    assert state(wb.open_cohort(nodes, mapping=copied, lock=place)) != []
    with pytest.raises(LockError, match="mapping: one file when locked, not given now"):
        wb.open_cohort(nodes, lock=place)
    mapping.write_text("source,variable\nage_at_diagnosis,psa\n")
    with pytest.raises(LockError, match="mapping: one file when locked, another now"):
        wb.open_cohort(nodes, mapping=mapping, lock=place)
    plain = wb.open_cohort(nodes).lock(tmp_path / "plain.json")
    with pytest.raises(LockError, match="mapping: not given when locked, one file now"):
        wb.open_cohort(nodes, mapping=mapping, lock=plain)


def test_linked_patients_must_be_the_same(nodes: list[Path], tmp_path: Path) -> None:
    links = tmp_path / "links.csv"
    links.write_text("node,patient_id,person\nnorth,P1,a\nsouth,P1,a\n")
    cohort = wb.open_cohort(nodes, linkage=links)
    place = cohort.lock(tmp_path / "lock.json")
    assert state(wb.open_cohort(nodes, linkage=links, lock=place)) == state(cohort)
    with pytest.raises(LockError, match="linkage: one file when locked, not given now"):
        wb.open_cohort(nodes, lock=place)
