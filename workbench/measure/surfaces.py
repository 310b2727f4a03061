"""Surfaces of masks as small pieces, each with a place and an area, and the distances between two of them.

A piece stands for the surface within one cell of 2x2x2 voxel centres: its place is the middle of the cell, its area
that of the marching-cubes triangles in it. This is the definition of Nikolov et al. 2018 (arXiv 1809.04430), which
weighs by area, so that neither thick slices nor fine pixels count more than the surface that they hold.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def surface_pieces(mask: NDArray[np.bool_], axes: Floats) -> tuple[Floats, Floats]:
    """Places (n, 3) and areas (n,) of the pieces of the surface of a mask, mm and mm2; closed also at the array's edge.

    Parameters
    ----------
    mask : array (z, y, x), bool
        The mask, or a crop that holds all of it.
    axes : array (3, 3)
        Voxel index (z, y, x) -> mm, relative to the centre of the first voxel; need not be orthogonal.

    Examples
    --------
    >>> places, areas = surface_pieces(np.ones((1, 1, 1), bool), np.eye(3))
    >>> len(places), round(float(areas.sum()), 4)
    (8, 1.7321)
    """
    padded = np.pad(mask, 1).view(np.uint8)
    code = np.zeros(tuple(size + 1 for size in mask.shape), dtype=np.uint8)
    for bit, (z, y, x) in enumerate(np.ndindex(2, 2, 2)):
        code |= padded[z : z + code.shape[0], y : y + code.shape[1], x : x + code.shape[2]] << np.uint8(bit)
    cells = np.nonzero((code != 0) & (code != 255))
    places: Floats = (np.stack(cells, axis=1) - 0.5) @ axes.T
    return places, piece_areas(axes)[code[cells]]


def piece_areas(axes: Floats) -> Floats:
    """Area of the surface within a cell, (256,) mm2, by which of its eight voxels are inside (bit by z, y, x order)."""
    codes, vectors = _triangles()
    # An area vector goes with the cofactors of the map, not with the map.
    mapped = vectors @ np.linalg.inv(axes) * abs(float(np.linalg.det(axes)))
    areas: Floats = np.zeros(256)
    np.add.at(areas, codes, np.linalg.norm(mapped, axis=1))
    return areas


@functools.cache
def _triangles() -> tuple[NDArray[np.int64], Floats]:
    """Triangles of all 256 cells: the cell's number, and half the cross product of two edges, in voxels.

    A cell and its complement have the same surface, that of the side with fewer voxels, as in the published tables; so
    the surface of a mask is that of its background.
    """
    from skimage.measure import marching_cubes

    codes: list[int] = []
    vectors: list[Any] = []
    for code in range(1, 255):
        inside = np.array([code >> bit & 1 for bit in range(8)], dtype=np.float32).reshape(2, 2, 2)
        inside = 1 - inside if inside.sum() > 4 else inside
        corners, faces, _, _ = marching_cubes(inside, 0.5, method="lorensen", allow_degenerate=False)
        a, b, c = np.asarray(corners, dtype=np.float64)[faces].transpose(1, 0, 2)
        codes += [code] * len(faces)
        vectors.append(np.cross(b - a, c - a) / 2)
    return np.array(codes), np.concatenate(vectors)


def nearest(places: Floats, others: Floats) -> Floats:
    """Distance in mm from each of *places* (n, 3) to the nearest of *others* (m, 3), (n,)."""
    from scipy.spatial import cKDTree

    distances, _ = cKDTree(others).query(places)
    return np.asarray(distances, dtype=np.float64)


def weighted_percentile(values: Floats, weights: Floats, percent: float) -> float:
    """Smallest value up to which *percent* of the weight lies.

    Examples
    --------
    >>> weighted_percentile(np.array([3.0, 1.0, 2.0]), np.array([1.0, 8.0, 1.0]), 85)
    2.0
    """
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(weights[order])
    place = np.searchsorted(reached, percent / 100 * reached[-1] * (1 - 1e-12))
    return float(values[order][min(int(place), len(values) - 1)])
