"""Log-rank: the textbook's numbers, strata, refusals."""

from __future__ import annotations

import pandas as pd
import pytest

from tests.measure.remission import remission
from workbench.errors import NotMeasurable
from workbench.measure import log_rank


def test_the_statistic_of_the_textbook() -> None:
    # Kleinbaum and Klein, section 2.IV: expected 19.25 and 10.75, log-rank statistic 16.79; R's survdiff prints 16.8.
    found = log_rank(remission(), time="weeks", event="relapse", by="arm")
    groups = found.groups.set_index("group")
    assert groups["observed"].to_dict() == {"6-MP": 9, "placebo": 21}
    assert groups["expected"].to_dict() == pytest.approx({"6-MP": 19.25, "placebo": 10.75}, abs=5e-3)
    assert found.chi2 == pytest.approx(16.793, abs=1e-3)
    assert found.df == 1
    assert found.p == pytest.approx(4.17e-5, rel=1e-3)


def test_a_small_probability_is_no_zero() -> None:
    table = pd.DataFrame({"weeks": range(1, 201), "relapse": 1, "arm": ["a"] * 100 + ["b"] * 100})
    assert 0 < log_rank(table, time="weeks", event="relapse", by="arm", patient=None).p < 1e-20


def test_three_groups_have_two_degrees_of_freedom_and_expect_as_many_events_as_there_were() -> None:
    table = remission().assign(arm=lambda t: [*t["arm"][:30], *["third"] * 12])
    found = log_rank(table, time="weeks", event="relapse", by="arm")
    assert found.df == 2
    assert found.groups["expected"].sum() == pytest.approx(found.groups["observed"].sum())


def test_strata_compare_within_and_sum_observed_less_expected() -> None:
    from statsmodels.duration.survfunc import survdiff

    table = remission().assign(node=["a", "b", "c"] * 14)
    found = log_rank(table, time="weeks", event="relapse", by="arm", strata="node")
    theirs, _ = survdiff(table["weeks"], table["relapse"].astype(int), table["arm"], strata=table["node"])
    assert found.chi2 == pytest.approx(theirs)
    parts = [log_rank(part, time="weeks", event="relapse", by="arm") for _, part in table.groupby("node")]
    assert found.groups["expected"].tolist() == pytest.approx(sum(part.groups["expected"] for part in parts).tolist())


def test_what_cannot_be_compared_is_refused() -> None:
    table = remission()
    with pytest.raises(NotMeasurable, match="one group"):
        log_rank(table[table["arm"] == "6-MP"], time="weeks", event="relapse", by="arm")
    with pytest.raises(NotMeasurable, match="no event"):
        log_rank(table.assign(relapse=False), time="weeks", event="relapse", by="arm")
    apart = pd.DataFrame({"weeks": [1, 1, 5, 6], "relapse": [0, 0, 1, 1], "arm": list("aabb")})
    with pytest.raises(NotMeasurable, match="never at risk together"):
        log_rank(apart, time="weeks", event="relapse", by="arm", patient=None)


def test_few_events_and_missing_patients_are_said() -> None:
    table = remission()
    table.loc[0, "weeks"] = None
    found = log_rank(table, time="weeks", event="relapse", by="arm")
    assert found.n_missing == 1
    assert found.warnings == (
        "few events in 6-MP: 9 of 21 patients", "1 patients left out: time, event or group is missing",
    )  # fmt: skip


def test_notebook_shows_test_groups_and_warnings() -> None:
    table = pd.DataFrame({"months": [1.0, 2, 3, 4, 5, 6], "died": [1] * 6, "arm": list("aaabbb")})
    shown = log_rank(table, time="months", event="died", by="arm", patient=None)._repr_html_()
    for part in ("chi-squared 5.052", "p = 0.0246", "<th>expected</th>", "few events in a"):
        assert part in shown
