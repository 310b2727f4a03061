"""Transfer syntax -> decoder: a table; sizes are read before anything is decoded."""

from __future__ import annotations

import numpy as np
import pytest

from tests import factories
from workbench.dicom.codecs import CODECS, codestream_size, decodable, decoder

CODED = {name: syntax for name, syntax in factories.LOSSLESS.items() if syntax in CODECS}


@pytest.mark.parametrize("name", list(CODED))
@pytest.mark.parametrize("dtype", ["u1", "u2"])
def test_lossless_code_streams_come_back_exactly(name: str, dtype: str) -> None:
    frame = (np.arange(20 * 17).reshape(20, 17) * 7).astype(dtype)
    data = factories.code_stream(frame, CODED[name])
    assert (decoder(CODED[name])(data, (20, 17), np.dtype(dtype)) == frame).all()


@pytest.mark.parametrize("name", [name for name in CODED if name != "rle"])
def test_size_is_read_from_the_code_stream(name: str) -> None:
    frame = np.full((20, 17), 4095, "u2")
    frame[0, 0] = 65535
    data = factories.code_stream(frame, CODED[name])
    assert codestream_size(data, CODECS[CODED[name]].family) == (20, 17, 1, 16)


@pytest.mark.parametrize("family", ["jpeg", "j2k"])
@pytest.mark.parametrize(
    "data", [b"", b"\xff\xd8", b"\xff\xd8\xff\xd9", b"\xff\x4f\xff\x51", bytes(100), b"\xff" * 100]
)
def test_rubbish_has_no_size(data: bytes, family: str) -> None:
    assert codestream_size(data, family) is None


def test_fill_bytes_before_a_marker_are_skipped() -> None:
    data = factories.code_stream(np.zeros((4, 6), "u1"), CODED["jpeg-ls"])
    at = data.index(b"\xff\xf7")
    assert codestream_size(data[:at] + b"\xff\xff" + data[at:], "jpeg") == (4, 6, 1, 8)


@pytest.mark.parametrize(
    ("syntax", "colour", "yes"),
    [
        ("1.2.840.10008.1.2.1", True, True),
        ("1.2.840.10008.1.2.4.70", False, True),
        # MPEG-4 video, JPIP, and what is no transfer syntax.
        ("1.2.840.10008.1.2.4.102", False, False),
        ("1.2.840.10008.1.2.4.94", False, False),
        ("1.2.3", False, False),
        ("", False, False),
    ],
)
def test_what_cannot_be_decoded_is_known_without_trying(syntax: str, colour: bool, yes: bool) -> None:
    assert decodable(syntax, colour=colour) is yes


def test_colour_is_decodable_only_where_pydicom_has_a_decoder() -> None:
    from pydicom.pixels import get_decoder

    retired = {"1.2.840.10008.1.2.4.53", "1.2.840.10008.1.2.4.55"}
    for syntax in set(CODECS) - retired:
        assert decodable(syntax, colour=True) is get_decoder(syntax).is_available
    assert not any(decodable(syntax, colour=True) for syntax in retired)


@pytest.mark.parametrize("syntax", ["1.2.840.10008.1.2.4.53", "1.2.840.10008.1.2.4.55"])
def test_retired_progressive_jpeg_is_decoded(syntax: str) -> None:
    from io import BytesIO

    from PIL import Image

    picture = np.add.outer(np.arange(64), 2 * np.arange(48)).astype(np.uint8)
    stream = BytesIO()
    Image.fromarray(picture).save(stream, "JPEG", progressive=True, quality=95)
    decoded = decoder(syntax)(stream.getvalue(), picture.shape, np.dtype("uint8"))
    theirs = np.asarray(Image.open(stream))
    # Lossy decoders may differ by one level.
    assert np.abs(decoded.astype(int) - theirs).max() <= 1
    assert decodable(syntax)
