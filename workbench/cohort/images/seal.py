"""What a group of a store is made of, file by file with checksums, so that what is lost or damaged is noticed.

Zarr takes a chunk that is not there for one of nothing but fill values, and most compressors unpack damaged bytes
without a word. The seal stands in the attributes of the group, so it comes and goes with it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final
from zlib import crc32

#: Attribute of a group that holds its seal.
ATTRIBUTE: Final = "workbench_image"
#: Metadata of a group or an array.
METADATA: Final = "zarr.json"
_BLOCK: Final = 1 << 20


@dataclass(frozen=True)
class Seal:
    """What was written into a group."""

    #: What the store's index says of it.
    entry: dict[str, Any]
    #: Path of each file within the group -> size in bytes and CRC-32. The group's own metadata are not among them.
    files: dict[str, tuple[int, int]]

    def is_whole(self, group: Path, *, array: str = "", thorough: bool = False) -> bool:
        """Whether every file is there in its size, and metadata are as they were written.

        Parameters
        ----------
        group : Path
            Folder of the group.
        array : str
            Look at the files of this array alone.
        thorough : bool
            Read all bytes of all files, not those of metadata alone.
        """
        for name, (size, checksum) in self.files.items():
            if array and not name.startswith(f"{array}/"):
                continue
            place = group.joinpath(*name.split("/"))
            try:
                if place.stat().st_size != size:
                    return False
                if (thorough or place.name == METADATA) and _checksum(place) != checksum:
                    return False
            except OSError:
                return False
        return True


def write_seal(group: Path, entry: dict[str, Any]) -> None:
    """Seal a group that has just been written whole, and that nobody reads yet."""
    files = {
        place.relative_to(group).as_posix(): (place.stat().st_size, _checksum(place))
        for place in sorted(group.rglob("*")) if place.is_file() and place != group / METADATA
    }  # fmt: skip
    metadata = json.loads((group / METADATA).read_text("utf-8"))
    record = asdict(Seal(entry, files))
    record["sum"] = digest_of([metadata, record])
    metadata["attributes"][ATTRIBUTE] = json.dumps(record)
    (group / METADATA).write_text(json.dumps(metadata) + "\n", encoding="utf-8")


def read_seal(group: Path) -> Seal | None:
    """Seal of a group; None where there is none, or where it or the group's metadata are damaged."""
    try:
        metadata = json.loads((group / METADATA).read_bytes())
        record = json.loads(metadata["attributes"].pop(ATTRIBUTE))
        total = record.pop("sum")
        if digest_of([metadata, record]) != total:
            return None
        return Seal(record["entry"], {name: (size, checksum) for name, (size, checksum) in record["files"].items()})
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def digest_of(content: Any) -> str:
    """SHA-256 of what JSON can hold."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _checksum(place: Path) -> int:
    found = 0
    with place.open("rb") as file:
        read: Callable[[], bytes] = lambda: file.read(_BLOCK)  # noqa: E731
        for block in iter(read, b""):
            found = crc32(block, found)
    return found
