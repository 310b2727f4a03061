"""The functional groups of a multi-frame object, found in its header's bytes and taken column by column.

Explicit and implicit VR little endian, sequences of defined and undefined length. Whatever else a header holds is
declined and read by pydicom. Functional groups: DICOM PS3.3 C.7.6.16; encoding: PS3.5 chapter 7.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from workbench.dicom.headers.elements import (
    UNDEFINED,
    Declined,
    key,
    read_explicit,
    short,
    u16,
    u32,
)
from workbench.dicom.headers.groups_layouts import Items, Run, Wanted, present, values_of
from workbench.dicom.headers.nested import skip_sequence
from workbench.dicom.headers.tags import PIXEL_ELEMENTS
from workbench.dicom.headers.walk import DEFLATED_LE, EXPLICIT_BE, IMPLICIT_LE

_SHARED: Final = key(0x52009229)
_PER_FRAME: Final = key(0x52009230)
_PIXELS: Final = frozenset(key(number) for number in PIXEL_ELEMENTS)
#: Sequences that say something of frames outside functional groups: nuclear medicine (PS3.3 C.8.4.11), and maps of an
#: object to real-world values.
_KEPT: Final = frozenset(key(number) for number in (0x00540022, 0x00409096))


@dataclass(frozen=True, slots=True, eq=False)
class GroupItems:
    """Items of one sequence of functional groups."""

    #: The header.
    data: bytes
    #: Its items, in order.
    runs: list[Run]

    @property
    def count(self) -> int:
        """How many items there are."""
        return sum(run.count for run in self.runs)

    @property
    def present(self) -> set[int]:
        """Numbers of the wanted elements that some item has."""
        return set(present(self.runs))

    def column(self, number: int) -> Iterator[bytes | None]:
        """The wanted element of each item, tag and length included; None where an item has none."""
        return values_of(self.data, self.runs, number)


@dataclass(frozen=True, slots=True, eq=False)
class GroupedHeader:
    """A header taken apart."""

    #: The header without its functional groups, and without sequences of undefined length that say nothing of frames.
    rest: bytes
    #: Explicit VR.
    explicit: bool
    #: Shared functional groups; None where absent.
    shared: GroupItems | None
    #: Functional groups of each frame; None where absent.
    per_frame: GroupItems | None


@dataclass(slots=True)
class _Split:
    """A header being taken apart."""

    #: Start and end of what is left out of the rest.
    out: list[tuple[int, int]] = field(default_factory=list)
    #: Sequences of functional groups found so far.
    groups: dict[bytes, GroupItems] = field(default_factory=dict)


def grouped_header(data: bytes, wanted: Wanted, *, whole: bool) -> GroupedHeader:
    r"""Functional groups of a header, and the rest of it.

    Parameters
    ----------
    data : bytes
        The file from its first byte.
    wanted : dict
        Elements to find in each item of the functional groups: tag as a little-endian file writes it -> a number, or
        such a dict for the first item of a sequence.
    whole : bool
        *data* is the whole file, or its whole header.

    Raises
    ------
    Declined
        The encoding is not one this walk vouches for, or there is too much to walk.
    NeedMore
        The header does not end within *data*.
    EOFError
        The file ends within its header.

    Examples
    --------
    >>> from pydicom.data import get_testdata_file
    >>> with open(get_testdata_file("liver_1frame.dcm"), "rb") as file:
    ...     found = grouped_header(file.read(), {key(0x00209113): {key(0x00200032): 0}}, whole=True)
    >>> found.per_frame.count, next(found.per_frame.column(0))[8:]
    (3, b'-2.352000e+02\\-2.268000e+02\\-1.286900e+02 ')
    """
    pos, syntax = after_meta(data, whole)
    if syntax in (EXPLICIT_BE, DEFLATED_LE, ""):
        raise Declined(syntax or "no transfer syntax")
    explicit = syntax != IMPLICIT_LE
    if not explicit and data[pos + 4 : pos + 6].isalpha() and data[pos + 4 : pos + 6].isupper():
        raise Declined("explicit VR under an implicit transfer syntax")
    split = _Split()
    end = _top_level(data, pos, wanted, split, explicit=explicit, whole=whole)
    kept, at = [], 0
    for start, stop in split.out:
        kept.append(data[at:start])
        at = stop
    kept.append(data[at:end])
    return GroupedHeader(b"".join(kept), explicit, split.groups.get(_SHARED), split.groups.get(_PER_FRAME))


def after_meta(data: bytes, whole: bool) -> tuple[int, str]:
    """End of the file meta group, and the transfer syntax.

    Raises
    ------
    Declined
        No file of DICOM by its first bytes.
    """
    if data[128:132] != b"DICM":
        raise Declined("no preamble")
    pos, syntax = 132, ""
    while True:
        if pos + 8 > len(data):
            raise short(whole)
        if u16(data, pos)[0] != 2:
            return pos, syntax
        _, length, value = read_explicit(data, pos, whole)
        if length == UNDEFINED:
            raise Declined("undefined length in file meta")
        if data[pos + 2 : pos + 4] == b"\x10\0":
            syntax = data[value : value + length].rstrip(b"\0 ").decode("ascii", "replace")
        pos = value + length


def _top_level(data: bytes, pos: int, wanted: Wanted, split: _Split, *, explicit: bool, whole: bool) -> int:
    """Go over the elements of the data set; gives where its pixels start, or its end."""
    before = 0
    while pos < len(data):
        if pos + 8 > len(data):
            raise short(whole)
        element = data[pos : pos + 4]
        if element in _PIXELS:
            return pos
        number = u16(data, pos)[0] << 16 | u16(data, pos + 2)[0]
        if number <= before:
            raise Declined("elements out of order")
        before, start = number, pos
        if explicit:
            vr, length, value = read_explicit(data, pos, whole)
        else:
            vr, length, value = b"", u32(data, pos + 4)[0], pos + 8
        if element in (_SHARED, _PER_FRAME):
            if vr not in (b"", b"SQ"):
                raise Declined(f"{vr!r} where a sequence is expected")
            runs, pos = Items(data, wanted, explicit=explicit, whole=whole).runs(value, length)
            split.groups[element] = GroupItems(data, runs)
            split.out.append((start, pos))
        elif length == UNDEFINED:
            if vr not in (b"", b"SQ", b"UN"):
                raise Declined("undefined length where a value must be")
            # A UN of undefined length is encoded as implicit VR (PS3.5 6.2.2).
            pos = skip_sequence(data, value, explicit=explicit and vr != b"UN", whole=whole)
            if element not in _KEPT and not element[0] & 1:
                split.out.append((start, pos))
        else:
            pos = value + length
    if pos > len(data) or not whole:
        raise short(whole)
    return pos
