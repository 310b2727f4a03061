"""Coordinates of a series Dataset: where its voxels are, which object each came from, how it was acquired."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import numpy as np
import pyarrow as pa
import xarray as xr
from numpy.typing import NDArray

from workbench.dicom.series import Series
from workbench.dicom.stacks.geometry import Grid
from workbench.dicom.stacks.keys import ExtraDim
from workbench.dicom.stacks.split import numbers
from workbench.dicom.stacks.stack import Plan

#: Header columns that say how an image was made: scalar coordinates where constant, per image where they vary.
ACQUISITION: Final = {
    "SliceThickness": "mm", "KVP": "kV", "RepetitionTime": "ms", "EchoTime": "ms", "InversionTime": "ms",
    "FlipAngle": "deg", "MagneticFieldStrength": "T", "DiffusionBValue": "s/mm2", "TriggerTime": "ms",
    "GantryDetectorTilt": "deg", "FrameReferenceTime": "ms", "ActualFrameDuration": "ms", "InstanceNumber": "",
    "AcquisitionNumber": "", "AcquisitionTime": "", "TemporalPositionIdentifier": "", "Laterality": "",
    "ImageLaterality": "", "ViewPosition": "", "PatientOrientation": "", "frame_time_ms": "ms",
    "temporal_offset_s": "s", "cardiac_phase_percent": "%", "respiratory_phase_percent": "%",
}  # fmt: skip
#: How far a place worked out from z, y and x alone may be off, mm.
DIRECTIONS_MM: Final = 1e-3
_AXES: Final = (("left", "right"), ("posterior", "anterior"), ("superior", "inferior"))


def extra_coords(extras: Sequence[ExtraDim]) -> dict[str, Any]:
    """Index coordinate of each dimension before z."""
    return {
        extra.name: text((extra.name,), extra.values)
        if extra.values.dtype.kind == "U"
        else xr.Variable((extra.name,), extra.values, {"units": extra.units})
        for extra in extras
    }


def varying_coord(plan: Plan, dims: tuple[str, ...], column: NDArray[Any], attrs: dict[str, Any]) -> xr.Variable:
    """A number per row as a coordinate: scalar where constant, else over the dims it varies on."""
    if (column == column[0]).all():
        return xr.Variable((), float(column[0]), attrs)
    return xr.Variable(*_varying(dims, np.append(column, np.nan)[plan.cells], plan.cells >= 0), attrs)


def grid_coords(grid: Grid) -> dict[str, Any]:
    """Millimetres along the axes, place of each slice, affine; as far as the grid has them."""
    z, y, x = grid.coordinates()
    normal, column, row = (_direction(v) for v in (grid.normal, grid.column_direction, grid.row_direction))
    mm = grid.placed or np.isfinite(grid.pixel_spacing).all()
    unit = "mm" if mm else "1"
    coords: dict[str, Any] = {
        "z": xr.Variable(("z",), z, _axis_attrs("mm" if grid.placed else "1", normal)),
        "y": xr.Variable(("y",), y, _axis_attrs(unit, column)),
        "x": xr.Variable(("x",), x, _axis_attrs(unit, row)),
        "frame_of_reference_uid": text((), grid.frame_of_reference_uid),
    }
    if grid.placed:
        coords["position"] = xr.Variable(
            ("z", "axis"), grid.positions, {"units": "mm", "space": "LPS", "long_name": "centre of the first voxel"}
        )
        coords["axis"] = text(("axis",), ["x", "y", "z"])
        state_directions(
            coords, grid.positions, {"z": grid.normal, "y": grid.column_direction, "x": grid.row_direction}
        )
    if grid.affine is not None:
        coords["affine"] = xr.Variable(
            ("world", "voxel"), grid.affine, {"space": "LPS", "long_name": "voxel index to LPS mm, voxel centres"}
        )
        coords["world"] = text(("world",), ["x", "y", "z", "1"])
        coords["voxel"] = text(("voxel",), ["z", "y", "x", "1"])
    return coords


def state_directions(
    coords: dict[str, Any], positions: NDArray[np.float64], vectors: Mapping[str, NDArray[np.float64]]
) -> None:
    """Add ``direction`` to the attributes of z, y and x: the unit vector (LPS) along which each counts millimetres.

    Only where the three together say where every voxel is, so that an image alone, without ``affine`` and
    ``position``, still has its place. Tilted or displaced slices do not: their y and x hold for the first slice.

    Parameters
    ----------
    coords : dict
        With z, y and x in mm.
    positions : array (z, 3)
        Centre of the first voxel of each slice, LPS mm.
    vectors : mapping
        Unit vector of z (across the slices), y and x.
    """
    starts = {axis: np.asarray(coords[axis].values) for axis in ("z", "y", "x")}
    summed = np.outer(starts["z"], vectors["z"]) + starts["y"][0] * vectors["y"] + starts["x"][0] * vectors["x"]
    if np.abs(summed - positions).max() <= DIRECTIONS_MM:
        for axis, vector in vectors.items():
            coords[axis].attrs["direction"] = [float(value) + 0.0 for value in vector]


def words(values: Iterable[str]) -> str:
    """Codes as one text, for an attribute: every netCDF and Zarr writer takes text, not all take lists of it.

    Examples
    --------
    >>> words(["gantry-tilt", "slices-missing"]), codes(words(["gantry-tilt", "slices-missing"]))
    ('gantry-tilt slices-missing', ('gantry-tilt', 'slices-missing'))
    """
    return " ".join(values)


def codes(stated: Any) -> tuple[str, ...]:
    """The codes in an attribute written by :func:`words`, or in a list of codes."""
    if isinstance(stated, str):
        return tuple(stated.split())
    return tuple(str(code) for code in np.atleast_1d(np.asarray(stated, dtype=object)))


def word(dataset: xr.Dataset, name: str) -> str:
    """Text of a scalar coordinate; empty where it is absent, or not the same all over."""
    if name not in dataset.coords:
        return ""
    found = {str(value) for value in np.ravel(dataset[name].values)}
    return found.pop() if len(found) == 1 else ""


def text(dims: tuple[str, ...], values: Any, attrs: dict[str, Any] | None = None) -> xr.Variable:
    """Text variable that Zarr stores as variable-length text, the one string type its version 3 specifies."""
    return xr.Variable(dims, np.array(values, dtype=str), attrs, {"dtype": np.dtypes.StringDType()})


def _direction(vector: NDArray[np.float64]) -> str:
    """Full words for where an axis runs to, e.g. ``right-to-left``; empty where unknown."""
    if not np.isfinite(vector).all():
        return ""
    axis = int(np.argmax(np.abs(vector)))
    towards, away = _AXES[axis]
    return f"{away}-to-{towards}" if vector[axis] > 0 else f"{towards}-to-{away}"


def _axis_attrs(units: str, direction: str) -> dict[str, str]:
    return {"units": units, "orientation": direction} if direction else {"units": units}


def _cell_values(plan: Plan, column: list[Any], missing: Any) -> NDArray[Any]:
    """Values of a column by cell, ``missing`` where there is no frame."""
    filled = [missing if value is None else value for value in column]
    return np.array([*filled, missing])[plan.cells]


def identity_coords(series: Series, plan: Plan, dims: tuple[str, ...]) -> dict[str, Any]:
    """Which object and frame each slice came from, and its diffusion gradient."""
    present = plan.cells >= 0
    uids = _varying(dims, _cell_values(plan, plan.rows["SOPInstanceUID"].to_pylist(), ""), present)
    coords = {"series_instance_uid": text((), series.uid), "sop_instance_uid": text(*uids)}
    if any((n or 1) > 1 for n in plan.rows["NumberOfFrames"].to_pylist()):
        frames = _varying(dims, _cell_values(plan, plan.rows["frame"].to_pylist(), -1) + 1, present)
        coords["frame_number"] = xr.Variable(*frames)
    gradients = numbers(plan.rows, "DiffusionGradientOrientation")
    if plan.grid.placed and np.isfinite(gradients).any():
        by_axis = [_cell_values(plan, gradients[:, axis].tolist(), np.nan) for axis in range(3)]
        kept = dims[:-1] or dims
        flat = np.stack(by_axis, axis=-1)
        flat = flat[..., 0, :] if dims[:-1] else flat
        coords["gradient_direction"] = xr.Variable((*kept, "axis"), flat, {"space": "LPS"})
    return coords


def acquisition_coords(plan: Plan, dims: tuple[str, ...], tags: Sequence[str]) -> dict[str, Any]:
    """A coordinate per acquisition column and column asked for: scalar where constant, else where it varies."""
    coords: dict[str, Any] = {}
    present = plan.cells >= 0
    # Asked once: Arrow makes the list of its column names anew each time.
    there = {*plan.rows.column_names} - {*dims}
    for name, units in (ACQUISITION | {tag: "" for tag in tags if tag not in ACQUISITION}).items():
        if name not in there:
            continue
        column = plan.rows[name]
        if column.null_count == len(column):
            continue
        if pa.types.is_nested(column.type):
            if any(column.to_pylist()):
                coords[name] = _several(plan, dims, name, column)
            continue
        attrs = {"units": units} if units else {}
        word = pa.types.is_string(column.type)
        if word:
            values = np.array([*("" if v is None else v for v in column.to_pylist()), ""])
        else:
            values = column.to_numpy(zero_copy_only=False)
            if not present.all() or column.null_count:
                values = values.astype(np.float64)
            values = np.append(values, values.dtype.type(np.nan if values.dtype.kind == "f" else 0))
        stated = values[:-1]
        if not column.null_count and (stated == stated[0]).all():
            first = column[0].as_py()
            coords[name] = text((), first, attrs) if word else xr.Variable((), first, attrs)
            continue
        kept, cells = _varying(dims, values[plan.cells], present)
        coords[name] = text(kept, cells, attrs) if word else xr.Variable(kept, cells, attrs)
    return coords


def _several(plan: Plan, dims: tuple[str, ...], name: str, column: pa.ChunkedArray) -> xr.Variable:
    """A tag of several numbers, along a dimension of its own where any image states more than one.

    NaN where an image states fewer.
    """
    lists = column.to_pylist()
    most = max(len(stated or ()) for stated in lists)
    whole = all(len(stated or ()) == most for stated in lists)
    padded = np.full((len(lists) + 1, most), np.nan)
    for row, stated in enumerate(lists):
        padded[row, : len(stated or ())] = stated or ()
    present = plan.cells >= 0
    if whole and present.all() and pa.types.is_integer(column.type.value_type):
        padded = np.nan_to_num(padded).astype(np.int64)
    further = (f"{name}_value",) if most > 1 else ()
    values = padded if further else padded.reshape(len(padded), -1)[:, 0]
    if whole and (values[:-1] == values[0]).all():
        return xr.Variable(further, values[0])
    kept, cells = _varying(dims, values[plan.cells], present)
    return xr.Variable((*kept, *further), cells)


def _varying(
    dims: tuple[str, ...], values: NDArray[Any], present: NDArray[np.bool_]
) -> tuple[tuple[str, ...], NDArray[Any]]:
    """The dims on which values vary, and the values on them; cells without a frame take any value."""
    if not present.all():
        return dims, values
    for axis in reversed(range(len(dims))):
        first = np.take(values, [0], axis=axis)
        same = values == first
        if values.dtype.kind == "f":
            same |= np.isnan(values) & np.isnan(first)
        if values.ndim > 1 and same.all():
            values = np.take(values, 0, axis=axis)
            dims = (*dims[:axis], *dims[axis + 1 :])
    return dims, values
