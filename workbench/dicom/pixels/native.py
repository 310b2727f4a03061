"""Uncompressed frames: read into place where stored numbers are the values, else through one buffer of a frame."""

from __future__ import annotations

from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from workbench.dicom.headers.walk import EXPLICIT_BE
from workbench.dicom.pixels.colour import as_rgb
from workbench.dicom.pixels.frame_refs import FrameRef
from workbench.dicom.pixels.stored import restored, spare_bits
from workbench.dicom.values.dtypes import stored_dtype
from workbench.dicom.values.scaling import apply_map
from workbench.errors import DicomError, TruncatedFile, UnsupportedSyntax

#: Bits allocated per sample that are read here.
INTEGER_BITS: Final = (8, 16, 32)
FLOAT_BITS: Final = (32, 64)


class Bytes(Protocol):
    """Where uncompressed pixels are read from: a file, or a frame that was taken out of one."""

    def pixels(self, ref: FrameRef, /) -> tuple[int, int]:
        """Offset and length of the pixel data value."""

    def read(self, length: int, offset: int, /) -> bytes:
        """*length* bytes at *offset*."""

    def read_into(self, target: NDArray[Any], offset: int, /) -> None:
        """Fill the contiguous *target* with the bytes at *offset*."""


def read_native(file: Bytes, ref: FrameRef, out: NDArray[Any], *, checked: bool) -> None:
    """Read one uncompressed frame, or its crop, and write its values into *out*, (rows, columns[, channel]).

    Raises
    ------
    TruncatedFile
        Fewer bytes than the header declares.
    UnsupportedSyntax
        An allocation of bits that no one writes.
    DicomError
        Pixels in fragments; a value that does not fit the dtype.
    """
    ref = ref.uncoloured
    offset, length = file.pixels(ref)
    rows, columns = ref.stored_shape
    halved = ref.photometric == "YBR_FULL_422"
    declared = (rows * columns * (2 if halved else ref.samples) * ref.bits_allocated * ref.n_frames + 7) // 8
    if length < 0:
        raise DicomError("pixels are in fragments, the transfer syntax says they are not")
    if length < declared:
        raise TruncatedFile(
            f"{length} bytes of pixels, header asks for {declared} "
            f"({ref.n_frames} frame(s) of {rows}x{columns}x{ref.bits_allocated} bit)",
            remedy="ask the node for the file again",
        )
    if ref.colour:
        _mapped(_colour(file, ref, offset), ref, out, checked)
        return
    if ref.bits_allocated == 1:
        _mapped(_cut(_bits(file, ref, offset), ref), ref, out, checked)
        return
    if ref.bits_allocated not in (FLOAT_BITS if ref.floating else INTEGER_BITS):
        raise UnsupportedSyntax(f"{ref.bits_allocated} bits allocated per pixel are not read here")
    dtype = stored_dtype(ref.bits_allocated, signed=ref.signed, floating=ref.floating)
    if dtype.itemsize == 1 and _in_swapped_words(file, ref, offset):
        picture = _unswapped(file, offset, rows * columns * ref.frame, rows * columns)
        stored = _cut(picture.view(dtype).reshape(rows, columns), ref)
        _mapped(restored(stored, ref, own=True), ref, out, checked)
        return
    offset += rows * columns * dtype.itemsize * ref.frame
    swap = ref.syntax == EXPLICIT_BE and dtype.itemsize > 1
    if in_place(ref, dtype, out):
        target = out.view(dtype)
        file.read_into(target, offset)
        if not swap and not spare_bits(ref) and ref.slope == 1 and ref.intercept == 0 and dtype == out.dtype:
            return
    else:
        # Of a tile, the rows it lies in.
        top = 0 if ref.crop is None else ref.crop[0]
        target = np.empty((ref.rows, columns), dtype)
        file.read_into(target, offset + top * columns * dtype.itemsize)
        if ref.crop is not None:
            target = target[:, ref.crop[1] : ref.crop[1] + ref.columns]
    if swap:
        target.byteswap(inplace=True)
    _mapped(target if ref.floating else restored(target, ref, own=True), ref, out, checked)


