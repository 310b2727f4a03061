"""Every compressed grayscale file at hand: first and last frame are what pydicom decodes, with the exceptions named."""

from __future__ import annotations

import functools
import os
import warnings
from pathlib import Path

import numpy as np
import pyarrow as pa
import pydicom.data
import pytest
from pydicom.pixels import pixel_array

from workbench.dicom.pixels.codecs import CODECS
from workbench.dicom.pixels.frames import FrameRef, frame_refs, read_frame
from workbench.dicom.scan import scan
from workbench.dicom.values.dtypes import stored_dtype
from workbench.dicom.values.value_map import value_map
from workbench.errors import DicomError

WHEEL = Path(pydicom.data.__file__).parent / "test_files"
#: Files with damage in their code stream, and what is said.
REFUSED = {
    "JPEG2000-embedded-sequence-delimiter.dcm": "code stream holds 1024x3722445056x1",
    "SC_rgb_jls_lossy_line.dcm": "",
    "SC_rgb_jls_lossy_sample.dcm": "",
}
#: Files that pydicom with the decoders installed does not decode: 12 bit JPEG.
OURS_ALONE = {"JPEG-lossy.dcm", "JPGExtended.dcm"}


@functools.cache
def compressed_files(root: Path) -> tuple[FrameRef, ...]:
    """The first frame of every encapsulated grayscale file of 8 or 16 bit below a folder."""
    table = scan(root).table
    rows = [
        i
        for i, row in enumerate(
            table.select(["TransferSyntaxUID", "SamplesPerPixel", "BitsAllocated", "Rows"]).to_pylist()
        )
        if row["TransferSyntaxUID"] in CODECS
        and (row["SamplesPerPixel"] or 1) == 1
        and row["BitsAllocated"] in (8, 16)
        and row["Rows"]
    ]
    part = table.take(pa.array(rows, pa.int64()))
    part = part.append_column("frame", pa.array(np.zeros(part.num_rows, np.int64)))
    return frame_refs(part, root, value_map(part, stored=True)) if rows else ()


def read(ref: FrameRef) -> np.ndarray:
    out = np.empty((ref.rows, ref.columns), stored_dtype(ref.bits_allocated, signed=ref.signed))
    read_frame(ref, out, checked=False)
    return out


def assert_decoded_as_by_pydicom(ref: FrameRef) -> None:
    for frame in {0, ref.n_frames - 1}:
        ours = read(ref._replace(frame=frame))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            theirs = pixel_array(ref.path, index=frame)
        # Lossy decoders round in their own ways.
        tolerance = 1 if CODECS[ref.syntax].lossy else 0
        difference = np.abs(ours.astype(np.int64) - theirs.astype(np.int64)).max()
        assert difference <= tolerance, (ref.name, frame, difference)


@pytest.mark.parametrize("ref", compressed_files(WHEEL), ids=lambda ref: ref.name)
def test_files_of_the_pydicom_wheel(ref: FrameRef) -> None:
    if REFUSED.get(ref.name):
        with pytest.raises(DicomError, match=REFUSED[ref.name]):
            read(ref)
    elif ref.name in OURS_ALONE:
        assert len(np.unique(read(ref))) > 50
    else:
        assert_decoded_as_by_pydicom(ref)


def test_the_wheel_covers_the_table() -> None:
    used = {ref.syntax for ref in compressed_files(WHEEL)}
    assert used >= {f"1.2.840.10008.1.2.4.{end}" for end in (51, 80, 81, 90, 91)} | {"1.2.840.10008.1.2.5"}


@pytest.mark.data
@pytest.mark.parametrize("name", ["highdicom", "dcmqi", "rt-utils", "dcm_qa_nih"])
def test_files_of_the_real_data(name: str, data_dir: Path) -> None:
    for ref in compressed_files(data_dir / name):
        assert_decoded_as_by_pydicom(ref)


def test_files_of_nibabel() -> None:
    import nibabel

    folder = Path(nibabel.__file__).parent / "nicom" / "tests" / "data"
    if not os.path.isdir(folder):
        pytest.skip("nibabel came without its test data")
    for ref in compressed_files(folder):
        assert_decoded_as_by_pydicom(ref)
