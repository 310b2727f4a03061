"""Arrays larger than the machine are told before they are allocated."""

from __future__ import annotations

import math

import pytest

from workbench.arrays import memory
from workbench.arrays.memory import beyond_memory


def test_what_fits_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "machine_memory", lambda: 8e9)
    assert beyond_memory((1e3, 1e3, 1e3), 8) is None
    assert beyond_memory((1e3, 1e3, 1e3), 16) == "16 GB, this machine has 8 GB of memory"
    assert beyond_memory((1e15, 1e3, 1e3), 4) == "4e+12 GB, this machine has 8 GB of memory"


def test_infinite_sizes_do_not_fit_and_empty_ones_do() -> None:
    assert "inf GB" in str(beyond_memory((math.inf, 2), 4))
    assert beyond_memory((0, 10), 4) is None


def test_machine_that_does_not_say_refuses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr("os.sysconf", raising=False)
    assert beyond_memory((1e9, 1e9), 4) is None
