"""What the rows of a part state: columns read alike whether a table has them or not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def values(part: pa.Table, name: str) -> list[Any]:
    """Values of a column, (rows,); all None where the table has no such column.

    Examples
    --------
    >>> part = pa.table({"Units": ["BQML", None]})
    >>> values(part, "Units"), values(part, "SUVType")
    (['BQML', None], [None, None])
    """
    column = _column(part, name)
    found: list[Any] = [None] * part.num_rows if column is None else column.to_pylist()
    return found


def floats(part: pa.Table, name: str) -> Floats:
    """Numbers of a column as float64, (rows,); NaN where missing.

    Examples
    --------
    >>> floats(pa.table({"RescaleSlope": [2, None]}), "RescaleSlope").tolist()
    [2.0, nan]
    """
    column = _column(part, name)
    if column is None or pa.types.is_null(column.type):
        return np.full(part.num_rows, np.nan)
    return np.asarray(column.to_numpy(zero_copy_only=False), np.float64)


def distinct(part: pa.Table, name: str) -> list[Any]:
    """The different values of a column, in order of their first row; None among them where one is missing.

    Examples
    --------
    >>> distinct(pa.table({"Units": ["BQML", "BQML", None]}), "Units")
    ['BQML', None]
    """
    column = _column(part, name)
    if column is None:
        return [None] if part.num_rows else []
    found: list[Any] = pc.unique(column).to_pylist()
    return found


def words(part: pa.Table, name: str) -> set[str]:
    """The different texts of a column, upper case without padding; empty text where one is missing.

    Examples
    --------
    >>> sorted(words(pa.table({"RescaleType": ["hu ", None]}), "RescaleType"))
    ['', 'HU']
    """
    return {str(value or "").strip().upper() for value in distinct(part, name)}


def _column(part: pa.Table, name: str) -> pa.ChunkedArray | None:
    # Asking for all names, each made a Python string, would take longer than reading the column.
    at = part.schema.get_field_index(name)
    return None if at < 0 else part.column(at)
