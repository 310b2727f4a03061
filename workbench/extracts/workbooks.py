"""Excel workbooks: every sheet as records of text, read as a stream within bounds, whatever the file claims to be.

Dates become ISO dates in the workbook's own epoch, numbers what a person wrote, errors nothing. Formulas give the
value that Excel kept with them.
"""

from __future__ import annotations

import datetime as dt
import re
import warnings
import zipfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Final

from workbench.extracts.content import check_regular
from workbench.extracts.delimited import NotATable, Record

#: Bytes of a file; of one sheet's XML, unpacked; of its shared texts; of everything else together.
MAX_FILE: Final = 256 * 1024**2
MAX_SHEET: Final = 1024**3
MAX_TEXTS: Final = 64 * 1024**2
MAX_REST: Final = 32 * 1024**2
#: Members of the archive; rows of a sheet, as Excel has it; cells of a sheet that are looked at.
MAX_MEMBERS: Final = 10_000
MAX_ROWS: Final = 1_048_576
MAX_CELLS: Final = 50_000_000
#: Bytes of XML without a further row: a full row of Excel's 16,384 columns has about one million.
MAX_BETWEEN: Final = 8 * 1024**2
#: Merged areas that are heeded.
MAX_AREAS: Final = 100_000

_OLE: Final = b"\xd0\xcf\x11\xe0"
_NOT_EXCEL: Final = "not a workbook as Excel writes it"
_SHEETS: Final = "xl/worksheets/"
_ROW = re.compile(rb"<(?:\w+:)?row[\s/>]")
_AREA = re.compile(rb"<(?:\w+:)?mergeCell\s[^>]*ref=\"([A-Z]{1,3})(\d{1,7}):([A-Z]{1,3})(\d{1,7})\"")
#: A formula whose cell ends without a value: it was never calculated.
_UNCALCULATED = re.compile(rb"(?:</f>|<f[^>]{0,500}/>)\s*(?:<v\s*/>|<v></v>|</c>)")
_PART = re.compile(rb"<Override\s[^>]*>")
_OVERLAP: Final = 1024


@dataclass(slots=True)
class Sheet:
    """Records of one sheet, empty rows left out, cells up to the last that holds something."""

    path: Path
    #: Its place in the workbook, the first is 1.
    position: int
    title: str
    #: Whether Excel hides it.
    hidden: bool
    #: Merged areas (first row, first column, last row, last column), the first column being 0.
    areas: tuple[tuple[int, int, int, int], ...] = ()
    #: Formulas that have no value.
    uncalculated: int = 0
    #: Cells that hold an error, as far as reading came.
    errors: int = 0
    #: Why the rest was left unread; empty where it was not.
    cut: str = ""
    broken: list[int] = field(default_factory=list)
    #: Rows may be of any width.
    grows: bool = True

    def __iter__(self) -> Iterator[Record]:
        self.errors, self.cut = 0, ""
        with _reading(), closing(_workbook(self.path)) as book:
            sheet = book.worksheets[self.position - 1]
            sheet.reset_dimensions()
            seen, areas = 0, list(reversed(self.areas))
            active: list[tuple[tuple[int, int, int, int], dict[str, str]]] = []
            for number, cells in enumerate(sheet.iter_rows(), start=1):
                seen += max(1, len(cells))
                if number > MAX_ROWS or seen > MAX_CELLS:
                    self.cut = f"rows from {number} on were left unread: more than a sheet may hold"
                    return
                texts = [self._text(cell) for cell in cells]
                while areas and areas[-1][0] <= number:
                    active.append((areas.pop(), {}))
                if active:
                    active = [(area, kept) for area, kept in active if area[2] >= number]
                    for area, kept in active:
                        _fill(texts, area, kept, number)
                while texts and not texts[-1]:
                    texts.pop()
                if texts:
                    yield number, tuple(texts)

    def _text(self, cell: Any) -> str:
        value = cell.value
        if value is None:
            return ""
        if cell.data_type == "e":
            self.errors += 1
            return ""
        return _text(value, cell)


