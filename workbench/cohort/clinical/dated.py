"""Which column of a row holds the day of a value beside it: ``psa_date`` that of ``psa``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from workbench.cohort.clinical.beside import row_numbers
from workbench.cohort.clinical.columns import Indices
from workbench.cohort.clinical.deciding import Source, decide
from workbench.cohort.clinical.rules.dates import iso, placeholders
from workbench.cohort.vocabulary.tables import shipped, split
from workbench.extracts.columns import base_of, fold

if TYPE_CHECKING:
    from workbench.cohort.clinical.tally import Tally


@cache
def _dated_by() -> Mapping[str, frozenset[str]]:
    """Date that belongs to a row -> variables it is the day of."""
    return MappingProxyType({row["date"]: frozenset(split(row["variables"])) for row in shipped("dated_by.csv")})


def daters(columns: Mapping[str, tuple[str, ...]]) -> dict[str, str]:
    """Column of a value -> column of its day, of one table.

    A column named as the date of another is the day of that one; of the only column of the same variable, where none
    has that name. The date of a test is the day of every value of that test.

    Parameters
    ----------
    columns : mapping
        Names of the table's columns as spelt -> their variables.

    Examples
    --------
    >>> marker = {"er": ("er_status",), "marker_date": ("tumor_marker_date",)}
    >>> daters({"PSA": ("psa",), "psa_date": (), "sex": ("sex",), **marker})
    {'PSA': 'psa_date', 'er': 'marker_date'}
    """
    from workbench.cohort.vocabulary.mapping import named

    plain = {_last(name): name for name in columns}
    own: dict[str, str] = {}
    for date in columns:
        base = base_of(_last(date))
        if not base:
            continue
        of = [plain[base]] if base in plain else []
        if not of and (variables := named(base)):
            of = [name for name, known in columns.items() if name != date and set(variables) & set(known)]
        if len(of) == 1:
            own[of[0]] = date
    every = [(date, _dated_by()[name]) for date, known in columns.items() for name in known if name in _dated_by()]
    found = {}
    for name, known in columns.items():
        shared = [date for date, variables in every if variables & set(known)]
        if name in own:
            found[name] = own[name]
        elif len(shared) == 1:
            found[name] = shared[0]
    return found


def own_days(
    batch: pa.RecordBatch,
    sources: Sequence[Source],
    column: Indices,
    cells: tuple[Indices, list[str]],
    asked: Sequence[str],
    tally: Tally,
) -> tuple[npt.NDArray[np.object_], npt.NDArray[np.object_]]:
    """Day of each value that another column of its row states, ISO 8601 (rows,), and as it came (rows,); else empty.

    Parameters
    ----------
    batch : RecordBatch
        Rows as adapters yield them, no row of a table cut apart.
    sources : sequence of Source
        Columns that occur.
    column, cells : arrays
        Which of them each row is of; the position of its cell in the list of texts, and that list.
    asked : sequence of str
        Column that holds the day of each source's values; empty where there is none.
    tally : Tally
        Told of days that stand for none.
    """
    at, texts = cells
    number = row_numbers(batch, sources, column)
    days, given = np.full(batch.num_rows, "", object), np.full(batch.num_rows, "", object)
    places = {(source.table, source.name): place for place, source in enumerate(sources)}
    for mine, (source, dater) in enumerate(zip(sources, asked, strict=True)):
        of = places.get((source.table, dater))
        if of is None:
            continue
        cell_of_row = np.full(int(number[-1]) + 1, -1, np.int64)
        there = np.flatnonzero(column == of)
        cell_of_row[number[there]] = at[there]
        own = np.flatnonzero(column == mine)
        cell = cell_of_row[number[own]]
        own, cell = own[cell >= 0], cell[cell >= 0]
        distinct, kind = np.unique(cell, return_inverse=True)
        stated = np.array([texts[i].strip() for i in distinct], object)
        read = np.array([_day(sources[of], text) for text in stated], object)
        for number_of, count in enumerate(np.bincount(kind, minlength=len(distinct))):
            if read[number_of] in placeholders():
                first = int(own[np.argmax(kind == number_of)])
                place = batch["file"][first].as_py() or "", batch["row"][first].as_py() or 0
                tally.note("date-placeholder", dater, int(count), *place)
                read[number_of] = ""
        stated[read == ""] = ""
        if len(own):
            days[own], given[own] = read[kind], stated[kind]
    return days, given


def _day(source: Source, text: str) -> str:
    """The day that a cell of a column of dates states, read as the column itself is; empty where it is none."""
    if source.rules:
        made = decide(source, text)[0] if text else None
        return (made.value or "") if made is not None and made.rule == "date" else ""
    return iso(text, source.order) or ""


def may_date(name: str) -> bool:
    """Whether a column is named as the date of something."""
    return bool(base_of(_last(name)))


def _last(name: str) -> str:
    return fold(name.rpartition(".")[2])
