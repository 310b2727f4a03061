"""PatientIndex: selection by patient millimetres with plain ``ds.sel``, on oblique volumes too.

Rests on xarray's CoordinateTransformIndex, which xarray calls experimental. ``ds.patient.sel_mm`` needs none of it.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any, Final

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from workbench.arrays.image_grid import AXES
from workbench.arrays.same_grid import require_even
from workbench.errors import GridMismatch, OutsideImage, UsageError

try:
    from xarray.indexes import CoordinateTransform, CoordinateTransformIndex
except ImportError as error:
    raise UsageError(
        f"PatientIndex needs a newer xarray than {xr.__version__}", remedy="pip install 'xarray>=2025.6'"
    ) from error

#: Coordinates (z, y, x) that the index brings: LPS mm of every voxel centre, computed when they are read.
NAMES: Final = ("patient_x", "patient_y", "patient_z")
_APART: Final = "use resample_like, or leave the index out: drop_vars(['patient_x', 'patient_y', 'patient_z'])"
Floats = NDArray[np.float64]


class PatientTransform(CoordinateTransform):
    """Voxel numbers (z, y, x) -> LPS mm (x, y, z) and back, by an affine."""

    def __init__(self, affine: Floats, sizes: Mapping[str, int]) -> None:
        super().__init__(NAMES, dict(sizes), np.dtype(np.float64))
        self.affine = np.asarray(affine, dtype=np.float64)

    def forward(self, dim_positions: dict[str, Any]) -> dict[Hashable, Any]:
        """LPS mm of voxel numbers."""
        numbers = [dim_positions[dim] for dim in self.dims]
        return {
            name: sum(self.affine[row, i] * number for i, number in enumerate(numbers)) + self.affine[row, 3]
            for row, name in enumerate(self.coord_names)
        }

    def reverse(self, coord_labels: dict[Hashable, Any]) -> dict[str, Any]:
        """Voxel numbers, with fractions, of LPS mm."""
        back = np.linalg.inv(self.affine)
        places = [np.asarray(coord_labels[name], dtype=np.float64) for name in self.coord_names]
        return {
            dim: sum(back[row, i] * place for i, place in enumerate(places)) + back[row, 3]
            for row, dim in enumerate(self.dims)
        }

    def equals(self, other: CoordinateTransform, *, exclude: frozenset[Hashable] | None = None) -> bool:
        """Whether voxels of the same number are at the same place."""
        return (
            isinstance(other, PatientTransform)
            and self.dim_size == other.dim_size
            and bool(np.allclose(self.affine, other.affine, rtol=0, atol=1e-6))
        )


class PatientIndex(CoordinateTransformIndex):
    """Index of the coordinates ``patient_x``, ``patient_y``, ``patient_z`` (z, y, x), LPS mm, of an even grid.

    ``sel`` takes all three, numbers or DataArrays of one shape, with ``method="nearest"``. ``isel`` by slices keeps the
    index with its affine shifted; anything else drops it, and the coordinates stay as plain ones.
    """

    transform: PatientTransform

    def isel(self, indexers: Mapping[Any, Any]) -> PatientIndex | None:
        """The index of what is left after slices; None after anything else."""
        affine = self.transform.affine.copy()
        sizes = dict(self.transform.dim_size)
        for column, dim in enumerate(self.transform.dims):
            part = indexers.get(dim, slice(None))
            if not isinstance(part, slice):
                return None
            start, _, step = part.indices(sizes[dim])
            left = len(range(*part.indices(sizes[dim])))
            if not left:
                return None
            affine[:3, 3] += start * affine[:3, column]
            affine[:3, column] *= step
            sizes[dim] = left
        return type(self)(PatientTransform(affine, sizes))

    def sel(self, labels: dict[Any, Any], method: Any = None, tolerance: Any = None) -> Any:
        """Voxels nearest to places; outside the image is an error, never the edge or the other end."""
        if method != "nearest" or tolerance is not None:
            raise UsageError("PatientIndex finds the nearest voxel", remedy="pass method='nearest' and no tolerance")
        missing = set(self.transform.coord_names) - set(labels)
        if missing:
            raise UsageError(f"a place has three coordinates: {', '.join(sorted(map(str, missing)))} missing")
        places = {
            name: xr.Variable((), value) if np.ndim(value) == 0 and not hasattr(value, "dims") else value
            for name, value in labels.items()
        }
        plain = {name: np.asarray(place) for name, place in places.items()}
        for name, place in plain.items():
            if place.dtype.kind not in "iuf" or not np.isfinite(place).all():
                raise UsageError(f"{name} is not a place in millimetres", remedy="give finite numbers")
        found = self.transform.reverse(plain)
        for dim, number in found.items():
            if (number < -0.5).any() or (number > self.transform.dim_size[dim] - 0.5).any():
                raise OutsideImage(f"a place lies outside the image along {dim}", remedy="see ds.patient.to_voxel")
        return super().sel(places, method=method)

    def join(self, other: Any, how: Any = "inner") -> PatientIndex:
        """Never: voxels of two grids have no common places to be aligned on."""
        raise GridMismatch("grids differ: two images with a PatientIndex", remedy=_APART)

    def reindex_like(self, other: Any) -> dict[Hashable, Any]:
        """Never, as :meth:`join`."""
        raise GridMismatch("grids differ: two images with a PatientIndex", remedy=_APART)

    def create_variables(self, variables: Any = None) -> Any:
        """Coordinates in mm, computed when they are read."""
        created = super().create_variables(variables)
        for variable in created.values():
            variable.attrs = {"units": "mm", "space": "LPS"} | variable.attrs
        return created


def with_patient_index(dataset: xr.Dataset) -> xr.Dataset:
    """Dataset with ``patient_x``, ``patient_y``, ``patient_z`` (z, y, x) in LPS mm and a :class:`PatientIndex` on them.

    Raises
    ------
    IrregularGeometry
        Slices are missing, uneven, alone or without a place.

    Examples
    --------
    >>> from workbench.arrays import from_array
    >>> axes = np.array([[0, 0, 1.0, -5], [0, 1, 0, 7], [2, 0, 0, 9], [0, 0, 0, 1]])
    >>> ds = with_patient_index(from_array(np.arange(60).reshape(3, 4, 5), axes))
    >>> int(ds.sel(patient_x=-3.2, patient_y=8, patient_z=11, method="nearest")["image"])
    27
    """
    grid = require_even(dataset, "index", sheared=True)
    assert grid.affine is not None
    index = PatientIndex(PatientTransform(grid.affine, dict(zip(AXES, grid.shape, strict=True))))
    return dataset.assign_coords(xr.Coordinates.from_xindex(index))
