"""The lock file: which instances of which extracts a cohort is made of, so that it can be opened again as it was.

It holds pseudonyms and UIDs as the nodes gave them, paths relative to each extract, sizes and digests; no absolute
path, no clinical value, no time of day. It says as much of patients as the extracts' own file names do: keep it where
the extracts may be kept.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from workbench import __version__
from workbench.arguments import short
from workbench.cohort.said import differing, plain, said_fits
from workbench.cohort.tables.nifti_facts import nifti_facts
from workbench.errors import LockError, UsageError
from workbench.options import options
from workbench.progress import task
from workbench.writing import aside

if TYPE_CHECKING:
    from workbench.cohort.cohort import Cohort
    from workbench.cohort.database.database import Database
    from workbench.cohort.tables.store import Stored

#: Raised by one whenever a field changes its meaning.
FORMAT: Final = 3
#: Facts of an instance, in the order of its line; ``sha256`` of the whole file where it was asked for.
FACTS: Final = ("path", "SOPInstanceUID", "size", "header_digest", "pixel_length", "sha256")
#: Examples that an error names per node and kind of change.
EXAMPLES: Final = 3
_REMEDY: Final = "restore what the lock file was written from, or open without it and lock anew"


@dataclass(frozen=True)
class Locked:
    """A step of a selection: exactly the series and patients that a lock file names."""

    #: What was selected, in words.
    text: str
    #: Pairs of node and SeriesInstanceUID.
    series: tuple[tuple[str, str], ...]
    #: Pairs of node and patient.
    patients: tuple[tuple[str, str], ...]

    def __str__(self) -> str:
        return self.text

    @property
    def public(self) -> str:
        """What it is, without a word of the caller's."""
        return "as in a lock file"

    def apply(self, database: Database) -> None:
        """Keep them and nothing else."""
        database.keep_exactly(self.series, self.patients)


def write_lock(cohort: Cohort, path: Path, *, rehash: bool = False) -> None:
    """Write the lock file of a cohort; whole or not at all, the same bytes for the same cohort.

    Parameters
    ----------
    cohort : Cohort
        What to lock.
    path : Path
        Where to.
    rehash : bool
        Read the files of the kept series whole and note their SHA-256.
    """
    database = cohort._database
    series = database.rows("select node, SeriesInstanceUID from kept_series order by all")
    wanted = set(series) if rehash else set()
    content: dict[str, Any] = {
        "format": FORMAT,
        "workbench": __version__,
        "conditions": [step for step in cohort.conditions if isinstance(step, str)],
        "selection": " and ".join(f"({step})" for step in cohort.conditions),
        "only_conditions": all(isinstance(step, str) for step in cohort.conditions),
        "kept": None,
        "extracts": [],
    }
    if cohort.conditions:
        patients = database.rows("select node, patient_id from kept_patients order by all")
        content["kept"] = {"series": _by_node(series), "patients": _by_node(patients)}
    for extract in sorted(cohort.extracts, key=lambda extract: extract.node):
        content["extracts"].append(_described(extract, {uid for node, uid in wanted if node == extract.node}))
    content["sha256"] = _digest(content)
    with aside(path) as place, place.open("w", encoding="utf-8", newline="\n") as file:
        # A line per instance, so that two lock files can be compared line by line.
        file.write(json.dumps({name: value for name, value in content.items() if name != "extracts"}, indent=1)[:-2])
        file.write(',\n "extracts": [')
        for number, extract_facts in enumerate(content["extracts"]):
            instances = extract_facts.pop("instances")
            file.write(("," if number else "") + "\n" + json.dumps(extract_facts, ensure_ascii=False)[:-1])
            file.write(', "instances": {')
            for position, (uid, rows) in enumerate(instances.items()):
                lines = ",\n".join(f"  {json.dumps(row, ensure_ascii=False)}" for row in rows)
                file.write(f"{',' if position else ''}\n {json.dumps(uid)}: [\n{lines}]")
            file.write("}}")
        file.write("\n]}\n")


