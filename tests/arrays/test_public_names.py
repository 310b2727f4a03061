"""The doors of the two rooms: what they name is there, whatever was imported before."""

from __future__ import annotations

import importlib
import pkgutil
import subprocess
import sys
from types import ModuleType

import pytest


@pytest.mark.parametrize("room", ["workbench.dicom", "workbench.arrays"])
def test_public_names_are_no_modules(room: str) -> None:
    door = importlib.import_module(room)
    for module in pkgutil.iter_modules(door.__path__):
        importlib.import_module(f"{room}.{module.name}")
    for name in door.__all__:
        assert not isinstance(getattr(door, name), ModuleType), name
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = door.nonsense


def test_scanning_loads_no_heavy_library(tmp_path: object) -> None:
    script = (
        "import sys, workbench.dicom.scan, workbench.dicom.series\n"
        f"workbench.dicom.scan.scan({str(tmp_path)!r})\n"
        "print(sorted({'xarray', 'highdicom', 'matplotlib', 'pydicom'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
