"""Uncompressed frames: tiles, look-up tables, colours, big-endian words."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom.pixels.processing import convert_color_space

from tests import factories
from workbench.dicom.pixels.frames import FrameRef, frame_refs, read_frame, read_frames
from workbench.dicom.scan import scan
from workbench.dicom.series import iterate_series
from workbench.dicom.values.scaling import Lut
from workbench.dicom.values.value_map import value_map
from workbench.errors import DicomError, TruncatedFile, UnsupportedSyntax


def refs_of(folder: Path) -> tuple[FrameRef, ...]:
    rows = next(iterate_series(scan(folder).table, folder)).plans[0].rows
    return frame_refs(rows, folder, value_map(rows, stored=True))


def read(ref: FrameRef, dtype: str) -> np.ndarray:
    shape = (ref.rows, ref.columns) + ((ref.samples,) if ref.colour else ())
    out = np.empty(shape, dtype)
    read_frame(ref, out, checked=True)
    return out


def tiles(ref: FrameRef, across: int) -> list[FrameRef]:
    height, width = ref.rows // across, ref.columns // across
    return [
        ref._replace(rows=height, columns=width, crop=(row * height, column * width, ref.rows, ref.columns))
        for row in range(across)
        for column in range(across)
    ]


@pytest.mark.parametrize("name", list(factories.LOSSLESS))
def test_tiles_of_a_picture_are_its_parts(name: str, tmp_path: Path) -> None:
    picture = (np.arange(16 * 24).reshape(16, 24) * 99 - 20000).astype("<i2")
    factories.image(tmp_path / "a", frames=picture, syntax=factories.LOSSLESS[name])
    parts = tiles(refs_of(tmp_path)[0], 4)
    out = np.empty((16, 4, 6), "int16")
    read_frames(parts, out, checked=False)
    for number, part in enumerate(out):
        row, column = divmod(number, 4)
        assert (part == picture[4 * row : 4 * row + 4, 6 * column : 6 * column + 6]).all()


def test_of_a_tile_only_its_rows_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    factories.image(tmp_path / "a", frames=np.zeros((16, 24), "<i2"))
    part = tiles(refs_of(tmp_path)[0], 4)[5]
    read_bytes = []
    real = os.preadv
    monkeypatch.setattr(os, "preadv", lambda *args: read_bytes.append(real(*args)) or read_bytes[-1])
    read(part, "int16")
    assert read_bytes == [4 * 24 * 2]


def test_all_tiles_of_a_compressed_picture_take_one_decoding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from workbench.dicom.pixels import compressed

    for i in range(2):
        factories.image(tmp_path / f"{i}", i, frames=np.zeros((16, 24), "<i2"), syntax=factories.LOSSLESS["jpeg-ls"],
                        ImagePositionPatient=[0, 0, i])  # fmt: skip
    parts = [part for ref in refs_of(tmp_path) for part in tiles(ref, 4)]
    decoded = []
    real = compressed.decode
    monkeypatch.setattr(compressed, "decode", lambda *args: decoded.append(1) or real(*args))
    read_frames(parts, np.empty((32, 4, 6), "int16"), checked=False)
    assert len(decoded) == 2


def test_tile_of_one_bit_pixels_is_cut_out(tmp_path: Path) -> None:
    bits = np.random.default_rng(1).integers(0, 2, (3, 8, 12)).astype(np.uint8)
    dataset = factories.header()
    factories.describe_pixels(dataset, bits)
    dataset.BitsAllocated = dataset.BitsStored = 1
    dataset.HighBit = 0
    dataset.PixelData = factories.padded(np.packbits(bits.ravel(), bitorder="little").tobytes())
    factories.write(tmp_path / "a", dataset)
    assert (read(tiles(refs_of(tmp_path)[1], 2)[3], "uint8") == bits[1, 4:, 6:]).all()


@pytest.mark.parametrize("name", ["explicit", "big-endian", "jpeg-ls", "deflated"])
def test_look_up_table_gives_the_values(name: str, tmp_path: Path) -> None:
    picture = np.array([[-5, 0, 1, 2], [3, 4, 100, 7]], "<i2")
    factories.image(tmp_path / "a", frames=picture, syntax=factories.LOSSLESS[name])
    table = Lut(1, np.array([0.5, np.nan, 8.25], np.float32))
    found = read(refs_of(tmp_path)[0]._replace(lut=table), "float32")
    expected = np.array([[0.5, 0.5, 0.5, np.nan], [8.25, 8.25, 8.25, 8.25]], np.float32)
    np.testing.assert_array_equal(found, expected)


def colour_file(
    path: Path, picture: np.ndarray, *, planar: int, syntax: str, photometric: str = "RGB", data: bytes | None = None
) -> None:
    """A colour image of (n, rows, columns, 3)."""
    big = syntax == factories.LOSSLESS["big-endian"]
    dataset = factories.header(SOPClassUID="1.2.840.10008.5.1.4.1.1.7.4", Modality="OT")
    factories.describe_pixels(dataset, picture)
    dataset.PlanarConfiguration, dataset.PhotometricInterpretation = planar, photometric
    ordered = np.moveaxis(picture, -1, 1) if planar else picture
    dataset.PixelData = factories.padded(
        data if data is not None else ordered.astype(picture.dtype.newbyteorder(">" if big else "<")).tobytes()
    )
    dataset["PixelData"].VR = "OB" if picture.dtype.itemsize == 1 else "OW"
    factories.write(path, dataset, syntax=syntax)


@pytest.mark.parametrize("planar", [0, 1])
@pytest.mark.parametrize("dtype", ["u1", "u2"])
@pytest.mark.parametrize("name", ["explicit", "implicit", "big-endian", "deflated"])
def test_colours_are_rgb_whatever_their_order(
    name: str, dtype: str, planar: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture = np.random.default_rng(3).integers(0, np.iinfo(dtype).max, (3, 6, 5, 3), dtype, endpoint=True)
    colour_file(tmp_path / "a", picture, planar=planar, syntax=factories.LOSSLESS[name])
    refs = refs_of(tmp_path)
    monkeypatch.setattr("pydicom.pixels.pixel_array", lambda *args, **kw: pytest.fail("read by pydicom"))
    for ref, expected in zip(refs, picture, strict=True):
        assert (read(ref, dtype) == expected).all()


def test_luminance_and_colour_differences_become_rgb(tmp_path: Path) -> None:
    picture = np.random.default_rng(3).integers(0, 256, (2, 6, 4, 3), np.uint8)
    colour_file(
        tmp_path / "full" / "a", picture, planar=0, syntax=factories.LOSSLESS["explicit"], photometric="YBR_FULL"
    )
    for ref, stored in zip(refs_of(tmp_path / "full"), picture, strict=True):
        assert (read(ref, "uint8") == convert_color_space(stored, "YBR_FULL", "RGB")).all()


def test_halved_colour_differences_serve_two_pixels(tmp_path: Path) -> None:
    luminance = np.random.default_rng(4).integers(0, 256, (2, 6, 4), np.uint8)
    differences = np.random.default_rng(5).integers(0, 256, (2, 6, 2, 2), np.uint8)
    groups = np.concatenate([luminance.reshape(2, 6, 2, 2), differences], axis=-1)
    whole = np.concatenate([luminance[..., None], np.repeat(differences, 2, axis=2)], axis=-1)
    colour_file(
        tmp_path / "a", whole, planar=0, syntax=factories.LOSSLESS["explicit"], photometric="YBR_FULL_422",
        data=groups.tobytes(),
    )  # fmt: skip
    for ref, expected in zip(refs_of(tmp_path), whole, strict=True):
        assert (read(ref, "uint8") == convert_color_space(expected, "YBR_FULL", "RGB")).all()
        with pytest.raises(DicomError, match="odd number of columns"):
            read(ref._replace(columns=3), "uint8")


def test_colours_that_are_not_known_or_not_ordered_are_refused(tmp_path: Path) -> None:
    picture = np.zeros((1, 6, 4, 3), np.uint8)
    colour_file(tmp_path / "a", picture, planar=0, syntax=factories.LOSSLESS["explicit"])
    (ref,) = refs_of(tmp_path)
    with pytest.raises(UnsupportedSyntax, match=r"colours are HSV.*\[a\]"):
        read(ref._replace(photometric="HSV"), "uint8")
    with pytest.raises(DicomError, match="order of the colour samples is not stated") as caught:
        read(ref._replace(planar=None), "uint8")
    assert caught.value.tag == "PlanarConfiguration"
    with pytest.raises(TruncatedFile, match="72 bytes of pixels, header asks for 144"):
        read(ref._replace(n_frames=2), "uint8")


@pytest.mark.parametrize("samples", [1, 3])
@pytest.mark.parametrize("columns", [4, 5])
def test_eight_bit_pixels_in_big_endian_words_are_put_in_order(samples: int, columns: int, tmp_path: Path) -> None:
    shape = (3, 3, columns) + ((3,) if samples == 3 else ())
    picture = np.random.default_rng(6).integers(0, 256, shape, np.uint8)
    dataset = factories.header(SOPClassUID="1.2.840.10008.5.1.4.1.1.7.4", Modality="OT")
    factories.describe_pixels(dataset, picture)
    words = np.frombuffer(factories.padded(picture.tobytes()), "<u2").astype(">u2")
    dataset.PixelData = words.tobytes()
    dataset["PixelData"].VR = "OW"
    factories.write(tmp_path / "a", dataset, syntax=factories.LOSSLESS["big-endian"])
    for ref, expected in zip(refs_of(tmp_path), picture, strict=True):
        assert (read(ref, "uint8") == expected).all()


@pytest.mark.parametrize("bits", [24, 64, 12])
def test_unusual_allocations_are_refused(bits: int, tmp_path: Path) -> None:
    factories.image(tmp_path / "a", frames=np.zeros((24, 32), "<i2"))
    ref: Any = refs_of(tmp_path)[0]._replace(rows=4, columns=4, bits_allocated=bits, bits_stored=bits)
    with pytest.raises(UnsupportedSyntax, match=f"{bits} bits allocated"):
        read(ref, "int16")
