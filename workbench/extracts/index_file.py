"""The ``index.json`` of the dataset service as a stream of studies: one of them in memory at a time.

Source: chaimeleon-eu/dataset-service, ``index.schema.json``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from sys import intern
from typing import IO, Any, Final

from workbench.errors import EntryFileError
from workbench.extracts.content import check_regular, read_content
from workbench.extracts.eforms import parse_json
from workbench.extracts.paths import checked_parts, nfc

#: Larger ones are left unread; the index of ten thousand studies has about 5 MB.
MAX_BYTES: Final = 1024**3
#: Up to this size the text is read whole, which tells the line of a mistake.
WHOLE: Final = 16 * 1024**2
#: Bytes of one study: with ten thousand series it has about 1 MB.
MAX_STUDY: Final = 64 * 1024**2
REMEDY: Final = "ask the node for the file again, or name another layout with layout=..."


@dataclass(frozen=True, slots=True)
class Item:
    """One study of the index."""

    #: ``index.json[3]``.
    place: str
    subject: str
    parts: tuple[str, ...]
    series: tuple[tuple[str, tuple[str, ...]], ...]

    @property
    def key(self) -> str:
        """The study's folder, in one Unicode form."""
        return nfc("/".join(self.parts))

    @property
    def names(self) -> set[str]:
        """Folders of its series, in one Unicode form."""
        return {nfc(name) for name, _ in self.series}


@dataclass(frozen=True, slots=True)
class IndexFile:
    """Studies of an index, read anew each time they are asked for.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "index.json"
    >>> _ = path.write_text('[{"studyId": "1", "subjectName": "P1", "path": "P1/S1", "series": []}]')
    >>> [item.key for item in IndexFile(path, path.name)]
    ['P1/S1']
    """

    path: Path
    #: What errors call it.
    name: str

    def __iter__(self) -> Iterator[Item]:
        """Its studies, in its order.

        Raises
        ------
        EntryFileError
            It cannot be read, or is not as the service writes it.
        UnsafePath
            A path in it that leads out of the extract.
        """
        for position, value in enumerate(self._values()):
            yield _item(value, f"{self.name}[{position}]")

    def _values(self) -> Iterator[Any]:
        try:
            check_regular(self.path)
            size = self.path.stat().st_size
            if size > MAX_BYTES:
                raise OSError(None, f"larger than {MAX_BYTES // 1024**2} MiB")
            if size <= WHOLE:
                values = parse_json(read_content(self.path))
                if not isinstance(values, list):
                    raise ValueError("top value is not a list")
                yield from values
            else:
                yield from self._streamed()
        except OSError as error:
            raise EntryFileError(
                error.strerror or "not readable", file=self.name, remedy=f"check permissions, or {REMEDY}"
            ) from error
        except ValueError as error:
            raise EntryFileError(str(error), file=self.name, remedy=REMEDY) from None

    def _streamed(self) -> Iterator[Any]:
        import ijson

        with self.path.open("rb") as file:
            if file.read(3) != b"\xef\xbb\xbf":
                file.seek(0)
            start = file.tell()
            if not file.read(1024).lstrip().startswith(b"["):
                raise ValueError("top value is not a list")
            file.seek(start)
            source = _Portions(file)
            try:
                for value in ijson.items(source, "item", use_float=True):
                    source.read_since = 0
                    yield value
            except (ijson.JSONError, UnicodeDecodeError):
                # Its words quote the text.
                raise ValueError(f"not JSON in UTF-8, within {64} KiB before byte {file.tell()}") from None


class _Portions:
    """Bytes of a file for the parser, as long as a study comes to its end."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.read_since = 0

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(64 * 1024 if size < 0 else min(size, 64 * 1024))
        self.read_since += len(data)
        if self.read_since > MAX_STUDY:
            raise ValueError(f"one study has more than {MAX_STUDY // 1024**2} MiB")
        return data


def _item(item: Any, place: str) -> Item:
    if not isinstance(item, dict):
        raise EntryFileError("not an object", file=place, remedy=REMEDY)
    for key in ("studyId", "subjectName", "path"):
        if not isinstance(item.get(key), str) or not item[key].strip():
            raise EntryFileError(f"{key!r} is missing or not text", file=place, remedy=REMEDY)
    listed = item.get("series", [])
    if not isinstance(listed, list):
        raise EntryFileError("'series' is not a list", file=place, remedy=REMEDY)
    series = tuple(_series(entry, f"{place}.series[{position}]") for position, entry in enumerate(listed))
    subject = intern(nfc(item["subjectName"].strip()))
    return Item(place, subject, checked_parts(item["path"], place=f"{place}.path"), series)


def _series(entry: Any, place: str) -> tuple[str, tuple[str, ...]]:
    folder = entry.get("folderName") if isinstance(entry, dict) else None
    if not isinstance(folder, str) or not folder:
        raise EntryFileError("'folderName' is missing or not text", file=place, remedy=REMEDY)
    parts = checked_parts(folder, place=f"{place}.folderName")
    if len(parts) != 1:
        # A series one level further down would not be where its study is.
        raise EntryFileError("'folderName' names more than one folder", file=place, remedy=REMEDY)
    tags = entry.get("tags") or []
    # The same few words stand at thousands of series.
    return parts[0], tuple(intern(str(tag)) for tag in tags) if isinstance(tags, list) else (intern(str(tags)),)
