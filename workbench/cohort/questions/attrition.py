"""How a study group comes about: what each condition leaves, per node, as numbers that sum."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any, Final

from workbench.arguments import checked, is_text
from workbench.cohort.database.doubts import Doubt, as_html
from workbench.cohort.questions import small
from workbench.errors import UsageError
from workbench.options import options

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from workbench.cohort.questions.asking import Questions

#: What is counted: patients, patient x timepoint with images, image series.
COUNTED: Final = ("patients", "cases", "series")
#: Name of the row of all nodes together.
ALL: Final = "all"
START: Final = "start"

_EXAMPLE: Final = "for example: attrition([('CT', \"modality = 'CT'\")])"

#: How far each image series, and each patient without one, comes.
_FLOW: Final = """
create temp table flow as
select node, patient_id, timepoint, SeriesInstanceUID, 0 as reached from series where kind = 'image'
union all
select node, patient_id, null, null, 0 from kept_patients
anti join (select node, patient_id from series where kind = 'image') using (node, patient_id)
"""
_REACHED: Final = """
update flow set reached = {step} where exists (
    select 1 from kept_patients k where k.node = flow.node and k.patient_id = flow.patient_id)
and (SeriesInstanceUID is null or exists (
    select 1 from kept_series k where k.node = flow.node and k.SeriesInstanceUID = flow.SeriesInstanceUID))
"""
_COUNTS: Final = """
select step, node, count(distinct patient_id), count(distinct (patient_id, timepoint)) filter (timepoint is not null),
    count(SeriesInstanceUID)
