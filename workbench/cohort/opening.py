"""``open_cohort``: paths -> extracts -> tables -> Cohort."""

from __future__ import annotations

import glob
import os
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, TypeVar

from workbench.arguments import allowed, checked, is_text, short
from workbench.cohort.clinical.mapped import mappings_of
from workbench.cohort.cohort import Cohort
from workbench.cohort.identity.linkage import with_persons
from workbench.cohort.lock import check_selection, compared, read_lock, steps_of
from workbench.cohort.said import filled, said_of
from workbench.cohort.tables.centres import store_nodes
from workbench.cohort.tables.recall import Asked, recall, remember
from workbench.cohort.tables.store import Stored
from workbench.cohort.vocabulary.mapping import mappings
from workbench.errors import PathNotFound, UsageError
from workbench.extracts import LINKED_LAYOUTS, detect, open_extract
from workbench.extracts.record import Extract
from workbench.options import options

#: Option that may be given by extract path -> what it may be of one extract.
_EACH: Final = {
    "layout": "str | None", "node": "str | None", "id_column": "str | None", "node_column": "str | None",
    "header": "int | None", "clinical": "Paths | None", "index": "PathLike | None", "links": "PathLike | None",
    "masks": "str | Iterable[str] | None", "link_roots": "Paths | None", "mapping": "PathLike | None",
    "modalities": "Mapping[str, str] | None",
}  # fmt: skip
#: Wall time in multiples of processor time from which on a folder was waited for.
WAITING: Final = 2.5
T = TypeVar("T")
PathLike = str | os.PathLike[str]
Paths = PathLike | Iterable[PathLike]


