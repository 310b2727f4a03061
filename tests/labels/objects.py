"""Small images, segmentations and structure sets for the tests of the labels."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, RTStructureSetStorage

from workbench.dicom.stacks.geometry import Grid, grid_from

FRAME = "1.2.826.0.1.3680043.8.498.1"
SERIES = "1.2.826.0.1.3680043.8.498.2"
STUDY = "1.2.826.0.1.3680043.8.498.3"
AXIAL = np.array([1.0, 0, 0, 0, 1, 0])


def uid(number: int) -> str:
    """SOPInstanceUID of image *number*."""
    return f"1.2.826.0.1.3680043.8.498.9.{number}"


def stack(
    depths: Sequence[float] = (0, 2, 4, 6),
    *,
    shape: tuple[int, int] = (8, 10),
    spacing: tuple[float, float] = (0.5, 0.8),
    orientation: np.ndarray = AXIAL,
    origin: tuple[float, float, float] = (-3.0, 7.0, 11.0),
    lean: tuple[float, float, float] = (0.0, 0.0, 0.0),
    frame: str = FRAME,
) -> Grid:
    """Grid of slices at *depths* mm along the normal; *lean* is the in-plane drift per mm of depth."""
    normal = np.cross(orientation[:3], orientation[3:])
    step = np.outer(depths, normal + np.array(lean))
    return grid_from(np.array(origin) + step, orientation, spacing, shape, frame_of_reference_uid=frame)


def oblique() -> np.ndarray:
    """Orientation turned about two axes."""
    a, b = np.radians(20), np.radians(35)
    row = np.array([np.cos(a), np.sin(a), 0])
    column = np.array([-np.sin(a) * np.cos(b), np.cos(a) * np.cos(b), np.sin(b)])
    return np.concatenate([row, column])


def to_world(grid: Grid, slice_: int, points: Any, *, off: float = 0.0) -> np.ndarray:
    """LPS mm of (row, column) indices on a slice, *off* mm along the normal beside it."""
    points = np.atleast_2d(np.asarray(points, dtype=float))
    across = points[:, :1] * grid.pixel_spacing[0] * grid.column_direction
    along = points[:, 1:] * grid.pixel_spacing[1] * grid.row_direction
    return grid.positions[slice_] + across + along + off * grid.normal


def box(top: float, left: float, bottom: float, right: float) -> np.ndarray:
    """Vertices of a rectangle, (row, column)."""
    return np.array([[top, left], [top, right], [bottom, right], [bottom, left]])


@dataclass
class Region:
    """One region of a structure set: (kind, points in mm) of each contour."""

    contours: list[tuple[str, np.ndarray | str]] = field(default_factory=list)
    name: str = "GTV"
    frame: str = FRAME


def write_rtstruct(path: Path, *regions: Region, described: int | None = None) -> Path:
    """Write a structure set; only the first *described* regions are described."""
    dataset = _start(RTStructureSetStorage, "RTSTRUCT")
    reference, study, series, image = Dataset(), Dataset(), Dataset(), Dataset()
    image.ReferencedSOPClassUID, image.ReferencedSOPInstanceUID = CTImageStorage, uid(0)
    series.SeriesInstanceUID, series.ContourImageSequence = SERIES, [image]
    study.RTReferencedSeriesSequence = [series]
    reference.FrameOfReferenceUID, reference.RTReferencedStudySequence = FRAME, [study]
    dataset.ReferencedFrameOfReferenceSequence = [reference]
    broken: list[str] = []
    dataset.StructureSetROISequence, dataset.ROIContourSequence, dataset.RTROIObservationsSequence = [], [], []
    for number, region in enumerate(regions, start=1):
        described_as, drawn, observed = Dataset(), Dataset(), Dataset()
        described_as.ROINumber, described_as.ROIName = number, region.name
        described_as.ROIGenerationAlgorithm = "MANUAL"
        described_as.ReferencedFrameOfReferenceUID = region.frame
        observed.ReferencedROINumber, observed.RTROIInterpretedType = number, "GTV"
        drawn.ReferencedROINumber, drawn.ContourSequence = number, []
        for kind, points in region.contours:
            contour = Dataset()
            contour.ContourGeometricType = kind
            if isinstance(points, str):
                # Nothing writes broken numbers willingly: a stand-in is written and replaced in the file.
                contour.ContourData = re.sub("[a-z]", "9", points).split("\\")
                broken.append(points)
            else:
                contour.ContourData = [f"{value:.10g}" for value in points.ravel()]
                contour.NumberOfContourPoints = len(points)
            drawn.ContourSequence.append(contour)
        if described is None or number <= described:
            dataset.StructureSetROISequence.append(described_as)
            dataset.RTROIObservationsSequence.append(observed)
        dataset.ROIContourSequence.append(drawn)
    dataset.save_as(path, enforce_file_format=True)
    for points in broken:
        stand_in = re.sub("[a-z]", "9", points).encode()
        content = path.read_bytes()
        assert content.count(stand_in) == 1
        path.write_bytes(content.replace(stand_in, points.encode()))
    return path


def _start(sop_class: str, modality: str) -> Dataset:
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID = sop_class
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID = uid(1000)
    dataset.Modality, dataset.SeriesInstanceUID, dataset.StudyInstanceUID = modality, f"{SERIES}.7", STUDY
    for keyword in ("PatientID", "PatientName", "PatientBirthDate", "PatientSex", "AccessionNumber", "StudyID"):
        setattr(dataset, keyword, "")
    for keyword in ("StudyDate", "StudyTime", "ReferringPhysicianName"):
        setattr(dataset, keyword, "")
    return dataset


def images(grid: Grid) -> list[Dataset]:
    """CT headers of every slice of a grid."""
    made = []
    for index, position in enumerate(grid.positions):
        dataset = _start(CTImageStorage, "CT")
        dataset.SOPInstanceUID, dataset.SeriesInstanceUID, dataset.InstanceNumber = uid(index), SERIES, index + 1
        dataset.FrameOfReferenceUID = grid.frame_of_reference_uid
        dataset.Rows, dataset.Columns = grid.shape[1:]
        dataset.PixelSpacing = [f"{value:.10g}" for value in grid.pixel_spacing]
        dataset.ImagePositionPatient = [f"{value:.10g}" for value in position]
        directions = np.concatenate([grid.row_direction, grid.column_direction])
        dataset.ImageOrientationPatient = [f"{value:.10g}" for value in directions]
        dataset.SliceThickness = 2
        made.append(dataset)
    return made


def write_seg(
    path: Path,
    grid: Grid,
    masks: np.ndarray,
    *,
    kind: str = "BINARY",
    algorithm: str = "MANUAL",
    **options: Any,
) -> Path:
    """Write masks (segment, z, y, x), or labels (z, y, x), as a SEG through highdicom."""
    make_seg(grid, masks, kind=kind, algorithm=algorithm, **options).save_as(path)
    return path


def make_seg(
    grid: Grid, masks: np.ndarray, *, kind: str = "BINARY", algorithm: str = "MANUAL", **options: Any
) -> Dataset:
    """Segmentation of masks (segment, z, y, x), or labels (z, y, x), through highdicom."""
    import highdicom as hd

    count = int(masks.max(initial=1)) if masks.ndim == 3 else len(masks)
    how = {}
    if algorithm != "MANUAL":
        family = hd.sr.CodedConcept("123109", "DCM", "Artificial Intelligence")
        how["algorithm_identification"] = hd.AlgorithmIdentificationSequence("net", family, "1.0")
    described = [
        hd.seg.SegmentDescription(
            segment_number=number,
            segment_label=f"lesion {number}",
            segmented_property_category=hd.sr.CodedConcept("49755003", "SCT", "Morphologically Abnormal Structure"),
            segmented_property_type=hd.sr.CodedConcept("108369006", "SCT", "Neoplasm"),
            algorithm_type=algorithm,
            **how,
        )
        for number in range(1, count + 1)
    ]
    pixels = masks if masks.ndim == 3 else np.moveaxis(masks, 0, -1)
    return hd.seg.Segmentation(
        images(grid),
        pixels,
        kind,
        described,
        f"{SERIES}.7",
        1,
        uid(1000),
        1,
        "maker",
        "model",
        "1",
        "1",
        **options,
    )
