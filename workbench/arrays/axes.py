"""What the coordinates ``z``, ``y`` and ``x`` say of the voxels that are left, and refusals where they say nothing."""

from __future__ import annotations

from typing import Final

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from workbench.dicom.stacks.geometry import COORDINATE_DECIMALS, ORIENTATION_TOLERANCE
from workbench.errors import UsageError

Floats = NDArray[np.float64]

#: The axes of an image, in the order of its dims.
AXES: Final = ("z", "y", "x")
#: Deviation of a coordinate from an even step that its own rounding explains, mm.
ROUNDING_MM: Final = 2.1 * 10.0**-COORDINATE_DECIMALS
#: Difference of z and the slices' positions that rounding and averages explain, mm.
AGREEMENT_MM: Final = 0.01
CHANGED: Final = "use ds.patient.resample(...) or resample_like(...) for another grid, or open the series again"


def require_axes(dataset: xr.Dataset) -> None:
    """Nothing where *dataset* has voxels along z, y and x.

    Raises
    ------
    UsageError
        An axis is gone, or nothing is left of it.
    """
    for axis in AXES:
        if axis not in dataset.sizes:
            raise UsageError(f"no axis {axis} in this Dataset", remedy=f"keep it: isel({axis}=[k]) instead of k")
        if not dataset.sizes[axis]:
            raise UsageError(f"axis {axis} is empty", remedy="select at least one voxel")


def require_numbers(dataset: xr.Dataset) -> None:
    """Nothing where every voxel along z, y and x has its millimetres.

    Raises
    ------
    UsageError
        A coordinate was dropped, or voxels were added that have none (``pad``, ``align`` ...).
    """
    for axis in AXES:
        if axis not in dataset.coords:
            raise UsageError(f"no coordinate {axis} in this Dataset", remedy="keep it, or open the series again")
        if dataset[axis].dims != (axis,) or dataset[axis].dtype.kind not in "iuf":
            raise UsageError(f"coordinate {axis} no longer holds millimetres along {axis}", remedy=CHANGED)
        nowhere = int((~np.isfinite(dataset[axis].values)).sum())
        if nowhere:
            raise UsageError(
                f"an operation changed the grid: {nowhere} of {dataset.sizes[axis]} voxels along {axis} have no place",
                remedy=CHANGED,
            )


def stated_matrix(dataset: xr.Dataset) -> Floats | None:
    """The coordinate ``affine``, (4, 4); None where it is not there or was cut up.

    Raises
    ------
    UsageError
        It differs along another dimension: several series in one Dataset.
    """
    matrix = _stated(dataset, "affine", ("world", "voxel"))
    return matrix if matrix is not None and matrix.shape == (4, 4) else None


def stated_positions(dataset: xr.Dataset) -> Floats | None:
    """The coordinate ``position``, (z, 3) LPS mm; None where it is not there or was cut up.

    Raises
    ------
    UsageError
        It differs along another dimension: several series in one Dataset.
    """
    positions = _stated(dataset, "position", ("z", "axis"))
    return positions if positions is not None and positions.shape == (dataset.sizes["z"], 3) else None


def _stated(dataset: xr.Dataset, name: str, dims: tuple[str, str]) -> Floats | None:
    if name not in dataset.coords:
        return None
    stated = dataset[name]
    further = [str(dim) for dim in stated.dims if dim not in dims]
    # A broadcast repeats one place; a concatenation of two series holds two.
    if further:
        first = stated.isel(dict.fromkeys(further, 0))
        if not bool(((stated == first) | (stated.isnull() & first.isnull())).all()):
            raise UsageError(
                f"{name} differs along {', '.join(further)}: images at different places in one Dataset",
                remedy=f"select one: ds.isel({further[0]}=0)",
            )
        stated = first
    if set(stated.dims) != set(dims):
        return None
    values = np.asarray(stated.transpose(*dims).values, dtype=np.float64)
    return values if np.isfinite(values).all() else None


