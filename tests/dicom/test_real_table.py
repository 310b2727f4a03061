"""Every DICOM file of pydicom, nibabel and the real data: the outcome of the table, and pydicom's own numbers."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pydicom
import pytest
import xarray as xr

from tests.conftest import absent
from tests.real_table import collections, files, headers, outcome, rows

ROWS = rows()
NAMES = [f"{row['collection']}/{row['path']}" for row in ROWS]
#: Images that pydicom, with the decoders installed, does not decode (12 bit JPEG, lossless JPEG in colour, a wrong VR),
#: and the file that holds the same picture, where there is one.
OURS_ALONE = {
    "GDCMJ2K_TextGBR.dcm": "",
    "JPEG-lossy.dcm": "",
    "JPGExtended.dcm": "",
    "SC_rgb_jpeg_gdcm.dcm": "SC_rgb_rle.dcm",
    "badVR.dcm": "",
}


def present(collection: str, path: str = "") -> Path:
    if collection not in collections():
        absent(f"collection {collection}", "data")
    file = collections()[collection] / path
    if collection in ("pydicom", "nibabel") and not file.exists():
        pytest.skip("not in this version of the package")
    return file


@pytest.mark.parametrize("collection", sorted({row["collection"] for row in ROWS}))
def test_the_table_names_every_file_or_it_opens_or_is_refused(collection: str) -> None:
    present(collection)
    listed = {row["path"] for row in ROWS if row["collection"] == collection}
    unlisted = [known for known in files(collection) if known[0] not in listed]
    # Another version of a package may bring other files: still no error that is not ours.
    assert all(outcome(collection, *known)["outcome"] for known in unlisted)
    assert len(listed) > len(unlisted)


@pytest.mark.parametrize("row", ROWS, ids=NAMES)
def test_outcome(row: dict[str, str]) -> None:
    present(row["collection"], row["path"])
    table = headers(row["collection"]).select(["path", "status", "kind"]).to_pylist()
    known = next(found for found in table if found["path"] == row["path"])
    assert outcome(row["collection"], row["path"], known["status"], known["kind"]) == row


ARRAYS = [row for row in ROWS if row["outcome"] == "array"]


@pytest.mark.parametrize("row", ARRAYS, ids=[f"{row['collection']}/{row['path']}" for row in ARRAYS])
def test_every_frame_is_pydicoms(row: dict[str, str]) -> None:
    path = present(row["collection"], row["path"])
    ours = xr.open_dataset(path, engine="dicom", values="stored")["image"]
    if path.name in OURS_ALONE:
        twin = OURS_ALONE[path.name]
        if twin:
            same = xr.open_dataset(path.with_name(twin), engine="dicom", values="stored")["image"]
            np.testing.assert_array_equal(ours.values, same.values)
        assert len(np.unique(ours.values)) > 3
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dataset = pydicom.dcmread(path, force=True)
        frames = pydicom.pixels.pixel_array(dataset)
    shape = ours.shape[-3:] if "channel" in ours.dims else ours.shape[-2:]
    frames = frames.reshape(-1, *shape)
    cells = xr.zeros_like(ours.isel(dict.fromkeys(ours.dims[-len(shape) :], 0)), dtype=int)
    numbers = (cells + ours.coords.get("frame_number", 1)).transpose(*cells.dims).values
    assert sorted(numbers.ravel()) == list(range(1, len(frames) + 1))
    for number, frame in zip(numbers.ravel(), ours.values.reshape(-1, *shape), strict=True):
        np.testing.assert_array_equal(frame, frames[number - 1])
