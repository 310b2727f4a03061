"""What tells whether a NIfTI file is still what it was: its size and its header, with the JSON beside it."""

from __future__ import annotations

import gzip
import hashlib
import os
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from workbench.extracts.nifti_names import sidecar
from workbench.progress import task

if TYPE_CHECKING:
    from workbench.cohort.tables.store import Stored

#: Bytes of a header of NIfTI-1 and NIfTI-2, as its first four bytes say; four more say whether extensions follow.
HEADER_BYTES: Final = (348, 540)

_ORDERS: Final[tuple[Literal["little", "big"], ...]] = ("little", "big")


def nifti_facts(extract: Stored) -> dict[str, dict[str, Any]]:
    """Facts of an extract's NIfTI files by path, as those of DICOM instances; nothing of an image is read."""
    rows = extract.read("series", columns=["path", "SeriesInstanceUID", "resource"]).to_pylist()
    rows = [row for row in rows if row["resource"] == "NIFTI"]
    if not rows:
        return {}
    found = {}
    with task(f"{extract.node}: NIfTI headers", len(rows), unit="images") as advance:
        for row in rows:
            found[row["path"]] = _facts(extract.root, row)
            advance(1)
    return found


def _facts(root: Path, row: Mapping[str, Any]) -> dict[str, Any]:
    place = root.joinpath(*row["path"].split("/"))
    size: int | None
    try:
        size = place.stat().st_size
    except OSError:
        size = None
    beside = root.joinpath(*sidecar(row["path"]).split("/"))
    return {
        "path": row["path"], "SOPInstanceUID": "", "size": size, "header_digest": _digest(place, beside),
        "pixel_length": None, "SeriesInstanceUID": row["SeriesInstanceUID"],
    }  # fmt: skip


def _digest(place: Path, beside: Path) -> str:
    """Digest of a header and of what the JSON beside it says; empty where the header cannot be read."""
    state = hashlib.blake2b(digest_size=16)
    try:
        with open(place, "rb") as raw:
            packed = raw.read(2) == b"\x1f\x8b"
            raw.seek(0)
            file = gzip.GzipFile(fileobj=raw) if packed else raw
            start = file.read(4)
            said = {int.from_bytes(start, order) for order in _ORDERS}
            length = next((length for length in HEADER_BYTES if length in said), HEADER_BYTES[0])
            state.update(start + file.read(length))
        if os.path.isfile(beside):
            with open(beside, "rb") as told:
                state.update(b"\0" + hashlib.file_digest(told, "sha256").digest())
    except (OSError, EOFError, zlib.error):
        return ""
    return state.hexdigest()


def without_files(series: Sequence[Any], without: frozenset[str]) -> tuple[Any, ...]:
    """A listing as if some NIfTI files were not there."""
    return tuple(ref for ref in series if not (ref.resource == "NIFTI" and ref.path in without))
