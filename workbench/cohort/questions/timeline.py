"""What happened to one patient, in order: images, clinical values, treatments."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any, Final

from workbench.arguments import checked
from workbench.cohort.tables.times import day
from workbench.cohort.vocabulary.tables import variables
from workbench.errors import UsageError
from workbench.options import options

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from workbench.cohort.database.database import Database

#: What events are ordered by -> how it is told.
CLOCKS: Final = {
    "offset": "days since the node's zero",
    "date": "calendar days",
    "": "nothing: no event has a time",
}
#: Beginnings of the names of variables that tell of treatment.
TREATMENT: Final = (
    "treatment", "date_of_first_treatment", "months_diagnosis_to_treatment", "radiotherapy", "chemotherapy",
    "surgery", "date_of_surgery",
)  # fmt: skip
#: Kind -> colour and marker (Okabe and Ito 2008); the kinds of events in the order of the figure.
KINDS: Final = {"imaging": ("#0072B2", "s"), "treatment": ("#D55E00", "D"), "clinical": ("#009E73", "o")}
COLUMNS: Final = (
    "order", "date", "offset_days", "clock", "time", "timepoint", "episode", "kind", "what", "value", "unit", "source",
)  # fmt: skip
#: Rows of the figure at most.
MOST_LANES: Final = 24

_IMAGES: Final = """
select "date", offset_days, min(nullif(StudyTime, '')), timepoint, any_value(episode),
    string_agg(distinct Modality, ', ' order by Modality), count(*), any_value(coalesce(StudyDescription, ''))
