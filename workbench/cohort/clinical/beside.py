"""Other cells of the row of a table that a cell stands in."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

import numpy as np
import pyarrow as pa

from workbench.cohort.clinical.columns import Indices, encoded, runs
from workbench.cohort.clinical.deciding import Source
from workbench.cohort.vocabulary.folding import fold_name


def row_numbers(batch: pa.RecordBatch, sources: Sequence[Source], column: Indices) -> Indices:
    """Number of the table's row that each cell stands in (rows,)."""
    tables = {name: place for place, name in enumerate(dict.fromkeys(source.table for source in sources))}
    keys = [np.array([tables[source.table] for source in sources], np.int64)[column]]
    keys += [encoded(batch[name])[0] for name in ("patient_id", "file")]
    keys.append(batch["row"].to_numpy(zero_copy_only=False))
    return runs(keys)


def beside(
    batch: pa.RecordBatch, sources: Sequence[Source], column: Indices, columns: dict[str, tuple[Indices, list[str]]]
) -> dict[str, tuple[Indices, list[str]]]:
    """Cells of the same row that rules ask for: per folded column, each row's position in the list of texts.

    The position behind the list's end stands for: no such cell, or not asked for.
    """
    asked = list(dict.fromkeys(chain.from_iterable(source.columns for source in sources)))
    if not asked:
        return {}
    at, texts = columns["value"]
    number = row_numbers(batch, sources, column)
    found = {}
    for name in asked:
        gives = np.array([fold_name(s.name) == name or fold_name(s.name.rpartition(".")[2]) == name for s in sources])
        needs = np.array([name in s.columns for s in sources])
        of_row = np.full(int(number[-1]) + 1, len(texts), np.int64)
        rows = np.flatnonzero(gives[column])
        of_row[number[rows]] = at[rows]
        found[name] = (np.where(needs[column], of_row[number], len(texts)), texts)
    return found
