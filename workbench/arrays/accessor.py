"""The accessor ``ds.patient``: a door to what can be done with a series in patient space."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from workbench.errors import IrregularGeometry

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from nibabel.nifti1 import Nifti1Image
    from SimpleITK import Image

    from workbench.arrays.image_grid import ImageGrid
    from workbench.arrays.points import PointMethod
    from workbench.arrays.projection import ProjectionMethod
    from workbench.arrays.resampling import Method
    from workbench.arrays.windowing import WindowFunction
    from workbench.labels.choosing import Select
    from workbench.labels.names import Names

Floats = NDArray[np.float64]


@xr.register_dataset_accessor("patient")  # type: ignore[no-untyped-call]
class PatientAccessor:
    """What belongs to the patient's space, on a Dataset of one series or of a part of one.

    Places are (x, y, z), LPS mm; voxels are (z, y, x), counted from 0 in the Dataset as it is now.
    """

    def __init__(self, dataset: xr.Dataset) -> None:
        self._dataset = dataset

    @property
    def grid(self) -> ImageGrid:
        """Where the voxels are, as the Dataset stands now; see :class:`workbench.arrays.image_grid.ImageGrid`."""
        from workbench.arrays.image_grid import image_grid

        return image_grid(self._dataset)

    @property
    def affine(self) -> Floats:
        """Voxel index (z, y, x, 1) -> LPS mm (x, y, z, 1), 4x4, voxel centres; of the Dataset as it is now.

        Raises
        ------
        IrregularGeometry
            The slices have no even grid; names the verdict.
        """
        grid = self.grid
        if grid.affine is None:
            from workbench.arrays.coordinates import word
            from workbench.arrays.same_grid import irregular

            if not grid.kind:
                raise irregular(self._dataset, grid, "affine")
            raise IrregularGeometry(
                f"no affine: geometry is {grid.kind}",
                series=word(self._dataset, "series_instance_uid") or None,
                remedy="use the per-slice coordinate 'position', or a series with even slices",
            )
        return grid.affine

    @property
    def spacing(self) -> dict[str, float]:
        """Mm between voxel centres by axis, ``{"z": ..., "y": ..., "x": ...}``; NaN where uneven or unknown."""
        from workbench.arrays.axes import plane_spacing

        grid = self.grid
        if grid.placed:
            return dict(zip(("z", "y", "x"), grid.spacing, strict=True))
        return dict(zip(("z", "y", "x"), (np.nan, *plane_spacing(self._dataset)), strict=True))

    @property
    def findings(self) -> tuple[str, ...]:
        """Codes of what is irregular in this series, see ``docs/findings.md``; also after Zarr and netCDF."""
        from workbench.arrays.coordinates import codes

        return codes(self._dataset.attrs.get("findings", ""))

    @property
    def shape(self) -> tuple[int, int, int]:
        """Slices, rows, columns."""
        return self.grid.shape

    @property
    def origin(self) -> Floats:
        """Centre of the first voxel, (3,) as (x, y, z) LPS mm; NaN where unplaced."""
        origin: Floats = self.grid.positions[0]
        return origin

    @property
    def direction(self) -> Floats:
        """Unit vectors of the axes z, y, x as the columns of a 3x3 matrix, LPS; NaN where unplaced.

        Where slices have no even grid, z is their normal.
        """
        return self.grid.directions

    @property
    def orientation(self) -> dict[str, str]:
        """Where the axes run, in words, e.g. ``{"z": "inferior-to-superior", ...}``; empty texts where unplaced."""
        from workbench.arrays.image_grid import AXES, orientation_words

        vectors = self.direction.T
        return {
            axis: orientation_words(v) if np.isfinite(v).all() else "" for axis, v in zip(AXES, vectors, strict=True)
        }

    def to_patient(self, indices: ArrayLike) -> Floats:
        """Places (x, y, z) of voxel numbers (z, y, x); see :func:`workbench.arrays.points.to_patient`."""
        from workbench.arrays.points import to_patient

        return to_patient(self._dataset, indices)

    def to_voxel(self, points: ArrayLike) -> Floats:
        """Voxel numbers (z, y, x) of places (x, y, z); see :func:`workbench.arrays.points.to_voxel`."""
        from workbench.arrays.points import to_voxel

        return to_voxel(self._dataset, points)

    def sel_mm(
        self,
        point: ArrayLike | None = None,
        *,
        x: float | None = None,
        y: float | None = None,
        z: float | None = None,
        method: PointMethod = "nearest",
    ) -> xr.Dataset:
        """Dataset at one place or several, in patient mm; see :func:`workbench.arrays.points.sel_mm`."""
        from workbench.arrays.points import sel_mm

        return sel_mm(self._dataset, point, x=x, y=y, z=z, method=method)

    def resample_like(self, other: xr.Dataset, *, method: Method = "linear", check_frame: bool = True) -> xr.Dataset:
        """Dataset on the voxels of another; see :func:`workbench.arrays.resampling.resample_like`."""
        from workbench.arrays.resampling import resample_like

        return resample_like(self._dataset, other, method=method, check_frame=check_frame)

    def resample(
        self, spacing: float | Sequence[float] | Mapping[str, float] = 1.0, *, method: Method = "linear"
    ) -> xr.Dataset:
        """Dataset with another distance between voxels; see :func:`workbench.arrays.resampling.resample`."""
        from workbench.arrays.resampling import resample

        return resample(self._dataset, spacing=spacing, method=method)

    def straighten(self, *, method: Method = "linear") -> xr.Dataset:
        """Dataset of a tilted series on a straight grid; see :func:`workbench.arrays.resampling.straighten`."""
        from workbench.arrays.resampling import straighten

        return straighten(self._dataset, method=method)

    def fill_gaps(self) -> xr.Dataset:
        """Dataset with NaN where slices are missing; see :func:`workbench.arrays.gap_filling.fill_gaps`."""
        from workbench.arrays.gap_filling import fill_gaps

        return fill_gaps(self._dataset)

    def reorient(self, orientation: str) -> xr.Dataset:
        """Dataset with flipped and transposed axes; see :func:`workbench.arrays.reorientation.reorient`."""
        from workbench.arrays.reorientation import reorient

        return reorient(self._dataset, orientation)

    def window(
        self,
        center: float | None = None,
        width: float | None = None,
        *,
        function: WindowFunction = "linear",
        invert: bool | Literal["auto"] = "auto",
        dtype: Literal["uint8", "float32"] = "uint8",
    ) -> xr.DataArray:
        """Grey values for the eye; see :func:`workbench.arrays.windowing.window`."""
        from workbench.arrays.windowing import window

        return window(self._dataset, center, width, function=function, invert=invert, dtype=dtype)

    def mip(
        self,
        axis: Literal["z", "y", "x"] = "z",
        *,
        slab_mm: float | None = None,
        method: ProjectionMethod = "max",
    ) -> xr.DataArray:
        """Projection of the image along an axis; see :func:`workbench.arrays.projection.mip`."""
        from workbench.arrays.projection import mip

        return mip(self._dataset, axis, slab_mm=slab_mm, method=method)

    def suv(self) -> xr.Dataset:
        """Dataset of a PET series in SUV; see :func:`workbench.arrays.uptake.suv`."""
        from workbench.arrays.uptake import suv

        return suv(self._dataset)

    def masks(
        self,
        source: Any = None,
        *,
        select: Select | None = None,
        names: Names | None = None,
        threshold: float | None = None,
        resample: Literal["nearest"] | None = None,
        check_frame: bool = True,
        fraction: Literal["probability", "occupancy"] | None = None,
    ) -> xr.Dataset:
        """Dataset with ``mask`` (segment, z, y, x), lazily; see :func:`workbench.arrays.masks.add_masks`."""
        from workbench.arrays.masks import add_masks

        return add_masks(
            self._dataset, source, select=select, names=names, threshold=threshold, resample=resample,
            check_frame=check_frame, fraction=fraction,
        )  # fmt: skip

    def label_map(self, *, variable: str = "mask", order: Sequence[str | int] | None = None) -> xr.DataArray:
        """``label`` (z, y, x): all segments in one map; see :func:`workbench.arrays.label_map.label_map`."""
        from workbench.arrays.label_map import label_map

        return label_map(self._dataset, variable=variable, order=order)

    def to_nifti(self, path: str | os.PathLike[str] | None = None, *, variable: str = "image") -> Nifti1Image:
        """NIfTI image, RAS; see :func:`workbench.arrays.export.to_nifti`."""
        from workbench.arrays.export import to_nifti

        return to_nifti(self._dataset, path, variable=variable)

    def to_simpleitk(self, *, variable: str = "image") -> Image:
        """SimpleITK image, LPS; see :func:`workbench.arrays.export.to_simpleitk`."""
        from workbench.arrays.export import to_simpleitk

        return to_simpleitk(self._dataset, variable=variable)

    def index(self) -> xr.Dataset:
        """Dataset that ``sel`` takes patient mm on; see :func:`workbench.arrays.patient_index.with_patient_index`."""
        from workbench.arrays.patient_index import with_patient_index

        return with_patient_index(self._dataset)

    def figure(self, **options: Any) -> Figure:
        """Three planes in millimetres with the masks outlined; see :func:`workbench.arrays.figure.figure`."""
        from workbench.arrays.figure import figure

        return figure(self._dataset, **options)
