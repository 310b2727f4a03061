"""Every image of pydicom's own test files, and the real data: pydicom's numbers, or a typed error."""

from __future__ import annotations

import functools
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pydicom.data
import pytest

from workbench.dicom.pixels.frames import frame_refs, read_frames
from workbench.dicom.scan import Scan, scan
from workbench.dicom.series import iterate_series
from workbench.dicom.stacks.stack import Plan
from workbench.dicom.values.value_map import value_map
from workbench.errors import DicomError, WorkbenchError

FILES = Path(pydicom.data.__file__).parent / "test_files"

#: Files that are not usable images, and what they are instead.
STATUS = {
    "MR_truncated.dcm": "truncated",
    "JPEGLSNearLossless_08.dcm": "identity-missing",
    "JPEGLSNearLossless_16.dcm": "identity-missing",
    "SC_rgb_jls_lossy_line.dcm": "identity-missing",
    "SC_rgb_jls_lossy_sample.dcm": "identity-missing",
    "UN_sequence.dcm": "identity-missing",
    "empty_charset_LEI.dcm": "identity-missing",
    "meta_missing_tsyntax.dcm": "identity-missing",
    "nested_priv_SQ.dcm": "identity-missing",
    "no_meta_group_length.dcm": "identity-missing",
    "priv_SQ.dcm": "identity-missing",
}
#: Images that are refused when read, and why.
REFUSED: dict[str, tuple[type[WorkbenchError], str]] = {
    # The code stream declares a picture of terabytes.
    "JPEG2000-embedded-sequence-delimiter.dcm": (DicomError, "code stream holds 1024x3722445056x1"),
}
#: Images that we read and pydicom, with the decoders installed, does not: 12 bit JPEG, a value of a wrong VR,
#: JPEG 2000 with three components that Pillow takes for another thing (GDCM reads it as we do).
OURS_ALONE = {"JPEG-lossy.dcm", "JPGExtended.dcm", "badVR.dcm", "GDCMJ2K_TextGBR.dcm"}
#: Images that pydicom, with the decoders installed, does not read, and a file that holds the same picture.
SAME_PICTURE = {"SC_rgb_jpeg_gdcm.dcm": "SC_rgb_rle.dcm"}


@functools.cache
def scanned(root: Path) -> Scan:
    return scan(root)


def names(status: str, kind: str = "image") -> list[str]:
    rows = scanned(FILES).table.select(["path", "status", "kind"]).to_pylist()
    return [row["path"] for row in rows if row["status"] == status and row["kind"] == kind]


def plan_of(root: Path, path: str) -> Plan:
    table = scanned(root).table
    alone = table.filter([other == path for other in table["path"].to_pylist()])
    return next(iterate_series(alone, root)).plans[0]


def read(root: Path, plan: Plan, **options: Any) -> np.ndarray:
    quantity = value_map(plan.rows, **options)
    refs = frame_refs(plan.rows, root, quantity)
    shape = (refs[0].rows, refs[0].columns) + ((refs[0].samples,) if refs[0].colour else ())
    out = np.empty((len(refs), *shape), quantity.dtype)
    read_frames(refs, out, checked=quantity.checked)
    return out


def theirs(path: Path) -> tuple[np.ndarray, pydicom.Dataset]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dataset = pydicom.dcmread(path, force=True)
        return pydicom.pixels.pixel_array(dataset), dataset


def test_what_is_no_usable_image_is_told() -> None:
    rows = scanned(FILES).table.select(["path", "status"]).to_pylist()
    odd = {row["path"]: row["status"] for row in rows if row["status"] not in ("dicom", "dicomdir", "not-dicom")}
    # These are headers of images without their pixels.
    headers_alone = {path for path in odd if path.startswith("dicomdirtests/TINY_ALPHA/")}
    assert {odd.pop(path) for path in headers_alone} == {"truncated"}
    assert odd == STATUS
    coded = {finding.path for finding in scanned(FILES).findings}
    assert coded >= set(STATUS)


