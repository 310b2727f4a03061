"""Rows of a table that repeat others, told by hashes in bounded memory: what is too much goes to a temporary file."""

from __future__ import annotations

import array
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import numpy as np

#: Rows that are looked at together before they go into the parts.
_CHUNK: Final = 1 << 18
#: Parts that are looked at one after another, and the bytes of each that stay in memory.
_PARTS: Final = 32
_SPOOL: Final = 1 << 18
#: Rows of one patient that a finding names at most.
SHOWN: Final = 5
_FIELDS: Final = [("number", "<i8"), ("key", "<i8"), ("content", "<i8")]


@dataclass(frozen=True, slots=True)
class Repeated:
    """What was repeated in a table."""

    #: How many rows are the same as an earlier one, and the numbers of the first such pair.
    same: int = 0
    pair: tuple[int, int] = (0, 0)
    #: How many keys have rows of different content, and the numbers of the rows of the first of them.
    unclear: int = 0
    rows: tuple[int, ...] = ()
    #: One bit per row number: set where the row is the same as an earlier one.
    bits: bytes = field(default=b"", repr=False)

    def __contains__(self, number: int) -> bool:
        place = number >> 3
        return place < len(self.bits) and bool(self.bits[place] >> (number & 7) & 1)


class Repeats:
    """Collects rows as hashes, and tells which repeat.

    Hashes are Python's own, keyed anew in each process, so that no temporary file says anything of a patient.

    Examples
    --------
    >>> repeats = Repeats()
    >>> for number, cells in enumerate([("P1", "4"), ("P2", "5"), ("P1", "4"), ("P1", "6")], start=2):
    ...     repeats.add(number, cells[:1], cells)
    >>> found = repeats.settle()
    >>> found.pair, found.rows, [number for number in range(6) if number in found]
    ((2, 4), (2, 5), [4])
    """

    def __init__(self) -> None:
        self._rows = array.array("q")
        self._by_content = _Parts("content")
        self._by_key = _Parts("key")
        self._last = 0

    def add(self, number: int, key: tuple[str, ...], cells: tuple[str, ...]) -> None:
        """Look at a row: its number, what it should be the only one of, and its content."""
        self._rows.extend((number, hash("\x1f".join(key)), hash("\x1f".join(cells))))
        self._last = number
        if len(self._rows) >= 3 * _CHUNK:
            self._flush()

    def settle(self) -> Repeated:
        """What repeats among all the rows that were added."""
        import numpy as np

        self._flush()
        bits = np.zeros(self._last // 8 + 1, np.uint8)
        same = 0
        pairs: list[tuple[int, int]] = []
        for part in self._by_content.each():
            part = part[np.lexsort((part["number"], part["content"]))]
            again = np.flatnonzero(part["content"][1:] == part["content"][:-1]) + 1
            if not again.size:
                continue
            numbers = part["number"][again]
            same += again.size
            np.bitwise_or.at(bits, numbers >> 3, (1 << (numbers & 7)).astype(np.uint8))
            second = again[np.argmin(numbers)]
            pairs.append((int(part["number"][second]), int(part["number"][second - 1])))
        unclear = 0
        first: list[int] = []
        for part in self._by_key.each():
            part = _distinct(part)
            starts, counts = _groups(part["key"])
            several = np.flatnonzero(counts > 1)
            unclear += several.size
            for start, count in zip(starts[several], counts[several], strict=True):
                numbers = np.sort(part["number"][start : start + count])[:SHOWN]
                if not first or numbers[0] < first[0]:
                    first = numbers.tolist()
        self._by_content.close()
        self._by_key.close()
        pair = min(pairs, default=(0, 0))
        return Repeated(same, pair[::-1], unclear, tuple(first), bits.tobytes() if same else b"")

    def _flush(self) -> None:
        import numpy as np

        if not self._rows:
            return
        rows = np.frombuffer(self._rows, _FIELDS)
        self._by_content.put(rows)
        # Of one key a few rows per piece are enough to tell; all of them might not fit into memory.
        distinct = _distinct(rows)
        starts, counts = _groups(distinct["key"])
        rank = np.arange(len(distinct)) - np.repeat(starts, counts)
        self._by_key.put(distinct[rank < SHOWN])
        self._rows = array.array("q")


def _distinct(rows: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The first row of each key and content, by key and number."""
    import numpy as np

    rows = rows[np.lexsort((rows["number"], rows["content"], rows["key"]))]
    same = (rows["key"][1:] == rows["key"][:-1]) & (rows["content"][1:] == rows["content"][:-1])
    rows = rows[np.concatenate(([True], ~same))] if len(rows) else rows
    ordered: np.ndarray[Any, Any] = rows[np.lexsort((rows["number"], rows["key"]))]
    return ordered


def _groups(keys: np.ndarray[Any, Any]) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Where each run of equal keys starts, and how long it is."""
    import numpy as np

    starts = np.flatnonzero(np.concatenate(([True], keys[1:] != keys[:-1]))) if len(keys) else np.zeros(0, int)
    return starts, np.diff(np.append(starts, len(keys)))


class _Parts:
    """Rows in parts by a hash, in memory as long as they are few."""

    def __init__(self, by: str) -> None:
        self._by = by
        self._files: list[IO[bytes]] = []

    def put(self, rows: np.ndarray[Any, Any]) -> None:
        import numpy as np

        if not self._files:
            self._files = [tempfile.SpooledTemporaryFile(_SPOOL) for _ in range(_PARTS)]  # noqa: SIM115
        part = rows[self._by] & (_PARTS - 1)
        rows = rows[np.argsort(part, kind="stable")]
        ends = np.cumsum(np.bincount(part, minlength=_PARTS))
        for file, start, end in zip(self._files, [0, *ends[:-1]], ends, strict=True):
            file.write(rows[start:end].tobytes())

    def each(self) -> Iterator[np.ndarray[Any, Any]]:
        import numpy as np

        for file in self._files:
            file.seek(0)
            yield np.frombuffer(file.read(), _FIELDS)

    def close(self) -> None:
        for file in self._files:
            file.close()
