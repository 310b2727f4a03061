"""Uncompressed frames in runs: the short way gives what the frame-by-frame way gives."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import factories
from tests.tries import tries
from workbench.dicom.pixels import plain
from workbench.dicom.pixels.frames import FrameRef, frame_refs, read_frames
from workbench.dicom.pixels.native import read_native
from workbench.dicom.pixels.opened import OpenFile
from workbench.dicom.scan import scan
from workbench.dicom.series import iterate_series
from workbench.dicom.values.value_map import value_map
from workbench.errors import ChangedFile, DicomError, TruncatedFile


def refs_of(folder: Path) -> tuple[tuple[FrameRef, ...], Any]:
    rows = next(iterate_series(scan(folder).table, folder)).plans[0].rows
    quantity = value_map(rows)
    return frame_refs(rows, folder, quantity), quantity


def outcome(call: Any) -> Any:
    try:
        return call()
    except DicomError as error:
        return type(error), error.file


@given(
    dtype=st.sampled_from(["u1", "i1", "u2", "i2", "u4", "i4"]),
    syntax=st.sampled_from(["explicit", "implicit", "big-endian"]),
    spare=st.integers(0, 6),
    slope=st.sampled_from([1, 1, 1, 2, -1]),
    intercept=st.sampled_from([0, -1024, 7]),
    in_one_file=st.booleans(),
    checked=st.booleans(),
    seed=st.integers(0, 2**32 - 1),
)
@settings(derandomize=True, deadline=None, max_examples=tries(80))
def test_both_ways_agree(
    dtype: str, syntax: str, spare: int, slope: int, intercept: int, in_one_file: bool, checked: bool, seed: int
) -> None:
    limits = np.iinfo(dtype)
    pictures = np.random.default_rng(seed).integers(limits.min, limits.max, (5, 3, 7), dtype, endpoint=True)
    facts = {
        "syntax": factories.LOSSLESS[syntax], "bits_stored": limits.bits - spare,
        "RescaleSlope": slope, "RescaleIntercept": intercept,
    }  # fmt: skip
    folder = Path(tempfile.mkdtemp())
    try:
        if in_one_file:
            factories.image(folder / "a", frames=pictures, **facts)
        else:
            for i, picture in enumerate(pictures):
                factories.image(folder / f"{i}", i, frames=picture, ImagePositionPatient=[0, 0, i], **facts)
        refs, quantity = refs_of(folder)
        together = np.empty((5, 3, 7), quantity.dtype)
        alone = np.empty_like(together)

        def one_by_one() -> None:
            for ref, target in zip(refs, alone, strict=True):
                with OpenFile(ref) as file:
                    read_native(file, ref, target, checked=checked)

        ours = outcome(lambda: read_frames(refs, together, checked=checked))
        theirs = outcome(one_by_one)
    finally:
        shutil.rmtree(folder)
    # Only the short way names the file itself; frames.read_frame does it for the other.
    assert (ours is None) == (theirs is None)
    if ours is None:
        np.testing.assert_array_equal(together, alone)


def test_common_series_takes_the_short_way(tmp_path: Path) -> None:
    factories.stack(tmp_path, range(6), RescaleIntercept=-1024, bits_stored=12)
    refs, quantity = refs_of(tmp_path)
    out = np.empty((6, 6, 8), quantity.dtype)
    assert plain.plain_frames(refs, out, 0, 6) == 6
    assert plain.plain_frames(refs, out, 2, 5) == 3
    assert plain.plain_frames((*refs[:1], None, *refs[2:]), out, 0, 6) == 1
    assert plain.plain_frames((refs[0], refs[1]._replace(intercept=1.0), *refs[2:]), out, 0, 6) == 1


@pytest.mark.parametrize(
    "facts",
    [
        {"slope": 2.0}, {"crop": (0, 0, 6, 8)}, {"syntax": "1.2.840.10008.1.2.4.80"},
        {"syntax": "1.2.840.10008.1.2.1.99"},
        {"samples": 3}, {"bits_allocated": 1}, {"bits_allocated": 8, "syntax": "1.2.840.10008.1.2.2"}, {"rows": 5},
    ],
)  # fmt: skip
def test_what_is_not_plain_goes_the_other_way(facts: dict[str, Any], tmp_path: Path) -> None:
    factories.image(tmp_path / "a")
    refs, quantity = refs_of(tmp_path)
    out = np.empty((1, 6, 8), quantity.dtype)
    assert plain.plain_frames(refs, out, 0, 1) == 1
    assert plain.plain_frames((refs[0]._replace(**facts),), out, 0, 1) == 0


def test_file_of_a_value_beyond_the_dtype_is_named(tmp_path: Path) -> None:
    pictures = [np.full((6, 8), 40000 if i == 3 else 100, "<u2") for i in range(6)]
    for i, picture in enumerate(pictures):
        factories.image(tmp_path / f"{i}", i, frames=picture, ImagePositionPatient=[0, 0, i], RescaleIntercept=-1024)
    refs, quantity = refs_of(tmp_path)
    with pytest.raises(DicomError, match=r"values from 38976 to 38976 do not fit int16 \[3\]"):
        read_frames(refs, np.empty((6, 6, 8), quantity.dtype), checked=quantity.checked)


def test_files_that_changed_or_are_cut_short_are_named(tmp_path: Path) -> None:
    paths = factories.stack(tmp_path, range(6))
    refs, quantity = refs_of(tmp_path)
    out = np.empty((6, 6, 8), quantity.dtype)
    for i, kind, text in ((2, TruncatedFile, "96 bytes of pixels, header asks for 9600"), (4, DicomError, "fragments")):
        odd = refs[i]._replace(n_frames=100) if i == 2 else refs[i]._replace(length=-1)
        with pytest.raises(kind, match=rf"{text}.*\[{odd.name}\]"):
            read_frames((*refs[:i], odd, *refs[i + 1 :]), out, checked=False)
    with pytest.raises(TruncatedFile, match=r"ends early \[0005\.dcm\]"):
        read_frames((*refs[:5], refs[5]._replace(offset=refs[5].offset + 2)), out, checked=False)
    os.utime(paths[1], ns=(1, 1))
    with pytest.raises(ChangedFile, match=r"0001\.dcm"):
        read_frames(refs, out, checked=False)


@pytest.mark.parametrize("in_one_file", [True, False])
def test_each_file_is_opened_once_and_only_its_pixels_are_read(
    in_one_file: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if in_one_file:
        factories.image(tmp_path / "a", frames=np.stack([factories.pixels(i) for i in range(6)]))
    else:
        factories.stack(tmp_path, range(6))
    refs, quantity = refs_of(tmp_path)
    opened, read = [], []
    real_open, real_read = os.open, os.preadv
    monkeypatch.setattr(os, "open", lambda *args: opened.append(args[0]) or real_open(*args))
    monkeypatch.setattr(os, "preadv", lambda *args: read.append(real_read(*args)) or read[-1])
    read_frames(refs, np.empty((6, 6, 8), quantity.dtype), checked=quantity.checked)
    assert len(opened) == (1 if in_one_file else 6)
    assert sum(read) == 6 * 6 * 8 * 2