@pytest.mark.parametrize("path", names("dicom"))
def test_stored_numbers_are_pydicoms(path: str) -> None:
    plan = plan_of(FILES, path)
    if path in REFUSED:
        kind, text = REFUSED[path]
        with pytest.raises(kind, match=text):
            read(FILES, plan, stored=True)
        return
    ours = read(FILES, plan, stored=True)
    if path in OURS_ALONE:
        assert len(np.unique(ours)) > 30
        return
    expected, dataset = theirs(FILES / SAME_PICTURE.get(path, path))
    assert (ours == expected.reshape(ours.shape)).all()
    if "FloatPixelData" not in dataset and "DoubleFloatPixelData" not in dataset:
        assert ours.dtype == expected.dtype.newbyteorder("=")


@pytest.mark.parametrize("path", sorted(set(names("dicom")) - set(REFUSED) - OURS_ALONE))
def test_physical_values_are_pydicoms_rounded_once(path: str) -> None:
    plan = plan_of(FILES, path)
    quantity = value_map(plan.rows)
    if quantity.value_kind in ("stored", "colour"):
        return
    ours = read(FILES, plan)
    expected, dataset = theirs(FILES / path)
    slope = float(dataset.get("DoseGridScaling", dataset.get("RescaleSlope", 1)))
    intercept = float(dataset.get("RescaleIntercept", 0))
    physical = (expected.astype(np.float64) * slope + intercept).reshape(ours.shape)
    assert ours.dtype.kind in "iu" or ours.dtype == np.float32
    assert (ours == physical.astype(ours.dtype)).all()


def test_most_headers_of_pydicoms_files_need_no_pydicom() -> None:
    readers = scanned(FILES).table["reader"].to_pylist()
    assert readers.count("pydicom") <= 20 < readers.count("walk")


@pytest.mark.data
@pytest.mark.parametrize("name", ["highdicom", "dcmqi", "rt-utils"])
def test_real_images_are_read_as_pydicom_reads_them(name: str, data_dir: Path) -> None:
    root = data_dir / name
    found = scanned(root)
    assert [finding for finding in found.findings if finding.severity == "serious"] == []
    rows = found.instances.select(["path", "kind"]).to_pylist()
    images = [row["path"] for row in rows if row["kind"] == "image"]
    assert images
    for path in images:
        ours = read(root, plan_of(root, path), stored=True)
        expected, _ = theirs(root / path)
        assert (ours == expected.reshape(ours.shape).astype(ours.dtype)).all(), path


@pytest.mark.data
@pytest.mark.parametrize("name", ["dcm_qa_nih", "highdicom", "dcmqi", "rt-utils"])
def test_every_real_series_is_planned_and_read_or_refused(name: str, data_dir: Path) -> None:
    root = data_dir / name
    table = scanned(root).table
    frames = 0
    for series in iterate_series(table, root):
        for plan in series.plans:
            assert plan.refused == ""
            used = plan.rows.take(plan.cells[plan.cells >= 0])
            # The tiles of a mosaic are one frame of their file.
            frames += len({*zip(used["path"].to_pylist(), used["frame"].to_pylist(), strict=True)})
            quantity = value_map(plan.rows)
            refs = frame_refs(plan.rows, root, quantity)
            ends = [refs[0], refs[-1]]
            shape = (refs[0].rows, refs[0].columns) + ((refs[0].samples,) if refs[0].colour else ())
            read_frames(ends, np.empty((2, *shape), quantity.dtype), checked=quantity.checked)
    images = {
        row["path"]: row["NumberOfFrames"] or 1 for row in scanned(root).instances.to_pylist() if row["kind"] == "image"
    }
    told = {
        finding.path
        for series in iterate_series(table, root)
        for finding in series.findings
        if finding.code in ("duplicate-instance", "conflicting-instance")
    }
    assert frames + sum(images.get(path, 0) for path in told) == sum(images.values())
