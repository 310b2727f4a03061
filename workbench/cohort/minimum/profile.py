"""The checks of a profile, from the table beside this file."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Final

from workbench.errors import UsageError

#: Profile -> its table. ``eucaim-minimum``: EUCAIM/handbook, DataPreparation.md, minimum attributes.
PROFILES: Final = {"eucaim-minimum": "checks.csv"}


@dataclass(frozen=True, slots=True)
class Check:
    """One check."""

    #: Its stable name.
    id: str
    #: ``M`` mandatory, ``A`` mandatory where available.
    level: str
    #: What it is mandatory under; empty for always.
    when: str
    #: What is counted.
    unit: str
    #: How it is counted, a key of the functions in :mod:`workbench.cohort.minimum.checking`.
    how: str
    #: Header column, variables, field of a segment or of the description it looks at.
    of: str
    #: What it takes for stated: ``text``, ``date``, ``age``, ``coded``, ``years``, ``icd-o-3`` ...
    accepts: str
    #: When a unit passes.
    passes_when: str
    #: What to do about those that do not.
    remedy: str


@cache
def checks(profile: str = "eucaim-minimum") -> tuple[Check, ...]:
    """Checks of a profile, in its order.

    Raises
    ------
    UsageError
        No such profile.

    Examples
    --------
    >>> [check.id for check in checks()][:2]
    ['img-patient-id', 'img-modality']
    """
    if profile not in PROFILES:
        raise UsageError(f"no profile {profile!r}", remedy=f"use one of {', '.join(PROFILES)}")
    text = files("workbench.cohort").joinpath("minimum", PROFILES[profile]).read_text("utf-8")
    return tuple(Check(**row) for row in csv.DictReader(text.splitlines()))
