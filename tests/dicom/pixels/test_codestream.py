"""What a code stream says of its picture is read before anything is decoded."""

from __future__ import annotations

from struct import pack

import imagecodecs
import numpy as np
import pytest

from tests import factories
from workbench.dicom.pixels.codecs import CODECS
from workbench.dicom.pixels.codestream import STARTS, StreamSize, codestream_size, rle_fault

CODED = {
    name: syntax for name, syntax in factories.LOSSLESS.items() if syntax in CODECS and CODECS[syntax].family != "rle"
}


@pytest.mark.parametrize("name", list(CODED))
@pytest.mark.parametrize(("dtype", "bits"), [("u1", 8), ("u2", 16)])
def test_size_is_read_from_the_code_stream(name: str, dtype: str, bits: int) -> None:
    frame = np.full((20, 17), 45, dtype)
    frame[0, 0] = np.iinfo(dtype).max
    data = factories.code_stream(frame, CODED[name])
    family = CODECS[CODED[name]].family
    process = CODECS[CODED[name]].process or 0
    assert codestream_size(data, family) == StreamSize(20, 17, 1, bits, process=process)
    assert data.startswith(STARTS[family])


def test_sign_tiles_and_components_of_jpeg_2000_are_read() -> None:
    signed = imagecodecs.jpeg2k_encode(np.zeros((40, 50), "i2"), codecformat="j2k", reversible=True)
    assert codestream_size(signed, "j2k") == StreamSize(40, 50, 1, 16, True)
    at = signed.index(b"\xff\x51") + 2 + 20
    tiled = signed[:at] + pack(">2I", 16, 16) + signed[at + 8 :]
    assert codestream_size(tiled, "j2k") == StreamSize(40, 50, 1, 16, True, 12)
    without = signed[:at] + pack(">2I", 0, 16) + signed[at + 8 :]
    assert codestream_size(without, "j2k") is None
    colour = imagecodecs.jpeg2k_encode(np.zeros((40, 50, 3), "u1"), codecformat="jp2", reversible=True)
    assert codestream_size(colour, "j2k") == StreamSize(40, 50, 3, 8)


@pytest.mark.parametrize("shape", [(8, 8), (256, 128), (41, 300), (512, 512), (1, 1), (17, 9, 3), (600, 400, 3)])
@pytest.mark.parametrize(("dtype", "bits"), [("u1", 8), ("u2", 10), ("u2", 12), ("u2", 16)])
@pytest.mark.parametrize("container", [False, True])
@pytest.mark.parametrize("lossless", [False, True])
def test_size_of_jpeg_xl(shape: tuple[int, ...], dtype: str, bits: int, container: bool, lossless: bool) -> None:
    frame = np.zeros(shape, dtype)
    data = imagecodecs.jpegxl_encode(
        frame, lossless=lossless, usecontainer=container, bitspersample=None if bits == 8 else bits
    )
    expected = StreamSize(*shape[:2], shape[2] if len(shape) > 2 else 1, bits)
    assert codestream_size(bytes(data), "jxl") == expected
    assert bytes(data).startswith(STARTS["jxl"])


def test_size_of_a_jpeg_coded_anew_as_jpeg_xl() -> None:
    data = imagecodecs.jpegxl_encode_jpeg(imagecodecs.jpeg8_encode(np.zeros((40, 56), "u1")))
    assert codestream_size(bytes(data), "jxl") == StreamSize(40, 56, 1, 8)


def test_no_first_bits_of_jpeg_xl_end_in_an_error() -> None:
    random = np.random.default_rng(0)
    for start in STARTS["jxl"]:
        for size in (0, 1, 7, 30, 300):
            for _ in range(200):
                codestream_size(start + random.bytes(size), "jxl")


@pytest.mark.parametrize("family", ["jpeg", "j2k", "jxl", "rle"])
@pytest.mark.parametrize(
    "data",
    [
        b"", b"\xff\xd8", b"\xff\xd8\xff\xd9", b"\xff\x4f\xff\x51", bytes(100), b"\xff" * 100, b"\xff\xd8" + bytes(100),
        b"\xff\xd8\xff\xe0\x00\x00" + bytes(100), b"\xff\xd8\xff\xda" + bytes(100), b"\xff\x4f\xff\x51" + bytes(100),
    ],
)  # fmt: skip
def test_rubbish_has_no_size(data: bytes, family: str) -> None:
    assert codestream_size(data, family) is None


def test_fill_bytes_and_lone_markers_before_the_frame_are_skipped() -> None:
    data = factories.code_stream(np.zeros((4, 6), "u1"), CODED["jpeg-ls"])
    at = data.index(b"\xff\xf7")
    odd = data[:at] + b"\xff\xff\xff\x01" + data[at:]
    assert codestream_size(odd, "jpeg") == StreamSize(4, 6, 1, 8, process=0xF7)


def test_a_whole_rle_frame_has_no_fault() -> None:
    frame = np.arange(400, dtype="u2").reshape(20, 20)
    assert rle_fault(factories.run_lengths(frame), 400, 2) == ""


@pytest.mark.parametrize(
    ("header", "body", "text"),
    [
        (b"", b"", "0 bytes"),
        (pack("<16I", 1, 64, *[0] * 14), bytes(40), "tells of 1 segments, the pixels have 2"),
        (pack("<16I", 2, 64, 64, *[0] * 13), bytes(40), "overlap or lie outside"),
        (pack("<16I", 2, 64, 9999, *[0] * 13), bytes(40), "overlap or lie outside"),
        (pack("<16I", 2, 60, 80, *[0] * 13), bytes(40), "overlap or lie outside"),
        (pack("<16I", 2, 64, 66, *[0] * 13), bytes(40), "too short for 400 pixels"),
    ],
)
def test_rle_headers_that_lie_are_told(header: bytes, body: bytes, text: str) -> None:
    assert text in rle_fault(header + body, 400, 2)
