"""Mutations of DICOM files, drawn from a generator: bytes, elements, lengths, values, segments of code streams."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

_LONG: Final = frozenset((b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"))
_VRS: Final = (b"AE", b"AS", b"AT", b"CS", b"DA", b"DS", b"DT", b"FD", b"FL", b"IS", b"LO", b"LT", b"PN", b"SH", b"SL",
               b"SS", b"ST", b"TM", b"UI", b"UL", b"US", *sorted(_LONG), b"ZZ", b"\0\0")  # fmt: skip
_SYNTAXES: Final = tuple(f"1.2.840.10008.1.2{end}".encode() for end in (
    "", ".1", ".2", ".1.99", ".5", ".4.50", ".4.51", ".4.57", ".4.70", ".4.80", ".4.81", ".4.90", ".4.91", ".4.100",
    ".4.201", ".4.203"))  # fmt: skip
_NUMBERS: Final = (0, 1, 2, 7, 8, 0x7F, 0x80, 0xFF, 0x100, 0x7FFF, 0x8000, 0xFFFE, 0xFFFF, 0x10000, 0x7FFFFFFF,
                   0x80000000, 0xFFFFFFFE, 0xFFFFFFFF)  # fmt: skip
_TEXTS: Final = (b"", b"0", b"-1", b"nan", b"inf", b"-inf", b"1e308", b"1e-308", b"9" * 40, b"\\", b"\\\\1", b"1\\2\\3",
                 b"a", b"\xff\xfe", b"\0", b"1.5", b"2147483648", b"MOSAIC", b"\\MOSAIC")  # fmt: skip

Random = np.random.Generator
Mutation = Callable[[bytearray, Random], str]


@dataclass(frozen=True)
class Element:
    """Where an element of a file lies."""

    #: Of its tag, its VR (-1 where implicit), its length field, its value, and its end.
    start: int
    vr: int
    length: int
    value: int
    end: int

    @property
    def length_size(self) -> int:
        """Bytes of the length field."""
        return self.value - self.length


def elements(data: bytes | bytearray, limit: int = 400) -> list[Element]:
    """Elements of the little-endian file, those within sequences too, as far as they can be told."""
    found: list[Element] = []
    pos = 132 if data[128:132] == b"DICM" else 0
    end = len(data)
    while pos + 8 <= end and len(found) < limit:
        vr = bytes(data[pos + 4 : pos + 6])
        if data[pos : pos + 2] == b"\xfe\xff":
            vr_at, length_at, value = -1, pos + 4, pos + 8
        elif vr in _LONG:
            vr_at, length_at, value = pos + 4, pos + 8, pos + 12
        elif vr in _VRS[:-2]:
            vr_at, length_at, value = pos + 4, pos + 6, pos + 8
        else:
            vr_at, length_at, value = -1, pos + 4, pos + 8
        length = int.from_bytes(data[length_at:value], "little")
        nested = length == 0xFFFFFFFF or vr == b"SQ" or data[pos : pos + 4] == b"\xfe\xff\x00\xe0"
        stop = value + (0 if length == 0xFFFFFFFF else length)
        if stop > end:
            break
        found.append(Element(pos, vr_at, length_at, value, stop))
        in_pixels = data[pos : pos + 4] == b"\xfe\xff\x00\xe0" and length != 0xFFFFFFFF and length > 4096
        pos = value if nested and not in_pixels else stop
    return found


def _element(data: bytearray, random: Random) -> Element | None:
    found = elements(data)
    return found[random.integers(len(found))] if found else None


def _anywhere(data: bytearray, random: Random, room: int = 1) -> int:
    """A place in the file: mostly in the header, else near the start of the pixels, else anywhere."""
    end = max(1, len(data) - room)
    draw = random.random()
    pixels = data.rfind(b"\xe0\x7f\x10\x00")
    if draw < 0.5:
        return int(random.integers(min(132, end - 1), max(min(end, 2500), min(132, end - 1) + 1)))
    if draw < 0.85 and 0 <= pixels < end:
        return int(random.integers(pixels, min(end, pixels + 800)))
    return int(random.integers(end))


def bytes_changed(data: bytearray, random: Random) -> str:
    places = [_anywhere(data, random) for _ in range(int(random.integers(1, 6)))]
    for at in places:
        data[at] = int(random.integers(256))
    return f"bytes at {places}"


def bit_flipped(data: bytearray, random: Random) -> str:
    at, bit = _anywhere(data, random), int(random.integers(8))
    data[at] ^= 1 << bit
    return f"bit {bit} at {at}"


def number_written(data: bytearray, random: Random) -> str:
    size = int(random.choice([2, 4]))
    order = str(random.choice(["<", ">"]))
    number = _NUMBERS[random.integers(len(_NUMBERS))] & ((1 << 8 * size) - 1)
    at = _anywhere(data, random, size)
    data[at : at + size] = struct.pack(order + ("H" if size == 2 else "I"), number)
    return f"{order}{number} of {size} bytes at {at}"


def cut(data: bytearray, random: Random) -> str:
    at = _anywhere(data, random)
    del data[at:]
    return f"cut at {at}"


def inserted(data: bytearray, random: Random) -> str:
    at, n = _anywhere(data, random), int(random.choice([1, 2, 3, 4, 8, 64, 4096]))
    data[at:at] = random.bytes(n)
    return f"{n} bytes inserted at {at}"


def removed(data: bytearray, random: Random) -> str:
    at, n = _anywhere(data, random), int(random.choice([1, 2, 4, 12, 100]))
    del data[at : at + n]
    return f"{n} bytes removed at {at}"


def zeroed(data: bytearray, random: Random) -> str:
    at, n = _anywhere(data, random), int(random.choice([2, 8, 64, 1000]))
    data[at : at + n] = bytes(len(data[at : at + n]))
    return f"{n} bytes zeroed at {at}"


def block_doubled(data: bytearray, random: Random) -> str:
    at, n = _anywhere(data, random), int(random.choice([8, 64, 512, 8192]))
    block = bytes(data[at : at + n])
    times = int(random.choice([1, 1, 1, 20]))
    data[at:at] = block * times
    return f"{n} bytes at {at} doubled {times} times"


def elements_swapped(data: bytearray, random: Random) -> str:
    a, b = _element(data, random), _element(data, random)
    if a is None or b is None or a.start == b.start:
        return ""
    a, b = sorted((a, b), key=lambda one: one.start)
    if a.end > b.start:
        return ""
    first, between, second = data[a.start : a.end], data[a.end : b.start], data[b.start : b.end]
    data[a.start : b.end] = second + between + first
    return f"elements at {a.start} and {b.start} swapped"


def element_doubled(data: bytearray, random: Random) -> str:
    one = _element(data, random)
    if one is None or one.end - one.start > 1 << 16:
        return ""
    data[one.start : one.start] = data[one.start : one.end]
    return f"element at {one.start} doubled"


def element_removed(data: bytearray, random: Random) -> str:
    one = _element(data, random)
    if one is None:
        return ""
    del data[one.start : one.end]
    return f"element at {one.start} removed"


def vr_changed(data: bytearray, random: Random) -> str:
    one = _element(data, random)
    if one is None or one.vr < 0:
        return ""
    vr = _VRS[random.integers(len(_VRS))]
    data[one.vr : one.vr + 2] = vr
    return f"VR {vr!r} at {one.vr}"


def length_changed(data: bytearray, random: Random) -> str:
    one = _element(data, random)
    if one is None:
        return ""
    mask = (1 << 8 * one.length_size) - 1
    true = int.from_bytes(data[one.length : one.value], "little")
    near = true + int(random.integers(-4, 5))
    number = (near if random.random() < 0.5 else _NUMBERS[random.integers(len(_NUMBERS))]) & mask
    data[one.length : one.value] = number.to_bytes(one.length_size, "little")
    return f"length {number} at {one.length}"


def value_changed(data: bytearray, random: Random) -> str:
    """Another value of another length, the length field in keeping with it."""
    one = _element(data, random)
    if one is None or one.end - one.value > 4096:
        return ""
    text = _TEXTS[random.integers(len(_TEXTS))]
    if random.random() < 0.4:
        number = _NUMBERS[random.integers(len(_NUMBERS))]
        size = one.end - one.value
        text = (number & ((1 << 8 * size) - 1)).to_bytes(size, "little") if 0 < size <= 8 else text
    text += b" " * (len(text) % 2)
    data[one.value : one.end] = text
    data[one.length : one.value] = len(text).to_bytes(one.length_size, "little")
    return f"value {text!r} at {one.value}"


def syntax_changed(data: bytearray, random: Random) -> str:
    at = data.find(b"\x02\x00\x10\x00UI")
    if at < 0:
        return ""
    new = _SYNTAXES[random.integers(len(_SYNTAXES))]
    new += b"\0" * (len(new) % 2)
    size = int.from_bytes(data[at + 6 : at + 8], "little")
    data[at + 6 : at + 8 + size] = struct.pack("<H", len(new)) + new
    return f"transfer syntax {new.decode()!r}"


def marker_changed(data: bytearray, random: Random) -> str:
    """Bytes of a segment of a JPEG family code stream, or of an RLE header."""
    start = max(0, data.rfind(b"\xe0\x7f\x10\x00"))
    found = [m.start() for m in re.finditer(rb"\xff[\x4f-\x5d\x90-\x93\xc0-\xcf\xda-\xdf\xf7-\xf9]", data[start:])][:40]
    if not found:
        return ""
    at = start + found[random.integers(len(found))] + int(random.integers(1, 48))
    one = int(random.choice([0, 1, 0x7F, 0x80, 0xFF, int(random.integers(256))]))
    value = bytes([one]) * int(random.integers(1, 5))
    data[at : at + len(value)] = value
    return f"{value.hex()} in a segment at {at}"


MUTATIONS: Final[tuple[Mutation, ...]] = (
    bytes_changed, bytes_changed, bit_flipped, number_written, number_written, cut, inserted, removed, zeroed,
    block_doubled, elements_swapped, element_doubled, element_removed, vr_changed, length_changed, length_changed,
    value_changed, value_changed, value_changed, syntax_changed, marker_changed, marker_changed,
)  # fmt: skip


#: Those that keep the length, for the pixels alone: so that the header stays sound and the decoders are reached.
PIXEL_MUTATIONS: Final[tuple[Mutation, ...]] = (
    bytes_changed, bit_flipped, number_written, zeroed, marker_changed, marker_changed, marker_changed,
)  # fmt: skip
#: Part of the cases in which only the pixels are changed.
PIXELS_ALONE: Final = 0.35


def mutated(data: bytes, random: Random) -> tuple[bytes, list[str]]:
    """A file after one to four mutations, and what they were."""
    pixels = data.rfind(b"\xe0\x7f\x10\x00")
    start, kinds = (pixels + 12, PIXEL_MUTATIONS) if pixels > 0 and random.random() < PIXELS_ALONE else (0, MUTATIONS)
    changed, done = bytearray(data[start:]), []
    for _ in range(int(random.choice([1, 1, 2, 3, 4]))):
        if len(changed) > 8:
            done.append(kinds[random.integers(len(kinds))](changed, random))
    return data[:start] + bytes(changed), [f"{one} (from {start})" if start else one for one in done if one]
