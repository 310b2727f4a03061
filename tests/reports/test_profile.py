from __future__ import annotations

from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest

from workbench.errors import ParameterError
from workbench.reports.profile import (
    DOUBT,
    MEDIAN,
    MISSING,
    OTHER,
    POOLED,
    UNKNOWN,
    baseline,
    choose_variables,
    doubtful,
    groups,
    in_words,
    label,
    missing,
    missing_in_words,
    number,
    quartiles,
    table_one,
    uneven_gaps,
)

VARIABLES = pd.DataFrame(
    [["stage", "category", ""], ["age", "number", "a"], ["seen", "date", ""], ["note", "text", ""]],
    columns=["variable", "type", "unit"],
)


def patients(*pairs: tuple[str, str]) -> pd.DataFrame:
    return pd.DataFrame(list(pairs), columns=["node", "patient_id"])


def clinical(rows: list[tuple[object, ...]], *names: str) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["node", "patient_id", "timepoint", *names])


def cell(one: pd.DataFrame, variable: str, level: str, group: str) -> pd.Series:
    found = one[(one["variable"] == variable) & (one["level"] == level) & (one["group"] == group)]
    assert len(found) == 1
    return found.iloc[0]


@pytest.fixture
def base() -> pd.DataFrame:
    who = patients(("A", "1"), ("A", "2"), ("A", "3"), ("B", "1"), ("B", "2"))
    data = clinical(
        [
            ("A", "1", 2, "II", 61.0),
            ("A", "1", 1, None, 60.0),
            ("A", "2", 1, "I", 50.0),
            ("B", "1", 1, "I", np.nan),
            ("B", "2", 1, "IV", 71.0),
        ],
        "stage",
        "age",
    )
    return baseline(who, data, variables=["stage", "age"], group_by="node")


def test_each_patient_counts_once_per_node_with_the_earliest_known_value(base: pd.DataFrame) -> None:
    assert base[["node", "patient_id"]].to_numpy().tolist() == [
        ["A", "1"], ["A", "2"], ["A", "3"], ["B", "1"], ["B", "2"],
    ]  # fmt: skip
    assert base["age"].tolist()[:2] == [60.0, 50.0]
    assert base["stage"].tolist()[:2] == ["II", "I"]


def test_patient_without_clinical_row_counts_as_missing(base: pd.DataFrame) -> None:
    one = table_one(base, variables=VARIABLES)
    row = cell(one, "stage", MISSING, "A")
    assert (row["n"], row["of"]) == (1, 3)
    assert row["percent"] == pytest.approx(100 / 3)


def test_category_is_in_per_cent_of_the_known(base: pd.DataFrame) -> None:
    row = cell(table_one(base, variables=VARIABLES), "stage", "I", POOLED)
    assert (row["n"], row["of"], row["percent"]) == (2, 4, 50.0)


def test_quartiles_interpolate_linearly() -> None:
    # position (n - 1) p of the ordered values: 0.75, 1.5, 2.25 for four of them
    assert quartiles(pd.Series([10.0, 20.0, 40.0, 80.0])) == {"q1": 17.5, "median": 30.0, "q3": 50.0}


def test_number_shows_median_and_quartiles_of_its_group(base: pd.DataFrame) -> None:
    one = table_one(base, variables=VARIABLES)
    row = cell(one, "age", MEDIAN, "A")
    assert (row["n"], row["median"], row["q1"], row["q3"]) == (2, 55.0, 52.5, 57.5)
    shown = in_words(one, base)
    assert shown.loc[shown[""] == MEDIAN, "A"].item() == "55.0 [52.5, 57.5]"
    assert shown.iloc[0].tolist() == ["Patients", "n", "3", "2", "5"]


def test_pooled_counts_are_the_sum_of_the_nodes(base: pd.DataFrame) -> None:
    one = table_one(base, variables=VARIABLES)
    for (_variable, _level), part in one[one["type"] == "category"].groupby(["variable", "level"]):
        by_group = part.set_index("group")["n"]
        assert by_group[POOLED] == by_group["A"] + by_group["B"]


def test_all_missing_column_has_no_levels_but_a_missing_row() -> None:
    who = patients(("A", "1"), ("A", "2"))
    data = clinical([("A", "1", 1, None, np.nan)], "stage", "age")
    base = baseline(who, data, variables=["stage", "age"], group_by="node")
    one = table_one(base, variables=VARIABLES)
    assert one[["variable", "level", "n"]].to_numpy().tolist() == [
        ["stage", MISSING, 2], ["age", MEDIAN, 0], ["age", MISSING, 2],
    ]  # fmt: skip
    assert in_words(one, base)["A"].tolist() == ["2", "2 (100 %)", "–", "2 (100 %)"]


def test_empty_cohort_gives_empty_tables() -> None:
    base = baseline(patients(), clinical([], "stage", "age"), variables=["stage", "age"], group_by="node")
    one = table_one(base, variables=VARIABLES)
    assert groups(base) == [POOLED]
    assert one["n"].tolist() == [0, 0, 0]
    assert in_words(one, base).columns.tolist() == ["Variable", "", POOLED]
    assert missing(base)["patients"].tolist() == [0, 0]
    assert missing_in_words(missing(base)).empty
    assert uneven_gaps(missing(base)) == []


def test_no_variables_at_all_leaves_the_number_of_patients() -> None:
    base = baseline(patients(("A", "1")), clinical([]), variables=[], group_by="node")
    assert in_words(table_one(base, variables=VARIABLES[:0]), base)["A"].tolist() == ["1"]
    assert missing(base).empty


def test_one_node_has_no_pooled_column() -> None:
    base = baseline(patients(("A", "1")), clinical([("A", "1", 1, "I")], "stage"), variables=["stage"], group_by="node")
    assert groups(base) == ["A"]


