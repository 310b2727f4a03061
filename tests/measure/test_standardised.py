"""Standardised differences, worked by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.measure.refused import Refused
from workbench.measure.standardised import largest, smd, smd_of_counts


def test_means_over_the_pooled_spread() -> None:
    # Means 10 and 13, variances 4 and 16: 3 over the root of 10.
    a, b = np.array([8.0, 10, 12]), np.array([9.0, 13, 17])
    assert smd(a, b) == pytest.approx(-3 / np.sqrt(10))
    assert smd(b, a) == pytest.approx(3 / np.sqrt(10))


def test_groups_that_do_not_vary() -> None:
    assert smd(np.full(3, 0.1 + 0.2), np.full(4, 0.3)) == 0
    assert smd(np.zeros(3), np.ones(3)) == Refused("no spread within the groups")
    assert smd(np.zeros(1), np.ones(3)) == Refused("fewer than two values in a group")


def test_two_levels_are_the_difference_of_proportions_over_their_spread() -> None:
    p, q = 30 / 50, 20 / 80
    expected = (p - q) / np.sqrt((p * (1 - p) + q * (1 - q)) / 2)
    assert smd_of_counts(np.array([30.0, 20]), np.array([20.0, 60])) == pytest.approx(expected)


def test_three_levels_worked_by_hand() -> None:
    # Yang and Dalton 2012: all levels but the first, covariances p(1-p) and -pq, averaged.
    p, q = np.array([0.5, 0.3, 0.2]), np.array([0.2, 0.3, 0.5])
    t, c = p[1:], q[1:]
    spread = np.array([
        [(t[0] * (1 - t[0]) + c[0] * (1 - c[0])) / 2, -(t[0] * t[1] + c[0] * c[1]) / 2],
        [-(t[0] * t[1] + c[0] * c[1]) / 2, (t[1] * (1 - t[1]) + c[1] * (1 - c[1])) / 2],
    ])  # fmt: skip
    expected = np.sqrt((t - c) @ np.linalg.inv(spread) @ (t - c))
    assert smd_of_counts(100 * p, 50 * q) == pytest.approx(expected)


@given(st.lists(st.tuples(st.integers(1, 50), st.integers(1, 50)), min_size=2, max_size=5), st.randoms())
def test_the_order_of_levels_and_groups_does_not_matter(pairs: list[tuple[int, int]], random: object) -> None:
    a, b = np.array(pairs, dtype=float).T
    found = smd_of_counts(a, b)
    assert found == pytest.approx(smd_of_counts(b, a))
    assert found == pytest.approx(smd_of_counts(a[::-1], b[::-1]))


def test_a_level_that_nobody_has_changes_nothing() -> None:
    a, b = np.array([30.0, 20]), np.array([20.0, 60])
    assert smd_of_counts(np.append(a, 0), np.append(b, 0)) == pytest.approx(smd_of_counts(a, b))


def test_groups_at_different_levels_altogether_have_no_number() -> None:
    assert smd_of_counts(np.array([10.0, 0]), np.array([0.0, 10])) == Refused("no spread within the groups")
    assert smd_of_counts(np.array([0.0, 0]), np.array([0.0, 10])) == Refused("a group without values")
    assert smd_of_counts(np.array([5.0, 0]), np.array([9.0, 0])) == 0


def test_the_largest_of_all_pairs_and_which() -> None:
    groups = {"a": np.array([1.0, 2, 3]), "b": np.array([2.0, 3, 4]), "c": np.array([6.0, 7, 8])}
    assert largest(groups) == (pytest.approx(5), ("a", "c"))
    assert largest({"a": np.ones(3)}) == (Refused("fewer than two groups"), None)
    value, pair = largest({**groups, "d": np.ones(1)})
    assert (value, pair) == (Refused("fewer than two values in a group"), None)
