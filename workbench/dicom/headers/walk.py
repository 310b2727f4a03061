"""The fast header walk: bytes -> raw values of the wanted tags. It never decides what a value means.

Explicit and implicit VR little endian, with sequences of defined and undefined length. Whatever else a file
holds is declined and read by pydicom (``workbench.dicom.headers.fallback``). Encoding: DICOM PS3.5 chapter 7, PS3.10
chapter 7.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from workbench.dicom.headers.elements import (
    LONG_VRS,
    SHORT_VRS,
    UNDEFINED,
    Declined,
    NeedMore,
    key,
    read_explicit,
    short,
    u16,
    u32,
)
from workbench.dicom.headers.nested import first_item, skip_sequence
from workbench.dicom.headers.tags import NOT_IMAGES, PIXEL_DATA, PIXEL_ELEMENTS
from workbench.dicom.headers.wanted import KEPT, Wanted

IMPLICIT_LE: Final = "1.2.840.10008.1.2"
EXPLICIT_LE: Final = "1.2.840.10008.1.2.1"
EXPLICIT_BE: Final = "1.2.840.10008.1.2.2"
DEFLATED_LE: Final = "1.2.840.10008.1.2.1.99"
NATIVE: Final = frozenset({IMPLICIT_LE, EXPLICIT_LE, EXPLICIT_BE, DEFLATED_LE})

_PIXEL_DATA: Final = key(PIXEL_DATA)
_PIXELS: Final = frozenset(key(number) for number in PIXEL_ELEMENTS)
_NOT_IMAGES: Final = frozenset(uid.encode() for uid in NOT_IMAGES)
_NOT_WANTED: Final = -1
_NO_ELEMENTS: Final[dict[int, int]] = {}


class CutOff(EOFError):
    """The file ends within its header; carries what was found before."""

    def __init__(self, raw: RawHeader) -> None:
        self.raw = raw
        super().__init__("file ends within its header")


@dataclass(slots=True)
class RawHeader:
    """What the walk found in one file."""

    #: Raw bytes of each wanted tag, in the order of the columns; None where absent.
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
    explicit = head[4:6] in SHORT_VRS or head[4:6] in LONG_VRS
    if head[:3] == b"\x00\x08\x00":
        # Big endian has explicit VRs alone (PS3.5 A.3).
        return explicit
    if len(head) < 8 or head[0] not in (0x02, 0x08) or head[1] != 0x00 or head[3] != 0x00:
        return False
    return explicit or u32(head, 4)[0] <= 1024


@dataclass(slots=True)
class _Walk:
    """One walk under way."""

    head: bytes
    #: *head* is the whole file.
    whole: bool
    #: Go on where nothing more is wanted.
    to_end: bool
    wanted: Wanted
    raw: RawHeader
    #: Reserved block of a private group -> wanted elements of its creator.
    owners: dict[bytes, dict[int, int]] = field(default_factory=dict)


def walk(head: bytes, *, whole: bool, to_end: bool = False, wanted: Wanted = KEPT) -> RawHeader:
    """Raw values of the wanted tags in the first bytes of a file.

    Parameters
    ----------
    head : bytes
        The file from its first byte.
    whole : bool
        *head* is the whole file.
    to_end : bool, default False
        Go on to the end, or the pixels, also where nothing more is wanted: shows whether the file is cut off.
    wanted : Wanted, default the kept columns
        Which tags.

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

    Examples
    --------
    >>> from pydicom.data import get_testdata_file
    >>> with open(get_testdata_file("CT_small.dcm"), "rb") as file:
    ...     raw = walk(file.read(), whole=True)
    >>> raw.values[KEPT.column["Modality"]], raw.pixel_length
    (b'CT', 32768)
    """
    if head[128:132] != b"DICM":
        raise Declined("no preamble")
    pos, syntax, media_class = _meta(head, whole)
    if syntax in (EXPLICIT_BE, DEFLATED_LE):
        raise Declined(syntax)
    raw = RawHeader([None] * len(wanted.tags), syntax, media_class)
    state = _Walk(head, whole, to_end, wanted, raw)
    if syntax == IMPLICIT_LE and head[pos + 4 : pos + 6].isalpha() and head[pos + 4 : pos + 6].isupper():
        raise Declined("explicit VR under an implicit transfer syntax")
    try:
        _elements(state, pos, explicit=syntax != IMPLICIT_LE)
    except EOFError:
        wanted.without_images_only(raw.values)
        raise CutOff(raw) from None
    wanted.without_images_only(raw.values)
    return raw


def _meta(head: bytes, whole: bool) -> tuple[int, str, str]:
    """End of the file meta group, the transfer syntax and the media storage class."""
    pos, end, syntax, media_class = 132, len(head), "", ""
    while True:
        if pos + 8 > end:
            raise short(whole)
        if u16(head, pos)[0] != 2:
            break
        vr = head[pos + 4 : pos + 6]
        if vr in LONG_VRS:
            if pos + 12 > end:
                raise short(whole)
            length, data = u32(head, pos + 8)[0], pos + 12
        elif vr in SHORT_VRS:
            length, data = u16(head, pos + 6)[0], pos + 8
        else:
            raise Declined("file meta is not explicit VR")
        if length == UNDEFINED:
            raise Declined("undefined length in file meta")
        if data + length > end:
            raise short(whole)
        element = head[pos + 2]
        if element in (0x02, 0x10) and head[pos + 3] == 0:
            uid = head[data : data + length].rstrip(b"\0 ").decode("ascii", "replace")
            syntax, media_class = (uid, media_class) if element == 0x10 else (syntax, uid)
        pos = data + length
    if not syntax:
        raise Declined("no transfer syntax")
    return pos, syntax, media_class


def _elements(state: _Walk, pos: int, *, explicit: bool) -> None:
    head, whole, wanted, raw = state.head, state.whole, state.wanted, state.raw
    end, public, private, values, accepted = len(head), wanted.public, wanted.private, raw.values, wanted.accepted
    vr = b""
    while pos < end:
        if pos + 8 > end:
            raise short(whole)
        element = head[pos : pos + 4]
        if explicit:
            vr, length, data = read_explicit(head, pos, whole)
        else:
            length, data = u32(head, pos + 4)[0], pos + 8
        if element in _PIXELS:
            _pixels(raw, element, data, length)
            return
        if not state.to_end and _nothing_more(head, pos, values, wanted):
            raw.header_length = pos
            return
        if element in public:
            index = public[element]
            if index < 0:
                if vr not in (b"", b"SQ"):
                    raise Declined(f"{vr!r} where a sequence is expected")
                inner = wanted.nested[element]
                first_item(head, data, length, values, inner, accepted, explicit=explicit, whole=whole)
                index = _NOT_WANTED
        elif element[0] & 1 and element[:2] in private:
            index = _private_index(state, element, data, length)
        else:
            index = _NOT_WANTED
        if length == UNDEFINED:
            if index >= 0 and index not in wanted.present:
                raise Declined("undefined length where a value is wanted")
            # A UN of undefined length is encoded as implicit VR (PS3.5 6.2.2).
            pos = skip_sequence(head, data, explicit=explicit and vr != b"UN", whole=whole)
        else:
            pos = data + length
        if index == _NOT_WANTED:
            continue
        if (explicit and vr not in accepted[index]) or (not explicit and index in wanted.unknown):
            raise Declined(f"{vr!r} where {wanted.tags[index].vr} is expected")
        if index in wanted.present:
            values[index] = b"\1"
        elif pos > end:
            raise short(whole)
        else:
            values[index] = head[data:pos]
    _ended(head, pos, raw, whole)


def _private_index(state: _Walk, element: bytes, data: int, length: int) -> int:
    """Column of an element of a private group, by the creator that reserved its block (PS3.5 7.8.1)."""
    group = element[:2]
    if element[3] == 0:
        if element[2] >= 0x10:
            if group in state.owners:
                raise Declined("private creator behind the elements of its group")
            if data + length > len(state.head):
                raise short(state.whole)
            creator = state.head[data : data + length].strip(b" \0")
            state.owners[group + element[2:3]] = state.wanted.private[group].get(creator, _NO_ELEMENTS)
        return _NOT_WANTED
    state.owners[group] = _NO_ELEMENTS
    index = state.owners.get(group + element[3:4], _NO_ELEMENTS).get(element[2], _NOT_WANTED)
    if index >= 0 and state.raw.values[index] is not None:
        raise Declined("private element of two blocks")
    return index


def _pixels(raw: RawHeader, element: bytes, data: int, length: int) -> None:
    raw.pixel_float = element != _PIXEL_DATA
    raw.pixel_offset = raw.header_length = data
    raw.pixel_length = -1 if length == UNDEFINED else length


def _nothing_more(head: bytes, pos: int, values: list[bytes | None], wanted: Wanted) -> bool:
    if (head[pos] | head[pos + 1] << 8) <= wanted.last_group_of_others:
        return False
    sop_class = values[wanted.sop_class]
    return sop_class is not None and sop_class.rstrip(b"\0 ") in _NOT_IMAGES


def _ended(head: bytes, pos: int, raw: RawHeader, whole: bool) -> None:
    if not whole:
        raise NeedMore
    if pos > len(head):
        raise EOFError("file ends within an element")
    raw.header_length = len(head)
