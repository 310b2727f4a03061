"""Modality look-up tables, read from the files that have one (PS3.3 C.11.1)."""

from __future__ import annotations

import os
import warnings
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from workbench.dicom.headers.deflated import header_source
from workbench.dicom.values.file_elements import file_elements
from workbench.dicom.values.scaling import Lut
from workbench.dicom.values.stated import floats, values

#: Functional groups, and items of loose attributes within them, where a Modality LUT may stand.
_GROUPS: Final = ("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence")
_HOLDERS: Final = (
    "PixelValueTransformationSequence", "UnassignedPerFrameConvertedAttributesSequence",
    "UnassignedSharedConvertedAttributesSequence",
)  # fmt: skip
#: The most of a header that is searched for a Modality LUT in its groups.
_SEARCHED: Final = 64 << 20
#: Headers with a Modality LUT in their groups are read up to this size: each group becomes an object of some kilobytes.
_MOST_READ: Final = 8 << 20
#: Group and element of ModalityLUTSequence, little and big endian.
_TAG: Final = (b"\x28\x00\x00\x30", b"\x00\x28\x30\x00")


@dataclass(frozen=True, eq=False)
class ModalityLuts:
    """The look-up tables of a part's rows."""

    #: Table of each row; None where the row has none, or where it could not be read.
    luts: tuple[Lut | None, ...]
    #: The different ModalityLUTType texts, upper case.
    types: frozenset[str]
    #: Rows whose table could not be read.
    unread: int


def modality_luts(part: pa.Table, root: str | os.PathLike[str]) -> ModalityLuts:
    """Modality look-up tables of the rows of *part*; each file is opened once, equal tables are one object.

    Parameters
    ----------
    part : pyarrow.Table
        Header rows with ``path`` and ModalityLUTSequence.
    root : path
        Folder that the paths are relative to.
    """
    known: dict[tuple[str, int | None], tuple[Lut, str] | None] = {}
    shared: dict[tuple[int, bytes], Lut] = {}
    names = ("ModalityLUTSequence", "path", "PixelRepresentation")
    luts: list[Lut | None] = []
    types = set()
    unread = 0
    for present, name, sign in zip(*(values(part, column) for column in names), strict=True):
        if not present:
            luts.append(None)
            continue
        if (name, sign) not in known:
            known[name, sign] = _read(os.path.join(os.fspath(root), *name.split("/")), signed=sign == 1)
        found = known[name, sign]
        if found is None:
            unread += 1
            luts.append(None)
            continue
        lut, kind = found
        luts.append(shared.setdefault((lut.first, lut.table.tobytes()), lut))
        types.add(kind)
    return ModalityLuts(tuple(luts), frozenset(types), unread)


def frame_luts(part: pa.Table, root: str | os.PathLike[str]) -> ModalityLuts | None:
    """Modality look-up tables that stand in functional groups, of each row; None where there are none.

    The standard has no place for them there (PS3.3 C.7.6.16.2.9 is slope and intercept), so that only files are asked
    whose groups give a frame no rescale.

    Parameters
    ----------
    part : pyarrow.Table
        Header rows, one per frame, with ``path`` and ``frame``.
    root : path
        Folder that the paths are relative to.
    """
    if not any(part.schema.get_field_index(name) >= 0 for name in _GROUPS):
        return None
    grouped = np.array([any(row) for row in zip(*(values(part, name) for name in _GROUPS), strict=True)], bool)
    asked = grouped & np.isnan(floats(part, "RescaleSlope"))
    if not asked.any():
        return None
    luts: list[Lut | None] = []
    types = set()
    unread = 0
    known: dict[str, list[tuple[Lut, str] | bool]] = {}
    shared: dict[tuple[int, bytes], Lut] = {}
    names = ("path", "pixel_offset", "frame", "PixelRepresentation")
    columns = [values(part, column) for column in names]
    for wanted, name, offset, frame, sign in zip(asked.tolist(), *columns, strict=True):
        if wanted and name not in known:
            path = os.path.join(os.fspath(root), *name.split("/"))
            known[name] = _in_groups(path, min(offset or _SEARCHED, _SEARCHED), signed=sign == 1)
        found = known.get(name, []) if wanted else []
        # One entry holds for all frames; a frame beyond the entries has none.
        one = found[0] if len(found) == 1 else found[frame or 0] if (frame or 0) < len(found) else False
        if isinstance(one, bool):
            unread += one
            luts.append(None)
        else:
            luts.append(shared.setdefault((one[0].first, one[0].table.tobytes()), one[0]))
            types.add(one[1])
    return ModalityLuts(tuple(luts), frozenset(types), unread) if unread or any(luts) else None


