"""Diameters within a slice, as a reader draws them on axial images."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def in_slice_diameters(mask: NDArray[np.bool_], spacing: tuple[float, float]) -> tuple[float, float]:
    """Longest diameter within one slice, and the longest one perpendicular to it in that slice, mm.

    Parameters
    ----------
    mask : array (z, y, x) of bool
        A segment.
    spacing : tuple of float
        Distance of voxel centres along y and x, mm.

    Returns
    -------
    tuple of float
        Both over the convex outline of one connected part of the segment in one slice (8 neighbours). The outline
        runs halfway between voxels inside and outside, as the surface mesh does, so a single voxel of 1 mm is 1 mm
        wide.

    Notes
    -----
    After RECIST 1.1 (Eisenhauer et al., Eur J Cancer 2009, 45:228-247): the longest diameter in the plane of
    measurement, for lymph nodes the short axis perpendicular to it. Slices are those of the image, axial or not.

    Examples
    --------
    >>> bar = np.zeros((1, 7, 7), bool)
    >>> bar[0, 2:5, 1:6] = True
    >>> [round(mm, 3) for mm in in_slice_diameters(bar, (1.0, 1.0))]
    [5.385, 3.231]
    """
    from scipy.ndimage import find_objects, label

    in_plane = np.zeros((3, 3, 3), bool)
    in_plane[1] = True
    parts, _ = label(mask, in_plane)
    best: tuple[float, Floats, Floats] | None = None
    boxes = [(number, box) for number, box in enumerate(find_objects(parts), start=1)]
    # Largest boxes first: what cannot beat the longest found so far needs no outline.
    boxes.sort(key=lambda item: _diagonal(item[1], spacing), reverse=True)
    for number, box in boxes:
        if best is not None and _diagonal(box, spacing) <= best[0]:
            break
        outline = _hull(_outline(parts[box][0] == number) * spacing)
        apart = outline[:, None] - outline[None]
        squares = np.einsum("ijk,ijk->ij", apart, apart)
        i, j = np.unravel_index(int(np.argmax(squares)), squares.shape)
        length = float(np.sqrt(squares[i, j]))
        if best is None or length > best[0]:
            best = (length, outline, apart[i, j] / length)
    if best is None:
        return float("nan"), float("nan")
    length, outline, along = best
    return length, _longest_across(outline, along)


def _diagonal(box: tuple[slice, slice, slice], spacing: tuple[float, float]) -> float:
    return float(np.hypot(*((side.stop - side.start) * mm for side, mm in zip(box[1:], spacing, strict=True))))


def _outline(part: NDArray[np.bool_]) -> Floats:
    """Points halfway to the next voxel outside at both ends of every row and column, (n, 2) in voxels."""
    points = []
    for axis in (0, 1):
        lines = np.flatnonzero(part.any(axis=axis))
        filled = part[:, lines] if axis == 0 else part[lines].T
        first = filled.argmax(axis=0) - 0.5
        last = len(filled) - 1 - filled[::-1].argmax(axis=0) + 0.5
        for ends in (first, last):
            points.append(np.stack([ends, lines] if axis == 0 else [lines, ends], axis=1))
    return np.concatenate(points).astype(np.float64)


def _hull(points: Floats) -> Floats:
    from scipy.spatial import ConvexHull

    corners: Floats = points[ConvexHull(points).vertices]
    return corners


def _longest_across(outline: Floats, along: Floats) -> float:
    """Longest chord of a convex outline perpendicular to a direction.

    The length of the chord is concave and piecewise linear along the direction, so it is largest at a corner.
    """
    across = np.array([-along[1], along[0]])
    t, s = outline @ along, outline @ across
    first, last = int(np.argmin(t)), int(np.argmax(t))
    chains = []
    for step in (1, -1):
        chain = [first]
        while chain[-1] != last:
            chain.append((chain[-1] + step) % len(outline))
        chains.append(chain)
    one, other = (np.interp(t, t[chain], s[chain]) for chain in chains)
    return float(np.abs(one - other).max())
