"""Files and folders made to do harm: each breaks one promise of the format, written byte by byte.

Every file holds, where it holds a picture at all, the picture :data:`PICTURE`. ``CASES`` names them; what the engine
must say of each stands in ``tests/dicom/test_hostile.py``.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final

import numpy as np

IMPLICIT: Final = "1.2.840.10008.1.2"
EXPLICIT: Final = "1.2.840.10008.1.2.1"
DEFLATED: Final = "1.2.840.10008.1.2.1.99"
BIG: Final = "1.2.840.10008.1.2.2"
JPEG: Final = "1.2.840.10008.1.2.4.50"
JPEG_LOSSLESS: Final = "1.2.840.10008.1.2.4.70"
JPEG_LS: Final = "1.2.840.10008.1.2.4.80"
JPEG_2000: Final = "1.2.840.10008.1.2.4.90"
HTJ2K: Final = "1.2.840.10008.1.2.4.201"
RLE: Final = "1.2.840.10008.1.2.5"

#: The picture of every file that holds one: 16 x 16, unsigned 16 bit.
PICTURE: Final = (np.arange(256, dtype="<u2") * 200).reshape(16, 16)
#: Name and id of the patient; no message may hold them.
NAME: Final = "Quill^Zephyrine"
PATIENT: Final = "ZQ-90210"
UNDEFINED: Final = 0xFFFFFFFF
ENHANCED_CT: Final = "1.2.840.10008.5.1.4.1.1.2.1"

_LONG: Final = frozenset(("OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV"))
_BINARY: Final = {"US": "H", "SS": "h", "UL": "I", "SL": "i", "FD": "d", "FL": "f"}
_PIXELS: Final = 0x7FE00010

HEADER: Final[dict[str, Any]] = {
    "SpecificCharacterSet": "ISO_IR 100", "ImageType": r"ORIGINAL\PRIMARY\AXIAL",
    "SOPClassUID": "1.2.840.10008.5.1.4.1.1.2", "SOPInstanceUID": "1.2.826.0.1.3680043.8.498.90.1",
    "Modality": "CT", "Manufacturer": "ACME", "PatientName": NAME, "PatientID": PATIENT,
    "StudyInstanceUID": "1.2.826.0.1.3680043.8.498.91", "SeriesInstanceUID": "1.2.826.0.1.3680043.8.498.90",
    "InstanceNumber": "1", "ImagePositionPatient": r"0\0\0", "ImageOrientationPatient": r"1\0\0\0\1\0",
    "FrameOfReferenceUID": "1.2.826.0.1.3680043.8.498.92", "SamplesPerPixel": 1,
    "PhotometricInterpretation": "MONOCHROME2", "Rows": 16, "Columns": 16, "PixelSpacing": r"0.5\0.8",
    "BitsAllocated": 16, "BitsStored": 16, "HighBit": 15, "PixelRepresentation": 0, "RescaleIntercept": "0",
    "RescaleSlope": "1",
}  # fmt: skip


def element(tag: int, vr: str, value: bytes = b"", *, length: int | None = None, syntax: str = EXPLICIT) -> bytes:
    """One data element; *length* is what it claims, by default the truth."""
    order = ">" if syntax == BIG else "<"
    size = len(value) if length is None else length
    head = struct.pack(order + "HH", tag >> 16, tag & 0xFFFF)
    if syntax == IMPLICIT:
        return head + struct.pack(order + "I", size) + value
    if vr in _LONG:
        return head + vr.encode() + b"\0\0" + struct.pack(order + "I", size) + value
    return head + vr.encode() + struct.pack(order + "H", size & 0xFFFF) + value


def item(value: bytes = b"", *, length: int | None = None) -> bytes:
    """One item."""
    return struct.pack("<HHI", 0xFFFE, 0xE000, len(value) if length is None else length) + value


END_ITEM: Final = struct.pack("<HHI", 0xFFFE, 0xE00D, 0)
END_SEQUENCE: Final = struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)


def fragments(*values: bytes, table: bytes = b"") -> bytes:
    """Value of encapsulated pixel data."""
    return item(table) + b"".join(map(item, values)) + END_SEQUENCE


def by_keyword(keyword: str, value: Any, syntax: str = EXPLICIT) -> tuple[int, bytes]:
    """Tag and bytes of a standard element; numbers by VR, text as ASCII, bytes as they are."""
    from pydicom.datadict import dictionary_VR, tag_for_keyword

    tag = tag_for_keyword(keyword)
    assert tag is not None
    vr = dictionary_VR(tag).partition(" ")[0]
    if isinstance(value, (int, float, list)):
        order = ">" if syntax == BIG else "<"
        numbers = value if isinstance(value, list) else [value]
        value = struct.pack(f"{order}{len(numbers)}{_BINARY[vr]}", *numbers)
    elif isinstance(value, str):
        value = value.encode("latin-1")
        value += (b"\0" if vr == "UI" else b" ") * (len(value) % 2)
    return tag, element(tag, vr, value, syntax=syntax)


def meta(syntax: str | None, preamble: bytes = bytes(128), sop_class: str = HEADER["SOPClassUID"]) -> bytes:
    """Preamble and file meta group."""
    values = {"MediaStorageSOPClassUID": sop_class, "MediaStorageSOPInstanceUID": HEADER["SOPInstanceUID"]}
    if syntax is not None:
        values["TransferSyntaxUID"] = syntax
    body = b"".join(by_keyword(keyword, value)[1] for keyword, value in values.items())
    return preamble + b"DICM" + element(0x00020000, "UL", struct.pack("<I", len(body))) + body


def dataset(
    pixels: bytes | None = None, *, syntax: str = EXPLICIT, raw: Iterable[tuple[int, bytes]] = (), **values: Any
) -> bytes:
    """Data set with elements replaced, or with None left out; *raw* elements replace those of the same tag.

    *pixels* is the whole pixel data element; by default the picture, uncompressed.
    """
    elements = dict(by_keyword(k, v, syntax) for k, v in (HEADER | values).items() if v is not None)
    if pixels is None:
        pixels = element(_PIXELS, "OW", PICTURE.astype(">u2" if syntax == BIG else "<u2").tobytes(), syntax=syntax)
    elements[_PIXELS] = pixels
    elements.update(dict(raw))
    return b"".join(value for _, value in sorted(elements.items()))


def part10(pixels: bytes | None = None, *, syntax: str = EXPLICIT, coded: str | None = None, **values: Any) -> bytes:
    """A whole file; *coded* is how the data set is written where that is not what *syntax* says."""
    return meta(syntax) + dataset(pixels, syntax=coded or (syntax if syntax in (IMPLICIT, BIG) else EXPLICIT), **values)


def compressed(syntax: str, value: bytes, **values: Any) -> bytes:
    """A file with encapsulated pixel data of the given value."""
    return part10(element(_PIXELS, "OB", value, length=UNDEFINED), syntax=syntax, **values)


def native(data: bytes, **values: Any) -> bytes:
    """A file with uncompressed pixel data."""
    return part10(element(_PIXELS, "OW", data), **values)


def stream(syntax: str) -> bytearray:
    """The picture, compressed."""
    from tests.factories import code_stream

    picture = (PICTURE >> 8).astype("u1") if syntax == JPEG else PICTURE
    return bytearray(code_stream(picture, syntax))


#: Name of each case -> what writes it into an empty folder.
CASES: dict[str, Callable[[Path], None]] = {}


def case(function: Callable[[], bytes]) -> Callable[[], bytes]:
    """Register a writer of one file under its name with hyphens."""

    def write(folder: Path) -> None:
        (folder / "a.dcm").write_bytes(function())

    CASES[function.__name__.replace("_", "-")] = write
    return function


def folder_case(function: Callable[[Path], None]) -> Callable[[Path], None]:
    """Register a writer of a folder."""
    CASES[function.__name__.replace("_", "-")] = function
    return function


def table(**files: Callable[[], bytes]) -> None:
    """Register one-line writers."""
    for name, function in files.items():
        function.__name__ = name
        case(function)


@case
def sound() -> bytes:
    """Nothing wrong with it: shows that the others are refused for what is wrong with them."""
    return part10()
