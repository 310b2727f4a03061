"""Header table of a series, against pydicom with specific tags; the same values first.

Run: python -m benchmarks.p01_header_index
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import pydicom

from benchmarks.data import write_ct
from benchmarks.measure import interleaved, record
from workbench.dicom.scan import scan
from workbench.options import options

TAGS = [
    "SOPInstanceUID", "SeriesInstanceUID", "Modality", "Rows", "Columns", "InstanceNumber", "ImagePositionPatient",
    "PixelSpacing", "RescaleSlope", "RescaleIntercept",
]  # fmt: skip


def with_pydicom(folder: Path) -> list[pydicom.Dataset]:
    return [pydicom.dcmread(p, stop_before_pixels=True, specific_tags=TAGS) for p in sorted(folder.iterdir())]


def main() -> None:
    options.progress = "off"
    with tempfile.TemporaryDirectory() as scratch:
        folder = write_ct(Path(scratch, "series"))
        table, datasets = scan(folder).table, with_pydicom(folder)
        for keyword in TAGS:
            ours = table[keyword].to_pylist()
            theirs = [d[keyword].value for d in datasets]
            assert ours == [
                [float(v) for v in t] if isinstance(o, list) else t for o, t in zip(ours, theirs, strict=True)
            ]
        timings = interleaved({"workbench scan (all kept tags)": lambda: scan(folder),
                               "pydicom specific_tags (10 tags)": lambda: with_pydicom(folder)}, rounds=7)  # fmt: skip
    record("p01_header_index", timings, baseline="pydicom specific_tags (10 tags)")


if __name__ == "__main__":
    main()
