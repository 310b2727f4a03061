"""Where each frame's bytes lie; offset tables are checked, not trusted."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from struct import pack

import pytest

from workbench.dicom.pixels.encapsulated import fragments, frame_fragments, whole_fragments

END = pack("<HHI", 0xFFFE, 0xE0DD, 0)


def item(data: bytes) -> bytes:
    return pack("<HHI", 0xFFFE, 0xE000, len(data)) + data


def offsets(*starts: int) -> bytes:
    return pack(f"<{len(starts)}I", *starts)


@contextmanager
def opened(folder: Path, data: bytes) -> Iterator[tuple[int, int]]:
    path = folder / "pixels"
    path.write_bytes(b"HEAD" + data)
    descriptor = os.open(path, os.O_RDONLY)
    try:
        yield descriptor, len(data) + 4
    finally:
        os.close(descriptor)


def frames(folder: Path, data: bytes, n: int) -> list[bytes]:
    with opened(folder, data) as (fd, size):
        found = frame_fragments(fd, 4, size, n)
        return [b"".join(os.pread(fd, length, at) for at, length in pieces) for pieces in found]


def test_one_frame_is_all_fragments(tmp_path: Path) -> None:
    assert frames(tmp_path, item(b"") + item(b"aa") + item(b"bbbb") + END, 1) == [b"aabbbb"]


def test_one_fragment_per_frame_needs_no_table(tmp_path: Path) -> None:
    assert frames(tmp_path, item(b"") + item(b"aa") + item(b"bb") + END, 2) == [b"aa", b"bb"]


def test_table_assigns_several_fragments_to_frames(tmp_path: Path) -> None:
    body = item(b"aa") + item(b"AA") + item(b"bb") + item(b"cc") + item(b"CC")
    assert frames(tmp_path, item(offsets(0, 20, 30)) + body + END, 3) == [b"aaAA", b"bb", b"ccCC"]


@pytest.mark.parametrize("table", [offsets(0, 7), offsets(0, 900), offsets(20, 0), offsets(10, 20), offsets(0), b""])
def test_table_that_does_not_point_at_items_is_refused(table: bytes, tmp_path: Path) -> None:
    body = item(b"aa") + item(b"AA") + item(b"bb")
    with pytest.raises(ValueError, match="offset table"):
        frames(tmp_path, item(table) + body + END, 2)


@pytest.mark.parametrize(
    "data",
    [b"", item(b"")[:6], item(b"") + item(b"abcd")[:-1], item(b"") + item(b"aa"), pack("<HHI", 0xFFFE, 0xE000, 99)],
)
def test_sequence_that_ends_early_is_the_end_of_the_file(data: bytes, tmp_path: Path) -> None:
    with opened(tmp_path, data) as (fd, size):
        with pytest.raises(EOFError):
            fragments(fd, 4, size)
        assert whole_fragments(fd, 4, size) == 0


@pytest.mark.parametrize("data", [b"notanitem" + END, END, item(b"") + pack("<HHI", 0xFFFE, 0xE000, 0xFFFFFFFF)])
def test_something_else_than_items_is_refused(data: bytes, tmp_path: Path) -> None:
    with opened(tmp_path, data) as (fd, size):
        with pytest.raises(ValueError):
            fragments(fd, 4, size)
        assert whole_fragments(fd, 4, size) == 0
