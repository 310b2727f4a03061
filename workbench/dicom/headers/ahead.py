"""Several elements of many files at a time: what one file holds next is looked for in all the others.

The files of a series hold the same elements, most of them of the same length. So one file is walked some elements
ahead, and where the others have the same tags, VRs and lengths at the same distances, they are as far ahead with one
comparison. Nothing is believed unseen: what differs is left to the step that goes element by element.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from struct import Struct
from typing import Any, Final

import numpy as np

from workbench.dicom.headers.elements import LONG_VRS, SHORT_VRS, UNDEFINED

Ints = np.ndarray[Any, np.dtype[np.int64]]
Bools = np.ndarray[Any, np.dtype[np.bool_]]

#: Group and element of the marks, as a little-endian file holds them.
ITEM: Final = 0xE000FFFE
ITEM_END: Final = 0xE00DFFFE
SEQUENCE_END: Final = 0xE0DDFFFE
MARKS_GROUP: Final = 0xFFFE
#: Half of it is the depth of sequences, which ``nested.skip_sequence`` refuses beyond 32.
DEEPEST: Final = 60

#: Two bytes as a number of the VRs with a short and with a long length.
_SHORT: Final = frozenset(int.from_bytes(vr, "little") for vr in SHORT_VRS)
_LONG: Final = frozenset(int.from_bytes(vr, "little") for vr in LONG_VRS)
_UN: Final = int.from_bytes(b"UN", "little")
_EIGHT: Final = Struct("<q").unpack_from
_FOUR: Final = Struct("<I").unpack_from
#: Bits of eight bytes that are no length: tag and VR, a tag alone, or all of them.
_TAG_AND_VR: Final = (1 << 48) - 1
_TAG: Final = (1 << 32) - 1
_ALL: Final = -1


@dataclass(frozen=True, slots=True)
class Layout:
    """The next elements of one file, by their distances from where it is."""

    #: First eight bytes of each element.
    words: Ints
    #: Where its value starts.
    data: Ints
    #: Its length, or the undefined one.
    lengths: Ints
    #: How far it is behind none, one, two ... of them.
    distances: Ints
    #: Eight bytes each that another file must have in common: where they are,
    places: Ints
    #: what they are,
    marks: Ints
    #: which bits of them are no length,
    structure: Ints
    #: and to which element they belong; one more at the end.
    owners: Ints

    def followed(self, u64: Ints, pos: Ints, last: Ints) -> tuple[int | Ints, Ints | None]:
        """How many of the elements each of the files at *pos* has as well, up to where all stop to agree on lengths.

        Parameters
        ----------
        u64 : array of int
            Eight bytes from anywhere in the buffer, as a number.
        pos, last : (n,) array of int
            Where each file is, and the last place at which an element of it may start.

        Returns
        -------
        int or (n,) array of int
            One number where it is that of all.
        (n,) array of int or None
            First eight bytes of the element behind those, where all have it and its lengths alone differ.
        """
        at = self.places[:, None] + pos
        room = last - pos
        beyond = self.places[:, None] > room if room.min() < self.places[-1] else None
        if beyond is not None:
            np.minimum(at, len(u64) - 1, out=at)
        found = u64[at]
        odd = found != self.marks[:, None]
        if beyond is not None:
            odd |= beyond
        some = odd.any(axis=1)
        first = int(some.argmax())
        if not some[first]:
            return len(self.words), None
        # Files whose values are of other lengths are in step again behind them; of another build they are not.
        own = int(self.owners[first])
        other_build = (found[first] ^ self.marks[first]) & self.structure[first]
        if not np.count_nonzero(other_build) and (beyond is None or not np.count_nonzero(beyond[first])):
            return own, found[first] if first == 0 or self.owners[first - 1] != own else None
        column = np.where(odd.any(axis=0), odd.argmax(axis=0), len(self.places))
        taken = self.owners[column]
        rows = np.flatnonzero(column < len(self.places))
        column = column[rows]
        mere_length = (found[column, rows] ^ self.marks[column]) & self.structure[column] == 0
        if beyond is not None:
            mere_length &= ~beyond[column, rows]
        if np.count_nonzero(mere_length):
            np.minimum(taken, taken[rows[mere_length]].min(), out=taken)
        return taken, None


def layout_at(memory: Any, start: int, last: int, count: int, *, explicit: bool) -> Layout | None:
    """The next *count* elements of the file that is at *start*; fewer where one is odd, None where the first is.

    Parameters
    ----------
    memory : buffer
        The bytes.
    start, last : int
        Where the first element starts, and where the last may.
    count : int
        How many.
    explicit : bool
        Explicit VR.
    """
    words: list[int] = []
    data: list[int] = []
    lengths: list[int] = []
    distances = [0]
    checks: list[tuple[int, int, int, int]] = []
    at = start
    while len(words) < count and at <= last:
        word, value, length, own = _element(memory, at, explicit)
        if value < 0:
            break
        end = value + length
        if length == UNDEFINED:
            inner = _sequence(memory, value, last, explicit) if own != _UN else None
            if inner is None:
                break
            end, more = inner
        mine = len(words)
        checks.append((at - start, word, _TAG_AND_VR if explicit else _TAG, mine))
        if explicit and value - at == 12:
            checks[-1] = (at - start, word, _ALL, mine)
            checks.append((at + 4 - start, _EIGHT(memory, at + 4)[0], _TAG, mine))
        if length == UNDEFINED:
            checks += [(place - start, mark, bits, mine) for place, mark, bits in more]
        words.append(word)
        data.append(value - start)
        lengths.append(length)
        distances.append(end - start)
        at = end
    if not words:
        return None
    places, marks, structure, owners = zip(*checks, strict=True)
    return Layout(
        _ints(words), _ints(data), _ints(lengths), _ints(distances), _ints(places), _ints(marks), _ints(structure),
        _ints((*owners, len(words))),
    )  # fmt: skip


def _ints(values: Sequence[int]) -> Ints:
    return np.array(values, np.int64)


def _element(memory: Any, at: int, explicit: bool) -> tuple[int, int, int, int]:
    """First eight bytes of an element, where its value starts (-1: odd), its length, and the two bytes of its VR."""
    word = _EIGHT(memory, at)[0]
    if not explicit:
        return word, -1 if word & 0xFFFF == MARKS_GROUP else at + 8, word >> 32 & 0xFFFFFFFF, 0
    vr = word >> 32 & 0xFFFF
    if vr in _SHORT:
        return word, at + 8, word >> 48 & 0xFFFF, vr
    return word, at + 12 if vr in _LONG else -1, _FOUR(memory, at + 8)[0], vr


def _sequence(memory: Any, at: int, last: int, explicit: bool) -> tuple[int, list[tuple[int, int, int]]] | None:
    """Where a sequence of undefined length ends, and the bytes that make it end there; None where it is odd."""
    checks: list[tuple[int, int, int]] = []
    # Odd: items are expected; even: elements of an item of undefined length.
    depth = 1
    while at <= last and depth <= DEEPEST:
        word = _EIGHT(memory, at)[0]
        mark = word & 0xFFFFFFFF
        if mark == (SEQUENCE_END if depth & 1 else ITEM_END):
            checks.append((at, word, _TAG))
            at, depth = at + 8, depth - 1
            if not depth:
                return at, checks
            continue
        if depth & 1:
            if mark != ITEM:
                return None
            value, length, vr = at + 8, word >> 32 & 0xFFFFFFFF, 0
            checks.append((at, word, _TAG))
        else:
            _, value, length, vr = _element(memory, at, explicit)
            if value < 0 or (vr == _UN and length == UNDEFINED):
                return None
            checks.append((at, word, _TAG_AND_VR if explicit else _TAG))
            if value - at == 12:
                checks[-1] = (at, word, _ALL)
                checks.append((at + 4, _EIGHT(memory, at + 4)[0], _TAG))
        if length == UNDEFINED:
            at, depth = value, depth + 1
        else:
            at = value + length
    return None
