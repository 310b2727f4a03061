"""Functional groups are found in a header's bytes, and the rest of the header is left as it was."""

from __future__ import annotations

from struct import pack

import pytest

from tests.strategies import Element, encoded, part10
from workbench.dicom.headers.elements import Declined, NeedMore, key
from workbench.dicom.headers.groups import GroupedHeader, grouped_header
from workbench.dicom.headers.walk import EXPLICIT_BE, EXPLICIT_LE, IMPLICIT_LE

PLACE = {key(0x00209113): {key(0x00200032): 0}}
ROWS = Element(0x00280010, "US", pack("<H", 4))


def placed(text: bytes) -> tuple[Element, ...]:
    return (Element(0x00209113, "SQ", items=((Element(0x00200032, "DS", text),),)),)


def groups(*texts: bytes, undefined: bool = False) -> Element:
    items = tuple(placed(text) for text in texts)
    return Element(0x52009230, "SQ", items=items, undefined=undefined, undefined_items=undefined)


def taken_apart(*elements: Element, syntax: str = EXPLICIT_LE) -> GroupedHeader:
    return grouped_header(part10(list(elements), syntax), PLACE, whole=True)


@pytest.mark.parametrize("undefined", [False, True])
@pytest.mark.parametrize("syntax", [EXPLICIT_LE, IMPLICIT_LE])
def test_a_column_holds_each_frames_element(undefined: bool, syntax: str) -> None:
    found = taken_apart(ROWS, groups(b"0\\0\\1", b"0\\0\\2", b"0\\0\\10", undefined=undefined), syntax=syntax)
    assert found.per_frame is not None
    assert found.shared is None
    assert found.explicit is (syntax == EXPLICIT_LE)
    assert [element and element[8:] for element in found.per_frame.column(0)] == [
        b"0\\0\\1 ",
        b"0\\0\\2 ",
        b"0\\0\\10",
    ]


def test_an_item_without_the_element_has_none() -> None:
    items = (placed(b"1\\2\\3"), (), placed(b"4\\5\\6"))
    found = taken_apart(ROWS, Element(0x52009230, "SQ", items=items))
    assert found.per_frame is not None
    assert [element is None for element in found.per_frame.column(0)] == [False, True, False]


def test_the_rest_is_the_header_without_its_groups() -> None:
    last = Element(0x52009999, "LO", b"last")
    with_groups, without = ([ROWS, *middle, last] for middle in ([groups(b"0\\0\\1")], []))
    header = part10(without, EXPLICIT_LE)
    pixels = encoded(Element(0x7FE00010, "OW", b"\1\2"), explicit=True)
    assert taken_apart(*with_groups).rest == header[: -len(pixels)]


def test_sequences_of_undefined_length_that_say_nothing_of_frames_are_left_out_of_the_rest() -> None:
    detector, other = (Element(number, "SQ", items=((ROWS,),), undefined=True) for number in (0x00540022, 0x00081140))
    assert taken_apart(other, ROWS, detector).rest == taken_apart(ROWS, detector).rest
    assert taken_apart(ROWS, detector).rest != taken_apart(ROWS).rest


def test_a_header_that_goes_on_asks_for_more() -> None:
    header = part10([ROWS, groups(b"0\\0\\1", b"0\\0\\2")], EXPLICIT_LE, pixels=None)
    for end in range(150, len(header) + 1):
        with pytest.raises(NeedMore):
            grouped_header(header[:end], PLACE, whole=False)
    assert grouped_header(header, PLACE, whole=True).per_frame is not None
    with pytest.raises(EOFError):
        grouped_header(header[:-1], PLACE, whole=True)


@pytest.mark.parametrize(
    "header",
    [
        part10([ROWS], EXPLICIT_BE),
        part10([ROWS], EXPLICIT_LE)[132:],
        part10([groups(b"0\\0\\1"), ROWS], EXPLICIT_LE),
        part10([groups(b"0\\0\\1"), groups(b"0\\0\\1")], EXPLICIT_LE),
        part10([Element(0x52009230, "UN", b"1234")], EXPLICIT_LE),
        part10([Element(0x00280010, "QQ", b"1234")], EXPLICIT_LE),
    ],
    ids=["big endian", "no preamble", "out of order", "groups twice", "groups of another VR", "unknown VR"],
)
def test_an_odd_header_is_declined(header: bytes) -> None:
    with pytest.raises(Declined):
        grouped_header(header, PLACE, whole=True)
