"""Runs in real kernels, on a fake cohort; each takes two to four seconds."""

from __future__ import annotations

import _thread
import json
import os
import re
import subprocess
import sys
import threading
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from workbench.errors import EmptyExtract, ParameterError, ReportError, UsageError, WriteError
from workbench.reports import execution, runner, templates
from workbench.reports.runner import report, run


@pytest.fixture(scope="module")
def done(fake_cohort: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """One good run of two nodes, in paths with spaces."""
    base = tmp_path_factory.mktemp("a place")
    folders = [
        fake_cohort.write_extract(base / "node a", node="A", patients=6, without_images=4),
        fake_cohort.write_extract(base / "node b", node="B", patients=4, no_stage=True),
    ]
    return folders, base / "reports", report("cohort-profile", folders, out=base / "reports", title="Both")


@pytest.fixture
def no_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a kernel was started")

    monkeypatch.setattr(execution, "execute", refuse)


def kernels_left() -> list[str]:
    out = subprocess.run(["ps", "-ww", "-eo", "ppid,args"], capture_output=True, text=True, check=True).stdout
    return [line for line in out.splitlines() if "ipykernel_launcher" in line and line.split()[0] == str(os.getpid())]


def test_finished_run_has_every_file_under_its_final_name(done: Any) -> None:
    _, out, made = done
    assert made.status == "ok", made.record
    assert made.folder == out / "cohort-profile" / made.run_id
    names = {path.relative_to(made.folder).as_posix() for path in made.folder.rglob("*") if path.is_file()}
    figures = {f"figures/{name}.svg" for name in ("who_has_what", "missing_map", "modality_map", "geometry_bars")}
    assert names == {"run.json", "report.ipynb", "report.html", "results.json", "log.txt"} | figures
    assert not (out / ".work").exists()
    assert kernels_left() == []


def test_record_tells_what_ran_but_not_where(done: Any) -> None:
    folders, _, made = done
    text = (made.folder / "run.json").read_text()
    record = json.loads(text)
    assert record == made.record
    assert record["digest"].startswith(made.run_id)
    assert len(record["digest"]) == 64
    assert (record["nodes"], record["status"], record["error"]) == (["A", "B"], "ok", None)
    assert set(record["outputs"]) >= {"report.html", "results.json", "report.ipynb"}
    assert "owner" not in record
    assert str(folders[0].parent) not in text
    assert str(folders[0].parent) not in (made.folder / "report.html").read_text()


def test_results_hold_the_cohorts_numbers(done: Any) -> None:
    _, _, made = done
    content = made.results
    assert content["key_numbers"] == {"patients": 10, "studies": 9, "series": 18, "findings": 6}
    one = next(item for item in content["tables"] if item["name"] == "table_one")
    names = [column["name"] for column in one["columns"]]
    rows = [dict(zip(names, row, strict=True)) for row in one["rows"]]
    females = {row["group"]: row["n"] for row in rows if (row["variable"], row["level"]) == ("sex", "female")}
    assert females == {"A": 3, "B": 2, "All": 5}


def test_page_is_whole_and_loads_nothing(done: Any) -> None:
    page = (done[2].folder / "report.html").read_text()
    assert page.count('<figure class="wb-figure">') == 4
    assert page.count('alt="') == 4
    assert not re.search(r"<script|https?://|<link (?!href=\"data:)", page)
    assert "Both" in page
    assert "not sealed" in page
    for section in templates.find_template("cohort-profile").sections:
        assert section in page


def test_same_run_again_starts_no_kernel(done: Any, no_kernel: None) -> None:
    folders, out, made = done
    again = report("cohort-profile", folders, out=out, title="Both")
    assert again.reused
    assert again.run_id == made.run_id
    assert again.status == "ok"


def test_same_data_in_another_place_is_the_same_run(done: Any, tmp_path: Path, no_kernel: None) -> None:
    import shutil

    folders, out, made = done
    moved = [Path(shutil.copytree(folder, tmp_path / folder.name)) for folder in folders]
    assert report("cohort-profile", moved, out=out, title="Both").run_id == made.run_id


def test_other_data_or_parameters_are_another_run(
    done: Any, fake_cohort: ModuleType, tmp_path: Path, no_kernel: None
) -> None:
    folders, out, _ = done
    other = fake_cohort.write_extract(tmp_path / "b", node="B", patients=5)
    for paths, more in (([folders[0], other], {}), (folders, {"group_by": "sex"}), (folders, {"nodes": ["A"]})):
        with pytest.raises(AssertionError, match="kernel was started"):
            report("cohort-profile", paths, out=out, title="Both", **more)


def test_cohort_is_the_same_run_as_its_paths_and_condition(
    done: Any, fake_cohort: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders, out, _ = done
    asked: list[Any] = []

    def stop(template: Any, params: Any, record: Any, final: Path) -> None:
        asked.append((record["run_id"], params.where))

    monkeypatch.setattr(runner, "_execute", stop)
    cohort = fake_cohort.open_cohort(folders).where("modality = 'CT'")
    report("cohort-profile", cohort, out=out)
    report("cohort-profile", folders, out=out, where="modality = 'CT'")
    assert asked[0] == asked[1]


def test_cohort_that_opens_differently_from_its_paths_is_refused(
    done: Any, fake_cohort: ModuleType, no_kernel: None
) -> None:
    folders, out, _ = done
    cohort = fake_cohort.open_cohort(folders)
    cohort.extracts[0].node = "renamed"
    with pytest.raises(UsageError, match="cannot be opened again"):
        report("cohort-profile", cohort, out=out)


def test_two_runs_of_one_id_but_other_digests_are_refused(done: Any, tmp_path: Path, no_kernel: None) -> None:
    import shutil

    folders, _, made = done
    copy = Path(shutil.copytree(made.folder, tmp_path / "cohort-profile" / made.run_id))
    record = json.loads((copy / "run.json").read_text())
    (copy / "run.json").write_text(json.dumps(record | {"digest": "0" * 64}))
    with pytest.raises(ReportError, match="share the id"):
        report("cohort-profile", folders, out=tmp_path, title="Both")


@pytest.mark.parametrize("spoil", ["changed", "gone"])
def test_spoilt_output_is_not_taken_for_finished(done: Any, tmp_path: Path, no_kernel: None, spoil: str) -> None:
    import shutil

    folders, _, made = done
    copy = Path(shutil.copytree(made.folder, tmp_path / "cohort-profile" / made.run_id))
    page = copy / "report.html"
    page.write_text("x") if spoil == "changed" else page.unlink()
    with pytest.raises(AssertionError, match="kernel was started"):
        report("cohort-profile", folders, out=tmp_path, title="Both")


def test_wrong_parameters_raise_before_anything_is_written(extract: Path, tmp_path: Path, no_kernel: None) -> None:
    with pytest.raises(ParameterError) as caught:
        run("cohort-profile", {"extract": extract, "group_by": "moon", "sed": 1}, out=tmp_path / "reports")
    assert len(caught.value.problems) == 2
    assert caught.value.exit_code == 2
    with pytest.raises(ParameterError, match="hospital-a"):
        run("cohort-profile", {"extract": extract, "nodes": "hospital-b"}, out=tmp_path / "reports")
    assert not (tmp_path / "reports").exists()


def test_extract_that_cannot_be_opened_raises_its_own_error(
    fake_cohort: ModuleType, tmp_path: Path, no_kernel: None
) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(EmptyExtract):
        report("cohort-profile", tmp_path / "empty", out=tmp_path / "reports")


def test_output_folder_that_is_a_file_is_a_write_error(extract: Path, tmp_path: Path, no_kernel: None) -> None:
    (tmp_path / "reports").write_text("")
    with pytest.raises(WriteError):
        report("cohort-profile", extract, out=tmp_path / "reports")


def test_full_disk_is_a_write_error_and_leaves_nothing(
    extract: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(execution, "execute", full)
    with pytest.raises(WriteError, match="No space left"):
        report("cohort-profile", extract, out=tmp_path / "reports")
    assert [path for path in (tmp_path / "reports").rglob("*") if path.is_file()] == []


def test_cell_error_is_recorded_and_the_page_still_made(
    extract: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_COHORT_DIES", "error")
    made = report("cohort-profile", extract, out=tmp_path / "reports")
    assert (made.status, made.exit_code) == ("failed", 1)
    assert made.record["error"]["class"] == "ValueError"
    assert made.record["error"]["cell"] == 4
    page = made.html.read_text()
    assert "This report is not complete: failed" in page
    assert "ValueError" in page
    notebook = json.loads((made.folder / "report.ipynb").read_text())
    states = [cell["metadata"]["papermill"]["status"] for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert states[:4] == ["banner", "completed", "completed", "failed"]
    assert set(states[4:]) == {"not_run"}
    assert notebook["metadata"]["papermill"]["exception"] is True


@pytest.mark.slow
def test_failed_run_is_run_again_and_replaced(extract: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAKE_COHORT_DIES", "error")
    first = report("cohort-profile", extract, out=tmp_path / "reports")
    monkeypatch.delenv("FAKE_COHORT_DIES")
    second = report("cohort-profile", extract, out=tmp_path / "reports")
    assert (first.status, second.status) == ("failed", "ok")
    assert first.folder == second.folder
    assert [path.name for path in (tmp_path / "reports").iterdir()] == ["cohort-profile"]


@pytest.mark.slow
def test_dead_kernel_is_told_as_such(extract: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAKE_COHORT_DIES", "kernel")
    made = report("cohort-profile", extract, out=tmp_path / "reports")
    assert made.status == "dead_kernel"
    assert "The kernel died" in made.html.read_text()
    assert kernels_left() == []


@pytest.mark.slow
def test_cell_that_takes_too_long_is_a_timeout(extract: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from dataclasses import replace

    monkeypatch.setenv("FAKE_COHORT_DIES", "sleep")
    short = replace(templates.find_template("cohort-profile"), cell_timeout_s=2)
    monkeypatch.setattr(runner, "find_template", lambda _: short)
    made = report("cohort-profile", extract, out=tmp_path / "reports")
    assert made.status == "timeout"
    states = [
        cell["metadata"]["papermill"]["status"]
        for cell in json.loads((made.folder / "report.ipynb").read_text())["cells"]
        if cell["cell_type"] == "code"
    ]
    assert "not_run" in states
    assert kernels_left() == []


@pytest.mark.slow
def test_stopped_by_hand_is_written_down_and_raised_again(
    extract: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_COHORT_DIES", "sleep")
    timer = threading.Timer(4, _thread.interrupt_main)
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        report("cohort-profile", extract, out=tmp_path / "reports")
    timer.cancel()
    [record] = (tmp_path / "reports").glob("cohort-profile/*/run.json")
    assert json.loads(record.read_text())["status"] == "cancelled"
    assert kernels_left() == []


@pytest.mark.slow
def test_run_that_lacks_what_its_template_declares_is_incomplete(
    extract: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dataclasses import replace

    template = templates.find_template("cohort-profile")
    asking = replace(template, tables=(*template.tables, "survival"))
    monkeypatch.setattr(runner, "find_template", lambda _: asking)
    made = report("cohort-profile", extract, out=tmp_path / "reports")
    assert made.status == "failed"
    assert made.record["error"] == {"code": "report:incomplete", "missing": ["table survival"]}


@pytest.mark.slow
def test_force_runs_again_and_gives_the_same_numbers(done: Any) -> None:
    folders, out, made = done
    before = (made.folder / "results.json").read_bytes()
    again = report("cohort-profile", folders, out=out, title="Both", force=True)
    assert not again.reused
    assert (again.folder / "results.json").read_bytes() == before


@pytest.mark.slow
def test_parallel_runs_never_talk_to_each_others_kernels(fake_cohort: ModuleType, tmp_path: Path) -> None:
    """Four processes at once in one folder; each report must hold its own number of patients."""
    script = (
        "import sys; sys.path.insert(0, sys.argv[1]); import sitecustomize, workbench as wb;"
        "run = wb.report('cohort-profile', sys.argv[2], out='reports');"
        "print(run.status, run.results['key_numbers']['patients'])"
    )
    fake = str(Path(fake_cohort.__file__ or "").parent)
    started = []
    for patients in (3, 4, 5, 6):
        folder = fake_cohort.write_extract(tmp_path / f"n{patients}", node=f"N{patients}", patients=patients)
        started.append(
            subprocess.Popen(
                [sys.executable, "-c", script, fake, str(folder)], cwd=tmp_path, stdout=subprocess.PIPE, text=True
            )
        )
    said = [process.communicate(timeout=120)[0].strip() for process in started]
    assert said == ["ok 3", "ok 4", "ok 5", "ok 6"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["n3", "n4", "n5", "n6", "reports"]


@pytest.mark.slow
def test_kernel_dies_with_a_runner_that_was_killed(fake_cohort: ModuleType, tmp_path: Path) -> None:
    import signal
    import time

    folder = fake_cohort.write_extract(tmp_path / "n", node="N", patients=3)
    script = (
        "import sys; sys.path.insert(0, sys.argv[1]); import sitecustomize, workbench as wb;"
        "wb.report('cohort-profile', sys.argv[2], out='reports')"
    )
    fake = str(Path(fake_cohort.__file__ or "").parent)
    process = subprocess.Popen(
        [sys.executable, "-c", script, fake, str(folder)], cwd=tmp_path, env={**os.environ, "FAKE_COHORT_DIES": "sleep"}
    )

    def kernels() -> list[str]:
        out = subprocess.run(["ps", "-ww", "-eo", "ppid,pid,args"], capture_output=True, text=True, check=True).stdout
        return [
            line.split()[1]
            for line in out.splitlines()
            if "ipykernel_launcher" in line and line.split()[0] == str(process.pid)
        ]

    end = time.monotonic() + 30
    while not kernels() and time.monotonic() < end:
        time.sleep(0.2)
    [kernel] = kernels()
    time.sleep(3)
    process.send_signal(signal.SIGKILL)
    process.wait()
    end = time.monotonic() + 10
    while Path(f"/proc/{kernel}").exists() and time.monotonic() < end:
        time.sleep(0.2)
    assert not Path(f"/proc/{kernel}").exists()

    from workbench.reports.contents import entries

    assert [entry.status for entry in entries(tmp_path / "reports")] == ["interrupted"]
    assert report("cohort-profile", folder, out=tmp_path / "reports").status == "ok"
    assert [entry.status for entry in entries(tmp_path / "reports")] == ["ok"]
