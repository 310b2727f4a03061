"""A cohort at a glance, as text and as HTML: who holds what, and what is irregular."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from workbench.cohort.cohort import Cohort
    from workbench.cohort.database import Database

#: Sign before a finding, by severity; never colour alone.
SIGNS: Final = {"serious": "!!", "attention": "! ", "note": "  "}


def _modalities(row: dict[str, Any]) -> str:
    return ", ".join(f"{modality} {count}" for modality, count in row["by_modality"].items())


def _total(rows: list[dict[str, Any]]) -> dict[str, Any]:
    by_modality: dict[str, int] = {}
    for row in rows:
        for modality, count in row["by_modality"].items():
            by_modality[modality] = by_modality.get(modality, 0) + count
    sums = {name: sum(row[name] for row in rows) for name in ("patients", "studies", "series")}
    return {"node": "all", "layout": "", **sums, "by_modality": dict(sorted(by_modality.items()))}


def as_text(cohort: Cohort) -> str:
    """Overview and findings as aligned text, at most 120 columns."""
    rows = cohort.overview()
    if len(rows) > 1:
        rows = [*rows, _total(rows)]
    head = ("node", "layout", "patients", "studies", "series", "by modality")
    cells = [
        [row["node"], row["layout"], str(row["patients"]), str(row["studies"]), str(row["series"]), _modalities(row)]
        for row in rows
    ]
    widths = [max(len(line[i]) for line in (*cells, head)) for i in range(len(head))]
    lines = [
        "  ".join(
            cell.rjust(width) if 2 <= i <= 4 else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in (head, *cells)
    ]
    if cohort.conditions:
        lines.append("where " + " and ".join(f"({condition})" for condition in cohort.conditions))
    lines.append("trust: not sealed")
    findings = cohort.grouped_findings()
    if not findings:
        return "\n".join([*lines, "", "no findings"])
    lines += ["", f"findings ({len(findings)} kinds; !! serious, ! attention)"]
    for finding in findings:
        lines.append(f"{SIGNS[finding['severity']]} {finding['code']} ({finding['count']}) at {finding['node']}")
        lines.append(f"     {_short(finding['where'] or finding['what'])}")
    return "\n".join(lines)


def _short(text: str, limit: int = 112) -> str:
    """Text on one line, without control characters of whoever wrote the data."""
    text = "".join(char if char.isprintable() else " " for char in text)
    return text if len(text) <= limit else text[: limit - 3] + "..."


def as_html(cohort: Cohort) -> str:
    """Overview and findings as two small tables; text is escaped."""
    rows = cohort.overview()
    if len(rows) > 1:
        rows = [*rows, _total(rows)]
    overview = _table(
        ("node", "layout", "patients", "studies", "series", "by modality"),
        [
            (row["node"], row["layout"], row["patients"], row["studies"], row["series"], _modalities(row))
            for row in rows
        ],
    )
    findings = cohort.grouped_findings()
    listed = _table(
        ("severity", "finding", "node", "count", "where"),
        [(f["severity"], f["code"], f["node"], f["count"], _short(f["where"] or f["what"])) for f in findings],
    )
    narrowed = "".join(f"<p>where <code>{escape(str(condition))}</code></p>" for condition in cohort.conditions)
    count = f"{len(findings)} kinds of findings" if findings else "no findings"
    return (
        f"<p><strong>Cohort</strong> of {len(cohort.nodes)} node(s), not sealed</p>{narrowed}{overview}"
        f"<details><summary>{count}</summary>{listed}</details>"
    )


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
