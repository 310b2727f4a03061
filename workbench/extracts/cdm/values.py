"""A row of a table -> clinical values in long form, named ``<table>.<column>`` or ``<table>.<code of the test>``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from workbench.extracts.cdm.model import CODE, CODE_SYSTEM, NOT_CLINICAL, SHIFTED, Entity
from workbench.extracts.cdm.owners import Owners
from workbench.extracts.cdm.parts import Row
from workbench.extracts.cdm.unite import United
from workbench.extracts.record import ClinicalRow

#: Words of databases for "no".
_FALSE = frozenset(("f", "false", "0", "n", "no"))


def clinical_rows(tables: Mapping[str, United], owners: Owners) -> Iterator[ClinicalRow]:
    """Every value of every row whose patient is known, table by table, in file order."""
    for name, united in tables.items():
        if name in NOT_CLINICAL:
            continue
        for part, number, row in united.rows():
            patient = owners.of(part.entity, row)
            if patient:
                yield from _values(part.entity, row, patient, part.file, number)


def _values(entity: Entity, row: Row, patient: str, file: str, number: int) -> Iterator[ClinicalRow]:
    date, offset, offset_unit, timepoint, episode = (
        row.get(entity.name_of(role), "") for role in ("date", "offset", "offset_unit", "timepoint", "episode")
    )

    def value(variable: str, text: str, *, unit: str = "", raw: str = "") -> ClinicalRow:
        code = text if CODE.fullmatch(text) else ""
        return ClinicalRow(
            patient, f"{entity.name}.{variable}", text, unit, code, CODE_SYSTEM if code else "",
            date, offset, offset_unit, timepoint, episode, entity.name, file, number, raw,
        )  # fmt: skip

    units = {of: row.get(column.name, "") for column in entity.columns if column.role == "unit" for of in column.of}
    test = entity.name_of("test")
    if test:
        yield from _of_test(entity, row, row.get(test, "") or test, units, value)
        return
    for name, text in row.items():
        role = entity.column(name).role
        if role == "value":
            shifted = SHIFTED.get((entity.name, name), "")
            if not text and shifted and _is_number(row.get(shifted, "")):
                yield value(name, row[shifted])
            elif text or entity.name == "patient":
                yield (
                    _lived(row, value, name, text)
                    if name == "patient_deceased"
                    else value(name, text, unit=units.get(name, ""))
                )
        elif role in ("date", "offset") and text:
            yield value(name, text, unit=offset_unit if role == "offset" else "")


def _of_test(entity: Entity, row: Row, code: str, units: Mapping[str, str], value: object) -> Iterator[ClinicalRow]:
    """Number and concept of one test, and what else its row says."""
    assert callable(value)
    number, concept = entity.name_of("number"), entity.name_of("concept")
    given = [name for name in (number, concept) if name and row.get(name)]
    for name in given or [number or concept]:
        yield value(code, row.get(name, ""), unit=units.get(name, ""))
    for column in entity.columns:
        if column.role == "value" and row.get(column.name):
            yield value(f"{code}.{column.name}", row[column.name], unit=units.get(column.name, ""))


def _lived(row: Row, value: object, name: str, text: str) -> ClinicalRow:
    """Whether a patient has died: "no" is the column's default, and says nothing where no later contact is known."""
    assert callable(value)
    unknown = text.casefold() in _FALSE and not row.get("patient_date_of_last_contact")
    row_made: ClinicalRow = value(name, "" if unknown else text, raw=text if unknown else "")
    return row_made


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
