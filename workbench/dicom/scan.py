"""A folder tree -> the header table: one row per file, DICOM told from the rest by content.

One open and one read of a few kB per file; files whose size and stamp are known from an earlier scan are not
opened at all.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from workbench.dicom.headers.user_tags import TagName, wanted_with
from workbench.dicom.index import HeaderIndex
from workbench.dicom.listing import FileEntry, Files, Place, list_files
from workbench.dicom.reading import PORTION, Portion, Reader
from workbench.findings import Finding
from workbench.options import options
from workbench.progress import task

#: Files, or seconds, after which a running scan keeps what it has.
PART_FILES: Final = 4096
PART_SECONDS: Final = 20.0
#: Memory that a file of a portion is reckoned with, bytes, where memory is limited.
BYTES_PER_FILE: Final = 1 << 21


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
        """Rows of usable DICOM objects; the table itself where all are, for filtering copies every column."""
        whole = pc.all(pc.equal(self.table["status"], "dicom")).as_py()
        return self.table if whole else self.table.filter(pc.equal(self.table["status"], "dicom"))


def scan(
    root: str | os.PathLike[str],
    *,
    places: Iterable[Place] = (Place(),),
    allowed_roots: Iterable[Path] = (),
    index: HeaderIndex | None = None,
    tags: Sequence[TagName] = (),
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
    tags : sequence of str, int or pair of int, optional
        Further columns, each by keyword ("PatientWeight"), eight digits ("00189073") or group and element
        ((0x0018, 0x9073)); typed as pydicom's dictionary says, named by keyword or, where it knows none, by digits.
    label : str
        What the progress bar says.

    Returns
    -------
    Scan

    Raises
    ------
    UsageError
        A tag that is none.

    Examples
    --------
    >>> from pydicom.data import get_testdata_file
    >>> from pathlib import Path
    >>> folder = Path(get_testdata_file("CT_small.dcm")).parent
    >>> found = scan(folder, places=[Place("CT_small.dcm")])
    >>> found.table["Modality"].to_pylist(), found.n_fallback
    (['CT'], 0)
    >>> scan(folder, places=[Place("CT_small.dcm")], tags=["DataCollectionDiameter"]).table[-1].to_pylist()
    [480.0]
    """
    root, wanted = Path(root), wanted_with(tags)
    index = None if index is None else index.of(wanted)
    with ThreadPoolExecutor(1) as pool:
        # The table is read while folders are looked through: the one takes the processor, the other mostly waits.
        reading = None if index is None else pool.submit(index.read)
        entries, findings = list_files(root, places, allowed_roots=allowed_roots)
        known = None if reading is None else reading.result()
    n_known = 0 if known is None else known.num_rows
    known, places, todo = _split_known(entries, known)
    kept = known is not None and len(todo) < len(entries)
    parts: list[pa.Table] = []
    waiting: list[pa.Table] = []
    reader = Reader(root, wanted)
    fallback = position = 0
    size = PORTION if options.memory is None else max(32, min(PORTION, options.memory // BYTES_PER_FILE))
    spoke = time.monotonic()
    with task(label, len(entries)) as advance:
        advance(len(entries) - len(todo))
        try:
            while position < len(todo):
                portion = _read(reader, todo[position : position + size])
                position += portion.done
                fallback += portion.n_fallback
                waiting.append(portion.table)
                advance(portion.done)
                enough = sum(table.num_rows for table in waiting) >= PART_FILES
                if portion.interrupted or enough or time.monotonic() - spoke > PART_SECONDS:
                    parts.append(_keep(waiting, index))
                    waiting, spoke = [], time.monotonic()
                if portion.interrupted:
                    raise KeyboardInterrupt
        except KeyboardInterrupt:
            if waiting:
                _keep(waiting, index)
            raise
    parts += waiting
    if not parts and not kept:
        parts = [_read(reader, []).table]
    table = _in_order(known if kept else None, places, parts)
    if index is not None and (todo or known is None or n_known != table.num_rows or index.interrupted):
        index.finish(table)
    return Scan(table, (*findings, *file_findings(table)), len(todo), len(entries) - len(todo), fallback)


def _read(reader: Reader, entries: Sequence[FileEntry]) -> Portion:
    """Every reading of a file goes through here."""
    return reader.read(entries)


def _keep(tables: Sequence[pa.Table], index: HeaderIndex | None) -> pa.Table:
    table = pa.concat_tables(tables)
    if index is not None and table.num_rows:
        index.add_part(table)
    return table


def _split_known(entries: Files, known: pa.Table | None) -> tuple[pa.Table | None, NDArray[np.int64], list[FileEntry]]:
    """Rows known from before, the row of each entry among them (-1 where none holds), and what must be read."""
    nowhere = np.full(len(entries), -1, np.int64)
    if known is None or not known.num_rows or not entries:
        return None, nowhere, list(entries)
    # What could not be opened may be readable by now, and its size and stamp would not show it.
    usable = pc.not_equal(known["status"], "unreadable")
    known = (known if pc.all(usable).as_py() else known.filter(usable)).replace_schema_metadata(None)
    named, held_paths = pa.array(entries.paths, pa.string()), known["path"].combine_chunks()
    unchanged = held_paths.equals(named)
    if unchanged or pc.count_distinct(held_paths).as_py() == known.num_rows:
        rows = pa.array(np.arange(len(named))) if unchanged else pc.index_in(named, value_set=held_paths)
        found = rows.fill_null(0)
        same = rows.is_valid()
        for name, given in (("size", entries.sizes), ("stamp", entries.stamps)):
            held = known[name] if unchanged else known[name].take(found)
            same = pc.and_(same, pc.equal(held.combine_chunks(), pa.array(given, pa.int64())))
        places = np.where(same.to_numpy(zero_copy_only=False), found.to_numpy(zero_copy_only=False), -1)
    else:
        # Parts of an interrupted scan beside the table: a file may stand in both, as it was and as it is.
        facts = zip(*(known[name].to_pylist() for name in ("path", "size", "stamp")), strict=True)
        where = {fact: position for position, fact in enumerate(facts)}
        asked = zip(entries.paths, entries.sizes, entries.stamps, strict=True)
        places = np.array([where.get(fact, -1) for fact in asked], np.int64)
    return known, places, [entries[position] for position in np.flatnonzero(places < 0).tolist()]


def _in_order(known: pa.Table | None, places: NDArray[np.int64], read: Sequence[pa.Table]) -> pa.Table:
    """One row per entry, in the order of the entries: known ones from their places, the others as they were read."""
    if known is None:
        return pa.concat_tables(read).combine_chunks()
    if not read and np.array_equal(places, np.arange(known.num_rows)):
        return known
    table = pa.concat_tables([known, *read])
    order = places.copy()
    new = np.flatnonzero(places < 0)
    order[new] = known.num_rows + np.arange(len(new))
    return table.combine_chunks().take(pa.array(order))


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
    facts = table.select(["path", "size", "status", "SeriesInstanceUID", "PatientID"])
    odd = facts.filter(pc.invert(pc.is_in(facts["status"], pa.array(["dicom", "dicomdir"]))))
    for row in odd.to_pylist():
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
