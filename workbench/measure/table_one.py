"""Table one: who the patients are, per group, with what is missing and how far the groups are apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from workbench.arguments import checked, short
from workbench.errors import UsageError
from workbench.measure.patients import (
    doubts,
    is_number,
    levels_of,
    once_per_patient,
    require_columns,
    require_one_row_per_patient,
)
from workbench.measure.refused import Refused
from workbench.measure.standardised import largest

if TYPE_CHECKING:
    import pandas as pd

#: Name of the column of all patients.
OVERALL: Final = "overall"
#: Decimals of a text at most: a float holds no more.
MOST_DECIMALS: Final = 15
#: Levels beyond which a column that was not asked for by name is no category: dates, free texts, numbers as texts.
MOST_LEVELS: Final = 20
#: The same where values are nearly all different: more levels than this, and than half the values.
_FEW_LEVELS: Final = 5
#: Columns of the tidy numbers.
NUMBERS: Final = (
    "variable", "level", "group", "n", "missing", "count", "percent", "mean", "sd", "median", "q1", "q3", "minimum",
    "maximum",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class TableOne:
    """Description of patients: to read, and to compute with."""

    #: To read: a row per variable or level, texts per group, ``missing``, ``smd``, ``reason`` and, asked for, ``p``.
    table: pd.DataFrame
    #: To compute with: a row per variable, level and group. ``n`` have a value, ``missing`` have none; ``count`` and
    #: ``percent`` (of those with a value) for categories, the rest for numbers.
    numbers: pd.DataFrame
    #: Group -> patients.
    sizes: dict[str, int]
    #: Patients without a group, who stand under ``overall`` alone.
    without_group: int

    def _repr_html_(self) -> str:
        shown = self.table.drop(columns="reason").astype(object)
        html: str = shown.where(shown.notna(), "").to_html(index=False, border=0)
        return html


@checked
def table_one(
    table: pd.DataFrame,
    by: str | None = None,
    *,
    variables: Sequence[str] | None = None,
    categorical: Sequence[str] = (),
    summary: Literal["median", "mean"] | Mapping[str, Literal["median", "mean"]] = "median",
    patient: str | None = "patient_id",
    p_values: bool = False,
    decimals: int = 1,
) -> TableOne:
    """Counts (%) of categories, median [quartiles] or mean (SD) of numbers, per group; missing and differences beside.

    Parameters
    ----------
    table : DataFrame
        One row per patient; rows of a patient that say the same, as of two timepoints, count once.
    by : str, optional
        Column of the group. Patients without one are described under ``overall`` alone, and counted.
    variables : sequence of str, optional
        Columns to describe; default all but the group, the patient's id, ``node`` and ``timepoint``. By default dates
        and free texts (more than 20 levels, or values nearly all different) are counted and not listed.
    categorical : sequence of str
        Columns of numbers that are codes, e.g. 0 and 1; texts and booleans are categories anyway.
    summary : "median", "mean" or mapping
        How numbers are told, for all or by variable (others: median).
    patient : str or None, default "patient_id"
        Column of the patient's id; None where each row is a patient.
    p_values : bool, default False
        Whether to test each variable. Off: differences of groups that were not drawn at random are described, not
        tested, and tests grow with the number of patients.
    decimals : int, default 1
        Decimals in the texts.

    Returns
    -------
    TableOne
        ``smd`` is the standardised mean difference (Austin 2009; of categories Yang and Dalton 2012), of more than two
        groups the largest of all pairs; ``reason`` says why there is none, and what the cohort suspects of the unit
        of a variable (``unit-suspected``). It leaves out who has no value. ``p`` is of
        Kruskal-Wallis' test (medians), one-way analysis of variance (means), or the chi-squared test (categories).

    Raises
    ------
    UsageError
        Missing columns, or several rows of a patient.

    Examples
    --------
    >>> import pandas as pd
    >>> patients = pd.DataFrame({
    ...     "patient_id": range(6), "arm": list("aaabbb"), "age": [50, 60, 70, 55, 65, None], "sex": list("FMFFFM")})
    >>> print(table_one(patients, by="arm").table[["variable", "level", "a", "b", "missing", "smd"]].to_string())
             variable level                   a                   b missing   smd
    0           patients                         3                   3          <NA>
    1  age, median [IQR]        60.0 [55.0 - 65.0]  60.0 [57.5 - 62.5]       1   0.0
    2         sex, n (%)     F           2 (66.7%)           2 (66.7%)       0   0.0
    3                        M           1 (33.3%)           1 (33.3%)          <NA>
    """
    import pandas as pd

    require_columns(table, [by, *(variables or ()), *categorical])
    if not 0 <= decimals <= MOST_DECIMALS:
        raise UsageError(f"decimals cannot be {short(decimals)}", remedy=f"give a number from 0 to {MOST_DECIMALS}")
    names = [str(name) for name in table.columns if name not in (by, patient, "node", "timepoint")]
    names = names if variables is None else list(variables)
    suspected = {name: doubts(table, [name]) for name in names}
    table = once_per_patient(table, patient, [by, *names])
    require_one_row_per_patient(table, patient)
    how = dict.fromkeys(names, summary) if isinstance(summary, str) else {**dict.fromkeys(names, "median"), **summary}
    if unknown := [value for value in how.values() if value not in ("median", "mean")]:
        raise UsageError(f"summary cannot be {unknown[0]!r}", remedy="use 'median' or 'mean'")
    groups = _groups(table, by)
    sizes = {name: int(inside.sum()) for name, inside in groups.items()}
    lines: list[dict[str, Any]] = [{"variable": "patients", "level": "", **{g: f"{n:,}" for g, n in sizes.items()}}]
    numbers: list[dict[str, Any]] = []
    for name in names:
        if is_number(table[name]) and name not in categorical:
            shown, found = _of_numbers(table[name], name, groups, how[name], decimals, p_values)
        elif variables is None and name not in categorical and _is_free(table[name]):
            shown, found = _of_free(table[name], name, groups)
        else:
            shown, found = _of_categories(table[name], name, groups, decimals, p_values)
        if suspected[name]:
            shown[0]["reason"] = "; ".join(
                [*suspected[name], *([shown[0]["reason"]] if shown[0].get("reason") else [])]
            )
        lines += shown
        numbers += found
    columns = ["variable", "level", *groups, "missing", *(["smd"] if by else []), *(["p"] if p_values and by else [])]
    read = pd.DataFrame(lines, columns=[*columns, "reason"])
    texts = ["variable", "level", *groups, "missing", "reason"]
    read[texts] = read[texts].fillna("")
    for column in ("smd", "p"):
        if column in read:
            # Numbers stay numbers: what is not there is no zero and no text.
            read[column] = read[column].astype("float64").round(3).astype("Float64")
    without = int(table[by].isna().sum()) if by else 0
    return TableOne(read, pd.DataFrame(numbers, columns=list(NUMBERS)), sizes, without)


def _groups(table: pd.DataFrame, by: str | None) -> dict[str, NDArray[np.bool_]]:
    groups = {OVERALL: np.ones(len(table), dtype=bool)}
    if by is not None:
        for one in levels_of(table[by]):
            groups[str(one) if str(one) != OVERALL else f"{one} (group)"] = (
                (table[by] == one).fillna(False).to_numpy(dtype=bool)
            )
    return groups


def _is_free(values: pd.Series[Any]) -> bool:
    """Whether a column of texts holds what no table lists: a value of nearly every patient's own."""
    levels, there = len(levels_of(values)), int(values.notna().sum())
    return levels > MOST_LEVELS or (levels > _FEW_LEVELS and levels > there / 2)


