"""Patients as the unit, and the terms of models."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from workbench.errors import UsageError
from workbench.measure.patients import design, levels_of, require_columns, require_one_row_per_patient


def test_the_same_id_at_two_nodes_is_two_patients() -> None:
    table = pd.DataFrame({"node": ["a", "b"], "patient_id": ["1", "1"]})
    require_one_row_per_patient(table, "patient_id")
    with pytest.raises(UsageError, match=r"1 patient has several rows \(2 of 2 rows\)"):
        require_one_row_per_patient(table.assign(node="a"), "patient_id")


def test_rows_without_an_id_are_refused() -> None:
    with pytest.raises(UsageError, match="1 of 2 rows have no patient_id"):
        require_one_row_per_patient(pd.DataFrame({"patient_id": ["1", None]}), "patient_id")


def test_columns_that_are_not_there_are_named_with_those_that_are() -> None:
    table = pd.DataFrame({"age": [1], "sex": ["F"]})
    require_columns(table, ["age", None])
    with pytest.raises(UsageError, match=r"no column 'stage' in the table\. there are: age, sex"):
        require_columns(table, ["stage"])
    with pytest.raises(UsageError, match="2 columns are called 'age'"):
        require_columns(pd.concat([table, table], axis=1), ["age"])


def test_categories_are_compared_with_the_first_that_occurs() -> None:
    stage = pd.Categorical(["III", "II", "III"], ["I", "II", "III"], ordered=True)
    found = design(pd.DataFrame({"stage": stage, "smoker": [True, False, True]}), ["stage", "smoker"])
    assert found.terms == ["stage[III]", "smoker[True]"]
    assert found.columns == ["stage", "smoker"]
    assert found.references == {"stage": "II", "smoker": "False"}
    assert found.values.tolist() == [[1, 1], [0, 0], [1, 1]]


def test_nullable_numbers_are_numbers() -> None:
    found = design(pd.DataFrame({"age": pd.array([1, None], dtype="Int64")}), ["age"])
    assert found.values[0, 0] == 1
    assert np.isnan(found.values[1, 0])


def test_levels_are_sorted_and_mixed_ones_by_their_text() -> None:
    assert levels_of(pd.Series(["b", None, "a", "b"])) == ["a", "b"]
    assert levels_of(pd.Series([2, "a", 10], dtype=object)) == [10, 2, "a"]


def test_no_terms_have_a_row_per_patient_all_the_same() -> None:
    assert design(pd.DataFrame({"age": [1, 2]}), []).values.shape == (2, 0)
