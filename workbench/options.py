"""Validated options, from the environment or set in Python.

========================  ======================================================================
``WORKBENCH_CACHE``       folder for indices and caches (default: the user's cache folder)
``WORKBENCH_LINK_ROOTS``  folders that links inside extracts may lead to, separated by ``os.pathsep``
``WORKBENCH_PROGRESS``    ``auto`` (default), ``bar``, ``lines`` or ``off``
``WORKBENCH_AUDIENCE``    ``local`` (default) or ``shareable``: what a cohort shows of itself
``WORKBENCH_MIN_COUNT``   patients behind every count that is shareable at least (default 5)
``WORKBENCH_MEMORY``      memory to use at most, e.g. ``4GB`` (default: no limit of ours); see :attr:`Options.memory`
``WORKBENCH_WORKERS``     processes or threads at most (default: the machine's cores, at most 8)
========================  ======================================================================

Where a federation starts a job over data that it mounts, two variables of its own are honoured when they name
folders by absolute paths:

========================  ======================================================================
``DATA_PATH``             read-only data: relative paths of extracts that are not here are looked for there, and
                          links inside extracts may lead there
``SANDBOX_PATH``          writable place: the cache and what commands write by default go there
========================  ======================================================================
"""

from __future__ import annotations

import glob
import os
import re
import sys
from pathlib import Path

from workbench.errors import UsageError, WriteError

#: Memory that one working process takes before its data, bytes: the libraries.
PROCESS_BYTES = 300_000_000
#: Least memory that can be asked for, bytes.
LEAST_MEMORY = 256_000_000
#: Options that take one of a few words; the first is the default.
_CHOICES = {"progress": ("auto", "bar", "lines", "off"), "audience": ("local", "shareable")}
#: Below this a threshold hides next to nothing.
_LEAST_MIN_COUNT = 3


def _default_cache() -> Path:
    if sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    elif os.name == "nt":
        base = Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local"))
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "cancer-imaging-workbench"


