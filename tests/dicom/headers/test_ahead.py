"""Looking ahead takes what going element by element takes, however the files differ."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.strategies import Element, headers, part10
from tests.tries import tries
from workbench.dicom.headers import steps
from workbench.dicom.headers.ahead import layout_at
from workbench.dicom.headers.heads import Heads
from workbench.dicom.headers.lockstep import Found, walk_together
from workbench.dicom.headers.walk import EXPLICIT_LE, IMPLICIT_LE

BOTH = pytest.mark.parametrize("syntax", [EXPLICIT_LE, IMPLICIT_LE])
_SETTINGS = {"derandomize": True, "deadline": None, "suppress_health_check": list(HealthCheck)}


def found_in(files: list[bytes]) -> Found:
    heads = Heads(len(files), 4096)
    heads.put(files)
    return walk_together(heads, np.array([len(data) for data in files]))


def step_by_step(files: list[bytes]) -> Found:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(steps, "layout_at", lambda *_, **__: None)
        return found_in(files)


def assert_same(files: list[bytes]) -> Found:
    ours, theirs = found_in(files), step_by_step(files)
    assert ours.rows.tolist() == theirs.rows.tolist()
    assert ours.goes_on.tolist() == theirs.goes_on.tolist()
    for row in ours.rows.tolist():
        assert ours.header(row) == theirs.header(row)
    return ours


def series(syntax: str, count: int, *, without: int = -1, undefined: bool = False) -> list[bytes]:
    """Files of one layout, values of other lengths; one without its description."""
    files = []
    for k in range(count):
        item = (Element(0x00080100, "SH", b"T-D1213"), Element(0x00080104, "LO", b"Jaw" * (k // 4)))
        elements = [
            Element(0x00080018, "UI", b"1.2.%d" % 7**k),
            Element(0x00080060, "CS", b"CT"),
            Element(0x00081140, "SQ", items=(item, item), undefined=undefined, undefined_items=undefined),
            Element(0x00200013, "IS", b"%d" % 10**k),
            Element(0x00280010, "US", b"\x02\0"),
        ]
        if k != without:
            elements.append(Element(0x0008103E, "LO", b"Thorax"))
        files.append(part10(sorted(elements, key=lambda element: element.number), syntax))
    return files


@given(st.lists(headers(), min_size=1, max_size=3), st.data())
@settings(max_examples=tries(40), **_SETTINGS)
def test_damaged_copies_side_by_side_give_what_going_step_by_step_gives(
    cases: list[tuple[bytes, str]], draw: st.DataObject
) -> None:
    files = []
    for data, _ in cases:
        files += [data] * 4
        for _ in range(8):
            damaged = bytearray(data)
            damaged[draw.draw(st.integers(132, len(data) - 1))] = draw.draw(st.integers(0, 255))
            files.append(bytes(damaged))
    assert_same(draw.draw(st.permutations(files)))


@BOTH
@pytest.mark.parametrize("undefined", [True, False])
@pytest.mark.parametrize("without", [-1, 0, 5])
def test_lengths_and_missing_elements_differ_within_a_series(syntax: str, undefined: bool, without: int) -> None:
    files = series(syntax, 9, without=without, undefined=undefined)
    found = assert_same(files + series(syntax, 3) + [file[: len(file) - 9] for file in files])
    assert found.rows.tolist()[:12] == list(range(12))


@BOTH
def test_files_of_one_layout_are_walked_in_a_few_looks(syntax: str, monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[Any] = []

    def counted(*args: Any, **options: Any) -> Any:
        looks.append(layout_at(*args, **options))
        return looks[-1]

    monkeypatch.setattr(steps, "layout_at", counted)
    many = [Element(0x00180000 + 2 * k + 0x1000, "LO", b"value") for k in range(100)]
    file = part10([Element(0x00080018, "UI", b"1.2"), *many, Element(0x00280010, "US", b"\x02\0")], syntax)
    assert len(found_in([file] * 30).rows) == 30
    assert sum(len(look.words) for look in looks if look) > 100
    assert len(looks) < 10


def test_layout_says_where_the_next_elements_are() -> None:
    data = b"\x08\0\x60\0CS\x02\0CT" + b"\x09\0\x10\0UN\0\0\x04\0\0\0abcd" + b"\x10\0\x20\0LO\x02\0ab"
    layout = layout_at(data + bytes(16), 0, len(data) - 8, 8, explicit=True)
    assert layout is not None
    assert layout.data.tolist() == [8, 22, 34]
    assert layout.lengths.tolist() == [2, 4, 2]
    assert layout.distances.tolist() == [0, 10, 26, 36]
    assert layout_at(b"\x08\0\x60\0??\x02\0CT" + bytes(16), 0, 2, 8, explicit=True) is None
