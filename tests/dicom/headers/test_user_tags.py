"""Tags a user names become typed columns; what is no tag is refused with advice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydicom.dataset import Dataset

from tests import factories
from workbench.dicom.headers.tags import Tag
from workbench.dicom.headers.user_tags import column_names, wanted_with
from workbench.dicom.headers.wanted import KEPT
from workbench.dicom.scan import scan
from workbench.errors import UsageError


@pytest.mark.parametrize(
    ("name", "tag"),
    [
        ("PatientName", Tag("PatientName", 0x00100010, "PN", "text")),
        ("00189073", Tag("AcquisitionDuration", 0x00189073, "FD", "number")),
        ("(0018,9073)", Tag("AcquisitionDuration", 0x00189073, "FD", "number")),
        ((0x0018, 0x9073), Tag("AcquisitionDuration", 0x00189073, "FD", "number")),
        (0x00189073, Tag("AcquisitionDuration", 0x00189073, "FD", "number")),
        ("AcquisitionMatrix", Tag("AcquisitionMatrix", 0x00181310, "US", "integers")),
        ("ReferencedFrameNumber", Tag("ReferencedFrameNumber", 0x00081160, "IS", "integers")),
        ("IlluminationWaveLength", Tag("IlluminationWaveLength", 0x00220055, "FL", "number")),
        ("SourceImageSequence", Tag("SourceImageSequence", 0x00082112, "SQ", "present")),
        ("RadionuclideTotalDose", Tag("00181074", 0x00181074, "DS", "number")),
        ("00091001", Tag("00091001", 0x00091001, "UN", "text")),
    ],
)
def test_a_tag_is_named_in_any_way_and_typed_by_the_dictionary(name: Any, tag: Tag) -> None:
    assert wanted_with([name]).extra == (tag,)


def test_what_is_kept_or_named_twice_gives_no_second_column() -> None:
    assert wanted_with(["PatientWeight", "00100020"]) is KEPT
    assert len(wanted_with(["PatientName", "00100010", (0x0010, 0x0010)]).extra) == 1


def test_an_unknown_keyword_is_refused_and_the_nearest_named() -> None:
    with pytest.raises(UsageError, match="did you mean PatientName") as caught:
        wanted_with(["PatientNames"])
    assert caught.value.tag == "PatientNames"


@pytest.mark.parametrize(
    "name", ["zzzz", "PixelData", 0x00020010, (0xFFFE, 0xE000), (1, 2, 3), None, 1.5, (-1, 0), ("a", 1)]
)
def test_what_is_no_tag_of_a_header_is_refused(name: Any) -> None:
    with pytest.raises(UsageError):
        wanted_with([name])


@pytest.mark.parametrize(
    ("asked", "meant"), [("kvp", "KVP"), ("patient name", "PatientName"), ("Pixel Spacing", "PixelSpacing")]
)
def test_another_spelling_of_a_keyword_is_found(asked: str, meant: str) -> None:
    with pytest.raises(UsageError, match=rf"did you mean {meant}\?"):
        wanted_with([asked])


@pytest.mark.parametrize("keyword", ["Nope", "TE", "", "Tumour"])
def test_nothing_is_suggested_that_is_not_alike(keyword: str) -> None:
    with pytest.raises(UsageError, match="give its group and element"):
        wanted_with([keyword])


def test_tags_are_a_list_or_a_set_or_nothing() -> None:
    assert wanted_with(None) is KEPT
    assert column_names({"PatientWeight", "PatientName"}) == ("PatientName", "PatientWeight")
    with pytest.raises(UsageError, match="tags cannot be int"):
        wanted_with(5)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="names no DICOM tag"):
        wanted_with([True])


def test_a_single_name_instead_of_a_list_is_refused() -> None:
    with pytest.raises(UsageError, match="list"):
        wanted_with("PatientName")


@pytest.mark.parametrize("syntax", ["explicit", "implicit", "big-endian"])
def test_pointers_and_unknown_binary_values(syntax: str, tmp_path: Path) -> None:
    dataset = factories.header(FrameIncrementPointer=[0x00181063, 0x00200013])
    dataset.add_new(0x00091001, "US", [3, 4])
    factories.describe_pixels(dataset, factories.pixels(1)[None])
    factories.write(tmp_path / "a", dataset, factories.pixels(1)[None], syntax=factories.LOSSLESS[syntax])
    (row,) = scan(tmp_path, tags=["FrameIncrementPointer", "00091001"]).table.to_pylist()
    assert row["FrameIncrementPointer"] == "00181063\\00200013"
    # Implicit VR says nothing of what an unknown element is.
    assert row["00091001"] == (None if syntax == "implicit" else "3\\4")


def test_tags_of_objects_that_are_no_images_are_found_behind_their_bulk(tmp_path: Path) -> None:
    dataset = factories.header(SOPClassUID="1.2.840.10008.5.1.4.1.1.481.3", StructureSetLabel="plan")
    dataset.ReferencedFrameOfReferenceSequence = [Dataset()]
    factories.write(tmp_path / "a", dataset)
    assert scan(tmp_path, tags=["StructureSetLabel"]).table["StructureSetLabel"].to_pylist() == ["plan"]
