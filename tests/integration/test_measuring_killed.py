"""A cohort run that is killed goes on where it was: nothing is lost, and nothing is measured twice."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

from workbench.cohort import Cohort
from workbench.measure import cohort_run
from workbench.measure.cohort_run import volumes

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("workers", [1, 2])
def test_killed_run_goes_on_where_it_was(
    workers: int, cohort: Cohort, federation: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = tmp_path / "cache"
    program = (
        "import workbench as wb\n"
        f"cohort = wb.open_cohort({str(federation / 'extracts' / '*')!r}, "
        f"link_roots=[{str(federation / 'datalake')!r}])\n"
        f"wb.measure.volumes(cohort, workers={workers})\n"
    )
    environment = os.environ | {"WORKBENCH_CACHE": str(cache)}
    running = subprocess.Popen([sys.executable, "-c", program], env=environment, start_new_session=True)
    end = time.monotonic() + 120
    while len(list(cache.glob("measure/*/*.json"))) < 3 and running.poll() is None and time.monotonic() < end:
        time.sleep(0.02)
    os.killpg(running.pid, signal.SIGKILL)
    running.wait()
    kept = len(list(cache.glob("measure/*/*.json")))
    assert kept >= 3

    whole = volumes(cohort, workers=1, resume=False)
    monkeypatch.setenv("WORKBENCH_CACHE", str(cache))
    measured: list[int] = []
    monkeypatch.setattr(cohort_run, "run", lambda c, r, todo, n: measured.append(len(todo)) or _run(c, r, todo, n))
    pd.testing.assert_frame_equal(volumes(cohort, workers=1), whole)
    assert measured == [whole.attrs["cases"] - kept]


_run = cohort_run.run
