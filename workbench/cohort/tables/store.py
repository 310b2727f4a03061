"""One extract's tables in the user's cache: built once, reused while nothing changed.

The fingerprint covers every listed file's path, size and stamp, the extract's record and the version
of the package. Opening again costs one pass over the folders and no header read.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from workbench import __version__
from workbench.cohort.catalogue.archived import index_version, of_archive
from workbench.cohort.clinical.mapped import mappings_of
from workbench.cohort.said import Said
from workbench.cohort.vocabulary.mapping import Mappings
from workbench.dicom.headers.stamps import stamp_of
from workbench.dicom.listing import Files, Place, list_files
from workbench.errors import ChangedFile, EmptyExtract, QueryError
from workbench.extracts.record import Clinical, Extract
from workbench.findings import Finding
from workbench.options import options
from workbench.writing import write_text

if TYPE_CHECKING:
    import pyarrow as pa

    from workbench.cohort.tables.build import Tables
    from workbench.dicom.scan import Scan

#: Tables kept per extract, beside the header table.
BASE: Final = ("series", "parts", "values", "findings", "instances")
#: These, and what is worked out from them once.
TABLES: Final = (*BASE, "clinical")
#: Raised by one whenever a column of a stored table changes its meaning.
FORMAT: Final = 11


@dataclass(frozen=True)
class Stored:
    """An opened extract with its tables on disk."""

    #: Hospital or repository.
    node: str
    #: Dataset identifier of the node, or the folder's name.
    dataset_id: str
    #: Layout it was read as.
    layout: str
    #: Absolute folder of the extract.
    root: Path
    #: ``none``: not sealed.
    trust: str
    #: SHA-256 over what was opened: paths, sizes, header digests, tables; the same wherever the extract lies.
    digest: str
    #: Files looked at.
    n_files: int
    #: Folder of its tables in the cache.
    folder: Path
    #: State of the files it was opened in.
    fingerprint: str
    #: Folders outside it that its links may lead to.
    link_roots: tuple[Path, ...]
    #: Whether the tables were reused from an earlier opening.
    reused: bool
    #: Patients and who they are, as a linkage table says; empty where none was given.
    persons: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    #: Rows of the linkage table that name nodes which were not opened with it.
    elsewhere: int = field(default=0, repr=False)
    #: What was said when it was opened and changes its content.
    said: Said = field(default=(), repr=False)

    def record(self) -> dict[str, Any]:
        """What is kept of its state beside the tables: digests of the tables it was read from.

        Raises
        ------
        ChangedFile
            It was opened anew in another state since.
        """
        found = known(self.folder, self.fingerprint)
        if found is None:
            raise self.gone()
        return found

    def read(self, name: str, **which: Any) -> pa.Table:
        """One of its tables, or what *which* says of it: columns and filters as pyarrow takes them.

        Raises
        ------
        ChangedFile
            It was opened anew in another state since.
        """
        import pyarrow.parquet as pq

        try:
            return pq.read_table(self.table(name), **which)
        except FileNotFoundError:
            raise self.gone() from None

    def gone(self) -> ChangedFile:
        """The error where its tables are no longer there."""
        return ChangedFile(
            "the extract was opened anew since, or the cache was deleted",
            file=self.node,
            remedy="open the cohort again",
        )

    def table(self, name: str) -> Path:
        """Parquet file of one table."""
        return _table(self.folder, name, self.fingerprint)


def _table(folder: Path, name: str, fingerprint: str) -> Path:
    """Tables carry the state in their name: a cohort never mixes those of two states."""
    return folder / f"{name}-{fingerprint[:16]}.parquet"


def store(extract: Extract, mapping: Mappings | None = None, *, without: frozenset[str] = frozenset()) -> Stored:
    """Tables of an extract, built where they are not known or something changed.

    Parameters
    ----------
    extract : Extract
        As its adapter listed it.
    mapping : Mappings, optional
        What names the clinical variables; by default that of the layout.
    without : frozenset of str
        Paths of instances to leave out, as if they were not there.

    Raises
    ------
    EmptyExtract
        No readable DICOM object among the listed files.
    WriteError
        The cache cannot be written.
    """
    places = [Place(ref.path, ref.recursive) for ref in extract.series]
    entries, listing_findings = list_files(extract.root, places, allowed_roots=extract.allowed_roots)
    headers = options.cache_folder("extracts", _key(extract))
    usual = mappings_of(extract)
    mapping = mapping or usual
    fingerprint = _fingerprint(extract, entries, listing_findings, mapping)
    folder = headers
    if mapping.digest != usual.digest:
        # Beside what others opened without it: neither takes the other's tables away.
        folder = options.cache_folder("extracts", f"{headers.name}-{mapping.digest[:12]}")
    if without:
        folder = options.cache_folder("extracts", f"{folder.name}-locked")
        fingerprint = hashlib.sha256(f"{fingerprint} {sorted(without)}".encode()).hexdigest()
    record = known(folder, fingerprint)
    if record is not None:
        return _stored(extract, record, folder, reused=True)
    how = _How(places, headers, without, mapping)
    return _stored(extract, _build(extract, how, folder, fingerprint), folder, reused=False)


def _key(extract: Extract) -> str:
    """Name of the cache folder of an extract: where it lies, who handed it over, how it is read."""
    parts = json.dumps([str(extract.root), extract.node, extract.layout])
    return hashlib.sha256(parts.encode()).hexdigest()[:24]


def _fingerprint(extract: Extract, entries: Files, findings: Iterable[Finding], mapping: Mappings) -> str:
    state = hashlib.sha256(f"{__version__} {FORMAT} {mapping.digest}".encode())
    # Clinical values stand in files: their stamps are told below.
    state.update(repr(replace(extract, clinical=Clinical(), series=())).encode())
    for ref in extract.series:
        state.update(repr(ref).encode())
    state.update(repr(list(findings)).encode())
    if of_archive(extract):
        # What its index says of the extract, should it be installed later, or anew.
        state.update(index_version().encode())
    state.update(entries.state())
    for name in extract.tables:
        with suppress(OSError):
            stamp = stamp_of((extract.root / name).stat())
            state.update(f"{name}\0{stamp}\n".encode("utf-8", "surrogatepass"))
    return state.hexdigest()


def known(folder: Path, fingerprint: str) -> dict[str, Any] | None:
    """The stored record, where it still holds and every table is there."""
    try:
        record: dict[str, Any] = json.loads((folder / "extract.json").read_text("utf-8"))
    except (OSError, ValueError):
        return None
    if record.get("fingerprint") != fingerprint or set(record.get("sizes", ())) != set(TABLES):
        return None
    try:
        sizes = {name: _table(folder, name, fingerprint).stat().st_size for name in TABLES}
    except OSError:
        return None
    return record if sizes == record["sizes"] else None


def _stored(extract: Extract, record: dict[str, Any], folder: Path, *, reused: bool) -> Stored:
    return Stored(
        extract.node, extract.dataset_id, extract.layout, extract.root, "none",
        record["digest"], record["n_files"], folder, record["fingerprint"],
        extract.allowed_roots[1:], reused,
    )  # fmt: skip


@dataclass(frozen=True)
class _How:
    """What decides how an extract is read."""

    #: Places its adapter listed.
    places: list[Place]
    #: Folder of its header table in the cache.
    headers: Path
    #: Paths of instances to leave out.
    without: frozenset[str]
    #: What names its clinical variables.
    mapping: Mappings


def _build(extract: Extract, how: _How, folder: Path, fingerprint: str) -> dict[str, Any]:
    from workbench.cohort.tables.build import build_tables
    from workbench.cohort.tables.label_sources import with_sources
    from workbench.cohort.tables.nifti_facts import without_files
    from workbench.cohort.tables.planned import Plans
    from workbench.dicom.index import HeaderIndex
    from workbench.dicom.scan import scan

    found = scan(
        extract.root,
        places=how.places,
        allowed_roots=extract.allowed_roots,
        index=HeaderIndex(how.headers),
        label=f"{extract.node}: headers",
    )
    nifti = any(ref.resource == "NIFTI" for ref in extract.series)
    if not found.instances.num_rows and not nifti and not extract.clinical:
        raise _nothing_readable(extract, found.findings)
    if how.without:
        found = _left_out(found, how.without)
        extract = replace(extract, series=without_files(extract.series, how.without))
    found = with_sources(found, extract.root)
    tables = build_tables(extract, found, mapping=how.mapping, plans=Plans(how.headers))
    with tables.values:
        return _kept(extract, found, tables, folder, fingerprint)


def _kept(extract: Extract, found: Scan, tables: Tables, folder: Path, fingerprint: str) -> dict[str, Any]:
    import pyarrow as pa

    from workbench.cohort.tables.instances import in_groups

    nodes = pa.array([extract.node] * found.instances.num_rows, pa.string())
    instances = in_groups(found.instances.append_column("node", nodes))
    made = {name: instances if name == "instances" else getattr(tables, name) for name in BASE}
    digests = _table_digests(extract)
    # Files that clinical values and facts of studies came from.
    read = tables.files | {study.source.rpartition(":")[0] for study in extract.studies}
    facts = {"declared": extract.declared, "tables": digests, "read": sorted(read & digests.keys())}
    digest = _digest(found.table, digests)
    record = {"digest": digest, "n_files": found.table.num_rows, "fingerprint": fingerprint}
    return keep(_stored(extract, record, folder, reused=False), made, facts)


def keep(stored: Stored, tables: Mapping[str, Any], facts: Mapping[str, Any]) -> dict[str, Any]:
    """Write an extract's tables, and after them the record by which they are known; the record.

    Parameters
    ----------
    stored : Stored
        The extract, and where its tables go.
    tables : mapping
        Arrow tables by the names of ``BASE``, or spools of rows.
    facts : mapping
        What else the record says: digests of the ``tables`` beside the images, which of them were ``read``, and what
        the extract ``declared``.

    Raises
    ------
    ChangedFile
        Another process put tables of another state in their place meanwhile.
    WriteError
        The cache cannot be written.
    """
    from workbench.cohort.database.engine import clinical_rows
    from workbench.cohort.tables.instances import GROUP
    from workbench.cohort.tables.spool import Spool
    from workbench.dicom.index import write_parquet

    kept = {name: stored.table(name) for name in TABLES}
    try:
        for name in BASE:
            if isinstance(tables[name], Spool):
                tables[name].write(kept[name])
            else:
                write_parquet(tables[name], kept[name], group=GROUP if name == "instances" else None)
        write_parquet(clinical_rows([stored]), kept["clinical"])
        sizes = {name: place.stat().st_size for name, place in kept.items()}
    except (FileNotFoundError, QueryError):
        raise ChangedFile(
            "another process opened the extract in another state meanwhile",
            file=stored.root.name,
            remedy="open it again",
        ) from None
    # The record is written after them: a table it does not know in its size counts as not there.
    record = {
        "sizes": sizes,
        "fingerprint": stored.fingerprint,
        "digest": stored.digest,
        "n_files": stored.n_files,
        "node": stored.node,
        "layout": stored.layout,
        "version": __version__,
        **facts,
    }
    write_text(stored.folder / "extract.json", json.dumps(record, indent=1, sort_keys=True) + "\n")
    for name in TABLES:
        for old in stored.folder.glob(f"{name}-*.parquet"):
            if old != kept[name]:
                old.unlink(missing_ok=True)
    return record


def _left_out(found: Scan, without: frozenset[str]) -> Scan:
    """A scan as if some instances were not there; that they are is told."""
    import pyarrow as pa
    import pyarrow.compute as pc

    out = pc.is_in(found.table["path"], pa.array(sorted(without)))
    told = [finding for finding in found.findings if finding.path not in without]
    beyond = Finding("instances-beyond-lock", "not in the lock file", count=len(without))
    return replace(found, table=found.table.filter(pc.invert(out)), findings=(*told, beyond))


def _table_digests(extract: Extract) -> dict[str, str]:
    """SHA-256 of every file beside the images that was read, by name."""
    found = {}
    for name in sorted(extract.tables):
        with suppress(OSError), (extract.root / name).open("rb") as file:
            found[name] = hashlib.file_digest(file, "sha256").hexdigest()
    return found


def _nothing_readable(extract: Extract, findings: Iterable[Finding]) -> EmptyExtract:
    """Why an extract without any readable object is empty, as its findings tell."""
    told = [finding for finding in (*extract.findings, *findings) if finding.severity != "note"]
    if not told:
        return EmptyExtract("no readable DICOM object", file=extract.root.name, remedy="check the path")
    first = told[0]
    more = f" and {len(told) - 1} more" if len(told) > 1 else ""
    text = ": ".join(part for part in (first.code, first.path, first.message) if part)
    return EmptyExtract(f"no readable DICOM object ({text}{more})", file=extract.root.name, remedy=first.remedy)


def _digest(table: Any, tables: dict[str, str]) -> str:
    """Digest of the content that was opened, independent of place and time."""
    state = hashlib.sha256()
    for row in table.select(["path", "size", "header_digest", "pixel_length"]).sort_by("path").to_pylist():
        state.update(json.dumps(row, sort_keys=True).encode())
    for name, digest in tables.items():
        state.update(f"{name}\0{digest}".encode("utf-8", "surrogatepass"))
    return state.hexdigest()
