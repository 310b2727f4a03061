"""Clinical tables as long rows: which column names the patient, which the timepoint, which rows repeat."""

from __future__ import annotations

import re
from collections import defaultdict
from difflib import get_close_matches
from pathlib import PurePosixPath
from typing import Final

from workbench.errors import UsageError
from workbench.extracts.record import ClinicalRow
from workbench.extracts.tables import Table, read_table
from workbench.extracts.tree import Tree
from workbench.findings import Finding

#: What a table's file name ends with.
SUFFIXES: Final = frozenset((".csv", ".tsv", ".parquet"))
#: Workbooks are not read; that one is there is worth telling.
WORKBOOKS: Final = frozenset((".xlsx", ".xls", ".ods"))

#: Names of the patient column, best first: letters and digits only, lower case.
#: IDC clinical tables; DICOM and EUCAIM CDM; CHAIMELEON; Fed-BioMed; BIDS; usual Spanish, Portuguese, German, French.
PATIENT_COLUMNS: Final = (
    "dicompatientid",
    "patientid",
    "patient",
    "patientidentifier",
    "patientnumber",
    "patientno",
    "patid",
    "subjectid",
    "subject",
    "foldername",
    "participantid",
    "participant",
    "caseid",
    "case",
    "idpaciente",
    "pacienteid",
    "paciente",
    "codigopaciente",
    "patientennummer",
    "idpatient",
    "numpatient",
)
#: Names of columns that hold an id of something, taken where none of the above is there: a guess.
ID_COLUMNS: Final = (
    *("pseudonym", "pseudoid", "mrn", "pid", "identifier", "id", "code", "codigo", "kennung", "identifiant"),
)
#: Names of columns that hold a person's name, or a pseudonym under that name (CHAIMELEON's subjectName; DICOM's
#: PatientName): taken only where no id is there. English, Spanish, Portuguese, Catalan, Italian, German, French.
NAME_COLUMNS: Final = (
    *("subjectname", "patientname", "participantname", "patientfullname", "fullname", "name"),
    *("nombrepaciente", "nombredelpaciente", "nombrecompleto", "nombre", "nomepaciente", "nomedopaciente"),
    *("nomecompleto", "nome", "nompacient", "nomdelpacient", "nomepaziente", "nompatient", "nomdupatient", "nom"),
    *("patientenname", "nameundvorname", "nachname", "surname", "lastname", "familyname", "apellidos", "apellido"),
)
#: Names of the timepoint column. EUCAIM handbook and ETL FAQ; BIDS.
TIMEPOINT_COLUMNS: Final = ("imagingtimepoint", "timepoint", "timepointid", "visit", "visitid", "session", "sessionid")


def read_clinical(
    tree: Tree, files: list[str], *, id_column: str | None = None
) -> tuple[tuple[ClinicalRow, ...], tuple[str, ...], tuple[Finding, ...]]:
    """Clinical values of several tables in long form, the files they came from, and what was irregular.

    Parameters
    ----------
    tree : Tree
        The extract.
    files : list of str
        Tables, POSIX paths relative to its root.
    id_column : str, optional
        The column that names the patient. Without it the column is told by its name, else the first is taken,
        which is a finding.

    Raises
    ------
    UsageError
        No table has a column *id_column*, nor one that could be told by its name.
    """
    rows: list[ClinicalRow] = []
    findings: list[Finding] = []
    tables: list[Table] = []
    for file in files:
        name = PurePosixPath(file).name
        if name.startswith("_"):
            findings.append(Finding("csv-not-anonymised-suspected", "table was not loaded", path=file))
        elif PurePosixPath(file).suffix.lower() in WORKBOOKS:
            message = "workbooks are not read: export its sheet as CSV"
            findings.append(Finding("clinical-unreadable", message, path=file))
        else:
            tables.append(read_table(tree.full(file), file=file))
    _check_id_column(tables, id_column)
    for table in tables:
        findings += table.findings
        if table.rows:
            of_table, irregular = long_rows(table, id_column=id_column)
            rows += of_table
            findings += irregular
    return tuple(rows), tuple(table.file for table in tables), tuple(findings)


