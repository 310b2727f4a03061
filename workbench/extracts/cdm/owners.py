"""Which patient a row belongs to.

In a database dump by its patient or by what it refers to, as the loader's SQL joins. In the files of the flows only
patients and episodes name one; for the rest somebody must say it, in a table of links.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from workbench.extracts.cdm.model import NOT_CLINICAL, Entity
from workbench.extracts.cdm.parts import Row
from workbench.extracts.cdm.unite import United
from workbench.findings import Finding

#: (table, identifier) -> patient; the table is empty where an identifier is the same in all.
Links = Mapping[tuple[str, str], str]
#: Signs that may stand between a patient id and the rest of an identifier.
_BETWEEN: Final = ("-", "_", ".", "/", ":", "|", " ")


class Owners:
    """Patients of rows.

    Parameters
    ----------
    tables : mapping
        Every table of the export by name; one that refers to another comes after it.
    links : mapping
        What the caller says of identifiers.
    """

    def __init__(self, tables: Mapping[str, United], links: Links) -> None:
        self._links = links
        #: Table -> key of a row -> its patient.
        self._of: dict[str, dict[str, str]] = {}
        #: Patients that the table of patients has; None where there is no such table.
        self.patients: set[str] | None = None
        referred = {
            column.references for one in tables.values() for column in one.parts[0].entity.columns if column.references
        }
        for name, united in tables.items():
            entity = united.parts[0].entity
            if name == "patient":
                patient = entity.name_of("patient")
                self.patients = {row.get(patient, "") for _, _, row in united.rows()} - {""}
            elif name in referred and entity.form == "dump":
                key = entity.name_of("key") or next(iter(entity.names("reference")), "")
                self._of[name] = {row.get(key, ""): self.of(entity, row) for _, _, row in united.rows()}

    def of(self, entity: Entity, row: Row) -> str:
        """Patient of a row; empty where nothing tells."""
        patient = row.get(entity.name_of("patient"), "")
        if not patient and entity.form == "flow":
            identifier = row.get(entity.name_of("key"), "")
            patient = self._links.get((entity.name, identifier)) or self._links.get(("", identifier), "")
        for column in entity.columns:
            if patient:
                break
            if column.references:
                patient = self._of.get(column.references, {}).get(row.get(column.name, ""), "")
        return patient if self.patients is None or patient in self.patients else ""


def unjoinable(tables: Mapping[str, United], owners: Owners) -> list[Finding]:
    """Rows of clinical tables that no patient can be found for, counted by table."""
    findings = []
    for name, united in tables.items():
        if name in NOT_CLINICAL:
            continue
        entity = united.parts[0].entity
        lost = sum(not owners.of(entity, row) for _, _, row in united.rows())
        if lost:
            message = f"{name}: {lost} of {united.count} row(s) name no patient that is known"
            findings.append(Finding("clinical-unjoinable", message, path=united.parts[-1].file, count=lost))
    return findings


def proposed(tables: Mapping[str, United], patients: set[str]) -> dict[tuple[str, str], str]:
    """Links by which every identifier of a table is a patient's id, a sign and a rest; never applied unasked.

    Parameters
    ----------
    tables : mapping
        Tables of a flow export by name.
    patients : set of str
        Ids of the patients that are known.
    """
    found: dict[tuple[str, str], str] = {}
    for name, united in tables.items():
        entity = united.parts[0].entity
        if entity.form != "flow" or name in NOT_CLINICAL or entity.names("patient"):
            continue
        key = entity.name_of("key")
        identifiers = {row.get(key, "") for _, _, row in united.rows()}
        for sign in _BETWEEN:
            owners = {identifier: _prefix(identifier, sign, patients) for identifier in identifiers}
            if identifiers and all(owners.values()):
                found |= {(name, identifier): owner for identifier, owner in sorted(owners.items())}
                break
    return found


def _prefix(identifier: str, sign: str, patients: set[str]) -> str:
    """The longest patient id that an identifier begins with, a sign behind it; empty where there is none."""
    end = identifier.rfind(sign)
    while end > 0:
        if identifier[:end] in patients:
            return identifier[:end]
        end = identifier.rfind(sign, 0, end)
    return ""
