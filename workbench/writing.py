"""Files that are whole or not there: written aside, flushed to the disk, then renamed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from workbench.errors import WriteError

REMEDY = "check the free space and the permissions of its folder, then try again"


@contextmanager
def aside(path: Path, *, remedy: str = REMEDY) -> Iterator[Path]:
    """Yield a name to write to; when the block ends well the file gets its final name, else it is removed.

    Parameters
    ----------
    path : Path
        Final name; its folder is made where it does not exist. In a folder that its owner alone may read, as those of
        the cache, the file is for the owner alone.
    remedy : str
        What the error tells to do.

    Raises
    ------
    WriteError
        The file could not be written; under its final name stands what stood there before.

    Examples
    --------
    >>> import tempfile
    >>> target = Path(tempfile.mkdtemp()) / "new" / "note.txt"
    >>> with aside(target) as place:
    ...     _ = place.write_text("whole")
    >>> target.read_text()
    'whole'
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        if not path.parent.stat().st_mode & 0o077:
            # In a folder that is for its owner alone, files are so, too.
            temporary.chmod(0o600)
        with open(temporary, "rb") as written:
            os.fsync(written.fileno())
        os.replace(temporary, path)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise WriteError(f"could not be written: {reason}", file=path.name, remedy=remedy) from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 text file that is whole or not there.

    Raises
    ------
    WriteError
        The file could not be written.
    """
    with aside(path) as place:
        place.write_text(text, encoding="utf-8", newline="\n")
