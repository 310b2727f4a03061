"""From a path to an extract: which layout it is, and its adapter."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final, Protocol

from workbench.errors import EmptyExtract, ExtractError, PathNotFound, UsageError
from workbench.extracts import cdm, dataset_service, datmat, idc, medical_folder, plain
from workbench.extracts.composed import with_images, with_tables
from workbench.extracts.paths import is_utf8, printable
from workbench.extracts.reading import ReadOptions
from workbench.extracts.record import Extract
from workbench.extracts.several import extracts_below
from workbench.extracts.tree import Sample, Tree
from workbench.findings import Finding
from workbench.options import options


class Adapter(Protocol):
    """What a layout's module offers."""

    def detect(self, sample: Sample, /) -> bool:
        """Whether the names look like this layout."""

    def read(self, root: Path, how: ReadOptions, /, *, node: str, allowed_roots: tuple[Path, ...]) -> Extract:
        """The extract, as listed; no image is opened.

        Parameters
        ----------
        root : Path
            Resolved folder.
        how : ReadOptions
            What the caller said of the options that are in :attr:`ACCEPTS`.
        node : str
            Who handed it over.
        allowed_roots : tuple of Path
            Resolved folders that links may lead to.

        Raises
        ------
        EmptyExtract
            Nothing there is of this layout.
        """

    #: Names of the :class:`ReadOptions` that the layout understands.
    ACCEPTS: frozenset[str]


#: Layouts by name, in the order in which they are tried.
LAYOUTS: Final[dict[str, Adapter]] = {
    dataset_service.NAME: dataset_service,
    cdm.NAME: cdm,
    idc.NAME: idc,
    medical_folder.NAME: medical_folder,
    datmat.NAME: datmat,
    plain.NAME: plain,
}

#: One path, or several.
Tables = str | os.PathLike[str] | Iterable[str | os.PathLike[str]]

#: Layouts whose folders are links into a data lake beside the extract.
LINKED_LAYOUTS: Final = frozenset({dataset_service.NAME})

_LOOKED_FOR = (
    "looked for index.json, tables of the common data model, <Modality>_<UID> folders, an *.s5cmd manifest, "
    "<subject>/<modality>/<file>.nii.gz, <scan_id>_<scan_type> folders and any DICOM file"
)


def detect(path: str | os.PathLike[str], /) -> str | None:
    """Name of the layout of a folder or file, None where none is recognised.

    Parameters
    ----------
    path : path-like
        Folder that a node handed over, or a single DICOM file. Names are read, a sample of at most 200 folders
        per level and six levels deep, the first bytes of one ``index.json``, and of files until one is DICOM.

    Raises
    ------
    PathNotFound
        The path does not exist.
    UsageError
        The path is empty.
    ExtractError
        It cannot be listed.

    Examples
    --------
    >>> import tempfile
    >>> detect(tempfile.mkdtemp()) is None
    True
    """
    root = _existing(path)
    return _detect(root, _roots(root, None))


