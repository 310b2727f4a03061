"""Items of a sequence and where in each of them the wanted elements lie: walked once for all items laid out alike.

Functional groups of a multi-frame object are written by one program, frame after frame: most items have the same
elements with the same lengths. Where every tag, VR, length and mark of an item equals, byte for byte and at the same
place, those of one that was walked, walking it would find the same. Encoding: DICOM PS3.5 chapter 7.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, Union

import numpy as np

from workbench.dicom.headers.elements import (
    ITEM,
    ITEM_END,
    SEQUENCE_END,
    UNDEFINED,
    Declined,
    key,
    read_explicit,
    short,
    u32,
)
from workbench.dicom.headers.nested import MAX_DEPTH

#: Wanted elements of an item, as a file writes their tags: a number of ours, or what is wanted of a sequence's first
#: item.
Wanted = dict[bytes, Union[int, "Wanted"]]

#: Elements that are walked one by one in a header; more are declined. They take about a second.
MOST_STEPS: Final = 400_000
#: Items compared at once.
_TOGETHER: Final = 2048
#: Items alike, one behind the other, from which on they are compared together.
_FEW: Final = 3
#: Layouts remembered for items that begin alike, and altogether.
_REMEMBERED: Final = 4
_MOST_REMEMBERED: Final = 1024
_CHARACTER_SET: Final = key(0x00080005)
_NOTHING: Final[Wanted] = {}


@dataclass(frozen=True, slots=True, eq=False)
class Layout:
    """One item, walked."""

    #: Its bytes, its own tag and end mark included.
    size: int
    #: Where tags, VRs, lengths and marks stand, from its start, and what they are.
    marks: tuple[tuple[int, bytes], ...]
    #: Wanted number -> start and end of the element, from the item's start.
    found: dict[int, tuple[int, int]]

    def fits(self, data: bytes, pos: int) -> bool:
        """Whether the item at *pos* is laid out like this one."""
        return all(data.startswith(mark, pos + at) for at, mark in self.marks)


@dataclass(frozen=True, slots=True)
class Run:
    """Items laid out alike, one behind the other."""

    layout: Layout
    #: Where the first of them starts.
    start: int
    #: How many there are.
    count: int


class Items:
    """The items of a sequence.

    Parameters
    ----------
    data : bytes
        A header from its first byte.
    wanted : dict
        Elements to find in each item.
    explicit : bool
        Explicit VR.
    whole : bool
        The header ends within *data*.
    """

    def __init__(self, data: bytes, wanted: Wanted, *, explicit: bool, whole: bool) -> None:
        self.data: Final = data
        self.wanted: Final = wanted
        self.explicit: Final = explicit
        self.whole: Final = whole
        self._flat: Final = np.frombuffer(data, np.uint8)
        self._steps = 0
        self._marks: list[list[int]] = []
        self._found: dict[int, tuple[int, int]] = {}

    def runs(self, pos: int, length: int) -> tuple[list[Run], int]:
        """Runs of the items of the sequence whose value starts at *pos*, and the position behind it.

        Raises
        ------
        Declined
            Not encoded as the standard says, a wanted element is there twice or has text in a character set of its own,
            or there is too much to walk.
        NeedMore, EOFError
            It goes on beyond the bytes at hand.
        """
        data = self.data
        limit = len(data) if length == UNDEFINED else pos + length
        if limit > len(data):
            raise short(self.whole)
        found: list[Run] = []
        known: dict[bytes, list[Layout]] = {}
        n_known = 0
        while length == UNDEFINED or pos < limit:
            if pos + 8 > limit:
                raise short(self.whole) if length == UNDEFINED else Declined("sequence without room for an item")
            head = data[pos : pos + 8]
            if length == UNDEFINED and head[:4] == SEQUENCE_END:
                return found, pos + 8
            layouts = known.get(head, [])
            layout = next((one for one in layouts if one.fits(data, pos)), None)
            if layout is None:
                layout = self._walked(pos, limit)
                if n_known < _MOST_REMEMBERED:
                    known[head] = [layout, *layouts[: _REMEMBERED - 1]]
                    n_known += 1
            if pos + layout.size > limit:
                raise Declined("item longer than its sequence")
            count = self._alike(layout, pos, limit)
            found.append(Run(layout, pos, count))
            pos += count * layout.size
        return found, pos

    def _alike(self, layout: Layout, pos: int, limit: int) -> int:
        """How many items from *pos* on, of which the first is laid out so, are laid out so."""
        size, count = layout.size, 1
        most = (limit - pos) // size
        while count < most:
            if count < _FEW:
                if not layout.fits(self.data, pos + count * size):
                    return count
                count += 1
                continue
            together = min(_TOGETHER, most - count)
            where = np.concatenate([np.arange(at, at + len(mark)) for at, mark in layout.marks])
            expected = np.frombuffer(b"".join(mark for _, mark in layout.marks), np.uint8)
            start = pos + count * size
            items = self._flat[start : start + together * size].reshape(together, size)
            alike = (items[:, where] == expected).all(axis=1)
            if not alike.all():
                return count + int(alike.argmin())
            count += together
        return count

    def _walked(self, pos: int, limit: int) -> Layout:
        self._marks, self._found = [], {}
        end = self._item(pos, limit, self.wanted, self.explicit, 0)
        marks = tuple((start - pos, self.data[start:stop]) for start, stop in self._marks)
        found = {number: (start - pos, stop - pos) for number, (start, stop) in self._found.items()}
        return Layout(end - pos, marks, found)

    def _mark(self, start: int, stop: int) -> None:
        marks = self._marks
        if marks and marks[-1][1] == start:
            marks[-1][1] = stop
        else:
            marks.append([start, stop])

    def _item(self, pos: int, limit: int, wanted: Wanted, explicit: bool, depth: int) -> int:
        """Walk the item at *pos* and give the position behind it."""
        data = self.data
        length = u32(data, pos + 4)[0]
        if data[pos : pos + 4] != ITEM:
            raise Declined("no item where one must be")
        self._mark(pos, pos + 8)
        pos += 8
        endless = length == UNDEFINED
        stop = limit if endless else pos + length
        if stop > limit:
            raise Declined("item longer than its sequence") if self.whole else short(False)
        seen: set[bytes] = set()
        while endless or pos < stop:
            if pos + 8 > stop:
                raise short(self.whole) if endless else Declined("element longer than its item")
            element = data[pos : pos + 4]
            if endless and element == ITEM_END:
                self._mark(pos, pos + 8)
                return pos + 8
            if element in seen or element == _CHARACTER_SET or element[:2] == b"\xfe\xff":
                raise Declined("an element twice, a character set of its own, or a mark where an element must be")
            part = wanted.get(element)
            if part is not None:
                seen.add(element)
            pos = self._element(pos, stop, part, explicit, depth)
        return pos

    def _element(self, pos: int, stop: int, part: int | Wanted | None, explicit: bool, depth: int) -> int:
        self._steps += 1
        if self._steps > MOST_STEPS:
            raise Declined("too much to walk")
        data, start = self.data, pos
        if explicit:
            vr, length, value = read_explicit(data, pos, self.whole)
        else:
            vr, length, value = b"", u32(data, pos + 4)[0], pos + 8
        self._mark(pos, value)
        if isinstance(part, dict) and vr not in (b"", b"SQ"):
            raise Declined(f"{vr!r} where a sequence is expected")
        if length != UNDEFINED and value + length > stop:
            raise Declined("element longer than its item")
        if length == UNDEFINED:
            if vr not in (b"", b"SQ", b"UN") or (vr == b"UN" and part is not None):
                raise Declined("undefined length where a value must be")
            # A UN of undefined length is encoded as implicit VR (PS3.5 6.2.2).
            inner = part if isinstance(part, dict) else _NOTHING
            pos = self._sequence(value, stop, inner, explicit and vr != b"UN", depth + 1, endless=True)
        elif isinstance(part, dict):
            pos = self._sequence(value, value + length, part, explicit, depth + 1, endless=False)
        else:
            pos = value + length
        if isinstance(part, int):
            self._found[part] = (start, pos)
        return pos

    def _sequence(self, pos: int, limit: int, wanted: Wanted, explicit: bool, depth: int, *, endless: bool) -> int:
        """Walk a sequence within an item: what is wanted of its first item, and to where it goes."""
        if depth > MAX_DEPTH:
            raise Declined("sequences nested too deeply")
        data = self.data
        while endless or pos < limit:
            if pos + 8 > limit:
                raise short(self.whole) if endless else Declined("sequence without room for an item")
            if endless and data[pos : pos + 4] == SEQUENCE_END:
                self._mark(pos, pos + 8)
                return pos + 8
            pos = self._item(pos, limit, wanted, explicit, depth)
            wanted = _NOTHING
        return pos


def values_of(data: bytes, runs: list[Run], number: int) -> Iterator[bytes | None]:
    """A wanted element of each item, as the file holds it; None where an item has none."""
    for run in runs:
        where = run.layout.found.get(number)
        if where is None:
            yield from (None for _ in range(run.count))
            continue
        size, first, last = run.layout.size, run.start + where[0], run.start + where[1]
        for step in range(0, run.count * size, size):
            yield data[first + step : last + step]


def present(runs: list[Run]) -> Any:
    """Numbers of the wanted elements that some item has."""
    return {number for layout in {id(run.layout): run.layout for run in runs}.values() for number in layout.found}
