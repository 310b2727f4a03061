"""Standardised mean differences: how far groups are apart, in standard deviations, whatever their size."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.measure.refused import Refused

Floats = NDArray[np.float64]


def smd(a: Floats, b: Floats) -> float | Refused:
    """Mean of *a* minus mean of *b*, in units of the root mean square of both standard deviations (n - 1); signed.

    Austin 2009 (doi 10.1002/sim.3697), equation for continuous variables. Values must not be NaN.

    Examples
    --------
    >>> smd(np.array([1.0, 2.0, 3.0]), np.array([2.0, 3.0, 4.0]))
    -1.0
    """
    if min(len(a), len(b)) < 2:
        return Refused("fewer than two values in a group")
    spread = (float(a.var(ddof=1)) + float(b.var(ddof=1))) / 2
    apart = float(a.mean()) - float(b.mean())
    # Equal numbers may leave rounding behind where they are summed.
    scale = max(abs(float(a.mean())), abs(float(b.mean())), np.finfo(float).tiny)
    if spread <= (1e-12 * scale) ** 2:
        return 0.0 if abs(apart) <= 1e-12 * scale else Refused("no spread within the groups")
    return float(apart / np.sqrt(spread))


def smd_of_counts(a: Floats, b: Floats) -> float | Refused:
    """Difference of two distributions over the same levels, given as counts (levels,); never negative.

    Yang and Dalton 2012 (SAS Global Forum, paper 335): Mahalanobis distance of the proportions of all levels but one,
    with the mean of both multinomial covariances. For two levels it is the absolute difference of Austin 2009.

    Examples
    --------
    >>> round(smd_of_counts(np.array([50.0, 50.0]), np.array([30.0, 70.0])), 4)
    0.417
    """
    if not a.sum() or not b.sum():
        return Refused("a group without values")
    p, q = a / a.sum(), b / b.sum()
    if np.allclose(p, q, rtol=0, atol=1e-12):
        return 0.0
    spread = (np.diag(p) - np.outer(p, p) + np.diag(q) - np.outer(q, q)) / 2
    # A difference along which neither group varies is infinite in these units.
    inverse = np.linalg.pinv(spread, hermitian=True)
    apart = p - q
    if np.abs(spread @ inverse @ apart - apart).max() > 1e-9:
        return Refused("no spread within the groups")
    return float(np.sqrt(max(0.0, apart @ inverse @ apart)))


def largest(groups: Mapping[str, Any], *, counts: bool = False) -> tuple[float | Refused, tuple[str, str] | None]:
    """Largest absolute difference of any two groups, and which two; the reason where there is none.

    Parameters
    ----------
    groups : mapping
        Values (n,) of each group, or counts (levels,).
    counts : bool, default False
        Whether they are counts.
    """
    best: tuple[float, tuple[str, str]] | None = None
    reason = Refused("fewer than two groups")
    for one, other in combinations(groups, 2):
        found = (smd_of_counts if counts else smd)(groups[one], groups[other])
        if isinstance(found, Refused):
            # The largest of the others need not be the largest of all.
            return found, None
        if best is None or abs(found) > best[0]:
            best = abs(found), (one, other)
    return (reason, None) if best is None else best
