"""What is known of the tables of the common data model, from ``columns.csv``: a row per column and form.

``flow`` are the CSV files that the flows write from the ingestion schema, ``dump`` the tables of the output
database. Names are spelt as there, also where that is misspelt; PostgreSQL folds them, so they are matched without
case. Source: EUCAIM/etl-toolset, ``Database/3_init_eucaim_cdm_output.sql`` and the SELECT lists of ``flows/*.json``;
the column ``role`` is ours.
"""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import PurePosixPath
from typing import Final, Literal

Form = Literal["flow", "dump"]

#: Name of a file that a flow writes.
FLOW_FILE: Final = re.compile(r"(?P<entity>[a-z_]+)_(?P<stamp>\d{8}_\d{6})_records\.csv", re.IGNORECASE)
#: What code columns hold for a term that the look-up did not find.
NOT_FOUND: Final = "NOT FOUND"
#: Where one of the mapped columns lies under another name: variable -> where the loader puts the number.
SHIFTED: Final = {("tumor", "tumor_volume"): "tumor_volume_unit"}
#: Tables about images and bookkeeping: they give no clinical value.
NOT_CLINICAL: Final = frozenset(
    ("dataset", "image_study", "image_series", "image_tag", "image_modality", "episode_event", "mapping_results")
)
#: Codes of the EUCAIM hyper-ontology.
CODE: Final = re.compile(r"(CLIN|COM|IMG|BP|GEN|SPEC)\d{7}")
#: Name of their system.
CODE_SYSTEM: Final = "EUCAIM"


@dataclass(frozen=True, slots=True)
class Column:
    """One column of one table."""

    #: As spelt in the SQL or the flow.
    name: str
    #: SQL type, ``VARCHAR`` where none is stated.
    type: str
    #: What it is for: key, patient, dataset, reference, test, number, concept, unit, value, date, offset,
    #: offset_unit, timepoint, episode, study_uid, series_uid.
    role: str
    #: Columns that a unit is of.
    of: tuple[str, ...] = ()
    #: Table that a reference leads to; empty where it is none.
    references: str = ""


class Entity:
    """One table in one form.

    Examples
    --------
    >>> stage = entity("cancer_stage", "flow")
    >>> stage.column("CANCER_STAGE_CODE").role, stage.names("key")
    ('test', ('Identifier',))
    """

    def __init__(self, name: str, form: Form, columns: tuple[Column, ...]) -> None:
        self.name = name
        self.form = form
        self.columns = columns
        self._by_name = {column.name.casefold(): column for column in columns}
        roles: dict[str, list[str]] = {}
        for column in columns:
            roles.setdefault(column.role, []).append(column.name)
        self._roles = {role: tuple(names) for role, names in roles.items()}

    def column(self, spelt: str) -> Column:
        """The column of that name, whatever its case; an unknown one is a value of no stated type."""
        return self._by_name.get(spelt.strip().casefold()) or Column(spelt.strip(), "VARCHAR", "value")

    def knows(self, spelt: str) -> bool:
        """Whether there is a column of that name."""
        return spelt.strip().casefold() in self._by_name

    def names(self, role: str) -> tuple[str, ...]:
        """Names of the columns of a role, in their order."""
        return self._roles.get(role, ())

    def name_of(self, role: str) -> str:
        """Name of the first column of a role; empty where there is none."""
        return next(iter(self.names(role)), "")


@cache
def _entities() -> dict[tuple[str, str], Entity]:
    text = files("workbench.extracts.cdm").joinpath("columns.csv").read_text("utf-8")
    found: dict[tuple[str, str], list[Column]] = {}
    for row in csv.DictReader(text.splitlines()):
        column = Column(
            row["column"], row["type"], row["role"], tuple(row["of"].split()), row["references"].partition(".")[0]
        )
        found.setdefault((row["form"], row["entity"]), []).append(column)
    return {
        key: Entity(key[1], "flow" if key[0] == "flow" else "dump", tuple(columns)) for key, columns in found.items()
    }


def entity(name: str, form: Form) -> Entity | None:
    """Facts about a table; None where that form has none of the name."""
    return _entities().get((form, name))


def entities(form: Form) -> tuple[Entity, ...]:
    """Every table of a form; one that refers to another comes after it."""
    listed = {key[1]: found for key, found in _entities().items() if key[0] == form}
    ordered: dict[str, Entity] = {}

    def add(name: str) -> None:
        for column in listed[name].columns:
            if column.references and column.references not in (name, *ordered):
                add(column.references)
        ordered[name] = listed[name]

    for name in listed:
        if name not in ordered:
            add(name)
    return tuple(ordered.values())


def file_of(path: str) -> tuple[str, Form, str] | None:
    """Entity, form and stamp of a file, by its name; None where it is no table of the model.

    Examples
    --------
    >>> file_of("clinical_data/cancer_stage_20260102_030405_records.csv")
    ('cancer_stage', 'flow', '20260102_030405')
    >>> file_of("Patient.csv"), file_of("clinical.csv")
    (('patient', 'dump', ''), None)
    """
    name = PurePosixPath(path).name
    if (match := FLOW_FILE.fullmatch(name)) is not None:
        found = match["entity"].lower()
        return (found, "flow", match["stamp"]) if entity(found, "flow") else None
    stem, suffix = PurePosixPath(name).stem.lower(), PurePosixPath(name).suffix.lower()
    return (stem, "dump", "") if suffix == ".csv" and entity(stem, "dump") else None
