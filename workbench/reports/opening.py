"""What a template's notebook does first: check its parameters, open the cohort they name."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final

from workbench.errors import ParameterError, UsageError
from workbench.options import options
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
    """The cohort that ``extract``, ``link_roots``, ``lock``, ``nodes`` and ``where`` name.

    Raises
    ------
    ParameterError
        Where a node is asked for that handed nothing over.
    LockError
        The lock file names what is not there or has changed.
    """
    from workbench.cohort import open_cohort

    cohort = open_cohort(list(parameters.extract), link_roots=list(parameters.link_roots), lock=parameters.lock)
    if parameters.nodes is not None:
        cohort = _only(cohort, parameters)
    return cohort.where(parameters.where) if parameters.where.strip() else cohort


def _only(cohort: Cohort, parameters: CommonParams) -> Cohort:
    """The cohort of the named nodes: of their extracts alone, so that patients without images stay."""
    wanted = list(parameters.nodes or [])
    known = list(cohort.nodes)
    problems = [
        Problem("param:choice", "nodes", repr(node), f"one of {', '.join(known)}", closest(node, known))
        for node in wanted
        if node not in known
    ]
    if problems:
        accept(list(problems))
    from workbench.cohort import open_cohort

    kept = [info for info in cohort.extracts if info.node in wanted]
    if parameters.lock is None:
        return open_cohort([info.root for info in kept], link_roots=list(parameters.link_roots))
    from workbench.cohort import Cohort

    # A lock file names every extract: it was held against all of them.
    return Cohort(kept, cohort.conditions)


def places(cohort: Any, more: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters that open a cohort again, or plain paths: ``extract``, ``link_roots``, and ``where`` or ``lock``.

    Paths and one condition say all of most cohorts; a lock file says the rest (samples, parts, sets, several
    conditions, what was said when the extracts were opened).

    Parameters
    ----------
    cohort : Cohort, path or list of paths
    more : mapping
        Further parameters that the caller gave.

    Raises
    ------
    UsageError
        The cohort was opened with files that a lock file cannot bring along.
    """
    if isinstance(cohort, str | os.PathLike):
        return {"extract": [cohort]}
    if isinstance(cohort, list | tuple):
        return {"extract": list(cohort)}
    if not hasattr(cohort, "extracts"):
        raise UsageError("what is reported on is no cohort", remedy="give an opened cohort, a path or a list of paths")
    found: dict[str, Any] = {"extract": list(dict.fromkeys(info.root for info in cohort.extracts))}
    if getattr(cohort, "link_roots", ()):
        found["link_roots"] = list(cohort.link_roots)
    if _said_by_paths(cohort) and not (cohort.conditions and "where" in more):
        return found | ({"where": cohort.conditions[0]} if cohort.conditions else {})
    if more.get("lock") is not None:
        raise UsageError(
            "a lock file cannot be given beside this cohort, which needs one of its own",
            remedy="give the paths and the lock file alone",
        )
    return found | {"lock": _locked(cohort)}


def _said_by_paths(cohort: Any) -> bool:
    """Whether paths and at most one condition open the cohort as it is."""
    plain = all(isinstance(step, str) for step in cohort.conditions) and len(cohort.conditions) <= 1
    return plain and not any(getattr(info, "said", ()) or getattr(info, "persons", ()) for info in cohort.extracts)


def _locked(cohort: Cohort) -> Path:
    """Lock file of a cohort in the user's cache, named by what it says: the same cohort has the same file.

    Raises
    ------
    UsageError
        It was opened with files that a lock file cannot bring along.
    """
    from workbench.cohort.lock import read_lock, write_lock
    from workbench.cohort.said import needed_files

    files = needed_files(cohort.extracts)
    if files:
        raise UsageError(
            f"a report cannot open the cohort again: it was opened with {', '.join(f'{name}=' for name in files)}",
            remedy="put the tables beside the images, or into the extract's own layout, and open it without",
        )
    folder = options.cache_folder("locks")
    made = folder / f".{secrets.token_hex(8)}.json"
    try:
        # Not cohort.lock: where the cache lies is the user's to say.
        write_lock(cohort, made)
        final = folder / f"{read_lock(made)['sha256'][:32]}.json"
        return made.replace(final)
    finally:
        made.unlink(missing_ok=True)
