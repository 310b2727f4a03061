"""Frames: bytes -> stored numbers -> values, straight into the target."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests import factories
from workbench.dicom.headers.stamps import identity_of
from workbench.dicom.pixels import compressed as module
from workbench.dicom.pixels.frames import FrameRef, frame_refs, read_frame, read_frames
from workbench.dicom.scan import scan
from workbench.dicom.series import iterate_series
from workbench.dicom.values.value_map import value_map
from workbench.errors import ChangedFile, DicomError, TruncatedFile, UnsupportedSyntax


def refs_of(folder: Path, **options: Any) -> tuple[tuple[FrameRef, ...], Any]:
    series = next(iterate_series(scan(folder).table, folder))
    rows = series.plans[0].rows
    quantity = value_map(rows, **options)
    return frame_refs(rows, folder, quantity), quantity


def read(folder: Path, **options: Any) -> np.ndarray:
    refs, quantity = refs_of(folder, **options)
    shape = (refs[0].rows, refs[0].columns) + ((refs[0].samples,) if refs[0].colour else ())
    out = np.empty((len(refs), *shape), quantity.dtype)
    read_frames(refs, out, checked=quantity.checked)
    return out


@pytest.mark.parametrize("name", list(factories.LOSSLESS))
@pytest.mark.parametrize("dtype", ["<u1", "<i2", "<u2"])
def test_every_syntax_gives_the_stored_numbers(name: str, dtype: str, tmp_path: Path) -> None:
    picture = (np.arange(48).reshape(6, 8) * 991 - 20000).astype(dtype)
    factories.image(tmp_path / "a", frames=picture, syntax=factories.LOSSLESS[name])
    found = read(tmp_path, stored=True)
    assert found.dtype == np.dtype(dtype)
    assert (found[0] == picture).all()


@pytest.mark.parametrize("name", list(factories.LOSSLESS))
@pytest.mark.parametrize("bits", [12, 15])
def test_sign_is_extended_from_the_bits_stored(name: str, bits: int, tmp_path: Path) -> None:
    picture = np.array([[-(1 << (bits - 1)), -1, 0, (1 << (bits - 1)) - 1]] * 4, "<i2")
    # Only the stored bits are written, as code streams do; the sign bit is not repeated above them.
    held = (picture.view("<u2") & ((1 << bits) - 1)).view("<i2")
    factories.image(tmp_path / "a", frames=held, bits_stored=bits, syntax=factories.LOSSLESS[name])
    assert (read(tmp_path)[0] == picture).all()


@pytest.mark.parametrize("name", list(factories.LOSSLESS))
def test_overlay_bits_above_the_high_bit_are_masked(name: str, tmp_path: Path) -> None:
    picture = np.arange(48, dtype="<u2").reshape(6, 8) * 80
    factories.image(tmp_path / "a", frames=picture | 0x8000, bits_stored=12, syntax=factories.LOSSLESS[name])
    assert (read(tmp_path)[0] == picture).all()


def test_numbers_in_the_upper_bits_are_brought_down(tmp_path: Path) -> None:
    picture = np.arange(48, dtype="<u2").reshape(6, 8) * 80
    factories.image(tmp_path / "a", frames=picture << 4, bits_stored=12, HighBit=15)
    assert (read(tmp_path)[0] == picture).all()


@pytest.mark.parametrize("name", list(factories.LOSSLESS))
def test_map_is_applied_per_slice(name: str, tmp_path: Path) -> None:
    slopes = [1, 1.5, 2, 2.5, 3, 3.5]
    picture = np.full((6, 8), 3, "<i2")
    factories.stack(tmp_path, frames=picture, syntax=factories.LOSSLESS[name], per_slice={"RescaleSlope": slopes})
    found = read(tmp_path)
    assert found.dtype == np.float32
    assert found[:, 0, 0].tolist() == [3, 4.5, 6, 7.5, 9, 10.5]


@pytest.mark.parametrize("name", list(factories.LOSSLESS))
def test_whole_intercept_keeps_integers_and_beyond_the_dtype_is_an_error(name: str, tmp_path: Path) -> None:
    picture = np.arange(48, dtype="<i2").reshape(6, 8)
    path = factories.image(tmp_path / "a", frames=picture, syntax=factories.LOSSLESS[name], RescaleIntercept=-1024)
    found = read(tmp_path)
    assert (found.dtype, (found[0] == picture - 1024).all()) == (np.int16, True)
    picture[0, 0] = -32000
    path.unlink()
    factories.image(tmp_path / "a", frames=picture, syntax=factories.LOSSLESS[name], RescaleIntercept=-1024)
    with pytest.raises(DicomError, match="do not fit int16"):
        read(tmp_path)
    assert read(tmp_path, dtype="int32")[0, 0, 0] == -33024


def test_one_bit_frames_are_unpacked(tmp_path: Path) -> None:
    bits = np.random.default_rng(1).integers(0, 2, (3, 5, 7)).astype(np.uint8)
    packed = np.packbits(bits.ravel(), bitorder="little").tobytes()
    dataset = factories.header()
    factories.describe_pixels(dataset, bits)
    dataset.BitsAllocated = dataset.BitsStored = 1
    dataset.HighBit = 0
    dataset.PixelData = factories.padded(packed)
    factories.write(tmp_path / "a", dataset)
    assert (read(tmp_path, stored=True) == bits).all()


@pytest.mark.parametrize(("keyword", "dtype"), [("FloatPixelData", "<f4"), ("DoubleFloatPixelData", "<f8")])
def test_float_pixels_are_read_as_floats(keyword: str, dtype: str, tmp_path: Path) -> None:
    picture = (np.arange(48).reshape(6, 8) / 7).astype(dtype)
    dataset = factories.header(Modality="MR")
    factories.describe_pixels(dataset, picture[None])
    setattr(dataset, keyword, picture.tobytes())
    factories.write(tmp_path / "a", dataset)
    found = read(tmp_path)
    assert found.dtype == np.float32
    assert (found[0] == picture.astype(np.float32)).all()


@pytest.mark.parametrize("name", ["explicit", "jpeg-ls", "jpeg-2000", "rle", "deflated"])
def test_frames_of_a_multi_frame_file_are_told_apart(name: str, tmp_path: Path) -> None:
    pictures = np.stack([factories.pixels(i) for i in range(5)])
    factories.image(tmp_path / "a", frames=pictures, syntax=factories.LOSSLESS[name])
    assert (read(tmp_path) == pictures).all()


def test_fragmented_frames_are_joined(tmp_path: Path) -> None:
    pictures = np.stack([factories.pixels(i) for i in range(4)])
    factories.image(tmp_path / "a", frames=pictures, syntax=factories.LOSSLESS["jpeg-ls"], fragments=3)
    assert (read(tmp_path) == pictures).all()


@pytest.mark.parametrize("name", ["jpeg-70", "jpeg-ls", "jpeg-2000"])
def test_fragmented_frames_without_a_table_are_found_by_their_code_streams(name: str, tmp_path: Path) -> None:
    pictures = np.stack([factories.pixels(i) for i in range(4)])
    factories.image(tmp_path / "a", frames=pictures, syntax=factories.LOSSLESS[name], fragments=3, has_table=False)
    assert (read(tmp_path) == pictures).all()


def test_fragmented_frames_that_nothing_tells_apart_are_refused(tmp_path: Path) -> None:
    pictures = np.stack([factories.pixels(i) for i in range(4)])
    factories.image(tmp_path / "a", frames=pictures, syntax=factories.LOSSLESS["rle"], fragments=3, has_table=False)
    with pytest.raises(DicomError, match="cannot be told apart"):
        read(tmp_path)


def test_frames_of_one_file_are_searched_for_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pictures = np.stack([factories.pixels(i) for i in range(6)])
    factories.image(tmp_path / "a", frames=pictures, syntax=factories.LOSSLESS["jpeg-ls"])
    searches = []
    real = module.frame_fragments
    monkeypatch.setattr(module, "frame_fragments", lambda *args, **kw: searches.append(args) or real(*args, **kw))
    refs, quantity = refs_of(tmp_path)
    for ref in refs:
        read_frame(ref, np.empty((6, 8), quantity.dtype), checked=False)
    assert len(searches) == 1


def test_colour_comes_as_rgb(tmp_path: Path) -> None:
    picture = np.random.default_rng(2).integers(0, 256, (1, 6, 8, 3), dtype=np.uint8)
    factories.image(tmp_path / "a", frames=picture)
    assert (read(tmp_path) == picture).all()


def test_file_that_became_shorter_is_changed(tmp_path: Path) -> None:
    path = factories.image(tmp_path / "a")
    refs, quantity = refs_of(tmp_path)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(ChangedFile, match=r"changed after it was indexed \[a\]"):
        read_frame(refs[0], np.empty((6, 8), quantity.dtype), checked=False)
    path.unlink()
    with pytest.raises(ChangedFile, match="no longer"):
        read_frame(refs[0], np.empty((6, 8), quantity.dtype), checked=False)


def test_same_size_written_later_is_changed(tmp_path: Path) -> None:
    path = factories.image(tmp_path / "a")
    refs, quantity = refs_of(tmp_path)
    os.utime(path, ns=(1, 1))
    with pytest.raises(ChangedFile):
        read_frame(refs[0], np.empty((6, 8), quantity.dtype), checked=False)


def reread(folder: Path, **facts: Any) -> None:
    """Read the first frame with other facts than its file's."""
    refs, _ = refs_of(folder)
    ref = refs[0]._replace(**facts)
    read_frame(ref, np.empty((ref.rows, ref.columns), np.int16), checked=False)


