"""The tables of header columns agree with the dictionaries."""

from __future__ import annotations

import pytest
from pydicom._private_dict import private_dictionaries
from pydicom.datadict import dictionary_keyword, dictionary_VM, dictionary_VR

from workbench.dicom.headers.tags import BIAS, EITHER_SIGN, TAGS, Tag

PUBLIC = [tag for tag in TAGS if not tag.creator]
PRIVATE = [tag for tag in TAGS if tag.creator]


@pytest.mark.parametrize("tag", PUBLIC, ids=lambda tag: tag.keyword)
def test_public_tag_is_the_standards(tag: Tag) -> None:
    assert dictionary_keyword(tag.number) == tag.keyword
    assert dictionary_VR(tag.number) == ("US or SS" if tag.vr == EITHER_SIGN else tag.vr)
    if tag.sequence:
        assert dictionary_VR(tag.sequence) == "SQ"
    if tag.form.startswith("numbers:"):
        assert dictionary_VM(tag.number) == tag.form.partition(":")[2]


@pytest.mark.parametrize("tag", PRIVATE, ids=lambda tag: tag.keyword)
def test_private_tag_is_the_dictionarys_where_it_has_it(tag: Tag) -> None:
    known = private_dictionaries.get(tag.creator, {}).get(f"{tag.number >> 16:04X}xx{tag.number & 0xFF:02X}")
    assert (known is None) == (tag.keyword == "uih_b_value")
    assert known is None or known[0] == tag.vr
    assert tag.number & 0xFF00 == 0
    assert tag.number >> 16 & 1


def test_every_column_has_a_name_of_its_own() -> None:
    names = [tag.keyword for tag in TAGS]
    assert len(set(names)) == len(names)
    assert set(BIAS) <= set(names)
