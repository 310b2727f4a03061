from __future__ import annotations

import pickle
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

import workbench as wb
from tests.cohort.made import Made, cohort_of, image, mask
from tests.tries import tries
from workbench.cohort.questions.sampling import Part, allocate, divided, filled, score
from workbench.errors import QueryError, UsageError
from workbench.extracts.record import ClinicalRow

THIRDS = {"train": 0.6, "val": 0.2, "test": 0.2}


def made(n: int = 40) -> Made:
    """Patients of two sexes, half of them with a second timepoint."""
    series: list[dict[str, Any]] = []
    clinical = []
    for i in range(n):
        who = f"P{i:03d}"
        series += [image(who, f"{i}.{t}", StudyDate=f"2020{t:02d}01") for t in range(1, 2 + i % 2)]
        series.append(mask(who, f"{i}.1", [f"{i}.1.1"]))
        clinical.append(ClinicalRow(who, "sex", "f" if i % 4 else "m", table="t", file="t.csv", row=i))
    return Made(series, clinical)


@pytest.fixture(scope="module")
def forty(tmp_path_factory: pytest.TempPathFactory) -> wb.Cohort:
    return cohort_of(tmp_path_factory.mktemp("forty"), {"north": made()})


def patients(cohort: wb.Cohort) -> set[tuple[str, str]]:
    return set(cohort.patients[["node", "patient_id"]].itertuples(index=False, name=None))


def test_a_sample_has_as_many_patients_as_asked_and_all_that_is_theirs(forty: wb.Cohort) -> None:
    ten = forty.sample(10, seed=1)
    assert len(ten.patients) == 10
    assert set(ten.series["patient_id"]) == set(ten.clinical["patient_id"]) == set(ten.patients["patient_id"])
    assert patients(ten) < patients(forty)
    assert len(forty.sample(0).patients) == 0
    assert patients(forty.sample(40)) == patients(forty)


def test_another_seed_draws_others_and_the_same_seed_the_same(forty: wb.Cohort) -> None:
    assert patients(forty.sample(10, seed=1)) == patients(forty.sample(10, seed=1))
    assert patients(forty.sample(10, seed=1)) != patients(forty.sample(10, seed=2))


def test_strata_are_represented_as_in_the_whole(forty: wb.Cohort) -> None:
    twenty = forty.sample(20, stratify="sex", seed=5)
    assert Counter(twenty.clinical.drop_duplicates("patient_id")["sex"]) == {"female": 15, "male": 5}


def test_cases_and_series_can_be_drawn(forty: wb.Cohort) -> None:
    cases = forty.sample(7, by="case")
    assert (cases.cases["n_series"] > 0).sum() == 7
    series = forty.sample(7, by="series").series
    assert (series["kind"] == "image").sum() == 7
    kept = set(series["SeriesInstanceUID"])
    for refers_to in series.query("kind != 'image'")["refers_to"]:
        assert kept & set(refers_to)


def test_what_was_drawn_survives_the_pickle_and_can_be_narrowed_further(forty: wb.Cohort) -> None:
    women = forty.sample(12, seed=3).where("sex = 'female'")
    again = pickle.loads(pickle.dumps(women))
    assert patients(again) == patients(women)
    assert len(pickle.dumps(forty.sample(30))) < len(pickle.dumps(forty)) + 300
    assert "sample of 12 by patient, seed 3" in repr(women)


def test_a_sample_of_a_selection_is_of_the_selection(forty: wb.Cohort) -> None:
    assert set(forty.where("sex = 'male'").sample(4).clinical["sex"]) == {"male"}


