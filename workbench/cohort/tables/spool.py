"""Batches that may be more than memory holds -> one table whose cells lie on disk, in a file without a name."""

from __future__ import annotations

import mmap
import tempfile
from collections.abc import Iterable

import pyarrow as pa
import pyarrow.ipc

from workbench.options import options

#: Bytes held in memory before the rest goes to disk.
IN_MEMORY = 64_000_000


def spooled(batches: Iterable[pa.RecordBatch], schema: pa.Schema) -> pa.Table:
    """One table of all batches; beyond a size its columns are read from disk as they are used.

    The file lies in the user's cache, has no name and goes with the process, however that ends.

    Parameters
    ----------
    batches : iterable of RecordBatch
        One in memory at a time.
    schema : pa.Schema
        Their columns.

    Examples
    --------
    >>> schema = pa.schema([("row", pa.int64())])
    >>> spooled([pa.RecordBatch.from_pylist([{"row": 2}], schema)], schema).num_rows
    1
    """
    waiting = iter(batches)
    held: list[pa.RecordBatch] = []
    size = 0
    for batch in waiting:
        held.append(batch)
        size += batch.nbytes
        if size > IN_MEMORY:
            break
    else:
        return pa.Table.from_batches(held, schema)
    with tempfile.TemporaryFile(dir=options.cache_folder("spool")) as file:
        with pa.ipc.new_file(file, schema) as writer:
            while held:
                writer.write_batch(held.pop(0))
            for batch in waiting:
                writer.write_batch(batch)
        file.flush()
        # The mapping outlives the file's handle; the table holds the mapping.
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    return pa.ipc.open_file(pa.BufferReader(pa.py_buffer(mapped))).read_all()
