"""Colour palettes, read from the files that have one (PS3.3 C.7.6.3.1.5, C.7.6.3.1.6; segmented: C.7.9.2)."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from workbench.dicom.values.file_elements import file_elements
from workbench.dicom.values.luts import little_endian_words
from workbench.dicom.values.scaling import Lut
from workbench.dicom.values.stated import distinct, values

#: uint8 or uint16.
Entries = NDArray[np.unsignedinteger[Any]]

#: PhotometricInterpretation of pictures whose numbers are entries of a palette.
PALETTE_COLOR: Final = "PALETTE COLOR"
_CHANNELS: Final = ("Red", "Green", "Blue")
_WANTED: Final = (
    "PixelRepresentation",
    *(f"{name}PaletteColorLookupTableDescriptor" for name in _CHANNELS),
    *(f"{name}PaletteColorLookupTableData" for name in _CHANNELS),
    *(f"Segmented{name}PaletteColorLookupTableData" for name in _CHANNELS),
)
#: Palettes kept, so that opening after scanning does not read them again; the largest takes 400 kB.
_KEPT: Final = 64


@dataclass(frozen=True, eq=False)
class Palettes:
    """The palettes of a part's rows."""

    #: Table (entries, 3) of each row, uint8 or uint16; empty where *reason* says why there is none.
    luts: tuple[Lut, ...]
    #: Why the pictures cannot be coloured; empty where they can.
    reason: str = ""
    #: Rows that this holds for.
    unusable: int = 0


def has_palette(part: pa.Table) -> bool:
    """Whether the numbers of *part* are entries of a palette.

    A palette beside grey values, the supplemental one of MONOCHROME2, is for display and is none of these.

    Examples
    --------
    >>> has_palette(pa.table({"PhotometricInterpretation": ["PALETTE COLOR"]}))
    True
    """
    return PALETTE_COLOR in distinct(part, "PhotometricInterpretation")


def palettes(part: pa.Table, root: str | os.PathLike[str]) -> Palettes:
    """Palettes of the rows of *part*, (entries, 3) red, green, blue; each file is read once, equal ones are one object.

    Parameters
    ----------
    part : pyarrow.Table
        Header rows with ``path``, ``size`` and ``identity``.
    root : path
        Folder that the paths are relative to.
    """
    shared: dict[tuple[int, bytes], Lut] = {}
    known: dict[str, Lut | None] = {}
    luts: list[Lut] = []
    unusable = 0
    for name, size, identity in zip(*(values(part, column) for column in ("path", "size", "identity")), strict=True):
        if name not in known:
            found = _read(os.path.join(os.fspath(root), *name.split("/")), size, identity)
            known[name] = None if found is None else shared.setdefault((found.first, found.table.tobytes()), found)
        lut = known[name]
        if lut is None:
            unusable += 1
        else:
            luts.append(lut)
    if unusable:
        return Palettes((), f"{unusable} of {part.num_rows} images", unusable)
    if len({lut.table.dtype for lut in luts}) > 1:
        return Palettes((), "entries of 8 bits in some images and of 16 in others", part.num_rows)
    return Palettes(tuple(luts))


