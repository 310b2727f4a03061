"""Paths that an entry file names: checked as text first, then resolved inside the allowed roots."""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from unicodedata import normalize

from workbench.errors import UnsafePath

#: A drive letter, as in ``C:``, makes a path absolute on Windows.
_DRIVE_LENGTH = 2


def nfc(text: str) -> str:
    """The text in Unicode form NFC, the one form in which names are compared."""
    return normalize("NFC", text)


def is_utf8(text: str) -> bool:
    """Whether a name from the disk is text; no table, message or log can hold one that is not."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def printable(text: str) -> str:
    r"""The text with each byte that is not UTF-8 as an escape.

    >>> printable("caf\udce9")
    'caf\\udce9'
    """
    return text.encode("utf-8", "backslashreplace").decode()


def inside(real: str | os.PathLike[str], roots: tuple[Path, ...]) -> bool:
    """Whether a resolved path is one of the roots or lies below one.

    Examples
    --------
    >>> inside("/lake/a/b", (Path("/data"), Path("/lake"))), inside("/lakeside", (Path("/lake"),))
    (True, False)
    """
    text = os.fspath(real)
    return any(text == str(root) or text.startswith(str(root).rstrip(os.sep) + os.sep) for root in roots)


def checked_parts(text: str, *, place: str) -> tuple[str, ...]:
    """Names along a relative POSIX path, after refusing what could leave its root.

    Parameters
    ----------
    text : str
        The path as the entry file spells it.
    place : str
        File and position it stands at, for the message.

    Raises
    ------
    UnsafePath
        The path is absolute, holds ``..`` or a NUL byte, or names nothing.

    Examples
    --------
    >>> checked_parts("P1/S1/", place="index.json[0].path")
    ('P1', 'S1')
    """
    parts = tuple(part for part in text.split("/") if part not in ("", "."))
    drive = len(text) >= _DRIVE_LENGTH and text[1] == ":" and text[0].isalpha()
    if text.startswith(("/", "\\")) or drive:
        fault = "path is absolute"
    elif ".." in parts or "..\\" in text:
        fault = "path climbs out with '..'"
    elif "\0" in text:
        fault = "path holds a NUL byte"
    elif not parts:
        fault = "path names nothing"
    else:
        return parts
    raise UnsafePath(fault, file=place, remedy="ask the node for a clean entry file; nothing was opened")


@dataclass(frozen=True, slots=True)
class Located:
    """Where a path inside an extract leads."""

    #: ``found``, ``missing``, ``dangling`` (a link to nothing), ``unreadable`` or ``too-long`` for the file system.
    state: Literal["found", "missing", "dangling", "unreadable", "too-long"]
    #: POSIX path relative to the root, in the spelling of the disk.
    path: str
    #: Resolved target; None unless found.
    real: Path | None = None


def locate(root: Path, parts: tuple[str, ...], *, roots: tuple[Path, ...]) -> Located:
    """The target of a relative path, through links that stay inside the allowed roots.

    Parameters
    ----------
    root : Path
        Resolved root of the extract.
    parts : tuple of str
        Names below it, from :func:`checked_parts`; compared with the disk in NFC.
    roots : tuple of Path
        Resolved folders that links may lead to.

    Raises
    ------
    UnsafePath
        A link on the way leads out of the allowed roots.
    """
    spelt: list[str] = []
    here = root
    for part in parts:
        name = _on_disk(here, part)
        spelt.append(name)
        here = here / name
        relative = "/".join(spelt)
        try:
            real = Path(os.path.realpath(here, strict=True))
        except PermissionError:
            return Located("unreadable", relative)
        except OSError as error:
            if error.errno == errno.ENAMETOOLONG:
                return Located("too-long", relative)
            # Also a circle of links: it leads nowhere.
            return Located("dangling" if here.is_symlink() else "missing", relative)
        if not inside(real, roots):
            raise leaves_roots(relative, real)
        here = real
    return Located("found", "/".join(spelt), here)


def leaves_roots(relative: str, real: Path) -> UnsafePath:
    """The error for a link that leads out, with the folder to allow where it can be told."""
    allow = f"allow it with link_roots=[{_lake(relative, real)}] (--link-root)"
    return UnsafePath(
        "link leaves the allowed roots", file=relative, remedy=f"if its target belongs to the extract, {allow}"
    )


def _on_disk(folder: Path, name: str) -> str:
    """The spelling on disk of a name that may differ from it in Unicode form only."""
    if name.isascii() or os.path.lexists(folder / name):
        return name
    try:
        with os.scandir(folder) as entries:
            same = sorted(entry.name for entry in entries if nfc(entry.name) == nfc(name))
    except OSError:
        return name
    return same[0] if same else name


def _lake(relative: str, real: Path) -> str:
    """The data lake's own folder: the target without the names it shares with the link.

    A target that shares no name is not printed, because it could hold anything.
    """
    names = relative.split("/")
    lake = real
    while names and lake.name == names[-1] and lake != lake.parent:
        names.pop()
        lake = lake.parent
    return repr(str(lake)) if lake != real else "..."