def _in_groups(path: str, header_bytes: int, *, signed: bool) -> list[tuple[Lut, str] | bool]:
    """Table of all frames, or of each; True where it cannot be read and False where there is none."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with open(path, "rb") as file:
                # Most have none, and a search costs far less than reading the groups.
                head = header_source(file).read(header_bytes)
            if not any(tag in head for tag in _TAG):
                return [False]
            if len(head) > _MOST_READ:
                return [True]
            dataset = file_elements(path, _GROUPS)
            big_endian = dataset.original_encoding[1] is False
            shared, own = (list(dataset.get(name) or ()) for name in _GROUPS)
            common = _of_group(shared[0], signed, big_endian) if shared else False
            frames = [_of_group(item, signed, big_endian) for item in own]
        except Exception:
            # Whatever is wrong with the file, its tables are not known; the caller says so by a finding.
            return [True]
    return [common if frame is False else frame for frame in frames] or [common]


def _of_group(group: Any, signed: bool, big_endian: bool) -> tuple[Lut, str] | bool:
    for keyword in (None, *_HOLDERS):
        items = [group] if keyword is None else group.get(keyword) or []
        if items and items[0].get("ModalityLUTSequence"):
            return _table(items[0].ModalityLUTSequence[0], signed, big_endian) or True
    return False


def _read(path: str, *, signed: bool) -> tuple[Lut, str] | None:
    """Table and type of a file's first Modality LUT; None where it cannot be read or contradicts itself."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            dataset = file_elements(path, ("ModalityLUTSequence", "PixelRepresentation"))
            return _table(dataset.ModalityLUTSequence[0], signed, dataset.original_encoding[1] is False)
        except Exception:
            # Whatever is wrong with the file, its table is not known; the caller says so by a finding.
            return None


def _table(item: Any, signed: bool, big_endian: bool) -> tuple[Lut, str] | None:
    """Table and type of one item; None where its data do not have the length they declare."""
    descriptor = [int(value) & 0xFFFF for value in item.LUTDescriptor]
    entries = table_entries(little_endian_words(item.LUTData, big_endian=big_endian), descriptor)
    if entries is None:
        return None
    first = descriptor[1] - 0x10000 if signed and descriptor[1] >= 0x8000 else descriptor[1]
    kind = str(item.get("ModalityLUTType") or "").strip().upper()
    return Lut(first, entries.astype(np.float32)), kind


def little_endian_words(data: Any, *, big_endian: bool) -> bytes:
    r"""Data of a table as bytes of little-endian 16-bit words, however its VR made it arrive.

    Examples
    --------
    >>> little_endian_words(bytes([1, 2]), big_endian=True), little_endian_words([513], big_endian=False)
    (b'\x02\x01', b'\x01\x02')
    """
    if isinstance(data, (bytes, bytearray)):
        return np.frombuffer(data[: len(data) // 2 * 2], ">u2" if big_endian else "<u2").astype("<u2").tobytes()
    numbers = np.atleast_1d(np.asarray(data, np.int64))
    return (numbers & 0xFFFF).astype("<u2").tobytes()


def table_entries(words: bytes, descriptor: list[int]) -> NDArray[np.uint16] | None:
    """Entries of a look-up table, (entries,); None where the data do not have the length they declare.

    Parameters
    ----------
    words : bytes
        LUT Data, little-endian words.
    descriptor : list of int
        Number of entries (0 stands for 65536), first number mapped, bits of an entry.

    Notes
    -----
    Entries of 8 bits lie two in a word, or, in files of some makers, one in a word each; the length tells
    (PS3.3 C.11.1.1.1).

    Examples
    --------
    >>> table_entries(bytes([10, 20, 30, 0]), [3, 0, 8]).tolist()
    [10, 20, 30]
    >>> table_entries(bytes([10, 0, 20, 0, 30, 0]), [3, 0, 8]).tolist()
    [10, 20, 30]
    """
    if len(descriptor) != 3 or not 1 <= descriptor[2] <= 16:
        return None
    n = descriptor[0] or 1 << 16
    if len(words) == 2 * n:
        return np.frombuffer(words, "<u2")
    if descriptor[2] <= 8 and len(words) == n + n % 2:
        return np.frombuffer(words[:n], np.uint8).astype(np.uint16)
    return None
