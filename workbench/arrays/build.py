"""A plan -> the xarray Dataset of one series. The one place that decides names, dims, coordinates and attrs.

The convention: dims ``([b_value | echo_time | time ...,] z, y, x[, channel])``, coordinates in millimetres (LPS),
``affine`` as a coordinate, physical values in ``image``.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import xarray as xr

from workbench.arrays.coordinates import (
    acquisition_coords,
    codes,
    extra_coords,
    grid_coords,
    identity_coords,
    varying_coord,
    words,
)
from workbench.arrays.derived import TurnableArray
from workbench.arrays.lazy import LazyImage
from workbench.dicom.pixels.codecs import decoder_name
from workbench.dicom.pixels.frames import MAX_FRAME_BYTES, FrameReader, frame_refs, read_frame
from workbench.dicom.series import Series
from workbench.dicom.series_files import SeriesFiles
from workbench.dicom.stacks.split import numbers
from workbench.dicom.stacks.stack import Plan
from workbench.dicom.values.pet import suv_factors
from workbench.dicom.values.value_map import ValueMap, value_map
from workbench.errors import DicomError, SuvUnavailable, UnstackableSeries, UnsupportedSyntax, UsageError

#: Header columns that say what the series is: attrs, the value of the first image.
DESCRIPTIVE: Final = (
    "Modality", "SeriesDescription", "StudyDescription", "BodyPartExamined", "Manufacturer",
    "ManufacturerModelName", "PhotometricInterpretation", "ImageType", "ConvolutionKernel", "PatientPosition",
    "PresentationIntentType", "WindowCenter", "WindowWidth", "LossyImageCompression", "LossyImageCompressionRatio",
    "LossyImageCompressionMethod", "TransferSyntaxUID",
)  # fmt: skip


def build(
    series: Series,
    plan: Plan,
    root: str | os.PathLike[str],
    *,
    values: str = "physical",
    dtype: str | None = None,
    tags: Sequence[str] = (),
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
    values : str, default "physical"
        ``physical`` quantities, numbers as ``stored``, or another choice of
        :func:`~workbench.dicom.values.value_map.value_map`: ``suv``, ``real-world``, ``real-world:LABEL``,
        ``quantitative``.
    dtype : str, optional
        dtype of ``image`` instead of the smallest that fits.
    tags : sequence of str, optional
        Further header columns to give as coordinates.

    Raises
    ------
    UnstackableSeries
        Images at the same position cannot be told apart, or one UID stands for different files.
    UnsupportedSyntax
        No decoder for the pixels.
    SuvUnavailable
        ``values="suv"``, and the headers do not allow it.
    DicomError
        A frame is larger than the limit.
    UsageError
        *values* or *dtype* is none that this series has.
    """
    _refuse(series, plan)
    quantity = value_map(plan.rows, values=values, dtype=dtype, root=root)
    absent = bool((plan.cells < 0).any())
    if absent and dtype is not None and quantity.dtype.kind in "iu":
        raise UsageError(
            f"{int((plan.cells < 0).sum())} frames are absent and would be NaN, which {quantity.dtype} does not have",
            remedy="use dtype='float32', or leave it out",
        )
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
    leading = tuple(extra.name for extra in plan.extras)
    colour = array.frame_shape[2:]
    dims = (*leading, "z", "y", "x", *(("channel",) if colour else ()))
    image = xr.Variable(
        dims,
        TurnableArray(array),
        attrs=_image_attrs(plan, quantity),
        encoding={
            "preferred_chunks": {
                dim: 1 if dim in ("z", *leading) else size for dim, size in zip(dims, array.shape, strict=True)
            }
        },
    )
    coords = grid_coords(plan.grid) | extra_coords(plan.extras)
    if absent:
        coords["present"] = xr.Variable((*leading, "z"), plan.cells >= 0)
    coords |= identity_coords(series, plan, (*leading, "z"))
    coords |= acquisition_coords(plan, (*leading, "z"), tags)
    attrs = _attrs(series, plan, quantity)
    if quantity.value_kind != "stored" and values != "suv" and attrs.get("Modality") == "PT":
        factors = suv_factors(plan.rows, root=root)
        if isinstance(factors, SuvUnavailable):
            attrs |= {"suv_unavailable": factors.what, "suv_missing": "; ".join(factors.missing)}
        else:
            told = {"kind": factors.kind, "steps": "; ".join(factors.steps), "units": "g/mL per unit of the image"}
            coords["suv_factor"] = varying_coord(plan, (*leading, "z"), factors.factor, told)
            told_by = (*codes(attrs["findings"]), *(finding.code for finding in factors.findings))
            attrs["findings"] = words(sorted(set(told_by)))
    dataset = xr.Dataset({"image": image}, coords=coords, attrs=attrs)
    dataset.encoding["files"] = SeriesFiles(os.path.abspath(root), plan.rows["path"])
    return dataset


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


