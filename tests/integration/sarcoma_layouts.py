"""The seven sarcoma patients in every layout that extracts come in; images are links to the same files."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
from nibabel.nifti1 import Nifti1Image

from tests.integration import sarcoma

PATIENTS = tuple(patient for _, patients in sarcoma.NODES.values() for patient in patients)
#: Sex and the unit "year" as the common data model codes them.
CODES = {"M": "COM1001366", "F": "COM1001370"}
YEAR, DAY = "COM1000151", "COM1000153"


def dataset_service(sts: Path, folder: Path, lake: Path) -> None:
    sarcoma._dataset_service(sts, folder, PATIENTS, lake)


def idc(sts: Path, folder: Path, lake: Path) -> None:
    sarcoma._idc(sts, folder, PATIENTS, lake)


def plain(sts: Path, folder: Path, lake: Path) -> None:
    sarcoma._plain(sts, folder, PATIENTS, lake)


def datmat(sts: Path, folder: Path, lake: Path) -> None:
    """Patients in turn in one scheme and the other; a table at the level of the project."""
    rows = []
    for index, patient in enumerate(PATIENTS):
        header = sarcoma.headers(sts, patient)
        for number, ((kind, part), files) in enumerate(sarcoma._files(sts, patient).items(), 1):
            scan = folder / "SARCOMA" / patient / f"{patient}_MR_1" / f"{number}-{part}_{kind}"
            for path in files:
                sarcoma._link(path, scan.joinpath(*(("DICOM", "files") if index % 2 else ()), path.name))
        sex = {"M": "male", "F": "female"}[header.PatientSex]
        rows.append({"subject": patient, "sex": sex, "age_at_diagnosis": sarcoma._age(header)})
    _table(folder / "SARCOMA" / "clinical.csv", rows)


def cdm(sts: Path, folder: Path, lake: Path) -> None:
    """Tables dumped from the database; images in the folder beside them, as an archive gives them."""
    tables: dict[str, list[dict[str, object]]] = {name: [] for name in (
        "patient", "cancer_condition", "procedure", "image_study", "image_series")}  # fmt: skip
    for key, patient in enumerate(PATIENTS, 11):
        header = sarcoma.headers(sts, patient)
        tables["patient"].append(
            {"patient_id": patient, "dataset_id": "sts", "patient_birth_sex": CODES[header.PatientSex]}
        )
        tables["cancer_condition"].append(
            {"cancer_condition_id": key, "patient_id": patient,
             "cancer_condition_age_at_diagnosis": f"{sarcoma._age(header):.2f}", "cancer_condition_age_unit": YEAR}
        )  # fmt: skip
        tables["procedure"].append(
            {"procedure_id": key + 100, "cancer_condition_id": key, "procedure_code": "IMG1000022"}
        )
        tables["image_study"].append(
            {"study_id": key + 200, "procedure_id": key + 100, "patient_id": "", "study_uid": header.StudyInstanceUID,
             "imagingtimepoint": 1, "study_offset_from_diagnosis": "0.00", "study_offset_unit": DAY}
        )  # fmt: skip
        for (kind, part), files in sarcoma._files(sts, patient).items():
            one = pydicom.dcmread(files[0], specific_tags=["SeriesInstanceUID"])
            tables["image_series"].append(
                {"series_id": len(tables["image_series"]) + 1, "series_uid": one.SeriesInstanceUID,
                 "study_uid": header.StudyInstanceUID, "study_id": key + 200}
            )  # fmt: skip
            for path in files:
                sarcoma._link(path, folder / "images" / patient / f"{kind}{part}" / path.name)
    for name, rows in tables.items():
        _table(folder / f"{name}.csv", rows)


def medical_folder(sts: Path, folder: Path, lake: Path) -> None:
    """Images as NIfTI files made with pydicom and nibabel alone, the masks that came with the collection."""
    rows = []
    for patient in PATIENTS:
        header = sarcoma.headers(sts, patient)
        for kind in sarcoma.KINDS:
            place = folder / patient / kind / f"{patient}_{kind}.nii.gz"
            place.parent.mkdir(parents=True)
            _nifti(sts, patient, kind).to_filename(place)
            mask = folder / patient / f"{kind}_mask" / f"{patient}.nii.gz"
            mask.parent.mkdir()
            shutil.copyfile(sts / "nifti" / patient / f"{kind}_mask.nii.gz", mask)
        rows.append({"FOLDER_NAME": patient, "AGE_AT_DIAGNOSIS": sarcoma._age(header), "SEX": header.PatientSex})
    _table(folder / "participants.csv", rows)


def _nifti(sts: Path, patient: str, kind: str) -> Nifti1Image:
    slices = sarcoma.read_slices(sts, patient, kind)
    assert slices.physical is not None
    first, second = (
        pydicom.dcmread(path, stop_before_pixels=True)
        for path in _by_uid(sts, patient, kind, slices.instances[0], slices.instances[1])
    )
    row, column = np.array(first.ImageOrientationPatient, float).reshape(2, 3)
    dy, dx = map(float, first.PixelSpacing)
    start = np.array(first.ImagePositionPatient, float)
    affine = np.eye(4)
    affine[:3] = np.stack([row * dx, column * dy, np.array(second.ImagePositionPatient, float) - start, start], axis=1)
    return Nifti1Image(slices.physical.astype("float32").transpose(2, 1, 0), np.diag([-1, -1, 1, 1]) @ affine)


def _by_uid(sts: Path, patient: str, kind: str, *wanted: str) -> list[Path]:
    found = {}
    for path in (sts / "dicom" / patient / kind / "image").iterdir():
        found[str(pydicom.dcmread(path, specific_tags=["SOPInstanceUID"]).SOPInstanceUID)] = path
    return [found[uid] for uid in wanted]


def _table(path: Path, rows: list[dict[str, object]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


#: Layout -> what writes it.
WRITERS: dict[str, Callable[[Path, Path, Path], None]] = {
    "dataset-service": dataset_service,
    "cdm": cdm,
    "idc": idc,
    "medical-folder": medical_folder,
    "datmat": datmat,
    "plain": plain,
}
