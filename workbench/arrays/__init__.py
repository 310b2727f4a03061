"""Labelled arrays: the ``engine="dicom"`` backend, the convention, the accessor ``ds.patient``.

The only room that builds xarray objects.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from workbench.arrays.image_grid import ImageGrid, from_array
    from workbench.arrays.masks import with_masks
    from workbench.arrays.opening import open_series
    from workbench.arrays.same_grid import require_same_frame, require_same_grid

#: A function named as its module (build, figure) is not here: importing the module would hide it.
_LAZY = {
    "ImageGrid": "workbench.arrays.image_grid",
    "from_array": "workbench.arrays.image_grid",
    "open_series": "workbench.arrays.opening",
    "require_same_frame": "workbench.arrays.same_grid",
    "require_same_grid": "workbench.arrays.same_grid",
    "with_masks": "workbench.arrays.masks",
}

__all__ = [
    "ImageGrid",
    "from_array",
    "open_series",
    "require_same_frame",
    "require_same_grid",
    "with_masks",
]


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'workbench.arrays' has no attribute {name!r}")
