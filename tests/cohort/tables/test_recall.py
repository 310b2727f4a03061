"""An unchanged extract is known after one pass of stat; whatever changes is noticed."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import workbench as wb
from tests.factories import describe_pixels, header, pixels, write
from workbench.cohort import opening
from workbench.cohort.tables.recall import Asked, recall


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "cache"
    monkeypatch.setenv("WORKBENCH_CACHE", str(folder))
    return folder


def aged(folder: Path) -> None:
    """Make everything below a folder a day older than now: what was just written is not trusted to stay."""
    for path in [folder, *folder.rglob("*")]:
        if not path.is_symlink():
            facts = path.stat()
            os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns - 86_400 * 10**9))


def _images(folder: Path, patient: str, number: int) -> None:
    for index in range(3):
        dataset = header(
            index, PatientID=patient, SeriesInstanceUID=f"1.2.{number}", StudyInstanceUID=f"1.3.{number}",
            SOPInstanceUID=f"1.2.{number}.{index}", ImagePositionPatient=[0.0, 0.0, 2.0 * index],
        )  # fmt: skip
        frames = pixels(index)[np.newaxis]
        describe_pixels(dataset, frames)
        write(folder / f"{index}.dcm", dataset, frames)


@pytest.fixture
def boreal(tmp_path: Path) -> Path:
    """A folder of DICOM files and a table."""
    folder = tmp_path / "boreal"
    for number, patient in enumerate(("P1", "P2"), 1):
        _images(folder / patient / "CT", patient, number)
    (folder / "clinical.csv").write_text("patient_id,sex\nP1,M\nP2,F\n")
    aged(folder)
    return folder


@pytest.fixture
def aurora(tmp_path: Path) -> tuple[Path, Path]:
    """An extract that is links into a data lake, and the lake."""
    folder, lake = tmp_path / "aurora", tmp_path / "lake"
    index = []
    for number, patient in enumerate(("P1", "P2"), 1):
        _images(lake / f"study{number}" / "series", patient, number)
        (folder / patient).mkdir(parents=True)
        (folder / patient / f"study{number}").symlink_to(lake / f"study{number}")
        index.append({
            "studyId": str(number), "studyName": "", "subjectName": patient, "path": f"{patient}/study{number}",
            "url": "", "series": [{"folderName": "series", "tags": []}],
        })  # fmt: skip
    (folder / "index.json").write_text(json.dumps(index))
    (folder / "eforms.json").write_text(json.dumps([{"subjectName": "P1", "eForm": {"sex": "M"}}]))
    aged(folder)
    aged(lake)
    return folder, lake


def readings(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Extracts whose entry files and tables are read from now on."""
    seen: list[Path] = []
    real = opening.open_extract

    def counted(path: Path, **how: object) -> object:
        seen.append(path)
        return real(path, **how)  # type: ignore[arg-type]

    monkeypatch.setattr(opening, "open_extract", counted)
    return seen


