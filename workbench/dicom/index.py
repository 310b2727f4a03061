"""The header table on disk: one Parquet file per extract, in the user's cache, never beside the data.

While a scan runs, finished portions are kept as parts, so that an interrupted scan goes on where it was.
Every file is written aside and renamed: a name without ``.tmp`` is always whole.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from workbench.dicom.headers.wanted import KEPT, Wanted
from workbench.writing import aside

#: Raised by one whenever the meaning of a column changes.
FORMAT: Final = 6

_KEY: Final = b"workbench.headers"


class HeaderIndex:
    """The stored header table of one extract.

    Parameters
    ----------
    folder : Path
        Folder in the cache that belongs to this extract alone.
    wanted : Wanted, default the kept columns
        Columns of the table; with other columns it is another table, in files of its own.
    """

    def __init__(self, folder: Path, wanted: Wanted = KEPT) -> None:
        self.folder = folder
        self._signature = json.dumps([FORMAT, wanted.signature]).encode()
        extra = json.dumps([[tag.keyword, tag.number] for tag in wanted.extra]).encode()
        self._suffix = f"-{hashlib.blake2b(extra, digest_size=6).hexdigest()}" if wanted.extra else ""

    def of(self, wanted: Wanted) -> HeaderIndex:
        """The index of the same extract for these columns."""
        return HeaderIndex(self.folder, wanted)

    @property
    def path(self) -> Path:
        """The finished table."""
        return self.folder / f"headers{self._suffix}.parquet"

    def read(self) -> pa.Table | None:
        """Rows known so far: the finished table and the parts of an interrupted scan; None where there are none.

        A file of another format version, or one that cannot be read, counts as not there.
        """
        tables = [table for path in (self.path, *self._parts()) if (table := self._read(path)) is not None]
        return pa.concat_tables(tables) if tables else None

    @property
    def interrupted(self) -> bool:
        """Whether parts of an unfinished scan are waiting."""
        return bool(self._parts())

    def add_part(self, table: pa.Table) -> None:
        """Keep a finished portion of a running scan."""
        number = len(self._parts())
        write_parquet(self._signed(table), self.folder / f"part{self._suffix}-{number:05d}-{os.getpid()}.parquet")

    def finish(self, table: pa.Table) -> None:
        """Store the whole table and forget the parts."""
        write_parquet(self._signed(table), self.path)
        for part in self._parts():
            part.unlink(missing_ok=True)

    def _parts(self) -> list[Path]:
        return sorted(self.folder.glob(f"part{self._suffix}-{'[0-9]' * 5}-*.parquet"))

    def _signed(self, table: pa.Table) -> pa.Table:
        return table.replace_schema_metadata({_KEY: self._signature})

    def _read(self, path: Path) -> pa.Table | None:
        try:
            table = pq.read_table(path)
        except (OSError, pa.ArrowInvalid):
            return None
        return table if (table.schema.metadata or {}).get(_KEY) == self._signature else None


def write_parquet(table: pa.Table, path: Path, *, group: int | None = None) -> None:
    """Write *table* to *path*, *group* rows together; under that name it is always whole.

    Raises
    ------
    WriteError
        Where it cannot be written (disk full, no permission); nothing half-written stays.
    """
    with aside(path, remedy="free some space, or name another cache folder with WORKBENCH_CACHE") as place:
        pq.write_table(table, place, compression="zstd", row_group_size=group)
