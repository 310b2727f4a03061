"""Which patients have what: every combination of modalities, variables and conditions, counted."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Final

from workbench.arguments import checked, is_text, short
from workbench.cohort.database.doubts import Doubt, as_html
from workbench.cohort.questions import small
from workbench.cohort.questions.attrition import ALL, named_condition
from workbench.cohort.vocabulary.tables import variables
from workbench.errors import UsageError
from workbench.options import options

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from workbench.cohort.database.database import Database
    from workbench.cohort.questions.asking import Questions

#: Sets at most: 2 to the power of it are the combinations.
MOST_SETS: Final = 10
INK: Final = "#22303c"
_OF_MODALITY: Final = "select distinct node, patient_id from series where Modality = ?"
_OF_VARIABLE: Final = 'select distinct node, patient_id from "values" where variable = ? and value is not null'


@dataclass(frozen=True, eq=False)
class Overlap:
    """Patients by combination; made by :meth:`Cohort.overlap`."""

    sets: tuple[str, ...]
    nodes: tuple[str, ...]
    #: One row per combination and node, and one for all: a boolean per set, ``node``, ``patients``. Every patient
    #: is counted in one combination; the largest of all nodes comes first.
    table: pd.DataFrame
    #: Fewest patients behind a count; 0 where every count is shown.
    min_count: int = 0
    #: Variables in its conditions whose values look like another unit somewhere.
    doubts: tuple[Doubt, ...] = ()

    def _doubts(self) -> list[str]:
        return [doubt.public if self.min_count else str(doubt) for doubt in self.doubts]

    @checked
    def shareable(self, *, min_count: int | None = None) -> Overlap:
        """The same without counts of few patients, zero included, and without those that would give them away.

        Parameters
        ----------
        min_count : int, optional
            Default ``options.min_count``.
        """
        if self.min_count:
            return self
        k = options.min_count if min_count is None else min_count
        table = self.table.astype({"patients": object})
        for node in self.nodes:
            at = table["node"] == node
            table.loc[at, "patients"] = small.partition([int(n) for n in self.table.loc[at, "patients"]], k)
        for key in range(len(table) // (len(self.nodes) + 1)):
            at = slice(key * (len(self.nodes) + 1), (key + 1) * (len(self.nodes) + 1))
            cells = table["patients"].iloc[at].tolist()
            table.iat[at.stop - 1, table.columns.get_loc("patients")] = small.total(cells[:-1])
        return Overlap(self.sets, self.nodes, table, k, self.doubts)

    def _rows(self) -> list[tuple[str, ...]]:
        wide = len(self.nodes) + 1
        rows = []
        for start in range(0, len(self.table), wide):
            block = self.table.iloc[start : start + wide]
            marks = ["x" if block[name].iloc[0] else "" for name in self.sets]
            rows.append((*marks, *(str(count) for count in block["patients"])))
        return rows

    def _note(self) -> str:
        hidden = f" Groups of fewer than {self.min_count} patients, and what would tell them, are hidden."
        return "Patients by combination; each is counted once." + (hidden if self.min_count else "")

    def __repr__(self) -> str:
        cells = [(*self.sets, *self.nodes, ALL), *self._rows()]
        widths = [max(len(row[i]) for row in cells) for i in range(len(cells[0]))]
        return "\n".join(
            [
                *("  ".join(c.rjust(w) for c, w in zip(row, widths, strict=True)) for row in cells),
                self._note(),
                *(f"! {line}" for line in self._doubts()),
            ]
        )

    def _repr_html_(self) -> str:
        head = "".join(f"<th>{escape(name)}</th>" for name in (*self.sets, *self.nodes, ALL))
        body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in self._rows())
        return (
            f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table><p>{escape(self._note())}</p>"
            + as_html(self._doubts())
        )

    @checked
    def figure(self, *, most: int = 20, width: float = 7.0) -> Figure:
        """Static figure: a bar per combination, stacked by node, over a matrix of what is in it.

        Parameters
        ----------
        most : int
            Combinations at most, the largest first.
        width : float
            Inches.
        """
        from workbench.arrays.shown_figure import shown_figure
        from workbench.cohort.questions.timeline import KINDS

        if most < 1:
            raise UsageError(f"most={most} combinations", remedy="give a whole number of 1 or more")
        colours = [colour for colour, _ in KINDS.values()] + ["#CC79A7", "#E69F00", "#56B4E9", "#999999"]
        rows = self._rows()[:most]
        n_sets = len(self.sets)
        drawn = shown_figure(figsize=(width, 2.4 + 0.26 * n_sets), layout="constrained", facecolor="white")
        grid = drawn.add_gridspec(2, 1, height_ratios=[2.0, 0.26 * n_sets + 0.1], hspace=0.02)
        bars = drawn.add_subplot(grid[0])
        matrix = drawn.add_subplot(grid[1], sharex=bars)
        floor = [0] * len(rows)
        for place, node in enumerate(self.nodes):
            heights = [int(row[n_sets + place]) if row[n_sets + place].isdigit() else 0 for row in rows]
            bars.bar(range(len(rows)), heights, 0.6, bottom=floor, label=node, color=colours[place % len(colours)])
            floor = [low + height for low, height in zip(floor, heights, strict=True)]
        for at, (row, top) in enumerate(zip(rows, floor, strict=True)):
            bars.annotate(row[-1], (at, top), xytext=(0, 2), textcoords="offset points", ha="center", fontsize=8)
            within = [i for i in range(n_sets) if row[i]]
            matrix.plot([at] * n_sets, range(n_sets), "o", color="#d9dee3", markersize=6)
            matrix.plot([at] * len(within), within, "o-", color=INK, markersize=6, linewidth=1.2)
        bars.set_ylabel("patients")
        bars.margins(y=0.15)
        bars.tick_params(labelbottom=False, bottom=False)
        if len(self.nodes) > 1:
            bars.legend(frameon=False, fontsize=8)
        matrix.set_yticks(range(n_sets), self.sets)
        matrix.set_ylim(n_sets - 0.5, -0.5)
        matrix.set_xticks([])
        for side in ("top", "right", "bottom"):
            bars.spines[side].set_visible(False)
            matrix.spines[side].set_visible(False)
        return drawn


def overlap(cohort: Questions, sets: Sequence[str | tuple[str, str]]) -> Overlap:
    """Patients of a cohort by combination of *sets*.

    Raises
    ------
    UsageError, QueryError
        Nothing to count, or something that is neither a modality, a variable nor a named condition.
    """
    import pandas as pd

    if not 1 <= len(sets) <= MOST_SETS:
        raise UsageError(f"overlap of {len(sets)} sets", remedy=f"name 1 to {MOST_SETS}, e.g. overlap('CT', 'psa')")
    names = tuple(given if isinstance(given, str) and is_text(given) else named_condition(given)[0] for given in sets)
    if len(set(names)) < len(names):
        raise UsageError("two sets of one name", remedy="give each another name")
    database = cohort._database
    found_doubts: dict[Doubt, None] = dict.fromkeys(database.doubts)
    having = [_having(cohort, database, given, found_doubts) for given in sets]
    counts: dict[tuple[bool, ...], dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for who in database.rows("select node, patient_id from patients"):
        counts[tuple(who in have for have in having)][who[0]] += 1
    nodes = tuple(dict.fromkeys(extract.node for extract in cohort.extracts))
    order = sorted(counts, key=lambda key: (-sum(counts[key].values()), [not inside for inside in key]))
    rows = []
    for key in order:
        per_node = {**{node: counts[key][node] for node in nodes}, ALL: sum(counts[key].values())}
        rows += [{**dict(zip(names, key, strict=True)), "node": node, "patients": n} for node, n in per_node.items()]
    found = Overlap(names, nodes, pd.DataFrame(rows, columns=[*names, "node", "patients"]), doubts=tuple(found_doubts))
    return found.shareable() if options.audience == "shareable" else found


def _having(
    cohort: Questions, database: Database, given: str | tuple[str, str], doubts: dict[Doubt, None]
) -> set[tuple[str, str]]:
    """Patients in one set; what is suspected of its condition comes to *doubts*."""
    if not isinstance(given, str):
        narrowed = cohort._then(named_condition(given)[1])
        doubts |= dict.fromkeys(narrowed._database.doubts)
        return {(node, patient) for node, patient in narrowed._database.rows("select node, patient_id from patients")}
    modalities = {name for (name,) in database.rows("select distinct Modality from all_series")}
    if given not in modalities:
        known = {name for (name,) in database.rows("select distinct variable from all_values")} | set(variables())
        if given in known:
            return {(node, patient) for node, patient in database.rows(_OF_VARIABLE, [given])}
        if not re.fullmatch(r"[A-Z][A-Z0-9]{1,15}", given):
            raise UsageError(
                f"{short(given)} is neither a modality nor a variable",
                remedy="see cohort.variables, or give (name, condition)",
            )
    return {(node, patient) for node, patient in database.rows(_OF_MODALITY, [given])}
