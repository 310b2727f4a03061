"""One part of a series -> a Plan: which frame goes where. A plain table, no pixels."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from workbench.dicom.geometry import Floats, Grid, grid_from, orientation_ok, slice_normal
from workbench.dicom.split import numbers
from workbench.findings import Finding

#: Storage classes of projections: no place in the patient by nature (PS3.4 B.5).
PROJECTIONS: Final = frozenset({
    "1.2.840.10008.5.1.4.1.1.1", "1.2.840.10008.5.1.4.1.1.1.1", "1.2.840.10008.5.1.4.1.1.1.1.1",
    "1.2.840.10008.5.1.4.1.1.1.2", "1.2.840.10008.5.1.4.1.1.1.2.1", "1.2.840.10008.5.1.4.1.1.1.3",
})  # fmt: skip
#: Slices nearer than this along the normal are at the same position, mm.
SAME_POSITION_MM: Final = 1e-3


@dataclass(frozen=True, slots=True)
class Key:
    """One rule that tells images at the same position apart."""

    #: Column it reads.
    column: str
    #: Name of the dimension it makes.
    dim: str
    #: UCUM unit of its values.
    units: str
    #: ``number`` or ``clock`` (TM text, turned into seconds since the first).
    form: str = "number"


#: Rules in the order they are tried.
KEYS: Final = (
    Key("DiffusionBValue", "b_value", "s/mm2"),
    Key("EchoTime", "echo_time", "ms"),
    Key("FlipAngle", "flip_angle", "deg"),
    Key("TriggerTime", "time", "ms"),
    Key("TemporalPositionIdentifier", "time", "1"),
    Key("AcquisitionTime", "time", "s", "clock"),
)


@dataclass(frozen=True, eq=False)
class ExtraDim:
    """A dimension before z."""

    #: Its name.
    name: str
    #: Its values, ascending.
    values: Floats
    #: UCUM unit of the values.
    units: str


@dataclass(frozen=True, eq=False)
class Plan:
    """Which frame goes where, and what is irregular about it."""

    #: One row per frame: the header columns, and ``frame`` (0-based within its file).
    rows: pa.Table
    #: Row number of each cell, dims (extra, z) or (z); -1 where there is none.
    cells: NDArray[np.int64]
    #: The extra dimension, None where there is none.
    extra: ExtraDim | None
    #: Where the voxels are.
    grid: Grid
    #: What is irregular, geometry included.
    findings: tuple[Finding, ...]
    #: Why the part cannot be loaded; empty where it can.
    refused: str = ""

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the stacked array: (extra,) z, y, x."""
        return (*self.cells.shape, *self.grid.shape[1:])

    @property
    def n_frames(self) -> int:
        """Frames in the files of this part."""
        return int(self.rows.num_rows)


def make_plan(part: pa.Table) -> Plan:
    """Plan of one part of a series.

    Parameters
    ----------
    part : pyarrow.Table
        Header rows of one part as :func:`workbench.dicom.split.split` gives it.

    Returns
    -------
    Plan
        Every frame of the part is in ``cells`` or named by a finding.
    """
    first = {name: part[name][0].as_py() for name in ("Rows", "Columns", "SOPClassUID", "ImageType")}
    frames = part["NumberOfFrames"][0].as_py() or 1
    matrix = (int(first["Rows"] or 0), int(first["Columns"] or 0))
    if part.num_rows == 1 and frames > 1:
        return _multi_frame(part, frames, matrix)
    part = _numbered(part)
    findings: list[Finding] = []
    if "MOSAIC" in (first["ImageType"] or "").split("\\"):
        findings.append(Finding("mosaic", f"{part.num_rows} pictures", count=part.num_rows))

    projection = first["SOPClassUID"] in PROJECTIONS
    positions, orientation = numbers(part, "ImagePositionPatient"), _commonest(part, "ImageOrientationPatient")
    placed = not projection and orientation_ok(orientation) and bool(np.isfinite(positions).all())
    if not placed or findings:
        order = _by_instance_number(part)
        part = part.take(pa.array(order))
        grid = _grid(part, np.full_like(positions, np.nan) if findings else positions[order], matrix, projection)
        return Plan(part, np.arange(part.num_rows), None, grid, (*findings, *grid.findings))

    along = positions @ slice_normal(orientation)
    place = _places(along)
    order = np.lexsort((_uid_ranks(part), _instance_numbers(part), place))
    part, positions, along, place = part.take(pa.array(order)), positions[order], along[order], place[order]
    n_places = int(place[-1]) + 1
    starts = np.searchsorted(place, np.arange(n_places))
    grid = _grid(part, positions[starts], matrix, projection)
    if n_places == part.num_rows:
        return Plan(part, np.arange(n_places), None, grid, grid.findings)

    cells, extra, more = _tell_apart(part, place, n_places)
    if cells is None:
        crowded = int((np.bincount(place) > 1).sum())
        at = float(along[starts][np.bincount(place) > 1][0])
        a, b = (
            part["path"][int(i)].as_py() for i in np.flatnonzero(place == int(np.argmax(np.bincount(place) > 1)))[:2]
        )
        text = f"{int(np.bincount(place).max())} images at {at:.2f} mm ({a}, {b}) and no tag separates them"
        finding = Finding("same-position", text, count=crowded)
        return Plan(part, starts.astype(np.int64), None, grid, (*grid.findings, finding), refused=text)
    return Plan(part, cells, extra, grid, (*grid.findings, *more))


