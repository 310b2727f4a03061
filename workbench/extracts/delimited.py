"""Delimited text as a stream of records: encoding, separator, broken quotes; never more than one record in memory."""

from __future__ import annotations

import codecs
import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from io import TextIOWrapper
from itertools import islice
from pathlib import Path
from typing import Final

from workbench.extracts.content import check_regular
from workbench.findings import Finding

#: A record: its number as a person counts (the first of the file is 1), and its cells without surrounding blanks.
Record = tuple[int, tuple[str, ...]]

#: Separators looked for; where several fit equally well the first wins.
SEPARATORS: Final = {"\t": "tab", ";": "semicolon", "|": "bar", ",": "comma"}
#: After so many broken rows the rest of a file is left unread.
MAX_BROKEN: Final = 100
#: Larger files are left unread: two passes over one would take more than an hour.
MAX_BYTES: Final = 16 * 1024**3
#: Characters of one line, and of one record that quotes stretch over several lines.
MAX_RECORD: Final = 4 * 1024**2
#: Lines by which the separator is told, and their characters at most.
SAMPLE: Final = (20_000, 16 * 1024**2)

#: Said of a table without a separator.
NO_SEPARATOR: Final = "one column only: no separator was found; take away what stands above the header"

_CHUNK: Final = 1024**2
_SEPARATOR_LINE = re.compile(r"sep=(.)\s*\Z", re.IGNORECASE)
_BOMS: Final = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
#: Bytes that Windows-1252 gives no character.
_UNASSIGNED = re.compile(rb"[\x81\x8d\x8f\x90\x9d]")


class NotATable(Exception):
    """The file holds no table; the text says why."""


@dataclass(slots=True)
class Delimited:
    """Records of a delimited text, read anew each time they are asked for, empty ones left out."""

    path: Path
    #: Python's name of the encoding, and what stands in a finding.
    encoding: str
    #: Separator of cells.
    separator: str
    #: Lines before the header: ``sep=;`` is one, remarks behind a number sign are others.
    skip: int = 0
    #: Whether NUL bytes occur.
    nul: bool = False
    #: Bytes that are no character of the encoding were replaced.
    damaged: bool = False
    #: Numbers of the records that cannot be read, as far as reading came.
    broken: list[int] = field(default_factory=list)
    #: A row as wide as none before is an odd row.
    grows: bool = False
    #: How many of the lines before the header are remarks.
    remarks: int = 0

    def told(self, file: str) -> Iterator[Finding]:
        """What was left out above the header."""
        if self.remarks:
            yield Finding("clinical-dialect", f"{self.remarks} line(s) with # above the header left out", path=file)

    def __iter__(self) -> Iterator[Record]:
        self.broken = []
        with _open(self.path, self.encoding) as file:
            lines = _lines(file)
            for _ in islice(lines, self.skip):
                pass
            yield from parse(lines, self.separator, first=self.skip + 1, broken=self.broken, nul=self.nul)


def open_delimited(path: Path, *, header: int = 1) -> Delimited:
    """How a delimited text is written, told in one pass over its bytes and a look at its first rows.

    Parameters
    ----------
    path : Path
        The file.
    header : int, default 1
        Rows of its header.

    Raises
    ------
    NotATable
        It is empty, too large, or damaged UTF-16.
    OSError
        It cannot be read.
    """
    check_regular(path)
    if path.stat().st_size > MAX_BYTES:
        raise NotATable(f"larger than {MAX_BYTES // 1024**3} GiB")
    encoding, nul, damaged = _encoding(path)
    with _open(path, encoding) as file:
        sample = list(_sample(_lines(file)))
    if not any(line.strip() for line in sample):
        raise NotATable("empty file")
    forced = _SEPARATOR_LINE.match(sample[0])
    if forced:
        return Delimited(path, encoding, forced[1], 1, nul, damaged)
    remarks = _remarks(sample)
    separator = _separator(sample[remarks:], header, nul)
    if remarks and not _above(sample, remarks, separator):
        remarks, separator = 0, _separator(sample, header, nul)
    return Delimited(path, encoding, separator, remarks, nul, damaged, remarks=remarks)


def _remarks(lines: list[str]) -> int:
    """Lines at the beginning that start with a number sign, before one that does not."""
    end = next((i for i, line in enumerate(lines) if line.strip() and not line.startswith("#")), 0)
    return end if any(line.startswith("#") for line in lines[:end]) else 0


def _above(lines: list[str], remarks: int, separator: str) -> bool:
    """Whether such lines are no header: the one below them has more cells than any of them."""
    below = len(_first(lines[remarks:], separator))
    return all(len(_first([line], separator)) < below for line in lines[:remarks])


