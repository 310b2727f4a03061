"""Damaged files: a finding or an error of ours, never another exception, never a warning."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom.data
import pytest

from tests.hostile import JPEG_LOSSLESS, PICTURE, RLE, compressed, fragments, part10, stream
from tests.hostile_headers import deflated
from tests.tries import tries
from workbench.dicom.headers.deflated import HEADER_BYTES, header_source
from workbench.dicom.pixels.frames import frame_refs, read_frames
from workbench.dicom.scan import scan
from workbench.dicom.series import iterate_series
from workbench.dicom.values.value_map import value_map
from workbench.errors import DicomError, WorkbenchError

SOURCES = [
    path
    for path in sorted((Path(pydicom.data.__file__).parent / "test_files").glob("*.dcm"))
    if path.stat().st_size < 300_000
]


def damaged(random: np.random.Generator) -> bytes:
    """A real file with a few bytes changed, sometimes cut."""
    data = bytearray(SOURCES[random.integers(len(SOURCES))].read_bytes())
    end = min(len(data), 2000) if random.random() < 0.7 else len(data)
    for at in random.integers(132, end, random.integers(1, 8)):
        data[at] = random.integers(256)
    return bytes(data[: random.integers(len(data))] if random.random() < 0.2 else data)


def open_all(folder: Path) -> None:
    for series in iterate_series(scan(folder).table, folder):
        for plan in series.plans:
            quantity = value_map(plan.rows)
            refs = frame_refs(plan.rows, folder, quantity)[:2]
            first = refs[0]
            if first.rows * first.columns * first.samples > 1 << 26:
                continue
            shape = (first.rows, first.columns) + ((first.samples,) if first.colour else ())
            try:
                read_frames(refs, np.empty((len(refs), *shape), quantity.dtype), checked=quantity.checked)
            except WorkbenchError as error:
                if error.file != "a.dcm":
                    raise AssertionError("error does not name its file") from error


@pytest.mark.parametrize("count", [tries(400), pytest.param(6000, marks=pytest.mark.slow)])
def test_damaged_files_end_in_findings_or_our_errors(count: int, tmp_path: Path) -> None:
    random = np.random.default_rng(count)
    for _ in range(count):
        (tmp_path / "a.dcm").write_bytes(damaged(random))
        open_all(tmp_path)


def loaded(folder: Path, data: bytes) -> np.ndarray:
    """First frame of a file, read into memory that holds something else."""
    (folder / "a.dcm").write_bytes(data)
    plan = next(iterate_series(scan(folder).table, folder)).plans[0]
    quantity = value_map(plan.rows)
    out = np.full((1, *PICTURE.shape), 77, quantity.dtype)
    read_frames(frame_refs(plan.rows, folder, quantity)[:1], out, checked=quantity.checked)
    return out[0]


@pytest.mark.parametrize("body", [b"\x80" * 2000, b"\x81\0" * 2 + b"\x80" * 6], ids=["no-operation", "short-segments"])
def test_rle_segments_that_end_early_never_show_what_memory_held(body: bytes, tmp_path: Path) -> None:
    header = np.array([2, 64, 64 + len(body) // 2], "<u4").tobytes().ljust(64, b"\0")
    with pytest.raises(DicomError):
        loaded(tmp_path, compressed(RLE, fragments(header + body)))


def test_a_lossless_jpeg_without_its_huffman_tables_is_refused(tmp_path: Path) -> None:
    data = bytes(stream(JPEG_LOSSLESS)).replace(b"\xff\xc4", b"\xff\xe5")
    with pytest.raises(DicomError):
        loaded(tmp_path, compressed(JPEG_LOSSLESS, fragments(data + bytes(len(data) % 2))))


def test_values_beyond_the_range_of_floats_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DicomError, match="beyond the range"):
        loaded(tmp_path, part10(RescaleSlope="1e308"))


def test_empty_fragments_before_a_picture_change_nothing(tmp_path: Path) -> None:
    data = bytes(stream(JPEG_LOSSLESS))
    value = fragments(*[b""] * 1000, data + bytes(len(data) % 2))
    assert (loaded(tmp_path, compressed(JPEG_LOSSLESS, value)) == PICTURE).all()


def test_the_header_of_a_deflated_file_is_inflated_to_a_limit(tmp_path: Path) -> None:
    (tmp_path / "a.dcm").write_bytes(deflated(part10()[len(part10()) - 900 :], 40 << 20))
    with open(tmp_path / "a.dcm", "rb") as file:
        source = header_source(file)
        assert source is not file
        assert HEADER_BYTES <= len(source.read()) < HEADER_BYTES + 1000


def test_the_header_of_a_file_that_is_not_deflated_is_the_file(tmp_path: Path) -> None:
    (tmp_path / "a.dcm").write_bytes(part10())
    with open(tmp_path / "a.dcm", "rb") as file:
        assert header_source(file) is file