def _of_free(
    values: pd.Series[Any], name: str, groups: Mapping[str, NDArray[np.bool_]]
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """How many have a value, and of how many kinds; none of the values."""
    there = values.notna().to_numpy()
    n = {group: int((inside & there).sum()) for group, inside in groups.items()}
    reason = f"{len(levels_of(values))} different values: name it in variables= to list them"
    line = {"variable": f"{name}, n", "level": "", "missing": f"{int((~there).sum()):,}", "reason": reason}
    found = [
        {"variable": name, "level": "", "group": group, "n": n[group], "missing": int(inside.sum()) - n[group]}
        for group, inside in groups.items()
    ]
    return [line | {group: f"{count:,}" for group, count in n.items()}], found


def _of_numbers(
    values: pd.Series[Any],
    name: str,
    groups: Mapping[str, NDArray[np.bool_]],
    how: str,
    decimals: int,
    p_values: bool,
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    every = values.to_numpy(dtype=np.float64, na_value=np.nan)
    every = np.where(np.isfinite(every), every, np.nan)
    label = f"{name}, median [IQR]" if how == "median" else f"{name}, mean (SD)"
    line: dict[str, Any] = {"variable": label, "level": "", "missing": f"{int(np.isnan(every).sum()):,}"}
    found = []
    samples = {}
    for group, inside in groups.items():
        x = every[inside]
        missing, x = int(np.isnan(x).sum()), x[~np.isnan(x)]
        samples[group] = x
        q1, median, q3 = np.percentile(x, [25, 50, 75]) if len(x) else [np.nan] * 3
        mean = float(x.mean()) if len(x) else np.nan
        sd = float(x.std(ddof=1)) if len(x) > 1 else np.nan
        line[group] = _text(len(x), how, (mean, sd), (median, q1, q3), decimals)
        found.append({
            "variable": name, "level": "", "group": group, "n": len(x), "missing": missing, "mean": mean, "sd": sd,
            "median": float(median), "q1": float(q1), "q3": float(q3),
            "minimum": float(x.min()) if len(x) else np.nan, "maximum": float(x.max()) if len(x) else np.nan,
        })  # fmt: skip
    samples.pop(OVERALL)
    if samples:
        line |= _difference(largest(samples))
        if p_values:
            line["p"] = _p_of_numbers(list(samples.values()), how)
    return [line], found


def _of_categories(
    values: pd.Series[Any], name: str, groups: Mapping[str, NDArray[np.bool_]], decimals: int, p_values: bool
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    levels = levels_of(values)
    there = values.notna().to_numpy()
    of_level = [((values == one).fillna(False)).to_numpy(dtype=bool) for one in levels]
    lines: list[dict[str, Any]] = [
        {"variable": f"{name}, n (%)" if not number else "", "level": str(one)} for number, one in enumerate(levels)
    ] or [{"variable": f"{name}, n (%)", "level": ""}]
    lines[0]["missing"] = f"{int((~there).sum()):,}"
    found = []
    counts = {}
    for group, inside in groups.items():
        n = int((inside & there).sum())
        counts[group] = np.array([(inside & chosen).sum() for chosen in of_level], dtype=np.float64)
        for number, (one, count) in enumerate(zip(levels, counts[group].astype(int), strict=True)):
            percent = 100 * count / n if n else np.nan
            lines[number][group] = f"{count:,} ({percent:.{decimals}f}%)" if n else "no value"
            found.append({
                "variable": name, "level": str(one), "group": group, "n": n, "missing": int(inside.sum()) - n,
                "count": int(count), "percent": percent,
            })  # fmt: skip
        if not levels:
            lines[0][group] = "no value"
            found.append({"variable": name, "level": "", "group": group, "n": 0, "missing": int(inside.sum())})
    counts.pop(OVERALL)
    if counts:
        lines[0] |= _difference(largest(counts, counts=True))
        if p_values:
            lines[0]["p"] = _p_of_counts(list(counts.values()))
    return lines, found


def _text(n: int, how: str, mean: tuple[float, float], median: tuple[float, float, float], decimals: int) -> str:
    if not n:
        return "no value"
    if how == "mean":
        return f"{mean[0]:.{decimals}f} ({mean[1]:.{decimals}f})" if n > 1 else f"{mean[0]:.{decimals}f} (one value)"
    return f"{median[0]:.{decimals}f} [{median[1]:.{decimals}f} - {median[2]:.{decimals}f}]"


def _difference(found: tuple[float | Refused, tuple[str, str] | None]) -> dict[str, Any]:
    value, _ = found
    return {"smd": np.nan, "reason": value.reason} if isinstance(value, Refused) else {"smd": value, "reason": ""}


def _p_of_numbers(samples: Sequence[NDArray[np.float64]], how: str) -> float:
    from scipy.stats import f_oneway, kruskal

    samples = [x for x in samples if len(x)]
    together = np.concatenate(samples) if samples else np.empty(0)
    enough = len(samples) > 1 and min(len(x) for x in samples) > 1 and np.ptp(together) > 0
    # Without spread within the groups the analysis of variance divides by zero.
    if not enough or (how == "mean" and all(np.ptp(x) == 0 for x in samples)):
        return float("nan")
    return float((kruskal if how == "median" else f_oneway)(*samples).pvalue)


def _p_of_counts(counts: Sequence[NDArray[np.float64]]) -> float:
    from scipy.stats import chi2_contingency

    table = np.array(counts)
    table = table[table.sum(axis=1) > 0][:, table.sum(axis=0) > 0] if table.size else table
    return float(chi2_contingency(table, correction=False).pvalue) if min(table.shape) > 1 else float("nan")
