"""A report opens exactly the cohort it was given: from paths and a condition, or through a lock file."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import workbench as wb
from tests.cohort.test_lock import _series, state
from workbench.cli import workbench
from workbench.errors import LockError, ParameterError, UsageError
from workbench.options import options
from workbench.reports import runner
from workbench.reports.opening import open_selected, places
from workbench.reports.parameters import CommonParams
from workbench.reports.record import Run


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two nodes of two patients."""
    folders = []
    for node, start in (("north", 10), ("south", 20)):
        folder = tmp_path_factory.mktemp("data") / node
        for number, patient in ((1, "P1"), (2, "P1"), (3, "P2")):
            _series(folder / patient, f"{patient}-{start}", start + number, slices=1)
        (folder / "clinical.csv").write_text(f"patient_id,sex,age_at_diagnosis\nP1-{start},M,60\nP2-{start},F,40\n")
        folders.append(folder)
    return folders


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[dict[str, Any], CommonParams]]:
    """Records and parameters of the runs that would have been executed."""
    found: list[tuple[dict[str, Any], CommonParams]] = []

    def stop(template: Any, params: CommonParams, record: dict[str, Any], final: Path) -> Run:
        found.append((record, params))
        final.mkdir(parents=True, exist_ok=True)
        return Run(record["run_id"], "cohort-profile", "ok", final, record=record)

    monkeypatch.setattr(runner, "_execute", stop)
    return found


COHORTS: dict[str, Callable[[list[Path]], wb.Cohort]] = {
    "whole": wb.open_cohort,
    "a condition": lambda nodes: wb.open_cohort(nodes).where("modality = 'CT'"),
    "two conditions": lambda nodes: (
        wb.open_cohort(nodes)
        .where("modality = 'CT'")
        .where("patient_id in (select patient_id from series group by 1 having count(*) = 2)")
    ),
    "sample": lambda nodes: wb.open_cohort(nodes).sample(3, seed=2),
    "part": lambda nodes: wb.open_cohort(nodes).split(fractions={"a": 0.5, "b": 0.5}, stratify="sex", seed=1)["b"],
    "set": lambda nodes: wb.open_cohort(nodes) - wb.open_cohort(nodes).where("sex = 'female'"),
    "options": lambda nodes: wb.open_cohort(nodes, header=1, layout="plain", id_column="patient_id"),
    "renamed": lambda nodes: wb.open_cohort(nodes[0], node="elsewhere").where("sex = 'male'"),
}


@pytest.mark.parametrize("name", COHORTS)
def test_the_report_opens_the_very_cohort(
    name: str, nodes: list[Path], tmp_path: Path, asked: list[tuple[dict[str, Any], CommonParams]]
) -> None:
    cohort = COHORTS[name](nodes)
    wb.report("cohort-profile", cohort, out=tmp_path)
    wb.report("cohort-profile", cohort, out=tmp_path)
    (record, params), (again, _) = asked
    opened = open_selected(params)
    assert state(opened) == state(cohort)
    assert [(info.node, info.digest) for info in opened.extracts] == [
        (info.node, info.digest) for info in cohort.extracts
    ]
    assert again["run_id"] == record["run_id"]
    assert (params.lock is None) == (name in ("whole", "a condition"))
    assert str(nodes[0].parent) not in json.dumps(record)
    assert str(options.cache) not in json.dumps(record)


def test_other_samples_are_other_runs(
    nodes: list[Path], tmp_path: Path, asked: list[tuple[dict[str, Any], CommonParams]]
) -> None:
    for seed in (2, 3):
        wb.report("cohort-profile", wb.open_cohort(nodes).sample(2, seed=seed), out=tmp_path)
    assert asked[0][0]["run_id"] != asked[1][0]["run_id"]


def test_a_condition_beside_a_narrowed_cohort_narrows_it_further(
    nodes: list[Path], tmp_path: Path, asked: list[tuple[dict[str, Any], CommonParams]]
) -> None:
    cohort = wb.open_cohort(nodes).where("modality = 'CT'")
    wb.report("cohort-profile", cohort, out=tmp_path, where="sex = 'male'")
    assert state(open_selected(asked[0][1])) == state(cohort.where("sex = 'male'"))


def test_nodes_of_a_locked_cohort_are_those_of_the_lock_file(
    nodes: list[Path], tmp_path: Path, asked: list[tuple[dict[str, Any], CommonParams]]
) -> None:
    cohort = wb.open_cohort(nodes).sample(3, seed=2)
    wb.report("cohort-profile", cohort, out=tmp_path, nodes=["south"])
    opened = open_selected(asked[0][1])
    assert opened.nodes == ["south"]
    wanted = cohort.patients.query("node == 'south'")["patient_id"].tolist()
    assert opened.patients["patient_id"].tolist() == wanted
    with pytest.raises(ParameterError, match="nodes"):
        wb.report("cohort-profile", cohort, out=tmp_path, nodes=["west"])


def test_the_command_line_makes_the_same_run(
    nodes: list[Path], tmp_path: Path, asked: list[tuple[dict[str, Any], CommonParams]]
) -> None:
    cohort = wb.open_cohort(nodes, header=1).sample(3, seed=2)
    place = cohort.lock(tmp_path / "cohort.lock.json")
    wb.report("cohort-profile", cohort, out=tmp_path / "out")
    given = ["report", "run", "cohort-profile", *map(str, nodes), "--lock", str(place), "--out", str(tmp_path / "out")]
    run = CliRunner().invoke(workbench, given)
    assert run.exit_code == 0, run.output
    assert asked[0][0]["run_id"] == asked[1][0]["run_id"]
    assert asked[1][0]["parameters"]["lock"] == "cohort.lock.json"


def test_a_lock_file_that_no_longer_holds_stops_the_report_before_it_begins(
    nodes: list[Path], tmp_path: Path, asked: list[tuple[dict[str, Any], CommonParams]]
) -> None:
    place = wb.open_cohort(nodes).lock(tmp_path / "cohort.lock.json")
    with pytest.raises(LockError, match="not opened"):
        runner.run("cohort-profile", {"extract": nodes[0], "lock": place}, out=tmp_path)
    with pytest.raises(ParameterError, match="lock"):
        runner.run("cohort-profile", {"extract": nodes, "lock": tmp_path / "none.json"}, out=tmp_path)
    assert not asked


def test_what_a_lock_file_cannot_bring_along_is_refused(nodes: list[Path], tmp_path: Path) -> None:
    mapping = tmp_path / "own.csv"
    mapping.write_text("source,variable\nage_at_diagnosis,age_at_diagnosis\n")
    with pytest.raises(UsageError, match="it was opened with mapping="):
        places(wb.open_cohort(nodes, mapping=mapping), {})
    with pytest.raises(UsageError, match="needs one of its own"):
        places(wb.open_cohort(nodes).sample(1), {"lock": "other.json"})
    with pytest.raises(UsageError, match="is no cohort"):
        places(3, {})


@pytest.mark.slow
def test_a_report_on_a_sample_runs(nodes: list[Path], tmp_path: Path) -> None:
    cohort = wb.open_cohort(nodes, id_column="patient_id").sample(3, seed=2)
    done = wb.report("cohort-profile", cohort, out=tmp_path)
    assert done.status == "ok", done.record
    assert done.results["key_numbers"]["patients"] == 3
    assert "lock" not in done.results["parameters"]
    assert str(options.cache) not in (done.folder / "report.html").read_text("utf-8")
