"""Table one: counts, medians, missing ones, differences; tests only where asked for."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from workbench.errors import UsageError
from workbench.measure import table_one


def patients() -> pd.DataFrame:
    return pd.DataFrame({
        "patient_id": [f"secret{n}" for n in range(8)],
        "node": list("aaaabbbb"),
        "age": [50, 60, 70, 80, 40, 50, 60, None],
        "stage": pd.Categorical(["I", "II", "II", None, "I", "I", "I", "II"], ["0", "I", "II"]),
        "smoker": [True, False, True, False, True, True, None, None],
        "ecog": [0, 1, 0, 1, 0, 0, 0, 1],
    })  # fmt: skip


def test_numbers_are_told_as_medians_with_quartiles_or_means() -> None:
    found = table_one(patients(), by="node", summary={"age": "mean"}, variables=["age", "ecog"]).table
    age = found[found["variable"] == "age, mean (SD)"].iloc[0]
    assert (age["overall"], age["a"], age["b"]) == ("58.6 (13.5)", "65.0 (12.9)", "50.0 (10.0)")
    assert age["missing"] == "1"
    ecog = found[found["variable"] == "ecog, median [IQR]"].iloc[0]
    assert ecog["a"] == "0.5 [0.0 - 1.0]"


def test_categories_are_counted_among_those_known_and_the_missing_are_said() -> None:
    found = table_one(patients(), by="node", variables=["stage"]).table
    assert found[["variable", "level", "overall", "a", "b", "missing"]].to_numpy().tolist() == [
        ["patients", "", "8", "4", "4", ""],
        ["stage, n (%)", "I", "4 (57.1%)", "1 (33.3%)", "3 (75.0%)", "1"],
        ["", "II", "3 (42.9%)", "2 (66.7%)", "1 (25.0%)", ""],
    ]
    p, q = 1 / 3, 3 / 4
    expected = abs(p - q) / np.sqrt((p * (1 - p) + q * (1 - q)) / 2)
    assert found["smd"].iloc[1] == pytest.approx(expected, abs=5e-4)
    assert found["smd"].isna().tolist() == [True, False, True]


def test_numbers_to_compute_with_say_the_missing_per_group() -> None:
    numbers = table_one(patients(), by="node").numbers.set_index(["variable", "level", "group"]).sort_index()
    smoker = numbers.loc[("smoker", "True")]
    assert smoker["n"].to_dict() == {"overall": 6, "a": 4, "b": 2}
    assert smoker["missing"].to_dict() == {"overall": 2, "a": 0, "b": 2}
    assert smoker["count"].to_dict() == {"overall": 4, "a": 2, "b": 2}
    age = numbers.loc[("age", "", "b")]
    assert (age["n"], age["missing"], age["median"], age["q1"], age["sd"]) == (3, 1, 50, 45, 10)
    for (_, _, _), row in numbers.iterrows():
        assert row["n"] + row["missing"] in (8, 4)


def test_dates_and_free_texts_are_counted_and_not_listed() -> None:
    days = [f"2020-01-{n:02}" for n in range(1, 9)]
    found = table_one(patients().assign(day=days), by="node")
    row = found.table.set_index("variable").loc["day, n"]
    assert row[["overall", "a", "b", "missing"]].tolist() == ["8", "4", "4", "0"]
    assert "8 different values" in row["reason"]
    assert "2020" not in found.table.to_csv() + found.numbers.to_csv()
    named = table_one(patients().assign(day=days), by="node", variables=["day"])
    assert named.table["level"].tolist() == ["", *days]


def test_codes_are_categories_where_said() -> None:
    found = table_one(patients(), by="node", variables=["ecog"], categorical=["ecog"]).table
    assert found["level"].tolist() == ["", "0", "1"]
    assert found["a"].tolist() == ["4", "2 (50.0%)", "2 (50.0%)"]


def test_of_three_groups_the_largest_difference_is_told() -> None:
    table = pd.DataFrame({"arm": list("aaabbbccc"), "x": [1.0, 2, 3, 2, 3, 4, 6, 7, 8]})
    assert table_one(table, by="arm", patient=None).table["smd"].iloc[1] == 5


def test_without_groups_there_is_no_difference_and_no_group() -> None:
    found = table_one(patients())
    assert found.table.columns.tolist() == ["variable", "level", "overall", "missing", "reason"]
    assert found.sizes == {"overall": 8}


def test_tests_are_made_only_where_asked_for() -> None:
    from scipy.stats import chi2_contingency, f_oneway, kruskal

    assert "p" not in table_one(patients(), by="node").table
    draw = np.random.default_rng(2)
    table = pd.DataFrame({
        "arm": list("ab") * 50, "x": draw.normal(size=100), "y": draw.normal(size=100),
        "sex": draw.choice(["F", "M"], 100),
    })  # fmt: skip
    found = table_one(table, by="arm", patient=None, p_values=True, summary={"y": "mean"}).table
    p = found.set_index("variable")["p"]
    a, b = table[table["arm"] == "a"], table[table["arm"] == "b"]
    assert p["x, median [IQR]"] == pytest.approx(kruskal(a["x"], b["x"]).pvalue, abs=5e-4)
    assert p["y, mean (SD)"] == pytest.approx(f_oneway(a["y"], b["y"]).pvalue, abs=5e-4)
    theirs = chi2_contingency(pd.crosstab(table["arm"], table["sex"]), correction=False).pvalue
    assert p["sex, n (%)"] == pytest.approx(theirs, abs=5e-4)


def test_what_has_no_difference_has_a_reason() -> None:
    table = pd.DataFrame({"arm": list("aabb"), "x": [1.0, 1, 2, 2], "none": [None] * 4, "y": [1.0, 2, None, None]})
    found = table_one(table, by="arm", patient=None, p_values=True).table.set_index("variable")
    assert found.loc["x, median [IQR]", "reason"] == "no spread within the groups"
    assert found.loc["none, n (%)", ["a", "b", "missing", "reason"]].tolist() == [
        "no value", "no value", "4", "a group without values",
    ]  # fmt: skip
    assert found.loc["y, median [IQR]", "b"] == "no value"
    assert found.loc["y, median [IQR]", "reason"] == "fewer than two values in a group"
    assert found["smd"].isna().all()


def test_patients_without_a_group_stand_in_overall_alone() -> None:
    table = patients().astype({"node": object})
    table.loc[0, "node"] = None
    found = table_one(table, by="node")
    assert found.sizes == {"overall": 8, "a": 3, "b": 4}
    assert found.without_group == 1


def test_several_rows_of_a_patient_are_refused_and_ids_are_not_told() -> None:
    with pytest.raises(UsageError, match="8 patients have several rows") as caught:
        table_one(pd.concat([patients(), patients()]))
    assert "secret" not in str(caught.value)
    found = table_one(patients(), by="node")
    assert "secret" not in found.table.to_csv() + found.numbers.to_csv() + found._repr_html_()


def test_html_reads_well() -> None:
    html = table_one(patients(), by="node")._repr_html_()
    assert "age, median [IQR]" in html
    assert "&lt;NA&gt;" not in html
    assert "nan" not in html.lower()


def test_other_arguments_are_refused() -> None:
    for options in ({"by": "arm"}, {"variables": ["height"]}, {"variables": "age"}, {"summary": "mode"}):
        with pytest.raises(UsageError):
            table_one(patients(), **options)  # type: ignore[arg-type]
