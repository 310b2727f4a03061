"""Names below an extract's root, sorted, with links followed only inside the allowed roots."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from workbench.extracts.paths import inside, is_utf8, printable
from workbench.findings import Finding

#: Folders nested deeper than this are not looked into while listing.
MAX_DEPTH = 16


@dataclass(frozen=True, slots=True)
class Folder:
    """What one folder holds, sorted by name; hidden names are left out."""

    #: Sub-folders, also linked ones.
    folders: tuple[str, ...] = ()
    #: Regular files, also linked ones.
    files: tuple[str, ...] = ()


class Tree:
    """Names below a root. Never opens a file; collects what could not be followed as findings."""

    def __init__(self, root: Path, roots: tuple[Path, ...]) -> None:
        self.root = root
        self.roots = roots
        self._findings: dict[tuple[str, str], Finding] = {}
        #: Resolved target of each followed folder link -> the path that reached it first.
        self._entered: dict[str, str] = {}

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What was irregular in the folders looked at so far, by path."""
        return tuple(self._findings[key] for key in sorted(self._findings, key=lambda key: (key[1], key[0])))

    def full(self, relative: str) -> Path:
        """The absolute path of a POSIX path relative to the root."""
        return self.root if relative in ("", ".") else self.root.joinpath(*relative.split("/"))

    def folder(self, relative: str = ".") -> Folder:
        """Names in one folder, sorted; empty where it cannot be listed, which is a finding.

        Parameters
        ----------
        relative : str
            POSIX path relative to the root.
        """
        folders: list[str] = []
        files: list[str] = []
        try:
            with os.scandir(self.full(relative)) as entries:
                for entry in entries:
                    if entry.name.startswith("."):
                        continue
                    if not is_utf8(entry.name):
                        shown = join(relative, printable(entry.name))
                        self._note("file-unreadable", "name is not valid UTF-8: rename it", shown)
                        continue
                    kind = self._kind(entry, join(relative, entry.name))
                    if kind == "folder":
                        folders.append(entry.name)
                    elif kind == "file":
                        files.append(entry.name)
        except OSError as error:
            self._note("file-unreadable", f"folder cannot be listed: {error.strerror or 'not readable'}", relative)
        return Folder(tuple(sorted(folders)), tuple(sorted(files)))

    def files(self, relative: str = ".") -> Iterator[str]:
        """Every file at or below a folder, files before sub-folders, one folder in memory at a time."""
        pending = [relative]
        while pending:
            here = pending.pop()
            found = self.folder(here)
            for name in found.files:
                yield join(here, name)
            pending.extend(reversed(self.below(here, found)))

    def below(self, relative: str, found: Folder) -> list[str]:
        """Paths of the sub-folders to look into; none below the last level, which is a finding.

        Parameters
        ----------
        relative : str
            POSIX path relative to the root.
        found : Folder
            What it holds.
        """
        if depth(relative) < MAX_DEPTH:
            return [join(relative, name) for name in found.folders]
        if found.folders:
            message = f"{len(found.folders)} folder(s) below level {MAX_DEPTH}"
            self._note("folder-too-deep", message, relative)
        return []

    def _kind(self, entry: os.DirEntry[str], path: str) -> str:
        try:
            if not entry.is_symlink():
                return "folder" if entry.is_dir() else "file" if entry.is_file() else ""
            real = os.path.realpath(entry.path, strict=True)
        except OSError:
            self._note("link-dangling", "nothing at its end", path)
            return ""
        if not inside(real, self.roots):
            self._note("link-outside", "link not followed", path)
            return ""
        if os.path.isfile(real):
            return "file"
        # What a link inside the root leads to is reached under its own name; each outer folder is entered once.
        if not os.path.isdir(real) or inside(real, (self.root,)):
            return ""
        return "folder" if self._entered.setdefault(real, path) == path else ""

    def _note(self, code: str, message: str, path: str) -> None:
        self._findings.setdefault((code, path), Finding(code, message, path=path))


def join(folder: str, name: str) -> str:
    """A POSIX path from a folder and a name, where "." is the root."""
    return name if folder in ("", ".") else f"{folder}/{name}"


def depth(relative: str) -> int:
    """How many levels below the root a path stands; the root itself is 0."""
    return 0 if relative in ("", ".") else relative.count("/") + 1


class Sample:
    """A bounded look at the names of a tree, level by level, for detection."""

    #: Folders looked into on one level at most.
    WIDTH = 200
    #: Levels looked at, at most.
    LEVELS = 6

    def __init__(self, tree: Tree) -> None:
        self.tree = tree
        top = tree.folder()
        #: Files in the root.
        self.root_files: tuple[str, ...] = top.files
        self._levels: list[tuple[str, ...]] = [top.folders[: self.WIDTH]]

    def folders(self, level: int) -> tuple[str, ...]:
        """Paths of up to 200 folders on a level, the first below the root being 1."""
        while len(self._levels) < min(level, self.LEVELS):
            below: list[str] = []
            for parent in self._levels[-1]:
                below.extend(join(parent, name) for name in self.tree.folder(parent).folders)
                if len(below) >= self.WIDTH:
                    break
            self._levels.append(tuple(below[: self.WIDTH]))
        return self._levels[level - 1] if level <= len(self._levels) else ()
