"""One pass over a folder tree: which files there are, how large, how old. Opens nothing.

Links are followed only into the allowed roots.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import NamedTuple

from workbench.findings import Finding


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


def list_files(
    root: Path, places: Iterable[Place], *, allowed_roots: Iterable[Path] = ()
) -> tuple[list[FileEntry], list[Finding]]:
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
    allowed = tuple(os.path.realpath(folder) for folder in (root, *allowed_roots))
    walk = _Walk(str(root), allowed)
    for place in places:
        walk.place(place)
    return sorted(walk.files, key=attrgetter("path")), walk.findings


def _is_utf8(name: str) -> bool:
    """Whether a file name is text; the index cannot hold names that are not."""
    if name.isascii():
        return True
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


class _Walk:
    """State of one pass: folders already seen, so that a circle of links ends."""

    def __init__(self, root: str, allowed: tuple[str, ...]) -> None:
        self.root = root
        self.allowed = allowed
        self.files: list[FileEntry] = []
        self.findings: list[Finding] = []
        self.seen_folders: set[tuple[int, int, bool]] = set()
        self.seen_files: set[str] = set()

    def inside(self, path: str) -> bool:
        real = os.path.realpath(path)
        return any(real == base or real.startswith(base.rstrip(os.sep) + os.sep) for base in self.allowed)

    def place(self, place: Place) -> None:
        full = self.root if place.path == "." else os.path.join(self.root, *place.path.split("/"))
        name = "" if place.path == "." else place.path
        if not os.path.lexists(full):
            return
        if not self.inside(full):
            self.findings.append(Finding("link-outside", "link not followed", path=place.path))
            return
        try:
            facts = os.stat(full)
        except OSError:
            self.findings.append(Finding("link-dangling", "nothing at its end", path=place.path))
            return
        if stat.S_ISREG(facts.st_mode):
            self._file(name, facts)
        elif stat.S_ISDIR(facts.st_mode):
            self._folder(full, name, facts, place.recursive)

    def _file(self, name: str, facts: os.stat_result) -> None:
        if name not in self.seen_files:
            self.seen_files.add(name)
            self.files.append(FileEntry(name, facts.st_size, facts.st_mtime_ns))

    def _folder(self, full: str, name: str, facts: os.stat_result, recursive: bool) -> None:
        """Walk without recursion, so that a deep tree cannot exhaust the stack; links after real folders."""
        pending: list[tuple[str, str, os.stat_result]] = [(full, name, facts)]
        while pending:
            folder, prefix, facts = pending.pop()
            seen = (facts.st_dev, facts.st_ino, recursive)
            if seen in self.seen_folders:
                continue
            self.seen_folders.add(seen)
            subfolders: list[tuple[str, str, os.stat_result]] = []
            links: list[tuple[str, str, os.stat_result]] = []
            start = f"{prefix}/" if prefix else ""
            for entry in self._entries(folder, prefix):
                path = start + entry.name
                if not _is_utf8(entry.name):
                    shown = path.encode("utf-8", "backslashreplace").decode()
                    self.findings.append(Finding("file-unreadable", "name is not valid UTF-8: rename it", path=shown))
                    continue
                is_link = entry.is_symlink()
                if is_link and not self.inside(entry.path):
                    self.findings.append(Finding("link-outside", "link not followed", path=path))
                    continue
                try:
                    inner = entry.stat()
                except OSError:
                    code = "link-dangling" if is_link else "file-unreadable"
                    self.findings.append(Finding(code, "nothing at its end" if is_link else "not readable", path=path))
                    continue
                if stat.S_ISREG(inner.st_mode):
                    self._file(path, inner)
                elif stat.S_ISDIR(inner.st_mode) and recursive:
                    (links if is_link else subfolders).append((entry.path, path, inner))
            pending[:0] = links
            pending.extend(subfolders)

    def _entries(self, folder: str, prefix: str) -> list[os.DirEntry[str]]:
        try:
            with os.scandir(folder) as entries:
                return sorted(entries, key=attrgetter("name"))
        except OSError as error:
            self.findings.append(
                Finding("file-unreadable", f"folder: {error.strerror or 'not readable'}", path=prefix or ".")
            )
            return []
