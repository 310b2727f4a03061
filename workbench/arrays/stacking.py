"""Images of many patients on one grid of millimetres about a place in each: ``stack``.

Axes are the patient's own whatever plane the images were taken in: z grows to the head, y to the back, x to the left
(LPS). Outside an image there is NaN. Nothing is averaged over voxels: a coarser grid does not smooth.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from workbench.arrays.image_grid import ImageGrid, even_grid, image_grid
from workbench.arrays.lazy_masks import occupied_slices
from workbench.arrays.memory import beyond_memory
from workbench.arrays.resampling import METHODS, Method, resample_onto
from workbench.errors import LabelError, UsageError, WorkbenchError

Floats = NDArray[np.float64]
#: Millimetres around the largest mask where no size is given.
MARGIN_MM: Final = 10.0
#: Slices of a mask read at a time while looking for its voxels.
BLOCK: Final = 32


@dataclass(frozen=True)
class Box:
    """The cube of millimetres that every case is brought onto."""

    #: Mm from voxel to voxel along z, y and x.
    spacing: tuple[float, float, float]
    #: Voxels along z, y and x.
    shape: tuple[int, int, int]

    @classmethod
    def of(cls, spacing: Any, size_mm: Any) -> Box:
        """Box of at least *size_mm* about its middle.

        Parameters
        ----------
        spacing, size_mm : float or three floats
            Mm, along all axes or along z, y and x.

        Raises
        ------
        UsageError
            Numbers that are no millimetres.

        Examples
        --------
        >>> Box.of(2.0, (10, 20, 20)).shape
        (5, 10, 10)
        """
        steps, sizes = _three(spacing, "spacing"), _three(size_mm, "size_mm")
        # A hair of slack: 10 mm in steps of 0.1 mm are 100 voxels whatever binary fractions make of it.
        counts = [max(1, int(np.ceil(size / step - 1e-6))) for size, step in zip(sizes, steps, strict=True)]
        return cls(steps, (counts[0], counts[1], counts[2]))

    @property
    def axes(self) -> dict[str, Floats]:
        """Mm from the middle along z, y and x."""
        return {
            name: np.asarray((np.arange(n) - (n - 1) / 2) * step, dtype=np.float64)
            for name, n, step in zip("zyx", self.shape, self.spacing, strict=True)
        }

    def about(self, centre: Floats, frame_of_reference_uid: str) -> ImageGrid:
        """Grid of the box about a place, LPS mm."""
        affine = np.eye(4)
        # Columns are the steps along z, y and x: towards head, back and left.
        affine[:3, :3] = np.diag(self.spacing)[::-1]
        affine[:3, 3] = centre - affine[:3, :3] @ (np.array(self.shape) - 1) / 2
        return even_grid(affine, self.shape, frame_of_reference_uid)


@dataclass(frozen=True)
class Stacked:
    """One case on the box, or why it is not."""

    #: Values (z, y, x) float32; None where there are none.
    image: NDArray[np.float32] | None
    #: Voxels of the mask (z, y, x); None where there are none.
    mask: NDArray[np.bool_] | None = None
    #: Place of the middle, LPS mm.
    centre: Floats = field(default_factory=lambda: np.full(3, np.nan))
    #: Share of the mask that lies within the box.
    mask_inside: float = float("nan")
    #: UCUM unit of the values.
    units: str = ""
    #: Why there is no image; empty where there is one.
    reason: str = ""


def united(dataset: xr.Dataset) -> xr.Dataset:
    """Dataset whose ``mask (z, y, x)`` is the union of its segments, in memory; each is read once, where it has voxels.

    Raises
    ------
    LabelError
        It has no mask, or an empty one.
    """
    if "mask" not in dataset:
        raise LabelError("no mask lies on the image", remedy="see attrs['mask_findings'], or choose with masks=...")
    segments = dataset["mask"].transpose("segment", "z", "y", "x")
    union = np.zeros(segments.shape[1:], bool)
    for number, slices in enumerate(occupied_slices(segments.variable)):
        for start in range(0, len(slices), BLOCK):
            some = slices[start : start + BLOCK]
            union[some] |= segments.isel(segment=number, z=some).values
    if not union.any():
        raise LabelError("the mask is empty", remedy="choose another with masks=...")
    return dataset.drop_dims("segment").assign(mask=(("z", "y", "x"), union))


def voxel_places(mask: NDArray[np.bool_], grid: ImageGrid) -> Floats:
    """Centres (n, 3), LPS mm, of the voxels of a mask (z, y, x)."""
    assert grid.affine is not None
    filled = np.flatnonzero(mask.any(axis=(1, 2)))
    voxels = np.argwhere(mask[filled[0] : filled[-1] + 1]) + np.array([filled[0], 0, 0])
    places: Floats = voxels @ grid.affine[:3, :3].T + grid.affine[:3, 3]
    return places


def extent(places: Floats, grid: ImageGrid) -> tuple[Floats, Floats]:
    """Middle and size of the box along the patient's axes that holds voxels, LPS mm, to their faces."""
    assert grid.affine is not None
    low, high = places.min(axis=0), places.max(axis=0)
    return (low + high) / 2, high - low + np.abs(grid.affine[:3, :3]).sum(axis=1)


