"""The log-rank test that groups have the same survival, by statsmodels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from workbench.arguments import checked
from workbench.errors import NotMeasurable
from workbench.measure.outcomes import FEW_EVENTS, outcomes
from workbench.measure.patients import doubts

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class LogRank:
    """Log-rank test that the survival of groups is the same."""

    #: Chi-squared statistic.
    chi2: float
    #: Its degrees of freedom: groups less one.
    df: int
    #: Probability of at least this statistic where survival is the same.
    p: float
    #: A row per group: ``group``, ``n``, ``observed`` and ``expected`` events.
    groups: pd.DataFrame
    #: Patients left out because time, event or group is missing.
    n_missing: int
    #: What to mind, in words.
    warnings: tuple[str, ...]

    def _repr_html_(self) -> str:
        from workbench.measure.shown import as_html

        line = f"Log-rank test: chi-squared {self.chi2:.3f}, {self.df} degrees of freedom, p = {self.p:.3g}"
        return as_html(line, self.groups, self.warnings)


@checked
def log_rank(
    table: pd.DataFrame,
    *,
    time: str,
    event: str,
    by: str,
    strata: str | None = None,
    patient: str | None = "patient_id",
) -> LogRank:
    """Log-rank test (Mantel 1966) that the groups of *by* have the same survival; per group observed, expected events.

    Parameters
    ----------
    table, time, event, patient
        As for :func:`kaplan_meier`.
    by : str
        Column of the group.
    strata : str, optional
        Column within whose levels patients are compared, e.g. the node.

    Raises
    ------
    UsageError
        Missing columns, several rows of a patient, values that are no times or events.
    NotMeasurable
        Fewer than two groups, or no event.

    Examples
    --------
    >>> import pandas as pd
    >>> table = pd.DataFrame({"months": [1.0, 2, 3, 4, 5, 6], "died": [1] * 6, "arm": list("aaabbb")})
    >>> found = log_rank(table, time="months", event="died", by="arm", patient=None)
    >>> round(found.chi2, 3), found.df, round(found.p, 3)
    (5.052, 1, 0.025)
    """
    import pandas as pd
    from scipy.stats import chi2
    from statsmodels.duration.survfunc import survdiff

    found = outcomes(table, time=time, event=event, others=[by, *([strata] if strata else [])], patient=patient)
    groups = found.groups(by)
    if len(groups) < 2:
        raise NotMeasurable(f"one group in {by!r}: nothing to compare", remedy="choose another column")
    if not found.event.any():
        raise NotMeasurable("no event: nothing to compare", remedy="wait for events")
    codes = found.codes(by)
    layers = found.codes(strata)
    expected = np.zeros(len(groups))
    for one in np.unique(layers):
        expected += _expected(found.time[layers == one], found.event[layers == one], codes[layers == one], len(groups))
    try:
        statistic, _ = survdiff(found.time, found.event.astype(int), codes, strata=layers if strata else None)
    except np.linalg.LinAlgError:
        raise NotMeasurable("groups were never at risk together", remedy="compare groups that overlap") from None
    rows = [
        (name, int(inside.sum()), int(found.event[inside].sum()), float(expected[number]))
        for number, (name, inside) in enumerate(groups)
    ]
    warnings = doubts(table, [time])
    warnings += [
        f"few events in {name}: {events} of {n} patients" for name, n, events, _ in rows if events < FEW_EVENTS
    ]
    if found.n_missing:
        warnings.append(f"{found.n_missing} patients left out: time, event or group is missing")
    return LogRank(
        float(statistic), len(groups) - 1, float(chi2.sf(statistic, len(groups) - 1)),
        pd.DataFrame(rows, columns=["group", "n", "observed", "expected"]), found.n_missing, tuple(warnings),
    )  # fmt: skip


def _expected(times: Floats, events: NDArray[np.bool_], codes: NDArray[np.int64], n_groups: int) -> Floats:
    """Events to expect in each group, were its patients as any at risk at the time of each event."""
    when = np.unique(times[events])
    expected = np.zeros(n_groups)
    happened = np.array([np.count_nonzero(times[events] == one) for one in when])
    at_risk = np.array([[np.count_nonzero(times[codes == group] >= one) for group in range(n_groups)] for one in when])
    if len(when):
        expected = (at_risk / at_risk.sum(axis=1, keepdims=True) * happened[:, None]).sum(axis=0)
    return expected