def test_sex_groups_keep_those_not_known_last() -> None:
    who = patients(("A", "1"), ("A", "2"), ("B", "1"))
    data = clinical([("A", "1", 1, "male"), ("B", "1", 1, "female")], "sex")
    base = baseline(who, data, variables=["sex"], group_by="sex")
    assert groups(base) == ["female", "male", UNKNOWN, POOLED]
    assert base["group"].tolist() == ["male", UNKNOWN, "female"]


def test_grouping_by_sex_works_where_nobody_recorded_it() -> None:
    base = baseline(patients(("A", "1")), clinical([("A", "1", 1, "I")], "stage"), variables=["stage"], group_by="sex")
    assert groups(base) == [UNKNOWN]


def test_rarest_categories_are_pooled_and_nobody_is_lost() -> None:
    levels = ["a"] * 4 + ["b"] * 3 + ["c"] * 2 + ["d", "e"]
    who = patients(*(("A", str(number)) for number in range(len(levels))))
    data = clinical([("A", str(number), 1, level) for number, level in enumerate(levels)], "stage")
    base = baseline(who, data, variables=["stage"], group_by="node")
    one = table_one(base, variables=VARIABLES, max_categories=3)
    assert one[["level", "n"]].to_numpy().tolist() == [["a", 4], ["b", 3], [OTHER, 4], [MISSING, 0]]


def test_level_that_is_called_missing_stays_apart_from_missing_values() -> None:
    who = patients(("A", "1"), ("A", "2"))
    base = baseline(who, clinical([("A", "1", 1, "missing")], "stage"), variables=["stage"], group_by="node")
    one = table_one(base, variables=VARIABLES)
    assert one[["level", "n"]].to_numpy().tolist() == [["missing, as given", 1], [MISSING, 1]]
    assert len(in_words(one, base)) == 3


def test_dates_and_texts_are_only_counted() -> None:
    who = patients(("A", "1"), ("A", "2"))
    data = clinical([("A", "1", 1, pd.Timestamp("2020-01-01"), "x")], "seen", "note")
    base = baseline(who, data, variables=["seen", "note"], group_by="node")
    one = table_one(base, variables=VARIABLES)
    assert one["level"].tolist() == ["known", MISSING, "known", MISSING]
    assert one["n"].tolist() == [1, 1, 1, 1]


def test_ten_times_the_same_row_changes_nothing(base: pd.DataFrame) -> None:
    who = patients(("A", "1"))
    rows: list[tuple[object, ...]] = [("A", "1", 1, "I", 60.0)]
    once = baseline(who, clinical(rows, "stage", "age"), variables=["stage", "age"], group_by="node")
    often = baseline(
        pd.concat([who] * 10), clinical(rows * 10, "stage", "age"), variables=["stage", "age"], group_by="node"
    )
    pd.testing.assert_frame_equal(once, often)


def test_missing_values_are_listed_with_the_emptiest_variable_first(base: pd.DataFrame) -> None:
    base["empty"] = None
    shown = missing_in_words(missing(base))
    assert shown["Variable"].tolist()[0] == "Empty"
    assert shown.loc[0, POOLED] == "5 (100 %)"


def test_variable_that_one_node_lacks_is_noticed() -> None:
    who = patients(*((node, str(number)) for node in "AB" for number in range(10)))
    data = clinical([("A", str(number), 1, "I") for number in range(10)], "stage")
    base = baseline(who, data, variables=["stage"], group_by="node")
    assert uneven_gaps(missing(base)) == [{"variable": "stage", "groups": ["B"], "missing": 10}]


def test_values_that_look_like_another_unit_bear_a_mark_at_their_node_and_pooled(
    fake_cohort: ModuleType, tmp_path: Path
) -> None:
    folders = [fake_cohort.write_extract(tmp_path / n, node=n, patients=3, age_in_months=n == "B") for n in "AB"]
    cohort = fake_cohort.open_cohort(folders)
    assert doubtful(cohort) == {("B", "age_at_diagnosis")}
    names = ["sex", "age_at_diagnosis"]
    base = baseline(cohort.patients, cohort.clinical, variables=names, group_by="node")
    one = table_one(base, variables=cohort.variables, doubts=doubtful(cohort))
    assert set(one[one["doubtful"]]["group"]) == {"B", POOLED}
    assert set(one[one["doubtful"]]["variable"]) == {"age_at_diagnosis"}
    row = in_words(one, base).set_index("").loc[MEDIAN]
    assert [DOUBT in row[group] for group in ("A", "B", POOLED)] == [False, True, True]


@pytest.mark.parametrize(
    ("name", "unit", "text"),
    [
        ("psa", "ng/mL", "PSA (ng/mL)"),
        ("ct_category", "", "cT category"),
        ("survival_months", "mo", "Survival (months)"),
        ("stage_clinical", "", "Clinical stage"),
        ("ki67_percent", "", "Ki-67"),
        ("_odd__name_", "", "Odd  name"),
        ("percent", "%", "Percent (%)"),
    ],
)
def test_variable_is_named_in_words(name: str, unit: str, text: str) -> None:
    assert label(name, unit) == text


def test_unknown_variable_is_a_parameter_problem() -> None:
    with pytest.raises(ParameterError, match="did you mean stage") as caught:
        choose_variables(VARIABLES, ["stag", "age"])
    assert [problem.code for problem in caught.value.problems] == ["param:choice"]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("value", "text"),
    [(float("nan"), "–"), (12345.6, "12,346"), (722.4, "722"), (61.26, "61.3"), (3.14159, "3.14"), (0.0, "0.00")],
)
def test_numbers_keep_the_digits_a_table_needs(value: float, text: str) -> None:
    assert number(value) == text
