"""Clinical rows as nodes spell them -> values in one language, the raw value and the rule beside each.

What cannot be mapped stays, under its own name or as it came, and is a finding. No value is converted on
suspicion: a suspected unit is told, not mended.
"""

from __future__ import annotations

import csv
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from statistics import median
from typing import Final

from workbench.cohort.times import day, offset_days
from workbench.extracts.record import ClinicalRow
from workbench.findings import Finding

#: Spellings of "there is no value", casefolded.
MISSING: Final = frozenset(("", "na", "n/a", "nan", "none", "null", "unknown", "not found", "missing", "-", "."))
#: Units that a number may have come in by mistake, and what divides it into the right one, by right unit.
MISTAKEN_UNITS: Final = {"a": (("months", 12.0), ("days", 365.25)), "mo": (("days", 30.4375),)}


#: UCUM units that read better as words.
UNIT_WORDS: Final = {"a": "years", "mo": "months", "1": ""}


_NUMBER: Final = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,2})?")


@dataclass(frozen=True, slots=True)
class Variable:
    """One harmonised variable."""

    #: Its name, a column of ``cohort.clinical``.
    name: str
    #: ``number``, ``category`` or ``date``.
    type: str
    #: UCUM unit; empty for categories and dates.
    unit: str
    #: Plausible range; None where there is none.
    low: float | None
    high: float | None
    #: What it is.
    description: str


@dataclass(frozen=True, slots=True)
class Value:
    """One harmonised value with where it came from; the row of ``cohort.values``."""

    patient_id: str
    timepoint: str
    variable: str
    value: str | None
    unit: str
    raw_variable: str
    raw_value: str
    raw_unit: str
    table: str
    file: str
    row: int
    rule: str
    episode: str = ""
    date: str = ""
    offset_days: float | None = None


def _shipped(name: str) -> list[dict[str, str]]:
    text = files("workbench.cohort").joinpath("vocabulary", name).read_text("utf-8")
    return list(csv.DictReader(text.splitlines()))


@cache
def variables() -> dict[str, Variable]:
    """The harmonised variables by name.

    Examples
    --------
    >>> variables()["age_at_diagnosis"].unit
    'a'
    """
    return {
        row["variable"]: Variable(
            row["variable"], row["type"], row["unit"], _float(row["low"]), _float(row["high"]), row["description"]
        )
        for row in _shipped("variables.csv")
    }


@cache
def _aliases() -> dict[str, str]:
    return {alias: row["variable"] for row in _shipped("variables.csv") for alias in row["aliases"].split("|")}


@cache
def _codes() -> dict[tuple[str, str], str]:
    return {
        (row["variable"], spelling): row["value"]
        for row in _shipped("codes.csv")
        for spelling in row["spellings"].split("|")
    }


def fold(text: str) -> str:
    """Text without case, accents and outer blanks, for comparing spellings.

    Examples
    --------
    >>> fold(" Próstata ")
    'prostata'
    """
    plain = unicodedata.normalize("NFKD", text.strip().casefold())
    return "".join(char for char in plain if not unicodedata.combining(char))


def _float(text: str) -> float | None:
    """Number in plain ASCII notation; None for anything else, also where Python would be more generous."""
    return float(text) if _NUMBER.fullmatch(text) else None


def _variable_of(raw: str) -> str | None:
    """Harmonised name of a variable as spelt, with or without its page; None where there is none."""
    for name in (raw, raw.rpartition(".")[2]):
        key = re.sub(r"[^a-z0-9]+", "_", fold(name)).strip("_")
        if key in _aliases():
            return _aliases()[key]
    return None


