"""One extract and its header table -> the rows of the cohort's tables. Plain Arrow, no pandas."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from workbench.cohort.clinical.deciding import SILENT
from workbench.cohort.clinical.harmonise import VALUES as OF_EXTRACT
from workbench.cohort.clinical.harmonise import Harmonised, Value, from_headers
from workbench.cohort.clinical.mapped import mappings_of
from workbench.cohort.clinical.rules.read import UNMAPPED
from workbench.cohort.tables.label_sources import KINDS
from workbench.cohort.tables.listed import Places, against_headers, cancers_of, patient_of
from workbench.cohort.tables.nifti_series import nifti_rows
from workbench.cohort.tables.spool import spooled
from workbench.cohort.tables.times import place
from workbench.cohort.vocabulary.mapping import Mappings
from workbench.cohort.vocabulary.tables import variables
from workbench.dicom.scan import Scan
from workbench.dicom.series import Series, iterate_series
from workbench.dicom.stacks.stack import Plan
from workbench.extracts.record import Extract, SeriesRef
from workbench.findings import Finding
from workbench.progress import task, track

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
    values: pa.Table
    findings: pa.Table


def build_tables(extract: Extract, scan: Scan, *, mapping: Mappings | None = None) -> Tables:
    """Rows of the cohort's tables for one extract.

    Parameters
    ----------
    extract : Extract
        As its adapter listed it.
    scan : Scan
        Header table of the listed places.
    mapping : Mappings, optional
        What names the clinical variables; by default that of the layout.
    """
    where = Places(extract.series)
    cancers = cancers_of(extract, scan.instances)
    findings = _once((*extract.findings, *scan.findings))
    series_rows: list[dict[str, Any]] = []
    part_rows: list[dict[str, Any]] = []
    study_keys: list[str] = []
    header_values: list[list[Value]] = []
    mismatched: Counter[str] = Counter()
    n_series = len(set(scan.instances["SeriesInstanceUID"].to_pylist()))
    with task(f"{extract.node}: planning", n_series, unit="series") as advance:
        for series in iterate_series(scan.table, extract.root):
            first = {name: series.rows[name][0].as_py() for name in _FIRST}
            ref = where.of(first["path"])
            header_patient = first["PatientID"] or ""
            patient = patient_of(extract, ref, header_patient) or _unnamed(first["StudyInstanceUID"])
            if header_patient and (ref.patient_id if ref else "") not in ("", header_patient):
                mismatched[patient] += 1
            findings.extend(_identity(series, patient, first["path"]))
            series_rows.append(_series_row(extract, series, ref, patient, first))
            study_keys.append(ref.study_key if ref else "")
            part_rows.extend(_part_row(extract, series, number, plan) for number, plan in enumerate(series.plans, 1))
            findings.extend(replace(finding, patient_id=patient) for finding in series.findings)
            header_values.append(
                from_headers(
                    patient, sex=first["PatientSex"] or "", age=first["PatientAge"] or "", file=first["path"],
                    cancer=cancers.get(series.uid, ""),
                )
            )  # fmt: skip
            advance(1)
    nifti = nifti_rows(extract, series_rows, study_keys)
    findings.extend(nifti.findings)
    series_rows += nifti.series
    part_rows += nifti.parts
    study_keys += nifti.study_keys
    header_values += [
        from_headers(row["patient_id"], sex=sex, age=age, file=row["path"])
        for row, (sex, age) in zip(nifti.series, nifti.patients, strict=True)
    ]
    findings.extend(place(series_rows, extract.studies, study_keys))
    for patient, count in sorted(mismatched.items()):
        text = "patient id of the headers and of the listing differ"
        findings.append(Finding("patient-id-mismatch", text, patient_id=patient, count=count))
    clinical = Harmonised(extract.clinical, mapping or mappings_of(extract))
    told = track(clinical.batches(), f"{extract.node}: clinical values", unit="batches")
    stated = spooled(told, OF_EXTRACT)
    findings.extend(clinical.findings)
    findings.extend(_coverage(extract, {row["patient_id"] for row in series_rows}, stated))
    findings.extend(_label_sources(series_rows))
    findings.extend(against_headers(extract, where, scan.instances))
    of_headers = _of_headers(series_rows, header_values)
    unknown = Counter(value.raw_variable for value in of_headers if value.rule == UNMAPPED)
    findings += [
        Finding("value-unmapped", f"{name} in headers", count=count) for name, count in sorted(unknown.items())
    ]
    values = pa.concat_tables([stated, pa.Table.from_pylist([asdict(value) for value in of_headers], OF_EXTRACT)])
    findings.extend(_conflicts(values))
    nodes = pa.array([extract.node], _TEXT).take(pa.array(np.zeros(values.num_rows, np.int64)))
    values_table = values.add_column(0, VALUES.field("node"), nodes)
    return Tables(
        pa.Table.from_pylist(series_rows, SERIES),
        pa.Table.from_pylist(part_rows, PARTS),
        values_table,
        findings_table(extract.node, findings),
    )


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


def _identity(series: Series, patient: str, path: str) -> list[Finding]:
    """What is wrong with the patient and study that a series' headers name."""
    named = {value for value in series.rows["PatientID"].to_pylist() if value}
    studies = {value for value in series.rows["StudyInstanceUID"].to_pylist() if value}
    found = []
    if not named:
        found.append(Finding("patient-id-missing", "counted as a patient of its own per study"))
    if len(named) > 1:
        found.append(Finding("patient-id-mixed", f"{len(named)} patient ids in one series", count=len(named)))
    if len(studies) > 1:
        found.append(Finding("study-mixed", f"{len(studies)} studies in one series", count=len(studies)))
    return [replace(finding, patient_id=patient, series_uid=series.uid, path=path) for finding in found]


