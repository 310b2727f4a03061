"""A whole cohort to one table: planted truths found again, nothing lost, nothing measured twice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests import factories
from workbench.cohort import Cohort, open_cohort
from workbench.errors import UsageError, WriteError
from workbench.labels import describe, to_seg
from workbench.measure import cohort_run
from workbench.measure.case_rows import Request, measure_case
from workbench.measure.cohort_cases import cases
from workbench.measure.cohort_run import COLUMNS, features_of_cohort, volumes
from workbench.measure.features import features
from workbench.measure.settings import Settings
from workbench.options import options
from workbench.synthetic import write_federation


@pytest.fixture
def few(cohort: Cohort) -> Cohort:
    """The MR series of one node alone."""
    return cohort.where("modality = 'MR' and node = 'cedro'")


@pytest.fixture
def no_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Cache of the test alone, so that nothing was measured before."""
    monkeypatch.setenv("WORKBENCH_CACHE", str(tmp_path / "cache"))
    return options.cache / "measure"


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Series measured in this process, one by one."""
    seen: list[str] = []

    def measure(cohort: Cohort, case: Any, request: Request) -> list[dict[str, Any]]:
        seen.append(case.series_uid)
        return measure_case(cohort, case, request)

    monkeypatch.setattr("workbench.measure.workers.measure_case", measure)
    return seen


@pytest.fixture(scope="module")
def measured(cohort: Cohort) -> pd.DataFrame:
    """Volumes of the whole cohort; no test changes them."""
    return volumes(cohort, workers=1)


def test_volumes_are_those_that_were_planted(measured: pd.DataFrame, federation: Path) -> None:
    key = write_federation(federation)
    table = measured
    found = table[table["feature"] == "volume_voxels"].set_index(["node", "series_uid"])["value"]
    wanted = {(one["node"], one["series_uid"]): one["volume_mm3"] for one in key["lesions"]}
    measured = {place: value for place, value in found.items() if place in wanted}
    assert len(measured) >= 20
    assert measured == pytest.approx({place: wanted[place] for place in measured})


def test_table_holds_what_each_series_gives_alone(few: Cohort) -> None:
    cohort = few
    table = features_of_cohort(cohort, workers=1)
    assert tuple(table.columns) == COLUMNS
    one = next(case for case in cases(cohort) if case.geometry == "regular")
    alone = features(cohort.load(one.series_uid, node=one.node, part=one.part, masks=True), "mask")
    rows = table[(table["series_uid"] == one.series_uid) & (table["node"] == one.node) & (table["feature"] != "")]
    names = ["segment", "feature", "value", "unit", "ibsi"]
    pd.testing.assert_frame_equal(rows[names].reset_index(drop=True), alone[names].reset_index(drop=True))
    assert set(rows["image_digest"]) == {one.image_digest}


@pytest.mark.parametrize(("geometry", "finding"), [("gaps", "slices-missing"), ("sheared", "gantry-tilt")])
def test_series_that_cannot_be_measured_is_a_row_with_the_finding(
    geometry: str, finding: str, cohort: Cohort, measured: pd.DataFrame
) -> None:
    table = measured
    irregular = {case.series_uid for case in cases(cohort) if case.geometry == geometry}
    assert irregular
    rows = table[table["series_uid"].isin(irregular)]
    assert rows["value"].isna().all()
    assert rows["reason"].str.contains(finding).all()
    names = {node: ["Tumour"] for node in ("aurora", "boreal", "cedro")}
    assert table.attrs == {
        "cases": len(cases(cohort)), "cases_failed": 2, "cases_not_kept": 0, "unmapped_names": names
    }  # fmt: skip


def test_second_run_measures_nothing_again(few: Cohort, no_cache: Path, counted: list[str]) -> None:
    first = volumes(few, workers=1)
    n = len(counted)
    assert n == len(cases(few)) > 3
    pd.testing.assert_frame_equal(volumes(few, workers=1), first)
    assert len(counted) == n
    volumes(few, workers=1, resume=False)
    assert len(counted) == 2 * n


def test_lost_and_torn_results_alone_are_measured_again(few: Cohort, no_cache: Path, counted: list[str]) -> None:
    first = volumes(few, workers=1)
    lost, torn, foreign, *_ = sorted(no_cache.rglob("*.json"))
    lost.unlink()
    torn.write_text(torn.read_text()[:-20])
    foreign.write_text("{}")
    counted.clear()
    pd.testing.assert_frame_equal(volumes(few, workers=1), first)
    assert len(counted) == 3


@pytest.mark.parametrize(
    "other", [{"masks": "newest"}, {"names": {"Tumour": "GTV"}}, {"threshold": 0.5}, {"resample": "nearest"}]
)
def test_other_choice_of_masks_is_measured_anew(
    other: dict[str, Any], few: Cohort, no_cache: Path, counted: list[str]
) -> None:
    volumes(few, workers=1)
    n = len(counted)
    volumes(few, workers=1, **other)
    assert 0 < n == len(counted) - n


def test_own_names_stand_beside_the_objects_names(few: Cohort) -> None:
    table = volumes(few, names={"Tumour": "GTV"}, workers=1)
    assert set(table.loc[table["feature"] != "", "segment_standard"]) == {"GTV"}


def test_settings_are_part_of_what_is_kept() -> None:
    plain = Request(("intensity",))
    assert plain.digest == Request(("intensity",), Settings()).digest
    assert plain.digest != Request(("intensity",), Settings(resegment_range=(-100, 100))).digest
    assert plain.digest != Request(("shape",)).digest


def test_table_of_names_counts_by_what_it_says(tmp_path: Path) -> None:
    for name, standard in (("a", "GTV"), ("b", "GTV"), ("c", "CTV")):
        (tmp_path / f"{name}.csv").write_text(f"standard,spellings\n{standard},lesion\n")
    a, b, c = (Request(("volume",), names=tmp_path / f"{name}.csv").digest for name in "abc")
    assert a == b != c


@pytest.mark.parametrize("workers", [0, -1, 1.5, "2", True])
def test_impossible_number_of_workers_is_refused(workers: Any, cohort: Cohort) -> None:
    with pytest.raises(UsageError, match="workers"):
        volumes(cohort, workers=workers)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"groups": "colour"}, "colour"),
        ({"masks": False}, "nothing to measure"),
        ({"masks": "oldest"}, "oldest"),
        ({"names": "no such table.csv"}, "no such table"),
        ({"threshold": 2}, "threshold"),
        ({"resample": "linear"}, "linear"),
    ],
)
def test_wrong_question_is_told_before_the_first_case(
    wrong: dict[str, Any], said: str, cohort: Cohort, counted: list[str]
) -> None:
    with pytest.raises(UsageError, match=said):
        features_of_cohort(cohort, **wrong)
    assert not counted


def test_cohort_without_masks_gives_an_empty_table(cohort: Cohort) -> None:
    table = volumes(cohort.where("n_labels = 0"))
    assert (len(table), tuple(table.columns), table.attrs["cases"]) == (0, COLUMNS, 0)


def test_features_takes_a_cohort_as_well(few: Cohort) -> None:
    asked: dict[str, Any] = {"groups": "volume", "masks": "newest"}
    pd.testing.assert_frame_equal(features(few, **asked), features_of_cohort(few, **asked))
    with pytest.raises(UsageError, match="choose with masks"):
        features(few, "liver")
    with pytest.raises(UsageError, match="workers"):
        features(few.load(few.series["SeriesInstanceUID"][0], masks=True), workers=2)


def test_few_cases_start_no_process(few: Cohort, no_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def run(cohort: Cohort, request: Request, todo: Any, workers: int) -> Any:
        asked.append(workers)
        return iter([(case, []) for case in todo])

    monkeypatch.setattr(cohort_run, "run", run)
    monkeypatch.setattr(options, "workers", 8)
    volumes(few)
    assert asked == [1]


def test_two_readers_of_one_lesion_are_told_apart_by_their_objects(tmp_path: Path) -> None:
    factories.stack(tmp_path / "site" / "ct", [0, 2, 4, 6], PatientID="A")
    image = open_cohort(tmp_path / "site", layout="plain").load(factories.SERIES)
    drawn = np.zeros((1, *image["image"].shape), bool)
    drawn[0, 1:3, 2:4, 2:5] = True
    for reader, mask in (("a", drawn), ("b", np.roll(drawn, 1, axis=1))):
        mask[0, 1, 2, 2] = reader == "a"
        to_seg(mask, tmp_path / "site" / f"{reader}.dcm", images=tmp_path / "site" / "ct", codes="SCT:108369006",
               algorithm="MANUAL", names=["GTV"])  # fmt: skip
    table = volumes(open_cohort(tmp_path / "site", layout="plain"), workers=1)
    counts = table[table["feature"] == "n_voxels"].set_index("segment_source_uid")["value"]
    uids = [describe(tmp_path / "site" / f"{reader}.dcm").source_uid for reader in "ab"]
    assert counts[uids].tolist() == [12, 12]
    assert table.loc[table["feature"] != "", "segment"].unique().tolist() == ["GTV"]


def test_a_cache_that_is_full_costs_the_next_run_and_not_this_one(
    few: Cohort, no_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = volumes(few, resume=False, workers=1)
    written: list[Path] = []

    def full(path: Path, text: str) -> None:
        if written:
            raise WriteError("could not be written: no space left on device", file=path.name)
        written.append(path)

    monkeypatch.setattr(cohort_run, "write_text", full)
    table = volumes(few, resume=False, workers=1)
    pd.testing.assert_frame_equal(table, whole, check_like=True)
    assert table.attrs["cases_not_kept"] == table.attrs["cases"] - 1 > 0
    assert table.attrs["not_kept_reason"] == "could not be written: no space left on device"
