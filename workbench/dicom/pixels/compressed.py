"""Encapsulated frames: fragments -> code stream -> stored numbers, all compared before a decoder allocates."""

from __future__ import annotations

import threading
import warnings
import zlib
from collections import OrderedDict
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from workbench.dicom.headers.walk import EXPLICIT_LE
from workbench.dicom.pixels.codecs import (
    CODECS,
    DEFLATED_FRAMES,
    PLAIN_FRAMES,
    Codec,
    decodable,
    decode,
    plugins,
)
from workbench.dicom.pixels.codestream import STARTS, StreamSize, codestream_size, ends_whole, fewest_bytes, rle_fault
from workbench.dicom.pixels.colour import as_rgb
from workbench.dicom.pixels.early_end import ends_in_grey, lossless_whole, with_filler
from workbench.dicom.pixels.encapsulated import FrameTable, frame_fragments
from workbench.dicom.pixels.frame_refs import FrameRef
from workbench.dicom.pixels.native import read_native
from workbench.dicom.pixels.opened import OpenFile
from workbench.dicom.pixels.stored import restored, spare_bits
from workbench.dicom.values.dtypes import stored_dtype
from workbench.dicom.values.scaling import apply_map
from workbench.errors import DicomError, TruncatedFile, UnsupportedSyntax

#: A code stream may be this much longer than its picture; no encoder writes more.
_SLACK: Final = (2, 1 << 16)
#: Tiles of a JPEG 2000 picture at most; a decoder keeps some kilobytes for each.
MAX_TILES: Final = 4096
#: Pictures beyond this many bytes must have a code stream of at least one in so many: blank ones compress to less.
_LARGE: Final = 1 << 26
_LARGEST_RATIO: Final = 20_000
_ASK: Final = "ask the node for the file again"
#: Second byte of the frame header's marker: Huffman coding, lossless; baseline and extended, whose scan is one.
LOSSLESS_PROCESS: Final = 0xC3
SEQUENTIAL_PROCESSES: Final = frozenset((0xC0, 0xC1))


def read_compressed(file: OpenFile, ref: FrameRef, out: NDArray[Any], *, checked: bool) -> None:
    """Decode one encapsulated frame, or its crop, and write its values into *out*, (rows, columns[, channel]).

    Raises
    ------
    UnsupportedSyntax
        No decoder for its transfer syntax, or for its colours.
    TruncatedFile
        The fragments end early.
    DicomError
        Frames that cannot be told apart; a code stream that is not the picture of the header, or is damaged.
    """
    ref = ref.uncoloured
    if not decodable(ref.syntax, colour=ref.colour):
        raise UnsupportedSyntax(
            "pixels are in a transfer syntax that cannot be decoded here",
            remedy="leave the series out, or ask the node for another syntax",
        )
    if ref.syntax in (DEFLATED_FRAMES, PLAIN_FRAMES):
        plain = ref._replace(syntax=EXPLICIT_LE, frame=0, n_frames=1)
        read_native(_PlainFrame(_plain_bytes(file, ref)), plain, out, checked=checked)
        return
    stored = _picture(file, ref, out)
    if ref.crop is not None:
        top, left = ref.crop[:2]
        stored = stored[top : top + ref.rows, left : left + ref.columns]
    palette = ref.lut is not None and ref.lut.coloured
    if stored.shape != (out.shape[:-1] if palette else out.shape):
        raise DicomError("decoder returned another shape than the header declares", remedy=_ASK)
    apply_map(stored, ref.slope, ref.intercept, out, checked=checked, lut=ref.lut, limits=ref.limits)


