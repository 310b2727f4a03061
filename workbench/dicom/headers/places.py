"""Elements of many files -> where the value of each wanted column stands in each file.

What is found goes into two tables, columns by rows of the buffer: ``start`` and ``length`` of the value, -1 where
there is none. Every function returns the rows that must be left to the walk of single files.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from workbench.dicom.headers.ahead import ITEM, ITEM_END, SEQUENCE_END
from workbench.dicom.headers.elements import UNDEFINED
from workbench.dicom.headers.steps import VR_CODE, Bools, Ints, Octets, Steps, Stream
from workbench.dicom.headers.wanted import Wanted

_SQ: Final = VR_CODE[b"SQ"]
_CHARACTER_SET: Final = 0x00080005
_NO_LIMIT: Final = -1
#: Private creators are LO, of at most 64 characters (PS3.5 6.2); a longer one is compared with none.
_LONGEST_NAME: Final = 64


@dataclass(frozen=True)
class Places:
    """Where the wanted values stand."""

    wanted: Wanted
    #: Position of the value in the buffer: columns x rows.
    start: Ints
    #: Bytes of the value, -1 where absent: columns x rows.
    length: Ints

    @classmethod
    def empty(cls, wanted: Wanted, files: int) -> Places:
        """Nothing found yet in so many files."""
        shape = (len(wanted.tags), files)
        return cls(wanted, np.zeros(shape, np.int64), np.full(shape, -1, np.int64))

    def put(self, columns: Ints, found: Stream, stop: Ints, explicit: bool) -> Bools:
        """Take elements whose *columns* are known."""
        tables = _Tables.of(self.wanted)
        present, undefined = tables.present[columns], found.length == UNDEFINED
        odd = ~present & (undefined | (found.data + found.length > stop[found.row]))
        if explicit:
            odd |= ~tables.accepted[columns, found.vr]
        else:
            odd |= tables.unknown[columns]
        self.start[columns, found.row] = found.data
        self.length[columns, found.row] = np.where(present, 1, found.length)
        return _rows(found.row[odd], len(stop))


class _Tables:
    """Look-ups of a list of columns, as arrays."""

    _known: Final[dict[int, _Tables]] = {}

    def __init__(self, wanted: Wanted) -> None:
        self.wanted = wanted
        numbers = {int.from_bytes(key[:2], "little") << 16 | int.from_bytes(key[2:], "little"): column
                   for key, column in wanted.public.items() if column >= 0}  # fmt: skip
        self.tags = np.array(sorted(numbers), np.int64)
        self.columns = np.array([numbers[tag] for tag in sorted(numbers)], np.int64)
        self.groups = np.array([int.from_bytes(group, "little") for group in wanted.private], np.int64)
        count = len(wanted.tags)
        self.present = np.array([index in wanted.present for index in range(count)], np.bool_)
        self.unknown = np.array([index in wanted.unknown for index in range(count)], np.bool_)
        self.accepted = np.zeros((count, len(VR_CODE) + 1), np.bool_)
        for index, vrs in enumerate(wanted.accepted):
            self.accepted[index, [VR_CODE[vr] for vr in vrs]] = True

    @classmethod
    def of(cls, wanted: Wanted) -> _Tables:
        """The tables of *wanted*, made once."""
        known = cls._known.get(id(wanted))
        if known is None or known.wanted is not wanted:
            cls._known.clear()
            known = cls._known[id(wanted)] = cls(wanted)
        return known


def place_public(places: Places, stream: Stream, stop: Ints, explicit: bool) -> Bools:
    """Take the wanted elements at top level."""
    tables = _Tables.of(places.wanted)
    where = np.searchsorted(tables.tags, stream.tag)
    where[where == len(tables.tags)] = 0
    hit = tables.tags[where] == stream.tag
    return places.put(tables.columns[where[hit]], stream.only(hit), stop, explicit)


def place_private(places: Places, flat: Octets, stream: Stream, stop: Ints, explicit: bool) -> Bools:
    """Take the wanted private elements, by the creator that reserved their block (PS3.5 7.8.1)."""
    tables, wanted = _Tables.of(places.wanted), places.wanted
    nothing = _rows(np.zeros(0, np.int64), len(stop))
    mine = stream.only(np.isin(stream.tag >> 16, tables.groups))
    if not len(mine.row):
        return nothing
    element = mine.tag & 0xFFFF
    creators = mine.only((element >= 0x10) & (element < 0x100))
    cut = creators.data + creators.length > stop[creators.row]
    odd = _rows(creators.row[cut], len(stop))
    owned, columns = _owned(flat, creators.only(~cut), wanted)
    if not len(owned):
        return odd
    order = np.argsort(owned, kind="stable")
    keys, columns = owned[order], columns[order]
    sought = mine.row << 32 | mine.tag
    where = np.searchsorted(keys, sought)
    where[where == len(keys)] = 0
    hit = keys[where] == sought
    found, column = mine.only(hit), columns[where[hit]]
    # The same element in two blocks of one creator is left to pydicom.
    _, first, times = np.unique(column * len(stop) + found.row, return_index=True, return_counts=True)
    odd |= _rows(found.row[first[times > 1]], len(stop))
    return odd | places.put(column, found, stop, explicit)


def _owned(flat: Octets, creators: Stream, wanted: Wanted) -> tuple[Ints, Ints]:
    """Row, group, block and element, as one number, of what is wanted of the creators' blocks; and their columns."""
    keys, columns = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    # Elements of many files come tag by tag, so each name is looked up once where it stays the same.
    changes = np.flatnonzero(_differs_from_the_one_before(flat, creators))
    ends = np.append(changes, len(creators.row))[1:]
    for start, end in zip(changes.tolist(), ends.tolist(), strict=True):
        tag, data = int(creators.tag[start]), int(creators.data[start])
        group = tag >> 16
        name = flat[data : data + int(creators.length[start])].tobytes().strip(b" \0")
        for low, column in wanted.private[group.to_bytes(2, "little")].get(name, {}).items():
            keys.append(creators.row[start:end] << 32 | group << 16 | (tag & 0xFF) << 8 | low)
            columns.append(np.full(end - start, column, np.int64))
    return np.concatenate(keys), np.concatenate(columns)


