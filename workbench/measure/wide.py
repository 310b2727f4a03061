"""One row per patient, a column per feature: from a wide table, or from rows (patient, feature, value)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from workbench.errors import UsageError
from workbench.measure.patients import patient_columns, require_one_row_per_patient

if TYPE_CHECKING:
    import pandas as pd


def one_row_per_patient(
    table: pd.DataFrame, features: Sequence[str] | None, others: Sequence[str], patient: str | None
) -> tuple[pd.DataFrame, list[str]]:
    """Table of one row per patient with columns *others* and features, and the names of the features.

    Parameters
    ----------
    table : DataFrame
        Wide: a row per patient. Long: columns ``feature`` and ``value``, a row per patient and feature.
    features : sequence of str, optional
        Which; default all, of a wide table all columns but *others* and the patient's id.
    others : sequence of str
        Further columns to keep; in a long table one value per patient.
    patient : str or None
        Column of the patient's id; a long table needs one.

    Raises
    ------
    UsageError
        Several values of a patient, an unknown feature.

    Examples
    --------
    >>> import pandas as pd
    >>> long = pd.DataFrame({"node": ["a", "a"], "patient_id": ["1", "1"], "feature": ["mean", "volume"],
    ...                      "value": [3.0, 80.0]})
    >>> wide, names = one_row_per_patient(long, None, ["node"], "patient_id")
    >>> names, wide["volume"].tolist()
    (['mean', 'volume'], [80.0])
    """
    if {"feature", "value"} <= set(table.columns):
        return _pivoted(table, features, others, patient)
    require_one_row_per_patient(table, patient)
    names = [str(name) for name in table.columns if name not in (*others, patient)] if features is None else features
    _require(names, [str(name) for name in table.columns])
    return table, list(names)


def _pivoted(
    table: pd.DataFrame, features: Sequence[str] | None, others: Sequence[str], patient: str | None
) -> tuple[pd.DataFrame, list[str]]:
    if patient is None or patient not in table.columns:
        raise UsageError("rows of features need the column of the patient", remedy="name it: patient='...'")
    if missing := int(table[patient].isna().sum()):
        raise UsageError(f"{missing} of {len(table)} rows have no {patient}", remedy="leave them out, or add it")
    keys = patient_columns(table, patient)
    # A case that could not be measured is a row without a feature.
    table = table[table["feature"].notna() & (table["feature"] != "")]
    there = [str(name) for name in dict.fromkeys(table["feature"])]
    names = there if features is None else list(features)
    _require(names, there)
    table = table[table["feature"].isin(names)]
    repeated = table.duplicated([*keys, "feature"], keep=False)
    if repeated.any():
        several = len(table.loc[repeated, keys].drop_duplicates())
        raise UsageError(
            f"{several} patient{'s have' if several > 1 else ' has'} several values of a feature",
            remedy="select one segment, series and timepoint first, e.g. table[table.segment_standard == 'GTV']",
        )
    beside = [name for name in others if name not in keys]
    about = table[[*keys, *beside]].drop_duplicates()
    if about.duplicated(keys).any():
        unequal = [name for name in beside if about[[*keys, name]].drop_duplicates().duplicated(keys).any()]
        raise UsageError(
            f"{', '.join(unequal)} differs between rows of one patient", remedy="give one value per patient"
        )
    values = table.pivot(index=keys, columns="feature", values="value")[names].reset_index()
    values.columns.name = None
    return about.merge(values, on=keys, how="left", validate="one_to_one"), names


def _require(names: Sequence[str], there: Sequence[str]) -> None:
    if unknown := [name for name in names if name not in there]:
        few = ", ".join(there[:20]) + (" ..." if len(there) > 20 else "")
        raise UsageError(f"no feature {unknown[0]!r} in the table", remedy=f"there are: {few}")
