"""A synthetic segmentation for the benchmarks: many segments that fill a body, as whole-body tools give them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray


def labels(*, segments: int = 98, slices: int = 300, size: int = 512) -> NDArray[np.uint8]:
    """Labels (z, y, x) from 1: each voxel of a body belongs to the nearest of randomly placed points."""
    from scipy.spatial import cKDTree

    random = np.random.Generator(np.random.PCG64(98))
    points = random.uniform([0, size * 0.1, size * 0.1], [slices, size * 0.9, size * 0.9], (segments, 3))
    scale = np.array([2.5, 1, 1])
    nearest = cKDTree(points * scale)
    rows, columns = np.mgrid[:size, :size]
    body = np.hypot((rows - size / 2) * 1.1, columns - size / 2) < size * 0.42
    found = np.zeros((slices, size, size), np.uint8)
    for z in range(slices):
        places = np.column_stack([np.full(int(body.sum()), z), rows[body], columns[body]]) * scale
        found[z][body] = nearest.query(places)[1] + 1
    return found


def write_seg(path: Path, images: Path, values: NDArray[np.uint8], *, kind: str = "BINARY", omit: bool = True) -> Path:
    """A SEG of labels (z, y, x) on the series in a folder, through highdicom.

    Parameters
    ----------
    path : Path
        File to write.
    images : Path
        Folder of the series.
    values : array (z, y, x) of uint8
        Labels from 1, slices ascending.
    kind : {"BINARY", "LABELMAP"}
        SegmentationType.
    omit : bool, default True
        Leave out frames without a voxel.
    """
    import highdicom as hd
    import pydicom

    headers = [pydicom.dcmread(file, stop_before_pixels=True) for file in images.iterdir()]
    headers.sort(key=lambda header: float(header.ImagePositionPatient[2]))
    for header in headers:
        for keyword in ("PatientBirthDate", "PatientSex", "AccessionNumber", "StudyID", "StudyTime"):
            setattr(header, keyword, "")
        header.ReferringPhysicianName = ""
    described = [
        hd.seg.SegmentDescription(
            segment_number=number,
            segment_label=f"structure {number}",
            segmented_property_category=hd.sr.CodedConcept("91723000", "SCT", "Anatomical structure"),
            segmented_property_type=hd.sr.CodedConcept("91723000", "SCT", "Anatomical structure"),
            algorithm_type="MANUAL",
        )
        for number in range(1, int(values.max()) + 1)
    ]
    made = hd.seg.Segmentation(
        headers, values, kind, described, "2.25.77", 1, "2.25.78", 1, "maker", "model", "1", "1",
        omit_empty_frames=omit,
    )  # fmt: skip
    made.save_as(path)
    return path
