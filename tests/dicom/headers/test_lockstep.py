"""The walk over many headers at once gives what the walk of single files gives, or leaves the file to it."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pydicom
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.strategies import NESTED, PRIVATE, Element, headers, part10
from tests.tries import tries
from workbench.dicom.headers.columns import columns_of, to_columns
from workbench.dicom.headers.elements import Declined, NeedMore
from workbench.dicom.headers.heads import Heads
from workbench.dicom.headers.lockstep import Found, walk_together
from workbench.dicom.headers.walk import EXPLICIT_BE, EXPLICIT_LE, IMPLICIT_LE, RawHeader, walk
from workbench.dicom.headers.wanted import KEPT

BOTH = pytest.mark.parametrize("syntax", [EXPLICIT_LE, IMPLICIT_LE])
_SETTINGS = {"derandomize": True, "deadline": None, "suppress_health_check": list(HealthCheck)}


def together(files: list[bytes], *, width: int = 16384, sizes: list[int] | None = None) -> Found:
    heads = Heads(len(files), width)
    heads.put(files)
    return walk_together(heads, np.array(sizes or [len(data) for data in files]))


def single(data: bytes, *, width: int = 16384, size: int | None = None) -> RawHeader | None:
    """What the walk of single files gives for the same bytes; None where it gives nothing."""
    head = data[:width]
    try:
        return walk(head, whole=len(head) >= (len(data) if size is None else size))
    except (Declined, NeedMore, EOFError):
        return None


def assert_agrees(files: list[bytes], *, width: int = 16384) -> Found:
    found = together(files, width=width)
    for row in found.rows.tolist():
        assert found.header(row) == single(files[row], width=width)
    if len(found.rows):
        ours = columns_of(found)
        theirs = to_columns([found.header(row) for row in found.rows.tolist()])
        for name, column in theirs.items():
            assert ours[name].type == column.type, name
            assert repr(ours[name].to_pylist()) == repr(column.to_pylist()), name
    return found


@given(st.lists(headers((EXPLICIT_LE, IMPLICIT_LE, EXPLICIT_BE)), min_size=1, max_size=5))
@settings(max_examples=tries(70), **_SETTINGS)
def test_generated_headers_are_walked_as_single_files_are(cases: list[tuple[bytes, str]]) -> None:
    assert_agrees([data for data, _ in cases])


@given(headers(), st.data())
@settings(max_examples=tries(20), **_SETTINGS)
def test_a_header_cut_or_damaged_anywhere_is_walked_as_a_single_file_is(
    case: tuple[bytes, str], draw: st.DataObject
) -> None:
    data = case[0]
    files = [data[:cut] for cut in range(140, len(data), 5)]
    for _ in range(20):
        damaged = bytearray(data)
        damaged[draw.draw(st.integers(132, len(data) - 1))] = draw.draw(st.integers(0, 255))
        files.append(bytes(damaged))
    assert_agrees(files)


@given(headers())
@settings(max_examples=tries(12), **_SETTINGS)
def test_bytes_at_hand_may_end_anywhere(case: tuple[bytes, str]) -> None:
    data = case[0]
    for width in range(150, len(data) + 8, 11):
        assert_agrees([data, data], width=width)


def test_most_generated_headers_are_accepted() -> None:
    accepted = walked = 0

    @given(headers())
    @settings(max_examples=tries(150), **_SETTINGS)
    def count(case: tuple[bytes, str]) -> None:
        nonlocal accepted, walked
        walked += single(case[0]) is not None
        accepted += len(together([case[0]]).rows)

    count()
    assert accepted > 0.8 * walked


def test_every_file_of_the_pydicom_wheel_is_walked_as_a_single_file_is() -> None:
    paths = sorted((Path(pydicom.__file__).parent / "data" / "test_files").rglob("*.dcm"))
    found = assert_agrees([path.read_bytes()[:16384] for path in paths if path.stat().st_size < 16384])
    assert len(found.rows) > 40


def image(syntax: str, *elements: Element, number: int = 1) -> bytes:
    own = [Element(0x00080018, "UI", b"1.2.%d" % number), *elements, Element(0x00280010, "US", b"\x02\0")]
    return part10(sorted(own, key=lambda element: element.number), syntax)


@BOTH
def test_files_of_different_structure_are_walked_side_by_side(syntax: str) -> None:
    sequence = Element(0x00081140, "SQ", items=((Element(0x00080018, "UI", b"9"),),) * 3, undefined=True)
    files = [image(syntax), image(syntax, sequence, number=22), image(EXPLICIT_LE, Element(0x00100020, "LO", b"P"))]
    assert len(assert_agrees(files).rows) == 3


@BOTH
@pytest.mark.parametrize("undefined", [True, False])
def test_first_item_of_a_wanted_sequence_is_read(syntax: str, undefined: bool) -> None:
    items = tuple((Element(0x00181074, "DS", dose),) for dose in (b"3.7e8 ", b"1"))
    sequence = Element(0x00540016, "SQ", items=items, undefined=undefined, undefined_items=undefined)
    found = assert_agrees([image(syntax, sequence), image(syntax), image(syntax, sequence, number=3)])
    assert columns_of(found)["RadionuclideTotalDose"].to_pylist() == [3.7e8, None, 3.7e8]
    assert len(NESTED) == 5


@BOTH
@pytest.mark.parametrize("block", [0x10, 0x11, 0xFE])
def test_private_element_is_found_in_any_block_by_its_creator(syntax: str, block: int) -> None:
    def b_value(creator: bytes) -> bytes:
        return image(
            syntax,
            Element(0x00190000 | block, "LO", creator),
            Element(0x0019000C | block << 8, "IS" if syntax == EXPLICIT_LE else "UN", b"800 "),
        )

    found = assert_agrees([b_value(b"SIEMENS MR HEADER "), b_value(b"ACME"), b_value(b"SIEMENS MR HEADER")])
    assert columns_of(found)["siemens_b_value"].to_pylist() == [800.0, None, 800.0]
    assert len(PRIVATE) == 9


@pytest.mark.parametrize(
    "odd",
    [
        [Element(0x00280010, "IS", b"64")],
        [Element(0x00100020, "LO", b"A"), Element(0x00080060, "CS", b"CT")],
        [Element(0x00080016, "UI", b"1.2.840.10008.5.1.4.1.1.66.4")],
        [Element(0x00080016, "UI", b"1.2.840.10008.1.3.10")],
        [Element(0x00091001, "UN", items=((),), undefined=True)],
        [Element(0x00540016, "SQ", items=((Element(0x00080005, "CS", b"ISO_IR 192"),),))],
    ],
    ids=["vr-of-another-kind", "order", "segmentation", "dicomdir", "un-of-undefined-length", "item-character-set"],
)
def test_what_is_out_of_the_ordinary_is_left_to_the_walk_of_single_files(odd: list[Element]) -> None:
    plain = image(EXPLICIT_LE)
    assert together([plain, part10(odd, EXPLICIT_LE), plain]).rows.tolist() == [0, 2]


@BOTH
@pytest.mark.parametrize("behind", range(-3, 4))
def test_header_that_ends_where_the_bytes_at_hand_end(syntax: str, behind: int) -> None:
    rest = len(image(syntax, Element(0x00091001, "OB", b"")))
    data = image(syntax, Element(0x00091001, "OB", bytes(16384 + 2 * behind - rest)))
    found = assert_agrees([data, data])
    assert (len(found.rows) == 2) == (single(data) is not None)


def test_headers_that_go_on_are_told() -> None:
    long = image(EXPLICIT_LE, Element(0x00091001, "OB", bytes(50_000)))
    found = together([long, image(EXPLICIT_LE)])
    assert found.rows.tolist() == [1]
    assert found.goes_on.tolist() == [True, False]


def test_a_file_shorter_than_listed_is_not_accepted_as_whole() -> None:
    data = part10([Element(0x00080018, "UI", b"1.2")], EXPLICIT_LE, pixels=None)
    assert together([data]).rows.tolist() == [0]
    assert together([data], sizes=[len(data) + 2]).rows.tolist() == []


def test_what_an_earlier_portion_left_in_the_buffer_is_not_read() -> None:
    heads = Heads(1, 16384)
    long = image(EXPLICIT_LE, Element(0x00100020, "LO", b"SOMEBODY"))
    heads.put([long])
    heads.put([long[:200]])
    assert walk_together(heads, np.array([200])).rows.tolist() == []


def test_a_few_stragglers_are_given_up() -> None:
    long = image(EXPLICIT_LE, *(Element(0x00091001 + i, "LO", b"x") for i in range(50)))
    files = [image(EXPLICIT_LE, number=i) for i in range(20)] + [long]
    heads = Heads(len(files), 4096)
    heads.put(files)
    found = walk_together(heads, np.array([len(data) for data in files]), fewest=5)
    assert found.rows.tolist() == list(range(20))


def test_columns_that_are_the_same_everywhere_are_known() -> None:
    found = together([image(EXPLICIT_LE, Element(0x00100020, "LO", b"P1"), number=i) for i in range(4)])
    same = dict(zip((tag.keyword for tag in KEPT.tags), found.same, strict=True))
    assert (same["PatientID"], same["Rows"], same["Modality"], same["SOPInstanceUID"]) == (True, True, True, False)


@BOTH
def test_series_one_behind_the_other_are_decoded_run_by_run(syntax: str) -> None:
    charsets = [b"ISO_IR 100", b"ISO_IR 192"]
    files = []
    for number in range(60):
        series = number // 25
        own = [
            Element(0x00080005, "CS", charsets[series % 2]),
            Element(0x0008103E, "LO", "Größe".encode("utf-8" if series % 2 else "latin-1")),
            Element(0x00180050, "DS", b"%d.5 " % series),
            Element(0x00280103, "US", bytes([series % 2, 0])),
            Element(0x00280120, "US", b"\xff\xff"),
        ]
        if number % 7:
            own += [Element(0x00200013, "IS", b"%d" % number), Element(0x00200032, "DS", b"0\\0\\%d" % number)]
        files.append(image(syntax, *own, number=number))
    found = assert_agrees(files)
    columns = columns_of(found)
    assert columns["SeriesDescription"].to_pylist() == ["Größe"] * 60
    assert columns["PixelPaddingValue"].to_pylist() == [65535] * 25 + [-1] * 25 + [65535] * 10
    assert columns["InstanceNumber"].to_pylist() == [number if number % 7 else None for number in range(60)]


@given(st.lists(st.sampled_from([None, b"", b"1", b"2", b"12", b"12345678", b"12345679", b"123456789", b"1" * 130]),
                min_size=1, max_size=12))  # fmt: skip
@settings(max_examples=tries(60), **_SETTINGS)
def test_changes_from_file_to_file_are_those_of_the_bytes(values: list[bytes | None]) -> None:
    files = [
        image(EXPLICIT_LE, *([] if value is None else [Element(0x00081030, "LO", value)]), number=row)
        for row, value in enumerate(values)
    ]
    found = together(files)
    column = KEPT.column["StudyDescription"]
    raws = found.raws(column)
    expected = [True, *(own != before for before, own in pairwise(raws))]
    told = found.changes[column].tolist()
    # Long values next to others of other lengths may count as changed where they are not.
    assert told == expected or (b"1" * 130 in values and all(t or not e for t, e in zip(told, expected, strict=True)))


def test_private_blocks_of_creators_that_alternate() -> None:
    names = [b"SIEMENS MR HEADER ", b"SIEMENS MR HEADER", b"ANOTHER CREATOR   "]
    files = [
        image(
            EXPLICIT_LE, Element(0x00190010, "LO", names[number % 3]), Element(0x0019100C, "IS", b"%d" % number),
            number=number,
        )
        for number in range(9)
    ]  # fmt: skip
    found = assert_agrees(files)
    expected = [None if number % 3 == 2 else float(number) for number in range(9)]
    assert columns_of(found)["siemens_b_value"].to_pylist() == expected
