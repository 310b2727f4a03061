from __future__ import annotations

import pickle
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import workbench as wb
from tests.cohort.made import Made, cohort_of, image
from tests.tries import tries
from workbench.errors import UsageError


def patients(cohort: wb.Cohort) -> set[tuple[str, str]]:
    return set(cohort.patients[["node", "patient_id"]].itertuples(index=False, name=None))


def series(cohort: wb.Cohort) -> set[str]:
    return set(cohort.series["SeriesInstanceUID"])


@pytest.fixture
def ct(cohort: wb.Cohort) -> wb.Cohort:
    return cohort.where("modality = 'CT'")


@pytest.fixture
def mr(cohort: wb.Cohort) -> wb.Cohort:
    return cohort.where("modality = 'MR'")


def test_and_keeps_who_is_in_both_with_the_series_of_the_first(ct: wb.Cohort, mr: wb.Cohort) -> None:
    both = ct & mr
    assert patients(both) == patients(ct) & patients(mr) != set()
    assert set(both.series.query("kind == 'image'")["Modality"]) == {"CT"}
    assert patients(mr & ct) == patients(both)


def test_minus_leaves_who_is_in_the_other(ct: wb.Cohort, mr: wb.Cohort) -> None:
    assert patients(ct - mr) == patients(ct) - patients(mr) != set()


def test_or_keeps_everybody_and_every_series(ct: wb.Cohort, mr: wb.Cohort) -> None:
    assert patients(ct | mr) == patients(ct) | patients(mr)
    assert series(ct | mr) == series(ct) | series(mr)


def test_what_is_and_what_is_not_are_the_whole(ct: wb.Cohort, mr: wb.Cohort, cohort: wb.Cohort) -> None:
    assert series((ct & mr) | (ct - mr)) == series(ct)
    assert patients((ct & mr) | (ct - mr)) == patients(ct)
    assert series(cohort - cohort) == set()
    assert series(cohort & cohort) == series(cohort | cohort) == series(cohort)


def test_combinations_nest_narrow_every_table_and_survive_the_pickle(cohort: wb.Cohort, ct: wb.Cohort) -> None:
    nested = (ct - (cohort.where("modality = 'MR'") & cohort.where("sex = 'male'"))).where("node <> 'boreal'")
    again = pickle.loads(pickle.dumps(nested))
    assert series(again) == series(nested) != set()
    assert set(nested.values["patient_id"]) == set(nested.clinical["patient_id"]) == set(nested.patients["patient_id"])
    assert "and not of" in repr(nested)


def test_a_sample_can_be_taken_away(cohort: wb.Cohort) -> None:
    ten = cohort.sample(10, seed=2)
    assert len((cohort - ten).patients) == len(cohort.patients) - 10


def test_the_first_cohorts_stay_as_they_were(ct: wb.Cohort, mr: wb.Cohort) -> None:
    before = series(ct), series(mr)
    assert ct & mr is not None
    assert (series(ct), series(mr)) == before


def test_patients_without_images_are_patients_too(tmp_path: Path) -> None:
    from workbench.extracts.record import ClinicalRow

    made = Made([image("P1", "a")], [ClinicalRow("P2", "sex", "f", table="t", file="t.csv", row=2)])
    both = cohort_of(tmp_path, {"north": made})
    assert patients(both - both.where("true")) == {("north", "P2")}


def test_cohorts_of_other_extracts_are_refused_with_what_to_do(cohort: wb.Cohort, tmp_path: Path) -> None:
    other = cohort_of(tmp_path, {"north": Made([image("P", "a")])})
    with pytest.raises(UsageError, match=r"different extracts .*north.*open all of them as one cohort"):
        cohort | other
    again = cohort_of(tmp_path / "moved", {"north": Made([image("P", "a")])})
    with pytest.raises(UsageError):
        other & again
    with pytest.raises(UsageError, match=r"a cohort and set cannot be combined with \|\. give a cohort"):
        cohort | {"P1"}
    with pytest.raises(UsageError, match="cannot be combined with -"):
        3 - cohort


def test_a_cohort_of_another_state_of_the_extract_is_refused(tmp_path: Path) -> None:
    from dataclasses import replace

    from workbench.cohort.cohort import Cohort
    from workbench.cohort.tables.store import TABLES

    one = cohort_of(tmp_path, {"north": Made([image("P", "a")])})
    (extract,) = one.extracts
    for name in TABLES:
        place = extract.table(name)
        place.with_name(place.name.replace("0" * 16, "1" * 16)).write_bytes(place.read_bytes())
    with pytest.raises(UsageError, match="changed between"):
        one | Cohort([replace(extract, fingerprint="1" * 64)])


conditions = st.sampled_from(
    ["modality = 'CT'", "modality = 'MR'", "sex = 'female'", "n_labels > 0", "node = 'cedro'", "false"]
)


@pytest.mark.slow
@settings(max_examples=tries(12))
@given(conditions, conditions)
def test_sets_of_cohorts_are_sets_of_patients(cohort: wb.Cohort, one: str, two: str) -> None:
    a, b = cohort.where(one), cohort.where(two)
    assert patients(a & b) == patients(a) & patients(b)
    assert patients(a | b) == patients(a) | patients(b)
    assert patients(a - b) == patients(a) - patients(b)
    assert series(a & b) | series(a - b) == series(a)
