"""Small volumes on grids of every kind, for the tests of measures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr

from tests import factories
from workbench.arrays import from_array

FRAME = "1.2.826.0.1.3680043.8.498.75"


def affine(spacing: Sequence[float] = (3, 2, 1), degrees: Sequence[float] = (0, 0, 0)) -> np.ndarray:
    """Voxel (z, y, x, 1) -> LPS mm, turned about x, y and z."""
    row, column = np.split(np.array(factories.turned(*degrees)), 2)
    matrix = np.eye(4)
    directions = (np.cross(row, column), column, row)
    matrix[:3, :3] = np.stack([d * s for d, s in zip(directions, spacing, strict=True)], axis=1)
    matrix[:3, 3] = (-20, 30, 5)
    return matrix


def volume(array: Any, spacing: Sequence[float] = (3, 2, 1), degrees: Sequence[float] = (0, 0, 0)) -> xr.Dataset:
    """Dataset with ``image`` on an even grid."""
    return from_array(np.asarray(array), affine(spacing, degrees), units="[hnsf'U]", frame_of_reference_uid=FRAME)


def mask(array: Any, spacing: Sequence[float] = (3, 2, 1), degrees: Sequence[float] = (0, 0, 0)) -> xr.DataArray:
    """One mask (z, y, x)."""
    return volume(np.asarray(array, dtype=bool), spacing, degrees)["image"].rename("mask")


def segments(arrays: dict[str, Any], spacing: Sequence[float] = (3, 2, 1)) -> xr.DataArray:
    """Masks (segment, z, y, x) by name."""
    parts = [mask(array, spacing) for array in arrays.values()]
    return xr.concat(parts, dim="segment").assign_coords(segment=list(arrays))


def box(shape: tuple[int, int, int], *ends: tuple[int, int]) -> np.ndarray:
    """Box in an empty volume, from and to (exclusive) along z, y and x."""
    array = np.zeros(shape, dtype=bool)
    array[tuple(slice(*end) for end in ends)] = True
    return array
