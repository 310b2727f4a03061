"""The series an object refers to, as pydicom finds them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset

from tests import factories
from tests.strategies import Element, part10
from tests.tries import tries
from workbench.dicom.headers.elements import Declined, NeedMore
from workbench.dicom.headers.fallback import referenced_series
from workbench.dicom.headers.references import references_in, references_of_whole
from workbench.dicom.headers.walk import EXPLICIT_BE, EXPLICIT_LE, IMPLICIT_LE, walk
from workbench.dicom.scan import scan

LEADING = (0x00081115, 0x30060010, 0x0040A375, 0x30060012, 0x30060014)


def items(children: st.SearchStrategy[Element]) -> Any:
    uid = st.sampled_from([b"1.5", b"1.6 ", b"1.7\0", b""]).map(lambda value: Element(0x0020000E, "UI", value))
    other = st.just(Element(0x00081140, "SQ", items=((Element(0x0020000E, "UI", b"9.9"),),), undefined=True))
    inner = st.lists(st.one_of(uid, children, other), max_size=3)
    item = inner.map(lambda found: tuple(sorted({e.number: e for e in found}.values(), key=lambda e: e.number)))
    return st.lists(item, min_size=1, max_size=3).map(tuple)


def leading(children: st.SearchStrategy[Element]) -> st.SearchStrategy[Element]:
    return st.builds(
        lambda number, content, undefined, undefined_items: Element(
            number, "SQ", items=content, undefined=undefined, undefined_items=undefined_items
        ),
        st.sampled_from(LEADING), items(children), st.booleans(), st.booleans(),
    )  # fmt: skip


TREES = st.recursive(leading(st.nothing()), leading, max_leaves=4)


@given(st.lists(TREES, max_size=3), st.sampled_from([EXPLICIT_LE, IMPLICIT_LE]))
@settings(max_examples=tries(150), derandomize=True, deadline=None)
def test_generated_references_are_found_as_pydicom_finds_them(
    tmp_path_factory: pytest.TempPathFactory, trees: list[Element], syntax: str
) -> None:
    elements = sorted({tree.number: tree for tree in trees}.values(), key=lambda element: element.number)
    data = part10([Element(0x00080018, "UI", b"1.1"), *elements], syntax, pixels=None)
    path = tmp_path_factory.getbasetemp() / "references"
    path.write_bytes(data)
    assert references_in(data, syntax) == referenced_series(path)


def test_a_file_that_ends_within_a_reference_is_told() -> None:
    item = (Element(0x0020000E, "UI", b"1.5"),)
    data = part10([Element(0x00081115, "SQ", items=(item,), undefined=True)], EXPLICIT_LE, pixels=None)
    for cut in range(len(data) - 20, len(data) - 1):
        with pytest.raises(EOFError):
            references_in(data[:cut], EXPLICIT_LE)


@given(st.lists(TREES, max_size=3), st.sampled_from([EXPLICIT_LE, IMPLICIT_LE]), st.booleans(), st.data())
@settings(max_examples=tries(150), derandomize=True, deadline=None)
def test_one_pass_tells_references_and_end_as_two_do(
    trees: list[Element], syntax: str, pixels: bool, draw: st.DataObject
) -> None:
    elements = sorted({tree.number: tree for tree in trees}.values(), key=lambda element: element.number)
    data = part10([Element(0x00080018, "UI", b"1.1"), *elements], syntax, pixels=b"\1\2" if pixels else None)
    assert references_of_whole(data, len(data), syntax) == references_in(data, syntax)
    cut = draw.draw(st.integers(len(part10([], syntax, pixels=None)) + 1, len(data)))
    named = references_of_whole(data[:cut], cut, syntax)
    if named is not None:
        raw = walk(data[:cut], whole=True, to_end=True)
        assert raw.pixel_offset + raw.pixel_length <= cut
        assert named == references_in(data[:cut], syntax)
    try:
        assert references_of_whole(data[:cut], len(data), syntax) == references_in(data, syntax)
    except NeedMore:
        assert cut < len(data)


def test_pixels_are_not_needed_to_tell_that_they_are_whole() -> None:
    data = part10([Element(0x00081115, "SQ", items=((Element(0x0020000E, "UI", b"1.5"),),))], EXPLICIT_LE,
                  pixels=bytes(5000))  # fmt: skip
    assert references_of_whole(data[:-4990], len(data), EXPLICIT_LE) == ["1.5"]
    assert references_of_whole(data[:-4990], len(data) - 2, EXPLICIT_LE) is None


def test_another_encoding_is_declined() -> None:
    with pytest.raises(Declined):
        references_in(b"", EXPLICIT_BE)


def test_every_object_of_the_pydicom_wheel() -> None:
    folder = Path(pydicom.__file__).parent / "data" / "test_files"
    compared = 0
    for path in sorted(folder.rglob("*.dcm")):
        data = path.read_bytes()
        try:
            syntax = walk(data, whole=True).syntax
        except (Declined, EOFError):
            continue
        assert references_in(data, syntax) == referenced_series(path), path.name
        compared += 1
    assert compared > 50


@pytest.mark.parametrize("syntax", ["explicit", "implicit", "big-endian", "deflated"])
def test_a_segmentation_names_its_series_in_every_encoding(syntax: str, tmp_path: Path) -> None:
    def series(uids: Sequence[str]) -> list[Dataset]:
        found = []
        for uid in uids:
            found.append(Dataset())
            found[-1].SeriesInstanceUID = uid
        return found

    dataset = factories.header(SOPClassUID="1.2.840.10008.5.1.4.1.1.66.4")
    dataset.ReferencedSeriesSequence = series(["1.5", "1.6", "1.5"])
    factories.write(tmp_path / "a", dataset, syntax=factories.LOSSLESS[syntax])
    assert scan(tmp_path).table["referenced_series"].to_pylist() == [["1.5", "1.6"]]
