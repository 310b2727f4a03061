"""The fast header walk: bytes -> raw values of the wanted tags. It never decides what a value means.

Explicit and implicit VR little endian, with sequences of defined and undefined length. Whatever else a file
holds is declined and read by pydicom (``workbench.dicom.fallback``). Encoding: DICOM PS3.5 chapter 7, PS3.10
chapter 7.
"""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct
from typing import Final

from workbench.dicom.tags import NOT_IMAGES, PIXEL_DATA, PIXEL_ELEMENTS, TAGS

IMPLICIT_LE: Final = "1.2.840.10008.1.2"
EXPLICIT_LE: Final = "1.2.840.10008.1.2.1"
EXPLICIT_BE: Final = "1.2.840.10008.1.2.2"
DEFLATED_LE: Final = "1.2.840.10008.1.2.1.99"
NATIVE: Final = frozenset({IMPLICIT_LE, EXPLICIT_LE, EXPLICIT_BE, DEFLATED_LE})

#: Nested sequences deeper than this are refused.
MAX_DEPTH: Final = 32

_U16: Final = Struct("<H").unpack_from
_U32: Final = Struct("<I").unpack_from
_UNDEFINED: Final = 0xFFFFFFFF
_LONG_VRS: Final = frozenset(
    (b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV")
)
_SHORT_VRS: Final = frozenset(
    (b"AE", b"AS", b"AT", b"CS", b"DA", b"DS", b"DT", b"FD", b"FL", b"IS", b"LO", b"LT", b"PN", b"SH", b"SL", b"SS",
     b"ST", b"TM", b"UI", b"UL", b"US")
)  # fmt: skip
_ITEM: Final = b"\xfe\xff\x00\xe0"
_ITEM_END: Final = b"\xfe\xff\x0d\xe0"
_SEQUENCE_END: Final = b"\xfe\xff\xdd\xe0"


def _key(number: int) -> bytes:
    return (number >> 16).to_bytes(2, "little") + (number & 0xFFFF).to_bytes(2, "little")


_WANTED: Final = {_key(tag.number): index for index, tag in enumerate(TAGS)}
_BINARY_VRS: Final = frozenset(
    (b"AT", b"FD", b"FL", b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SL", b"SQ", b"SS", b"SV", b"UL", b"US", b"UV")
)
_VR_OF: Final = tuple(tag.vr.encode() for tag in TAGS)
_PIXEL_DATA: Final = _key(PIXEL_DATA)
_PIXELS: Final = frozenset(_key(number) for number in PIXEL_ELEMENTS)
_CLASS_COLUMN: Final = next(i for i, tag in enumerate(TAGS) if tag.keyword == "SOPClassUID")
_NOT_IMAGES: Final = frozenset(uid.encode() for uid in NOT_IMAGES)
#: Objects that are not images keep their bulk behind this group, where nothing is wanted.
_LAST_GROUP_OF_OTHERS: Final = 0x0028


class Declined(Exception):
    """The walk cannot vouch for this file; pydicom reads it."""


class CutOff(EOFError):
    """The file ends within its header; carries what was found before."""

    def __init__(self, raw: RawHeader) -> None:
        self.raw = raw
        super().__init__("file ends within its header")


class NeedMore(Exception):
    """The header goes on beyond the bytes at hand."""


@dataclass(slots=True)
class RawHeader:
    """What the walk found in one file."""

    #: Raw bytes of each wanted tag, in the order of ``TAGS``; None where absent.
    values: list[bytes | None]
    #: Transfer syntax UID.
    syntax: str
    #: Media storage SOP class of the file meta group.
    media_class: str = ""
    #: Byte offset of the pixel data value in the file, -1 where there is none.
    pixel_offset: int = -1
    #: Its length in bytes; -1 where encapsulated (undefined length).
    pixel_length: int = 0
    #: Pixels are Float or Double Float Pixel Data.
    pixel_float: bool = False
    #: Bytes of the file that are header.
    header_length: int = 0
    #: Text is UTF-8 already, whatever SpecificCharacterSet says.
    utf8: bool = False


def is_dicom(head: bytes) -> bool:
    """Whether the first bytes of a file are DICOM: the preamble, or a first element of group 0002 or 0008.

    Examples
    --------
    >>> is_dicom(bytes(128) + b"DICM"), is_dicom(b"patient_id,age")
    (True, False)
    """
    if head[128:132] == b"DICM":
        return True
    if len(head) < 8 or head[0] not in (0x02, 0x08) or head[1] != 0x00 or head[3] != 0x00:
        return False
    explicit = head[4:6] in _SHORT_VRS or head[4:6] in _LONG_VRS
    return explicit or _U32(head, 4)[0] <= 1024


def walk(head: bytes, *, whole: bool, to_end: bool = False) -> RawHeader:
    """Raw values of the wanted tags in the first bytes of a file.

    Parameters
    ----------
    head : bytes
        The file from its first byte.
    whole : bool
        *head* is the whole file.
    to_end : bool, default False
        Go on to the end, or the pixels, also where nothing more is wanted: shows whether the file is cut off.

    Raises
    ------
    Declined
        The encoding is not one this walk vouches for.
    NeedMore
        The header does not end within *head*; call again with more bytes.
    CutOff
        The file ends within its header.
    EOFError
        The file ends within its file meta group.
    """
    if head[128:132] != b"DICM":
        raise Declined("no preamble")
    pos, syntax, media_class = _meta(head, whole)
    if syntax in (EXPLICIT_BE, DEFLATED_LE):
        raise Declined(syntax)
    raw = RawHeader([None] * len(TAGS), syntax, media_class)
    try:
        if syntax == IMPLICIT_LE:
            _implicit(head, pos, raw, whole, to_end)
        else:
            _explicit(head, pos, raw, whole, to_end)
    except EOFError:
        raise CutOff(raw) from None
    return raw


def _short(whole: bool) -> Exception:
    return EOFError("file ends within an element") if whole else NeedMore()


def _meta(head: bytes, whole: bool) -> tuple[int, str, str]:
    """End of the file meta group, the transfer syntax and the media storage class."""
    pos, end, syntax, media_class = 132, len(head), "", ""
    while True:
        if pos + 8 > end:
            raise _short(whole)
        if _U16(head, pos)[0] != 2:
            break
        vr = head[pos + 4 : pos + 6]
        if vr in _LONG_VRS:
            if pos + 12 > end:
                raise _short(whole)
            length, data = _U32(head, pos + 8)[0], pos + 12
        elif vr in _SHORT_VRS:
            length, data = _U16(head, pos + 6)[0], pos + 8
        else:
            raise Declined("file meta is not explicit VR")
        if length == _UNDEFINED:
            raise Declined("undefined length in file meta")
        if data + length > end:
            raise _short(whole)
        element = head[pos + 2]
        if element in (0x02, 0x10) and head[pos + 3] == 0:
            uid = head[data : data + length].rstrip(b"\0 ").decode("ascii", "replace")
            syntax, media_class = (uid, media_class) if element == 0x10 else (syntax, uid)
        pos = data + length
    if not syntax:
        raise Declined("no transfer syntax")
    return pos, syntax, media_class


def _explicit(head: bytes, pos: int, raw: RawHeader, whole: bool, to_end: bool) -> None:
    end, wanted, values = len(head), _WANTED, raw.values
    while pos < end:
        if pos + 8 > end:
            raise _short(whole)
        key = head[pos : pos + 4]
        vr = head[pos + 4 : pos + 6]
        if vr in _SHORT_VRS:
            length, data = head[pos + 6] | head[pos + 7] << 8, pos + 8
        elif vr in _LONG_VRS:
            if pos + 12 > end:
                raise _short(whole)
            length, data = _U32(head, pos + 8)[0], pos + 12
        else:
            raise Declined(f"unknown VR {vr!r}")
        if key in _PIXELS:
            _pixels(raw, key, data, length)
            return
        if not to_end and _nothing_more(head, pos, values):
            raw.header_length = pos
            return
        if length == _UNDEFINED:
            # A UN of undefined length is encoded as implicit VR (PS3.5 6.2.2).
            stop = _skip_sequence(head, data, explicit=vr != b"UN", whole=whole, depth=0)
            if key in wanted:
                values[wanted[key]] = b"\1"
            pos = stop
            continue
        index = wanted.get(key)
        pos = data + length
        if index is not None:
            if pos > end:
                raise _short(whole)
            if vr != _VR_OF[index] and (vr in _BINARY_VRS or (_VR_OF[index] in _BINARY_VRS and vr != b"UN")):
                raise Declined(f"{vr!r} where {_VR_OF[index]!r} is expected")
            values[index] = head[data:pos]
    _ended(head, pos, raw, whole)


def _implicit(head: bytes, pos: int, raw: RawHeader, whole: bool, to_end: bool) -> None:
    end, wanted, values = len(head), _WANTED, raw.values
    if head[pos + 4 : pos + 6].isalpha() and head[pos + 4 : pos + 6].isupper():
        raise Declined("explicit VR under an implicit transfer syntax")
    while pos < end:
        if pos + 8 > end:
            raise _short(whole)
        key = head[pos : pos + 4]
        length, data = _U32(head, pos + 4)[0], pos + 8
        if key in _PIXELS:
            _pixels(raw, key, data, length)
            return
        if not to_end and _nothing_more(head, pos, values):
            raw.header_length = pos
            return
        if length == _UNDEFINED:
            stop = _skip_sequence(head, data, explicit=False, whole=whole, depth=0)
            if key in wanted:
                values[wanted[key]] = b"\1"
            pos = stop
            continue
        index = wanted.get(key)
        pos = data + length
        if index is not None:
            if pos > end:
                raise _short(whole)
            values[index] = head[data:pos]
    _ended(head, pos, raw, whole)


def _pixels(raw: RawHeader, key: bytes, data: int, length: int) -> None:
    raw.pixel_float = key != _PIXEL_DATA
    raw.pixel_offset = raw.header_length = data
    raw.pixel_length = -1 if length == _UNDEFINED else length


def _nothing_more(head: bytes, pos: int, values: list[bytes | None]) -> bool:
    if head[pos] <= _LAST_GROUP_OF_OTHERS and head[pos + 1] == 0:
        return False
    sop_class = values[_CLASS_COLUMN]
    return sop_class is not None and sop_class.rstrip(b"\0 ") in _NOT_IMAGES


def _ended(head: bytes, pos: int, raw: RawHeader, whole: bool) -> None:
    if not whole:
        raise NeedMore
    if pos > len(head):
        raise EOFError("file ends within an element")
    raw.header_length = len(head)


def _skip_sequence(head: bytes, pos: int, *, explicit: bool, whole: bool, depth: int) -> int:
    """Position behind a sequence of undefined length that starts at *pos*."""
    if depth > MAX_DEPTH:
        raise Declined("sequences nested too deeply")
    end = len(head)
    while True:
        if pos + 8 > end:
            raise _short(whole)
        key = head[pos : pos + 4]
        length = _U32(head, pos + 4)[0]
        pos += 8
        if key == _SEQUENCE_END:
            return pos
        if key != _ITEM:
            raise Declined("no item where one must be")
        pos = (
            _skip_item(head, pos, explicit=explicit, whole=whole, depth=depth) if length == _UNDEFINED else pos + length
        )


def _skip_item(head: bytes, pos: int, *, explicit: bool, whole: bool, depth: int) -> int:
    """Position behind an item of undefined length."""
    end = len(head)
    while True:
        if pos + 8 > end:
            raise _short(whole)
        if head[pos : pos + 4] == _ITEM_END:
            return pos + 8
        nested_explicit = explicit
        if explicit:
            vr = head[pos + 4 : pos + 6]
            if vr in _SHORT_VRS:
                length, data = _U16(head, pos + 6)[0], pos + 8
            elif vr in _LONG_VRS:
                if pos + 12 > end:
                    raise _short(whole)
                length, data = _U32(head, pos + 8)[0], pos + 12
                nested_explicit = vr != b"UN"
            else:
                raise Declined(f"unknown VR {vr!r}")
        else:
            length, data = _U32(head, pos + 4)[0], pos + 8
        if length == _UNDEFINED:
            pos = _skip_sequence(head, data, explicit=nested_explicit, whole=whole, depth=depth + 1)
        else:
            pos = data + length