def _differs_from_the_one_before(flat: Octets, found: Stream) -> Bools:
    """Whether the tag or the value of each element differ from those of the element before; of the first, they do."""
    differs = np.ones(len(found.row), np.bool_)
    if len(differs) < 2:
        return differs
    size = found.length
    step = np.arange(0, _LONGEST_NAME, 8)[: (int(size.max()) + 7) // 8, None]
    offset = np.maximum(np.minimum(step, size - 8), 0)
    words = Steps(flat, 0).u64[found.data + offset] << np.clip(8 - size, 0, 7) * 8
    differs[1:] = (
        (found.tag[1:] != found.tag[:-1])
        | (size[1:] != size[:-1])
        | (size[1:] > _LONGEST_NAME)
        | ((words[:, 1:] != words[:, :-1]).any(axis=0) & (size[1:] > 0))
    )
    return differs


def place_nested(steps: Steps, places: Places, stream: Stream, stop: Ints, explicit: bool) -> Bools:
    """Take the wanted elements of the first item of sequences."""
    odd = _rows(np.zeros(0, np.int64), len(stop))
    for key, inner in places.wanted.nested.items():
        number = int.from_bytes(key[:2], "little") << 16 | int.from_bytes(key[2:], "little")
        mine = stream.only((stream.tag == number) & (stream.length > 0))
        if len(mine.row):
            odd |= _first_items(steps, places, mine, inner, stop, explicit)
    return odd


def _first_items(
    steps: Steps, places: Places, found: Stream, inner: dict[bytes, int], stop: Ints, explicit: bool
) -> Bools:
    ends = stop[found.row]
    bound = np.where(found.length == UNDEFINED, ends, found.data + found.length)
    odd = (bound > ends) | (found.data + 8 > bound)
    if explicit:
        odd |= found.vr != _SQ
    bad = _rows(found.row[odd], len(stop))
    row, data, bound = found.row[~odd], found.data[~odd], bound[~odd]
    mark, length = steps.u64[data] & 0xFFFFFFFF, steps.u64[data] >> 32 & 0xFFFFFFFF
    is_item = mark == ITEM
    limit = np.where(length == UNDEFINED, _NO_LIMIT, data + 8 + length)
    odd = ~(is_item | (mark == SEQUENCE_END)) | (is_item & (limit > bound))
    bad |= _rows(row[odd], len(stop))
    good = is_item & ~odd
    row, data, bound, limit = row[good], data[good], bound[good], limit[good]
    # The buffer's rows ascend, as the engine wants them, only once sorted: elements come in the order of their steps.
    order = np.argsort(row)
    row, data, bound, limit = row[order], data[order], bound[order], limit[order]
    by_limit = np.full(len(stop), _NO_LIMIT, np.int64)
    by_limit[row] = limit
    items = steps.elements(row, data + 8, bound, limit, _is_item_end, explicit=explicit)
    came_to_end = np.zeros(len(stop), np.bool_)
    came_to_end[items.rows] = True
    bad |= _rows(row, len(stop)) & ~came_to_end
    # An end mark within an item of a defined length is odd.
    bad |= _rows(items.rows[(by_limit[items.rows] >= 0) & (items.end[items.rows] != by_limit[items.rows])], len(stop))
    bad |= _rows(items.row[items.tag == _CHARACTER_SET], len(stop))
    for key, column in inner.items():
        number = int.from_bytes(key[:2], "little") << 16 | int.from_bytes(key[2:], "little")
        mine = items.only(items.tag == number)
        bad |= places.put(np.full(len(mine.row), column, np.int64), mine, stop, explicit)
    return bad


def _is_item_end(word: Ints) -> Any:
    return word & 0xFFFFFFFF == ITEM_END


def _rows(rows: Any, count: int) -> Bools:
    mask = np.zeros(count, np.bool_)
    mask[rows] = True
    return mask