def test_too_few_bytes_are_refused_with_the_sizes(tmp_path: Path) -> None:
    factories.image(tmp_path / "a")
    with pytest.raises(TruncatedFile, match="96 bytes of pixels, header asks for 128"):
        reread(tmp_path, rows=8)


def test_code_stream_of_another_size_is_refused_before_decoding(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("jpeg-70", "jpeg-ls", "jpeg-2000"):
        factories.image(tmp_path / name / "a", syntax=factories.LOSSLESS[name])
        monkeypatch.setattr(module, "decode", lambda *args: pytest.fail("decoded"))
        with pytest.raises(DicomError, match="code stream holds 6x8x1, header asks for 6x9x1"):
            reread(tmp_path / name, columns=9)
        with pytest.raises(DicomError, match="code stream holds 16 bit"):
            reread(tmp_path / name, bits_allocated=8, bits_stored=8)


def test_frame_beyond_the_limit_is_refused(tmp_path: Path) -> None:
    factories.image(tmp_path / "a", syntax=factories.LOSSLESS["rle"])
    ref = refs_of(tmp_path)[0][0]._replace(rows=65535, columns=65535)
    with pytest.raises(DicomError, match="larger than the limit"):
        read_frame(ref, np.empty((1, 1), np.int16), checked=False)


@pytest.mark.parametrize("name", ["jpeg-70", "jpeg-ls", "jpeg-2000", "rle"])
def test_damaged_code_streams_are_typed_errors_or_pictures(name: str, tmp_path: Path) -> None:
    path = factories.image(tmp_path / "a", syntax=factories.LOSSLESS[name])
    refs, quantity = refs_of(tmp_path)
    whole = path.read_bytes()
    random = np.random.default_rng(7)
    named = set()
    for _ in range(60):
        data = bytearray(whole)
        for at in random.integers(refs[0].offset + 8, len(data) - 8, 3):
            data[at] = random.integers(256)
        path.write_bytes(bytes(data))
        ref = refs[0]._replace(identity=identity_of(path.stat()))
        try:
            read_frame(ref, np.empty((6, 8), quantity.dtype), checked=quantity.checked)
        except DicomError as error:
            named.add(error.file)
    assert named <= {"a"}


def test_fragments_under_an_uncompressed_syntax_are_refused(tmp_path: Path) -> None:
    factories.image(tmp_path / "a", syntax=factories.LOSSLESS["jpeg-ls"])
    with pytest.raises(DicomError, match="fragments"):
        reread(tmp_path, syntax="1.2.840.10008.1.2.1")


def test_syntax_without_a_decoder_is_refused(tmp_path: Path) -> None:
    path = factories.image(tmp_path / "a", syntax=factories.LOSSLESS["jpeg-ls"])
    path.write_bytes(path.read_bytes().replace(b"1.2.840.10008.1.2.4.80", b"1.2.840.10008.1.2.4.99"))
    with pytest.raises(UnsupportedSyntax, match=r"cannot be decoded here \[a\]"):
        reread(tmp_path)


def test_missing_frames_are_nan_or_zero(tmp_path: Path) -> None:
    factories.image(tmp_path / "a")
    refs, _ = refs_of(tmp_path)
    for dtype, value in (("float32", np.nan), ("int16", 0)):
        out = np.ones((2, 6, 8), dtype)
        read_frames([refs[0], None], out, checked=False)
        assert np.array_equal(out[1], np.full((6, 8), value), equal_nan=True)
        assert (out[0] == factories.pixels(1)).all()


@pytest.mark.parametrize("name", ["explicit", "jpeg-ls"])
def test_threads_give_what_one_thread_gives(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    factories.stack(tmp_path, range(40), syntax=factories.LOSSLESS[name])
    monkeypatch.setenv("WORKBENCH_WORKERS", "1")
    one = read(tmp_path)
    monkeypatch.setenv("WORKBENCH_WORKERS", "8")
    for _ in range(5):
        assert (read(tmp_path) == one).all()


def test_error_in_a_thread_is_raised_and_names_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKBENCH_WORKERS", "4")
    paths = factories.stack(tmp_path, range(20))
    refs, quantity = refs_of(tmp_path)
    paths[13].unlink()
    with pytest.raises(ChangedFile, match=r"0013\.dcm"):
        read_frames(refs, np.empty((20, 6, 8), quantity.dtype), checked=False)


def test_references_pickle(tmp_path: Path) -> None:
    factories.image(tmp_path / "a")
    refs, _ = refs_of(tmp_path)
    assert pickle.loads(pickle.dumps(refs)) == refs
