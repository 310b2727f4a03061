"""JPEG code streams that stop early before a sound end marker: the decoder fills up and says nothing.

Sources: ITU-T T.81 C.2 (Huffman tables), F.2.2.4 and annex H (differences, predictors), B.2 (markers).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

#: Where coded data ends: a marker that is neither a stuffed byte, a restart marker nor fill (T.81 B.1.1.5).
_END_OF_SCAN: Final = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
_RESTART: Final = re.compile(rb"\xff[\xd0-\xd7]")
#: Markers without a length.
_ALONE: Final = frozenset((0x01, *range(0xD0, 0xD9)))
_SOF3, _DHT, _DRI, _SOS, _EOI = 0xC3, 0xC4, 0xDD, 0xDA, 0xD9
#: Coded data that no encoder wrote, put behind what there is: a decoder that has not enough takes it up.
_FILLER: Final = b"\x55\xaa" * 256
#: Rows and columns of a block.
_BLOCK: Final = 8
#: Samples counted at a time: few enough to stay in cache, enough to make light of the calls.
_PORTION: Final = 1 << 17

Integers = NDArray[Any]


@dataclass(slots=True)
class _Lossless:
    """What a code stream of the lossless process says before a scan."""

    bits: int = 0
    #: Component number -> its place among the samples.
    components: dict[int, int] = field(default_factory=dict)
    #: All components are of full size.
    full: bool = True
    #: Table number -> bits of the code of each category.
    tables: dict[int, list[int]] = field(default_factory=dict)
    #: Samples between restart markers; 0 where there are none.
    interval: int = 0


def lossless_whole(data: bytes, picture: Integers) -> bool:
    """Whether a code stream of the lossless process holds the bits that coding *picture* takes.

    What a decoder makes up behind the end of the data would take more bits than there are. Not missed are bits of the
    last row alone, and up to seven that fill the last byte, and that before each restart.

    Parameters
    ----------
    data : bytes
        The code stream.
    picture : array (rows, columns[, samples])
        What was decoded from it, unsigned.

    Examples
    --------
    >>> import imagecodecs
    >>> picture = (np.arange(64 * 64).reshape(64, 64) ** 2 % 977).astype("u2")
    >>> code = imagecodecs.ljpeg_encode(picture)
    >>> cut = code[: len(code) // 2] + code[-2:]
    >>> lossless_whole(code, picture), lossless_whole(cut, imagecodecs.jpeg8_decode(cut))
    (True, False)
    """
    facts = _Lossless()
    for marker, body, after in _segments(data):
        if marker == _DHT:
            facts.tables.update(_huffman(body))
        elif marker == _DRI:
            facts.interval = int.from_bytes(body[:2], "big")
        elif marker == _SOF3:
            facts.bits = body[0]
            facts.components = {body[6 + 3 * i]: i for i in range(body[5])}
            facts.full = all(body[7 + 3 * i] == 0x11 for i in range(body[5])) or body[5] == 1
        elif marker == _SOS and not _scan_whole(facts, body, data, after, picture):
            return False
    return True


def _segments(data: bytes) -> Iterator[tuple[int, bytes, int]]:
    """Marker, its parameters and the place behind them, of each segment; the coded data between them is passed over."""
    at = 2
    while at + 4 <= len(data):
        if data[at] != 0xFF or data[at + 1] == _EOI:
            return
        marker = data[at + 1]
        if marker == 0xFF:
            at += 1
        elif marker in _ALONE:
            at += 2
        else:
            after = at + 2 + int.from_bytes(data[at + 2 : at + 4], "big")
            yield marker, data[at + 4 : after], after
            found = _END_OF_SCAN.search(data, after) if marker == _SOS else None
            at = found.start() if found else after if marker != _SOS else len(data)


def _huffman(body: bytes) -> dict[int, list[int]]:
    """Tables of a DHT segment."""
    tables = {}
    at = 0
    while at + 17 <= len(body):
        counts = body[at + 1 : at + 17]
        values = body[at + 17 : at + 17 + sum(counts)]
        lengths = [0] * 17
        each = (length for length, count in enumerate(counts, 1) for _ in range(count))
        for category, length in zip(values, each, strict=False):
            if category <= 16:
                lengths[category] = length
        tables[body[at]] = lengths
        at += 17 + len(values)
    return tables


def _scan_whole(facts: _Lossless, body: bytes, data: bytes, start: int, picture: Integers) -> bool:
    """Whether one scan holds the bits of its components; yes where that is not known."""
    columns = picture.shape[1]
    count = body[0] if body else 0
    if len(body) < 2 * count + 4 or not facts.full or not facts.bits or facts.interval % columns:
        return True
    predictor, shift = body[2 * count + 1], body[2 * count + 3] & 15
    needed = 0
    for i in reversed(range(count)):
        place, table = facts.components.get(body[1 + 2 * i]), facts.tables.get(body[2 + 2 * i] >> 4)
        if place is None or table is None or not 1 <= predictor <= 7:
            return True
        plane = picture if picture.ndim == 2 else picture[..., place]
        # Counting takes half as long as decoding. A decoder makes up rows of the number that predictions begin with.
        if i == count - 1 and (plane[-1] != 1 << (facts.bits - 1)).any():
            return True
        needed += _bits(plane, predictor, facts, shift, table)
    found = _END_OF_SCAN.search(data, start)
    end = found.start() if found else len(data)
    restarts = len(_RESTART.findall(data, start, end)) if facts.interval else 0
    # Of the bytes FF 00 one is data, of a restart marker none.
    return needed <= 8 * (end - start - data.count(b"\xff", start, end) - restarts)


#: Predictor of a sample from its left, upper and upper left neighbours (T.81 table H.1).
_PREDICTORS: Final[dict[int, Callable[[Any, Any, Any], Any]]] = {
    1: lambda left, above, corner: left,
    2: lambda left, above, corner: above,
    3: lambda left, above, corner: corner,
    4: lambda left, above, corner: left + above - corner,
    5: lambda left, above, corner: left + ((above - corner) >> 1),
    6: lambda left, above, corner: above + ((left - corner) >> 1),
    7: lambda left, above, corner: (left + above) >> 1,
}


def _shifted(part: Integers, predictor: int, shift: int) -> Integers:
    """Samples as they were coded, in a type that their predictor can be worked out in."""
    wide: Integers = part.astype(np.uint16 if predictor < 5 else np.int32)
    return np.right_shift(wide, shift) if shift else wide


def _bits(plane: Integers, predictor: int, facts: _Lossless, shift: int, lengths: list[int]) -> int:
    """Bits that the samples of a component take: a code and further bits for the category of each difference."""
    cost = [length + (k if k < 16 else 0) for k, length in enumerate(lengths)]
    steps = [cost[k] - cost[k - 1] for k in range(1, 17)]
    rows, columns = plane.shape
    total = cost[0] * plane.size
    interval = facts.interval // columns or rows
    first = 1 << (facts.bits - shift - 1)
    portion = max(1, _PORTION // columns)
    for start in range(0, rows, portion):
        part = _shifted(plane[max(start - 1, 0) : start + portion], predictor, shift)
        size = _differences(part, predictor, start, interval, first)
        size = np.abs(size.view(np.int16), out=size.view(np.int16)).view(np.uint16)
        # Of category k: from 2^(k-1) to 2^k - 1 either way (T.81 table H.2).
        for k in range(int(size.max()).bit_length()):
            total += steps[k] * int(np.count_nonzero(size >= 1 << k))
    return total


def _differences(part: Integers, predictor: int, start: int, interval: int, first: int) -> NDArray[np.uint16]:
    """What was coded of some rows: each sample less its prediction, modulo 2^16 (T.81 H.1.2.1).

    *part* begins with the row before, but for the first. Along the first row, and the first behind each restart, from
    the left; down the first column from above.
    """
    own = part[1:] if start else part
    above = part[: len(own)]
    out = np.empty(own.shape, np.uint16)
    if start:
        out[:, 0] = own[:, 0] - above[:, 0]
    else:
        out[1:, 0] = own[1:, 0] - own[:-1, 0]
    if predictor == 1:
        np.subtract(own[:, 1:], own[:, :-1], out=out[:, 1:])
    elif start:
        out[:, 1:] = own[:, 1:] - _PREDICTORS[predictor](own[:, :-1], above[:, 1:], above[:, :-1])
    else:
        out[1:, 1:] = own[1:, 1:] - _PREDICTORS[predictor](own[1:, :-1], own[:-1, 1:], own[:-1, :-1])
    anew = slice(-start % interval, None, interval)
    out[anew, 0] = (own[anew, 0].astype(np.int64) - first) & 0xFFFF
    out[anew, 1:] = own[anew, 1:] - own[anew, :-1]
    return out


def ends_in_grey(picture: Integers, bits: int) -> bool:
    """Whether the last block of a picture of a lossy process is what a decoder makes of missing data: middle grey.

    Parameters
    ----------
    picture : array (rows, columns[, samples])
        What was decoded, unsigned.
    bits : int
        Precision of the code stream.
    """
    rows, columns = ((size - 1) // _BLOCK * _BLOCK for size in picture.shape[:2])
    return bool((picture[rows:, columns:] == 1 << (bits - 1)).all())


def with_filler(data: bytes) -> bytes:
    """The code stream with more coded data before its end marker: of another picture only where there was too little.

    Examples
    --------
    >>> import imagecodecs
    >>> picture = (np.arange(4096).reshape(64, 64) ** 2 % 251).astype("u1")
    >>> code = imagecodecs.jpeg8_encode(picture)
    >>> cut = code[: len(code) // 2] + code[-2:]
    >>> [bool((imagecodecs.jpeg8_decode(with_filler(c)) == imagecodecs.jpeg8_decode(c)).all()) for c in (code, cut)]
    [True, False]
    """
    end = data.rfind(b"\xff\xd9")
    return data if end < 0 else data[:end] + _FILLER + data[end:]
