from __future__ import annotations

import os
import struct
from pathlib import Path

import pytest

from tests.extracts import trees
from workbench import extracts
from workbench.errors import EmptyExtract


def test_whole_folder_is_one_place_to_look(tmp_path: Path) -> None:
    extract = extracts.open_extract(trees.plain(tmp_path))
    (ref,) = extract.series
    assert (ref.path, ref.recursive, ref.patient_id) == (".", True, "")
    assert extract.tables == ("clinical.csv",)
    assert extract.findings == ()


@pytest.mark.parametrize(
    "head",
    [
        bytes(128) + b"DICM",
        struct.pack("<HH2sH", 0x0008, 0x0005, b"CS", 10) + b"ISO_IR 100",
        struct.pack("<HHI", 0x0008, 0x0008, 16) + b"ORIGINAL\\PRIMARY",
        struct.pack("<HH2sH", 0x0002, 0x0000, b"UL", 4) + bytes(4),
    ],
)
def test_dicom_is_told_by_content(tmp_path: Path, head: bytes) -> None:
    (tmp_path / "deep" / "er").mkdir(parents=True)
    (tmp_path / "deep" / "er" / "report.txt").write_bytes(head)
    assert extracts.detect(tmp_path) == "plain"


def test_dicom_behind_many_other_files_is_found(tmp_path: Path) -> None:
    for number in range(2100):
        (tmp_path / f"{number:04}.png").write_bytes(b"\x89PNG")
    trees.image(tmp_path / "z" / "z" / "z" / "z" / "z" / "z" / "z" / "IM1")
    assert extracts.detect(tmp_path) == "plain"


def test_look_at_contents_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(50):
        (tmp_path / f"{number:02}.dcm").write_bytes(b"no")
        (tmp_path / f"{number:02}.txt").write_bytes(b"no")
    monkeypatch.setattr("workbench.extracts.plain.LOOK", 10)
    opened = trees.watch(monkeypatch)
    assert extracts.detect(tmp_path) is None
    assert len(opened) == 20


def test_one_image_is_opened_to_tell_and_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = trees.plain(tmp_path)
    opened = trees.watch(monkeypatch)
    extracts.open_extract(root)
    assert {Path(path).name for path in opened} <= {"IM0", "clinical.csv"}


def test_tables_one_level_down_are_taken_where_the_root_has_none(tmp_path: Path) -> None:
    root = trees.plain(tmp_path)
    (root / "tables").mkdir()
    (root / "tables" / "b.tsv").write_text("patient_id\tx\nP1\t1\n")
    assert extracts.open_extract(root).tables == ("clinical.csv",)
    (root / "clinical.csv").unlink()
    below = extracts.open_extract(root)
    assert below.tables == ("tables/b.tsv",)
    assert next(iter(below.clinical)).file == "tables/b.tsv"
    assert below.findings == ()


def test_table_named_with_an_underscore_is_not_loaded(tmp_path: Path) -> None:
    root = trees.plain(tmp_path, name="_clinical.csv")
    extract = extracts.open_extract(root)
    assert [(f.code, f.path) for f in extract.findings] == [("csv-not-anonymised-suspected", "_clinical.csv")]
    assert (tuple(extract.clinical), extract.tables) == ((), ())


def test_damaged_workbook_is_named_and_not_read(tmp_path: Path) -> None:
    root = trees.plain(tmp_path)
    (root / "clinical.xlsx").write_bytes(b"PK\x03\x04")
    extract = extracts.open_extract(root)
    assert [(f.code, f.path) for f in extract.findings] == [("clinical-unreadable", "clinical.xlsx")]
    assert len(extract.clinical) == 2


def test_hidden_files_are_left_alone(tmp_path: Path) -> None:
    root = trees.plain(tmp_path)
    (root / "._clinical.csv").write_bytes(b"\0\5\x16\7")
    extract = extracts.open_extract(root)
    assert (extract.tables, extract.findings) == (("clinical.csv",), ())


def test_table_linked_out_is_a_finding_and_not_read(tmp_path: Path) -> None:
    root = trees.plain(tmp_path)
    (tmp_path / "other.csv").write_text("patient_id,secret\nP9,1\n")
    (root / "other.csv").symlink_to(tmp_path / "other.csv")
    (root / "folder").symlink_to(tmp_path)
    extract = extracts.open_extract(root)
    assert {(f.code, f.path) for f in extract.findings} == {("link-outside", "folder"), ("link-outside", "other.csv")}
    assert {row.patient_id for row in extract.clinical} == {"P1", "P2"}


def test_folder_that_cannot_be_listed_is_a_finding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = trees.plain(tmp_path)
    (root / "clinical.csv").unlink()
    real = os.scandir

    def scandir(path: str | Path) -> object:
        if Path(path).name == "b":
            raise PermissionError(13, "Permission denied")
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    extract = extracts.open_extract(root)
    assert [(f.code, f.path) for f in extract.findings] == [("file-unreadable", "b")]


def test_circle_of_links_in_a_link_root_ends(tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    (lake / "a").mkdir(parents=True)
    for number in range(8):
        (lake / "a" / f"up{number}").symlink_to(lake)
    root = tmp_path / "node"
    root.mkdir()
    (root / "in").symlink_to(lake)
    with pytest.raises(EmptyExtract):
        extracts.open_extract(root, link_roots=[lake])


@pytest.mark.data
def test_real_folder_opens_as_plain(data_dir: Path) -> None:
    extract = extracts.open_extract(data_dir / "sts", id_column="patient")
    assert extract.layout == "plain"
    assert {row.patient_id for row in extract.clinical} == {
        f"STS_{number}" for number in ("002", "003", "008", "019", "025", "035", "042")
    }


def test_table_or_folder_whose_name_is_not_utf_8_is_a_finding(tmp_path: Path) -> None:
    root = trees.plain(tmp_path)
    for name in (b"caf\xe9.csv", b"\xf1/x.csv"):
        path = Path(os.fsdecode(os.fsencode(root) + b"/" + name))
        path.parent.mkdir(exist_ok=True)
        path.write_text("patient_id,secret\nP9,1\n")
    extract = extracts.open_extract(root)
    assert [(f.code, f.path) for f in extract.findings] == [
        ("file-unreadable", "\\udcf1"),
        ("file-unreadable", "caf\\udce9.csv"),
    ]
    assert {finding.message for finding in extract.findings} == {"name is not valid UTF-8: rename it"}
    assert {row.patient_id for row in extract.clinical} == {"P1", "P2"}


def test_pipe_in_the_place_of_a_table_is_left_alone(tmp_path: Path) -> None:
    root = trees.plain(tmp_path)
    os.mkfifo(root / "more.csv")
    assert extracts.open_extract(root).tables == ("clinical.csv",)
