"""Transfer syntax -> how its frames are decoded; a table, never try-all.

imagecodecs decodes grayscale; everything else that pydicom can decode goes through pydicom. No GPL codec is
needed or suggested.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from workbench.dicom.walk import NATIVE


@dataclass(frozen=True, slots=True)
class Codec:
    """How frames of one encapsulated transfer syntax are decoded."""

    #: Name of the function in imagecodecs.
    function: str
    #: Family of the code stream, which tells where its size is written: ``jpeg``, ``j2k`` or ``rle``.
    family: str
    #: The syntax itself implies loss.
    lossy: bool
    #: Keyword arguments of the function.
    options: tuple[tuple[str, Any], ...] = ()


_ONE_THREAD: Final = (("numthreads", 1),)
CODECS: Final[dict[str, Codec]] = {
    "1.2.840.10008.1.2.4.50": Codec("jpeg8_decode", "jpeg", True),
    "1.2.840.10008.1.2.4.51": Codec("jpeg8_decode", "jpeg", True),
    # Retired processes 6 and 8, 10 and 12 (progressive), which pydicom refuses.
    "1.2.840.10008.1.2.4.53": Codec("jpeg8_decode", "jpeg", True),
    "1.2.840.10008.1.2.4.55": Codec("jpeg8_decode", "jpeg", True),
    "1.2.840.10008.1.2.4.57": Codec("ljpeg_decode", "jpeg", False),
    "1.2.840.10008.1.2.4.70": Codec("ljpeg_decode", "jpeg", False),
    "1.2.840.10008.1.2.4.80": Codec("jpegls_decode", "jpeg", False),
    "1.2.840.10008.1.2.4.81": Codec("jpegls_decode", "jpeg", True),
    "1.2.840.10008.1.2.4.90": Codec("jpeg2k_decode", "j2k", False, _ONE_THREAD),
    "1.2.840.10008.1.2.4.91": Codec("jpeg2k_decode", "j2k", True, _ONE_THREAD),
    "1.2.840.10008.1.2.5": Codec("dicomrle_decode", "rle", False),
}


def decodable(syntax: str, *, colour: bool = False) -> bool:
    """Whether frames in this transfer syntax can be decoded here, by our table or by pydicom (all colour).

    Examples
    --------
    >>> decodable("1.2.840.10008.1.2.1"), decodable("1.2.840.10008.1.2.4.102")
    (True, False)
    """
    if syntax in NATIVE or (syntax in CODECS and not colour):
        return True
    from pydicom.pixels import get_decoder

    with warnings.catch_warnings():
        # A syntax that is no UID at all is told by the answer.
        warnings.simplefilter("ignore")
        try:
            return bool(get_decoder(syntax).is_available)
        except (NotImplementedError, ValueError):
            return False


def codestream_size(data: bytes, family: str) -> tuple[int, int, int, int] | None:
    """Rows, columns, components and bits that a JPEG or JPEG 2000 code stream declares; None where not found.

    Read before the decoder allocates anything. Sources: ITU-T T.81 B.2.2 (SOF), T.87 C.2.2 (SOF55), T.800 A.5.1
    (SIZ).
    """
    if family == "jpeg":
        return _jpeg_size(data)
    if family == "j2k":
        return _j2k_size(data)
    return None


def _jpeg_size(data: bytes) -> tuple[int, int, int, int] | None:
    pos = 2
    while pos + 9 < len(data):
        if data[pos] != 0xFF:
            return None
        marker = data[pos + 1]
        if marker == 0xFF:
            pos += 1
            continue
        is_frame = (0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC)) or marker == 0xF7
        if is_frame:
            rows, columns = int.from_bytes(data[pos + 5 : pos + 7]), int.from_bytes(data[pos + 7 : pos + 9])
            return rows, columns, data[pos + 9], data[pos + 4]
        pos += 2 + int.from_bytes(data[pos + 2 : pos + 4])
    return None


def _j2k_size(data: bytes) -> tuple[int, int, int, int] | None:
    start = data.find(b"\xff\x4f\xff\x51")
    if start < 0 or start + 44 > len(data):
        return None
    siz = data[start + 4 :]
    width, height = int.from_bytes(siz[4:8]), int.from_bytes(siz[8:12])
    left, top = int.from_bytes(siz[12:16]), int.from_bytes(siz[16:20])
    return height - top, width - left, int.from_bytes(siz[36:38]), (siz[38] & 0x7F) + 1


def decoder(syntax: str) -> Callable[[bytes, tuple[int, int], np.dtype[Any]], NDArray[Any]]:
    """Function (code stream, (rows, columns), stored dtype) -> array of one grayscale frame."""
    import imagecodecs

    codec = CODECS[syntax]
    function = getattr(imagecodecs, codec.function)
    options = dict(codec.options)
    if codec.family == "rle":

        def decode_rle(data: bytes, shape: tuple[int, int], dtype: np.dtype[Any]) -> NDArray[Any]:
            out = np.empty(shape, dtype.newbyteorder("<"))
            function(data, dtype, out=out.reshape(-1).view(np.uint8))
            return out

        return decode_rle

    def decode(data: bytes, shape: tuple[int, int], dtype: np.dtype[Any]) -> NDArray[Any]:
        array: NDArray[Any] = np.asarray(function(data, **options))
        return array

    return decode
