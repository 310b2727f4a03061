"""Counts that hide small groups: what may be shown of counts of patients, so that no hidden one can be computed.

The promise: no count of fewer than *k* patients is shown, zero included, nor follows from what is shown beside it,
even to somebody who knows the total. What other tables of the same patients tell is not looked at here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

#: A count as it is shown.
Cell = int | str
#: Not small itself, but would give a small one away.
HIDDEN: Final = "–"


def chain(counts: Sequence[int], k: int) -> list[Cell]:
    """Counts of a group that only shrinks: each is at least *k*, and at least *k* below the last one shown.

    Examples
    --------
    >>> chain([40, 38, 30, 3], 5)
    [40, '–', 30, '<5']
    """
    cells: list[Cell] = []
    last: int | None = None
    for count in counts:
        if count < k:
            cells.append(f"<{k}")
        elif last is not None and last - count < k:
            cells.append(HIDDEN)
        else:
            cells.append(count)
            last = count
    return cells


def partition(counts: Sequence[int], k: int) -> list[Cell]:
    """Counts of groups without a patient in common, whose total may be known.

    With the small ones as many larger ones are hidden, the smallest first, as are needed for each small one to be
    anything from 0 to *k* - 1.

    Examples
    --------
    >>> partition([20, 12, 9, 3], 5), partition([20, 12, 9], 5)
    ([20, 12, '–', '<5'], [20, 12, 9])
    """
    small = [i for i, count in enumerate(counts) if count < k]
    others = sorted((i for i, count in enumerate(counts) if count >= k), key=lambda i: (counts[i], i))
    beside: list[int] = []
    while small and not _open(sum(counts[i] for i in (*small, *beside)), len(small), len(beside), k) and others:
        beside.append(others.pop(0))
    return [f"<{k}" if i in small else HIDDEN if i in beside else count for i, count in enumerate(counts)]


def _open(total: int, n_small: int, n_beside: int, k: int) -> bool:
    """Whether a small count can be 0 and can be k - 1, when all that is known is the total of what is hidden."""
    can_be_most = total - n_beside * k >= k - 1
    can_be_none = n_beside > 0 or total <= (n_small - 1) * (k - 1)
    return can_be_most and can_be_none


def beside(count: int, patients: int, k: int) -> Cell:
    """Count of what patients have (studies, series) as it may stand beside their number.

    One more than patients says of one patient that there is a second: it is shown where it is as many as patients,
    or at least *k* more or fewer.

    Examples
    --------
    >>> beside(8, 6, 5), beside(6, 6, 5), beside(11, 6, 5), beside(3, 3, 5)
    ('–', 6, 11, '–')
    """
    few = min(count, patients) < k or 0 < abs(count - patients) < k
    return HIDDEN if few else count


def total(cells: Sequence[Cell]) -> Cell:
    """Sum of the parts where every part is shown; else the sum of those shown, as a lower bound.

    Of nothing shown there is no total: a zero is a small count, too.

    Examples
    --------
    >>> total([20, 12]), total([20, "<5"]), total(["<5"])
    (32, '≥20', '–')
    """
    shown = sum(cell for cell in cells if isinstance(cell, int))
    if cells and all(isinstance(cell, int) for cell in cells):
        return shown
    return f"≥{shown}" if shown else HIDDEN