@pytest.mark.parametrize(
    "wrong",
    [
        {"n": 41}, {"n": -1}, {"n": 2.0}, {"n": True}, {"n": 3, "by": "lesion"}, {"n": 3, "seed": "x"},
        {"n": 3, "stratify": [3]}, {"n": 3, "stratify": ""},
    ],
)  # fmt: skip
def test_a_sample_that_cannot_be_drawn_is_refused(forty: wb.Cohort, wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        forty.sample(wrong.pop("n"), **wrong)


@pytest.mark.parametrize("stratify", ["colour", "sex) from patients; drop table kept_series; select (1", "sex, ("])
def test_an_expression_that_is_not_understood_says_so(forty: wb.Cohort, stratify: str) -> None:
    with pytest.raises(QueryError):
        forty.sample(3, stratify=stratify)


def test_parts_are_the_whole_and_have_their_shares(forty: wb.Cohort) -> None:
    parts = forty.split(fractions=THIRDS, stratify=["sex"], seed=7)
    assert {name: len(part.patients) for name, part in parts.items()} == {"train": 24, "val": 8, "test": 8}
    assert set().union(*map(patients, parts.values())) == patients(forty)
    for name, men in (("train", 6), ("val", 2), ("test", 2)):
        assert abs((parts[name].clinical.drop_duplicates("patient_id")["sex"] == "male").sum() - men) <= 1


def test_a_part_survives_the_pickle(forty: wb.Cohort) -> None:
    part = forty.split(fractions=THIRDS, seed=7)["val"]
    assert patients(pickle.loads(pickle.dumps(part))) == patients(part)


@pytest.mark.slow
def test_a_part_is_the_same_in_another_process_and_whatever_the_order_of_rows(forty: wb.Cohort, tmp_path: Path) -> None:
    part = patients(forty.split(fractions=THIRDS, stratify="sex", seed=7)["test"])
    turned = made()
    turned.series.reverse()
    turned.clinical.reverse()
    other = cohort_of(tmp_path, {"north": turned})
    assert patients(other.split(fractions=THIRDS, stratify="sex", seed=7)["test"]) == part
    code = (
        "import pickle, sys; cohort = pickle.load(sys.stdin.buffer);"
        "print(sorted(cohort.split(fractions={'train': .6, 'val': .2, 'test': .2}, stratify='sex', seed=7)['test']"
        ".patients['patient_id']))"
    )
    done = subprocess.run([sys.executable, "-c", code], input=pickle.dumps(forty), capture_output=True, check=True)
    assert done.stdout.decode().strip() == str(sorted(patient for _, patient in part))


def test_the_draw_of_a_seed_never_changes() -> None:
    units = {("north", f"P{i}"): "" for i in range(8)}
    parts = divided(units, Part("a", (("a", 0.5), ("b", 0.5)), "patient", (), 7))
    assert "".join(parts[unit] for unit in sorted(units)) == "aabbbaab"
    assert score(7, "north", "P1").startswith("2fe9d10505750636")


def test_linked_patients_stay_together(tmp_path: Path) -> None:
    north = Made([image(f"P{i}", f"n{i}") for i in range(6)])
    south = Made([image(f"Q{i}", f"n{i}" if i == 0 else f"s{i}", f"t{i}") for i in range(6)])
    # The same study at two nodes; the same series; and one instance in two series.
    south.series[1]["SeriesInstanceUID"] = north.series[1]["SeriesInstanceUID"]
    south.instances = {"t2": ["copy"]}
    north.instances = {"n2.1": ["copy"]}
    both = cohort_of(tmp_path, {"north": north, "south": south})
    for seed in range(3):
        parts = both.split(fractions={"a": 0.5, "b": 0.5}, seed=seed)
        where = {patient: name for name, part in parts.items() for patient in patients(part)}
        assert len(where) == 12
        for i in range(3):
            assert where["north", f"P{i}"] == where["south", f"Q{i}"]


def test_whole_nodes_can_be_held_back(tmp_path: Path) -> None:
    nodes = {name: Made([image(f"{name}{i}", f"{name}.{i}") for i in range(3)]) for name in "abcd"}
    parts = cohort_of(tmp_path, nodes).split(by="node", fractions={"in": 0.75, "out": 0.25}, seed=1)
    held = {name: set(part.patients["node"]) for name, part in parts.items()}
    assert not held["in"] & held["out"]
    assert len(held["out"]) == 1


@pytest.mark.parametrize("seed", range(8))
def test_nodes_that_share_a_person_leave_no_part_empty(tmp_path: Path, seed: int) -> None:
    nodes = {name: Made([image(f"{name}{i}", f"{name}.{i}") for i in range(3)]) for name in "abc"}
    nodes["c"].series[0]["StudyInstanceUID"] = "a.0"
    parts = cohort_of(tmp_path, nodes).split(by="node", fractions={"in": 0.67, "out": 0.33}, seed=seed)
    assert set(parts["in"].patients["node"]) == {"a", "c"}
    assert set(parts["out"].patients["node"]) == {"b"}


def test_a_small_share_of_few_patients_is_one_patient(tmp_path: Path) -> None:
    few = cohort_of(tmp_path, {"north": Made([image(f"P{i}", f"n{i}") for i in range(5)])})
    parts = few.split(fractions={"a": 0.9, "b": 0.1})
    assert {name: len(part.patients) for name, part in parts.items()} == {"a": 4, "b": 1}


def test_more_parts_than_there_is_to_divide_are_refused(tmp_path: Path) -> None:
    nodes = {name: Made([image(f"{name}{i}", f"{name}.{i}") for i in range(3)]) for name in "ab"}
    two = cohort_of(tmp_path, nodes)
    with pytest.raises(UsageError, match="too few nodes"):
        two.split(by="node", fractions=THIRDS)
    with pytest.raises(UsageError, match="would leave 1 without a patient"):
        two.where("patient_id in ('a0', 'b0')").split(fractions=THIRDS)
    assert len(two.where("false").split(fractions={"all": 1.0})["all"].patients) == 0


@given(st.lists(st.integers(1, 5), max_size=30), st.lists(st.integers(1, 9), min_size=1, max_size=5))
def test_no_part_is_empty_where_there_are_groups_enough(weights: list[int], ratio: list[int]) -> None:
    fractions = [part / sum(ratio) for part in ratio]
    drawn = allocate(weights, fractions)
    found = filled(drawn, weights, fractions)
    assert len(set(found)) == min(len(weights), len(ratio)) or len(weights) < len(ratio)
    if len(set(drawn)) == len(ratio):
        assert found == drawn


@pytest.mark.parametrize(
    "wrong",
    [
        {"fractions": {}}, {"fractions": {"a": 0.5}}, {"fractions": {"a": 0.5, "b": -0.5, "c": 1.0}},
        {"fractions": {"a": 70, "b": 30}}, {"fractions": {"a": 1.0}, "by": "series"},
        {"fractions": {"a": 1.0}, "seed": None}, {"fractions": {"a": float("nan")}},
    ],
)  # fmt: skip
def test_a_split_that_cannot_be_made_is_refused(forty: wb.Cohort, wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        forty.split(**wrong)


@given(
    st.lists(st.integers(1, 3), max_size=60),
    st.lists(st.integers(1, 9), min_size=1, max_size=4),
)
def test_every_stretch_has_its_shares_to_within_a_few_patients(weights: list[int], ratio: list[int]) -> None:
    fractions = [part / sum(ratio) for part in ratio]
    parts = allocate(weights, fractions)
    for end in range(len(weights) + 1):
        for part, fraction in enumerate(fractions):
            has = sum(w for w, p in zip(weights[:end], parts[:end], strict=True) if p == part)
            assert abs(has - fraction * sum(weights[:end])) < 3 * len(fractions)


uids = st.integers(0, 7).map(str)


@pytest.mark.slow
@settings(max_examples=tries(15), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.lists(st.tuples(st.sampled_from("nsw"), st.integers(0, 9), uids, uids, uids), min_size=1, max_size=14),
    seed=st.integers(0, 5),
)
def test_no_patient_study_series_or_instance_stands_in_two_parts(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, int, str, str, str]], seed: int
) -> None:
    nodes = {node: Made() for node, *_ in rows}
    for node, patient, study, series, instance in rows:
        if series not in nodes[node].instances:
            nodes[node].series.append(image(f"P{patient}", f"study {study}", series))
        nodes[node].instances.setdefault(series, []).append(instance)
    whole = cohort_of(tmp_path_factory.mktemp("leak"), nodes)
    try:
        parts = whole.split(fractions={"a": 0.5, "b": 0.3, "c": 0.2}, seed=seed)
    except UsageError:
        # Too few who may be parted.
        event("refused")
        return
    seen: dict[tuple[str, ...], str] = {}
    for name, part in parts.items():
        marks: set[tuple[str, ...]] = {("patient", *patient) for patient in patients(part)}
        marks |= {("study", uid) for uid in part.series["StudyInstanceUID"]}
        marks |= {("series", uid) for uid in part.series["SeriesInstanceUID"]}
        marks |= {("instance", uid) for uid in part.sql("select SOPInstanceUID from instances")["SOPInstanceUID"]}
        for mark in marks:
            assert seen.setdefault(mark, name) == name
    assert sum(len(part.series) for part in parts.values()) == len(whole.series)
