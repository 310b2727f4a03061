"""Fifteen thousand series, as many as a published extract has: listed within bounded memory, no image opened."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

SERIES = 15_000
#: Peak memory above that of the bare interpreter with the package loaded.
LIMIT_MB = 200
CODE = """
import builtins, io, json, resource, sys
from workbench.extracts import open_extract
open_extract(sys.argv[2])
opened = []
real = io.open
def spy(file, *args, **kwargs):
    opened.append(str(file))
    return real(file, *args, **kwargs)
builtins.open = io.open = spy
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
extract = open_extract(sys.argv[1])
after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
images = [name for name in opened if name.endswith((".dcm", ".gz"))]
print(json.dumps([extract.layout, len(extract.series), (after - before) / 1024, images]))
"""


def _datmat(root: Path) -> None:
    for number in range(SERIES):
        scan = root / "P" / f"S{number // 20}" / f"S{number // 20}_{number // 5 % 4}" / f"{number % 5}_t2"
        scan.mkdir(parents=True)
        (scan / "1.dcm").touch()


def _medical_folder(root: Path) -> None:
    for number in range(SERIES):
        place = root / f"S{number // 5}" / f"M{number % 5}"
        place.mkdir(parents=True)
        (place / "1.nii.gz").touch()


def _idc(root: Path) -> None:
    for number in range(SERIES):
        place = root / "c" / f"P{number // 20}" / f"1.2.{number // 5}" / f"CT_1.2.3.{number}"
        place.mkdir(parents=True)
        (place / "1.dcm").touch()


def _dataset_service(root: Path) -> None:
    items = []
    for study in range(SERIES // 20):
        path = f"S{study // 2}/T{study}"
        for number in range(20):
            (root / path / str(number)).mkdir(parents=True)
        series = [{"folderName": str(number), "tags": []} for number in range(20)]
        items.append({"studyId": str(study), "studyName": "x", "subjectName": path.split("/")[0], "path": path,
                      "series": series, "url": ""})  # fmt: skip
    (root / "index.json").write_text(json.dumps(items))


@pytest.mark.parametrize(
    ("layout", "write"),
    [("datmat", _datmat), ("medical-folder", _medical_folder), ("idc", _idc), ("dataset-service", _dataset_service)],
)
def test_many_series_are_listed_in_bounded_memory(tmp_path: Path, layout: str, write: Callable[[Path], None]) -> None:
    small, large = tmp_path / "small", tmp_path / "large"
    (small / "a").mkdir(parents=True)
    (small / "a" / "IM1").write_bytes(bytes(128) + b"DICM")
    large.mkdir()
    write(large)
    done = subprocess.run([sys.executable, "-c", CODE, large, small], capture_output=True, text=True, check=True)
    found, series, grown, opened = json.loads(done.stdout)
    assert (found, series, opened) == (layout, SERIES, [])
    assert grown < LIMIT_MB