def open_workbook(path: Path) -> list[Sheet]:
    """The sheets of a workbook, told without reading their rows.

    Raises
    ------
    NotATable
        It is no workbook, or larger than what is read.
    OSError
        It cannot be read.
    """
    check_regular(path)
    with path.open("rb") as file:
        if file.read(4) == _OLE:
            raise NotATable("a workbook with a password, or in the format before 2007: save it as .xlsx or CSV")
    if path.stat().st_size > MAX_FILE:
        raise _too_large(f"the file is larger than {MAX_FILE // 1024**2} MiB")
    with _reading():
        with zipfile.ZipFile(path) as archive:
            _check(archive)
        with closing(_workbook(path)) as book:
            found = []
            for position, sheet in enumerate(book.worksheets, start=1):
                with sheet._get_source() as source:
                    areas, uncalculated = _looked_through(source)
                hidden = sheet.sheet_state != "visible"
                found.append(Sheet(path, position, str(sheet.title), hidden, areas, uncalculated))
            return found


class _reading:  # noqa: N801 - a context, named as one
    """Errors of the libraries that read workbooks, as one of ours; their warnings unsaid."""

    def __enter__(self) -> None:
        self._warnings = warnings.catch_warnings()
        self._warnings.__enter__()
        warnings.simplefilter("ignore")

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: Any) -> None:
        self._warnings.__exit__(kind, error, trace)
        # Damaged XML makes them raise nearly anything; what it is does not matter to a user.
        if isinstance(error, Exception) and not isinstance(error, (NotATable, PermissionError)):
            raise NotATable(_NOT_EXCEL) from error


def _workbook(path: Path) -> Any:
    from openpyxl import load_workbook
    from openpyxl.worksheet._read_only import ReadOnlyWorksheet

    file = path.open("rb")
    try:
        book = load_workbook(file, read_only=True, data_only=True, keep_links=False)
    except BaseException:
        file.close()
        raise
    for sheet in book.worksheets:
        if isinstance(sheet, ReadOnlyWorksheet):
            sheet._get_source = _bounded(sheet._get_source)
    return _Book(book, file)


class _Book:
    """An open workbook and its file."""

    def __init__(self, book: Any, file: IO[bytes]) -> None:
        self.worksheets = book.worksheets
        self._book, self._file = book, file

    def close(self) -> None:
        self._book.close()
        self._file.close()


def _bounded(open_source: Any) -> Any:
    return lambda: _Bounded(open_source())


class _Bounded:
    """The XML of a sheet that raises where a row, or their number, is beyond what any sheet has.

    The parser keeps a row whole, and something of each: unbounded, a small file could fill the memory.
    """

    def __init__(self, source: IO[bytes]) -> None:
        self._source = source
        self._since = 0
        self._rows = 0
        self._tail = b""

    def read(self, size: int = -1) -> bytes:
        data = self._source.read(size if 0 < size < 1024**2 else 64 * 1024)
        found = [match.start() for match in _ROW.finditer(self._tail + data)]
        self._rows += len(found)
        self._since = len(self._tail + data) - found[-1] if found else self._since + len(data)
        # A tag that is cut by the end of a piece is seen with the next; one that is whole is not seen twice.
        start = (self._tail + data).rfind(b"<")
        self._tail = (self._tail + data)[start:][:64] if start >= 0 and len(self._tail + data) - start < 16 else b""
        if _ROW.match(self._tail):
            self._tail = b""
        if self._since > MAX_BETWEEN or self._rows > MAX_ROWS + 1:
            raise _too_large("a sheet holds more than Excel writes")
        return data

    def close(self) -> None:
        self._source.close()

    def __enter__(self) -> _Bounded:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _check(archive: zipfile.ZipFile) -> None:
    """Refuse what would not fit into memory; sizes are those that unpacking keeps to."""
    parts = archive.infolist()
    if len(parts) > MAX_MEMBERS:
        raise _too_large(f"more than {MAX_MEMBERS} parts")
    sizes = {part.filename: part.file_size for part in parts}
    if sizes.get("[Content_Types].xml", 0) > 1024**2:
        raise _too_large("its table of contents is too long")
    texts = set()
    for part in _PART.findall(archive.read("[Content_Types].xml")):
        place = re.search(rb'PartName="/([^"]+)"', part)
        named = place[1].decode() if place else ""
        if b"sharedStrings" in part:
            texts.add(named)
        if named.startswith(_SHEETS) and b"worksheet+xml" not in part:
            raise NotATable(_NOT_EXCEL)
    for part in parts:
        name, size = part.filename, part.file_size
        is_sheet = name.startswith(_SHEETS) and not name.endswith(".rels") and name not in texts
        limit = MAX_SHEET if is_sheet else MAX_TEXTS if name in texts else MAX_REST
        if size > limit and name.endswith((".xml", ".rels")):
            raise _too_large(f"a part of it is larger than {limit // 1024**2} MiB when it is unpacked")
    rest = sum(
        size
        for name, size in sizes.items()
        if name.endswith((".xml", ".rels")) and not name.startswith(_SHEETS) and name not in texts
    )
    if rest > MAX_REST:
        raise _too_large(f"what is not in its sheets is larger than {MAX_REST // 1024**2} MiB when it is unpacked")


