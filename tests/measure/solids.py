"""Balls and boxes as masks on grids of any spacing and direction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from workbench.arrays import from_array

AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)


def affine(
    spacing: Sequence[float] = (1.0, 1.0, 1.0),
    orientation: Sequence[float] = AXIAL,
    origin: Sequence[float] = (-10.0, 20.0, 30.0),
) -> NDArray[np.float64]:
    """Voxel index (z, y, x, 1) -> LPS mm."""
    along_x, along_y = np.reshape(orientation, (2, 3))
    matrix = np.eye(4)
    matrix[:3, :3] = np.stack([np.cross(along_x, along_y), along_y, along_x], axis=1) * spacing
    matrix[:3, 3] = origin
    return matrix


def ball(radius_mm: float, spacing: Sequence[float] = (1.0, 1.0, 1.0)) -> NDArray[np.bool_]:
    """Voxels whose centre is within a ball, with two voxels around it; its centre lies between voxels."""
    half = [int(np.ceil(radius_mm / mm)) + 2 for mm in spacing]
    offsets = [(np.arange(2 * n) - n + 0.5) * mm for n, mm in zip(half, spacing, strict=True)]
    z, y, x = np.meshgrid(*offsets, indexing="ij")
    inside: NDArray[np.bool_] = z**2 + y**2 + x**2 <= radius_mm**2
    return inside


def box(*sides: int, around: int = 2) -> NDArray[np.bool_]:
    """Block of voxels."""
    return np.pad(np.ones(sides, bool), around)


def dataset(
    mask: NDArray[Any],
    values: NDArray[Any] | None = None,
    *,
    spacing: Sequence[float] = (1.0, 1.0, 1.0),
    orientation: Sequence[float] = AXIAL,
    units: str = "[hnsf'U]",
) -> xr.Dataset:
    """Dataset with ``image (z, y, x)`` and ``mask (z, y, x)``, or with ``mask (segment, z, y, x)`` of a 4-D array."""
    shape = mask.shape[-3:]
    values = np.arange(np.prod(shape), dtype=np.float32).reshape(shape) if values is None else values
    ds = from_array(values, affine(spacing, orientation), units=units, frame_of_reference_uid="1.2.3")
    if mask.ndim == 3:
        return ds.assign(mask=ds["image"].copy(data=mask))
    names = [f"segment {i}" for i in range(len(mask))]
    layers = [ds["image"].copy(data=layer) for layer in mask]
    return ds.assign(mask=xr.concat(layers, "segment").assign_coords(segment=names))
