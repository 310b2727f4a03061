"""Headers of any length are read, up to a cap, and first bytes side by side."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from tests import factories
from tests.strategies import Element, part10
from workbench.dicom import reading
from workbench.dicom.headers.heads import Heads
from workbench.dicom.headers.stamps import identity_of, stamp_of
from workbench.dicom.headers.walk import EXPLICIT_LE
from workbench.dicom.listing import FileEntry
from workbench.dicom.reading import Reader, read_file


def entry(path: Path) -> FileEntry:
    facts = path.stat()
    return FileEntry(path.name, facts.st_size, facts.st_mtime_ns, stamp_of(facts), identity_of(facts))


def long_header(path: Path, filler: int) -> Path:
    own = [
        Element(0x00080018, "UI", b"1.2"), Element(0x00091001, "OB", bytes(filler)),
        Element(0x0020000E, "UI", b"1.3"), Element(0x00280010, "US", b"\1\0"), Element(0x00280011, "US", b"\1\0"),
        Element(0x00280100, "US", b"\x10\0"),
    ]  # fmt: skip
    path.write_bytes(part10(own, EXPLICIT_LE))
    return path


@pytest.mark.parametrize("filler", [16_000, 16_200, 70_000, 300_000, 5_000_000])
def test_a_header_of_any_length_is_walked(filler: int, tmp_path: Path) -> None:
    row = read_file(str(tmp_path), entry(long_header(tmp_path / "a", filler)))
    assert (row.judgement.status, row.reader) == ("dicom", "walk")


def test_a_header_beyond_the_largest_read_is_left_to_pydicom(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "LARGER_READS", (20_000, 40_000))
    row = read_file(str(tmp_path), entry(long_header(tmp_path / "a", 60_000)))
    assert (row.judgement.status, row.reader) == ("dicom", "pydicom")


@pytest.mark.parametrize("around", range(-6, 7, 2))
def test_headers_around_the_first_read_give_the_rows_of_single_files(around: int, tmp_path: Path) -> None:
    paths = [long_header(tmp_path / f"{i:02d}", 16_384 - 264 + around + 2 * (i % 9)) for i in range(40)]
    entries = [entry(path) for path in paths]
    table = Reader(tmp_path).read(entries).table
    factories.assert_same_table(table, reading.table_of([read_file(str(tmp_path), one) for one in entries]))


def test_a_file_that_cannot_be_opened_leaves_its_neighbours(tmp_path: Path) -> None:
    paths = factories.stack(tmp_path, range(30))
    entries = [entry(path) for path in paths]
    paths[4].unlink()
    status = Reader(tmp_path).read(entries).table["status"].to_pylist()
    assert [i for i, value in enumerate(status) if value != "dicom"] == [4]
    assert status[4] == "unreadable"


def test_first_bytes_of_files_lie_side_by_side(tmp_path: Path) -> None:
    for name, content in (("a", b"abc"), ("b", b"0123456789"), ("c", b"")):
        (tmp_path / name).write_bytes(content)
    heads = Heads(4, 8)
    assert heads.read([str(tmp_path / name) for name in ("a", "b", "c", "missing")]) == 4
    assert heads.filled.tolist() == [3, 8, 0, -1]
    assert heads.bytes_of(0, 0, 3) + heads.bytes_of(1, 0, 8) == b"abc01234567"


def test_no_file_stays_open(tmp_path: Path) -> None:
    paths = factories.stack(tmp_path, range(30))
    before = len(os.listdir("/proc/self/fd"))
    Reader(tmp_path).read([entry(path) for path in paths])
    assert len(os.listdir("/proc/self/fd")) == before
    assert np.all([path.exists() for path in paths])
