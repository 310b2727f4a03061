"""The shipped vocabulary: variables, codes, spellings, conflicts, from the tables beside this file."""

from __future__ import annotations

import csv
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Final

from workbench.cohort.vocabulary.folding import bare, fold, fold_name

#: A concept of the hyper-ontology, bare.
_CONCEPT: Final = re.compile(r"(?:BP|CLIN|COM|IMG|SPEC)[0-9]{6,}")
#: Types a variable can have.
TYPES: Final = ("number", "category", "boolean", "date", "text")


@dataclass(frozen=True, slots=True)
class Variable:
    """One harmonised variable."""

    #: Its name, a column of ``cohort.clinical``.
    name: str
    #: ``number``, ``category``, ``boolean``, ``date`` or ``text``.
    type: str
    #: UCUM unit; empty for what is no number.
    unit: str
    #: Plausible range; None where there is none.
    low: float | None
    high: float | None
    #: What it is.
    description: str
    #: How its values are read, a key of :data:`workbench.cohort.clinical.rules.READERS`.
    reader: str = "text"
    #: Whole numbers only.
    whole: bool = False
    #: A number without a stated unit says nothing: both millimetres and centimetres are usual.
    unit_stated: bool = False
    #: Value sets its words and codes are looked up in, the first its own.
    value_sets: tuple[str, ...] = ()
    #: Names it goes by in tables, folded.
    aliases: tuple[str, ...] = ()
    #: System -> codes of the variable itself (the question): ``explorer_old``, ``explorer_new``, ``hyperontology``,
    #: ``snomed``, ``loinc``, ``radlex``, ``icd_o_3``.
    codes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    #: DICOM tag, as (gggg,eeee).
    dicom_tag: str = ""
    #: Where it stands in the minimum set of the federation.
    minimum_set: str = ""
    #: Where each layout keeps it.
    places: Mapping[str, str] = field(default_factory=dict)
    #: What one must know before using it.
    trap: str = ""
    #: Who defined it.
    source: str = ""

    def __repr__(self) -> str:
        unit = f" in {self.unit}" if self.unit not in ("", "1") else ""
        span = "" if self.low is None or self.high is None else f", plausible {self.low:g} to {self.high:g}"
        lines = [f"{self.name}: {self.description}", f"  {self.type}{unit}{span}"]
        lines += [f"  {system}: {', '.join(given)}" for system, given in self.codes.items()]
        if self.dicom_tag:
            lines.append(f"  DICOM: {self.dicom_tag}")
        if self.minimum_set:
            lines.append(f"  minimum set: {self.minimum_set}")
        lines += [f"  {layout}: {place}" for layout, place in self.places.items()]
        if self.trap:
            lines.append(f"  mind: {self.trap}")
        return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class Code:
    """One code of a value, as one system has it."""

    #: Value set it is of.
    value_set: str
    #: The harmonised word; empty where the code says that there is no value.
    value: str
    #: The code, bare.
    code: str
    #: System it is of.
    system: str
    #: What the system calls it.
    label: str
    #: Other spellings of the code.
    keys: tuple[str, ...]
    note: str
    source: str


@dataclass(frozen=True, slots=True)
class Conflict:
    """Where sources contradict one another, and how it is read here."""

    variables: tuple[str, ...]
    conflict: str
    codes: tuple[str, ...]
    what: str
    reading: str
    source: str


def shipped(name: str) -> list[dict[str, str]]:
    """Rows of a table of the vocabulary."""
    text = files("workbench.cohort").joinpath("vocabulary", name).read_text("utf-8")
    return list(csv.DictReader(text.splitlines()))


def split(text: str, mark: str = "|") -> tuple[str, ...]:
    """Parts of a cell that holds several."""
    return tuple(part.strip() for part in text.split(mark) if part.strip())


_SYSTEMS: Final = ("explorer_old", "explorer_new", "hyperontology", "snomed", "loinc", "radlex", "icd_o_3")
#: Layout -> column of the table of variables that says where it keeps them.
LAYOUT_COLUMNS: Final = {"dataset-service": "eform", "cdm": "cdm_table", "cdm flow": "cdm_flow", "idc": "idc"}


@cache
def variables() -> Mapping[str, Variable]:
    """The harmonised variables by name.

    Examples
    --------
    >>> variables()["age_at_diagnosis"].unit
    'a'
    """
    found = {}
    for row in shipped("variables.csv"):
        found[row["variable"]] = Variable(
            row["variable"],
            row["type"],
            row["unit"],
            float(row["low"]) if row["low"] else None,
            float(row["high"]) if row["high"] else None,
            row["description"],
            row["reader"],
            row["whole"] == "yes",
            row["unit_stated"] == "yes",
            split(row["value_set"]),
            split(row["aliases"]),
            MappingProxyType({name: split(row[name], ";") for name in _SYSTEMS if row[name]}),
            row["dicom_tag"],
            row["minimum_set"],
            MappingProxyType({layout: row[column] for layout, column in LAYOUT_COLUMNS.items() if row[column]}),
            row["trap"],
            row["source"],
        )
    return MappingProxyType(found)


@cache
def all_codes() -> tuple[Code, ...]:
    """Every code of every value set, in the order of the table."""
    return tuple(
        Code(
            row["variable"], row["value"], row["code"], row["system"], row["label"],
            split(row["alternate_keys"]), row["note"], row["source"],
        )
        for row in shipped("codes.csv")
    )  # fmt: skip