def harmonise(rows: Iterable[ClinicalRow]) -> tuple[list[Value], list[Finding]]:
    """Values in one language, one per clinical row, and what could not be mapped or is not plausible.

    Parameters
    ----------
    rows : iterable of ClinicalRow
        As an adapter yields them, of one extract.
    """
    values: list[Value] = []
    unmapped: dict[str, int] = defaultdict(int)
    strange: dict[str, int] = defaultdict(int)
    for row in rows:
        variable = _variable_of(row.variable)
        if variable is None:
            unmapped[row.variable] += 1
            name, value, unit, rule = row.variable, row.value.strip() or None, row.unit, "as it came"
        else:
            name = variable
            value, unit, rule = _value(variables()[variable], row)
            if rule == "unmapped":
                strange[variable] += 1
        values.append(
            Value(
                row.patient_id, row.timepoint, name, value, unit, row.variable, row.raw or row.value, row.unit,
                row.table, row.file, row.row, rule, row.episode,
                taken.isoformat() if (taken := day(row.date)) else "", offset_days(row.offset, row.offset_unit),
            )
        )  # fmt: skip
    findings = [Finding("variable-unmapped", name, count=count) for name, count in sorted(unmapped.items())]
    findings += [Finding("value-unmapped", name, count=count) for name, count in sorted(strange.items())]
    return values, [*findings, *_implausible(values)]


def _value(variable: Variable, row: ClinicalRow) -> tuple[str | None, str, str]:
    """Harmonised text, unit and rule of one value; a value that cannot be mapped stays as it came."""
    raw = row.value.strip()
    if fold(raw) in MISSING:
        return None, variable.unit, "missing"
    if variable.type == "number":
        # "1,234" may be a thousand or one and a bit: left unmapped rather than guessed.
        comma = raw.count(",") == 1 and "." not in raw and not re.fullmatch(r"\d{1,3},\d{3}", raw)
        number = _float(raw.replace(",", ".") if comma else raw)
        if number is None:
            number = _age(raw) if variable.unit == "a" else None
        if number is None:
            return None, variable.unit, "unmapped"
        return f"{number:.10g}", variable.unit, "number"
    if variable.type == "date":
        return raw, "", "text"
    code = _codes().get((variable.name, fold(raw)))
    if code is None:
        return raw, "", "unmapped"
    return code or None, "", "code"


def _age(text: str) -> float | None:
    """Years of a DICOM age string (PS3.5 6.2, AS): three digits and D, W, M or Y."""
    match = re.fullmatch(r"(\d{1,3})([DWMY])", text.strip().upper())
    if match is None:
        return None
    return int(match[1]) / {"D": 365.25, "W": 52.18, "M": 12.0, "Y": 1.0}[match[2]]


def _implausible(values: list[Value]) -> list[Finding]:
    """Findings of numbers outside their plausible range: another unit where most are, single values else."""
    numbers: dict[str, list[float]] = defaultdict(list)
    for value in values:
        if value.rule == "number" and value.value is not None:
            numbers[value.variable].append(float(value.value))
    findings = []
    for name, given in sorted(numbers.items()):
        variable = variables()[name]
        if variable.low is None or variable.high is None:
            continue
        odd = [number for number in given if not variable.low <= number <= variable.high]
        if not odd:
            continue
        of = f"{len(odd)} of {len(given)} values"
        word = UNIT_WORDS.get(variable.unit, variable.unit)
        if len(odd) * 2 > len(given) and (unit := _mistaken_unit(variable, given)):
            text = f"{name}: {of} beyond {variable.high:g} {word}; they would be plausible as {unit}"
            findings.append(Finding("unit-suspected", text, count=len(odd)))
        else:
            text = f"{name}: {of} outside {variable.low:g} to {variable.high:g} {word}".rstrip()
            findings.append(Finding("value-implausible", text, count=len(odd)))
    return findings


def _mistaken_unit(variable: Variable, given: list[float]) -> str | None:
    """The unit in which all values would be plausible; of several, the one that gives the larger numbers."""
    fits = []
    for unit, divisor in MISTAKEN_UNITS.get(variable.unit, ()):
        converted = [number / divisor for number in given]
        if all(variable.low <= number <= variable.high for number in converted):  # type: ignore[operator]
            fits.append((median(converted), unit))
    return max(fits)[1] if fits else None


def from_headers(patient_id: str, *, sex: str, age: str, file: str) -> list[Value]:
    """Values that DICOM headers give of a patient: sex, and age at imaging."""
    found = []
    for keyword, variable, raw in (("PatientSex", "sex", sex), ("PatientAge", "age_at_imaging", age)):
        row = ClinicalRow(patient_id, keyword, raw, table="DICOM header", file=file)
        value, unit, rule = _value(variables()[variable], row)
        if value is not None:
            found.append(Value(patient_id, "", variable, value, unit, keyword, raw, "", "DICOM header", file, 0, rule))
    return found
