"""Mutations of real files: no crash, no hang, no error that is not ours. ``make fuzz`` runs ten times as many."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from tests import mutations
from tests.damage import MUTATIONS, elements, mutated
from tests.hostile import JPEG_LS, compressed, fragments, part10, stream

ROOT = Path(__file__).resolve().parent.parent.parent
COUNT = 2000


@pytest.mark.slow
def test_mutations_of_real_files_end_in_findings_or_our_errors() -> None:
    done = subprocess.run(
        [sys.executable, "-B", "-m", "tests.mutations", "--count", str(COUNT), "--seed", "0"],
        capture_output=True, text=True, cwd=ROOT, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{COUNT} cases of seed 0" in done.stdout


def test_a_case_is_the_same_each_time() -> None:
    files = [("a", part10()), ("b", part10(Rows=None))]
    assert mutations.made(3, 14, files) == mutations.made(3, 14, files)
    assert mutations.made(3, 14, files)[1] != mutations.made(3, 15, files)[1]


@pytest.mark.parametrize("mutation", sorted(set(MUTATIONS), key=lambda one: one.__name__))
def test_every_mutation_changes_the_file(mutation: object) -> None:
    sound = compressed(JPEG_LS, fragments(bytes(stream(JPEG_LS))))
    changed = []
    for seed in range(20):
        data = bytearray(sound)
        told = mutation(data, np.random.default_rng(seed))  # type: ignore[operator]
        changed.append(bool(told) and bytes(data) != sound)
    assert any(changed)


def test_elements_of_a_file_are_found() -> None:
    data = part10()
    rows = next(one for one in elements(data) if data[one.start : one.start + 4] == b"\x28\0\x10\0")
    assert (data[rows.vr : rows.length], data[rows.value : rows.end]) == (b"US", b"\x10\0")


def test_a_case_may_leave_its_header_alone() -> None:
    data = part10()
    pixels = data.rindex(b"\xe0\x7f\x10\0") + 12
    results = [mutated(data, np.random.default_rng(seed))[0] for seed in range(60)]
    assert any(result[:pixels] == data[:pixels] and result != data for result in results)


def crash(folder: Path, number: int, data: bytes) -> tuple[str, str]:
    if number == 3:
        os.abort()
    if number == 5:
        time.sleep(30)
    if number == 6:
        raise KeyError("of a bug")
    return "loaded", "too large" if number == 1 else ""


def test_a_crash_a_hang_and_a_fault_are_told_by_case_and_the_rest_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mutations, "read_case", crash)
    monkeypatch.setattr(mutations, "PATIENCE", 1)
    summary = mutations.run(0, range(9), [("a", part10())], jobs=2)
    assert set(summary.faults) == {1, 3, 5, 6}
    assert "SIGABRT" in summary.faults[3]
    assert "exit" in summary.faults[5]
    assert summary.words == {"loaded": 6, "ended the process": 3}
    assert "--seed 0 --only 1" in summary.report(0)
