"""The door of the room: what it names is there, whatever was imported before."""

from __future__ import annotations

import importlib
import pkgutil
import subprocess
import sys
from types import ModuleType

import pytest

import workbench.measure


def test_public_names_are_no_modules() -> None:
    for module in pkgutil.iter_modules(workbench.measure.__path__):
        importlib.import_module(f"workbench.measure.{module.name}")
    for name in workbench.measure.__all__:
        assert not isinstance(getattr(workbench.measure, name), ModuleType), name
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = workbench.measure.nonsense


def test_naming_a_measure_loads_no_heavy_library() -> None:
    script = (
        "import sys, workbench.measure\n"
        "for name in workbench.measure.__all__: getattr(workbench.measure, name)\n"
        "heavy = {'xarray', 'pandas', 'scipy', 'skimage', 'statsmodels', 'matplotlib', 'pydicom'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