def _image_attrs(plan: Plan, quantity: ValueMap) -> dict[str, Any]:
    modality = plan.rows["Modality"][0].as_py() or "image"
    attrs: dict[str, Any] = {
        "units": quantity.units,
        "long_name": f"{modality} {quantity.value_kind}" if quantity.value_kind != "hounsfield" else "CT number",
        "value_kind": quantity.value_kind,
    }
    if quantity.constant and quantity.value_kind not in ("stored", "colour"):
        attrs |= {"stored_slope": float(quantity.slope[0]), "stored_intercept": float(quantity.intercept[0])}
    if quantity.label:
        attrs["value_label"] = quantity.label
    if quantity.steps:
        attrs["value_steps"] = "; ".join(quantity.steps)
    padding = plan.rows["PixelPaddingValue"][0].as_py()
    if padding is not None and quantity.constant:
        # Marked and not replaced: the value that padded pixels have in this array.
        value = padding * float(quantity.slope[0]) + float(quantity.intercept[0])
        attrs["pixel_padding_value"] = int(value) if value.is_integer() else value
    return attrs


def _attrs(series: Series, plan: Plan, quantity: ValueMap) -> dict[str, Any]:
    grid = plan.grid
    attrs: dict[str, Any] = {
        keyword: value for keyword in DESCRIPTIVE if (value := plan.rows[keyword][0].as_py()) is not None
    }
    attrs |= {
        "patient_id": plan.rows["PatientID"][0].as_py() or "",
        "space": "LPS",
        "plane": grid.plane,
        "geometry": grid.kind,
        "geometry_flags": words(grid.flags),
        "pixel_spacing_mm": [float(value) for value in grid.pixel_spacing],
        "obliquity_deg": float(grid.obliquity_deg),
        "shear_deg": float(grid.shear_deg),
        "findings": words(sorted({finding.code for finding in (*plan.findings, *series.findings, *quantity.findings)})),
        "part": 1 + next(i for i, other in enumerate(series.plans) if other is plan),
        "n_parts": len(series.plans),
    }
    if grid.placed:
        # As float64 and not as the header's text: what works on places takes the plane from here.
        attrs["ImageOrientationPatient"] = [float(v) for v in (*grid.row_direction, *grid.column_direction)]
    samples = plan.rows["SamplesPerPixel"][0].as_py() or 1
    attrs["decoder"] = decoder_name(attrs.get("TransferSyntaxUID", ""), colour=samples > 1)
    detector = numbers(plan.rows, "ImagerPixelSpacing")[0]
    if np.isfinite(detector).all():
        stated = np.isfinite(numbers(plan.rows, "PixelSpacing")[0]).all()
        attrs |= {
            "imager_pixel_spacing_mm": detector.tolist(),
            # Without calibration both are at the detector: what lies in the patient is smaller by the magnification.
            "pixel_spacing_source": "PixelSpacing" if stated else "ImagerPixelSpacing",
            "pixel_spacing_calibration": plan.rows["PixelSpacingCalibrationType"][0].as_py() or "none stated",
        }
    if np.isfinite(grid.slice_spacing):
        attrs["slice_spacing_mm"] = float(grid.slice_spacing)
    return {key: value for key, value in attrs.items() if not _has_nan(value)}


def _has_nan(value: Any) -> bool:
    """Unknown numbers are left out: JSON, and so Zarr, has no word for them."""
    numbers = value if isinstance(value, list) else [value]
    return any(isinstance(number, float) and np.isnan(number) for number in numbers)
