"""Images that stand in a cohort twice: the same instance at two nodes, the same pixels under two UIDs."""

from __future__ import annotations

import hashlib
import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final

from workbench.findings import Finding
from workbench.progress import task

if TYPE_CHECKING:
    from workbench.cohort.database.database import Database
    from workbench.cohort.tables.store import Stored

#: Bytes read of each candidate first; the rest is read of those alone that agree in them.
FIRST: Final = 4096
#: Bytes read at a time.
BLOCK: Final = 1 << 20

_INSTANCES: Final = """
select nodes, min(patient_id), uid, count(*)
from (select string_agg(distinct i.node, ', ' order by i.node) as nodes, min(s.patient_id) as patient_id,
        min(i.SeriesInstanceUID) as uid
    from instances i join all_series s using (node, SeriesInstanceUID)
    where i.SOPInstanceUID <> '' group by i.SOPInstanceUID having count(distinct i.node) > 1)
group by uid, nodes order by uid, nodes
"""
#: Images that agree in everything the header says of their pixels and their place, but not in their UID.
_CANDIDATES: Final = """
with images as (
    select i.node, s.patient_id, i.SeriesInstanceUID, i.SOPInstanceUID, i.path, i.size, i.pixel_offset, i.pixel_length,
        hash(i.pixel_length, i.Rows, i.Columns, i.NumberOfFrames, i.BitsAllocated, i.SamplesPerPixel,
            i.TransferSyntaxUID, i.ImagePositionPatient, i.ImageOrientationPatient)::varchar as alike
    from instances i join all_series s using (node, SeriesInstanceUID)
    where i.kind = 'image' and i.pixel_offset > 0 and i.pixel_length > 0)
select * from images semi join (
    select alike from images group by alike having count(distinct SOPInstanceUID) > 1) using (alike)
order by alike, node, path
"""
_FACTS: Final = (
    "node", "patient_id", "series", "instance", "path", "size", "offset", "length", "alike",
)  # fmt: skip


def duplicates(database: Database, extracts: Sequence[Stored], *, pixels: bool) -> list[Finding]:
    """Findings of duplicates, one per series or pair of series; see :meth:`Cohort.duplicates`."""
    found = []
    for nodes, patient, uid, count in database.rows(_INSTANCES):
        message = f"{count} instance(s) of the series also at another node"
        found.append(
            Finding("instance-duplicated", message, node=nodes, patient_id=patient, series_uid=uid, count=count)
        )
    return [*found, *_same_pixels(database, extracts)] if pixels else found


def _same_pixels(database: Database, extracts: Sequence[Stored]) -> list[Finding]:
    rows = [dict(zip(_FACTS, row, strict=True)) for row in database.rows(_CANDIDATES)]
    roots = {extract.node: str(extract.root) for extract in extracts}
    findings: list[Finding] = []
    for length in (FIRST, None):
        with task("comparing pixels", len(rows), unit="images") as advance:
            for row in rows:
                digest = _digest(os.path.join(roots[row["node"]], row["path"]), row["offset"], row["length"], length)
                if digest is None:
                    findings.append(Finding("file-unreadable", node=row["node"], path=row["path"]))
                row["alike"] = f"{row['alike']} {digest}" if digest else ""
                advance(1)
        rows = _agreeing(rows)
    return [*_pairs(rows), *findings]


def _digest(path: str, offset: int, length: int, most: int | None) -> str | None:
    """Digest of the pixel bytes of a file; empty where all are one value, None where they cannot be read."""
    state, left, first, even = hashlib.blake2b(digest_size=20), min(length, most or length), b"", True
    try:
        with open(path, "rb") as file:
            file.seek(offset)
            while left > 0 and (block := file.read(min(BLOCK, left))):
                first = first or block[:1]
                even = even and block.count(first) == len(block)
                state.update(block)
                left -= len(block)
    except OSError:
        return None
    # An empty image equals any other; what is seen of a large one may be its black border.
    return "" if even and most is None else state.hexdigest()


def _agreeing(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows that agree with one of another UID."""
    groups: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        if row["alike"]:
            groups[row["alike"]].add(row["instance"])
    return [row for row in rows if len(groups.get(row["alike"], ())) > 1]


def _pairs(rows: Iterable[dict[str, Any]]) -> list[Finding]:
    """One finding for each two series that share pixels; images repeated within one series are one too."""
    groups: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        groups[row["alike"]].append(row)
    counts: Counter[tuple[tuple[str, str, str], tuple[str, str, str]]] = Counter()
    for group in groups.values():
        first, *others = sorted({row["instance"]: row for row in reversed(group)}.values(), key=_key)
        for other in others:
            counts[_key(first)[:3], _key(other)[:3]] += 1
    findings = []
    for (one, two), count in sorted(counts.items()):
        where = "within the series" if one == two else f"in series {two[2]} of patient {two[1]}"
        message = f"{count} image(s) {where}"
        nodes = ", ".join(sorted({one[0], two[0]}))
        findings.append(
            Finding("pixels-duplicated", message, node=nodes, patient_id=one[1], series_uid=one[2], count=count)
        )
    return findings


def _key(row: dict[str, Any]) -> tuple[str, str, str, str]:
    return row["node"], row["patient_id"], row["series"], row["path"]
