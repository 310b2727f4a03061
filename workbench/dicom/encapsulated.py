"""Encapsulated pixel data: where each frame's bytes lie. DICOM PS3.5 A.4.

Offset tables are checked against the items and not trusted.
"""

from __future__ import annotations

import os
from struct import Struct
from typing import Final

_TAG_AND_LENGTH: Final = Struct("<HHI").unpack
_ITEM: Final = (0xFFFE, 0xE000)
_END: Final = (0xFFFE, 0xE0DD)


def fragments(fd: int, offset: int, size: int) -> tuple[list[tuple[int, int]], bytes]:
    """Offset and length of every fragment, and the basic offset table's bytes.

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
    items: list[tuple[int, int]] = []
    pos = offset
    while True:
        head = os.pread(fd, 8, pos)
        if len(head) < 8:
            raise EOFError("pixel data ends early")
        group, element, length = _TAG_AND_LENGTH(head)
        pos += 8
        if (group, element) == _END:
            break
        if (group, element) != _ITEM or length == 0xFFFFFFFF:
            raise ValueError("no item where one must be")
        if pos + length > size:
            raise EOFError("pixel data ends early")
        items.append((pos, length))
        pos += length
    if not items:
        raise ValueError("no offset table item")
    table_at, table_length = items[0]
    return items[1:], os.pread(fd, table_length, table_at)


def whole_fragments(fd: int, offset: int, size: int) -> int:
    """Number of fragments of a pixel data sequence; 0 where it does not end properly within the file."""
    try:
        return len(fragments(fd, offset, size)[0])
    except (EOFError, ValueError):
        return 0


def frame_fragments(fd: int, offset: int, size: int, n_frames: int) -> list[list[tuple[int, int]]]:
    """Fragments of each frame, in frame order.

    Raises
    ------
    EOFError, ValueError
        The fragments cannot be assigned to *n_frames* frames.
    """
    items, table = fragments(fd, offset, size)
    if n_frames == 1:
        return [items]
    if len(items) == n_frames:
        return [[item] for item in items]
    starts = [int.from_bytes(table[i : i + 4], "little") for i in range(0, len(table) - 3, 4)]
    if len(starts) != n_frames or not items:
        raise ValueError(f"{len(items)} fragments for {n_frames} frames and no offset table")
    base = items[0][0] - 8
    frames: list[list[tuple[int, int]]] = [[] for _ in starts]
    bounds = [base + start for start in starts]
    for item in items:
        # An item belongs to the last frame that starts at or before its header.
        frame = max((i for i, bound in enumerate(bounds) if bound <= item[0] - 8), default=0)
        frames[frame].append(item)
    if any(not frame for frame in frames) or not all(
        bound + 8 == frame[0][0] for bound, frame in zip(bounds, frames, strict=True)
    ):
        raise ValueError("offset table does not point at items")
    return frames
