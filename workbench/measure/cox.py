"""Cox's proportional hazards model, by statsmodels: what goes with earlier or later events."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from workbench.arguments import checked
from workbench.errors import NotMeasurable, UsageError
from workbench.measure.outcomes import FEW_EVENTS, outcomes
from workbench.measure.patients import Design, design, doubts
from workbench.measure.separation import without_end

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]
#: Columns of the table.
COLUMNS: Final = (
    "term", "hazard_ratio", "low", "high", "coefficient", "standard_error", "z", "p", "unit", "reason",
)  # fmt: skip
#: Largest step of the coefficients of scaled terms, in standard errors, that still counts as arrived.
_ARRIVED: Final = 1e-4


@dataclass(frozen=True, eq=False)
class Cox:
    """Fitted proportional hazards model."""

    #: A row per term: ``term``, ``hazard_ratio`` with ``low`` and ``high``, ``coefficient`` (its logarithm),
    #: ``standard_error``, ``z``, ``p`` (Wald), ``unit`` (what the ratio is for), ``reason`` where there is none.
    table: pd.DataFrame
    #: Patients in the model.
    n: int
    #: Events among them.
    events: int
    #: Patients left out because something is missing.
    n_missing: int
    #: Partial log-likelihood at the estimate.
    log_likelihood: float
    #: Column -> level that the others are compared with.
    references: dict[str, str]
    #: How equal times of events were treated.
    ties: str
    #: Level of the intervals.
    level: float
    #: What to mind, in words.
    warnings: tuple[str, ...]

    def _repr_html_(self) -> str:
        from workbench.measure.shown import as_html

        line = f"Cox model: {self.n} patients, {self.events} events, ties after {self.ties.capitalize()}"
        return as_html(line, self.table, self.warnings)


@checked
def cox(
    table: pd.DataFrame,
    *,
    time: str,
    event: str,
    covariates: Sequence[str],
    strata: str | None = None,
    patient: str | None = "patient_id",
    ties: Literal["efron", "breslow"] = "efron",
    level: float = 0.95,
) -> Cox:
    """Hazard ratio of each covariate with its interval; the patient is the unit, hazards are taken to be proportional.

    Parameters
    ----------
    table : DataFrame
        One row per patient.
    time : str
        Column of the time to the event or to the end of follow-up, in any one unit.
    event : str
        Column that says whether the event came: booleans, or 0 and 1.
    covariates : sequence of str
        Columns: numbers as they are (the ratio is per 1 of them), categories against their first level.
    strata : str, optional
        Column within whose levels hazards are compared, each with its own baseline, e.g. the node.
    patient : str or None, default "patient_id"
        Column of the patient's id; None where each row is a patient.
    ties : {"efron", "breslow"}
        Equal times of events; R takes Efron's way, too.
    level : float, default 0.95
        Level of the intervals (Wald).

    Returns
    -------
    Cox
        ``table`` with a row per term, counts, ``references`` and ``warnings`` (few events per term, patients left out).
        A term whose ratio would be zero or infinite, because one of its levels has no event or because events follow
        it without exception, has NaN and a reason.

    Raises
    ------
    UsageError
        Missing columns, several rows of a patient, values that are no times or events.
    NotMeasurable
        No event, a covariate that does not vary, or covariates that determine each other.

    Notes
    -----
    That hazards are proportional is not tested here: draw Kaplan-Meier curves of the groups first.

    Examples
    --------
    >>> import pandas as pd
    >>> table = pd.DataFrame({"months": [1.0, 3, 4, 2, 5, 6], "died": [1, 1, 1, 1, 1, 0], "arm": list("aaabbb")})
    >>> found = cox(table, time="months", event="died", covariates=["arm"], patient=None)
    >>> found.table[["term", "hazard_ratio"]].round(3)
         term  hazard_ratio
    0  arm[b]         0.248
    >>> found.references, found.warnings
    ({'arm': 'a'}, ('5 events for 1 term: fewer than 10 per term',))
    """
    import pandas as pd

    if isinstance(covariates, str) or not covariates:
        raise UsageError("covariates= wants a list of columns", remedy="e.g. covariates=['age', 'stage']")
    if twice := {time, event, strata} & set(covariates):
        raise UsageError(f"{sorted(map(str, twice))[0]!r} is a covariate and something else", remedy="leave it out")
    if ties not in ("efron", "breslow"):
        raise UsageError(f"ties cannot be {ties!r}", remedy="use 'efron' or 'breslow'")
    if not 0 < level < 1:
        raise UsageError(f"level cannot be {level!r}", remedy="give a number between 0 and 1, e.g. 0.95")
    others = [*covariates, *([strata] if strata else [])]
    found = outcomes(table, time=time, event=event, others=others, patient=patient)
    n_events = int(found.event.sum())
    if not n_events:
        raise NotMeasurable("no event: no hazard to compare", remedy="wait for events")
    terms = design(found.table, covariates)
    _require_terms(terms, covariates)
    endless = _endless(terms, found.event)
    # Whose hazard goes to zero is in no risk set any more: the limit of the others is the fit without them.
    kept = ~_without_events(found.table, terms, found.event)
    used = design(found.table[kept], covariates)
    varied = [number for number in range(len(used.terms)) if np.ptp(used.values[:, number]) > 0]
    if not varied:
        raise NotMeasurable("events are at one level of each covariate: no ratio is finite", remedy="choose others")
    values = used.values[:, varied]
    spread = values.std(axis=0)
    layers = found.codes(strata)[kept] if strata else None
    scaled = (values - values.mean(axis=0)) / spread
    separated = without_end(found.time[kept], found.event[kept], scaled, layers)
    fitted = _fitted(found.time[kept], found.event[kept], scaled, layers, ties)
    estimates = _estimates(fitted, [used.terms[number] for number in varied], spread, separated)
    rows = _rows(estimates, terms, endless, level)
    warnings = doubts(table, [time, *covariates])
    if n_events < FEW_EVENTS * len(terms.terms):
        many = f"{len(terms.terms)} term{'s' if len(terms.terms) > 1 else ''}"
        warnings.append(f"{n_events} event{'s' if n_events > 1 else ''} for {many}: fewer than {FEW_EVENTS} per term")
    warnings += [f"{row['term']}: {row['reason']}" for row in rows if row["reason"]]
    if found.n_missing:
        warnings.append(f"{found.n_missing} patients left out: time, event or a covariate is missing")
    return Cox(
        pd.DataFrame(rows, columns=list(COLUMNS)), len(found.time), n_events, found.n_missing,
        float(fitted.llf), terms.references, ties, float(level), tuple(warnings),
    )  # fmt: skip


def _require_terms(terms: Design, covariates: Sequence[str]) -> None:
    """Nothing where every covariate varies and none follows from the others."""
    for column in covariates:
        own = [number for number, name in enumerate(terms.columns) if name == column]
        if not own or (np.ptp(terms.values[:, own], axis=0) == 0).any():
            raise NotMeasurable(f"covariate {column!r} is the same in all patients", remedy="leave it out")
    centred = terms.values - terms.values.mean(axis=0)
    if np.linalg.matrix_rank(centred / centred.std(axis=0), tol=1e-8 * len(centred)) < len(terms.terms):
        raise NotMeasurable("the covariates determine each other", remedy="leave one of them out")


def _endless(terms: Design, event: NDArray[np.bool_]) -> dict[int, str]:
    """Terms whose coefficient has no end: a level without an event, whether their own or the one they are against."""
    found: dict[int, str] = {}
    for column, reference in terms.references.items():
        own = [number for number, name in enumerate(terms.columns) if name == column]
        at_reference = ~(terms.values[:, own] == 1).any(axis=1)
        for number in own:
            if not event[terms.values[:, number] == 1].any():
                found[number] = "no event at this level: the ratio would be 0"
            elif not event[at_reference].any():
                found[number] = f"no event at the reference level {reference}: the ratio would be infinite"
    return found


def _without_events(table: pd.DataFrame, terms: Design, event: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Patients at a level of a category at which nobody had the event, (n,)."""
    none = np.zeros(len(table), dtype=bool)
    for column in terms.references:
        happened = set(table.loc[event, column])
        none |= (~table[column].isin(list(happened))).to_numpy(dtype=bool)
    return none


