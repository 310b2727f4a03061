"""Reports: typed parameters, one run in a fresh kernel, ``results.json``, offline HTML and an index.

Inside a template only these names are used::

    P = wb.reports.params("cohort-profile", globals())   # the checked parameters
    cohort = wb.reports.open_selected(P)                 # the cohort they name
    R = wb.reports.results(P)                            # collects what goes into results.json

Nothing here loads papermill, matplotlib, pandas or xarray before a report is really run.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from workbench.reports import imaging, plots, profile, prose
    from workbench.reports.collector import Results, results
    from workbench.reports.contents import write_index
    from workbench.reports.figures import figure
    from workbench.reports.html import to_html
    from workbench.reports.opening import open_selected, params
    from workbench.reports.parameters import CommonParams, Problem, normalise, parse_assignments, rehydrate
    from workbench.reports.record import Run
    from workbench.reports.runner import report, run
    from workbench.reports.tables import table
    from workbench.reports.templates import Template, find_template, list_templates, sync

#: Public name -> the module that holds it. No module bears the name of a function it exports.
_LAZY = {
    "CommonParams": "parameters",
    "Problem": "parameters",
    "Results": "collector",
    "Run": "record",
    "Template": "templates",
    "figure": "figures",
    "find_template": "templates",
    "list_templates": "templates",
    "normalise": "parameters",
    "open_selected": "opening",
    "params": "opening",
    "parse_assignments": "parameters",
    "rehydrate": "parameters",
    "report": "runner",
    "results": "collector",
    "run": "runner",
    "sync": "templates",
    "table": "tables",
    "to_html": "html",
    "write_index": "contents",
}
#: Modules of tables, charts and words that templates use whole.
_MODULES = ("imaging", "plots", "profile", "prose")

__all__ = [
    "CommonParams",
    "Problem",
    "Results",
    "Run",
    "Template",
    "figure",
    "find_template",
    "imaging",
    "list_templates",
    "normalise",
    "open_selected",
    "params",
    "parse_assignments",
    "plots",
    "profile",
    "prose",
    "rehydrate",
    "report",
    "results",
    "run",
    "sync",
    "table",
    "to_html",
    "write_index",
]


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(import_module(f"{__name__}.{_LAZY[name]}"), name)
    if name in _MODULES:
        return import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
