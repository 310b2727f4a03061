"""Counts of a catalogue for others: none of few patients, and none that the counts beside it would give away."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from workbench.cohort.questions import small

if TYPE_CHECKING:
    from workbench.cohort.catalogue.catalogue import Catalogue

#: One patient of a catalogue.
WHO: Final = "(node, collection, PatientID)"
_BY_MODALITY: Final = f"""
select kind, coalesce(Modality, '?'), node, count(*), count(distinct {WHO}) from series group by all order by all"""


def group_cells(counted: Sequence[tuple[int, int]], k: int) -> list[small.Cell]:
    """Series of groups, each counted with the patients they are of, whose total may be known.

    Examples
    --------
    >>> group_cells([(20, 20), (13, 12), (9, 9), (3, 3)], 5), group_cells([(20, 20), (12, 12)], 5)
    ([20, '–', '–', '<5'], [20, 12])
    """
    told = small.partition([patients for _, patients in counted], k)
    return [
        small.beside(n, patients, k) if isinstance(cell, int) else cell
        for (n, patients), cell in zip(counted, told, strict=True)
    ]


def holdings_cells(
    rows: Sequence[tuple[str, str, int, int]], k: int, *, parts: bool = True
) -> dict[tuple[str, str], small.Cell]:
    """Cells of a table of holdings: for each holder and each value that anywhere is of enough patients.

    Parameters
    ----------
    rows : sequence of (holder, value, series, patients)
        What there is.
    k : int
        Fewest patients behind a count.
    parts : bool
        The values make up a whole: what is hidden must not follow from the others.
    """
    there = {(holder, value): (n, patients) for holder, value, n, patients in rows}
    holders = sorted({holder for holder, *_ in rows})
    # That a value occurs at all tells of those few who have it.
    values = sorted({value for _, value, _, patients in rows if patients >= k})
    rare = sorted({value for _, value, *_ in rows} - set(values))
    cells: dict[tuple[str, str], small.Cell] = {}
    for holder in holders:
        counted = [there.get((holder, value), (0, 0)) for value in (*values, *rare)]
        shown = group_cells(counted, k) if parts else [_alone(*pair, k) for pair in counted]
        cells |= {(holder, value): cell for value, cell in zip(values, shown, strict=False)}
    return cells


def _alone(n: int, patients: int, k: int) -> small.Cell:
    """Series of one group, as a summary of a cohort shows them."""
    return small.beside(n, patients, k) if patients >= k else f"<{k}" if n < k else small.HIDDEN


def overview_lines(catalogue: Catalogue, k: int) -> list[str]:
    """What a catalogue prints of itself: patients, and series by kind and modality."""
    rows = catalogue.rows(_BY_MODALITY)
    nodes = catalogue.rows(f"select node, count(distinct {WHO}) from series group by node")
    patients = small.total([n if n >= k else f"<{k}" for _, n in nodes])
    by_kind: dict[str, dict[str, list[small.Cell]]] = {}
    for kind, modality, _, n, who in rows:
        by_kind.setdefault(kind, {}).setdefault(modality, []).append(_alone(n, who, k))
    series = small.total([cell for kinds in by_kind.values() for cells in kinds.values() for cell in cells])
    lines = [f"catalogue of {catalogue.name}: {series} series of {patients} patients"]
    for kind in sorted(by_kind, reverse=True):
        told = ", ".join(f"{modality} {small.total(cells)}" for modality, cells in sorted(by_kind[kind].items()))
        lines.append(f"{kind}s: {told}")
    return [*lines, f"shareable: counts of fewer than {k} patients, and what would tell them, are hidden"]


def selection_cells(n_series: int, n_patients: int, n_studies: int, n_bytes: int, k: int) -> dict[str, Any]:
    """What a selection prints of itself: series, patients, studies, 10⁹ bytes."""
    enough = n_patients >= k
    return {
        "series": small.beside(n_series, n_patients, k), "patients": n_patients if enough else f"<{k}",
        "studies": small.beside(n_studies, n_patients, k), "gb": round(n_bytes / 1e9, 1) if enough else small.HIDDEN,
    }  # fmt: skip
