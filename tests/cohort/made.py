"""Cohorts made of rows alone: the tables of extracts, written as an opening would, without any image."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

import workbench as wb
from workbench.cohort.clinical.harmonise import harmonise
from workbench.cohort.database.engine import clinical_rows
from workbench.cohort.tables.build import FINDINGS, PARTS, SERIES, VALUES, findings_table
from workbench.cohort.tables.store import BASE, Stored
from workbench.cohort.tables.times import place
from workbench.extracts.record import ClinicalRow, StudyRef

#: Header columns that questions look at; empty here.
HEADER = (
    "PatientID", "PatientAge", "Modality", "BodyPartExamined", "Manufacturer", "AcquisitionDate", "StudyDate",
    "SeriesDate",
)  # fmt: skip


@dataclass
class Made:
    """What one node hands over."""

    #: Rows of the table of series; see :func:`image`.
    series: list[dict[str, Any]] = field(default_factory=list)
    #: Clinical rows as an adapter reads them.
    clinical: list[ClinicalRow] = field(default_factory=list)
    #: What tables say of studies.
    studies: list[StudyRef] = field(default_factory=list)
    #: SeriesInstanceUID -> its SOPInstanceUIDs; one of its own by default.
    instances: dict[str, list[str]] = field(default_factory=dict)


def image(patient: str, study: str, series: str = "", **facts: Any) -> dict[str, Any]:
    """Row of the table of series."""
    uid = series or f"{study}.1"
    return {
        "patient_id": patient, "StudyInstanceUID": study, "SeriesInstanceUID": uid, "Modality": "CT", "kind": "image",
        "StudyDate": "", "StudyTime": "", "declared_timepoint": "", "refers_to": [], "n_instances": 1, "path": uid,
        **facts,
    }  # fmt: skip


def mask(patient: str, study: str, of: Iterable[str] = (), series: str = "", **facts: Any) -> dict[str, Any]:
    """Row of a segmentation."""
    facts = {"Modality": "SEG", "kind": "segmentation", "refers_to": list(of), **facts}
    return image(patient, study, series or f"{study}.seg", **facts)


def cohort_of(folder: Path, nodes: Mapping[str, Made]) -> wb.Cohort:
    """Cohort of made-up nodes; *folder* holds their tables."""
    from workbench.cohort.cohort import Cohort

    return Cohort([_stored(folder / name, name, made) for name, made in nodes.items()])


def _stored(folder: Path, node: str, made: Made) -> Stored:
    folder.mkdir(parents=True, exist_ok=True)
    findings = place(made.series, made.studies, [""] * len(made.series))
    values, more = harmonise(made.clinical)
    instances = [
        {"node": node, "SeriesInstanceUID": row["SeriesInstanceUID"], "SOPInstanceUID": uid, "path": row["path"]}
        for row in made.series
        for uid in made.instances.get(row["SeriesInstanceUID"], [row["SeriesInstanceUID"] + ".1"])
    ]
    columns = ("node", "SeriesInstanceUID", "SOPInstanceUID", "path", *HEADER)
    tables = {
        "series": pa.Table.from_pylist([{"node": node, "dataset_id": node, **row} for row in made.series], SERIES),
        "parts": pa.Table.from_pylist([], PARTS),
        "values": pa.Table.from_pylist(
            [{"node": node, **{name: getattr(value, name) for name in value.__slots__}} for value in values], VALUES
        ),
        "findings": findings_table(node, [*findings, *more]).cast(FINDINGS),
        "instances": pa.Table.from_pylist(instances, pa.schema([(name, pa.string()) for name in columns])),
    }
    stored = Stored(
        node=node, dataset_id=node, layout="plain", root=folder, trust="none", digest="0" * 64, n_files=len(instances),
        folder=folder, fingerprint="0" * 64, link_roots=(), reused=False,
    )  # fmt: skip
    for name in BASE:
        pq.write_table(tables[name], stored.table(name))
    pq.write_table(clinical_rows([stored]), stored.table("clinical"))
    return stored
