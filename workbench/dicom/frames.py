"""Frames: bytes -> stored numbers -> values, straight into the target array.

Each read opens its file, reads what it needs and closes it; nothing is held open, so tables of frames pickle.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final, Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from workbench.dicom.codecs import CODECS, codestream_size, decodable, decoder
from workbench.dicom.encapsulated import frame_fragments
from workbench.dicom.scaling import apply_map
from workbench.dicom.values import ValueMap, precision, stored_dtype
from workbench.dicom.walk import DEFLATED_LE, EXPLICIT_BE, EXPLICIT_LE, IMPLICIT_LE
from workbench.errors import ChangedFile, DicomError, TruncatedFile, UnsupportedSyntax
from workbench.options import options

#: Frames below which a thread pool costs more than it gains.
THREADED_FRAMES: Final = 8
#: A frame larger than this is refused before anything is allocated, bytes.
MAX_FRAME_BYTES: Final = 1 << 30


@dataclass(frozen=True, slots=True)
class FrameRef:
    """Where one frame lies and how it is stored."""

    path: str
    name: str
    size: int
    mtime_ns: int
    syntax: str
    offset: int
    length: int
    frame: int
    n_frames: int
    rows: int
    columns: int
    samples: int
    bits_allocated: int
    bits_stored: int
    high_bit: int
    signed: bool
    photometric: str
    slope: float
    intercept: float
    floating: bool = False

    @property
    def colour(self) -> bool:
        """More than one sample per pixel."""
        return self.samples > 1


class FrameReader(Protocol):
    """What a lazy array needs: read one frame into *out*, (rows, columns[, channel])."""

    def __call__(self, ref: FrameRef, out: NDArray[Any], *, checked: bool) -> None: ...


def frame_refs(rows: pa.Table, root: str | os.PathLike[str], values: ValueMap) -> tuple[FrameRef, ...]:
    """One reference per row of a plan's table."""
    names = ("path", "size", "mtime_ns", "TransferSyntaxUID", "pixel_offset", "pixel_length", "frame",
             "NumberOfFrames", "Rows", "Columns", "SamplesPerPixel", "BitsAllocated", "BitsStored", "HighBit",
             "PixelRepresentation", "PhotometricInterpretation", "pixel_float")  # fmt: skip
    columns = [rows[name].to_pylist() for name in names]
    refs = []
    for row, (
        path,
        size,
        mtime,
        syntax,
        offset,
        length,
        frame,
        n,
        r,
        c,
        samples,
        bits,
        stored,
        high,
        sign,
        photo,
        floating,
    ) in enumerate(zip(*columns, strict=True)):
        bits = bits or 16
        stored = stored or bits
        refs.append(
            FrameRef(
                os.path.join(root, *path.split("/")), path, size, mtime, syntax or "", offset, length, frame, n or 1,
                r or 0, c or 0, samples or 1, bits, stored, stored - 1 if high is None else high, sign == 1,
                photo or "", float(values.slope[row]), float(values.intercept[row]),
                bool(floating),
            )
        )  # fmt: skip
    return tuple(refs)


def read_frames(
    refs: Sequence[FrameRef | None], out: NDArray[Any], *, checked: bool, reader: FrameReader | None = None
) -> None:
    """Fill ``out[i]`` with the values of ``refs[i]``; where there is no frame, with NaN (or 0 in integers).

    Decoding runs in threads: the decoders and reads release the interpreter lock.
    """
    read = reader or read_frame
    jobs = [(ref, out[i]) for i, ref in enumerate(refs) if ref is not None]
    for i, ref in enumerate(refs):
        if ref is None:
            out[i] = np.nan if out.dtype.kind == "f" else 0
    workers = min(options.workers, len(jobs))
    if len(jobs) < THREADED_FRAMES or workers < 2:
        for ref, target in jobs:
            read(ref, target, checked=checked)
        return
    with ThreadPoolExecutor(workers) as pool:
        # Consume all, so that the first error is raised and the rest does not run on.
        futures = [pool.submit(read, ref, target, checked=checked) for ref, target in jobs]
        try:
            for future in futures:
                future.result()
        except BaseException:
            for future in futures:
                future.cancel()
            raise


