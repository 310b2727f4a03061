"""Counts of units that pass, per node, from a query or from what was read of files."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from workbench.cohort.database.database import Database

#: Examples kept of one check.
EXAMPLES: Final = 3


class Unit(NamedTuple):
    """One thing that is counted."""

    node: str
    #: Whose it is.
    patient_id: str
    ok: bool
    #: Pseudonym, or path relative to the extract.
    example: str


@dataclass(frozen=True, slots=True)
class Count:
    """Units of one node."""

    node: str
    n: int
    n_ok: int
    #: Patients behind those that pass, and behind those that do not.
    n_patients_ok: int
    n_patients_not: int
    #: Patients behind all of them: one may stand on both sides.
    n_patients: int
    #: Some of those that do not, the first in order.
    examples: tuple[str, ...] = ()


def count_rows(database: Database, units: str, parameters: Sequence[Any] = ()) -> list[Count]:
    """Counts of a query whose columns are those of :class:`Unit`."""
    rows = database.rows(f"""
        with units as ({units}),
        failing as (select node, min(example, {EXAMPLES}) as examples
            from (select distinct node, example from units where not ok and example is not null) group by node)
        select node, count(*), count(*) filter (ok),
            count(distinct patient_id) filter (ok), count(distinct patient_id) filter (not ok),
            count(distinct patient_id),
            coalesce(any_value(f.examples), [])
        from units left join failing f using (node) group by node order by node""", parameters)  # fmt: skip
    return [Count(node, n, n_ok, ok, failing, whole, tuple(shown)) for node, n, n_ok, ok, failing, whole, shown in rows]


def count_units(units: Iterable[Unit]) -> list[Count]:
    """Counts of units.

    Examples
    --------
    >>> count_units([Unit("north", "p", True, "a"), Unit("north", "q", False, "b")])[0].examples
    ('b',)
    """
    by_node: dict[str, list[Unit]] = defaultdict(list)
    for unit in units:
        by_node[unit.node].append(unit)
    found = []
    for node, own in sorted(by_node.items()):
        failing = sorted({unit.example for unit in own if not unit.ok})[:EXAMPLES]
        who: tuple[set[str], set[str]] = (set(), set())
        for unit in own:
            who[unit.ok].add(unit.patient_id)
        n_ok = sum(unit.ok for unit in own)
        found.append(
            Count(node, len(own), n_ok, len(who[True]), len(who[False]), len(who[True] | who[False]), tuple(failing))
        )
    return found
