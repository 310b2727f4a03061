"""What was said when an extract was opened and changes its content: kept with it, written into lock files.

Values stand as they were given; of files only digests, for their paths are nobody else's. A lock file hands the values
on to whoever opens with it; files must be named again, and be the same.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from workbench.arguments import short

if TYPE_CHECKING:
    from workbench.cohort.tables.store import Stored

#: Options that are values: a lock file can say them again.
VALUES: Final = ("layout", "node", "id_column", "node_column", "header", "modalities", "masks")
#: Options that name files: a lock file knows their digest.
FILES: Final = ("mapping", "clinical", "index", "links")

#: Option and what was said, sorted by option: whole numbers, texts, and tuples of these.
Said = tuple[tuple[str, Any], ...]


def said_of(how: Mapping[str, Any]) -> Said:
    """What of the options of one extract changes its content.

    Examples
    --------
    >>> said_of({"header": 2, "modalities": {"T1w": "MR"}, "node": None})
    (('header', 2), ('modalities', (('T1w', 'MR'),)))
    """
    found: dict[str, Any] = {}
    for name in VALUES:
        value = how.get(name)
        if value:
            found[name] = tuple(sorted(value.items())) if isinstance(value, Mapping) else value
    for name in FILES:
        paths = how.get(name)
        if paths:
            listed = paths if isinstance(paths, tuple) else (paths,)
            # The tables outside the extract have digests of their own; which were named is what is said.
            found[name] = tuple(sorted(path.name if name == "clinical" else _digest(path) for path in listed))
    return tuple(sorted(found.items()))


def _digest(path: Path) -> str:
    with suppress(OSError), path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
    return ""


def plain(stored: Stored) -> dict[str, Any]:
    """What was said of an opened extract, as JSON holds it; of a linkage table, who is who."""
    found = {name: _listed(value) for name, value in stored.said}
    if stored.persons:
        found["linkage"] = hashlib.sha256(repr(stored.persons).encode()).hexdigest()
    return found


def _listed(value: Any) -> Any:
    return [_listed(each) for each in value] if isinstance(value, tuple) else value


def needed_files(extracts: Sequence[Stored]) -> list[str]:
    """Options that named files which no lock file can bring along."""
    return sorted({name for extract in extracts for name in plain(extract) if name not in VALUES})


def filled(
    given: Mapping[str, Mapping[Path, Any]], parts: Sequence[Mapping[str, Any]], folders: Sequence[Path]
) -> dict[str, dict[Path, Any]]:
    """Options of each folder, those that the caller left out taken from the parts of a lock file.

    A folder's parts are those with its name; or all, where the lock file and the caller each have one folder. Where
    two extracts of one name were opened otherwise, nothing is taken: what differs is told when they are compared.

    Parameters
    ----------
    given : mapping
        Option -> folder -> value, as the caller gave it.
    parts : sequence of mapping
        Extracts of a lock file.
    folders : sequence of Path
        What is opened.
    """
    single = len(folders) == 1 and len({part["folder"] for part in parts}) == 1
    done = {name: dict(values) for name, values in given.items()}
    for folder in folders:
        of_folder = [part["said"] for part in parts if single or part["folder"] == folder.resolve().name]
        if not of_folder or any(said != of_folder[0] for said in of_folder):
            continue
        for name in VALUES:
            if not done[name].get(folder) and name in of_folder[0]:
                done[name][folder] = _as_given(name, of_folder[0][name])
    return done


def _as_given(name: str, value: Any) -> Any:
    if name == "modalities":
        return dict(value)
    return tuple(value) if isinstance(value, list) else value


def said_fits(said: Mapping[str, Any]) -> bool:
    """Whether what a lock file says of the options of an extract is of the kinds that they are of."""
    kinds: dict[str, Any] = {"header": int, "modalities": list, "masks": list} | dict.fromkeys(FILES, list)
    pairs = said.get("modalities", [])
    return all(isinstance(value, kinds.get(name, str)) for name, value in said.items()) and all(
        isinstance(each, str) for pair in pairs for each in (pair if isinstance(pair, list) and len(pair) == 2 else [0])
    )


def differing(locked: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Options that are otherwise than a lock file says, in words.

    Examples
    --------
    >>> differing({"header": 2, "mapping": ["a"]}, {"mapping": ["b"]})
    ['header: 2 when locked, not given now', 'mapping: one file when locked, another now']
    """
    return [
        f"{name}: {_worded(name, locked.get(name), 'one file')} when locked, "
        f"{_worded(name, now.get(name), 'another' if name in locked else 'one file')} now"
        for name in sorted(locked.keys() | now.keys())
        if locked.get(name) != now.get(name)
    ]


def _worded(name: str, value: Any, file: str) -> str:
    if value is None:
        return "not given"
    return short(_as_given(name, value)) if name in VALUES else file
