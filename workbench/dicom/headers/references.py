"""Which series an object that is no image refers to, read from its bytes without pydicom.

Sources: PS3.3 C.8.20.2 (Referenced Series Sequence), C.8.8.5 (RT Referenced Series Sequence), C.17.2 (evidence).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from workbench.dicom.headers.elements import (
    ITEM,
    ITEM_END,
    SEQUENCE_END,
    UNDEFINED,
    Declined,
    key,
    read_explicit,
    short,
    u16,
    u32,
)
from workbench.dicom.headers.nested import skip_sequence
from workbench.dicom.headers.walk import DEFLATED_LE, EXPLICIT_BE, IMPLICIT_LE

#: Sequences that name series, or lead to those that do, in the order in which their series are listed.
_LEADING: Final = tuple(
    key(number)
    for number in (
        0x00081115,  # ReferencedSeriesSequence
        0x30060010,  # ReferencedFrameOfReferenceSequence
        0x0040A375,  # CurrentRequestedProcedureEvidenceSequence
        0x30060012,  # RTReferencedStudySequence
        0x30060014,  # RTReferencedSeriesSequence
    )
)
#: Those of them that count at top level.
_AT_TOP: Final = _LEADING[:3]
_SERIES_UID: Final = key(0x0020000E)
_PIXEL_GROUP: Final = b"\xe0\x7f"
#: How many sequences one within the other are followed.
_DEEPEST: Final = 6


def references_in(data: bytes, syntax: str) -> list[str]:
    """SeriesInstanceUIDs a segmentation, structure set or report refers to, in order, each once.

    Parameters
    ----------
    data : bytes
        The whole file, from its first byte.
    syntax : str
        Its transfer syntax.

    Raises
    ------
    Declined
        The encoding is not one this reader vouches for.
    EOFError
        The file ends within an element.
    """
    if syntax in (EXPLICIT_BE, DEFLATED_LE):
        raise Declined(syntax)
    pos = 132
    while pos + 8 <= len(data) and u16(data, pos)[0] == 2:
        _, length, start = read_explicit(data, pos, True)
        pos = start + length
    found = _dataset(data, pos, len(data), explicit=syntax != IMPLICIT_LE, depth=0)[0]
    return list(dict.fromkeys(found))


def _dataset(data: bytes, pos: int, limit: int, *, explicit: bool, depth: int) -> tuple[list[str], int]:
    """Series named in the elements up to *limit*, or up to an end mark, and the position behind them."""
    own: list[str] = []
    led_to: dict[bytes, list[str]] = {}
    for element, start, length, inner in _elements(data, pos, limit, explicit):
        pos = start
        if element == ITEM_END or (depth == 0 and element[:2] == _PIXEL_GROUP):
            break
        if element in (_LEADING if depth else _AT_TOP) and depth < _DEEPEST:
            led_to[element] = []
            end = limit if length == UNDEFINED else start + length
            if end > limit:
                raise short(True)
            for item, size in _items(data, start, end, explicit=inner):
                bound = end if size == UNDEFINED else item + size
                led_to[element] += _dataset(data, item, bound, explicit=inner, depth=depth + 1)[0]
        elif element == _SERIES_UID and depth:
            uid = data[start : start + length].strip(b"\0 ").decode("ascii", "replace")
            own = [uid] if uid else []
    for element in _LEADING:
        own += led_to.get(element, ())
    return own, pos


def _elements(data: bytes, pos: int, limit: int, explicit: bool) -> Iterator[tuple[bytes, int, int, bool]]:
    """Key, value position, length, and whether what is nested is explicit; an end mark comes as a key."""
    while pos < limit:
        if pos + 8 > limit:
            raise short(True)
        element = data[pos : pos + 4]
        if element == ITEM_END:
            yield element, pos + 8, 0, explicit
            return
        if explicit:
            vr, length, start = read_explicit(data, pos, True)
        else:
            vr, length, start = b"", u32(data, pos + 4)[0], pos + 8
        inner = explicit and vr != b"UN"
        yield element, start, length, inner
        if length == UNDEFINED and element[:2] != _PIXEL_GROUP:
            pos = skip_sequence(data, start, explicit=inner, whole=True)
        else:
            pos = start + length


def _items(data: bytes, pos: int, limit: int, *, explicit: bool) -> Iterator[tuple[int, int]]:
    """Where each item of a sequence starts and how long it says it is."""
    while pos < limit:
        if pos + 8 > limit:
            raise short(True)
        mark, length = data[pos : pos + 4], u32(data, pos + 4)[0]
        if mark == SEQUENCE_END:
            return
        if mark != ITEM:
            raise Declined("no item where one must be")
        if length != UNDEFINED and pos + 8 + length > limit:
            raise short(True)
        yield pos + 8, length
        if length == UNDEFINED:
            pos = _behind_item(data, pos + 8, explicit)
        else:
            pos += 8 + length


def _behind_item(data: bytes, pos: int, explicit: bool) -> int:
    for element, start, _, _ in _elements(data, pos, len(data), explicit):
        if element == ITEM_END:
            return start
    raise short(True)