def _encoding(path: Path) -> tuple[str, bool, bool]:
    """Encoding, whether NUL bytes occur, and whether bytes have to be replaced."""
    with path.open("rb") as file:
        head = file.read(4096)
        named = next((encoding for mark, encoding in _BOMS if head.startswith(mark)), _utf16_unmarked(head))
        decoder = codecs.getincrementaldecoder(named or "utf-8")()
        fits, cp1252, nul, chunk = True, True, False, head
        while chunk:
            nul = nul or b"\0" in chunk
            cp1252 = cp1252 and not _UNASSIGNED.search(chunk)
            if fits:
                fits = _decodes(decoder, chunk)
            chunk = file.read(_CHUNK)
        fits = fits and _decodes(decoder, b"", final=True)
    if named is not None:
        if not fits and named != "utf-8-sig":
            raise NotATable("cut or damaged UTF-16 text")
        return named, nul and named == "utf-8-sig", not fits
    # Latin-1 gives every byte a character, so this never fails.
    return ("utf-8" if fits else "cp1252" if cp1252 else "latin-1"), nul, False


def _utf16_unmarked(head: bytes) -> str | None:
    """UTF-16 without a byte order mark: in a table's first line, every second byte is NUL."""
    line = head[:256] if len(head) >= 8 else b""
    even, odd = line[::2], line[1::2]
    for nuls, others, encoding in ((odd, even, "utf-16-le"), (even, odd, "utf-16-be")):
        if nuls and not any(nuls[: len(others)]) and all(others):
            return encoding
    return None


def _decodes(decoder: codecs.IncrementalDecoder, chunk: bytes, final: bool = False) -> bool:
    try:
        decoder.decode(chunk, final)
    except UnicodeDecodeError:
        return False
    return True


def _open(path: Path, encoding: str) -> TextIOWrapper:
    return path.open(encoding=encoding, errors="replace" if encoding == "utf-8-sig" else "strict", newline="")


def _lines(file: TextIOWrapper) -> Iterator[str]:
    """Lines with their ends; one that does not end raises."""
    while line := file.readline(MAX_RECORD):
        if len(line) == MAX_RECORD and line[-1] not in "\r\n":
            raise NotATable(f"a line is longer than {MAX_RECORD // 1024**2} million characters")
        yield line


def _sample(lines: Iterator[str]) -> Iterator[str]:
    characters = 0
    for line in islice(lines, SAMPLE[0]):
        characters += len(line)
        yield line
        if characters > SAMPLE[1]:
            return


def _separator(lines: list[str], header: int, nul: bool) -> str:
    """The separator under which the header has several cells and the most rows have as many."""
    best: tuple[tuple[int, int], str] | None = None
    likely = [(separator, len(cells)) for separator in SEPARATORS if len(cells := _first(lines, separator)) > 1]
    if len(likely) == 1:
        return likely[0][0]
    for separator, width in likely:
        broken: list[int] = []
        records = list(parse(iter(lines), separator, broken=broken, nul=nul))
        wide = trimmed_width(records, header)
        ragged = sum(1 for _, cells in records[header:] if len(cells) < wide or any(cells[wide:]))
        # Fewest odd rows first, then most columns.
        score = (-(len(broken) + ragged) if records else -len(lines), width)
        if best is None or score > best[0]:
            best = (score, separator)
    return best[1] if best else ","


def _first(lines: list[str], separator: str) -> list[str]:
    try:
        return next((cells for cells in csv.reader(lines, delimiter=separator) if any(cells)), [])
    except csv.Error:
        return []


def trimmed_width(records: list[Record], header: int) -> int:
    """Columns of a table, without those at its end that have neither a name nor content below."""
    named, width = header_widths([cells for _, cells in records[:header]])
    return width if any(any(cells[named:width]) for _, cells in records[header:]) else named


def header_widths(head: list[tuple[str, ...]]) -> tuple[int, int]:
    """Columns up to the last that the header names, and all the header has."""
    named = max((i for cells in head for i, name in enumerate(cells, start=1) if name), default=0)
    return named, max((len(cells) for cells in head), default=0)


def parse(
    lines: Iterator[str], separator: str, *, broken: list[int], first: int = 1, nul: bool = False
) -> Iterator[Record]:
    r"""Records that can be read, numbered; the numbers of those that cannot go into *broken*.

    A quote that is never closed would swallow the rest of the file: reading starts again one line further on.

    Examples
    --------
    >>> from io import StringIO
    >>> broken = []
    >>> list(parse(StringIO('a,b\n1,"x\n2,y\n'), ",", broken=broken)), broken
    ([(1, ('a', 'b')), (3, ('2', 'y'))], [2])
    """
    number, any_yet = first - 1, False
    held: list[str] = []
    again: list[str] = []

    def feed() -> Iterator[str]:
        size = 0
        while True:
            line = again.pop() if again else next(lines, None)
            if line is None:
                return
            if held:
                size += len(line)
                if size > MAX_RECORD:
                    held.append(line)
                    raise csv.Error("record too long")
            else:
                size = len(line)
            held.append(line)
            yield line

    while len(broken) < MAX_BROKEN:
        try:
            for cells in csv.reader(feed(), delimiter=separator, strict=True):
                number += 1
                held.clear()
                stripped = tuple(map(str.strip, cells))
                if nul and any_yet and any("\0" in cell for cell in stripped):
                    broken.append(number)
                elif stripped and (stripped[0] or any(stripped)):
                    any_yet = True
                    yield number, stripped
            return
        except csv.Error:
            number += 1
            broken.append(number)
            again.extend(reversed(held[1:]))
            held.clear()
