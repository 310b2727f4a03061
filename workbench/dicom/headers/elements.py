"""What every walk over encoded elements shares: the value representations, the marks of items, and how a walk ends.

Encoding: DICOM PS3.5 chapter 7.
"""

from __future__ import annotations

from struct import Struct
from typing import Final

#: VRs whose explicit length takes four bytes behind two reserved ones (PS3.5 7.1.2).
LONG_VRS: Final = frozenset((b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"))
#: VRs whose explicit length takes two bytes.
SHORT_VRS: Final = frozenset(
    (b"AE", b"AS", b"AT", b"CS", b"DA", b"DS", b"DT", b"FD", b"FL", b"IS", b"LO", b"LT", b"PN", b"SH", b"SL", b"SS",
     b"ST", b"TM", b"UI", b"UL", b"US")
)  # fmt: skip
#: VRs whose value is text.
TEXT_VRS: Final = frozenset(
    (b"AE", b"AS", b"CS", b"DA", b"DS", b"DT", b"IS", b"LO", b"LT", b"PN", b"SH", b"ST", b"TM", b"UC", b"UI", b"UR",
     b"UT")
)  # fmt: skip
#: VRs whose value is not text.
BINARY_VRS: Final = (SHORT_VRS | LONG_VRS) - TEXT_VRS - {b"UN"}

UNDEFINED: Final = 0xFFFFFFFF
ITEM: Final = b"\xfe\xff\x00\xe0"
ITEM_END: Final = b"\xfe\xff\x0d\xe0"
SEQUENCE_END: Final = b"\xfe\xff\xdd\xe0"

u16: Final = Struct("<H").unpack_from
u32: Final = Struct("<I").unpack_from


class Declined(Exception):
    """The walk cannot vouch for this file; pydicom reads it."""


class NeedMore(Exception):
    """The header goes on beyond the bytes at hand."""


def key(number: int) -> bytes:
    """Group and element as a little-endian file writes them.

    Examples
    --------
    >>> key(0x7FE00010).hex()
    'e07f1000'
    """
    return (number >> 16).to_bytes(2, "little") + (number & 0xFFFF).to_bytes(2, "little")


def short(whole: bool) -> Exception:
    """What ends a walk at the end of its bytes: the end of the file, or of what was read of it."""
    return EOFError("file ends within an element") if whole else NeedMore()


def read_explicit(head: bytes, pos: int, whole: bool) -> tuple[bytes, int, int]:
    """VR, length and value position of the explicit element at *pos*, of which eight bytes are there.

    Raises
    ------
    Declined
        The VR is unknown.
    """
    vr = head[pos + 4 : pos + 6]
    if vr in SHORT_VRS:
        return vr, head[pos + 6] | head[pos + 7] << 8, pos + 8
    if vr not in LONG_VRS:
        raise Declined(f"unknown VR {vr!r}")
    if pos + 12 > len(head):
        raise short(whole)
    return vr, u32(head, pos + 8)[0], pos + 12
