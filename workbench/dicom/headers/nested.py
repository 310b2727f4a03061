"""Sequences within a header: skipped whole, or the wanted tags of the first item taken.

Encoding: DICOM PS3.5 7.5.
"""

from __future__ import annotations

import struct
from typing import Final

from workbench.dicom.headers.elements import (
    ITEM,
    ITEM_END,
    LONG_VRS,
    SEQUENCE_END,
    SHORT_VRS,
    UNDEFINED,
    Declined,
    key,
    read_explicit,
    short,
    u32,
)

#: Nested sequences deeper than this are refused.
MAX_DEPTH: Final = 32

_CHARACTER_SET: Final = key(0x00080005)
_eight: Final = struct.Struct("<Q").unpack_from
_four: Final = struct.Struct("<I").unpack_from
#: Bits of the first eight bytes of an element that are its tag, and the tags of the marks as such bits.
_MARK: Final = 0xFFFFFFFF
_ITEM: Final = int.from_bytes(ITEM, "little")
_ITEM_END: Final = int.from_bytes(ITEM_END, "little")
_SEQUENCE_END: Final = int.from_bytes(SEQUENCE_END, "little")
#: Two bytes of a VR as a number.
_SHORT: Final = frozenset(int.from_bytes(vr, "little") for vr in SHORT_VRS)
_LONG: Final = frozenset(int.from_bytes(vr, "little") for vr in LONG_VRS)
_UN: Final = int.from_bytes(b"UN", "little")


def skip_sequence(head: bytes, pos: int, *, explicit: bool, whole: bool, depth: int = 0) -> int:
    """Position behind a sequence of undefined length whose first item starts at *pos*.

    Raises
    ------
    Declined
        It is nested too deeply, or not encoded as the standard says.
    NeedMore, EOFError
        It goes on beyond *head*: what was read of the file, or the *whole* of it.
    """
    # A loop with a stack: structure sets hold tens of thousands of nested elements, and a call for each is the cost.
    outer: list[bool] = []
    in_item = False
    try:
        while True:
            word = _eight(head, pos)[0]
            mark = word & _MARK
            if in_item:
                if mark == _ITEM_END:
                    in_item, pos = False, pos + 8
                    continue
                if explicit:
                    vr = word >> 32 & 0xFFFF
                    if vr in _SHORT:
                        pos += 8 + (word >> 48)
                        continue
                    if vr not in _LONG:
                        raise Declined("unknown VR in a sequence")
                    length = _four(head, pos + 8)[0]
                    if length != UNDEFINED:
                        pos += 12 + length
                        continue
                    # A UN of undefined length is encoded as implicit VR (PS3.5 6.2.2).
                    inner, pos = vr != _UN, pos + 12
                else:
                    length = word >> 32
                    if length != UNDEFINED:
                        pos += 8 + length
                        continue
                    inner, pos = False, pos + 8
                outer.append(explicit)
                explicit, in_item = inner, False
                if depth + len(outer) > MAX_DEPTH:
                    raise Declined("sequences nested too deeply")
            elif mark == _ITEM:
                length, pos = word >> 32, pos + 8
                if length == UNDEFINED:
                    in_item = True
                else:
                    pos += length
            elif mark == _SEQUENCE_END:
                pos += 8
                if not outer:
                    return pos
                explicit, in_item = outer.pop(), True
            else:
                raise Declined("no item where one must be")
    except struct.error:
        raise short(whole) from None


def _element(head: bytes, pos: int, explicit: bool, whole: bool) -> tuple[bool, int, int]:
    """Whether what is nested in the element is explicit, its length and value position."""
    if not explicit:
        return False, u32(head, pos + 4)[0], pos + 8
    vr, length, data = read_explicit(head, pos, whole)
    # A UN of undefined length is encoded as implicit VR (PS3.5 6.2.2).
    return vr != b"UN", length, data


def first_item(
    head: bytes,
    pos: int,
    length: int,
    values: list[bytes | None],
    wanted: dict[bytes, int],
    accepted: tuple[frozenset[bytes], ...],
    *,
    explicit: bool,
    whole: bool,
) -> None:
    """Put the wanted values of a sequence's first item into *values*.

    Parameters
    ----------
    head : bytes
        The file from its first byte.
    pos, length : int
        Where the sequence's value starts, and how long it says it is; the undefined length ends with its mark.
    values : list of bytes or None
        Raw values by column.
    wanted : dict
        Element within the item -> column.
    accepted : tuple of frozenset
        VRs whose bytes are taken as they are, by column.
    explicit, whole : bool
        The item is explicit VR; *head* is the whole file.

    Raises
    ------
    Declined, NeedMore, EOFError
        As in :func:`skip_sequence`.
    """
    for index in wanted.values():
        values[index] = None
    limit = len(head) if length == UNDEFINED else pos + length
    if limit > len(head):
        raise short(whole)
    if length == 0:
        return
    if pos + 8 > limit:
        raise short(whole) if length == UNDEFINED else Declined("sequence without room for an item")
    mark, item_length = head[pos : pos + 4], u32(head, pos + 4)[0]
    if mark == SEQUENCE_END:
        return
    if mark != ITEM:
        raise Declined("no item where one must be")
    pos += 8
    if item_length != UNDEFINED:
        if pos + item_length > limit:
            raise short(whole) if length == UNDEFINED else Declined("item longer than its sequence")
        limit = pos + item_length
    bounded = not (length == item_length == UNDEFINED)
    while pos < limit or item_length == UNDEFINED:
        if pos + 8 > limit:
            raise Declined("element longer than its item") if bounded else short(whole)
        element = head[pos : pos + 4]
        if item_length == UNDEFINED and element == ITEM_END:
            return
        if element == _CHARACTER_SET:
            raise Declined("an item with a character set of its own")
        vr = head[pos + 4 : pos + 6]
        inner, size, data = _element(head, pos, explicit, whole)
        index = wanted.get(element, -1)
        if size == UNDEFINED:
            if index >= 0:
                raise Declined("undefined length where a value is wanted")
            pos = skip_sequence(head, data, explicit=inner, whole=whole, depth=1)
            continue
        pos = data + size
        if pos > limit:
            raise Declined("element longer than its item") if bounded else short(whole)
        if index >= 0:
            if explicit and vr not in accepted[index]:
                raise Declined("a VR of another kind than expected")
            values[index] = head[data:pos]
