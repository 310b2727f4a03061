"""``open_cohort``: paths -> extracts -> tables -> Cohort."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from workbench.cohort.cohort import Cohort
from workbench.cohort.linkage import with_persons
from workbench.cohort.lock import check_selection, compared, read_lock, steps_of
from workbench.cohort.recall import Asked, recall, remember
from workbench.cohort.store import Stored, store
from workbench.errors import PathNotFound, UsageError
from workbench.extracts import LINKED_LAYOUTS, detect, open_extract
from workbench.options import options

T = TypeVar("T")
Paths = str | os.PathLike[str] | Iterable[str | os.PathLike[str]]


def open_cohort(
    paths: Paths,
    *,
    layout: str | None = None,
    node: str | Mapping[str, str] | None = None,
    id_column: str | None = None,
    link_roots: Iterable[str | os.PathLike[str]] | Mapping[str, Iterable[str | os.PathLike[str]]] = (),
    trust: str = "auto",
    lock: str | os.PathLike[str] | None = None,
    linkage: str | os.PathLike[str] | None = None,
) -> Cohort:
    """Cohort of one or more extracts, each read in the layout it is in.

    Parameters
    ----------
    paths : path, glob pattern, or list of these
        Folders as the nodes handed them over.
    layout : str, optional
        Layout of all of them, where detection should not decide.
    node : str or mapping, optional
        Name of the node, or names by path; by default each folder's name.
    id_column : str, optional
        Patient column of the clinical tables, where it is not obvious.
    link_roots : list of path, or mapping, optional
        Folders outside the extracts that links inside them may lead to (a data lake). Where several extracts are
        opened, a list speaks for those whose layout hands over by links (``dataset-service``), so that no other
        extract can reach into a neighbour's lake; a mapping names roots by extract path.
    trust : {"auto", "none"}
        What must be proven of an extract. Nothing is verified yet: everything opens as "not sealed".
    lock : path, optional
        Lock file that :meth:`Cohort.lock` wrote: the cohort is exactly what it names, instances, conditions and all.
        Instances that came since are left out, which is a finding.
    linkage : path, optional
        CSV with the columns ``node``, ``patient_id``, ``person``: who is the same person at several nodes. Then
        ``patients`` has a column ``person_id``, and what linked patients disagree about is a finding. Without it the
        same pseudonym at two nodes is two patients.

    Raises
    ------
    PathNotFound, EmptyExtract, UsageError, UnsafePath, EntryFileError
        Names the extract and what to do.
    LockError
        What the lock file names is not there or has changed; says what, per node, with counts and examples.

    Examples
    --------
    ``wb.open_cohort("demo/extracts/*", link_roots=["demo/datalake"])``
    """
    if trust not in ("auto", "none"):
        raise UsageError(f"trust={trust!r} is not available", remedy="extracts open as not sealed: use trust='auto'")
    folders = expand(paths)
    if isinstance(node, str) and len(folders) > 1:
        raise UsageError("one node name for several extracts", remedy="give names by path: node={path: name}")
    names = _by_folder(node, folders, "node") if isinstance(node, Mapping) else dict.fromkeys(folders, node)
    roots = _roots(link_roots, folders)
    content = None if lock is None else read_lock(lock)
    opened: list[Stored] = []
    for folder in folders:
        how: dict[str, Any] = {"layout": layout, "node": names[folder], "id_column": id_column}
        extract = _open(folder, how, roots[folder], sure=isinstance(link_roots, Mapping) or len(folders) == 1)
        twin = next((other for other in opened if other.node == extract.node), None)
        if twin is not None and twin.root == extract.root:
            raise UsageError("the same extract twice", file=str(folder), remedy="name it once")
        if twin is not None:
            raise UsageError(
                f"two extracts would both be node {extract.node!r}",
                file=str(folder),
                remedy="give names by path: node={path: name}",
            )
        opened.append(extract)
    if content is None:
        return Cohort(opened if linkage is None else with_persons(opened, linkage))
    for node_name, beyond in compared(content, opened).items():
        if beyond:
            place = next(place for place, extract in enumerate(opened) if extract.node == node_name)
            folder = folders[place]
            how = {"layout": opened[place].layout, "node": node_name, "id_column": id_column}
            opened[place] = store(open_extract(folder, **how, link_roots=opened[place].link_roots), without=beyond)
    cohort = Cohort(opened if linkage is None else with_persons(opened, linkage), steps_of(content))
    check_selection(content, cohort)
    return cohort


def _by_folder(given: Mapping[str, T], folders: list[Path], what: str) -> dict[Path, T | None]:
    """Values of a mapping by extract path, however the path is written.

    Raises
    ------
    UsageError
        A path that is none of the extracts.
    """
    places = {os.path.abspath(os.path.expanduser(os.fspath(path))): value for path, value in given.items()}
    unknown = set(places) - {os.path.abspath(folder) for folder in folders}
    if unknown:
        names = ", ".join(sorted(Path(path).name for path in unknown))
        raise UsageError(f"{what} names what is not opened: {names}", remedy="use the paths of the extracts as keys")
    return {folder: places.get(os.path.abspath(folder)) for folder in folders}


def _open(folder: Path, how: dict[str, Any], roots: tuple[str | os.PathLike[str], ...], *, sure: bool) -> Stored:
    """One extract's tables: remembered where nothing changed, else read.

    Parameters
    ----------
    sure : bool
        Whether *roots* are this extract's own; else they are for a layout that hands over by links.
    """
    told = [os.path.realpath(os.path.expanduser(root)) for root in roots]
    asked = Asked.now(folder, **how, link_roots=told, sure=sure)
    known = recall(asked)
    if known is not None:
        return known
    if roots and not sure and (how["layout"] or detect(folder)) not in LINKED_LAYOUTS:
        roots = ()
    extract = open_extract(folder, **how, link_roots=roots)
    stored = store(extract)
    remember(asked, extract, stored)
    return stored


def _roots(
    given: Iterable[str | os.PathLike[str]] | Mapping[str, Iterable[str | os.PathLike[str]]], folders: list[Path]
) -> dict[Path, tuple[str | os.PathLike[str], ...]]:
    """Folders that links of each extract may lead to."""
    if isinstance(given, Mapping):
        return {folder: tuple(roots or ()) for folder, roots in _by_folder(given, folders, "link_roots").items()}
    return dict.fromkeys(folders, (*given, *options.link_roots))


def expand(paths: Paths) -> list[Path]:
    """Folders that paths and glob patterns stand for, in order, patterns sorted.

    Raises
    ------
    PathNotFound
        A path or pattern that matches nothing.
    """
    given = [paths] if isinstance(paths, (str, os.PathLike)) else list(paths or ())
    if not given or not all(isinstance(item, (str, os.PathLike)) and os.fspath(item) for item in given):
        raise UsageError("no path given", remedy="name at least one extract")
    found: list[Path] = []
    for item in given:
        text = os.path.expanduser(os.fspath(item))
        if os.path.lexists(text) or not glob.has_magic(text):
            matches = [text]
        else:
            matches = sorted(match for match in glob.glob(text) if os.path.isdir(match))
            if not matches:
                raise PathNotFound("no folder matches", file=str(item), remedy="check the pattern")
        found.extend(Path(match) for match in matches)
    return found
