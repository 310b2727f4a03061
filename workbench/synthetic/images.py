"""DICOM images of a planned series, one data set per slice, complete and the same in every run."""

from __future__ import annotations

import copy
import io
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from workbench.synthetic.anatomy import CT_INTERCEPT, TUMOUR, Codes, localizer, pet_slice, stored_values, tissues
from workbench.synthetic.plan import NodePlan, PatientPlan, Placement, SeriesPlan, StudyPlan, generator, uid

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

EXPLICIT: Final = "1.2.840.10008.1.2.1"
IMPLICIT: Final = "1.2.840.10008.1.2"
RLE: Final = "1.2.840.10008.1.2.5"
#: Who wrote the files, instead of a library's name that changes with its version.
_IMPLEMENTATION: Final = "2.25.187366112953811240961371098112345678901"

#: SOP class by modality.
SOP_CLASS: Final[Mapping[str, str]] = {
    "CT": "1.2.840.10008.5.1.4.1.1.2",
    "MR": "1.2.840.10008.5.1.4.1.1.4",
    "PT": "1.2.840.10008.5.1.4.1.1.128",
}
_BODY_PART: Final = {"lung": "CHEST", "breast": "BREAST", "prostate": "PROSTATE"}
#: Half-life of fluorine-18 in seconds, and the time from injection to the start of the study.
F18_HALF_LIFE_S: Final = "6586.2"
UPTAKE: Final = timedelta(minutes=60)

_CT: Final[Mapping[str, Any]] = {
    "KVP": "120", "XRayTubeCurrent": "180", "ExposureTime": "500", "Exposure": "90", "ConvolutionKernel": "SOFT",
    "FilterType": "BODY", "GantryDetectorTilt": "0", "TableHeight": "150",
    "RescaleIntercept": str(CT_INTERCEPT), "RescaleSlope": "1", "RescaleType": "HU", "WindowCenter": "40",
    "WindowWidth": "400",
}  # fmt: skip
_MR: Final[Mapping[str, Mapping[str, Any]]] = {
    "T1": {"ScanningSequence": "GR", "SequenceVariant": "SP", "EchoTime": "2.4", "RepetitionTime": "5.2",
           "FlipAngle": "12", "WindowCenter": "320", "WindowWidth": "640"},
    "T2": {"ScanningSequence": "SE", "SequenceVariant": "SK", "EchoTime": "104", "RepetitionTime": "4200",
           "FlipAngle": "150", "WindowCenter": "420", "WindowWidth": "840"},
}  # fmt: skip
_MR_COMMON: Final[Mapping[str, Any]] = {
    "ScanOptions": "", "MRAcquisitionType": "2D", "MagneticFieldStrength": "3", "ImagingFrequency": "123.2",
    "ImagedNucleus": "1H", "EchoNumbers": "1", "EchoTrainLength": "1", "NumberOfAverages": "1", "PixelBandwidth": "240",
}  # fmt: skip
_PT: Final[Mapping[str, Any]] = {
    "Units": "BQML", "CountsSource": "EMISSION", "SeriesType": ["WHOLE BODY", "IMAGE"], "DecayCorrection": "START",
    "CorrectedImage": ["DECY", "ATTN", "SCAT", "NORM", "RAN"], "RandomsCorrectionMethod": "DLYD",
    "AttenuationCorrectionMethod": "CT", "ScatterCorrectionMethod": "model based", "ReconstructionMethod": "OSEM",
    "CollimatorType": "NONE", "ActualFrameDuration": "180000", "FrameReferenceTime": "0", "DecayFactor": "1",
    "RescaleIntercept": "0", "WindowCenter": "10000", "WindowWidth": "20000",
}  # fmt: skip


def decimal(value: float) -> str:
    """Decimal string of at most four decimals, without a trailing or negative zero.

    Examples
    --------
    >>> decimal(-0.00001), decimal(12.5)
    ('0', '12.5')
    """
    text = f"{value:.4f}".rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text


def to_bytes(dataset: Dataset) -> bytes:
    """The DICOM file of a data set that carries its file meta information."""
    from pydicom import dcmwrite

    dataset.file_meta.ImplementationClassUID = _IMPLEMENTATION
    dataset.file_meta.ImplementationVersionName = "SYNTHETIC_1"
    buffer = io.BytesIO()
    dcmwrite(buffer, dataset, enforce_file_format=True)
    return buffer.getvalue()


