"""What ``docs/secure-node.md`` tells to run does run: its files as they stand, with a batch system that is none."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import workbench.options  # noqa: F401
from workbench.cli import VERBS

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs" / "secure-node.md").read_text("utf-8")


def block(name: str) -> str:
    """The shell block that holds a text."""
    (found,) = (text for text in re.findall(r"^```sh\n(.*?)^```", PAGE, re.M | re.S) if name in text)
    return found


def test_every_verb_named_exists() -> None:
    named = set(re.findall(r"(?:^|`)workbench ([a-z]+)", PAGE, re.M))
    assert {"wheelhouse", "open", "check", "report"} <= named
    assert named <= set(VERBS)


def test_every_variable_named_is_an_option() -> None:
    named = set(re.findall(r"\bWORKBENCH_[A-Z_]+\b", PAGE))
    assert named <= set(re.findall(r"WORKBENCH_[A-Z_]+", sys.modules["workbench.options"].__doc__ or ""))


@pytest.mark.slow
def test_the_job_of_the_page_runs(federation: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    persistent, programs = home / "persistent-home", home / "persistent-home" / "workbench-env" / "bin"
    programs.mkdir(parents=True)
    (home / "datasets").mkdir()
    (home / "datasets" / "0f1e").symlink_to(federation / "extracts" / "aurora")
    (persistent / "init.sh").write_text(block("persistent-home/init.sh\nexport"))
    (persistent / "profile.sh").write_text(block("profile.sh DATASET\nset -eu"))
    (programs / "workbench").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m workbench "$@"\n')
    # The batch system: runs what comes after the two dashes.
    (programs / "jobman").write_text('#!/bin/sh\nwhile [ "$1" != -- ]; do shift; done\nshift\nexec "$@"\n')
    for program in programs.iterdir():
        program.chmod(0o755)
    environment = {
        "PATH": f"{programs}:{os.environ['PATH']}", "HOME": str(home), "PYTHONPATH": str(ROOT), "JOB_MEMORY": "2GB",
        "WORKBENCH_LINK_ROOTS": str(federation / "datalake"),
    }  # fmt: skip
    submitted = block("jobman submit").replace("DATASET", "0f1e")
    done = subprocess.run(["sh", "-c", submitted], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "aurora" in done.stdout or "0f1e" in done.stdout
    assert not set(done.stderr) & {"\r", "\x1b"}
    assert "1 ok" in (persistent / "reports" / "index.html").read_text("utf-8")
    assert json.loads((persistent / "minimum-attributes.json").read_text())["profile"] == "eucaim-minimum"
    # The cache stands where it is kept, for its owner alone.
    assert (persistent / "workbench-cache").stat().st_mode & 0o777 == 0o700


def open_in(folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("WORKBENCH_")}
    return subprocess.run(
        [sys.executable, "-m", "workbench", *arguments],
        cwd=folder, env={**environment, "PYTHONPATH": str(ROOT), **variables}, capture_output=True, text=True,
    )  # fmt: skip


@pytest.mark.slow
def test_a_job_over_mounted_data(federation: Path, tmp_path: Path) -> None:
    work, sandbox = tmp_path / "work", tmp_path / "sandbox"
    work.mkdir()
    sandbox.mkdir()
    mounted = {"DATA_PATH": str(federation), "SANDBOX_PATH": str(sandbox)}
    done = open_in(work, "open", "extracts/*", "--json", **mounted)
    assert done.returncode == 0, done.stderr
    assert [node["node"] for node in json.loads(done.stdout)["nodes"]] == ["aurora", "boreal", "cedro"]
    done = open_in(work, "report", "run", "cohort-profile", "extracts/cedro", **mounted)
    assert done.returncode == 0, done.stdout + done.stderr
    assert open_in(work, "lock", "extracts/cedro", **mounted).returncode == 0
    assert {path.name for path in sandbox.iterdir()} == {"workbench-cache", "reports", "cohort.lock.json"}
    # Nothing is written anywhere else.
    assert list(work.iterdir()) == []
    # Without the variable the link into the lake is refused, as everywhere.
    done = open_in(work, "open", str(federation / "extracts" / "aurora"), WORKBENCH_CACHE=str(tmp_path / "cache"))
    assert done.returncode == 1
    assert "link" in done.stderr
