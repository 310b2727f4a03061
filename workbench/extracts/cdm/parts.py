"""The CSV files of one export: read row by row, however large they are, columns named as the model spells them."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from workbench.extracts.cdm.model import Entity
from workbench.extracts.content import check_regular
from workbench.findings import Finding

#: Separators looked for; the flows write commas.
_SEPARATORS: Final = (",", ";", "\t", "|")
#: Longest cell read; a longer one is a quote that was never closed.
_CELL: Final = 1 << 17

Row = dict[str, str]


@dataclass(frozen=True, slots=True)
class Part:
    """One file of one table."""

    #: The table.
    entity: Entity
    #: Where it is.
    path: Path
    #: POSIX path relative to the extract, for findings and rows.
    file: str
    #: When it was written, as its name says; empty where it does not.
    stamp: str
    #: Columns in the file's order, spelt as the model does.
    header: tuple[str, ...]
    #: What separates cells.
    separator: str
    #: How its bytes are text.
    encoding: str

    def rows(self, broken: list[int] | None = None) -> Iterator[tuple[int, Row]]:
        """Row number (the header is row 1) and cells by column, without surrounding blanks.

        Parameters
        ----------
        broken : list of int, optional
            Collects the numbers of rows that do not fit the header, which are left out.
        """
        with self.path.open(encoding=self.encoding, newline="", errors="replace") as file:
            lines = (line.replace("\0", "") for line in file)
            reader = csv.reader(lines, delimiter=self.separator, escapechar=_escape(self.entity))
            number = 0
            while True:
                number += 1
                try:
                    cells = next(reader, None)
                except csv.Error:
                    # A cell beyond the limit: what follows is not the row it seems to be.
                    if broken is not None:
                        broken.append(number)
                    return
                if cells is None:
                    return
                if number == 1 or not any(cell.strip() for cell in cells):
                    continue
                if len(cells) != len(self.header):
                    if broken is not None:
                        broken.append(number)
                    continue
                yield number, {name: cell.strip() for name, cell in zip(self.header, cells, strict=True)}


def open_part(entity: Entity, path: Path, *, file: str, stamp: str) -> tuple[Part | None, list[Finding]]:
    """A file of a table, its header read; None where it cannot be, which is a finding.

    Parameters
    ----------
    entity : Entity
        The table.
    path : Path
        The file.
    file : str
        Its path relative to the extract.
    stamp : str
        When it was written, as its name says.
    """
    findings: list[Finding] = []
    try:
        check_regular(path)
        encoding = "utf-8-sig"
        if not _is_utf8(path):
            encoding = "cp1252"
            findings.append(Finding("clinical-encoding", "read as Windows-1252", path=file))
        with path.open(encoding=encoding, newline="", errors="replace") as opened:
            first = opened.readline(_CELL)
    except OSError as error:
        return None, [Finding("clinical-unreadable", error.strerror or "not readable", path=file)]
    if not first.strip() or "\0" in first:
        return None, [Finding("clinical-unreadable", "empty, or not text", path=file)]
    best: list[str] = []
    separator = _SEPARATORS[0]
    for sign in _SEPARATORS:
        cells = next(csv.reader([first], delimiter=sign, escapechar=_escape(entity)), [])
        if _known(entity, cells) > _known(entity, best):
            best, separator = cells, sign
    if not best:
        return None, [Finding("clinical-unreadable", f"no column of the table {entity.name}", path=file)]
    header = tuple(entity.column(name).name for name in best)
    if len(set(header)) < len(header):
        return None, [Finding("clinical-unreadable", "a column stands twice in the header", path=file)]
    return Part(entity, path, file, stamp, header, separator, encoding), findings


def _escape(entity: Entity) -> str | None:
    """The flows write a quote within quotes as a backslash and a quote, the database as two quotes."""
    return "\\" if entity.form == "flow" else None


def _known(entity: Entity, cells: list[str]) -> int:
    return sum(entity.knows(cell) for cell in cells)


def _is_utf8(path: Path) -> bool:
    import codecs

    decoder = codecs.getincrementaldecoder("utf-8")()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            try:
                decoder.decode(block)
            except UnicodeDecodeError:
                return False
    try:
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True