@cache
def all_conflicts() -> tuple[Conflict, ...]:
    """Every known conflict."""
    return tuple(
        Conflict(
            split(row["variables"]), row["conflict"], split(row["codes"]), row["what"], row["reading"], row["source"]
        )
        for row in shipped("conflicts.csv")
    )


@cache
def names() -> Mapping[str, str]:
    """Name of a variable as spelt, folded -> harmonised name.

    The codes of the question count as names too, so that a table of tests (code, value) is understood. A code that
    stands for two variables (see the conflicts) is no name.
    """
    found = {fold_name(alias): v.name for v in variables().values() for alias in v.aliases}
    for code, holders in _questions().items():
        if len(holders) == 1:
            found.setdefault(code, holders[0])
    return MappingProxyType(found)


@cache
def shared_questions() -> Mapping[str, tuple[str, ...]]:
    """Code of a question, folded -> the variables it stands for, where it stands for more than one."""
    return MappingProxyType({code: holders for code, holders in _questions().items() if len(holders) > 1})


def _questions() -> dict[str, tuple[str, ...]]:
    """Code of a question, folded -> the variables it stands for."""
    said = {fold_name(row["code"]): row["variable"] for row in shipped("questions.csv")}
    values = {code.code for code in all_codes()} - {
        code.code for code in all_codes() if code.value_set == "marker_test"
    }
    holders: dict[str, dict[str, None]] = defaultdict(dict)
    for variable in variables().values():
        for system, given in variable.codes.items():
            for code in (bare(text.split()[0]) for text in given if system != "icd_o_3"):
                if code not in values:
                    holders[fold_name(code)].setdefault(variable.name)
    return {code: tuple(found) for code, found in holders.items()} | {code: (name,) for code, name in said.items()}


@cache
def sites() -> Mapping[str, str]:
    """ICD-O-3 topography code of three characters -> what it is of.

    Examples
    --------
    >>> sites()["C61"], "C99" in sites()
    ('prostate gland', False)
    """
    return MappingProxyType({row["site"]: row["label"] for row in shipped("topography.csv")})


@cache
def words(value_set: str) -> Mapping[str, str]:
    """Spelling of a value, folded -> harmonised word (empty: there is no value), of one value set."""
    found: dict[str, str] = {}
    for row in shipped("spellings.csv"):
        if row["value_set"] == value_set:
            if row["value"]:
                found.setdefault(fold(row["value"]), row["value"])
            for spelling in split(row["spellings"]):
                found.setdefault(fold(spelling), row["value"])
    for code in all_codes():
        if code.value_set == value_set:
            found.setdefault(fold(code.value), code.value)
            found.setdefault(fold(code.label), code.value)
    return MappingProxyType(found)


@cache
def coded_values(value_set: str) -> Mapping[str, str]:
    """Code of a value, bare and in upper case -> harmonised word, of one value set."""
    found: dict[str, str] = {}
    for code in all_codes():
        if code.value_set == value_set:
            for key in (code.code, *code.keys):
                found.setdefault(bare(key).upper(), code.value)
    return MappingProxyType(found)


@cache
def concepts(value_set: str) -> Mapping[str, str]:
    """Harmonised word -> its concept in the hyper-ontology, of one value set; its own rows go before twins of others.

    Examples
    --------
    >>> concepts("modality")["CT"], concepts("sex")["female"]
    ('IMG1000042', 'COM1001370')
    """
    found: dict[str, str] = {}
    for own in (True, False):
        for code in all_codes():
            if code.value_set == value_set and code.value and (code.system == "EUCAIM") is own:
                for key in map(bare, (code.code, *code.keys)):
                    if _CONCEPT.fullmatch(key):
                        found.setdefault(code.value, key)
    return MappingProxyType(found)


@cache
def preferred(value_set: str) -> Mapping[str, tuple[str, str]]:
    """Harmonised word -> its code and system: the first row of the table, which is the Explorer's."""
    found: dict[str, tuple[str, str]] = {}
    for code in all_codes():
        if code.value_set == value_set and code.value:
            found.setdefault(code.value, (code.code, code.system))
    return MappingProxyType(found)


def lookup(variable: Variable, text: str) -> str | None:
    """Harmonised word of a value as spelt or coded; None where the vocabulary has none, empty for no value."""
    key = fold(text)
    for value_set in variable.value_sets:
        if key in words(value_set):
            return words(value_set)[key]
    code = bare(text).upper()
    for value_set in variable.value_sets:
        if code in coded_values(value_set):
            return coded_values(value_set)[code]
    return None


def code_of(variable: Variable, value: str) -> tuple[str, str]:
    """Bare code and system of a harmonised word; empty texts where it has none."""
    for value_set in variable.value_sets:
        if value in preferred(value_set):
            return preferred(value_set)[value]
    return ("", "")


def values_of(variable: Variable) -> tuple[str, ...]:
    """The harmonised words a category can have, in the order of the tables."""
    found: dict[str, None] = {}
    for value_set in variable.value_sets:
        for code in all_codes():
            if code.value_set == value_set and code.value:
                found.setdefault(code.value)
        for value in words(value_set).values():
            if value:
                found.setdefault(value)
    return tuple(found)


def iterate_spellings() -> Iterator[tuple[str, str, str]]:
    """Every (value set, harmonised word, spelling) of the table of spellings."""
    for row in shipped("spellings.csv"):
        for spelling in split(row["spellings"]):
            yield row["value_set"], row["value"], spelling
