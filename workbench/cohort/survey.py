"""What a whole column says of its cells: order of day and month, letters that mean something else in it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import Final

from workbench.cohort.deciding import MISSING, Source
from workbench.cohort.rules.dates import order_of
from workbench.cohort.vocabulary.folding import fold
from workbench.cohort.vocabulary.mapping import Mappings
from workbench.cohort.vocabulary.tables import shipped, split, variables
from workbench.findings import Finding

#: A column with more different values than this is not one of letters.
MANY: Final = 40
#: Readers that need the order of day and month.
_DATED: Final = frozenset(("date", "year"))


@cache
def _letters() -> tuple[tuple[str, frozenset[str], Mapping[str, str]], ...]:
    """Value set, the letters a column holds, what they mean there."""
    rows = []
    for row in shipped("letters.csv"):
        pairs = (pair.partition("=") for pair in split(row["values"]))
        meaning = MappingProxyType({raw: ours for raw, _, ours in pairs})
        rows.append((row["value_set"], frozenset(split(row["letters"])), meaning))
    return tuple(rows)


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
        self._orders: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
        self._words: dict[tuple[str, str], set[str]] = defaultdict(set)
        self._place: dict[tuple[str, str], tuple[str, int]] = {}
        self._done: dict[tuple[str, str], Source] = {}

    def wants(self, table: str, name: str) -> bool:
        """Whether the cells of a column are to be looked at."""
        return self.dated(table, name) or self._lettered(table, name)

    def dated(self, table: str, name: str) -> bool:
        """Whether a column holds dates."""
        targets = (variables()[target] for rule in self._plain(table, name).rules for target in rule.variables)
        return any(target.reader in _DATED for target in targets)

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
        order = order_of(text.strip())
        if order:
            self._orders[key][order] += count
            if order == "unclear":
                self._place.setdefault(key, (file, row))
        if len(self._words[key]) <= MANY and fold(text) not in MISSING:
            self._words[key].add(fold(text))

    def holds(self, variable: str) -> bool:
        """Whether some column seen is of a variable."""
        return any(variable in rule.variables for source in self._rules.values() for rule in source.rules)

    def source(self, table: str, name: str) -> Source:
        """A column with what all of it says."""
        key = (table, name)
        if key not in self._done:
            plain = self._plain(table, name)
            self._done[key] = Source(table, name, plain.rules, self.order(table, name), self._meaning(key))
        return self._done[key]

    def order(self, table: str, name: str) -> str:
        """Order of day and month in a column: the one that some cell proves and none disproves."""
        seen = self._orders.get((table, name), Counter())
        proven = [way for way in ("dmy", "mdy") if seen[way]]
        return proven[0] if len(proven) == 1 else ""

    def _meaning(self, key: tuple[str, str]) -> Mapping[str, str]:
        seen = frozenset(self._words.get(key, ()))
        targets = {s for rule in self._plain(*key).rules for t in rule.variables for s in variables()[t].value_sets}
        for value_set, letters, meaning in _letters():
            if value_set in targets and letters <= seen and "f" not in seen - letters and "w" not in seen:
                return meaning
        return MappingProxyType({})

    def findings(self) -> list[Finding]:
        """Columns in which day and month cannot be told apart."""
        found = []
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
