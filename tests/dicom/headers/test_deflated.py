"""Deflated files are inflated at most to what their header declares."""

from __future__ import annotations

import os
import tracemalloc
import zlib
from pathlib import Path

import numpy as np
import pytest

from tests import factories
from workbench.dicom.headers import deflated
from workbench.dicom.headers.stamps import identity_of
from workbench.dicom.pixels.frames import FrameRef, frame_refs, read_frame
from workbench.dicom.scan import scan
from workbench.dicom.series import iterate_series
from workbench.dicom.values.value_map import value_map
from workbench.errors import DicomError, TruncatedFile

DEFLATED = factories.LOSSLESS["deflated"]


def ref_of(folder: Path) -> FrameRef:
    rows = next(iterate_series(scan(folder).table, folder)).plans[0].rows
    return frame_refs(rows, folder, value_map(rows, stored=True))[0]


def rewritten(path: Path, body: bytes, ref: FrameRef) -> FrameRef:
    """The reference to *path* once all behind its file meta group is replaced."""
    data = path.read_bytes()
    with path.open("rb") as file:
        start = deflated._after_meta(file)[0]
    path.write_bytes(data[:start] + body)
    facts = path.stat()
    return ref._replace(size=facts.st_size, identity=identity_of(facts))


def read(ref: FrameRef) -> np.ndarray:
    out = np.empty((ref.rows, ref.columns), np.int16)
    read_frame(ref, out, checked=False)
    return out


def test_frames_are_found_behind_the_inflated_header(tmp_path: Path) -> None:
    factories.image(tmp_path / "a", syntax=DEFLATED)
    assert (read(ref_of(tmp_path)) == factories.pixels(1)).all()


def test_a_file_without_a_preamble_is_read_as_one_with_it(tmp_path: Path) -> None:
    path = factories.image(tmp_path / "a", syntax=DEFLATED)
    path.write_bytes(path.read_bytes()[132:])
    assert (read(ref_of(tmp_path)) == factories.pixels(1)).all()


def test_a_bomb_is_refused_before_it_is_inflated(tmp_path: Path) -> None:
    path = factories.image(tmp_path / "a", syntax=DEFLATED)
    engine = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    body = b"".join(engine.compress(bytes(1 << 24)) for _ in range(32)) + engine.flush()
    ref = rewritten(path, body, ref_of(tmp_path))
    tracemalloc.start()
    try:
        with pytest.raises(DicomError, match=r"inflates to more than the 96 bytes.*\[a\]"):
            read(ref)
        assert tracemalloc.get_traced_memory()[1] < 4 * deflated.HEADER_BYTES
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("body", "kind", "text"),
    [
        (b"", TruncatedFile, "ends early"),
        (b"\x07no such block", DicomError, "damaged"),
        (zlib.compress(bytes(4), wbits=-15)[:-1], TruncatedFile, "ends early"),
        (zlib.compress(b"", wbits=-15), DicomError, "no pixels"),
        (zlib.compress(b"\xe0\x7f\x10\x00OW\0\0\xff\xff\xff\xff", wbits=-15), DicomError, "fragments"),
        (zlib.compress(b"\xe0\x7f\x10\x00OW\0\0\x60\x00\x00\x00" + bytes(50), wbits=-15), TruncatedFile, "50 bytes"),
    ],
)
def test_damage_is_a_typed_error(body: bytes, kind: type[DicomError], text: str, tmp_path: Path) -> None:
    path = factories.image(tmp_path / "a", syntax=DEFLATED)
    with pytest.raises(kind, match=text):
        read(rewritten(path, body, ref_of(tmp_path)))


def test_a_file_of_many_frames_is_inflated_once_for_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from workbench.dicom.pixels import opened
    from workbench.dicom.pixels.frames import read_frames

    pictures = np.stack([factories.pixels(i) for i in range(5)])
    factories.image(tmp_path / "a", frames=pictures, syntax=DEFLATED)
    rows = next(iterate_series(scan(tmp_path).table, tmp_path)).plans[0].rows
    refs = frame_refs(rows, tmp_path, value_map(rows, stored=True))
    calls = []
    monkeypatch.setattr(opened, "inflate", lambda *args: calls.append(os.getpid()) or deflated.inflate(*args))
    out = np.empty((5, 6, 8), np.int16)
    read_frames(refs, out, checked=False)
    assert (out == pictures).all()
    assert len(calls) == 1