_FIRST: Final = (
    "path", "PatientID", "PatientSex", "PatientAge", "StudyInstanceUID", "Modality", "SeriesDescription",
    "StudyDescription", "SeriesNumber", "BodyPartExamined", "Manufacturer", "ManufacturerModelName", "StudyDate",
    "StudyTime",
)  # fmt: skip


def _series_row(
    extract: Extract, series: Series, ref: SeriesRef | None, patient: str, first: dict[str, Any]
) -> dict[str, Any]:
    row: dict[str, Any] = {name: first[name] for name in _FIRST if name in SERIES.names}
    references = {uid for uids in series.rows["referenced_series"].to_pylist() for uid in uids or ()}
    row |= {
        "node": extract.node,
        "dataset_id": extract.dataset_id,
        "patient_id": patient,
        "SeriesInstanceUID": series.uid,
        "kind": series.kind,
        "declared_timepoint": ref.timepoint if ref else "",
        "episode": ref.episode if ref else "",
        "tags": ", ".join(ref.tags) if ref else "",
        "n_instances": series.rows.num_rows,
        "n_frames": series.n_frames if series.kind == "image" else 0,
        "n_parts": len(series.plans),
        "bytes": int(np.sum(series.rows["size"].to_numpy())),
        "resource": "DICOM",
        "decodable": series.decodable,
        "refers_to": sorted(references),
        "path": first["path"].rpartition("/")[0] or ".",
    }
    if series.plans:
        grid = series.plans[0].grid
        row |= {
            "Rows": grid.shape[1],
            "Columns": grid.shape[2],
            "n_slices": grid.shape[0],
            "geometry": grid.kind,
            "slice_spacing_mm": _finite(grid.slice_spacing),
            "pixel_spacing_mm": _finite(grid.pixel_spacing[0]),
            "plane": grid.plane,
        }
    return row


def _finite(value: float) -> float | None:
    return round(value, 5) if np.isfinite(value) else None


def _part_row(extract: Extract, series: Series, number: int, plan: Plan) -> dict[str, Any]:
    grid = plan.grid
    return {
        "node": extract.node,
        "SeriesInstanceUID": series.uid,
        "part": number,
        "n_frames": plan.n_frames,
        "n_slices": grid.shape[0],
        "Rows": grid.shape[1],
        "Columns": grid.shape[2],
        "ImageType": plan.rows["ImageType"][0].as_py(),
        "extra_dim": ", ".join(extra.name for extra in plan.extras) or None,
        "n_extra": math.prod(len(extra.values) for extra in plan.extras) if plan.extras else None,
        "geometry": grid.kind,
        "flags": " ".join(grid.flags),
        "plane": grid.plane,
        "slice_spacing_mm": _finite(grid.slice_spacing),
        "row_spacing_mm": _finite(grid.pixel_spacing[0]),
        "column_spacing_mm": _finite(grid.pixel_spacing[1]),
        "max_step_error_mm": _finite(grid.max_step_error_mm),
        "shear_deg": _finite(grid.shear_deg),
        "obliquity_deg": _finite(grid.obliquity_deg),
        "n_gaps": grid.n_gaps,
        "single_orientation": len(series.plans) == 1,
        "unique_positions": not plan.refused,
        "uniform_spacing": grid.kind in ("regular", "sheared"),
        "loadable": not plan.refused and series.decodable and not series.conflicting,
    }


#: Types of variables of which two values at one time contradict one another.
_EXCLUSIVE: Final = frozenset(("number", "category", "boolean"))


def _conflicts(values: pa.Table) -> list[Finding]:
    """Variables for which one case has two different values at one time."""
    exclusive = [variable.name for variable in variables().values() if variable.type in _EXCLUSIVE]
    kept = pc.and_(pc.is_in(values["variable"], pa.array(exclusive, _TEXT)), pc.is_valid(values["value"]))
    kept = pc.and_(kept, pc.invert(pc.is_in(values["rule"], pa.array(sorted(SILENT)))))
    case = ["variable", "patient_id", "timepoint", "episode", "date", "offset_days"]
    different = values.select([*case, "value"]).filter(kept).group_by(case).aggregate([("value", "count_distinct")])
    cases = Counter(different.filter(pc.greater(different["value_count_distinct"], 1))["variable"].to_pylist())
    return [Finding("value-conflict", name, count=count) for name, count in sorted(cases.items())]


#: Findings that listing and scanning both make of one path.
_SEEN_TWICE: Final = frozenset({"link-outside", "link-dangling", "file-unreadable"})


def _once(findings: Iterable[Finding]) -> list[Finding]:
    """Findings without those that two steps made of the same file."""
    told = {(f.code, f.path, "" if f.code in _SEEN_TWICE and f.path else f.message): f for f in findings}
    return list(told.values())


def _coverage(extract: Extract, imaged: set[str], stated: pa.Table) -> list[Finding]:
    """Patients with images only, and with clinical data only."""
    given = pc.not_equal(pc.utf8_trim_whitespace(stated["raw_value"]), "")
    described = set(pc.unique(stated["patient_id"].filter(given)).to_pylist())
    if not described:
        return []
    listed = imaged | {ref.patient_id for ref in extract.series if ref.patient_id}
    findings = [Finding("clinical-missing", "no clinical value", patient_id=p) for p in sorted(imaged - described)]
    findings += [Finding("imaging-missing", "no image", patient_id=p) for p in sorted(described - listed)]
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
