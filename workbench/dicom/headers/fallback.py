"""Headers the fast walk declines, read by pydicom into the same raw form."""

from __future__ import annotations

import os
import struct
import warnings
from typing import Any, BinaryIO, Final, Literal

from workbench.dicom.headers.deflated import header_source
from workbench.dicom.headers.elements import key
from workbench.dicom.headers.tags import EITHER_SIGN, NOT_IMAGES, PIXEL_DATA, PIXEL_ELEMENTS, Tag
from workbench.dicom.headers.walk import DEFLATED_LE, EXPLICIT_BE, EXPLICIT_LE, IMPLICIT_LE, RawHeader
from workbench.dicom.headers.wanted import KEPT, Wanted

_PIXEL_VRS: Final = (b"OB", b"OW", b"OF", b"OD", b"UN")
#: Bytes of one number of a binary VR (PS3.5 6.2); a tag is two.
_BYTES: Final = {"US": 2, "SS": 2, EITHER_SIGN: 2, "UL": 4, "SL": 4, "UV": 8, "SV": 8, "FL": 4, "FD": 8, "AT": 2}
_FLOATS: Final = {"FL": "f", "FD": "d"}
_REFERENCES: Final = (
    "ReferencedSeriesSequence",
    "ReferencedFrameOfReferenceSequence",
    "CurrentRequestedProcedureEvidenceSequence",
)


def read_with_pydicom(path: str | os.PathLike[str], wanted: Wanted = KEPT) -> RawHeader:
    """Raw values of the wanted tags, as the fast walk gives them.

    Numbers come back as the text or little-endian bytes the walk would have found, so that one decoder serves
    both.

    Parameters
    ----------
    path : path
        A file.
    wanted : Wanted, default the kept columns
        Which tags.

    Raises
    ------
    ValueError
        pydicom cannot read the header either.
    """
    from pydicom.filereader import read_partial

    def at_pixels(tag: object, vr: object, length: object) -> bool:
        return tag in PIXEL_ELEMENTS

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with open(path, "rb") as file:
            try:
                source = header_source(file)
                deflated = source is not file
                # All elements, not only the wanted: with specific_tags pydicom parses the private rest as well.
                dataset = read_partial(source, stop_when=at_pixels, defer_size=None if deflated else 4096, force=True)
                syntax = DEFLATED_LE if deflated else _syntax(dataset)
                size = os.fstat(file.fileno()).st_size
                after = size if deflated else file.tell()
            except Exception as error:
                raise ValueError(type(error).__name__) from error
            if not len(dataset):
                raise ValueError("no element")
            values = [_value(dataset, tag, big_endian=syntax == EXPLICIT_BE) for tag in wanted.tags]
            wanted.without_images_only(values)
            raw = RawHeader(values, syntax, _media_class(dataset), header_length=min(after, size), utf8=True)
            sop_class = _uid(dataset, "SOPClassUID")
            if not deflated and after < size and sop_class not in NOT_IMAGES:
                _find_pixels(file, after, syntax, raw)
            elif deflated:
                raw.pixel_offset, raw.pixel_length = 0, -1
    return raw


def _uid(dataset: Any, keyword: str) -> str:
    """A UID; empty where absent or not readable."""
    try:
        return str(dataset.get(keyword, ""))
    except Exception:
        return ""


def _media_class(dataset: object) -> str:
    meta = getattr(dataset, "file_meta", None)
    return _uid(meta, "MediaStorageSOPClassUID") if meta is not None else ""


def _syntax(dataset: object) -> str:
    meta = getattr(dataset, "file_meta", None)
    uid = str(meta.get("TransferSyntaxUID", "")) if meta is not None else ""
    if uid:
        return uid
    implicit, little = dataset.original_encoding  # type: ignore[attr-defined]
    if implicit:
        return IMPLICIT_LE
    return EXPLICIT_LE if little else EXPLICIT_BE


def _value(dataset: Any, tag: Tag, *, big_endian: bool) -> bytes | None:
    """Raw bytes of one column; a value that cannot be read counts as absent, the rest of the header stands."""
    try:
        if tag.creator:
            return _private_value(dataset, tag, big_endian)
        if tag.sequence:
            items: Any = dataset[tag.sequence].value if tag.sequence in dataset else []
            if len(items) == 0:
                return None
            dataset = items[0]
        return _as_raw(dataset[tag.number], tag, big_endian) if tag.number in dataset else None
    except Exception:
        return None


