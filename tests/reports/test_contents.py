from __future__ import annotations

import base64
import hashlib
import re
from pathlib import Path
from typing import Any

import pytest

from workbench.errors import PathNotFound
from workbench.reports.contents import entries, write_index
from workbench.reports.record import owner, write_json


def make_run(out: Path, name: str, *, status: str = "ok", template: str = "cohort-profile", **more: Any) -> Path:
    folder = out / template / name
    record = {
        "status": status, "template": {"id": template}, "title": "Cohort profile", "nodes": ["A"],
        "started": "2026-01-01T10:00:00+00:00", "seconds": 2.5, "error": None,
    }  # fmt: skip
    write_json(folder / "run.json", record | more)
    if status == "ok":
        write_json(folder / "results.json", {"key_numbers": {"patients": 7, "studies": 8, "series": 9, "findings": 1}})
    (folder / "report.html").write_text("<p>page</p>")
    return folder


def test_run_is_listed_with_its_numbers_and_link(tmp_path: Path) -> None:
    make_run(tmp_path, "aa", nodes=["A", "B"])
    page = write_index(tmp_path).read_text()
    for text in ("Cohort profile", "A, B", ">ok<", ">7<", ">8<", ">9<", "2026-01-01 10:00", "2.5"):
        assert text in page
    assert 'href="cohort-profile/aa/report.html"' in page


def test_broken_run_is_shown_and_the_others_too(tmp_path: Path) -> None:
    make_run(tmp_path, "aa")
    broken = make_run(tmp_path, "bb")
    (broken / "run.json").write_text("{ cut off")
    (make_run(tmp_path, "cc") / "results.json").unlink()
    (tmp_path / "cohort-profile" / "dd").mkdir()
    write_json(
        tmp_path / "cohort-profile" / "ee" / "run.json", {"status": "ok", "nodes": 3, "template": [], "seconds": "x"}
    )
    found = {Path(entry.folder).name: entry.status for entry in entries(tmp_path)}
    assert found == {"aa": "ok", "bb": "broken", "cc": "broken", "dd": "broken", "ee": "broken"}
    assert "1 ok" in write_index(tmp_path).read_text()


def test_bad_end_is_told_with_its_cause(tmp_path: Path) -> None:
    make_run(tmp_path, "aa", status="failed", error={"class": "ValueError", "cell": 7})
    make_run(tmp_path, "bb", status="failed", error={"code": "report:incomplete", "missing": ["table one"]})
    page = write_index(tmp_path).read_text()
    assert "ValueError in cell 7" in page
    assert "not made: table one" in page


def test_unfinished_work_is_running_or_interrupted(tmp_path: Path) -> None:
    make_run(tmp_path, "aa.1", status="running", template=".work", owner=owner())
    make_run(tmp_path, "bb.2", status="running", template=".work", owner=owner() | {"started": "0"})
    assert {Path(entry.folder).name: entry.status for entry in entries(tmp_path)} == {
        "aa.1": "running",
        "bb.2": "interrupted",
    }


def test_pooled_run_comes_after_the_single_nodes_and_newer_before_older(tmp_path: Path) -> None:
    make_run(tmp_path, "a", nodes=["A", "B"])
    make_run(tmp_path, "b", nodes=["B"])
    make_run(tmp_path, "c", nodes=["A"], started="2025-01-01T00:00:00+00:00")
    make_run(tmp_path, "d", nodes=["A"])
    assert [Path(entry.folder).name for entry in entries(tmp_path)] == ["d", "c", "b", "a"]


def test_page_loads_nothing_and_runs_only_its_own_script(tmp_path: Path) -> None:
    make_run(tmp_path, "a", title="<script>x()</script>")
    page = write_index(tmp_path).read_text()
    scripts = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    assert len(scripts) == 1
    allowed = base64.b64encode(hashlib.sha256(scripts[0].encode()).digest()).decode()
    assert f"script-src 'sha256-{allowed}'" in page
    assert not re.search(r"https?://|//cdn", page)


def test_folder_without_runs_gives_an_empty_list_and_no_folder_an_error(tmp_path: Path) -> None:
    assert "0 runs" in write_index(tmp_path).read_text()
    with pytest.raises(PathNotFound):
        write_index(tmp_path / "nowhere")
