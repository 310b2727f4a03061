"""The fast walk over many headers at once.

Gives what ``walk`` gives for each file it accepts. A file with anything out of the ordinary (an unknown VR, a
wanted value in a VR of another kind, tags out of order, a header beyond the bytes at hand, an object that is no
image) is left to ``walk``. Encoding: DICOM PS3.5 chapter 7, PS3.10 chapter 7.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np

from workbench.dicom.headers.elements import UNDEFINED
from workbench.dicom.headers.heads import Heads
from workbench.dicom.headers.places import Places, place_nested, place_private, place_public
from workbench.dicom.headers.steps import FIRST_LONG, Bools, Ints, Steps, Stream, vr_codes
from workbench.dicom.headers.tags import DICOMDIR_CLASS, NOT_IMAGES, PIXEL_DATA, PIXEL_ELEMENTS
from workbench.dicom.headers.walk import DEFLATED_LE, EXPLICIT_BE, IMPLICIT_LE, RawHeader
from workbench.dicom.headers.wanted import KEPT, Wanted

#: Where the elements start: behind the preamble and its mark.
_FIRST_ELEMENT: Final = 132
_DICM: Final = int.from_bytes(b"DICM", "little")
_META_GROUP: Final = 0x0002
_PIXEL_GROUP: Final = PIXEL_DATA >> 16
_MEDIA_CLASS: Final = 0x00020002
_SYNTAX: Final = 0x00020010
_NOT_OURS: Final = frozenset((*NOT_IMAGES, DICOMDIR_CLASS))
_NO_LIMIT: Final = -1
_NOT_READ: Final = -1
#: Values up to so many bytes are compared from file to file even where their lengths differ.
_COMPARED: Final = 128


@dataclass(frozen=True)
class Found:
    """What the walk found in the files it accepts; arrays and lists are by row of the buffer."""

    heads: Heads
    #: Rows of the accepted files, ascending.
    rows: Ints
    #: Where the wanted values are.
    places: Places
    #: Transfer syntax UID.
    syntax: list[str]
    #: Media storage SOP class.
    media_class: list[str]
    #: Byte offset of the pixel data value in the file, -1 where there is none.
    pixel_offset: Ints
    #: Its length in bytes; -1 where encapsulated.
    pixel_length: Ints
    #: Pixels are Float or Double Float Pixel Data.
    pixel_float: Bools
    #: Bytes of the file that are header.
    header_length: Ints
    #: Files whose header seems to go on behind the bytes at hand.
    goes_on: Bools

    def raw(self, index: int, row: int) -> bytes | None:
        """Raw bytes of one value; None where absent."""
        length = self.places.length[index, row]
        if length < 0:
            return None
        if index in self.places.wanted.present:
            return b"\1"
        start = self.places.start[index, row]
        return bytes(self.heads.memory[start : start + length])

    def raws(self, index: int, among: Any = slice(None)) -> list[bytes | None]:
        """Raw bytes of one column in the accepted files, or in those *among* them."""
        memory, rows = self.heads.memory, self.rows[among]
        starts, lengths = self.places.start[index, rows].tolist(), self.places.length[index, rows].tolist()
        return [
            None if length < 0 else bytes(memory[start : start + length])
            for start, length in zip(starts, lengths, strict=True)
        ]

    def header(self, row: int) -> RawHeader:
        """One file's header, as ``walk`` gives it."""
        return RawHeader(
            [self.raw(index, row) for index in range(len(self.places.wanted.tags))],
            self.syntax[row],
            self.media_class[row],
            pixel_offset=int(self.pixel_offset[row]),
            pixel_length=int(self.pixel_length[row]),
            pixel_float=bool(self.pixel_float[row]),
            header_length=int(self.header_length[row]),
        )

    @cached_property
    def changes(self) -> Bools:
        """Columns x accepted files: whether the bytes differ from those of the accepted file before; the first do."""
        n = len(self.rows)
        # Accepted are mostly all files of the buffer: a view is then as good as a copy.
        some: Any = slice(n) if n and self.rows[-1] == n - 1 else self.rows
        start, length = self.places.start[:, some], self.places.length[:, some]
        changes = np.ones(length.shape, np.bool_)
        if n < 2:
            return changes
        np.not_equal(length[:, 1:], length[:, :-1], out=changes[:, 1:])
        longest = length.max(axis=1)
        # Long values that differ in length are rarely worth a comparison: each counts as another.
        even = ~changes[:, 1:].any(axis=1)
        compared = (longest > 0) & ((longest <= _COMPARED) | even)
        changes[(longest > 0) & ~compared] = True
        chosen = np.flatnonzero(compared)
        if not len(chosen):
            return changes
        # Eight bytes at a time; the last word of a value may overlap the one before, or reach behind a short one.
        words = (longest[chosen] + 7) // 8
        column, first = np.repeat(chosen, words), np.cumsum(words) - words
        step = 8 * (np.arange(len(column)) - np.repeat(first, words))[:, None]
        size = length[column]
        offset = np.maximum(np.minimum(step, size - 8), 0)
        numbers = Steps(self.heads.flat, 0).u64[start[column] + offset]
        numbers <<= np.clip(8 - size, 0, 7) * 8
        differ = (numbers[:, 1:] != numbers[:, :-1]) & (size[:, 1:] > 0)
        changes[chosen, 1:] |= np.logical_or.reduceat(differ, first, axis=0)
        return changes

    @cached_property
    def same(self) -> list[bool]:
        """Whether the bytes of a column are the same in all accepted files, or absent from all."""
        changed: Bools = np.asarray(self.changes[:, 1:].any(axis=1))
        return [not value for value in changed.tolist()]


