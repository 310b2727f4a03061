"""Encapsulated frames: the code stream is shown to be the header's picture before it is decoded."""

from __future__ import annotations

import os
import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from struct import pack
from typing import Any

import imagecodecs
import numpy as np
import pytest
from pydicom.encaps import encapsulate, encapsulate_extended

from tests import factories
from workbench.dicom.pixels import compressed
from workbench.dicom.pixels.encapsulated import frame_fragments
from workbench.dicom.pixels.frames import FrameRef, frame_refs, read_frame, read_frames
from workbench.dicom.scan import scan
from workbench.dicom.series import iterate_series
from workbench.dicom.values.value_map import value_map
from workbench.errors import DicomError, UnsupportedSyntax

JPEG_EXTENDED = "1.2.840.10008.1.2.4.51"
HTJ2K = ("1.2.840.10008.1.2.4.201", "1.2.840.10008.1.2.4.202", "1.2.840.10008.1.2.4.203")


def write(path: Path, pictures: np.ndarray, streams: list[bytes], syntax: str, **tags: Any) -> Path:
    """File of *streams*; the pixel module describes *pictures*, (n, rows, columns[, samples])."""
    table = tags.pop("extended_table", False)
    dataset = factories.header()
    factories.describe_pixels(dataset, pictures)
    for keyword, value in tags.items():
        setattr(dataset, keyword, value)
    if table:
        dataset.PixelData, dataset.ExtendedOffsetTable, dataset.ExtendedOffsetTableLengths = encapsulate_extended(
            streams
        )
    else:
        dataset.PixelData = encapsulate(streams)
    dataset["PixelData"].VR = "OB"
    dataset["PixelData"].is_undefined_length = True
    return factories.write(path, dataset, syntax=syntax)


def refs_of(folder: Path) -> tuple[FrameRef, ...]:
    rows = next(iterate_series(scan(folder).table, folder)).plans[0].rows
    return frame_refs(rows, folder, value_map(rows, stored=True))


def read(folder: Path, dtype: str) -> np.ndarray:
    refs = refs_of(folder)
    shape = (refs[0].rows, refs[0].columns) + ((refs[0].samples,) if refs[0].colour else ())
    out = np.empty((len(refs), *shape), dtype)
    read_frames(refs, out, checked=False)
    return out


@pytest.mark.parametrize("syntax", HTJ2K)
@pytest.mark.parametrize("dtype", ["u1", "i1", "u2", "i2"])
def test_high_throughput_jpeg_2000_comes_back_exactly(syntax: str, dtype: str, tmp_path: Path) -> None:
    limits = np.iinfo(dtype)
    pictures = np.random.default_rng(1).integers(limits.min, limits.max, (2, 40, 33), dtype, endpoint=True)
    streams = [bytes(imagecodecs.htj2k_encode(picture, reversible=True)) for picture in pictures]
    write(tmp_path / "a", pictures, streams, syntax)
    assert (read(tmp_path, dtype) == pictures).all()


def lossless_jpeg(picture: np.ndarray) -> bytes:
    return bytes(imagecodecs.jpeg8_encode(picture, lossless=True, predictor=1))


@pytest.mark.parametrize("dtype", ["u1", "u2"])
@pytest.mark.parametrize(
    ("syntax", "encoder"),
    [
        ("1.2.840.10008.1.2.4.57", lossless_jpeg), ("1.2.840.10008.1.2.4.70", lossless_jpeg),
        ("1.2.840.10008.1.2.4.80", imagecodecs.jpegls_encode), (HTJ2K[0], imagecodecs.htj2k_encode),
    ],
)  # fmt: skip
def test_lossless_colour_comes_back_exactly(
    syntax: str, encoder: Callable[[np.ndarray], bytes], dtype: str, tmp_path: Path
) -> None:
    pictures = np.random.default_rng(2).integers(0, np.iinfo(dtype).max, (2, 20, 30, 3), dtype, endpoint=True)
    write(tmp_path / "a", pictures, [bytes(encoder(picture)) for picture in pictures], syntax)
    assert (read(tmp_path, dtype) == pictures).all()


def test_ten_bits_in_a_twelve_bit_stream_do_not_wrap(tmp_path: Path) -> None:
    # A sharp edge at the largest number: the lossy decoder overshoots 1023.
    picture = np.zeros((64, 64), "u2")
    picture[:, 29:] = picture[35:] = 1023
    stream = bytes(imagecodecs.jpeg8_encode(picture, level=60, bitspersample=12))
    assert imagecodecs.jpeg8_decode(stream).max() > 1023
    write(tmp_path / "a", picture[None], [stream], JPEG_EXTENDED, BitsStored=10, HighBit=9)
    found = read(tmp_path, "u2")[0].astype(int)
    assert found.max() == 1023
    assert np.abs(found - picture).max() < 300


