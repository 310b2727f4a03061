"""Many extracts as one cohort: patients, studies, series, clinical variables, findings, questions."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from workbench.cohort.cohort import Cohort
    from workbench.cohort.images.image_store import ImageStore, open_store
    from workbench.cohort.opening import open_cohort

_LAZY = {
    "Cohort": "workbench.cohort.cohort",
    "ImageStore": "workbench.cohort.images.image_store",
    "open_cohort": "workbench.cohort.opening",
    "open_store": "workbench.cohort.images.image_store",
}

__all__ = ["Cohort", "ImageStore", "open_cohort", "open_store"]


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'workbench.cohort' has no attribute {name!r}")
