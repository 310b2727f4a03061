"""The demo as a user types it: three hospitals, one cohort, four reports, then the notebook."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).resolve().parent.parent.parent

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("a user's folder")


@pytest.fixture(scope="module")
def said(place: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "workbench", "demo"], cwd=place, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_it_says_who_holds_what_and_what_is_irregular(said: str) -> None:
    for word in ("aurora", "boreal", "cedro", "dataset-service", "idc", "plain", "24"):
        assert word in said
    for code in ("slices-missing", "gantry-tilt", "several-parts", "unit-suspected", "unreleased-series-visible"):
        assert code in said


def test_four_reports_are_listed_as_ok_and_the_next_step_is_named(said: str, place: Path) -> None:
    index = place / "demo" / "reports" / "index.html"
    assert "demo/reports/index.html" in said
    assert "make lab" in said
    text = index.read_text("utf-8")
    links = re.findall(r'href="([^"]+report\.html)"', text)
    assert len(links) == 4
    assert all((index.parent / link).is_file() for link in links)
    runs = [json.loads(path.read_text()) for path in index.parent.glob("*/*/run.json")]
    assert sorted(len(run["nodes"]) for run in runs) == [1, 1, 1, 3]
    assert {run["status"] for run in runs} == {"ok"}


def test_pages_ask_for_nothing_from_outside(said: str, place: Path) -> None:
    for page in (place / "demo" / "reports").rglob("*.html"):
        text = page.read_text("utf-8")
        assert not re.findall(r"""(?:src|href)=["']?(?:https?:)?//""", text)
        assert "url(http" not in text


def test_a_second_demo_changes_nothing_and_starts_no_kernel(said: str, place: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in (place / "demo").rglob("run.json")}
    subprocess.run([sys.executable, "-m", "workbench", "demo"], cwd=place, check=True, capture_output=True)
    assert {path: path.stat().st_mtime_ns for path in (place / "demo").rglob("run.json")} == before


@pytest.mark.parametrize("notebook", sorted((ROOT / "notebooks").glob("*.ipynb")), ids=lambda path: path.name)
def test_every_notebook_runs_from_top_to_bottom(said: str, place: Path, notebook: Path) -> None:
    from nbclient import NotebookClient

    (place / "notebooks").mkdir(exist_ok=True)
    shutil.copy(notebook, place / "notebooks")
    read = nbformat.read(notebook, as_version=4)
    client = NotebookClient(
        read, timeout=120, kernel_name="python3", resources={"metadata": {"path": str(place / "notebooks")}}
    )
    client.execute(env={**os.environ, "PYTHONWARNINGS": "error::UserWarning"})
    errors = [
        output.get("text", "")
        for cell in read.cells
        for output in cell.get("outputs", ())
        if output.get("name") == "stderr"
    ]
    assert errors == []


@pytest.mark.parametrize("notebook", sorted((ROOT / "notebooks").glob("*.ipynb")), ids=lambda path: path.name)
def test_notebooks_are_committed_without_outputs(notebook: Path) -> None:
    for cell in nbformat.read(notebook, as_version=4).cells:
        if cell.cell_type == "code":
            assert cell.outputs == []
            assert cell.execution_count is None
            assert len(cell.source.splitlines()) <= 25
