"""What has arrived of a pull: files in a hidden folder beside the extract's, a journal, and the last step.

kill -9 at any time leaves files that are whole under their names and a journal whose last line may be torn; the next
run reads both.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Final, Protocol

from workbench.dicom.listing import Place
from workbench.dicom.scan import scan
from workbench.errors import UsageError, WriteError
from workbench.writing import aside, write_text

JOURNAL: Final = ".journal.txt"
LOCK: Final = ".lock"
MANIFEST: Final = "manifest-sha256.txt"
RECORD: Final = "fetch.json"
_REMEDY: Final = "check the free space and the permissions, then run the same command: it goes on where it was"


class Identity(Protocol):
    """What the headers of a series must say."""

    @property
    def study_uid(self) -> str: ...
    @property
    def series_uid(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Received:
    """One file that arrived whole."""

    #: POSIX path relative to the extract.
    name: str
    #: Bytes.
    size: int
    #: SHA-256, hexadecimal.
    sha256: str


class Arrivals:
    """The folder of a pull, locked while in use.

    Parameters
    ----------
    out : Path
        The extract folder to be.

    Raises
    ------
    UsageError
        *out* exists and is not a finished pull, or another process is pulling into it.
    WriteError
        The folder cannot be made.
    """

    def __init__(self, out: Path) -> None:
        self.out = Path(os.path.abspath(os.path.expanduser(out)))
        if self.out.exists() and not (self.out / RECORD).is_file():
            raise UsageError("the folder exists already", file=self.out.name, remedy="name one that does not")
        #: Where files arrive: hidden, so that a pattern of extracts does not find it.
        self.folder = self.out.with_name(f".{self.out.name}.part")
        #: Files received in this run.
        self.n_received = 0
        self._known: dict[str, Received] = {}
        self._journal: IO[str] | None = None
        self._lock: IO[str] | None = None

    def __enter__(self) -> Arrivals:
        if self.out.exists():
            self._known = {one.name: one for one in _lines(self.out / MANIFEST)}
            return self
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._lock = (self.folder / LOCK).open("w")
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._close()
            raise UsageError("another process is pulling into it", file=self.out.name, remedy="wait for it") from None
        except OSError as error:
            self._close()
            raise WriteError(error.strerror or "not writable", file=self.out.name, remedy=_REMEDY) from error
        for one in _lines(self.folder / JOURNAL):
            place = self.folder / one.name
            # A file of another size than its line is not the one that was received.
            if place.is_file() and place.stat().st_size == one.size:
                self._known[one.name] = one
        # Written anew: a torn last line goes, and what came after it would be lost with it.
        write_text(self.folder / JOURNAL, "".join(_line(one) for one in self._known.values()))
        self._journal = (self.folder / JOURNAL).open("a", encoding="utf-8")
        for left in self.folder.rglob(".*.tmp"):
            left.unlink(missing_ok=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    def _close(self) -> None:
        for file in (self._journal, self._lock):
            if file is not None:
                file.close()

    @property
    def complete(self) -> bool:
        """Whether the extract stands already, from an earlier pull."""
        return self.out.exists()

    def has(self, name: str) -> bool:
        """Whether a file arrived whole, in this run or an earlier one."""
        if name not in self._known and not self.complete and (self.folder / name).is_file():
            # Renamed, but killed before its line was written: whole, for only whole files get their name.
            self.note(_hashed(self.folder, name), counted=False)
        return name in self._known

    def refuse_others(self, folders: Iterable[str]) -> None:
        """Refuse to mix selections: nothing may be there that the query does not select.

        Raises
        ------
        UsageError
            There is.
        """
        wanted = set(folders)
        others = {name.rpartition("/")[0] for name in self._known} - wanted
        if others:
            raise UsageError(
                f"another selection was pulled into it before ({len(others)} series of it are not selected now)",
                file=self.out.name, remedy="name another folder",
            )  # fmt: skip

    @contextmanager
    def aside(self, name: str) -> Iterator[Path]:
        """A place to write a file to, which gets its name when the block ends well.

        Raises
        ------
        UsageError
            The extract is finished: nothing is added to it.
        """
        if self.complete:
            raise UsageError(
                "the server holds objects that the finished extract does not", file=self.out.name,
                remedy="pull into another folder; this one stays what it is",
            )  # fmt: skip
        with aside(self.folder / name, remedy=_REMEDY) as place:
            yield place

    def note(self, received: Received, *, counted: bool = True) -> None:
        """Remember that a file arrived."""
        self._known[received.name] = received
        self.n_received += counted
        if self._journal is not None:
            try:
                self._journal.write(_line(received))
                self._journal.flush()
            except OSError as error:
                raise WriteError(error.strerror or "not writable", file=self.out.name, remedy=_REMEDY) from error

    def odd(self, folder: str, wanted: Mapping[str, str], identity: Identity) -> dict[str, str]:
        """Files of a series that are not the objects asked for, and what is wrong with each.

        Parameters
        ----------
        folder : str
            The series' folder.
        wanted : mapping
            Path -> SOPInstanceUID.
        identity
            The UIDs its headers must hold.
        """
        root = self.out if self.complete else self.folder
        table = scan(root, places=[Place(folder)], label="verifying").table
        names = ("path", "status", "SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID")
        found = {row["path"]: row for row in table.select(names).to_pylist() if row["path"] in wanted}
        odd = {}
        for path, uid in wanted.items():
            row = found.get(path)
            if row is None:
                odd[path] = "it is not there"
            elif row["status"] != "dicom":
                odd[path] = f"it is {row['status']}"
            elif (row["SOPInstanceUID"], row["SeriesInstanceUID"], row["StudyInstanceUID"]) != (
                uid, identity.series_uid, identity.study_uid,
            ):  # fmt: skip
                odd[path] = "its header names another object"
        return odd

    def drop(self, names: Iterable[str]) -> list[str]:
        """Forget files, so that they are asked for again.

        Raises
        ------
        UsageError
            The extract is finished; it was changed since.
        """
        if self.complete:
            raise UsageError("files of the finished extract were changed", file=self.out.name, remedy="pull it anew")
        gone = list(names)
        for name in gone:
            self._known.pop(name, None)
            (self.folder / name).unlink(missing_ok=True)
        return gone

    def finish(self, record: Mapping[str, Any]) -> list[Received]:
        """Write manifest and record, and give the folder its name; what is in it, sorted."""
        files = [self._known[name] for name in sorted(self._known)]
        if self.complete:
            return files
        write_text(self.folder / MANIFEST, "".join(f"{one.sha256}  {one.name}\n" for one in files))
        record = {**record, "objects": len(files), "bytes": sum(one.size for one in files)}
        write_text(self.folder / RECORD, json.dumps(record, indent=1, sort_keys=True) + "\n")
        self._close()
        try:
            (self.folder / JOURNAL).unlink(missing_ok=True)
            (self.folder / LOCK).unlink(missing_ok=True)
            os.rename(self.folder, self.out)
        except OSError as error:
            raise WriteError(error.strerror or "not writable", file=self.out.name, remedy=_REMEDY) from error
        return files


def _line(one: Received) -> str:
    return f"{one.sha256} {one.size} {one.name}\n"


def _lines(path: Path) -> Iterator[Received]:
    """Entries of a journal or a manifest; a torn line is none."""
    try:
        text = path.read_text("utf-8")
    except (OSError, ValueError):
        return
    for line in text.splitlines(keepends=True):
        parts = line.rstrip("\n").split(" ", 2)
        if not line.endswith("\n") or len(parts) != 3 or len(parts[0]) != 64:
            continue
        if parts[1].isdecimal():
            yield Received(parts[2], int(parts[1]), parts[0])
        elif not parts[1] and (path.parent / parts[2]).is_file():
            yield Received(parts[2], (path.parent / parts[2]).stat().st_size, parts[0])


def _hashed(root: Path, name: str) -> Received:
    with (root / name).open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return Received(name, (root / name).stat().st_size, digest)
