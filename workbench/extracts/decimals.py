"""Decimal commas in the columns of a table whose separator is not the comma."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

#: Digits, commas and points, as numbers, dates and lists of numbers have them.
_FIGURES = re.compile(r"[-+]?[\d.,]*\d[\d.,]*([eE][-+]?\d+)?")
#: ``1,234``: a thousand or one and a bit. A leading zero, as in ``0,125``, groups nothing.
_MAYBE_THOUSANDS = re.compile(r"[-+]?[1-9]\d{0,2}(,\d{3})+")
#: ``1.234`` and ``1.234,5``: where the second stands, the first is a thousand too.
_DOTTED_THOUSANDS = re.compile(r"[-+]?[1-9]\d{0,2}(\.\d{3})+(,\d+)?")


@dataclass(slots=True)
class _Column:
    """What the figures of one column have shown so far."""

    #: A comma occurs; twice in one cell; a comma that cannot group thousands; a point; a point and a comma.
    comma: bool = False
    twice: bool = False
    divides: bool = False
    point: bool = False
    both: bool = False
    #: Every point groups thousands.
    grouping: bool = True

    def see(self, text: str) -> None:
        if "," in text:
            self.comma = True
            self.twice = self.twice or text.count(",") > 1
            self.divides = self.divides or not _MAYBE_THOUSANDS.fullmatch(text)
        if "." in text:
            self.point = True
            self.both = self.both or "," in text
            self.grouping = self.grouping and _DOTTED_THOUSANDS.fullmatch(text) is not None

    @property
    def decimal(self) -> bool:
        """Whether the commas are decimal commas beyond doubt."""
        if self.twice or not self.comma:
            return False
        return (self.grouping and self.both) if self.point else self.divides


class DecimalMarks:
    """Which columns of a table have decimal commas; told by all their cells, which are seen in pieces.

    Parameters
    ----------
    width : int
        Columns.

    Examples
    --------
    >>> marks = DecimalMarks(3)
    >>> marks.see([("P1", "P2"), ("4,2", "5,1"), ("1,234", "2,500")])
    >>> marks.read, marks.unclear
    (frozenset({1}), 1)
    """

    def __init__(self, width: int) -> None:
        self._columns = [_Column() for _ in range(width)]

    def see(self, columns: Iterable[Sequence[str]]) -> None:
        """Look at some rows, given as columns."""
        for state, cells in zip(self._columns, columns, strict=False):
            for text in cells:
                if ("," in text or "." in text) and _FIGURES.fullmatch(text):
                    state.see(text)

    @property
    def read(self) -> frozenset[int]:
        """Columns whose commas are decimal commas."""
        return frozenset(i for i, column in enumerate(self._columns) if column.decimal)

    @property
    def unclear(self) -> int:
        """How many columns have commas that may mean several things: left as they came."""
        return sum(column.comma and not column.decimal for column in self._columns)


def point(text: str) -> str:
    """A figure with a decimal point instead of the comma; any other text as it is.

    Examples
    --------
    >>> point("1.234,5"), point("1,5 x")
    ('1234.5', '1,5 x')
    """
    if ("," not in text and "." not in text) or text.endswith(",") or not _FIGURES.fullmatch(text):
        return text
    return text.replace(".", "").replace(",", ".")
