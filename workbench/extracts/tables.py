"""Clinical tables as text: CSV in any usual dialect and encoding, and Parquet, read into the same rows."""

from __future__ import annotations

import codecs
import csv
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from io import StringIO
from itertools import islice
from pathlib import Path
from typing import Any, Final

from workbench.extracts.content import check_regular, read_content
from workbench.extracts.decimals import Rows, decimal_points
from workbench.findings import Finding

#: Separators looked for; where several fit equally well the first wins.
SEPARATORS: Final = {"\t": "tab", ";": "semicolon", "|": "bar", ",": "comma"}
#: After so many broken rows the rest of a file is left unread.
MAX_BROKEN: Final = 100

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_SEPARATOR_LINE = re.compile(r"sep=(.)\s*\Z", re.IGNORECASE)
_BOMS: Final = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))


@dataclass(frozen=True, slots=True)
class Table:
    """One clinical table, cells as text without surrounding blanks."""

    #: POSIX path relative to the extract's root.
    file: str
    #: Column names as spelt; an unnamed one is ``column_<n>``.
    header: tuple[str, ...]
    #: Row number as a person counts (the header is row 1) and one cell per column.
    rows: tuple[tuple[int, tuple[str, ...]], ...]
    #: What was irregular in the file.
    findings: tuple[Finding, ...] = ()
    #: Row number and column name -> the cell as it stands in the file, where it was rewritten.
    raw: Mapping[tuple[int, str], str] = field(default_factory=dict)


def read_table(path: Path, *, file: str) -> Table:
    r"""Rows of a clinical table (rows × columns, text), with what was assumed or left out as findings.

    Parameters
    ----------
    path : Path
        The file; ``.parquet`` is read as Parquet, everything else as delimited text. Separator (comma,
        semicolon, tab, bar) and decimal mark are told from the whole file, the encoding from its byte order mark
        or by trying UTF-8 and then Windows-1252.
    file : str
        Its path relative to the extract, for findings.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "clinical.csv"
    >>> _ = path.write_text("patient_id;psa\nP1;4,2\n")
    >>> read_table(path, file=path.name).rows
    ((2, ('P1', '4.2')),)
    """
    try:
        if path.suffix.lower() == ".parquet":
            check_regular(path)
            return _finish(file, *_parquet(path), ())
        data = read_content(path)
    except OSError as error:
        return _unreadable(file, error.strerror or "not readable")
    except _NotATable as error:
        return _unreadable(file, str(error))
    return _delimited(data, file)


class _NotATable(Exception):
    """The file holds no table; the text says why."""


def _unreadable(file: str, message: str, count: int = 1) -> Table:
    return Table(file, (), (), (Finding("clinical-unreadable", message, path=file, count=count),))


def _delimited(data: bytes, file: str) -> Table:
    findings: list[Finding] = []
    try:
        text, encoding = _decode(data)
    except UnicodeDecodeError:
        return _unreadable(file, "cut or damaged UTF-16 text")
    if not text.strip():
        return _unreadable(file, "empty file")
    lines = list(StringIO(text, newline=""))
    forced = _SEPARATOR_LINE.match(lines[0])
    skip = 1 if forced else 0
    separator = forced[1] if forced else _separator(lines)
    records, broken = _records(lines[skip:], separator, first=skip + 1)
    if not records or (broken and broken[0] < records[0][0]):
        return _unreadable(file, "the header row cannot be read")
    if _CONTROL.search("".join(records[0][1])):
        return _unreadable(file, "not text: the header row holds control characters")
    if encoding not in ("utf-8", "utf-8-sig"):
        findings.append(Finding("clinical-encoding", f"read as {encoding}", path=file))

    header = _header(records)
    if len(header) < 2:
        findings.append(Finding("clinical-unreadable", "one column only: no separator was found", path=file))
    rows, ragged = _even(records[1:], len(header))
    decimals = decimal_points(rows, len(header) if separator != "," else 0)
    declared = separator == "\t" and file.lower().endswith((".tsv", ".tab"))
    if decimals.read or decimals.unclear or (separator != "," and not declared):
        said = [f"{SEPARATORS.get(separator, 'other')} separates columns"]
        if decimals.read:
            said.append(f"decimal comma in {decimals.read} column(s), read as point")
        if decimals.unclear:
            said.append(f"comma unclear in {decimals.unclear} column(s), thousands or decimals: left as it came")
        findings.append(Finding("clinical-dialect", ", ".join(said), path=file))
    for numbers_of, what in ((broken, "broken quotes or NUL bytes"), (ragged, "not as many cells as the header")):
        if numbers_of:
            message = f"row {numbers_of[0]}: {what}; {len(numbers_of)} row(s) left out"
            findings.append(Finding("clinical-unreadable", message, path=file, count=len(numbers_of)))
    if len(broken) >= MAX_BROKEN:
        message = f"more than {MAX_BROKEN} broken rows: the rest of the file was left unread"
        findings.append(Finding("clinical-unreadable", message, path=file))
    return _finish(file, header, decimals.rows, tuple(findings), decimals.raw)


