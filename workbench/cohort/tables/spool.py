"""Rows that may be more than memory holds: a table in memory, beyond a size a Parquet file of the cache.

The file is written a group of rows at a time and has its final form, so that keeping it is a renaming. One that a
process left behind, however it ended, is removed by a later one.
"""

from __future__ import annotations

import os
import time
import weakref
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from tempfile import mkstemp
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from workbench.errors import WriteError
from workbench.options import options
from workbench.writing import aside

#: Bytes held in memory before everything goes to disk.
IN_MEMORY = 64_000_000
#: Rows of a group at least, so that a group compresses well and is read by one thread at once.
GROUP_ROWS = 120_000
#: A file that nobody has written to for so long is nobody's, seconds.
LEFT_BEHIND_S: Final = 86_400
_REMEDY: Final = "free some space, or name another cache folder with WORKBENCH_CACHE"


class Spool:
    """Rows of one schema that come in batches; to be closed, which removes what was not kept.

    Parameters
    ----------
    schema : pa.Schema
        Their columns.

    Examples
    --------
    >>> with Spool(pa.schema([("row", pa.int64())])) as spool:
    ...     spool.add(pa.RecordBatch.from_pydict({"row": [2, 3]}))
    ...     spool.num_rows
    2
    """

    def __init__(self, schema: pa.Schema) -> None:
        #: Columns.
        self.schema: Final = schema
        #: Rows that came.
        self.num_rows = 0
        self._held: list[pa.RecordBatch] = []
        self._size = self._waiting = 0
        self._path: Path | None = None
        self._writer: Any = None
        self._removed: Any = None

    def __enter__(self) -> Spool:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def add(self, batch: pa.RecordBatch) -> None:
        """Take in a batch.

        Raises
        ------
        WriteError
            There is no room for it in the cache.
        """
        self.num_rows += batch.num_rows
        self._held.append(batch)
        self._size += batch.nbytes
        self._waiting += batch.num_rows
        if self._writer is None and self._size > IN_MEMORY:
            self._open()
        if self._writer is not None and self._waiting >= GROUP_ROWS:
            self._write()

    def write(self, path: Path) -> None:
        """Put the rows under their final name, as a Parquet file; under that name it is always whole.

        Raises
        ------
        WriteError
            It cannot be written.
        """
        with aside(path, remedy=_REMEDY) as place:
            if self._path is None:
                pq.write_table(self.table(), place, compression="zstd")
            else:
                self._finish()
                os.replace(self._path, place)
                self._removed.detach()
                self._path = None

    def table(self) -> pa.Table:
        """All rows in memory, however many."""
        if self._path is None:
            return pa.Table.from_batches(self._held, self.schema)
        self._finish()
        return pq.read_table(self._path)

    def ask(self, connection: Any) -> Any:
        """The rows as a relation of a DuckDB connection, which reads them from where they are."""
        if self._path is None:
            return connection.from_arrow(self.table())
        self._finish()
        return connection.read_parquet(str(self._path))

    def close(self) -> None:
        """Let go of the rows."""
        self._held = []
        if self._writer is not None:
            with suppress(OSError, pa.ArrowException):
                self._writer.close()
            self._writer = None
        if self._path is not None:
            self._removed()
            self._path = None

    def _open(self) -> None:
        folder = options.cache_folder("spool")
        for old in _left_behind(folder):
            old.unlink(missing_ok=True)
        with _Told():
            descriptor, name = mkstemp(suffix=".parquet", dir=folder)
            os.close(descriptor)
            self._path = Path(name)
            # Where nobody closes it, an error being on its way, it goes with the object.
            self._removed = weakref.finalize(self, self._path.unlink, missing_ok=True)
            self._writer = pq.ParquetWriter(self._path, self.schema, compression="zstd")

    def _write(self) -> None:
        """Write what is held, as one group of rows."""
        with _Told():
            table = pa.Table.from_batches(self._held, self.schema)
            self._held, self._waiting = [], 0
            self._writer.write_table(table, row_group_size=max(1, table.num_rows))

    def _finish(self) -> None:
        if self._writer is not None:
            if self._held:
                self._write()
            with _Told():
                self._writer.close()
            self._writer = None


class _Told:
    """Turns what the disk refuses into our own error."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, OSError):
            reason = error.strerror or type(error).__name__
            raise WriteError(f"could not be written: {reason}", file="values.parquet", remedy=_REMEDY) from error


def _left_behind(folder: Path) -> Iterator[Path]:
    for path in folder.glob("*.parquet"):
        with suppress(OSError):
            if path.stat().st_mtime < time.time() - LEFT_BEHIND_S:
                yield path
