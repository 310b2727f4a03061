"""Clinical tables: CSV in any usual dialect and encoding, and Parquet, read into the same rows, as a stream.

One pass settles what a table is (columns, decimal marks, rows that cannot be read); the rows are read anew when they
are asked for. Memory does not grow with the file.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol

from workbench.errors import ChangedFile
from workbench.extracts.content import check_regular
from workbench.extracts.decimals import DecimalMarks, point
from workbench.extracts.delimited import (
    MAX_BROKEN,
    NO_SEPARATOR,
    SEPARATORS,
    Delimited,
    NotATable,
    Record,
    header_widths,
    open_delimited,
)
from workbench.extracts.headings import LOOK, joined, looks_deeper, unique
from workbench.findings import Finding

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
#: Rows looked at together, and their cells: of a table of thousands of columns few rows are held.
CHUNK: Final = 4096
CELLS: Final = 262_144
#: What stands in a finding for an encoding.
_ENCODINGS: Final = {"cp1252": "Windows-1252", "latin-1": "Latin-1"}


class Row(NamedTuple):
    """One row of a table."""

    #: Number as a person counts: the first row of the file is 1.
    number: int
    #: One cell per column, text without surrounding blanks.
    cells: tuple[str, ...]
    #: The same as they stand in the file, before decimal marks were rewritten.
    raw: tuple[str, ...]


class Watch(Protocol):
    """What looks on while a table is read for the first time."""

    def see(self, number: int, cells: Sequence[str], /) -> None:
        """Look at one row, as it stands in the file."""


@dataclass(frozen=True, slots=True)
class Table:
    """One clinical table, cells as text without surrounding blanks.

    Examples
    --------
    >>> [row.cells for row in Table.of("t.csv", ("patient_id", "psa"), [("P1", "4.2")])]
    [('P1', '4.2')]
    """

    #: POSIX path relative to the extract's root.
    file: str
    #: Column names as spelt; an unnamed one is ``column_<n>``.
    header: tuple[str, ...]
    #: How many rows can be read.
    n_rows: int = 0
    #: What was irregular in the file.
    findings: tuple[Finding, ...] = ()
    #: Name of the table: of the file, and of the sheet where there are several.
    name: str = ""
    #: Reads the rows anew.
    rows: Callable[[], Iterator[Row]] = field(default=lambda: iter(()), repr=False, compare=False)

    @classmethod
    def of(cls, file: str, header: Sequence[str], rows: Iterable[Sequence[str]]) -> Table:
        """A table that is in memory, its header being row 1."""
        kept = [Row(number, tuple(cells), tuple(cells)) for number, cells in enumerate(rows, start=2)]
        return cls(file, tuple(header), len(kept), name=Path(file).stem, rows=lambda: iter(kept))

    def __iter__(self) -> Iterator[Row]:
        return self.rows()


class Source(Protocol):
    """Records of a table, header first, read anew each time."""

    #: Numbers of the records that cannot be read.
    broken: list[int]
    #: Whether a row may be narrower or wider than the header, as in a sheet of a workbook.
    grows: bool

    def __iter__(self) -> Iterator[Record]: ...


def read_table(
    path: Path, *, file: str, header: int = 1, watch: Callable[[tuple[str, ...]], Watch] | None = None
) -> Table:
    r"""Rows of a clinical table (rows × columns, text), with what was assumed or left out as findings.

    Parameters
    ----------
    path : Path
        The file; ``.parquet`` is read as Parquet, everything else as delimited text. Separator (comma,
        semicolon, tab, bar) is told from the first 20,000 rows, decimal mark from all, the encoding from its byte
        order mark or by trying UTF-8 and then Windows-1252.
    file : str
        Its path relative to the extract, for findings.
    header : int, default 1
        Rows of its header; names of several are joined with dots.
    watch : callable, optional
        Takes the column names, gives what looks on at the rows of the first pass.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "clinical.csv"
    >>> _ = path.write_text("patient_id;psa\nP1;4,2\n")
    >>> [row.cells for row in read_table(path, file=path.name)]
    [('P1', '4.2')]
    """
    try:
        if path.suffix.lower() == ".parquet":
            check_regular(path)
            return settle(_Parquet(path), path, file=file, watch=watch)
        source = open_delimited(path, header=header)
        return settle(source, path, file=file, header=header, watch=watch, notes=_encoding_notes(source, file))
    except OSError as error:
        return unreadable(file, error.strerror or "not readable")
    except NotATable as error:
        return unreadable(file, str(error))


def unreadable(file: str, message: str) -> Table:
    """No table, and why."""
    return Table(file, (), findings=(Finding("clinical-unreadable", message, path=file),))


def _encoding_notes(source: Delimited, file: str) -> list[Finding]:
    if source.encoding in ("utf-8", "utf-8-sig") and not source.damaged:
        return []
    said = f"read as {_ENCODINGS.get(source.encoding, source.encoding)}"
    if source.damaged:
        said = "marked as UTF-8, which it is not throughout: what could not be read was replaced"
    return [Finding("clinical-encoding", said, path=file)]


def settle(
    source: Source,
    path: Path,
    *,
    file: str,
    header: int = 1,
    name: str = "",
    notes: Iterable[Finding] = (),
    watch: Callable[[tuple[str, ...]], Watch] | None = None,
) -> Table:
    """The table that a source of records holds, told in one pass.

    Raises
    ------
    NotATable
        No header that can be read.
    OSError
        The file cannot be read.
    """
    before = _state(path)
    head = list(islice(iter(source), header))
    if len(head) < header and head:
        raise NotATable(f"fewer than {header} rows, which header= takes for its header")
    if not head or (source.broken and source.broken[0] < head[-1][0]):
        raise NotATable("the header row cannot be read")
    if any(_CONTROL.search(cell) for _, cells in head for cell in cells):
        raise NotATable("not text: the header row holds control characters")
    findings = list(notes)
    named, width = header_widths([cells for _, cells in head])
    if width > named and not _used(source, header, named, width):
        width = named
    names = joined([cells for _, cells in head], width)
    seen = _FirstPass(names, _decimal_commas(source), watch(unique(names)[0]) if watch else None, source.grows)
    records = islice(iter(source), header, None)
    while chunk := list(islice(records, _rows_together(width))):
        seen.see(chunk)
    names += ("",) * (seen.widest - width)
    width = seen.widest
    findings += [Finding("clinical-unreadable", NO_SEPARATOR, path=file)] if width < 2 else []
    findings += _dialect(source, seen, file)
    findings += _left_out(source.broken, seen, file)
    full, repeated = unique(names)
    if header == 1 and looks_deeper(names, seen.first):
        findings.append(Finding("header-rows-suspected", "more rows of header? then say how many: header=2", path=file))
    if repeated:
        message = f"{repeated} column name(s) stand twice: the column's position was added to the later one"
        findings.append(Finding("clinical-unreadable", message, path=file, count=repeated))
    if not seen.n_rows:
        findings.append(Finding("clinical-unreadable", "a header without a readable row", path=file))
    keep = [i for i, column in enumerate(names) if column or i in seen.filled]
    rows = _Rows(source, path, file, before, header, width, tuple(keep), seen.decimal, source.grows)
    return Table(file, tuple(full[i] for i in keep), seen.n_rows, tuple(findings), name or Path(file).stem, rows)


def _rows_together(width: int) -> int:
    return max(1, min(CHUNK, CELLS // max(1, width)))


def _state(path: Path) -> tuple[int, int]:
    facts = os.stat(path)
    return facts.st_size, facts.st_mtime_ns


def _decimal_commas(source: Source) -> bool:
    return isinstance(source, Delimited) and source.separator != ","


def _used(source: Source, header: int, named: int, width: int) -> bool:
    """Whether any column beyond the named ones holds something."""
    return any(any(cells[named:width]) for _, cells in islice(iter(source), header, None))


class _FirstPass:
    """What is to be told of all rows of a table."""

    def __init__(self, names: tuple[str, ...], commas: bool, watch: Watch | None, grows: bool) -> None:
        self.width = self.widest = len(names)
        self.grows = grows
        self.watch = watch
        self.marks = DecimalMarks(self.width) if commas else None
        self.n_rows = 0
        #: The first rows, of which more is told than of the others.
        self.first: list[tuple[str, ...]] = []
        #: First row that has not as many cells as the header, and how many there are.
        self.ragged = (0, 0)
        #: Columns without a name that hold something.
        self.filled: set[int] = set()
        self._nameless = [i for i, name in enumerate(names) if not name]

    @property
    def decimal(self) -> frozenset[int]:
        return self.marks.read if self.marks else frozenset()

    def see(self, records: list[Record]) -> None:
        if self.grows:
            records = [(number, self._padded(cells)) for number, cells in records]
        even = [record for record in records if fits(record[1], self.width)]
        if len(even) < len(records):
            odd = (number for number, cells in records if not fits(cells, self.width))
            first, count = self.ragged
            self.ragged = (first or next(odd), count + len(records) - len(even))
        self.n_rows += len(even)
        self.first += [cells for _, cells in even[: LOOK - len(self.first)]]
        self.filled.update(i for i in self._nameless if i not in self.filled and any(cells[i] for _, cells in even))
        if self.marks and even:
            self.marks.see(list(zip(*(cells[: self.width] for _, cells in even), strict=True)))
        if self.watch:
            for number, cells in even:
                self.watch.see(number, cells[: self.width])

    def _padded(self, cells: tuple[str, ...]) -> tuple[str, ...]:
        """A row as wide as the header; what lies beyond makes columns without a name."""
        if len(cells) > self.width:
            self.widest = max(self.widest, len(cells))
            self.filled.update(i for i in range(self.width, len(cells)) if cells[i])
        return padded(cells, self.width)[: self.width]


def padded(cells: tuple[str, ...], width: int) -> tuple[str, ...]:
    """A row of at least so many cells, empty ones at its end."""
    return cells + ("",) * (width - len(cells))


def fits(cells: tuple[str, ...], width: int) -> bool:
    """Whether a row is as wide as the header; empty cells beyond it do not count.

    A row that is too short is left out: which cell it lacks is not known.
    """
    return len(cells) == width or (len(cells) > width and not any(cells[width:]))


def _dialect(source: Source, seen: _FirstPass, file: str) -> Iterator[Finding]:
    if not isinstance(source, Delimited):
        return
    read, unclear = len(seen.decimal), seen.marks.unclear if seen.marks else 0
    yield from source.told(file)
    declared = source.separator == "\t" and file.lower().endswith((".tsv", ".tab"))
    if read or unclear or (source.separator != "," and not declared):
        said = [f"{SEPARATORS.get(source.separator, 'other')} separates columns"]
        if read:
            said.append(f"decimal comma in {read} column(s), read as point")
        if unclear:
            said.append(f"comma unclear in {unclear} column(s), thousands or decimals: left as it came")
        yield Finding("clinical-dialect", ", ".join(said), path=file)


def _left_out(broken: list[int], seen: _FirstPass, file: str) -> Iterator[Finding]:
    if broken:
        message = f"row {broken[0]}: broken quotes or NUL bytes; {len(broken)} row(s) left out"
        yield Finding("clinical-unreadable", message, path=file, count=len(broken))
    number, count = seen.ragged
    if count:
        message = f"row {number}: not as many cells as the header; {count} row(s) left out"
        yield Finding("clinical-unreadable", message, path=file, count=count)
    if len(broken) >= MAX_BROKEN:
        message = f"more than {MAX_BROKEN} broken rows: the rest of the file was left unread"
        yield Finding("clinical-unreadable", message, path=file)


@dataclass(frozen=True, slots=True)
class _Rows:
    """The second pass over a table: its rows, as the first one settled them."""

    source: Source
    path: Path
    file: str
    state: tuple[int, int]
    header: int
    width: int
    keep: tuple[int, ...]
    decimal: frozenset[int]
    grows: bool

    def __call__(self) -> Iterator[Row]:
        try:
            if _state(self.path) == self.state:
                yield from self._read()
                return
        except (OSError, NotATable):
            pass
        raise ChangedFile("table changed after it was opened", file=self.file, remedy="open the extract again")

    def _read(self) -> Iterator[Row]:
        rewritten = [position for position, i in enumerate(self.keep) if i in self.decimal]
        whole = self.keep == tuple(range(self.width))
        for number, found in islice(iter(self.source), self.header, None):
            cells = padded(found, self.width) if self.grows else found
            if len(cells) != self.width and not fits(cells, self.width):
                continue
            raw = cells[: self.width] if whole else tuple(cells[i] for i in self.keep)
            if not rewritten:
                yield Row(number, raw, raw)
                continue
            changed = list(raw)
            for i in rewritten:
                changed[i] = point(raw[i])
            yield Row(number, tuple(changed), raw)


class _Parquet:
    """Records of a Parquet file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.broken: list[int] = []
        self.grows = False

    def __iter__(self) -> Iterator[Record]:
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            with pq.ParquetFile(self.path) as file:
                yield 1, tuple(str(name).strip() for name in file.schema_arrow.names)
                number = 2
                for batch in file.iter_batches(batch_size=_rows_together(len(file.schema_arrow.names))):
                    for cells in zip(*map(_column, batch.columns), strict=True):
                        yield number, cells
                        number += 1
        except (pa.ArrowException, OSError) as error:
            raise NotATable("not a whole Parquet file") from error


def _column(column: Any) -> list[str]:
    import pyarrow as pa

    # Nanoseconds would be handed out as pandas objects.
    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.timestamp("us", tz=column.type.tz), safe=False)
    elif pa.types.is_duration(column.type):
        column = column.cast(pa.duration("us"), safe=False)
    return [_text(value) for value in column.to_pylist()]


def _text(value: Any) -> str:
    """A cell as text; empty for what is missing, a day without a time as a date alone."""
    if value is None or value != value:
        return ""
    if isinstance(value, bytes):
        return value.decode("utf-8", errors="replace").strip()
    if isinstance(value, (list, dict)):
        import json

        return json.dumps(value, ensure_ascii=False, default=str)
    text = str(value).strip()
    return text.removesuffix(" 00:00:00") if hasattr(value, "isoformat") else text
