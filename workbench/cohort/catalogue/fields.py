"""Fields of a dataset's record in the federation's catalogue, from the table beside this file."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from importlib.resources import files


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a record."""

    #: Part of the record it stands in.
    group: str
    #: Its name, with the prefix of its vocabulary.
    field: str
    #: ``M`` mandatory, ``R`` recommended, ``O`` optional.
    level: str
    #: How it is found, a key of :data:`workbench.cohort.catalogue.describing.HOW`; empty for what only a person knows.
    how: str
    #: What an extract calls it where it declares it, one of several names; the value where that is always the same.
    of: str
    #: What it holds.
    says: str
    #: Profile that asks for it.
    source: str


@cache
def fields() -> tuple[Field, ...]:
    """Fields of a record, in the order of the profile.

    Examples
    --------
    >>> [field.field for field in fields() if field.group == "imaging"][:2]
    ['eucaim:hasImageModality', 'eucaim:hasEquipmentManufacturer']
    """
    text = files("workbench.cohort").joinpath("catalogue", "fields.csv").read_text("utf-8")
    return tuple(Field(**row) for row in csv.DictReader(text.splitlines()))
