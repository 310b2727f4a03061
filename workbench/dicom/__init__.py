"""Files -> headers -> series -> geometry -> plan -> decoded frames.

No xarray, no pandas here: tables are Arrow, arrays are numpy, and nothing left of ``frames`` touches a pixel.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

#: A function named as its module (scan, split) is not here: importing the module would hide it.
_LAZY = {
    "FrameRef": "frames",
    "Grid": "geometry",
    "HeaderIndex": "index",
    "Place": "listing",
    "Plan": "stack",
    "Scan": "scan",
    "Series": "series",
    "choose": "series",
    "choose_part": "series",
    "grid_from": "geometry",
    "iterate_series": "series",
    "make_plan": "stack",
    "read_frame": "frames",
    "read_frames": "frames",
    "suv_factors": "pet",
    "value_map": "values",
}

__all__ = sorted(_LAZY)


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(import_module(f"workbench.dicom.{_LAZY[name]}"), name)
    raise AttributeError(f"module 'workbench.dicom' has no attribute {name!r}")
