"""Raw bytes become typed columns, once per distinct value."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from workbench.dicom.headers.columns import to_columns
from workbench.dicom.headers.tags import BY_KEYWORD, TAGS
from workbench.dicom.headers.walk import EXPLICIT_LE, RawHeader


def raw(**values: bytes) -> RawHeader:
    found: list[bytes | None] = [None] * len(TAGS)
    for keyword, value in values.items():
        found[TAGS.index(BY_KEYWORD[keyword])] = value
    return RawHeader(found, EXPLICIT_LE)


def one(keyword: str, value: bytes, **others: bytes) -> Any:
    return to_columns([raw(**{keyword: value}, **others)])[keyword].to_pylist()[0]


def test_every_tag_has_a_column_and_a_missing_header_gives_missing_values() -> None:
    columns = to_columns([None, raw(Modality=b"CT")])
    assert list(columns) == [tag.keyword for tag in TAGS]
    assert columns["Modality"].to_pylist() == [None, "CT"]
    assert columns["ModalityLUTSequence"].to_pylist() == [False, False]
    assert np.isnan(columns["PixelSpacing"].to_pylist()).all()


@pytest.mark.parametrize(
    ("keyword", "value", "typed"),
    [
        ("Rows", b"\x00\x02", 512),
        ("Rows", b"\x02", None),
        ("InstanceNumber", b" 12 ", 12),
        ("InstanceNumber", b"12.0", 12),
        ("InstanceNumber", b"1.5", None),
        ("InstanceNumber", b"", None),
        ("InstanceNumber", b"1e400", None),
        ("EchoTime", b"4.5\\9", 4.5),
        ("EchoTime", b"nan", None),
        ("DiffusionBValue", np.float64(1000).tobytes(), 1000.0),
        ("Modality", b"CT ", "CT"),
        ("Modality", b"", None),
        ("SeriesInstanceUID", b"1.2.3\0", "1.2.3"),
        ("ImageType", b"ORIGINAL\\PRIMARY \\AXIAL", "ORIGINAL\\PRIMARY\\AXIAL"),
    ],
)
def test_value_is_typed_and_padding_removed(keyword: str, value: bytes, typed: Any) -> None:
    assert one(keyword, value) == typed


@pytest.mark.parametrize("value", [b"1\\2", b"1\\2\\3\\4", b"1\\x\\3", b"", b"1\\nan\\3", b"1\\2\\inf"])
def test_position_that_is_not_three_finite_numbers_is_missing(value: bytes) -> None:
    assert np.isnan(one("ImagePositionPatient", value)).all()


def test_three_numbers_are_a_position() -> None:
    assert one("ImagePositionPatient", b"-1.5 \\2e1\\+3") == [-1.5, 20.0, 3.0]


@pytest.mark.parametrize(
    ("charset", "value", "text"),
    [
        (b"", "é".encode("latin-1"), "é"),
        (b"ISO_IR 192", "é漢".encode(), "é漢"),
        (b"ISO_IR 144", "ж".encode("iso8859-5"), "ж"),
        (b"GB18030", "漢".encode("gb18030"), "漢"),
        (b"ISO 2022 IR 6\\ISO 2022 IR 87", "漢字".encode("iso2022_jp"), "漢字"),
        (b"nonsense", b"\xe9", "é"),
        (b"ISO_IR 192\0x", b"\xe9", "é"),
    ],
)
def test_text_is_decoded_by_the_files_own_character_set(charset: bytes, value: bytes, text: str) -> None:
    assert one("PatientID", value, SpecificCharacterSet=charset) == text


def test_character_set_does_not_apply_to_code_strings() -> None:
    assert one("Modality", b"CT", SpecificCharacterSet=b"ISO 2022 IR 87") == "CT"


def test_files_of_different_character_sets_do_not_mix() -> None:
    headers = [raw(PatientID=b"\xe6", SpecificCharacterSet=c) for c in (b"ISO_IR 100", b"ISO_IR 144")]
    assert to_columns(headers)["PatientID"].to_pylist() == ["æ", "ц"]
