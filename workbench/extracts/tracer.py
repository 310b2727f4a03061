"""The digest by which the dataset service's tracer knows a series.

SHA3-256 over the bytes of all files of the series, in the order of their names, as base64. Names are not hashed, so a
file renamed to another one in the same order goes unseen. Source: chaimeleon-eu/dataset-service, ``hash.py``.
"""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from workbench.errors import EntryFileError, ExtractError, PathNotFound
from workbench.extracts.record import Extract, SeriesRef
from workbench.extracts.tree import Tree, join
from workbench.findings import Finding
from workbench.progress import task

#: Bytes read at a time.
_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class Traced:
    """A series and its digest."""

    #: Patient and study as the layout names them, and the series folder.
    patient_id: str
    study_key: str
    path: str
    #: Files that were hashed.
    n_files: int
    #: SHA3-256 of their bytes, base64.
    digest: str


def trace(extract: Extract) -> Iterator[Traced]:
    """Digest of every listed series, in the order of the listing; each file is read once, piece by piece.

    Parameters
    ----------
    extract : Extract
        As its adapter listed it.

    Raises
    ------
    ExtractError
        A file cannot be read.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> folder = Path(tempfile.mkdtemp())
    >>> for name in ("2.dcm", "1.dcm"):
    ...     _ = (folder / name).write_text(name)
    >>> listed = Extract("north", "ds", "plain", folder, (folder,), (SeriesRef("."),))
    >>> next(trace(listed)).digest == base64.b64encode(hashlib.sha3_256(b"1.dcm2.dcm").digest()).decode()
    True
    """
    tree = Tree(extract.root, extract.allowed_roots)
    with task(f"{extract.node}: digests", len(extract.series), unit="series") as advance:
        for ref in extract.series:
            yield _traced(tree, ref)
            advance(1)


def _traced(tree: Tree, ref: SeriesRef) -> Traced:
    state = hashlib.sha3_256()
    if os.path.isfile(tree.full(ref.path)):
        names = [ref.path]
    elif ref.recursive:
        names = sorted(tree.files(ref.path))
    else:
        names = [join(ref.path, name) for name in tree.folder(ref.path).files]
    for name in names:
        try:
            with tree.full(name).open("rb") as file:
                while block := file.read(_BLOCK):
                    state.update(block)
        except OSError as error:
            reason = error.strerror or "not readable"
            raise ExtractError(reason, file=name, remedy="mount it, or check its permissions") from error
    return Traced(ref.patient_id, ref.study_key, ref.path, len(names), base64.b64encode(state.digest()).decode())


def compare(extract: Extract, expected: Mapping[str, str]) -> list[Finding]:
    """Series whose digest is another one than the node's report says, and those that one of the two does not name.

    Parameters
    ----------
    extract : Extract
        As its adapter listed it.
    expected : mapping
        Series folder (its path, or its own name) -> digest as base64; see :func:`read_report`.
    """
    return differences(trace(extract), expected)


def differences(traced: Iterable[Traced], expected: Mapping[str, str]) -> list[Finding]:
    """The same of digests that were made already, of one extract or several.

    Parameters
    ----------
    traced : iterable of Traced
        What :func:`trace` gave.
    expected : mapping
        As for :func:`compare`.
    """
    findings = []
    here: set[str] = set()
    for one in traced:
        name = next((name for name in (one.path, one.path.rpartition("/")[2]) if name in expected), None)
        if name is None:
            findings.append(Finding("trace-absent", patient_id=one.patient_id, path=one.path))
            continue
        here.add(name)
        if expected[name] != one.digest:
            message = f"digest of {one.n_files} file(s) is another one"
            findings.append(Finding("trace-differs", message, patient_id=one.patient_id, path=one.path))
    if gone := [name for name in expected if name not in here]:
        message = f"{len(gone)} series that the report names"
        findings.append(Finding("series-folder-missing", message, path=gone[0], count=len(gone)))
    return findings


def read_report(path: str | os.PathLike[str]) -> dict[str, str]:
    r"""Digests by series folder that a report says.

    Parameters
    ----------
    path : path-like
        A JSON object ``{"<series folder>": "<digest>"}``; or rows with ``path`` and ``digest``, as CSV, as a JSON list
        or as the list ``series`` of what ``workbench check --tracer --json`` prints.

    Raises
    ------
    PathNotFound, EntryFileError
        No such file; no report.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> report = Path(tempfile.mkdtemp()) / "report.csv"
    >>> _ = report.write_text("path,digest\nP1/S1/1011,p7Qx=\n")
    >>> read_report(report)
    {'P1/S1/1011': 'p7Qx='}
    """
    name = os.path.basename(os.fspath(path))
    try:
        with open(os.path.expanduser(path), encoding="utf-8-sig", newline="") as file:
            text = file.read()
    except OSError as error:
        raise PathNotFound(error.strerror or "not readable", file=name, remedy="check its spelling") from None
    except UnicodeDecodeError:
        text = ""
    given: Any = None
    # What is neither is told below.
    with suppress(ValueError, csv.Error):
        given = json.loads(text) if text.lstrip()[:1] in ("{", "[") else list(csv.DictReader(io.StringIO(text)))
    if isinstance(given, dict) and isinstance(given.get("series"), list):
        given = given["series"]
    if isinstance(given, list) and all(isinstance(row, dict) for row in given):
        given = {row.get("path"): row.get("digest") for row in given}
    whole = isinstance(given, dict) and given and all(isinstance(cell, str) for pair in given.items() for cell in pair)
    if not whole:
        remedy = "give a JSON object of series folder and digest, or rows with the columns path and digest"
        raise EntryFileError("no report of digests", file=name, remedy=remedy)
    return {folder.strip().strip("/"): digest.strip() for folder, digest in given.items()}