@checked
def open_cohort(
    paths: Paths,
    *,
    layout: str | None = None,
    node: str | Mapping[str, str] | None = None,
    id_column: str | Mapping[str, str] | None = None,
    node_column: str | Mapping[str, str] | None = None,
    header: int | Mapping[str, int] | None = None,
    clinical: Paths | Mapping[str, Paths] = (),
    index: PathLike | Mapping[str, PathLike] | None = None,
    links: PathLike | Mapping[str, PathLike] | None = None,
    modalities: Mapping[str, Any] | None = None,
    masks: str | Iterable[str] | Mapping[str, str | Iterable[str]] = (),
    link_roots: Paths | Mapping[str, Paths] = (),
    mapping: PathLike | Mapping[str, PathLike] | None = None,
    trust: str = "auto",
    lock: str | os.PathLike[str] | None = None,
    linkage: str | os.PathLike[str] | None = None,
) -> Cohort:
    """Cohort of one or more extracts, each read in the layout it is in.

    Parameters
    ----------
    paths : path, glob pattern, or list of these
        Folders as the nodes handed them over. A relative one that is not here is looked for in ``options.data_path``.
    layout : str, optional
        Layout of all of them, where detection should not decide.
    node : str or mapping, optional
        Name of the node, or names by path; by default each folder's name.
    id_column : str or mapping, optional
        Patient column of the clinical tables, where it is not obvious; or columns by extract path. An extract none of
        whose tables has it is refused; a table without it beside others that have it is a finding.
    node_column : str or mapping, optional
        Column of the clinical tables that names the centre: each centre is a node then. Patients of no centre stay
        with the extract's own node, which is a finding.
    header : int or mapping, optional
        Rows of the clinical tables' header, where it has several; their names are joined with dots.
    clinical : path, list of path, or mapping, optional
        Clinical tables outside the extract, or folders of them. Where several extracts are opened, a mapping says
        which belong to which, by extract path; so for *index* and *links*.
    index : path or mapping, optional
        A filtered ``index.json`` of the dataset-service layout.
    links : path or mapping, optional
        Table of whose rows are whose in a ``cdm`` export that names no patient.
    modalities : mapping, optional
        DICOM modality of each modality folder of a ``medical-folder``: ``{"T1w": "MR"}``; or such mappings by extract
        path.
    masks : list of str, or mapping, optional
        Modality folders of a ``medical-folder`` that hold masks; or lists by extract path.
    link_roots : path, list of path, or mapping, optional
        Folders outside the extracts that links inside them may lead to (a data lake). Where several extracts are
        opened, a list speaks for those whose layout hands over by links (``dataset-service``), so that no other
        extract can reach into a neighbour's lake; a mapping names roots by extract path.
    mapping : path or mapping, optional
        CSV that says which variables the columns of the clinical tables are, how values and units are spelt; or such
        files by extract path. It adds to the shipped mapping of the layout and goes first; see ``docs/clinical.md``.
    trust : {"auto", "none"}
        What must be proven of an extract. Nothing is verified yet: everything opens as "not sealed".
    lock : path, optional
        Lock file that :meth:`Cohort.lock` wrote: the cohort is exactly what it names, instances, conditions and all.
        Instances that came since are left out, which is a finding. What was said of the extracts then (``node``,
        ``layout``, ``id_column``, ``node_column``, ``header``, ``modalities``, ``masks``) is taken from it where it is
        not said again; tables named by path (``mapping``, ``clinical``, ``index``, ``links``, ``linkage``) are named
        again and must be the same.
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
    of_one = {
        "node": node,
        "clinical": clinical if isinstance(clinical, Mapping) else _several(clinical) or None,
        "index": index,
        "links": links,
        "masks": _names(masks),
    }
    of_all = {
        "layout": layout, "id_column": id_column, "node_column": node_column, "header": header, "mapping": mapping,
    }  # fmt: skip
    given = {name: _each(value, folders, name, shared=name in of_all) for name, value in {**of_all, **of_one}.items()}
    given["modalities"] = _of_folders(modalities, folders)
    content = None if lock is None else read_lock(lock)
    if content is not None:
        given = filled(given, content["extracts"], folders)
    roots = _roots(link_roots, folders)
    opened: list[Stored] = []
    of_folder: dict[Path, list[Stored]] = {}
    sure = isinstance(link_roots, Mapping) or len(folders) == 1
    said = {folder: _said({name: values[folder] for name, values in given.items()}) for folder in folders}
    for folder, asked, stored in _recalled(folders, said, roots, sure=sure):
        how = said[folder]
        extracts = stored if stored is not None else _open(folder, how, roots[folder], asked, sure=sure)
        extracts = [replace(extract, said=said_of(how)) for extract in extracts]
        for extract in extracts:
            _refuse_twin(extract, opened, folder, split=bool(how.get("node_column")))
        opened += extracts
        of_folder[folder] = extracts
    if linkage is not None:
        opened = with_persons(opened, linkage)
        of_folder = {
            folder: [one for one in opened if one.root == known[0].root] for folder, known in of_folder.items()
        }
    if content is None:
        return Cohort(opened)
    more = compared(content, opened)
    for folder, extracts in of_folder.items():
        beyond = frozenset[str]().union(*(more.get(extract.node, frozenset()) for extract in extracts))
        if beyond:
            how = _said({name: values[folder] for name, values in given.items()} | {"layout": extracts[0].layout})
            _, found = _read(folder, how, extracts[0].link_roots, without=beyond)
            persons = {extract.node: extract.persons for extract in extracts}
            of_folder[folder] = [
                replace(one, said=extracts[0].said, persons=persons.get(one.node, ()), elsewhere=extracts[0].elsewhere)
                for one in found
            ]
    opened = [extract for extracts in of_folder.values() for extract in extracts]
    cohort = Cohort(opened, steps_of(content))
    check_selection(content, cohort)
    return cohort


def listed_extracts(
    paths: Paths,
    *,
    layout: str | None = None,
    node: str | Mapping[str, str] | None = None,
    index: PathLike | Mapping[str, PathLike] | None = None,
    link_roots: Paths | Mapping[str, Paths] = (),
) -> list[Extract]:
    """Extracts as their adapters list their images, one after another; no header and no clinical value is kept.

    Parameters
    ----------
    paths, layout, node, index, link_roots
        As for :func:`open_cohort`.

    Raises
    ------
    PathNotFound, EmptyExtract, UsageError, UnsafePath, EntryFileError
        Names the extract and what to do.
    """
    folders = expand(paths)
    given = {name: _each(value, folders, name, shared=False) for name, value in {"node": node, "index": index}.items()}
    sure = isinstance(link_roots, Mapping) or len(folders) == 1
    found = []
    for folder, roots in _roots(link_roots, folders).items():
        how = {"layout": layout, **{name: values[folder] for name, values in given.items()}}
        found.append(open_extract(folder, **how, link_roots=_own_roots(folder, how, roots, sure=sure)))
    return found


def _own_roots(
    folder: Path, how: Mapping[str, Any], roots: tuple[PathLike, ...], *, sure: bool
) -> tuple[PathLike, ...]:
    """Roots for an extract: those given for all (not *sure*) are for a layout that hands over by links."""
    if roots and not sure and (how["layout"] or detect(folder)) not in LINKED_LAYOUTS:
        return ()
    return roots


def _refuse_twin(extract: Stored, opened: list[Stored], folder: Path, *, split: bool) -> None:
    """Refuse an extract whose node is another's too."""
    twin = next((other for other in opened if other.node == extract.node), None)
    if twin is None:
        return
    if twin.root == extract.root:
        raise UsageError("the same extract twice", file=str(folder), remedy="name it once")
    remedy = "give names by path: node={path: name}" + (", or leave node_column out" if split else "")
    raise UsageError(f"two extracts would both be node {extract.node!r}", file=str(folder), remedy=remedy)


