"""Positions and orientations of one part of a series -> a grid with its verdict. No pixels.

World is LPS, millimetres, voxel centres, throughout. Rules and tolerances: DICOM PS3.3 C.7.6.2.1.1 for the
plane equation; 1 % of the median step as highdicom uses it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from workbench.findings import Finding

Kind = Literal["regular", "sheared", "gaps", "variable", "single", "projection", "unplaced"]
Floats = NDArray[np.float64]

#: Unevenness of the slice steps that still counts as even, as a share of the median step.
STEP_TOLERANCE: Final = 0.01
#: Millimetres below which a pixel spacing is a slip of the pen: a nanometre, a tenth of what light microscopes resolve.
SMALLEST_MM: Final = 1e-6
#: Length and orthogonality error of ImageOrientationPatient beyond which it is not believed.
ORIENTATION_TOLERANCE: Final = 1e-3
#: Angle between slice normal and stacking direction that counts as a tilt, in degrees.
SHEAR_TOLERANCE_DEG: Final = 0.05
#: Millimetre coordinates are rounded to this many decimals, so that equal grids have equal labels.
COORDINATE_DECIMALS: Final = 5


@dataclass(frozen=True, eq=False)
class Grid:
    """Where the voxels of a stack are, and how regular that is."""

    #: The verdict on the slice axis; see the table in the documentation.
    kind: Kind
    #: Further irregularities that hold at the same time, e.g. ``("sheared",)`` beside ``gaps``.
    flags: tuple[str, ...]
    #: Slices, rows, columns.
    shape: tuple[int, int, int]
    #: Voxel index (z, y, x, 1) -> LPS mm (x, y, z, 1), 4x4; None where steps are uneven or unknown.
    affine: Floats | None
    #: Centre of the first voxel of each slice, (z, 3) LPS mm, ascending along the normal; NaN where unplaced.
    positions: Floats
    #: Unit vector along which the column index grows (axis x), LPS; NaN where unplaced.
    row_direction: Floats
    #: Unit vector along which the row index grows (axis y), LPS; NaN where unplaced.
    column_direction: Floats
    #: mm between rows (axis y) and between columns (axis x); NaN where not stated.
    pixel_spacing: tuple[float, float]
    #: mm between slices; with gaps the spacing that all steps are multiples of; NaN where steps are uneven.
    slice_spacing: float
    #: FrameOfReferenceUID, empty where not stated.
    frame_of_reference_uid: str
    #: Share of the median step that counted as even.
    tolerance: float
    #: Angle between normal and stacking direction, degrees; 0 where not sheared.
    shear_deg: float
    #: Angle between the normal and the nearest patient axis, degrees.
    obliquity_deg: float
    #: Largest deviation of a step from the median step, mm.
    max_step_error_mm: float
    #: Number of missing slices.
    n_gaps: int
    #: What is irregular.
    findings: tuple[Finding, ...]

    @property
    def normal(self) -> Floats:
        """Unit vector along which slices ascend, LPS."""
        return _cross(self.row_direction, self.column_direction)

    @property
    def placed(self) -> bool:
        """Whether every slice has a place in the patient."""
        return self.kind not in ("unplaced", "projection")

    @property
    def plane(self) -> str:
        """``axial``, ``coronal`` or ``sagittal``: the patient plane nearest to the slices; empty where unplaced."""
        if not self.placed:
            return ""
        return ("sagittal", "coronal", "axial")[int(np.argmax(np.abs(self.normal)))]

    def coordinates(self) -> tuple[Floats, Floats, Floats]:
        """Millimetre coordinates of the voxel centres on the axes z, y, x.

        The projection of each centre on its image axis; for an upright axial series the LPS numbers themselves.
        Where the place is unknown: slice numbers on z, millimetres (or pixels) from the first pixel on y and x.
        """
        n_slices, rows, columns = self.shape
        dy, dx = (s if np.isfinite(s) else 1.0 for s in self.pixel_spacing)
        if self.placed:
            first = self.positions[0]
            z = self.positions @ self.normal
            y = first @ self.column_direction + dy * np.arange(rows)
            x = first @ self.row_direction + dx * np.arange(columns)
        else:
            z, y, x = np.arange(n_slices, dtype=float), dy * np.arange(rows), dx * np.arange(columns)
        z, y, x = (np.round(axis, COORDINATE_DECIMALS) + 0.0 for axis in (z, y, x))
        return z, y, x


def orientation_ok(orientation: Floats) -> bool:
    """Whether six direction cosines are two orthogonal unit vectors (within 1e-3).

    Examples
    --------
    >>> orientation_ok(np.array([1.0, 0, 0, 0, 1, 0]))
    True
    >>> orientation_ok(np.array([1.0, 0, 0, 1, 0, 0]))
    False
    """
    if orientation.shape != (6,) or not np.isfinite(orientation).all():
        return False
    row, column = orientation[:3], orientation[3:]
    lengths = abs(np.linalg.norm(row) - 1), abs(np.linalg.norm(column) - 1)
    return bool(max(lengths) <= ORIENTATION_TOLERANCE and abs(row @ column) <= ORIENTATION_TOLERANCE)


def believable(pixel_spacing: Iterable[float]) -> tuple[float, float]:
    """Pixel spacing (between rows, between columns), NaN where it is smaller than anything a voxel can be.

    Examples
    --------
    >>> believable([0.5, 1e-300])
    (0.5, nan)
    """
    rows, columns = (np.nan if 0 < float(mm) < SMALLEST_MM else float(mm) for mm in pixel_spacing)
    return rows, columns


def slice_normal(orientation: Floats) -> Floats:
    """Normal of the image plane: first triple x second triple of ImageOrientationPatient."""
    return _cross(orientation[:3], orientation[3:])


def _cross(first: Floats, second: Floats) -> Floats:
    """Cross product of two triples: numpy's own takes ten times as long for so little."""
    (a, b, c), (d, e, f) = first.tolist(), second.tolist()
    return np.array([b * f - c * e, c * d - a * f, a * e - b * d])


