"""An extract that was opened before and has not changed is known after one pass over its names, sizes and times.

What is remembered of an opening is what the caller said, and the state of everything that was looked at: files by
size and stamp, folders by name, links by where they lead. No entry file and no table is read to find that it holds.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from workbench import __version__
from workbench.cohort.catalogue.archived import index_version, of_archive
from workbench.cohort.tables.store import FORMAT, Stored, known
from workbench.dicom.headers.stamps import stamp_of
from workbench.dicom.listing import Listing, Place, survey
from workbench.errors import WriteError
from workbench.extracts import LINKED_LAYOUTS
from workbench.extracts.record import Extract
from workbench.options import options
from workbench.writing import write_text

#: A file changed later than this before an opening began may change again without its time telling (coarse clocks).
MARGIN_NS: Final = 20_000_000


@dataclass(frozen=True)
class Asked:
    """What a caller said of one extract."""

    #: Folder or file, links resolved.
    root: str
    #: Every argument that decides how it is read, as text.
    how: tuple[tuple[str, str], ...]
    #: Files and folders named in it, which may lie outside the extract.
    outside: tuple[str, ...]
    #: When it was asked, nanoseconds.
    at: int

    @classmethod
    def now(cls, path: str | os.PathLike[str], **how: object) -> Asked:
        """The question, asked now."""
        told = tuple(sorted((name, repr(value)) for name, value in how.items()))
        values = [item for value in how.values() for item in (value if isinstance(value, tuple) else (value,))]
        outside = tuple(os.path.abspath(item) for item in values if isinstance(item, Path))
        return cls(os.path.realpath(os.path.expanduser(os.fspath(path))), told, outside, time.time_ns())

    @property
    def file(self) -> Path:
        """Where the answer is remembered."""
        key = hashlib.sha256(json.dumps([self.root, self.how]).encode()).hexdigest()[:24]
        return options.cache_folder("openings") / f"{key}.json"


def recall(asked: Asked) -> list[Stored] | None:
    """The extract's tables, one set per node, where it was opened in the same way before and nothing changed since."""
    try:
        record: dict[str, Any] = json.loads(asked.file.read_text("utf-8"))
        if [record["version"], record["format"]] != [__version__, FORMAT]:
            return None
        if record["index"] not in (None, index_version()):
            return None
        root, roots = Path(record["root"]), tuple(map(Path, record["allowed_roots"]))
        looked = [Place(*place) for place in record["places"]]
        if _state(root, roots, looked, [*record["watched"], *asked.outside]).hash != record["state"]:
            return None
        found = []
        for node, name, fingerprint in record["stored"]:
            folder = options.cache / "extracts" / name
            tables = known(folder, fingerprint)
            if tables is None:
                return None
            one = Stored(
                node, record["dataset_id"], record["layout"], root, "none", tables["digest"], tables["n_files"],
                folder, fingerprint, roots[1:], True,
            )  # fmt: skip
            found.append(one)
    except (OSError, ValueError, LookupError, TypeError):
        return None
    return found or None


def remember(asked: Asked, extract: Extract, stored: Iterable[Stored]) -> None:
    """Keep what was looked at; nothing where it may have changed meanwhile, or the cache cannot be written."""
    # A data lake shows more than was handed over, so only what is listed is looked at; any other folder is whole.
    linked = extract.layout in LINKED_LAYOUTS
    places = [Place(ref.path, ref.recursive) for ref in extract.series] if linked else [Place()]
    if not linked and Path(asked.root).is_file():
        places = [Place(ref.path) for ref in extract.series]
    watched = _watched(extract) if linked else sorted(extract.tables)
    state = _state(extract.root, extract.allowed_roots, places, [*watched, *asked.outside])
    if state.newest > asked.at - MARGIN_NS:
        with suppress(OSError):
            asked.file.unlink(missing_ok=True)
        return
    record = {
        "version": __version__,
        "format": FORMAT,
        "dataset_id": extract.dataset_id,
        "layout": extract.layout,
        # Release of the archive's index that was asked about the extract; None where none was.
        "index": index_version() if of_archive(extract) else None,
        "root": str(extract.root),
        "allowed_roots": [str(folder) for folder in extract.allowed_roots],
        "places": [(place.path, place.recursive) for place in places],
        "watched": watched,
        "state": state.hash,
        "stored": [(one.node, one.folder.name, one.fingerprint) for one in stored],
    }
    with suppress(WriteError):
        write_text(asked.file, json.dumps(record))


@dataclass(frozen=True)
class _State:
    """State of what was looked at."""

    #: Digest of names, sizes, times and targets.
    hash: str
    #: When the newest of it was changed, nanoseconds.
    newest: int


def _state(root: Path, roots: tuple[Path, ...], places: Iterable[Place], watched: Iterable[str]) -> _State:
    found = survey(root, places, allowed_roots=roots)
    digest = hashlib.blake2b(_listed(found), digest_size=20)
    newest = max(found.files.times, default=0)
    for path in watched:
        place = root / path
        facts, changed = _facts(place)
        if os.path.isabs(path) and place.is_dir():
            # A folder of tables beside the extract: what it holds counts, not only which names.
            inner = survey(place, [Place()])
            changed = max((changed, *inner.files.times))
            digest.update(_listed(inner))
        newest = max(newest, changed)
        digest.update(f"{path}\0{facts}\n".encode("utf-8", "surrogatepass"))
    return _State(digest.hexdigest(), newest)


def _listed(found: Listing) -> bytes:
    """A listing as bytes."""
    lines = [f"{path}\0>{real}" for path, real in found.links]
    lines += [f"{path}\0/" for path in found.folders]
    lines += [repr(finding) for finding in found.findings]
    return found.files.state() + "\n".join(lines).encode("utf-8", "surrogatepass")


def _facts(path: Path) -> tuple[str, int]:
    """What tells that a path is what it was, and when it was changed: names in a folder change the folder's time."""
    try:
        target = os.readlink(path) if os.path.islink(path) else ""
        facts = path.stat()
    except OSError:
        return "absent", 0
    told = f"/{facts.st_mtime_ns}" if stat.S_ISDIR(facts.st_mode) else str(stamp_of(facts))
    return f"{target}\0{told}", facts.st_mtime_ns


def _watched(extract: Extract) -> list[str]:
    """Tables, what findings name, and every folder on the way to them and to the images."""
    named = {*extract.tables, *(f.path for f in extract.findings if f.path), *(ref.path for ref in extract.series)}
    above = {path.rpartition("/")[0] for path in named}
    todo = set(above)
    while todo:
        todo = {path.rpartition("/")[0] for path in todo} - above
        above |= todo
    listed = {ref.path for ref in extract.series}
    return sorted({path or "." for path in above | (named - listed)})
