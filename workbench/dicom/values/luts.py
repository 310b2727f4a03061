"""Modality look-up tables, read from the files that have one (PS3.3 C.11.1)."""

from __future__ import annotations

import os
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from workbench.dicom.headers.walk import DEFLATED_LE
from workbench.dicom.values.scaling import Lut
from workbench.dicom.values.stated import values


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
    names = ("ModalityLUTSequence", "path", "PixelRepresentation", "TransferSyntaxUID")
    luts: list[Lut | None] = []
    types = set()
    unread = 0
    for present, name, sign, syntax in zip(*(values(part, column) for column in names), strict=True):
        if not present:
            luts.append(None)
            continue
        if (name, sign) not in known:
            # A deflated file would have to be inflated whole.
            path = os.path.join(os.fspath(root), *name.split("/"))
            known[name, sign] = None if syntax == DEFLATED_LE else _read(path, signed=sign == 1)
        found = known[name, sign]
        if found is None:
            unread += 1
            luts.append(None)
            continue
        lut, kind = found
        luts.append(shared.setdefault((lut.first, lut.table.tobytes()), lut))
        types.add(kind)
    return ModalityLuts(tuple(luts), frozenset(types), unread)


def _read(path: str, *, signed: bool) -> tuple[Lut, str] | None:
    """Table and type of a file's first Modality LUT; None where it cannot be read or contradicts itself."""
    import pydicom

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            wanted = ["ModalityLUTSequence", "PixelRepresentation"]
            dataset = pydicom.dcmread(path, stop_before_pixels=True, force=True, specific_tags=wanted)
            item = dataset.ModalityLUTSequence[0]
            descriptor = [int(value) & 0xFFFF for value in item.LUTDescriptor]
            words = _words(item.LUTData, big_endian=dataset.original_encoding[1] is False)
            kind = str(item.get("ModalityLUTType") or "").strip().upper()
        except Exception:
            # Whatever is wrong with the file, its table is not known; the caller says so by a finding.
            return None
    entries = table_entries(words, descriptor)
    if entries is None:
        return None
    first = descriptor[1] - 0x10000 if signed and descriptor[1] >= 0x8000 else descriptor[1]
    return Lut(first, entries.astype(np.float32)), kind


def _words(data: Any, *, big_endian: bool) -> bytes:
    """LUT Data as bytes of little-endian 16-bit words, however its VR made it arrive."""
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