def _each(given: Any, folders: list[Path], what: str, *, shared: bool) -> dict[Path, Any]:
    """What is said of each extract: by its path, or the same of all of them where that can be (*shared*)."""
    if isinstance(given, Mapping):
        return _by_folder(given, folders, what)
    if given is not None and len(folders) > 1 and not shared:
        things = {
            "node": "node name", "clinical": "clinical= for all", "index": "index", "links": "table of links",
            "masks": "list of masks", "modalities": "table of modalities",
        }  # fmt: skip
        raise UsageError(
            f"one {things[what]} for several extracts",
            remedy=f"give them by path: {what}={{path: ...}} of each extract",
        )
    return dict.fromkeys(folders, given)


def _names(given: Any) -> Any:
    """Names as a tuple, also where they are given by extract path; None where there are none."""
    if isinstance(given, Mapping):
        return {path: _names(allowed(names, _EACH["masks"], name="masks of an extract", among=open_cohort))
                for path, names in given.items()}  # fmt: skip
    return ((given,) if isinstance(given, str) else tuple(given or ())) or None


def _of_folders(modalities: Mapping[str, Any] | None, folders: list[Path]) -> dict[Path, Any]:
    """Modalities of each extract: a mapping of texts is of the one extract, a mapping of mappings is by path."""
    given = modalities or None
    if given and all(isinstance(value, Mapping) for value in given.values()):
        return _by_folder(given, folders, "modalities")
    for name, code in (given or {}).items():
        if not is_text(name) or not is_text(code):
            raise UsageError(
                f"modalities cannot hold {short(name)}: {short(code)}",
                remedy="give the DICOM modality of each folder: {'T1w': 'MR'}",
            )
    if given and len(folders) > 1:
        return _each(dict(given).items(), folders, "modalities", shared=False)
    return dict.fromkeys(folders, dict(given) if given else None)


def _by_folder(given: Mapping[str, T], folders: list[Path], what: str) -> dict[Path, T | None]:
    """Values of a mapping by extract path, however the path is written.

    Raises
    ------
    UsageError
        A path that is none of the extracts.
    """
    for path, value in given.items():
        allowed(path, "PathLike", name=f"the path of an extract in {what}", among=open_cohort)
        allowed(value, _EACH[what], name=f"{what} of an extract", among=open_cohort)
    places = {os.path.abspath(options.at_hand(path)): value for path, value in given.items()}
    unknown = set(places) - {os.path.abspath(folder) for folder in folders}
    if unknown:
        names = ", ".join(sorted(Path(path).name for path in unknown))
        raise UsageError(f"{what} names what is not opened: {names}", remedy="use the paths of the extracts as keys")
    return {folder: places.get(os.path.abspath(folder)) for folder in folders}


