"""The accessor ``ds.patient``: a door to what can be done with a series in patient space."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from workbench.errors import IrregularGeometry, UsageError

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@xr.register_dataset_accessor("patient")  # type: ignore[no-untyped-call]
class PatientAccessor:
    """What belongs to the patient's space, on a Dataset of one series."""

    def __init__(self, dataset: xr.Dataset) -> None:
        self._dataset = dataset

    @property
    def affine(self) -> NDArray[np.float64]:
        """Voxel index (z, y, x, 1) -> LPS mm (x, y, z, 1), 4x4, voxel centres.

        Raises
        ------
        IrregularGeometry
            The slices have no even grid; names the verdict.
        """
        if "affine" not in self._dataset.coords:
            raise IrregularGeometry(
                f"no affine: geometry is {self._dataset.attrs.get('geometry', 'unknown')}",
                series=str(self._dataset.coords.get("series_instance_uid", xr.DataArray("")).item()),
                remedy="use the per-slice coordinate 'position', or a series with even slices",
            )
        return np.asarray(self._dataset["affine"].values, dtype=np.float64)

    @property
    def spacing(self) -> dict[str, float]:
        """Mm between voxel centres by axis, ``{"z": ..., "y": ..., "x": ...}``; NaN where uneven or unknown."""
        y, x = self._dataset.attrs.get("pixel_spacing_mm", (np.nan, np.nan))
        even = self._dataset.attrs.get("geometry") in ("regular", "sheared")
        z = self._dataset.attrs.get("slice_spacing_mm", np.nan) if even else np.nan
        return {"z": float(z), "y": float(y), "x": float(x)}

    def figure(self, **options: Any) -> Figure:
        """Three planes in millimetres with the masks outlined; see :func:`workbench.arrays.figure.figure`."""
        if "image" not in self._dataset:
            raise UsageError("no variable 'image' in this Dataset", remedy="call it on a Dataset of a series")
        from workbench.arrays.figure import figure

        return figure(self._dataset, **options)
