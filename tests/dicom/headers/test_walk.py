"""The fast walk finds what pydicom finds, or declines."""

from __future__ import annotations

import math
import warnings
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from hypothesis import HealthCheck, given, settings
from pydicom.multival import MultiValue

from tests import factories
from tests.strategies import Element, encoded, headers, part10
from tests.tries import tries
from workbench.dicom.headers.columns import BINARY, to_columns
from workbench.dicom.headers.elements import Declined, NeedMore
from workbench.dicom.headers.fallback import read_with_pydicom
from workbench.dicom.headers.heads import Heads
from workbench.dicom.headers.lockstep import walk_together
from workbench.dicom.headers.nested import MAX_DEPTH
from workbench.dicom.headers.tags import TAGS, Tag
from workbench.dicom.headers.walk import EXPLICIT_BE, EXPLICIT_LE, IMPLICIT_LE, RawHeader, is_dicom, walk


def typed(raw: RawHeader) -> dict[str, Any]:
    """Values of one header as the header table holds them."""
    return {name: column.to_pylist()[0] for name, column in to_columns([raw]).items()}


def found_in(dataset: pydicom.Dataset, tag: Tag) -> Any:
    """pydicom's element for a column; None where there is none."""
    if tag.creator:
        try:
            return dataset.private_block(tag.number >> 16, tag.creator)[tag.number & 0xFF]
        except KeyError:
            return None
    if tag.sequence:
        items = dataset[tag.sequence].value if tag.sequence in dataset else []
        dataset = items[0] if items else pydicom.Dataset()
    return dataset.get(tag.number, None)


def value_in(dataset: pydicom.Dataset, tag: Tag) -> Any:
    element = found_in(dataset, tag)
    value = None if element is None else element.value
    if isinstance(value, bytes):
        # A VR that pydicom does not know, of an element whose VR the table does.
        order = "<" if dataset.original_encoding[1] else ">"
        value = value if tag.vr not in BINARY else np.frombuffer(value, BINARY[tag.vr].newbyteorder(order))[0].item()
        value = value.decode().strip(" \0") if isinstance(value, bytes) else value
    return value


def expected(dataset: pydicom.Dataset, tag: Tag) -> Any:
    """What pydicom says the header table must hold; None where it cannot read the value as its VR."""
    if tag.form == "present":
        return tag.number in dataset
    count = int(tag.form.partition(":")[2] or 0)
    try:
        value = value_in(dataset, tag)
        parts = list(value) if isinstance(value, (MultiValue, list)) else [] if value in (None, "") else [value]
        if count:
            return [float(part) for part in parts] if len(parts) == count else [math.nan] * count
        if tag.form in ("integer", "number"):
            number = float(parts[0]) if parts else None
            if tag.keyword == "ge_b_value" and number is not None and number >= 1e9:
                number -= 1e9
            if tag.keyword == "PixelPaddingValue" and number is not None:
                sign, stored = dataset.get("PixelRepresentation"), int(number) % 65536
                if stored >= 32768 and sign not in (0, 1):
                    # Nothing says which sign it has.
                    return None
                return stored - 65536 * (sign == 1 and stored >= 32768)
            return int(number) if tag.form == "integer" and number is not None and number.is_integer() else (
                number if tag.form == "number" else None
            )  # fmt: skip
    except (ValueError, TypeError, OverflowError):
        return [math.nan] * count if count else None
    text = "\\".join(str(getattr(part, "original_string", part)).strip(" \0") for part in parts)
    return text or None


def same(ours: Any, theirs: Any) -> bool:
    if isinstance(theirs, list):
        return all(same(a, b) for a, b in zip(ours, theirs, strict=True))
    if isinstance(theirs, float) and math.isnan(theirs):
        return math.isnan(ours)
    return bool(ours == theirs)


def assert_equal_to_pydicom(data: bytes, raw: RawHeader) -> None:
    found = typed(raw)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dataset = pydicom.dcmread(BytesIO(data), stop_before_pixels=True, force=True)
        for tag in TAGS:
            theirs = expected(dataset, tag)
            assert same(found[tag.keyword], theirs), (tag.keyword, found[tag.keyword], theirs)


def differential(data: bytes, folder: Path) -> None:
    """The walk, or what reads for it where it declines, finds what pydicom finds; so does the walk of many."""
    try:
        raw = walk(data, whole=True)
    except Declined:
        path = folder / "a"
        path.write_bytes(data)
        raw = read_with_pydicom(path)
    assert_equal_to_pydicom(data, raw)
    heads = Heads(1, 16384)
    heads.put([data])
    found = walk_together(heads, np.array([len(data)]))
    if len(found.rows):
        assert found.header(0) == raw


_SETTINGS = {"derandomize": True, "deadline": None, "suppress_health_check": list(HealthCheck)}


ALL = (EXPLICIT_LE, IMPLICIT_LE, EXPLICIT_BE)


@given(headers(ALL))
@settings(max_examples=tries(150), **_SETTINGS)
def test_generated_headers_read_as_pydicom_reads_them(
    tmp_path_factory: pytest.TempPathFactory, case: tuple[bytes, str]
) -> None:
    differential(case[0], tmp_path_factory.getbasetemp())


@pytest.mark.slow
@given(headers(ALL))
@settings(max_examples=tries(10_000), **_SETTINGS)
def test_ten_thousand_generated_headers_read_as_pydicom_reads_them(
    tmp_path_factory: pytest.TempPathFactory, case: tuple[bytes, str]
) -> None:
    differential(case[0], tmp_path_factory.getbasetemp())


