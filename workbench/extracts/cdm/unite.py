"""All files of one table as one: a later run writes only new rows, and may write an old one again.

Exact repeats count once. Where the same identifier has another content, the later file wins, which is a finding. The
one file of a table is settled as it is read for the first time; of several, a digest of every row is compared before.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from workbench.extracts.cdm.parts import Part, Row
from workbench.findings import Finding


@dataclass(frozen=True, slots=True)
class _Seen:
    """A row that was kept."""

    part: int
    number: int
    #: Digest of all cells, and of those in columns that every file of the table has.
    whole: bytes
    common: bytes


class United:
    """The rows of one table that stand, over all its files.

    Parameters
    ----------
    parts : sequence of Part
        Its files, the oldest first.
    """

    def __init__(self, parts: Sequence[Part]) -> None:
        self.parts = tuple(sorted(parts, key=lambda part: (part.stamp, part.file)))
        self.findings: list[Finding] = []
        self._dropped: set[tuple[int, int]] = set()
        #: Rows that stand; known once :meth:`settled` has ended.
        self.count = 0

    def settled(self) -> Iterator[tuple[Part, int, Row]]:
        """File, row number and cells of every row that stands, read for the first time; to be taken to its end."""
        if len(self.parts) > 1:
            self._settle()
            yield from self.rows()
            return
        part = self.parts[0]
        broken: list[int] = []
        # A number per row: the digest of its cells, but for what the database counted up itself.
        seen: set[int] = set()
        keys = _identifying(self.parts)
        everything = sorted(part.header)
        whole = [*keys, *(name for name in everything if name not in part.entity.names("key"))]
        for number, row in part.rows(broken):
            # Where nothing names the row, only an exact repeat is the same one.
            names = whole if keys and row.get(keys[0], "") else everything
            mark = _number(row, names)
            if mark in seen:
                self._dropped.add((0, number))
                continue
            seen.add(mark)
            self.count += 1
            yield part, number, row
        self._tell_broken(part, broken)

    def _tell_broken(self, part: Part, broken: list[int]) -> None:
        if broken:
            message = f"row {broken[0]}: not as many cells as the header; {len(broken)} row(s) left out"
            self.findings.append(Finding("clinical-unreadable", message, path=part.file, count=len(broken)))

    def rows(self) -> Iterator[tuple[Part, int, Row]]:
        """File, row number and cells of every row that stands, read anew."""
        for index, part in enumerate(self.parts):
            for number, row in part.rows():
                if (index, number) not in self._dropped:
                    yield part, number, row

    def _settle(self) -> None:
        entity = self.parts[0].entity
        keys = _identifying(self.parts)
        # Integers that the database counts up say nothing of a row's content.
        common = set.intersection(*(set(part.header) for part in self.parts)) - set(entity.names("key"))
        kept: dict[tuple[str, ...], list[_Seen]] = {}
        conflicts: Counter[str] = Counter()
        for index, part in enumerate(self.parts):
            broken: list[int] = []
            whole = [name for name in part.header if name not in entity.names("key")]
            for number, row in part.rows(broken):
                self.count += 1
                key = tuple(row.get(name, "") for name in keys)
                here = _Seen(index, number, _digest(row, whole), _digest(row, [n for n in whole if n in common]))
                if not key or not key[0]:
                    # Nothing names the row: only an exact repeat is the same one.
                    key = ("", _digest(row, list(part.header)).hex())
                before = kept.setdefault(key, [])
                self._compare(before, here, conflicts)
            self._tell_broken(part, broken)
        for file, count in sorted(conflicts.items()):
            message = f"{entity.name}: {count} identifier(s) had another content in an earlier file"
            self.findings.append(Finding("row-conflict", message, path=file, count=count))

    def _compare(self, before: list[_Seen], here: _Seen, conflicts: Counter[str]) -> None:
        """Whether a row stands beside, or in place of, those of its identifier."""
        if any(here.whole == other.whole for other in before):
            return self._drop(here)
        earlier = [other for other in before if other.part != here.part]
        for other in earlier:
            wider, narrower = self.parts[here.part], self.parts[other.part]
            if here.common == other.common and set(wider.header) != set(narrower.header):
                # The same row from a flow that writes fewer columns.
                if len(wider.header) < len(narrower.header):
                    return self._drop(here)
            else:
                conflicts[self.parts[here.part].file] += 1
            before.remove(other)
            self._drop(other)
        before.append(here)
        return None

    def _drop(self, row: _Seen) -> None:
        self._dropped.add((row.part, row.number))
        self.count -= 1


def _identifying(parts: Sequence[Part]) -> tuple[str, ...]:
    """Columns that tell one row of a table from another, over several runs."""
    entity = parts[0].entity
    if entity.form == "dump":
        return ()
    for role in ("series_uid", "study_uid"):
        if (name := entity.name_of(role)) in parts[0].header:
            return (name,)
    own = [*entity.names("key"), *(entity.names("patient") if entity.name == "patient" else ())]
    return (*own[:1], *entity.names("test"))


def _number(row: Row, names: list[str]) -> int:
    """Digest of cells as one number, of 16 bytes: the same for other cells about never."""
    text = "\x1e".join([row.get(name, "") for name in names])
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=16).digest(), "big")


def _digest(row: Row, names: list[str]) -> bytes:
    text = "\x1e".join(f"{name}\x1f{row[name]}" for name in sorted(names) if row[name])
    return hashlib.blake2b(text.encode(), digest_size=12).digest()
