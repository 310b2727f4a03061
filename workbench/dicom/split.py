"""One series -> the parts that may each be stacked.

What differs in orientation, matrix, pixel spacing, image type, storage class or photometric interpretation
must not be stacked; a localiser or a secondary capture inside a series is routine.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from workbench.dicom.geometry import ORIENTATION_TOLERANCE
from workbench.findings import Finding

#: Columns in which two images of one part may not differ.
SPLIT_BY: Final = (
    "Modality", "SOPClassUID", "FrameOfReferenceUID", "ImageType", "Rows", "Columns", "SamplesPerPixel",
    "PhotometricInterpretation",
)  # fmt: skip
#: Pixel spacings nearer than this share of each other are the same.
SPACING_TOLERANCE: Final = 1e-4


#: Numbers beyond this are no place, direction or spacing of anything; they count as missing.
LARGEST: Final = 1e9


def numbers(table: pa.Table, column: str) -> NDArray[np.float64]:
    """A ``numbers:N`` column as an array (rows, N), NaN where missing or absurdly large."""
    chunk = table[column].combine_chunks()
    if isinstance(chunk, pa.ChunkedArray):
        chunk = pa.concat_arrays(chunk.chunks) if chunk.num_chunks else pa.array([], chunk.type)
    width = table.schema.field(column).type.list_size
    flat: NDArray[np.float64] = chunk.flatten().to_numpy(zero_copy_only=False)
    return np.where(np.abs(flat) < LARGEST, flat, np.nan).reshape(-1, width)


def split(table: pa.Table) -> list[pa.Table]:
    """Parts of one series' image rows, the largest first; together they hold every row.

    Parameters
    ----------
    table : pyarrow.Table
        Rows of one SeriesInstanceUID, one per instance.

    Returns
    -------
    list of pyarrow.Table
        In an order that does not depend on the order of the rows.
    """
    orientation = _classes(numbers(table, "ImageOrientationPatient"), ORIENTATION_TOLERANCE)
    spacing = _classes(numbers(table, "PixelSpacing"), SPACING_TOLERANCE)
    columns: list[list[Any]] = [table[name].to_pylist() for name in SPLIT_BY]
    frames = table["NumberOfFrames"].to_pylist()
    uids = table["SOPInstanceUID"].to_pylist()
    groups: dict[tuple[Any, ...], list[int]] = {}
    for row in range(table.num_rows):
        # Every multi-frame object is a stack of its own.
        own = uids[row] if (frames[row] or 1) > 1 else ""
        key = (*(column[row] for column in columns), int(orientation[row]), int(spacing[row]), own)
        groups.setdefault(key, []).append(row)
    ordered = sorted(groups.values(), key=lambda rows: (-len(rows), min(uids[row] for row in rows)))
    return [table.take(pa.array(rows)) for rows in ordered]


def _classes(values: NDArray[np.float64], tolerance: float) -> NDArray[np.int64]:
    """Number of the group of nearly equal rows that each row belongs to; missing rows are one group."""
    distinct, inverse = np.unique(values, axis=0, return_inverse=True)
    representatives: list[NDArray[np.float64]] = []
    number = np.empty(len(distinct), np.int64)
    for i, row in enumerate(distinct):
        for j, known in enumerate(representatives):
            if np.allclose(row, known, rtol=tolerance, atol=tolerance, equal_nan=True):
                number[i] = j
                break
        else:
            number[i] = len(representatives)
            representatives.append(row)
    return number[inverse.ravel()]


def drop_duplicates(table: pa.Table, root: Path) -> tuple[pa.Table, list[Finding], set[str]]:
    """Rows with each SOPInstanceUID once, findings, and the UIDs that stand for different bytes.

    Files are compared byte by byte, only where two carry the same UID. Of equal files the first path is kept;
    where they differ the first path is kept too, and the UID is returned so that loading can refuse.
    """
    uids = table["SOPInstanceUID"]
    counts = pc.value_counts(uids)
    repeated = {item["values"] for item in counts.to_pylist() if item["counts"] > 1}
    if not repeated:
        return table, [], set()
    table = table.sort_by("path")
    rows = table.select(["SOPInstanceUID", "path", "size", "SeriesInstanceUID", "PatientID"]).to_pylist()
    first: dict[str, dict[str, Any]] = {}
    keep, findings, conflicting = [], [], set()
    for position, row in enumerate(rows):
        uid = row["SOPInstanceUID"]
        if uid not in repeated or uid not in first:
            first[uid] = row
            keep.append(position)
            continue
        other = first[uid]
        same = row["size"] == other["size"] and _same_bytes(root, row["path"], other["path"])
        code = "duplicate-instance" if same else "conflicting-instance"
        if not same:
            conflicting.add(uid)
        findings.append(
            Finding(
                code, f"also stored as {other['path']}", path=row["path"],
                series_uid=row["SeriesInstanceUID"] or "", patient_id=row["PatientID"] or "",
            )
        )  # fmt: skip
    return table.take(pa.array(keep)), findings, conflicting


def _same_bytes(root: Path, a: str, b: str) -> bool:
    try:
        with open(os.path.join(root, a), "rb") as first, open(os.path.join(root, b), "rb") as second:
            while True:
                left, right = first.read(1 << 20), second.read(1 << 20)
                if left != right:
                    return False
                if not left:
                    return True
    except OSError:
        return False