def test_an_unchanged_folder_is_opened_without_reading_a_table(
    boreal: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = wb.open_cohort(boreal)
    seen = readings(monkeypatch)
    second = wb.open_cohort(boreal)
    assert seen == []
    assert second.extracts[0].reused
    assert (repr(second), second.extracts[0].digest) == (repr(first), first.extracts[0].digest)


def test_an_unchanged_extract_of_links_is_opened_without_reading_its_index(
    aurora: tuple[Path, Path], cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, lake = aurora
    first = wb.open_cohort(folder, link_roots=[lake])
    seen = readings(monkeypatch)
    assert repr(wb.open_cohort(folder, link_roots=[lake])) == repr(first)
    assert seen == []


def _of_centres(folder: Path) -> None:
    (folder / "clinical.csv").write_text("patient_id,sex,center\nP1,M,east\nP2,F,west\nP3,F,\n")
    aged(folder)


def test_an_extract_of_several_centres_is_opened_without_reading_a_table(
    boreal: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _of_centres(boreal)
    first = wb.open_cohort(boreal, node_column="center")
    seen = readings(monkeypatch)
    second = wb.open_cohort(boreal, node_column="center")
    assert seen == []
    assert first.nodes == second.nodes == ["boreal", "east", "west"]
    assert repr(second) == repr(first)
    assert [(one.digest, one.n_files, one.folder) for one in second.extracts] == [
        (one.digest, one.n_files, one.folder) for one in first.extracts
    ]
    assert all(one.reused for one in second.extracts)
    # Another question.
    assert wb.open_cohort(boreal).nodes == ["boreal"]
    assert seen == [boreal]


def test_one_centre_whose_tables_are_gone_is_made_anew(
    boreal: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _of_centres(boreal)
    first = wb.open_cohort(boreal, node_column="center")
    first.extracts[1].table("series").unlink()
    seen = readings(monkeypatch)
    assert repr(wb.open_cohort(boreal, node_column="center")) == repr(first)
    assert seen == [boreal]


def test_a_patient_of_another_centre_is_noticed(boreal: Path, cache: Path) -> None:
    _of_centres(boreal)
    assert wb.open_cohort(boreal, node_column="center").nodes == ["boreal", "east", "west"]
    text = (boreal / "clinical.csv").read_text().replace("west", "nord")
    (boreal / "clinical.csv").write_text(text)
    assert wb.open_cohort(boreal, node_column="center").nodes == ["boreal", "east", "nord"]


def test_what_was_just_written_is_not_trusted_to_stay(
    boreal: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.utime(next(boreal.rglob("*.dcm")))
    monkeypatch.setattr("workbench.cohort.tables.recall.MARGIN_NS", 3600 * 10**9)
    wb.open_cohort(boreal)
    assert recall(Asked.now(boreal, layout=None, node=None, id_column=None, link_roots=[], sure=True)) is None


def test_another_way_of_reading_is_another_question(boreal: Path, cache: Path) -> None:
    assert wb.open_cohort(boreal).nodes == ["boreal"]
    assert wb.open_cohort(boreal, node="north").nodes == ["north"]
    assert wb.open_cohort(boreal).nodes == ["boreal"]


def _rewritten(path: Path) -> None:
    """Other bytes in place, as many as before."""
    facts = path.stat()
    data = bytearray(path.read_bytes())
    data[-2] ^= 1
    with path.open("r+b") as file:
        file.write(data)
    os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns + 1))
    assert path.stat().st_size == facts.st_size


def _image(folder: Path) -> Path:
    return sorted(folder.rglob("*.dcm"))[4]


CHANGES: dict[str, Callable[[Path], object]] = {
    "rewritten with the same size": lambda folder: _rewritten(_image(folder)),
    "removed": lambda folder: _image(folder).unlink(),
    "added": lambda folder: shutil.copy2(_image(folder), _image(folder).with_name("another.dcm")),
    "renamed": lambda folder: _image(folder).rename(_image(folder).with_name("renamed.dcm")),
    "folder renamed": lambda folder: _image(folder).parent.rename(_image(folder).parent.with_name("renamed")),
    "folder added": lambda folder: (folder / "new" / "deeper").mkdir(parents=True),
    "table rewritten": lambda folder: _rewritten(folder / "clinical.csv"),
    "table removed": lambda folder: (folder / "clinical.csv").unlink(),
    "entry file added": lambda folder: (folder / "index.json").write_text("{}"),
    "link added": lambda folder: (folder / "link").symlink_to(_image(folder)),
}


@pytest.mark.parametrize("change", CHANGES)
def test_whatever_changes_in_a_folder_is_noticed(
    boreal: Path, cache: Path, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    wb.open_cohort(boreal)
    CHANGES[change](boreal)
    seen = readings(monkeypatch)
    wb.open_cohort(boreal)
    assert seen == [boreal]


def _study(folder: Path) -> Path:
    return next(path for path in sorted(folder.rglob("*")) if path.is_symlink() and path.is_dir())


def _elsewhere(folder: Path) -> None:
    """The link leads to a copy that looks the same."""
    link = _study(folder)
    target = Path(os.path.realpath(link))
    copy = target.with_name("copy")
    shutil.copytree(target, copy)
    facts = target.stat()
    os.utime(copy, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    link.unlink()
    link.symlink_to(copy)
    os.utime(link.parent, ns=(1, link.parent.stat().st_mtime_ns))


def _unmounted(folder: Path) -> None:
    target = Path(os.path.realpath(_study(folder)))
    target.rename(target.with_name("gone"))


LINK_CHANGES: dict[str, Callable[[Path], object]] = {
    "link replaced": _elsewhere,
    "target gone": _unmounted,
    "image rewritten": lambda folder: _rewritten(next(_study(folder).rglob("*.dcm"))),
    "image removed": lambda folder: next(_study(folder).rglob("*.dcm")).unlink(),
    "series folder added": lambda folder: (_study(folder) / "unlisted").mkdir(),
    "index rewritten": lambda folder: (folder / "index.json").write_text(
        (folder / "index.json").read_text("utf-8") + " ", "utf-8"
    ),
    "eforms removed": lambda folder: (folder / "eforms.json").unlink(),
}


@pytest.mark.parametrize("change", LINK_CHANGES)
def test_whatever_changes_behind_links_is_noticed(
    aurora: tuple[Path, Path], cache: Path, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    folder, lake = aurora
    wb.open_cohort(folder, link_roots=[lake])
    LINK_CHANGES[change](folder)
    seen = readings(monkeypatch)
    wb.open_cohort(folder, link_roots=[lake])
    assert seen == [folder]


def test_a_lake_that_is_mounted_later_is_noticed(aurora: tuple[Path, Path], cache: Path) -> None:
    folder, lake = aurora
    target = Path(os.path.realpath(_study(folder)))
    hidden = target.with_name("gone")
    target.rename(hidden)
    before = wb.open_cohort(folder, link_roots=[lake])
    hidden.rename(target)
    after = wb.open_cohort(folder, link_roots=[lake])
    assert len(after.series) > len(before.series)


@pytest.mark.parametrize("damage", ["", "{", "[]", "{}", '{"version": 1}'])
def test_a_damaged_memory_is_no_memory(boreal: Path, cache: Path, damage: str) -> None:
    expected = repr(wb.open_cohort(boreal))
    (file,) = (cache / "openings").iterdir()
    file.write_text(damage)
    assert repr(wb.open_cohort(boreal)) == expected


def test_tables_that_are_gone_are_built_again(boreal: Path, cache: Path) -> None:
    expected = repr(wb.open_cohort(boreal))
    next(cache.rglob("values-*.parquet")).unlink()
    assert repr(wb.open_cohort(boreal)) == expected