def _mapped(stored: NDArray[Any], ref: FrameRef, out: NDArray[Any], checked: bool) -> None:
    apply_map(stored, ref.slope, ref.intercept, out, checked=checked, lut=ref.lut, limits=ref.limits)


def in_place(ref: FrameRef, dtype: np.dtype[Any], out: NDArray[Any]) -> bool:
    """Whether the stored bytes may be read into *out* itself and made its values there."""
    if ref.crop is not None or ref.lut is not None or ref.limits is not None or not out.flags.c_contiguous:
        return False
    if ref.floating or out.dtype.kind == "f":
        return dtype == out.dtype
    return ref.slope == 1 and dtype.itemsize == out.dtype.itemsize


def _cut(picture: NDArray[Any], ref: FrameRef) -> NDArray[Any]:
    if ref.crop is None:
        return picture
    top, left = ref.crop[:2]
    return picture[top : top + ref.rows, left : left + ref.columns]


def _bits(file: Bytes, ref: FrameRef, offset: int) -> NDArray[np.uint8]:
    """A frame of one bit per pixel; frames follow each other without padding (PS3.5 8.1.1)."""
    rows, columns = ref.stored_shape
    pixels = rows * columns
    first, last = pixels * ref.frame, pixels * (ref.frame + 1)
    packed = np.frombuffer(file.read((last + 7) // 8 - first // 8, offset + first // 8), np.uint8)
    bits = np.unpackbits(packed, bitorder="little")[first % 8 :][:pixels]
    return bits.reshape(rows, columns)


def _in_swapped_words(file: Bytes, ref: FrameRef, offset: int) -> bool:
    """Whether 8-bit pixels stand in big-endian words, each pair exchanged (PS3.5 7.3): the element has VR OW."""
    return ref.syntax == EXPLICIT_BE and offset >= 12 and file.read(2, offset - 8) == b"OW"


def _unswapped(file: Bytes, offset: int, start: int, n_bytes: int) -> NDArray[np.uint8]:
    """Bytes *start* to *start + n_bytes* of a value in big-endian words."""
    first, last = start // 2 * 2, -(-(start + n_bytes) // 2) * 2
    words = np.frombuffer(file.read(last - first, offset + first), np.uint16)
    return words.byteswap().view(np.uint8)[start - first :][:n_bytes]


def _colour(file: Bytes, ref: FrameRef, offset: int) -> NDArray[Any]:
    """A colour frame as RGB, (rows, columns, channel)."""
    rows, columns = ref.stored_shape
    pixels = rows * columns
    if ref.bits_allocated not in (8, 16, 32):
        raise UnsupportedSyntax(f"{ref.bits_allocated} bits allocated per sample of colour are not read here")
    dtype = stored_dtype(ref.bits_allocated, signed=False)
    halved = ref.photometric == "YBR_FULL_422"
    if halved and columns % 2:
        raise DicomError("YBR_FULL_422 with an odd number of columns", tag="PhotometricInterpretation")
    count = pixels * 2 if halved else pixels * ref.samples
    start = count * dtype.itemsize * ref.frame
    if dtype.itemsize == 1 and _in_swapped_words(file, ref, offset):
        flat = _unswapped(file, offset, start, count)
    else:
        flat = np.empty(count, dtype)
        file.read_into(flat, offset + start)
        if ref.syntax == EXPLICIT_BE:
            flat.byteswap(inplace=True)
    if halved:
        picture = np.empty((rows, columns // 2, 2, 3), dtype)
        # Two luminances, then the blue and the red difference that both share (PS3.3 C.7.6.3.1.2).
        groups = flat.reshape(rows, columns // 2, 4)
        picture[..., 0] = groups[..., :2]
        picture[..., 1:] = groups[..., None, 2:]
        picture = picture.reshape(rows, columns, 3)
    elif ref.planar == 1:
        picture = np.moveaxis(flat.reshape(ref.samples, rows, columns), 0, -1)
    elif ref.planar == 0:
        picture = flat.reshape(rows, columns, ref.samples)
    else:
        raise DicomError(
            "the order of the colour samples is not stated", tag="PlanarConfiguration", remedy="ask the node"
        )
    return _cut(as_rgb(restored(picture, ref._replace(signed=False), own=True), ref.photometric), ref)
