"""What must hold before voxels are combined: one grid, one frame of reference, even slices. Refusals, with remedy."""

from __future__ import annotations

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from workbench.arrays.axes import AXES, CHANGED
from workbench.arrays.coordinates import word
from workbench.arrays.image_grid import ImageGrid, image_grid
from workbench.errors import GridMismatch, IrregularGeometry

#: Displacement of a voxel that still counts as none, as a share of the smallest voxel spacing.
GRID_TOLERANCE = 0.01


def require_same_grid(
    a: xr.Dataset, b: xr.Dataset, *, tolerance_mm: float | None = None, check_frame: bool = True
) -> None:
    """Nothing where the voxels of *a* and *b* are at the same places; an error that says how they differ otherwise.

    Parameters
    ----------
    a, b : xarray.Dataset
        Series, or parts of series, as opened by ``engine="dicom"``.
    tolerance_mm : float, optional
        Largest distance between two voxels of the same index, mm. Default: 1 % of the smallest voxel spacing.
    check_frame : bool, default True
        Whether the frames of reference must be the same.

    Raises
    ------
    GridMismatch
        Other sizes, places or frames of reference.
    IrregularGeometry
        Images without a place that are not of one series.

    Examples
    --------
    >>> from workbench.arrays import from_array
    >>> affine = np.diag([1.0, 1.0, 2.0, 1.0])[:, [2, 1, 0, 3]]
    >>> a = from_array(np.zeros((3, 4, 4)), affine, frame_of_reference_uid="1.2.3")
    >>> require_same_grid(a, a + 1)
    >>> require_same_grid(a, a.isel(z=[0, 1]))
    Traceback (most recent call last):
        ...
    workbench.errors.GridMismatch: grids differ: 4x4x3 at 1.00x1.00x2.00 mm, 4x4x2 at ... mm. Use resample_like
    """
    first, second = image_grid(a), image_grid(b)
    if check_frame:
        require_same_frame(a, b)
    if not (first.placed and second.placed):
        if first.placed == second.placed and _same_series(a, b) and _same_labels(a, b):
            return
        raise IrregularGeometry(
            "images without a place in the patient cannot be compared by place", remedy="compare them one by one"
        )
    texts = first.describe(), second.describe()
    if first.shape != second.shape:
        raise GridMismatch(f"grids differ: {texts[0]}, {texts[1]}", remedy="Use resample_like")
    if tolerance_mm is None:
        steps = [np.linalg.norm(step) for grid in (first, second) for step in (grid.y_step, grid.x_step)]
        if first.shape[0] > 1:
            steps += [np.linalg.norm(np.diff(grid.positions, axis=0), axis=1).min() for grid in (first, second)]
        tolerance_mm = GRID_TOLERANCE * float(min(steps))
    apart = max(float(np.linalg.norm(_corners(first) - _corners(second), axis=-1).max()), 0.0)
    if apart > tolerance_mm:
        more = f" and up to {apart:.2f} mm apart" if texts[0] == texts[1] else f", up to {apart:.2f} mm apart"
        both = f"both {texts[0]}" if texts[0] == texts[1] else f"{texts[0]}, {texts[1]}"
        raise GridMismatch(f"grids differ: {both}{more}", remedy="Use resample_like")


def require_same_frame(a: xr.Dataset, b: xr.Dataset) -> None:
    """Nothing where millimetres mean the same in *a* and *b*: one frame of reference, or one series.

    Raises
    ------
    GridMismatch
        The frames of reference differ, or are not stated.
    """
    one, other = (word(each, "frame_of_reference_uid") for each in (a, b))
    if one and one == other:
        return
    if not one and not other and _same_series(a, b):
        return
    remedy = "pass check_frame=False if you know they agree"
    if one and other:
        raise GridMismatch("images differ in FrameOfReferenceUID", tag="FrameOfReferenceUID", remedy=remedy)
    raise GridMismatch("FrameOfReferenceUID is not stated", tag="FrameOfReferenceUID", remedy=remedy)


def require_even(dataset: xr.Dataset, operation: str, *, sheared: bool = False) -> ImageGrid:
    """Grid of *dataset*, which has an affine; refused by the name of the finding where it has none.

    Parameters
    ----------
    dataset : xarray.Dataset
        A series.
    operation : str
        What needs the even grid; for the message.
    sheared : bool, default False
        Whether tilted slices will do.

    Raises
    ------
    IrregularGeometry
        Slices missing, uneven, alone, tilted or without a place.
    """
    grid = image_grid(dataset)
    if grid.affine is not None and (sheared or grid.kind != "sheared"):
        return grid
    raise irregular(dataset, grid, operation)


