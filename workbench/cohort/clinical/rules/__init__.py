"""How values are read, by the reader that the table of variables names."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from workbench.cohort.clinical.rules.dates import read_date, read_year
from workbench.cohort.clinical.rules.numbers import read_age, read_number
from workbench.cohort.clinical.rules.oncology import (
    read_gleason,
    read_isup,
    read_morphology,
    read_rads,
    read_stage,
    read_tnm,
    read_topography,
)
from workbench.cohort.clinical.rules.read import UNMAPPED, Given, Read
from workbench.cohort.vocabulary.folding import fold
from workbench.cohort.vocabulary.tables import lookup, words

__all__ = ["READERS", "Given", "Read"]


def _read_category(given: Given) -> list[Read]:
    word = given.words.get(fold(given.text))
    if word is None:
        word = lookup(given.variable, given.text)
    return [Read(None, UNMAPPED) if word is None else Read(word or None, "code" if word else "missing")]


def _read_boolean(given: Given) -> list[Read]:
    word = words("boolean").get(fold(given.text))
    return [Read(word, "code") if word else Read(None, UNMAPPED)]


def _read_text(given: Given) -> list[Read]:
    return [Read(given.text, "text")]


def _read_uid(given: Given) -> list[Read]:
    return [Read(given.text.rstrip("\0 "), "text")]


#: Name of a reader -> what reads.
READERS: Final[Mapping[str, Callable[[Given], list[Read]]]] = MappingProxyType(
    {
        "number": read_number,
        "age": read_age,
        "year": read_year,
        "date": read_date,
        "category": _read_category,
        "boolean": _read_boolean,
        "tnm": read_tnm,
        "stage": read_stage,
        "gleason": read_gleason,
        "isup": read_isup,
        "ihc": _read_category,
        "birads": read_rads,
        "pirads": read_rads,
        "topography": read_topography,
        "morphology": read_morphology,
        "text": _read_text,
        "uid": _read_uid,
    }
)
