"""Images brought to a common scale: by mean and standard deviation, or by percentiles."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from workbench.arguments import checked
from workbench.errors import NotMeasurable, UsageError
from workbench.measure.given import Given, as_attributes, given_back, image_of, inside

if TYPE_CHECKING:
    import xarray as xr

#: Attributes that say what numbers mean which are no more.
_GONE: Final = (
    "stored_slope", "stored_intercept", "value_label", "value_steps", "pixel_padding_value",
)  # fmt: skip


@checked
def zscore(ds: Given, mask: xr.DataArray | None = None) -> Given:
    """Image in standard deviations from the mean, float32, units 1; same dims and coordinates.

    Parameters
    ----------
    ds : Dataset or DataArray
        A series with ``image``, or an image; what is given comes back.
    mask : DataArray, optional
        Boolean (z, y, x): mean and standard deviation are those of its voxels. Default: of all. All voxels are
        rescaled in both cases.

    Returns
    -------
    Dataset or DataArray
        ``attrs["normalisation"]`` of the image says the method; ``normalisation_mean``,
        ``normalisation_standard_deviation`` (of the population) and ``normalisation_units`` the numbers and the unit
        they are in; ``value_kind`` is ``normalised``. Voxels without a value (NaN, infinite) stay and do not count.

    Raises
    ------
    NotMeasurable
        No voxel with a value, or all of the same.
    GridMismatch
        The mask is on another grid.

    Examples
    --------
    >>> from workbench.arrays import from_array
    >>> ds = from_array(np.array([[[10, 20, 30, 40]]], "int16"), np.eye(4)[:, [2, 1, 0, 3]], units="[hnsf'U]")
    >>> normal = zscore(ds)
    >>> normal["image"].values.astype(float).round(2).tolist(), normal["image"].attrs["units"]
    ([[[-1.34, -0.45, 0.45, 1.34]]], '1')
    """
    image = image_of(ds)
    values = inside(image, mask, ds).astype(np.float64)
    centre, scale = _centre_and_scale(values)
    said = {"method": "z-score", "mean": centre, "standard_deviation": scale}
    return _without_factor(given_back(ds, "image", _rescaled(image, centre, scale, said, mask)))


@checked
def percentile(
    ds: Given, low: float = 1.0, high: float = 99.0, *, mask: xr.DataArray | None = None, clip: bool = True
) -> Given:
    """Image with its *low* percentile at 0 and its *high* one at 1, float32, units 1; same dims and coordinates.

    Parameters
    ----------
    ds : Dataset or DataArray
        A series with ``image``, or an image; what is given comes back.
    low, high : float
        Percentiles, 0 to 100, linear between values; default 1 and 99.
    mask : DataArray, optional
        Boolean (z, y, x): percentiles are those of its voxels. Default: of all. All voxels are rescaled.
    clip : bool, default True
        Whether values beyond become 0 and 1.

    Returns
    -------
    Dataset or DataArray
        ``attrs["normalisation"]`` of the image says the method; ``normalisation_percentiles``,
        ``normalisation_values`` and ``normalisation_units`` the numbers and the unit they are in.

    Raises
    ------
    UsageError
        Percentiles that do not ascend within 0 to 100.
    NotMeasurable
        No voxel with a value, or both percentiles at the same value.
    GridMismatch
        The mask is on another grid.

    Examples
    --------
    >>> from workbench.arrays import from_array
    >>> ds = from_array(np.array([[[0, 10, 20, 30, 40]]], "int16"), np.eye(4)[:, [2, 1, 0, 3]])
    >>> percentile(ds, 25, 75)["image"].values.tolist()
    [[[0.0, 0.0, 0.5, 1.0, 1.0]]]
    """
    if not 0 <= low < high <= 100:
        raise UsageError(f"percentiles {low!r} and {high!r}", remedy="give two that ascend, from 0 to 100")
    image = image_of(ds)
    values = inside(image, mask, ds)
    if not len(values):
        raise NotMeasurable("no voxel has a value", remedy="check the mask")
    ends = [float(value) for value in np.percentile(values.astype(np.float64), [low, high])]
    if ends[0] == ends[1]:
        raise NotMeasurable(f"both percentiles are {ends[0]:g}", remedy="widen them, or give a mask of what counts")
    said = {"method": "percentile", "percentiles": [float(low), float(high)], "values": ends, "clipped": int(clip)}
    result = _rescaled(image, ends[0], ends[1] - ends[0], said, mask)
    return _without_factor(given_back(ds, "image", result.clip(0, 1, keep_attrs=True) if clip else result))


def _centre_and_scale(values: Any) -> tuple[float, float]:
    if not len(values):
        raise NotMeasurable("no voxel has a value", remedy="check the mask")
    if values.min() == values.max():
        raise NotMeasurable(f"all voxels are {values[0]:g}", remedy="give a mask of what counts")
    return float(values.mean()), float(values.std())


def _rescaled(
    image: xr.DataArray, zero: float, one: float, said: dict[str, Any], mask: xr.DataArray | None
) -> xr.DataArray:
    """``(image - zero) / one`` as float32; what the attributes said of the old numbers goes with them."""
    values = np.asarray(image.values)
    result = np.empty(values.shape, dtype=np.float32)
    # Slice by slice in float64: differences of large numbers keep their digits, and no second volume is needed.
    for index in np.ndindex(values.shape[:-2]):
        result[index] = (values[index].astype(np.float64) - zero) / one
    within = "image" if mask is None else str(mask.coords["segment"].item()) if "segment" in mask.coords else "mask"
    attrs = {key: value for key, value in image.attrs.items() if key not in _GONE}
    attrs |= {
        "units": "1",
        "long_name": f"{said['method']} normalised image",
        "value_kind": "normalised",
        **as_attributes("normalisation", {**said, "of": within, "units": str(image.attrs.get("units", ""))}),
    }
    rescaled = image.copy(data=result)
    rescaled.attrs = attrs
    return rescaled


def _without_factor(given: Given) -> Given:
    """*given* without the factor that would make uptake of numbers that are no more."""
    return given.drop_vars("suv_factor", errors="ignore")
