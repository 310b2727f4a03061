"""Contours on the slices of a grid, and the masks that are filled from them when they are asked for."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from workbench.dicom.stacks.geometry import Grid
from workbench.labels.polygon import fill_contours
from workbench.labels.segment import Integers

Floats = NDArray[np.float64]

#: Contours of one slice that lie further apart along the normal than this share of the step are of different planes.
PLANE_SHARE: Final = 0.1
#: Decimals of a pixel to which the vertices of an outline that is stored twice are the same.
_SAME_DECIMALS: Final = 4


@dataclass(frozen=True, slots=True, eq=False)
class Contour:
    """One closed contour on its slice."""

    #: Slice of the grid.
    slice: int
    #: Signed distance from that slice along the normal, mm.
    distance: float
    #: Row and column index of each vertex, (vertex, 2).
    vertices: Floats


class Slices:
    """The slices of a grid as contours see them."""

    def __init__(self, grid: Grid) -> None:
        self.grid = grid
        # Worked out once: structure sets have thousands of contours.
        self.normal = grid.normal
        self.axes = np.stack([grid.column_direction, grid.row_direction])
        self.along = grid.positions @ self.normal
        # A single slice has no step; what was drawn on it is on it to well within a pixel.
        self.step = float(np.diff(self.along).min()) if len(self.along) > 1 else max(grid.pixel_spacing)

    def locate(self, points: Floats) -> Contour | None:
        """The contour on its slice; None where any point is half a step or further from it.

        Exactly half a step belongs to no slice: it would be a matter of rounding which one.
        """
        depth = points @ self.normal
        slice_ = int(np.abs(self.along - depth.mean()).argmin())
        distance = depth - self.along[slice_]
        if np.abs(distance).max() >= self.step / 2 * (1 - 1e-6):
            return None
        offset = points - self.grid.positions[slice_]
        return Contour(slice_, float(distance.mean()), offset @ self.axes.T / np.array(self.grid.pixel_spacing))

    def on_plane(self, contours: list[Contour]) -> list[Contour]:
        """The contours that lie nearest to their slice, without those further off beside them.

        Contours drawn for another series can be denser than the slices. Those between slices are not part of the
        outline on the slice, and exclusive or would make rings of them.
        """
        nearest: dict[int, float] = {}
        for contour in contours:
            nearest[contour.slice] = min(abs(contour.distance), nearest.get(contour.slice, np.inf))
        slack = PLANE_SHARE * self.step
        return [contour for contour in contours if abs(contour.distance) <= nearest[contour.slice] + slack]


@dataclass(frozen=True, slots=True, eq=False)
class ContourLayers:
    """Masks of outlines; a slice is filled when it is read."""

    #: Slices, rows, columns of the image.
    shape: tuple[int, int, int]
    #: Of each segment: slice -> outlines (vertex, 2) on it, row and column index.
    outlines: tuple[dict[int, list[Floats]], ...]

    def read(self, segment: int, slices: Integers) -> NDArray[np.bool_]:
        """Voxels (len(slices), y, x) of a segment."""
        out = np.zeros((len(slices), *self.shape[1:]), np.bool_)
        for index, slice_ in enumerate(np.asarray(slices).tolist()):
            outline = self.outlines[segment].get(slice_)
            if outline:
                out[index] = fill_contours(outline, shape=self.shape[1:])
        return out

    def occupied(self, segment: int) -> Integers:
        """Slices on which a segment has outlines, ascending."""
        return np.array(sorted(self.outlines[segment]), np.int64)

    def digest(self, segment: int) -> str:
        """SHA-256 of the outlines of a segment on their slices, rounded: the same for what was exported anew."""
        found = hashlib.sha256()
        for slice_, outlines in sorted(self.outlines[segment].items()):
            for outline in sorted((np.round(one, _SAME_DECIMALS) + 0.0).tobytes() for one in outlines):
                found.update(slice_.to_bytes(8, "little") + outline)
        return found.hexdigest()

    def is_empty(self, segment: int) -> bool:
        """Whether no outline of a segment encloses a voxel centre; slices with the widest outlines are filled first."""
        slices = self.outlines[segment]

        def width(slice_: int) -> float:
            return max(float(np.ptp(outline, axis=0).min()) for outline in slices[slice_])

        return not any(self.read(segment, np.array([s])).any() for s in sorted(slices, key=width, reverse=True))


def without_repeats(contours: list[Contour]) -> list[Contour]:
    """Contours, each once: of those with the same vertices on a slice, begun anywhere and in any direction, the first.

    Exclusive or would make nothing of an outline that is stored twice.
    """
    kept: dict[tuple[int, bytes], Contour] = {}
    for contour in contours:
        vertices = np.unique(np.round(contour.vertices, _SAME_DECIMALS) + 0.0, axis=0)
        kept.setdefault((contour.slice, vertices.tobytes()), contour)
    return list(kept.values())


def by_slice(contours: list[Contour]) -> dict[int, list[Floats]]:
    """Outlines of each slice, slices ascending."""
    found: dict[int, list[Floats]] = {}
    for contour in sorted(contours, key=lambda contour: contour.slice):
        found.setdefault(contour.slice, []).append(contour.vertices)
    return found
