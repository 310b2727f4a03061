"""Fixtures of the report tests: a fake cohort, here and inside every kernel these tests start."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

#: What stands in for other modules is no test.
collect_ignore_glob = ["fake/*"]

FAKE = Path(__file__).resolve().parent / "fake"


@pytest.fixture(scope="module")
def fake_cohort() -> Iterator[ModuleType]:
    """The fake cohort module, in the place of ``workbench.cohort``."""
    import workbench

    spec = importlib.util.spec_from_file_location("fake_cohort", FAKE / "fake_cohort.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "fake_cohort", module)
        spec.loader.exec_module(module)
        patch.setitem(sys.modules, "workbench.cohort", module)
        patch.setattr(workbench, "cohort", module, raising=False)
        patch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [str(FAKE), os.environ.get("PYTHONPATH", "")])))
        yield module


@pytest.fixture
def extract(fake_cohort: ModuleType, tmp_path: Path) -> Path:
    """One extract of five patients, in a folder with a space in its name."""
    folder: Path = fake_cohort.write_extract(tmp_path / "hospital a", node="hospital-a", without_images=4)
    return folder