def grid_from(
    positions: Floats,
    orientation: Floats,
    pixel_spacing: tuple[float, float],
    matrix: tuple[int, int],
    *,
    frame_of_reference_uid: str = "",
    projection: bool = False,
    tolerance: float = STEP_TOLERANCE,
    slice_thickness: Floats | None = None,
) -> Grid:
    """Grid and verdict of slices already sorted along the normal.

    Parameters
    ----------
    positions : array (z, 3)
        ImagePositionPatient of each slice, LPS mm; NaN where missing.
    orientation : array (6,)
        ImageOrientationPatient, the same for all slices; NaN where missing.
    pixel_spacing : (float, float)
        mm between rows, mm between columns; NaN where not stated.
    matrix : (int, int)
        Rows, columns.
    projection : bool, default False
        The images have no place in the patient by nature (mammography, radiography).
    tolerance : float, default 0.01
        Share of the median step that counts as even.
    slice_thickness : array (z,), optional
        SliceThickness of each slice, mm, NaN where missing. It is asked only where all steps are multiples of the
        smallest: constant, slices are missing; following the steps, the series is of variable thickness. Where it
        tells neither, slices are missing as long as they are fewer than those that are there.

    Returns
    -------
    Grid
        With ``findings`` for everything irregular.

    Examples
    --------
    >>> z = np.array([[0, 0, 0], [0, 0, 2], [0, 0, 6.0]])
    >>> grid = grid_from(z, np.array([1.0, 0, 0, 0, 1, 0]), (1, 1), (8, 8))
    >>> grid.kind, grid.n_gaps, grid.affine is None
    ('gaps', 1, True)
    """
    n = len(positions)
    positions = np.asarray(positions, dtype=np.float64).reshape(n, 3)
    orientation = np.asarray(orientation, dtype=np.float64)
    spacing = believable(pixel_spacing)
    nowhere = np.full(3, np.nan)

    def unplaced(kind: Kind, findings: tuple[Finding, ...]) -> Grid:
        return Grid(
            kind, (), (n, *matrix), None, np.full((n, 3), np.nan), nowhere, nowhere, spacing, np.nan,
            frame_of_reference_uid, tolerance, 0.0, np.nan, np.nan, 0, findings,
        )  # fmt: skip

    if projection:
        return unplaced("projection", ())
    if not np.isfinite(positions).all():
        missing = int((~np.isfinite(positions).all(axis=1)).sum())
        return unplaced(
            "unplaced", (Finding("unplaced", f"position missing in {missing} of {n} images", count=missing),)
        )
    if not orientation_ok(orientation):
        numbers = ", ".join(f"{v:g}" for v in orientation)
        return unplaced("unplaced", (Finding("unplaced", f"orientation is not two unit vectors: {numbers}"),))
    if not (spacing[0] > 0 and spacing[1] > 0):
        return unplaced("unplaced", (Finding("unplaced", "pixel spacing missing, not positive or absurdly small"),))

    row, column = orientation[:3], orientation[3:]
    normal = _cross(row, column)
    obliquity = float(np.degrees(np.arccos(min(1.0, float(np.abs(normal).max()) / float(np.linalg.norm(normal))))))
    base: dict[str, Any] = {
        "shape": (n, *matrix), "positions": positions, "row_direction": row, "column_direction": column,
        "pixel_spacing": spacing, "frame_of_reference_uid": frame_of_reference_uid, "tolerance": tolerance,
        "obliquity_deg": obliquity,
    }  # fmt: skip
    if n == 1:
        finding = Finding("single-slice", "1 image")
        return Grid(
            kind="single", flags=(), affine=None, slice_spacing=np.nan, shear_deg=0.0,
            max_step_error_mm=0.0, n_gaps=0, findings=(finding,), **base,
        )  # fmt: skip

    verdict = _steps(positions, normal, tolerance, slice_thickness)
    affine = None
    if verdict.kind in ("regular", "sheared"):
        affine = np.eye(4)
        affine[:3, 0] = (positions[-1] - positions[0]) / (n - 1)
        affine[:3, 1] = column * spacing[0]
        affine[:3, 2] = row * spacing[1]
        affine[:3, 3] = positions[0]
    return Grid(affine=affine, **vars(verdict), **base)


