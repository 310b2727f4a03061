"""Columns of the tables of parts and of series that the grid of an image decides, whatever kind of file it is in."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from workbench.dicom.stacks.geometry import Grid

#: Facts of a series that are those of its largest part.
_OF_LARGEST: Final = ("Rows", "Columns", "n_slices", "geometry", "slice_spacing_mm", "plane")


def of_part(grid: Grid) -> dict[str, Any]:
    """Columns of a part: size, geometry, spacings in mm and angles in degrees, None where they are not known."""
    return {
        "n_slices": int(grid.shape[0]),
        "Rows": int(grid.shape[1]),
        "Columns": int(grid.shape[2]),
        "geometry": grid.kind,
        "flags": " ".join(grid.flags),
        "plane": grid.plane,
        "slice_spacing_mm": _finite(grid.slice_spacing),
        "row_spacing_mm": _finite(grid.pixel_spacing[0]),
        "column_spacing_mm": _finite(grid.pixel_spacing[1]),
        "max_step_error_mm": _finite(grid.max_step_error_mm),
        "shear_deg": _finite(grid.shear_deg),
        "obliquity_deg": _finite(grid.obliquity_deg),
        "n_gaps": int(grid.n_gaps),
        "uniform_spacing": grid.kind in ("regular", "sheared"),
    }


def of_series(part: Mapping[str, Any]) -> dict[str, Any]:
    """Columns of a series, from those of its largest part."""
    return {**{name: part[name] for name in _OF_LARGEST}, "pixel_spacing_mm": part["row_spacing_mm"]}


def _finite(value: float) -> float | None:
    return round(float(value), 5) if isfinite(value) else None
