"""Site effects: against nested models of statsmodels, planted truths, refusals with reasons."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from workbench.errors import UsageError
from workbench.measure import site_differences, sites
from workbench.measure.sites import _Effect, _noncentral


def planted(n: int = 240, seed: int = 0) -> pd.DataFrame:
    """Three nodes that differ in age: ``scanner`` goes with the node, ``biology`` with age, ``noise`` with nothing."""
    draw = np.random.default_rng(seed)
    node = np.repeat(["a", "b", "c"], n // 3)
    age = draw.normal(60, 8, n) + 8 * (node == "b")
    return pd.DataFrame({
        "patient_id": range(n), "node": node, "age": age, "sex": draw.choice(["F", "M"], n),
        "scanner": draw.normal(0, 1, n) + 2.0 * (node == "c"),
        "biology": 0.2 * age + draw.normal(0, 1, n),
        "noise": draw.normal(0, 1, n),
        "constant": 3.0,
    })  # fmt: skip


def test_partial_r2_and_f_are_those_of_nested_models_of_statsmodels() -> None:
    import statsmodels.api as sm

    table = planted()
    found = sites(table, covariates=["age", "sex"]).set_index("feature")
    others = sm.add_constant(np.column_stack([table["age"], table["sex"] == "M"]).astype(float))
    nodes = np.column_stack([table["node"] == "b", table["node"] == "c"]).astype(float)
    for feature in ("scanner", "biology", "noise"):
        small, large = sm.OLS(table[feature], others).fit(), sm.OLS(table[feature], np.hstack([others, nodes])).fit()
        f, _, df = large.compare_f_test(small)
        row = found.loc[feature]
        assert row["partial_r2"] == pytest.approx(1 - large.ssr / small.ssr)
        assert (row["f"], row["df_node"], row["df_residual"]) == pytest.approx((f, df, large.df_resid))
        adjusted = 1 - (large.ssr / large.df_resid) / (small.ssr / small.df_resid)
        assert row["adjusted"] == pytest.approx(adjusted)


def test_what_the_scanner_does_ranks_first_and_what_age_explains_is_not_the_nodes() -> None:
    table = planted()
    alone, given = sites(table), sites(table, covariates=["age"])
    # Without age, biology looks like a site effect; given age it is none.
    assert alone.set_index("feature").loc["biology", "low"] > 0.02
    assert given["feature"].iloc[0] == "scanner"
    assert given.set_index("feature").loc["biology", "low"] == 0
    assert given.set_index("feature").loc["scanner", "low"] > 0.3
    assert given["rank"].dropna().tolist() == sorted(given["rank"].dropna())


def test_an_effect_of_nothing_is_zero_on_average_once_adjusted() -> None:
    found = [sites(planted(60, seed), features=["noise"])["adjusted"].item() for seed in range(60)]
    raw = [sites(planted(60, seed), features=["noise"])["partial_r2"].item() for seed in range(60)]
    assert abs(np.mean(found)) < 0.015
    assert np.mean(raw) > 0.02


@pytest.mark.parametrize("truth", [0.05, 0.4])
def test_the_interval_holds_the_truth_as_often_as_it_says(truth: float) -> None:
    # Cohen's f squared times (df_1 + df_2 + 1) is the noncentrality.
    df_1, df_2 = 3, 60
    noncentrality = truth / (1 - truth) * (df_1 + df_2 + 1)
    generator = np.random.default_rng(7)
    draws = generator.noncentral_chisquare(df_1, noncentrality, 300) / df_1 / (generator.chisquare(df_2, 300) / df_2)
    held = 0
    for f in draws:
        ends = _noncentral(_Effect(f * df_1 / (f * df_1 + df_2), df_1, df_2), 0.9)
        assert isinstance(ends, tuple)
        held += ends[0] <= truth <= ends[1]
    assert 0.85 < held / 300 < 0.95


def test_bootstrap_intervals_are_the_same_in_every_run_and_hold_the_estimate() -> None:
    table = planted(90)
    one, other = (sites(table, features=["scanner"], n_boot=200, seed=4).iloc[0] for _ in range(2))
    assert one["low"] == other["low"]
    assert one["low"] < one["partial_r2"] < one["high"]
    assert one["low"] != sites(table, features=["scanner"], n_boot=200, seed=5)["low"].item()
    both = sites(table, features=["scanner", "noise"], n_boot=200, seed=4).set_index("feature")
    assert both.loc["scanner", "low"] == one["low"]


def test_ranks_take_the_pull_of_one_patient_away() -> None:
    table = planted(90)
    table.loc[0, "scanner"] = 1e6
    plain, ranked = (sites(table, features=["scanner"], transform=how)["partial_r2"].item() for how in (None, "rank"))
    assert plain < 0.05
    assert ranked > 0.3


def test_constant_features_and_single_nodes_have_reasons() -> None:
    found = sites(planted()).set_index("feature")
    assert found.loc["constant", "reason"] == "the feature is the same in all patients"
    assert np.isnan(found.loc["constant", "partial_r2"])
    assert found.loc["constant", "rank"] is pd.NA
    alone = sites(planted().query("node == 'a'"), features=["noise"])
    assert alone["reason"].item() == "fewer than two nodes with enough patients"


def test_a_node_that_is_a_covariate_in_disguise_has_a_reason() -> None:
    table = planted().assign(scanner_model=lambda t: t["node"] + "-model")
    found = sites(table, features=["scanner"], covariates=["scanner_model"])
    assert found["reason"].item() == "the node cannot be told apart from the covariates"
    assert np.isnan(found["partial_r2"].item())


def test_small_nodes_are_left_out_and_named() -> None:
    table = planted().iloc[:163]
    found = sites(table, features=["noise"]).iloc[0]
    assert (found["n"], found["nodes"], found["left_out"]) == (160, 2, "c (3)")
    few = sites(table.groupby("node").head(4), features=["noise"], least_patients=2).iloc[0]
    assert few["reason"] == "too few patients: 11 for 3 terms"
    assert np.isnan(few["partial_r2"])


def test_missing_values_are_counted_and_not_filled_in() -> None:
    table = planted()
    table.loc[:4, "noise"], table.loc[5:6, "age"], table.loc[7, "noise"] = np.nan, np.nan, np.inf
    found = sites(table, features=["noise"], covariates=["age"]).iloc[0]
    assert (found["n"], found["n_missing"]) == (232, 8)


def test_long_tables_give_what_wide_ones_do() -> None:
    table = planted()
    long = table.melt(["patient_id", "node", "age", "sex"], var_name="feature")
    wide = sites(table, covariates=["sex"], features=["scanner", "noise"])
    tall = sites(long, covariates=["sex"], features=["scanner", "noise"])
    pd.testing.assert_frame_equal(wide, tall)


def test_units_of_features_and_covariates_do_not_matter() -> None:
    table = planted()
    other = table.assign(noise=table["noise"] * 1e9 + 1e12, age=table["age"] * 1e-6)
    one, two = (sites(each, features=["noise"], covariates=["age"])["partial_r2"].item() for each in (table, other))
    assert one == pytest.approx(two, rel=1e-4)


def test_differences_of_every_pair_worked_by_hand() -> None:
    values = {"a": [1.0, 2, 3], "b": [2.0, 3, 4], "c": [6.0, 7, 8, 9]}
    rows = [(node, value) for node, numbers in values.items() for value in numbers]
    table = pd.DataFrame(rows, columns=["node", "mean"])
    found = site_differences(table, patient=None).set_index(["node_a", "node_b"])
    assert found.loc[("a", "b"), "smd"] == -1
    expected = (2 - 7.5) / np.sqrt((1 + 5 / 3) / 2)
    assert found.loc[("a", "c"), "smd"] == pytest.approx(expected)
    reach = 1.959964 * np.sqrt(1 / 3 + 1 / 4 + expected**2 / 14)
    assert found.loc[("a", "c"), ["low", "high"]].tolist() == pytest.approx([expected - reach, expected + reach])
    assert sites(table.assign(x=0), patient=None, features=["mean"], least_patients=3)["smd_nodes"].item() == "a - c"


def test_nothing_of_patients_is_in_the_result() -> None:
    found = sites(planted().assign(patient_id=lambda t: "secret" + t["patient_id"].astype(str)))
    assert "secret" not in found.to_csv()


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"covariates": ["node"]}, "is the node"),
        ({"covariates": "age"}, "list of texts"),
        ({"covariates": ["height"]}, "no column 'height'"),
        ({"features": ["entropy"]}, "no feature 'entropy'"),
        ({"features": ["sex"]}, "holds no numbers"),
        ({"transform": "log"}, "transform"),
        ({"n_boot": 10}, "n_boot"),
        ({"level": 95}, "level"),
        ({"node": "hospital"}, "no column 'hospital'"),
    ],
)
def test_other_arguments_are_refused(options: dict[str, Any], text: str) -> None:
    with pytest.raises(UsageError, match=text):
        sites(planted(), **options)


def test_several_rows_of_a_patient_are_refused() -> None:
    with pytest.raises(UsageError, match="240 patients have several rows"):
        sites(pd.concat([planted(), planted()]))
