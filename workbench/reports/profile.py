"""Who is in a cohort, in numbers: one row per patient, Table 1, missing values.

Pure functions over the cohort's pandas tables. A patient is a pair of node and patient id: the same id at two nodes
counts twice. Quartiles interpolate linearly between order statistics (type 7 of Hyndman & Fan, The American
Statistician 50(4), 1996), as NumPy and pandas do by default.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any, Final

from workbench.errors import ParameterError
from workbench.reports.parameters import Problem, closest

if TYPE_CHECKING:
    import pandas as pd

#: Name of the pooled column.
POOLED: Final = "All"
#: Group of patients whose grouping variable is missing.
UNKNOWN: Final = "not known"
#: Level that stands for every rarer one.
OTHER: Final = "other"
#: Row of the patients without a value.
MISSING: Final = "missing"
#: Row of a number's median and quartiles.
MEDIAN: Final = "median [Q1, Q3]"
_KEYS: Final = ("node", "patient_id", "timepoint")
#: UCUM units that read better in words.
_UNITS: Final = {"a": "years", "mo": "months", "wk": "weeks", "d": "days", "1": "", "{score}": "score", "%": "%"}
#: Words of variable names that are written otherwise, and units in a name that stand behind it anyway.
_SPELT: Final = {
    "ct": "cT", "cn": "cN", "cm": "cM", "psa": "PSA", "ki67": "Ki-67", "isup": "ISUP", "er": "ER", "pr": "PR",
    "her2": "HER2", "gleason": "Gleason",
}  # fmt: skip
_IN_UNIT: Final = {"percent": "%", "months": "mo", "years": "a", "days": "d"}
#: Findings that cast doubt on the values of a variable; their message begins with its name and a colon.
_DOUBTS: Final = ("unit-suspected", "value-implausible")
#: Mark of numbers that hold doubtful values.
DOUBT: Final = "†"
#: Variables that open Table 1 where they are present.
_FIRST: Final = ("sex", "age_at_diagnosis")


def choose_variables(variables: pd.DataFrame, asked: Sequence[str] | None) -> list[str]:
    """Names of the variables to report on, in order: those asked for, or all with sex and age first.

    Raises
    ------
    ParameterError
        Where one is asked for that the cohort does not have.

    Examples
    --------
    >>> import pandas as pd
    >>> choose_variables(pd.DataFrame({"variable": ["stage", "sex"]}), None)
    ['sex', 'stage']
    """
    known = [str(name) for name in variables["variable"]]
    if asked is None:
        return [*(name for name in _FIRST if name in known), *(name for name in known if name not in _FIRST)]
    problems = [
        Problem("param:choice", "variables", repr(name), "a variable of the cohort", closest(name, known))
        for name in asked
        if name not in known
    ]
    if problems:
        lines = "; ".join(str(problem) for problem in problems)
        raise ParameterError(lines, problems=tuple(problems))
    return list(asked)


def baseline(
    patients: pd.DataFrame, clinical: pd.DataFrame, *, variables: Sequence[str], group_by: str
) -> pd.DataFrame:
    """One row per patient (node, patient_id, group, then the variables): the earliest value known of each variable.

    Parameters
    ----------
    patients, clinical : pandas.DataFrame
        Tables of the cohort.
    variables : list of str
        Variables to keep.
    group_by : {"node", "sex"}
        What the column ``group`` holds.

    Examples
    --------
    >>> import pandas as pd
    >>> patients = pd.DataFrame({"node": ["A"], "patient_id": ["1"]})
    >>> clinical = pd.DataFrame({"node": "A", "patient_id": "1", "timepoint": [1, 2], "stage": [None, "II"]})
    >>> baseline(patients, clinical, variables=["stage"], group_by="node")["stage"].tolist()
    ['II']
    """
    import pandas as pd

    who = patients[["node", "patient_id"]].drop_duplicates()
    wanted = list(dict.fromkeys([*variables, *(["sex"] if group_by == "sex" else [])]))
    columns = [name for name in wanted if name in clinical.columns]
    ordered = clinical.sort_values("timepoint", kind="stable") if "timepoint" in clinical.columns else clinical
    if ordered.empty or not columns:
        firsts = pd.DataFrame(columns=["node", "patient_id", *columns])
    else:
        # groupby.first takes the first value that is not missing, column by column
        firsts = ordered.groupby(["node", "patient_id"], sort=False)[columns].first().reset_index()
    for key in ("node", "patient_id"):
        firsts[key] = firsts[key].astype(who[key].dtype)
    rows = who.merge(firsts, on=["node", "patient_id"], how="left").reset_index(drop=True)
    for name in wanted:
        if name not in rows.columns:
            rows[name] = pd.Series([None] * len(rows), dtype=object)
    group = rows["node"] if group_by == "node" else rows["sex"].astype(object).where(rows["sex"].notna(), UNKNOWN)
    return pd.concat([rows[["node", "patient_id"]], group.astype(str).rename("group"), rows[list(variables)]], axis=1)


def groups(base: pd.DataFrame) -> list[str]:
    """The groups of a baseline table in order, the unknown last, the pooled column at the end."""
    names = sorted(set(base["group"]), key=lambda name: (name == UNKNOWN, name))
    return [*names, POOLED] if len(names) != 1 else names


def doubtful(cohort: Any) -> set[tuple[str, str]]:
    """Pairs of node and variable of which findings say that values look wrong, or look like another unit."""
    codes = ", ".join(f"'{code}'" for code in _DOUBTS)
    found = cohort.sql(f"select node, message from findings where code in ({codes})")
    known = set(cohort.variables["variable"])
    pairs = {(str(row["node"]), str(row["message"]).partition(":")[0]) for row in found.to_dict("records")}
    return {(node, name) for node, name in pairs if name in known}


def table_one(
    base: pd.DataFrame,
    *,
    variables: pd.DataFrame,
    max_categories: int = 12,
    doubts: Collection[tuple[str, str]] = (),
) -> pd.DataFrame:
    """Table 1, one row per variable, level and group, with distinct patients in ``n``.

    Columns: ``variable, type, unit, level, group, n, of, percent, median, q1, q3, doubtful``. Numbers have one row
    with the median and the quartiles; categories one row per level, in per cent of the patients whose value is known;
    both have a row ``missing``, in per cent of all patients. Dates and free text have ``known`` and ``missing`` only.

    Parameters
    ----------
    base : pandas.DataFrame
        From :func:`baseline`.
    variables : pandas.DataFrame
        The cohort's table of variables: ``variable, type, unit``.
    max_categories : int
        Levels shown at most; the rarest beyond are counted as ``other``.
    doubts : set of (node, variable)
        From :func:`doubtful`: a group with patients of that node is marked for that variable.
    """
    import pandas as pd

    described = variables.set_index("variable")
    rows: list[dict[str, Any]] = []
    for name in [column for column in base.columns if column not in ("node", "patient_id", "group")]:
        kind, unit = str(described["type"].get(name, "text")), str(described["unit"].get(name, "") or "")
        values, levels = _as_levels(base[name], max_categories) if kind == "category" else (base[name], [])
        for group in groups(base):
            mine = values if group == POOLED else values[base["group"] == group]
            known = mine.dropna()
            nodes = set(base["node"] if group == POOLED else base.loc[base["group"] == group, "node"])
            doubt = any((node, name) in doubts for node in nodes)
            common = {"variable": name, "type": kind, "unit": unit, "group": group, "doubtful": doubt}
            if kind == "number":
                rows.append(common | {"level": MEDIAN, "n": len(known), "of": len(mine)} | quartiles(known))
            elif kind == "category":
                rows += [common | _share(level, int((known == level).sum()), len(known)) for level in levels]
            else:
                rows.append(common | _share("known", len(known), len(mine)))
            rows.append(common | _share(MISSING, len(mine) - len(known), len(mine)))
    numbers = ("percent", "median", "q1", "q3")
    frame = pd.DataFrame(rows, columns=["variable", "type", "unit", "level", "group", "n", "of", *numbers, "doubtful"])
    return frame.astype({"n": "int64", "of": "int64", "doubtful": bool} | dict.fromkeys(numbers, "float64"))


def quartiles(values: pd.Series[Any]) -> dict[str, float]:
    """Median and quartiles of the known values, interpolated linearly; NaN where there are none.

    Examples
    --------
    >>> import pandas as pd
    >>> quartiles(pd.Series([1, 2, 3, 4]))
    {'median': 2.5, 'q1': 1.75, 'q3': 3.25}
    """
    import pandas as pd

    numbers = pd.to_numeric(values, errors="coerce").astype("float64").dropna()
    if numbers.empty:
        return {"median": float("nan"), "q1": float("nan"), "q3": float("nan")}
    q1, median, q3 = (float(item) for item in numbers.quantile([0.25, 0.5, 0.75], interpolation="linear"))
    return {"median": median, "q1": q1, "q3": q3}


def in_words(one: pd.DataFrame, base: pd.DataFrame) -> pd.DataFrame:
    """Table 1 as it is printed: a row per level, a column per group, ``n (%)`` and ``median [Q1, Q3]``.

    Doubtful numbers bear a dagger.
    """
    import pandas as pd

    columns = groups(base)
    sizes = {name: len(base) if name == POOLED else int((base["group"] == name).sum()) for name in columns}
    rows: list[dict[str, str]] = [{"Variable": "Patients", "": "n", **{name: f"{sizes[name]:,}" for name in columns}}]
    for (name, unit), part in one.groupby(["variable", "unit"], sort=False):
        heading = label(str(name), str(unit))
        for level, cells in part.groupby("level", sort=False):
            by_group = cells.set_index("group")
            row = {"Variable": heading, "": str(level)}
            rows.append(row | {group: _cell(by_group.loc[group]) for group in columns})
    return pd.DataFrame(rows, columns=["Variable", "", *columns])


def missing(base: pd.DataFrame) -> pd.DataFrame:
    """Missing values per variable and group: ``variable, group, patients, missing, percent``."""
    import pandas as pd

    rows = []
    for name in [column for column in base.columns if column not in ("node", "patient_id", "group")]:
        for group in groups(base):
            mine = base[name] if group == POOLED else base.loc[base["group"] == group, name]
            n = int(mine.isna().sum())
            percent = 100 * n / len(mine) if len(mine) else float("nan")
            rows.append({"variable": name, "group": group, "patients": len(mine), "missing": n, "percent": percent})
    frame = pd.DataFrame(rows, columns=["variable", "group", "patients", "missing", "percent"])
    return frame.astype({"patients": "int64", "missing": "int64", "percent": "float64"})


def missing_in_words(gaps: pd.DataFrame) -> pd.DataFrame:
    """Missing values as printed: a row per variable with any gap, the fullest first; ``n (%)`` per group."""
    import pandas as pd

    order = list(dict.fromkeys(gaps["group"]))
    rows = []
    for name, part in gaps.groupby("variable", sort=False):
        cells = part.set_index("group")
        if int(cells["missing"].sum()):
            shown = {group: _count(int(cells["missing"][group]), float(cells["percent"][group])) for group in order}
            rows.append((float(cells["percent"].fillna(0).iloc[-1]), {"Variable": label(str(name)), **shown}))
    rows.sort(key=lambda row: -row[0])
    return pd.DataFrame([row for _, row in rows], columns=["Variable", *order])


def uneven_gaps(gaps: pd.DataFrame, *, high: float = 50.0, low: float = 20.0) -> list[dict[str, Any]]:
    """Variables that one group mostly lacks (more than *high* per cent) while another mostly has them (under *low*)."""
    found = []
    for name, part in gaps[gaps["group"] != POOLED].groupby("variable", sort=False):
        lacking = part[part["percent"] > high]
        if len(lacking) and (part["percent"] < low).any():
            lacks = [str(group) for group in lacking["group"]]
            found.append({"variable": str(name), "groups": lacks, "missing": int(lacking["missing"].sum())})
    return found


def label(variable: str, unit: str = "") -> str:
    """A variable's name in words, its unit in brackets.

    Examples
    --------
    >>> label("age_at_diagnosis", "a"), label("ki67_percent", "%"), label("stage_clinical")
    ('Age at diagnosis (years)', 'Ki-67 (%)', 'Clinical stage')
    """
    words = variable.strip("_").split("_")
    if len(words) > 1 and words[-1] in _IN_UNIT and unit in ("", _IN_UNIT[words[-1]]):
        words = words[:-1]
    if words[-1] == "clinical":
        words = [words[-1], *words[:-1]]
    text = " ".join(_SPELT.get(word, word) for word in words)
    if words[0] not in _SPELT:
        text = text[:1].upper() + text[1:]
    shown = _UNITS.get(unit, unit)
    return text + (f" ({shown})" if shown else "")


def number(value: float) -> str:
    """A number with as many digits as a table needs.

    Examples
    --------
    >>> number(61.25), number(0.0312), number(722.4), number(1834.0)
    ('61.2', '0.031', '722', '1,834')
    """
    if value != value:
        return "–"
    size = abs(value)
    if size >= 100:
        return f"{value:,.0f}"
    if size >= 10:
        return f"{value:.1f}"
    return f"{value:.2f}" if size >= 1 or size == 0 else f"{value:.2g}"


def _as_levels(values: pd.Series[Any], most: int) -> tuple[pd.Series[Any], list[str]]:
    """Category values as text, the rarest beyond *most* levels as ``other``; and the levels in order."""
    texts = values.map(lambda value: "missing, as given" if str(value) == MISSING else str(value), na_action="ignore")
    counts = texts.dropna().value_counts()
    if len(counts) <= most:
        return texts, sorted(counts.index)
    ranked = sorted((level for level in counts.index if level != OTHER), key=lambda level: (-int(counts[level]), level))
    kept = ranked[: most - 1]
    return texts.where(texts.isna() | texts.isin(kept), OTHER), [*sorted(kept), OTHER]


def _share(level: object, n: int, of: int) -> dict[str, Any]:
    return {"level": str(level), "n": n, "of": of, "percent": 100 * n / of if of else float("nan")}


def _cell(row: Any) -> str:
    if row["level"] != MEDIAN:
        return _count(int(row["n"]), float(row["percent"]))
    if not int(row["n"]):
        return "–"
    mark = f" {DOUBT}" if row["doubtful"] else ""
    return f"{number(row['median'])} [{number(row['q1'])}, {number(row['q3'])}]{mark}"


def _count(n: int, percent: float) -> str:
    # Halves go up, as readers expect: 1 of 8 is 13 %.
    return f"{n:,} ({math.floor(percent + 0.5)} %)" if percent == percent else "–"