Roots = Mapping[Path, tuple[str | os.PathLike[str], ...]]


def _recalled(
    folders: Sequence[Path], said: Mapping[Path, dict[str, Any]], roots: Roots, *, sure: bool
) -> Iterator[tuple[Path, Asked, list[Stored] | None]]:
    """Each extract with the question, and its tables where nothing changed since they were made.

    Where the file system lets wait, as one on a network does, folders are looked at side by side; on a disk at hand one
    after another, for threads would only get in each other's way.
    """

    def one(folder: Path) -> tuple[Asked, list[Stored] | None]:
        how = said[folder]
        # A mapping that cannot be used is told before anything is read.
        mappings("", how.get("mapping"))
        told = [os.path.realpath(os.path.expanduser(root)) for root in roots[folder]]
        asked = Asked.now(folder, **how, link_roots=told, sure=sure)
        return asked, recall(asked)

    wall, processor = time.perf_counter(), time.thread_time()
    found = [one(folder) for folder in folders[:1]]
    waited = time.perf_counter() - wall > WAITING * (time.thread_time() - processor)
    with ThreadPoolExecutor(min(options.workers, len(folders)) if waited else 1) as pool:
        found += pool.map(one, folders[1:])
    for folder, (asked, stored) in zip(folders, found, strict=True):
        yield folder, asked, stored


def _open(
    folder: Path, how: dict[str, Any], roots: tuple[str | os.PathLike[str], ...], asked: Asked, *, sure: bool
) -> list[Stored]:
    """One extract's tables, read anew, one set per node.

    Parameters
    ----------
    sure : bool
        Whether *roots* are this extract's own; else they are for a layout that hands over by links.
    """
    roots = _own_roots(folder, how, roots, sure=sure)
    extract, found = _read(folder, how, roots)
    remember(asked, extract, found)
    return found


def _read(
    folder: Path, how: dict[str, Any], roots: Iterable[str | os.PathLike[str]], *, without: frozenset[str] = frozenset()
) -> tuple[Extract, list[Stored]]:
    """An extract and its tables, one set per node."""
    said = {name: value for name, value in how.items() if name != "mapping"}
    extract = open_extract(folder, **said, link_roots=roots)
    return extract, store_nodes(extract, mappings_of(extract, how.get("mapping")), without=without)


def _said(how: Mapping[str, Any]) -> dict[str, Any]:
    """What is said of an extract, its paths resolved; of the newer options those that say something."""
    found = {
        name: _resolved(how[name]) if name in ("clinical", "index", "links", "mapping") else how[name] for name in how
    }
    return {
        name: value for name, value in found.items() if value is not None or name in ("layout", "node", "id_column")
    }


def _resolved(given: Any) -> Any:
    """Paths with their links resolved: one, or a tuple of several."""
    if given is None:
        return None
    if isinstance(given, (str, os.PathLike)):
        return Path(os.path.realpath(os.path.expanduser(given)))
    return tuple(Path(os.path.realpath(os.path.expanduser(item))) for item in given)


def _roots(given: Paths | Mapping[str, Paths], folders: list[Path]) -> Roots:
    """Folders that links of each extract may lead to."""
    if isinstance(given, Mapping):
        return {folder: _several(roots) for folder, roots in _by_folder(given, folders, "link_roots").items()}
    return dict.fromkeys(folders, (*_several(given), *options.link_roots))


def _several(given: Paths | None) -> tuple[PathLike, ...]:
    """One path or several as a tuple. A text is one path: its letters would be paths too, and "/" the whole disk."""
    return (given,) if isinstance(given, (str, os.PathLike)) else tuple(given or ())


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
        text = options.at_hand(item)
        if os.path.lexists(text) or not glob.has_magic(text):
            matches = [text]
        else:
            matches = sorted(match for match in glob.glob(text) if os.path.isdir(match))
            if not matches:
                raise PathNotFound("no folder matches", file=str(item), remedy="check the pattern")
        found.extend(Path(match) for match in matches)
    return found