def _too_large(what: str) -> NotATable:
    return NotATable(f"workbook too large: {what}; export its sheets as CSV")


def _looked_through(source: _Bounded) -> tuple[tuple[tuple[int, int, int, int], ...], int]:
    """Merged areas of a sheet, sorted, and how many formulas have no value."""
    areas: dict[tuple[int, int, int, int], None] = {}
    uncalculated, tail = 0, b""
    while data := source.read(64 * 1024):
        text = tail + data
        for match in _AREA.finditer(text):
            if len(areas) < MAX_AREAS:
                areas[int(match[2]), _column(match[1]), int(match[4]), _column(match[3])] = None
        done = 0
        for match in _UNCALCULATED.finditer(text):
            uncalculated += 1
            done = match.end()
        tail = text[max(done, len(text) - _OVERLAP) :]
    return tuple(sorted(areas)), uncalculated


def _column(letters: bytes) -> int:
    """``A`` is 0."""
    number = 0
    for letter in letters:
        number = number * 26 + letter - 64
    return number - 1


def _fill(texts: list[str], area: tuple[int, int, int, int], kept: dict[str, str], number: int) -> None:
    """Give every cell of a merged area in this row the value of its first cell."""
    top, left, _, right = area
    if number == top:
        kept["value"] = texts[left] if left < len(texts) else ""
    value = kept.get("value", "")
    if not value:
        return
    texts.extend([""] * (min(right, 16_383) + 1 - len(texts)))
    for column in range(left, min(right, 16_383) + 1):
        texts[column] = texts[column] or value


def _text(value: Any, cell: Any) -> str:
    """A cell as a person wrote it."""
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, (int, float)):
        return _number(value, cell.number_format)
    if isinstance(value, dt.datetime):
        whole = value.time() == dt.time()
        return value.date().isoformat() if whole else value.isoformat()
    if isinstance(value, dt.timedelta):
        seconds = round(value.total_seconds())
        sign, seconds = ("-", -seconds) if seconds < 0 else ("", seconds)
        return f"{sign}{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    return str(value.isoformat()) if hasattr(value, "isoformat") else str(value).strip()


def _number(value: float, written: str | None) -> str:
    """A number in at most 15 digits, which is all that Excel keeps; with its zeros in front, or its percent sign."""
    if value != value or value in (float("inf"), float("-inf")):
        return ""
    form = (written or "").strip()
    if form.endswith("%") and "%" not in form[:-1]:
        return f"{value * 100:.15g}%"
    if value == int(value) and abs(value) < 1e15:
        digits = str(int(value))
        # 00042: a format of zeros alone is an identifier's.
        return digits.zfill(len(form)) if re.fullmatch(r"0{2,20}", form) and value >= 0 else digits
    return f"{value:.15g}"
