from __future__ import annotations

from itertools import pairwise, product

from hypothesis import given
from hypothesis import strategies as st

from workbench.cohort.questions.small import HIDDEN, chain, partition, total

K = 4
counts = st.lists(st.integers(0, 12), min_size=1, max_size=5)


def fits(cells: list[int | str], guess: tuple[int, ...]) -> bool:
    """Whether counts could stand behind what is shown."""
    return all(
        number == cell if isinstance(cell, int) else number < K if cell == f"<{K}" else number >= K
        for cell, number in zip(cells, guess, strict=True)
    )


@given(counts)
def test_no_small_count_of_a_partition_can_be_told_even_from_the_total(given_counts: list[int]) -> None:
    cells = partition(given_counts, K)
    assert fits(cells, tuple(given_counts))
    hidden = [i for i, cell in enumerate(cells) if not isinstance(cell, int)]
    if not hidden or not any(isinstance(cell, int) for cell in cells):
        return
    left = sum(given_counts[i] for i in hidden)
    possible = [
        guess
        for guess in product(range(left + 1), repeat=len(hidden))
        if sum(guess) == left and fits([cells[i] for i in hidden], guess)
    ]
    for place, i in enumerate(hidden):
        if given_counts[i] < K:
            assert {guess[place] for guess in possible} == set(range(K))


@given(counts)
def test_nobody_few_is_left_between_two_counts_of_a_chain(given_counts: list[int]) -> None:
    falling = sorted(given_counts, reverse=True)
    shown = [cell for cell in chain(falling, K) if isinstance(cell, int)]
    assert all(cell >= K for cell in shown)
    assert all(earlier - later >= K for earlier, later in pairwise(shown))
    assert all(number < K for number, cell in zip(falling, chain(falling, K), strict=True) if cell == f"<{K}")


def test_what_is_large_enough_stays() -> None:
    assert partition([5, 9, 30], 5) == [5, 9, 30]
    assert chain([30, 20, 10], 5) == [30, 20, 10]
    assert total([30, HIDDEN, "<5", 4]) == "≥34"