def read_frame(ref: FrameRef, out: NDArray[Any], *, checked: bool) -> None:
    """Read one frame's values into *out*, (rows, columns[, channel]).

    Raises
    ------
    ChangedFile
        The file is not the one that was indexed.
    TruncatedFile
        Fewer bytes than the header declares.
    UnsupportedSyntax
        No decoder for its transfer syntax.
    DicomError
        The code stream does not fit the header, or a value does not fit the dtype.
    """
    try:
        fd = os.open(ref.path, os.O_RDONLY)
    except OSError as error:
        raise ChangedFile("file can no longer be opened", file=ref.name, remedy="open the data again") from error
    try:
        facts = os.fstat(fd)
        if facts.st_size != ref.size or facts.st_mtime_ns != ref.mtime_ns:
            raise ChangedFile("file changed after it was indexed", file=ref.name, remedy="open the data again")
        if ref.rows * ref.columns * ref.samples * ref.bits_allocated // 8 > MAX_FRAME_BYTES:
            raise DicomError(f"frame of {ref.rows}x{ref.columns} is larger than the limit", file=ref.name)
        if ref.colour or not _ours(ref.syntax):
            array = _with_pydicom(ref)
            if not ref.colour and array.dtype.kind in "iu":
                array = _ranged(array, ref)
            if array.shape != out.shape:
                raise DicomError("decoder returned another shape than the header declares")
            apply_map(array, ref.slope, ref.intercept, out, checked=checked)
        elif ref.syntax in CODECS:
            apply_map(_ranged(_encapsulated(fd, ref), ref), ref.slope, ref.intercept, out, checked=checked)
        else:
            _native(fd, ref, out, checked)
    except DicomError as error:
        if error.file is None:
            raise type(error)(error.what, file=ref.name, remedy=error.remedy) from error
        raise
    finally:
        os.close(fd)


def _ours(syntax: str) -> bool:
    return syntax in CODECS or syntax in (IMPLICIT_LE, EXPLICIT_LE, EXPLICIT_BE)


