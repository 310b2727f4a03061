"""Labelled arrays: the ``engine="dicom"`` backend, the convention, the accessor ``ds.patient``.

The only room that builds xarray objects.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from workbench.arrays.masks import with_masks
    from workbench.arrays.opening import open_series

#: A function named as its module (build, figure) is not here: importing the module would hide it.
_LAZY = {
    "open_series": "workbench.arrays.opening",
    "with_masks": "workbench.arrays.masks",
}

__all__ = ["open_series", "with_masks"]


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'workbench.arrays' has no attribute {name!r}")
