"""Surface of a mask: triangles, what they enclose, their convex hull."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
#: Rows of the distance matrix computed at a time.
_CHUNK: Final = 1000


@dataclass(frozen=True, eq=False)
class Mesh:
    """A closed surface of triangles."""

    #: Corners, (n, 3) mm along z, y, x.
    vertices: Floats
    #: Numbers of the corners of each triangle, (m, 3).
    faces: NDArray[np.int32]

    def volume(self) -> float:
        """Enclosed volume, mm3: the sum of signed tetrahedra."""
        # About their own centre the terms are small, and little is lost in the sum.
        a, b, c = np.moveaxis((self.vertices - self.vertices.mean(axis=0))[self.faces], 1, 0)
        return abs(float(np.einsum("ij,ij->", a, np.cross(b, c)))) / 6.0

    def area(self) -> float:
        """Sum of the areas of all triangles, mm2."""
        a, b, c = np.moveaxis(self.vertices[self.faces], 1, 0)
        return float(np.linalg.norm(np.cross(b - a, c - a), axis=1).sum()) / 2.0


@dataclass(frozen=True, eq=False)
class Hull:
    """Smallest convex body around a mesh."""

    #: Its corners, (n, 3) mm.
    corners: Floats
    #: mm3.
    volume: float
    #: mm2.
    area: float


def mesh_of(mask: NDArray[np.bool_], spacing: tuple[float, float, float]) -> Mesh:
    """Marching-cubes surface at level 0.5 of a mask (z, y, x), mm from the centre of its first voxel.

    The surface cuts halfway between a voxel inside and its neighbour outside. On a binary mask it is a staircase with
    bevelled steps: it overestimates the surface of a sphere by about 9 % (8 to 10) however fine the grid, by 12 % where
    slices are twice as thick as pixels are wide; the volume hardly.

    Notes
    -----
    Lewiner's variant, of scikit-image: no holes where cubes are ambiguous. IBSI reference manual, 3.1.

    Examples
    --------
    >>> mesh = mesh_of(np.ones((1, 1, 1), bool), (1.0, 1.0, 1.0))
    >>> round(mesh.volume(), 4), round(mesh.area(), 4)
    (0.1667, 1.7321)
    """
    from skimage.measure import marching_cubes

    padded = np.pad(mask, 1).astype(np.float32)
    vertices, faces, _, _ = marching_cubes(padded, level=0.5)
    return Mesh((vertices.astype(np.float64) - 1.0) * spacing, faces)


def hull_of(mesh: Mesh) -> Hull:
    """Convex hull of the corners of a mesh."""
    from scipy.spatial import ConvexHull

    found = ConvexHull(mesh.vertices)
    return Hull(mesh.vertices[found.vertices], float(found.volume), float(found.area))


def widest(points: Floats) -> float:
    """Largest distance between two of the points (n, dims).

    Examples
    --------
    >>> widest(np.array([[0.0, 0.0], [3.0, 4.0], [1.0, 1.0]]))
    5.0
    """
    from scipy.spatial.distance import cdist

    best = 0.0
    for start in range(0, len(points), _CHUNK):
        best = max(best, float(cdist(points[start : start + _CHUNK], points[start:], "sqeuclidean").max()))
    return float(np.sqrt(best))
