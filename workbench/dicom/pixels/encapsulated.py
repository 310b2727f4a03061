"""Encapsulated pixel data: where each frame's bytes lie. DICOM PS3.5 A.4.

Offset tables are checked against the items and not trusted. An extended offset table (PS3.3 C.7.6.3.1.8) is not
needed: with it every frame is one fragment, and the items themselves tell where each begins.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from struct import Struct
from typing import Final

import numpy as np
from numpy.typing import NDArray

_TAG_AND_LENGTH: Final = Struct("<HHI").unpack_from
_ITEM: Final = (0xFFFE, 0xE000)
_END: Final = (0xFFFE, 0xE0DD)
#: Bytes read ahead while small fragments are walked through.
_BLOCK: Final = 1 << 16
#: Larger fragments are jumped over, so that a search reads little of a file of gigabytes.
_SMALL: Final = 1 << 12
#: Fragments of one file at most.
MAX_FRAGMENTS: Final = 10_000_000

#: Offset in the file, and length, of each fragment.
Places = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class FrameTable:
    """Which fragments hold which frame."""

    #: Offset and length of every fragment, (fragments, 2).
    places: Places
    #: Number of the first fragment of each frame, and the number of fragments, (frames + 1,).
    starts: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.starts) - 1

    def __getitem__(self, frame: int) -> list[tuple[int, int]]:
        """Offset and length of each fragment of a frame."""
        if not 0 <= frame < len(self):
            raise IndexError(f"no frame {frame + 1} among {len(self)}")
        pieces = self.places[self.starts[frame] : self.starts[frame + 1]]
        return [(at, length) for at, length in pieces.tolist()]


class _ReadAhead:
    """Small reads from a file, served from a larger one where they follow each other closely."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self.block = b""
        self.start = 0
        self.end = 0

    def at(self, pos: int, length: int, ahead: int) -> tuple[bytes, int]:
        """Bytes that hold *length* bytes at *pos*, and where in them; fewer at the end of the file."""
        if pos < self.start or pos + length > self.end:
            self.block = os.pread(self.fd, max(length, ahead), pos)
            self.start, self.end = pos, pos + len(self.block)
        return self.block, pos - self.start


def fragments(fd: int, offset: int, size: int) -> tuple[Places, bytes]:
    """Offset and length of every fragment, (fragments, 2), and the basic offset table's bytes.

    Parameters
    ----------
    fd : int
        Open file.
    offset : int
        Where the pixel data value starts.
    size : int
        Bytes of the file.

    Raises
    ------
    EOFError
        The file ends before the sequence does.
    ValueError
        Something else stands where an item must be.
    """
    items: list[int] = []
    reader = _ReadAhead(fd)
    pos, ahead = offset, 512
    while True:
        block, at = reader.at(pos, 8, ahead)
        if len(block) - at < 8:
            raise EOFError("pixel data ends early")
        group, element, length = _TAG_AND_LENGTH(block, at)
        pos += 8
        if (group, element) == _END:
            break
        if (group, element) != _ITEM or length == 0xFFFFFFFF:
            raise ValueError("no item where one must be")
        if pos + length > size:
            raise EOFError("pixel data ends early")
        items += (pos, length)
        if len(items) > 2 * MAX_FRAGMENTS:
            raise ValueError("more fragments than the limit")
        pos += length
        ahead = _BLOCK if length < _SMALL else 8
    if not items:
        raise ValueError("no offset table item")
    places = np.array(items, np.int64).reshape(-1, 2)
    table_at, table_length = items[:2]
    return places[1:], os.pread(fd, table_length, table_at)


def whole_fragments(fd: int, offset: int, size: int) -> int:
    """Number of fragments of a pixel data sequence; 0 where it does not end properly within the file."""
    try:
        return len(fragments(fd, offset, size)[0])
    except (EOFError, ValueError):
        return 0


def frame_fragments(fd: int, offset: int, size: int, n_frames: int, *, starts: Sequence[bytes] = ()) -> FrameTable:
    """Fragments of each frame, in frame order.

    Parameters
    ----------
    fd, offset, size : int
        As for :func:`fragments`.
    n_frames : int
        Frames that the header declares.
    starts : sequence of bytes
        What a code stream begins with: tells frames of several fragments apart where there is no offset table.

    Raises
    ------
    EOFError, ValueError
        The fragments cannot be assigned to *n_frames* frames.
    """
    places, table = fragments(fd, offset, size)
    n = len(places)
    if n_frames < 1 or n < n_frames:
        raise ValueError(f"{n} fragments for {n_frames} frames")
    if n_frames == 1:
        # Empty fragments add nothing, and there may be millions.
        places = places[places[:, 1] > 0]
        return FrameTable(places, np.array([0, len(places)]))
    if n == n_frames:
        return FrameTable(places, np.arange(n + 1))
    if table:
        first = _by_table(places, table, n_frames)
    else:
        first = _by_start(fd, places, starts)
        if len(first) != n_frames or first[0] != 0:
            raise ValueError(f"{n} fragments for {n_frames} frames and no offset table")
    return FrameTable(places, np.append(first, n))


def _by_table(places: Places, table: bytes, n_frames: int) -> NDArray[np.int64]:
    """First fragment of each frame by the basic offset table."""
    offsets = np.frombuffer(table[: len(table) // 4 * 4], "<u4").astype(np.int64)
    # Offsets count from the first item behind the table to the item that starts the frame.
    headers = places[:, 0] - places[0, 0]
    first = np.searchsorted(headers, offsets)
    if (
        len(offsets) != n_frames
        or first[0] != 0
        or (np.diff(first) < 1).any()
        or first[-1] >= len(headers)
        or (headers[first] != offsets).any()
    ):
        raise ValueError("offset table does not point at items")
    return first


def _by_start(fd: int, places: Places, starts: Sequence[bytes]) -> NDArray[np.int64]:
    """Fragments that begin as a code stream does."""
    longest = max((len(start) for start in starts), default=0)
    if not longest:
        return np.empty(0, np.int64)
    reader = _ReadAhead(fd)
    found = []
    for number, (pos, length) in enumerate(places.tolist()):
        block, at = reader.at(pos, longest, _BLOCK if length < _SMALL else longest)
        if block[at : at + min(longest, length)].startswith(tuple(starts)):
            found.append(number)
    return np.array(found, np.int64)