@pytest.mark.parametrize("extended_table", [True, False])
def test_extended_offset_table_is_not_needed(extended_table: bool, tmp_path: Path) -> None:
    pictures = np.stack([factories.pixels(i, dtype="<u2") for i in range(4)])
    streams = [factories.code_stream(picture, factories.LOSSLESS["jpeg-ls"]) for picture in pictures]
    write(tmp_path / "a", pictures, streams, factories.LOSSLESS["jpeg-ls"], extended_table=extended_table)
    assert (read(tmp_path, "u2") == pictures).all()


def test_decoded_straight_into_the_target(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    picture = factories.pixels(1)
    factories.image(tmp_path / "a", frames=picture, syntax=factories.LOSSLESS["jpeg-ls"])
    targets: list[np.ndarray] = []
    real = compressed.decode
    monkeypatch.setattr(compressed, "decode", lambda *args: targets.append(args[2]) or real(*args))
    out = np.empty((6, 8), np.int16)
    read_frame(refs_of(tmp_path)[0], out, checked=False)
    assert (out == picture).all()
    assert np.shares_memory(targets[0], out)


@pytest.mark.parametrize("end", ["57", "70", "80", "81"])
def test_lossy_jpeg_under_another_syntax_is_refused(end: str, tmp_path: Path) -> None:
    picture = np.zeros((1, 16, 16), np.uint8)
    write(tmp_path / "a", picture, [bytes(imagecodecs.jpeg8_encode(picture[0]))], f"1.2.840.10008.1.2.4.{end}")
    with pytest.raises(DicomError, match="another process than its transfer syntax"):
        read(tmp_path, "uint8")


def first_ref(folder: Path, name: str, **facts: Any) -> FrameRef:
    factories.image(folder / "a", frames=np.zeros((64, 64), "<u2"), syntax=factories.LOSSLESS[name])
    return refs_of(folder)[0]._replace(**facts)


def refused(ref: FrameRef, text: str, kind: type[DicomError] = DicomError) -> None:
    """*ref* is refused before a decoder is called and before anything large is allocated."""
    out = np.empty((ref.rows, ref.columns), np.uint16)
    tracemalloc.start()
    try:
        with pytest.raises(kind, match=text):
            read_frame(ref, out, checked=False)
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("name", ["jpeg-70", "jpeg-ls", "jpeg-2000"])
def test_stream_of_another_size_is_never_decoded(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compressed, "decode", lambda *args: pytest.fail("decoded"))
    refused(first_ref(tmp_path, name, columns=63), "code stream holds 64x64x1, header asks for 64x63x1")
    refused(first_ref(tmp_path, name, bits_allocated=8, bits_stored=8, high_bit=7), "holds 16 bit, header allocates 8")


def test_rle_of_other_segments_is_never_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compressed, "decode", lambda *args: pytest.fail("decoded"))
    refused(first_ref(tmp_path, "rle", bits_allocated=8, bits_stored=8), "2 segments, the pixels have 1")
    refused(first_ref(tmp_path, "rle", rows=6400), "too short for 409600 pixels")


ENCODERS: dict[str, Callable[[np.ndarray], bytes]] = {
    "1.2.840.10008.1.2.4.50": imagecodecs.jpeg8_encode,
    "1.2.840.10008.1.2.4.70": imagecodecs.ljpeg_encode,
    "1.2.840.10008.1.2.4.80": imagecodecs.jpegls_encode,
    "1.2.840.10008.1.2.4.90": lambda picture: imagecodecs.jpeg2k_encode(picture, codecformat="j2k", reversible=True),
    HTJ2K[0]: imagecodecs.htj2k_encode,
}


