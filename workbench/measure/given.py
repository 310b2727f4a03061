"""Masks and images as they are given: taken out of an array or a Dataset, checked, and given back in the same form."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from workbench.errors import IrregularGeometry, UsageError

if TYPE_CHECKING:
    import xarray as xr

    from workbench.arrays import ImageGrid

Given = TypeVar("Given", "xr.DataArray", "xr.Dataset")
AXES = ("z", "y", "x")


@dataclass(frozen=True, eq=False)
class GivenMasks:
    """Boolean masks (z, y, x) or (segment, z, y, x)."""

    #: The masks, segments first.
    array: xr.DataArray
    #: Name of the dim of segments, empty without one.
    dim: str
    #: Dataset that says where the voxels are: an array taken out of it leaves ``affine`` and ``position`` behind.
    place: xr.Dataset
    #: Whether a Dataset was given, which knows its place as far as anything does.
    from_dataset: bool

    def grid(self, operation: str, *, sheared: bool = False) -> ImageGrid:
        """Even grid of the masks; refused by the name of the finding where there is none."""
        from workbench.arrays.image_grid import image_grid
        from workbench.arrays.same_grid import require_even

        if not self.from_dataset and not image_grid(self.place).placed:
            raise IrregularGeometry(
                f"an array alone does not say where its slices lie, and {operation} needs it",
                remedy="give the Dataset that holds it: ds instead of ds['mask']",
            )
        return require_even(self.place, operation, sheared=sheared)

    def segments(self) -> dict[str, xr.DataArray]:
        """Each segment (z, y, x) by name; a mask without a dim of segments by its scalar name, or ``""``."""
        if not self.dim:
            named = "segment" in self.array.coords
            return {str(self.array["segment"].item()) if named else "": self.array}
        if self.dim not in self.array.coords:
            raise UsageError(f"segments have no names: no coordinate {self.dim!r}", remedy="select one with isel")
        names = [str(name) for name in self.array[self.dim].values]
        if repeated := sorted({name for name in names if names.count(name) > 1}):
            raise UsageError(
                f"{len(repeated)} segment names stand for several segments, the first is {repeated[0]!r}",
                remedy="select with masks(select=...), or compare one by one: mask.isel(segment=...)",
            )
        return {name: self.array.isel({self.dim: number}) for number, name in enumerate(names)}


def masks_of(given: xr.DataArray | xr.Dataset, what: str = "the mask") -> GivenMasks:
    """Boolean masks of an array, or of ``mask`` in a Dataset.

    Raises
    ------
    UsageError
        No ``mask``, not boolean, or dims other than (z, y, x) or (segment, z, y, x).
    """
    import xarray as xr

    _labelled(given, what)
    place: xr.Dataset | None = None
    if isinstance(given, xr.Dataset):
        if "mask" not in given:
            raise UsageError("no variable 'mask' in this Dataset", remedy="add masks: ds.patient.masks()")
        place, given = given, given["mask"]
    further = [str(dim) for dim in given.dims if dim not in AXES]
    if len(further) > 1 or not set(AXES) <= set(given.dims):
        raise UsageError(
            f"{what} has dims ({', '.join(map(str, given.dims))}), not (z, y, x) or (segment, z, y, x)",
            remedy="select one of each further dimension with isel",
        )
    if given.dtype != bool:
        raise UsageError(f"{what} is {given.dtype}, not boolean", remedy="say what counts: fraction >= 0.5, label == 3")
    alone = given.to_dataset(name="mask") if place is None else place
    return GivenMasks(given.transpose(*further, *AXES), further[0] if further else "", alone, place is not None)


def _labelled(given: object, what: str) -> None:
    import xarray as xr

    if not isinstance(given, (xr.DataArray, xr.Dataset)):
        raise UsageError(
            f"{what} is a {type(given).__name__}, not a labelled array",
            remedy="give a DataArray or Dataset; ds.patient.masks(array) makes one of a numpy array",
        )


def image_of(given: xr.DataArray | xr.Dataset) -> xr.DataArray:
    """The image of a Dataset, or the array itself; real numbers, not colour.

    Raises
    ------
    UsageError
        No ``image``, a colour image, complex numbers or texts.
    """
    import xarray as xr

    _labelled(given, "the image")
    if isinstance(given, xr.Dataset):
        if "image" not in given:
            raise UsageError("no variable 'image' in this Dataset", remedy="call it on a Dataset of a series")
        given = given["image"]
    if "channel" in given.dims or given.attrs.get("value_kind") == "colour":
        raise UsageError("a colour image has no intensity", remedy="select a channel, or work on a grey image")
    if given.dtype.kind not in "iuf":
        raise UsageError(f"the image is {given.dtype}", remedy="take real numbers")
    return given


def given_back(given: Given, name: str, result: xr.DataArray) -> Given:
    """*result* in the form of *given*: an array for an array, a Dataset with the variable *name* replaced for one."""
    import xarray as xr

    if isinstance(given, xr.Dataset):
        return given.assign({name: result})
    assert isinstance(given, xr.DataArray)
    return result


def as_attributes(name: str, said: dict[str, Any]) -> dict[str, Any]:
    """What was done, as attributes that every format keeps: texts, numbers and lists of numbers, each by its name.

    Examples
    --------
    >>> as_attributes("threshold", {"method": "range", "low": 5.0})
    {'threshold': 'range', 'threshold_low': 5.0}
    """
    return {name if key == "method" else f"{name}_{key}": value for key, value in said.items()}


def inside(image: xr.DataArray, mask: xr.DataArray | None, given: xr.DataArray | xr.Dataset) -> NDArray[Any]:
    """Values of *image*, (n,), in the voxels of *mask*, or in all of them; without NaN and infinities.

    Raises
    ------
    UsageError
        A mask with other dims than the image, or that is not boolean.
    GridMismatch
        A mask on another grid.
    """
    values = np.asarray(image.values)
    if mask is not None:
        import xarray as xr

        from workbench.measure.same_places import require_same_places

        if mask.dtype != bool or not set(mask.dims) <= set(image.dims) or not set(AXES) <= set(mask.dims):
            raise UsageError(
                f"the mask is {mask.dtype} ({', '.join(map(str, mask.dims))}), not boolean (z, y, x)",
                remedy="select one segment: ds['mask'].sel(segment=...)",
            )
        # An array that is not from a Dataset is its own.
        require_same_places(given if isinstance(given, xr.Dataset) else given.to_dataset(name="image"), mask)
        wanted = [str(dim) for dim in image.dims if dim in mask.dims]
        values = np.moveaxis(values, [image.dims.index(dim) for dim in wanted], range(len(wanted)))
        values = values[np.asarray(mask.transpose(*wanted).values)]
    flat = values.ravel()
    return flat[np.isfinite(flat)] if flat.dtype.kind == "f" else flat
