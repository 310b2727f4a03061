"""The header of a table: one row or several, as names of columns; and whether one looks as if it had more."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from typing import Final

_NUMBER = re.compile(r"[-+]?\d+([.,]\d+)?")
#: Rows below the header that are looked at.
LOOK: Final = 200
#: Spellings of "no value", in lower case: no heading is one of them.
_MISSING: Final = frozenset(
    ("na", "n/a", "n.a.", "nan", "none", "null", "nil", "unknown", "missing", "not found", "-", "?", ".")
)
#: Columns of which most must tell the same before several header rows are suspected.
_COLUMNS: Final = 2


def joined(head: Sequence[Sequence[str]], width: int) -> tuple[str, ...]:
    """Names of *width* columns: the rows of the header joined with dots, each part once.

    Parameters
    ----------
    head : sequence of sequence of str
        Rows of the header. In all but the last an empty cell continues the one to its left, as merged cells do.
    width : int
        Columns.

    Examples
    --------
    >>> joined([("patient", "", "tumor"), ("id", "age", "tumor")], 3)
    ('patient.id', 'patient.age', 'tumor')
    """
    rows = [_continued(row, width) for row in head[:-1]]
    rows.append(_padded(head[-1], width))
    return tuple(".".join(dict.fromkeys(part for part in parts if part)) for parts in zip(*rows, strict=True))


def _padded(row: Sequence[str], width: int) -> list[str]:
    return [*row[:width], *[""] * (width - len(row))]


def _continued(row: Sequence[str], width: int) -> list[str]:
    cells = _padded(row, width)
    for i in range(1, width):
        cells[i] = cells[i] or cells[i - 1]
    return cells


def unique(names: Sequence[str]) -> tuple[tuple[str, ...], int]:
    """Every column named once, and how many names stood twice: the later one gets its position.

    Examples
    --------
    >>> unique(["id", "", "id"])
    (('id', 'column_2', 'id_3'), 1)
    """
    header: dict[str, None] = {}
    repeated = 0
    for position, name in enumerate(names, start=1):
        own = name or f"column_{position}"
        if own in header:
            repeated += 1
            own = f"{own}_{position}"
        while own in header:
            own += "_"
        header[own] = None
    return tuple(header), repeated


def looks_deeper(names: Sequence[str], rows: Sequence[Sequence[str]]) -> bool:
    """Whether a table looks as if its header had further rows.

    It does where most names are a repetition of their neighbour's, as groups of columns are; and where the first row
    holds words in most of those columns that hold numbers further down.

    Parameters
    ----------
    names : sequence of str
        The header as it was read.
    rows : sequence of sequence of str
        The first rows below it.

    Examples
    --------
    >>> looks_deeper(["psa", "age"], [["ng/mL", "years"], ["4.2", "61"], ["5.1", "70"], ["3.3", "55"]])
    True
    """
    given = [name for name in names if name]
    groups = sum(left == right for left, right in pairwise(given))
    if len(given) > 3 and groups * 2 > len(given):
        return True
    below = list(rows[5:LOOK]) or list(rows[1:])
    numeric = [
        i
        for i in range(len(names))
        if (cells := [row[i] for row in below if i < len(row) and row[i]])
        and len(cells) > 1
        and sum(_NUMBER.fullmatch(cell) is not None for cell in cells) >= 0.9 * len(cells)
    ]
    if len(numeric) < _COLUMNS or not rows:
        return False
    first = {i: rows[0][i] for i in numeric if i < len(rows[0])}
    words = [i for i, cell in first.items() if cell[:1].isalpha() and cell.casefold() not in _MISSING]
    return len(words) >= _COLUMNS and len(words) * 2 > len(numeric)
