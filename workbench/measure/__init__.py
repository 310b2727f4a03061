"""Numbers from images and masks: volumes, shape, intensity, texture, agreement, site effects, survival.

Every number comes with its unit and, where the Image Biomarker Standardisation Initiative defines it, its IBSI tag.
A number that cannot be given is NaN with the reason beside it, never 0.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from workbench.measure.agreement import agreement
    from workbench.measure.cohort_run import volumes
    from workbench.measure.cox import cox
    from workbench.measure.features import features
    from workbench.measure.kaplan_meier import kaplan_meier
    from workbench.measure.log_rank import log_rank
    from workbench.measure.morphology import closing, dilate, erode, fill_holes, largest_part, opening, remove_small
    from workbench.measure.normalise import percentile, zscore
    from workbench.measure.regions import grow
    from workbench.measure.reported import reported
    from workbench.measure.settings import Settings
    from workbench.measure.sites import site_differences, sites
    from workbench.measure.table_one import table_one
    from workbench.measure.thresholds import threshold

#: Public name -> the module that holds it.
_LAZY = {
    "Settings": "workbench.measure.settings",
    "agreement": "workbench.measure.agreement",
    "closing": "workbench.measure.morphology",
    "cox": "workbench.measure.cox",
    "dilate": "workbench.measure.morphology",
    "erode": "workbench.measure.morphology",
    "features": "workbench.measure.features",
    "fill_holes": "workbench.measure.morphology",
    "grow": "workbench.measure.regions",
    "kaplan_meier": "workbench.measure.kaplan_meier",
    "largest_part": "workbench.measure.morphology",
    "log_rank": "workbench.measure.log_rank",
    "opening": "workbench.measure.morphology",
    "percentile": "workbench.measure.normalise",
    "remove_small": "workbench.measure.morphology",
    "reported": "workbench.measure.reported",
    "site_differences": "workbench.measure.sites",
    "sites": "workbench.measure.sites",
    "table_one": "workbench.measure.table_one",
    "threshold": "workbench.measure.thresholds",
    "volumes": "workbench.measure.cohort_run",
    "zscore": "workbench.measure.normalise",
}

__all__ = [
    "Settings",
    "agreement",
    "closing",
    "cox",
    "dilate",
    "erode",
    "features",
    "fill_holes",
    "grow",
    "kaplan_meier",
    "largest_part",
    "log_rank",
    "opening",
    "percentile",
    "remove_small",
    "reported",
    "site_differences",
    "sites",
    "table_one",
    "threshold",
    "volumes",
    "zscore",
]


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'workbench.measure' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


class _Room(ModuleType):
    """The room, where ``measure.features`` is the function also after its module of that name was imported."""

    def __setattr__(self, name: str, value: Any) -> None:
        # Importing a module sets it as an attribute of its package, and would hide the public function.
        if not (name in _LAZY and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Room
