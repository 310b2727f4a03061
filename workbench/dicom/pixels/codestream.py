"""What a code stream says of its picture, read before a decoder allocates anything.

Sources: ITU-T T.81 B.2.2 (SOF), T.87 C.2.2 (SOF55), T.800 A.5.1 (SIZ); DICOM PS3.5 G.5 (RLE header).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Final

#: First bytes of a code stream by family; RLE has none of its own.
STARTS: Final = {
    "jpeg": (b"\xff\xd8\xff",),
    "j2k": (b"\xff\x4f\xff\x51", b"\x00\x00\x00\x0cjP  "),
    "jxl": (b"\xff\x0a", b"\x00\x00\x00\x0cJXL "),
}
#: Markers of JPEG that stand alone, without a length (T.81 table B.1): TEM, RSTn, SOI.
_ALONE: Final = frozenset((0x01, *range(0xD0, 0xD9)))
#: Markers that start a frame: SOF0 to SOF15 without DHT, JPG and DAC; SOF55 of JPEG-LS.
_FRAMES: Final = frozenset((*range(0xC0, 0xD0), 0xF7)) - {0xC4, 0xC8, 0xCC}
#: Markers at which a frame header can no longer follow: SOS, EOI.
_TOO_LATE: Final = frozenset((0xDA, 0xD9))
#: Bytes at the end in which the end marker is looked for.
_TAIL: Final = 1024
_RLE_HEADER: Final = 64
_RLE_SEGMENTS: Final = 15


@dataclass(frozen=True, slots=True)
class StreamSize:
    """The picture a code stream declares."""

    #: Its rows.
    rows: int
    #: Its columns.
    columns: int
    #: Samples per pixel.
    components: int
    #: Bits of a sample.
    bits: int
    #: Samples are signed.
    signed: bool = False
    #: Tiles it is cut into.
    tiles: int = 1
    #: Second byte of the frame header's marker in JPEG, which tells the process.
    process: int = 0

    @property
    def shape(self) -> tuple[int, int, int]:
        """Rows, columns, components."""
        return self.rows, self.columns, self.components


def codestream_size(data: bytes | memoryview, family: str) -> StreamSize | None:
    """Size that a ``jpeg``, ``j2k`` or ``jxl`` code stream declares; None where not found.

    Examples
    --------
    >>> codestream_size(bytes.fromhex("ffd8fff7000b10001400110101"), "jpeg").shape
    (20, 17, 1)
    """
    if family == "jpeg":
        return _jpeg_size(data)
    if family == "j2k":
        return _j2k_size(data)
    if family == "jxl":
        from workbench.dicom.pixels.jpeg_xl import jxl_size

        return jxl_size(bytes(data[: 1 << 16]))
    return None


def _big(data: bytes | memoryview, at: int, n: int) -> int:
    return int.from_bytes(data[at : at + n], "big")


def _jpeg_size(data: bytes | memoryview) -> StreamSize | None:
    if bytes(data[:2]) != b"\xff\xd8":
        return None
    pos = 2
    while pos + 9 < len(data):
        if data[pos] != 0xFF:
            return None
        marker = data[pos + 1]
        if marker == 0xFF:
            pos += 1
        elif marker in _ALONE:
            pos += 2
        elif marker in _FRAMES:
            rows, columns = _big(data, pos + 5, 2), _big(data, pos + 7, 2)
            return StreamSize(rows, columns, data[pos + 9], data[pos + 4], process=marker)
        elif marker in _TOO_LATE:
            return None
        else:
            length = _big(data, pos + 2, 2)
            if length < 2:
                return None
            pos += 2 + length
    return None


def _j2k_size(data: bytes | memoryview) -> StreamSize | None:
    # In a JP2 file the code stream stands behind a few boxes.
    start = bytes(data[: 1 << 16]).find(b"\xff\x4f\xff\x51")
    if start < 0 or start + 44 > len(data):
        return None
    siz = bytes(data[start + 4 : start + 44])
    width, height, left, top, tile_width, tile_height, tile_left, tile_top = (
        _big(siz, at, 4) for at in range(4, 36, 4)
    )
    if not tile_width or not tile_height or tile_left > left or tile_top > top:
        return None
    tiles = -(-(width - tile_left) // tile_width) * -(-(height - tile_top) // tile_height)
    depth = siz[38]
    return StreamSize(height - top, width - left, _big(siz, 36, 2), (depth & 0x7F) + 1, bool(depth & 0x80), tiles)


def ends_whole(data: bytes | memoryview) -> bool:
    r"""Whether a JPEG or JPEG 2000 code stream has its end marker (EOI, EOC), padding after it aside.

    Some decoders make a picture of a stream that was cut off, grey or wrong where it is missing; the marker cannot
    stand within the coded data (T.81 B.1.1.5, T.800 A.1), so its absence tells.

    Examples
    --------
    >>> ends_whole(b"...\xff\xd9\0"), ends_whole(b"...")
    (True, False)
    """
    return b"\xff\xd9" in bytes(data[-_TAIL:])


def fewest_bytes(size: StreamSize) -> int:
    """Bytes that a JPEG code stream of this size has at the least; 0 where that is not known.

    A Huffman code has a bit at the least: one per sample of the lossless process, one per block of 8 x 8 samples of the
    others (T.81 H.1.2, F.1.2, G.1.2). A decoder fills with grey what a stream that is shorter does not hold.

    Examples
    --------
    >>> fewest_bytes(StreamSize(512, 512, 1, 16, process=0xC3)), fewest_bytes(StreamSize(512, 512, 1, 8, process=0xC0))
    (32768, 512)
    """
    if size.process == 0xC3:
        return size.rows * size.columns // 8
    if size.process in (0xC0, 0xC1, 0xC2):
        return -(-size.rows // 8) * -(-size.columns // 8) // 8
    return 0


def rle_fault(data: bytes | memoryview, n_pixels: int, n_segments: int) -> str:
    """Why an RLE frame cannot hold *n_segments* segments of *n_pixels* bytes each; empty where it can.

    A segment of *m* bytes makes at most 64 *m* (PS3.5 G.3.1: 2 bytes for a run of 128), so the frame is told from a
    bomb before decoding.
    """
    if len(data) < _RLE_HEADER:
        return f"{len(data)} bytes, an RLE header has {_RLE_HEADER}"
    count = int.from_bytes(data[:4], "little")
    if count != n_segments or count > _RLE_SEGMENTS:
        return f"RLE header tells of {count} segments, the pixels have {n_segments}"
    offsets = [int.from_bytes(data[at : at + 4], "little") for at in range(4, 4 + 4 * count, 4)]
    bounds = [*offsets, len(data)]
    if offsets[0] != _RLE_HEADER or any(a >= b for a, b in pairwise(bounds)):
        return "segments of the RLE header overlap or lie outside the frame"
    if any(64 * (b - a) < n_pixels for a, b in pairwise(bounds)):
        return f"an RLE segment is too short for {n_pixels} pixels"
    return ""
