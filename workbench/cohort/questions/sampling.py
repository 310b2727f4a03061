"""Samples and splits of a cohort, drawn by a hash of seed and identity.

The same seed draws the same patients on every machine, in every version of every library, in whatever order the
rows stand: nothing of a random generator's state is in it.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar

from workbench.arguments import is_number, is_text, short
from workbench.cohort.database.statements import check_condition
from workbench.cohort.identity.linked import Patient
from workbench.errors import UsageError

if TYPE_CHECKING:
    from workbench.cohort.database.database import Database

K = TypeVar("K", bound=Hashable)

#: What can be drawn: its key, and where its strata are asked.
_UNITS: Final = {
    "patient": (
        ("node", "patient_id"),
        """patients left join (select c.* exclude (timepoint) from asked_clinical c
        semi join (select * from cases where number = 1) using (node, patient_id, timepoint))
        using (node, patient_id)""",
    ),
    "case": (
        ("node", "patient_id", "timepoint"),
        "(select * from cases where n_series > 0) left join asked_clinical using (node, patient_id, timepoint)",
    ),
    "series": (
        ("node", "SeriesInstanceUID"),
        "(select * from series where kind = 'image') left join asked_clinical using (node, patient_id, timepoint)",
    ),
}


def score(seed: int, *key: str) -> str:
    """Place of something in a drawn order: SHA-256 of seed and key, as hexadecimal text.

    Examples
    --------
    >>> score(7, "north", "P1")[:16]
    '2fe9d10505750636'
    """
    return hashlib.sha256(json.dumps([seed, *key]).encode()).hexdigest()


def allocate(weights: Sequence[int], fractions: Sequence[float]) -> list[int]:
    """Part of each group, the first ones of which have the fractions as nearly as the whole.

    Each group goes to the part that is furthest behind its share, so that also every stretch of the sequence, and
    with it every stratum, is divided as asked to within a group or two.

    Parameters
    ----------
    weights : sequence of int, (n,)
        Patients in each group.
    fractions : sequence of float, (k,)
        Share of each part; they sum to 1.

    Examples
    --------
    >>> allocate([1] * 8, [0.5, 0.25, 0.25])
    [0, 1, 2, 0, 0, 1, 2, 0]
    """
    # In millionths: whole numbers give the same on every machine.
    shares = [round(fraction * 1_000_000) for fraction in fractions]
    whole = sum(shares)
    given = [0] * len(shares)
    parts = []
    seen = 0
    for weight in weights:
        seen += weight
        behind = [share * seen - whole * has for share, has in zip(shares, given, strict=True)]
        part = max(range(len(shares)), key=lambda j: (behind[j], -j))
        given[part] += weight
        parts.append(part)
    return parts


def filled(parts: Sequence[int], weights: Sequence[int], fractions: Sequence[float]) -> list[int]:
    """Parts of groups, no part without a group where there are as many groups as parts.

    An empty part takes the group that leaves all parts nearest to their shares; of groups that do equally well the
    one drawn last. Parts that are all filled stay as they are.

    Parameters
    ----------
    parts, weights : sequence of int, (n,)
        As :func:`allocate` gives and takes them.
    fractions : sequence of float, (k,)

    Examples
    --------
    >>> allocate([1, 2], [0.67, 0.33]), filled([0, 0], [1, 2], [0.67, 0.33])
    ([0, 0], [1, 0])
    """
    found = list(parts)
    whole = sum(weights)
    wanted = [fraction * whole for fraction in fractions]
    given = [sum(w for w, p in zip(weights, found, strict=True) if p == part) for part in range(len(fractions))]
    held = [found.count(part) for part in range(len(fractions))]
    for empty in [part for part in range(len(fractions)) if not held[part]]:
        # Only what the two parts concerned have changes.
        cost = {
            group: round(
                (given[part] - weight - wanted[part]) ** 2 - (given[part] - wanted[part]) ** 2
                + (weight - wanted[empty]) ** 2, 6,
            )
            for group, (part, weight) in enumerate(zip(found, weights, strict=True))
            if held[part] > 1
        }  # fmt: skip
        if not cost:
            break
        group = min(cost, key=lambda group: (cost[group], -group))
        part, weight = found[group], weights[group]
        given[part], given[empty] = given[part] - weight, weight
        held[part], held[empty] = held[part] - 1, 1
        found[group] = empty
    return found


def ordered(units: Mapping[K, str], seed: int, texts: Mapping[K, tuple[str, ...]]) -> list[K]:
    """Units stratum by stratum, strata and units in drawn order."""
    strata = {stratum: score(seed, "stratum", stratum) for stratum in set(units.values())}
    return sorted(units, key=lambda unit: (strata[units[unit]], score(seed, *texts[unit])))


@dataclass(frozen=True)
class Sample:
    """A step of a selection: some of the patients, cases or series."""

    #: How many.
    n: int
    #: ``patient``, ``case`` or ``series``.
    by: str
    #: SQL expressions whose values are represented alike.
    stratify: tuple[str, ...]
    seed: int

    def __post_init__(self) -> None:
        if self.by not in _UNITS:
            raise UsageError(f"sample by={self.by!r}", remedy=f"use one of {', '.join(_UNITS)}")
        if not isinstance(self.n, int) or isinstance(self.n, bool) or self.n < 0:
            raise UsageError(f"sample of {self.n!r}", remedy="give a whole number of 0 or more")
        _whole_seed(self.seed)

    def __str__(self) -> str:
        return f"sample of {self.n} by {self.by}{_alike(self.stratify)}, seed {self.seed}"

    @property
    def public(self) -> str:
        """What it is, without a word of the caller's."""
        return f"sample by {self.by}"

    def apply(self, database: Database) -> None:
        """Keep the units drawn, and what refers to them."""
        units = strata(database, self.by, self.stratify)
        if self.n > len(units):
            what = "series" if self.by == "series" else f"{self.by}s"
            raise UsageError(f"sample of {self.n}, and there are {len(units)} {what}", remedy="draw fewer")
        drawn: list[tuple[str, ...]] = []
        if self.n:
            order = ordered(units, self.seed, {unit: unit for unit in units})
            share = self.n / len(units)
            parts = allocate([1] * len(order), [share, 1 - share])
            drawn = [unit for unit, part in zip(order, parts, strict=True) if part == 0]
            # Shares are in millionths: in a very large cohort one too many or too few.
            spare = (unit for unit, part in zip(order, parts, strict=True) if part)
            drawn = [*drawn, *spare][: self.n]
        database.keep(_UNITS[self.by][0], drawn)