def middle(grid: ImageGrid) -> Floats:
    """Middle of an image, LPS mm."""
    assert grid.affine is not None
    centre: Floats = (grid.affine @ [*(np.array(grid.shape) - 1) / 2, 1.0])[:3]
    return centre


def on_box(dataset: xr.Dataset, box: Box, centre: Floats, *, method: Method) -> Stacked:
    """Image, and mask where there is one, of a Dataset on a box about *centre*.

    Raises
    ------
    WorkbenchError
        An uneven grid, values that are no numbers, a box that lies outside the image.
    """
    kept = {name: dataset[name] for name in ("image", "mask") if name in dataset}
    further = [str(dim) for dim in kept["image"].dims if dim not in ("z", "y", "x")]
    if further:
        raise UsageError(
            f"the image has more than three axes ({', '.join(further)})", remedy="choose with a function: prepare=..."
        )
    # What lies along other axes stays behind; places and attributes go along.
    slim = xr.Dataset(kept, coords=dataset.coords, attrs=dataset.attrs)
    target = box.about(centre, image_grid(dataset).frame_of_reference_uid)
    found = resample_onto(slim, target, method=method)
    image = np.asarray(found["image"].values, dtype=np.float32)
    mask = None if "mask" not in found else np.asarray(found["mask"].values)
    return Stacked(image, mask, centre, units=str(dataset["image"].attrs.get("units", "")))


def share_inside(places: Floats, box: Box, centre: Floats) -> float:
    """Share of voxels, by their centres (n, 3) LPS mm, that lie within a box."""
    half = np.array(box.shape[::-1]) * np.array(box.spacing[::-1]) / 2
    return float((np.abs(places - centre) <= half + 1e-6).all(axis=1).mean())


def stacked(
    cases: Sequence[Stacked], labels: Mapping[str, Sequence[Any]], box: Box, *, around: str, method: str
) -> xr.Dataset:
    """Dataset ``image (case, z, y, x)`` float32 of cases on one box, with ``mask`` where any has one.

    Parameters
    ----------
    cases : sequence of Stacked
        One each; a case without an image is NaN and keeps its reason.
    labels : mapping
        Coordinates along ``case``.
    """
    n = len(cases)
    image = np.full((n, *box.shape), np.nan, np.float32)
    masks = any(case.mask is not None for case in cases)
    mask = np.zeros((n, *box.shape), bool) if masks else None
    for number, case in enumerate(cases):
        if case.image is not None:
            image[number] = case.image
        if mask is not None and case.mask is not None:
            mask[number] = case.mask
    units = {case.units for case in cases if case.image is not None}
    dims = ("case", "z", "y", "x")
    variables: dict[str, Any] = {"image": (dims, image, {"units": units.pop() if len(units) == 1 else ""})}
    if mask is not None:
        variables["mask"] = (dims, mask)
    coords: dict[str, Any] = {
        # Whole numbers stay numbers; texts of any length are objects.
        name: ("case", np.asarray(list(values), dtype=np.int64 if isinstance(next(iter(values), ""), int) else object))
        for name, values in labels.items()
    }
    coords |= {
        "reason": ("case", np.asarray([case.reason for case in cases], dtype=object)),
        "centre_mm": (("case", "axis"), np.array([case.centre for case in cases]).reshape(n, 3)),
        "axis": ("axis", ["x", "y", "z"]),
        **{name: (name, values, {"units": "mm"}) for name, values in box.axes.items()},
    }
    if mask is not None:
        coords["mask_inside"] = ("case", np.array([case.mask_inside for case in cases]))
    attrs = {
        "space": "LPS, mm from centre_mm: z to the head, y to the back, x to the left",
        "spacing_mm": list(box.spacing),
        "around": around,
        "interpolation": method,
    }
    return xr.Dataset(variables, coords=coords, attrs=attrs)


def require_room(n: int, box: Box) -> None:
    """Nothing where *n* cases on a box fit into the memory.

    Raises
    ------
    UsageError
        They do not.
    """
    if short := beyond_memory((n, *box.shape), 5):
        raise UsageError(
            f"{n} cases of {box.shape} voxels need {short}", remedy="take a larger spacing, or fewer cases"
        )


def reason_of(error: WorkbenchError) -> str:
    """What an error says, for a case's row."""
    return f"{error.what}. {error.remedy}" if error.remedy else error.what


def known_method(method: Any) -> Method:
    """One of the methods of interpolation.

    Raises
    ------
    UsageError
        Another.
    """
    if method not in METHODS:
        raise UsageError(f"method cannot be {method!r}", remedy=f"use {', '.join(METHODS)}")
    found: Method = method
    return found


def _three(value: Any, name: str) -> tuple[float, float, float]:
    numbers = [value] * 3 if np.ndim(value) == 0 else list(value)
    try:
        floats = [float(number) for number in numbers]
    except (TypeError, ValueError):
        floats = []
    if len(floats) != 3 or isinstance(value, (str, bool)) or not all(1e-6 <= number <= 1e6 for number in floats):
        raise UsageError(f"{name} cannot be {value!r}", remedy="millimetres, one number or three along z, y and x")
    return floats[0], floats[1], floats[2]