from series where node = ? and patient_id = ? and kind = 'image'
group by "date", offset_days, timepoint, StudyInstanceUID
"""
_VALUES: Final = """
select "date", offset_days, timepoint, episode, variable, value, unit, "table", file, row
from "values" where node = ? and patient_id = ? and value is not null and "table" <> 'DICOM header'
order by file, row, variable
"""


@dataclass(frozen=True, eq=False)
class Timeline:
    """Events of one patient in order; made by :meth:`Cohort.timeline`."""

    node: str
    patient_id: str
    #: What the events are ordered by: ``offset`` or ``date``; empty where none has a time.
    clock: str
    #: One row per event; those that the clock does not reach come last, with another ``clock`` of their own.
    table: pd.DataFrame

    @property
    def n_unplaced(self) -> int:
        """Events that cannot be put in order with the others."""
        return int((self.table["clock"] != self.clock).sum()) if self.clock else len(self.table)

    def _line(self) -> str:
        unplaced = f"; {self.n_unplaced} without it, last" if self.n_unplaced else ""
        return f"{len(self.table)} events of one patient at {self.node}, by {CLOCKS[self.clock]}{unplaced}"

    def _shown(self) -> pd.DataFrame:
        used = [name for name in COLUMNS if name != "order" and (self.table[name].astype(str) != "").any()]
        shown = self.table[[name for name in used if self.table[name].notna().any()]].copy()
        if "date" in shown:
            shown["date"] = shown["date"].dt.strftime("%Y-%m-%d")
        if "offset_days" in shown:
            shown["offset_days"] = shown["offset_days"].map("{:g}".format).replace("nan", "")
        return shown.astype(object).where(shown.notna(), "")

    def __repr__(self) -> str:
        return f"{self._line()}\n{self._shown().to_string(index=False)}" if len(self.table) else self._line()

    def _repr_html_(self) -> str:
        return f"<div><p>{escape(self._line())}</p>{self._shown().to_html(index=False, border=0)}</div>"

    @checked
    def figure(self, *, width: float = 8.0) -> Figure:
        """Static figure: one lane per modality, variable and treatment, time to the right.

        Raises
        ------
        UsageError
            No event has a time.

        Examples
        --------
        ``cohort.timeline(patient).figure()``
        """
        from workbench.arrays.shown_figure import shown_figure

        if not self.clock:
            raise UsageError("no event has a date or an offset", remedy="see the table of the timeline")
        placed = self.table[self.table["clock"] == self.clock]
        column = "offset_days" if self.clock == "offset" else "date"
        lanes = list(dict.fromkeys(zip(placed["kind"], placed["what"], strict=True)))
        lanes.sort(key=lambda lane: list(KINDS).index(lane[0]))
        drawn = shown_figure(figsize=(width, 0.9 + 0.3 * min(len(lanes), MOST_LANES)), layout="constrained",
                             facecolor="white")  # fmt: skip
        axes = drawn.add_subplot()
        for height, (kind, what) in enumerate(lanes[:MOST_LANES]):
            rows = placed[(placed["kind"] == kind) & (placed["what"] == what)]
            colour, marker = KINDS[kind]
            when = rows[column].astype("datetime64[s]") if self.clock == "date" else rows[column]
            axes.plot(when, [height] * len(rows), marker, color=colour, linestyle="-", linewidth=0.6, markersize=6)
            for at, value, unit in zip(when, rows["value"], rows["unit"], strict=True):
                if value:
                    axes.annotate(f"{value} {unit}".strip()[:24], (at, height), xytext=(5, 4),
                                  textcoords="offset points", fontsize=7)  # fmt: skip
        axes.set_yticks(range(min(len(lanes), MOST_LANES)), [what for _, what in lanes[:MOST_LANES]])
        axes.set_ylim(min(len(lanes), MOST_LANES) - 0.5, -0.7)
        axes.set_xlabel("date" if self.clock == "date" else CLOCKS["offset"])
        axes.margins(x=0.08)
        axes.grid(axis="y", linewidth=0.3)
        for side in ("top", "right", "left"):
            axes.spines[side].set_visible(False)
        left = [f"{self.n_unplaced} events without a time on this axis"] if self.n_unplaced else []
        left += [f"{len(lanes) - MOST_LANES} more lanes"] if len(lanes) > MOST_LANES else []
        if left:
            axes.set_title(f"not drawn: {', '.join(left)}", fontsize=8, loc="left")
        return drawn


def timeline(database: Database, patient: str, *, node: str | None) -> Timeline:
    """Events of one patient in order.

    Events are ordered by days since the node's zero where at least as many have an offset as have a date, else by
    date. What has only the other clock, or none, comes last: an offset is never reckoned into a date. A value that
    states no time but an imaging timepoint stands with the images of it.

    Raises
    ------
    UsageError
        No such patient, or one at several nodes; an audience that may not see one patient.
    """
    import pandas as pd

    if options.audience == "shareable":
        raise UsageError("a timeline is of one patient and cannot be shared", remedy="set options.audience = 'local'")

    nodes = [name for (name,) in database.rows("select node from patients where patient_id = ?", [patient])]
    if node is not None:
        nodes = [name for name in nodes if name == node]
    if not nodes:
        where = f"at {node}" if node is not None else "in this cohort"
        raise UsageError(f"no such patient {where}", remedy="see cohort.patients")
    if len(nodes) > 1:
        raise UsageError(f"the pseudonym stands at {', '.join(nodes)}", remedy="choose one with node=...")
    events = _events(database, nodes[0], patient)
    n_offsets = sum(event["offset_days"] is not None for event in events)
    n_dates = sum(event["date"] is not None for event in events)
    clock = "" if not n_offsets + n_dates else "offset" if n_offsets >= n_dates else "date"
    for event in events:
        other = "date" if clock == "offset" else "offset"
        event["clock"] = next((name for name in (clock, other) if name and _at(event, name) is not None), "")
    rank = {clock: 0, "date": 1, "offset": 1, "": 2} | {clock: 0}
    kinds = list(KINDS)
    events.sort(key=lambda e: (
        rank[e["clock"]], _at(e, e["clock"]) if e["clock"] else 0, not e["time"], e["time"], kinds.index(e["kind"])
    ))  # fmt: skip
    for number, event in enumerate(events, 1):
        event["order"] = number
    table = pd.DataFrame(events, columns=list(COLUMNS))
    table["date"] = pd.to_datetime(table["date"])
    table["offset_days"] = table["offset_days"].astype("float64")
    return Timeline(nodes[0], patient, clock, table)


def _at(event: dict[str, Any], clock: str) -> Any:
    return event["offset_days"] if clock == "offset" else event["date"]


def _events(database: Database, node: str, patient: str) -> list[dict[str, Any]]:
    events: list[dict[str, Any]] = []
    visits: dict[str, tuple[Any, Any]] = {}
    for date, offset, time, timepoint, episode, modalities, n_series, description in database.rows(
        _IMAGES, [node, patient]
    ):
        taken = day(date or "")
        clock = f"{time[:2]}:{time[2:4]}" if time and len(time) >= 4 else ""
        events.append({
            "date": taken, "offset_days": offset, "time": clock, "timepoint": timepoint, "episode": episode or "",
            "kind": "imaging", "what": modalities, "value": description, "unit": "", "source": f"{n_series} series",
        })  # fmt: skip
        known = visits.get(timepoint, (None, None))
        visits[timepoint] = (_first(known[0], taken), _first(known[1], offset))
    for date, offset, timepoint, episode, variable, value, unit, table, file, row in database.rows(
        _VALUES, [node, patient]
    ):
        taken = day(date or "")
        is_date = variable in variables() and variables()[variable].type == "date" and day(value) is not None
        if is_date:
            taken, offset, value = day(value), None, ""
        elif taken is None and offset is None:
            taken, offset = visits.get(timepoint, (None, None)) if timepoint else (None, None)
        treated = variable.startswith(TREATMENT) or "treatment" in table.casefold()
        events.append({
            "date": taken, "offset_days": offset, "time": "", "timepoint": timepoint, "episode": episode or "",
            "kind": "treatment" if treated else "clinical", "what": variable, "value": value, "unit": unit or "",
            "source": f"{file}:{row}" if row else file,
        })  # fmt: skip
    return events


def _first(known: Any, new: Any) -> Any:
    return new if known is None or (new is not None and new < known) else known
