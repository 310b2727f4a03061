"""One pass over a folder tree: which files there are, how large, how old. Opens nothing.

Links are followed only into the allowed roots.
"""

from __future__ import annotations

import os
import stat
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from operator import attrgetter, lt
from pathlib import Path
from typing import Final, NamedTuple, overload

from workbench.dicom.headers.stamps import identity_of, stamp_of
from workbench.findings import Finding
from workbench.progress import Advance, task


@dataclass(frozen=True, slots=True)
class Place:
    """A folder or file to look into."""

    #: POSIX path relative to the root; "." for the root itself.
    path: str = "."
    #: Sub-folders too.
    recursive: bool = True


class FileEntry(NamedTuple):
    """One regular file."""

    #: POSIX path relative to the root, links unresolved.
    path: str
    #: Bytes.
    size: int
    #: Time of last change, nanoseconds.
    mtime_ns: int
    #: What tells that it is the file it was; see :func:`workbench.dicom.headers.stamps.stamp_of`.
    stamp: int = 0
    #: Which file it is; see :func:`workbench.dicom.headers.stamps.identity_of`.
    identity: int = 0


class Files(Sequence[FileEntry]):
    """Files as columns: as a list of a million entries they would cost three times as much memory and time.

    Parameters
    ----------
    paths, sizes, times, stamps, identities : list
        As of :class:`FileEntry`, in any order; they are kept sorted by path.

    Examples
    --------
    >>> found = Files(["b", "a"], [2, 1], [20, 10], [7, 8], [5, 6])
    >>> found[0], len(found), found.sizes
    (FileEntry(path='a', size=1, mtime_ns=10, stamp=8, identity=6), 2, [1, 2])
    """

    def __init__(
        self, paths: list[str], sizes: list[int], times: list[int], stamps: list[int], identities: list[int]
    ) -> None:
        if not all(map(lt, paths, islice(paths, 1, None))):
            order = sorted(range(len(paths)), key=paths.__getitem__)
            paths = [paths[row] for row in order]
            columns = (sizes, times, stamps, identities)
            sizes, times, stamps, identities = ([column[row] for row in order] for column in columns)
        #: POSIX paths relative to the root, links unresolved.
        self.paths: Final = paths
        #: Bytes.
        self.sizes: Final = sizes
        #: Times of last change, nanoseconds.
        self.times: Final = times
        #: What tells that they are the files they were.
        self.stamps: Final = stamps
        #: Which files they are.
        self.identities: Final = identities

    def __len__(self) -> int:
        return len(self.paths)

    def state(self) -> bytes:
        """All of it as bytes: the same bytes mean the same files."""
        paths = "\0".join([str(len(self.paths)), *self.paths, ""])
        numbers = array("q", self.sizes).tobytes() + array("q", self.stamps).tobytes()
        return paths.encode("utf-8", "surrogatepass") + numbers

    @overload
    def __getitem__(self, row: int) -> FileEntry: ...
    @overload
    def __getitem__(self, row: slice) -> list[FileEntry]: ...
    def __getitem__(self, row: int | slice) -> FileEntry | list[FileEntry]:
        columns = self.paths, self.sizes, self.times, self.stamps, self.identities
        if isinstance(row, slice):
            return list(map(FileEntry, *(column[row] for column in columns)))
        return FileEntry(self.paths[row], self.sizes[row], self.times[row], self.stamps[row], self.identities[row])


def _is_utf8(name: str) -> bool:
    """Whether a file name is text; the index cannot hold names that are not."""
    if name.isascii():
        return True
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


@dataclass(frozen=True)
class Listing:
    """What one pass found; the same listing of the same places means that nothing changed."""

    #: Every regular file, sorted by path, each once.
    files: Files
    #: What could not be followed.
    findings: list[Finding]
    #: Links that were followed, as (path, resolved target), sorted.
    links: list[tuple[str, str]]
    #: Folders looked into, sorted.
    folders: list[str]


def list_files(
    root: Path, places: Iterable[Place], *, allowed_roots: Iterable[Path] = ()
) -> tuple[Files, list[Finding]]:
    """Every regular file of the places, sorted by path, each once; and what could not be followed.

    Parameters
    ----------
    root : Path
        Folder that paths are relative to.
    places : iterable of Place
        Where to look.
    allowed_roots : iterable of Path
        Folders outside *root* that links may lead to.
    """
    with task("listing", None) as advance:
        found = survey(root, places, allowed_roots=allowed_roots, advance=advance)
    return found.files, found.findings


def _quiet(n: int = 1, /) -> None:
    """No progress is shown."""


def survey(
    root: Path, places: Iterable[Place], *, allowed_roots: Iterable[Path] = (), advance: Advance = _quiet
) -> Listing:
    """Everything one pass tells of the places: files, folders, where links lead, what could not be followed.

    Parameters
    ----------
    root, places, allowed_roots
        As for :func:`list_files`.
    advance : callable
        Called with the number of files found since it was called last.
    """
    walk = _Walk(str(root), tuple(os.path.realpath(folder) for folder in (root, *allowed_roots)), advance)
    for place in places:
        walk.place(place)
    files = Files(walk.paths, walk.sizes, walk.times, walk.stamps, walk.identities)
    return Listing(files, walk.findings, sorted(walk.links.items()), sorted(walk.folders))


