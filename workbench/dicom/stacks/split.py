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

from workbench.dicom.stacks.frame_table import frame_rows
from workbench.dicom.stacks.geometry import ORIENTATION_TOLERANCE
from workbench.findings import Finding

#: Columns in which two images of one part may not differ, beside ImageType.
SPLIT_BY: Final = (
    "Modality", "SOPClassUID", "FrameOfReferenceUID", "Rows", "Columns", "SamplesPerPixel", "PhotometricInterpretation",
)  # fmt: skip
#: Parts of an MR signal as ImageType names them, alone or before an underscore (PS3.3 C.8.3.1.1.1; Philips M_FFE).
COMPONENTS: Final = ("M", "P", "R", "I")
#: What Philips writes in place of P_FFE.
_PHASE_MAP: Final = "PHASE MAP"
#: Pixel spacings nearer than this share of each other are the same.
SPACING_TOLERANCE: Final = 1e-4
#: Parts of a series at most: each is planned by itself, and a file can name another kind of image for every frame.
MAX_PARTS: Final = 200


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


def same_rows(values: NDArray[np.float64]) -> bool:
    """Whether all rows are equal; NaN equals NaN."""
    first = values[:1]
    return bool(((values == first) | (np.isnan(values) & np.isnan(first))).all())


def component(image_type: str) -> str:
    r"""Part of the MR signal that an ImageType names: ``M``, ``P``, ``R`` or ``I``; empty where none.

    Examples
    --------
    >>> component(r"ORIGINAL\PRIMARY\P\ND"), component(r"ORIGINAL\PRIMARY\M_FFE\M\FFE"), component("DERIVED")
    ('P', 'M', '')
    """
    for token in image_type.split("\\")[2:]:
        if token in COMPONENTS:
            return token
    return ""


def without_component(image_type: str) -> str:
    """An ImageType with what tells magnitude from phase taken out."""
    tokens = image_type.split("\\")
    kept = [t for t in tokens[2:] if t not in COMPONENTS and t[:2] not in ("M_", "P_", "R_", "I_") and t != _PHASE_MAP]
    return "\\".join([*tokens[:2], *kept])


def split(table: pa.Table) -> list[pa.Table]:
    """Parts of one series' image rows, the largest first; together they hold every frame.

    Parameters
    ----------
    table : pyarrow.Table
        Rows of one SeriesInstanceUID, one per instance or one per frame.

    Returns
    -------
    list of pyarrow.Table
        Frame rows, in an order that does not depend on the order of the given rows; the largest part first, no more
        than :data:`MAX_PARTS`.
    """
    table = frame_rows(table)
    orientation = _classes(numbers(table, "ImageOrientationPatient"), ORIENTATION_TOLERANCE)
    spacing = _classes(numbers(table, "PixelSpacing"), SPACING_TOLERANCE)
    columns = [_codes(table[name]) for name in SPLIT_BY]
    types = table["ImageType"].to_pylist()
    # Magnitude and phase of the same slices belong together; told apart again where they are not the same.
    bases = {text: without_component(text or "") for text in set(types)}
    number = {base: i for i, base in enumerate(sorted(set(bases.values())))}
    columns.append(np.array([number[bases[text]] for text in types], np.int64))
    columns += [orientation, spacing, _own(table)]
    group = np.zeros(table.num_rows, np.int64)
    for column in columns:
        if len(column) and (column != column[0]).any():
            _, group = np.unique(group * (int(column.max()) + 2) + column + 1, return_inverse=True)
    components = {text: component(text or "") for text in set(types)}
    if not group.any() and len(set(components.values())) <= 1:
        return [table]
    uids = table["SOPInstanceUID"].to_pylist()
    named, positions = [components[text] for text in types], numbers(table, "ImagePositionPatient")
    order = np.argsort(group, kind="stable")
    groups = np.split(order, np.flatnonzero(np.diff(group[order])) + 1)
    parts = [part for rows in groups for part in _by_component(rows.tolist(), named, positions)]
    ordered = sorted(parts, key=lambda rows: (-len(rows), min(uids[row] for row in rows), rows[0]))[:MAX_PARTS]
    return [table] if len(ordered) == 1 else [table.take(pa.array(rows)) for rows in ordered]


def _codes(column: pa.ChunkedArray) -> NDArray[np.int64]:
    """Number of each row's value among the column's values."""
    encoded = column.combine_chunks().dictionary_encode()
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.unify_dictionaries().combine_chunks()
    codes: NDArray[np.int64] = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
    return codes


def _own(table: pa.Table) -> NDArray[np.int64]:
    """A number per multi-frame object without places, each of which is a stack of its own; -1 for all others."""
    frames = pc.fill_null(table["NumberOfFrames"], 1).to_numpy(zero_copy_only=False)
    placed = np.isfinite(numbers(table, "ImagePositionPatient")).all(axis=1)
    return np.where((frames > 1) & ~placed, _codes(table["SOPInstanceUID"]), -1)


def _by_component(rows: list[int], named: list[str], positions: NDArray[np.float64]) -> list[list[int]]:
    """One part where every component has the same positions, else a part for each."""
    by: dict[str, list[int]] = {}
    for row in rows:
        by.setdefault(named[row], []).append(row)
    if len(by) == 1:
        return [rows]
    places = [np.sort(np.round(positions[part], 3), axis=0) for part in by.values()]
    same = all(np.array_equal(places[0], other) for other in places[1:]) and "" not in by
    return [rows] if same else list(by.values())


def _classes(values: NDArray[np.float64], tolerance: float) -> NDArray[np.int64]:
    """Number of the group of nearly equal rows that each row belongs to; missing rows are one group."""
    if len(values) and same_rows(values):
        return np.zeros(len(values), np.int64)
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
