"""Interleaved timing of several calls in one run, and how a result is printed and kept."""

from __future__ import annotations

import gc
import json
import os
import platform
import time
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median
from typing import Any


def interleaved(calls: dict[str, Callable[[], Any]], rounds: int) -> dict[str, list[float]]:
    """Seconds of every call in every round, A B C A B C ..., after one warm-up round."""
    timings: dict[str, list[float]] = {name: [] for name in calls}
    for number in range(rounds + 1):
        for name, call in calls.items():
            gc.collect()
            start = time.perf_counter()
            result = call()
            seconds = time.perf_counter() - start
            del result
            if number:
                timings[name].append(seconds)
    return timings


def record(name: str, timings: dict[str, list[float]], *, baseline: str) -> None:
    """Print one table and write one JSON record to ``benchmarks/results``."""
    reference = median(timings[baseline])
    print(f"{'':44} {'median s':>9} {'min':>8} {'max':>8} {'ratio':>7}")
    for label, seconds in timings.items():
        ratio = reference / median(seconds)
        print(f"{label:44} {median(seconds):9.3f} {min(seconds):8.3f} {max(seconds):8.3f} {ratio:7.1f}")
    print(f"ratio: median of {baseline!r} / median")
    result = {
        "name": name,
        "date": datetime.now(UTC).date().isoformat(),
        "machine": machine(),
        "versions": versions(),
        "baseline": baseline,
        "seconds": timings,
    }
    folder = Path(__file__).parent / "results"
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.json").write_text(json.dumps(result, indent=1) + "\n")


def versions() -> dict[str, str]:
    """Versions of what is measured, where installed."""
    found = {}
    for package in ("numpy", "pydicom", "duckdb", "pandas", "xarray", "imagecodecs", "SimpleITK"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def peak_mb() -> int:
    """Most memory this process has held at once, MB; Linux alone counts it for the process itself."""
    status = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in status if line.startswith("VmHWM")).split()[1]) // 1000


def machine() -> dict[str, Any]:
    """Processor, cores and memory; no names."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    return {
        "processor": platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_GB": round(memory),
        "python": platform.python_version(),
    }
