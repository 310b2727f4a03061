"""What was noticed while values were read, counted as they stream by, told as findings at the end."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Final

from workbench.cohort.clinical.deciding import SILENT, Outcome, Source
from workbench.cohort.clinical.rules import READERS, Given
from workbench.cohort.clinical.rules.read import UNIT_UNKNOWN, UNMAPPED
from workbench.cohort.clinical.schemas import CODES, violations
from workbench.cohort.vocabulary.tables import variables
from workbench.findings import Finding

#: Units that a number may have come in by mistake, and what divides it into the right one, by right unit.
MISTAKEN_UNITS: Final = {"a": (("months", 12.0), ("days", 365.25)), "mo": (("days", 30.4375),)}
#: Units whose numbers are also written as fractions of one, by unit: what they are then multiplied by.
FRACTIONS: Final = {"%": 100}
#: UCUM units that read better as words.
UNIT_WORDS: Final = {"a": "years", "mo": "months", "1": ""}
#: Distinct unread cells kept of a column, for telling whether it was swapped with another.
KEPT: Final = 200
#: Variables and distinct values whose verdict is kept.
VERDICTS: Final = 200_000


class _Numbers:
    """Range of the numbers of one variable."""

    def __init__(self) -> None:
        self.count = self.odd = 0
        self.low, self.high = float("inf"), float("-inf")
        self.place = ("", 0)


class _Shares:
    """Numbers of one column of a unit of :data:`FRACTIONS`, where none states it."""

    def __init__(self) -> None:
        self.count, self.high = 0, 0.0
        self.place = ("", 0)


class Tally:
    """Counts per kind of finding and variable, with the first place of each."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[str, str]] = Counter()
        self._places: dict[tuple[str, str], tuple[str, int]] = {}
        self._numbers: dict[str, _Numbers] = defaultdict(_Numbers)
        self._verdicts: dict[tuple[str, str], str] = {}
        self._cells: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
        self._unread: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
        self._sources: dict[tuple[str, str], Source] = {}
        self._units: dict[str, set[str]] = defaultdict(set)
        self._shares: dict[tuple[str, tuple[str, str]], _Shares] = defaultdict(_Shares)

    def note(self, code: str, what: str, count: int, file: str, row: int) -> None:
        """Count something that is to be told."""
        self._counts[code, what] += count
        self._places.setdefault((code, what), (file, row))

    def add(
        self, source: Source, text: str, unit: str, made: tuple[Outcome, ...], count: int, file: str, row: int
    ) -> None:
        """Count one distinct cell and what it became."""
        first = made[0]
        for outcome in made:
            for code in outcome.findings:
                self.note(code, outcome.variable, count, file, row)
        key = (source.table, source.name)
        if not source.rules or first.variable not in variables():
            return
        if first.rule == "missing":
            if not source.rules[0].variables:
                return
            self._sources.setdefault(key, source)
            self._cells[key]["empty"] += count
            return
        self._sources.setdefault(key, source)
        self._cells[key]["all"] += count
        if first.rule == UNMAPPED:
            self._cells[key]["unread"] += count
            if len(self._unread[key]) < KEPT:
                self._unread[key][text] += count
        if first.unit in FRACTIONS and first.value is not None and first.rule not in SILENT:
            self._share(source, text, unit, first, count, file, row)
        if unit and first.rule != UNIT_UNKNOWN and variables()[first.variable].type == "number":
            self._units[first.variable].add(unit)

    def _share(self, source: Source, text: str, unit: str, made: Outcome, count: int, file: str, row: int) -> None:
        """Take notice of a number that may be a fraction: its column alone says percent, if anything does."""
        stated = unit or not text[-1:].isdigit() or any(rule.unit and rule.own for rule in source.rules)
        seen = self._shares[made.variable, (source.table, source.name)]
        # A stated unit settles the cell, and one of more than 1 the column.
        number = float("inf") if stated else float(made.value or "nan")
        seen.high = max(seen.high, number)
        if number > 0:
            seen.place = seen.place if seen.count else (file, row)
            seen.count += count

    def check(self, outcomes: list[tuple[Outcome, int, str, int]]) -> None:
        """Hold values to the schema of their variable: (outcome, rows, file of the first, its row)."""
        fresh: dict[str, list[str]] = defaultdict(list)
        for outcome, *_ in outcomes:
            if self._checked(outcome) and (outcome.variable, outcome.value) not in self._verdicts:
                fresh[outcome.variable].append(outcome.value or "")
        if len(self._verdicts) > VERDICTS:
            self._verdicts.clear()
            fresh = defaultdict(list)
            for outcome, *_ in outcomes:
                if self._checked(outcome):
                    fresh[outcome.variable].append(outcome.value or "")
        for name, given in fresh.items():
            distinct = list(dict.fromkeys(given))
            broken = violations(name, distinct)
            self._verdicts.update({(name, value): broken.get(value, "") for value in distinct})
        for outcome, count, file, row in outcomes:
            if self._checked(outcome):
                verdict = self._verdicts[outcome.variable, outcome.value or ""]
                self._judge(outcome, verdict, count, file, row)

    @staticmethod
    def _checked(outcome: Outcome) -> bool:
        return outcome.value is not None and outcome.rule not in SILENT and outcome.variable in variables()

    def _judge(self, outcome: Outcome, verdict: str, count: int, file: str, row: int) -> None:
        if variables()[outcome.variable].type == "number":
            number = float(outcome.value or "nan")
            seen = self._numbers[outcome.variable]
            seen.count += count
            seen.low, seen.high = min(seen.low, number), max(seen.high, number)
            if verdict in ("range", "whole"):
                if not seen.odd:
                    seen.place = (file, row)
                seen.odd += count
        elif verdict:
            self.note(CODES.get(verdict, "schema-violation"), outcome.variable, count, file, row)

    def findings(self) -> list[Finding]:
        """Everything that was noticed, in the order of code and variable."""
        order = ("variable-unmapped", "value-unmapped")
        found = []
        for (code, what), count in sorted(self._counts.items(), key=lambda item: (_rank(item[0][0], order), item[0])):
            file, row = self._places[code, what]
            found.append(Finding(code, f"{what}: first in row {row}" if row else what, path=file, count=count))
        found += [
            Finding("units-mixed", f"{name}: stated in {', '.join(sorted(units))}", count=len(units))
            for name, units in sorted(self._units.items())
            if len(units) > 1
        ]
        return [*found, *self._implausible(), *self._fractions(), *self._swapped()]

    def _fractions(self) -> list[Finding]:
        """Columns of per cent in which no number is above 1: they look like fractions."""
        found = []
        for (name, (_, column)), seen in sorted(self._shares.items()):
            if seen.count and seen.high <= 1:
                (file, row), by = seen.place, FRACTIONS[variables()[name].unit]
                text = f"{name}: all {seen.count} values above 0 in column {column} are 1 or less"
                text += f"; they would be plausible as fractions, times {by}"
                text += f"; first in row {row}" if row else ""
                found.append(Finding("unit-suspected", text, path=file, count=seen.count))
        return found

    def _implausible(self) -> list[Finding]:
        """Numbers outside their plausible range: another unit where most are, single values else."""
        found = []
        for name, seen in sorted(self._numbers.items()):
            variable = variables()[name]
            if not seen.odd or variable.low is None or variable.high is None:
                if seen.odd:
                    text = f"{name}: {seen.odd} of {seen.count} values are not whole"
                    found.append(Finding("value-implausible", text, path=seen.place[0], count=seen.odd))
                continue
            of = f"{seen.odd} of {seen.count} values"
            word = UNIT_WORDS.get(variable.unit, variable.unit)
            unit = self._mistaken(name) if seen.odd * 2 > seen.count else None
            file, row = seen.place
            if unit:
                text = f"{name}: {of} beyond {variable.high:g} {word}; they would be plausible as {unit}"
                found.append(Finding("unit-suspected", text, count=seen.odd))
            else:
                text = f"{name}: {of} outside {variable.low:g} to {variable.high:g} {word}".rstrip()
                text += f"; first in row {row}" if row else ""
                found.append(Finding("value-implausible", text, path=file, count=seen.odd))
        return found

    def _mistaken(self, name: str) -> str | None:
        """The unit in which all values would be plausible; of several, the one that gives the larger numbers."""
        variable, seen = variables()[name], self._numbers[name]
        assert variable.low is not None
        assert variable.high is not None
        fits = [
            (divisor, unit)
            for unit, divisor in MISTAKEN_UNITS.get(variable.unit, ())
            if seen.low / divisor >= variable.low and seen.high / divisor <= variable.high
        ]
        return min(fits)[1] if fits else None

    def _swapped(self) -> list[Finding]:
        """Columns most of whose cells cannot be read, but could be under another of the table, odd too or empty."""
        odd = {key for key, cells in self._cells.items() if cells["unread"] * 2 > cells["all"]}
        found = []
        for key in sorted(odd):
            for other in sorted(odd - {key}):
                if other[0] == key[0] and self._reads(other, key) and self._reads(key, other) and key < other:
                    message = f"the columns {key[1]} and {other[1]} hold what belongs to the other"
                    file, row = self._places.get(("value-unmapped", self._name(key)), ("", 0))
                    message += f"; first in row {row}" if row else ""
                    count = self._cells[key]["unread"] + self._cells[other]["unread"]
                    found.append(Finding("columns-swapped", message, path=file, count=count))
            empty = [other for other, cells in self._cells.items() if other[0] == key[0] and not cells["all"]]
            fits = [other for other in empty if self._tells(other) and self._reads(other, key)]
            if len(fits) == 1:
                message = f"the column {key[1]} holds what belongs to {fits[0][1]}, which is empty"
                file, row = self._places.get(("value-unmapped", self._name(key)), ("", 0))
                message += f"; first in row {row}" if row else ""
                found.append(Finding("columns-swapped", message, path=file, count=self._cells[key]["unread"]))
        return found

    def _tells(self, key: tuple[str, str]) -> bool:
        """Whether a cell shows what it is without its column: a word or a date does, a number or a yes does not."""
        return variables()[self._name(key)].type in ("category", "date")

    def _name(self, key: tuple[str, str]) -> str:
        return self._sources[key].rules[0].variables[0]

    def _reads(self, reader: tuple[str, str], cells: tuple[str, str]) -> bool:
        """Whether the variable of one column can read nine of ten unread cells of another, and plausibly."""
        variable = variables()[self._name(reader)]
        given = self._unread[cells]
        if variable.type == "text" or not given:
            return False
        read = 0
        for text, count in given.items():
            value = READERS[variable.reader](Given(variable, text))[0]
            plain = value.rule not in SILENT and value.value is not None
            read += count if plain and not violations(variable.name, [value.value or ""]) else 0
        return read * 10 >= 9 * sum(given.values())


def _rank(code: str, order: tuple[str, ...]) -> int:
    return order.index(code) if code in order else len(order)
