"""What a file is and whether it is whole, from its header: kind, status, digest, and what else is kept of it."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from workbench.dicom.headers.elements import Declined, NeedMore
from workbench.dicom.headers.fallback import referenced_series
from workbench.dicom.headers.lockstep import Found
from workbench.dicom.headers.references import references_in, references_of_whole
from workbench.dicom.headers.steps import Bools
from workbench.dicom.headers.tags import BY_KEYWORD, DICOMDIR_CLASS, NOT_IMAGES
from workbench.dicom.headers.walk import RawHeader, walk
from workbench.dicom.headers.wanted import KEPT
from workbench.dicom.pixels.encapsulated import whole_fragments
from workbench.findings import Finding

#: The most that is read of a file to look for its end.
LARGEST_READ: Final = 64 * 1024**2
#: Reads of the front of an object that refers to others; what lies behind a large one is seldom needed.
_FRONTS: Final = (1024**2, 8 * 1024**2, LARGEST_READ)
#: Kinds whose objects refer to the images of other series.
_REFERRING: Final = ("segmentation", "structure-set", "report")
#: What is in them is read by frame.
_FRAME_SEQUENCES: Final = (
    "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence", "RealWorldValueMappingSequence",
)  # fmt: skip
#: An inflated file is at most this much larger (RFC 1951).
_MOST_INFLATED: Final = 1032


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the header table keeps of a file beside its tags."""

    #: ``dicom`` where usable; else what is wrong.
    status: str
    #: ``image``, or what else the storage class says.
    kind: str = ""
    #: Digest of the header's bytes.
    digest: str = ""
    #: SeriesInstanceUIDs the object refers to.
    references: tuple[str, ...] = ()
    #: Frame table of a multi-frame object.
    frames: bytes | None = None


def value(raw: RawHeader, keyword: str) -> str:
    """Text of a plain value; empty where absent."""
    return (raw.values[KEPT.column[keyword]] or b"").strip(b" \0").decode("ascii", "replace")


def _count(raw: RawHeader, keyword: str, default: int = 0) -> int:
    data = raw.values[KEPT.column[keyword]]
    if not data:
        return default
    if BY_KEYWORD[keyword].vr == "US":
        return int.from_bytes(data[:2], "little")
    try:
        return int(float(data.partition(b"\\")[0].strip(b" \0")))
    except (ValueError, OverflowError):
        return default


def digest_of(header: Any) -> str:
    """Digest of the bytes of a header."""
    return hashlib.blake2b(header, digest_size=16).hexdigest()


def judge(file: int, path: str, size: int, raw: RawHeader, *, walked: bool) -> Judgement:
    """Kind and status of a file whose header was read.

    Parameters
    ----------
    file : int
        Descriptor of the open file.
    path : str
        Where it is.
    size : int
        Its bytes.
    raw : RawHeader
        Its header.
    walked : bool
        The header was read by our own walk, not by pydicom.
    """
    sop_class = value(raw, "SOPClassUID")
    if DICOMDIR_CLASS in (sop_class, raw.media_class):
        return Judgement("dicomdir")
    rows, columns = _count(raw, "Rows"), _count(raw, "Columns")
    has_pixels = raw.pixel_offset >= 0 or rows > 0 or _is_image_class(sop_class)
    kind = NOT_IMAGES.get(sop_class) or ("image" if has_pixels else "other")
    status, front, named = "dicom", b"", None
    if not value(raw, "SOPInstanceUID") or not value(raw, "SeriesInstanceUID"):
        status = "identity-missing"
    elif kind in _REFERRING and walked:
        front, named = _series_named(file, size, raw.syntax)
        if named is None and _cut_off(file, size, front):
            status = "truncated"
    elif kind == "image" and raw.pixel_offset >= 0 and not (rows and columns and _count(raw, "BitsAllocated", 16)):
        status = "header-unreadable"
    elif kind == "image" and not _pixels_whole(file, size, raw, rows, columns):
        status = "truncated"
    length = max(raw.header_length, 0)
    digest = digest_of(front[:length] if len(front) >= length else os.pread(file, length, 0))
    references: tuple[str, ...] = ()
    if kind in _REFERRING and status == "dicom":
        references = tuple(_references(path, front, size, raw) if named is None else named)
    has_facts = kind == "image" and status == "dicom" and _has_frame_facts(raw)
    frames = _frame_facts(path, raw.header_length) if has_facts else None
    return Judgement(status, kind, digest, references, frames)


