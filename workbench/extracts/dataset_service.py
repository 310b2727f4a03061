"""Layout ``dataset-service``: UPV node, CHAIMELEON, mini-node.

``index.json``, ``eforms.json``, ``<subjectName>/<study folder>`` (a folder, or a link into a data lake), and in it
one folder per series. Only series that ``index.json`` lists were handed over: a study folder shows others too.
Source: chaimeleon-eu/dataset-service, ``index.schema.json`` and ``dataset_creation_worker.py``.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench.errors import EntryFileError, PathNotFound
from workbench.extracts import clinical
from workbench.extracts.content import read_content
from workbench.extracts.eforms import parse_json, read_eforms
from workbench.extracts.paths import Located, checked_parts, inside, leaves_roots, locate, nfc
from workbench.extracts.reading import ReadOptions
from workbench.extracts.record import Clinical, ClinicalRow, Extract, SeriesRef
from workbench.extracts.tree import Sample, Tree
from workbench.findings import Finding

NAME = "dataset-service"
#: Options it understands.
ACCEPTS = clinical.OPTIONS | {"index"}
INDEX = "index.json"
EFORMS = "eforms.json"
_REMEDY = "ask the node for the file again, or name another layout with layout=..."


def detect(sample: Sample, /) -> bool:
    """Whether the root holds an ``index.json`` that is, or was meant to be, the dataset service's.

    A damaged one counts too: taken for a plain folder, the extract would show series that were not handed over.
    """
    if not os.path.lexists(sample.tree.full(INDEX)):
        return False
    if INDEX not in sample.root_files or EFORMS in sample.root_files:
        return True
    try:
        with sample.tree.full(INDEX).open("rb") as file:
            head = file.read(64)
    except OSError:
        return True
    return not head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{")


@dataclass(frozen=True, slots=True)
class _Item:
    """One study of the index."""

    #: ``index.json[3]``.
    place: str
    subject: str
    parts: tuple[str, ...]
    series: tuple[tuple[str, tuple[str, ...]], ...]


def read(root: Path, how: ReadOptions, /, *, node: str, allowed_roots: tuple[Path, ...]) -> Extract:
    """The extract that ``index.json`` lists, in its order; no image is opened.

    Parameters
    ----------
    root : Path
        Resolved folder.
    how : ReadOptions
        What the caller said: see ``ACCEPTS``.
    node : str
        Who handed it over.
    allowed_roots : tuple of Path
        Resolved folders that links may lead to.

    Raises
    ------
    EntryFileError
        An index that cannot be read or is not as the service writes it.
    UnsafePath
        A path or link of the index that leaves the allowed roots.
    """
    own = _load(_inner_file(root, INDEX, allowed_roots), INDEX)
    released: dict[str, set[str]] = {}
    for item in own:
        released.setdefault(_key(item), set()).update(nfc(name) for name, _ in item.series)
    chosen = own if how.index is None else _filtered(how.index, own, released)

    listing = _Listing(root, allowed_roots, released)
    for item in chosen:
        listing.study(item)
    forms, read, irregular = _clinical(root, allowed_roots)
    beside = clinical.read_clinical(Tree(root, allowed_roots), [], how)
    return Extract(
        node=node,
        dataset_id=root.name,
        layout=NAME,
        root=root,
        allowed_roots=allowed_roots,
        series=tuple(listing.series.values()),
        clinical=Clinical.of(forms) + beside.clinical,
        studies=beside.studies,
        nodes=beside.nodes,
        tables=(INDEX, *read, *beside.files),
        declared={
            "subjects": len({item.subject for item in chosen}),
            "studies": len(chosen),
            "series": sum(len(item.series) for item in chosen),
        },
        findings=(*listing.findings, *irregular, *beside.findings),
    )


class _Listing:
    """Series of the index that are on disk, and what was irregular; one folder is listed per study."""

    def __init__(self, root: Path, roots: tuple[Path, ...], released: dict[str, set[str]]) -> None:
        self.root = root
        self.roots = roots
        self.released = released
        self.series: dict[str, SeriesRef] = {}
        self.findings: list[Finding] = []
        self._studies: dict[str, dict[str, os.DirEntry[str]]] = {}

    def study(self, item: _Item) -> None:
        if nfc(item.parts[0]) != item.subject:
            self._note("patient-id-mismatch", f"{item.place}: path and subjectName differ", item, item.parts[0])
        located = locate(self.root, item.parts, roots=self.roots)
        if located.state == "too-long":
            raise EntryFileError(
                "path is longer than the file system allows", file=f"{item.place}.path", remedy=_REMEDY
            )
        entries = self._entries(located, item)
        if entries is None:
            return
        for position, (folder, tags) in enumerate(item.series):
            place = f"{item.place}.series[{position}]"
            entry = entries.get(nfc(folder))
            if entry is None:
                self._note("series-folder-missing", f"{place}: not on disk", item, f"{located.path}/{folder}")
                continue
            path = f"{located.path}/{entry.name}"
            if path in self.series:
                self._note("listed-twice", f"{place}: listed before", item, path)
            elif self._reachable(entry, path, item, place):
                self.series[path] = SeriesRef(
                    path=path,
                    patient_id=item.subject,
                    study_key=item.parts[-1],
                    series_key=folder,
                    tags=tags,
                    source=place,
                )

    def _entries(self, located: Located, item: _Item) -> dict[str, os.DirEntry[str]] | None:
        """What the study folder holds, by NFC name; None where it cannot be listed, which is a finding."""
        known = self._studies.get(located.path)
        if known is not None:
            return known
        problem = _PROBLEMS.get(located.state)
        entries: list[os.DirEntry[str]] = []
        if located.real is not None:
            try:
                with os.scandir(located.real) as found:
                    entries = sorted(found, key=lambda entry: entry.name)
            except NotADirectoryError:
                problem = _PROBLEMS["missing"]
            except OSError:
                problem = _PROBLEMS["unreadable"]
        if problem:
            code, what = problem
            self._note(code, f"{item.place}: {what}", item, located.path, count=max(1, len(item.series)))
            return None
        # The plain name wins where two names differ in Unicode form only.
        by_name = {nfc(entry.name): entry for entry in entries}
        by_name.update({entry.name: entry for entry in entries if nfc(entry.name) == entry.name})
        listed = self.released[_key(item)]
        others = sum(
            1
            for entry in entries
            if nfc(entry.name) not in listed
            and not entry.name.startswith(".")
            and (entry.is_symlink() or entry.is_dir(follow_symlinks=False))
        )
        if others:
            message = f"{item.place}: {others} folder(s) are not in {INDEX}"
            self._note("unreleased-series-visible", message, item, located.path, count=others)
        self._studies[located.path] = by_name
        return by_name

    def _reachable(self, entry: os.DirEntry[str], path: str, item: _Item, place: str) -> bool:
        if entry.is_symlink():
            try:
                real = Path(os.path.realpath(entry.path, strict=True))
            except OSError:
                self._note("datalake-not-mounted", f"{place}: the link leads to nothing", item, path)
                return False
            if not inside(real, self.roots):
                raise leaves_roots(path, real)
        if not entry.is_dir():
            self._note("series-folder-missing", f"{place}: not a folder", item, path)
            return False
        return True

    def _note(self, code: str, message: str, item: _Item, path: str, *, count: int = 1) -> None:
        self.findings.append(Finding(code, message, patient_id=item.subject, path=path, count=count))


#: State of a study folder that cannot be listed -> finding code and words.
_PROBLEMS = {
    "missing": ("series-folder-missing", "the study folder is not on disk"),
    "dangling": ("datalake-not-mounted", "the link leads to nothing"),
    "unreadable": ("file-unreadable", "the study folder cannot be listed"),
}


def _key(item: _Item) -> str:
    return nfc("/".join(item.parts))


def _inner_file(root: Path, name: str, roots: tuple[Path, ...]) -> Path:
    located = locate(root, (name,), roots=roots)
    if located.real is None:
        raise EntryFileError(f"file is {located.state}", file=name, remedy=_REMEDY)
    return located.real


def _load(path: Path, name: str) -> list[_Item]:
    try:
        items = parse_json(read_content(path))
    except OSError as error:
        raise EntryFileError(
            error.strerror or "not readable", file=name, remedy=f"check permissions, or {_REMEDY}"
        ) from error
    except ValueError as error:
        raise EntryFileError(str(error), file=name, remedy=_REMEDY) from None
    if not isinstance(items, list):
        raise EntryFileError("top value is not a list", file=name, remedy=_REMEDY)
    return [_item(item, f"{name}[{position}]") for position, item in enumerate(items)]


def _item(item: Any, place: str) -> _Item:
    if not isinstance(item, dict):
        raise EntryFileError("not an object", file=place, remedy=_REMEDY)
    for key in ("studyId", "subjectName", "path"):
        if not isinstance(item.get(key), str) or not item[key].strip():
            raise EntryFileError(f"{key!r} is missing or not text", file=place, remedy=_REMEDY)
    listed = item.get("series", [])
    if not isinstance(listed, list):
        raise EntryFileError("'series' is not a list", file=place, remedy=_REMEDY)
    series = tuple(_series(entry, f"{place}.series[{position}]") for position, entry in enumerate(listed))
    return _Item(place, nfc(item["subjectName"].strip()), checked_parts(item["path"], place=f"{place}.path"), series)


def _series(entry: Any, place: str) -> tuple[str, tuple[str, ...]]:
    folder = entry.get("folderName") if isinstance(entry, dict) else None
    if not isinstance(folder, str) or not folder:
        raise EntryFileError("'folderName' is missing or not text", file=place, remedy=_REMEDY)
    parts = checked_parts(folder, place=f"{place}.folderName")
    if len(parts) != 1:
        # A series one level further down would not be where its study is.
        raise EntryFileError("'folderName' names more than one folder", file=place, remedy=_REMEDY)
    tags = entry.get("tags") or []
    return parts[0], tuple(str(tag) for tag in tags) if isinstance(tags, list) else (str(tags),)


def _filtered(index: Path, own: list[_Item], released: dict[str, set[str]]) -> list[_Item]:
    if not os.path.isfile(index):
        raise PathNotFound("no such index file", file=index.name, remedy="check index=...")
    chosen = _load(index, index.name)
    subjects = {(_key(item), item.subject) for item in own}
    for item in chosen:
        extra = {nfc(name) for name, _ in item.series} - released.get(_key(item), set())
        if (_key(item), item.subject) not in subjects or extra:
            raise EntryFileError(
                f"not in the extract's own {INDEX}", file=item.place, remedy="name only what was handed over"
            )
    return chosen


def _clinical(
    root: Path, roots: tuple[Path, ...]
) -> tuple[tuple[ClinicalRow, ...], tuple[str, ...], tuple[Finding, ...]]:
    located = locate(root, (EFORMS,), roots=roots)
    if located.state == "missing":
        return (), (), ()
    if located.real is None:
        return (), (), (Finding("clinical-unreadable", f"file is {located.state}", path=EFORMS),)
    try:
        data = read_content(located.real)
    except OSError as error:
        return (), (), (Finding("clinical-unreadable", error.strerror or "not readable", path=EFORMS),)
    rows, findings = read_eforms(data, file=EFORMS)
    return rows, (EFORMS,), findings
