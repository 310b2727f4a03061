"""The sheets of a workbook as clinical tables: which of them are, and what is told of the others."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final

from workbench.extracts.columns import asked, names_patient
from workbench.extracts.delimited import NotATable
from workbench.extracts.reading import ReadOptions
from workbench.extracts.survey import Survey, watched
from workbench.extracts.tables import Table, settle, unreadable
from workbench.extracts.workbooks import Sheet, open_workbook
from workbench.findings import Finding

#: What the name of a workbook ends with.
SUFFIXES: Final = frozenset((".xlsx", ".xlsm"))


def surveyed(path: Path, file: str, how: ReadOptions) -> list[tuple[Table, Survey]]:
    """Tables of a workbook, one per sheet, and what their rows say of patients.

    A hidden sheet is not loaded: it may hold what was not meant to be handed over. Where one sheet names its patient
    column, those that name none (a legend, a list of codes) are not loaded either. Both are findings.

    Parameters
    ----------
    path : Path
        The workbook.
    file : str
        Its path relative to the extract, for findings.
    how : ReadOptions
        What the caller said.
    """
    try:
        found = open_workbook(path)
    except OSError as error:
        return [_none(file, error.strerror or "not readable", how)]
    except NotATable as error:
        return [_none(file, str(error), how)]
    read: list[tuple[Sheet, Table, Survey]] = []
    told: list[Finding] = []
    for sheet in found:
        if sheet.hidden:
            told.append(Finding("sheet-left-out", f"sheet {sheet.position} is hidden", path=file))
            continue
        table, seen = _sheet(sheet, len(found), path, file, how)
        if table.header:
            read.append((sheet, table, seen))
        elif table.findings:
            told += table.findings
    named = [_named(table, how) for _, table, _ in read]
    kept: list[tuple[Table, Survey]] = []
    for (sheet, table, seen), has in zip(read, named, strict=True):
        if has or not any(named):
            kept.append((table, seen))
        else:
            message = f"sheet {sheet.position} has no column named like a patient's: name it with id_column="
            told.append(Finding("sheet-left-out", message, path=file))
    if not kept:
        kept = [_none(file, "no sheet holds a table", how)] if not told else [_nothing(file, how)]
    table, seen = kept[0]
    return [(replace(table, findings=(*told, *table.findings)), seen), *kept[1:]]


def _sheet(sheet: Sheet, of: int, path: Path, file: str, how: ReadOptions) -> tuple[Table, Survey]:
    name = f"{Path(file).stem}: {sheet.title}" if of > 1 else Path(file).stem
    try:
        reading = partial(settle, sheet, path, file=file, header=how.header or 1, name=name)
        table, seen = watched(reading, how)
    except (OSError, NotATable) as error:
        if not _holds_any(sheet):
            return _nothing(file, how)
        table, seen = _none(file, str(error), how)
    findings = [*table.findings, *_irregular(sheet, file)]
    if of > 1:
        findings = [replace(f, message=f"sheet {sheet.position}: {f.message}") for f in findings]
    return replace(table, findings=tuple(findings)), seen


def _holds_any(sheet: Sheet) -> bool:
    """Whether a sheet has a row at all: new workbooks come with empty sheets."""
    try:
        return any(True for _ in sheet)
    except NotATable:
        return True


def _irregular(sheet: Sheet, file: str) -> Iterator[Finding]:
    if sheet.cut:
        yield Finding("clinical-unreadable", sheet.cut, path=file)
    if sheet.areas:
        message = f"{len(sheet.areas)} merged area(s): every cell of one has the value of its first"
        yield Finding("clinical-dialect", message, path=file, count=len(sheet.areas))
    if sheet.errors:
        message = f"{sheet.errors} cell(s) hold an error of Excel: counted as missing"
        yield Finding("cell-error", message, path=file, count=sheet.errors)
    if sheet.uncalculated:
        message = f"{sheet.uncalculated} formula(s) without a value: counted as missing"
        yield Finding("cell-error", message, path=file, count=sheet.uncalculated)


def _named(table: Table, how: ReadOptions) -> bool:
    return asked(table.header, how.id_column) is not None or names_patient(table.header)


def _none(file: str, message: str, how: ReadOptions) -> tuple[Table, Survey]:
    return unreadable(file, message), Survey(("",), how)


def _nothing(file: str, how: ReadOptions) -> tuple[Table, Survey]:
    return Table(file, ()), Survey(("",), how)
