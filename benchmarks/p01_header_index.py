"""Header table of a series, against pydicom with specific tags and GDCM's Scanner; the same values first.

Run: python -m benchmarks.p01_header_index [FOLDER ...]

Synthetic series in explicit and implicit VR, eight files of one, and every FOLDER (real data, named in the result).
GDCM is a peer where ``import gdcm`` works (pip install python-gdcm, best into a folder of its own on PYTHONPATH: beside
pydicom it is taken for decoding as well).
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pydicom
from pydicom.datadict import tag_for_keyword
from pydicom.multival import MultiValue

from benchmarks.data import write_ct
from benchmarks.measure import interleaved, record
from workbench.dicom.scan import scan
from workbench.options import options

TAGS = [
    "SOPInstanceUID", "SeriesInstanceUID", "Modality", "Rows", "Columns", "InstanceNumber", "ImagePositionPatient",
    "PixelSpacing", "RescaleSlope", "RescaleIntercept",
]  # fmt: skip
PEER = "pydicom specific_tags (10 tags)"
Values = list[dict[str, Any]]


def with_pydicom(paths: list[str]) -> list[pydicom.Dataset]:
    return [pydicom.dcmread(path, stop_before_pixels=True, specific_tags=TAGS) for path in paths]


def with_gdcm(paths: list[str]) -> Any:
    import gdcm

    scanner = gdcm.Scanner()
    for keyword in TAGS:
        number = tag_for_keyword(keyword)
        scanner.AddTag(gdcm.Tag(number >> 16, number & 0xFFFF))
    assert scanner.Scan(gdcm.FilenamesType(paths))
    return scanner


def has_gdcm() -> bool:
    try:
        import gdcm
    except ImportError:
        return False
    return hasattr(gdcm, "Scanner")


def plain(value: Any) -> Any:
    """Numbers as floats, a list of them where there are several, text otherwise; None where there is nothing."""
    if isinstance(value, (list, tuple, MultiValue)):
        parts = [plain(part) for part in value]
        return None if all(part is None or part != part for part in parts) else parts
    text = "" if value is None else str(getattr(value, "original_string", value)).strip(" \0")
    if "\\" in text:
        return plain(text.split("\\"))
    try:
        return float(text)
    except ValueError:
        return text or None


def values_of_ours(folder: Path) -> Values:
    table = scan(folder).instances.sort_by("path")
    return [{name: plain(value) for name, value in row.items()} for row in table.select(TAGS).to_pylist()]


def values_of_pydicom(paths: list[str]) -> Values:
    return [{name: plain(dataset.get(name)) for name in TAGS} for dataset in with_pydicom(paths)]


def values_of_gdcm(paths: list[str]) -> Values:
    import gdcm

    scanner, found = with_gdcm(paths), []
    for path in paths:
        tags = {name: tag_for_keyword(name) for name in TAGS}
        found.append({name: plain(scanner.GetValue(path, gdcm.Tag(n >> 16, n & 0xFFFF))) for name, n in tags.items()})
    return found


def compare(name: str, folder: Path) -> None:
    """Show that all give the same, then time them."""
    paths = [str(folder / path) for path in scan(folder).instances["path"].to_pylist()]
    ours = values_of_ours(folder)
    assert ours == values_of_pydicom(paths), "pydicom differs"
    calls: dict[str, Callable[[], Any]] = {
        "workbench scan (all kept tags)": lambda: scan(folder),
        PEER: lambda: with_pydicom(paths),
    }
    if has_gdcm():
        assert ours == values_of_gdcm(paths), "GDCM differs"
        calls["gdcm.Scanner (10 tags)"] = lambda: with_gdcm(paths)
    else:
        print("GDCM is not installed and left out")
    print(f"\n{name}: {len(paths)} files, {scan(folder).n_fallback} read by pydicom; equal for {len(TAGS)} tags")
    record(f"p01_header_index_{name}", interleaved(calls, rounds=15), baseline=PEER)


def main(folders: list[str]) -> None:
    options.progress = "off"
    with tempfile.TemporaryDirectory() as scratch:
        for syntax in ("explicit", "implicit"):
            compare(syntax, write_ct(Path(scratch, syntax), syntax=syntax))
        compare("small", write_ct(Path(scratch, "small"), slices=8))
    for folder in map(Path, folders):
        compare("_".join(folder.resolve().parts[-3:]), folder)


if __name__ == "__main__":
    main(sys.argv[1:])
