"""Whether a mask array stands on the voxels of a Dataset."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from workbench.errors import GridMismatch

if TYPE_CHECKING:
    import xarray as xr


def require_same_places(ds: xr.Dataset, mask: xr.DataArray) -> None:
    """Nothing where the voxels of *mask* are at the places of those of *ds*; an error that says how they differ else.

    A mask taken from another Dataset brings its coordinates along, and they are compared in full. One without
    coordinates ``z``, ``y``, ``x`` does not say where it is.

    Raises
    ------
    GridMismatch
        Other sizes, places or frames of reference, or no coordinates.

    Examples
    --------
    >>> from workbench.arrays import from_array
    >>> ds = from_array(np.zeros((3, 4, 4)), np.diag([1.0, 1.0, 2.0, 1.0])[:, [2, 1, 0, 3]])
    >>> require_same_places(ds, ds["image"] > 0)
    >>> require_same_places(ds, (ds["image"] > 0).isel(z=[0, 1]))
    Traceback (most recent call last):
        ...
    workbench.errors.GridMismatch: grids differ: image 3x4x4, mask 2x4x4 (z, y, x). Use resample_like
    """
    from workbench.arrays.coordinates import word
    from workbench.arrays.image_grid import image_grid
    from workbench.arrays.same_grid import GRID_TOLERANCE, require_same_frame, require_same_grid

    axes = ("z", "y", "x")
    if not set(axes) <= set(mask.dims):
        return
    sizes = tuple("x".join(str(one.sizes[axis]) for axis in axes) for one in (ds, mask))
    if sizes[0] != sizes[1]:
        raise GridMismatch(f"grids differ: image {sizes[0]}, mask {sizes[1]} (z, y, x)", remedy="Use resample_like")
    if not set(axes) <= set(mask.coords):
        raise GridMismatch(
            "the mask has no coordinates z, y, x: it does not say where it is",
            remedy='give it those of the image: ds["image"].copy(data=mask)',
        )
    other = mask.to_dataset(name="mask")
    frames = [word(one, "frame_of_reference_uid") for one in (ds, other)]
    if all(frames):
        require_same_frame(ds, other)
    if image_grid(other).placed:
        require_same_grid(ds, other, check_frame=False)
        return
    # Arithmetic may drop what says how the axes run; the millimetres along them are left to compare.
    for axis in axes:
        ours, theirs = np.asarray(ds[axis].values), np.asarray(mask[axis].values)
        step = float(np.abs(np.diff(ours)).min()) if len(ours) > 1 else 1.0
        if not np.allclose(ours, theirs, rtol=0, atol=GRID_TOLERANCE * step):
            raise GridMismatch(f"grids differ: voxels are elsewhere along {axis}", remedy="Use resample_like")
