"""Schemas of the clinical tables, by pandera: what a value of each variable may be. A violation is a finding."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from workbench.cohort.vocabulary.tables import values_of, variables

if TYPE_CHECKING:
    import pandera.pandas as pa

#: Check that failed -> finding it is told as.
CODES: Final = {
    "range": "value-implausible",
    "whole": "value-implausible",
    "set": "schema-violation",
    "form": "schema-violation",
}
#: Plausible dates: from the first year to before the last. MIMIC moves dates into the years 2100 to 2200.
YEARS: Final = ("1900", "2200")
_ISO: Final = r"[0-9]{4}(-[0-9]{2}(-[0-9]{2})?)?"
_READS_WORDS: Final = frozenset(("category", "ihc", "birads", "pirads"))


@cache
def column_schema(name: str) -> pa.Column:
    """Schema of one variable: its type, range, words."""
    import pandera.pandas as pa

    variable = variables()[name]
    checks: list[Any] = []
    if variable.type == "number":
        if variable.low is not None and variable.high is not None:
            checks.append(pa.Check.in_range(variable.low, variable.high, error="range"))
        if variable.whole:
            checks.append(pa.Check(lambda column: column == column.round(), error="whole"))
        return pa.Column(float, checks, nullable=True, name=name)
    if variable.type == "date":
        checks.append(pa.Check.str_matches(f"^{_ISO}$", error="form"))
        first, last = YEARS
        checks.append(pa.Check(lambda column: (column >= first) & (column < last), error="range"))
    elif variable.type == "boolean":
        checks.append(pa.Check.isin(("true", "false"), error="set"))
    elif variable.reader in _READS_WORDS:
        checks.append(pa.Check.isin(values_of(variable), error="set"))
    elif variable.reader == "tnm":
        checks.append(pa.Check.str_matches(r"^[cp]?[TNM]", error="form"))
    return pa.Column(None, checks, nullable=True, name=name)


def clinical_schema(names: Iterable[str] | None = None) -> pa.DataFrameSchema:
    """Schema of ``cohort.clinical``: one row per case, a column per variable.

    Parameters
    ----------
    names : iterable of str, optional
        The variables that occur; by default every one of the vocabulary, none of them required.
    """
    import pandera.pandas as pa

    wanted = variables() if names is None else [name for name in names if name in variables()]
    columns: dict[Any, Any] = {}
    for name in wanted:
        schema = column_schema(name)
        columns[name] = pa.Column(schema.dtype, schema.checks, nullable=True, required=names is not None, name=name)
    for key in ("node", "patient_id"):
        columns[key] = pa.Column(None, pa.Check.str_length(min_value=1, error="form"), nullable=False)
    return pa.DataFrameSchema(columns, strict=False)


def values_schema() -> pa.DataFrameSchema:
    """Schema of ``cohort.values``: one row per value."""
    import pandera.pandas as pa

    def text(minimum: int = 0, *, nullable: bool = False) -> Any:
        return pa.Column(None, pa.Check.str_length(min_value=minimum, error="form"), nullable=nullable)

    return pa.DataFrameSchema(
        {
            "patient_id": text(1),
            "variable": text(1),
            "raw_variable": text(1),
            "rule": text(1),
            "value": text(nullable=True),
            "row": pa.Column(int, pa.Check.ge(0, error="range"), coerce=True),
            "comparator": pa.Column(None, pa.Check.isin(("", "<", "<=", ">", ">="), error="set")),
        },
        strict=False,
    )


def violations(name: str, values: Sequence[str]) -> dict[str, str]:
    """Values of one variable that break its schema, each with the check it breaks.

    Parameters
    ----------
    name : str
        A variable of the vocabulary.
    values : sequence of str
        Harmonised values, distinct.

    Examples
    --------
    >>> violations("age_at_diagnosis", ["61", "611"])
    {'611': 'range'}
    """
    variable = variables()[name]
    if variable.type == "text" or not values:
        return {}
    import pandas as pd
    import pandera.errors

    if variable.type == "number":
        column = pd.Series([_number(value) for value in values], dtype=float)
    else:
        column = pd.Series(list(values), dtype=object)
    try:
        _series_schema(name).validate(column, lazy=True)
    except pandera.errors.SchemaErrors as error:
        cases = error.failure_cases
        broken: dict[str, str] = {}
        for check, position in zip(cases["check"], cases["index"], strict=True):
            if position is not None and position == position:
                broken.setdefault(values[int(position)], str(check) if str(check) in CODES else "form")
        return broken
    return {}


@cache
def _series_schema(name: str) -> pa.SeriesSchema:
    import pandera.pandas as pa

    column = column_schema(name)
    return pa.SeriesSchema(column.dtype, column.checks, nullable=True)


def _number(text: str) -> float:
    return float(text) if re.fullmatch(r"[+-]?[0-9.]+(e[+-]?[0-9]+)?", text) else float("nan")
