"""The first bytes of many files, side by side in one buffer, so that all headers can be walked at once."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, Final, cast

import numpy as np

#: Gathers of eight or twelve bytes may reach this far behind the last file.
_MARGIN: Final = 64


class Heads:
    """First bytes of files: row *i* of the buffer is file *i*.

    Parameters
    ----------
    files : int
        How many fit in.
    width : int
        Bytes of each.
    """

    def __init__(self, files: int, width: int) -> None:
        self.width: Final = width
        #: Row after row, bytes.
        self.flat: Final[np.ndarray[Any, np.dtype[np.uint8]]] = np.empty(files * width + _MARGIN, np.uint8)
        self.flat[-_MARGIN:] = 0
        self.memory: Final = memoryview(cast(Any, self.flat))
        #: Bytes read of each file; -1 where it could not be opened.
        self.filled: Final = np.full(files, -1, np.int64)

    def read(self, paths: Sequence[str]) -> int:
        """Read the first bytes of *paths*; how many files were gone through before Ctrl-C, or all of them."""
        width, memory = self.width, self.memory
        filled: list[int] = []
        try:
            for path in paths:
                start = len(filled) * width
                filled.append(_read_into(path, memory[start : start + width]))
        except KeyboardInterrupt:
            if not filled:
                raise
        self.filled[: len(filled)] = filled
        return len(filled)

    def put(self, heads: Sequence[bytes]) -> None:
        """Take bytes already at hand, each cut to the width of the buffer."""
        for row, head in enumerate(heads):
            head = head[: self.width]
            self.memory[row * self.width : row * self.width + len(head)] = head
            self.filled[row] = len(head)

    def bytes_of(self, row: int, start: int, length: int) -> bytes:
        """*length* bytes of a file from *start*."""
        first = row * self.width + start
        return bytes(self.memory[first : first + length])


def _read_into(path: str, target: memoryview) -> int:
    try:
        file = os.open(path, os.O_RDONLY)
    except OSError:
        return -1
    try:
        return os.preadv(file, (target,), 0)
    except OSError:
        return -1
    finally:
        os.close(file)