from flow, range({steps}) as steps(step) where reached >= step group by all
"""


@dataclass(frozen=True, eq=False)
class Attrition:
    """A flow of patients, cases and image series; made by :meth:`Cohort.attrition`."""

    #: Name of each step; the first is the cohort before any.
    names: tuple[str, ...]
    #: Condition of each step; empty for the first.
    conditions: tuple[str, ...]
    nodes: tuple[str, ...]
    #: One row per step and node, and one for all: counts, and how many the step excluded.
    table: pd.DataFrame
    #: Fewest patients behind a count; 0 where every count is shown.
    min_count: int = 0
    #: Variables in its conditions whose values look like another unit somewhere.
    doubts: tuple[Doubt, ...] = ()

    def _doubts(self) -> list[str]:
        return [doubt.public if self.min_count else str(doubt) for doubt in self.doubts]

    @checked
    def shareable(self, *, min_count: int | None = None) -> Attrition:
        """The same without the text of conditions, and without counts that rest on few patients.

        A step that was given no name is called by its number.

        A count is shown where it is of at least *min_count* patients, and where at least as many were excluded since
        the last count shown; one of cases or series also where it does not tell that a few patients have a second. A
        total of which a part is hidden is given as a lower bound, the sum of the others.

        Parameters
        ----------
        min_count : int, optional
            Default ``options.min_count``.
        """
        import pandas as pd

        if self.min_count:
            return self
        k = options.min_count if min_count is None else min_count
        # A condition may hold a pseudonym, also where it stands for the name.
        names = tuple(
            f"step {step}" if step and name == self.conditions[step] else name for step, name in enumerate(self.names)
        )
        given = self.table.set_index(["step", "node"])
        cells: dict[tuple[int, str], dict[str, small.Cell]] = {}
        for node in self.nodes:
            patients = small.chain([int(given.loc[(step, node), "patients"]) for step in range(len(self.names))], k)
            last: dict[str, tuple[int, int]] = {}
            for step, shown in enumerate(patients):
                before = cells[step - 1, node] if step else None
                cells[step, node] = self._cells(given.loc[(step, node)], shown, before, last, k)
        for step in range(len(self.names)):
            parts = [cells[step, node] for node in self.nodes]
            cells[step, ALL] = {name: small.total([part[name] for part in parts]) for name in parts[0]}
        rows = [
            {"step": step, "name": names[step], "condition": "", "node": node, **found}
            for (step, node), found in sorted(cells.items(), key=lambda item: (item[0][0], self._place(item[0][1])))
        ]
        return Attrition(names, ("",) * len(self.names), self.nodes, pd.DataFrame(rows, dtype=object), k, self.doubts)

    def _cells(
        self,
        row: Any,
        shown: small.Cell,
        before: dict[str, small.Cell] | None,
        last: dict[str, tuple[int, int]],
        k: int,
    ) -> dict[str, small.Cell]:
        """Counts of one step at one node; *last* holds each count last shown, with its patients."""
        cells: dict[str, small.Cell] = {"patients": shown}
        for name in COUNTED[1:]:
            count, patients = int(row[name]), int(row["patients"])
            # What was excluded since is told by the two counts, and must not be of few either.
            old, of = last.get(name, (2 * count, 2 * patients))
            told = (small.beside(count, patients, k), small.beside(old - count, of - patients, k))
            cells[name] = small.HIDDEN
            if isinstance(shown, int) and all(isinstance(cell, int) for cell in told):
                cells[name] = count
                last[name] = (count, patients)
        for name in COUNTED:
            known = before is not None and isinstance(cells[name], int) and isinstance(before[name], int)
            cells[f"{name}_excluded"] = int(row[f"{name}_excluded"]) if known or before is None else small.HIDDEN
        return cells

    def _place(self, node: str) -> int:
        return len(self.nodes) if node == ALL else self.nodes.index(node)

    def _rows(self) -> list[tuple[str, ...]]:
        """Each step in a row: name, patients per node, all counts, excluded."""
        by = self.table.set_index(["step", "node"])
        rows = []
        for step, name in enumerate(self.names):
            nodes = [str(by.loc[(step, node), "patients"]) for node in self.nodes]
            whole = by.loc[(step, ALL)]
            out = [str(whole[f"{counted}_excluded"]) if step else "" for counted in COUNTED]
            rows.append((name, *nodes, *(str(whole[counted]) for counted in COUNTED), *out))
        return rows

    def _head(self) -> tuple[str, ...]:
        # With one node its column would only repeat that of all.
        return ("step", *self.nodes, *COUNTED, *(f"- {counted}" for counted in COUNTED))

    def _note(self) -> str:
        hidden = f" Groups of fewer than {self.min_count} patients, and what would tell them, are hidden."
        return "Patients per node; then of all nodes patients, cases and image series, and those excluded." + (
            hidden if self.min_count else ""
        )

    def __repr__(self) -> str:
        cells = [self._head(), *self._rows()]
        widths = [max(len(row[i]) for row in cells) for i in range(len(cells[0]))]
        lines = [
            "  ".join(
                [row[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(row[1:], widths[1:], strict=True))]
            ).rstrip()
            for row in cells
        ]
        return "\n".join([*lines, self._note(), *(f"! {line}" for line in self._doubts())])

    def _repr_html_(self) -> str:
        head = "".join(f"<th>{escape(name)}</th>" for name in self._head())
        body = ""
        for condition, row in zip(self.conditions, self._rows(), strict=True):
            name = escape(row[0]) + (f"<br><code>{escape(condition)}</code>" if condition not in ("", row[0]) else "")
            cells = "".join(f"<td style='text-align:right'>{escape(cell)}</td>" for cell in row[1:])
            body += f"<tr><td style='text-align:left'>{name}</td>{cells}</tr>"
        return (
            f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table><p>{escape(self._note())}</p>"
            + as_html(self._doubts())
        )

    @checked
    def figure(self, *, width: float = 7.0) -> Figure:
        """Static flow diagram: a box per step with its counts, and beside each arrow who was excluded.

        Examples
        --------
        ``cohort.attrition([("CT", "modality = 'CT'")]).figure()``
        """
        from workbench.cohort.questions.flow_figure import flow_figure

        by = self.table.set_index(["step", "node"])
        boxes, sides = [], []
        for step, name in enumerate(self.names):
            whole = by.loc[(step, ALL)]
            counts = f"{whole['patients']} patients, {whole['cases']} cases, {whole['series']} image series"
            nodes = ", ".join(f"{node} {by.loc[(step, node), 'patients']}" for node in self.nodes)
            boxes.append((name, counts, nodes if len(self.nodes) > 1 else ""))
            sides.append(f"excluded: {whole['patients_excluded']} patients,\n{whole['series_excluded']} image series")
        return flow_figure(boxes, sides[1:], width=width)


def attrition(cohort: Questions, steps: Sequence[tuple[str, str] | str]) -> Attrition:
    """Counts after each condition, one after another.

    Raises
    ------
    UsageError, QueryError
        Steps that are no conditions; one that is not understood.
    """
    import pandas as pd

    from workbench.cohort.database.database import Database

    several = [steps] if isinstance(steps, str) else steps
    if not isinstance(several, (list, tuple)):
        raise UsageError("the steps are no list of conditions", remedy=_EXAMPLE)
    named = [named_condition(step) for step in several]
    database = Database(cohort.extracts, cohort.conditions, within=cohort._database)
    database.run(_FLOW)
    for number, (_, condition) in enumerate(named, 1):
        database.narrow(condition)
        database.run(_REACHED.format(step=number))
    n = len(named) + 1
    found = {(step, node): counts for step, node, *counts in database.rows(_COUNTS.format(steps=n))}
    nodes = tuple(dict.fromkeys(extract.node for extract in cohort.extracts))
    names, conditions = zip((START, ""), *named, strict=True)
    rows = []
    before: dict[str, list[int]] = {}
    for step in range(n):
        per_node = {node: [int(c) for c in found.get((step, node), (0, 0, 0))] for node in nodes}
        per_node[ALL] = [sum(counts) for counts in zip(*per_node.values(), strict=True)]
        for node, counts in per_node.items():
            lost = [old - new for old, new in zip(before.get(node, counts), counts, strict=True)]
            rows.append({
                "step": step, "name": names[step], "condition": conditions[step], "node": node,
                **dict(zip(COUNTED, counts, strict=True)),
                **{f"{name}_excluded": out for name, out in zip(COUNTED, lost, strict=True)},
            })  # fmt: skip
        before = per_node
    flow = Attrition(names, conditions, nodes, pd.DataFrame(rows), doubts=tuple(database.doubts))
    return flow.shareable() if options.audience == "shareable" else flow


def named_condition(step: tuple[str, str] | str) -> tuple[str, str]:
    """Name and condition of a step that is given as both or as a condition alone.

    Raises
    ------
    UsageError
    """
    pair = (step, step) if isinstance(step, str) else step
    fits = isinstance(pair, (list, tuple)) and len(pair) == 2
    if not fits or not all(is_text(text) and text.strip() for text in pair):
        raise UsageError("a step is no (name, condition)", remedy="for example: ('CT', \"modality = 'CT'\")")
    return pair[0], pair[1]
