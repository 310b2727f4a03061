"""How much is read of many files at once follows from the first of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.strategies import Element, part10
from workbench.dicom.headers.heads import Heads, look
from workbench.dicom.headers.walk import EXPLICIT_LE, walk


def written(folder: Path, *contents: bytes) -> list[str]:
    paths = [folder / f"{number:02d}" for number in range(len(contents))]
    for path, content in zip(paths, contents, strict=True):
        path.write_bytes(content)
    return [str(path) for path in paths]


def header_of(length: int) -> bytes:
    return part10([Element(0x00091001, "OB", bytes(length))], EXPLICIT_LE, pixels=bytes(100_000))


@pytest.mark.parametrize(("length", "width"), [(100, 4096), (3800, 8192), (16_700, 20_480), (60_000, 61_440)])
def test_width_holds_the_header_of_the_first_file(length: int, width: int, tmp_path: Path) -> None:
    data = header_of(length)
    found, at_hand = look(written(tmp_path, data, data), 16_384)
    assert (found, len(at_hand)) == (width, 1)
    assert walk(data[:found], whole=False).pixel_length == 100_000


def test_files_without_pixels_do_not_tell(tmp_path: Path) -> None:
    paths = written(tmp_path, b"text", header_of(20_000))
    assert look(paths, 16_384)[0] == 20_480
    assert look(paths[:1], 16_384)[0] == 16_384
    assert look(written(tmp_path, header_of(70_000)), 16_384)[0] == 16_384


def test_what_was_looked_at_is_not_opened_again(tmp_path: Path) -> None:
    paths = [str(tmp_path / "missing"), *written(tmp_path, header_of(100), header_of(200), b"abc")]
    _, at_hand = look(paths, 16_384)
    assert [head is None for head in at_hand] == [True, False]
    Path(paths[1]).unlink()
    heads = Heads(4, 4096)
    assert heads.read(paths, at_hand) == 4
    assert heads.filled.tolist() == [-1, 4096, 4096, 3]
    assert heads.bytes_of(1, 0, 4096) == header_of(100)[:4096]
