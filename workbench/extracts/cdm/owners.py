"""Which patient a row belongs to.

In a database dump by its patient or by what it refers to, as the loader's SQL joins. In the files of the flows only
patients and episodes name one; for the rest somebody must say it, in a table of links.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import Final

from workbench.extracts.cdm.model import NOT_CLINICAL, Entity
from workbench.extracts.cdm.parts import Part, Row
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
        self._tables = tables
        self._links = links
        #: Table -> key of a row -> its patient.
        self._of: dict[str, dict[str, str]] = {}
        #: Patients that the table of patients has; None where there is no such table.
        self.patients: set[str] | None = set() if "patient" in tables else None
        self._lost: Counter[str] = Counter()
        #: Rows whose patient the row they refer to may tell, where that comes later in the same table.
        self._later: dict[str, Counter[str]] = defaultdict(Counter)
        self._keys: dict[str, str] = {}
        referred = {
            column.references for one in tables.values() for column in one.parts[0].entity.columns if column.references
        }
        for name, united in tables.items():
            entity = united.parts[0].entity
            if name != "patient" and name in referred and entity.form == "dump":
                self._keys[name] = entity.name_of("key") or next(iter(entity.names("reference")), "")
                self._of[name] = {}

    @property
    def known(self) -> set[str]:
        """Ids of the patients that the table of patients has, as it is read; empty where there is none."""
        return set() if self.patients is None else self.patients

    def see(self, name: str, part: Part, number: int, row: Row, /) -> None:
        """Take in whose a row is, and whether anybody's."""
        entity = part.entity
        if name == "patient" and self.patients is not None and (patient := row.get(entity.name_of("patient"), "")):
            self.patients.add(patient)
        owner = self.of(entity, row) if name in self._keys or name not in NOT_CLINICAL else ""
        if name in self._keys:
            self._of[name][row.get(self._keys[name], "")] = owner
        if owner or name in NOT_CLINICAL:
            return
        own = next((row.get(c.name, "") for c in entity.columns if c.references == name and row.get(c.name)), "")
        if own:
            self._later[name][own] += 1
        else:
            self._lost[name] += 1

    def unjoinable(self) -> list[Finding]:
        """Rows of clinical tables that no patient can be found for, counted by table."""
        findings = []
        for name, united in self._tables.items():
            of = self._of.get(name, {})
            lost = self._lost[name] + sum(n for key, n in self._later[name].items() if not of.get(key))
            if lost:
                message = f"{name}: {lost} of {united.count} row(s) name no patient that is known"
                findings.append(Finding("clinical-unjoinable", message, path=united.parts[-1].file, count=lost))
        return findings

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


class Proposed:
    """Links by which every identifier of a table is a patient's id, a sign and a rest; never applied unasked.

    Parameters
    ----------
    patients : set of str
        Ids of the patients that are known by the time other tables are seen.
    """

    def __init__(self, patients: set[str]) -> None:
        self._patients = patients
        self._identifiers: dict[str, set[str]] = {}
        #: Signs by which every identifier seen so far begins with a patient.
        self._signs: dict[str, list[str]] = {}

    def see(self, name: str, part: Part, number: int, row: Row, /) -> None:
        """Take in the identifier of a row."""
        entity = part.entity
        if entity.form != "flow" or name in NOT_CLINICAL or entity.names("patient"):
            return
        signs = self._signs.setdefault(name, list(_BETWEEN))
        if not signs:
            return
        identifier = row.get(entity.name_of("key"), "")
        identifiers = self._identifiers.setdefault(name, set())
        if identifier in identifiers:
            return
        identifiers.add(identifier)
        signs[:] = [sign for sign in signs if _prefix(identifier, sign, self._patients)]
        if not signs:
            # One that begins with nobody: there will be no proposal, and nothing to hold.
            identifiers.clear()

    def links(self) -> dict[tuple[str, str], str]:
        """(table, identifier) -> patient, once every row was seen."""
        return {
            (name, identifier): _prefix(identifier, signs[0], self._patients)
            for name, signs in self._signs.items()
            if signs
            for identifier in sorted(self._identifiers[name])
        }


def _prefix(identifier: str, sign: str, patients: set[str]) -> str:
    """The longest patient id that an identifier begins with, a sign behind it; empty where there is none."""
    end = identifier.rfind(sign)
    while end > 0:
        if identifier[:end] in patients:
            return identifier[:end]
        end = identifier.rfind(sign, 0, end)
    return ""
