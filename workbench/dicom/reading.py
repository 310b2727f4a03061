"""Files -> rows of the header table: many at once where they are ordinary, one by one where they are not."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa

from workbench.dicom.headers.columns import columns_of, to_columns
from workbench.dicom.headers.elements import Declined, NeedMore
from workbench.dicom.headers.fallback import read_with_pydicom
from workbench.dicom.headers.heads import Heads, look
from workbench.dicom.headers.lockstep import Found, walk_together
from workbench.dicom.headers.walk import CutOff, RawHeader, is_dicom, walk
from workbench.dicom.headers.wanted import KEPT, Wanted
from workbench.dicom.judging import LARGEST_READ, Judgement, digest_of, judge, plain_images, value
from workbench.dicom.listing import FileEntry

#: First read of a file where nothing tells how long its header is; then, for the few that go on, larger ones.
FIRST_READ: Final = 16 * 1024
LARGER_READS: Final = (256 * 1024, 4 * 1024**2, LARGEST_READ)
#: Files read at a time.
PORTION: Final = 512
#: From so many files on, walking them together is faster than one by one.
FEWEST: Final = 24
#: Where fewer than so many are left under way, they are read one by one.
FEWEST_LEFT: Final = 12
#: Headers that go on beyond the first read are walked together in portions of this size, so many bytes of each.
LONG_PORTION: Final = 256
LONG_READ: Final = 64 * 1024

_OWN_FIELDS: Final = (
    ("path", pa.string()), ("size", pa.int64()), ("mtime_ns", pa.int64()), ("stamp", pa.int64()),
    ("identity", pa.int64()), ("status", pa.string()), ("kind", pa.string()), ("reader", pa.string()),
    ("TransferSyntaxUID", pa.string()), ("pixel_offset", pa.int64()), ("pixel_length", pa.int64()),
    ("pixel_float", pa.bool_()), ("header_digest", pa.string()), ("referenced_series", pa.list_(pa.string())),
    ("frames", pa.binary()),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Row:
    """One file's part of the header table."""

    entry: FileEntry
    judgement: Judgement
    #: ``walk`` or ``pydicom``; empty where no header was read.
    reader: str = ""
    raw: RawHeader | None = None


@dataclass(frozen=True, slots=True)
class Portion:
    """Rows read in one go."""

    #: One row per file, in the order of the entries.
    table: pa.Table
    #: Entries that were gone through; fewer than asked for where Ctrl-C came.
    done: int
    #: Headers that needed pydicom.
    n_fallback: int
    #: Ctrl-C came.
    interrupted: bool = False


