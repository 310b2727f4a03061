"""Decimal commas in the columns of a table whose separator is not the comma."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

Rows = list[tuple[int, tuple[str, ...]]]

#: Digits, commas and points, as numbers, dates and lists of numbers have them.
_FIGURES = re.compile(r"[-+]?[\d.,]*\d[\d.,]*([eE][-+]?\d+)?")
#: ``1,234``: a thousand or one and a bit. A leading zero, as in ``0,125``, groups nothing.
_MAYBE_THOUSANDS = re.compile(r"[-+]?[1-9]\d{0,2}(,\d{3})+")
#: ``1.234`` and ``1.234,5``: where the second stands, the first is a thousand too.
_DOTTED_THOUSANDS = re.compile(r"[-+]?[1-9]\d{0,2}(\.\d{3})+(,\d+)?")


@dataclass(slots=True)
class Decimals:
    """Rows with decimal points, and what became of the columns with commas."""

    #: Row number and cells.
    rows: Rows
    #: Row number and column -> the cell as it stood, where it was rewritten.
    raw: dict[tuple[int, int], str] = field(default_factory=dict)
    #: How many columns were rewritten.
    read: int = 0
    #: How many columns were left as they came, because their commas may mean several things.
    unclear: int = 0


def decimal_points(rows: Rows, width: int) -> Decimals:
    """Rows (rows × *width*, text) with decimal commas as points, in columns where the whole column says so.

    Parameters
    ----------
    rows : list of (int, tuple of str)
        Row numbers and cells.
    width : int
        Columns.

    Examples
    --------
    >>> found = decimal_points([(2, ("P1", "4,2", "1,234")), (3, ("P2", "5,1", "2,500"))], 3)
    >>> found.rows
    [(2, ('P1', '4.2', '1,234')), (3, ('P2', '5.1', '2,500'))]
    >>> found.read, found.unclear
    (1, 1)
    """
    found = Decimals(rows)
    rewritten: dict[tuple[int, int], str] = {}
    for column in range(width):
        figures = [(number, cells[column]) for number, cells in rows if _FIGURES.fullmatch(cells[column])]
        texts = [text for _, text in figures]
        if not any("," in text for text in texts):
            continue
        if not _has_decimal_commas(texts):
            found.unclear += 1
            continue
        found.read += 1
        for number, text in figures:
            point = text.replace(".", "").replace(",", ".")
            if point != text and not text.endswith(","):
                rewritten[number, column] = point
                found.raw[number, column] = text
    if rewritten:
        found.rows = [
            (number, tuple(rewritten.get((number, column), text) for column, text in enumerate(cells)))
            for number, cells in rows
        ]
    return found


def _has_decimal_commas(texts: list[str]) -> bool:
    """Whether the commas of a column are decimal commas beyond doubt."""
    with_comma = [text for text in texts if "," in text]
    with_dot = [text for text in texts if "." in text]
    if any(text.count(",") > 1 for text in texts):
        return False
    if with_dot:
        return all(map(_DOTTED_THOUSANDS.fullmatch, with_dot)) and any("," in text for text in with_dot)
    return not all(map(_MAYBE_THOUSANDS.fullmatch, with_comma))
