"""What no reader takes is told at the scan; loading it is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import xarray as xr

from tests import factories
from workbench.dicom.scan import scan
from workbench.dicom.series import iterate_series
from workbench.errors import UnsupportedSyntax


@pytest.mark.parametrize(
    ("tags", "said"),
    [
        (
            {"SamplesPerPixel": 3, "PhotometricInterpretation": "MONOCHROME2", "PlanarConfiguration": 0},
            "colours are MONOCHROME2 in 3 samples",
        ),
        ({"BitsAllocated": 24}, "24 bits allocated per pixel"),
    ],
)
def test_pixels_that_are_not_read_are_a_finding_before_they_are_loaded(
    tags: dict[str, Any], said: str, tmp_path: Path
) -> None:
    path = factories.image(tmp_path / "a.dcm", 1)
    _rewritten(path, tags)
    found = xr.open_dataset(tmp_path, engine="dicom")
    assert "syntax-not-decodable" in found.patient.findings
    messages = [finding.message for one in iterate_series(scan(tmp_path).table, tmp_path) for finding in one.findings]
    assert f"{said}, 1 files" in messages
    with pytest.raises(UnsupportedSyntax):
        found["image"].load()


def _rewritten(path: Path, tags: dict[str, Any]) -> None:
    import pydicom

    dataset = pydicom.dcmread(path)
    for keyword, value in tags.items():
        setattr(dataset, keyword, value)
    size = dataset.Rows * dataset.Columns * dataset.SamplesPerPixel * dataset.BitsAllocated // 8
    dataset.PixelData = bytes(size)
    dataset.save_as(path)
