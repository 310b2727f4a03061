"""Site effects: how much of each feature is the node's doing, before anyone pools."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from workbench.arguments import checked, short
from workbench.errors import UsageError
from workbench.measure.patients import design, doubts, is_number, require_columns
from workbench.measure.refused import Refused
from workbench.measure.settings import digest
from workbench.measure.standardised import largest, smd
from workbench.measure.wide import one_row_per_patient

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]
#: Columns of the table of :func:`sites`.
COLUMNS: Final = (
    "feature", "rank", "partial_r2", "low", "high", "adjusted", "f", "df_node", "df_residual", "smd", "smd_nodes",
    "n", "nodes", "n_missing", "left_out", "reason",
)  # fmt: skip
#: Columns of the table of :func:`site_differences`.
DIFFERENCES: Final = ("feature", "node_a", "node_b", "smd", "low", "high", "n_a", "n_b", "reason")
#: Fewest residual degrees of freedom: below, intervals span nearly everything.
LEAST_RESIDUAL_DF: Final = 10
#: Bootstrap samples at most: beyond, the ends of an interval move no more.
MOST_SAMPLES: Final = 100_000
#: Share of bootstrap samples that must be usable.
_LEAST_USABLE: Final = 0.9


@dataclass(frozen=True, eq=False)
class _Effect:
    """What the node explains beyond the covariates: sums of squares of two nested linear models."""

    #: Share of the variance left by the covariates.
    partial_r2: float
    #: Degrees of freedom of the node.
    df_node: int
    #: Residual degrees of freedom of the larger model.
    df_residual: int

    @property
    def f(self) -> float:
        """F statistic; infinite where nothing is left."""
        left = 1 - self.partial_r2
        return float("inf") if left <= 0 else self.partial_r2 / self.df_node / (left / self.df_residual)

    @property
    def adjusted(self) -> float:
        """Partial epsilon squared (Kelley 1935): what chance explains taken off; 0 on average without an effect."""
        return 1 - (1 - self.partial_r2) * (self.df_residual + self.df_node) / self.df_residual


@checked
def sites(
    table: pd.DataFrame,
    *,
    features: Sequence[str] | None = None,
    node: str = "node",
    covariates: Sequence[str] = (),
    patient: str | None = "patient_id",
    transform: Literal["rank"] | None = None,
    least_patients: int = 5,
    n_boot: int = 0,
    level: float = 0.95,
    seed: int = 0,
) -> pd.DataFrame:
    """One row per feature, most affected first: share of its variance (0 to 1) that the node explains past covariates.

    Two linear models of the feature, with and without the node, both with the covariates; patients are the unit.

    Parameters
    ----------
    table : DataFrame
        One row per patient with a column per feature; or rows (patient, feature, value) as
        ``measure.features(cohort)`` gives them, with at most one value per patient and feature.
    features : sequence of str, optional
        Which; default all of a long table, all columns of numbers of a wide one.
    node : str, default "node"
        Column of the node.
    covariates : sequence of str
        Columns that may explain differences: numbers as they are, categories as indicators. Patients without one are
        left out and counted.
    patient : str or None, default "patient_id"
        Column of the patient's id; None where each row is a patient.
    transform : "rank", optional
        Ranks in place of values: for skewed features, and against the pull of single patients.
    least_patients : int, default 5
        A node with fewer patients for a feature is left out of it, and named in ``left_out``.
    n_boot : int, default 0
        Bootstrap samples (patients drawn anew within each node) for the interval. 0: from the noncentral F.
    level : float, default 0.95
        Level of the interval.
    seed : int, default 0
        Seed of the bootstrap.

    Returns
    -------
    DataFrame
        ``feature``, ``rank`` (1: most affected), ``partial_r2`` with ``low`` and ``high``, ``adjusted`` (without what
        chance explains: compare this where nodes or patients are few), ``f``, ``df_node``, ``df_residual``, ``smd``
        (largest standardised mean difference of two nodes, not adjusted, with ``smd_nodes`` saying of which), ``n``
        patients, ``nodes``, ``n_missing`` (patients left out for want of value, covariate or node), ``left_out``
        and ``reason``: why there is no number. ``attrs["settings"]``, ``attrs["settings_digest"]`` and
        ``attrs["warnings"]``: what the cohort suspects of the units of covariates.

    Raises
    ------
    UsageError
        Missing columns, several rows of a patient, or arguments out of range.

    Notes
    -----
    partial_r2 is partial eta squared, (RSS without node - RSS with node) / RSS without node. Its interval is that of
    the noncentral F distribution (Smithson 2001, doi 10.1177/00131640121971392): exact for normal residuals of equal
    spread; it holds 0 where the F test finds nothing. Bootstrap intervals need no such law but never reach 0, since
    eta squared is never negative. What the node explains need not be its scanner: patients differ between nodes in
    more than the covariates given here.

    Examples
    --------
    >>> import pandas as pd
    >>> value = [1.0, 2, 3, 4, 5, 6, 7, 8, 11, 12, 13, 14, 15, 16, 17, 18]
    >>> table = pd.DataFrame({"node": ["a"] * 8 + ["b"] * 8, "patient_id": range(16), "mean": value})
    >>> sites(table)[["feature", "rank", "partial_r2", "low", "high", "smd"]].round(3)
      feature  rank  partial_r2    low   high    smd
    0    mean     1       0.826  0.563  0.895  4.082
    """
    import pandas as pd

    _check(node, covariates, transform, least_patients, n_boot, level)
    if seed < 0:
        raise UsageError(f"seed cannot be {short(seed)}", remedy="give a whole number from 0 on")
    wide, names = _prepared(table, features, node, covariates, patient)
    generator = np.random.default_rng(seed)
    rows = []
    for name in names:
        used, left_out, missing = _complete(wide, name, node, covariates, least_patients)
        # As many draws for every feature, so that one more feature leaves the others as they are.
        stream = generator.spawn(1)[0]
        about = {
            "feature": name, "n": len(used), "nodes": used[node].nunique(), "n_missing": missing,
            "left_out": ", ".join(f"{one} ({count})" for one, count in left_out.items()),
        }  # fmt: skip
        rows.append(about | _row(used, name, node, covariates, transform, n_boot, level, stream))
    found = pd.DataFrame(rows, columns=list(COLUMNS))
    found["rank"] = found["partial_r2"].rank(ascending=False, method="min").astype("Int64")
    found = found.sort_values(["partial_r2", "feature"], ascending=[False, True], na_position="last")
    said = {
        "node": node, "covariates": list(covariates), "transform": transform, "least_patients": int(least_patients),
        "n_boot": int(n_boot), "level": float(level), "seed": int(seed) if n_boot else None,
        "interval": "bootstrap percentiles" if n_boot else "noncentral F",
    }  # fmt: skip
    found.attrs = {"settings": said, "settings_digest": digest(said), "warnings": doubts(table, covariates)}
    return found.reset_index(drop=True)


@checked
def site_differences(
    table: pd.DataFrame,
    *,
    features: Sequence[str] | None = None,
    node: str = "node",
    patient: str | None = "patient_id",
    level: float = 0.95,
) -> pd.DataFrame:
    """One row per feature and pair of nodes: standardised mean difference (a minus b, standard deviations), interval.

    Parameters are those of :func:`sites`. The interval is the large-sample one of Hedges and Olkin (1985, page 86).

    Returns
    -------
    DataFrame
        ``feature``, ``node_a``, ``node_b``, ``smd``, ``low``, ``high``, ``n_a``, ``n_b`` and ``reason``.

    Examples
    --------
    >>> import pandas as pd
    >>> table = pd.DataFrame({"node": list("aaabbb"), "patient_id": range(6), "mean": [1.0, 2, 3, 2, 3, 4]})
    >>> site_differences(table)[["node_a", "node_b", "smd", "low", "high"]].round(2)
      node_a node_b  smd  low  high
    0      a      b -1.0 -2.7   0.7
    """
    import pandas as pd
    from scipy.stats import norm

    _check(node, (), None, 1, 0, level)
    wide, names = _prepared(table, features, node, (), patient)
    quantile = float(norm.ppf((1 + level) / 2))
    rows = []
    for name in names:
        used, _, _ = _complete(wide, name, node, (), 1)
        groups = _by_node(used, name, node)
        for one, other in combinations(sorted(groups), 2):
            a, b = groups[one], groups[other]
            found = smd(a, b)
            value, reason = (np.nan, found.reason) if isinstance(found, Refused) else (found, "")
            error = np.sqrt(1 / len(a) + 1 / len(b) + value**2 / (2 * (len(a) + len(b))))
            ends = (value - quantile * error, value + quantile * error)
            rows.append((name, one, other, value, *ends, len(a), len(b), reason))
    return pd.DataFrame(rows, columns=list(DIFFERENCES))


def _check(
    node: str, covariates: Sequence[str], transform: Any, least_patients: int, n_boot: int, level: float
) -> None:
    if node in covariates:
        raise UsageError(f"{node!r} is the node, and a covariate too", remedy="leave it out of covariates=")
    if transform not in (None, "rank"):
        raise UsageError(f"transform cannot be {transform!r}", remedy="use 'rank' or None")
    if least_patients < 1 or not (n_boot == 0 or 100 <= n_boot <= MOST_SAMPLES):
        text = f"least_patients is 1 or more; n_boot is 0, or 100 to {MOST_SAMPLES}"
        raise UsageError(text, remedy="change them")
    if not 0 < level < 1:
        raise UsageError(f"level cannot be {level!r}", remedy="give a number between 0 and 1, e.g. 0.95")


def _prepared(
    table: pd.DataFrame, features: Sequence[str] | None, node: str, covariates: Sequence[str], patient: str | None
) -> tuple[pd.DataFrame, list[str]]:
    """Table of one row per patient, and the features in it."""
    require_columns(table, [node, *covariates])
    wide, names = one_row_per_patient(table, features, [node, *covariates], patient)
    if features is None:
        names = [name for name in names if is_number(wide[name])]
    if no_numbers := [name for name in names if not is_number(wide[name])]:
        raise UsageError(f"feature {no_numbers[0]!r} holds no numbers", remedy="leave it out, or make numbers of it")
    if not names:
        raise UsageError("no features in the table", remedy="name the columns: features=[...]")
    return wide, names


def _complete(
    wide: pd.DataFrame, name: str, node: str, covariates: Sequence[str], least: int
) -> tuple[pd.DataFrame, dict[str, int], int]:
    """Patients with all that is needed, of nodes with enough of them; the others by node, and how many lack something.

    Infinite values are no values.
    """
    used = wide[[name, node, *covariates]].replace([np.inf, -np.inf], np.nan).dropna()
    counts = used[node].value_counts()
    few = {str(one): int(counts.get(one, 0)) for one in sorted(wide[node].dropna().unique(), key=str)}
    few = {one: count for one, count in few.items() if count < least}
    return used[~used[node].astype(str).isin(list(few))], few, len(wide) - len(used)


def _row(
    used: pd.DataFrame,
    name: str,
    node: str,
    covariates: Sequence[str],
    transform: str | None,
    n_boot: int,
    level: float,
    generator: np.random.Generator,
) -> dict[str, Any]:
    """Numbers of one feature, or the reason why there are none."""
    values = used[name].to_numpy(dtype=np.float64)
    if used[node].nunique() < 2:
        return {"reason": "fewer than two nodes with enough patients"}
    if np.ptp(values) <= 1e-12 * np.abs(values).max():
        return {"reason": "the feature is the same in all patients"}
    pair, which = largest(_by_node(used, name, node))
    row: dict[str, Any] = {} if isinstance(pair, Refused) else {"smd": pair, "smd_nodes": " - ".join(which or ())}
    if transform == "rank":
        values = used[name].rank().to_numpy(dtype=np.float64)
    others = np.hstack([np.ones((len(used), 1)), _scaled(design(used, covariates).values)])
    codes = np.unique(used[node].astype(str).to_numpy(dtype=object).astype(str), return_inverse=True)[1]
    effect = _effect(values, others, codes)
    if isinstance(effect, Refused):
        return row | {"reason": effect.reason}
    ends = (
        _bootstrap(values, others, codes, n_boot, level, generator) if n_boot else _noncentral(effect, level)
    )  # fmt: skip
    row |= {
        "partial_r2": effect.partial_r2, "adjusted": effect.adjusted, "f": effect.f, "df_node": effect.df_node,
        "df_residual": effect.df_residual, "reason": "",
    }  # fmt: skip
    if isinstance(ends, Refused):
        return row | {"reason": ends.reason}
    return row | {"low": ends[0], "high": ends[1]}


def _by_node(used: pd.DataFrame, name: str, node: str) -> dict[str, Floats]:
    return {str(one): part.to_numpy(dtype=np.float64) for one, part in used.groupby(used[node].astype(str))[name]}


def _scaled(values: Floats) -> Floats:
    """Columns with mean 0 and standard deviation 1, so that their rank does not depend on units."""
    spread = values.std(axis=0)
    scaled: Floats = (values - values.mean(axis=0)) / np.where(spread > 0, spread, 1)
    return scaled


def _effect(values: Floats, others: Floats, codes: NDArray[np.int64]) -> _Effect | Refused:
    nodes = np.eye(int(codes.max()) + 1)[codes]
    without, rank = _residual(values, others)
    left, rank_all = _residual(values, np.hstack([others, nodes]))
    df_node, df_residual = rank_all - rank, len(values) - rank_all
    if df_node < nodes.shape[1] - 1:
        return Refused("the node cannot be told apart from the covariates")
    if df_residual < LEAST_RESIDUAL_DF:
        return Refused(f"too few patients: {len(values)} for {rank_all} terms")
    total = float(((values - values.mean()) ** 2).sum())
    if without <= 1e-12 * total:
        return Refused("the covariates explain everything")
    return _Effect(min(1.0, max(0.0, 1 - left / without)), df_node, df_residual)


def _residual(values: Floats, columns: Floats) -> tuple[float, int]:
    """Residual sum of squares of a linear model, and the rank of its columns."""
    centred = values - values.mean()
    solution, _, rank, _ = np.linalg.lstsq(columns, centred, rcond=1e-9)
    residual = centred - columns @ solution
    return float(residual @ residual), int(rank)


def _noncentral(effect: _Effect, level: float) -> tuple[float, float] | Refused:
    """Ends for partial eta squared from those of the noncentrality (Smithson 2001)."""
    from scipy.optimize import brentq
    from scipy.stats import ncf

    f, df_1, df_2 = effect.f, effect.df_node, effect.df_residual
    if not np.isfinite(f):
        return Refused("the node explains everything")

    def end(probability: float) -> float:
        def excess(noncentrality: float) -> float:
            return float(ncf.cdf(f, df_1, df_2, noncentrality)) - probability

        if excess(0.0) <= 0:
            return 0.0
        top = 10.0 + 2 * f * df_1
        while excess(top) > 0:
            top *= 2
        found = float(brentq(excess, 0.0, top, xtol=1e-8))
        return found / (found + df_1 + df_2 + 1)

    return end((1 + level) / 2), end((1 - level) / 2)


def _bootstrap(
    values: Floats, others: Floats, codes: NDArray[np.int64], n_boot: int, level: float, generator: np.random.Generator
) -> tuple[float, float] | Refused:
    """Percentiles over samples in which the patients of each node are drawn anew."""
    places = [np.flatnonzero(codes == one) for one in range(int(codes.max()) + 1)]
    found = []
    for _ in range(n_boot):
        drawn = np.concatenate([generator.choice(place, len(place)) for place in places])
        effect = _effect(values[drawn], others[drawn], codes[drawn])
        if not isinstance(effect, Refused):
            found.append(effect.partial_r2)
    if len(found) < _LEAST_USABLE * n_boot:
        return Refused("too few bootstrap samples could be used for an interval")
    low, high = np.quantile(found, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
