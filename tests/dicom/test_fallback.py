"""What the walk declines is read by pydicom into the same form."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset

from tests import factories
from workbench.dicom.columns import to_columns
from workbench.dicom.fallback import read_with_pydicom, referenced_series
from workbench.dicom.tags import TAGS
from workbench.dicom.walk import walk


def typed(raw: Any) -> dict[str, Any]:
    return {name: column.to_pylist()[0] for name, column in to_columns([raw]).items()}


RICH = {
    "SeriesDescription": "Übersicht Größe", "SpecificCharacterSet": "ISO_IR 100", "EchoTime": "4.50",
    "DiffusionBValue": 1000.0, "WindowCenter": ["40", "50"], "NumberOfFrames": 1, "SeriesNumber": 7,
    "ImagerPixelSpacing": [0.14, 0.14], "AcquisitionTime": "101530.250000",
}  # fmt: skip


@pytest.mark.parametrize("syntax", ["implicit", "explicit"])
def test_gives_what_the_walk_gives(syntax: str, tmp_path: Path) -> None:
    path = factories.image(tmp_path / "a", syntax=factories.LOSSLESS[syntax], **RICH)
    data = path.read_bytes()
    ours, theirs = walk(data, whole=True), read_with_pydicom(path)
    assert repr(typed(ours)) == repr(typed(theirs))
    assert (ours.pixel_offset, ours.pixel_length, ours.syntax) == (
        theirs.pixel_offset,
        theirs.pixel_length,
        theirs.syntax,
    )


@pytest.mark.parametrize("syntax", ["big-endian", "deflated"])
def test_headers_the_walk_declines_hold_the_same_values(syntax: str, tmp_path: Path) -> None:
    plain = read_with_pydicom(factories.image(tmp_path / "a", **RICH))
    other = read_with_pydicom(factories.image(tmp_path / "b", syntax=factories.LOSSLESS[syntax], **RICH))
    assert repr(typed(other)) == repr(typed(plain))


def test_big_endian_pixel_offset_points_at_the_first_pixel(tmp_path: Path) -> None:
    path = factories.image(tmp_path / "a", syntax=factories.LOSSLESS["big-endian"])
    raw = read_with_pydicom(path)
    stored = np.frombuffer(path.read_bytes()[raw.pixel_offset : raw.pixel_offset + raw.pixel_length], ">i2")
    assert (stored.reshape(6, 8) == factories.pixels(1)).all()


def test_lookup_table_larger_than_the_deferred_size_is_seen(tmp_path: Path) -> None:
    table = Dataset()
    table.LUTDescriptor, table.LUTData = [4096, 0, 16], bytes(8192)
    path = factories.image(tmp_path / "a", ModalityLUTSequence=[table], preamble=False)
    assert typed(read_with_pydicom(path))["ModalityLUTSequence"] is True


def test_a_value_that_cannot_be_read_counts_as_absent(tmp_path: Path) -> None:
    path = factories.image(tmp_path / "a", SliceThickness="1.5000")
    path.write_bytes(path.read_bytes().replace(b"1.5000", b"1.5.00"))
    found = typed(read_with_pydicom(path))
    assert found["SliceThickness"] is None
    assert found["Rows"] == 6


def test_numbers_written_as_text_are_read_as_numbers(tmp_path: Path) -> None:
    path = factories.image(tmp_path / "a")
    data = path.read_bytes()
    rows = b"\x28\x00\x10\x00US\x02\x00\x06\x00"
    assert data.count(rows) == 1
    path.write_bytes(data.replace(rows, b"\x28\x00\x10\x00IS\x02\x006 "))
    assert typed(read_with_pydicom(path))["Rows"] == 6


def test_rubbish_is_a_value_error(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(bytes(128) + b"DICM" + bytes(range(256)) * 4)
    try:
        raw = read_with_pydicom(path)
    except ValueError:
        return
    assert raw.values == [None] * len(TAGS)


def test_series_a_segmentation_refers_to_are_listed_once(tmp_path: Path) -> None:
    dataset = factories.header(SOPClassUID="1.2.840.10008.5.1.4.1.1.66.4")
    items = []
    for number in ("1.5", "1.6", "1.5"):
        item = Dataset()
        item.SeriesInstanceUID = number
        items.append(item)
    dataset.ReferencedSeriesSequence = items
    assert referenced_series(factories.write(tmp_path / "a", dataset)) == ["1.5", "1.6"]


def test_what_cannot_be_read_refers_to_nothing(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"no")
    assert referenced_series(tmp_path / "a") == []