def long_rows(table: Table, *, id_column: str | None = None) -> tuple[list[ClinicalRow], list[Finding]]:
    """One row per cell of a table, identical repeats dropped, and what was irregular.

    Examples
    --------
    >>> table = Table("a.csv", ("patient_id", "visit", "psa"), ((2, ("P1", "1", "4.2")),))
    >>> [(row.patient_id, row.timepoint, row.variable, row.value) for row in long_rows(table)[0]]
    [('P1', '1', 'psa', '4.2')]
    """
    findings: list[Finding] = []
    patient = _patient_column(table, id_column, findings)
    timepoint = _named(table.header, TIMEPOINT_COLUMNS)
    timepoint = None if timepoint == patient else timepoint
    variables = [i for i in range(len(table.header)) if i not in (patient, timepoint)]
    name = PurePosixPath(table.file).stem

    rows: list[ClinicalRow] = []
    nameless: list[int] = []
    seen: dict[tuple[str, str], dict[tuple[str, ...], int]] = defaultdict(dict)
    same: list[tuple[int, int]] = []
    for number, cells in table.rows:
        # An id is no number: one with a comma stays as it is written.
        who = table.raw.get((number, table.header[patient]), cells[patient])
        when = "" if timepoint is None else cells[timepoint]
        if not who:
            nameless.append(number)
            continue
        before = seen[who, when]
        if cells in before:
            same.append((before[cells], number))
            continue
        before[cells] = number
        rows.extend(
            ClinicalRow(
                who,
                table.header[i],
                cells[i],
                timepoint=when,
                table=name,
                file=table.file,
                row=number,
                raw=table.raw.get((number, table.header[i]), ""),
            )
            for i in variables
        )

    unclear = [tuple(contents.values()) for contents in seen.values() if len(contents) > 1]
    if nameless:
        message = f"row {nameless[0]}: no patient id; {len(nameless)} row(s) left out"
        findings.append(Finding("clinical-unreadable", message, path=table.file, count=len(nameless)))
    if same:
        message = f"rows {same[0][0]} and {same[0][1]} are identical; {len(same)} repeated row(s) counted once"
        findings.append(Finding("rows-per-patient-unclear", message, path=table.file, count=len(same)))
    if unclear:
        where = ", ".join(str(number) for number in unclear[0][:5])
        which = "no timepoint column" if timepoint is None else "the same timepoint"
        message = f"rows {where}: one patient, {which}, different content; {len(unclear)} patient(s) concerned"
        findings.append(Finding("rows-per-patient-unclear", message, path=table.file, count=len(unclear)))
    return rows, findings


def _plain(name: str) -> str:
    return re.sub(r"[\W_]+", "", name).casefold()


def _named(header: tuple[str, ...], names: tuple[str, ...]) -> int | None:
    plain = [_plain(name) for name in header]
    return next((plain.index(name) for name in names if name in plain), None)


def _asked(header: tuple[str, ...], id_column: str | None) -> int | None:
    if id_column is None:
        return None
    if id_column in header:
        return header.index(id_column)
    return _named(header, (_plain(id_column),))


def _patient_column(table: Table, id_column: str | None, findings: list[Finding]) -> int:
    asked = _asked(table.header, id_column)
    if asked is not None:
        return asked
    named = _named(table.header, PATIENT_COLUMNS)
    if named is None:
        column, what = _guessed(table.header)
        findings.append(Finding("id-column-guessed", what, path=table.file))
        return column
    if id_column is not None:
        message = f"the column asked for is not there: column {named + 1} was taken by its name"
        findings.append(Finding("id-column-guessed", message, path=table.file))
    return named


def _guessed(header: tuple[str, ...]) -> tuple[int, str]:
    """The likeliest patient column where none is named like one, and how it was told."""
    column = _named(header, ID_COLUMNS)
    if column is not None:
        return column, f"column {column + 1} was taken: it is named like an id"
    column = _named(header, NAME_COLUMNS)
    if column is not None:
        return (
            column,
            f"column {column + 1} was taken although it is named as one of names: no other is named like an id",
        )
    return 0, "the first column was taken"


def _check_id_column(tables: list[Table], id_column: str | None) -> None:
    headers = [table.header for table in tables if table.rows]
    if id_column is None or not headers or any(_asked(header, id_column) is not None for header in headers):
        return
    if all(_named(header, PATIENT_COLUMNS) is not None for header in headers):
        return
    # Only names close to what was typed are shown: in a table without a header the first row is a patient's.
    close = get_close_matches(id_column, [name for header in headers for name in header], n=3)
    hint = f"did you mean {' or '.join(repr(name) for name in close)}?" if close else "check its spelling"
    files = ", ".join(table.file for table in tables if table.rows)
    raise UsageError(f"no clinical table has a column {id_column!r}", file=files, remedy=hint)
