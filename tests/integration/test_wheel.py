"""What is installed from the wheel does what the checkout does."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("dist")
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out), str(ROOT)],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    (built,) = out.glob("*.whl")
    return built


def test_templates_notebooks_and_tables_travel_in_the_wheel(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    assert "workbench/py.typed" in names
    for folder in ("templates", "notebooks"):
        shipped = {f"workbench/_shipped/{p.relative_to(ROOT).as_posix()}" for p in (ROOT / folder).rglob("*.*")}
        shipped = {name for name in shipped if "__pycache__" not in name and ".ipynb_checkpoints" not in name}
        assert shipped
        assert shipped <= names
    for data in (ROOT / "workbench").rglob("*"):
        if data.suffix in (".csv", ".css", ".js"):
            assert data.relative_to(ROOT).as_posix() in names


def test_the_demo_runs_from_the_wheel_in_an_empty_folder(wheel: Path, tmp_path: Path) -> None:
    environment = tmp_path / "fresh environment"
    venv.create(environment, with_pip=True)
    python = environment / "bin" / "python"
    subprocess.run(
        [python, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", str(wheel)],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    empty = tmp_path / "an empty folder"
    empty.mkdir()
    # The dependencies of this environment, but not its editable install: PYTHONPATH reads no .pth files.
    variables = {
        **os.environ,
        "PYTHONPATH": sysconfig.get_path("purelib"),
        # Where the dependencies keep their page templates and kernels.
        "JUPYTER_PATH": str(Path(sys.prefix, "share", "jupyter")),
        "WORKBENCH_CACHE": str(tmp_path / "cache"),
    }
    where = subprocess.run(
        [python, "-c", "import workbench; print(workbench.__file__)"],
        cwd=empty, env=variables, check=True, capture_output=True, text=True,
    )  # fmt: skip
    assert str(environment) in where.stdout
    done = subprocess.run(
        [environment / "bin" / "workbench", "demo", "--patients", "6"],
        cwd=empty, env=variables, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    index = (empty / "demo" / "reports" / "index.html").read_text("utf-8")
    assert index.count("report.html") == 4
    assert "4 ok" in index
