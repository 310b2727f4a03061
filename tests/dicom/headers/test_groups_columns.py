"""Columns of functional groups: which element wins, and how much is decoded."""

from __future__ import annotations

from unittest import mock

import pytest

from tests.strategies import Element, part10
from workbench.dicom.headers import groups_columns
from workbench.dicom.headers.elements import Declined
from workbench.dicom.headers.groups import grouped_header
from workbench.dicom.headers.groups_columns import Decoder, columns_of
from workbench.dicom.headers.groups_macros import LEAVES, number_of, vr_of, wanted_leaves


def group(keyword: str, attribute: str, value: bytes) -> Element:
    inner = Element(number_of(attribute), vr_of(attribute).decode(), value)
    return Element(number_of(keyword), "SQ", items=((inner,),))


def columns(*items: tuple[Element, ...]) -> dict[str, list[object]]:
    header = part10([Element(0x52009230, "SQ", items=items)], "1.2.840.10008.1.2.1")
    groups = grouped_header(header, wanted_leaves(), whole=True).per_frame
    return columns_of(groups, Decoder("iso8859", None, explicit=True))


CT = group("CTImageFrameTypeSequence", "FrameType", b"ORIGINAL")
MR = group("MRImageFrameTypeSequence", "FrameType", b"DERIVED ")
LOOSE = group("UnassignedPerFrameConvertedAttributesSequence", "ImageType", b"LOOSE ")


def test_a_later_macro_wins_and_a_loose_attribute_is_the_last_resort() -> None:
    assert columns((CT, MR, LOOSE), (CT, LOOSE), (LOOSE,), ()) == {"ImageType": ["DERIVED", "ORIGINAL", "LOOSE", None]}


def test_a_column_that_no_item_fills_is_left_out() -> None:
    assert columns((group("CTImageFrameTypeSequence", "FrameType", b""),)) == {}
    assert columns() == {}


def test_a_value_that_is_not_plain_is_decoded_once() -> None:
    items = [(group("FrameContentSequence", "StackID", stack),) for stack in (b"a ", b"b ") * 50]
    with mock.patch.object(groups_columns, "MOST_CLOSER", 2):
        assert columns(*items) == {"stack_id": ["a", "b"] * 50}
    with mock.patch.object(groups_columns, "MOST_CLOSER", 1), pytest.raises(Declined):
        columns(*items)


def test_a_last_resort_is_not_decoded_where_it_is_not_needed() -> None:
    odd = group("UnassignedSharedConvertedAttributesSequence", "EchoTime", b"none")
    stated = group("MREchoSequence", "EffectiveEchoTime", b"\0" * 8)
    assert columns((stated, odd))["EchoTime"] == [0.0]
    with pytest.raises(ValueError, match="none"):
        columns((odd,))


def test_every_leaf_has_a_place_of_its_own() -> None:
    assert len({(leaf.path, leaf.attribute) for leaf in LEAVES}) == len(LEAVES)
