"""Pixels of make-believe patients: tissue per voxel, then stored values.

Only + - * / and comparisons on float64, and integers after that: the same values on every platform.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from workbench.synthetic.plan import PatientPlan, Placement, SeriesPlan, StudyPlan, centred

Ints = NDArray[np.int64]
Codes = NDArray[np.uint8]

#: Tissues; a voxel's code is the place in this row.
TISSUES: Final = ("air", "fat", "muscle", "lung", "bone", "blood", "fluid", "gland", "tumour", "core", "marrow")
AIR, FAT, MUSCLE, LUNG, BONE, BLOOD, FLUID, GLAND, TUMOUR, CORE, MARROW = range(len(TISSUES))

#: Value of each tissue: Hounsfield units, arbitrary MR units, becquerel per millilitre (typical orders of size).
INTENSITY: Final[Mapping[str, tuple[int, ...]]] = {
    "CT": (-1000, -95, 48, -820, 780, 55, 8, 36, 62, 18, 260),
    "T1": (6, 620, 260, 25, 45, 120, 110, 240, 350, 160, 420),
    "T2": (6, 430, 150, 20, 40, 70, 820, 520, 240, 640, 330),
    "FDG": (60, 900, 2100, 1300, 1500, 4600, 3000, 2500, 23000, 4000, 3200),
}
#: Half width of the white noise and of the smooth noise.
NOISE: Final[Mapping[str, tuple[int, int]]] = {"CT": (9, 16), "T1": (7, 10), "T2": (8, 12), "FDG": (150, 260)}

#: CT values are stored with this intercept and slope 1.
CT_INTERCEPT: Final = -1024
#: PET slices fill the stored range up to this value, each with a slope of its own.
PET_STORED_MAXIMUM: Final = 30000
#: Planes that are averaged into a localiser.
_LOCALIZER_PLANES: Final = 12


def tissues(patient: PatientPlan, study: StudyPlan, region: str, placement: Placement) -> Codes:
    """Tissue code of each voxel (z, y, x)."""
    x, y, z = _coordinates(placement, patient.centre)
    codes = (_thorax if region == "thorax" else _pelvis)(x, y, z, patient)
    lesion = study.lesion
    inside = _ellipsoid(x, y, z, lesion.centre, lesion.radii)
    for a, b, c, radius in lesion.lobes:
        inside |= _ellipsoid(x, y, z, (a, b, c), (radius, radius, radius))
    codes[inside] = TUMOUR
    if lesion.core:
        codes[_ellipsoid(x, y, z, lesion.centre, (lesion.core,) * 3)] = CORE
    return codes


def stored_values(codes: Codes, series: SeriesPlan, rng: np.random.Generator) -> Ints:
    """Stored integers (z, y, x) of a CT or MR series; for PET becquerel per millilitre, before the slopes."""
    weighting = series.protocol.weighting
    values = np.asarray(INTENSITY[weighting], dtype=np.int64)[codes]
    white, smooth = NOISE[weighting]
    for axis in (1, 2):
        values = _smoothed(values, axis)
    if weighting == "FDG":
        for axis in (0, 1, 2):
            values = _smoothed(_smoothed(values, axis), axis)
    elif weighting != "CT":
        # The coil's sensitivity: up to an eighth brighter towards one side.
        ramp = np.arange(values.shape[2], dtype=np.int64)
        values = values * (8 * values.shape[2] + ramp) // (8 * values.shape[2])
    grain = rng.integers(-smooth, smooth + 1, size=values.shape)
    for axis in (1, 2, 1, 2):
        grain = _smoothed(grain, axis)
    values = values + 2 * grain + rng.integers(-white, white + 1, size=values.shape)
    if weighting == "CT":
        return np.clip(values - CT_INTERCEPT, 0, 4095)
    return np.clip(values, 0, 65535)


def pet_slice(activity: Ints) -> tuple[Ints, str]:
    """Stored integers (y, x) of one PET slice, and its RescaleSlope in Bq/mL."""
    peak = max(int(activity.max()), 1)
    return activity * PET_STORED_MAXIMUM // peak, f"{peak / PET_STORED_MAXIMUM:.10f}"


def localizer(patient: PatientPlan, study: StudyPlan, series: SeriesPlan) -> tuple[Ints, Placement]:
    """Stored integers (y, x) of a coronal overview of a CT, and its placement (one slice)."""
    _, rows, columns = series.placement.shape
    pixel = series.placement.spacing[1]
    across = Placement(
        (0.0, 0.0, 0.0), (1.0, 0.0, 0.0), (0.0, 0.0, -1.0), (0.0, 18.0, 0.0), (pixel, pixel),
        (_LOCALIZER_PLANES, rows, columns),
    )  # fmt: skip
    a, b, c = patient.centre
    codes = tissues(patient, study, series.protocol.region, centred(across, (a, b, c)))
    values = np.asarray(INTENSITY["CT"], dtype=np.int64)[codes].sum(axis=0) // _LOCALIZER_PLANES
    single = Placement(
        (0.0, 0.0, 0.0), across.row, across.column, across.step, across.spacing, (1, rows, columns)
    )  # fmt: skip
    return np.clip(values - CT_INTERCEPT, 0, 4095), centred(single, (a, b, c))


def _coordinates(placement: Placement, centre: tuple[int, int, int]) -> tuple[NDArray[Any], ...]:
    n, rows, columns = placement.shape
    k, i, j = np.arange(n, dtype=float), np.arange(rows, dtype=float), np.arange(columns, dtype=float)
    dy, dx = placement.spacing
    return tuple(
        (placement.origin[a] - centre[a] + k * placement.step[a])[:, None, None]
        + (i * (dy * placement.column[a]))[None, :, None]
        + (j * (dx * placement.row[a]))[None, None, :]
        for a in range(3)
    )


def _ellipsoid(
    x: NDArray[Any], y: NDArray[Any], z: NDArray[Any], centre: tuple[int, int, int], radii: tuple[int, int, int]
) -> NDArray[np.bool_]:
    """Voxels inside an ellipsoid; a radius of 0 along z makes it an endless cylinder."""
    u, v = (x - centre[0]) / radii[0], (y - centre[1]) / radii[1]
    distance = u * u + v * v
    if radii[2]:
        w = (z - centre[2]) / radii[2]
        distance = distance + w * w
    inside: NDArray[np.bool_] = distance <= 1.0
    return inside


def _thorax(x: NDArray[Any], y: NDArray[Any], z: NDArray[Any], patient: PatientPlan) -> Codes:
    scale = patient.build / 100
    x, y = x / scale, y / scale
    codes = np.full(x.shape, AIR, dtype=np.uint8)

    def fill(tissue: int, centre: tuple[int, int, int], radii: tuple[int, int, int]) -> None:
        codes[_ellipsoid(x, y, z, centre, radii)] = tissue

    if patient.sex == "F":
        for side in (-1, 1):
            fill(FAT, (side * 74, -84, 0), (60, 42, 70))
            fill(GLAND, (side * 76, -98, 0), (36, 22, 46))
    fill(FAT, (0, 0, 0), (152, 104, 0))
    fill(MUSCLE, (0, 0, 0), (143, 95, 0))
    for side in (-1, 1):
        fill(FAT, (side * 60, 70, 0), (22, 9, 0))
    # Ribs slope forward and down: the same band of the shell is bone every 22 mm.
    shell = _ellipsoid(x, y, z, (0, 2, 0), (136, 88, 0)) & ~_ellipsoid(x, y, z, (0, 2, 0), (127, 79, 0))
    band = (z - y * 0.4 + 4400.0) % 22.0 < 11.0
    codes[shell & band] = BONE
    for side in (-1, 1):
        fill(LUNG, (side * 70, -2, 0), (50, 72, 150))
    fill(MUSCLE, (0, 0, 0), (24, 74, 0))
    fill(BLOOD, (18, -28, -30), (46, 38, 48))
    fill(BLOOD, (-16, -26, 40), (15, 15, 36))
    fill(BLOOD, (20, 40, 0), (12, 12, 0))
    fill(AIR, (-3, 10, 30), (9, 8, 34))
    fill(BONE, (0, 62, 0), (20, 18, 0))
    fill(MARROW, (0, 62, 0), (16, 14, 0))
    fill(BONE, (0, 86, 0), (13, 12, 0))
    fill(FLUID, (0, 83, 0), (7, 6, 0))
    fill(BONE, (0, -82, 0), (16, 6, 0))
    return codes


def _pelvis(x: NDArray[Any], y: NDArray[Any], z: NDArray[Any], patient: PatientPlan) -> Codes:
    scale = patient.build / 100
    x, y = x / scale, y / scale
    codes = np.full(x.shape, AIR, dtype=np.uint8)

    def fill(tissue: int, centre: tuple[int, int, int], radii: tuple[int, int, int]) -> None:
        codes[_ellipsoid(x, y, z, centre, radii)] = tissue

    fill(FAT, (0, 0, 0), (166, 110, 0))
    fill(MUSCLE, (0, 4, 0), (150, 92, 0))
    for side in (-1, 1):
        fill(FAT, (side * 46, -10, 0), (26, 34, 60))
        fill(BONE, (side * 92, 2, 8), (30, 36, 58))
        fill(MARROW, (side * 92, 2, 8), (25, 31, 53))
        fill(MUSCLE, (side * 92, 4, -4), (26, 27, 29))
        fill(BONE, (side * 92, 4, -4), (24, 25, 27))
        fill(MARROW, (side * 92, 4, -4), (20, 21, 23))
        fill(BONE, (side * 22, -62, -22), (20, 9, 22))
        fill(BLOOD, (side * 62, -44, 0), (7, 7, 0))
    fill(FAT, (0, 6, 0), (36, 62, 0))
    fill(BONE, (0, 74, 20), (34, 12, 50))
    fill(MARROW, (0, 74, 20), (30, 8, 46))
    fill(MUSCLE, (0, -34, 36), (44, 31, 28))
    fill(FLUID, (0, -34, 36), (40, 27, 24))
    fill(GLAND, (0, 0, 0), (27, 21, 24))
    fill(MUSCLE, (0, 40, 0), (16, 15, 0))
    fill(AIR, (2, 37, 0), (8, 6, 30))
    return codes


def _smoothed(values: Ints, axis: int) -> Ints:
    """Weights 1-2-1 along an axis, edges repeated."""
    width = [(0, 0)] * values.ndim
    width[axis] = (1, 1)
    padded = np.moveaxis(np.pad(values, width, mode="edge"), axis, 0)
    return np.moveaxis((padded[:-2] + 2 * padded[1:-1] + padded[2:]) // 4, 0, axis)
