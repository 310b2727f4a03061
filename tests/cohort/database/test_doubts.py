"""Who asks a variable whose values look like another unit somewhere is told so with the answer."""

from __future__ import annotations

import pickle

import pytest

import workbench as wb
from tests.cohort.made import Made, cohort_of, image
from workbench.extracts.record import ClinicalRow
from workbench.options import options

TOLD = "unit-suspected at south: age_at_diagnosis: 8 of 8 values beyond"


def _node(ages: list[int]) -> Made:
    who = [f"P{number}" for number in range(len(ages))]
    said = {"table": "t", "file": "t.csv"}
    rows = [
        ClinicalRow(p, "age_at_diagnosis", str(age), row=n, **said)
        for n, (p, age) in enumerate(zip(who, ages, strict=True), 2)
    ]
    rows += [ClinicalRow(p, "sex", "f", row=n, **said) for n, p in enumerate(who, 2)]
    return Made([image(p, f"1.{number}") for number, p in enumerate(who)], rows)


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> wb.Cohort:
    years = [50, 52, 60, 61, 67, 70, 72, 80]
    nodes = {"north": _node(years), "south": _node([12 * age for age in years])}
    return cohort_of(tmp_path_factory.mktemp("doubts"), nodes)


def shown(thing: object) -> list[str]:
    return [repr(thing), thing._repr_html_()]  # type: ignore[attr-defined]


def test_a_condition_on_the_variable_is_told_in_the_cohort(cohort: wb.Cohort) -> None:
    # It leaves out everybody of the node it is wrong at: then it is needed most.
    old = cohort.where("clinical.AGE_at_diagnosis < 100")
    assert set(old.patients["node"]) == {"north"}
    for cohort_ in (old, old.where("sex = 'female'"), pickle.loads(pickle.dumps(old))):
        assert all(f"! {TOLD}" in text for text in shown(cohort_)), shown(cohort_)


def test_another_condition_tells_nothing(cohort: wb.Cohort) -> None:
    for quiet in (cohort, cohort.where("sex = 'female'"), cohort.where("sex <> 'age_at_diagnosis'"),
                  cohort.where("node = 'north'").where("age_at_diagnosis > 60")):  # fmt: skip
        assert not any(TOLD in text.partition("findings")[0] for text in shown(quiet))


def test_a_flow_and_an_overlap_tell_it(cohort: wb.Cohort) -> None:
    for asked in (cohort.attrition([("adults", "age_at_diagnosis >= 18")]),
                  cohort.overlap("CT", ("adults", "age_at_diagnosis >= 18")),
                  cohort.where("age_at_diagnosis > 60").attrition(["sex = 'female'"])):  # fmt: skip
        assert all(f"! {TOLD}" in text for text in shown(asked))
    assert not any(TOLD in text for text in shown(cohort.overlap("CT", "age_at_diagnosis")))
    assert not any(TOLD in text for text in shown(cohort.attrition(["modality = 'CT'"])))


def test_strata_tell_it(cohort: wb.Cohort) -> None:
    drawn = [cohort.sample(8, stratify="age_at_diagnosis > 60"), *cohort.split(
        fractions={"a": 0.5, "b": 0.5}, stratify=["sex", "age_at_diagnosis > 60"]).values()]  # fmt: skip
    for part in drawn:
        assert all(f"! {TOLD}" in text for text in shown(part))


def test_what_is_shareable_names_variable_and_node_alone(cohort: wb.Cohort, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(options, "audience", "shareable")
    for asked in (cohort.where("age_at_diagnosis > 60"), cohort.attrition(["age_at_diagnosis > 60"])):
        for text in shown(asked):
            assert "! unit-suspected at south: age_at_diagnosis" in text
            assert "8 of 8" not in text