def open_extract(
    path: str | os.PathLike[str] | None = None,
    /,
    *,
    images: str | os.PathLike[str] | None = None,
    layout: str | None = None,
    node: str | None = None,
    id_column: str | None = None,
    node_column: str | None = None,
    header: int | None = None,
    clinical: Tables = (),
    link_roots: Iterable[str | os.PathLike[str]] | None = None,
    index: str | os.PathLike[str] | None = None,
    links: str | os.PathLike[str] | None = None,
    modalities: Mapping[str, str] | None = None,
    masks: Iterable[str] = (),
) -> Extract:
    """What a node handed over, as listed: series places and clinical values; no header is read, no pixel decoded.

    Parameters
    ----------
    path : path-like
        Folder, or a single DICOM file.
    images : path-like, optional
        Folder of the images where *path* has tables alone: ``open_extract(tables, images=folder)``, which is the same
        as ``open_extract(folder, clinical=tables)`` and ``open_extract(images=folder, clinical=tables)``.
    layout : str, optional
        Name of the layout; by default it is told from the names in the folder.
    node : str, optional
        Who handed it over; by default the folder's name.
    id_column : str, optional
        Column of the clinical tables that names the patient.
    node_column : str, optional
        Column of the clinical tables that names the centre: a cohort counts each centre as a node.
    header : int, optional
        Rows of the clinical tables' header, where it has several; their names are joined with dots.
    clinical : path-like or iterable of path-like, optional
        Clinical tables outside *path*, or folders of them, read besides those in it. A folder of tables of the
        ``cdm`` layout is read as such.
    link_roots : iterable of path-like, optional
        Folders outside *path* that links in it may lead to, these and no others; by default ``options.link_roots``.
    index : path-like, optional
        A filtered ``index.json`` of the dataset-service layout.
    links : path-like, optional
        Table with the columns ``identifier`` and ``patient_id`` (and ``entity``): whose rows are whose, in files of the
        ``cdm`` layout that name no patient.
    modalities : mapping, optional
        DICOM modality of each modality folder of the ``medical-folder`` layout: ``{"T1w": "MR"}``.
    masks : iterable of str, optional
        Modality folders of that layout that hold masks of the subject's images.

    Raises
    ------
    PathNotFound
        The path does not exist.
    EmptyExtract
        No layout is recognised.
    UsageError
        Unknown layout, an argument that does not fit the layout, an empty path, or a folder of several extracts.
    ExtractError
        The folder cannot be listed, or its name is not valid UTF-8.
    UnsafePath
        A path inside the extract that leaves the allowed roots.
    EntryFileError
        The extract's entry file cannot be read.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> _ = (folder / "IM1").write_bytes(bytes(128) + b"DICM")
    >>> open_extract(folder, node="north").layout
    'plain'
    """
    if layout is not None and layout not in LAYOUTS:
        raise UsageError(f"unknown layout {layout!r}", remedy=f"use one of {', '.join(LAYOUTS)}")
    given = _paths(clinical, "clinical")
    if images is not None:
        given = given if path is None else (_existing(path), *given)
        path = images
    if path is None:
        raise UsageError("no path", remedy="name the folder that a node handed over")
    root = _existing(path)
    roots = _roots(root, link_roots)
    detected = _detect(root, roots)
    chosen = layout or detected
    listed = dataset_service.NAME in (chosen, detected) or root.is_file()
    nested = () if listed else _nested(root, roots, detected)
    if nested and layout is None:
        raise _several(path, nested)
    if chosen is None and os.path.lexists(root / dataset_service.INDEX):
        # Nothing else is there, so its reader says what is wrong with the entry file.
        chosen = dataset_service.NAME
    if chosen is None:
        raise _nothing(root, roots)
    if root.is_file() and chosen != plain.NAME:
        raise UsageError(f"a single file cannot be opened as {chosen!r}", file=root.name, remedy="name its folder")
    adapter = LAYOUTS[chosen]
    how = ReadOptions(
        id_column=id_column,
        node_column=node_column,
        header=header,
        clinical=given,
        index=None if index is None else Path(os.path.expanduser(index)),
        links=None if links is None else Path(os.path.expanduser(links)),
        modalities=dict(modalities or {}),
        masks=(masks,) if isinstance(masks, str) else tuple(masks),
    )
    beside = _beside(root, roots, chosen)
    models = tuple(path for path in how.clinical if path.is_dir() and cdm.detect(Sample(Tree(path, (path,)))))
    _refuse_others((chosen, *beside, *([cdm.NAME] if models else [])), how)
    tables = tuple(path for path in how.clinical if path not in models)
    name = node or (root.parent if root.is_file() else root).name or "extract"
    plainly = replace(how, clinical=tables)
    extract = adapter.read(root, plainly.only(adapter.ACCEPTS), node=name, allowed_roots=roots)
    for folder in models:
        more = cdm.read(folder, how.only(cdm.ACCEPTS), node=name, allowed_roots=(folder,), shown_from=root)
        extract = with_tables(extract, replace(more, allowed_roots=()))
    for other in beside:
        # Tables and images of one folder, each read in its own layout.
        accepted = replace(plainly, tables=False).only((*LAYOUTS[other].ACCEPTS, "tables"))
        more = LAYOUTS[other].read(root, accepted, node=name, allowed_roots=roots)
        extract = with_tables(extract, more) if other == cdm.NAME else with_images(extract, more)
    findings = list(extract.findings)
    if nested or (layout is not None and detected not in (layout, None)):
        looks = "a folder of extracts" if nested else detected
        message = f"opened as {chosen}, looks like {looks}"
        if nested or detected == dataset_service.NAME:
            message += ": series that were not handed over may be among them"
        findings.insert(0, Finding("layout-forced", message, path="."))
    return replace(extract, how=how, findings=tuple(replace(finding, node=extract.node) for finding in findings))


