"""The part of an image that a segment fills: found and read slice by slice, nothing else is touched."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import xarray as xr

    from workbench.arrays import ImageGrid

Box = tuple[slice, slice, slice]
#: Slices of a mask that are read at a time while looking for the segment.
BLOCK: Final = 32


@dataclass(frozen=True, eq=False)
class Region:
    """A segment in the smallest box that holds it."""

    #: Voxels of the segment, (z, y, x) bool; at least one on every face.
    mask: NDArray[np.bool_]
    #: Where the box is in the image, voxel numbers.
    box: Box
    #: Distance of voxel centres along z, y and x, mm.
    spacing: tuple[float, float, float]
    #: Voxel index within the box (z, y, x, 1) -> LPS mm (x, y, z, 1).
    affine: NDArray[np.float64]

    @property
    def voxel_volume(self) -> float:
        """Volume of a voxel, mm3."""
        return self.spacing[0] * self.spacing[1] * self.spacing[2]


def region(mask: xr.DataArray, grid: ImageGrid) -> Region | None:
    """Box of a mask (z, y, x) bool on an even grid; None where the mask is empty.

    Lazy masks are read once, a few slices at a time; slices without the segment are not kept.
    """
    parts: list[NDArray[np.bool_]] = []
    first = last = -1
    for start in range(0, mask.sizes["z"], BLOCK):
        block = np.asarray(mask.isel(z=slice(start, start + BLOCK)).values)
        filled = np.flatnonzero(block.reshape(len(block), -1).any(axis=1))
        if len(filled) == 0:
            if first >= 0:
                parts.append(block)
            continue
        if first < 0:
            first = start + int(filled[0])
            block = block[filled[0] :]
        last = start + int(filled[-1])
        parts.append(block)
    if first < 0:
        return None
    slab = np.concatenate(parts)[: last - first + 1] if len(parts) > 1 else parts[0][: last - first + 1]
    flat: NDArray[np.bool_] = np.asarray(slab.any(axis=0))
    y, x = (_ends(np.asarray(flat.any(axis=axis))) for axis in (1, 0))
    assert grid.affine is not None
    affine = grid.affine.copy()
    affine[:, 3] = grid.affine @ (first, y.start, x.start, 1.0)
    return Region(np.ascontiguousarray(slab[:, y, x]), (slice(first, last + 1), y, x), grid.spacing, affine)


def read_image(image: xr.DataArray, box: Box, margin: Sequence[int] = (0, 0, 0)) -> tuple[NDArray[Any], Box]:
    """Values of an image (z, y, x) in a box widened by *margin* voxels where the image goes on, and the box in them."""
    wide, inner = [], []
    for side, axis, more in zip(box, ("z", "y", "x"), margin, strict=True):
        low = max(0, side.start - more)
        wide.append(slice(low, min(image.sizes[axis], side.stop + more)))
        inner.append(slice(side.start - low, side.stop - low))
    z, y, x = wide
    values = np.asarray(image.isel(z=z, y=y, x=x).values)
    return values, (inner[0], inner[1], inner[2])


def _ends(filled: NDArray[np.bool_]) -> slice:
    where = np.flatnonzero(filled)
    return slice(int(where[0]), int(where[-1]) + 1)