@dataclass(frozen=True)
class Part:
    """A step of a selection: one part of a split. Made by :func:`split`."""

    #: Name of the part.
    name: str
    #: Name and share of every part, in order.
    fractions: tuple[tuple[str, float], ...]
    #: ``patient`` or ``node``.
    by: str
    #: SQL expressions whose values are represented alike in every part.
    stratify: tuple[str, ...]
    seed: int
    #: Patients that stay together.
    together: tuple[tuple[Patient, ...], ...] = ()

    def __str__(self) -> str:
        share = f"{dict(self.fractions)[self.name]:.3g}"
        return f"part {self.name!r} ({share}) of a split by {self.by}{_alike(self.stratify)}, seed {self.seed}"

    @property
    def public(self) -> str:
        """What it is, without a word of the caller's."""
        return f"one part of a split by {self.by}"

    def apply(self, database: Database) -> None:
        """Keep the patients of this part."""
        parts = divided(strata(database, "patient", self.stratify), self)
        database.keep(("node", "patient_id"), [patient for patient, part in parts.items() if part == self.name])


def divided(units: Mapping[tuple[str, ...], str], how: Part) -> dict[tuple[str, ...], str]:
    """Part of each patient."""
    heads = {patient: several[0] for several in how.together for patient in several}
    if how.by == "node":
        heads = _nodes_together(units, how.together)
    members: dict[tuple[str, ...], list[tuple[str, ...]]] = defaultdict(list)
    for patient in sorted(units):
        members[heads.get((patient[0], patient[1]), patient)].append(patient)
    groups = {head: units[several[0]] for head, several in members.items()}
    order = ordered(groups, how.seed, {head: head for head in groups})
    weights, shares = [len(members[head]) for head in order], [share for _, share in how.fractions]
    chosen = filled(allocate(weights, shares), weights, shares)
    names = [name for name, _ in how.fractions]
    return {patient: names[part] for head, part in zip(order, chosen, strict=True) for patient in members[head]}