def irregular(dataset: xr.Dataset, grid: ImageGrid, operation: str) -> IrregularGeometry:
    """Error that names the finding on *grid* and what to do before *operation*."""
    needs = f"{operation} needs an even grid"
    series = word(dataset, "series_instance_uid") or None
    if not grid.placed and not grid.kind:
        what = f"an operation dropped the place of this image, and {operation} needs it"
        return IrregularGeometry(what, series=series, remedy=f"Keep affine and position; {CHANGED}")
    if not grid.placed and grid.kind not in ("projection", "unplaced"):
        return IrregularGeometry(
            f"{grid.kind}: the directions of rows and columns are not in this Dataset, and {operation} needs them",
            series=series,
            tag="ImageOrientationPatient",
            remedy="Open the series again, and keep its attributes",
        )
    if grid.kind == "sheared":
        what = f"gantry-tilt: sheared by {grid.shear_deg:.1f} degrees (gantry tilt). {operation} needs straight slices"
        remedy = "Resample first: ds.patient.straighten()"
    elif grid.kind == "gaps":
        what = f"slices-missing: {_missing(grid)}. {needs}"
        remedy = "Call ds.patient.fill_gaps() first, or take a part without gaps"
    elif grid.kind == "variable":
        what, remedy = _uneven(grid)
        what = f"{what}. {needs}"
    elif grid.kind == "single":
        what, remedy = f"single-slice: one slice; its thickness is not a spacing. {needs}", "Work in 2-D"
    elif grid.kind == "projection":
        what, remedy = f"projection: no place in the patient. {needs}", "Work in 2-D"
    else:
        what, remedy = f"unplaced: position or orientation missing. {needs}", "Ask the node for the headers"
    return IrregularGeometry(what, series=series, remedy=remedy)


def missing_slices(grid: ImageGrid) -> tuple[NDArray[np.int64], int]:
    """Number of each slice on the grid with its gaps filled, (z,), and how many slices that grid has."""
    along = (grid.positions - grid.positions[0]) @ grid.normal
    numbers = np.rint(along / grid.slice_spacing).astype(np.int64)
    return numbers, int(numbers[-1]) + 1


def _uneven(grid: ImageGrid) -> tuple[str, str]:
    """What is uneven about slices that are all there, and what to do."""
    steps = np.diff(grid.positions, axis=0) @ grid.normal
    if np.abs(steps).min() < 1e-6:
        return "slices repeat: some are at the same place", "Take each slice once"
    if steps.min() < 0 < steps.max():
        return "slices are out of order", "Sort them: ds.sortby('z')"
    if grid.reason.startswith("slices-displaced"):
        return grid.reason, "Work slice by slice"
    return (
        f"spacing-uneven: steps from {steps.min():.2f} to {steps.max():.2f} mm",
        "Work slice by slice, or on a part with even steps",
    )


def _missing(grid: ImageGrid) -> str:
    numbers, total = missing_slices(grid)
    absent = np.setdiff1d(np.arange(total), numbers)
    first = float(grid.positions[0] @ grid.normal)
    depths = first + absent * grid.slice_spacing
    one = len(absent) == 1
    where = f"{depths[0]:.1f} mm" if one else f"{depths[0]:.1f} to {depths[-1]:.1f} mm"
    which = f"slice {absent[0] + 1}" if one else f"slices {absent[0] + 1} to {absent[-1] + 1}"
    if len(absent) > 1 and absent[-1] - absent[0] + 1 > len(absent):
        which = f"{len(absent)} slices between {absent[0] + 1} and {absent[-1] + 1}"
    return f"{which} missing ({len(absent)} of {total}, at {where})"


def _corners(grid: ImageGrid) -> NDArray[np.float64]:
    """Places of the four corner voxels of every slice, (z, 4, 3) mm."""
    _, rows, columns = grid.shape
    ends = [i * (rows - 1) * grid.y_step + j * (columns - 1) * grid.x_step for i in (0, 1) for j in (0, 1)]
    corners: NDArray[np.float64] = grid.positions[:, None] + np.array(ends)
    return corners


def _same_series(a: xr.Dataset, b: xr.Dataset) -> bool:
    series = word(a, "series_instance_uid")
    return bool(series) and series == word(b, "series_instance_uid")


def _same_labels(a: xr.Dataset, b: xr.Dataset) -> bool:
    return all(a.sizes[axis] == b.sizes[axis] and bool((a[axis].values == b[axis].values).all()) for axis in AXES)