@dataclass(frozen=True)
class _Verdict:
    kind: Kind
    flags: tuple[str, ...]
    slice_spacing: float
    shear_deg: float
    max_step_error_mm: float
    n_gaps: int
    findings: tuple[Finding, ...]


def _steps(positions: Floats, normal: Floats, tolerance: float, thickness: Floats | None) -> _Verdict:
    """Judge the steps between sorted slices."""
    along = positions @ normal
    steps = np.diff(along)
    step = float(np.median(steps))
    findings: list[Finding] = []

    # Tilt: the in-plane drift per mm of advance, from first to last position (never from the tilt tag).
    drift = np.diff(positions, axis=0) - np.outer(steps, normal)
    whole = positions[-1] - positions[0]
    advance = float(along[-1] - along[0])
    across = whole - advance * normal
    shear = float(np.degrees(np.arctan2(np.linalg.norm(across), advance))) if advance > 0 else 0.0
    slope = across / advance if advance > 0 else np.zeros(3)
    straight = float(np.abs(drift - np.outer(steps, slope)).max())
    # A drift within the tolerance of one step is rounding of the positions, not a tilt.
    sheared = shear > SHEAR_TOLERANCE_DEG and float(np.linalg.norm(across)) > tolerance * step

    error = float(np.abs(steps - step).max())
    # With slices missing the median step may be a mixture; the steps near the smallest are the candidates for the
    # unit, made precise by dividing the whole length by the number of units.
    smallest = float(steps.min())
    candidate = float(np.median(steps[steps <= 1.5 * smallest])) if smallest > 0 else 0.0
    units = np.rint(steps / candidate) if smallest > 0 else np.zeros_like(steps)
    unit = advance / float(units.sum()) if units.sum() > 0 else 0.0
    gaps = int((units - 1).clip(min=0).sum())
    # Small steps that all err to one side add up: no slice may be off its place on the even line either.
    even_line = advance * np.arange(len(along)) / (len(along) - 1)
    drifted = float(np.abs(along - along[0] - even_line).max())
    even = error <= tolerance * step and drifted <= tolerance * step
    displaced = straight > max(tolerance * step, 1e-3)
    if displaced or smallest <= 0:
        kind: Kind = "variable"
    elif even:
        kind = "regular"
    elif (
        gaps
        and float(np.abs(steps - units * unit).max()) <= tolerance * unit
        and _slices_missing(steps, gaps, thickness, tolerance)
    ):
        kind, step = "gaps", unit
    else:
        kind = "variable"

    if kind == "gaps":
        where = np.flatnonzero(units > 1)
        places = ", ".join(f"{along[i] + step:.1f}" for i in where[:3]) + (" ..." if len(where) > 3 else "")
        total = len(positions) + gaps
        findings.append(Finding("slices-missing", f"{gaps} of {total} slices missing, from {places} mm", count=gaps))
    elif kind == "variable":
        gaps = 0
        if displaced:
            findings.append(_displaced(positions, along, normal, max(tolerance * step, 1e-3)))
        if not displaced or not even:
            text = f"steps from {smallest:.3f} to {steps.max():.3f} mm, median {step:.3f} mm"
            findings.append(Finding("spacing-uneven", text))
    if sheared and kind != "variable":
        findings.append(Finding("gantry-tilt", f"sheared by {shear:.1f} degrees"))

    flags: tuple[str, ...] = ()
    if sheared and kind == "regular":
        kind = "sheared"
    elif sheared:
        flags = ("sheared",)
    return _Verdict(
        kind,
        flags,
        step if kind != "variable" else np.nan,
        shear if sheared else 0.0,
        error,
        gaps if kind == "gaps" else 0,
        tuple(findings),
    )


