"""Results as a notebook shows them: what was found in a line, its table, what to mind."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd


def as_html(line: str, table: pd.DataFrame, warnings: Sequence[str]) -> str:
    """HTML of a line of text, a table, and warnings as a list.

    Examples
    --------
    >>> import pandas as pd
    >>> as_html("p < 0.05", pd.DataFrame({"n": [3]}), ["few events"]).count("<li>")
    1
    """
    minded = "".join(f"<li>{escape(warning)}</li>" for warning in warnings)
    shown = table.to_html(index=False, border=0, float_format="{:.4g}".format, na_rep="")
    return f"<div><p>{escape(line)}</p>{shown}{f'<ul>{minded}</ul>' if minded else ''}</div>"
