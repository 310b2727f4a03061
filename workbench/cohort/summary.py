"""A cohort at a glance, as text and as HTML: who holds what, and what is irregular."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any, Final

from workbench.cohort.database.doubts import as_html
from workbench.errors import UsageError
from workbench.options import options

if TYPE_CHECKING:
    from workbench.cohort.cohort import Cohort
    from workbench.cohort.database.database import Database

#: Sign before a finding, by severity; never colour alone.
SIGNS: Final = {"serious": "!!", "attention": "! ", "note": "  "}

#: Counts of a row.
COUNTED: Final = ("patients", "studies", "series")


def _modalities(row: dict[str, Any]) -> str:
    return ", ".join(f"{modality} {count}" for modality, count in row["by_modality"].items())


def _total(rows: list[dict[str, Any]]) -> dict[str, Any]:
    by_modality: dict[str, int] = {}
    for row in rows:
        for modality, count in row["by_modality"].items():
            by_modality[modality] = by_modality.get(modality, 0) + count
    sums = {name: sum(row[name] for row in rows) for name in ("patients", "studies", "series")}
    return {"node": "all", "layout": "", **sums, "by_modality": dict(sorted(by_modality.items()))}


@dataclass(frozen=True)
class Summary:
    """Who holds what and what is irregular; made by :meth:`Cohort.summary`."""

    #: ``local`` or ``shareable``.
    audience: str
    #: One row per node and one of all: ``node, layout, patients, studies, series`` and ``by_modality``, counts by code.
    rows: tuple[dict[str, Any], ...]
    #: What narrowed the cohort, in words.
    narrowed: str
    #: Rows of severity, code, node, count and one line of text.
    findings: tuple[tuple[str, str, str, str, str], ...]
    #: Fewest patients behind a count; 0 where every count is shown.
    min_count: int = 0
    #: What is suspected of the variables that narrowed it, a line each.
    doubts: tuple[str, ...] = ()

    def _note(self) -> str:
        if not self.min_count:
            return ""
        return (
            f"shareable: counts of fewer than {self.min_count} patients, and what would tell them, are hidden; "
            "a total with a hidden part is a lower bound"
        )

    def shown(self) -> dict[str, Any]:
        """What is shown, as plain values: of each node what it holds, and the findings; empty where nothing is hidden.

        Where nothing is hidden the tables of the cohort say more than a summary.
        """
        if self.audience == "local":
            return {}
        names = ("severity", "code", "node", "patients", "what")
        return {
            "audience": self.audience, "min_count": self.min_count,
            # The row of all nodes has no layout.
            "nodes": [row for row in self.rows if row["layout"]],
            "narrowed": self.narrowed, "doubts": list(self.doubts),
            "findings": [dict(zip(names, row, strict=True)) for row in self.findings],
        }  # fmt: skip

    def __repr__(self) -> str:
        head = ("node", "layout", "patients", "studies", "series", "by modality")
        cells = [
            [row["node"], row["layout"], *(str(row[name]) for name in COUNTED), _modalities(row)] for row in self.rows
        ]
        widths = [max(len(line[i]) for line in (*cells, head)) for i in range(len(head))]
        lines = [
            "  ".join(
                cell.rjust(width) if 2 <= i <= 4 else cell.ljust(width)
                for i, (cell, width) in enumerate(zip(line, widths, strict=True))
            ).rstrip()
            for line in (head, *cells)
        ]
        lines += [
            line
            for line in (self.narrowed, *(f"! {line}" for line in self.doubts), "trust: not sealed", self._note())
            if line
        ]
        if not self.findings:
            return "\n".join([*lines, "", "no findings"])
        lines += ["", f"findings ({len(self.findings)} kinds; !! serious, ! attention)"]
        for severity, code, node, count, text in self.findings:
            lines.append(f"{SIGNS[severity]} {code} ({count}) at {node}")
            lines.append(f"     {_short(text)}")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        overview = _table(
            ("node", "layout", "patients", "studies", "series", "by modality"),
            [(row["node"], row["layout"], *(row[name] for name in COUNTED), _modalities(row)) for row in self.rows],
        )
        listed = _table(
            ("severity", "finding", "node", "patients" if self.min_count else "count", "what"),
            [(severity, code, node, count, _short(text)) for severity, code, node, count, text in self.findings],
        )
        count = f"{len(self.findings)} kinds of findings" if self.findings else "no findings"
        narrowed = (f"<p>{escape(self.narrowed)}</p>" if self.narrowed else "") + as_html(self.doubts)
        note = f"<p>{escape(self._note())}</p>" if self.min_count else ""
        n_nodes = len([row for row in self.rows if row["layout"]])
        return (
            f"<p><strong>Cohort</strong> of {n_nodes} node(s), not sealed</p>{narrowed}{overview}{note}"
            f"<details><summary>{count}</summary>{listed}</details>"
        )


def summary(cohort: Cohort, audience: str | None) -> Summary:
    """Summary of a cohort for an audience.

    Raises
    ------
    UsageError
        An audience that is none.
    """
    audience = options.audience if audience is None else audience
    if audience not in ("local", "shareable"):
        raise UsageError(f"audience={audience!r}", remedy="use 'local' or 'shareable'")
    if audience == "shareable":
        from workbench.cohort.shareable import shareable

        return shareable(cohort, options.min_count)
    whole = cohort.overview()
    rows = (*whole, _total(whole)) if len(whole) > 1 else tuple(whole)
    narrowed = " and ".join(f"({condition})" for condition in cohort.conditions)
    findings = tuple(
        (f["severity"], f["code"], f["node"], str(f["count"]), f["where"] or f["what"])
        for f in cohort.grouped_findings()
    )
    narrowed = f"where {narrowed}{_without_images(cohort)}" if narrowed else ""
    doubts = tuple(map(str, cohort._database.doubts))
    return Summary("local", rows, narrowed, findings, doubts=doubts)


def _without_images(cohort: Cohort) -> str:
    """Who left for having no images: counts where conditions alone narrowed the cohort."""
    from workbench.cohort.database.matching import left_out

    gone = left_out(cohort._database) if any(isinstance(step, str) for step in cohort.conditions) else None
    if not gone:
        return ""
    if not all(isinstance(step, str) for step in cohort.conditions):
        return "; patients without images are in no condition's answer"
    return f"; without images, and so left out: {', '.join(f'{node} {gone[node]}' for node in sorted(gone))} patient(s)"


def _short(text: str, limit: int = 112) -> str:
    """Text on one line, without control characters of whoever wrote the data."""
    text = "".join(char if char.isprintable() else " " for char in text)
    return text if len(text) <= limit else text[: limit - 3] + "..."


def _table(head: tuple[str, ...], rows: list[tuple[Any, ...]]) -> str:
    top = "".join(f"<th style='text-align:left'>{escape(name)}</th>" for name in head)
    body = "".join(
        "<tr>" + "".join(f"<td style='text-align:left'>{escape(str(cell))}</td>" for cell in row) + "</tr>"
        for row in rows
    )
    return f"<table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>"


def overview(cohort: Cohort, database: Database) -> list[dict[str, Any]]:
    """Rows of :meth:`Cohort.overview`."""
    counted = database.rows("""
        select node, count(distinct StudyInstanceUID), count(*) from series group by node""")
    modalities = database.rows("""
        select node, coalesce(Modality, '?'), count(*) from series group by all order by node, 2""")
    patients = dict(database.rows("select node, count(*) from patients group by node"))
    by_node = {row[0]: row for row in counted}
    rows = []
    for node in cohort.nodes:
        _, studies, series = by_node.get(node, (node, 0, 0))
        rows.append({
            "node": node,
            "layout": ", ".join(e.layout for e in cohort.extracts if e.node == node),
            "patients": patients.get(node, 0),
            "studies": studies,
            "series": series,
            "by_modality": {modality: n for name, modality, n in modalities if name == node},
        })  # fmt: skip
    return rows
