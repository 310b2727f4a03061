"""Which coefficients of a Cox model have no end: separation, found exactly and not by how large a fit became."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

#: Share of a direction, at most 1 in each term, below which a term is not part of it; the solver is good to 1e-7.
_NONE: Final = 1e-5


def without_end(time: Floats, event: NDArray[np.bool_], terms: Floats, layers: NDArray[np.int64] | None) -> list[bool]:
    """Whether each term's coefficient may grow for ever without making what happened less likely.

    The partial likelihood has no maximum where some direction orders all events: whoever has the event lies, along it,
    at the front of everyone who could have had it then (Bryson and Johnson, Technometrics 1981, 23:381). Whether there
    is such a direction is a linear programme; a term is without end when one of them moves along it.

    Parameters
    ----------
    time, event : array
        Of each patient, (n,).
    terms : array
        (n, terms), each of a spread of about 1.
    layers : array, optional
        Stratum of each patient: only patients of one stratum are at risk together.

    Returns
    -------
    list of bool
        One for each term.

    Examples
    --------
    >>> weeks, died = np.array([1.0, 2, 3, 4]), np.array([True, True, True, True])
    >>> without_end(weeks, died, np.array([[1.0, 0], [1, 1], [0, 1], [0, 0]]), None)
    [True, False]
    >>> without_end(weeks, died, np.array([[3.0], [1], [2], [0]]), None)
    [False]
    """
    from scipy.optimize import linprog

    count = terms.shape[1]
    strata = [np.ones(len(time), bool)] if layers is None else [layers == level for level in np.unique(layers)]
    rows = np.concatenate([_ahead(time[those], event[those], terms[those]) for those in strata])
    rows = np.unique(rows[(rows != 0).any(axis=1)], axis=0)
    if not len(rows):
        return [False] * count
    ahead = rows.sum(axis=0)

    def furthest(wanted: Floats) -> Floats:
        """The direction of separation that goes furthest along another; zero where there is none."""
        solved = linprog(-wanted, A_ub=-rows, b_ub=np.zeros(len(rows)), bounds=(-1.0, 1.0), method="highs")
        return np.zeros(count) if solved.x is None else np.asarray(solved.x)

    if ahead @ furthest(ahead / np.abs(ahead).max(initial=1.0)) <= _NONE * np.abs(ahead).max():
        return [False] * count
    # A direction that no row sees separates nobody: along it the terms cannot be told apart.
    seen = np.linalg.svd(rows, full_matrices=False)[2][: np.linalg.matrix_rank(rows)]
    across = seen.T @ seen
    steps = np.concatenate([np.eye(count), -np.eye(count)])
    moved = np.abs([across @ furthest(step) for step in steps]).max(axis=0)
    return [bool(share > _NONE) for share in moved]


def _ahead(time: Floats, event: NDArray[np.bool_], terms: Floats) -> Floats:
    """Differences that must not be negative along a direction of separation: who had the event less who was at risk.

    Everyone at risk later is behind the later event, so one row leads from each event to the next.
    """
    rows = [np.zeros((0, terms.shape[1]))]
    until, later = np.inf, None
    for now in np.unique(time[event])[::-1]:
        had = terms[(time == now) & event]
        front = had[0]
        joined = terms[(time >= now) & (time < until) & ~((time == now) & event)]
        # Of equal times each is ahead of the other: they lie side by side.
        rows += [front - joined, front - had[1:], had[1:] - front]
        if later is not None:
            rows.append((front - later)[None])
        until, later = now, front
    return np.concatenate(rows)