def _has_frame_facts(raw: RawHeader) -> bool:
    """Whether the file says something of single frames, or of a map from stored to real-world values."""
    return (
        _count(raw, "NumberOfFrames") > 1
        or any(raw.values[KEPT.column[keyword]] is not None for keyword in _FRAME_SEQUENCES)
        or b"MOSAIC" in (raw.values[KEPT.column["ImageType"]] or b"")
    )


def _frame_facts(path: str, header_length: int) -> bytes | None:
    from workbench.dicom.stacks.functional import frame_facts

    return frame_facts(path, header_length=header_length)


def _series_named(file: int, size: int, syntax: str) -> tuple[bytes, list[str] | None]:
    """The front of a file, and the series it refers to; None, and as much as is ever read, where that is not plain."""
    for amount in _FRONTS:
        front = os.pread(file, min(size, amount), 0)
        try:
            if (named := references_of_whole(front, size, syntax)) is not None:
                return front, named
            break
        except NeedMore:
            continue
    most = min(size, LARGEST_READ)
    return (front if len(front) >= most else os.pread(file, most, 0)), None


def _references(path: str, whole: bytes, size: int, raw: RawHeader) -> list[str]:
    try:
        if len(whole) < size:
            raise Declined("not read, or not read whole")
        return references_in(whole, raw.syntax)
    except (Declined, EOFError):
        return referenced_series(path)


def _cut_off(file: int, size: int, start: bytes) -> bool:
    """Whether an object without an image of its own ends before it should; pydicom would not say."""
    try:
        raw = walk(start, whole=size <= len(start), to_end=True)
    except EOFError:
        return True
    except (Declined, NeedMore):
        return False
    if raw.pixel_offset < 0:
        return False
    if raw.pixel_length < 0:
        return not whole_fragments(file, raw.pixel_offset, size)
    return raw.pixel_offset + raw.pixel_length > size


def _is_image_class(sop_class: str) -> bool:
    """Whether the storage class is one of images, so that a header without pixels is one cut off before them."""
    if not sop_class:
        return False
    from pydicom.config import IGNORE
    from pydicom.uid import UID

    return str(UID(sop_class, IGNORE).name).endswith("Image Storage")


def _pixels_whole(file: int, size: int, raw: RawHeader, rows: int, columns: int) -> bool:
    if raw.pixel_offset < 0:
        return False
    frames, samples = max(1, _count(raw, "NumberOfFrames", 1)), max(1, _count(raw, "SamplesPerPixel", 1))
    bits = _count(raw, "BitsAllocated", 16)
    if raw.pixel_offset == 0:
        # Deflated: the length is known only once inflated.
        return frames * rows * columns * samples * bits // 8 <= size * _MOST_INFLATED
    if raw.pixel_length < 0:
        return whole_fragments(file, raw.pixel_offset, size) >= frames
    if raw.pixel_offset + raw.pixel_length > size:
        return False
    pixels = frames * rows * columns * samples
    if value(raw, "PhotometricInterpretation") == "YBR_FULL_422":
        pixels = pixels // 3 * 2
    return raw.pixel_length >= (pixels * bits + 7) // 8


