"""One file while frames are read from it: opened once, shown to be the file that was indexed, closed after."""

from __future__ import annotations

import os
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.dicom.headers.deflated import Inflated, inflate
from workbench.dicom.headers.stamps import identity_of
from workbench.dicom.headers.walk import DEFLATED_LE
from workbench.dicom.pixels.frame_refs import FrameRef
from workbench.errors import ChangedFile, TruncatedFile


def open_frame(ref: FrameRef) -> int:
    """Descriptor of a frame's file, open for reading.

    Raises
    ------
    ChangedFile
        The file is gone.
    """
    try:
        # Without waiting: where a pipe came in the place of the file, opening would wait for a writer for ever.
        return os.open(ref.path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    except OSError as error:
        raise ChangedFile("file can no longer be opened", file=ref.name, remedy="open the data again") from error


def changed(ref: FrameRef) -> ChangedFile:
    """The error for a file whose size or time is not the one that was indexed."""
    return ChangedFile("file changed after it was indexed", file=ref.name, remedy="open the data again")


class OpenFile:
    """The file of a frame, open for reading.

    Parameters
    ----------
    ref : FrameRef
        A frame of it.

    Raises
    ------
    ChangedFile
        The file is gone, or not the one that was indexed.
    """

    __slots__ = ("_inflated", "fd", "path", "picture", "picture_frame")

    def __init__(self, ref: FrameRef) -> None:
        self.path = ref.path
        self._inflated: Inflated | None = None
        #: The picture decoded last, kept while its tiles are cut from it, and the number of its frame.
        self.picture: NDArray[Any] | None = None
        self.picture_frame = -1
        self.fd = open_frame(ref)
        facts = os.fstat(self.fd)
        if identity_of(facts) != ref.identity:
            self.close()
            raise changed(ref)

    def __enter__(self) -> OpenFile:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        os.close(self.fd)

    def pixels(self, ref: FrameRef) -> tuple[int, int]:
        """Offset and length of the pixel data value, in the file or in what a deflated file inflates to."""
        if ref.syntax != DEFLATED_LE:
            return ref.offset, ref.length
        if self._inflated is None:
            self._inflated = inflate(self.fd, ref.size, ref.frame_bytes * ref.n_frames)
        return self._inflated.offset, self._inflated.length

    def read(self, length: int, offset: int) -> bytes:
        """*length* bytes at *offset* of what :meth:`pixels` speaks of."""
        if self._inflated is not None:
            data = bytes(self._inflated.data[offset : offset + length])
        else:
            data = os.pread(self.fd, length, offset)
        if len(data) != length:
            raise TruncatedFile("pixel data ends early", remedy="ask the node for the file again")
        return data

    def read_into(self, target: NDArray[Any], offset: int) -> None:
        """Fill the contiguous *target* with the bytes at *offset*."""
        wanted = target.nbytes
        if self._inflated is not None:
            piece = self._inflated.data[offset : offset + wanted]
            if len(piece) == wanted:
                target.reshape(-1).view(np.uint8)[...] = np.frombuffer(piece, np.uint8)
                return
        elif os.preadv(self.fd, [target.data], offset) == wanted:
            return
        raise TruncatedFile("pixel data ends early", remedy="ask the node for the file again")
