"""Clinical tables of an extract in long form, and what they say of the time of studies and of centres."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import partial
from itertools import chain, islice
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Final

from workbench.errors import UsageError
from workbench.extracts import sheets
from workbench.extracts.columns import asked, names_patient
from workbench.extracts.reading import ReadOptions
from workbench.extracts.record import StudyRef
from workbench.extracts.rows import BATCH_ROWS, CLINICAL, Clinical
from workbench.extracts.survey import Survey, watched
from workbench.extracts.tables import Row, Table, read_table
from workbench.extracts.tree import Tree
from workbench.findings import Finding

if TYPE_CHECKING:
    import pyarrow as pa

#: What a table's file name ends with.
SUFFIXES: Final = frozenset((".csv", ".tsv", ".parquet", ".xlsx", ".xlsm"))
#: Workbooks that are not read; that one is there is worth telling.
WORKBOOKS: Final = frozenset((".xls", ".xlsb", ".ods", ".numbers"))


@dataclass(frozen=True, slots=True)
class ClinicalTables:
    """What the clinical tables of an extract say."""

    #: Values in long form, in file order, read when they are asked for.
    clinical: Clinical = field(default_factory=Clinical)
    #: Files that were looked at, POSIX, relative to the extract's root.
    files: tuple[str, ...] = ()
    #: What was irregular.
    findings: tuple[Finding, ...] = ()
    #: What tables say of the time of studies.
    studies: tuple[StudyRef, ...] = ()


def read_clinical(tree: Tree, files: Sequence[str], how: ReadOptions) -> ClinicalTables:
    """Clinical values of several tables in long form, the files they came from, and what was irregular.

    One pass over each table settles what it is. Its values are read anew when they are asked for, in batches, so
    that memory stays flat however large a table is.

    Parameters
    ----------
    tree : Tree
        The extract.
    files : sequence of str
        Tables, POSIX paths relative to its root.
    how : ReadOptions
        ``id_column``: the column that names the patient; without it the column is told by its name, else the first
        is taken, which is a finding. ``header``: rows of the header.

    Raises
    ------
    UsageError
        No table has a column *id_column*, nor one that could be told by its name; a header of less than one row.
    """
    if how.header is not None and how.header < 1:
        raise UsageError(f"header={how.header}: a table has at least one row of header", remedy="count its rows")
    findings: list[Finding] = []
    read: list[tuple[Table, Survey]] = []
    for file in files:
        name = PurePosixPath(file).name
        if name.startswith("~$"):
            # What Excel keeps beside a workbook while it is open.
            continue
        if name.startswith("_"):
            findings.append(Finding("csv-not-anonymised-suspected", "table was not loaded", path=file))
        elif PurePosixPath(file).suffix.lower() in WORKBOOKS:
            message = "workbooks of this kind are not read: save it as .xlsx, or its sheets as CSV"
            findings.append(Finding("clinical-unreadable", message, path=file))
        else:
            read += surveyed(tree.full(file), file, how)
    tables = [table for table, _ in read]
    _check_id_column(tables, how.id_column)
    sources = []
    studies: list[StudyRef] = []
    for table, seen in read:
        findings += table.findings
        if not table.n_rows:
            continue
        findings += seen.findings(table)
        studies += _studies(table, seen)
        if seen.columns.variables and seen.columns.patient is not None:
            sources.append(partial(batches, table, seen))
    files_read = tuple(dict.fromkeys(table.file for table in tables))
    return ClinicalTables(Clinical(sources), files_read, tuple(findings), tuple(studies))


def surveyed(path: Path, file: str, how: ReadOptions) -> list[tuple[Table, Survey]]:
    """The tables of a file, and what their rows say of patients, both told in one pass."""
    if path.suffix.lower() in sheets.SUFFIXES:
        return sheets.surveyed(path, file, how)
    return [watched(partial(read_table, path, file=file, header=how.header or 1), how)]


def batches(table: Table, seen: Survey) -> Iterator[pa.RecordBatch]:
    """Values of a table in long form, one per cell: Arrow batches (rows, columns of ``CLINICAL``).

    Examples
    --------
    >>> table = Table.of("a.csv", ("patient_id", "visit", "psa"), [("P1", "1", "4.2")])
    >>> clinical = Clinical([partial(batches, table, survey(table, ReadOptions()))])
    >>> [(row.patient_id, row.timepoint, row.variable, row.value) for row in clinical]
    [('P1', '1', 'psa', '4.2')]
    """
    rows = seen.kept(table)
    size = max(1, BATCH_ROWS // len(seen.columns.variables))
    while some := list(islice(rows, size)):
        yield _batch(table, seen, some)


def _batch(table: Table, seen: Survey, rows: list[Row]) -> pa.RecordBatch:
    import numpy as np
    import pyarrow as pa

    columns = seen.columns
    variables = columns.variables
    each = np.repeat(np.arange(len(rows)), len(variables))
    n = len(each)

    def text(cells: Iterable[str]) -> pa.Array:
        return pa.array(cells, pa.string())

    def constant(cell: str) -> pa.Array:
        return pa.repeat(pa.scalar(cell, pa.string()), n)

    def of_row(column: int | None) -> pa.Array:
        return constant("") if column is None else text([row.cells[column] for row in rows]).take(each)

    units = [columns.units.get(i) for i in variables]
    whole = all(row.cells is row.raw for row in rows)
    patient = columns.patient or 0
    given = {
        # An id is no number: one with a comma stays as it is written.
        "patient_id": text([row.raw[patient] for row in rows]).take(each),
        "variable": text([table.header[i] for i in variables]).take(np.tile(np.arange(len(variables)), len(rows))),
        "value": text(list(chain.from_iterable([row.cells[i] for i in variables] for row in rows))),
        "unit": text([row.cells[i] if i is not None else "" for row in rows for i in units])
        if columns.units
        else constant(""),
        "date": of_row(columns.date),
        "offset": of_row(columns.offset),
        "offset_unit": of_row(columns.offset_unit),
        "timepoint": of_row(columns.timepoint),
        "episode": of_row(columns.episode),
        "table": constant(table.name),
        "file": constant(table.file),
        "row": pa.array([row.number for row in rows], pa.int64()).take(each),
    }
    if columns.offset is not None and columns.offset_unit is None:
        given["offset_unit"] = constant(columns.offset_words)
    if not whole:
        cells = ((row.raw[i], row.cells[i]) for row in rows for i in variables)
        given["raw"] = text(["" if raw == cell else raw for raw, cell in cells])
    return pa.RecordBatch.from_arrays([given.get(f.name, constant("")) for f in CLINICAL], schema=CLINICAL)


def _studies(table: Table, seen: Survey) -> Iterator[StudyRef]:
    """What a table says of the time of studies."""
    columns = seen.columns
    if columns.study is None:
        return
    for row in seen.kept(table):

        def cell(column: int | None, row: Row = row) -> str:
            return "" if column is None else row.raw[column]

        yield StudyRef(
            cell(columns.study),
            patient_id=cell(columns.patient),
            timepoint=cell(columns.timepoint),
            episode=cell(columns.episode),
            date=cell(columns.date),
            offset=cell(columns.offset),
            offset_unit=cell(columns.offset_unit) or (columns.offset_words if cell(columns.offset) else ""),
            source=f"{table.file}:{row.number}",
        )


def _check_id_column(tables: list[Table], id_column: str | None) -> None:
    headers = [table.header for table in tables if table.n_rows]
    if id_column is None or not headers or any(asked(header, id_column) is not None for header in headers):
        return
    if all(names_patient(header) for header in headers):
        return
    raise _no_such_column(tables, id_column)


def _no_such_column(tables: list[Table], name: str) -> UsageError:
    headers = [table.header for table in tables if table.n_rows]
    # Only names close to what was typed are shown: in a table without a header the first row is a patient's.
    close = get_close_matches(name, [column for header in headers for column in header], n=3)
    hint = f"did you mean {' or '.join(repr(column) for column in close)}?" if close else "check its spelling"
    files = ", ".join(dict.fromkeys(table.file for table in tables if table.n_rows))
    return UsageError(f"no clinical table has a column {name!r}", file=files, remedy=hint)