@given(headers())
@settings(max_examples=tries(100), **_SETTINGS)
def test_a_header_cut_anywhere_asks_for_more_or_ends(case: tuple[bytes, str]) -> None:
    data = case[0]
    for cut in range(132, len(data), 7):
        for whole in (True, False):
            try:
                raw = walk(data[:cut], whole=whole)
            except (Declined, EOFError, NeedMore):
                continue
            assert raw.header_length <= max(cut, len(data))


def test_most_generated_headers_are_not_declined() -> None:
    declined = total = 0

    @given(headers())
    @settings(max_examples=tries(200), **_SETTINGS)
    def count(case: tuple[bytes, str]) -> None:
        nonlocal declined, total
        total += 1
        try:
            walk(case[0], whole=True)
        except Declined:
            declined += 1

    count()
    assert declined < total / 10


@pytest.mark.parametrize("syntax", [EXPLICIT_LE, IMPLICIT_LE])
@pytest.mark.parametrize("undefined", [True, False])
def test_wanted_tags_inside_sequences_are_not_taken_for_the_images_own(syntax: str, undefined: bool) -> None:
    inner = (Element(0x0020000E, "UI", b"9.9"),)
    sequence = Element(0x00081140, "SQ", items=(inner,), undefined=undefined, undefined_items=undefined)
    data = part10([sequence, Element(0x0020000E, "UI", b"1.2.3")], syntax)
    assert typed(walk(data, whole=True))["SeriesInstanceUID"] == "1.2.3"


def test_unknown_vr_sequence_of_undefined_length_is_read_as_implicit() -> None:
    inner = (Element(0x00100020, "LO", b"wrong"),)
    data = part10(
        [Element(0x00091001, "UN", items=(inner,), undefined=True), Element(0x00100020, "LO", b"right")], EXPLICIT_LE
    )
    assert typed(walk(data, whole=True))["PatientID"] == "right"


@pytest.mark.parametrize("syntax", [EXPLICIT_LE, IMPLICIT_LE])
def test_pixel_offset_points_at_the_first_pixel(syntax: str) -> None:
    data = part10([Element(0x00280010, "US", b"\x02\0")], syntax, pixels=b"PIXELS")
    raw = walk(data, whole=True)
    assert data[raw.pixel_offset : raw.pixel_offset + raw.pixel_length] == b"PIXELS"


def test_header_beyond_the_bytes_at_hand_asks_for_more() -> None:
    data = part10([Element(0x00091001, "OB", bytes(50_000)), Element(0x00100020, "LO", b"P1")], EXPLICIT_LE)
    with pytest.raises(NeedMore):
        walk(data[:16384], whole=False)


def test_cut_inside_an_element_is_the_end_of_the_file() -> None:
    data = part10([Element(0x00100020, "LO", b"PATIENT-1")], EXPLICIT_LE, pixels=None)
    with pytest.raises(EOFError):
        walk(data[:-3], whole=True)


def test_sequences_nested_too_deeply_are_declined() -> None:
    element = Element(0x00081140, "SQ", items=(), undefined=True)
    for _ in range(MAX_DEPTH + 5):
        element = Element(0x00081140, "SQ", items=((element,),), undefined=True, undefined_items=True)
    with pytest.raises(Declined):
        walk(part10([element], EXPLICIT_LE), whole=True)


def wrongly_encoded(elements: list[Element], *, declared: str, explicit: bool) -> bytes:
    meta = part10([], declared, pixels=None)
    return meta + b"".join(encoded(element, explicit=explicit) for element in elements)


@pytest.mark.parametrize("declared", [EXPLICIT_LE, IMPLICIT_LE])
def test_another_vr_encoding_than_declared_is_declined(declared: str) -> None:
    elements = [Element(0x00080060, "CS", b"CT"), Element(0x00100020, "LO", b"P1")]
    data = wrongly_encoded(elements, declared=declared, explicit=declared == IMPLICIT_LE)
    with pytest.raises(Declined):
        walk(data, whole=True)


@pytest.mark.parametrize(
    ("number", "vr", "value"), [(0x00280010, "IS", b"64"), (0x00189087, "DS", b"1000"), (0x00180050, "FD", bytes(8))]
)
def test_a_wanted_tag_in_a_vr_of_another_kind_is_declined(number: int, vr: str, value: bytes) -> None:
    with pytest.raises(Declined):
        walk(part10([Element(number, vr, value)], EXPLICIT_LE), whole=True)


def test_text_and_tables_are_not_dicom() -> None:
    for head in (b"", b"\x08", b"patient_id;age\n", b"\x89PNG\r\n\x1a\n", b"PK\x03\x04" + bytes(60), bytes(200)):
        assert not is_dicom(head)


@pytest.mark.parametrize("syntax", ["implicit", "explicit"])
def test_dicom_without_preamble_is_told_by_its_first_element(syntax: str, tmp_path: Any) -> None:
    path = factories.image(tmp_path / "a", preamble=False, syntax=factories.LOSSLESS[syntax])
    assert is_dicom(path.read_bytes()[:16384])


def test_big_endian_is_told_by_its_first_element(tmp_path: Any) -> None:
    path = factories.image(tmp_path / "a", syntax=factories.LOSSLESS["big-endian"])
    data = path.read_bytes()
    assert is_dicom(data[data.index(b"\x00\x08\x00\x08CS") :])
    # Implicit VR is little endian alone; a picture of zeros is no header.
    assert not is_dicom(b"\x00\x08\x00\x08\x00\x00\x00\x04")


def test_unknown_character_set_is_read_without_a_warning() -> None:
    elements = [Element(0x00080005, "CS", b"ISO_IR 999"), Element(0x00100020, "LO", b"P\xe9")]
    raw = walk(part10(elements, EXPLICIT_LE), whole=True)
    assert typed(raw)["PatientID"] == "Pé"
