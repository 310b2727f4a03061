"""Full disks and Ctrl-C, for real: another process, a real limit, a real signal."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow


def start(*arguments: str, cache: Path, limit: int | None = None) -> subprocess.Popen[str]:
    """The command in a process of its own; *limit* bytes is the largest file it may write."""

    def restrict() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    return subprocess.Popen(
        [sys.executable, "-m", "workbench", *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "WORKBENCH_CACHE": str(cache)},
        preexec_fn=restrict if limit is not None else None,
    )  # fmt: skip


def end(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=120)
    return process.returncode, out, err


def unfinished(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and path.name.endswith((".tmp", ".partial"))]


def test_a_disk_that_fills_up_while_indexing(federation: Path, tmp_path: Path) -> None:
    cedro = str(federation / "extracts" / "cedro")
    code, _, err = end(start("open", cedro, cache=tmp_path / "cache", limit=4096))
    assert code == 1
    assert "error:" in err
    assert "Traceback" not in err
    assert unfinished(tmp_path) == []
    code, out, _ = end(start("open", cedro, cache=tmp_path / "cache"))
    assert code == 0
    assert "cedro" in out


def test_a_disk_that_fills_up_while_writing_hospitals(tmp_path: Path) -> None:
    code, _, err = end(start("synthetic", str(tmp_path / "out"), "--patients", "3", cache=tmp_path / "c", limit=4096))
    assert code == 1
    assert "Traceback" not in err
    assert not (tmp_path / "out").exists()
    assert end(start("synthetic", str(tmp_path / "out"), "--patients", "3", cache=tmp_path / "c"))[0] == 0


def test_a_disk_that_fills_up_while_reporting(federation: Path, tmp_path: Path) -> None:
    cedro = str(federation / "extracts" / "cedro")
    assert end(start("open", cedro, cache=tmp_path / "cache"))[0] == 0
    arguments = ("report", "run", "cohort-profile", cedro, "--out", str(tmp_path / "reports"))
    code, _, err = end(start(*arguments, cache=tmp_path / "cache", limit=20_000))
    assert code == 1
    assert "Traceback" not in err
    assert not [p for p in (tmp_path / "reports").glob("cohort-profile/*/run.json") if '"ok"' in p.read_text()]
    code, out, err = end(start(*arguments, cache=tmp_path / "cache"))
    assert code == 0, err
    assert out.startswith("ok")


@pytest.mark.parametrize("delay", [0.4, 0.8, 1.2])
def test_ctrl_c_while_opening(federation: Path, tmp_path: Path, delay: float) -> None:
    arguments = ("open", str(federation / "extracts" / "*"), "--link-root", str(federation / "datalake"))
    process = start(*arguments, cache=tmp_path / "cache")
    time.sleep(delay)
    process.send_signal(signal.SIGINT)
    code, out, err = end(process)
    assert code in (0, 130)
    assert "Traceback" not in err
    again, out, _ = end(start(*arguments, cache=tmp_path / "cache"))
    assert again == 0
    assert "all                            24       30      66" in out


def test_ctrl_c_while_reporting_is_written_down_as_cancelled(federation: Path, tmp_path: Path) -> None:
    cedro = str(federation / "extracts" / "cedro")
    assert end(start("open", cedro, cache=tmp_path / "cache"))[0] == 0
    arguments = ("report", "run", "cohort-profile", cedro, "--out", str(tmp_path / "reports"))
    process = start(*arguments, cache=tmp_path / "cache")
    work = tmp_path / "reports" / ".work"
    for _ in range(200):
        if list(work.glob("*/run.json")):
            break
        time.sleep(0.05)
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    code, _, err = end(process)
    assert code == 130
    assert "Traceback" not in err
    assert "cancelled" in (tmp_path / "reports" / "index.html").read_text("utf-8")
    code, out, _ = end(start(*arguments, cache=tmp_path / "cache"))
    assert code == 0
    assert out.startswith("ok")
