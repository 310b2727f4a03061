"""Kaplan-Meier: the textbook's numbers, intervals, medians, numbers at risk."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from tests.measure.remission import remission
from workbench.errors import UsageError
from workbench.measure import kaplan_meier


def treated(**options: object) -> pd.DataFrame:
    found = kaplan_meier(remission(), time="weeks", event="relapse", by="arm", **options)  # type: ignore[arg-type]
    curve = found.curve[found.curve["group"] == "6-MP"]
    return curve.set_index("time")


def test_the_curve_of_the_textbook() -> None:
    # Kleinbaum and Klein, Survival Analysis (3rd edition), table of section 2.II: 6-MP group.
    curve = treated()
    times = [6, 7, 10, 13, 16, 22, 23]
    assert curve.loc[times, "survival"].tolist() == pytest.approx(
        [0.8571, 0.8067, 0.7529, 0.6902, 0.6275, 0.5378, 0.4482], abs=5e-5
    )
    assert curve.loc[times, "at_risk"].tolist() == [21, 17, 15, 12, 11, 7, 6]
    assert curve.loc[times, "events"].tolist() == [3, 1, 1, 1, 1, 1, 1]
    assert curve.loc[[6, 9, 10, 35], "censored"].tolist() == [1, 1, 1, 1]


def test_medians_of_the_textbook() -> None:
    groups = kaplan_meier(remission(), time="weeks", event="relapse", by="arm").groups.set_index("group")
    assert groups["median"].to_dict() == {"6-MP": 23, "placebo": 8}
    assert groups["n"].to_dict() == {"6-MP": 21, "placebo": 21}
    assert groups["events"].to_dict() == {"6-MP": 9, "placebo": 21}


def test_the_interval_is_on_the_log_log_scale_worked_by_hand() -> None:
    # At 10 weeks: Greenwood's sum over the events so far, on the scale of log(-log S).
    total = 3 / (21 * 18) + 1 / (17 * 16) + 1 / (15 * 14)
    s = (18 / 21) * (16 / 17) * (14 / 15)
    reach = 1.959964 * np.sqrt(total) / abs(np.log(s))
    row = treated().loc[10]
    assert (row["low"], row["high"]) == pytest.approx((s ** np.exp(reach), s ** np.exp(-reach)), rel=1e-6)


@pytest.mark.parametrize("level", [0.9, 0.95])
def test_the_interval_of_the_median_is_that_of_statsmodels(level: float) -> None:
    from statsmodels.duration.survfunc import SurvfuncRight

    table = remission()
    groups = kaplan_meier(table, time="weeks", event="relapse", by="arm", level=level).groups.set_index("group")
    for arm, part in table.groupby("arm"):
        estimate = SurvfuncRight(part["weeks"], part["relapse"].astype(int))
        with np.errstate(all="ignore"):
            theirs = estimate.quantile_ci(0.5, 1 - level, method="cloglog")
        ours = groups.loc[str(arm), ["low", "high"]].astype(float)
        # Theirs ends at the largest time of an event where the upper end is not reached; ours is unknown there.
        ends = [end if np.isfinite(our) else np.nan for end, our in zip(theirs, ours, strict=True)]
        assert ours.tolist() == pytest.approx(ends, nan_ok=True)


def test_everybody_is_without_the_event_at_first_and_intervals_are_never_outside_zero_and_one() -> None:
    curve = kaplan_meier(remission(), time="weeks", event="relapse", by="arm").curve
    for _, part in curve.groupby("group"):
        assert part.iloc[0][["time", "survival", "at_risk"]].tolist() == [0, 1, 21]
        assert (part["survival"].diff().dropna() <= 0).all()
    inside = curve.dropna()
    assert ((inside["low"] > 0) & (inside["low"] < inside["survival"]) & (inside["survival"] < inside["high"])).all()
    assert (inside["high"] < 1).all()
    last = curve[(curve["group"] == "placebo")].iloc[-1]
    assert last["survival"] == 0
    assert np.isnan(last["low"])


def test_numbers_at_risk_are_those_just_before_and_nothing_is_said_beyond_follow_up() -> None:
    found = kaplan_meier(remission(), time="weeks", event="relapse", by="arm")
    at = found.at([0, 6, 10, 35, 36]).set_index(["group", "time"])
    assert at.loc["6-MP", "at_risk"].tolist() == [21, 21, 15, 1, 0]
    assert at.loc[("6-MP", 10), "survival"] == pytest.approx(0.7529, abs=5e-5)
    assert np.isnan(at.loc[("6-MP", 36), "survival"])
    # All placebo patients had a relapse by 23 weeks: nobody is without one later.
    assert at.loc[("placebo", 36), "survival"] == 0


def test_an_unreached_median_has_a_reason_and_few_events_are_said() -> None:
    table = pd.DataFrame({"weeks": [1.0, 2, 3, 4], "relapse": [1, 0, 0, 0], "patient_id": list("abcd")})
    found = kaplan_meier(table, time="weeks", event="relapse")
    assert np.isnan(found.groups["median"].item())
    assert "more than half" in found.groups["reason"].item()
    assert found.warnings == ("few events in all: 1 of 4 patients",)


def test_a_group_without_an_event_stays_at_one() -> None:
    table = pd.DataFrame({"weeks": [1.0, 2, 3], "relapse": [False] * 3, "patient_id": list("abc")})
    curve = kaplan_meier(table, time="weeks", event="relapse").curve
    assert curve["survival"].tolist() == [1, 1, 1, 1]
    assert curve["at_risk"].tolist() == [3, 3, 2, 1]


def test_events_at_time_zero_count() -> None:
    table = pd.DataFrame({"weeks": [0.0, 0, 2, 3], "relapse": [1, 0, 1, 1], "patient_id": list("abcd")})
    curve = kaplan_meier(table, time="weeks", event="relapse").curve
    assert curve[["time", "survival", "at_risk"]].to_numpy().tolist() == [[0, 0.75, 4], [2, 0.375, 2], [3, 0, 1]]


def test_an_impossible_level_is_refused() -> None:
    with pytest.raises(UsageError, match="level"):
        kaplan_meier(remission(), time="weeks", event="relapse", level=95)


def test_one_time_is_a_number_and_what_has_no_number_has_a_reason() -> None:
    found = kaplan_meier(remission(), time="weeks", event="relapse", by="arm")
    pd.testing.assert_frame_equal(found.at(24), found.at([24.0]))
    at = found.at([-1, 0, 10, 23, 36]).set_index(["group", "time"])["reason"]
    assert at["6-MP"].tolist() == [
        "before the first patient", "no interval where nobody had the event", "", "", "nobody was followed beyond 35"
    ]  # fmt: skip
    assert at["placebo", 23] == at["placebo", 36] == "no interval where everybody had it"
