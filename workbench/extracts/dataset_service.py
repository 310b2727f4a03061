"""Layout ``dataset-service``: UPV node, CHAIMELEON, mini-node.

``index.json``, ``eforms.json``, ``<subjectName>/<study folder>`` (a folder, or a link into a data lake), and in it
one folder per series. Only series that ``index.json`` lists were handed over: a study folder shows others too.
Source: chaimeleon-eu/dataset-service, ``index.schema.json`` and ``dataset_creation_worker.py``.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from workbench.errors import EntryFileError, PathNotFound
from workbench.extracts import clinical
from workbench.extracts.content import read_content
from workbench.extracts.eforms import read_eforms
from workbench.extracts.index_file import REMEDY, IndexFile, Item
from workbench.extracts.paths import Located, inside, leaves_roots, locate, nfc
from workbench.extracts.reading import ReadOptions
from workbench.extracts.record import Clinical, ClinicalRow, Extract, SeriesRef
from workbench.extracts.tree import Sample, Tree
from workbench.findings import Finding
from workbench.progress import task

NAME = "dataset-service"
#: Options it understands.
ACCEPTS = clinical.OPTIONS | {"index"}
INDEX = "index.json"
EFORMS = "eforms.json"


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


def read(root: Path, how: ReadOptions, /, *, node: str, allowed_roots: tuple[Path, ...]) -> Extract:
    """The extract that ``index.json`` lists, in its order; no image is opened.

    Raises
    ------
    EntryFileError
        An index that cannot be read or is not as the service writes it.
    UnsafePath
        A path or link of the index that leaves the allowed roots.
    """
    own = IndexFile(_inner_file(root, INDEX, allowed_roots), INDEX)
    filtered = None if how.index is None else _filtered(how.index, own)
    released = _Released(own, filtered or [])
    chosen: Iterable[Item] = own if filtered is None else filtered

    listing = _Listing(root, allowed_roots, released)
    with task(f"{node}: listing", released.studies, unit="studies") as advance:
        for item in chosen:
            listing.study(item)
            advance(1)
    forms, read, irregular = _clinical(root, allowed_roots)
    beside = clinical.read_clinical(Tree(root, allowed_roots), [], how)
    return Extract(
        node=node,
        dataset_id=root.name,
        layout=NAME,
        root=root,
        allowed_roots=allowed_roots,
        series=tuple(listing.series),
        clinical=Clinical.of(forms) + beside.clinical,
        studies=beside.studies,
        nodes=beside.nodes,
        tables=(INDEX, *read, *beside.files),
        declared={"subjects": len(listing.subjects), "studies": listing.n_studies, "series": listing.n_series},
        findings=(*listing.findings, *irregular, *beside.findings),
    )


class _Listing:
    """Series of the index that are on disk, and what was irregular; one folder is listed per study."""

    def __init__(self, root: Path, roots: tuple[Path, ...], released: _Released) -> None:
        self.root = root
        self.roots = roots
        self.released = released
        self.series: list[SeriesRef] = []
        self.findings: list[Finding] = []
        self.subjects: set[str] = set()
        self.n_studies = self.n_series = 0
        #: Of studies with several entries alone: what their folders hold, and which of it was listed before.
        self._studies: dict[str, dict[str, os.DirEntry[str]]] = {}
        self._listed: dict[str, set[str]] = {}
        self._tags: dict[tuple[str, ...], tuple[str, ...]] = {}

    def study(self, item: Item) -> None:
        self.subjects.add(item.subject)
        self.n_studies += 1
        self.n_series += len(item.series)
        if nfc(item.parts[0]) != item.subject:
            self._note("patient-id-mismatch", f"{item.place}: path and subjectName differ", item, item.parts[0])
        located = locate(self.root, item.parts, roots=self.roots)
        if located.state == "too-long":
            raise EntryFileError("path is longer than the file system allows", file=f"{item.place}.path", remedy=REMEDY)
        entries = self._entries(located, item)
        if entries is None:
            return
        before = self._listed.setdefault(item.key, set()) if item.key in self.released.repeated else set()
        for position, (folder, tags) in enumerate(item.series):
            place = f"{item.place}.series[{position}]"
            entry = entries.get(nfc(folder))
            if entry is None:
                self._note("series-folder-missing", f"{place}: not on disk", item, f"{located.path}/{folder}")
                continue
            path = f"{located.path}/{entry.name}"
            if path in before:
                self._note("listed-twice", f"{place}: listed before", item, path)
            elif self._reachable(entry, path, item, place):
                before.add(path)
                self.series.append(
                    SeriesRef(
                        path=path,
                        patient_id=item.subject,
                        study_key=item.parts[-1],
                        series_key=folder,
                        tags=self._tags.setdefault(tags, tags),
                        source=place,
                    )
                )

    def _entries(self, located: Located, item: Item) -> dict[str, os.DirEntry[str]] | None:
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
        listed = self.released.names(item)
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
        if item.key in self.released.repeated:
            self._studies[located.path] = by_name
        return by_name

    def _reachable(self, entry: os.DirEntry[str], path: str, item: Item, place: str) -> bool:
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

    def _note(self, code: str, message: str, item: Item, path: str, *, count: int = 1) -> None:
        self.findings.append(Finding(code, message, patient_id=item.subject, path=path, count=count))


#: State of a study folder that cannot be listed -> finding code and words.
_PROBLEMS = {
    "missing": ("series-folder-missing", "the study folder is not on disk"),
    "dangling": ("datalake-not-mounted", "the link leads to nothing"),
    "unreadable": ("file-unreadable", "the study folder cannot be listed"),
}


class _Released:
    """Which series of a study were handed over: those of its entry, and of further entries of the same study."""

    def __init__(self, own: IndexFile, filtered: list[Item]) -> None:
        #: Entries of the index.
        self.studies = 0
        #: Folders of studies with several entries -> all their series.
        self.repeated: dict[str, set[str]] = {}
        seen: set[int] = set()
        for item in own:
            self.studies += 1
            known = hash(item.key)
            if known in seen:
                self.repeated[item.key] = set()
            seen.add(known)
        times = Counter(item.key for item in filtered)
        self.repeated.update({key: set() for key, count in times.items() if count > 1})
        for item in own if self.repeated else ():
            if item.key in self.repeated:
                self.repeated[item.key] |= item.names

    def names(self, item: Item) -> set[str]:
        """Folders of the study's series, in one Unicode form."""
        return self.repeated.get(item.key) or item.names


def _inner_file(root: Path, name: str, roots: tuple[Path, ...]) -> Path:
    located = locate(root, (name,), roots=roots)
    if located.real is None:
        raise EntryFileError(f"file is {located.state}", file=name, remedy=REMEDY)
    return located.real


def _filtered(index: Path, own: IndexFile) -> list[Item]:
    """Studies of a user's own index, each of which the extract's index must know with all its series."""
    if not os.path.isfile(index):
        raise PathNotFound("no such index file", file=index.name, remedy="check index=...")
    chosen = list(IndexFile(index, index.name))
    wanted = {item.key for item in chosen}
    subjects: set[tuple[str, str]] = set()
    released: dict[str, set[str]] = {}
    for item in own:
        if item.key in wanted:
            subjects.add((item.key, item.subject))
            released.setdefault(item.key, set()).update(item.names)
    for item in chosen:
        if (item.key, item.subject) not in subjects or item.names - released[item.key]:
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
