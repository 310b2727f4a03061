"""A DuckDB connection that goes on in the user's cache where memory ends, and never looks at a network."""

from __future__ import annotations

import itertools
import os
import shutil
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

import duckdb

from workbench.options import options

#: Memory of the questions that an opening asks, where the options set no limit, bytes: they sort and group rows of
#: tables that may be of any size.
OF_OPENING: Final = 300_000_000
#: Age at which what a process left behind is removed, seconds.
LEFT_BEHIND_S: Final = 86_400
_NUMBERS: Final = itertools.count(1)


def connected(*, opening: bool = False) -> duckdb.DuckDBPyConnection:
    """A new connection, in memory.

    Half of ``options.memory`` is its limit; beyond that it goes on in the cache. The other half is for tables handed
    out and for Python.

    Parameters
    ----------
    opening : bool
        Whether it is for working out tables as an extract is opened: its memory is limited then in any case, by
        :data:`OF_OPENING`, and rows come in no order but the one asked for.

    Raises
    ------
    WriteError
        The cache cannot be written.
    """
    connection = duckdb.connect(":memory:")
    run = connection.execute
    # A hospital's desktop has no network: never look for extensions.
    run("set autoinstall_known_extensions = false; set autoload_known_extensions = false")
    # A folder of its own: processes that share one would write into each other's files. DuckDB makes it when it is
    # needed, and removes it.
    spill = options.cache_folder("spill")
    run(f"set temp_directory = {quoted(str(spill / f'{os.getpid()}-{next(_NUMBERS)}'))}")
    memory = None if options.memory is None else options.memory // 2
    if opening:
        memory = min(memory or OF_OPENING, OF_OPENING)
        run("set preserve_insertion_order = false")
        _tidy(spill)
    if memory is not None:
        run(f"set memory_limit = '{memory}B'")
    return connection


def quoted(text: str) -> str:
    """Text as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"


def _tidy(folder: Path) -> None:
    """Remove what processes left that are no more."""
    for left in folder.iterdir():
        with suppress(OSError):
            if left.stat().st_mtime < time.time() - LEFT_BEHIND_S and not _alive(left.name.partition("-")[0]):
                shutil.rmtree(left, ignore_errors=True)


def _alive(process: str) -> bool:
    # Only where the system can tell without touching the process.
    return process.isdigit() and Path("/proc", process).exists()
