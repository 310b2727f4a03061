"""Processes that die, scripts without a guard: every case comes back once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from workbench.cohort import Cohort
from workbench.errors import ChangedFile
from workbench.measure.case_rows import Request
from workbench.measure.cohort_cases import Case
from workbench.measure.cohort_run import volumes
from workbench.measure.workers import run


class Deadly:
    """Stands for a cohort: some of its series end the process that loads them, the others only fail."""

    def load(self, series_uid: str, **_: Any) -> None:
        if series_uid.startswith("deadly"):
            os.kill(os.getpid(), signal.SIGKILL)
        raise ValueError(f"personal value in {series_uid}")


class Unopenable:
    """A cohort that cannot be opened in another process."""

    def __reduce__(self) -> tuple[Any, ...]:
        return _changed, ()


def _changed() -> None:
    raise ChangedFile("the extract changed", remedy="open the cohort again")


def case(uid: str) -> Case:
    return Case("node", "P1", "1", uid, "CT", 1, "regular", "image", "mask")


@pytest.mark.slow
def test_process_that_dies_costs_its_own_case_alone() -> None:
    uids = ["a", "b", "deadly 1", "c", "d", "deadly 2", "e", "f"]
    done = list(run(Deadly(), Request(("volume",)), [case(uid) for uid in uids], 2))  # type: ignore[arg-type]
    assert sorted(one.series_uid for one, _ in done) == sorted(uids)
    reasons = {one.series_uid: rows[0]["reason"] for one, rows in done}
    for uid, reason in reasons.items():
        assert ("was ended" in reason) == uid.startswith("deadly")
    assert reasons["a"] == "could not be measured (ValueError)"


def test_cohort_that_changed_meanwhile_is_told() -> None:
    with pytest.raises(ChangedFile, match="open the cohort again"):
        list(run(Unopenable(), Request(("volume",)), [case("a"), case("b")], 2))  # type: ignore[arg-type]


@pytest.mark.slow
def test_processes_end_with_the_one_that_asked(federation: Path, tmp_path: Path) -> None:
    program = (
        "import workbench as wb\n"
        f"cohort = wb.open_cohort({str(federation / 'extracts' / '*')!r}, "
        f"link_roots=[{str(federation / 'datalake')!r}])\n"
        "wb.measure.volumes(cohort, workers=2)\n"
    )
    environment = os.environ | {"WORKBENCH_CACHE": str(tmp_path / "cache")}
    running = subprocess.Popen([sys.executable, "-c", program], env=environment, start_new_session=True)
    end = time.monotonic() + 120
    while not list(tmp_path.glob("cache/measure/*/*.json")) and time.monotonic() < end:
        time.sleep(0.02)
    group = [p for p in _processes() if os.getpgid(p) == running.pid]
    assert len(group) >= 3
    running.kill()
    running.wait()
    while any(_runs(p) for p in group) and time.monotonic() < end:
        time.sleep(0.1)
    assert not [p for p in group if _runs(p)]


def _processes() -> list[int]:
    return [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]


def _runs(process: int) -> bool:
    try:
        return "zombie" not in Path(f"/proc/{process}/status").read_text().split("State:")[1].splitlines()[0]
    except OSError:
        return False


@pytest.mark.slow
def test_script_needs_no_guard_and_gives_what_one_process_gives(
    federation: Path, cohort: Cohort, tmp_path: Path
) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import workbench as wb\n"
        "from workbench.measure.cohort_run import volumes\n"
        f"cohort = wb.open_cohort({str(federation / 'extracts' / '*')!r}, "
        f"link_roots=[{str(federation / 'datalake')!r}])\n"
        "print(volumes(cohort, workers=2).to_json())\n"
    )
    environment = os.environ | {"WORKBENCH_CACHE": str(tmp_path / "cache")}
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, env=environment, check=True)
    assert done.stdout.strip() == volumes(cohort, workers=1).to_json()
    assert done.stderr == ""
