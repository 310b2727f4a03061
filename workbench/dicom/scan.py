"""A folder tree -> the header table: one row per file, DICOM told from the rest by content.

One open and one read of 16 kB per file; files whose size and time are known from an earlier scan are not
opened at all.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from workbench.dicom.columns import to_columns
from workbench.dicom.encapsulated import whole_fragments
from workbench.dicom.fallback import read_with_pydicom, referenced_series
from workbench.dicom.index import HeaderIndex
from workbench.dicom.listing import FileEntry, Place, list_files
from workbench.dicom.tags import BY_KEYWORD, DICOMDIR_CLASS, NOT_IMAGES, TAGS
from workbench.dicom.walk import CutOff, Declined, NeedMore, RawHeader, is_dicom, walk
from workbench.findings import Finding
from workbench.progress import task

#: First read of every file; then, for the few headers that go on, larger ones.
FIRST_READ: Final = 16 * 1024
LARGER_READS: Final = (256 * 1024, 4 * 1024**2, 64 * 1024**2)
#: Files, or seconds, after which a running scan keeps what it has.
PART_FILES: Final = 4096
PART_SECONDS: Final = 20.0

#: Kinds whose objects refer to the images of other series.
_REFERRING: Final = ("segmentation", "structure-set", "report")
_COLUMN: Final = {tag.keyword: index for index, tag in enumerate(TAGS)}
_OWN_FIELDS: Final = (
    ("path", pa.string()), ("size", pa.int64()), ("mtime_ns", pa.int64()), ("status", pa.string()),
    ("kind", pa.string()), ("reader", pa.string()), ("TransferSyntaxUID", pa.string()),
    ("pixel_offset", pa.int64()), ("pixel_length", pa.int64()), ("pixel_float", pa.bool_()),
    ("header_digest", pa.string()),
    ("referenced_series", pa.list_(pa.string())),
)  # fmt: skip


@dataclass(frozen=True)
class Scan:
    """The header table and how it came about."""

    #: One row per file; columns as in ``TAGS`` and the file's own facts.
    table: pa.Table
    #: What was irregular, by file.
    findings: tuple[Finding, ...]
    #: Files opened in this scan.
    n_read: int
    #: Files known from an earlier scan.
    n_reused: int
    #: Headers of this scan that needed pydicom.
    n_fallback: int

    @property
    def instances(self) -> pa.Table:
        """Rows of usable DICOM objects."""
        return self.table.filter(pc.equal(self.table["status"], "dicom"))


@dataclass(slots=True)
class _Row:
    entry: FileEntry
    status: str
    kind: str = ""
    reader: str = ""
    raw: RawHeader | None = None
    digest: str = ""
    references: tuple[str, ...] = ()


def scan(
    root: str | os.PathLike[str],
    *,
    places: Iterable[Place] = (Place(),),
    allowed_roots: Iterable[Path] = (),
    index: HeaderIndex | None = None,
    label: str = "reading headers",
) -> Scan:
    """Header table of a folder tree, one row per file; pixels are not read.

    Parameters
    ----------
    root : path
        Folder that paths in the table are relative to.
    places : iterable of Place, optional
        Folders and files to look into; all of *root* by default.
    allowed_roots : iterable of Path, optional
        Folders outside *root* that links may lead to.
    index : HeaderIndex, optional
        Where to keep the table; unchanged files are then not opened again, and an interrupted scan goes on.
    label : str
        What the progress bar says.

    Returns
    -------
    Scan

    Examples
    --------
    >>> from pydicom.data import get_testdata_file
    >>> from pathlib import Path
    >>> folder = Path(get_testdata_file("CT_small.dcm")).parent
    >>> found = scan(folder, places=[Place("CT_small.dcm")])
    >>> found.table["Modality"].to_pylist(), found.n_fallback
    (['CT'], 0)
    """
    root = Path(root)
    entries, findings = list_files(root, places, allowed_roots=allowed_roots)
    known = index.read() if index is not None else None
    kept, todo = _split_known(entries, known)
    parts = [kept] if kept is not None else []
    rows: list[_Row] = []
    fallback = 0
    spoke = time.monotonic()
    with task(label, len(entries)) as advance:
        advance(len(entries) - len(todo))
        try:
            for entry in todo:
                row = _read(root, entry)
                fallback += row.reader == "pydicom"
                rows.append(row)
                advance(1)
                if len(rows) >= PART_FILES or (len(rows) % 64 == 0 and time.monotonic() - spoke > PART_SECONDS):
                    parts.append(_keep(rows, index))
                    rows, spoke = [], time.monotonic()
        except KeyboardInterrupt:
            if rows and index is not None:
                _keep(rows, index)
            raise
    if rows or not parts:
        parts.append(_table(rows))
    table = pa.concat_tables(parts).combine_chunks().sort_by("path")
    if index is not None and (todo or known is None or known.num_rows != table.num_rows or index.interrupted):
        index.finish(table)
    return Scan(table, (*findings, *file_findings(table)), len(todo), len(entries) - len(todo), fallback)


def _keep(rows: list[_Row], index: HeaderIndex | None) -> pa.Table:
    table = _table(rows)
    if index is not None:
        index.add_part(table)
    return table


def _split_known(entries: Sequence[FileEntry], known: pa.Table | None) -> tuple[pa.Table | None, list[FileEntry]]:
    """Rows of *known* that still hold, and the entries that must be read."""
    if known is None or not known.num_rows:
        return None, list(entries)
    # What could not be opened may be readable by now, and its size and time would not show it.
    known = known.filter(pc.not_equal(known["status"], "unreadable"))
    facts = zip(*(known[name].to_pylist() for name in ("path", "size", "mtime_ns")), strict=True)
    where = {fact: position for position, fact in enumerate(facts)}
    take, todo = [], []
    for entry in entries:
        position = where.get((entry.path, entry.size, entry.mtime_ns))
        if position is None:
            todo.append(entry)
        else:
            take.append(position)
    return (known.take(pa.array(take, pa.int64())).replace_schema_metadata(None) if take else None), todo


def _read(root: Path, entry: FileEntry) -> _Row:
    path = os.path.join(root, *entry.path.split("/"))
    try:
        fd = os.open(path, os.O_RDONLY)
    except OSError:
        return _Row(entry, "unreadable")
    try:
        head = os.read(fd, FIRST_READ)
        if not is_dicom(head):
            return _Row(entry, "not-dicom")
        try:
            raw, reader = _walk_on(fd, head, entry.size), "walk"
        except Declined:
            raw, reader = read_with_pydicom(path), "pydicom"
        except CutOff as cut:
            return _Row(entry, "truncated", reader="walk", raw=cut.raw)
        except EOFError:
            return _Row(entry, "truncated", reader="walk")
        if head[128:132] != b"DICM" and not _value(raw, "SOPClassUID"):
            return _Row(entry, "not-dicom")
        return _judge(fd, path, entry, raw, reader)
    except OSError:
        return _Row(entry, "unreadable")
    except ValueError:
        # Without a preamble the first bytes alone say little.
        return _Row(entry, "header-unreadable" if head[128:132] == b"DICM" else "not-dicom", reader="pydicom")
    finally:
        os.close(fd)


def _walk_on(fd: int, head: bytes, size: int) -> RawHeader:
    """Walk, with larger reads where the header goes on."""
    for larger in (*LARGER_READS, None):
        try:
            return walk(head, whole=len(head) >= size)
        except NeedMore:
            if larger is None:
                break
            head = os.pread(fd, larger, 0)
    raise Declined("header larger than the largest read")


def _value(raw: RawHeader, keyword: str) -> str:
    return (raw.values[_COLUMN[keyword]] or b"").strip(b" \0").decode("ascii", "replace")


def _count(raw: RawHeader, keyword: str, default: int = 0) -> int:
    value = raw.values[_COLUMN[keyword]]
    if not value:
        return default
    if BY_KEYWORD[keyword].vr == "US":
        return int.from_bytes(value[:2], "little")
    try:
        return int(float(value.partition(b"\\")[0].strip(b" \0")))
    except (ValueError, OverflowError):
        return default


def _judge(fd: int, path: str, entry: FileEntry, raw: RawHeader, reader: str) -> _Row:
    """Kind and status of a file whose header was read."""
    sop_class = _value(raw, "SOPClassUID")
    if DICOMDIR_CLASS in (sop_class, raw.media_class):
        return _Row(entry, "dicomdir", reader=reader)
    rows, columns = _count(raw, "Rows"), _count(raw, "Columns")
    has_pixels = raw.pixel_offset >= 0 or rows > 0 or _is_image_class(sop_class)
    kind = NOT_IMAGES.get(sop_class) or ("image" if has_pixels else "other")
    status = "dicom"
    if not _value(raw, "SOPInstanceUID") or not _value(raw, "SeriesInstanceUID"):
        status = "identity-missing"
    elif kind in _REFERRING and reader == "walk" and _cut_off(fd, entry.size):
        status = "truncated"
    elif kind == "image" and raw.pixel_offset >= 0 and not (rows and columns):
        status = "header-unreadable"
    elif kind == "image" and not _pixels_whole(fd, entry.size, raw, rows, columns):
        status = "truncated"
    digest = hashlib.blake2b(os.pread(fd, max(raw.header_length, 0), 0), digest_size=16).hexdigest()
    references: tuple[str, ...] = ()
    if kind in _REFERRING and status == "dicom":
        references = tuple(referenced_series(path))
    return _Row(entry, status, kind, reader, raw, digest, references)


def _cut_off(fd: int, size: int) -> bool:
    """Whether an object without an image of its own ends before it should; pydicom would not say."""
    try:
        raw = walk(os.pread(fd, min(size, LARGER_READS[-1]), 0), whole=size <= LARGER_READS[-1], to_end=True)
    except EOFError:
        return True
    except (Declined, NeedMore):
        return False
    if raw.pixel_offset < 0:
        return False
    if raw.pixel_length < 0:
        return not whole_fragments(fd, raw.pixel_offset, size)
    return raw.pixel_offset + raw.pixel_length > size


def _is_image_class(sop_class: str) -> bool:
    """Whether the storage class is one of images, so that a header without pixels is one cut off before them."""
    if not sop_class:
        return False
    from pydicom.config import IGNORE
    from pydicom.uid import UID

    return str(UID(sop_class, IGNORE).name).endswith("Image Storage")


def _pixels_whole(fd: int, size: int, raw: RawHeader, rows: int, columns: int) -> bool:
    if raw.pixel_offset < 0:
        return False
    frames, samples = max(1, _count(raw, "NumberOfFrames", 1)), max(1, _count(raw, "SamplesPerPixel", 1))
    bits = _count(raw, "BitsAllocated", 16) or 16
    if raw.pixel_offset == 0:
        # Deflated: the length is known only once inflated, at most by this factor (RFC 1951).
        return frames * rows * columns * samples * bits // 8 <= size * 1032
    if raw.pixel_length < 0:
        return whole_fragments(fd, raw.pixel_offset, size) >= frames
    if raw.pixel_offset + raw.pixel_length > size:
        return False
    pixels = frames * rows * columns * samples
    if _value(raw, "PhotometricInterpretation") == "YBR_FULL_422":
        pixels = pixels // 3 * 2
    return raw.pixel_length >= (pixels * bits + 7) // 8


def _table(rows: list[_Row]) -> pa.Table:
    raws = [row.raw for row in rows]
    own = {
        "path": [row.entry.path for row in rows],
        "size": [row.entry.size for row in rows],
        "mtime_ns": [row.entry.mtime_ns for row in rows],
        "status": [row.status for row in rows],
        "kind": [row.kind for row in rows],
        "reader": [row.reader for row in rows],
        "TransferSyntaxUID": [None if raw is None else raw.syntax for raw in raws],
        "pixel_offset": [-1 if raw is None else raw.pixel_offset for raw in raws],
        "pixel_length": [0 if raw is None else raw.pixel_length for raw in raws],
        "pixel_float": [raw is not None and raw.pixel_float for raw in raws],
        "header_digest": [row.digest for row in rows],
        "referenced_series": [list(row.references) for row in rows],
    }
    columns = {name: pa.array(own[name], kind) for name, kind in _OWN_FIELDS}
    return pa.table({**columns, **to_columns(raws)})


#: Status of a file -> finding code; other statuses are fine, or not DICOM and silent.
_STATUS_FINDINGS: Final = {
    "unreadable": "file-unreadable",
    "truncated": "file-truncated",
    "header-unreadable": "header-unreadable",
    "identity-missing": "identity-missing",
}
_DICOM_SUFFIXES: Final = (".dcm", ".dicom", ".ima")


def file_findings(table: pa.Table) -> list[Finding]:
    """What is irregular about single files of a header table."""
    findings = []
    odd = table.filter(pc.invert(pc.is_in(table["status"], pa.array(["dicom", "dicomdir"]))))
    for row in odd.select(["path", "size", "status", "SeriesInstanceUID", "PatientID"]).to_pylist():
        code = _STATUS_FINDINGS.get(row["status"])
        if code is None and row["path"].lower().endswith(_DICOM_SUFFIXES):
            code = "file-not-dicom"
        if code is None:
            continue
        text = f"{row['size']} bytes" if code in ("file-truncated", "file-not-dicom") else ""
        findings.append(
            Finding(
                code, text, path=row["path"],
                series_uid=row["SeriesInstanceUID"] or "", patient_id=row["PatientID"] or "",
            )
        )  # fmt: skip
    return findings
