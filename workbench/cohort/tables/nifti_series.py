"""NIfTI images of an extract as series of the cohort: rows of its tables, made from their headers alone.

A NIfTI file has no UID. Its series gets one by PS3.5 B.2: ``2.25.`` and the decimal number of a UUID, here that of
version 5 (RFC 9562) from node, dataset and path, so the same file of the same extract has the same one everywhere.
"""

from __future__ import annotations

import json
import re
import uuid
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Final

from workbench.cohort.tables.grids import of_part, of_series
from workbench.errors import NiftiError, UnsafePath
from workbench.extracts.composed import images_layout
from workbench.extracts.content import read_content
from workbench.extracts.nifti_names import sidecar
from workbench.extracts.paths import locate
from workbench.extracts.record import Extract, SeriesRef
from workbench.findings import Finding
from workbench.progress import task

if TYPE_CHECKING:
    from workbench.arrays.nifti_image import NiftiImage

#: Namespace of the UUIDs, itself made from the package's name in the namespace of names (RFC 9562, 6.6).
_SPACE: Final = uuid.uuid5(uuid.NAMESPACE_DNS, "cancer-imaging-workbench")
#: DICOM JSON (PS3.18 F.2): a key is eight hexadecimal digits. Those read here, and their columns.
_TAGS: Final = {
    "00080020": "StudyDate", "00080030": "StudyTime", "00080060": "Modality", "00080070": "Manufacturer",
    "0008103E": "SeriesDescription", "00081030": "StudyDescription", "00081090": "ManufacturerModelName",
    "00100020": "PatientID", "00100040": "PatientSex", "00101010": "PatientAge", "00180015": "BodyPartExamined",
    "00200011": "SeriesNumber", "00080022": "AcquisitionDate",
}  # fmt: skip
_KEY: Final = re.compile(r"[0-9A-Fa-f]{8}")
#: Layouts whose caller says which folders hold masks; elsewhere the file's name does.
_TOLD: Final = frozenset({"medical-folder"})


def derived_uid(*parts: str) -> str:
    """UID of what has none, from what names it.

    Examples
    --------
    >>> derived_uid("north", "ds", "P1/T1/a.nii") == derived_uid("north", "ds", "P1/T1/a.nii")
    True
    >>> len(derived_uid("north", "ds", "P1/T1/b.nii")) <= 64
    True
    """
    return f"2.25.{uuid.uuid5(_SPACE, json.dumps(parts, ensure_ascii=False)).int}"


@dataclass
class NiftiRows:
    """Rows that NIfTI images contribute, in the order of the listing."""

    series: list[dict[str, Any]] = field(default_factory=list)
    parts: list[dict[str, Any]] = field(default_factory=list)
    #: Study folder of each series, as the layout names it.
    study_keys: list[str] = field(default_factory=list)
    #: Sex and age of each series, as the JSON beside it says.
    patients: list[tuple[str, str]] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)


def nifti_rows(extract: Extract, others: list[dict[str, Any]], other_keys: list[str]) -> NiftiRows:
    """Rows of an extract's NIfTI images; only headers and the JSON beside them are read.

    Parameters
    ----------
    extract : Extract
        As its adapter listed it.
    others : list of dict
        Rows of its DICOM series, for the study that a folder stands for.
    other_keys : list of str
        Study folder of each of them.
    """
    refs = [ref for ref in extract.series if ref.resource == "NIFTI"]
    found = NiftiRows()
    if not refs:
        return found
    studies: dict[tuple[str, str], set[str]] = defaultdict(set)
    for row, key in zip(others, other_keys, strict=True):
        studies[row["patient_id"], key].add(row["StudyInstanceUID"] or "")
    mismatched: dict[str, int] = defaultdict(int)
    with task(f"{extract.node}: NIfTI headers", len(refs), unit="images") as advance:
        for ref in refs:
            own = studies[ref.patient_id, ref.study_key]
            study = next(iter(own)) if len(own) == 1 else ""
            told, findings = told_beside(extract.root, extract.allowed_roots, ref.path)
            if told.get("PatientID") and told["PatientID"] != ref.patient_id:
                mismatched[ref.patient_id] += 1
            row, part, further = _rows(extract, ref, study, told)
            found.series.append(row)
            if part is not None:
                found.parts.append(part)
            found.study_keys.append(ref.study_key)
            found.patients.append((told.get("PatientSex", ""), told.get("PatientAge", "")))
            uid = row["SeriesInstanceUID"]
            found.findings += [
                replace(finding, patient_id=ref.patient_id, series_uid=uid, path=finding.path or ref.path)
                for finding in (*findings, *further)
            ]
            advance(1)
    found.findings += [
        Finding("patient-id-mismatch", "patient id in the JSON is another one", patient_id=patient, count=count)
        for patient, count in sorted(mismatched.items())
    ]
    _refer([*others, *found.series], found.series)
    return found


def _refer(everything: list[dict[str, Any]], nifti: list[dict[str, Any]]) -> None:
    """Masks refer to the images of their study that have as many voxels along each axis, or to all where none has.

    Whether they fit, their place tells when they are drawn.
    """
    images: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    for row in everything:
        if row["kind"] == "image":
            images[row["patient_id"], row["StudyInstanceUID"]].append(row)
    for row in nifti:
        if row["kind"] == "segmentation":
            of_study = images[row["patient_id"], row["StudyInstanceUID"]]
            alike = [image for image in of_study if _matrix(image) == _matrix(row)]
            row["refers_to"] = sorted(image["SeriesInstanceUID"] for image in alike or of_study)