def walk_together(heads: Heads, sizes: Ints, wanted: Wanted = KEPT, *, fewest: int = 1) -> Found:
    """Where the wanted values are in many headers, for the files that are ordinary DICOM images.

    Parameters
    ----------
    heads : Heads
        First bytes of the files.
    sizes : (n,) array of int
        Bytes of each file.
    wanted : Wanted, default the kept columns
        Which tags.
    fewest : int, default 1
        Where fewer files than this are left under way, the walk gives up on them: each step costs the same.

    Returns
    -------
    Found
        ``rows`` names the accepted files; each equals what ``walk`` gives for it.

    Examples
    --------
    >>> from pydicom.data import get_testdata_file
    >>> with open(get_testdata_file("CT_small.dcm"), "rb") as file:
    ...     head = file.read()
    >>> heads = Heads(2, 16384)
    >>> heads.put([head, head])
    >>> found = walk_together(heads, np.array([len(head)] * 2))
    >>> found.rows.tolist(), found.raw(KEPT.column["Modality"], 1)
    ([0, 1], b'CT')
    """
    n = len(sizes)
    steps, sizes = Steps(heads.flat, n, fewest), np.asarray(sizes, np.int64)
    filled = np.maximum(heads.filled[:n], 0)
    first = np.arange(n, dtype=np.int64) * heads.width
    stop, whole = first + filled, filled >= sizes
    rows = np.flatnonzero((filled >= _FIRST_ELEMENT + 8) & (steps.u32[first + 128] == _DICM))
    no_limit = np.full(n, _NO_LIMIT, np.int64)
    meta = steps.elements(
        rows, first[rows] + _FIRST_ELEMENT, stop[rows], no_limit[rows], _is_behind_meta, explicit=True
    )
    syntax = _meta_texts(heads, steps, meta, _SYNTAX, n)
    media_class = _meta_texts(heads, steps, meta, _MEDIA_CLASS, n)
    found = Found(
        heads, rows, Places.empty(wanted, n), syntax, media_class, np.full(n, -1, np.int64), np.zeros(n, np.int64),
        np.zeros(n, np.bool_), sizes.copy(), steps.ran_out,
    )  # fmt: skip
    known = {text: _encoding(text) for text in set(syntax)}
    encoding = np.array([known[text] for text in syntax], np.int8)
    # Single files of undefined lengths among their meta elements are declined.
    encoding[meta.row[meta.length == UNDEFINED]] = _NOT_READ
    accepted = np.zeros(n, np.bool_)
    limit = np.where(whole, stop, no_limit)
    for explicit in (True, False):
        mine = meta.rows[encoding[meta.rows] == explicit]
        pos = meta.end[mine]
        if not explicit:
            # Two capitals where a length must be: explicit VR under an implicit syntax.
            second = steps.u32[pos + 4].astype(np.int64)
            plain = ~(_is_capital(second) & _is_capital(second >> 8))
            mine, pos = mine[plain], pos[plain]
        if len(mine):
            stream = steps.elements(mine, pos, stop[mine], limit[mine], _is_pixels, explicit=explicit)
            accepted[stream.rows] = True
            odd = place_public(found.places, stream, stop, explicit)
            odd |= place_private(found.places, heads.flat, stream, stop, explicit)
            odd |= place_nested(steps, found.places, stream, stop, explicit)
            odd |= _place_pixels(found, steps, stream, stop, explicit)
            accepted &= ~odd
    accepted[_not_images(found, steps, np.flatnonzero(accepted))] = False

    return Found(
        heads, np.flatnonzero(accepted), found.places, syntax, media_class, found.pixel_offset, found.pixel_length,
        found.pixel_float, found.header_length, steps.ran_out & ~whole & ~accepted,
    )  # fmt: skip


