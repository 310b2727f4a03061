"""Many small DICOM files quickly: one template per federation, its identities replaced byte for byte."""

from __future__ import annotations

import csv
import io
import re
from functools import cache
from pathlib import Path
from typing import Final

import numpy as np

_ROOT: Final = "1.2.826.0.1.3680043.8.498."
#: Places of the template that differ between files; every value is as long as its place.
_PLACES: Final = {
    "patient": "PATIENT-", "study": f"{_ROOT}1000000001", "series": f"{_ROOT}2000000002",
    "instance": f"{_ROOT}3000000003", "modality": "MX", "age": "077Y", "sex": "X ", "date": "20990101",
    "number": "7777", "z": "-7777.75",
}  # fmt: skip
MODALITIES: Final = ("CT", "MR", "PT")


def template(size: int = 4) -> bytes:
    """One image of *size* × *size* int16, explicit VR, whose identities are placeholders."""
    from pydicom.dataset import Dataset, FileMetaDataset

    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.1"
    ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.2"
    ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = _PLACES["instance"]
    ds.StudyInstanceUID, ds.SeriesInstanceUID = _PLACES["study"], _PLACES["series"]
    ds.FrameOfReferenceUID = f"{_ROOT}9"
    ds.Modality, ds.PatientID, ds.PatientName = _PLACES["modality"], _PLACES["patient"], "PSEUDONYM"
    ds.PatientSex, ds.PatientAge, ds.StudyDate = "X", _PLACES["age"], _PLACES["date"]
    ds.StudyTime, ds.Manufacturer, ds.SeriesDescription = "101112", "Synthetic", "Thorax 1.0"
    ds.ImageType, ds.BodyPartExamined = ["ORIGINAL", "PRIMARY", "AXIAL"], "CHEST"
    ds.InstanceNumber, ds.SeriesNumber = _PLACES["number"], 2
    ds.ImagePositionPatient, ds.ImageOrientationPatient = [-180, -180, _PLACES["z"]], [1, 0, 0, 0, 1, 0]
    ds.PixelSpacing, ds.SliceThickness = [0.7, 0.7], 1.0
    ds.Rows = ds.Columns = size
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 16, 15, 0
    ds.RescaleSlope, ds.RescaleIntercept, ds.RescaleType = 1, -1024, "HU"
    ds.PixelData = np.arange(size * size, dtype="<i2").tobytes()
    ds["PixelData"].VR = "OW"
    stream = io.BytesIO()
    ds.save_as(stream, enforce_file_format=True)
    data = stream.getvalue()
    for place in _PLACES.values():
        assert place.encode() in data, place
    return data


@cache
def _starts(data: bytes, name: str) -> tuple[int, ...]:
    """Where a placeholder stands in the template: a value may look like the placeholder of another."""
    return tuple(match.start() for match in re.finditer(re.escape(_PLACES[name].encode()), data))


def filled(
    data: bytes, *, patient: int, study: int, series: int, instance: int, modality: str, age: int, sex: str,
    date: str, number: int, z: float, prefix: str = "P",
) -> bytes:  # fmt: skip
    """The template with one file's identities."""
    values = {
        "patient": f"{prefix}{patient:0{8 - len(prefix)}d}", "study": f"{_ROOT}1{study:09d}",
        "series": f"{_ROOT}2{series:09d}", "instance": f"{_ROOT}3{instance:09d}", "modality": modality,
        "age": f"{age:03d}Y", "sex": f"{sex} ", "date": date, "number": f"{number:4d}", "z": f"{z:8.2f}",
    }  # fmt: skip
    filled_in = bytearray(data)
    for name, value in values.items():
        assert len(value) == len(_PLACES[name]), name
        for start in _starts(data, name):
            filled_in[start : start + len(value)] = value.encode()
    return bytes(filled_in)


def write_patients(folder: Path, *, nodes: int = 3, patients: int = 10_000) -> list[Path]:
    """Extracts ``node-N``: a folder, an image and a row of ``clinical.csv`` for each patient; values by fixed rule."""
    data, extracts = template(), []
    for node in range(nodes):
        extract = folder / f"node-{node}"
        extracts.append(extract)
        extract.mkdir(parents=True)
        with (extract / "clinical.csv").open("w", newline="", encoding="utf-8") as file:
            table = csv.writer(file)
            table.writerow(["patient_id", "sex", "age_at_diagnosis", "psa", "vital_status"])
            for patient in range(patients):
                sex, age = "MF"[patient % 2], 30 + (patient * 7) % 60
                table.writerow([f"{'ABC'[node % 3]}{patient:07d}", sex, age, f"{patient % 97 / 7:.2f}", "alive"])
                number = node * patients + patient
                image = filled(
                    data, patient=patient, study=number, series=number, instance=number,
                    modality=MODALITIES[patient % 3], age=age, sex=sex, date=f"2020{patient % 12 + 1:02d}01",
                    number=1, z=0.0, prefix="ABC"[node % 3],
                )  # fmt: skip
                place = extract / f"{'ABC'[node % 3]}{patient:07d}"
                place.mkdir()
                (place / "IM0001.dcm").write_bytes(image)
    return extracts


def write_series(folder: Path, *, series: int = 1000, slices: int = 100, size: int = 4) -> Path:
    """One extract of *series* × *slices* files: ``SERIES/IM.dcm``, five series to a patient."""
    data = template(size)
    for number in range(series):
        place = folder / f"P{number // 5:04d}" / f"S{number:05d}"
        place.mkdir(parents=True)
        patient = number // 5
        for index in range(slices):
            image = filled(
                data, patient=patient, study=number // 2, series=number, instance=number * slices + index,
                modality=MODALITIES[number % 3], age=30 + patient % 60, sex="MF"[patient % 2],
                date="20200101", number=index + 1, z=float(index),
            )  # fmt: skip
            (place / f"IM{index:04d}.dcm").write_bytes(image)
    return folder