def _matrix(row: Mapping[str, Any]) -> tuple[Any, ...]:
    return row.get("n_slices"), row.get("Rows"), row.get("Columns")


def _is_mask(extract: Extract, ref: SeriesRef) -> bool:
    if ref.mask or images_layout(extract) in _TOLD:
        return ref.mask
    # Imported where it is needed: it brings xarray.
    from workbench.arrays.label_files import MASK_WORDS

    return bool(MASK_WORDS & set(re.findall(r"[a-z]+", PurePosixPath(ref.path).name.lower())))


def _rows(
    extract: Extract, ref: SeriesRef, study: str, told: Mapping[str, str]
) -> tuple[dict[str, Any], dict[str, Any] | None, list[Finding]]:
    """Row of a series and of its one part, and what is irregular."""
    mask = _is_mask(extract, ref)
    uid = derived_uid(extract.node, extract.dataset_id, ref.path)
    row: dict[str, Any] = {
        "node": extract.node,
        "dataset_id": extract.dataset_id,
        "patient_id": ref.patient_id,
        "StudyInstanceUID": study or derived_uid(extract.node, extract.dataset_id, ref.patient_id, ref.study_key),
        "SeriesInstanceUID": uid,
        "Modality": "SEG" if mask else ref.modality or told.get("Modality") or None,
        "kind": "segmentation" if mask else "image",
        "SeriesDescription": told.get("SeriesDescription") or ref.series_key or None,
        "StudyDate": told.get("StudyDate") or told.get("AcquisitionDate") or None,
        "SeriesNumber": int(told["SeriesNumber"]) if told.get("SeriesNumber", "").isdecimal() else None,
        "declared_timepoint": ref.timepoint,
        "episode": ref.episode,
        "tags": ", ".join(ref.tags),
        "resource": "NIFTI",
        "n_instances": 1,
        "n_frames": 0,
        "n_parts": 0,
        "decodable": True,
        "refers_to": [],
        "path": ref.path,
    }
    for name in ("StudyTime", "StudyDescription", "BodyPartExamined", "Manufacturer", "ManufacturerModelName"):
        row[name] = told.get(name) or None
    try:
        image = _header(extract, ref)
    except NiftiError as error:
        row |= {"decodable": False, "bytes": _size(extract.root / ref.path), "n_parts": 0 if mask else 1}
        part = None if mask else {"node": extract.node, "SeriesInstanceUID": uid, "part": 1, "loadable": False}
        return row, part, [Finding("nifti-unreadable", error.what)]
    row["bytes"] = image.facts[0]
    grid = image.grid
    of_grid = of_part(grid)
    row |= {
        **of_series(of_grid),
        "n_frames": 0 if mask else grid.shape[0] * image.volumes,
        "n_parts": 0 if mask else 1,
        "decodable": not image.refused,
    }
    if mask:
        return row, None, [finding for finding in image.findings if finding.severity == "serious"]
    part = {
        **of_grid,
        "node": extract.node,
        "SeriesInstanceUID": uid,
        "part": 1,
        "n_frames": row["n_frames"],
        "extra_dim": image.dims[0] if image.volumes > 1 else None,
        "n_extra": image.volumes if image.volumes > 1 else None,
        "single_orientation": True,
        "unique_positions": True,
        "loadable": not image.refused,
    }
    return row, part, list(image.findings)


def _header(extract: Extract, ref: SeriesRef) -> NiftiImage:
    from workbench.arrays.nifti_image import read_header

    return read_header(extract.root.joinpath(*ref.path.split("/")), name=ref.path)


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except OSError:
        return None


def told_beside(root: Path, roots: tuple[Path, ...], path: str) -> tuple[dict[str, str], list[Finding]]:
    """What the DICOM JSON beside a NIfTI file says, by keyword; nothing where there is none.

    Parameters
    ----------
    root : Path
        Folder of the extract.
    roots : tuple of Path
        Resolved folders that links may lead to.
    path : str
        The NIfTI file, relative to it.
    """
    name = sidecar(path)
    try:
        located = locate(root, tuple(name.split("/")), roots=roots)
        if located.real is None:
            return {}, []
        content = json.loads(read_content(located.real))
    except (UnsafePath, OSError, ValueError, RecursionError):
        return {}, [Finding("sidecar-not-dicom-json", "could not be read as JSON", path=name)]
    if isinstance(content, list) and len(content) == 1:
        # A DICOM JSON response is a list of data sets (PS3.18 8.7.3).
        content = content[0]
    if not isinstance(content, dict) or not all(map(_KEY.fullmatch, content)):
        return {}, [Finding("sidecar-not-dicom-json", "keys are not group and element in eight digits", path=name)]
    told: dict[str, str] = {}
    for tag, keyword in _TAGS.items():
        element = content.get(tag, content.get(tag.lower()))
        values = element.get("Value") if isinstance(element, dict) else None
        if isinstance(values, list) and values and isinstance(values[0], (str, int, float)):
            told[keyword] = str(values[0]).strip()
    return told, []
