"""Hostile pixel data: fragments, offset tables and code streams that promise what is not there."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np

from tests.factories import DEFLATED_FRAMES, JPEG_XL, PLAIN_FRAMES, code_stream
from tests.hostile import (
    END_SEQUENCE,
    HTJ2K,
    JPEG,
    JPEG_2000,
    JPEG_LOSSLESS,
    JPEG_LS,
    PICTURE,
    RLE,
    UNDEFINED,
    compressed,
    element,
    fragments,
    item,
    part10,
    stream,
    table,
)

#: Pixel module of the compressed 8-bit picture.
BYTE = {"BitsAllocated": 8, "BitsStored": 8, "HighBit": 7}
Writer = Callable[[], bytes]


def offsets(*starts: int) -> bytes:
    """Basic offset table."""
    return struct.pack(f"<{len(starts)}I", *starts)


def patched(syntax: str, marker: bytes, at: int, value: bytes, **values: object) -> Writer:
    """The picture with bytes of its code stream replaced, *at* bytes behind a marker."""

    def write() -> bytes:
        data = stream(syntax)
        start = data.index(marker) + len(marker) + at
        data[start : start + len(value)] = value
        data += bytes(len(data) % 2)
        return compressed(syntax, fragments(bytes(data)), **(BYTE if syntax == JPEG else {}) | values)

    return write


def cut(syntax: str, part: float) -> Writer:
    """The picture with its code stream ending early, within a fragment that is whole."""
    return lambda: compressed(
        syntax, fragments(bytes(stream(syntax)[: int(len(stream(syntax)) * part) // 2 * 2])),
        **BYTE if syntax == JPEG else {},
    )  # fmt: skip


def padded(syntax: str) -> bytes:
    """The picture, compressed, of even length."""
    data = bytes(stream(syntax))
    return data + bytes(len(data) % 2)


table(
    sound_jpeg_ls=lambda: compressed(JPEG_LS, fragments(padded(JPEG_LS))),
    fragments_without_an_end=lambda: part10(
        element(0x7FE00010, "OB", item() + item(padded(JPEG_LS)), length=UNDEFINED), syntax=JPEG_LS
    ),
    fragment_longer_than_the_file=lambda: compressed(JPEG_LS, item() + item(padded(JPEG_LS), length=0x7FFFFFF0)),
    fragment_of_undefined_length=lambda: compressed(JPEG_LS, item() + item(padded(JPEG_LS), length=UNDEFINED)),
    no_item_where_one_must_be=lambda: compressed(JPEG_LS, item() + bytes(64) + END_SEQUENCE),
    no_fragments=lambda: compressed(JPEG_LS, item() + END_SEQUENCE),
    no_items_at_all=lambda: compressed(JPEG_LS, END_SEQUENCE),
    encapsulated_pixels_of_defined_length=lambda: part10(
        element(0x7FE00010, "OB", fragments(padded(JPEG_LS))), syntax=JPEG_LS
    ),
    fragments_under_a_native_syntax=lambda: part10(
        element(0x7FE00010, "OW", fragments(PICTURE.tobytes()), length=UNDEFINED)
    ),
    million_fragments_of_length_0=lambda: compressed(JPEG_LS, fragments(*[b""] * 1_000_000)),
    million_fragments_before_the_picture=lambda: compressed(JPEG_LS, fragments(*[b""] * 1_000_000, padded(JPEG_LS))),
    picture_in_100000_fragments=lambda: compressed(
        JPEG_2000, fragments(*[padded(JPEG_2000)[i : i + 2] for i in range(0, len(padded(JPEG_2000)), 2)])
    ),
)  # fmt: skip


def _two(table_bytes: bytes, n: int = 3) -> Writer:
    """Two frames in *n* fragments: only an offset table, or the start of a stream, tells where the second begins."""

    def write() -> bytes:
        data = padded(JPEG_LS)
        pieces = [data, data[:40], data[40:]][:n]
        return compressed(JPEG_LS, fragments(*pieces, table=table_bytes), NumberOfFrames="2")

    return write


table(
    offset_table_beyond_the_end=_two(offsets(0, 0x7FFFFFF0)),
    offset_table_before_the_first=_two(offsets(8, 0)),
    offset_table_between_items=_two(offsets(0, 3)),
    offset_table_of_one_place=_two(offsets(0, 0)),
    offset_table_of_odd_length=_two(b"\0\0\0\0\1\0"),
    offset_table_of_a_million=_two(offsets(*range(1_000_000))),
    offset_table_of_a_million_for_one=lambda: compressed(
        JPEG_LS, fragments(padded(JPEG_LS), table=offsets(*range(1_000_000)))
    ),
    fragments_fewer_than_frames=_two(b"", n=1),
    frames_1000000_in_one_fragment=lambda: compressed(JPEG_LS, fragments(padded(JPEG_LS)), NumberOfFrames="1000000"),
)  # fmt: skip


def _rle(header: bytes, body: bytes, **values: object) -> Writer:
    return lambda: compressed(RLE, fragments(header.ljust(64, b"\0") + body), **values)


_RUN = b"\x81\0"
table(
    rle_40000_x_40000=_rle(offsets(2, 64, 80), _RUN * 16, Rows=40_000, Columns=40_000),
    rle_16000_x_16000=_rle(offsets(2, 64, 80), _RUN * 16, Rows=16_000, Columns=16_000),
    rle_of_15_segments_far_away=_rle(offsets(15, *[0xFFFFFF00] * 15), _RUN * 16),
    rle_of_0_segments=_rle(offsets(0), _RUN * 16),
    rle_of_4294967295_segments=_rle(offsets(0xFFFFFFFF, 64), _RUN * 16),
    rle_segments_backwards=_rle(offsets(2, 80, 64), _RUN * 16),
    rle_segments_in_the_header=_rle(offsets(2, 0, 4), _RUN * 16),
    rle_runs_beyond_the_picture=_rle(offsets(2, 64, 1064), _RUN * 1000),
    rle_literals_beyond_the_end=_rle(offsets(2, 64, 80), _RUN * 8 + b"\x7f" * 16),
    rle_of_noops=_rle(offsets(2, 64, 1064), b"\x80" * 2000),
    rle_of_10_bytes=lambda: compressed(RLE, fragments(bytes(10))),
    rle_of_3_planes_for_one=_rle(offsets(3, 64, 80, 96), _RUN * 24),
)

_SOF = {JPEG: b"\xff\xc0", JPEG_LOSSLESS: b"\xff\xc3", JPEG_LS: b"\xff\xf7"}
_SIZ = b"\xff\x4f\xff\x51"
_HUGE = struct.pack(">I", 0x7FFFFFFF)


def _dnl() -> bytes:
    """Zero lines in the frame header, their number in a DNL segment behind the scan (T.81 B.2.5)."""
    data = stream(JPEG)
    at = data.index(_SOF[JPEG]) + 5
    data[at : at + 2] = b"\0\0"
    data[-2:] = b"\xff\xdc\0\4\xff\xff\xff\xd9"
    return compressed(JPEG, fragments(bytes(data) + bytes(len(data) % 2)), **BYTE)


def _lossless_of_two_scans() -> bytes:
    data = padded(JPEG_LOSSLESS)
    scan = data[data.index(b"\xff\xda") : data.index(b"\xff\xd9")]
    return compressed(JPEG_LOSSLESS, fragments(data.replace(scan, scan * 500) + b"\0\0"))


def _colour(marker: bytes, at: int, value: bytes) -> Writer:
    """A colour picture with bytes of its code stream replaced, *at* bytes behind a marker."""

    def write() -> bytes:
        import imagecodecs

        picture = np.random.default_rng(1).integers(0, 256, (16, 16, 3), np.uint8)
        data = bytearray(imagecodecs.jpeg8_encode(picture))
        start = data.index(marker) + len(marker) + at
        data[start : start + len(value)] = value
        facts = {"SamplesPerPixel": 3, "PhotometricInterpretation": "YBR_FULL_422", "PlanarConfiguration": 0}
        return compressed(JPEG, fragments(bytes(data) + bytes(len(data) % 2)), **BYTE | facts)

    return write


table(
    jpeg_of_65535_lines=patched(JPEG, _SOF[JPEG], 3, b"\xff\xff"),
    jpeg_of_65535_lines_in_both=patched(JPEG, _SOF[JPEG], 3, b"\xff\xff", Rows=65535),
    jpeg_of_65535_x_65535_in_both=patched(JPEG, _SOF[JPEG], 3, b"\xff\xff\xff\xff", Rows=65535, Columns=65535),
    jpeg_with_its_lines_behind_the_scan=_dnl,
    jpeg_of_255_components=patched(JPEG, _SOF[JPEG], 7, b"\xff"),
    jpeg_of_sampling_15_x_15=patched(JPEG, _SOF[JPEG], 9, b"\xff"),
    jpeg_of_sampling_0=patched(JPEG, _SOF[JPEG], 9, b"\0"),
    jpeg_of_12_bit_in_8=patched(JPEG, _SOF[JPEG], 2, b"\x0c"),
    jpeg_arithmetic=patched(JPEG, _SOF[JPEG], -1, b"\xc9"),
    jpeg_progressive=patched(JPEG, _SOF[JPEG], -1, b"\xc2"),
    jpeg_huffman_table_too_full=patched(JPEG, b"\xff\xc4", 3, b"\xff" * 16),
    jpeg_quantisation_table_77=patched(JPEG, b"\xff\xdb", 2, b"\x77"),
    jpeg_segment_of_length_0=patched(JPEG, b"\xff\xdb", 0, b"\0\0"),
    jpeg_colour_huffman_table_zeroed=_colour(b"\xff\xc4", 3, bytes(8)),
    jpeg_colour_quantisation_tables_gone=_colour(b"\xff\xdb", -1, b"\xe5"),
    jpeg_colour_quantisation_table_unknown=_colour(b"\xff\xc0", 10, b"\xff"),
    jpeg_cut=cut(JPEG, 0.5),
    jpeg_lossless_of_65535_lines=patched(JPEG_LOSSLESS, _SOF[JPEG_LOSSLESS], 3, b"\xff\xff"),
    jpeg_lossless_of_65535_lines_in_both=patched(JPEG_LOSSLESS, _SOF[JPEG_LOSSLESS], 3, b"\xff\xff", Rows=65535),
    jpeg_lossless_predictor_77=patched(JPEG_LOSSLESS, b"\xff\xda", 5, b"\x77"),
    jpeg_lossless_huffman_table_too_full=patched(JPEG_LOSSLESS, b"\xff\xc4", 3, b"\xff" * 16),
    jpeg_lossless_without_huffman_tables=patched(JPEG_LOSSLESS, b"\xff\xc4", -1, b"\xe5"),
    jpeg_lossless_of_an_unknown_huffman_table=patched(JPEG_LOSSLESS, b"\xff\xda", 4, b"\x77"),
    jpeg_lossless_of_0_bits=patched(JPEG_LOSSLESS, _SOF[JPEG_LOSSLESS], 2, b"\0"),
    jpeg_lossless_of_500_scans=_lossless_of_two_scans,
    jpeg_lossless_cut=cut(JPEG_LOSSLESS, 0.5),
    jpeg_lossless_cut_in_the_header=cut(JPEG_LOSSLESS, 0.1),
    jpeg_ls_of_wrong_bits=patched(JPEG_LS, _SOF[JPEG_LS], 2, b"\2"),
    jpeg_ls_of_255_bits=patched(JPEG_LS, _SOF[JPEG_LS], 2, b"\xff"),
    jpeg_ls_of_65535_lines_in_both=patched(JPEG_LS, _SOF[JPEG_LS], 3, b"\xff\xff", Rows=65535),
    jpeg_ls_cut=cut(JPEG_LS, 0.5),
    jpeg_under_jpeg_ls=lambda: compressed(JPEG_LS, fragments(padded(JPEG)), **BYTE),
    jpeg_ls_under_jpeg=lambda: compressed(JPEG, fragments(padded(JPEG_LS))),
    jpeg_2000_under_htj2k=lambda: compressed(HTJ2K, fragments(padded(JPEG_2000))),
    j2k_of_2147483647_columns=patched(JPEG_2000, _SIZ, 4, _HUGE),
    j2k_of_2147483647_x_2147483647=patched(JPEG_2000, _SIZ, 4, _HUGE * 2),
    j2k_of_65535_lines_in_both=patched(JPEG_2000, _SIZ, 8, struct.pack(">I", 65535), Rows=65535),
    j2k_of_16384_components=patched(JPEG_2000, _SIZ, 36, b"\x40\0"),
    j2k_of_million_tiles=patched(JPEG_2000, _SIZ, 20, struct.pack(">II", 1, 1)),
    j2k_tiles_of_0=patched(JPEG_2000, _SIZ, 20, bytes(8)),
    j2k_origin_beyond_its_end=patched(JPEG_2000, _SIZ, 12, _HUGE),
    j2k_of_38_bits=patched(JPEG_2000, _SIZ, 38, b"\x25"),
    j2k_of_8_bits_in_16=patched(JPEG_2000, _SIZ, 38, b"\7"),
    j2k_sampling_0=patched(JPEG_2000, _SIZ, 39, b"\0\0"),
    j2k_sampling_255=patched(JPEG_2000, _SIZ, 39, b"\xff\xff"),
    j2k_levels_33=patched(JPEG_2000, b"\xff\x52", 7, b"\x21"),
    j2k_layers_65535=patched(JPEG_2000, b"\xff\x52", 4, b"\xff\xff"),
    j2k_code_blocks_1024=patched(JPEG_2000, b"\xff\x52", 8, b"\x0f\x0f"),
    j2k_cut=cut(JPEG_2000, 0.7),
    j2k_cut_in_the_header=cut(JPEG_2000, 0.1),
    j2k_of_no_bytes=lambda: compressed(JPEG_2000, fragments(b"")),
    code_stream_of_zeros=lambda: compressed(JPEG_2000, fragments(bytes(4096))),
)  # fmt: skip


def jpeg_xl(picture: np.ndarray = PICTURE, **values: Any) -> bytes:
    """A file of a JPEG XL code stream."""
    data = code_stream(picture, JPEG_XL)
    return compressed(JPEG_XL, fragments(data + bytes(len(data) % 2)), **values)


def deflated_frame(data: bytes, *, cut: int = 0) -> bytes:
    """A file of one deflated frame, its last bytes *cut*."""
    packed = zlib.compress(data, 9, wbits=-15)
    packed = packed[: len(packed) - cut]
    return compressed(DEFLATED_FRAMES, fragments(packed + bytes(len(packed) % 2)))


table(
    sound_jpeg_xl=jpeg_xl,
    jpeg_xl_of_another_size=lambda: jpeg_xl(PICTURE[:-1]),
    jpeg_xl_of_8_bits_in_16=lambda: jpeg_xl((PICTURE >> 8).astype("u1")),
    jpeg_xl_cut=cut(JPEG_XL, 0.6),
    jpeg_xl_cut_in_the_header=cut(JPEG_XL, 0.1),
    jpeg_xl_of_zeros=lambda: compressed(JPEG_XL, fragments(bytes(4096))),
    jpeg_xl_boxes_without_end=lambda: compressed(JPEG_XL, fragments(b"\0\0\0\x0cJXL \r\n\x87\n" + bytes(8) * 400)),
    jpeg_2000_under_jpeg_xl=lambda: compressed(JPEG_XL, fragments(padded(JPEG_2000))),
    sound_deflated_frame=lambda: deflated_frame(PICTURE.astype("<u2").tobytes()),
    deflated_frame_bomb=lambda: deflated_frame(bytes(50 << 20)),
    deflated_frame_cut=lambda: deflated_frame(PICTURE.astype("<u2").tobytes(), cut=20),
    deflated_frame_too_short=lambda: deflated_frame(PICTURE.astype("<u2").tobytes()[:-2]),
    deflated_frame_of_noise=lambda: compressed(DEFLATED_FRAMES, fragments(b"\x07" * 400)),
    plain_frame_too_short=lambda: compressed(PLAIN_FRAMES, fragments(PICTURE.astype("<u2").tobytes()[:-2])),
    plain_frame_in_pieces=lambda: compressed(
        PLAIN_FRAMES, fragments(*(PICTURE.astype("<u2").tobytes()[at : at + 16] for at in range(0, PICTURE.nbytes, 16)))
    ),
)