def require_agreement(dataset: xr.Dataset, positions: Floats, normal: Floats) -> None:
    """Nothing where z is the depth of *positions* along *normal*, in either sense.

    Raises
    ------
    UsageError
        One of them was changed and the other was not.
    """
    along, z = positions @ normal, np.asarray(dataset["z"].values, dtype=np.float64)
    apart = min(float(np.abs(along - z).max()), float(np.abs(along + z).max()))
    if apart > AGREEMENT_MM:
        raise UsageError(
            f"an operation changed the grid: z and the positions of the slices are {apart:.2f} mm apart",
            remedy=CHANGED,
        )


def numbers_along(dataset: xr.Dataset, axis: str, corner: float, spacing: float) -> tuple[float, float]:
    """First voxel number and step in voxels of what is left of an axis, in numbers of the axis as it was opened.

    Raises
    ------
    UsageError
        Voxels were picked unevenly from the plane.
    """
    values = np.asarray(dataset[axis].values, dtype=np.float64)
    first = _whole((values[0] - corner) / spacing, ROUNDING_MM / spacing)
    if len(values) == 1:
        return first, 1.0
    step = _whole((values[-1] - values[0]) / (len(values) - 1) / spacing, ROUNDING_MM / spacing)
    even = corner + (first + step * np.arange(len(values))) * spacing
    if step == 0 or np.abs(values - even).max() > max(ROUNDING_MM, 0.01 * spacing):
        raise UsageError(f"axis {axis} is not evenly spaced", remedy="select a range, not single voxels of the plane")
    return first, step


def plane_along_axes(dataset: xr.Dataset) -> tuple[Floats, Floats, Floats, tuple[float, float]] | None:
    """Places by the coordinates alone: of each slice (z, 3) LPS mm, units of y and x, mm per voxel along them.

    None where they do not say: their attribute ``direction`` is gone, or was never given (tilted slices).
    """
    found = [np.asarray(dataset[axis].attrs.get("direction", ()), dtype=np.float64) for axis in AXES]
    if any(vector.shape != (3,) or not np.isfinite(vector).all() for vector in found):
        return None
    vectors = np.stack(found)
    if np.abs(vectors @ vectors.T - np.eye(3)).max() > 2 * ORIENTATION_TOLERANCE:
        return None
    spacings = [_spacing(dataset, axis, number) for number, axis in enumerate(AXES[1:])]
    if not np.isfinite(spacings).all():
        return None
    z, y, x = (np.asarray(dataset[axis].values, dtype=np.float64) for axis in AXES)
    starts = np.outer(z, vectors[0]) + y[0] * vectors[1] + x[0] * vectors[2]
    return starts, vectors[1], vectors[2], (spacings[0], spacings[1])


def _spacing(dataset: xr.Dataset, axis: str, number: int) -> float:
    """Mm from voxel to voxel of the plane: as stated, where the coordinate agrees but for its rounding."""
    values = np.asarray(dataset[axis].values, dtype=np.float64)
    both = np.asarray(dataset.attrs.get("pixel_spacing_mm", (np.nan, np.nan)), dtype=np.float64)
    stated = float(both[number]) if both.shape == (2,) else np.nan
    if len(values) == 1:
        return stated
    found = abs(float(values[-1] - values[0])) / (len(values) - 1)
    return stated if abs(found - stated) <= ROUNDING_MM else found if found > 0 else np.nan


def plane_spacing(dataset: xr.Dataset) -> tuple[float, float]:
    """Mm between voxel centres along y and x as the coordinates have them now; NaN where they are no millimetres."""
    found = [
        _spacing(dataset, axis, number)
        if axis in dataset.coords and dataset[axis].size and dataset[axis].attrs.get("units") == "mm"
        else np.nan
        for number, axis in enumerate(AXES[1:])
    ]
    return found[0], found[1]


def _whole(number: float, tolerance: float) -> float:
    nearest = round(number)
    return float(nearest) if abs(number - nearest) <= tolerance + 1e-9 else float(number)
