"""Facts of an uptake value: one value each, and everything that stands in the way told at once."""

from __future__ import annotations

import math

import pyarrow as pa
import pytest

from workbench.dicom.values.suv_facts import SuvFacts
from workbench.errors import SuvUnavailable

PART = pa.table(
    {"same": [1.0, 1.0], "some": [1.0, None], "differ": ["a", "b"], "blank": [" ", " "], "nan": [math.nan] * 2}
)


def test_one_value_of_all_images_is_the_fact() -> None:
    facts = SuvFacts(PART)
    assert facts.number("same") == 1
    facts.settle()


def test_every_reason_is_told_at_once() -> None:
    facts = SuvFacts(PART)
    assert math.isnan(facts.number("some"))
    assert (facts.text("differ"), facts.text("blank")) == ("", "")
    assert math.isnan(facts.number("nan"))
    facts.refuses("and this", tag="same")
    with pytest.raises(SuvUnavailable) as caught:
        facts.settle()
    assert caught.value.missing == ("some", "blank", "nan")
    assert caught.value.what == (
        "SUV not available: some missing in 1 of 2 images; differ differs between images; blank missing in 2 of 2 "
        "images; nan missing in 2 of 2 images; and this"
    )
    assert caught.value.remedy


def test_what_no_image_states_is_optional() -> None:
    facts = SuvFacts(PART)
    assert (facts.optional("blank"), facts.optional("none"), facts.missing) == ("", "", [])
    assert facts.optional("some") == ""
    assert facts.missing == ["some"]
