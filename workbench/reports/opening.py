"""What a template's notebook does first: check its parameters, open the cohort they name."""

from __future__ import annotations

from collections.abc import Mapping
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final

from workbench.errors import ParameterError
from workbench.reports.parameters import CommonParams, Problem, closest, normalise

if TYPE_CHECKING:
    from workbench.cohort import Cohort

#: Public names IPython itself puts into a fresh notebook's namespace.
_IPYTHON: Final = frozenset({"In", "Out", "exit", "quit", "open", "get_ipython"})


def params(template_id: str, namespace: Mapping[str, Any]) -> Any:
    """The checked parameters of a template, from the names its notebook holds so far.

    Call it in the first cell after the parameters, with ``globals()``: every public name there is a parameter,
    so a misspelt one is refused instead of being ignored.

    Returns
    -------
    Params
        Instance of the template's model.

    Raises
    ------
    ParameterError
        With every problem, one per line.

    Examples
    --------
    >>> params("cohort-profile", {"extract": ["."], "seed": 3}).seed
    3
    """
    raw = {
        name: value
        for name, value in namespace.items()
        if not name.startswith("_") and name not in _IPYTHON and not isinstance(value, ModuleType)
    }
    return accept(normalise(template_id, raw))


def accept(outcome: CommonParams | list[Problem]) -> CommonParams:
    """The parameters; raises where there are problems instead.

    Raises
    ------
    ParameterError
        With every problem, one per line.
    """
    if isinstance(outcome, list):
        lines = "\n".join(f"  {problem}" for problem in outcome)
        raise ParameterError(f"{len(outcome)} parameter problem(s):\n{lines}", problems=tuple(outcome))
    return outcome


def open_selected(parameters: CommonParams) -> Cohort:
    """The cohort that ``extract``, ``link_roots``, ``nodes`` and ``where`` name.

    Raises
    ------
    ParameterError
        Where a node is asked for that handed nothing over.
    """
    from workbench.cohort import open_cohort

    cohort = open_cohort(list(parameters.extract), link_roots=list(parameters.link_roots))
    if parameters.nodes is not None:
        cohort = _only(cohort, parameters)
    return cohort.where(parameters.where) if parameters.where.strip() else cohort


def _only(cohort: Cohort, parameters: CommonParams) -> Cohort:
    """The cohort of the named nodes: their extracts opened again, so that patients without images stay."""
    from workbench.cohort import open_cohort

    wanted = list(parameters.nodes or [])
    known = list(cohort.nodes)
    problems = [
        Problem("param:choice", "nodes", repr(node), f"one of {', '.join(known)}", closest(node, known))
        for node in wanted
        if node not in known
    ]
    if problems:
        accept(list(problems))
    roots = [info.root for info in cohort.extracts if info.node in wanted]
    return open_cohort(roots, link_roots=list(parameters.link_roots))