class Options:
    """The options of this process; every change is checked when it is made.

    Examples
    --------
    >>> from workbench.options import options
    >>> options.progress in ("auto", "bar", "lines", "off")
    True
    """

    def __init__(self) -> None:
        self._set: dict[str, object] = {}

    def __setattr__(self, name: str, value: object) -> None:
        if not name.startswith("_"):
            known = [each for each, found in vars(Options).items() if isinstance(found, property) and found.fset]
            if name not in known:
                raise UsageError(f"{name} is no option that can be set", remedy=f"options: {', '.join(known)}")
        super().__setattr__(name, value)

    def _stated(self, name: str) -> object | None:
        """What was set here, else what the environment says; None where neither says anything."""
        return self._set.get(name) or os.environ.get(f"WORKBENCH_{name.upper()}") or None

    def _choice(self, name: str) -> str:
        value = str(self._stated(name) or _CHOICES[name][0])
        return _one_of(value, name, wrong=f"WORKBENCH_{name.upper()} is {value!r}")

    def _choose(self, name: str, value: str) -> None:
        self._set[name] = _one_of(value, name, wrong=f"{name} cannot be {value!r}")

    @property
    def cache(self) -> Path:
        """Folder for indices and caches; made on first use by :meth:`cache_folder`."""
        value = self._stated("cache")
        if value:
            return Path(str(value)).expanduser()
        sandbox = self.sandbox_path
        return _default_cache() if sandbox is None else sandbox / "workbench-cache"

    @cache.setter
    def cache(self, value: str | os.PathLike[str]) -> None:
        self._set["cache"] = str(value)

    @property
    def data_path(self) -> Path | None:
        """Folder of read-only data that ``DATA_PATH`` names; None without one."""
        return _mounted("DATA_PATH")

    @property
    def sandbox_path(self) -> Path | None:
        """Writable folder that ``SANDBOX_PATH`` names; None without one."""
        return _mounted("SANDBOX_PATH")

    def at_hand(self, path: str | os.PathLike[str]) -> str:
        """Where a path or pattern is looked for: here, or in :attr:`data_path` where it matches nothing here."""
        text = os.path.expanduser(os.fspath(path))
        base = self.data_path
        if base is None or not text or os.path.isabs(text) or _there(text):
            return text
        there = os.path.join(glob.escape(str(base)), text) if glob.has_magic(text) else os.path.join(base, text)
        return there if _there(there) else text

    def output(self, name: str) -> str:
        """Where a command writes what nobody gave a place: here, or in :attr:`sandbox_path`."""
        sandbox = self.sandbox_path
        return name if sandbox is None else str(sandbox / name)

    @property
    def link_roots(self) -> tuple[Path, ...]:
        """Folders outside an extract that its links may lead to."""
        value = self._set.get("link_roots")
        if value is None:
            text = os.environ.get("WORKBENCH_LINK_ROOTS", "")
            data = self.data_path
            return (*(Path(part) for part in text.split(os.pathsep) if part), *([] if data is None else [data]))
        return value  # type: ignore[return-value]

    @link_roots.setter
    def link_roots(
        self, value: str | os.PathLike[str] | list[str | os.PathLike[str]] | tuple[str | os.PathLike[str], ...]
    ) -> None:
        # One folder, not the letters of its path: "/" among them would open the whole disk.
        items = (value,) if isinstance(value, (str, os.PathLike)) else value
        self._set["link_roots"] = tuple(Path(item) for item in items)

    @property
    def progress(self) -> str:
        """``auto``: a bar on a terminal or in a notebook, plain lines elsewhere."""
        return self._choice("progress")

    @progress.setter
    def progress(self, value: str) -> None:
        self._choose("progress", value)

    @property
    def audience(self) -> str:
        """``local``: pseudonyms and file names are shown; ``shareable``: counts that hide small groups."""
        return self._choice("audience")

    @audience.setter
    def audience(self, value: str) -> None:
        self._choose("audience", value)

    @property
    def min_count(self) -> int:
        """Patients that every shareable count rests on at least."""
        value = self._stated("min_count")
        return 5 if value is None else _whole(value, "min_count", least=_LEAST_MIN_COUNT)

    @min_count.setter
    def min_count(self, value: int) -> None:
        if not isinstance(value, int) or value < _LEAST_MIN_COUNT:
            raise UsageError(f"min_count cannot be {value!r}", remedy="use a whole number of 3 or more")
        self._set["min_count"] = value

    @property
    def memory(self) -> int | None:
        """Bytes to use at most, None without a limit; set as a number of bytes or as text (``"4GB"``, ``"512 MiB"``).

        Questions to a cohort stay below half of it and go on in a file of the cache beyond that, and so does what an
        opening works out of clinical tables, which never takes more than 300 MB; a scan reads headers in smaller
        portions; and no more processes are started than it holds at :data:`PROCESS_BYTES` each. Images
        that are loaded are as large as they are: they are the caller's.
        """
        value = self._stated("memory")
        return None if value is None else _bytes(value)

    @memory.setter
    def memory(self, value: str | int | None) -> None:
        if value is None:
            self._set.pop("memory", None)
        else:
            self._set["memory"] = _bytes(value)

    @property
    def workers(self) -> int:
        """Processes or threads to use at most."""
        value = self._stated("workers")
        memory = self.memory
        most = 10**6 if memory is None else max(1, memory // PROCESS_BYTES)
        return min(min(8, _cores()) if value is None else _whole(value, "workers", least=1), most)

    @workers.setter
    def workers(self, value: int) -> None:
        if value < 1:
            raise UsageError("workers must be 1 or more")
        self._set["workers"] = value

    def cache_folder(self, *parts: str) -> Path:
        """Make and return a folder inside the cache, readable by the user alone, also where it was there already.

        The cache itself, where it is there, stays as it is: it may be a folder for more than that.

        Raises
        ------
        WriteError
            Where the folder cannot be made, or is another user's who lets others read it.
        """
        folder = self.cache
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            for part in parts:
                folder = folder / part
                folder.mkdir(mode=0o700, exist_ok=True)
                if folder.stat().st_mode & 0o077:
                    folder.chmod(0o700)
        except OSError as error:
            raise WriteError(
                f"cache folder cannot be made, or be made private: {error.strerror}",
                file=str(folder),
                remedy="name a folder you may write to with WORKBENCH_CACHE",
            ) from error
        return folder


def _one_of(value: str, name: str, *, wrong: str) -> str:
    if value not in _CHOICES[name]:
        raise UsageError(wrong, remedy=f"use one of {', '.join(_CHOICES[name])}")
    return value


def _whole(value: object, name: str, *, least: int) -> int:
    """A whole number that an option was set to, or that its variable spells."""
    try:
        count = int(str(value))
    except ValueError:
        count = 0
    if count < least:
        raise UsageError(f"WORKBENCH_{name.upper()} is {value!r}", remedy=f"use a whole number of {least} or more")
    return count


_UNITS = {"": 1, "b": 1} | {
    f"{prefix}{end}": base**power
    for power, prefix in enumerate("kmgt", 1)
    for end, base in (("b", 1000), ("", 1000), ("ib", 1024))
}


def _bytes(value: object) -> int:
    """Bytes that a number or a text such as ``4GB`` stands for.

    Raises
    ------
    UsageError
        It is none, or less than :data:`LEAST_MEMORY`.

    Examples
    --------
    >>> _bytes("4GB"), _bytes("512 MiB")
    (4000000000, 536870912)
    """
    match = re.fullmatch(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([a-z]*)\s*", str(value).casefold())
    if match is None or match[2] not in _UNITS:
        raise UsageError(f"memory cannot be {value!r}", remedy="write for example 4GB or 512MB")
    count = int(float(match[1]) * _UNITS[match[2]])
    if count < LEAST_MEMORY:
        raise UsageError(f"memory of {value!r} is too little", remedy=f"use {LEAST_MEMORY // 10**6}MB or more")
    return count


def _mounted(variable: str) -> Path | None:
    """Folder that a variable of the surroundings names; only an absolute path is one of these."""
    text = os.environ.get(variable, "")
    return Path(text) if os.path.isabs(text) else None


def _there(text: str) -> bool:
    """Whether a path exists or a pattern matches anything."""
    return os.path.lexists(text) or (glob.has_magic(text) and next(glob.iglob(text), None) is not None)


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


options = Options()
