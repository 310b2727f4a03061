"""Columns of text as whole numbers: what lets a decision be made once per distinct value, not once per cell."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Indices = npt.NDArray[np.int64]


def encoded(column: pa.Array) -> tuple[Indices, list[str]]:
    """Position of each cell (rows,) in the list of distinct texts, and that list; missing is the empty text.

    Examples
    --------
    >>> positions, texts = encoded(pa.array(["M", None, "F", "M"]))
    >>> [texts[i] for i in positions]
    ['M', '', 'F', 'M']
    """
    coded = pc.fill_null(column, "").dictionary_encode()
    return coded.indices.to_numpy(zero_copy_only=False).astype(np.int64), coded.dictionary.to_pylist()


def together(columns: Sequence[tuple[Indices, int]]) -> tuple[Indices, Indices]:
    """Rows that are alike in several columns: the first row of each kind (kinds,), and each row's kind (rows,).

    Parameters
    ----------
    columns : sequence of (positions, number of distinct values)
    """
    key = columns[0][0]
    for positions, count in columns[1:]:
        if count > 1:
            # Brought down to the kinds that occur at each step, so that the product never overflows.
            _, key = np.unique(key * count + positions, return_inverse=True)
    _, first, kind = np.unique(key, return_index=True, return_inverse=True)
    return first.astype(np.int64), kind.astype(np.int64)


def runs(columns: Sequence[Indices]) -> Indices:
    """Number of the run of equal neighbours each row belongs to (rows,): the cells of one row of a table."""
    if not len(columns[0]):
        return np.zeros(0, np.int64)
    changed = np.zeros(len(columns[0]), bool)
    for column in columns:
        changed[1:] |= column[1:] != column[:-1]
    return np.cumsum(changed).astype(np.int64)
