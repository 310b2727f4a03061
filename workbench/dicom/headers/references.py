"""Which series an object that is no image refers to, read from its bytes without pydicom.

Sources: PS3.3 C.8.20.2 (Referenced Series Sequence), C.8.8.5 (RT Referenced Series Sequence), C.17.2 (evidence).
"""

from __future__ import annotations

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
from workbench.dicom.headers.tags import PIXEL_ELEMENTS
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
_PIXELS: Final = frozenset(key(number) for number in PIXEL_ELEMENTS)
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
    return _at_top(data, len(data), syntax)[0]


def references_of_whole(data: bytes, size: int, syntax: str) -> list[str] | None:
    """SeriesInstanceUIDs as :func:`references_in` gives them, of an object that plainly does not end too early.

    One pass answers both questions; None leaves them to a closer look.

    Parameters
    ----------
    data : bytes
        The file from its first byte, up to its pixels at least.
    size : int
        Bytes of the whole file.
    syntax : str
        Its transfer syntax.

    Raises
    ------
    NeedMore
        The answer lies beyond *data*.

    Examples
    --------
    >>> series = bytes.fromhex("20000e00 04000000") + b"1.2 "
    >>> data = bytes(132) + bytes.fromhex("08001511 14000000 feff00e0 0c000000") + series
    >>> references_of_whole(data, len(data), IMPLICIT_LE)
    ['1.2']
    >>> references_of_whole(data[:-2], len(data) - 2, IMPLICIT_LE) is None
    True
    """
    try:
        found, pos = _at_top(data, size, syntax)
        if pos == size:
            return found
        if pos + 8 > len(data):
            raise short(len(data) >= size)
        if data[pos : pos + 4] not in _PIXELS:
            return None
        if syntax == IMPLICIT_LE:
            length, start = u32(data, pos + 4)[0], pos + 8
        else:
            _, length, start = read_explicit(data, pos, len(data) >= size)
    except (Declined, EOFError):
        return None
    return found if length != UNDEFINED and start + length <= size else None


def _at_top(data: bytes, size: int, syntax: str) -> tuple[list[str], int]:
    """Series named at top level, and where the pixels or the elements end."""
    if syntax in (EXPLICIT_BE, DEFLATED_LE):
        raise Declined(syntax)
    pos, whole = 132, len(data) >= size
    while pos + 8 <= len(data) and u16(data, pos)[0] == 2:
        _, length, start = read_explicit(data, pos, whole)
        pos = start + length
    found, pos, _ = _dataset(data, pos, len(data), explicit=syntax != IMPLICIT_LE, whole=whole, depth=0)
    return list(dict.fromkeys(found)), pos


def _dataset(
    data: bytes, pos: int, limit: int, *, explicit: bool, whole: bool, depth: int
) -> tuple[list[str], int, bool]:
    """Series named in the elements up to *limit*, or up to an end mark; the position behind them; whether it was met.

    At top level the pixels end the elements, and the position is theirs.
    """
    own: list[str] = []
    led_to: dict[bytes, list[str]] = {}
    leading = _LEADING if depth else _AT_TOP
    ended = False
    while pos < limit:
        if pos + 8 > limit:
            raise short(whole)
        element = data[pos : pos + 4]
        if element == ITEM_END:
            pos, ended = pos + 8, True
            break
        if depth == 0 and element[:2] == _PIXEL_GROUP:
            break
        if explicit:
            vr, length, pos = read_explicit(data, pos, whole)
            inner = vr != b"UN"
        else:
            length, pos, inner = u32(data, pos + 4)[0], pos + 8, False
        if element in leading and depth < _DEEPEST:
            end = limit if length == UNDEFINED else pos + length
            if end > limit:
                raise short(whole)
            led_to[element], behind = _items(data, pos, end, length, explicit=inner, whole=whole, depth=depth + 1)
            pos = behind if length == UNDEFINED else end
        elif length == UNDEFINED:
            pos = skip_sequence(data, pos, explicit=inner, whole=whole)
        else:
            if element == _SERIES_UID and depth:
                uid = data[pos : pos + length].strip(b"\0 ").decode("ascii", "replace")
                own = [uid] if uid else []
            pos += length
    for element in _LEADING:
        own += led_to.get(element, ())
    return own, pos, ended


def _items(
    data: bytes, pos: int, limit: int, length: int, *, explicit: bool, whole: bool, depth: int
) -> tuple[list[str], int]:
    """Series named in the items of a sequence of *length*, and the position behind it."""
    found: list[str] = []
    while pos < limit:
        if pos + 8 > limit:
            raise short(whole)
        mark, size = data[pos : pos + 4], u32(data, pos + 4)[0]
        pos += 8
        if mark == SEQUENCE_END:
            return found, pos
        if mark != ITEM:
            raise Declined("no item where one must be")
        bound = limit if size == UNDEFINED else pos + size
        if bound > limit:
            raise short(whole)
        named, behind, ended = _dataset(data, pos, bound, explicit=explicit, whole=whole, depth=depth)
        if size == UNDEFINED and not ended:
            raise short(whole)
        found += named
        pos = behind if size == UNDEFINED else bound
    if length == UNDEFINED:
        raise short(whole)
    return found, pos