def _by_node(pairs: Sequence[tuple[str, str]]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for node, value in pairs:
        found.setdefault(node, []).append(value)
    return found


def _described(extract: Stored, rehash: set[str]) -> dict[str, Any]:
    """One extract's part: who, what was read beside the images, and every instance by series."""
    instances: dict[str, list[list[Any]]] = {}
    facts = _facts(extract)
    files = [path for path, row in facts.items() if row["SeriesInstanceUID"] in rehash]
    hashes = dict(zip(files, _hashed(extract, files), strict=True))
    for path in sorted(facts):
        row = facts[path]
        line = [path, *(row[name] for name in FACTS[1:-1]), *([hashes[path]] if path in hashes else [])]
        instances.setdefault(row["SeriesInstanceUID"], []).append(line)
    record = extract.record()
    return {
        "node": extract.node,
        "dataset_id": extract.dataset_id,
        "layout": extract.layout,
        "folder": extract.root.name,
        "said": plain(extract),
        "digest": extract.digest,
        "tables": {name: record["tables"].get(name, "") for name in sorted(record["read"])},
        "n_instances": len(facts),
        "instances": dict(sorted(instances.items())),
    }


def _facts(extract: Stored) -> dict[str, dict[str, Any]]:
    """Usable instances of an extract by path."""
    table = extract.read("instances", columns=[*FACTS[:-1], "SeriesInstanceUID"])
    return {row["path"]: row for row in table.to_pylist()} | nifti_facts(extract)


def _hashed(extract: Stored, paths: Sequence[str]) -> list[str]:
    """SHA-256 of whole files, read in portions; empty text for what cannot be read."""
    found = []
    with task(f"{extract.node}: digests of whole files", len(paths)) as advance:
        for path in paths:
            try:
                with extract.root.joinpath(*path.split("/")).open("rb") as file:
                    found.append(hashlib.file_digest(file, "sha256").hexdigest())
            except OSError:
                found.append("")
            advance(1)
    return found


def _digest(content: Mapping[str, Any]) -> str:
    """SHA-256 over everything a lock file says, in portions, however it is spaced and ordered."""
    digest = hashlib.sha256()

    def add(part: object) -> None:
        digest.update(json.dumps(part, sort_keys=True).encode() + b"\n")

    add({name: value for name, value in content.items() if name not in ("extracts", "sha256")})
    for facts in content["extracts"]:
        add({name: value for name, value in facts.items() if name != "instances"})
        for uid in sorted(facts["instances"]):
            add([uid, facts["instances"][uid]])
    return digest.hexdigest()


def read_lock(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Content of a lock file.

    Raises
    ------
    UsageError
        It is not there.
    LockError
        It is no lock file that is understood here, or was changed since it was written.
    """
    name = Path(path).name
    try:
        content: dict[str, Any] = json.loads(Path(path).expanduser().read_text("utf-8"))
        form = content["format"]
    except OSError as error:
        raise UsageError(f"lock file cannot be read: {error.strerror}", file=name, remedy="check its path") from None
    except (ValueError, LookupError, TypeError, RecursionError):
        raise LockError("this is no lock file", file=name, remedy="name one that `workbench lock` wrote") from None
    if form != FORMAT:
        raise LockError(
            f"the lock file is of format {short(form)}, and this version reads {FORMAT}",
            file=name,
            remedy="open the extracts without it, as they were opened then, and lock anew",
        )
    try:
        odd = None if content["sha256"] == _digest(content) else "it was changed since it was written, or cut"
        odd = odd or _unfit(content)
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        odd = "a part of it is missing or of another kind"
    if odd is not None:
        raise LockError(f"the lock file is not as one is written: {odd}", file=name, remedy="lock the cohort anew")
    return content


def _unfit(content: Mapping[str, Any]) -> str | None:
    """What in a lock file does not fit the rest of it; wrong kinds of values raise whatever they raise."""
    conditions, kept, extracts = content["conditions"], content["kept"], content["extracts"]
    if not _texts(conditions) or not isinstance(content["selection"], str):
        return "its conditions are no texts"
    if (kept is None) != (content["selection"] == ""):
        return "what was kept does not fit the selection"
    if content["only_conditions"] and content["selection"] != " and ".join(f"({step})" for step in conditions):
        return "its conditions do not fit the selection"
    if kept is not None and not all(_texts(each) for what in ("series", "patients") for each in kept[what].values()):
        return "what was kept is no list"
    nodes = [facts["node"] for facts in extracts]
    if len(set(nodes)) < len(nodes):
        return "an extract stands twice"
    for facts in extracts:
        if not _texts([facts[name] for name in ("node", "dataset_id", "layout", "folder", "digest")]):
            return "an extract has no name, layout, folder or digest"
        if not isinstance(facts["said"], dict) or not said_fits(facts["said"]):
            return "what was said of an extract is of another kind"
        if not _texts(list(facts["tables"].values())):
            return "a table has no digest"
        lines = [line for rows in facts["instances"].values() for line in rows]
        if facts["n_instances"] != len(lines) or len({line[0] for line in lines}) != len(lines):
            return "its instances are not as many as it says"
        if not all(isinstance(line, list) and len(FACTS) - 1 <= len(line) <= len(FACTS) for line in lines):
            return "an instance lacks facts"
    return None


def _texts(given: Any) -> bool:
    return isinstance(given, list) and all(isinstance(each, str) for each in given)


#: Kinds of differences whose examples and counts are of patients.
_OF_PATIENTS: Final = ("missing", "changed", "table", "selection")


@dataclass(frozen=True)
class Change:
    """One kind of difference between a lock file and an extract."""

    #: Node concerned; empty where an extract itself is missing.
    node: str
    #: ``missing``, ``changed``, ``table``, ``said``, ``extract``, ``more`` or ``selection``.
    kind: str
    #: How many.
    count: int
    #: A few of them: paths relative to the extract, or names of nodes.
    examples: tuple[str, ...]

    def __str__(self) -> str:
        words = {
            "missing": "instance(s) missing", "changed": "instance(s) changed", "table": "table(s) changed",
            "extract": "extract(s) not opened", "more": "extract(s) that it does not know",
            "said": "option(s) given otherwise", "selection": "series or patient(s) selected otherwise",
        }  # fmt: skip
        if options.audience == "shareable" and self.kind in _OF_PATIENTS:
            # Examples are pseudonyms, UIDs and paths, and counts may be of few patients.
            return f"{self.node + ': ' if self.node else ''}{words[self.kind]}"
        shown = ", ".join(self.examples) + (", ..." if self.count > len(self.examples) else "")
        return f"{self.node + ': ' if self.node else ''}{self.count} {words[self.kind]} ({shown})"


def compared(content: Mapping[str, Any], extracts: Sequence[Stored]) -> dict[str, frozenset[str]]:
    """What of each opened extract the lock file does not know, by node: paths of further instances.

    Raises
    ------
    LockError
        Something it knows is missing or changed; every kind of change is named, with counts and examples.
    """
    locked = {part["node"]: part for part in content["extracts"]}
    opened = {extract.node: extract for extract in extracts}
    changes = [_change("", kind, sorted(names)) for kind, names in (
        ("extract", locked.keys() - opened.keys()), ("more", opened.keys() - locked.keys())) if names]  # fmt: skip
    more: dict[str, frozenset[str]] = {}
    for node in sorted(locked.keys() & opened.keys()):
        found, differences = _differences(locked[node], opened[node])
        more[node] = found
        changes += differences
    refuse(changes)
    return more


def _change(node: str, kind: str, names: Sequence[str]) -> Change:
    return Change(node, kind, len(names), tuple(names[:EXAMPLES]))


def refuse(changes: Sequence[Change]) -> None:
    """Raise one error that names all changes, where there are any."""
    if changes:
        lines = "; ".join(map(str, changes))
        raise LockError(f"not what was locked: {lines}", changes=tuple(changes), remedy=_REMEDY)


def _differences(locked: Mapping[str, Any], extract: Stored) -> tuple[frozenset[str], list[Change]]:
    """Paths beyond the lock file, and what of it is missing or changed."""
    record = extract.record()
    tables = {name: record["tables"].get(name, "") for name in record["read"]}
    odd = {name for name in locked["tables"].keys() | tables.keys() if locked["tables"].get(name) != tables.get(name)}
    facts = _facts(extract)
    missing, changed, whole = [], [], {}
    known: set[str] = set()
    for uid, rows in locked["instances"].items():
        for line in rows:
            path, *told = line
            known.add(path)
            now = facts.get(path)
            if now is None:
                missing.append(path)
            elif [uid, *told[: len(FACTS) - 2]] != [now["SeriesInstanceUID"], *(now[name] for name in FACTS[1:-1])]:
                changed.append(path)
            elif len(told) == len(FACTS) - 1:
                whole[path] = told[-1]
    if whole:
        paths = sorted(whole)
        changed += [path for path, now in zip(paths, _hashed(extract, paths), strict=True) if whole[path] != now]
    kinds = (
        ("said", differing(locked["said"], plain(extract))),
        ("table", odd),
        ("missing", missing),
        ("changed", changed),
    )
    return frozenset(facts.keys() - known), [
        _change(extract.node, kind, sorted(names)) for kind, names in kinds if names
    ]


def steps_of(content: Mapping[str, Any]) -> tuple[str | Locked, ...]:
    """Steps of the selection: conditions as they were, or what was kept where it was no condition alone."""
    if content["kept"] is None:
        return ()
    if content["only_conditions"]:
        return tuple(content["conditions"])
    series, patients = (
        tuple((node, value) for node, values in sorted(content["kept"][what].items()) for value in values)
        for what in ("series", "patients")
    )
    return (Locked(content["selection"], series, patients),)


def check_selection(content: Mapping[str, Any], cohort: Cohort) -> None:
    """Refuse a cohort whose conditions no longer select what was locked.

    Raises
    ------
    LockError
    """
    if content["kept"] is None:
        return
    changes = []
    for what, table, column in (
        ("series", "kept_series", "SeriesInstanceUID"),
        ("patients", "kept_patients", "patient_id"),
    ):
        rows = set(cohort._database.rows(f"select node, {column} from {table}"))
        kept = {(node, value) for node, values in content["kept"][what].items() for value in values}
        odd = rows ^ kept
        changes += [
            _change(node, "selection", sorted(value for other, value in odd if other == node))
            for node in sorted({node for node, _ in odd})
        ]
    refuse(changes)
