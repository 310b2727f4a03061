"""A cohort at a glance for others: counts alone, none of them of few patients, no word that is of a patient."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from workbench.cohort.questions import small
from workbench.cohort.summary import Summary

if TYPE_CHECKING:
    from workbench.cohort.cohort import Cohort

_PATIENTS: Final = "select node, count(*) from patients group by node"
_MODALITIES: Final = """
select node, coalesce(Modality, '?'), count(*), count(distinct patient_id) from series group by all order by 1, 2"""
_FINDINGS: Final = """
select any_value(severity), code, node, count(distinct nullif(patient_id, '')), any_value(title)
from findings group by code, node
order by case any_value(severity) when 'serious' then 0 when 'attention' then 1 else 2 end, code, node"""


def shareable(cohort: Cohort, k: int) -> Summary:
    """Summary in which every count rests on at least *k* patients, and no hidden one follows from those shown.

    A series of a modality counts where *k* patients of the node have that modality; it and a study also where as many
    patients or none have a second one. A total is given where all its
    parts are shown; else as the sum of those, a lower bound that tells nothing new.
    """
    database = cohort._database
    patients = dict(database.rows(_PATIENTS))
    counted = {(node, modality): (n, who) for node, modality, n, who in database.rows(_MODALITIES)}
    modalities = sorted({modality for _, modality in counted})
    rows: list[dict[str, Any]] = []
    for row in cohort.overview():
        node = row["node"]
        enough = patients.get(node, 0) >= k
        by_modality: dict[str, small.Cell] = {}
        for modality in modalities:
            n, who = counted.get((node, modality), (0, 0))
            by_modality[modality] = small.beside(n, who, k) if who >= k else f"<{k}" if n < k else small.HIDDEN
        rows.append({
            "node": node, "layout": row["layout"],
            "patients": patients[node] if enough else f"<{k}",
            "studies": small.beside(row["studies"], _imaged(cohort, node), k) if enough else small.HIDDEN,
            "series": small.total(list(by_modality.values())) if by_modality else small.HIDDEN,
            "by_modality": by_modality,
        })  # fmt: skip
    if len(rows) > 1:
        whole: dict[str, Any] = {name: small.total([row[name] for row in rows]) for name in ("patients", "studies")}
        cells = {modality: [row["by_modality"][modality] for row in rows] for modality in modalities}
        series = [cell for row in rows for cell in row["by_modality"].values()]
        whole |= {"series": small.total(series), "by_modality": {m: small.total(c) for m, c in cells.items()}}
        rows.append({"node": "all", "layout": "", **whole})
    findings = tuple(
        (severity, code, node, str(who) if who >= k else f"<{k}" if who else small.HIDDEN, title)
        for severity, code, node, who, title in database.rows(_FINDINGS)
    )
    doubts = tuple(dict.fromkeys(doubt.public for doubt in database.doubts))
    return Summary("shareable", tuple(rows), _narrowed(cohort), findings, k, doubts)


def _imaged(cohort: Cohort, node: str) -> int:
    """Patients of a node whom its studies are of."""
    who = cohort._database.rows("select count(distinct patient_id) from series where node = ?", [node])
    return int(who[0][0])


def _narrowed(cohort: Cohort) -> str:
    """What narrowed the cohort, in names of columns alone: a condition may hold a pseudonym or a value."""
    if not cohort.conditions:
        return ""
    columns = {name.casefold(): name for table in ("series", "clinical") for name in cohort._database.columns(table)}
    said = []
    for step in cohort.conditions:
        if isinstance(step, str):
            words = re.findall(r"[A-Za-z_]\w*", re.sub(r"'(?:[^']|'')*'", " ", step))
            asked = dict.fromkeys(columns[word.casefold()] for word in words if word.casefold() in columns)
            said.append(f"a condition on {', '.join(asked)}" if asked else "a condition")
        else:
            said.append(step.public)
    return f"narrowed: {'; '.join(said)}"
