from __future__ import annotations

import pandas as pd
import pandera.errors
import pytest

from workbench.cohort import Cohort
from workbench.cohort.clinical.schemas import clinical_schema, values_schema, violations
from workbench.cohort.vocabulary.tables import values_of, variables


def test_the_tables_of_a_cohort_fit_their_schemas(cohort: Cohort) -> None:
    values_schema().validate(cohort.values)
    clinical = cohort.clinical
    # The planted unit fault: ages of one node are in months.
    clinical.loc[clinical["node"] == "boreal", "age_at_diagnosis"] = None
    broken = None
    try:
        clinical_schema().validate(clinical, lazy=True)
    except pandera.errors.SchemaErrors as error:
        broken = set(error.failure_cases["column"])
    assert broken in (None, {"age_at_diagnosis"})


def test_a_violation_names_the_value_and_the_check() -> None:
    assert violations("age_at_diagnosis", ["61", "-1", "121"]) == {"-1": "range", "121": "range"}
    assert violations("isup_grade_group", ["2", "2.5"]) == {"2.5": "whole"}
    assert violations("sex", ["male", "zebra"]) == {"zebra": "set"}
    assert violations("date_of_diagnosis", ["2019-05", "5/2019"]) == {"5/2019": "form"}
    assert violations("cause_of_death", ["anything"]) == {}


@pytest.mark.parametrize("name", [v.name for v in variables().values() if v.type == "category"])
def test_every_word_of_the_vocabulary_fits_its_own_schema(name: str) -> None:
    assert violations(name, list(values_of(variables()[name]))) == {}


def test_a_value_without_a_patient_breaks_the_schema_of_values() -> None:
    row = {
        "patient_id": "",
        "variable": "sex",
        "raw_variable": "sex",
        "rule": "code",
        "value": None,
        "row": 1,
        "comparator": "",
    }
    with pytest.raises(pandera.errors.SchemaError):
        values_schema().validate(pd.DataFrame([row]))
