"""Regions that grow from a place in the patient."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from workbench.arguments import checked
from workbench.errors import NotMeasurable, OutsideImage, UsageError
from workbench.measure.given import AXES, as_attributes, image_of

if TYPE_CHECKING:
    import xarray as xr


@checked
def grow(
    ds: xr.Dataset | xr.DataArray, seed_mm: Sequence[float], *, tolerance: float, connectivity: int = 1
) -> xr.DataArray:
    """Mask (z, y, x) of the voxels joined to the one at a place by voxels of a similar value; bool.

    Parameters
    ----------
    ds : Dataset or DataArray
        A series with ``image`` (z, y, x), or an image.
    seed_mm : (x, y, z)
        Place in LPS mm; the voxel that holds it is the seed.
    tolerance : float
        Largest difference from the value of the seed, in the unit of the image.
    connectivity : int, default 1
        1: voxels that share a face are joined; 2: an edge will do; 3: a corner will do.

    Returns
    -------
    DataArray
        Named ``mask``; ``attrs["region_seed_mm"]``, ``region_value``, ``region_tolerance``,
        ``region_connectivity`` and ``region_units`` say how it was grown.

    Raises
    ------
    OutsideImage
        No voxel holds the place.
    NotMeasurable
        The voxel at the place has no value.
    UsageError
        Further dimensions, a negative tolerance, another connectivity.
    IrregularGeometry
        The image has no place in the patient, or slices between which a region cannot be followed.

    Examples
    --------
    >>> from workbench.arrays import from_array
    >>> ds = from_array(np.array([[[0, 50, 55, 0, 52]], [[0] * 5]]), np.eye(4)[:, [2, 1, 0, 3]])
    >>> grow(ds, (1.2, 0, 0), tolerance=10).values[0].tolist()
    [[False, True, True, False, False]]
    """
    import xarray as xr
    from skimage.segmentation import flood

    from workbench.arrays.points import to_voxel
    from workbench.arrays.same_grid import require_even

    image = image_of(ds)
    if set(image.dims) != set(AXES):
        raise UsageError(
            f"the image has dims ({', '.join(map(str, image.dims))}), not (z, y, x)", remedy="select one with isel"
        )
    if isinstance(tolerance, bool) or not np.isfinite(tolerance) or tolerance < 0:
        raise UsageError(f"tolerance cannot be {tolerance!r}", remedy="give a number, 0 or more")
    if connectivity not in (1, 2, 3):
        raise UsageError(f"connectivity cannot be {connectivity!r}", remedy="use 1, 2 or 3")
    placed = ds if isinstance(ds, xr.Dataset) else ds.to_dataset(name="image")
    require_even(placed, "grow", sheared=True)
    image = image.transpose(*AXES)
    seed = tuple(int(number) for number in np.rint(to_voxel(placed, np.asarray(seed_mm, dtype=np.float64))))
    if any(number < 0 or number >= size for number, size in zip(seed, image.shape, strict=True)):
        raise OutsideImage("the seed is outside the image", remedy="give a place (x, y, z) in LPS mm inside it")
    values = np.asarray(image.values)
    start = float(values[seed])
    if not np.isfinite(start):
        raise NotMeasurable("the voxel at the seed has no value", remedy="move the seed")
    similar = (values >= start - tolerance) & (values <= start + tolerance)
    grown = image.copy(data=flood(similar, seed, connectivity=connectivity)).rename("mask")
    said = {
        "seed_mm": [float(number) for number in seed_mm], "value": start, "tolerance": float(tolerance),
        "connectivity": int(connectivity), "units": str(image.attrs.get("units", "")),
    }  # fmt: skip
    grown.attrs = {"long_name": "segmentation", "units": "1", **as_attributes("region", {"method": "grown", **said})}
    return grown
