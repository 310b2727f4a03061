"""Wide and long tables of features give the same."""

from __future__ import annotations

import pandas as pd
import pytest

from workbench.errors import UsageError
from workbench.measure.wide import one_row_per_patient

LONG = pd.DataFrame({
    "node": ["a", "a", "b", "b"], "patient_id": ["1", "1", "1", "1"], "timepoint": ["T0"] * 4,
    "feature": ["mean", "volume"] * 2, "value": [1.0, 2.0, 3.0, 4.0], "age": [50, 50, 60, 60],
})  # fmt: skip


def test_rows_become_columns_per_patient_and_node() -> None:
    wide, names = one_row_per_patient(LONG, None, ["node", "age"], "patient_id")
    assert names == ["mean", "volume"]
    assert wide[["node", "age", "mean", "volume"]].to_numpy().tolist() == [["a", 50, 1, 2], ["b", 60, 3, 4]]


def test_cases_without_a_feature_count_as_no_value() -> None:
    failed = pd.DataFrame({"node": ["b"], "patient_id": ["2"], "feature": [""], "value": [float("nan")], "age": [70]})
    wide, _ = one_row_per_patient(pd.concat([LONG, failed]), None, ["node", "age"], "patient_id")
    assert len(wide) == 2


def test_several_values_of_a_patient_are_refused_with_the_way_out() -> None:
    twice = pd.concat([LONG, LONG.iloc[:1].assign(timepoint="T1")])
    with pytest.raises(UsageError, match="1 patient has several values of a feature") as caught:
        one_row_per_patient(twice, None, ["node"], "patient_id")
    assert "timepoint" in str(caught.value)
    assert len(one_row_per_patient(twice, ["volume"], ["node"], "patient_id")[0]) == 2


def test_a_covariate_that_differs_within_a_patient_is_named() -> None:
    table = LONG.assign(age=[50, 51, 60, 60])
    with pytest.raises(UsageError, match="age differs between rows of one patient"):
        one_row_per_patient(table, None, ["node", "age"], "patient_id")


def test_wide_tables_stay_as_they_are() -> None:
    wide = pd.DataFrame({"node": ["a"], "patient_id": ["1"], "mean": [1.0], "age": [4]})
    found, names = one_row_per_patient(wide, None, ["node", "age"], "patient_id")
    assert found is wide
    assert names == ["mean"]


def test_unknown_features_are_refused() -> None:
    for table in (LONG, pd.DataFrame({"patient_id": ["1"], "mean": [1.0]})):
        with pytest.raises(UsageError, match="no feature 'entropy'"):
            one_row_per_patient(table, ["entropy"], [], "patient_id")
    with pytest.raises(UsageError, match="column of the patient"):
        one_row_per_patient(LONG, None, ["node"], None)