def _fitted(time: Floats, event: NDArray[np.bool_], scaled: Floats, layers: NDArray[np.int64] | None, ties: str) -> Any:
    import warnings

    from statsmodels.duration.hazard_regression import PHReg

    model = PHReg(time, scaled, status=event.astype(int), ties=ties, strata=layers)
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            # Whether the fit arrived is looked at below, term by term.
            warnings.simplefilter("ignore")
            return model.fit(disp=False)
    except (np.linalg.LinAlgError, ValueError, ZeroDivisionError) as error:
        raise NotMeasurable("the model cannot be fitted to these patients", remedy="use fewer covariates") from error


def _estimates(
    fitted: Any, names: list[str], spread: Floats, separated: list[bool]
) -> dict[str, tuple[float, float, str]]:
    """Coefficient and standard error of every term in its own unit, and the reason where they are none."""
    scaled, errors = np.asarray(fitted.params), np.asarray(fitted.bse)
    with np.errstate(all="ignore"):
        # Newton's next step from here: large where the likelihood still grows.
        slope = np.asarray(fitted.model.score(fitted.params))
        steps = np.abs(np.asarray(fitted.cov_params()) @ slope) / errors
    found = {}
    for number, name in enumerate(names):
        reason = ""
        if not steps[number] < _ARRIVED or not np.isfinite([scaled[number], errors[number]]).all():
            reason = "the fit did not arrive"
        if separated[number]:
            reason = "events follow it without exception: the ratio would be 0 or infinite"
        found[name] = (float(scaled[number] / spread[number]), float(errors[number] / spread[number]), reason)
    return found


def _rows(
    estimates: dict[str, tuple[float, float, str]], terms: Design, endless: dict[int, str], level: float
) -> list[dict[str, Any]]:
    """Numbers of every term, or why there are none."""
    from scipy.stats import norm

    quantile = float(norm.ppf((1 + level) / 2))
    rows: list[dict[str, Any]] = []
    for number, term in enumerate(terms.terms):
        column = terms.columns[number]
        unit = f"against {terms.references[column]}" if column in terms.references else f"per 1 of {column}"
        row: dict[str, Any] = {**dict.fromkeys(COLUMNS[1:8], np.nan), "term": term, "unit": unit}
        absent = (np.nan, np.nan, "it is the same in all patients who tell anything")
        value, error, reason = estimates.get(term, absent)
        reason = endless.get(number, reason)
        if not reason:
            row |= {
                "coefficient": value, "standard_error": error, "z": value / error,
                "p": float(2 * norm.sf(abs(value / error))),
            }  # fmt: skip
            ends = np.array([value, value - quantile * error, value + quantile * error])
            if np.abs(ends).max() < np.log(np.finfo(float).max):
                row |= dict(zip(("hazard_ratio", "low", "high"), map(float, np.exp(ends)), strict=True))
            else:
                reason = "the ratio per 1 is beyond all numbers: give the covariate another unit"
        rows.append(row | {"reason": reason})
    return rows
