"""Plain labelled arrays on the grid of an image: whole-number labels, or yes and no, from numpy or xarray."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from workbench.dicom.stacks.geometry import Grid
from workbench.errors import GridMismatch, LabelError, UsageError
from workbench.findings import Finding
from workbench.labels.overlay import ALIGN_MM, ALIGN_SHARE, Overlay
from workbench.labels.segment import Masks, Segment, Voxels

Integers = NDArray[np.int64]

#: Axes of an image in their order.
AXES: Final = ("z", "y", "x")
#: Dims that number the segments of a labelled array.
SEGMENT_DIMS: Final = ("segment", "fraction_segment")
#: What a labelled array may say of its segments, in coordinates named ``segment_<field>``.
FIELDS: Final = (
    "code", "meaning", "category", "category_code", "region", "region_meaning", "algorithm", "annotator", "source_uid",
    "date", "standard",
)  # fmt: skip
#: How the attribute ``orientation`` of a coordinate names a direction: axis of LPS, and +1 or -1 along it.
DIRECTIONS: Final = {
    "right-to-left": (0, 1), "left-to-right": (0, -1), "anterior-to-posterior": (1, 1),
    "posterior-to-anterior": (1, -1), "inferior-to-superior": (2, 1), "superior-to-inferior": (2, -1),
}  # fmt: skip
#: Difference of direction cosines below which two axes are equally near to a direction, as at 45 degrees.
_EQUALLY: Final = 1e-3


def masks_of(
    labels: Any,
    *,
    grid: Grid,
    sop_instance_uids: Sequence[str] = (),
    names: Mapping[int, str] | Sequence[str] | None = None,
    fraction: Literal["probability", "occupancy"] | None = None,
    check_frame: bool = True,
) -> Masks:
    """Masks (segment, z, y, x) of a labelled array on the grid of an image; boolean, or float32 if fractions are given.

    Whole numbers (z, y, x): each label but 0 is a segment. Boolean (z, y, x): one segment; (segment, z, y, x): one
    each. A plain numpy array must have the shape of the image; an ``xarray.DataArray`` may be cropped or turned, and
    is placed by its coordinates. Labels are compared when they are read, so nothing is multiplied by the segments.

    Parameters
    ----------
    labels : array or xarray.DataArray
        int or bool; float between 0 and 1 if *fraction* is given.
    grid : Grid
        Of the images.
    sop_instance_uids : sequence of str, optional
        SOPInstanceUID of each slice of the grid; a DataArray that has its own must agree.
    names : mapping of int to str, or sequence of str, optional
        Name of each label, or of each segment in order; by default what the array itself says in a coordinate, or a
        label map in ``attrs["label_names"]``, ``label 1`` elsewhere.
    fraction : {"probability", "occupancy"}, optional
        Take numbers between 0 and 1 as fractions of this kind.
    check_frame : bool, default True
        Whether the frames of reference must agree where both are stated.

    Raises
    ------
    GridMismatch
        Another shape, other places, other images or another frame of reference.
    LabelError
        Values that are no labels.

    Examples
    --------
    >>> from workbench.dicom.stacks.geometry import grid_from
    >>> slices = np.array([[0, 0, 0], [0, 0, 2.0]])
    >>> grid = grid_from(slices, np.array([1.0, 0, 0, 0, 1, 0]), (1, 1), (2, 3))
    >>> labels = np.array([[[0, 1, 1], [0, 0, 5]], [[0, 0, 0], [5, 5, 0]]])
    >>> masks = masks_of(labels, grid=grid, names={5: "liver"})
    >>> [segment.name for segment in masks.segments], masks.data.sum(axis=(2, 3)).tolist()
    (['label 1', 'liver'], [[2, 0], [1, 2]])
    """
    dims = getattr(labels, "dims", None)
    if dims is None:
        array = np.asarray(labels)
        onto = _whole(array, grid)
    else:
        labels = _ordered(labels)
        if check_frame:
            _same_frame(labels, grid)
        onto = _placed(labels, grid, [str(uid) for uid in sop_instance_uids])
        array = np.asarray(labels.values)
    _values_ok(array, fraction)
    numbers: list[int | None]
    if array.ndim == 4:
        numbers, shown = [None] * len(array), list(range(1, len(array) + 1))
    elif array.dtype == np.bool_ or fraction:
        numbers, shown = [None], [1]
    else:
        shown = [int(label) for label in np.unique(array) if label]
        numbers = list(shown)
    segments = tuple(_segment(labels, place, number, names, n=len(shown)) for place, number in enumerate(shown))
    layers = ArrayLayers(array if array.ndim == 4 else array[None], tuple(numbers), onto, bool(fraction))
    findings = _findings(layers, fraction)
    return Masks(segments, onto.shape, layers, "fraction" if fraction else "mask", fraction or "", findings)


@dataclass(frozen=True, slots=True, eq=False)
class ArrayLayers:
    """Voxels of the segments of an array in memory."""

    #: (segment, z, y, x), or (1, z, y, x) with the labels of all.
    array: NDArray[Any]
    #: The label of each segment; None where its own array says it.
    numbers: tuple[int | None, ...]
    #: Where the array is on the grid.
    onto: Overlay
    #: Whether values are fractions.
    fractions: bool

    def read(self, segment: int, slices: Integers) -> Voxels:
        """Voxels (len(slices), y, x) of a segment: bool, or float32 fractions."""
        number = self.numbers[segment]
        if number is not None:
            return self.onto.pick(self.array[0], slices, lambda plane: plane == number, np.bool_)
        return self.onto.pick(self.array[segment], slices, np.asarray, np.float32 if self.fractions else np.bool_)


def _values_ok(array: NDArray[Any], fraction: str | None) -> None:
    if fraction:
        if array.dtype.kind != "f" or not ((array >= 0) & (array <= 1)).all():
            raise LabelError("fractions are real numbers between 0 and 1", remedy="scale them, or give a mask")
        return
    if array.dtype.kind not in "uib":
        raise LabelError(
            f"labels are whole numbers or yes and no, not {array.dtype}",
            remedy="convert them with astype, or say what fractions they are: fraction='probability' or 'occupancy'",
        )
    if array.ndim == 4 and array.dtype != np.bool_:
        raise LabelError("(segment, z, y, x) is boolean", remedy="give labels as (z, y, x), or convert to bool")
    if array.dtype.kind == "i" and array.size and array.min() < 0:
        raise LabelError(f"a label is {array.min()}", remedy="labels are whole numbers from 0")


def _whole(array: NDArray[Any], grid: Grid) -> Overlay:
    if array.ndim not in (3, 4) or array.shape[-3:] != grid.shape:
        raise GridMismatch(
            f"labels of shape {array.shape} for an image of shape {grid.shape} (z, y, x)",
            remedy="give an array of that shape, or a DataArray with coordinates",
        )
    z, y, x = (np.arange(n) for n in grid.shape)
    return Overlay((0, 1, 2), (z, y, x))


def _ordered(labels: Any) -> Any:
    """DataArray with the dims ([segment,] z, y, x)."""
    others = [dim for dim in labels.dims if dim not in AXES]
    if set(AXES) - set(labels.dims) or any(dim not in SEGMENT_DIMS for dim in others) or len(others) > 1:
        raise UsageError(
            f"labels have the dims {', '.join(map(str, labels.dims))}, not ([segment,] z, y, x)",
            remedy="select or rename them first",
        )
    return labels.transpose(*others, *AXES)


def _same_frame(labels: Any, grid: Grid) -> None:
    if "frame_of_reference_uid" not in labels.coords:
        return
    uid = str(labels["frame_of_reference_uid"].item())
    if uid and grid.frame_of_reference_uid and uid != grid.frame_of_reference_uid:
        raise GridMismatch(
            "labels and image differ in FrameOfReferenceUID",
            tag="FrameOfReferenceUID",
            remedy="pass check_frame=False if you know they agree",
        )


def _placed(labels: Any, grid: Grid, uids: list[str]) -> Overlay:
    """Where a DataArray is, by its coordinates z, y, x; by its shape where it has none."""
    if not any(axis in labels.coords for axis in AXES):
        return _whole(labels, grid)
    directions = (grid.normal, grid.column_direction, grid.row_direction)
    signs = [_sign(labels, axis, vector) for axis, vector in zip(AXES, directions, strict=True)]
    indices = []
    for axis, sign, expected in zip(AXES, signs, grid.coordinates(), strict=True):
        if axis not in labels.coords:
            raise GridMismatch(f"labels have no coordinate {axis}", remedy="give all of z, y, x, or none")
        found = np.full(len(expected), -1, dtype=np.int64)
        # A coordinate is the projection on the array's own axis, which may run the other way.
        own = sign * np.asarray(labels[axis].values, dtype=np.float64)
        step = float(np.abs(np.diff(expected)).min()) if len(expected) > 1 else 0.0
        nearest = np.abs(own[:, None] - expected).argmin(axis=1)
        if (np.abs(own - expected[nearest]) > max(ALIGN_SHARE * step, ALIGN_MM)).any():
            raise GridMismatch(
                f"grids differ: labels from {own.min():.2f} to {own.max():.2f} mm along {axis}, image from "
                f"{expected.min():.2f} to {expected.max():.2f} mm",
                remedy="Use resample_like",
            )
        found[nearest] = np.arange(len(own))
        if int((found >= 0).sum()) != len(own) or (axis != "z" and np.ptp(nearest) + 1 != len(own)):
            raise GridMismatch(f"grids differ: other steps along {axis}", remedy="Use resample_like")
        indices.append(found)
    onto = Overlay((0, 1, 2), (indices[0], indices[1], indices[2]))
    if uids and "sop_instance_uid" in labels.coords and labels["sop_instance_uid"].dims == ("z",):
        own_uids = [str(uid) for uid in labels["sop_instance_uid"].values]
        for slice_, source in enumerate(onto.indices[0].tolist()):
            if source >= 0 and own_uids[source] and uids[slice_] and own_uids[source] != uids[slice_]:
                raise GridMismatch(
                    "labels were made on other images (SOPInstanceUID)",
                    tag="SOPInstanceUID",
                    remedy="drop the coordinate sop_instance_uid if the images are the same",
                )
    return onto


def _sign(labels: Any, axis: str, vector: NDArray[np.float64]) -> int:
    """+1 where an axis of the array runs as that of the grid, -1 where it runs against it.

    Raises
    ------
    GridMismatch
        It runs along another.
    """
    said = str(labels[axis].attrs.get("orientation", "")) if axis in labels.coords else ""
    if said not in DIRECTIONS or not np.isfinite(vector).all():
        return 1
    along, sign = DIRECTIONS[said]
    if abs(vector[along]) < np.abs(vector).max() - _EQUALLY:
        raise GridMismatch(f"grids differ: axis {axis} runs {said}", remedy="give labels in the image's own axes")
    return sign if vector[along] > 0 else -sign


def _segment(
    labels: Any, place: int, number: int, names: Mapping[int, str] | Sequence[str] | None, *, n: int
) -> Segment:
    """Segment with what the names or the coordinates of the array say of it."""
    told: dict[str, str] = {}
    name = ""
    dim = next((dim for dim in SEGMENT_DIMS if dim in getattr(labels, "dims", ())), None)
    if dim is not None:
        name = str(labels[dim].values[place]) if dim in labels.coords else ""
        told = {f: str(labels[f"{dim}_{f}"].values[place]) for f in FIELDS if f"{dim}_{f}" in labels.coords}
    elif hasattr(labels, "coords"):
        # One segment of several, picked by isel: its coordinates are scalars now.
        for dim in SEGMENT_DIMS:
            if dim in labels.coords and not labels[dim].dims and n == 1:
                name = str(labels[dim].item())
                told = {f: str(labels[f"{dim}_{f}"].item()) for f in FIELDS if f"{dim}_{f}" in labels.coords}
        if not name and labels.dtype.kind in "ui":
            name, told = _of_label_map(labels, number)
    if isinstance(names, Mapping):
        name = names.get(number, name)
    elif names is not None:
        if isinstance(names, str) or len(names) != n:
            raise UsageError(f"names for {n} segments are needed", remedy="one name for each")
        name = names[place]
    return Segment(number, name or f"label {number}", kind="ARRAY", **told)


def _of_label_map(labels: Any, number: int) -> tuple[str, dict[str, str]]:
    """Name and further fields of a label, where line *number* of the texts ``attrs["label_<field>"]`` says them."""
    said = {f: str(labels.attrs.get(f"label_{f}", "")).split("\n") for f in ("names", *FIELDS)}
    held = {f: lines[number - 1] for f, lines in said.items() if number <= len(lines) and lines[number - 1]}
    return held.pop("names", ""), held


def _findings(layers: ArrayLayers, fraction: str | None) -> tuple[Finding, ...]:
    findings = []
    if not layers.numbers:
        findings.append(Finding("label-empty", "the array holds no label"))
    empty = [k + 1 for k, each in enumerate(layers.array) if not each.any()] if None in layers.numbers else []
    if empty:
        which = ", ".join(str(number) for number in empty[:5])
        findings.append(Finding("label-empty", f"segment {which} has no voxel on the image", count=len(empty)))
    if fraction:
        findings.append(Finding("label-fractional", f"fractions of {fraction}"))
    return tuple(findings)