def _private_value(dataset: Any, tag: Tag, big_endian: bool) -> bytes | None:
    """Bytes of the element in the first block its creator reserved that has it (PS3.5 7.8.1)."""
    group = tag.number >> 16
    for block in range(0x10, 0x100):
        number = group << 16 | block << 8 | tag.number & 0xFF
        if (
            number in dataset
            and group << 16 | block in dataset
            and _creator(dataset[group << 16 | block].value) == tag.creator
        ):
            return _as_raw(dataset[number], tag, big_endian)
    return None


def _creator(value: object) -> str:
    if isinstance(value, bytes):
        value = value.decode("latin-1")
    return str(value).strip(" \0")


def _as_raw(element: Any, tag: Tag, big_endian: bool) -> bytes | None:
    value, vr = element.value, tag.vr
    if tag.form == "present":
        return b"\1"
    if isinstance(value, bytes):
        if vr == "UN":
            return value if _is_text(value) else None
        # pydicom leaves bytes it knows no VR for (UN, as some anonymisers write): they are the listed VR's.
        size = _BYTES.get(vr, 1)
        return value if size == 1 or not big_endian else _swapped(value, size)
    if value is None or (hasattr(value, "__len__") and len(value) == 0):
        return b""
    parts = list(value) if isinstance(value, (list, tuple)) or type(value).__name__ == "MultiValue" else [value]
    if vr in _FLOATS:
        return struct.pack(f"<{len(parts)}{_FLOATS[vr]}", *(float(part) for part in parts))
    if vr == "AT":
        return b"".join(key(int(part)) for part in parts)
    if vr in _BYTES:
        mask = (1 << 8 * _BYTES[vr]) - 1
        return b"".join((int(part) & mask).to_bytes(_BYTES[vr], "little") for part in parts)
    texts = [_text(part) for part in parts]
    # Already decoded by pydicom, so the row says UTF-8 whatever the file's own character set is.
    return b"\\".join(text.encode("utf-8") for text in texts)


def _text(part: Any) -> str:
    """A value as the file writes it; of a person's name, what pydicom has decoded."""
    original = getattr(part, "original_string", None)
    return original if original and isinstance(original, str) else str(part)


def _is_text(value: bytes) -> bool:
    """Whether bytes of an unknown kind can be nothing but text."""
    try:
        return value.rstrip(b"\0 ").decode("utf-8").isprintable()
    except UnicodeDecodeError:
        return False


def _swapped(value: bytes, size: int) -> bytes:
    whole = len(value) - len(value) % size
    return b"".join(value[start : start + size][::-1] for start in range(0, whole, size))


def _find_pixels(file: BinaryIO, after: int, syntax: str, raw: RawHeader) -> None:
    """Where the pixel data value starts: pydicom stops right before the element."""
    order: Literal["little", "big"] = "big" if syntax == EXPLICIT_BE else "little"
    file.seek(after)
    head = file.read(12)
    if len(head) < 8:
        return
    group = int.from_bytes(head[0:2], order)
    if group != 0x7FE0:
        return
    # What the file does, not what its transfer syntax says.
    if head[4:6] not in _PIXEL_VRS:
        length, offset = int.from_bytes(head[4:8], order), after + 8
    else:
        length, offset = int.from_bytes(head[8:12], order), after + 12
    raw.pixel_float = int.from_bytes(head[2:4], order) != PIXEL_DATA & 0xFFFF
    raw.pixel_offset = offset
    raw.pixel_length = -1 if length == 0xFFFFFFFF else length


def referenced_series(path: str | os.PathLike[str]) -> list[str]:
    """SeriesInstanceUIDs a segmentation, structure set or report refers to, in order, each once.

    Sources: PS3.3 C.8.20.2 (ReferencedSeriesSequence), C.8.8.5 (RT Referenced Series Sequence), C.17.2 (evidence).
    """
    import pydicom

    found: list[str] = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with open(path, "rb") as file:
                # A list of tags is no bound: of a deflated file all would be inflated first.
                source = header_source(file)
                dataset = pydicom.dcmread(source, specific_tags=list(_REFERENCES), stop_before_pixels=True, force=True)
            _collect(dataset, found, 0)
        except Exception:
            # What cannot be read refers to nothing; reading the object itself will say why.
            return found
    return list(dict.fromkeys(found))


def _collect(dataset: object, found: list[str], depth: int) -> None:
    if depth > 6:
        return
    uid = dataset.get("SeriesInstanceUID")  # type: ignore[attr-defined]
    if uid and depth:
        found.append(str(uid))
    for keyword in (*_REFERENCES, "RTReferencedStudySequence", "RTReferencedSeriesSequence"):
        for item in dataset.get(keyword) or ():  # type: ignore[attr-defined]
            _collect(item, found, depth + 1)
