"""The engine of the lockstep walk: one step of numpy goes over one element of every file.

Encoding: DICOM PS3.5 chapter 7.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, cast

import numpy as np

from workbench.dicom.headers.ahead import DEEPEST, ITEM, ITEM_END, MARKS_GROUP, SEQUENCE_END, layout_at
from workbench.dicom.headers.elements import LONG_VRS, SHORT_VRS, UNDEFINED

Ints = np.ndarray[Any, np.dtype[np.int64]]
Bools = np.ndarray[Any, np.dtype[np.bool_]]
Octets = np.ndarray[Any, np.dtype[np.uint8]]

#: Codes of the VRs: 0 is unknown, those with a four-byte length come last.
VR_CODE: Final = {vr: code for code, vr in enumerate((*sorted(SHORT_VRS), *sorted(LONG_VRS)), 1)}
FIRST_LONG: Final = len(SHORT_VRS) + 1
_UN: Final = VR_CODE[b"UN"]
#: Two bytes as a number -> code of the VR they spell.
_CODES: Final = np.zeros(65536, np.uint8)
for _vr, _code in VR_CODE.items():
    _CODES[int.from_bytes(_vr, "little")] = _code

_FORTY_EIGHT: Final = np.uint64(48)
_ODD: Final = -1
_GOES_ON: Final = -2
#: Fewest and most elements that one file is walked ahead of the others.
_AHEAD: Final = (8, 64)
#: Elements in the mean from which on looking ahead is faster than going step by step.
_WORTH: Final = 3
#: Most steps between two looks ahead where looking ahead does not help.
_PATIENCE: Final = 16


@dataclass(frozen=True, slots=True)
class Stream:
    """Elements at one level of many files, in the order in which they were met."""

    #: Rows whose walk came to its end, ascending.
    rows: Ints
    #: By row of the buffer: where in the buffer its walk ended.
    end: Ints
    #: Row of each element.
    row: Ints
    #: Group and element.
    tag: Ints
    #: Code of its VR; 0 where implicit.
    vr: Octets
    #: Where its value starts in the buffer.
    data: Ints
    #: Bytes of its value, or the undefined length.
    length: Ints

    def only(self, chosen: Any) -> Stream:
        """Some of the elements."""
        return Stream(
            self.rows, self.end, self.row[chosen], self.tag[chosen], self.vr[chosen], self.data[chosen],
            self.length[chosen],
        )  # fmt: skip


class Steps:
    """Walks over a buffer that holds many files.

    Parameters
    ----------
    flat : array of uint8
        The files, row after row, and a margin of at least sixteen bytes.
    files : int
        Number of rows, less than 65536.
    fewest : int, default 1
        Where fewer rows than this are left under way, they are given up.
    """

    def __init__(self, flat: Octets, files: int, fewest: int = 1) -> None:
        count = len(flat) - 8
        self.files: Final = files
        self.memory: Final = memoryview(cast(Any, flat))
        self.fewest: Final = max(fewest, 1)
        #: Rows whose bytes at hand ended before their walk.
        self.ran_out: Final = np.zeros(files, np.bool_)
        #: Eight bytes from anywhere, as a number.
        self.u64: Final[Ints] = np.ndarray((count,), np.dtype("<i8"), flat, 0, (1,))
        #: Four bytes from anywhere.
        self.u32: Final = np.ndarray((count,), np.dtype("<u4"), flat, 0, (1,))

    def elements(
        self, rows: Ints, pos: Ints, stop: Ints, limit: Ints, is_end: Callable[[Ints], Bools], *, explicit: bool
    ) -> Stream:
        """Elements of the rows, each from its *pos* on.

        Parameters
        ----------
        rows : (m,) array of int
            Rows of the buffer, ascending.
        pos, stop, limit : (m,) array of int
            Where in the buffer each starts, where the bytes at hand end, and where its walk may end (-1: nowhere).
        is_end : callable
            First eight bytes of elements -> which of them end a row's walk; they are not taken.
        explicit : bool
            Explicit VR.

        Returns
        -------
        Stream
            Rows with an unknown VR, elements out of order, or without an end are not among its ``rows``.
        """
        end, pos, order = np.full(self.files, -1, np.int64), pos.copy(), _Order(self.files)
        parts: list[tuple[Ints, Ints, Ints, Ints]] = []
        count_nonzero = np.count_nonzero
        count, wait, patience = _AHEAD[0], 0, 1
        # The last position of an element that may be taken: room for its first eight bytes, and before the limit.
        last = np.where(limit >= 0, np.minimum(stop - 8, limit - 1), stop - 8)
        while len(rows) >= self.fewest:
            out = pos > last
            if count_nonzero(out):
                done = out & (pos == limit)
                end[rows[done]] = pos[done]
                self.ran_out[rows[out & ~done]] = True
                rows, pos, stop, limit, last = _of(~out, rows, pos, stop, limit, last)
                if not len(rows):
                    break
            word = self.u64[pos]
            out = is_end(word)
            if count_nonzero(out):
                end[rows[out]] = pos[out]
                rows, pos, stop, limit, last, word = _of(~out, rows, pos, stop, limit, last, word)
                if not len(rows):
                    break
            if wait:
                wait -= 1
            else:
                taken, gain = self._ahead(rows, pos, last, word, is_end, count, parts, order, explicit=explicit)
                count = min(2 * count, _AHEAD[1]) if taken == count else max(min(count, 2 * taken), _AHEAD[0])
                if gain == taken >= _WORTH:
                    # Nobody was left behind.
                    continue
                patience = 1 if gain >= _WORTH else min(2 * patience, _PATIENCE)
                wait = patience
                if taken:
                    continue
            data = pos + 8
            if explicit:
                code = vr_codes(word)
                length = (word.view(np.uint64) >> _FORTY_EIGHT).view(np.int64)
                is_long = code >= FIRST_LONG
                may_be_undefined = bool(count_nonzero(is_long))
                if may_be_undefined:
                    # Behind the bytes at hand this length is nonsense, but the row then ends here all the same.
                    length = np.where(is_long, self.u32[data], length)
                    data = data + 4 * is_long
                known = code
            else:
                length = word >> 32 & 0xFFFFFFFF
                known, may_be_undefined = word & 0xFFFF != MARKS_GROUP, True
            if count_nonzero(known) < len(rows):
                rows, pos, stop, limit, last = _of(known != 0, rows, pos, stop, limit, last)
                word, data, length = _of(known != 0, word, data, length)
            parts.append((rows, word, data, length))
            order.one(rows, _tags(word))
            pos = data + length
            if may_be_undefined and count_nonzero(undefined := length == UNDEFINED):
                pos[undefined] = self.behind(data[undefined], word[undefined], stop[undefined], explicit=explicit)
                self.ran_out[rows[pos == _GOES_ON]] = True
                rows, pos, stop, limit, last = _of(pos >= 0, rows, pos, stop, limit, last)
        end[order.wrong] = -1
        return _stream(parts, end, explicit)

    def _ahead(
        self, rows: Ints, pos: Ints, last: Ints, word: Ints, is_end: Callable[[Ints], Bools], count: int,
        parts: list[tuple[Ints, Ints, Ints, Ints]], order: _Order, *, explicit: bool,
    ) -> tuple[int, float]:  # fmt: skip
        """Take up to *count* elements of the rows that go on like the first one, and move *pos* on.

        Gives how many elements of the first row were taken, and of all rows in the mean.
        """
        layout = layout_at(self.memory, int(pos[0]), int(last[0]), count, explicit=explicit)
        if layout is None:
            return 0, 0.0
        alike: Any = (word ^ word[0]) & layout.structure[0] == 0
        alike = slice(None) if np.count_nonzero(alike) == len(rows) else np.flatnonzero(alike)
        here, mine = pos[alike], rows[alike]
        taken, differing = layout.followed(self.u64, here, last[alike])
        ends = is_end(layout.words)
        if np.count_nonzero(ends):
            end = int(ends.argmax())
            if isinstance(taken, int):
                taken, differing = min(taken, end), differing if taken < end else None
            else:
                taken = np.minimum(taken, end)
        if isinstance(taken, int):
            most, first, gain, some = taken, taken, float(taken), None
        else:
            most, first, gain = int(taken.max()), int(taken[0]), float(taken.mean())
            some = (np.arange(most)[:, None] < taken).ravel()
        if most:
            row, words, data, lengths = (
                np.tile(mine, most), layout.words[:most].repeat(len(mine)), (layout.data[:most, None] + here).ravel(),
                layout.lengths[:most].repeat(len(mine)),
            )  # fmt: skip
            parts.append(
                (row, words, data, lengths) if some is None else (row[some], words[some], data[some], lengths[some])
            )
            order.many(mine, _tags(layout.words[:most]), taken)
            here = here + layout.distances[taken]
        if differing is not None:
            length = differing >> 48 & 0xFFFF if explicit else differing >> 32 & 0xFFFFFFFF
            if explicit or not np.count_nonzero(length == UNDEFINED):
                data = here + 8
                parts.append((mine, differing, data, length))
                order.one(mine, _tags(differing))
                here, first, gain = data + length, first + 1, gain + 1
        if first:
            pos[alike] = here
        return first, gain * len(mine) / len(rows)

    def behind(self, pos: Ints, word: Ints, stop: Ints, *, explicit: bool) -> Ints:
        """Positions behind sequences of undefined length whose values start at *pos*; negative where not known."""
        result = np.full(len(pos), _ODD, np.int64)
        where = np.arange(len(pos))
        if explicit:
            # A UN of undefined length holds implicit VR (PS3.5 6.2.2).
            plain = vr_codes(word) != _UN
            where, pos, stop = _of(plain, where, pos, stop)
        # Odd: items are expected; even: elements of an item of undefined length.
        depth = np.ones(len(pos), np.int64)
        while len(pos) >= self.fewest:
            if (out := (pos + 8 > stop) | (depth > DEEPEST)).any():
                result[where[pos + 8 > stop]] = _GOES_ON
                where, pos, stop, depth = _of(~out, where, pos, stop, depth)
            word = self.u64[pos]
            mark, in_item = word & 0xFFFFFFFF, depth & 1 == 0
            data, length = pos + 8, word >> 32 & 0xFFFFFFFF
            is_item = ~in_item & (mark == ITEM)
            is_end = (in_item & (mark == ITEM_END)) | (~in_item & (mark == SEQUENCE_END))
            odd = ~(in_item | is_item | is_end)
            element = in_item & ~is_end
            if explicit and element.any():
                code = vr_codes(word)
                is_long = code >= FIRST_LONG
                short = np.where(is_long, self.u32[data], word >> 48 & 0xFFFF)
                length = np.where(element, short, length)
                data = data + 4 * (is_long & element)
                odd |= element & ((code == 0) | ((length == UNDEFINED) & (code == _UN)))
            elif not explicit:
                odd |= element & (word & 0xFFFF == MARKS_GROUP)
            goes_in = (length == UNDEFINED) & ~is_end
            pos = np.where(is_end, pos + 8, np.where(goes_in, data, data + length))
            depth = depth + goes_in - is_end
            done = (depth == 0) & ~odd
            result[where[done]] = pos[done]
            if (out := done | odd).any():
                where, pos, stop, depth = _of(~out, where, pos, stop, depth)
        return result


class _Order:
    """Whether the tags of each row ascend, so that no element is there twice and creators come before what they own."""

    def __init__(self, files: int) -> None:
        self._latest = np.full(files, -1, np.int64)
        #: Rows with a tag that is not above the one before it.
        self.wrong: Final = np.zeros(files, np.bool_)

    def one(self, rows: Ints, tags: Ints) -> None:
        """The next element of each of the *rows*."""
        odd = tags <= self._latest[rows]
        if np.count_nonzero(odd):
            self.wrong[rows[odd]] = True
        self._latest[rows] = tags

    def many(self, rows: Ints, tags: Ints, taken: int | Ints) -> None:
        """The next elements of the *rows*, of which each has *taken* the first few, or all as many."""
        falls = np.flatnonzero(tags[1:] <= tags[:-1])
        if isinstance(taken, int):
            first, last = rows, tags[taken - 1]
            if len(falls):
                self.wrong[rows] = True
        else:
            some = taken > 0
            first, last = rows[some], tags[taken[some] - 1]
            if len(falls):
                self.wrong[rows[taken > falls[0] + 1]] = True
        odd = self._latest[first] >= tags[0]
        if np.count_nonzero(odd):
            self.wrong[first[odd]] = True
        self._latest[first] = last


def _stream(parts: list[tuple[Ints, Ints, Ints, Ints]], end: Ints, explicit: bool) -> Stream:
    empty = np.zeros(0, np.int64)
    row, word, data, length = (np.concatenate(column) for column in zip(*parts, strict=True)) if parts else (empty,) * 4
    vr = vr_codes(word) if explicit else np.zeros(len(row), np.uint8)
    return Stream(np.flatnonzero(end >= 0), end, row, _tags(word), vr, data, length)


def _tags(word: Ints) -> Ints:
    """Group and element in the first eight bytes of elements."""
    return (word & 0xFFFF) << 16 | word >> 16 & 0xFFFF


def vr_codes(word: Ints) -> Octets:
    """Codes of the VRs in the first eight bytes of explicit elements."""
    codes: Octets = _CODES[word >> 32 & 0xFFFF]
    return codes


def _of(chosen: Bools, *arrays: Ints) -> tuple[Ints, ...]:
    return tuple(array[chosen] for array in arrays)
