"""Clinical tables of an extract in long form, and what they say of the time of studies and of centres."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import partial
from itertools import chain, islice
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Final

from workbench.arguments import short
from workbench.errors import PathNotFound, UsageError
from workbench.extracts import sheets
from workbench.extracts.centres import Centres
from workbench.extracts.columns import asked
from workbench.extracts.reading import ReadOptions
from workbench.extracts.record import StudyRef
from workbench.extracts.rows import BATCH_ROWS, Clinical, clinical_columns
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
#: Rows of a header at most: more were a table read on its side.
MOST_HEADER_ROWS: Final = 100
_ALL: Final = SUFFIXES | WORKBOOKS
#: Options that reading tables heeds: what a layout with tables beside its images accepts.
OPTIONS: Final = frozenset(("id_column", "node_column", "header", "clinical"))


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
    #: Patient -> centre, where a column names it.
    nodes: dict[str, str] = field(default_factory=dict)


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
        ``id_column``: the column that names the patient; where a table has no such column, or none was asked for,
        it is told by its name, else the first is taken, which is a finding. ``node_column``: the column that names
        the centre. ``header``: rows of the header. ``clinical``: tables outside the extract, read after those in it.

    Raises
    ------
    UsageError
        No table has a column *id_column*, or none has *node_column*; a header of less than one row.
    PathNotFound
        A table outside the extract that is not there.
    """
    if how.header is not None and not 1 <= how.header <= MOST_HEADER_ROWS:
        raise UsageError(
            f"header={short(how.header)}: a header has at least one row, and {MOST_HEADER_ROWS} at most",
            remedy="count its rows",
        )
    findings: list[Finding] = []
    read: list[tuple[Table, Survey]] = []
    places = [*((tree.full(file), file, False) for file in files), *outside(how.clinical, tree.root)]
    for path, file, named in places:
        if path.name.startswith("~$"):
            # What Excel keeps beside a workbook while it is open.
            continue
        if path.name.startswith("_"):
            message = "table was loaded, for it was named" if named else "table was not loaded"
            findings.append(Finding("csv-not-anonymised-suspected", message, path=file))
        if path.suffix.lower() in WORKBOOKS:
            message = "workbooks of this kind are not read: save it as .xlsx, or its sheets as CSV"
            findings.append(Finding("clinical-unreadable", message, path=file))
        elif named or not path.name.startswith("_"):
            read += surveyed(path, file, how)
    tables = [table for table, _ in read]
    _check_id_column(tables, how.id_column)
    _check_node_column(tables, how.node_column)
    sources = []
    studies: list[StudyRef] = []
    centres = Centres()
    for table, seen in read:
        findings += table.findings
        if not table.n_rows:
            continue
        findings += seen.findings(table)
        studies += _studies(table, seen)
        centres.add(seen.nodes)
        if seen.columns.variables and seen.columns.patient is not None:
            sources.append(partial(batches, table, seen))
    findings += centres.findings(how.node_column or "")
    files_read = tuple(dict.fromkeys(table.file for table in tables))
    return ClinicalTables(Clinical(sources), files_read, tuple(findings), tuple(studies), centres.nodes)


def outside(given: Sequence[Path], root: Path) -> list[tuple[Path, str, bool]]:
    """Tables that stand outside the extract: path, how it is told (relative to the root), whether it was named itself.

    Parameters
    ----------
    given : sequence of Path
        Files, and folders whose tables are meant.
    root : Path
        Folder of the extract.

    Raises
    ------
    PathNotFound
        A path that does not exist.
    UsageError
        A folder without a table.
    """
    found: list[tuple[Path, str, bool]] = []
    for item in given:
        path = Path(os.path.realpath(os.path.expanduser(item)))
        if not path.exists():
            raise PathNotFound("no such clinical table", file=path.name, remedy="check clinical=... (--clinical)")
        here = [(path, True)]
        if path.is_dir():
            inner = Tree(path, (path,))
            tables = [name for name in inner.folder().files if PurePosixPath(name).suffix.lower() in _ALL]
            if not tables:
                remedy = f"name a file, or a folder with files that end in {', '.join(sorted(SUFFIXES))}"
                raise UsageError("no clinical table in the folder", file=path.name, remedy=remedy)
            here = [(inner.full(name), False) for name in tables]
        found += [(one, Path(os.path.relpath(one, root)).as_posix(), named) for one, named in here]
    return found


def surveyed(path: Path, file: str, how: ReadOptions) -> list[tuple[Table, Survey]]:
    """The tables of a file, and what their rows say of patients, both told in one pass."""
    if path.suffix.lower() in sheets.SUFFIXES:
        return sheets.surveyed(path, file, how)
    return [watched(partial(read_table, path, file=file, header=how.header or 1), how)]


def batches(table: Table, seen: Survey) -> Iterator[pa.RecordBatch]:
    """Values of a table in long form, one per cell: Arrow batches (rows, columns of :func:`clinical_columns`).

    Examples
    --------
    >>> from workbench.extracts.survey import survey
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

    date, offset = (None, None) if columns.undated else (columns.date, columns.offset)
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
        "date": of_row(date),
        "offset": of_row(offset),
        "offset_unit": of_row(None if offset is None else columns.offset_unit),
        "timepoint": of_row(columns.timepoint),
        "episode": of_row(columns.episode),
        "table": constant(table.name),
        "file": constant(table.file),
        "row": pa.array([row.number for row in rows], pa.int64()).take(each),
    }
    if offset is not None and columns.offset_unit is None:
        given["offset_unit"] = constant(columns.offset_words)
    if not whole:
        cells = ((row.raw[i], row.cells[i]) for row in rows for i in variables)
        given["raw"] = text(["" if raw == cell else raw for raw, cell in cells])
    schema = clinical_columns()
    return pa.RecordBatch.from_arrays([given.get(f.name, constant("")) for f in schema], schema=schema)


def _studies(table: Table, seen: Survey) -> Iterator[StudyRef]:
    """What a table says of the time of studies."""
    columns = seen.columns
    if columns.study is None:
        return
    for row in seen.kept(table):
        if not row.raw[columns.study]:
            continue

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
    raise _no_such_column(tables, id_column)


def _check_node_column(tables: list[Table], node_column: str | None) -> None:
    headers = [table.header for table in tables if table.n_rows]
    if node_column is not None and not any(asked(header, node_column) is not None for header in headers):
        raise _no_such_column(tables, node_column)


def _no_such_column(tables: list[Table], name: str) -> UsageError:
    headers = [table.header for table in tables if table.n_rows]
    # Only names close to what was typed are shown: in a table without a header the first row is a patient's.
    close = get_close_matches(name, [column for header in headers for column in header], n=3)
    hint = f"did you mean {' or '.join(repr(column) for column in close)}?" if close else "check its spelling"
    files = ", ".join(dict.fromkeys(table.file for table in tables if table.n_rows)) or None
    return UsageError(f"no clinical table has a column {name!r}", file=files, remedy=hint)