def file_meta(sop_class: str, sop_instance: str, syntax: str) -> Any:
    """File meta information of one instance."""
    from pydicom.dataset import FileMetaDataset

    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = sop_class
    meta.MediaStorageSOPInstanceUID = sop_instance
    meta.TransferSyntaxUID = syntax
    return meta


def separate(dataset: Dataset) -> Dataset:
    """A data set with copies of the same elements, because setting an attribute changes the element in place."""
    from pydicom.dataset import Dataset as Empty

    return Empty({element.tag: copy.copy(element) for element in dataset})


def patient_and_study(node: NodePlan, patient: PatientPlan, study: StudyPlan) -> dict[str, Any]:
    """Attributes every object of a study has in common, by keyword."""
    months = patient.age_months + (_day(study.date) - _day(patient.studies[0].date)).days // 30
    return {
        "SpecificCharacterSet": node.style.charset,
        "StudyDate": study.date,
        "StudyTime": study.time,
        "AccessionNumber": "",
        "ReferringPhysicianName": "",
        "StudyDescription": study.name,
        "PatientName": patient.patient_id,
        "PatientID": patient.patient_id,
        "PatientBirthDate": "",
        "PatientSex": patient.sex,
        "PatientAge": f"{months // 12:03d}Y",
        "PatientWeight": str(patient.weight_kg),
        "PatientIdentityRemoved": "YES",
        "DeidentificationMethod": "Invented data, no patient",
        "StudyInstanceUID": study.uid,
        "StudyID": str(study.timepoint),
        "BodyPartExamined": _BODY_PART[patient.cancer],
    }


def tumour_mask(patient: PatientPlan, study: StudyPlan, series: SeriesPlan) -> tuple[Codes, Any]:
    """Tissue codes of a series (z, y, x), and where they are tumour (z, y, x)."""
    codes = tissues(patient, study, series.protocol.region, series.placement)
    return codes, codes == TUMOUR


def image_datasets(
    seed: int, node: NodePlan, patient: PatientPlan, study: StudyPlan, series: SeriesPlan, codes: Codes
) -> dict[int, Dataset]:
    """Data sets of a series by slice number; a localiser has the number -1.

    Parameters
    ----------
    seed : int
        Seed of the federation.
    node, patient, study, series
        What the images belong to.
    codes : array (z, y, x)
        Tissue of each voxel.

    Returns
    -------
    dict
        Slice number -> data set with pixels and file meta information; left-out slices are absent.
    """
    from pydicom.dataset import Dataset

    rng = generator(seed, int(series.uid.rsplit(".", 1)[1]) % 2**32, 3)
    stored = stored_values(codes, series, rng)
    modality = series.protocol.modality
    base = Dataset()
    for keyword, value in _series_attributes(node, patient, study, series).items():
        setattr(base, keyword, value)
    if modality == "PT":
        _add_injection(base, patient, study)
    n = series.placement.shape[0]
    datasets: dict[int, Dataset] = {}
    for k in range(n):
        if k in series.dropped:
            continue
        pixels = stored[k]
        # PET tables move head first: the first image acquired is the topmost.
        number = n - k if modality == "PT" else k + 1
        dataset = _instance(seed, node, series, base, number, series.placement.point(k), series.placement)
        if modality == "PT":
            pixels, dataset.RescaleSlope = pet_slice(pixels)
            dataset.NumberOfSlices, dataset.ImageIndex = n, number
        _add_pixels(dataset, pixels, signed=modality != "MR")
        if series.compressed:
            from pydicom.uid import RLELossless

            # The encoder is named: another plug-in may pack the same pixels into other bytes.
            dataset.compress(RLELossless, encoding_plugin="pydicom", generate_instance_uid=False)
        datasets[k] = dataset
    if series.localizer:
        pixels, placement = localizer(patient, study, series)
        dataset = _instance(seed, node, series, base, n + 1, placement.origin, placement)
        dataset.ImageType = ["ORIGINAL", "PRIMARY", "LOCALIZER"]
        _add_pixels(dataset, pixels, signed=True)
        datasets[-1] = dataset
    return datasets


