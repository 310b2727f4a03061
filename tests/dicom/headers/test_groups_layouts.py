"""Items laid out alike are walked once; whatever differs in a tag, VR, length or mark is walked again."""

from __future__ import annotations

from unittest import mock

import pytest

from tests.strategies import Element, encoded
from workbench.dicom.headers import groups_layouts
from workbench.dicom.headers.elements import Declined, key
from workbench.dicom.headers.groups_layouts import Items, Run, Wanted, present, values_of

NAME, SEQUENCE = 0x00080070, 0x00081140
WANTED: Wanted = {key(NAME): 7, key(SEQUENCE): {key(NAME): 8}}


def name(value: bytes, number: int = NAME) -> Element:
    return Element(number, "LO", value)


def runs_of(*items: tuple[Element, ...], undefined: bool = False) -> tuple[bytes, list[Run]]:
    element = encoded(Element(1, "SQ", items=items, undefined=undefined, undefined_items=undefined), explicit=True)
    runs, end = Items(element, WANTED, explicit=True, whole=True).runs(12, int.from_bytes(element[8:12], "little"))
    assert end == len(element)
    return element, runs


def values(data: bytes, runs: list[Run], number: int) -> list[bytes | None]:
    return [element and element[8:] for element in values_of(data, runs, number)]


@pytest.mark.parametrize("undefined", [False, True])
def test_items_alike_are_one_run(undefined: bool) -> None:
    data, runs = runs_of(*((name(f"{i:04d}".encode()),) for i in range(5000)), undefined=undefined)
    assert [run.count for run in runs] == [5000]
    assert values(data, runs, 7) == [f"{i:04d}".encode() for i in range(5000)]


def test_items_of_other_lengths_or_tags_are_runs_of_their_own() -> None:
    kinds = [(name(b"12"),), (name(b"1234"),), (name(b"12", NAME + 1),), (name(b"12"), name(b"12", NAME + 1)), ()]
    items = [kinds[i * i % 5] for i in range(200)]
    data, runs = runs_of(*items)
    assert values(data, runs, 7) == [
        next((element.value for element in item if element.number == NAME), None) for item in items
    ]
    assert len({id(run.layout) for run in runs}) == len(set(items))


def test_a_layout_met_before_is_not_walked_again() -> None:
    items = [(name(b"12" * (1 + i % 3)),) for i in range(300)]
    with mock.patch.object(groups_layouts.Items, "_walked", autospec=True, side_effect=Items._walked) as walked:
        runs_of(*items)
    assert walked.call_count == 3


def test_only_the_first_item_of_an_inner_sequence_counts() -> None:
    inner = Element(SEQUENCE, "SQ", items=((name(b"one "),), (name(b"two "),)), undefined=True)
    data, runs = runs_of((inner,), (Element(SEQUENCE, "SQ", items=()),))
    assert values(data, runs, 8) == [b"one ", None]
    assert values(data, runs, 7) == [None, None]
    assert present(runs) == {8}


@pytest.mark.parametrize(
    "item",
    [
        (name(b"12"), name(b"34")),
        (Element(0x00080005, "CS", b"ISO_IR 192"),),
        (Element(SEQUENCE, "UN", b""),),
        (Element(SEQUENCE, "UN", items=((),), undefined=True),),
        (Element(NAME, "UT", b"1234", undefined=True),),
        (Element(NAME, "QQ", b"12"),),
    ],
    ids=["twice", "character set", "no sequence", "UN of undefined length", "text of undefined length", "unknown VR"],
)
def test_an_odd_item_is_declined(item: tuple[Element, ...]) -> None:
    with pytest.raises(Declined):
        runs_of((name(b"12"),), item)


@pytest.mark.parametrize("cut", [1, 5, 9, 13])
def test_an_item_or_element_beyond_its_end_is_declined(cut: int) -> None:
    data = encoded(Element(1, "SQ", items=((name(b"1234"),), (name(b"1234"),))), explicit=True)
    with pytest.raises(Declined):
        Items(data, WANTED, explicit=True, whole=True).runs(12, len(data) - 12 - cut)


def test_too_much_to_walk_is_declined() -> None:
    items = [(name(b"12" * i),) for i in range(1, 40)]
    runs_of(*items)
    with mock.patch.object(groups_layouts, "MOST_STEPS", 30), pytest.raises(Declined, match="too much"):
        runs_of(*items)
    with mock.patch.object(groups_layouts, "MOST_STEPS", 30):
        runs_of(*([(name(b"12"),)] * 1000))
