"""What a JPEG XL code stream says of its picture: the first bits of it, ISO/IEC 18181-1 annexes B to D and 18181-2."""

from __future__ import annotations

from fractions import Fraction
from typing import Final

from workbench.dicom.pixels.codestream import StreamSize

_SIGNATURE: Final = b"\xff\x0a"
_CONTAINER: Final = b"\x00\x00\x00\x0cJXL \x0d\x0a\x87\x0a"
#: Boxes that hold the code stream, and bytes before it in them.
_BOXES: Final = {b"jxlc": 0, b"jxlp": 4}
#: Bits of a side that is no multiple of eight, by two bits that choose.
_SIDES: Final = (9, 13, 18, 30)
#: Columns to rows where they are not written, by three bits that choose; 0: they are.
_RATIOS: Final = (None, *(Fraction(*pair) for pair in ((1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))))


class _Bits:
    """Bits of a byte string, the lowest of each byte first."""

    def __init__(self, data: bytes) -> None:
        # Far more than what is read of them; what is missing counts as zero.
        self._number = int.from_bytes(data[:64], "little")

    def take(self, n: int) -> int:
        """The next *n* bits as a number."""
        value = self._number & ((1 << n) - 1)
        self._number >>= n
        return value


def jxl_size(data: bytes) -> StreamSize | None:
    """Size that a JPEG XL code stream, bare or in a container, declares; None where not found.

    Not found either where something else is said before bits and kind of colour, as of a preview.

    Parameters
    ----------
    data : bytes
        First bytes of it.

    Examples
    --------
    >>> import imagecodecs
    >>> import numpy as np
    >>> jxl_size(bytes(imagecodecs.jpegxl_encode(np.zeros((41, 300), "u2"), lossless=True))).shape
    (41, 300, 1)
    """
    at = _start(data)
    if at < 0:
        return None
    bits = _Bits(data[at + 2 :])
    rows, columns = _sides(bits)
    # Everything as usual: 8 bits, red, green and blue.
    if bits.take(1):
        return StreamSize(rows, columns, 3, 8)
    if bits.take(1):
        bits.take(3)
        if bits.take(1) or bits.take(1) or bits.take(1):
            return None
    if bits.take(1):
        # Samples are real numbers.
        return None
    choice = bits.take(2)
    depth = (8, 10, 12)[choice] if choice < 3 else 1 + bits.take(6)
    bits.take(1)
    if bits.take(2):
        # Further channels, as of opacity.
        return None
    bits.take(1)
    usual = bits.take(1)
    grey = not usual and not bits.take(1) and _chosen(bits) == 1
    return StreamSize(rows, columns, 1 if grey else 3, depth)


def _start(data: bytes) -> int:
    """Where the code stream begins; -1 where there is none."""
    if data.startswith(_SIGNATURE):
        return 0
    at = len(_CONTAINER) if data.startswith(_CONTAINER) else len(data)
    while at + 8 <= len(data):
        length, kind, head = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8], 8
        if length == 1:
            length, head = int.from_bytes(data[at + 8 : at + 16], "big"), 16
        if kind in _BOXES:
            found = at + head + _BOXES[kind]
            return found if data[found : found + 2] == _SIGNATURE else -1
        if length < head:
            return -1
        at += length
    return -1


def _sides(bits: _Bits) -> tuple[int, int]:
    """Rows and columns."""
    small = bits.take(1)

    def side() -> int:
        return 8 * (1 + bits.take(5)) if small else 1 + bits.take(_SIDES[bits.take(2)])

    rows = side()
    ratio = _RATIOS[bits.take(3)]
    return rows, side() if ratio is None else int(rows * ratio)


def _chosen(bits: _Bits) -> int:
    """One of a list of kinds: 0, 1, or written in four or six bits."""
    choice = bits.take(2)
    return choice if choice < 2 else 2 + bits.take(4) if choice == 2 else 18 + bits.take(6)