def _nodes_together(units: Iterable[tuple[str, ...]], together: Iterable[Iterable[Patient]]) -> dict[Patient, Patient]:
    """Head of each patient where whole nodes stay together: nodes that share somebody are one."""
    from workbench.cohort.identity.linked import groups

    alike = [[(node, "") for node, _ in several] for several in together]
    heads = {node: several[0] for several in groups(alike) for node in several}
    return {(unit[0], unit[1]): heads.get((unit[0], ""), (unit[0], "")) for unit in units}


def strata(database: Database, by: str, expressions: Sequence[str]) -> dict[tuple[str, ...], str]:
    """Stratum of each patient, case or series of a narrowed cohort; of a patient, by the first case.

    Raises
    ------
    QueryError
        An expression is not understood.
    """
    keys, source = _UNITS[by]
    for expression in expressions:
        check_condition(expression, database.relations)
    database.doubt(expressions)
    wanted = "".join(f", ({expression}\n)" for expression in expressions)
    rows = database.ask(f"select {', '.join(keys)}{wanted} from {source}", ", ".join(expressions))
    return {
        tuple(str(cell) for cell in row[: len(keys)]): json.dumps([_text(cell) for cell in row[len(keys) :]])
        for row in rows
    }


def _text(cell: Any) -> str | None:
    return None if cell is None else str(cell)


def expressions(stratify: str | Sequence[str] | None) -> tuple[str, ...]:
    """Columns or SQL expressions as a tuple.

    Raises
    ------
    UsageError
        Something else than texts.
    """
    given = (stratify,) if isinstance(stratify, str) else tuple(stratify or ())
    if not all(isinstance(item, str) and item.strip() for item in given):
        raise UsageError("stratify= holds something else than columns", remedy="for example: stratify=['node', 'sex']")
    return given


def split(
    database: Database, *, by: str, stratify: str | Sequence[str] | None, fractions: Mapping[str, float], seed: int
) -> dict[str, Part]:
    """Steps that make each part of a split.

    Raises
    ------
    UsageError
        Fractions that are no shares of a whole, an unknown unit; more parts than there is to divide.
    """
    from workbench.cohort.identity.linked import linked

    if by not in ("patient", "node"):
        raise UsageError(
            f"split by={by!r} would put one patient into two parts", remedy="use by='patient' or by='node'"
        )
    _whole_seed(seed)
    for name, share in fractions.items():
        if not is_text(name) or not is_number(share):
            raise UsageError(
                f"fractions cannot hold {short(name)}: {short(share)}",
                remedy="give each part a name and a share: {'train': 0.7, 'test': 0.3}",
            )
    shares = tuple((name, float(share)) for name, share in fractions.items())
    if not shares or any(not 0 < share <= 1 for _, share in shares) or abs(sum(s for _, s in shares) - 1) > 1e-6:
        raise UsageError("fractions do not sum to 1", remedy="for example: {'train': 0.7, 'val': 0.15, 'test': 0.15}")
    together = linked(database)
    alike = expressions(stratify)
    parts = {name: Part(name, shares, by, alike, seed, together) for name, _ in shares}
    if len(parts) > 1:
        whole = next(iter(parts.values()))
        empty = parts.keys() - divided(strata(database, "patient", alike), whole).values()
        if empty:
            raise UsageError(
                f"split into {len(parts)} parts would leave {len(empty)} without a patient: too few {by}s that nothing"
                " keeps together",
                remedy="ask for fewer parts, or split by='patient'" if by == "node" else "ask for fewer parts",
            )
    return parts


def _whole_seed(seed: int) -> None:
    if not isinstance(seed, int) or isinstance(seed, bool):
        raise UsageError(f"seed is {seed!r}", remedy="give a whole number")


def _alike(stratify: Sequence[str]) -> str:
    return f", stratified by {', '.join(stratify)}" if stratify else ""
