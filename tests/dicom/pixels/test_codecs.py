"""Transfer syntax -> decoder: a table; sizes are read before anything is decoded."""

from __future__ import annotations

import numpy as np
import pytest

from tests import factories
from workbench.dicom.pixels.codecs import CODECS, decodable, decode, decoder_name

CODED = {name: syntax for name, syntax in factories.LOSSLESS.items() if syntax in CODECS}


@pytest.mark.parametrize("name", list(CODED))
@pytest.mark.parametrize("dtype", ["u1", "u2"])
def test_lossless_code_streams_come_back_exactly(name: str, dtype: str) -> None:
    frame = (np.arange(20 * 17).reshape(20, 17) * 7).astype(dtype)
    data = factories.code_stream(frame, CODED[name])
    out = np.empty((20, 17), dtype)
    decode(CODED[name], data, out)
    assert (out == frame).all()


@pytest.mark.parametrize("name", [name for name in CODED if name != "rle"])
def test_a_target_of_another_size_is_refused(name: str) -> None:
    data = factories.code_stream(np.zeros((20, 17), "u2"), CODED[name])
    with pytest.raises(ValueError):
        decode(CODED[name], data, np.empty((20, 16), "u2"))


@pytest.mark.parametrize(
    ("syntax", "colour", "yes"),
    [
        ("1.2.840.10008.1.2.1", True, True),
        ("1.2.840.10008.1.2.4.70", False, True),
        ("1.2.840.10008.1.2.4.110", True, True),
        ("1.2.840.10008.1.2.8.1", True, True),
        # MPEG-4 video, JPIP, and what is no transfer syntax.
        ("1.2.840.10008.1.2.4.102", False, False),
        ("1.2.840.10008.1.2.4.94", False, False),
        ("1.2.3", False, False),
        ("", False, False),
    ],
)
def test_what_cannot_be_decoded_is_known_without_trying(syntax: str, colour: bool, yes: bool) -> None:
    assert decodable(syntax, colour=colour) is yes


def test_colour_is_decodable_where_the_table_or_pydicom_decodes_it() -> None:
    from pydicom.pixels import get_decoder

    retired = {"1.2.840.10008.1.2.4.53", "1.2.840.10008.1.2.4.55"}
    for syntax in set(CODECS) - retired:
        assert decodable(syntax, colour=True) is (CODECS[syntax].colour or get_decoder(syntax).is_available)
    assert not any(decodable(syntax, colour=True) for syntax in retired)


@pytest.mark.parametrize("colour", [True, False])
def test_decoder_has_a_name_exactly_where_there_is_one(colour: bool) -> None:
    others = (
        "1.2.840.10008.1.2",
        "1.2.840.10008.1.2.8.1",
        "1.2.840.10008.1.2.1.98",
        "1.2.840.10008.1.2.1.99",
        "1.2.840.10008.1.2.4.102",
        "1.2.3",
        "",
    )
    for syntax in (*CODECS, *others):
        assert bool(decoder_name(syntax, colour=colour)) is decodable(syntax, colour=colour)


def test_decoder_name_tells_library_and_version() -> None:
    import imagecodecs
    import pydicom

    assert decoder_name("1.2.840.10008.1.2.4.90").startswith(f"imagecodecs {imagecodecs.__version__} (openjpeg ")
    assert decoder_name("1.2.840.10008.1.2.4.50", colour=True) == f"pydicom {pydicom.__version__} (pillow)"
    for codec in CODECS.values():
        assert f"{codec.library}-" in imagecodecs.version()


@pytest.mark.parametrize("syntax", ["1.2.840.10008.1.2.4.53", "1.2.840.10008.1.2.4.55"])
def test_retired_progressive_jpeg_is_decoded(syntax: str) -> None:
    from io import BytesIO

    from PIL import Image

    picture = np.add.outer(np.arange(64), 2 * np.arange(48)).astype(np.uint8)
    stream = BytesIO()
    Image.fromarray(picture).save(stream, "JPEG", progressive=True, quality=95)
    decoded = np.empty(picture.shape, "uint8")
    decode(syntax, stream.getvalue(), decoded)
    theirs = np.asarray(Image.open(stream))
    # Lossy decoders may differ by one level.
    assert np.abs(decoded.astype(int) - theirs).max() <= 1
    assert decodable(syntax)
