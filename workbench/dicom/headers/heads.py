"""The first bytes of many files, side by side in one buffer, so that all headers can be walked at once."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, Final, cast

import numpy as np

from workbench.dicom.headers.elements import key
from workbench.dicom.headers.tags import PIXEL_DATA

#: Gathers of eight or twelve bytes may reach this far behind the last file.
_MARGIN: Final = 64
#: Most files that are looked at to see how long headers are, and bytes of each.
_LOOKED_AT: Final = 4
_LOOK: Final = 64 * 1024
#: Widths are whole pages; behind the tag of the pixels there is room for the rest of their element, and for headers
#: that are a little longer than those looked at.
_PAGE: Final = 4096
_ROOM: Final = 128
_PIXEL_DATA: Final = key(PIXEL_DATA)


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

    def read(self, paths: Sequence[str], at_hand: Sequence[bytes | None] = ()) -> int:
        """Read the first bytes of *paths*; how many files were gone through before Ctrl-C, or all of them.

        Parameters
        ----------
        paths : sequence of str
            The files.
        at_hand : sequence of bytes or None, optional
            What :func:`look` read of the first of them, which are not opened again.
        """
        width, memory = self.width, self.memory
        self.put([head or b"" for head in at_hand])
        filled = [-1 if head is None else min(len(head), width) for head in at_hand]
        try:
            for path in paths[len(at_hand) :]:
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


def look(paths: Sequence[str], usual: int) -> tuple[int, list[bytes | None]]:
    """How many bytes of each file hold its header, as the first file with pixels has it; and what was read to see it.

    Parameters
    ----------
    paths : sequence of str
        The files; those of one make lie together.
    usual : int
        The answer where none of the first few has pixels within its first 64 kB.

    Returns
    -------
    int
        A whole number of pages. A guess: other headers may be longer, which a walk notices.
    list of bytes or None
        First bytes of the first files; None where one could not be read.
    """
    scratch = bytearray(_LOOK)
    heads: list[bytes | None] = []
    for path in paths[:_LOOKED_AT]:
        filled = _read_into(path, memoryview(scratch))
        heads.append(None if filled < 0 else bytes(scratch[:filled]))
        pixels = scratch.find(_PIXEL_DATA, 0, max(filled, 0))
        if pixels >= 0:
            return min(-(-(pixels + _ROOM) // _PAGE) * _PAGE, _LOOK), heads
    return usual, heads
