"""One extract and its header table -> the rows of the cohort's tables. Plain Arrow, no pandas."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from workbench.cohort.catalogue.archived import archive_findings
from workbench.cohort.clinical.deciding import SILENT
from workbench.cohort.clinical.harmonise import VALUES as OF_EXTRACT
from workbench.cohort.clinical.harmonise import Harmonised, Value, from_headers
from workbench.cohort.clinical.mapped import mappings_of
from workbench.cohort.clinical.rules.read import UNMAPPED
from workbench.cohort.clinical.values import row_of
from workbench.cohort.identity.spellings import nearly_alike
from workbench.cohort.tables.grids import of_series
from workbench.cohort.tables.label_sources import KINDS
from workbench.cohort.tables.listed import Places, against_headers, cancers_of, patient_of
from workbench.cohort.tables.nifti_series import nifti_rows
from workbench.cohort.tables.planned import FIRST, PlannedSeries, Plans, plan_all
from workbench.cohort.tables.spool import Spool
from workbench.cohort.tables.times import place
from workbench.cohort.tables.zones import Zones, zones_of
from workbench.cohort.vocabulary.mapping import Mappings
from workbench.cohort.vocabulary.tables import variables
from workbench.dicom.scan import Scan
from workbench.extracts.record import Extract, SeriesRef
from workbench.findings import Finding
from workbench.progress import track

_TEXT, _INT, _FLOAT, _BOOL = pa.string(), pa.int64(), pa.float64(), pa.bool_()
SERIES: Final = pa.schema(
    [
        ("node", _TEXT), ("dataset_id", _TEXT), ("patient_id", _TEXT), ("StudyInstanceUID", _TEXT),
        ("SeriesInstanceUID", _TEXT), ("Modality", _TEXT), ("kind", _TEXT), ("SeriesDescription", _TEXT),
        ("StudyDescription", _TEXT), ("SeriesNumber", _INT), ("BodyPartExamined", _TEXT), ("Manufacturer", _TEXT),
        ("ManufacturerModelName", _TEXT), ("StudyDate", _TEXT), ("StudyTime", _TEXT), ("declared_timepoint", _TEXT),
        ("timepoint", _TEXT), ("timepoint_rule", _TEXT), ("date", _TEXT), ("offset_days", _FLOAT), ("episode", _TEXT),
        ("tags", _TEXT), ("n_instances", _INT), ("n_frames", _INT), ("n_parts", _INT), ("Rows", _INT),
        ("Columns", _INT), ("n_slices", _INT), ("geometry", _TEXT), ("slice_spacing_mm", _FLOAT),
        ("pixel_spacing_mm", _FLOAT), ("plane", _TEXT), ("bytes", _INT), ("decodable", _BOOL), ("resource", _TEXT),
        ("refers_to", pa.list_(_TEXT)), ("path", _TEXT),
    ]
)  # fmt: skip
PARTS: Final = pa.schema(
    [
        ("node", _TEXT), ("SeriesInstanceUID", _TEXT), ("part", _INT), ("n_frames", _INT), ("n_slices", _INT),
        ("Rows", _INT), ("Columns", _INT), ("ImageType", _TEXT), ("extra_dim", _TEXT), ("n_extra", _INT),
        ("geometry", _TEXT), ("flags", _TEXT), ("plane", _TEXT), ("slice_spacing_mm", _FLOAT),
        ("row_spacing_mm", _FLOAT), ("column_spacing_mm", _FLOAT), ("max_step_error_mm", _FLOAT),
        ("shear_deg", _FLOAT), ("obliquity_deg", _FLOAT), ("n_gaps", _INT), ("single_orientation", _BOOL),
        ("unique_positions", _BOOL), ("uniform_spacing", _BOOL), ("loadable", _BOOL),
    ]
)  # fmt: skip
VALUES: Final = pa.schema([("node", _TEXT), *OF_EXTRACT])
FINDINGS: Final = pa.schema(
    [
        ("node", _TEXT), ("code", _TEXT), ("severity", _TEXT), ("title", _TEXT), ("message", _TEXT),
        ("patient_id", _TEXT), ("series_uid", _TEXT), ("path", _TEXT), ("count", _INT), ("remedy", _TEXT),
    ]
)  # fmt: skip


@dataclass(frozen=True)
class Tables:
    """The rows one extract contributes."""

    series: pa.Table
    parts: pa.Table
    #: Clinical values, which may be more than memory holds; to be closed.
    values: Spool
    findings: pa.Table
    #: Files that values came from.
    files: frozenset[str]


def build_tables(
    extract: Extract, scan: Scan, *, mapping: Mappings | None = None, plans: Plans | None = None
) -> Tables:
    """Rows of the cohort's tables for one extract.

    Parameters
    ----------
    extract : Extract
        As its adapter listed it.
    scan : Scan
        Header table of the listed places.
    mapping : Mappings, optional
        What names the clinical variables; by default that of the layout.
    plans : Plans, optional
        What is known of its series from before.
    """
    where = Places(extract.series)
    cancers = cancers_of(extract, scan.instances)
    findings = _once((*extract.findings, *scan.findings))
    series_rows: list[dict[str, Any]] = []
    part_rows: list[dict[str, Any]] = []
    study_keys: list[str] = []
    header_values: list[list[Value]] = []
    mismatched: Counter[str] = Counter()
    references = _references(scan.instances)
    for series in plan_all(scan.table, extract.root, label=f"{extract.node}: planning", plans=plans):
        first = series.first
        ref = where.of(first["path"])
        header_patient = first["PatientID"] or ""
        patient = patient_of(extract, ref, header_patient) or _unnamed(first["StudyInstanceUID"])
        if header_patient and (ref.patient_id if ref else "") not in ("", header_patient):
            mismatched[patient] += 1
        series_rows.append(_series_row(extract, series, ref, patient, references.get(series.uid, ())))
        study_keys.append(ref.study_key if ref else "")
        named = {"node": extract.node, "SeriesInstanceUID": series.uid}
        part_rows.extend({**named, "part": number, **part} for number, part in enumerate(series.parts, 1))
        findings.extend(replace(finding, patient_id=patient) for finding in series.findings)
        header_values.append(
            from_headers(
                patient, sex=first["PatientSex"] or "", age=first["PatientAge"] or "", file=first["path"],
                cancer=cancers.get(series.uid, ""),
            )
        )  # fmt: skip
    nifti = nifti_rows(extract, series_rows, study_keys)
    findings.extend(nifti.findings)
    series_rows += nifti.series
    part_rows += nifti.parts
    study_keys += nifti.study_keys
    header_values += [
        from_headers(row["patient_id"], sex=sex, age=age, file=row["path"])
        for row, (sex, age) in zip(nifti.series, nifti.patients, strict=True)
    ]
    zones, stated = Zones(), zones_of(scan.instances)
    for row in series_rows:
        if (minutes := stated.get(row["SeriesInstanceUID"])) is not None:
            zones.image(row["patient_id"], minutes)
    findings.extend(place(series_rows, extract.studies, study_keys, stated))
    for patient, count in sorted(mismatched.items()):
        text = "patient id of the headers and of the listing differ"
        findings.append(Finding("patient-id-mismatch", text, patient_id=patient, count=count))
    clinical = Harmonised(extract.clinical, mapping or mappings_of(extract))
    told = track(clinical.batches(), f"{extract.node}: clinical values", unit="batches")
    values = Spool(VALUES)
    described, files = set[str](), set[str]()
    for batch in told:
        given = pc.not_equal(pc.utf8_trim_whitespace(batch["raw_value"]), "")
        described.update(pc.unique(batch["patient_id"].filter(given)).to_pylist())
        files.update(pc.unique(batch["file"]).to_pylist())
        zones.look(batch)
        values.add(_of_node(extract, batch))
    findings.extend(clinical.findings)
    findings.extend(_coverage(extract, {row["patient_id"] for row in series_rows}, described))
    findings.extend(zones.findings())
    findings.extend(_label_sources(series_rows))
    findings.extend(against_headers(extract, where, scan.instances))
    findings.extend(archive_findings(extract, series_rows))
    of_headers = _of_headers(series_rows, header_values)
    unknown = Counter(value.raw_variable for value in of_headers if value.rule == UNMAPPED)
    findings += [
        Finding("value-unmapped", f"{name} in headers", count=count) for name, count in sorted(unknown.items())
    ]
    values.add(_of_node(extract, pa.RecordBatch.from_pylist([row_of(value) for value in of_headers], OF_EXTRACT)))
    files.update(value.file for value in of_headers)
    findings.extend(_conflicts(values))
    return Tables(
        pa.Table.from_pylist(series_rows, SERIES),
        pa.Table.from_pylist(part_rows, PARTS),
        values,
        findings_table(extract.node, findings),
        frozenset(files),
    )


def _of_node(extract: Extract, batch: pa.RecordBatch) -> pa.RecordBatch:
    nodes = pa.repeat(pa.scalar(extract.node, _TEXT), batch.num_rows)
    return pa.RecordBatch.from_arrays([nodes, *batch.columns], schema=VALUES)


#: Header values that are the same at every timepoint.
_OF_PATIENT: Final = frozenset({"sex", "diagnosis"})


def _of_headers(rows: list[dict[str, Any]], given: list[list[Value]]) -> list[Value]:
    """What headers say of patients, once: age at every timepoint, every sex (two of them are a conflict)."""
    kept: dict[tuple[str, str, str], Value] = {}
    for row, values in zip(rows, given, strict=True):
        for value in values:
            of_case = value.variable not in _OF_PATIENT
            distinct = row["timepoint"] if of_case else value.value or ""
            told = replace(value, timepoint=row["timepoint"]) if of_case else value
            kept.setdefault((value.patient_id, value.variable, distinct), told)
    return list(kept.values())


def _unnamed(study_uid: str | None) -> str:
    """Pseudonym of a patient whose images name none: one per study, for two studies may be of two people."""
    return "unnamed-" + hashlib.sha256((study_uid or "").encode()).hexdigest()[:12]


def _references(instances: pa.Table) -> dict[str, list[str]]:
    """Series that the objects of each series refer to, sorted, where they refer to any."""
    referring = instances.select(["SeriesInstanceUID", "referenced_series"])
    referring = referring.filter(pc.greater(pc.list_value_length(referring["referenced_series"]), 0))
    found: dict[str, set[str]] = {}
    for row in referring.to_pylist():
        found.setdefault(row["SeriesInstanceUID"], set()).update(row["referenced_series"])
    return {uid: sorted(named) for uid, named in found.items()}


#: Header values of a series that stand in the table under their own names.
_OF_FIRST: Final = tuple(name for name in FIRST if name in SERIES.names and name != "path")


def _series_row(
    extract: Extract, series: PlannedSeries, ref: SeriesRef | None, patient: str, refers_to: Sequence[str]
) -> dict[str, Any]:
    row: dict[str, Any] = {name: series.first[name] for name in _OF_FIRST}
    row |= {
        "node": extract.node,
        "dataset_id": extract.dataset_id,
        "patient_id": patient,
        "SeriesInstanceUID": series.uid,
        "kind": series.kind,
        "declared_timepoint": ref.timepoint if ref else "",
        "episode": ref.episode if ref else "",
        "tags": ", ".join(ref.tags) if ref else "",
        "n_instances": series.n_instances,
        "n_frames": series.n_frames,
        "n_parts": len(series.parts),
        "bytes": series.bytes,
        "resource": "DICOM",
        "decodable": series.decodable,
        "refers_to": refers_to,
        "path": series.first["path"].rpartition("/")[0] or ".",
    }
    if series.parts:
        row |= of_series(series.parts[0])
    return row


#: Types of variables of which two values at one time contradict one another.
_EXCLUSIVE: Final = frozenset(("number", "category", "boolean"))


#: Of the rows of values: each variable with the cases that hold two values of it at one time.
_CONFLICTS: Final = """
with cases as (
    select variable from given
    where variable in ({exclusive}) and value is not null and rule not in ({silent})
    group by variable, patient_id, timepoint, episode, "date", offset_days
    having min(value) <> max(value))
