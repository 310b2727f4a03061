"""What came of a check: a table, and how it prints."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from html import escape
from typing import TYPE_CHECKING, Any, Final, Literal

from workbench.cohort.minimum.counting import EXAMPLES, Count
from workbench.cohort.minimum.profile import Check
from workbench.cohort.questions import small
from workbench.options import options

if TYPE_CHECKING:
    import pandas as pd

Result = Literal["pass", "fail", "none"]
#: Columns of the table.
COLUMNS: Final = (
    "id", "level", "when", "unit", "result", "n", "n_ok", "share", "examples", "passes_when", "remedy",
)  # fmt: skip
#: Condition of the checks that only tier 3 asks for.
TIER_3: Final = "tier 3"


@dataclass(frozen=True, slots=True)
class CheckRow:
    """One check and what was counted."""

    check: Check
    #: Per node that has anything to count.
    counts: tuple[Count, ...]

    @property
    def n(self) -> int:
        """Units looked at."""
        return sum(count.n for count in self.counts)

    @property
    def n_ok(self) -> int:
        """Units that pass."""
        return sum(count.n_ok for count in self.counts)

    @property
    def result(self) -> Result:
        """``pass``: every unit of a mandatory attribute, one of those mandatory where available; ``none``: no unit."""
        if not self.n:
            return "none"
        return "pass" if (self.n_ok == self.n if self.check.level == "M" else self.n_ok > 0) else "fail"

    def examples(self, *, several: bool) -> tuple[str, ...]:
        """At most three units that do not pass, one of each node before a second; the node named where *several*."""
        found = [
            (place, position, f"{count.node}: {example}" if several and example != count.node else example)
            for position, count in enumerate(self.counts)
            for place, example in enumerate(count.examples)
        ]
        return tuple(text for _, _, text in sorted(found)[:EXAMPLES])

    def cells(self, min_count: int, *, several: bool, hidden: Collection[str] = ()) -> dict[str, Any]:
        """The row of the table; with *min_count* no count of fewer patients, none of *hidden* nodes, no example."""
        n: small.Cell = self.n
        n_ok: small.Cell = self.n_ok
        share: float | str | None = round(self.n_ok / self.n, 4) if self.n else None
        if min_count:
            shown = [_shareable(count, min_count, hidden) for count in self.counts]
            n, n_ok = (_sum([cells[i] for cells in shown]) for i in range(2))
            share = share if isinstance(n, int) and isinstance(n_ok, int) else small.HIDDEN
        return {
            "id": self.check.id, "level": self.check.level, "when": self.check.when, "unit": self.check.unit,
            "result": self.result, "n": n, "n_ok": n_ok, "share": share,
            "examples": [] if min_count else list(self.examples(several=several)),
            "passes_when": self.check.passes_when, "remedy": self.check.remedy,
        }  # fmt: skip


def _too_near(rows: Sequence[CheckRow], k: int) -> dict[str, set[str]]:
    """By check the nodes whose number of units must not be shown: with that of another check it tells a few apart.

    Twelve patients of whom nine are asked something more are three who are not.
    """
    counted = [(count, row.check) for row in rows for count in row.counts if count.n_patients >= k]
    hidden: dict[str, set[str]] = {}
    patients: dict[str, int] = {}
    units: dict[tuple[str, str], int] = {}
    for count, check in sorted(counted, key=lambda pair: (-pair[0].n_patients, -pair[0].n)):
        unit = (count.node, check.unit)
        fewer = patients.get(count.node, count.n_patients) - count.n_patients
        apart = abs(units.get(unit, count.n) - count.n)
        if 0 < fewer < k or 0 < apart < k:
            hidden.setdefault(check.id, set()).add(count.node)
        else:
            patients[count.node], units[unit] = count.n_patients, count.n
    return hidden


def _shareable(count: Count, k: int, hidden: Collection[str]) -> tuple[small.Cell, small.Cell]:
    """Units of a node and those that pass, as they may stand beside the number of the patients they are of."""
    if count.node in hidden:
        return small.HIDDEN, small.HIDDEN
    sides = (count.n_ok, count.n_patients_ok), (count.n - count.n_ok, count.n_patients_not)
    n = small.beside(count.n, count.n_patients, k)
    passing = isinstance(n, int) and all(isinstance(small.beside(*side, k), int) for side in sides)
    return n, count.n_ok if passing else small.HIDDEN


def _sum(cells: list[small.Cell]) -> small.Cell:
    """Sum over the nodes, hidden where one of them is: it would follow from the others."""
    told = [cell for cell in cells if isinstance(cell, int)]
    return sum(told) if told and len(told) == len(cells) else small.HIDDEN


@dataclass(frozen=True, eq=False)
class Checked:
    """A cohort held against a profile; made by :meth:`Cohort.check`."""

    profile: str
    nodes: tuple[str, ...]
    rows: tuple[CheckRow, ...]
    #: Whether the formats of tier 3 are mandatory.
    tier3: bool = False
    #: Fewest patients behind a count; 0 where every count is shown.
    min_count: int = 0

    def __getitem__(self, check_id: str) -> CheckRow:
        for row in self.rows:
            if row.check.id == check_id:
                return row
        raise KeyError(check_id)

    @property
    def passed(self) -> bool:
        """Whether no mandatory check fails."""
        return not self.failing

    @property
    def failing(self) -> tuple[str, ...]:
        """Mandatory checks that fail; what only tier 3 asks for is among them where that was asked."""
        mandatory = [row for row in self.rows if row.check.level == "M" and (self.tier3 or row.check.when != TIER_3)]
        return tuple(row.check.id for row in mandatory if row.result == "fail")

    @property
    def table(self) -> pd.DataFrame:
        """One row per check: id, level, unit, counts, share, examples, remedy."""
        import pandas as pd

        return pd.DataFrame(self.cells(), columns=list(COLUMNS))

    @property
    def by_node(self) -> pd.DataFrame:
        """One row per check and node with units to count: result, n, n_ok, share."""
        import pandas as pd

        names = ("id", "level", "result", "n", "n_ok", "share", "examples")
        hidden = self._hidden
        rows = [
            {
                "node": count.node,
                **replace(row, counts=(count,)).cells(
                    self.min_count, several=False, hidden=hidden.get(row.check.id, ())
                ),
            }
            for row in self.rows
            for count in row.counts
        ]
        return pd.DataFrame(rows, columns=["node", *names])

    def cells(self) -> list[dict[str, Any]]:
        """Rows of :attr:`table` as plain dictionaries."""
        several, hidden = len(self.nodes) > 1, self._hidden
        return [row.cells(self.min_count, several=several, hidden=hidden.get(row.check.id, ())) for row in self.rows]

    @property
    def _hidden(self) -> dict[str, set[str]]:
        return _too_near(self.rows, self.min_count) if self.min_count else {}

    def shareable(self, *, min_count: int | None = None) -> Checked:
        """The same without examples, and without counts that rest on few patients.

        Results are shown: whether attributes are complete says nothing of a person. A count of those that pass is
        shown where at least *min_count* patients are behind them, and as many behind those that do not. Studies,
        series and objects are counted where they are as many as the patients they are of, or at least *min_count*
        more; of all nodes together where each node's count is shown. Of two checks that ask nearly the same units the
        larger number is shown: the other would tell a few apart.

        Parameters
        ----------
        min_count : int, optional
            Default ``options.min_count``.
        """
        return replace(self, min_count=options.min_count if min_count is None else min_count)

    def _note(self) -> str:
        fail = self.failing
        said = f"{len(fail)} mandatory checks fail: {', '.join(fail)}" if fail else "no mandatory check fails"
        counted = sum(row.result == "none" for row in self.rows)
        more = f"; {counted} have nothing to count" if counted else ""
        hidden = f"; groups of fewer than {self.min_count} patients are hidden" if self.min_count else ""
        return f"{self.profile}: {said}{more}{hidden}"

    def _lines(self) -> list[tuple[str, ...]]:
        return [
            (
                row["id"], row["level"] + ("*" if row["when"] else ""), row["unit"], row["result"],
                f"{row['n_ok']} of {row['n']}" if row["result"] != "none" else "",
                f"{row['share']:.0%}" if isinstance(row["share"], float) and row["result"] != "none" else "",
            )
            for row in self.cells()
        ]  # fmt: skip

    def __repr__(self) -> str:
        cells = [("check", "level", "unit", "result", "pass", "share"), *self._lines()]
        widths = [max(len(row[i]) for row in cells) for i in range(len(cells[0]))]
        lines = [
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells
        ]
        lines += ["", self._note(), "M mandatory, A mandatory where available, * under a condition"]
        for row in self.cells():
            if row["id"] in self.failing:
                lines.append(f"! {row['id']}: passes when {row['passes_when']}")
                lines += [f"     {_shown(example)}" for example in row["examples"]]
                lines.append(f"     {row['remedy']}")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        head = "".join(f"<th>{name}</th>" for name in ("check", "level", "unit", "result", "pass", "share", "remedy"))
        body = ""
        for row, cells in zip(self.cells(), self._lines(), strict=True):
            remedy = row["remedy"] if row["result"] == "fail" else ""
            told = "".join(f"<td style='text-align:left'>{escape(cell)}</td>" for cell in (*cells, remedy))
            body += f"<tr title='{escape(row['passes_when'], quote=True)}'>{told}</tr>"
        return f"<p>{escape(self._note())}</p><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _shown(text: str, limit: int = 112) -> str:
    """Text on one line, without control characters of whoever wrote the data."""
    text = "".join(char if char.isprintable() else " " for char in text)
    return text if len(text) <= limit else "..." + text[3 - limit :]