class Reader:
    """Reads headers of the files below *root*; its buffer serves portion after portion.

    Parameters
    ----------
    root : Path
        Folder that the entries' paths are relative to.
    wanted : Wanted, default the kept columns
        Which tags.
    """

    def __init__(self, root: Path, wanted: Wanted = KEPT) -> None:
        self.root: Final = str(root)
        self.wanted: Final = wanted
        self._heads: Heads | None = None

    def read(self, entries: Sequence[FileEntry]) -> Portion:
        """Rows of at most ``PORTION`` entries."""
        if len(entries) < FEWEST:
            return self._finish(entries, [], range(len(entries)))
        paths = paths_of(self.root, entries)
        width, at_hand = look(paths, FIRST_READ)
        heads = self._heads
        if heads is None or heads.width != width:
            heads = self._heads = Heads(min(PORTION, len(entries)), width)
        done = heads.read(paths, at_hand)
        read = entries[:done]
        sizes = np.array([entry.size for entry in read], np.int64)
        found = walk_together(heads, sizes, self.wanted, fewest=FEWEST_LEFT)
        parts = [self._together(found, read, sizes)] if len(found.rows) else []
        left = sorted(set(range(done)).difference(*(part.rows for part in parts)))
        if done < len(entries):
            return self._finish(read, parts, (), interrupted=True)
        long = [row for row in left if found.goes_on[row]]
        if len(long) >= FEWEST and heads.width < LONG_READ:
            parts += self._long(paths, entries, long)
            left = sorted(set(left).difference(*(part.rows for part in parts)))
        return self._finish(entries, parts, left)

    def _long(self, paths: list[str], entries: Sequence[FileEntry], rows: list[int]) -> list[_Part]:
        """Headers beyond the first read, together."""
        parts = []
        heads = Heads(min(LONG_PORTION, len(rows)), LONG_READ)
        for start in range(0, len(rows), LONG_PORTION):
            chosen = rows[start : start + LONG_PORTION]
            if len(chosen) < FEWEST or heads.read([paths[row] for row in chosen]) < len(chosen):
                break
            mine = [entries[row] for row in chosen]
            sizes = np.array([entry.size for entry in mine], np.int64)
            found = walk_together(heads, sizes, self.wanted, fewest=FEWEST_LEFT)
            if len(found.rows):
                part = self._together(found, mine, sizes)
                parts.append(_Part([chosen[row] for row in part.rows], part.table))
        return parts

    def _together(self, found: Found, entries: Sequence[FileEntry], sizes: Any) -> _Part:
        """Rows of the files that the lockstep walk accepted."""
        columns = columns_of(found)
        plain = plain_images(found, columns, sizes)
        heads, rows = found.heads, found.rows.tolist()
        image = Judgement("dicom", "image")
        judgements = [image] * len(rows)
        for position in np.flatnonzero(~plain).tolist():
            row = rows[position]
            judgements[position] = self._judged(entries[row], found.header(row))
        starts, lengths = found.rows * heads.width, found.header_length[found.rows]
        digests = [
            judgement.digest or (digest_of(heads.memory[start : start + length]) if judgement.kind else "")
            for judgement, start, length in zip(judgements, starts.tolist(), lengths.tolist(), strict=True)
        ]
        own = _own([entries[row] for row in rows], judgements, digests)
        own |= {
            "reader": pa.repeat("walk", len(rows)),
            "TransferSyntaxUID": _texts([found.syntax[row] for row in rows]),
            "pixel_offset": pa.array(found.pixel_offset[found.rows]),
            "pixel_length": pa.array(found.pixel_length[found.rows]),
            "pixel_float": pa.array(found.pixel_float[found.rows]),
        }
        return _Part(rows, _as_table(own, columns))

    def _judged(self, entry: FileEntry, raw: RawHeader) -> Judgement:
        path = path_of(self.root, entry)
        try:
            file = os.open(path, os.O_RDONLY)
        except OSError:
            return Judgement("unreadable")
        try:
            return judge(file, path, entry.size, raw, walked=True)
        except OSError:
            return Judgement("unreadable")
        finally:
            os.close(file)

    def _finish(
        self, entries: Sequence[FileEntry], parts: list[_Part], left: Sequence[int], *, interrupted: bool = False
    ) -> Portion:
        """The table of all parts and of the *left* files, read one by one."""
        singles: list[Row] = []
        try:
            for row in left:
                singles.append(read_file(self.root, entries[row], self.wanted))
        except KeyboardInterrupt:
            interrupted = True
        fallback = sum(row.reader == "pydicom" for row in singles)
        if singles or not parts:
            parts = [*parts, _Part(list(left)[: len(singles)], table_of(singles, self.wanted))]
        table = pa.concat_tables([part.table for part in parts])
        order = np.concatenate([np.array(part.rows, np.int64) for part in parts])
        if len(parts) > 1:
            table = table.take(pa.array(np.argsort(order)))
        return Portion(table, len(order), fallback, interrupted)


@dataclass(frozen=True, slots=True)
class _Part:
    """Some rows of a portion."""

    #: Their positions among the entries.
    rows: list[int]
    table: pa.Table


def path_of(root: str, entry: FileEntry) -> str:
    """Where a listed file is."""
    return f"{root}{os.sep}{entry.path}" if os.sep == "/" else os.path.join(root, *entry.path.split("/"))


def paths_of(root: str, entries: Sequence[FileEntry]) -> list[str]:
    """Where listed files are."""
    if os.sep != "/":
        return [path_of(root, entry) for entry in entries]
    start = root + os.sep
    return [start + entry.path for entry in entries]


