"""PET uptake: activity concentration times the factor that the headers give."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import xarray as xr

from workbench.arrays.coordinates import word
from workbench.arrays.derived import derived
from workbench.errors import SuvUnavailable, UsageError

#: UCUM unit by kind of SUV, from DICOM PS3.16 CID 85.
UNITS: Final = {
    "SUVbw": "{SUVbw}g/mL", "SUVlbm": "{SUVlbm}g/mL", "SUVbsa": "{SUVbsa}cm2/mL", "SUVibw": "{SUVibw}g/mL",
}  # fmt: skip


def suv(dataset: xr.Dataset) -> xr.Dataset:
    """Dataset of a PET series with ``image`` as standardised uptake value, float32, by body weight unless stated.

    Parameters
    ----------
    dataset : xarray.Dataset
        A PET series with the coordinate ``suv_factor``, one for all or one per slice or frame. One that is already
        in SUV comes back as it is.

    Returns
    -------
    xarray.Dataset
        ``image`` lazy where it was, ``units`` "{SUVbw}g/mL", ``value_kind`` "suv".

    Raises
    ------
    SuvUnavailable
        The headers do not allow an honest factor; ``missing`` names the tags.
    UsageError
        Not a PET series in physical values.

    Examples
    --------
    >>> from workbench.arrays import from_array
    >>> pet = from_array(np.full((1, 1, 2), 5000.0), np.eye(4)[:, [2, 1, 0, 3]], units="Bq/mL")
    >>> suv(pet.assign_coords(suv_factor=4e-4))["image"].values.tolist()
    [[[2.0, 2.0]]]
    """
    if "image" not in dataset:
        raise UsageError("no variable 'image' in this Dataset", remedy="call it on a Dataset of a PET series")
    image = dataset["image"]
    if image.attrs.get("value_kind") == "suv":
        return dataset
    if image.attrs.get("value_kind") == "stored":
        raise UsageError("SUV is not made from stored numbers", remedy="open the series with values='physical'")
    told = dataset.attrs.get("suv_unavailable") or image.attrs.get("suv_unavailable")
    factor = dataset.coords.get("suv_factor")
    series = word(dataset, "series_instance_uid") or None
    if told:
        missing = dataset.attrs.get("suv_missing", image.attrs.get("suv_missing", ()))
        names = tuple(str(name) for name in (missing.split("; ") if isinstance(missing, str) else missing) if str(name))
        what = str(told).removeprefix("SUV not available: ")
        raise SuvUnavailable(f"SUV not available: {what}", missing=names, series=series, remedy="ask the node for them")
    if factor is None:
        if dataset.attrs.get("Modality") not in ("PT", None):
            raise UsageError(f"no SUV for modality {dataset.attrs['Modality']}", remedy="use a PET series")
        raise SuvUnavailable(
            "SUV not available: no coordinate suv_factor in this Dataset",
            series=series,
            remedy="open the series with engine='dicom'; call suv() before resampling, which factors do not outlive",
        )
    kind = str(factor.attrs.get("kind", "SUVbw"))
    kept = {key: value for key, value in image.attrs.items() if not key.startswith("stored_")}
    attrs: dict[str, Any] = kept | {
        "units": UNITS.get(kind, ""), "long_name": f"PET {kind}", "value_kind": "suv",
    }  # fmt: skip
    variable = derived([image.variable, factor.variable], _multiplied, dtype=np.float32, attrs=attrs)
    return dataset.drop_vars("suv_factor").assign(image=variable)


def _multiplied(image: xr.Variable, factor: xr.Variable) -> xr.Variable:
    # float32 throughout: a double in between would need twice the memory of the result.
    return (image.astype(np.float32, copy=False) * factor.astype(np.float32)).transpose(*image.dims)