def _encoding(syntax: str) -> int:
    """1 for explicit VR, 0 for implicit, or what this walk does not read."""
    return _NOT_READ if syntax in ("", EXPLICIT_BE, DEFLATED_LE) else int(syntax != IMPLICIT_LE)


def _is_capital(numbers: Ints) -> Any:
    low = numbers & 0xFF
    return (low >= ord("A")) & (low <= ord("Z"))


def _is_behind_meta(word: Ints) -> Any:
    return word & 0xFFFF != _META_GROUP


def _is_pixels(word: Ints) -> Any:
    group = word & 0xFFFF == _PIXEL_GROUP
    if not np.count_nonzero(group):
        return group
    return np.isin((word & 0xFFFF) << 16 | word >> 16 & 0xFFFF, PIXEL_ELEMENTS)


def _meta_texts(heads: Heads, steps: Steps, meta: Stream, tag: int, n: int) -> list[str]:
    """One UID of the file meta group, by row; empty where it is absent."""
    mine = meta.only(meta.tag == tag)
    texts = [raw.rstrip(b"\0 ").decode("ascii", "replace") for raw in _each(heads, steps, mine.data, mine.length)]
    if len(mine.row) == n and len(texts) == 1:
        return texts * n
    found = [""] * n
    for position, row in enumerate(mine.row.tolist()):
        found[row] = texts[position if len(texts) > 1 else 0]
    return found


def _each(heads: Heads, steps: Steps, start: Ints, length: Ints) -> list[bytes]:
    """Values one by one; a single one where all are the same."""
    if not len(start):
        return []
    size, memory = int(length[0]), heads.memory
    if (length == size).all() and all((numbers == numbers[0]).all() for numbers in words_of(steps, start, size)):
        return [bytes(memory[start[0] : start[0] + size])]
    return [bytes(memory[at : at + size]) for at, size in zip(start.tolist(), length.tolist(), strict=True)]


def words_of(steps: Steps, start: Ints, size: int) -> list[Ints]:
    """Values of *size* bytes as numbers, eight bytes each, for comparison."""
    if size < 8:
        return [steps.u64[start] << 8 * (8 - size)] if size else []
    return [steps.u64[start + min(at, size - 8)] for at in range(0, size, 8)]


def _place_pixels(found: Found, steps: Steps, stream: Stream, stop: Ints, explicit: bool) -> Bools:
    """Take where the pixels are; rows to be left to the walk of single files."""
    odd = np.zeros(len(stop), np.bool_)
    rows = stream.rows
    ends = stream.end[rows]
    # A row that ended without pixels ended with its file.
    rows, ends = rows[ends + 8 <= stop[rows]], ends[ends + 8 <= stop[rows]]
    word = steps.u64[ends]
    data, length = ends + 8, word >> 32 & 0xFFFFFFFF
    if explicit:
        vr = vr_codes(word)
        is_long = vr >= FIRST_LONG
        length = np.where(is_long, steps.u32[data], word >> 48 & 0xFFFF)
        data = data + 4 * is_long
        odd[rows[(vr == 0) | (data > stop[rows])]] = True
    offset = data - rows * found.heads.width
    found.pixel_offset[rows] = found.header_length[rows] = offset
    found.pixel_length[rows] = np.where(length == UNDEFINED, -1, length)
    found.pixel_float[rows] = word >> 16 & 0xFFFF != PIXEL_DATA & 0xFFFF
    return odd


def _not_images(found: Found, steps: Steps, rows: Ints) -> Any:
    """Accepted rows that are no images after all: their walk ends earlier, or they are catalogues of a disc."""
    column = found.places.wanted.sop_class
    length = found.places.length[column, rows]
    others = [row for row in rows.tolist() if found.media_class[row] in _NOT_OURS]
    has = rows[length >= 0]
    raws = _each(found.heads, steps, found.places.start[column, has], found.places.length[column, has])
    odd = [raw.strip(b"\0 ").decode("ascii", "replace") in _NOT_OURS for raw in raws]
    if len(odd) == 1:
        return np.concatenate([has if odd[0] else has[:0], np.array(others, np.int64)])
    return np.concatenate([has[np.array(odd, np.bool_)], np.array(others, np.int64)])
