"""Planned series: made once, kept while their files are what they were, made side by side where there are many."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

import workbench as wb
from tests import factories
from workbench.cohort.tables import planned
from workbench.cohort.tables.planned import PlannedSeries, Plans, plan_all
from workbench.dicom.scan import scan


def write_series(folder: Path, number: int, n: int) -> None:
    """A series of *n* images."""
    for image in range(1, n + 1):
        at = {"ImagePositionPatient": [0, 0, 2.0 * image], "SOPInstanceUID": f"1.2.3.{number}.{image}"}
        factories.image(folder / f"s{number}" / f"{image}.dcm", image, SeriesInstanceUID=f"1.2.3.{number}", **at)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("images")
    for number in range(6):
        write_series(root, number, 3 + number % 2)
    return root


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """UIDs of the series that are planned in this process."""
    seen: list[str] = []
    real = planned.series_of

    def counting(uid: str, *given: Any) -> Any:
        seen.append(uid)
        return real(uid, *given)

    monkeypatch.setattr(planned, "series_of", counting)
    return seen


def plan(folder: Path, plans: Plans | None = None) -> list[PlannedSeries]:
    return list(plan_all(scan(folder).table, folder, label="planning", plans=plans))


def test_series_come_in_order_of_their_first_path_with_their_facts(folder: Path) -> None:
    found = plan(folder)
    assert [series.first["path"].split("/")[0] for series in found] == [f"s{n}" for n in range(6)]
    assert [(series.n_instances, series.parts[0]["n_slices"]) for series in found] == [(3, 3), (4, 4)] * 3


def test_facts_are_the_same_after_they_were_written(folder: Path) -> None:
    for series in plan(folder):
        assert PlannedSeries.read(series.written()) == series


def test_what_is_known_is_not_planned_again_and_what_changed_alone_is(
    folder: Path, tmp_path: Path, counted: list[str]
) -> None:
    plans = Plans(tmp_path)
    first = plan(folder, plans)
    assert len(counted) == 6
    counted.clear()
    assert plan(folder, plans) == first
    assert counted == []
    changed = next((folder / "s2").iterdir())
    facts = changed.stat()
    os.utime(changed, ns=(facts.st_atime_ns, facts.st_mtime_ns + 1))
    assert plan(folder, plans) == first
    assert counted == ["1.2.3.2"]


def test_facts_of_series_left_out_for_once_are_kept(folder: Path, tmp_path: Path, counted: list[str]) -> None:
    plans = Plans(tmp_path)
    table = scan(folder).table
    list(plan_all(table.slice(0, 10), folder, label="planning", plans=plans))
    list(plan_all(table, folder, label="planning", plans=plans))
    list(plan_all(table.slice(0, 10), folder, label="planning", plans=plans))
    assert len(counted) == 6
    assert len(plans.read()) == 6


def test_facts_of_series_that_are_gone_are_forgotten(folder: Path, tmp_path: Path) -> None:
    plans = Plans(tmp_path)
    plan(folder, plans)
    table = scan(folder).table
    list(plan_all(table.slice(0, 3), folder, label="planning", plans=plans))
    assert len(plans.read()) == 1


def test_a_planning_that_was_interrupted_goes_on_where_it_was(
    folder: Path, tmp_path: Path, counted: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    plans = Plans(tmp_path)
    real = planned.series_of

    def until_third(uid: str, *given: Any) -> Any:
        if uid == "1.2.3.3":
            raise KeyboardInterrupt
        return real(uid, *given)

    with monkeypatch.context() as patch:
        patch.setattr(planned, "series_of", until_third)
        with pytest.raises(KeyboardInterrupt):
            plan(folder, plans)
    assert len(plans.read()) == 3
    counted.clear()
    assert len(plan(folder, plans)) == 6
    assert counted == ["1.2.3.3", "1.2.3.4", "1.2.3.5"]
    assert [path.name for path in tmp_path.iterdir()] == ["planned.parquet"]


def test_a_process_killed_in_between_leaves_what_it_had_kept(
    folder: Path, tmp_path: Path, counted: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    plans = Plans(tmp_path)
    monkeypatch.setattr(planned, "KEEP_EVERY_S", -1.0)
    monkeypatch.setattr(Plans, "finish", lambda *_: None)
    first = plan(folder, plans)
    monkeypatch.undo()
    assert len(list(tmp_path.iterdir())) == 6
    assert plan(folder, Plans(tmp_path)) == first
    assert [path.name for path in tmp_path.iterdir()] == ["planned.parquet"]


@pytest.mark.parametrize("content", [b"", b"PAR1 nothing of the kind"])
def test_a_broken_file_of_the_cache_counts_as_not_there(folder: Path, tmp_path: Path, content: bytes) -> None:
    plans = Plans(tmp_path)
    first = plan(folder, plans)
    plans.path.write_bytes(content)
    assert plan(folder, plans) == first


def test_facts_of_another_version_count_as_not_there(
    folder: Path, tmp_path: Path, counted: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    plan(folder, Plans(tmp_path))
    counted.clear()
    monkeypatch.setattr(planned, "FORMAT", planned.FORMAT + 1)
    plan(folder, Plans(tmp_path))
    assert len(counted) == 6


@pytest.fixture
def many(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Six series are many, and two of them are given at once."""
    monkeypatch.setattr(planned, "MANY_SERIES", 2)
    monkeypatch.setattr(planned, "AT_ONCE", 2)
    before = wb.options.workers
    wb.options.workers = 2
    yield
    wb.options.workers = before


