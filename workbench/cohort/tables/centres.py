"""One extract of several centres, by a column of its tables: for analysis, each centre is a node of its own.

Permits and seals know the extract alone; what is split here are its tables, after they were made as a whole.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from workbench.cohort.tables.store import BASE, Stored, keep, known, store
from workbench.cohort.vocabulary.mapping import Mappings
from workbench.extracts.record import Extract
from workbench.findings import Finding
from workbench.options import options
from workbench.writing import write_text

if TYPE_CHECKING:
    import pyarrow as pa

    from workbench.cohort.tables.spool import Spool

_CODE: Final = "centre-unclear"


def store_nodes(
    extract: Extract, mapping: Mappings | None = None, *, without: frozenset[str] = frozenset()
) -> list[Stored]:
    """Tables of an extract, one set per centre; of the extract as a whole where its tables name no centre.

    Patients of no centre stay with the extract's own node, which is a finding. Findings of no patient stand with the
    first node and name all of them.

    Parameters are those of :func:`workbench.cohort.tables.store.store`.

    Raises
    ------
    EmptyExtract, WriteError, ChangedFile
        As there.
    """
    if not extract.nodes:
        return [store(extract, mapping, without=without)]
    own = tuple(finding for finding in extract.findings if finding.code == _CODE)
    others = tuple(finding for finding in extract.findings if finding.code != _CODE)
    # Read as if no centre had been asked for, so that both ways of opening share their tables.
    undivided = replace(extract, nodes={}, findings=others, how=replace(extract.how, node_column=None))
    whole = store(undivided, mapping, without=without)
    state = repr((extract.how.node_column, sorted(extract.nodes.items()), own))
    marked = hashlib.sha256(f"{whole.fingerprint}\0{state}".encode()).hexdigest()
    memory = whole.folder / "centres.json"
    try:
        record = json.loads(memory.read_text("utf-8"))
        names = [str(name) for name in record["nodes"]] if record["fingerprint"] == marked else []
    except (OSError, ValueError, LookupError, TypeError):
        names = []
    found = [_known(whole, marked, name) for name in names] if whole.reused else []
    if found and all(found):
        return [one for one in found if one is not None]
    tables = _split(whole, extract, own)
    record = whole.record()
    facts = {name: record[name] for name in ("tables", "read")}
    stored = []
    for name, of_node in tables.items():
        one = _of(whole, marked, name, of_node["instances"].num_rows)
        with of_node["values"]:
            keep(one, of_node, facts)
        stored.append(one)
    write_text(memory, json.dumps({"fingerprint": marked, "nodes": list(tables)}) + "\n")
    return stored


def _of(whole: Stored, marked: str, node: str, n_files: int) -> Stored:
    """One node of an extract: its own folder in the cache, its own state and digest."""
    key = hashlib.sha256(json.dumps([whole.folder.name, node]).encode()).hexdigest()
    return replace(
        whole,
        node=node,
        n_files=n_files,
        folder=options.cache_folder("extracts", key[:24]),
        fingerprint=hashlib.sha256(f"{marked}\0{node}".encode()).hexdigest(),
        digest=hashlib.sha256(f"{whole.digest}\0{node}".encode()).hexdigest(),
    )


def _known(whole: Stored, marked: str, node: str) -> Stored | None:
    one = _of(whole, marked, node, 0)
    record = known(one.folder, one.fingerprint)
    return None if record is None else replace(one, n_files=record["n_files"], reused=True)


def _split(whole: Stored, extract: Extract, own: tuple[Finding, ...]) -> dict[str, dict[str, Any]]:
    """Node -> its tables, sorted by name; rows keep their order. Values are spools, for they may be many."""
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    tables = {name: pq.read_table(whole.table(name)) for name in BASE if name != "values"}
    series = tables["series"]
    patients = set(series["patient_id"].to_pylist())
    for batch in _batches(whole, ["patient_id"]):
        patients.update(pc.unique(batch["patient_id"]).to_pylist())
    node_of = {patient: extract.nodes.get(patient, extract.node) for patient in patients}
    owner = dict(zip(series["SeriesInstanceUID"].to_pylist(), series["patient_id"].to_pylist(), strict=True))
    nodes = sorted(set(node_of.values())) or [extract.node]

    def of_series(uid: str) -> str:
        return node_of[owner[uid]] if uid in owner else nodes[0]

    found = tables["findings"].to_pylist()
    strays = [patient for patient in sorted(patients) if patient not in extract.nodes]
    columns = tables["findings"].schema.names
    told = {finding.patient_id for finding in own}
    message = f"no centre in the column {extract.how.node_column}: the patient stays with the extract's own node"
    own += tuple(Finding(_CODE, message, patient_id=patient) for patient in strays if patient not in told)
    found += [{name: getattr(finding, name) for name in columns} for finding in own]
    places = []
    for row in found:
        patient, uid = row["patient_id"], row["series_uid"]
        everywhere = patient not in node_of and uid not in owner
        place = nodes[0] if everywhere else node_of[patient] if patient in node_of else of_series(uid)
        places.append(place)
        row["node"] = ", ".join(nodes) if everywhere else place
    by_node: dict[str, list[str]] = {
        "series": [node_of[patient] for patient in series["patient_id"].to_pylist()],
        "parts": [of_series(uid) for uid in tables["parts"]["SeriesInstanceUID"].to_pylist()],
        "instances": [of_series(uid) for uid in tables["instances"]["SeriesInstanceUID"].to_pylist()],
        "findings": places,
    }
    tables["findings"] = pa.Table.from_pylist(found, tables["findings"].schema)
    split: dict[str, dict[str, Any]] = {node: {} for node in nodes}
    for node, spool in _values_of(whole, node_of, nodes).items():
        split[node]["values"] = spool
    for name, at in by_node.items():
        column = pa.array(at, pa.string())
        table = tables[name]
        if name != "findings":
            table = table.set_column(table.schema.get_field_index("node"), "node", column)
        for node in nodes:
            split[node][name] = table.filter(pc.equal(column, node))
    return split


def _values_of(whole: Stored, node_of: Mapping[str, str], nodes: list[str]) -> dict[str, Spool]:
    """Values of each node, a batch of all of them in memory at a time."""
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    from workbench.cohort.tables.spool import Spool

    schema = pq.read_schema(whole.table("values"))
    spools = {node: Spool(schema) for node in nodes}
    for batch in _batches(whole):
        coded = batch["patient_id"].dictionary_encode()
        column = pa.array([node_of[patient] for patient in coded.dictionary.to_pylist()], pa.string())
        marked = batch.set_column(schema.get_field_index("node"), schema.field("node"), column.take(coded.indices))
        for node in pc.unique(marked["node"]).to_pylist():
            spools[node].add(marked.filter(pc.equal(marked["node"], node)))
    return spools


def _batches(whole: Stored, columns: list[str] | None = None) -> Iterator[pa.RecordBatch]:
    import pyarrow.parquet as pq

    with pq.ParquetFile(whole.table("values")) as file:
        yield from file.iter_batches(columns=columns)
