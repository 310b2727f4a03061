"""Times and events: what is taken, counted, refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.measure.remission import remission
from workbench.errors import NotMeasurable, UsageError
from workbench.measure.outcomes import outcomes


@pytest.mark.parametrize("dtype", [bool, int, float, "Int64", "boolean", object])
def test_events_of_every_type_are_the_same(dtype: Any) -> None:
    table = remission()
    found = outcomes(table.assign(relapse=table["relapse"].astype(dtype)), time="weeks", event="relapse")
    assert found.event.tolist() == table["relapse"].tolist()


def test_missing_ones_are_left_out_and_counted() -> None:
    table = remission().astype({"weeks": float, "relapse": object})
    table.loc[0, "weeks"], table.loc[1, "relapse"], table.loc[2, "weeks"] = np.nan, None, np.inf
    found = outcomes(table, time="weeks", event="relapse")
    assert (len(found.time), found.n_missing) == (39, 3)


def test_what_the_remedy_says_keeps_an_unknown_status_missing() -> None:
    table = pd.DataFrame({"weeks": [1.0, 2, 3], "vital_status": ["dead", "alive", None]})
    table["died"] = table["vital_status"].map({"dead": True, "alive": False})
    found = outcomes(table, time="weeks", event="died", patient=None)
    assert found.event.tolist() == [True, False]
    assert found.n_missing == 1


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"relapse": "dead"}, "holds texts"),
        ({"relapse": 2}, "other values than 0 and 1"),
        ({"weeks": "12"}, "does not hold numbers"),
        ({"weeks": -1}, "42 times in 'weeks' are below 0"),
    ],
)
def test_values_that_are_no_times_or_events_are_refused(change: dict[str, Any], text: str) -> None:
    with pytest.raises(UsageError, match=text):
        outcomes(remission().assign(**change), time="weeks", event="relapse")


def test_several_rows_of_a_patient_are_refused_by_number_and_not_by_name() -> None:
    table = pd.concat([remission(), remission().iloc[:3]])
    with pytest.raises(UsageError, match="3 patients have several rows") as caught:
        outcomes(table, time="weeks", event="relapse")
    assert "P0" not in str(caught.value)


def test_a_table_without_patients_ids_says_what_a_row_is() -> None:
    table = remission().drop(columns="patient_id")
    with pytest.raises(UsageError, match="patient=None where each row is a patient"):
        outcomes(table, time="weeks", event="relapse")
    assert len(outcomes(table, time="weeks", event="relapse", patient=None).time) == 42


def test_nobody_left_is_refused() -> None:
    with pytest.raises(NotMeasurable, match="no patient has all"):
        outcomes(remission().assign(weeks=np.nan), time="weeks", event="relapse")


def test_groups_keep_the_order_of_a_categorical() -> None:
    table = remission()
    table["arm"] = pd.Categorical(table["arm"], ["placebo", "6-MP", "third"])
    found = outcomes(table, time="weeks", event="relapse", others=["arm"])
    assert [name for name, _ in found.groups("arm")] == ["placebo", "6-MP"]
    assert found.codes("arm").tolist() == [0] * 21 + [1] * 21