select variable, count(*) from cases group by variable order by variable"""


def _conflicts(values: Spool) -> list[Finding]:
    """Variables for which one case has two different values at one time."""
    from workbench.cohort.database.working import connected, quoted

    exclusive = ", ".join(quoted(variable.name) for variable in variables().values() if variable.type in _EXCLUSIVE)
    silent = ", ".join(quoted(rule) for rule in sorted(SILENT))
    with connected(opening=True) as connection:
        rows = values.ask(connection).query("given", _CONFLICTS.format(exclusive=exclusive, silent=silent))
        return [Finding("value-conflict", name, count=count) for name, count in rows.fetchall()]


#: Findings that listing and scanning both make of one path.
_SEEN_TWICE: Final = frozenset({"link-outside", "link-dangling", "file-unreadable"})


def _once(findings: Iterable[Finding]) -> list[Finding]:
    """Findings without those that two steps made of the same file."""
    told = {(f.code, f.path, "" if f.code in _SEEN_TWICE and f.path else f.message): f for f in findings}
    return list(told.values())


def _coverage(extract: Extract, imaged: set[str], described: set[str]) -> list[Finding]:
    """Patients with images only, and with clinical data only."""
    if not described:
        return []
    listed = imaged | {ref.patient_id for ref in extract.series if ref.patient_id}
    findings = [Finding("clinical-missing", "no clinical value", patient_id=p) for p in sorted(imaged - described)]
    findings += [Finding("imaging-missing", "no image", patient_id=p) for p in sorted(described - listed)]
    findings += nearly_alike(imaged - described, described - listed)
    return findings


def _label_sources(rows: list[dict[str, Any]]) -> list[Finding]:
    here = {row["SeriesInstanceUID"] for row in rows}
    found = []
    for row in rows:
        if row["kind"] in KINDS and not here & set(row["refers_to"]):
            what = (
                "refers to series that are not in this extract" if row["refers_to"] else "names no image that is here"
            )
            at = {"patient_id": row["patient_id"], "series_uid": row["SeriesInstanceUID"], "path": row["path"]}
            found.append(Finding("label-source-missing", f"{row['Modality']} {what}", **at))
    return found


def findings_table(node: str, findings: Iterable[Finding]) -> pa.Table:
    """Findings as rows, the node named."""
    rows = [
        {
            "node": finding.node or node, "code": finding.code, "severity": finding.severity, "title": finding.title,
            "message": finding.message, "patient_id": finding.patient_id, "series_uid": finding.series_uid,
            "path": finding.path, "count": finding.count, "remedy": finding.remedy,
        }
        for finding in findings
    ]  # fmt: skip
    return pa.Table.from_pylist(rows, FINDINGS)
