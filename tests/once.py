"""Folders that are written once for all the processes of a run."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest


def once(factory: pytest.TempPathFactory, name: str, write: Callable[[Path], object]) -> Path:
    """Folder that is written once for all the processes of a run; the others wait for it."""
    base = factory.getbasetemp()
    base = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    place = base / "make believe" / name
    done, failed = (place.with_name(f"{name} {end}") for end in ("is written", "could not be written"))
    place.parent.mkdir(exist_ok=True)
    try:
        place.mkdir()
    except FileExistsError:
        while not done.exists():
            if failed.exists():
                raise RuntimeError(f"{name} could not be written by another process") from None
            time.sleep(0.1)
        return place
    try:
        write(place)
    except BaseException:
        failed.touch()
        raise
    done.touch()
    return place