@lru_cache(_KEPT)
def _read(path: str, size: int, identity: int) -> Lut | None:
    """Palette of a file of that size and identity; None where there is none, or it contradicts itself."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return _palette(file_elements(path, _WANTED))
        except Exception:
            # Whatever is wrong with the file, its palette is not known; the caller says so by a finding.
            return None


def _palette(dataset: Any) -> Lut | None:
    big_endian = dataset.original_encoding[1] is False
    firsts: set[int] = set()
    columns = []
    for name in _CHANNELS:
        descriptor = [int(value) & 0xFFFF for value in dataset[f"{name}PaletteColorLookupTableDescriptor"].value]
        n, firsts = descriptor[0] or 1 << 16, firsts | {descriptor[1]}
        plain = dataset.get(f"{name}PaletteColorLookupTableData")
        segmented = plain is None
        data = dataset[f"Segmented{name}PaletteColorLookupTableData"].value if segmented else plain
        words = little_endian_words(data, big_endian=big_endian)
        column = segmented_entries(words, n, descriptor[2]) if segmented else plain_entries(words, n, descriptor[2])
        if column is None:
            return None
        columns.append(column)
    if len(firsts) != 1 or len({len(column) for column in columns}) != 1:
        return None
    table = np.stack(columns, axis=1)
    first = firsts.pop()
    signed = dataset.get("PixelRepresentation") == 1
    return Lut(first - 0x10000 if signed and first >= 0x8000 else first, table)


def plain_entries(words: bytes, n: int, bits: int) -> Entries | None:
    """Entries of one colour of a palette, (n,); None where the data do not have the length they declare.

    Parameters
    ----------
    words : bytes
        Palette Color Lookup Table Data, little-endian words.
    n : int
        Number of entries.
    bits : int
        Bits of an entry as declared, 8 or 16. The length tells what is true: entries of 8 bits may stand in a word
        each.

    Examples
    --------
    >>> plain_entries(bytes([1, 2, 3, 0]), 3, 8).tolist(), plain_entries(bytes([1, 0, 2, 0, 0, 3]), 3, 16).tolist()
    ([1, 2, 3], [1, 2, 768])
    """
    if bits not in (8, 16):
        return None
    # Of one entry, two bytes are a word, or a byte and its padding.
    if len(words) == 2 * n and (n > 1 or bits == 16):
        wide = np.frombuffer(words, "<u2").astype(np.uint16)
        return wide.astype(np.uint8) if bits == 8 and wide.max() < 256 else wide
    if len(words) == n + n % 2:
        return np.frombuffer(words[:n], np.uint8)
    return None


def segmented_entries(words: bytes, n: int, bits: int) -> Entries | None:
    """Entries of one colour of a segmented palette, (n,); None where the segments do not make them.

    Parameters
    ----------
    words : bytes
        Segmented Palette Color Lookup Table Data, little-endian words.
    n : int
        Number of entries.
    bits : int
        Bits of an entry, and of everything in the segments: 8 or 16.

    Notes
    -----
    Segments begin with what they are and how long: 0, so many values; 1, so many values in even steps from the last
    to the one given; 2, a copy of so many segments from a place in bytes (PS3.3 C.7.9.2).

    Examples
    --------
    >>> segmented_entries(bytes([0, 1, 10, 1, 4, 50]), 5, 8).tolist()
    [10, 20, 30, 40, 50]
    """
    if bits not in (8, 16):
        return None
    made: list[int] = []
    # No entry takes more than a copying segment, six bytes.
    data = np.frombuffer(words[: 8 * n + 8], np.uint8 if bits == 8 else "<u2").tolist()
    at = 0
    while len(made) < n:
        if at + 2 > len(data):
            return None
        if data[at] != 2:
            at = _segment(data, at, made, n)
        else:
            # The place is four bytes, or two words, the lowest first.
            parts = data[at + 2 : at + 2 + 32 // bits]
            copied = sum(part << bits * i for i, part in enumerate(parts)) // (bits // 8)
            for _ in range(data[at + 1]):
                copied = _segment(data, copied, made, n) if copied >= 0 else -1
            at = -1 if copied < 0 or not made or not data[at + 1] else at + 2 + 32 // bits
        if at < 0:
            return None
    entries: Entries = np.array(made, np.uint8 if bits == 8 else np.uint16)
    return entries


def _segment(data: Sequence[int], at: int, made: list[int], n: int) -> int:
    """Append the values of the discrete or linear segment at *at*, and tell where the next is; -1 where it is none."""
    kind, length = (*data[at : at + 2], -1, -1)[:2]
    if kind not in (0, 1) or length < 1 or len(made) + length > n:
        return -1
    stop = at + 2 + (length if kind == 0 else 1)
    if stop > len(data) or (kind == 1 and not made):
        return -1
    if kind == 0:
        made.extend(data[at + 2 : stop])
    else:
        last, to = made[-1], data[at + 2]
        made.extend(int(value) for value in np.rint(np.linspace(last + (to - last) / length, to, length)))
    return stop