def _series_attributes(node: NodePlan, patient: PatientPlan, study: StudyPlan, series: SeriesPlan) -> dict[str, Any]:
    protocol = series.protocol
    started = (_moment(study) + timedelta(minutes=4 * (series.number - 1))).strftime("%H%M%S")
    step = series.placement.slice_spacing
    attributes: dict[str, Any] = {
        **patient_and_study(node, patient, study),
        "ImageType": ["ORIGINAL", "PRIMARY", "AXIAL"] if protocol.modality == "CT" else ["ORIGINAL", "PRIMARY"],
        "SOPClassUID": SOP_CLASS[protocol.modality],
        "SeriesDate": study.date,
        "AcquisitionDate": study.date,
        "ContentDate": study.date,
        "SeriesTime": started,
        "AcquisitionTime": started,
        "ContentTime": started,
        "Modality": protocol.modality,
        "Manufacturer": node.style.manufacturer,
        "ManufacturerModelName": f"Imaginary {protocol.modality}",
        "DeviceSerialNumber": f"{node.name}-{protocol.modality}",
        "SoftwareVersions": "1.0",
        "SeriesDescription": protocol.description,
        "ProtocolName": protocol.description,
        "PatientPosition": "HFS",
        "SeriesInstanceUID": series.uid,
        "SeriesNumber": series.number,
        "FrameOfReferenceUID": series.frame_uid,
        "PositionReferenceIndicator": "",
        "SliceThickness": decimal(step),
        "BurnedInAnnotation": "NO",
    }
    if protocol.modality == "MR":
        attributes |= {**_MR_COMMON, **_MR[protocol.weighting], "SpacingBetweenSlices": decimal(step)}
        attributes["ImageType"] = ["ORIGINAL", "PRIMARY", "M"]
    elif protocol.modality == "CT":
        attributes |= _CT
        attributes["ReconstructionDiameter"] = decimal(series.placement.shape[2] * protocol.pixel)
        tilt = series.placement.step[1]
        if tilt and not protocol.oblique:
            attributes["GantryDetectorTilt"] = "15"
    else:
        attributes |= _PT
    return attributes


def _add_injection(dataset: Dataset, patient: PatientPlan, study: StudyPlan) -> None:
    from pydicom.dataset import Dataset as Item

    def code(value: str, scheme: str, meaning: str) -> Item:
        item = Item()
        item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
        return item

    injected = _moment(study) - UPTAKE
    tracer = Item()
    tracer.Radiopharmaceutical = "FDG"
    tracer.RadiopharmaceuticalStartTime = injected.strftime("%H%M%S")
    tracer.RadiopharmaceuticalStartDateTime = injected.strftime("%Y%m%d%H%M%S")
    tracer.RadionuclideTotalDose = str(4_000_000 * patient.weight_kg)
    tracer.RadionuclideHalfLife = F18_HALF_LIFE_S
    tracer.RadionuclidePositronFraction = "0.97"
    # The codes of fluorine-18 and FDG: DICOM PS3.16 CID 4020 and CID 4021.
    tracer.RadionuclideCodeSequence = [code("77004003", "SCT", "^18^Fluorine")]
    tracer.RadiopharmaceuticalCodeSequence = [code("35321007", "SCT", "Fluorodeoxyglucose F^18^")]
    dataset.RadiopharmaceuticalInformationSequence = [tracer]
    dataset.PatientSize = f"1.{50 + patient.weight_kg * 3 // 10:02d}"


def _instance(
    seed: int,
    node: NodePlan,
    series: SeriesPlan,
    base: Dataset,
    number: int,
    position: tuple[float, float, float],
    placement: Placement,
) -> Dataset:
    dataset = separate(base)
    dataset.SOPInstanceUID = uid(seed, series.uid, "instance", number)
    dataset.InstanceNumber = number
    dataset.ImagePositionPatient = [decimal(v) for v in position]
    dataset.ImageOrientationPatient = [decimal(v) for v in (*placement.row, *placement.column)]
    dataset.PixelSpacing = [decimal(v) for v in placement.spacing]
    syntax = IMPLICIT if node.style.implicit else EXPLICIT
    dataset.file_meta = file_meta(str(dataset.SOPClassUID), str(dataset.SOPInstanceUID), syntax)
    return dataset


def _add_pixels(dataset: Dataset, pixels: Any, *, signed: bool) -> None:
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.Rows, dataset.Columns = pixels.shape
    dataset.BitsAllocated = dataset.BitsStored = 16
    dataset.HighBit = 15
    dataset.PixelRepresentation = int(signed)
    dataset.PixelData = np.ascontiguousarray(pixels, dtype="<i2" if signed else "<u2").tobytes()
    dataset["PixelData"].VR = "OW"


def _moment(study: StudyPlan) -> datetime:
    return datetime.strptime(study.date + study.time, "%Y%m%d%H%M%S")


def _day(text: str) -> date:
    return datetime.strptime(text, "%Y%m%d").date()
