from __future__ import annotations

from collections import Counter, defaultdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.extracts import repeats
from workbench.extracts.repeats import SHOWN, Repeats

some_rows = st.lists(st.tuples(st.sampled_from("ABCDE"), st.sampled_from("1234")), max_size=60)


@given(rows=some_rows, chunk=st.integers(1, 20))
def test_what_repeats_is_told_alike_however_much_is_in_memory(rows: list[tuple[str, str]], chunk: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(repeats, "_CHUNK", chunk)
        patch.setattr(repeats, "_SPOOL", 16)
        collected = Repeats()
        for number, cells in enumerate(rows, start=2):
            collected.add(number, cells[:1], cells)
        found = collected.settle()

    first: dict[tuple[str, str], int] = {}
    again: list[tuple[int, int]] = []
    of_key: dict[str, list[int]] = defaultdict(list)
    for number, cells in enumerate(rows, start=2):
        if cells in first:
            again.append((first[cells], number))
        else:
            first[cells] = number
            of_key[cells[0]].append(number)
    several = [numbers for numbers in of_key.values() if len(numbers) > 1]
    assert found.same == len(again)
    assert [number for number in range(len(rows) + 2) if number in found] == [second for _, second in again]
    assert found.unclear == len(several)
    assert found.rows[:1] == tuple(several[0][:1] if several else ())
    assert set(found.rows) <= set(several[0] if several else ())
    if again:
        first_row, second_row = found.pair
        assert second_row == again[0][1]
        assert rows[first_row - 2] == rows[second_row - 2]


def test_one_patient_in_every_row_stays_within_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repeats, "_CHUNK", 100)
    collected = Repeats()
    for number in range(2, 10_002):
        collected.add(number, ("P1",), ("P1", str(number)))
    sizes = Counter(len(part) for part in collected._by_key.each())
    assert max(sizes) <= 100 * SHOWN
    assert collected.settle().rows == (2, 3, 4, 5, 6)