@pytest.mark.usefixtures("many")
def test_many_series_are_planned_in_other_processes_with_the_same_facts(folder: Path, counted: list[str]) -> None:
    found = plan(folder)
    assert counted == []
    wb.options.workers = 1
    assert found == plan(folder)
    assert len(counted) == 6


@pytest.mark.usefixtures("many")
@pytest.mark.parametrize("workers", [1, 2])
def test_series_whose_files_lie_among_one_another_keep_their_own(tmp_path: Path, workers: int) -> None:
    wb.options.workers = workers
    for image in range(8):
        tags = {"SeriesInstanceUID": f"1.2.3.{image % 2}", "SOPInstanceUID": f"1.2.3.{image % 2}.{image}"}
        place = {"ImagePositionPatient": [0, 0, (1 + image % 2) * image]}
        factories.image(tmp_path / f"{image}.dcm", image, **tags, **place)
    found = plan(tmp_path)
    assert [(series.uid, series.parts[0]["slice_spacing_mm"]) for series in found] == [("1.2.3.0", 2), ("1.2.3.1", 4)]


@pytest.mark.usefixtures("many")
def test_a_process_that_dies_costs_no_series(folder: Path, counted: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planned, "_plan_some", _dying)
    assert [series.uid for series in plan(folder)] == [f"1.2.3.{n}" for n in range(6)]
    assert len(counted) == 6


def _dying(packed: bytes, lengths: Sequence[tuple[str, int]], root: Path) -> list[str]:
    os._exit(9)


@pytest.mark.usefixtures("many")
def test_little_memory_starts_no_process(folder: Path, counted: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKBENCH_MEMORY", "300 MB")
    plan(folder)
    assert len(counted) == 6


def test_a_cohort_opened_after_one_file_changed_plans_one_series(tmp_path: Path, counted: list[str]) -> None:
    for number in range(4):
        write_series(tmp_path / "x", number, 3)
    before = pq.read_table(wb.open_cohort(tmp_path / "x").extracts[0].table("parts"))
    counted.clear()
    changed = next((tmp_path / "x" / "s1").iterdir())
    os.utime(changed)
    after = wb.open_cohort(tmp_path / "x")
    assert counted == ["1.2.3.1"]
    assert pq.read_table(after.extracts[0].table("parts")) == before
