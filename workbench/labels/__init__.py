"""Segmentations and structure sets as masks on the grid of the images they refer to.

:func:`describe` reads what an object holds from its header; :func:`masks_on_grid` brings it onto a
:class:`workbench.dicom.stacks.geometry.Grid`. The result is numpy alone; labelled arrays are built elsewhere.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from workbench.labels.codes import search_codes
    from workbench.labels.measurements import read_measurements
    from workbench.labels.names import standard_name, unmapped
    from workbench.labels.polygon import fill_contours
    from workbench.labels.read import describe, masks_on_grid
    from workbench.labels.segment import Description, Drawing, Masks, Segment
    from workbench.labels.writing_seg import to_seg

#: Public name -> the module that holds it.
_LAZY = {
    "Description": "workbench.labels.segment",
    "Drawing": "workbench.labels.segment",
    "Masks": "workbench.labels.segment",
    "Segment": "workbench.labels.segment",
    "describe": "workbench.labels.read",
    "fill_contours": "workbench.labels.polygon",
    "masks_on_grid": "workbench.labels.read",
    "read_measurements": "workbench.labels.measurements",
    "search_codes": "workbench.labels.codes",
    "standard_name": "workbench.labels.names",
    "to_seg": "workbench.labels.writing_seg",
    "unmapped": "workbench.labels.names",
}

__all__ = [
    "Description",
    "Drawing",
    "Masks",
    "Segment",
    "describe",
    "fill_contours",
    "masks_on_grid",
    "read_measurements",
    "search_codes",
    "standard_name",
    "to_seg",
    "unmapped",
]


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'workbench.labels' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