def undeclared_frames(images: pa.Table) -> list[Finding]:
    """A finding for each image whose uncompressed pixels hold whole frames that NumberOfFrames does not count.

    What is declared is loaded; a frame that nothing counts must not be left out without a word.

    Parameters
    ----------
    images : pyarrow.Table
        Rows of the header table that are images.

    Examples
    --------
    >>> facts = {"Rows": 16, "Columns": 16, "SamplesPerPixel": 1, "BitsAllocated": 16, "NumberOfFrames": 1}
    >>> facts |= {"pixel_offset": 900, "pixel_length": 2560, "PhotometricInterpretation": "MONOCHROME2"}
    >>> facts |= {"path": "a.dcm", "SeriesInstanceUID": "1.2", "PatientID": None}
    >>> [finding.message for finding in undeclared_frames(pa.Table.from_pylist([facts]))]
    ['pixels of 5 frames, NumberOfFrames counts 1']
    """

    def number(keyword: str, absent: int) -> Any:
        return pc.fill_null(images[keyword], absent).to_numpy(zero_copy_only=False).astype(np.int64)

    declared = np.maximum(number("NumberOfFrames", 1), 1)
    bits = number("Rows", 0) * number("Columns", 0) * number("SamplesPerPixel", 1) * number("BitsAllocated", 0)
    halved = pc.fill_null(pc.equal(images["PhotometricInterpretation"], "YBR_FULL_422"), False)
    bits = np.where(halved.to_numpy(zero_copy_only=False), bits // 3 * 2, bits)
    size, length = bits // 8, number("pixel_length", 0)
    known = (bits > 0) & (bits % 8 == 0) & (number("pixel_offset", -1) > 0)
    held = np.where(known, length // np.maximum(size, 1), 0)
    # One byte may make the length even (PS3.5 8.1.1).
    more = known & (held > declared) & (length - held * size <= (held * size) % 2)
    findings = []
    for row in np.flatnonzero(more).tolist():
        path, uid, patient = (images[name][row].as_py() or "" for name in ("path", "SeriesInstanceUID", "PatientID"))
        text = f"pixels of {held[row]} frames, NumberOfFrames counts {declared[row]}"
        findings.append(
            Finding(
                "frames-undeclared", text, path=path, series_uid=uid, patient_id=patient,
                count=int(held[row] - declared[row]),
            )
        )  # fmt: skip
    return findings


def plain_images(found: Found, columns: dict[str, pa.Array], sizes: Any) -> Bools:
    """Accepted files that :func:`judge` would call usable images of one native frame, all asked at once.

    Parameters
    ----------
    found : Found
        What the lockstep walk accepted.
    columns : dict of pyarrow.Array
        Typed columns of the accepted files.
    sizes : (n,) array of int
        Bytes of every file of the buffer.

    Returns
    -------
    (m,) array of bool
        By accepted file; what is not plain is to be judged by itself.
    """
    rows = found.rows
    length = found.places.length[:, rows]

    def number(keyword: str, absent: int) -> Any:
        """Values; -1 where there is one that is no number."""
        column = columns[keyword]
        if column.null_count == 0:
            return column.to_numpy()
        return np.where(length[KEPT.column[keyword]] < 0, absent, column.fill_null(-1).to_numpy())

    height, width = number("Rows", -1), number("Columns", -1)
    samples, bits, frames = number("SamplesPerPixel", 1), number("BitsAllocated", 16), number("NumberOfFrames", 1)
    offset, stored = found.pixel_offset[rows], found.pixel_length[rows]
    plain = (height > 0) & (width > 0) & (samples > 0) & (bits > 0) & (frames == 1) & (offset > 0) & (stored >= 0)
    plain &= offset + stored <= np.asarray(sizes)[rows]
    plain &= stored >= (height * width * samples * bits + 7) // 8
    for keyword in _FRAME_SEQUENCES:
        plain &= length[KEPT.column[keyword]] < 0
    for keyword in ("SOPInstanceUID", "SeriesInstanceUID"):
        if columns[keyword].null_count:
            plain &= columns[keyword].is_valid().to_numpy(zero_copy_only=False)
    for keyword, odd in (("ImageType", "MOSAIC"), ("PhotometricInterpretation", "YBR_FULL_422")):
        has = pc.fill_null(pc.match_substring(columns[keyword], odd), False)
        plain &= ~has.to_numpy(zero_copy_only=False)
    return np.asarray(plain, np.bool_)
