"""The workbench: several hospitals' cancer-imaging extracts opened as one cohort.

>>> import workbench as wb
>>> wb.__version__.count(".")
2

Public names are loaded on first use, so ``import workbench`` costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from workbench.errors import WorkbenchError
from workbench.options import options

if TYPE_CHECKING:
    from workbench import arrays, cohort, dicom, extracts, fetch, labels, measure, reports, synthetic
    from workbench.cohort import Cohort, catalogue, open_cohort, vocabulary
    from workbench.reports import report

__version__ = "0.1.0"

#: Public name -> the module that holds it.
_LAZY = {
    "Cohort": "workbench.cohort",
    "open_cohort": "workbench.cohort",
    "report": "workbench.reports",
}
_ROOMS = ("arrays", "cohort", "dicom", "extracts", "fetch", "labels", "measure", "reports", "synthetic")

__all__ = [
    "Cohort",
    "WorkbenchError",
    "__version__",
    "arrays",
    "catalogue",
    "cohort",
    "dicom",
    "extracts",
    "fetch",
    "labels",
    "measure",
    "open_cohort",
    "options",
    "report",
    "reports",
    "synthetic",
    "vocabulary",
]


#: Rooms within rooms that have a public name of their own.
_INNER = {"catalogue": "workbench.cohort.catalogue", "vocabulary": "workbench.cohort.vocabulary"}


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(import_module(_LAZY[name]), name)
    if name in _INNER:
        return import_module(_INNER[name])
    if name in _ROOMS:
        return import_module(f"workbench.{name}")
    raise AttributeError(f"module 'workbench' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