def _decode(data: bytes) -> tuple[str, str]:
    for mark, encoding in _BOMS:
        if data.startswith(mark):
            return data.decode(encoding, errors="replace" if encoding == "utf-8-sig" else "strict"), encoding
    try:
        return data.decode("utf-8"), "utf-8"
    except UnicodeDecodeError:
        pass
    try:
        return data.decode("cp1252"), "Windows-1252"
    except UnicodeDecodeError:
        # Latin-1 gives every byte a character, so this never fails.
        return data.decode("latin-1"), "Latin-1"


def _separator(lines: list[str]) -> str:
    """The separator under which the header has several cells and the most rows have as many."""
    best: tuple[tuple[int, int], str] | None = None
    for separator in SEPARATORS:
        header = _first(lines, separator)
        if len(header) < 2:
            continue
        records, broken = _records(lines, separator)
        ragged = len(broken) + len(_even(records[1:], len(_header(records)))[1]) if records else len(lines)
        # Fewest odd rows first, then most columns.
        score = (-ragged, len(header))
        if best is None or score > best[0]:
            best = (score, separator)
    return best[1] if best else ","


def _first(lines: list[str], separator: str) -> list[str]:
    try:
        return next((cells for cells in csv.reader(lines, delimiter=separator) if any(cells)), [])
    except csv.Error:
        return []


def _records(lines: list[str], separator: str, *, first: int = 1) -> tuple[Rows, list[int]]:
    """Records that can be read, numbered, and the numbers of those that cannot.

    A quote that is never closed would swallow the rest of the file: reading starts again one line further on.
    """
    records: Rows = []
    broken: list[int] = []
    number, start = first - 1, 0
    while start < len(lines) and len(broken) < MAX_BROKEN:
        reader = csv.reader(islice(lines, start, None), delimiter=separator, strict=True)
        begun = start
        try:
            for cells in reader:
                number += 1
                begun = start + reader.line_num
                stripped = tuple(cell.strip() for cell in cells)
                if any("\0" in cell for cell in stripped) and records:
                    broken.append(number)
                elif any(stripped):
                    records.append((number, stripped))
            break
        except csv.Error:
            number += 1
            broken.append(number)
            start = begun + 1
    return records, broken


def _header(records: Rows) -> tuple[str, ...]:
    """The first record, without cells at its end that have neither a name nor content below."""
    header = records[0][1]
    named = max(i for i, name in enumerate(header, start=1) if name)
    used = any(any(cells[named : len(header)]) for _, cells in records[1:])
    return header if used else header[:named]


def _even(records: Rows, width: int) -> tuple[Rows, list[int]]:
    """Rows as wide as the header, and the numbers of the others.

    Empty cells beyond the header are dropped. A row that is too short is left out: which cell it lacks is not known.
    """
    rows: Rows = []
    ragged: list[int] = []
    for number, cells in records:
        if len(cells) < width or any(cells[width:]):
            ragged.append(number)
        else:
            rows.append((number, cells[:width]))
    return rows, ragged


def _parquet(path: Path) -> tuple[tuple[str, ...], Rows]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.ParquetFile(path).read()
    except (pa.ArrowException, OSError) as error:
        raise _NotATable("not a whole Parquet file") from error
    columns = []
    for column in table.columns:
        # Nanoseconds would be handed out as pandas objects.
        if pa.types.is_timestamp(column.type):
            column = column.cast(pa.timestamp("us", tz=column.type.tz), safe=False)
        elif pa.types.is_duration(column.type):
            column = column.cast(pa.duration("us"), safe=False)
        columns.append([_text(value) for value in column.to_pylist()])
    names = tuple(str(name).strip() for name in table.column_names)
    return names, [(number, cells) for number, cells in enumerate(zip(*columns, strict=True), start=2)]


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


def _finish(
    file: str,
    names: Sequence[str],
    rows: Rows,
    findings: tuple[Finding, ...],
    raw: Mapping[tuple[int, int], str] | None = None,
) -> Table:
    """The table with every column named once, without columns that have neither name nor content."""
    header: list[str] = []
    repeated = 0
    for position, name in enumerate(names, start=1):
        unique = name or f"column_{position}"
        if unique in header:
            repeated += 1
            unique = f"{unique}_{position}"
        header.append(unique)
    notes = list(findings)
    if repeated:
        message = f"{repeated} column name(s) stand twice: the column's position was added to the later one"
        notes.append(Finding("clinical-unreadable", message, path=file, count=repeated))
    if not rows:
        notes.append(Finding("clinical-unreadable", "a header without a readable row", path=file))
    kept_as = {(number, header[column]): text for (number, column), text in (raw or {}).items()}
    keep = [i for i, name in enumerate(names) if name or any(cells[i] for _, cells in rows)]
    if len(keep) < len(header):
        header = [header[i] for i in keep]
        rows = [(number, tuple(cells[i] for i in keep)) for number, cells in rows]
    return Table(file, tuple(header), tuple(rows), tuple(notes), kept_as)
