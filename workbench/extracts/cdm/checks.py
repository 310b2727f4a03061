"""What is odd about the values of an export: terms the look-up did not find, numbers at a ceiling, swapped columns."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from workbench.extracts.cdm.model import NOT_FOUND, SHIFTED, Column
from workbench.extracts.cdm.parts import Part, Row
from workbench.findings import Finding

#: The log of the mapping.
_LOG: Final = "mapping_results"
_DECIMAL: Final = re.compile(r"DECIMAL\((\d+),(\d+)\)", re.IGNORECASE)
_NUMBER: Final = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")
_TYPES: Final = {
    "DATE": re.compile(r"\d{4}-\d{2}-\d{2}([ T]\d{2}:\d{2}(:\d{2}(\.\d+)?)?)?"),
    "INTEGER": re.compile(r"[-+]?\d+(\.0*)?"),
    "BOOLEAN": re.compile(r"t|f|true|false|0|1|y|n|yes|no", re.IGNORECASE),
}
#: Original terms that a finding quotes, and how long one may be.
_QUOTED, _LONGEST = 5, 40


class _Counts:
    """What was counted in one column."""

    def __init__(self, column: Column) -> None:
        self.column = column
        #: File of the first value that is odd.
        self.place = ""
        self.filled = self.not_found = self.odd = self.ceiling = self.shifted = 0
        kind = column.type.upper()
        decimal = _DECIMAL.fullmatch(kind)
        self._pattern = _NUMBER if decimal else _TYPES.get(kind)
        self._ceiling = self._room = 0.0
        if decimal and column.role in ("value", "number"):
            digits, places = int(decimal[1]), int(decimal[2])
            # Larger numbers do not fit; this one is what a loader writes in their place.
            self._ceiling, self._room = 10.0 ** (digits - places) - 10.0**-places, 0.5 * 10.0**-places

    def add(self, text: str, file: str) -> None:
        """Count a value."""
        self.filled += 1
        if text == NOT_FOUND:
            self.not_found += 1
        elif self._pattern is not None and not self._pattern.fullmatch(text):
            self.odd += 1
        elif self._room and abs(abs(float(text)) - self._ceiling) < self._room:
            self.ceiling += 1
        else:
            return
        self.place = self.place or file


class Checks:
    """What is odd about the values of every table, counted as rows are read."""

    def __init__(self) -> None:
        self._counted: dict[tuple[str, str], _Counts] = {}
        self._columns: dict[tuple[str, str], _Counts] = {}
        self._originals = _Originals()

    def see(self, name: str, part: Part, number: int, row: Row, /) -> None:
        """Count the cells of one row."""
        if name == _LOG:
            self._originals.add(part, row)
            return
        for spelt, text in row.items():
            if text:
                counts = self._columns.get((name, spelt)) or self._of(name, part, spelt)
                counts.add(text, part.file)
        for (entity, variable), holder in SHIFTED.items():
            if entity == name and not row.get(variable) and _NUMBER.fullmatch(row.get(holder, "")):
                counts = self._counted[name, holder]
                counts.shifted += 1
                counts.place = counts.place or part.file

    def _of(self, name: str, part: Part, spelt: str) -> _Counts:
        column = part.entity.column(spelt)
        counts = self._counted.setdefault((name, column.name), _Counts(column))
        self._columns[name, spelt] = counts
        return counts

    def findings(self) -> list[Finding]:
        """Findings about the values of every table, one per column and kind, once every row was seen."""
        originals = self._originals
        findings: list[Finding] = []
        for (name, spelt), counts in self._counted.items():
            place = f"{name}.{spelt}"
            if counts.not_found:
                message = f"{place}: {counts.not_found} of {counts.filled} value(s)" + originals.told(name, spelt)
                findings.append(Finding("code-not-found", message, path=counts.place, count=counts.not_found))
            if counts.odd:
                message = f"{place}: {counts.odd} of {counts.filled} value(s) are no {counts.column.type}"
                findings.append(Finding("column-type-unexpected", message, path=counts.place, count=counts.odd))
            if counts.ceiling:
                message = f"{place}: {counts.ceiling} value(s) are the largest that {counts.column.type} holds"
                findings.append(Finding("decimal-ceiling", message, path=counts.place, count=counts.ceiling))
            if counts.shifted:
                message = f"{place}: {counts.shifted} number(s) where a unit should be, read as the value"
                findings.append(Finding("value-in-unit-column", message, path=counts.place, count=counts.shifted))
        findings += originals.untold()
        return findings


@dataclass(slots=True)
class _Originals:
    """Terms that the look-up did not find, by the property they were of, and which of them were told."""

    terms: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    files: dict[str, str] = field(default_factory=dict)
    used: set[str] = field(default_factory=set)

    def add(self, part: Part, row: Row) -> None:
        """Take in a row of the log."""
        if row.get("codeInEUCAIM") == NOT_FOUND and row.get("originalValue"):
            name = row.get("propertyNameEUCAIM") or row.get("propertyNameOriginal") or "a property"
            self.terms[name][row["originalValue"]] += 1
            self.files.setdefault(name, part.file)

    def told(self, entity: str, column: str) -> str:
        """The original terms of a column, as the end of a message; empty where the log names none."""
        wanted = _letters(column.casefold().removeprefix(f"{entity}_"))
        same = [name for name in self.terms if wanted in _letters(name) or _letters(name) in wanted]
        self.used.update(same)
        return _quoted([term for name in same for term, _ in self.terms[name].most_common()])

    def untold(self) -> Iterable[Finding]:
        """Properties of the log that no column of the tables is named like."""
        for name in sorted(set(self.terms) - self.used):
            terms = self.terms[name]
            message = f"{name}, as the log of the mapping says{_quoted([t for t, _ in terms.most_common()])}"
            yield Finding("code-not-found", message, path=self.files[name], count=terms.total())


def _quoted(terms: list[str]) -> str:
    if not terms:
        return ""
    shown = [term if len(term) <= _LONGEST else term[: _LONGEST - 3] + "..." for term in terms[:_QUOTED]]
    return ": " + ", ".join(shown) + (f" and {len(terms) - _QUOTED} more" if len(terms) > _QUOTED else "")


def _letters(text: str) -> str:
    return re.sub(r"[^a-z0-9]", "", text.casefold())
