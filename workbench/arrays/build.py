"""A plan -> the xarray Dataset of one series. The one place that decides names, dims, coordinates and attrs.

The convention: dims ``([b_value | echo_time | time ...,] z, y, x[, channel])``, coordinates in millimetres (LPS),
``affine`` as a coordinate, physical values in ``image``.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Final

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from xarray.core import indexing

from workbench.arrays.lazy import LazyImage
from workbench.dicom.frames import MAX_FRAME_BYTES, FrameReader, frame_refs, read_frame
from workbench.dicom.geometry import Grid
from workbench.dicom.series import Series
from workbench.dicom.stack import Plan
from workbench.dicom.values import ValueMap, value_map
from workbench.errors import DicomError, UnstackableSeries, UnsupportedSyntax, UsageError

#: Header columns that say what the series is: attrs, the value of the first image.
DESCRIPTIVE: Final = (
    "Modality", "SeriesDescription", "StudyDescription", "BodyPartExamined", "Manufacturer",
    "ManufacturerModelName", "PhotometricInterpretation", "ImageType", "ConvolutionKernel",
    "WindowCenter", "WindowWidth",
)  # fmt: skip
#: Header columns that say how an image was made: scalar coordinates where constant, per image where they vary.
ACQUISITION: Final = {
    "SliceThickness": "mm", "KVP": "kV", "RepetitionTime": "ms", "EchoTime": "ms", "FlipAngle": "deg",
    "MagneticFieldStrength": "T", "DiffusionBValue": "s/mm2", "TriggerTime": "ms", "GantryDetectorTilt": "deg",
    "InstanceNumber": "", "AcquisitionNumber": "", "AcquisitionTime": "",
}  # fmt: skip
_AXES: Final = (("left", "right"), ("posterior", "anterior"), ("superior", "inferior"))


def build(
    series: Series,
    plan: Plan,
    root: str | os.PathLike[str],
    *,
    values: str = "physical",
    dtype: str | None = None,
    reader: FrameReader = read_frame,
) -> xr.Dataset:
    """Lazy Dataset of one part of a series: ``image`` (extra ..., z, y, x[, channel]) in physical values.

    Parameters
    ----------
    series : Series
        The series, for its identity and findings.
    plan : Plan
        The part to build.
    root : path
        Folder that the plan's paths are relative to.
    values : {"physical", "stored"}
        Physical quantities, or numbers as stored.
    dtype : str, optional
        dtype of ``image`` instead of the smallest that fits.

    Raises
    ------
    UnstackableSeries
        Images at the same position cannot be told apart, or one UID stands for different files.
    UnsupportedSyntax
        No decoder for the pixels.
    DicomError
        A frame is larger than the limit.
    """
    if values not in ("physical", "stored"):
        raise UsageError(f"values cannot be {values!r}", remedy="use 'physical' or 'stored'")
    _refuse(series, plan)
    quantity = value_map(plan.rows, stored=values == "stored", dtype=dtype)
    absent = bool((plan.cells < 0).any())
    out_dtype = np.dtype("float32") if absent and quantity.dtype.kind in "iu" else quantity.dtype
    refs = frame_refs(plan.rows, Path(root).absolute(), quantity)
    if refs[0].rows * refs[0].columns * refs[0].samples * quantity.dtype.itemsize > MAX_FRAME_BYTES:
        raise DicomError(
            f"frame of {refs[0].rows}x{refs[0].columns} is larger than the limit",
            file=refs[0].name,
            series=series.uid,
            remedy="ask the node for the file again",
        )
    array = LazyImage(refs, plan.cells, out_dtype, checked=quantity.checked and not absent, reader=reader)
    leading = (plan.extra.name,) if plan.extra is not None else ()
    colour = array.frame_shape[2:]
    dims = (*leading, "z", "y", "x", *(("channel",) if colour else ()))
    image = xr.Variable(
        dims,
        indexing.LazilyIndexedArray(array),
        attrs=_image_attrs(plan, quantity),
        encoding={
            "preferred_chunks": {
                dim: 1 if dim in ("z", *leading) else size for dim, size in zip(dims, array.shape, strict=True)
            }
        },
    )
    coords = _grid_coords(plan.grid)
    if plan.extra is not None:
        coords[plan.extra.name] = xr.Variable((plan.extra.name,), plan.extra.values, {"units": plan.extra.units})
    if absent:
        coords["present"] = xr.Variable((*leading, "z"), plan.cells >= 0)
    coords.update(_identity_coords(series, plan, (*leading, "z")))
    coords.update(_acquisition_coords(plan, (*leading, "z")))
    return xr.Dataset({"image": image}, coords=coords, attrs=_attrs(series, plan))


def _refuse(series: Series, plan: Plan) -> None:
    if series.conflicting:
        finding = next(f for f in series.findings if f.code == "conflicting-instance")
        raise UnstackableSeries(
            f"two different files carry the same SOPInstanceUID ({finding.message})",
            file=finding.path,
            series=series.uid,
            remedy="keep the right one and open again",
        )
    if plan.refused:
        raise UnstackableSeries(plan.refused, series=series.uid, remedy="remove one set of images, or ask the node")
    if not series.decodable:
        finding = next(f for f in series.findings if f.code == "syntax-not-decodable")
        raise UnsupportedSyntax(
            f"no decoder here for transfer syntax {finding.message}", series=series.uid, remedy=finding.remedy
        )


def _grid_coords(grid: Grid) -> dict[str, Any]:
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
    if grid.affine is not None:
        coords["affine"] = xr.Variable(
            ("world", "voxel"), grid.affine, {"space": "LPS", "long_name": "voxel index to LPS mm, voxel centres"}
        )
        coords["world"] = text(("world",), ["x", "y", "z", "1"])
        coords["voxel"] = text(("voxel",), ["z", "y", "x", "1"])
    return coords


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


def _identity_coords(series: Series, plan: Plan, dims: tuple[str, ...]) -> dict[str, Any]:
    coords = {
        "series_instance_uid": text((), series.uid),
        "sop_instance_uid": text(dims, _cell_values(plan, plan.rows["SOPInstanceUID"].to_pylist(), "")),
    }
    if (plan.rows["NumberOfFrames"][0].as_py() or 1) > 1:
        coords["frame_number"] = xr.Variable(dims, _cell_values(plan, plan.rows["frame"].to_pylist(), -1) + 1)
    return coords


def _acquisition_coords(plan: Plan, dims: tuple[str, ...]) -> dict[str, Any]:
    coords: dict[str, Any] = {}
    for keyword, units in ACQUISITION.items():
        column = plan.rows[keyword].to_pylist()
        if all(value is None for value in column):
            continue
        attrs = {"units": units} if units else {}
        if isinstance(next(value for value in column if value is not None), str):
            constant = len({*column}) == 1
            values = column[0] if constant else _cell_values(plan, column, "")
            coords[keyword] = text(() if constant else dims, values, attrs)
        elif len({*column}) == 1:
            coords[keyword] = xr.Variable((), column[0], attrs)
        elif None in column or (plan.cells < 0).any():
            floats = [None if value is None else float(value) for value in column]
            coords[keyword] = xr.Variable(dims, _cell_values(plan, floats, np.nan), attrs)
        else:
            coords[keyword] = xr.Variable(dims, np.array(column)[plan.cells], attrs)
    return coords


def _image_attrs(plan: Plan, quantity: ValueMap) -> dict[str, Any]:
    modality = plan.rows["Modality"][0].as_py() or "image"
    attrs: dict[str, Any] = {
        "units": quantity.units,
        "long_name": f"{modality} {quantity.value_kind}" if quantity.value_kind != "hounsfield" else "CT number",
        "value_kind": quantity.value_kind,
    }
    if quantity.constant and quantity.value_kind not in ("stored", "colour"):
        attrs |= {"stored_slope": float(quantity.slope[0]), "stored_intercept": float(quantity.intercept[0])}
    return attrs


def _attrs(series: Series, plan: Plan) -> dict[str, Any]:
    grid = plan.grid
    attrs: dict[str, Any] = {
        keyword: value for keyword in DESCRIPTIVE if (value := plan.rows[keyword][0].as_py()) is not None
    }
    attrs |= {
        "patient_id": plan.rows["PatientID"][0].as_py() or "",
        "space": "LPS",
        "plane": grid.plane,
        "geometry": grid.kind,
        "geometry_flags": list(grid.flags),
        "pixel_spacing_mm": [float(value) for value in grid.pixel_spacing],
        "obliquity_deg": float(grid.obliquity_deg),
        "shear_deg": float(grid.shear_deg),
        "findings": sorted({finding.code for finding in (*plan.findings, *series.findings)}),
        "part": 1 + next(i for i, other in enumerate(series.plans) if other is plan),
        "n_parts": len(series.plans),
    }
    if np.isfinite(grid.slice_spacing):
        attrs["slice_spacing_mm"] = float(grid.slice_spacing)
    return {key: value for key, value in attrs.items() if not _has_nan(value)}


def _has_nan(value: Any) -> bool:
    """Unknown numbers are left out: JSON, and so Zarr, has no word for them."""
    numbers = value if isinstance(value, list) else [value]
    return any(isinstance(number, float) and np.isnan(number) for number in numbers)