def _slices_missing(steps: Floats, gaps: int, thickness: Floats | None, tolerance: float) -> bool:
    """Whether steps that are multiples of the smallest mean missing slices, and not slices of variable thickness."""
    if thickness is not None and np.isfinite(thickness).all() and (thickness > 0).all():
        if float(np.ptp(thickness)) <= tolerance * float(np.median(thickness)):
            return True
        # Slices of one series touch, overlap or leave room by one share of their thickness; between two of unequal
        # thickness the step may be that of either or lie in between.
        thinner, thicker = np.minimum(thickness[1:], thickness[:-1]), np.maximum(thickness[1:], thickness[:-1])
        if float((steps / thicker).max()) <= float((steps / thinner).min()) * (1 + 2 * tolerance):
            return False
    return gaps < len(steps) + 1


def _displaced(positions: Floats, along: Floats, normal: Floats, tolerance_mm: float) -> Finding:
    """Which slices are displaced within their planes, and by how much: against the line that most of them lie on."""
    across = positions - np.outer(along, normal)
    advance = np.diff(along)
    # The median slope is that of the majority, whatever a few slices do.
    slopes = np.diff(across, axis=0) / np.where(advance > 0, advance, np.inf)[:, None]
    off = across - np.outer(along - along[0], np.median(slopes, axis=0))
    _, first, group, counts = np.unique(
        np.rint(off / tolerance_mm), axis=0, return_index=True, return_inverse=True, return_counts=True
    )
    # Of two groups of one size, the one that begins lower.
    most = int(np.lexsort((first, -counts))[0])
    distance = np.linalg.norm(off - np.median(off[group.ravel() == most], axis=0), axis=1)
    where = np.flatnonzero(distance > min(tolerance_mm, 0.999 * float(distance.max())))
    places = ", ".join(f"{along[i]:.1f}" for i in where[:3]) + (" ..." if len(where) > 3 else "")
    text = f"{len(where)} of {len(along)} slices displaced within their planes by up to {distance.max():.2f} mm"
    return Finding("slices-displaced", f"{text}, at {places} mm", count=len(where))
