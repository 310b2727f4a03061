from __future__ import annotations

import pickle
from itertools import pairwise
from pathlib import Path

import pytest

import workbench as wb
from tests.cohort.made import Made, cohort_of, image
from workbench.cohort.questions.attrition import COUNTED
from workbench.errors import QueryError, UsageError
from workbench.extracts.record import ClinicalRow
from workbench.options import options

STEPS = [("CT or MR", "modality in ('CT', 'MR')"), ("female", "sex = 'female'"), ("CT", "modality = 'CT'")]


def test_counts_are_those_of_the_narrowed_cohorts(cohort: wb.Cohort) -> None:
    table = cohort.attrition(STEPS).table.set_index(["step", "node"])
    narrowed = cohort
    for step, (_, condition) in enumerate(STEPS, 1):
        narrowed = narrowed.where(condition)
        images = narrowed.series.query("kind == 'image'")
        for node in cohort.nodes:
            row = table.loc[(step, node)]
            assert row["patients"] == (narrowed.patients["node"] == node).sum()
            assert row["cases"] == (narrowed.cases.query("n_series > 0")["node"] == node).sum()
            assert row["series"] == (images["node"] == node).sum()


def test_counts_fall_and_sum(cohort: wb.Cohort) -> None:
    flow = cohort.attrition(STEPS)
    table = flow.table
    assert flow.names == ("start", "CT or MR", "female", "CT")
    for counted in COUNTED:
        by = table.pivot_table(index="step", columns="node", values=counted, aggfunc="sum")
        out = table.pivot_table(index="step", columns="node", values=f"{counted}_excluded", aggfunc="sum")
        assert (by[list(cohort.nodes)].sum(axis=1) == by["all"]).all()
        assert (by.diff().iloc[1:] == -out.iloc[1:]).all(axis=None)
        assert (out.iloc[0] == 0).all()
        assert (out >= 0).all(axis=None)


def test_patients_without_images_are_excluded_by_the_first_condition(tmp_path: Path) -> None:
    made = Made([image("P1", "a")], [ClinicalRow("P2", "sex", "f", table="t", file="t.csv", row=2)])
    table = cohort_of(tmp_path, {"north": made}).attrition(["true"]).table.query("node == 'all'")
    assert table["patients"].tolist() == [2, 1]
    assert table["cases"].tolist() == table["series"].tolist() == [1, 1]


def test_it_begins_with_the_selection_and_leaves_it_alone(cohort: wb.Cohort) -> None:
    part = cohort.sample(9, seed=1)
    table = part.attrition([("MR", "modality = 'MR'")]).table
    assert table.query("node == 'all'")["patients"].tolist()[0] == 9
    assert len(part.patients) == 9


def test_it_shows_as_text_html_and_a_figure_and_survives_the_pickle(cohort: wb.Cohort) -> None:
    flow = pickle.loads(pickle.dumps(cohort.attrition(STEPS)))
    assert repr(flow).splitlines()[1].split()[:5] == ["start", "8", "8", "8", "24"]
    html = flow._repr_html_()
    assert "<code>modality in (&#x27;CT&#x27;, &#x27;MR&#x27;)</code>" in html
    texts = [text.get_text() for text in flow.figure().axes[0].texts]
    last = flow.table.iloc[-1]
    assert f"{last['patients']} patients, {last['cases']} cases, {last['series']} image series" in texts
    assert f"excluded: {last['patients_excluded']} patients,\n{last['series_excluded']} image series" in texts


def test_a_shareable_flow_shows_no_condition_and_no_small_group(cohort: wb.Cohort) -> None:
    steps = [
        ("women", "sex = 'female'"),
        ("one of them", "patient_id = '" + cohort.patients["patient_id"].iloc[0] + "'"),
    ]
    flow = cohort.attrition(steps).shareable(min_count=3)
    assert "patient_id" not in flow._repr_html_() + repr(flow)
    for node in cohort.nodes:
        cells = flow.table.loc[flow.table["node"] == node, "patients"]
        shown = [cell for cell in cells if isinstance(cell, int)]
        assert all(cell >= 3 for cell in shown)
        assert all(a - b >= 3 for a, b in pairwise(shown))
    options.audience = "shareable"
    assert cohort.attrition(steps).min_count == options.min_count


def test_a_step_that_is_none_is_refused(cohort: wb.Cohort) -> None:
    for wrong in ([("CT",)], [("", "true")], [("CT", 3)], [""]):
        with pytest.raises(UsageError):
            cohort.attrition(wrong)  # type: ignore[arg-type]
    with pytest.raises(QueryError):
        cohort.attrition([("CT", "modalty = 'CT'")])


def test_no_step_leaves_the_start(cohort: wb.Cohort) -> None:
    assert cohort.attrition([]).table["step"].tolist() == [0] * 4


def test_a_step_without_a_name_is_a_number_for_others(cohort: wb.Cohort) -> None:
    patient = cohort.patients["patient_id"].iloc[0]
    condition = f"patient_id <> '{patient}'"
    flow = cohort.attrition([condition, ("CT", "modality = 'CT'"), (condition, condition)]).shareable()
    assert flow.names == ("start", "step 1", "CT", "step 3")
    assert list(dict.fromkeys(flow.table["name"])) == list(flow.names)
    for text in (repr(flow), flow._repr_html_(), flow.table.to_csv(), str(pickle.dumps(flow))):
        assert patient not in text
