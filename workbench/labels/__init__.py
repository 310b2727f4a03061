"""Segmentations and structure sets as masks on the grid of the images they refer to.

:func:`describe` reads what an object holds from its header; :func:`masks_on_grid` brings it onto a
:class:`workbench.dicom.stacks.geometry.Grid`. The result is numpy alone; labelled arrays are built elsewhere.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from workbench.labels.polygon import fill_contours
    from workbench.labels.read import describe, masks_on_grid
    from workbench.labels.segment import Description, Masks, Segment

#: Public name -> the module that holds it.
_LAZY = {
    "Description": "workbench.labels.segment",
    "Masks": "workbench.labels.segment",
    "Segment": "workbench.labels.segment",
    "describe": "workbench.labels.read",
    "masks_on_grid": "workbench.labels.read",
    "fill_contours": "workbench.labels.polygon",
}

__all__ = ["Description", "Masks", "Segment", "describe", "fill_contours", "masks_on_grid"]


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'workbench.labels' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
