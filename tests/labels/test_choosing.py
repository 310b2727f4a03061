"""Which masks count is the user's to say."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from workbench.errors import UsageError
from workbench.findings import Finding
from workbench.labels import Masks, Segment
from workbench.labels.choosing import above, check_select, chosen, named
from workbench.labels.names import name_table

DATA = np.random.default_rng(0).random((3, 2, 3, 4)) < 0.5


def held(uid: str, date: str = "", **facts: Any) -> Masks:
    """An object of three segments."""
    segments = [
        Segment(1, "GTV_1", "SCT:108369006", algorithm="MANUAL", source_uid=uid, date=date, **facts),
        Segment(2, "Lung L", "SCT:44029006", algorithm="AUTOMATIC", annotator="net v2", source_uid=uid, date=date),
        Segment(3, "gtv-nodes", "SCT:108369006", algorithm="MANUAL", source_uid=uid, date=date),
    ]
    return Masks.from_array(segments, DATA, findings=[Finding("label-empty", uid)])


@pytest.mark.parametrize(
    ("select", "numbers"),
    [
        ({"name": "GTV*"}, [1, 3]),
        ({"name": "lung l"}, [2]),
        ({"name": ["Lung*", "*nodes"]}, [2, 3]),
        ({"code": "SCT:108369006", "name": "*1"}, [1]),
        ({"algorithm": "automatic"}, [2]),
        ({"annotator": "net*"}, [2]),
        ({"kind": "SEG", "newest": False}, [1, 2, 3]),
        (None, [1, 2, 3]),
    ],
)
def test_segments_that_fit_are_taken_with_their_own_voxels(select: Any, numbers: list[int]) -> None:
    (masks,), findings = chosen([held("a")], select)
    assert findings == []
    assert [segment.number for segment in masks.segments] == numbers
    np.testing.assert_array_equal(masks.data, DATA[[n - 1 for n in numbers]])


def test_standard_names_are_names_too() -> None:
    masks = named(held("a"), name_table())
    assert [segment.standard for segment in masks.segments][:2] == ["GTV", "Lung_L"]
    (found,), _ = chosen([masks], {"name": "Lung_L"})
    assert [segment.number for segment in found.segments] == [2]


def test_a_table_of_ones_own_comes_first() -> None:
    assert named(held("a"), name_table({"gtv nodes": "GTVn", "GTV #": "Lesion"})).segments[0].standard == "Lesion"


def test_newest_is_the_object_with_the_latest_date() -> None:
    found, findings = chosen([held("a", "2024-01-02"), held("b", "2024-03-01T10:00:00"), held("c", "2023")], "newest")
    assert [masks.segments[0].source_uid for masks in found] == ["b"]
    # The findings of what was not taken are still told.
    assert sorted(finding.message for finding in findings) == ["a", "c"]


def test_newest_is_asked_among_those_that_fit() -> None:
    newer = held("b", "2025-01-01")
    found, _ = chosen([held("a", "2024-01-01", annotator="me"), newer], {"annotator": "me", "newest": True})
    assert [segment.source_uid for masks in found for segment in masks.segments] == ["a"]


def test_objects_without_a_date_are_never_the_newest_and_this_is_said() -> None:
    found, findings = chosen([held("a"), held("b", "2024-01-01")], "newest")
    assert [masks.segments[0].source_uid for masks in found] == ["b"]
    assert "label-undated" in [finding.code for finding in findings]


@pytest.mark.parametrize("dates", [("", ""), ("2024-01-01", "2024-01-01"), ("2024-01-01", "2024-01-01T08:00:00")])
def test_equally_new_objects_stand_side_by_side_and_this_is_said(dates: tuple[str, str]) -> None:
    found, findings = chosen([held("a", dates[0]), held("b", dates[1])], "newest")
    assert len(found) == 2
    assert [finding.code for finding in findings] == ["label-undated"]


def test_nothing_that_fits_is_a_finding() -> None:
    found, findings = chosen([held("a")], {"name": "heart"})
    assert found == []
    assert [finding.code for finding in findings] == ["label-not-selected", "label-empty"]


@pytest.mark.parametrize("select", ["oldest", {"nmae": "x"}, {"newest": "yes"}, 3])
def test_what_means_nothing_is_refused(select: Any) -> None:
    with pytest.raises(UsageError):
        chosen([held("a")], select)


def test_a_threshold_is_the_least_fraction_that_counts() -> None:
    fractions = np.array([0.2, 0.5, 0.7, 0.0], np.float32).reshape(1, 1, 2, 2)
    masks = Masks.from_array([Segment(1, "x")], fractions, fractional_type="probability",
                             findings=[Finding("label-fractional")])  # fmt: skip
    made = above(masks, 0.5)
    assert (made.kind, made.fractional_type, made.findings) == ("mask", "", ())
    assert made.data.tolist() == [[[[False, True], [True, False]]]]
    assert above(masks, None) is masks


@pytest.mark.parametrize("threshold", [0, -0.1, 1.2, float("nan")])
def test_a_threshold_outside_the_fractions_is_refused(threshold: float) -> None:
    with pytest.raises(UsageError, match="threshold"):
        above(held("a"), threshold)


def test_brackets_and_question_marks_of_a_name_are_themselves() -> None:
    segments = [Segment(1, "s[1]"), Segment(2, "s1"), Segment(3, "what?"), Segment(4, "whats")]
    masks = [Masks.from_array(segments, np.zeros((4, 1, 2, 2), bool))]
    for name in ("s[1]", "what?"):
        found, _ = chosen(masks, {"name": name})
        assert [segment.name for segment in found[0].segments] == [name]


@pytest.mark.parametrize("value", ["", 5, None, [], ["a", 5]])
def test_what_is_no_text_is_refused(value: object) -> None:
    with pytest.raises(UsageError, match="name cannot be"):
        check_select({"name": value})
