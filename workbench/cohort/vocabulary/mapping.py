"""Mappings: which variable a layout's column is, and how its values are to be read. Data files, one per layout.

A user's own file has the same columns, adds to ours and goes first: where it names a column, ours is not asked.
"""

from __future__ import annotations

import csv
import hashlib
import os
import re
from collections.abc import Mapping as AnyMapping
from dataclasses import dataclass, field, replace
from functools import cache
from importlib.resources import files
from io import StringIO
from pathlib import Path
from typing import Final

from workbench.arguments import alike
from workbench.cohort.vocabulary.folding import fold, fold_name
from workbench.cohort.vocabulary.tables import names, split, variables
from workbench.errors import PathNotFound, UsageError

#: Columns of a mapping file; the first two must be there.
COLUMNS: Final = ("source", "variable", "when", "unit", "values", "rule", "qualifier", "note", "origin")
#: What a mapping may ask for beside the variable's own reading.
RULES: Final = {
    "ignore": "not of the clinical language: it stays in cohort.values and is not listed as unmapped",
    "dmy": "day before month",
    "mdy": "month before day",
    "decimal-ceiling": "999.99 is as large as the column can hold: read as at least that, and a finding",
    "approximate": "not quite this variable; the rule says so beside the value",
    "years-assumed": "a bare number counts as years; the rule says so beside the value",
}
#: Bytes of a mapping file at most.
MAX_BYTES: Final = 4_000_000
#: Stands for a cell without a value in the column ``values``; ``*`` stands for every value not named.
EMPTY, ANY = "(empty)", "*"
_STAMP: Final = re.compile(r"_\d{8}_\d{6}_records$")


@dataclass(frozen=True, slots=True)
class Rule:
    """One row of a mapping file."""

    #: Harmonised variables: one, or several where the value decides; none where the column is ignored.
    variables: tuple[str, ...]
    #: Conditions on other columns of the same row: folded column, folded values ("*": any value, "": none).
    when: tuple[tuple[str, tuple[str, ...]], ...] = ()
    #: Unit of the column where none is stated, or ``column:NAME`` for the column that states it.
    unit: str = ""
    #: Folded value -> what it means.
    values: AnyMapping[str, str] = field(default_factory=dict)
    #: Keys of :data:`RULES`.
    rules: tuple[str, ...] = ()
    qualifier: str = ""
    #: Mapping file and row, e.g. ``cdm.csv:12``.
    origin: str = ""
    #: Column as the user's own file spells it; empty in the shipped ones, whose columns need not all be there.
    own: str = ""

    @property
    def columns(self) -> tuple[str, ...]:
        """Other columns of the row it asks for."""
        asked = [column for column, _ in self.when]
        if self.unit.startswith("column:"):
            asked.append(fold_name(self.unit.removeprefix("column:")))
        return tuple(asked)


@dataclass(frozen=True, slots=True)
class _File:
    exact: AnyMapping[str, tuple[Rule, ...]]
    patterns: tuple[tuple[re.Pattern[str], Rule], ...]

    @property
    def own(self) -> tuple[Rule, ...]:
        every = (*(rule for rules in self.exact.values() for rule in rules), *(rule for _, rule in self.patterns))
        return tuple(rule for rule in every if rule.own)

    def rules(self, keys: tuple[str, ...]) -> tuple[Rule, ...]:
        for key in keys:
            if key in self.exact:
                return self.exact[key]
        for key in keys:
            found = tuple(rule for pattern, rule in self.patterns if pattern.fullmatch(key))
            if found:
                return found
        return ()


@dataclass(frozen=True, slots=True)
class Mappings:
    """The mapping files that speak for one extract, the user's first."""

    #: Names of the files, in the order asked.
    names: tuple[str, ...]
    #: SHA-256 over their content.
    digest: str
    _files: tuple[_File, ...]

    def rules(self, table: str, variable: str) -> tuple[Rule, ...]:
        """What the first file that names a column says of it; the vocabulary's own names where none does.

        Empty where nobody knows the column.
        """
        keys = column_keys(table, variable)
        for file in self._files:
            found = file.rules(keys)
            if found:
                return found
        return _by_name(variable)

    @property
    def own(self) -> tuple[Rule, ...]:
        """Rows of the user's file."""
        return tuple(rule for file in self._files for rule in file.own)

    def beside(self, other: Mappings) -> Mappings:
        """These files and then another's, for an extract whose tables are of two layouts."""
        digest = hashlib.sha256(f"{self.digest}{other.digest}".encode()).hexdigest()
        return Mappings((*self.names, *other.names), digest, (*self._files, *other._files))


