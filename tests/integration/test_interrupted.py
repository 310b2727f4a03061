"""Full disks and Ctrl-C, for real: another process, a real limit, a real signal."""

from __future__ import annotations

import os
import re
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


#: ``workbench open`` that takes its time over every 16 files, and tells how many it opened.
SLOWLY = """
import sys, time
from workbench import progress
from workbench.dicom import scan
progress.FIRST_LINE_S = progress.LINE_INTERVAL_S = 0
scan.PORTION, scan.PART_SECONDS = 16, float(sys.argv[1])
read, opened = scan._read, 0
def slowly(reader, entries):
    global opened
    opened += len(entries)
    time.sleep(float(sys.argv[2]))
    return read(reader, entries)
scan._read = slowly
from workbench.cli import main
try:
    main(sys.argv[3:])
finally:
    print("opened", opened, file=sys.stderr)
"""


def slowly(*arguments: str, cache: Path, keep_every_s: float = 20, pause_s: float = 0.0) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", SLOWLY, str(keep_every_s), str(pause_s), *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "WORKBENCH_CACHE": str(cache), "WORKBENCH_PROGRESS": "auto"},
    )  # fmt: skip


def wait_for(process: subprocess.Popen[str], word: str, times: int) -> str:
    """What the process says until *word* came so many times."""
    said = ""
    assert process.stderr is not None
    for line in process.stderr:
        said += line
        if said.count(word) >= times:
            return said
    raise AssertionError(said)


def opened(said: str) -> int:
    return int(said.rsplit("opened ", 1)[1])


def test_a_first_scan_that_a_batch_system_ends_keeps_what_it_has(federation: Path, tmp_path: Path) -> None:
    boreal = str(federation / "extracts" / "boreal")
    process = slowly("open", boreal, cache=tmp_path / "cache", pause_s=0.2)
    wait_for(process, "headers: ", 6)
    process.send_signal(signal.SIGTERM)
    code, out, err = end(process)
    assert code == 143
    assert out == ""
    assert "stopped at" in err
    assert "terminated; what was finished is kept" in err
    assert "Traceback" not in err
    assert unfinished(tmp_path) == []
    first = opened(err)
    code, out, err = end(slowly("open", boreal, cache=tmp_path / "cache"))
    assert code == 0
    # Every file is opened once in both runs together, but for those in hand when the signal came.
    assert 470 <= first + opened(err) <= 470 + 16
    assert first >= 3 * 16


def test_a_second_signal_does_not_cut_off_what_is_kept(federation: Path, tmp_path: Path) -> None:
    boreal = str(federation / "extracts" / "boreal")
    process = slowly("open", boreal, cache=tmp_path / "cache", pause_s=0.2)
    wait_for(process, "headers: ", 6)
    process.send_signal(signal.SIGTERM)
    time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    code, _, err = end(process)
    assert code == 143
    assert opened(end(slowly("open", boreal, cache=tmp_path / "cache"))[2]) < 470 - 2 * 16
    assert "Traceback" not in err


def test_a_first_scan_that_is_killed_goes_on_from_its_last_part(federation: Path, tmp_path: Path) -> None:
    boreal = str(federation / "extracts" / "boreal")
    process = slowly("open", boreal, cache=tmp_path / "cache", keep_every_s=0, pause_s=0.2)
    wait_for(process, "headers: ", 6)
    process.kill()
    assert end(process)[0] == -signal.SIGKILL
    code, out, err = end(slowly("open", boreal, cache=tmp_path / "cache"))
    assert code == 0
    assert "boreal" in out
    assert opened(err) <= 470 - 2 * 16


def test_a_log_without_a_terminal_gets_plain_lines(federation: Path, tmp_path: Path) -> None:
    code, out, err = end(slowly("open", str(federation / "extracts" / "boreal"), cache=tmp_path / "cache"))
    assert code == 0
    assert not set(err) & {"\r", "\x1b", "\b"}
    lines = err.splitlines()
    for label, done in (
        ("listing", r"listing: done: \d+ files, \d+ s"),
        ("boreal: headers", r"boreal: headers: done: \d+ of \d+ files, \d+ s"),
        ("boreal: planning", r"boreal: planning: done: 30 of 30 series, \d+ s"),
        ("boreal: clinical values", r"boreal: clinical values: done: \d+ batches, \d+ s"),
    ):
        own = [line for line in lines if line.startswith(f"{label}: ")]
        assert len(own) > 1
        assert re.fullmatch(done, own[-1]), own
    # What is asked for is on standard output alone.
    assert "headers" not in out