def _native(fd: int, ref: FrameRef, out: NDArray[Any], checked: bool) -> None:
    """Uncompressed: read into place where stored numbers are the values, else through one buffer."""
    pixels = ref.rows * ref.columns
    declared = (pixels * ref.bits_allocated * ref.n_frames + 7) // 8
    if ref.length < 0:
        raise DicomError("pixels are in fragments, the transfer syntax says they are not")
    if 0 <= ref.length < declared:
        raise TruncatedFile(
            f"{ref.length} bytes of pixels, header asks for {declared} "
            f"({ref.n_frames} frame(s) of {ref.rows}x{ref.columns}x{ref.bits_allocated} bit)",
            remedy="ask the node for the file again",
        )
    if ref.bits_allocated == 1:
        first, last = pixels * ref.frame, pixels * (ref.frame + 1)
        packed = np.frombuffer(os.pread(fd, (last + 7) // 8 - first // 8, ref.offset + first // 8), np.uint8)
        bits = np.unpackbits(packed, bitorder="little")[first % 8 :][:pixels]
        apply_map(bits.reshape(ref.rows, ref.columns), ref.slope, ref.intercept, out, checked=checked)
        return
    if ref.bits_allocated not in ((32, 64) if ref.floating else (8, 16, 32)):
        raise UnsupportedSyntax(f"{ref.bits_allocated} bits allocated per pixel are not read here")
    dtype = stored_dtype(ref.bits_allocated, signed=ref.signed, floating=ref.floating)
    n_bytes = pixels * dtype.itemsize
    offset = ref.offset + n_bytes * ref.frame
    swap = ref.syntax == EXPLICIT_BE and dtype.itemsize > 1
    whole = dtype.kind in "iu" and out.dtype.kind in "iu" and dtype.itemsize == out.dtype.itemsize
    in_place = (
        (whole or dtype == out.dtype) and ref.slope == 1 and not swap and out.flags.c_contiguous
        and (ref.floating or ref.bits_stored == ref.bits_allocated)
    )  # fmt: skip
    buffer = out.view(dtype) if in_place else np.empty((ref.rows, ref.columns), dtype)
    if os.preadv(fd, [buffer.reshape(-1).view(np.uint8).data], offset) != n_bytes:
        raise TruncatedFile("pixel data ends early", remedy="ask the node for the file again")
    if in_place and ref.intercept == 0 and dtype == out.dtype:
        return
    if swap:
        buffer.byteswap(inplace=True)
    apply_map(buffer if ref.floating else _ranged(buffer, ref), ref.slope, ref.intercept, out, checked=checked)


def _ranged(array: NDArray[Any], ref: FrameRef) -> NDArray[Any]:
    """Stored numbers with the sign and precision the header declares; bits outside BitsStored removed.

    Decoders give unsigned numbers, or the sign of the code stream; the header decides.
    """
    dtype = stored_dtype(ref.bits_allocated, signed=ref.signed)
    if array.dtype.itemsize != dtype.itemsize:
        array = array.astype(dtype, copy=False)
    native = array.dtype.newbyteorder("=")
    array = array.astype(native, copy=False).view(dtype)
    bits = precision(ref.bits_allocated, ref.bits_stored, ref.high_bit)
    spare = dtype.itemsize * 8 - bits
    if spare == 0 or bits == ref.bits_allocated:
        return array
    # Shifting up drops what lies above HighBit; shifting down (arithmetic where signed) restores the number.
    up = dtype.itemsize * 8 - 1 - ref.high_bit
    return (array << up) >> spare


#: Fragments of multi-frame files read lately, so that a file of many frames is not searched for each of them.
_tables: dict[tuple[str, int, int], list[list[tuple[int, int]]]] = {}
_TABLES_KEPT: Final = 64


def _pieces(fd: int, ref: FrameRef) -> list[tuple[int, int]]:
    """Fragments of one frame."""
    if ref.n_frames == 1:
        return frame_fragments(fd, ref.offset, ref.size, 1)[0]
    key = (ref.path, ref.mtime_ns, ref.offset)
    table = _tables.get(key)
    if table is None:
        table = frame_fragments(fd, ref.offset, ref.size, ref.n_frames)
        if len(_tables) >= _TABLES_KEPT:
            _tables.clear()
        _tables[key] = table
    return table[ref.frame]


def _encapsulated(fd: int, ref: FrameRef) -> NDArray[Any]:
    try:
        pieces = _pieces(fd, ref)
    except EOFError as error:
        raise TruncatedFile("compressed pixels end early", remedy="ask the node for the file again") from error
    except (ValueError, IndexError) as error:
        raise DicomError(f"frames cannot be told apart: {error}", remedy="ask the node for the file again") from error
    data = b"".join(os.pread(fd, length, at) for at, length in pieces)
    codec = CODECS[ref.syntax]
    size = codestream_size(data, codec.family)
    if codec.family != "rle" and (size is None or size[:3] != (ref.rows, ref.columns, ref.samples)):
        found = "no size" if size is None else f"{size[0]}x{size[1]}x{size[2]}"
        raise DicomError(
            f"code stream holds {found}, header asks for {ref.rows}x{ref.columns}x{ref.samples}",
            remedy="ask the node for the file again",
        )
    if size is not None and size[3] > ref.bits_allocated:
        raise DicomError(f"code stream holds {size[3]} bit, header allocates {ref.bits_allocated}")
    dtype = stored_dtype(ref.bits_allocated, signed=ref.signed)
    try:
        array = decoder(ref.syntax)(data, (ref.rows, ref.columns), dtype)
    except Exception as error:
        raise DicomError(
            f"pixels could not be decoded ({type(error).__name__})", remedy="ask the node for the file again"
        ) from error
    if array.shape != (ref.rows, ref.columns):
        raise DicomError("decoder returned another shape than the header declares")
    return array


def _with_pydicom(ref: FrameRef) -> NDArray[Any]:
    """Colour, deflated files and syntaxes only pydicom knows: its decoding, colours brought to RGB."""
    import warnings

    if not decodable(ref.syntax, colour=ref.colour):
        raise UnsupportedSyntax(
            "pixels are in a transfer syntax that cannot be decoded here",
            remedy="leave the series out, or ask the node for another syntax",
        )
    from pydicom import dcmread
    from pydicom.pixels import pixel_array

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            # From a path pydicom reads only what is not deflated.
            source = dcmread(ref.path) if ref.syntax == DEFLATED_LE else ref.path
            array: NDArray[Any] = pixel_array(source, index=ref.frame)
        except Exception as error:
            raise DicomError(
                f"pixels could not be decoded ({type(error).__name__})", remedy="ask the node for the file again"
            ) from error
    return array
