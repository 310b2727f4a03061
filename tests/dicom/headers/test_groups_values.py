"""What is decoded without pydicom equals what pydicom makes of it."""

from __future__ import annotations

import warnings
from io import BytesIO
from struct import pack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.strategies import Element, encoded
from workbench.dicom.headers.groups_pydicom import value_of
from workbench.dicom.headers.groups_values import CLOSER, plain_value

#: An element of each VR, the form its value is asked for in, and its keyword.
KINDS = {
    "DS": (0x00281053, "number", "RescaleSlope"), "IS": (0x00200013, "integer", "InstanceNumber"),
    "FD": (0x00189087, "number", "DiffusionBValue"), "UL": (0x00209128, "integer", "TemporalPositionIndex"),
    "US": (0x00209156, "integer", "FrameAcquisitionNumber"), "CS": (0x00089007, "text", "FrameType"),
    "DT": (0x00189074, "text", "FrameAcquisitionDateTime"), "TM": (0x00080032, "text", "AcquisitionTime"),
    "DA": (0x00080022, "text", "AcquisitionDate"),
}  # fmt: skip
LETTERS = "0123456789+-.eE \\_ABx\0"


def by_pydicom(element: bytes, keyword: str, form: str) -> object:
    from pydicom.filereader import read_dataset

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return value_of(read_dataset(BytesIO(element), False, True, at_top_level=False), keyword, form)


@given(st.sampled_from(sorted(KINDS)), st.text(LETTERS, max_size=9), st.integers(1, 2))
def test_a_plain_value_is_pydicoms(vr: str, text: str, count: int) -> None:
    number, form, keyword = KINDS[vr]
    value = text.encode() if vr not in ("FD", "UL", "US") else text.encode().ljust(16, b"\1")[: 8 * count]
    element = encoded(Element(number, vr, value), explicit=True)
    ours = plain_value(element, form)
    if ours is not CLOSER:
        assert repr(ours) == repr(by_pydicom(element, keyword, form))


@given(st.lists(st.floats(-1e300, 1e300), min_size=2, max_size=6), st.sampled_from(("{}", "{:.3f}", "{:e}")))
def test_several_decimals_are_pydicoms(numbers: list[float], written: str) -> None:
    text = "\\".join(written.format(number)[:17] for number in numbers).encode()
    element = encoded(Element(0x00200032, "DS", text), explicit=True)
    ours = plain_value(element, "numbers:3")
    if ours is not CLOSER:
        assert ours == by_pydicom(element, "ImagePositionPatient", "numbers:3")


@pytest.mark.parametrize(
    ("vr", "value", "form", "expected"),
    [
        ("DS", b"-1.5e2", "number", -150.0), ("DS", b"0.5\\0.8 ", "numbers:2", [0.5, 0.8]), ("DS", b"", "number", None),
        ("FD", pack("<2d", 3, 4), "number", 3.0), ("FD", pack("<d", float("nan")), "number", None),
        ("US", b"\7\0", "integer", 7), ("IS", b"-07 ", "integer", -7), ("CS", b"A\\B ", "text", "A\\B"),
        ("DT", b"20200102", "text", "20200102"), ("DS", b"0.5 ", "numbers:2", CLOSER), ("LO", b"HU", "text", CLOSER),
        ("DS", b"1\0", "number", CLOSER), ("IS", b"2.0 ", "integer", CLOSER),
    ],
)  # fmt: skip
def test_values(vr: str, value: bytes, form: str, expected: object) -> None:
    assert plain_value(encoded(Element(0x00280030, vr, value), explicit=True), form) == expected
    assert plain_value(encoded(Element(0x00280030, vr, value), explicit=False), form, vr.encode()) == expected
