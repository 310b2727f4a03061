"""Survival: Kaplan-Meier curves with intervals and numbers at risk, by statsmodels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from workbench.arguments import checked
from workbench.errors import UsageError
from workbench.measure.outcomes import FEW_EVENTS, outcomes
from workbench.measure.patients import doubts

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Survival:
    """Kaplan-Meier estimate of one group or several."""

    #: A row per group and time at which something happened: ``group``, ``time``, ``at_risk`` (just before),
    #: ``events``, ``censored``, ``survival``, ``low``, ``high``; begins with time 0.
    curve: pd.DataFrame
    #: A row per group: ``group``, ``n``, ``events``, ``median`` with ``low`` and ``high``, ``reason`` where there is
    #: none.
    groups: pd.DataFrame
    #: Column of the time; its unit is that of the table.
    time: str
    #: Level of the intervals.
    level: float
    #: Patients left out because time, event or group is missing.
    n_missing: int
    #: What to mind, in words.
    warnings: tuple[str, ...]

    @checked
    def at(self, times: float | Sequence[float]) -> pd.DataFrame:
        """A row per group and time: ``at_risk`` (just before), ``survival``, ``low``, ``high``, ``reason`` of a NaN.

        Parameters
        ----------
        times : float or sequence of float
            In the unit of the column of the time.
        """
        import pandas as pd

        several = times if isinstance(times, Sequence) else [times]
        rows: list[tuple[Any, ...]] = []
        for group, part in self.curve.groupby("group", sort=False):
            when = part["time"].to_numpy()
            ends = when[-1]
            for time in several:
                # Who leaves at this very time is still at risk.
                later = int(np.searchsorted(when, time, side="left"))
                at_risk = int(part["at_risk"].iloc[later]) if later < len(part) else 0
                last = int(np.searchsorted(when, time, side="right")) - 1
                known = last >= 0 and (time <= ends or part["survival"].iloc[-1] == 0)
                values = part.iloc[last][["survival", "low", "high"]].tolist() if known else [np.nan] * 3
                rows.append((group, float(time), at_risk, *values, _no_number(values, time, ends)))
        return pd.DataFrame(rows, columns=["group", "time", "at_risk", "survival", "low", "high", "reason"])

    def figure(self, **options: Any) -> Figure:
        """Curves with intervals and numbers at risk; see :func:`workbench.measure.survival_figure.survival_figure`."""
        from workbench.measure.survival_figure import survival_figure

        return survival_figure(self, **options)

    def _repr_html_(self) -> str:
        from workbench.measure.shown import as_html

        return as_html(
            f"Kaplan-Meier estimate by {self.time}, intervals of {self.level:.0%}", self.groups, self.warnings
        )


@checked
def kaplan_meier(
    table: pd.DataFrame,
    *,
    time: str,
    event: str,
    by: str | None = None,
    patient: str | None = "patient_id",
    level: float = 0.95,
) -> Survival:
    """Share of patients without the event (0 to 1) over time, per group, with numbers at risk and intervals.

    Parameters
    ----------
    table : DataFrame
        One row per patient.
    time : str
        Column of the time to the event or to the end of follow-up, in any one unit.
    event : str
        Column that says whether the event came: booleans, or 0 and 1.
    by : str, optional
        Column of the group.
    patient : str or None, default "patient_id"
        Column of the patient's id; None where each row is a patient.
    level : float, default 0.95
        Level of the intervals.

    Returns
    -------
    Survival
        Tables ``curve`` and ``groups``, ``warnings``; ``at(times)`` and ``figure()``.

    Raises
    ------
    UsageError
        Missing columns, several rows of a patient, values that are no times or events.
    NotMeasurable
        No patient is left.

    Notes
    -----
    Product-limit estimate (Kaplan and Meier 1958) with Greenwood's standard error, by statsmodels. Intervals are on the
    log(-log) scale (Kalbfleisch and Prentice 2002, section 1.4): they stay between 0 and 1; there is none where nobody
    or everybody had the event. The interval of the median are the times at which that of the curve holds one half
    (Brookmeyer and Crowley 1982). R's survfit gives the same with ``conf.type="log-log"``; its default is ``"log"``.
    The median is the first time at which at most one half is left; R takes the middle where the curve is flat at it.

    Examples
    --------
    >>> import pandas as pd
    >>> table = pd.DataFrame({"months": [1.0, 2, 2, 4, 5], "died": [1, 1, 0, 1, 0]})
    >>> found = kaplan_meier(table, time="months", event="died", patient=None)
    >>> found.curve[["time", "at_risk", "events", "censored", "survival"]].round(2)
       time  at_risk  events  censored  survival
    0   0.0        5       0         0       1.0
    1   1.0        5       1         0       0.8
    2   2.0        4       1         1       0.6
    3   4.0        2       1         0       0.3
    4   5.0        1       0         1       0.3
    """
    import pandas as pd

    _check_level(level)
    found = outcomes(table, time=time, event=event, others=[by] if by else [], patient=patient)
    curves, groups, warnings = [], [], doubts(table, [time])
    for name, inside in found.groups(by):
        times, events = found.time[inside], found.event[inside]
        curve = _curve(times, events, level)
        curves.append(curve.assign(group=name)[["group", *curve.columns]])
        groups.append({"group": name, "n": len(times), "events": int(events.sum()), **_median(curve)})
        if events.sum() < FEW_EVENTS:
            warnings.append(f"few events in {name}: {int(events.sum())} of {len(times)} patients")
    if found.n_missing:
        warnings.append(f"{found.n_missing} patients left out: time, event or group is missing")
    return Survival(
        pd.concat(curves, ignore_index=True), pd.DataFrame(groups), time, float(level), found.n_missing, tuple(warnings)
    )


def _curve(times: Floats, events: NDArray[np.bool_], level: float) -> pd.DataFrame:
    import pandas as pd
    from scipy.stats import norm
    from statsmodels.duration.survfunc import SurvfuncRight

    when, place = np.unique(times, return_inverse=True)
    happened = np.bincount(place, weights=events, minlength=len(when)).astype(int)
    left = np.bincount(place, minlength=len(when)) - happened
    at_risk = len(times) - np.concatenate([[0], np.cumsum(happened + left)[:-1]])
    survival, error = np.ones(len(when)), np.zeros(len(when))
    if events.any():
        estimate = SurvfuncRight(times, events.astype(int))
        known = np.searchsorted(estimate.surv_times, when, side="right") - 1
        survival = np.where(known >= 0, np.asarray(estimate.surv_prob)[known], 1.0)
        # Greenwood's sum has a division by zero where the curve ends at zero: no interval there anyway.
        error = np.where(known >= 0, np.nan_to_num(np.asarray(estimate.surv_prob_se)[known]), 0.0)
    # The product of shares leaves rounding behind where the last patient has the event.
    survival = np.where(survival < 1e-12, 0.0, survival)
    low, high = _interval(survival, error, float(norm.ppf((1 + level) / 2)))
    if when[0] > 0:
        when, at_risk = np.concatenate([[0.0], when]), np.concatenate([[len(times)], at_risk])
        happened, left = np.concatenate([[0], happened]), np.concatenate([[0], left])
        survival, low, high = (np.concatenate([[first], values]) for first, values in (
            (1.0, survival), (np.nan, low), (np.nan, high)))  # fmt: skip
    return pd.DataFrame({
        "time": when, "at_risk": at_risk.astype(int), "events": happened, "censored": left, "survival": survival,
        "low": low, "high": high,
    })  # fmt: skip


def _interval(survival: Floats, error: Floats, quantile: float) -> tuple[Floats, Floats]:
    """Ends on the log(-log) scale; NaN where survival is 0 or 1."""
    low, high = np.full(len(survival), np.nan), np.full(len(survival), np.nan)
    inner = (survival > 0) & (survival < 1)
    s = survival[inner]
    reach = quantile * error[inner] / (s * np.abs(np.log(s)))
    low[inner], high[inner] = s ** np.exp(reach), s ** np.exp(-reach)
    return low, high


def _median(curve: pd.DataFrame) -> dict[str, Any]:
    """First time at which at most one half is left, with the times between which the interval holds one half."""
    times = curve["time"].to_numpy()

    def first(values: Any) -> float:
        reached = np.flatnonzero(np.asarray(values) <= 0.5 + 1e-12)
        return float(times[reached[0]]) if len(reached) else float("nan")

    survival = curve["survival"].to_numpy()
    # Where everybody had the event both ends of the interval are 0.
    low, high = (np.where(survival == 0, 0.0, np.where(survival == 1, 1.0, curve[one])) for one in ("low", "high"))
    median = first(survival)
    reason = "" if np.isfinite(median) else "more than half are without the event at the end of follow-up"
    return {"median": median, "low": first(low), "high": first(high), "reason": reason}


def _no_number(values: Sequence[float], time: float, ends: float) -> str:
    """Why the share at a time, or its interval, is none; empty where all are there."""
    if np.isnan(values[0]):
        return "before the first patient" if time < 0 else f"nobody was followed beyond {ends:g}"
    if np.isnan(values[1:]).any():
        return "no interval where nobody had the event" if values[0] == 1 else "no interval where everybody had it"
    return ""


def _check_level(level: float) -> None:
    if not 0 < level < 1:
        raise UsageError(f"level cannot be {level!r}", remedy="give a number between 0 and 1, e.g. 0.95")