def read_file(root: str, entry: FileEntry, wanted: Wanted = KEPT) -> Row:
    """Row of one file: opened once, and read by pydicom where the walk declines."""
    path = path_of(root, entry)
    try:
        file = os.open(path, os.O_RDONLY)
    except OSError:
        return Row(entry, Judgement("unreadable"))
    try:
        head = os.read(file, FIRST_READ)
        if not is_dicom(head):
            return Row(entry, Judgement("not-dicom"))
        try:
            raw, reader = _walk_on(file, head, entry.size, wanted), "walk"
        except Declined:
            raw, reader = read_with_pydicom(path, wanted), "pydicom"
        except CutOff as cut:
            return Row(entry, Judgement("truncated"), "walk", cut.raw)
        except EOFError:
            return Row(entry, Judgement("truncated"), "walk")
        if head[128:132] != b"DICM" and not value(raw, "SOPClassUID"):
            return Row(entry, Judgement("not-dicom"))
        judgement = judge(file, path, entry.size, raw, walked=reader == "walk")
        return Row(entry, judgement, reader, None if judgement.status == "dicomdir" else raw)
    except OSError:
        return Row(entry, Judgement("unreadable"))
    except ValueError:
        # Without a preamble the first bytes alone say little.
        status = "header-unreadable" if head[128:132] == b"DICM" else "not-dicom"
        return Row(entry, Judgement(status), "pydicom")
    finally:
        os.close(file)


def _walk_on(file: int, head: bytes, size: int, wanted: Wanted) -> RawHeader:
    """Walk, with larger reads where the header goes on."""
    for larger in (*LARGER_READS, None):
        try:
            return walk(head, whole=len(head) >= size, wanted=wanted)
        except NeedMore:
            if larger is None:
                break
            head = os.pread(file, larger, 0)
    raise Declined("header larger than the largest read")


def table_of(rows: Sequence[Row], wanted: Wanted = KEPT) -> pa.Table:
    """Header table of files read one by one."""
    raws = [row.raw for row in rows]
    own = _own([row.entry for row in rows], [row.judgement for row in rows], [row.judgement.digest for row in rows])
    facts = {
        "reader": [row.reader for row in rows],
        "TransferSyntaxUID": [None if raw is None else raw.syntax for raw in raws],
        "pixel_offset": [-1 if raw is None else raw.pixel_offset for raw in raws],
        "pixel_length": [0 if raw is None else raw.pixel_length for raw in raws],
        "pixel_float": [raw is not None and raw.pixel_float for raw in raws],
    }
    kinds = dict(_OWN_FIELDS)
    own |= {name: pa.array(values, kinds[name]) for name, values in facts.items()}
    return _as_table(own, to_columns(raws, wanted))


def _own(entries: Sequence[FileEntry], judgements: Sequence[Judgement], digests: list[str]) -> dict[str, pa.Array]:
    kinds = dict(_OWN_FIELDS)
    paths, sizes, times, stamps, identities = zip(*entries, strict=True) if entries else ((), (), (), (), ())
    own = {"path": pa.array(paths, pa.string()), "size": pa.array(sizes, pa.int64())}
    own |= {"mtime_ns": pa.array(times, pa.int64()), "stamp": pa.array(stamps, pa.int64())}
    own |= {"identity": pa.array(identities, pa.int64())}
    own |= {"header_digest": pa.array(digests, pa.string())}
    own |= {"status": _texts([judgement.status for judgement in judgements])}
    own |= {"kind": _texts([judgement.kind for judgement in judgements])}
    references = [judgement.references for judgement in judgements]
    own["referenced_series"] = pa.array(references, kinds["referenced_series"])
    own["frames"] = pa.array([judgement.frames for judgement in judgements], kinds["frames"])
    return own


def _texts(values: list[str]) -> pa.Array:
    """Strings, most often all the same one."""
    if values and values.count(values[0]) == len(values):
        return pa.repeat(values[0], len(values))
    return pa.array(values, pa.string())


def _as_table(own: dict[str, pa.Array], columns: dict[str, pa.Array]) -> pa.Table:
    columns = {**{name: own[name] for name, _ in _OWN_FIELDS}, **columns}
    return pa.Table.from_arrays(list(columns.values()), list(columns))
