"""Code streams that stop early before a sound end marker are told from whole ones."""

from __future__ import annotations

from pathlib import Path

import imagecodecs
import numpy as np
import pydicom
import pydicom.data
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.encaps import encapsulate, generate_frames

from tests import factories
from workbench.arrays.opening import open_series
from workbench.dicom.pixels.early_end import _PREDICTORS, ends_in_grey, lossless_whole, with_filler
from workbench.errors import DicomError, TruncatedFile

END = b"\xff\xd9"


def noise(bits: int, shape: tuple[int, ...] = (40, 41), seed: int = 0) -> np.ndarray:
    values = np.random.default_rng(seed).integers(0, 1 << bits, shape)
    return values.astype("u1" if bits <= 8 else "u2")


def cut(code: bytes, n: int) -> bytes:
    """Without the last *n* bytes of coded data."""
    return code[: -2 - n] + END


@st.composite
def pictures(draw: st.DrawFn) -> tuple[np.ndarray, int]:
    bits = draw(st.integers(2, 16))
    shape = draw(st.tuples(st.integers(1, 40), st.integers(1, 40)))
    noisy = noise(bits, shape, draw(st.integers(0, 2**32)))
    kind = draw(st.sampled_from(("noise", "flat", "smooth", "flat end")))
    if kind == "flat":
        noisy[...] = draw(st.integers(0, (1 << bits) - 1))
    elif kind == "smooth":
        noisy = (np.cumsum(noisy % 3, axis=1) % (1 << bits)).astype(noisy.dtype)
    elif kind == "flat end":
        noisy[shape[0] // 2 :] = 0
    return noisy, bits


def coded(picture: np.ndarray, bits: int) -> bytes:
    return imagecodecs.ljpeg_encode(picture, bitspersample=bits if bits > 8 else None)


@settings(deadline=None)
@given(pictures())
def test_what_is_whole_is_never_called_cut(drawn: tuple[np.ndarray, int]) -> None:
    picture, bits = drawn
    code = coded(picture, bits)
    assert np.array_equal(imagecodecs.jpeg8_decode(code).reshape(picture.shape), picture)
    assert lossless_whole(code, picture)


@settings(deadline=None)
@given(pictures(), st.integers(1, 200))
def test_what_is_cut_is_noticed_or_lacks_its_last_row(drawn: tuple[np.ndarray, int], n: int) -> None:
    picture, bits = drawn
    code = coded(picture, bits)
    if len(code) - 2 - n <= code.index(b"\xff\xda") + 10:
        return
    try:
        found = imagecodecs.jpeg8_decode(cut(code, n)).reshape(picture.shape)
    except Exception:
        return
    # The last byte may be filled with up to seven bits that stand for a sample of one bit each.
    assert int((found != picture)[:-1].sum()) <= 7 or not lossless_whole(cut(code, n), found)


@pytest.mark.parametrize("predictor", range(1, 8))
@pytest.mark.parametrize("every", [0, 2])
@pytest.mark.parametrize("shift", [0, 3])
def test_predictors_restarts_and_point_transform(predictor: int, every: int, shift: int) -> None:
    picture = (noise(12, (9, 11)) >> shift) << shift
    code = encoded(picture, predictor, every, shift)
    assert np.array_equal(imagecodecs.jpeg8_decode(code), picture)
    assert lossless_whole(code, picture)
    # Each restart may hide seven bits; and more than a row.
    short = cut(code, 45)
    assert not lossless_whole(short, imagecodecs.jpeg8_decode(short))


def encoded(picture: np.ndarray, predictor: int, every: int, shift: int, bits: int = 12) -> bytes:
    """A code stream written sample by sample: category k has the code of five bits k; restarts *every* so many rows."""
    rows, columns = picture.shape
    plane = picture.astype(int) >> shift
    data, text = b"", ""

    def flushed(text: str) -> bytes:
        text += "1" * (-len(text) % 8)
        return int(text, 2).to_bytes(len(text) // 8, "big").replace(b"\xff", b"\xff\0") if text else b""

    for y in range(rows):
        fresh = y == 0 or (every and y % every == 0)
        if fresh and y:
            data, text = data + flushed(text) + bytes((0xFF, 0xD0 + (y // every - 1) % 8)), ""
        for x in range(columns):
            if fresh:
                predicted = plane[y, x - 1] if x else 1 << (bits - shift - 1)
            elif x == 0:
                predicted = plane[y - 1, 0]
            else:
                predicted = _PREDICTORS[predictor](plane[y, x - 1], plane[y - 1, x], plane[y - 1, x - 1])
            difference = int(plane[y, x] - predicted)
            k = abs(difference).bit_length()
            text += f"{k:05b}"
            if k:
                text += f"{difference if difference > 0 else difference + (1 << k) - 1:0{k}b}"
    data += flushed(text)
    table = bytes((0, 0, 0, 0, 0, 17, *[0] * 11, *range(17)))
    frame = bytes((bits,)) + rows.to_bytes(2, "big") + columns.to_bytes(2, "big") + bytes((1, 1, 0x11, 0))
    parts = {
        0xC4: table,
        0xC3: frame,
        0xDD: (every * columns).to_bytes(2, "big"),
        0xDA: bytes((1, 1, 0, predictor, 0, shift)),
    }
    segments = b"".join(
        bytes((0xFF, marker)) + (len(body) + 2).to_bytes(2, "big") + body
        for marker, body in parts.items()
        if every or marker != 0xDD
    )
    return b"\xff\xd8" + segments + data + END


def test_colours_in_one_scan() -> None:
    picture, as_stored = noise(8, (20, 21, 3)), {"colorspace": "RGB", "outcolorspace": "RGB"}
    code = imagecodecs.jpeg8_encode(picture, lossless=True, predictor=4, **as_stored)
    assert lossless_whole(code, picture)
    short = cut(code, 300)
    assert not lossless_whole(short, imagecodecs.jpeg8_decode(short, **as_stored))


@pytest.mark.parametrize("bits", [8, 12])
def test_filler_changes_a_picture_of_too_little_data_alone(bits: int) -> None:
    picture = noise(bits)
    code = imagecodecs.jpeg8_encode(picture, level=90, bitspersample=bits if bits > 8 else None)
    whole = imagecodecs.jpeg8_decode(code)
    assert not ends_in_grey(whole, bits)
    assert np.array_equal(imagecodecs.jpeg8_decode(with_filler(code)), whole)
    short = cut(code, len(code) // 3)
    found = imagecodecs.jpeg8_decode(short)
    assert ends_in_grey(found, bits)
    assert not np.array_equal(imagecodecs.jpeg8_decode(with_filler(short)), found)


def with_code_stream(path: Path, code: bytes) -> Path:
    dataset = pydicom.dcmread(path)
    dataset.PixelData = encapsulate([code])
    dataset["PixelData"].is_undefined_length = True
    dataset.save_as(path)
    return path


@pytest.mark.parametrize("name", ["jpeg-57", "jpeg-70", "jpeg-ls", "jpeg-2000"])
@pytest.mark.parametrize("share", [0.5, 0.9, 0.97])
def test_lossless_frames_that_stop_early_are_refused(name: str, share: float, tmp_path: Path) -> None:
    picture, syntax = noise(12, (64, 64)).astype("<i2"), factories.LOSSLESS[name]
    path = factories.image(tmp_path / "a", frames=picture, syntax=syntax)
    code = factories.code_stream(picture, syntax)
    with_code_stream(path, code[: int(share * len(code))] + END)
    # These decoders tell of it themselves, others are told by the bits that the picture takes.
    kind = DicomError if name in ("jpeg-ls", "jpeg-2000") else TruncatedFile
    with pytest.raises(kind):
        open_series(path).image.load()


@pytest.mark.parametrize("samples", [1, 3])
def test_lossy_frames_that_stop_early_are_refused(samples: int, tmp_path: Path) -> None:
    picture = noise(8, (64, 64) if samples == 1 else (64, 64, 3))
    path = factories.image(tmp_path / "a", frames=picture[None], syntax=pydicom.uid.JPEGBaseline8Bit)
    code = imagecodecs.jpeg8_encode(picture, level=90)
    if samples == 3:
        dataset = pydicom.dcmread(path)
        dataset.PhotometricInterpretation = "YBR_FULL_422"
        dataset.save_as(path)
    with_code_stream(path, code)
    assert open_series(path).image.load().shape[1:3] == (64, 64)
    with_code_stream(path, code[: len(code) // 2] + END)
    with pytest.raises(TruncatedFile, match="ends early"):
        open_series(path).image.load()


def test_a_picture_with_a_grey_corner_is_read(tmp_path: Path) -> None:
    picture = noise(8, (64, 64))
    picture[40:, 40:] = 128
    path = factories.image(tmp_path / "a", frames=picture, syntax=pydicom.uid.JPEGBaseline8Bit)
    with_code_stream(path, imagecodecs.jpeg8_encode(picture, level=90))
    assert (open_series(path).image.load()[0, 48:, 48:] == 128).all()


@pytest.mark.filterwarnings("ignore")
def test_real_lossless_frames_are_whole() -> None:
    seen = 0
    for path in sorted(Path(pydicom.data.DATA_ROOT, "test_files").rglob("*.dcm")):
        dataset = pydicom.dcmread(path, force=True)
        syntax = getattr(dataset, "file_meta", {}).get("TransferSyntaxUID", "")
        if syntax not in (pydicom.uid.JPEGLossless, pydicom.uid.JPEGLosslessSV1) or "PixelData" not in dataset:
            continue
        for frame in generate_frames(dataset.PixelData, number_of_frames=int(dataset.get("NumberOfFrames", 1))):
            colour = {"colorspace": "RGB", "outcolorspace": "RGB"} if dataset.SamplesPerPixel == 3 else {}
            picture = imagecodecs.jpeg8_decode(frame, **colour)
            assert lossless_whole(frame, picture)
            seen += 1
    assert seen
