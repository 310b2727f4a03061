"""Masks from intensities: everything above, below or between thresholds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from workbench.arguments import checked
from workbench.errors import NotMeasurable, UsageError
from workbench.measure.given import as_attributes, image_of, inside

if TYPE_CHECKING:
    import xarray as xr

Range = tuple[float | None, float | None]


@checked
def threshold(
    ds: xr.Dataset | xr.DataArray, at: Literal["otsu"] | float | Range, *, mask: xr.DataArray | None = None
) -> xr.DataArray:
    """Mask of the voxels of an image at or above a threshold, or within a range; bool, dims and coordinates of it.

    Parameters
    ----------
    ds : Dataset or DataArray
        A series with ``image``, or an image.
    at : "otsu", float or (low, high)
        ``"otsu"``: above the value that best parts a histogram of 256 bins in two (Otsu 1979, by scikit-image). A
        number in the unit of the image: at or above it. A range: from low to high, both included; None leaves an end
        open.
    mask : DataArray, optional
        Boolean (z, y, x): only its voxels count, for Otsu's histogram and in the result.

    Returns
    -------
    DataArray
        Named ``mask``; voxels without a value are False. ``attrs["threshold"]`` says the method,
        ``threshold_low``, ``threshold_high`` (or ``threshold_above``) and ``threshold_units`` the bounds.

    Raises
    ------
    UsageError
        Not one of these thresholds.
    NotMeasurable
        Otsu on an image of one value, or of none.
    GridMismatch
        *mask* is on another grid.

    Examples
    --------
    >>> from workbench.arrays import from_array
    >>> ds = from_array(np.array([[[0, 10, 200, 300]]], "int16"), np.eye(4)[:, [2, 1, 0, 3]], units="[hnsf'U]")
    >>> threshold(ds, "otsu").values.tolist()
    [[[False, False, True, True]]]
    >>> threshold(ds, (10, 200)).values.tolist()
    [[[False, True, True, False]]]
    """
    image = image_of(ds)
    values = np.asarray(image.values)
    said: dict[str, Any] = {"units": str(image.attrs.get("units", ""))}
    # Checks the mask also where no histogram is needed.
    counted = inside(image, mask, ds) if mask is not None or isinstance(at, str) else None
    if isinstance(at, str):
        if at != "otsu":
            raise UsageError(f"threshold cannot be {at!r}", remedy="use 'otsu', a number, or (low, high)")
        assert counted is not None
        bound = _otsu(counted)
        found, said = values > bound, {"method": "otsu", "above": bound, **said}
    else:
        low, high = _range(at)
        found = np.isfinite(values) if values.dtype.kind == "f" else np.ones(values.shape, dtype=bool)
        if low is not None:
            found &= values >= low
        if high is not None:
            found &= values <= high
        ends = {"low": low, "high": high}
        said = {"method": "range", **{key: end for key, end in ends.items() if end is not None}, **said}
    result = image.copy(data=found).rename("mask")
    if mask is not None:
        further = [dim for dim in image.dims if dim not in mask.dims]
        only = np.asarray(mask.transpose(*[dim for dim in image.dims if dim in mask.dims]).values)
        result = result.copy(data=found & np.expand_dims(only, tuple(image.dims.index(dim) for dim in further)))
    result.attrs = {"long_name": "segmentation", "units": "1", **as_attributes("threshold", said)}
    return result


def _otsu(values: Any) -> float:
    from skimage.filters import threshold_otsu

    if not len(values):
        raise NotMeasurable("no voxel has a value", remedy="check the mask")
    if values.min() == values.max():
        raise NotMeasurable(f"all voxels are {values[0]:g}: nothing parts them", remedy="give a number")
    return float(threshold_otsu(values, nbins=256))


def _range(at: Any) -> Range:
    given = (at, None) if isinstance(at, int | float) and not isinstance(at, bool) else at
    remedy = "use 'otsu', a number, or (low, high)"
    if not isinstance(given, tuple | list) or len(given) != 2 or all(end is None for end in given):
        raise UsageError(f"threshold cannot be {at!r}", remedy=remedy)
    try:
        low, high = (None if end is None else float(end) for end in given)
    except (TypeError, ValueError):
        raise UsageError(f"threshold cannot be {at!r}", remedy=remedy) from None
    if any(end is not None and not np.isfinite(end) for end in (low, high)):
        raise UsageError(f"threshold cannot be {at!r}", remedy="leave an end open with None")
    if low is not None and high is not None and low > high:
        raise UsageError(f"threshold range {at!r} is empty", remedy="give (low, high)")
    return low, high