def _places(along: Floats) -> NDArray[np.int64]:
    """Number of the place of each image, counted along the normal; what is nearly at one place shares it."""
    order = np.argsort(along, kind="stable")
    places = np.empty(len(along), np.int64)
    places[order] = np.concatenate([[0], np.cumsum(np.diff(along[order]) > SAME_POSITION_MM)])
    return places


def _commonest(part: pa.Table, column: str) -> Floats:
    """The row of a ``numbers:N`` column that most images share, so that no result depends on the order of files."""
    distinct, counts = np.unique(numbers(part, column), axis=0, return_counts=True)
    row: Floats = distinct[int(counts.argmax())]
    return row


def _grid(part: pa.Table, positions: Floats, matrix: tuple[int, int], projection: bool) -> Grid:
    spacing = _commonest(part, "PixelSpacing")
    grid = grid_from(
        positions,
        _commonest(part, "ImageOrientationPatient"),
        (float(spacing[0]), float(spacing[1])),
        matrix,
        frame_of_reference_uid=part["FrameOfReferenceUID"][0].as_py() or "",
        projection=projection,
    )
    if projection and not np.isfinite(spacing).all():
        # The detector's spacing, without magnification; the array says which one was used.
        detector = _commonest(part, "ImagerPixelSpacing")
        grid = replace(grid, pixel_spacing=(float(detector[0]), float(detector[1])))
    return grid


def _numbered(part: pa.Table) -> pa.Table:
    return part.append_column("frame", pa.array(np.zeros(part.num_rows, np.int64)))


def _multi_frame(part: pa.Table, frames: int, matrix: tuple[int, int]) -> Plan:
    """Frames of one multi-frame object in stored order; their places are in functional groups, not read yet."""
    rows = part.take(pa.array(np.zeros(frames, np.int64)))
    rows = rows.append_column("frame", pa.array(np.arange(frames)))
    nowhere = np.full((frames, 3), np.nan)
    grid = _grid(part, nowhere, matrix, part["SOPClassUID"][0].as_py() in PROJECTIONS)
    finding = Finding("multi-frame-unplaced", f"{frames} frames in stored order", count=frames)
    return Plan(rows, np.arange(frames), None, replace(grid, kind="unplaced", findings=(finding,)), (finding,))


def _instance_numbers(part: pa.Table) -> Floats:
    values = part["InstanceNumber"].to_numpy(zero_copy_only=False).astype(np.float64)
    return np.where(np.isfinite(values), values, np.inf)


def _by_instance_number(part: pa.Table) -> NDArray[np.int64]:
    """Order of images without a place: by instance number, then by UID, so that it never depends on file names."""
    return np.lexsort((_uid_ranks(part), _instance_numbers(part)))


def _uid_ranks(part: pa.Table) -> NDArray[np.int64]:
    return np.argsort(np.argsort(np.array(part["SOPInstanceUID"].to_pylist(), dtype=object)))


def _tell_apart(
    part: pa.Table, place: NDArray[np.int64], n_places: int
) -> tuple[NDArray[np.int64] | None, ExtraDim | None, list[Finding]]:
    """Cells (extra, z) by the first rule that separates all images at each position."""
    best: tuple[float, NDArray[np.int64], ExtraDim] | None = None
    for key in KEYS:
        values = _key_values(part[key.column].to_pylist(), key.form)
        if values is None:
            continue
        levels, level = np.unique(values, return_inverse=True)
        cells = np.full((len(levels), n_places), -1, np.int64)
        cells[level, place] = np.arange(part.num_rows)
        if int((cells >= 0).sum()) != part.num_rows:
            continue
        filled = part.num_rows / cells.size
        # A rule that fills every cell wins at once; a ragged one only if no other does and half is there.
        if filled == 1.0:
            return cells, ExtraDim(key.dim, levels, key.units), []
        if filled > 0.5 and (best is None or filled > best[0]):
            best = (filled, cells, ExtraDim(key.dim, levels, key.units))
    if best is not None:
        filled, cells, extra = best
        missing = int((cells < 0).sum())
        return cells, extra, [Finding("ragged-stack", f"{missing} of {cells.size} frames absent", count=missing)]
    counts = np.bincount(place)
    numbers_given = _instance_numbers(part)
    if (
        counts.min() == counts.max()
        and np.isfinite(numbers_given).all()
        and len(np.unique(numbers_given)) == len(place)
    ):
        # Rows are sorted by position, then by instance number.
        cells = np.arange(part.num_rows).reshape(n_places, -1).T
        extra = ExtraDim("time", np.arange(cells.shape[0], dtype=float), "1")
        return cells, extra, [Finding("time-order-from-instance-number", f"{cells.shape[0]} frames at each position")]
    return None, None, []


def _key_values(values: list[Any], form: str) -> Floats | None:
    """Numbers of a key column; None where some are missing or all are equal."""
    if any(value is None for value in values):
        return None
    if form == "clock":
        seconds = [_seconds(value) for value in values]
        if any(second is None for second in seconds):
            return None
        numbers_ = np.array(seconds, dtype=np.float64)
        numbers_ -= numbers_.min()
    else:
        numbers_ = np.array(values, dtype=np.float64)
    return numbers_ if len(np.unique(numbers_)) > 1 else None


def _seconds(text: str) -> float | None:
    """Seconds since midnight of a TM value (HHMMSS.FFFFFF)."""
    digits = text.strip()
    try:
        return int(digits[0:2]) * 3600 + int(digits[2:4] or 0) * 60 + float(digits[4:] or 0)
    except ValueError:
        return None