def column_keys(table: str, variable: str) -> tuple[str, ...]:
    """Folded names a column may be listed under: with its table, as spelt, and its last part alone.

    Examples
    --------
    >>> column_keys("patient_20260102_030405_records", "patient_birth_sex")
    ('patient.patient_birth_sex', 'patient_birth_sex')
    """
    spelt = fold_path(variable)
    with_table = f"{fold_name(_STAMP.sub('', table))}.{spelt}"
    return tuple(dict.fromkeys((with_table, spelt, spelt.rpartition(".")[2])))


def fold_path(text: str) -> str:
    """Name with its page or table before a point, each part without case, accents and punctuation; ``*`` stays."""
    return ".".join("*".join(fold_name(part) for part in piece.split("*")) for piece in text.split("."))


@cache
def _by_name(variable: str) -> tuple[Rule, ...]:
    """Rule of a column that is called as the vocabulary calls a variable, with or without its page."""
    from workbench.cohort.vocabulary.tables import shared_questions

    for name in (variable, variable.rpartition(".")[2]):
        key = fold_name(name)
        if key in names():
            return (Rule((names()[key],), origin="vocabulary"),)
        if key in shared_questions():
            return (Rule(shared_questions()[key], origin="vocabulary"),)
    return _by_name_and_unit(fold_name(variable.rpartition(".")[2]))


def named(name: str) -> tuple[str, ...]:
    """Variables that the vocabulary knows under a name; none where it has none.

    Examples
    --------
    >>> named("PSA"), named("psa_taken")
    (('psa',), ())
    """
    rules = _by_name(name)
    return rules[0].variables if rules else ()


def _by_name_and_unit(key: str) -> tuple[Rule, ...]:
    """Rule of a column whose name ends in its unit: ``tumour_size_mm``, ``age_months``."""
    from workbench.cohort.clinical.rules.units import factor, ucum

    parts = key.split("_")
    for length in (1, 2):
        name, unit = "_".join(parts[:-length]), ucum("/".join(parts[-length:]))
        if name in names() and unit is not None:
            target = variables()[names()[name]]
            if target.type == "number" and factor(unit, target.unit) is not None:
                return (Rule((target.name,), unit=unit, origin="vocabulary"),)
    return ()


def mappings(layout: str, user: str | os.PathLike[str] | None = None) -> Mappings:
    """Mapping files of a layout, the user's own asked first.

    Parameters
    ----------
    layout : str
        Name of a layout; one without a file of its own has the vocabulary's names alone.
    user : path, optional
        CSV with the columns ``source`` and ``variable``, and any of ``when``, ``unit``, ``values``, ``rule``,
        ``qualifier``, ``note``, ``origin``.

    Raises
    ------
    PathNotFound, UsageError
        The user's file cannot be used; names file, row and remedy.

    Examples
    --------
    >>> mappings("dataset-service").rules("", "inclusion_criteria.age_at_baseline")[0].variables
    ('age_at_diagnosis',)
    """
    texts: list[tuple[str, str]] = []
    if user is not None:
        texts.append(_user_text(user))
    place = files("workbench.cohort").joinpath("vocabulary", "mappings", f"{layout}.csv")
    if re.fullmatch(r"[a-z-]+", layout) and place.is_file():
        texts.append((f"{layout}.csv", place.read_text("utf-8")))
    digest = hashlib.sha256("\0".join(text for _, text in texts).encode()).hexdigest()
    read = tuple(_file(text, name, own=user is not None and not number) for number, (name, text) in enumerate(texts))
    return Mappings(tuple(name for name, _ in texts), digest, read)


def _user_text(path: str | os.PathLike[str]) -> tuple[str, str]:
    place = Path(path).expanduser()
    if not place.is_file():
        raise PathNotFound("no mapping file there", file=str(path), remedy="check the path")
    if place.stat().st_size > MAX_BYTES:
        raise UsageError(
            f"mapping file of more than {MAX_BYTES // 1_000_000} MB", file=place.name, remedy="give a table of names"
        )
    try:
        return place.name, place.read_text("utf-8-sig")
    except (UnicodeDecodeError, OSError):
        raise UsageError("mapping file is not UTF-8 text", file=place.name, remedy="save it as CSV in UTF-8") from None


