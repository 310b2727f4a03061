"""What the walk declines is read by pydicom into the same form."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset

from tests import factories
from workbench.dicom.headers.columns import to_columns
from workbench.dicom.headers.elements import Declined
from workbench.dicom.headers.fallback import read_with_pydicom, referenced_series
from workbench.dicom.headers.tags import TAGS
from workbench.dicom.headers.walk import walk


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


def private(**values: Any) -> Dataset:
    """Data set with private elements in blocks that are not the usual ones."""
    dataset = factories.header(**values)
    for group, block, creator, element, vr, value in (
        (0x0019, 0x11, "SIEMENS MR HEADER", 0x0C, "IS", "700"),
        (0x0019, 0x11, "SIEMENS MR HEADER", 0x0A, "US", 48),
        (0x0043, 0x10, "GEMS_PARM_01", 0x39, "IS", ["1000001200", "8", "0", "0"]),
        (0x0065, 0x10, "Image Private Header", 0x09, "FD", 50.0),
        (0x2001, 0x20, "Philips Imaging DD 001", 0x03, "FL", 1000.0),
        (0x2005, 0x14, "Philips MR Imaging DD 001", 0x0E, "FL", 0.5),
        (0x7053, 0x10, "Philips PET Private Group", 0x00, "DS", "0.25"),
    ):
        dataset.add_new(group << 16 | block, "LO", creator)
        dataset.add_new(group << 16 | block << 8 | element, vr, value)
    return dataset


EXPECTED = {
    "siemens_b_value": 700.0, "siemens_mosaic_count": 48, "ge_b_value": 1200.0, "uih_b_value": 50.0,
    "philips_b_value": 1000.0, "philips_scale_slope": 0.5, "philips_suv_factor": 0.25,
    "philips_activity_factor": None, "ge_scan_datetime": None,
}  # fmt: skip


@pytest.mark.parametrize("syntax", ["implicit", "explicit", "big-endian", "deflated"])
def test_private_elements_are_found_by_creator_in_every_encoding(syntax: str, tmp_path: Path) -> None:
    path = factories.write(tmp_path / "a", private(), syntax=factories.LOSSLESS[syntax])
    found = typed(read_with_pydicom(path))
    assert {name: found[name] for name in EXPECTED} == EXPECTED
    if syntax in ("implicit", "explicit"):
        walked = typed(walk(path.read_bytes(), whole=True))
        assert {name: walked[name] for name in EXPECTED} == EXPECTED


def test_private_elements_of_unknown_vr_are_read_as_the_table_lists_them(tmp_path: Path) -> None:
    path = factories.write(tmp_path / "a", private())
    data = path.read_bytes()
    for short, size in ((b"\x19\x00\x0c\x11IS", 4), (b"\x65\x00\x09\x10FD", 8), (b"\x01\x20\x03\x20FL", 4)):
        assert data.count(short) == 1
        at = data.index(short)
        data = data[: at + 4] + b"UN\0\0" + size.to_bytes(4, "little") + data[at + 8 :]
    path.write_bytes(data)
    for raw in (walk(data, whole=True), read_with_pydicom(path)):
        found = typed(raw)
        assert {name: found[name] for name in EXPECTED} == EXPECTED


def test_of_two_blocks_of_one_creator_the_first_that_has_the_element_counts(tmp_path: Path) -> None:
    dataset = factories.header()
    for block, value in ((0x10, None), (0x11, "5"), (0x12, "9")):
        dataset.add_new(0x00190000 | block, "LO", "SIEMENS MR HEADER")
        if value:
            dataset.add_new(0x0019000C | block << 8, "IS", value)
    path = factories.write(tmp_path / "a", dataset)
    with pytest.raises(Declined):
        walk(path.read_bytes(), whole=True)
    assert typed(read_with_pydicom(path))["siemens_b_value"] == 5.0


@pytest.mark.parametrize("syntax", ["implicit", "explicit", "big-endian"])
def test_radiopharmaceutical_is_that_of_the_first_item(syntax: str, tmp_path: Path) -> None:
    items = []
    for dose, name in ((3.7e8, "FDG"), (1.0, "other")):
        items.append(Dataset())
        items[-1].Radiopharmaceutical, items[-1].RadionuclideTotalDose = name, dose
    dataset = factories.header(RadiopharmaceuticalInformationSequence=items, Radiopharmaceutical="not this")
    path = factories.write(tmp_path / "a", dataset, syntax=factories.LOSSLESS[syntax])
    found = typed(read_with_pydicom(path))
    assert (found["Radiopharmaceutical"], found["RadionuclideTotalDose"]) == ("FDG", 3.7e8)


@pytest.mark.parametrize(("sign", "number"), [(0, 63536), (1, -2000), (None, None)])
def test_padding_value_has_the_sign_of_the_pixels(sign: int | None, number: int | None, tmp_path: Path) -> None:
    dataset = factories.header(PixelRepresentation=sign)
    dataset.add_new(0x00280120, "US", 63536)
    path = factories.write(tmp_path / "a", dataset)
    for raw in (walk(path.read_bytes(), whole=True), read_with_pydicom(path)):
        assert typed(raw)["PixelPaddingValue"] == number


def test_an_object_that_is_no_image_has_no_columns_of_images(tmp_path: Path) -> None:
    dataset = factories.header(SOPClassUID="1.2.840.10008.5.1.4.1.1.66.4", Units="BQML")
    dataset.SharedFunctionalGroupsSequence = [Dataset()]
    path = factories.write(tmp_path / "a", dataset)
    ours, theirs = typed(walk(path.read_bytes(), whole=True)), typed(read_with_pydicom(path))
    assert repr(ours) == repr(theirs)
    assert (ours["SharedFunctionalGroupsSequence"], ours["Units"]) == (False, None)
