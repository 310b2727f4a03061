"""Cox: the textbook's numbers, units, what has no finite ratio."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.measure.remission import remission
from tests.tries import tries
from workbench.errors import NotMeasurable, UsageError
from workbench.measure import cox
from workbench.measure.separation import without_end


def fitted(table: pd.DataFrame, *covariates: str, **options: object) -> pd.DataFrame:
    found = cox(table, time="weeks", event="relapse", covariates=covariates, **options)  # type: ignore[arg-type]
    return found.table.set_index("term")


@pytest.mark.parametrize(
    # R: coxph(Surv(weeks, relapse) ~ arm), with Efron's ties; Breslow's: Kleinbaum and Klein, section 3.
    ("ties", "coefficient", "error"), [("efron", 1.5721, 0.4124), ("breslow", 1.5092, 0.4096)],
)  # fmt: skip
def test_the_treatment_effect_of_the_textbook(ties: str, coefficient: float, error: float) -> None:
    row = fitted(remission(), "arm", ties=ties).loc["arm[placebo]"]
    assert row["coefficient"] == pytest.approx(coefficient, abs=1e-4)
    assert row["standard_error"] == pytest.approx(error, abs=1e-4)
    assert row["hazard_ratio"] == pytest.approx(np.exp(coefficient), rel=2e-4)
    assert row["low"] == pytest.approx(np.exp(coefficient - 1.96 * error), rel=1e-3)
    assert row["high"] == pytest.approx(np.exp(coefficient + 1.96 * error), rel=1e-3)
    assert row["unit"] == "against 6-MP"


def simulated(n: int = 400, seed: int = 5) -> pd.DataFrame:
    draw = np.random.default_rng(seed)
    age, grade = draw.normal(60, 10, n), draw.choice(["I", "II", "III"], n)
    hazard = np.exp(0.05 * (age - 60) + 0.7 * (grade == "III")) / 20
    weeks, end = draw.exponential(1 / hazard), draw.uniform(5, 40, n)
    return pd.DataFrame({
        "patient_id": range(n), "weeks": np.minimum(weeks, end), "relapse": weeks <= end, "age": age, "grade": grade,
        "node": draw.choice(["a", "b"], n),
    })  # fmt: skip


def test_several_covariates_are_those_of_statsmodels() -> None:
    from statsmodels.duration.hazard_regression import PHReg

    table = simulated()
    ours = fitted(table, "age", "grade", strata="node")
    columns = np.column_stack([table["age"], table["grade"] == "II", table["grade"] == "III"]).astype(float)
    status = table["relapse"].astype(int).to_numpy()
    theirs = PHReg(
        table["weeks"].to_numpy(), columns, status=status, ties="efron", strata=table["node"].to_numpy()
    ).fit()
    assert ours["coefficient"].tolist() == pytest.approx(theirs.params.tolist(), rel=1e-4)
    assert ours["standard_error"].tolist() == pytest.approx(theirs.bse.tolist(), rel=1e-4)
    assert ours["p"].tolist() == pytest.approx(theirs.pvalues.tolist(), rel=1e-3)


def test_the_ratio_is_per_one_of_the_covariate_whatever_its_scale() -> None:
    table = simulated()
    table["millions"], table["millionths"] = table["age"] / 1e6, table["age"] * 1e6
    years = fitted(table, "age").loc["age", "coefficient"]
    assert fitted(table, "millions").loc["millions", "coefficient"] == pytest.approx(years * 1e6, rel=1e-4)
    assert fitted(table, "millionths").loc["millionths", "coefficient"] == pytest.approx(years / 1e6, rel=1e-4)
    assert fitted(table, "age").loc["age", "unit"] == "per 1 of age"
    # Per million years nothing can be said in numbers.
    row = fitted(table, "millions").loc["millions"]
    assert np.isnan(row["hazard_ratio"])
    assert "another unit" in row["reason"]


def test_few_events_per_term_are_a_warning() -> None:
    found = cox(remission()[15:31], time="weeks", event="relapse", covariates=["arm"])
    assert found.events == 15
    assert not found.warnings
    found = cox(remission().iloc[[0, 5, 10, 15, *range(21, 26)]], time="weeks", event="relapse", covariates=["arm"])
    assert found.warnings == ("9 events for 1 term: fewer than 10 per term",)


def test_a_level_without_an_event_has_a_reason_and_no_ratio() -> None:
    table = simulated()
    table.loc[table["grade"] == "II", "relapse"] = False
    found = fitted(table, "age", "grade")
    assert np.isnan(found.loc["grade[II]", "hazard_ratio"])
    assert found.loc["grade[II]", "reason"] == "no event at this level: the ratio would be 0"
    # The other terms are those of the patients who tell anything about them.
    rest = fitted(table[table["grade"] != "II"], "age", "grade")
    assert found.loc["grade[III]", "hazard_ratio"] == pytest.approx(rest.loc["grade[III]", "hazard_ratio"], rel=1e-3)
    table = simulated()
    table.loc[table["grade"] == "I", "relapse"] = False
    found = cox(table, time="weeks", event="relapse", covariates=["grade"])
    assert found.table["hazard_ratio"].isna().all()
    assert "reference level I" in found.warnings[0]


def test_a_covariate_that_orders_all_events_has_no_ratio() -> None:
    n = 40
    table = pd.DataFrame({"weeks": np.arange(1.0, n + 1), "relapse": 1, "marker": np.arange(n, 0.0, -1)})
    found = fitted(table, "marker", patient=None)
    assert np.isnan(found.loc["marker", "hazard_ratio"])
    assert "without exception" in found.loc["marker", "reason"]


def test_a_large_ratio_that_has_an_end_is_given() -> None:
    # A few values in another unit make a spread under which a modest coefficient is large for one of it.
    rng = np.random.default_rng(0)
    age = rng.normal(60, 5, 200)
    weeks = rng.exponential(1 / np.exp(0.1 * (age - 60)))
    # Of those few it is known that they were never at risk together with anyone else.
    table = pd.DataFrame({"weeks": weeks, "relapse": rng.random(200) < 0.7, "age": age})
    table.loc[:1, ["weeks", "relapse", "age"]] = [[1e-9, False, 9000.0], [1e-9, False, 8000.0]]
    found = fitted(table, "age", patient=None)
    usual = fitted(table[2:], "age", patient=None)
    assert usual.loc["age", "coefficient"] * table["age"].std() > 10
    assert found.loc["age", "reason"] == ""
    assert found.loc["age", "coefficient"] == pytest.approx(usual.loc["age", "coefficient"], rel=1e-6)


def test_separation_within_strata_is_told_for_its_own_term() -> None:
    n = 60
    rng = np.random.default_rng(1)
    table = pd.DataFrame({"weeks": rng.permutation(np.arange(1.0, n + 1)), "node": np.arange(n) % 2, "relapse": True})
    # Within each node it orders all events, across both it does not; age says nothing.
    table["marker"] = np.where(table["node"] == 1, 500, 0) - table["weeks"].round(-1)
    table["age"] = rng.normal(60, 9, n)
    both = fitted(table, "marker", "age", patient=None, strata="node")
    assert "without exception" in both.loc["marker", "reason"]
    assert both.loc["age", "reason"] == ""
    assert fitted(table, "marker", "age", patient=None)["reason"].tolist() == ["", ""]


@settings(max_examples=tries(30), deadline=None)
@given(seed=st.integers(0, 2**32 - 1), n=st.integers(3, 9), count=st.integers(1, 2), equal=st.booleans())
def test_separation_is_what_a_search_of_all_directions_finds(seed: int, n: int, count: int, equal: bool) -> None:
    rng = np.random.default_rng(seed)
    time = rng.integers(1, 4 if equal else 99, n).astype(float)
    event, terms = rng.random(n) < 0.7, rng.integers(-1, 2, (n, count)).astype(float)
    found = without_end(time, event, terms, None)
    rows = [terms[i] - terms[j] for i in np.flatnonzero(event) for j in np.flatnonzero(time >= time[i])]
    ahead = np.array([[0.0] * count, *rows])
    expected = [False] * count
    # Rows are whole numbers up to 2: so are the edges of a cone of directions, and two of them add up to its inside.
    for direction in itertools.product(range(-4, 5), repeat=count):
        reached = ahead @ direction
        if reached.min() >= 0 and reached.max() > 0:
            expected = [was or part != 0 for was, part in zip(expected, direction, strict=True)]
    assert any(found) == any(expected)
    # Along a direction that tells nobody from anybody, either term may be given what separates.
    if np.linalg.matrix_rank(ahead) == count:
        assert found == expected


def test_what_cannot_be_fitted_is_refused() -> None:
    table = simulated().assign(same=1.0, twice=lambda t: 2 * t["age"] + 1)
    with pytest.raises(NotMeasurable, match="'same' is the same in all"):
        fitted(table, "same")
    with pytest.raises(NotMeasurable, match="determine each other"):
        fitted(table, "age", "twice")
    with pytest.raises(NotMeasurable, match="no event"):
        fitted(table.assign(relapse=0), "age")
    for wrong in ({"ties": "exact"}, {"level": 95}):
        with pytest.raises(UsageError):
            fitted(table, "age", **wrong)
    with pytest.raises(UsageError, match="list"):
        cox(table, time="weeks", event="relapse", covariates="age")
    with pytest.raises(UsageError, match="something else"):
        fitted(table, "age", "weeks")


def test_patients_without_a_covariate_are_counted() -> None:
    table = simulated()
    table.loc[:9, "age"] = np.nan
    found = cox(table, time="weeks", event="relapse", covariates=["age"])
    assert (found.n, found.n_missing) == (390, 10)
    assert found.warnings == ("10 patients left out: time, event or a covariate is missing",)