class _PlainFrame:
    """The bytes of one uncompressed frame, read as a file of it would be."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def pixels(self, ref: FrameRef) -> tuple[int, int]:
        """Offset and length of the pixels."""
        return 0, len(self._data)

    def read(self, length: int, offset: int) -> bytes:
        """*length* bytes at *offset*."""
        return self._data[offset : offset + length]

    def read_into(self, target: NDArray[Any], offset: int) -> None:
        """Fill the contiguous *target* with the bytes at *offset*."""
        piece = np.frombuffer(self._data, np.uint8, target.nbytes, offset)
        target.reshape(-1).view(np.uint8)[...] = piece


def _plain_bytes(file: OpenFile, ref: FrameRef) -> bytes:
    """Bytes of an uncompressed frame in fragments; deflated ones no further than the header declares."""
    data = _code_stream(file, ref)
    if ref.syntax == PLAIN_FRAMES:
        return data
    # Even length, and one byte to see whether there is more.
    most = ref.frame_bytes + 2
    engine = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        plain = engine.decompress(data, most)
    except zlib.error as error:
        raise _undecodable(error) from error
    if len(plain) >= most:
        raise DicomError(
            f"frame inflates to more than the {ref.frame_bytes} bytes that the header declares", remedy=_ASK
        )
    if not engine.eof:
        raise TruncatedFile("deflated frame ends early", remedy=_ASK)
    return plain


def _picture(file: OpenFile, ref: FrameRef, out: NDArray[Any]) -> NDArray[Any]:
    """Stored numbers of the whole picture, (rows, columns[, channel]); a view of *out* where it can be."""
    if ref.crop is not None and file.picture is not None and file.picture_frame == ref.frame:
        return file.picture
    codec = CODECS.get(ref.syntax)
    data = _code_stream(file, ref)
    if codec is not None and (not ref.colour or codec.colour):
        picture = _with_imagecodecs(data, ref, codec, out)
    else:
        picture = _with_pydicom(data, ref, codec)
    if ref.crop is not None:
        file.picture, file.picture_frame = picture, ref.frame
    return picture


#: Fragments of multi-frame files read lately, so that a file of many frames is not searched for each of them.
_tables: OrderedDict[tuple[str, int, int], FrameTable] = OrderedDict()
_tables_lock: Final = threading.Lock()
_TABLES_KEPT: Final = 64


def _fragments(file: OpenFile, ref: FrameRef) -> list[tuple[int, int]]:
    """Offset and length of each fragment of the frame."""
    codec = CODECS.get(ref.syntax)
    starts = STARTS.get(codec.family, ()) if codec is not None else ()
    if ref.n_frames == 1:
        return frame_fragments(file.fd, ref.offset, ref.size, 1)[0]
    key = (ref.path, ref.identity, ref.offset)
    # Held while searching, so that the threads of one load search a file once.
    with _tables_lock:
        table = _tables.get(key)
        if table is None:
            table = frame_fragments(file.fd, ref.offset, ref.size, ref.n_frames, starts=starts)
            _tables[key] = table
            if len(_tables) > _TABLES_KEPT:
                _tables.popitem(last=False)
    return table[ref.frame]


def _code_stream(file: OpenFile, ref: FrameRef) -> bytes:
    try:
        pieces = _fragments(file, ref)
    except EOFError as error:
        raise TruncatedFile("compressed pixels end early", remedy=_ASK) from error
    except (ValueError, IndexError) as error:
        raise DicomError(f"frames cannot be told apart: {error}", remedy=_ASK) from error
    total = sum(length for _, length in pieces)
    if total > _SLACK[0] * ref.frame_bytes + _SLACK[1]:
        raise DicomError(f"code stream of {total} bytes for a picture of {ref.frame_bytes}", remedy=_ASK)
    if ref.frame_bytes > _LARGE and total * _LARGEST_RATIO < ref.frame_bytes:
        raise DicomError(f"code stream of {total} bytes for a picture of {ref.frame_bytes}", remedy=_ASK)
    if len(pieces) == 1:
        return file.read(pieces[0][1], pieces[0][0])
    return b"".join(file.read(length, at) for at, length in pieces)


def _compared(data: bytes, ref: FrameRef, codec: Codec) -> StreamSize | None:
    """Size that the code stream declares, shown to be the header's; None for RLE, which declares none.

    Raises
    ------
    DicomError
        It is not.
    """
    rows, columns = ref.stored_shape
    if codec.family == "rle":
        fault = rle_fault(data, rows * columns, ref.bits_allocated // 8 * ref.samples)
        if fault:
            raise DicomError(fault, remedy=_ASK)
        return None
    size = codestream_size(data, codec.family)
    if size is None or size.shape != (rows, columns, ref.samples):
        found = "no size" if size is None else "x".join(map(str, size.shape))
        raise DicomError(
            f"code stream holds {found}, header asks for {rows}x{columns}x{ref.samples}", remedy=_ASK
        )  # fmt: skip
    if size.bits > ref.bits_allocated:
        raise DicomError(f"code stream holds {size.bits} bit, header allocates {ref.bits_allocated}", remedy=_ASK)
    if codec.process is not None and size.process != codec.process:
        raise DicomError("code stream is of another process than its transfer syntax", remedy=_ASK)
    if len(data) < fewest_bytes(size):
        raise DicomError(f"code stream of {len(data)} bytes cannot hold its picture", remedy=_ASK)
    # JPEG XL has no marker at its end; its decoder asks for what is missing.
    if codec.family != "jxl" and not ends_whole(data):
        raise TruncatedFile("code stream ends early", remedy=_ASK)
    if size.tiles > MAX_TILES:
        raise DicomError(f"code stream is cut into {size.tiles} tiles, more than the limit", remedy=_ASK)
    return size


def _with_imagecodecs(data: bytes, ref: FrameRef, codec: Codec, out: NDArray[Any]) -> NDArray[Any]:
    size = _compared(data, ref, codec)
    shape = (*ref.stored_shape, ref.samples) if ref.colour else ref.stored_shape
    own = stored_dtype(ref.bits_allocated, signed=ref.signed)
    # What the decoder makes; the header's sign is given to it after.
    made = np.dtype(f"u{own.itemsize}") if size is None else stored_dtype(size.bits, signed=size.signed)
    straight = (
        ref.crop is None and ref.lut is None and ref.limits is None
        and out.flags.c_contiguous and not ref.colour and out.shape == shape
        and made.itemsize == own.itemsize == out.dtype.itemsize and out.dtype.kind in "iu" and ref.slope == 1
    )  # fmt: skip
    target = out.view(made) if straight else np.empty(shape, made)
    try:
        decode(ref.syntax, data, target)
        early = size is not None and _stops_early(data, target, ref, size)
    except Exception as error:
        raise _undecodable(error) from error
    if early:
        raise TruncatedFile("code stream ends early", remedy=_ASK)
    if ref.colour:
        return as_rgb(restored(target, ref._replace(signed=False), own=True, lossy=codec.lossy), ref.photometric)
    return restored(target, ref, own=True, lossy=codec.lossy)


def _stops_early(data: bytes, picture: NDArray[Any], ref: FrameRef, size: StreamSize) -> bool:
    """Whether a JPEG code stream ends before its picture does, although its end marker is there."""
    picture = picture.view(f"u{picture.itemsize}")
    if size.process == LOSSLESS_PROCESS:
        return not lossless_whole(data, picture)
    if size.process not in SEQUENTIAL_PROCESSES or not ends_in_grey(picture, size.bits):
        return False
    again = np.empty_like(picture)
    decode(ref.syntax, with_filler(data), again)
    return not np.array_equal(picture, again)


#: pydicom warns of what is odd; silencing that is not safe in several threads at once.
_pydicom_lock: Final = threading.Lock()


def _with_pydicom(data: bytes, ref: FrameRef, codec: Codec | None) -> NDArray[Any]:
    """A frame of colour, or in a syntax only pydicom knows: its decoding, colours brought to RGB."""
    size = None if codec is None else _compared(data, ref, codec)
    array = _by_pydicom(data, ref)
    doubtful = size is not None and size.process in SEQUENTIAL_PROCESSES and ends_in_grey(array, size.bits)
    if doubtful and not np.array_equal(array, _by_pydicom(with_filler(data), ref)):
        raise TruncatedFile("code stream ends early", remedy=_ASK)
    if not ref.colour and array.dtype.kind in "iu" and spare_bits(ref):
        return restored(array, ref, own=array.flags.writeable)
    return array


def _by_pydicom(data: bytes, ref: FrameRef) -> NDArray[Any]:
    from pydicom.encaps import encapsulate
    from pydicom.pixels import get_decoder

    facts: dict[str, Any] = {
        "rows": ref.stored_shape[0], "columns": ref.stored_shape[1], "number_of_frames": 1,
        "samples_per_pixel": ref.samples, "photometric_interpretation": ref.photometric,
        "bits_allocated": ref.bits_allocated, "bits_stored": ref.bits_stored,
        "pixel_representation": int(ref.signed), "planar_configuration": ref.planar or 0,
        "pixel_keyword": "PixelData",
    }  # fmt: skip
    with _pydicom_lock, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            array: NDArray[Any] = get_decoder(ref.syntax).as_array(
                encapsulate([data]), decoding_plugin=plugins(ref.syntax)[0], **facts
            )[0]
        except Exception as error:
            raise _undecodable(error) from error
    return array


def _undecodable(error: Exception) -> DicomError:
    return DicomError(f"pixels could not be decoded ({type(error).__name__})", remedy=_ASK)
