"""What a whole column says of its cells: order of day and month, letters that mean something else in it."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping
from functools import cache
from types import MappingProxyType
from typing import Final

from workbench.cohort.clinical.dated import daters, may_date
from workbench.cohort.clinical.deciding import DATED, MISSING, Source
from workbench.cohort.clinical.rules.dates import WAYS, order_of, proof_of
from workbench.cohort.vocabulary.folding import fold, fold_name
from workbench.cohort.vocabulary.mapping import Mappings
from workbench.cohort.vocabulary.tables import shipped, split, variables
from workbench.findings import Finding

#: A column with more different values than this is not one of letters.
MANY: Final = 40
#: A cell that is a sign: negative beside plus signs, nothing beside words.
DASH: Final = "-"
#: Name under which the day beside a value is surveyed; no column of a table is called so.
DAY: Final = "\0date"
#: A day as spreadsheets count them, from the end of 1899: 1927 to 2064, with the time of day behind the point.
_DAY_NUMBER: Final = re.compile(r"[1-5][0-9]{4}(?:\.[0-9]+)?")


@cache
def _letters() -> tuple[tuple[str, frozenset[str], Mapping[str, str]], ...]:
    """Value set, the letters a column holds, what they mean there."""
    rows = []
    for row in shipped("letters.csv"):
        pairs = (pair.partition("=") for pair in split(row["values"]))
        meaning = MappingProxyType({raw: ours for raw, _, ours in pairs})
        rows.append((row["value_set"], frozenset(split(row["letters"])), meaning))
    return tuple(rows)


def _letters_of(value_sets: Collection[str], letter: str) -> bool:
    """Whether a letter can mean something in a column of some value sets."""
    return any(value_set in value_sets and letter in meaning for value_set, _, meaning in _letters())


class Survey:
    """Gathers, batch by batch, what columns say; then gives the columns as sources.

    Parameters
    ----------
    mappings : Mappings
        Which variable a column is.
    """

    def __init__(self, mappings: Mappings) -> None:
        self._mappings = mappings
        self._rules: dict[tuple[str, str], Source] = {}
        self._wanted: dict[tuple[str, str], bool] = {}
        self._orders: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
        self._proofs: dict[tuple[str, str], set[str]] = defaultdict(set)
        self._words: dict[tuple[str, str], set[str]] = defaultdict(set)
        self._place: dict[tuple[str, str], tuple[str, int]] = {}
        self._done: dict[tuple[str, str], Source] = {}
        self._stated: set[tuple[str, str]] = set()
        self._dashes: dict[tuple[str, str], tuple[int, str, int]] = {}
        self._daters: dict[str, dict[str, str]] = {}
        self._days: Counter[tuple[str, str]] = Counter()
        self._day_place: dict[tuple[str, str], tuple[str, int]] = {}

    def wants(self, table: str, name: str) -> bool:
        """Whether the cells of a column are to be looked at."""
        key = (table, name)
        if key not in self._wanted:
            self._wanted[key] = self.dated(table, name) or may_date(name) or self._lettered(table, name)
        return self._wanted[key]

    def dated(self, table: str, name: str) -> bool:
        """Whether a column holds dates."""
        targets = (variables()[target] for rule in self._plain(table, name).rules for target in rule.variables)
        return any(target.reader in DATED for target in targets)

    def _lettered(self, table: str, name: str) -> bool:
        sets = {value_set for value_set, _, _ in _letters()}
        targets = (variables()[target] for rule in self._plain(table, name).rules for target in rule.variables)
        return any(sets & set(target.value_sets) for target in targets)

    def _plain(self, table: str, name: str) -> Source:
        key = (table, name)
        if key not in self._rules:
            self._rules[key] = Source(table, name, self._mappings.rules(table, name))
        return self._rules[key]

    def note(self, table: str, name: str, text: str, count: int, file: str, row: int) -> None:
        """Take notice of one distinct cell of a column."""
        key = (table, name)
        if _DAY_NUMBER.fullmatch(text.strip()) and (name == DAY or self.dated(table, name) or may_date(name)):
            self._days[key] += count
            self._day_place.setdefault(key, (file, row))
        if proof := proof_of(text.strip()):
            self._proofs[key].add(proof)
        order = order_of(text.strip())
        if order:
            self._orders[key][order] += count
            if order == "unclear":
                self._place.setdefault(key, (file, row))
        if fold(text) == DASH:
            known, at, number = self._dashes.get(key, (0, file, row))
            self._dashes[key] = (known + count, at, number)
        if len(self._words[key]) <= MANY and fold(text) not in MISSING:
            self._words[key].add(fold(text))

    def states_unit(self, table: str, name: str) -> None:
        """Take notice that a unit stands beside values of a column."""
        self._stated.add((table, name))

    def holds(self, variable: str) -> bool:
        """Whether some column seen is of a variable."""
        return any(variable in rule.variables for source in self._rules.values() for rule in source.rules)

    def dater(self, table: str, name: str) -> str:
        """Column of the same row that holds the day of a column's values; empty where there is none."""
        if table not in self._daters:
            columns = {
                column: tuple(target for rule in source.rules for target in rule.variables)
                for (of, column), source in self._rules.items()
                if of == table
            }
            self._daters[table] = daters(columns)
        return self._daters[table].get(name, "")

    def dates_others(self, table: str, name: str) -> bool:
        """Whether a column holds the day of another's values."""
        self.dater(table, name)
        return name in self._daters[table].values()

    def source(self, table: str, name: str) -> Source:
        """A column with what all of it says."""
        key = (table, name)
        if key not in self._done:
            plain = self._plain(table, name)
            asked = {column for rule in plain.rules if rule.own for column in rule.columns}
            absent = frozenset(asked - self._there(table)) if asked and key not in self._stated else frozenset[str]()
            order, meaning = self.order(table, name), self._meaning(key)
            proofs = self._proofs.get(key, set())
            proof = next(iter(proofs)) if len(proofs) == 1 else ""
            self._done[key] = Source(table, name, plain.rules, order, meaning, absent, proof)
        return self._done[key]

    def _there(self, table: str) -> set[str]:
        """Columns of a table that rules may ask for, folded."""
        names = [name for of, name in self._rules if of == table]
        return {fold_name(part) for name in names for part in (name, name.rpartition(".")[2])}

    def order(self, table: str, name: str) -> str:
        """Order of day and month in a column: the one that some cell proves and none disproves."""
        seen = self._orders.get((table, name), Counter())
        proven = [way for way in WAYS if seen[way]]
        return proven[0] if len(proven) == 1 else ""

    def _meaning(self, key: tuple[str, str]) -> Mapping[str, str]:
        seen = frozenset(self._words.get(key, ()))
        targets = {s for rule in self._plain(*key).rules for t in rule.variables for s in variables()[t].value_sets}
        for value_set, letters, meaning in _letters():
            if value_set in targets and letters <= seen and "f" not in seen - letters and "w" not in seen:
                return meaning
        return MappingProxyType({})

    def unused(self, applied: Collection[str]) -> list[Finding]:
        """Rows of the user's own mapping that name what is not there, or that no value came under.

        Parameters
        ----------
        applied : collection of str
            Mapping file and row of every rule that some value came under.
        """
        tables: dict[str, set[str]] = defaultdict(set)
        for (table, _), source in self._rules.items():
            for rule in source.rules:
                tables[rule.origin].add(table)
        found = []
        for rule in self._mappings.own:
            there = set[str]().union(*(self._there(table) for table in tables.get(rule.origin, ())))
            name, _, row = rule.origin.rpartition(":")
            conditions = {column for column, _ in rule.when}
            if rule.origin not in tables:
                why = f"no column {rule.own[:60]!r}"
            elif absent := [column for column in dict.fromkeys(rule.columns) if column not in there]:
                unit = absent[0] not in conditions
                why = f"{rule.own[:60]!r} has no column {absent[0][:60]!r} beside it" + (
                    " for its unit" if unit else ""
                )
                if unit and any(rule.origin in {r.origin for r in self._rules[key].rules} for key in self._stated):
                    continue
            elif rule.origin in applied:
                continue
            else:
                why = f"no value of {rule.own[:60]!r} came under it"
            found.append(Finding("mapping-unused", f"{name}, row {row}: {why}"))
        return found

    def _signs(self) -> list[Finding]:
        """Columns in which a lone minus may say negative: no plus sign and no word tells."""
        found = []
        for key, (count, file, row) in sorted(self._dashes.items()):
            rules = self._plain(*key).rules
            if DASH in self.source(*key).words or any(DASH in rule.values for rule in rules):
                continue
            words = self._words.get(key, set())
            if words and not any("+" in word for word in words):
                # Beside "positive" and "negative" it is an empty cell.
                continue
            if any(_letters_of(variables()[name].value_sets, DASH) for rule in rules for name in rule.variables):
                message = f"{key[1]}: {DASH!r} is read as missing, and may say negative"
                message += f"; first in row {row}" if row else ""
                found.append(Finding("sign-unclear", message, path=file, count=count))
        return found

    def findings(self) -> list[Finding]:
        """Columns in which day and month cannot be told apart, and those that hold day numbers of a spreadsheet."""
        found = self._signs()
        for key, count in sorted(self._days.items()):
            file, row = self._day_place[key]
            message = f"{'day of the rows' if key[1] == DAY else key[1]}: looks like Excel day numbers"
            message += f"; first in row {row}" if row else ""
            found.append(Finding("day-number-suspected", message, path=file, count=count))
        for key, seen in sorted(self._orders.items()):
            if not seen["unclear"] or self.order(*key):
                continue
            asked = {rule for source in self._plain(*key).rules for rule in source.rules}
            if asked & {"dmy", "mdy"}:
                continue
            both = "both orders occur" if seen["dmy"] else "no cell tells the order"
            file, row = self._place[key]
            message = f"{key[1]}: {both}; first in row {row}" if row else f"{key[1]}: {both}"
            found.append(Finding("date-order-unclear", message, path=file, count=seen["unclear"]))
        return found
