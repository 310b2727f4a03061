"""Tables with the patient as the unit: columns that are there, rows that are one per patient, events and covariates."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from workbench.errors import UsageError

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]


def require_columns(table: pd.DataFrame, names: Sequence[str | None]) -> None:
    """Nothing where *table* has all columns *names* (None stands for no column), each once.

    Raises
    ------
    UsageError
        No row; a column is missing or there twice.
    """
    if not len(table):
        raise UsageError("the table is empty", remedy="look at the condition that chose its rows")
    here = [str(name) for name in table.columns]
    for name in names:
        if name is None:
            continue
        if name not in here:
            few = ", ".join(here[:20]) + (" ..." if len(here) > 20 else "")
            raise UsageError(f"no column {name!r} in the table", remedy=f"there are: {few}")
        if here.count(name) > 1:
            raise UsageError(f"{here.count(name)} columns are called {name!r}", remedy="rename or drop all but one")


def require_one_row_per_patient(table: pd.DataFrame, patient: str | None) -> None:
    """Nothing where every row is a patient of its own; patients of the same id at other nodes are other patients.

    Parameters
    ----------
    table : DataFrame
        The rows to count.
    patient : str or None
        Column of the patient's id; with it goes ``node`` where there is one. None: each row is said to be a patient.

    Raises
    ------
    UsageError
        No such column, rows without an id, or several rows of a patient: says of how many, and names none.

    Examples
    --------
    >>> import pandas as pd
    >>> table = pd.DataFrame({"node": ["a", "b", "b"], "patient_id": ["1", "1", "2"]})
    >>> require_one_row_per_patient(table, "patient_id")
    >>> require_one_row_per_patient(table.drop(columns="node"), "patient_id")
    Traceback (most recent call last):
        ...
    workbench.errors.UsageError: 1 patient has several rows (2 of 3 rows). keep one row per patient, ...
    """
    if patient is None:
        return
    if patient not in table.columns:
        raise UsageError(
            f"no column {patient!r} in the table: patients cannot be told apart",
            remedy="name the column: patient='...'; or patient=None where each row is a patient",
        )
    if missing := int(table[patient].isna().sum()):
        raise UsageError(f"{missing} of {len(table)} rows have no {patient}", remedy="leave them out, or add it")
    keys = patient_columns(table, patient)
    repeated = table.duplicated(keys, keep=False)
    if rows := int(repeated.sum()):
        several = len(table.loc[repeated, keys].drop_duplicates())
        raise UsageError(
            f"{several} patient{'s have' if several > 1 else ' has'} several rows ({rows} of {len(table)} rows)",
            remedy="keep one row per patient, e.g. one timepoint and one segment: the patient is the unit",
        )


def doubts(table: pd.DataFrame, columns: Iterable[str | None]) -> list[str]:
    """What the cohort suspects of columns whose values are pooled, in words; ``cohort.clinical`` brings it along.

    Examples
    --------
    >>> import pandas as pd
    >>> table = pd.DataFrame({"node": ["b"], "age": [700]})
    >>> table.attrs["doubts"] = [["age", "b", "age: they would be plausible as months"], ["psa", "b", "psa: ..."]]
    >>> doubts(table, ["age"]), doubts(table[table["node"] == "a"], ["age"])
    (['unit-suspected at b: age: they would be plausible as months'], [])
    """
    used = {name for name in columns if name is not None}
    nodes = set(table["node"]) if "node" in table.columns else None
    held = table.attrs.get("doubts", [])
    return [
        f"unit-suspected at {node}: {text}"
        for variable, node, text in (held if isinstance(held, list) else [])
        if variable in used and (nodes is None or node in nodes)
    ]


def once_per_patient(table: pd.DataFrame, patient: str | None, columns: Iterable[str | None]) -> pd.DataFrame:
    """The table with rows of one patient that say the same in *columns* once: a patient of two timepoints counts once.

    Rows that differ stay, for :func:`require_one_row_per_patient` to refuse.

    Examples
    --------
    >>> import pandas as pd
    >>> cases = pd.DataFrame({"patient_id": ["1", "1"], "timepoint": ["1", "2"], "sex": ["female", "female"]})
    >>> len(once_per_patient(cases, "patient_id", ["sex"])), len(once_per_patient(cases, "patient_id", ["timepoint"]))
    (1, 2)
    """
    if patient is None or patient not in table.columns:
        return table
    keys = patient_columns(table, patient)
    doubled = table[table.duplicated(keys, keep=False)]
    if doubled.empty:
        return table
    used = [*keys, *(name for name in dict.fromkeys(columns) if name is not None and name not in keys)]
    # Compared as texts, for lists and the like cannot be hashed; only a few rows are.
    again = doubled[used].astype(str).duplicated()
    return table[~table.index.isin(again.index[again])] if table.index.is_unique else table


def patient_columns(table: pd.DataFrame, patient: str) -> list[str]:
    """Columns that together tell patients apart."""
    return ["node", patient] if "node" in table.columns and patient != "node" else [patient]


@dataclass(frozen=True, eq=False)
class Design:
    """Numbers that a model takes for columns of a table, rows without any missing value."""

    #: Names of the terms: the column, or ``column[level]``.
    terms: list[str]
    #: Column of each term.
    columns: list[str]
    #: Values, (n, terms).
    values: Floats
    #: Column -> level that the others are compared with; only columns of categories.
    references: dict[str, str]


def design(table: pd.DataFrame, columns: Sequence[str]) -> Design:
    """Terms of a linear model: numbers as they are, categories as one indicator per level but the first.

    Levels are ordered as in a pandas Categorical, else by name; booleans are categories.

    Examples
    --------
    >>> import pandas as pd
    >>> found = design(pd.DataFrame({"age": [50, 60, 70], "stage": ["I", "II", "I"]}), ["age", "stage"])
    >>> found.terms, found.values.tolist(), found.references
    (['age', 'stage[II]'], [[50.0, 0.0], [60.0, 1.0], [70.0, 0.0]], {'stage': 'I'})
    """
    terms: list[str] = []
    origins: list[str] = []
    parts: list[Floats] = []
    references: dict[str, str] = {}
    for column in columns:
        values = table[column]
        if is_number(values):
            terms.append(column)
            origins.append(column)
            parts.append(values.to_numpy(dtype=np.float64, na_value=np.nan)[:, None])
            continue
        levels = levels_of(values)
        if levels:
            references[column] = str(levels[0])
        for level in levels[1:]:
            terms.append(f"{column}[{level}]")
            origins.append(column)
            parts.append((values == level).to_numpy(dtype=np.float64)[:, None])
    matrix = np.hstack(parts) if parts else np.empty((len(table), 0))
    return Design(terms, origins, matrix, references)


def is_number(values: pd.Series[Any]) -> bool:
    """Whether a column holds quantities; booleans are categories."""
    from pandas.api.types import is_bool_dtype, is_numeric_dtype

    return bool(is_numeric_dtype(values.dtype) and not is_bool_dtype(values.dtype))


def levels_of(values: pd.Series[Any]) -> list[Any]:
    """Levels that occur, in the order of a Categorical, else sorted by value or, where types are mixed, by text."""
    from pandas import CategoricalDtype

    present = values.dropna()
    if isinstance(values.dtype, CategoricalDtype):
        here = set(present)
        return [level for level in values.dtype.categories if level in here]
    found = list(present.unique())
    try:
        return sorted(found)
    except TypeError:
        return sorted(found, key=str)
