"""The bytes of an extract's small files: regular ones only, of a bounded size."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Final

#: Larger entry files and tables are left unread: the parsed text takes about ten times its size in memory, and the
#: index of ten thousand studies has about 5 MB.
MAX_BYTES: Final = 256 * 1024**2


def check_regular(path: Path) -> None:
    """Raise for what cannot be read to an end: opening a pipe or a device may wait for ever.

    Raises
    ------
    OSError
        The path is not a regular file; ``strerror`` says so.
    """
    if not stat.S_ISREG(path.stat().st_mode):
        raise OSError(None, "not a regular file")


def read_content(path: Path) -> bytes:
    """All bytes of a regular file of at most 256 MiB.

    Raises
    ------
    OSError
        It cannot be read, is not a regular file, or is too large; ``strerror`` says so.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "index.json"
    >>> _ = path.write_bytes(b"[]")
    >>> read_content(path)
    b'[]'
    """
    check_regular(path)
    too_large = OSError(None, f"larger than {MAX_BYTES // 1024**2} MiB")
    if path.stat().st_size > MAX_BYTES:
        raise too_large
    with path.open("rb") as file:
        data = file.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise too_large
    return data
