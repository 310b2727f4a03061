"""One part of a series -> a Plan: which frame goes where. A plain table, no pixels."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from workbench.dicom.stacks.frame_table import frame_rows, in_order
from workbench.dicom.stacks.geometry import Floats, Grid, believable, grid_from, orientation_ok, slice_normal
from workbench.dicom.stacks.keys import ExtraDim, filled, tell_apart, twins
from workbench.dicom.stacks.split import numbers, same_rows
from workbench.errors import UnstackableSeries
from workbench.findings import Finding

#: Storage classes of projections: no place in the patient by nature (PS3.4 B.5).
PROJECTIONS: Final = frozenset({
    "1.2.840.10008.5.1.4.1.1.1", "1.2.840.10008.5.1.4.1.1.1.1", "1.2.840.10008.5.1.4.1.1.1.1.1",
    "1.2.840.10008.5.1.4.1.1.1.2", "1.2.840.10008.5.1.4.1.1.1.2.1", "1.2.840.10008.5.1.4.1.1.1.3",
})  # fmt: skip
#: Slices nearer than this along the normal are at the same position, mm.
SAME_POSITION_MM: Final = 1e-3


@dataclass(frozen=True, eq=False)
class Plan:
    """Which frame goes where, and what is irregular about it."""

    #: One row per frame: the header columns, and ``frame`` (0-based within its file).
    rows: pa.Table
    #: Row number of each cell, dims (extra ..., z); -1 where there is none.
    cells: NDArray[np.int64]
    #: The dimensions before z.
    extras: tuple[ExtraDim, ...]
    #: Where the voxels are.
    grid: Grid
    #: What is irregular, geometry included.
    findings: tuple[Finding, ...]
    #: Why the part cannot be loaded; empty where it can.
    refused: str = ""

    def __post_init__(self) -> None:
        # Frames in the plan and frames named by its findings are the frames in the files, always.
        if not self.refused and int((self.cells >= 0).sum()) != self.rows.num_rows:
            raise UnstackableSeries("plan does not hold every frame", remedy="report this series' findings")

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the stacked array: (extra ...,) z, y, x."""
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
        Rows of one part as :func:`workbench.dicom.stacks.split.split` gives it.

    Returns
    -------
    Plan
        Every frame of the part is in ``cells``, or the plan is refused and says why.
    """
    part = filled(frame_rows(part))
    first = {name: part[name][0].as_py() for name in ("Rows", "Columns", "SOPClassUID", "ImageType")}
    matrix = (int(first["Rows"] or 0), int(first["Columns"] or 0))
    projection = first["SOPClassUID"] in PROJECTIONS
    positions, orientation = numbers(part, "ImagePositionPatient"), _commonest(part, "ImageOrientationPatient")
    if _unsplit_mosaic(part, first["ImageType"] or ""):
        finding = Finding("mosaic", f"{part.num_rows} pictures", count=part.num_rows)
        return _unplaced(part, np.full_like(positions, np.nan), matrix, projection, (finding,))
    if projection or not orientation_ok(orientation) or not np.isfinite(positions).all():
        return _unplaced(part, positions, matrix, projection, ())

    along = positions @ slice_normal(orientation)
    place = _places(along)
    order = _order(part, place)
    part, positions, along, place = in_order(part, order), positions[order], along[order], place[order]
    n_places = int(place[-1]) + 1
    starts = np.searchsorted(place, np.arange(n_places))
    grid = _grid(part, positions[starts], matrix, projection, _thickness(part, place, n_places))
    findings = (*grid.findings, *_mosaic_findings(part))
    if n_places == part.num_rows:
        return Plan(part, np.arange(n_places), (), grid, findings)

    arranged = tell_apart(part, place, n_places)
    if arranged is None:
        text, crowded = _crowded(part, place, along)
        finding = Finding("same-position", text, count=crowded)
        return Plan(part, starts.astype(np.int64), (), grid, (*findings, finding), refused=text)
    return Plan(part, arranged.cells, arranged.extras, grid, (*findings, *arranged.findings, *_diffusion(part)))


def _unplaced(
    part: pa.Table, positions: Floats, matrix: tuple[int, int], projection: bool, findings: tuple[Finding, ...]
) -> Plan:
    """Images without a place: by instance number, then frame; frames of a run by their times or groups."""
    order = _order(part, np.zeros(part.num_rows, np.int64))
    part, positions = in_order(part, order), positions[order]
    many = max(part["NumberOfFrames"][0].as_py() or 1, 1) > 1
    grid = _grid(part, positions, matrix, projection)
    if many and not projection:
        finding = Finding("multi-frame-unplaced", f"{part.num_rows} frames in stored order", count=part.num_rows)
        grid = replace(grid, findings=(finding,))
    findings = (*findings, *grid.findings)
    arranged = tell_apart(part, np.zeros(part.num_rows, np.int64), 1, placed=False) if many else None
    if arranged is not None:
        grid = _grid(part, positions[:1], matrix, projection)
        grid = replace(grid, findings=tuple(f for f in findings if f.code != "multi-frame-unplaced"))
        return Plan(part, arranged.cells, arranged.extras, grid, grid.findings)
    return Plan(part, np.arange(part.num_rows), (), grid, findings)


def _unsplit_mosaic(part: pa.Table, image_type: str) -> bool:
    """Whether the part holds mosaics whose header does not say how to take them apart."""
    return "MOSAIC" in image_type.split("\\") and (
        "tile_row" not in part.column_names or part["tile_row"].null_count > 0
    )


def _mosaic_findings(part: pa.Table) -> list[Finding]:
    if "mosaic_normal" not in part.column_names:
        return []
    guessed = sum(text == "plane" for text in part["mosaic_normal"].to_pylist())
    return [Finding("mosaic-order-assumed", f"{guessed} slices", count=guessed)] if guessed else []


def _diffusion(part: pa.Table) -> list[Finding]:
    """Images that call themselves diffusion weighted and give no b-value."""
    if "DIFFUSION" not in (part["ImageType"][0].as_py() or "").upper().split("\\"):
        return []
    n = part["DiffusionBValue"].null_count
    return [Finding("b-value-unknown", f"{n} of {part.num_rows} images", count=n)] if n else []


def _crowded(part: pa.Table, place: NDArray[np.int64], along: Floats) -> tuple[str, int]:
    """What is at the first position that holds several images, and how many such positions there are."""
    counts = np.bincount(place)
    same = twins(part, place)
    rows = same if len(same) else np.flatnonzero(place == int(np.argmax(counts > 1)))
    a, b = (_named(part, int(row)) for row in rows[:2])
    text = (
        f"{int(counts[place[rows[0]]])} images at {float(along[rows[0]]):.2f} mm ({a}, {b}) and no tag separates them"
    )
    return text, int((counts > 1).sum())


def _named(part: pa.Table, row: int) -> str:
    path: str = part["path"][row].as_py()
    many = (part["NumberOfFrames"][row].as_py() or 1) > 1
    return f"{path} frame {part['frame'][row].as_py() + 1}" if many else path


def _places(along: Floats) -> NDArray[np.int64]:
    """Number of the place of each image, counted along the normal; what is nearly at one place shares it."""
    order = np.argsort(along, kind="stable")
    places = np.empty(len(along), np.int64)
    places[order] = np.concatenate([[0], np.cumsum(np.diff(along[order]) > SAME_POSITION_MM)])
    return places


def _commonest(part: pa.Table, column: str) -> Floats:
    """The row of a ``numbers:N`` column that most images share, so that no result depends on the order of files."""
    given = numbers(part, column)
    if same_rows(given):
        first: Floats = given[0]
        return first
    distinct, counts = np.unique(given, axis=0, return_counts=True)
    row: Floats = distinct[int(counts.argmax())]
    return row


def _thickness(part: pa.Table, place: NDArray[np.int64], n_places: int) -> Floats | None:
    """SliceThickness at each place, mm; NaN where no image states it or those at one place differ."""
    at = part.schema.get_field_index("SliceThickness")
    if at < 0:
        return None
    stated = np.asarray(part.column(at).to_numpy(zero_copy_only=False), np.float64)
    known = np.isfinite(stated)
    low, high = np.full(n_places, np.inf), np.full(n_places, -np.inf)
    np.minimum.at(low, place[known], stated[known])
    np.maximum.at(high, place[known], stated[known])
    return np.where(low == high, low, np.nan)


def _grid(
    part: pa.Table,
    positions: Floats,
    matrix: tuple[int, int],
    projection: bool,
    thickness: Floats | None = None,
) -> Grid:
    spacing = believable(_commonest(part, "PixelSpacing"))
    grid = grid_from(
        positions,
        _commonest(part, "ImageOrientationPatient"),
        spacing,
        matrix,
        frame_of_reference_uid=part["FrameOfReferenceUID"][0].as_py() or "",
        projection=projection,
        slice_thickness=thickness,
    )
    if projection and not np.isfinite(spacing).all():
        # The detector's spacing, without magnification; the array says which one was used.
        grid = replace(grid, pixel_spacing=believable(_commonest(part, "ImagerPixelSpacing")))
    return grid


def _instance_numbers(part: pa.Table) -> Floats:
    values = part["InstanceNumber"].to_numpy(zero_copy_only=False).astype(np.float64)
    return np.where(np.isfinite(values), values, np.inf)


def _order(part: pa.Table, place: NDArray[np.int64]) -> NDArray[np.int64]:
    """Rows by place, then instance number, UID and frame, so that it never depends on file names."""
    tile = part["tile_row"].to_numpy(zero_copy_only=False) if "tile_row" in part.column_names else np.zeros(len(place))
    frame = part["frame"].to_numpy(zero_copy_only=False)
    return np.lexsort((tile, frame, _uid_ranks(part), _instance_numbers(part), place))


def _uid_ranks(part: pa.Table) -> NDArray[np.int64]:
    _, ranks = np.unique(np.array(part["SOPInstanceUID"].to_pylist(), dtype=object), return_inverse=True)
    return ranks.astype(np.int64)