def _paths(given: Tables, what: str) -> tuple[Path, ...]:
    """Paths of an argument that takes one or several, links resolved."""
    items = (given,) if isinstance(given, (str, os.PathLike)) else tuple(given)
    if not all(os.fspath(item) for item in items):
        raise UsageError(f"empty path in {what}", remedy="leave it out, or name a file")
    return tuple(Path(os.path.realpath(os.path.expanduser(item))) for item in items)


def _beside(root: Path, roots: tuple[Path, ...], chosen: str) -> tuple[str, ...]:
    """The layout that gives the rest of a folder: the images where tables were told, and the reverse."""
    if root.is_file() or chosen not in (cdm.NAME, dataset_service.NAME):
        return ()
    sample = Sample(Tree(root, roots))
    if chosen == dataset_service.NAME:
        return (cdm.NAME,) if cdm.detect(sample) else ()
    others = (name for name in LAYOUTS if name not in (cdm.NAME, dataset_service.NAME))
    return tuple(name for name in others if LAYOUTS[name].detect(sample))[:1]


def _refuse_others(layouts: tuple[str, ...], how: ReadOptions) -> None:
    """Refuse an option that none of the layouts would heed."""
    for name in how.given():
        if not any(name in LAYOUTS[layout].ACCEPTS for layout in layouts):
            who = [other for other, adapter in LAYOUTS.items() if name in adapter.ACCEPTS]
            raise UsageError(
                f"{name}= is not for the layout {layouts[0]!r}", remedy=f"leave it out; for: {', '.join(who)}"
            )


def _existing(path: str | os.PathLike[str]) -> Path:
    given = os.fspath(path)
    if not given:
        raise UsageError("empty path", remedy="name a folder; '.' is the current one")
    shown = printable(given)
    try:
        root = Path(os.path.realpath(options.at_hand(given), strict=True))
        if not root.is_file():
            os.scandir(root).close()
    except FileNotFoundError:
        raise PathNotFound("no such path", file=shown, remedy="check its spelling") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not a usable path"
        raise ExtractError(f"cannot be listed: {reason}", file=shown, remedy="check permissions") from error
    if not is_utf8(str(root)):
        raise ExtractError(
            "name is not valid UTF-8", file=printable(str(root)), remedy="rename it, or the folder above it"
        )
    return root


def _roots(root: Path, link_roots: Iterable[str | os.PathLike[str]] | None) -> tuple[Path, ...]:
    given = options.link_roots if link_roots is None else link_roots
    items = (given,) if isinstance(given, (str, os.PathLike)) else given
    wanted: list[str] = [os.fspath(item) for item in items]
    if not all(wanted):
        raise UsageError("empty path in link_roots", remedy="leave it out, or name a folder")
    folder = root.parent if root.is_file() else root
    resolved = (Path(os.path.realpath(os.path.expanduser(item))) for item in (str(folder), *wanted))
    return tuple(dict.fromkeys(resolved))


def _detect(root: Path, roots: tuple[Path, ...]) -> str | None:
    if root.is_file():
        return plain.NAME if plain.is_dicom_file(root) else None
    sample = Sample(Tree(root, roots))
    return next((name for name, adapter in LAYOUTS.items() if adapter.detect(sample)), None)


def _nested(root: Path, roots: tuple[Path, ...], detected: str | None) -> tuple[str, ...]:
    # Below a download, further manifests may stand: its own.
    return extracts_below(Tree(root, roots), manifests=detected != idc.NAME)


def _several(path: str | os.PathLike[str], nested: tuple[str, ...]) -> UsageError:
    given = printable(os.fspath(path))
    names = ", ".join(nested[:5]) + (f" and {len(nested) - 5} more" if len(nested) > 5 else "")
    patterns = dict.fromkeys(os.path.join(given, os.path.dirname(name), "*") for name in nested)
    return UsageError(
        f"the folder holds extracts of its own: {names}",
        file=given,
        remedy=f"open them each: {', '.join(list(patterns)[:3])}",
    )


def _nothing(root: Path, roots: tuple[Path, ...]) -> ExtractError:
    if root.is_file():
        return EmptyExtract("file is not DICOM", file=root.name, remedy="name a DICOM file, or an unpacked folder")
    return plain.nothing_found(Tree(root, roots), _LOOKED_FOR)