class _Walk:
    """State of one pass: folders already seen, so that a circle of links ends."""

    def __init__(self, root: str, allowed: tuple[str, ...], advance: Advance) -> None:
        self.advance = advance
        self.root = root
        self.allowed = allowed
        self.starts = tuple(base.rstrip(os.sep) + os.sep for base in allowed)
        self.paths: list[str] = []
        self.sizes: list[int] = []
        self.times: list[int] = []
        self.stamps: list[int] = []
        self.identities: list[int] = []
        self.findings: list[Finding] = []
        self.links: dict[str, str] = {}
        self.folders: list[str] = []
        self.seen_folders: set[tuple[int, int, bool]] = set()
        self.seen_files: set[str] = set()
        self._real: dict[str, str] = {root: allowed[0]}

    def inside(self, real: str) -> bool:
        return real in self.allowed or real.startswith(self.starts)

    def real(self, path: str, name: str) -> str:
        """Where a path leads; the folders above it are resolved once. Links on the way are kept."""
        known = self._real.get(path)
        if known is not None:
            return known
        above, _, last = path.rpartition(os.sep)
        if not above or last in ("", ".", "..") or len(above) < len(self.root):
            return os.path.realpath(path)
        here = f"{self.real(above, name.rpartition('/')[0])}{os.sep}{last}"
        if os.path.islink(here):
            here = os.path.realpath(here)
            self.links[name] = here
        self._real[path] = here
        return here

    def place(self, place: Place) -> None:
        name = "" if place.path == "." else place.path
        full = os.path.join(self.root, *name.split("/")) if name else self.root
        if not os.path.lexists(full):
            return
        if not self.inside(self.real(full, name)):
            self.findings.append(Finding("link-outside", "link not followed", path=place.path))
            return
        try:
            facts = os.stat(full)
        except OSError:
            self.findings.append(Finding("link-dangling", "nothing at its end", path=place.path))
            return
        if stat.S_ISREG(facts.st_mode):
            if name not in self.seen_files:
                self.seen_files.add(name)
                self.paths.append(name)
                self.sizes.append(facts.st_size)
                self.times.append(facts.st_mtime_ns)
                self.stamps.append(stamp_of(facts))
                self.identities.append(identity_of(facts))
        elif stat.S_ISDIR(facts.st_mode):
            self._folder(full, name, facts, place.recursive)

    def _folder(self, full: str, name: str, facts: os.stat_result, recursive: bool) -> None:
        """Walk without recursion, so that a deep tree cannot exhaust the stack; links after real folders."""
        pending: list[tuple[str, str, os.stat_result]] = [(full, name, facts)]
        seen_files = self.seen_files
        add_path, add_size = self.paths.append, self.sizes.append
        add_time, add_stamp, add_identity = self.times.append, self.stamps.append, self.identities.append
        while pending:
            folder, prefix, facts = pending.pop()
            seen = (facts.st_dev, facts.st_ino, recursive)
            if seen in self.seen_folders:
                continue
            self.seen_folders.add(seen)
            self.folders.append(prefix)
            before = len(self.paths)
            subfolders: list[tuple[str, str, os.stat_result]] = []
            links: list[tuple[str, str, os.stat_result]] = []
            start = f"{prefix}/" if prefix else ""
            for entry in self._entries(folder, prefix):
                path = start + entry.name
                if not path.isascii() and not _is_utf8(entry.name):
                    shown = path.encode("utf-8", "backslashreplace").decode()
                    self.findings.append(Finding("file-unreadable", "name is not valid UTF-8: rename it", path=shown))
                    continue
                is_link = entry.is_symlink()
                if is_link and not self._followed(entry.path, path):
                    continue
                try:
                    inner = entry.stat()
                except OSError:
                    code = "link-dangling" if is_link else "file-unreadable"
                    self.findings.append(Finding(code, "nothing at its end" if is_link else "not readable", path=path))
                    continue
                if stat.S_ISREG(inner.st_mode):
                    if path not in seen_files:
                        seen_files.add(path)
                        add_path(path)
                        add_size(inner.st_size)
                        add_time(inner.st_mtime_ns)
                        add_stamp(stamp_of(inner))
                        add_identity(identity_of(inner))
                elif recursive and stat.S_ISDIR(inner.st_mode):
                    (links if is_link else subfolders).append((entry.path, path, inner))
            self.advance(len(self.paths) - before)
            pending[:0] = links
            pending.extend(subfolders)

    def _followed(self, full: str, path: str) -> bool:
        """Whether a link stays in the allowed roots; where it leads is kept."""
        real = os.path.realpath(full)
        if self.inside(real):
            self.links[path] = real
            return True
        self.findings.append(Finding("link-outside", "link not followed", path=path))
        return False

    def _entries(self, folder: str, prefix: str) -> list[os.DirEntry[str]]:
        try:
            with os.scandir(folder) as entries:
                return sorted(entries, key=attrgetter("name"))
        except OSError as error:
            self.findings.append(
                Finding("file-unreadable", f"folder: {error.strerror or 'not readable'}", path=prefix or ".")
            )
            return []
