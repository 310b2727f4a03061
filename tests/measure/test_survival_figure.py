"""The figure of survival: steps, ticks, numbers at risk under the times they are of."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import pandas as pd
import pytest

from tests.measure.remission import remission
from workbench.errors import UsageError
from workbench.measure import kaplan_meier


def test_numbers_at_risk_stand_under_their_times() -> None:
    found = kaplan_meier(remission(), time="weeks", event="relapse", by="arm")
    drawn = found.figure(times=(0, 10, 20, 30), unit="weeks")
    above, below = drawn.axes
    placed = [(t.get_position(), t.get_text()) for t in below.texts if t.get_text().isdigit()]
    assert placed == [
        ((0, 0), "21"), ((10, 0), "15"), ((20, 0), "8"), ((30, 0), "4"),
        ((0, 1), "21"), ((10, 1), "8"), ((20, 1), "2"), ((30, 1), "0"),
    ]  # fmt: skip
    assert above.get_xlim() == below.get_xlim()
    assert above.get_xlabel() == "weeks"


def test_curves_are_steps_and_censored_patients_are_ticked() -> None:
    found = kaplan_meier(remission(), time="weeks", event="relapse", by="arm")
    lines = found.figure().axes[0].get_lines()
    assert [line.get_drawstyle() for line in lines[::2]] == ["steps-post"] * 2
    # Twelve children were still in remission, two of them at the same time.
    assert len(lines[1].get_xdata()) == 11
    assert np.array_equal(lines[3].get_xdata(), [])


def test_it_is_drawn_without_pyplot() -> None:
    found = kaplan_meier(remission(), time="weeks", event="relapse")
    file = BytesIO()
    found.figure(title="remission").savefig(file)
    assert file.getvalue().startswith(b"\x89PNG")


def test_more_groups_than_colours_are_refused() -> None:
    table = pd.DataFrame({"weeks": range(1, 8), "relapse": 1, "arm": list("abcdefg")})
    with pytest.raises(UsageError, match="7 groups"):
        kaplan_meier(table, time="weeks", event="relapse", by="arm", patient=None).figure()


@pytest.mark.parametrize(
    ("time", "end", "ticks"),
    [
        ("survival_months", 37.5, [0, 6, 12, 18, 24, 30, 36]),
        ("survival_months", 20, [0, 3, 6, 9, 12, 15, 18]),
        ("months", 60, [0, 12, 24, 36, 48, 60]),
        ("days", 400, [0, 80, 160, 240, 320, 400]),
    ],
)
def test_months_are_ticked_by_parts_of_a_year(time: str, end: float, ticks: list[float]) -> None:
    table = pd.DataFrame({time: [end / 3, end / 2, end], "died": [1, 1, 0]})
    drawn = kaplan_meier(table, time=time, event="died", patient=None).figure()
    assert drawn.axes[0].get_xticks().tolist() == ticks


@pytest.mark.parametrize(
    ("time", "unit", "label"),
    [
        ("survival_months", "months", "survival (months)"), ("survival_months", "", "survival months"),
        ("survival", "years", "survival (years)"), ("months", "months", "months"), ("time", "months", "time (months)"),
    ],
)  # fmt: skip
def test_the_axis_says_the_unit_once(time: str, unit: str, label: str) -> None:
    table = pd.DataFrame({time: [10.0, 15, 20], "died": [1, 1, 0]})
    drawn = kaplan_meier(table, time=time, event="died", patient=None).figure(unit=unit)
    assert drawn.axes[0].get_xlabel() == label
