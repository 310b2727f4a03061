"""A small static table: caption, header, numbers to the right, no script."""

from __future__ import annotations

import html
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd


#: Numbers and what tables make of them: ``12``, ``12 (40 %)``, ``61.5 [58.0, 70.2]``, ``3 of 4``.
_NUMERIC = re.compile(r"[<−-]?\d[\d\s.,%()\[\]−–-]*( of [\d,]+)?[ †]*")
#: Places where a long word (a path, a UID) may be broken.
_BREAKS = re.compile(r"(?<=[/._-])(?=[^\s<])")


@dataclass(frozen=True, slots=True)
class Html:
    """A piece of HTML that a notebook displays."""

    #: The HTML.
    text: str

    def _repr_html_(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return "<report element>"


def table(
    frame: pd.DataFrame, *, caption: str, units: Mapping[str, str] | None = None, group: str = "", limit: int = 500
) -> Html:
    """A static HTML table of a data frame's columns; its index is not shown.

    Parameters
    ----------
    frame : pandas.DataFrame
        What to show, already in words and rounded where words are wanted.
    caption : str
        What the table shows; every table has one.
    units : mapping of str to str
        Column name to unit, shown below the column's name.
    group : str
        Column whose equal neighbours are shown once, as a heading row.
    limit : int
        Rows shown at most; a line says how many were left out.

    Examples
    --------
    >>> import pandas as pd
    >>> "<caption>Ages</caption>" in table(pd.DataFrame({"age": [61.5]}), caption="Ages", units={"age": "a"}).text
    True
    """
    units = units or {}
    columns = [name for name in frame.columns if name != group]
    numeric = {name: _is_number(frame[name]) for name in columns}
    head = "".join(
        f'<th scope="col"{_css(numeric[name])}>{_text(name)}'
        + (f'<span class="wb-unit">{_text(units[name])}</span>' if units.get(name) else "")
        + "</th>"
        for name in columns
    )
    body: list[str] = []
    before: object = None
    for values in frame.head(limit).to_dict("records"):
        if group and values[group] != before:
            before = values[group]
            body.append(f'<tr class="wb-group"><th scope="colgroup" colspan="{len(columns)}">{_text(before)}</th></tr>')
        cells = []
        for position, name in enumerate(columns):
            shown = _cell(values[name])
            if position == 0:
                cells.append(f'<th scope="row"{_css(numeric[name])}>{shown}</th>')
            else:
                cells.append(f"<td{_css(numeric[name])}>{shown}</td>")
        body.append(f"<tr>{''.join(cells)}</tr>")
    if frame.empty:
        body.append(f'<tr><td class="wb-none" colspan="{max(1, len(columns))}">none</td></tr>')
    more = f'<p class="wb-more">{len(frame) - limit} more rows are not shown.</p>' if len(frame) > limit else ""
    return Html(
        f'<div class="wb-table" role="region" tabindex="0" aria-label="{_text(caption)}"><table>'
        f"<caption>{_text(caption)}</caption><thead><tr>{head}</tr></thead><tbody>{''.join(body)}</tbody></table></div>"
        f"{more}"
    )


def _css(numeric: bool) -> str:
    return ' class="wb-n"' if numeric else ""


def _is_number(column: Any) -> bool:
    if column.dtype.kind in "iuf":
        return True
    texts = [str(value) for value in column.dropna() if str(value).strip() not in ("", "–")]
    return bool(texts) and all(_NUMERIC.fullmatch(text) for text in texts)


def _format(value: Any) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)) or str(value) in ("<NA>", "NaT", "nan"):
        return "–"
    if isinstance(value, float):
        return f"{value:,.0f}" if value.is_integer() else f"{value:,.4g}"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return str(value)


def _text(value: object) -> str:
    return html.escape(str(value))


def _cell(value: object) -> str:
    """Escaped text; long words may break, and what follows a line break stands small below."""
    first, _, rest = _format(value).partition("\n")
    return _breakable(first) + (f"<small>{_breakable(rest)}</small>" if rest else "")


def _breakable(text: str) -> str:
    """Escaped text in which a word of more than 24 characters may break: after ``/ . _ -``, else every 24."""
    shown = []
    for word in re.split(r"(\s+)", text):
        pieces = _BREAKS.split(word) if len(word) > 24 else [word]
        chunks = [piece[start : start + 24] for piece in pieces for start in range(0, len(piece), 24)]
        shown.append("<wbr>".join(map(_text, chunks)))
    return "".join(shown)