def _file(text: str, name: str, *, own: bool) -> _File:
    exact: dict[str, list[Rule]] = {}
    patterns: list[tuple[re.Pattern[str], Rule]] = []
    reader = csv.DictReader(StringIO(text, newline=""))
    try:
        header = [str(column).strip() for column in reader.fieldnames or ()]
    except csv.Error:
        raise UsageError("mapping file is no CSV", file=name, remedy="save it as CSV with commas") from None
    missing = [column for column in COLUMNS[:2] if column not in header]
    if missing:
        remedy = f"the header row must name {' and '.join(missing)}; columns: {', '.join(COLUMNS)}"
        raise UsageError("not a mapping file: row 1", file=name, remedy=remedy)
    unknown = [column for column in header if column and column not in COLUMNS]
    if unknown:
        close = alike(unknown[0], COLUMNS, most=1)
        hint = f"did you mean {close[0]!r}?" if close else f"columns: {', '.join(COLUMNS)}"
        raise UsageError(f"mapping file: row 1 has an unknown column {unknown[0][:60]!r}", file=name, remedy=hint)
    reader.fieldnames = header
    try:
        for number, cells in enumerate(reader, start=2):
            row = {key: (value or "").strip() for key, value in cells.items() if isinstance(value, str) and key}
            if not any(row.values()) or row.get("source", "").startswith("#!"):
                continue
            if None in cells:
                raise _wrong(name, number, "more cells than the header", "put cells that hold commas in quotes")
            source, rule = fold_path(row.get("source", "")), _rule(row, name, number)
            if not source.strip(".*"):
                raise _wrong(name, number, "no source", "name the column as the hospital spells it")
            if own:
                rule = replace(rule, own=row["source"])
            if "*" in source:
                pattern = re.compile(".*".join(map(re.escape, source.split("*"))))
                patterns.append((pattern, rule))
            else:
                exact.setdefault(source, []).append(rule)
    except csv.Error:
        raise _wrong(name, reader.line_num, "not CSV", "check the quotes") from None
    return _File({key: tuple(found) for key, found in exact.items()}, tuple(patterns))


def _rule(row: AnyMapping[str, str], name: str, number: int) -> Rule:
    from workbench.cohort.clinical.rules.units import factor, ucum

    rules = split(row.get("rule", ""))
    for rule in rules:
        if rule not in RULES:
            raise _wrong(name, number, f"unknown rule {rule[:60]!r}", f"rules: {', '.join(RULES)}")
    targets = split(row.get("variable", ""))
    if "ignore" in rules:
        return Rule((), rules=rules, origin=f"{name}:{number}")
    if not targets:
        raise _wrong(name, number, "no variable", "name one of the vocabulary, or give the rule ignore")
    for target in targets:
        if target not in variables():
            close = alike(fold_name(target), variables(), most=2)
            hint = f"did you mean {' or '.join(close)}?" if close else "workbench vocabulary search finds names"
            raise _wrong(name, number, f"no variable {target[:60]!r} in the vocabulary", hint)
    unit = row.get("unit", "")
    if unit and not unit.startswith("column:"):
        wanted = variables()[targets[0]].unit
        known = ucum(unit)
        if known is None or factor(known, wanted or "1") is None:
            raise _wrong(
                name,
                number,
                f"unit {unit[:20]!r} is unknown or does not fit",
                f"give one that converts to {wanted or 'none'}",
            )
    return Rule(
        targets,
        tuple(_condition(text, name, number) for text in split(row.get("when", ""), ";")),
        unit,
        _values(row.get("values", ""), name, number),
        rules,
        row.get("qualifier", ""),
        f"{name}:{number}",
    )


def _condition(text: str, name: str, number: int) -> tuple[str, tuple[str, ...]]:
    column, sign, wanted = text.partition("=")
    if not sign or not fold_name(column):
        raise _wrong(name, number, "a condition that is none", "write when as column=value, column=* or column=")
    return fold_name(column), tuple(fold(value) for value in wanted.split("|"))


def _values(text: str, name: str, number: int) -> dict[str, str]:
    found: dict[str, str] = {}
    for pair in split(text):
        raw, sign, ours = pair.rpartition("=")
        if not sign or not raw.strip():
            raise _wrong(name, number, "a value without its meaning", "write values as raw=ours|raw=ours")
        key = fold(raw)
        if key in found:
            raise _wrong(name, number, "a value stands twice", "give each raw value one meaning")
        found[key] = ours.strip()
    return found


def _wrong(name: str, number: int, what: str, remedy: str) -> UsageError:
    return UsageError(f"mapping file, row {number}: {what}", file=name, remedy=remedy)
