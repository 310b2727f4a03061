"""A small table that prints itself: what the vocabulary's questions answer with."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

#: Letters a cell shows at most when printed.
WIDTH = 48


@dataclass(frozen=True, slots=True, repr=False)
class Listing:
    """Rows of text under named columns; printed as a table, in a notebook as HTML.

    Examples
    --------
    >>> print(Listing(("word", "code"), (("male", "248153007"),)))
    word  code
    male  248153007
    """

    #: Column names.
    columns: tuple[str, ...]
    #: One tuple per row, as wide as the columns.
    rows: tuple[tuple[str, ...], ...]

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[dict[str, str]]:
        for row in self.rows:
            yield dict(zip(self.columns, row, strict=True))

    def __getitem__(self, position: int) -> dict[str, str]:
        return dict(zip(self.columns, self.rows[position], strict=True))

    def frame(self) -> pd.DataFrame:
        """The rows as a pandas DataFrame (rows × columns, text)."""
        import pandas as pd

        return pd.DataFrame(list(self.rows), columns=list(self.columns))

    def __repr__(self) -> str:
        if not self.rows:
            return "nothing found"
        cells = [self.columns, *(tuple(map(_short, row)) for row in self.rows)]
        widths = [max(len(line[i]) for line in cells) for i in range(len(self.columns))]
        return "\n".join(
            "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in cells
        )

    def _repr_html_(self) -> str:
        if not self.rows:
            return "<p>nothing found</p>"
        head = "".join(f"<th style='text-align:left'>{escape(name)}</th>" for name in self.columns)
        body = "".join(
            "<tr>" + "".join(f"<td style='text-align:left'>{escape(cell)}</td>" for cell in row) + "</tr>"
            for row in self.rows
        )
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _short(text: str) -> str:
    return text if len(text) <= WIDTH else text[: WIDTH - 3] + "..."
