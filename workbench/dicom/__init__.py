"""Files -> headers -> series -> geometry -> plan -> decoded frames.

No xarray, no pandas here: tables are Arrow, arrays are numpy. Four inner rooms, each using only those before it:
``headers`` (what a file says), ``stacks`` (which frame goes where), ``values`` (what a stored number means), ``pixels``
(decoded frames, the only one that touches them). The doors stand beside them: ``scan``, ``series``, ``index``.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

#: A function named as its module (scan, split) is not here: importing the module would hide it.
_LAZY = {
    "FrameRef": "pixels.frames",
    "Grid": "stacks.geometry",
    "HeaderIndex": "index",
    "Place": "listing",
    "Plan": "stacks.stack",
    "Scan": "scan",
    "Series": "series",
    "choose": "series",
    "choose_part": "series",
    "grid_from": "stacks.geometry",
    "iterate_series": "series",
    "make_plan": "stacks.stack",
    "read_frame": "pixels.frames",
    "read_frames": "pixels.frames",
    "suv_factors": "values.pet",
    "value_map": "values.value_map",
}

__all__ = sorted(_LAZY)


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(import_module(f"workbench.dicom.{_LAZY[name]}"), name)
    raise AttributeError(f"module 'workbench.dicom' has no attribute {name!r}")
