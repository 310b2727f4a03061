"""Settings: what goes together, and a digest that tells them apart."""

from __future__ import annotations

import json
from typing import Any

import pytest

from workbench.errors import UsageError
from workbench.measure.settings import Settings


@pytest.mark.parametrize(
    "wrong",
    [
        {"resegment_range": (5, 5)},
        {"resegment_range": (None, None)},
        {"resegment_range": (1, 2, 3)},
        {"resegment_range": ("a", 2)},
        {"resegment_range": (float("nan"), 2)},
        {"resegment_sigma": 0},
        {"resegment_sigma": True},
        {"bin_method": "equal"},
        {"bin_size": 1},
        {"bin_size": 2.5},
        {"bin_size": 10**9},
        {"ivh_size": 10_000_001},
        {"bin_size": None},
        {"bin_method": "width", "bin_size": 25},
        {"ivh_method": "width", "ivh_size": 25, "resegment_range": (None, 100)},
        {"texture_aggregation": "2d"},
        {"texture_distance": 0},
    ],
)
def test_what_is_no_setting_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        Settings(**wrong)


def test_the_same_settings_have_the_same_digest_however_they_are_written() -> None:
    assert (
        Settings(resegment_range=(0, 400), bin_size=64).digest
        == Settings(resegment_range=(0.0, 400.0), bin_size=64.0).digest
    )
    assert Settings(bin_method="none", bin_size=7) == Settings(bin_method="none")


def test_any_other_setting_is_another_digest() -> None:
    others = [
        Settings(), Settings(resegment_range=(0, None)), Settings(resegment_sigma=3), Settings(bin_size=64),
        Settings(bin_method="none"), Settings(ivh_size=500), Settings(texture_aggregation="average"),
        Settings(texture_distance=2),
    ]  # fmt: skip
    assert len({each.digest for each in others}) == len(others)


def test_settings_are_plain_json() -> None:
    said = Settings(resegment_range=(-200, 200)).to_dict()
    assert json.loads(json.dumps(said)) == said
