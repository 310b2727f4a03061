"""Deflated files (PS3.5 A.5): inflated at most to what the header declares, and the pixels found in the result."""

from __future__ import annotations

import os
import warnings
import zlib
from dataclasses import dataclass
from io import BytesIO
from typing import Any, BinaryIO, Final

from workbench.dicom.headers.tags import PIXEL_ELEMENTS
from workbench.dicom.headers.walk import DEFLATED_LE, EXPLICIT_LE
from workbench.errors import DicomError, TruncatedFile

#: Bytes that may be header beside the pixels.
HEADER_BYTES: Final = 16 << 20
#: Bytes of the largest data set that is inflated whole, as a structure set is.
WHOLE_BYTES: Final = 128 << 20
#: Where the file meta group begins behind a preamble.
_PREAMBLE: Final = 132
_UNDEFINED: Final = 0xFFFFFFFF
_LONG_VRS: Final = (b"OB", b"OW", b"OF", b"OD", b"UN")


@dataclass(frozen=True, eq=False)
class Inflated:
    """The data set of a deflated file."""

    #: It, without the file meta group.
    data: memoryview
    #: Offset in it of the pixel data value.
    offset: int
    #: Bytes of that value.
    length: int


def header_source(file: BinaryIO, *, whole: bool = False) -> BinaryIO:
    """The file, or of a deflated one the file meta group and the first ``HEADER_BYTES`` of its inflated data set.

    For reading headers: a library that is given a deflated file inflates all of it, whatever that comes to. The
    transfer syntax in what is given is explicit VR little endian, which is what the inflated data set is in.

    Parameters
    ----------
    file : binary file
        Open for reading.
    whole : bool, default False
        All of the data set, which may be of ``WHOLE_BYTES``.

    Raises
    ------
    ValueError
        The deflated data set is damaged or ends early, or its file meta group cannot be read; it is wanted whole and
        inflates to more.
    """
    start, syntax = _after_meta(file)
    if syntax != DEFLATED_LE:
        return file
    meta = os.pread(file.fileno(), start, 0)
    engine = zlib.decompressobj(-zlib.MAX_WBITS)
    size = os.fstat(file.fileno()).st_size
    most = WHOLE_BYTES if whole else HEADER_BYTES
    try:
        data = engine.decompress(os.pread(file.fileno(), size - start, start), most)
    except zlib.error as error:
        raise ValueError("deflated data set is damaged") from error
    if not engine.eof and len(data) < most:
        raise ValueError("deflated data set ends early")
    if whole and len(data) >= most:
        raise ValueError("deflated data set is larger than the limit")
    plain = EXPLICIT_LE.encode().ljust(len(DEFLATED_LE), b"\0")
    return BytesIO(meta.replace(DEFLATED_LE.encode(), plain) + data)


def inflate(fd: int, size: int, pixel_bytes: int) -> Inflated:
    """Data set of a deflated file and where its pixels lie.

    Parameters
    ----------
    fd : int
        Open file.
    size : int
        Its bytes.
    pixel_bytes : int
        Bytes of pixels that the header declares: with a header's worth, the most that is inflated.

    Raises
    ------
    DicomError
        It inflates to more, is damaged, or holds no pixels.
    TruncatedFile
        The deflated stream ends early.
    """
    with os.fdopen(os.dup(fd), "rb") as file:
        try:
            start = _after_meta(file)[0]
        except ValueError as error:
            raise DicomError("file meta group is damaged", remedy="ask the node for the file again") from error
    limit = pixel_bytes + HEADER_BYTES
    engine = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        data = engine.decompress(os.pread(fd, size - start, start), limit)
    except zlib.error as error:
        raise DicomError("deflated data set is damaged", remedy="ask the node for the file again") from error
    if len(data) >= limit:
        raise DicomError(
            f"inflates to more than the {pixel_bytes} bytes of pixels that the header declares",
            remedy="do not open the file before the node explains",
        )
    if not engine.eof:
        raise TruncatedFile("deflated data set ends early", remedy="ask the node for the file again")
    offset, length = _find_pixels(data)
    return Inflated(memoryview(data), offset, length)


def _after_meta(file: BinaryIO) -> tuple[int, str]:
    """End of the file meta group, which is never deflated, and the transfer syntax it names; the file is at its start.

    As pydicom finds them, with or without a preamble: what it takes for a deflated file must be one here.
    """
    from pydicom.filereader import read_dataset

    stopped: list[Any] = []

    def behind(tag: Any, vr: Any, length: Any) -> bool:
        stopped[:] = [tag] if int(tag) >> 16 != 2 else []
        return bool(stopped)

    start = _PREAMBLE if os.pread(file.fileno(), 4, _PREAMBLE - 4) == b"DICM" else 0
    end, syntax = start, ""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for implicit in (False, True):
            file.seek(start)
            try:
                meta = read_dataset(file, implicit, True, stop_when=behind, defer_size=4096)
                # What is shorter than the head of an element was read and stopped nothing.
                ends = (element.value_tell + element.length for element in meta.elements())
                end = file.tell() if stopped else max(ends, default=start)
                next(iter(meta), None)
                syntax = str(meta.get("TransferSyntaxUID", ""))
                break
            except NotImplementedError:
                # No VR that there is: pydicom reads such a group again as implicit VR.
                continue
            except Exception as error:
                raise ValueError(f"file meta group ({type(error).__name__})") from error
    file.seek(0)
    return end, syntax


def _find_pixels(data: bytes) -> tuple[int, int]:
    from pydicom.filereader import read_dataset

    def at_pixels(tag: Any, vr: Any, length: Any) -> bool:
        return tag in PIXEL_ELEMENTS

    source = BytesIO(data)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            read_dataset(source, False, True, stop_when=at_pixels, defer_size=4096)
        except Exception as error:
            raise DicomError(
                f"deflated data set could not be read ({type(error).__name__})",
                remedy="ask the node for the file again",
            ) from error
    pos = source.tell()
    head = data[pos : pos + 12]
    if len(head) < 12 or head[:2] != b"\xe0\x7f" or head[4:6] not in _LONG_VRS:
        raise DicomError("no pixels in the deflated data set", remedy="ask the node for the file again")
    length = int.from_bytes(head[8:12], "little")
    if length == _UNDEFINED:
        raise DicomError("pixels are in fragments, the transfer syntax says they are not")
    return pos + 12, min(length, len(data) - pos - 12)
