"""The digest by which the dataset service's tracer knows a series.

SHA3-256 over the bytes of all files of the series, in the order of their names, as base64. Names are not hashed, so a
file renamed to another one in the same order goes unseen. Source: chaimeleon-eu/dataset-service, ``hash.py``.
"""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

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
    OSError
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
        with tree.full(name).open("rb") as file:
            while block := file.read(_BLOCK):
                state.update(block)
    return Traced(ref.patient_id, ref.study_key, ref.path, len(names), base64.b64encode(state.digest()).decode())


def compare(extract: Extract, expected: Mapping[str, str]) -> list[Finding]:
    """Series whose digest is another one than the node's report says, and those that the report does not name.

    Parameters
    ----------
    extract : Extract
        As its adapter listed it.
    expected : mapping
        Series folder (its path, or its own name) -> digest as base64.
    """
    findings = []
    for traced in trace(extract):
        said = expected.get(traced.path, expected.get(traced.path.rpartition("/")[2]))
        if said is None:
            findings.append(Finding("trace-absent", patient_id=traced.patient_id, path=traced.path))
        elif said != traced.digest:
            message = f"digest of {traced.n_files} file(s) is another one"
            findings.append(Finding("trace-differs", message, patient_id=traced.patient_id, path=traced.path))
    return findings
