"""The seven sarcoma patients laid out as three nodes, one layout each; and what an independent reader finds."""

from __future__ import annotations

import csv
import json
import os
import shutil
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pydicom
from numpy.typing import NDArray

#: Node -> (layout, patients): the MR scanners of Philips, Siemens and GE.
NODES = {
    "philips": ("dataset-service", ("STS_002", "STS_008")),
    "siemens": ("idc", ("STS_025", "STS_035")),
    "ge": ("plain", ("STS_003", "STS_019", "STS_042")),
}
KINDS = ("CT", "MR_T1", "PET")


@dataclass
class Slices:
    """One image series, read slice by slice with pydicom alone."""

    patient: str
    kind: str
    uid: str = ""
    modality: str = ""
    #: SOPInstanceUIDs in order of position along the normal.
    instances: list[str] = field(default_factory=list)
    stored: NDArray[np.generic] | None = None
    physical: NDArray[np.float64] | None = None


def read_slices(sts: Path, patient: str, kind: str) -> Slices:
    """The series as pydicom decodes it, sorted by position, float64 physical values."""
    objects = [pydicom.dcmread(path) for path in (sts / "dicom" / patient / kind / "image").iterdir()]
    row, column = np.array(objects[0].ImageOrientationPatient, float).reshape(2, 3)
    normal = np.cross(row, column)
    objects.sort(key=lambda one: float(np.array(one.ImagePositionPatient, float) @ normal))
    stored = np.stack([one.pixel_array for one in objects])
    slopes = np.array([float(one.get("RescaleSlope", 1)) for one in objects])
    intercepts = np.array([float(one.get("RescaleIntercept", 0)) for one in objects])
    physical = stored * slopes[:, None, None] + intercepts[:, None, None]
    return Slices(
        patient, kind, str(objects[0].SeriesInstanceUID), str(objects[0].Modality),
        [str(one.SOPInstanceUID) for one in objects], stored, physical,
    )  # fmt: skip


def headers(sts: Path, patient: str) -> pydicom.Dataset:
    """One header of the patient; of these series only PET carries the age."""
    return pydicom.dcmread(next((sts / "dicom" / patient / "PET" / "image").iterdir()), stop_before_pixels=True)


def lay_out(sts: Path, out: Path) -> dict[str, Path]:
    """Write the three extracts below *out* (hard links where possible); node -> folder."""
    writers = {"dataset-service": _dataset_service, "idc": _idc, "plain": _plain}
    folders = {}
    for node, (layout, patients) in NODES.items():
        folder = out / "extracts" / node
        folder.mkdir(parents=True)
        writers[layout](sts, folder, patients, out / "datalake")
        folders[node] = folder
    return folders


def _link(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def _age(header: pydicom.Dataset) -> int:
    return int(header.PatientAge.rstrip("Y"))


def _files(sts: Path, patient: str) -> dict[tuple[str, str], list[Path]]:
    found = {}
    for kind in KINDS:
        for part in ("image", "mask"):
            found[kind, part] = sorted((sts / "dicom" / patient / kind / part).iterdir())
    return found


def _dataset_service(sts: Path, folder: Path, patients: tuple[str, ...], lake: Path) -> None:
    index, forms = [], []
    for patient in patients:
        header = headers(sts, patient)
        study = header.StudyInstanceUID.replace(".", "")
        series = []
        for (kind, part), files in _files(sts, patient).items():
            name = f"{kind}{part}"
            for path in files:
                uid = pydicom.dcmread(path, specific_tags=["SOPInstanceUID"]).SOPInstanceUID
                _link(path, lake / patient / study / name / f"{uid}.dcm")
            series.append({"folderName": name, "tags": [kind]})
        (folder / patient).mkdir()
        (folder / patient / study).symlink_to(lake / patient / study, target_is_directory=True)
        index.append({
            "studyId": study[-24:], "studyName": "SARCOMA", "subjectName": patient,
            "path": f"{patient}/{study}", "series": series, "url": "",
        })  # fmt: skip
        sex = {"M": "MALE", "F": "FEMALE"}[header.PatientSex]
        page = {"gender": {"var_label": "Gender", "value": sex, "value_type": "radio"}}
        forms.append({
            "subjectName": patient,
            "eForm": {
                "metaproject": "Sarcoma", "chaimeleon_patient_id": patient,
                "pages": [
                    {"page_name": "patient_data", "page_label": "Patient data", "page_data": page, "lists": []},
                    {"page_name": "inclusion_criteria", "page_label": "Inclusion", "lists": [], "page_data": {
                        "age_at_diagnosis": {"var_label": "Age", "value": _age(header), "value_type": "integer"}}},
                ],
            },
        })  # fmt: skip
    (folder / "index.json").write_text(json.dumps(index))
    (folder / "eforms.json").write_text(json.dumps(forms))


def _idc(sts: Path, folder: Path, patients: tuple[str, ...], lake: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = []
    for patient in patients:
        header = headers(sts, patient)
        for files in _files(sts, patient).values():
            for number, path in enumerate(files):
                one = pydicom.dcmread(path, specific_tags=["SeriesInstanceUID", "Modality"])
                name = f"{one.Modality}_{one.SeriesInstanceUID}"
                target = folder / "sarcoma" / patient / header.StudyInstanceUID / name
                _link(path, target / f"00000000-0000-4000-8000-{number:012d}.dcm")
        rows.append({"dicom_patient_id": patient, "gender": {"M": "Male", "F": "Female"}[header.PatientSex],
                     "age_at_diagnosis": float(_age(header))})  # fmt: skip
    (folder / "clinical").mkdir()
    pq.write_table(pa.Table.from_pylist(rows), folder / "clinical" / "sarcoma_clinical.parquet")


def _plain(sts: Path, folder: Path, patients: tuple[str, ...], lake: Path) -> None:
    rows = []
    for patient in patients:
        header = headers(sts, patient)
        for (kind, part), files in _files(sts, patient).items():
            for number, path in enumerate(files):
                # No suffix, names that say nothing, another order than the slices.
                _link(
                    path, folder / "images" / patient[-2:] / f"{kind[0]}{part[0]}" / f"IM{(number * 7919) % 10007:05d}"
                )
        rows.append({"patient_id": patient, "Geschlecht": {"M": "männlich", "F": "weiblich"}[header.PatientSex],
                     "Alter": f"{_age(header)},0"})  # fmt: skip
    with open(folder / "clinical.csv", "w", encoding="latin-1", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), delimiter=";")
        writer.writeheader()
        writer.writerows(rows)