@pytest.mark.parametrize("syntax", list(ENCODERS))
@pytest.mark.parametrize("colour", [False, True])
def test_stream_that_was_cut_off_is_no_picture(syntax: str, colour: bool, tmp_path: Path) -> None:
    noise = np.random.default_rng(3).integers(0, 20, (1, 64, 64) + ((3,) if colour else ()), np.uint8)
    picture = noise + np.arange(64, dtype=np.uint8).reshape(64, *[1] * (noise.ndim - 2))
    encode = lossless_jpeg if syntax.endswith("70") else ENCODERS[syntax]
    stream = bytes(encode(picture[0]))
    for left in (len(stream) - 2, len(stream) - 10, len(stream) // 2):
        write(tmp_path / "a", picture, [stream[:left]], syntax)
        with pytest.raises(DicomError):
            read(tmp_path, "uint8")


def test_thousands_of_tiles_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    picture = np.zeros((1, 128, 128), "u2")
    stream = factories.code_stream(picture[0], factories.LOSSLESS["jpeg-2000"])
    at = stream.index(b"\xff\x51") + 2 + 20
    stream = stream[:at] + pack(">2I", 1, 1) + stream[at + 8 :]
    write(tmp_path / "a", picture, [stream], factories.LOSSLESS["jpeg-2000"])
    monkeypatch.setattr(compressed, "decode", lambda *args: pytest.fail("decoded"))
    refused(refs_of(tmp_path)[0], "cut into 16384 tiles")


def test_stream_far_longer_or_shorter_than_its_picture_is_refused(tmp_path: Path) -> None:
    syntax = factories.LOSSLESS["jpeg-ls"]
    picture = np.zeros((1, 4, 4), "u2")
    write(tmp_path / "long" / "a", picture, [bytes(200_000)], syntax)
    refused(refs_of(tmp_path / "long")[0], "code stream of 200000 bytes for a picture of 32")
    write(tmp_path / "short" / "a", picture, [bytes(1000)], syntax)
    ref = refs_of(tmp_path / "short")[0]._replace(rows=8192, columns=8192)
    with pytest.raises(DicomError, match="code stream of 1000 bytes for a picture of 134217728"):
        read_frame(ref, np.broadcast_to(np.uint16(0), (8192, 8192)), checked=False)


def test_syntax_that_no_one_decodes_is_refused(tmp_path: Path) -> None:
    ref = first_ref(tmp_path, "jpeg-ls", syntax="1.2.840.10008.1.2.4.102")
    refused(ref, r"transfer syntax that cannot be decoded here \[a\]", UnsupportedSyntax)


CHILD = """
import resource, sys
import numpy as np
from workbench.dicom.pixels.frames import FrameRef, read_frame
from workbench.errors import WorkbenchError
import imagecodecs, os
from workbench.dicom.headers.stamps import identity_of
resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))
path, syntax = sys.argv[1:]
data = open(path, "rb").read()
facts = os.stat(path)
for rows, columns in ((64, 64), (60000, 60000), (20000, 20000)):
    ref = FrameRef(path, "name", facts.st_size, identity_of(facts), syntax, 0, -1, 0, 1, rows, columns, 1, 16, 16, 15,
                   False, "MONOCHROME2", 1.0, 0.0)
    try:
        read_frame(ref, np.broadcast_to(np.uint16(0), (rows, columns)), checked=False)
    except WorkbenchError as error:
        print(type(error).__name__)
# Not getrusage, whose peak a child takes over from its parent.
print(next(int(line.split()[1]) // 1024 for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""


@pytest.mark.parametrize("name", ["jpeg-70", "jpeg-ls", "jpeg-2000", "rle"])
@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="peak memory is read from /proc")
def test_sizes_that_lie_cost_no_memory(name: str, tmp_path: Path) -> None:
    stream = factories.code_stream(np.zeros((64, 64), "u2"), factories.LOSSLESS[name])
    huge = pack(">HH", 60000, 60000)
    lying = {
        "jpeg-2000": lambda: stream.replace(pack(">II", 64, 64), pack(">II", 60000, 60000)),
        "rle": lambda: stream[:4] + pack("<15I", 64, *[0xFFFFFFF0] * 14) + stream[64:],
    }.get(name, lambda: stream.replace(pack(">HH", 64, 64), huge))()
    path = tmp_path / "pixels"
    path.write_bytes(encapsulate([lying]) + pack("<HHI", 0xFFFE, 0xE0DD, 0))
    done = subprocess.run(
        [sys.executable, "-c", CHILD, str(path), factories.LOSSLESS[name]], capture_output=True, text=True, timeout=60
    )
    *errors, peak = done.stdout.split()
    assert errors == ["DicomError"] * 3
    assert int(peak) < 200


def test_search_for_many_fragments_reads_ahead(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    n = 100_000
    body = b"".join(
        [pack("<HHI", 0xFFFE, 0xE000, 0), (pack("<HHI", 0xFFFE, 0xE000, 16) + b"\xff\xd8\xff" + bytes(13)) * n]
    )
    path = tmp_path / "pixels"
    path.write_bytes(body + pack("<HHI", 0xFFFE, 0xE0DD, 0))
    calls = []
    real = os.pread
    monkeypatch.setattr(os, "pread", lambda *args: calls.append(args[1]) or real(*args))
    with open(path, "rb") as file:
        table = frame_fragments(file.fileno(), 0, path.stat().st_size, n)
    assert len(table) == n
    assert table[n - 1] == [(8 + 24 * (n - 1) + 8, 16)]
    assert len(calls) < 100
    assert sum(calls) < 2 * path.stat().st_size


def test_search_for_large_fragments_jumps_over_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    n, length = 50, 1 << 18
    path = tmp_path / "pixels"
    item = pack("<HHI", 0xFFFE, 0xE000, length) + bytes(length)
    path.write_bytes(pack("<HHI", 0xFFFE, 0xE000, 0) + item * n + pack("<HHI", 0xFFFE, 0xE0DD, 0))
    read_bytes = []
    real = os.pread
    monkeypatch.setattr(os, "pread", lambda *args: read_bytes.append(len(real(*args))) or real(*args))
    with open(path, "rb") as file:
        assert len(frame_fragments(file.fileno(), 0, path.stat().st_size, n)) == n
    assert sum(read_bytes) < 2000
