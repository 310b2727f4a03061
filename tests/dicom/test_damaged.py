"""Damaged files: a finding or an error of ours, never another exception, never a warning."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom.data
import pytest

from workbench.dicom.frames import frame_refs, read_frames
from workbench.dicom.scan import scan
from workbench.dicom.series import iterate_series
from workbench.dicom.values import value_map
from workbench.errors import WorkbenchError

SOURCES = [
    path
    for path in sorted((Path(pydicom.data.__file__).parent / "test_files").glob("*.dcm"))
    if path.stat().st_size < 300_000
]


def damaged(random: np.random.Generator) -> bytes:
    """A real file with a few bytes changed, sometimes cut."""
    data = bytearray(SOURCES[random.integers(len(SOURCES))].read_bytes())
    end = min(len(data), 2000) if random.random() < 0.7 else len(data)
    for at in random.integers(132, end, random.integers(1, 8)):
        data[at] = random.integers(256)
    return bytes(data[: random.integers(len(data))] if random.random() < 0.2 else data)


def open_all(folder: Path) -> None:
    for series in iterate_series(scan(folder).table, folder):
        for plan in series.plans:
            quantity = value_map(plan.rows)
            refs = frame_refs(plan.rows, folder, quantity)[:2]
            first = refs[0]
            if first.rows * first.columns * first.samples > 1 << 26:
                continue
            shape = (first.rows, first.columns) + ((first.samples,) if first.colour else ())
            try:
                read_frames(refs, np.empty((len(refs), *shape), quantity.dtype), checked=quantity.checked)
            except WorkbenchError as error:
                if error.file != "a.dcm":
                    raise AssertionError("error does not name its file") from error


@pytest.mark.parametrize("count", [400, pytest.param(6000, marks=pytest.mark.slow)])
def test_damaged_files_end_in_findings_or_our_errors(count: int, tmp_path: Path) -> None:
    random = np.random.default_rng(count)
    for _ in range(count):
        (tmp_path / "a.dcm").write_bytes(damaged(random))
        open_all(tmp_path)
