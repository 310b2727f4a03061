"""What a file is and whether it is whole; frames that nothing counts are told."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.hostile import PICTURE, native
from workbench.dicom.judging import undeclared_frames
from workbench.dicom.scan import scan


def messages(folder: Path, data: bytes) -> list[str]:
    (folder / "a.dcm").write_bytes(data)
    return [finding.message for finding in undeclared_frames(scan(folder).table)]


@pytest.mark.parametrize("declared", [None, "1", "3"])
def test_pixels_of_more_frames_than_are_counted_are_told(declared: str | None, tmp_path: Path) -> None:
    found = messages(tmp_path, native(PICTURE.tobytes() * 5, NumberOfFrames=declared))
    assert found == [f"pixels of 5 frames, NumberOfFrames counts {declared or 1}"]


@pytest.mark.parametrize("pixels", [1, 1.5, 5])
def test_what_is_counted_or_no_whole_frame_is_not_told(pixels: float, tmp_path: Path) -> None:
    data = (PICTURE.tobytes() * 5)[: int(pixels * 512)]
    assert messages(tmp_path, native(data, NumberOfFrames=str(int(pixels)))) == []


def test_a_byte_that_makes_the_length_even_is_no_part_of_a_frame(tmp_path: Path) -> None:
    byte = {"Rows": 3, "Columns": 3, "BitsAllocated": 8, "BitsStored": 8, "HighBit": 7}
    assert messages(tmp_path, native(bytes(28), **byte)) == ["pixels of 3 frames, NumberOfFrames counts 1"]
    assert messages(tmp_path, native(bytes(10), **byte)) == []
    assert messages(tmp_path, native(bytes(20), **byte)) == []


def test_frames_of_no_size_hold_nothing(tmp_path: Path) -> None:
    assert messages(tmp_path, native(PICTURE.tobytes(), Rows=0)) == []
    assert messages(tmp_path, native(PICTURE.tobytes(), BitsAllocated=0)) == []


@pytest.mark.parametrize("keyword", ["Rows", "Columns", "BitsAllocated"])
def test_a_picture_without_a_size_is_not_given_one(keyword: str, tmp_path: Path) -> None:
    (tmp_path / "a.dcm").write_bytes(native(PICTURE.tobytes(), **{keyword: 0}))
    assert scan(tmp_path).table["status"].to_pylist() == ["header-unreadable"]
