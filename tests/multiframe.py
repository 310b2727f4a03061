"""Multi-frame objects of every shape: enhanced, dose, nuclear medicine, cine, mosaic."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pydicom.dataset import Dataset

from tests.factories import AXIAL, describe_pixels, header, pixels, write

ENHANCED_CT = "1.2.840.10008.5.1.4.1.1.2.1"
ENHANCED_MR = "1.2.840.10008.5.1.4.1.1.4.1"
LEGACY_CT = "1.2.840.10008.5.1.4.1.1.2.2"
PARAMETRIC_MAP = "1.2.840.10008.5.1.4.1.1.30"
TOMOSYNTHESIS = "1.2.840.10008.5.1.4.1.1.13.1.3"
NUCLEAR = "1.2.840.10008.5.1.4.1.1.20"
DOSE = "1.2.840.10008.5.1.4.1.1.481.2"
ULTRASOUND = "1.2.840.10008.5.1.4.1.1.3.1"

#: Top-level elements that functional groups replace.
PLAIN = ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "SliceThickness", "RescaleSlope",
         "RescaleIntercept")  # fmt: skip


def item(**values: Any) -> Dataset:
    """Data set with the given elements; a dict is a sequence of one item, None leaves out."""
    dataset = Dataset()
    for keyword, value in values.items():
        if isinstance(value, dict):
            setattr(dataset, keyword, [item(**value)])
        elif value is not None:
            setattr(dataset, keyword, value)
    return dataset


def numbered(n: int, shape: tuple[int, int] = (6, 8), dtype: str = "<i2") -> np.ndarray:
    """Frames (n, rows, columns); frame *i* is ``pixels(i + 1)``."""
    return np.stack([pixels(i + 1, shape, dtype) for i in range(n)])


def multi_frame(
    path: Path, frames: np.ndarray, number: int = 1, *, bits_stored: int | None = None, **tags: Any
) -> Path:
    """One multi-frame file without any geometry but what *tags* give."""
    dataset = header(number, **dict.fromkeys(PLAIN), **{"SOPClassUID": ENHANCED_CT} | {})
    describe_pixels(dataset, frames, bits_stored=bits_stored)
    dataset.NumberOfFrames = len(frames)
    for keyword, value in tags.items():
        if value is None:
            if keyword in dataset:
                delattr(dataset, keyword)
        else:
            setattr(dataset, keyword, value)
    return write(path, dataset, frames)


def enhanced(
    path: Path,
    places: Sequence[Sequence[float]],
    *,
    number: int = 1,
    frames: np.ndarray | None = None,
    orientation: Sequence[float] = AXIAL,
    spacing: Sequence[float] = (0.5, 0.8),
    rescale: Sequence[tuple[float, float]] | None = ((1.0, 0.0),),
    per_frame: dict[str, Sequence[dict[str, Any]]] | None = None,
    shared: dict[str, dict[str, Any]] | None = None,
    **tags: Any,
) -> Path:
    """Enhanced object with a frame per place; *per_frame* and *shared* give further groups by sequence keyword."""
    frames = numbered(len(places)) if frames is None else frames
    common: dict[str, Any] = {
        "PlaneOrientationSequence": {"ImageOrientationPatient": [round(float(v), 10) for v in orientation]},
        "PixelMeasuresSequence": {"PixelSpacing": list(spacing), "SliceThickness": 9},
        **(shared or {}),
    }
    own: dict[str, Sequence[dict[str, Any]]] = {
        "PlanePositionSequence": [{"ImagePositionPatient": [round(float(v), 8) for v in place]} for place in places],
        **(per_frame or {}),
    }
    if rescale is not None:
        maps = [{"RescaleSlope": s, "RescaleIntercept": i, "RescaleType": "HU"} for s, i in rescale]
        if len(maps) == 1:
            common["PixelValueTransformationSequence"] = maps[0]
        else:
            own["PixelValueTransformationSequence"] = maps
    groups = [item(**{name: values[i] for name, values in own.items()}) for i in range(len(places))]
    return multi_frame(
        path, frames, number,
        **{"SharedFunctionalGroupsSequence": [item(**common)], "PerFrameFunctionalGroupsSequence": groups} | tags,
    )  # fmt: skip


def dose(path: Path, offsets: Sequence[float], **tags: Any) -> Path:
    """RT dose with planes at *offsets* from the first."""
    return multi_frame(
        path, numbered(len(offsets), dtype="<u4"),
        **{"SOPClassUID": DOSE, "Modality": "RTDOSE", "ImagePositionPatient": [-10, 20, 30],
           "ImageOrientationPatient": list(AXIAL), "PixelSpacing": [0.5, 0.8], "GridFrameOffsetVector": list(offsets),
           "DoseGridScaling": 0.001, "DoseUnits": "GY", "DoseType": "PHYSICAL"} | tags,
    )  # fmt: skip


def csa_header(**entries: Sequence[float]) -> bytes:
    """CSA header of the newer kind with the given number entries."""
    data = b"SV10" + b"\4\3\2\1" + struct.pack("<II", len(entries), 77)
    for name, values in entries.items():
        data += struct.pack("<64si4siii", name.encode(), len(values), b"FD\0\0", 4, max(len(values), 6), 77)
        for i in range(max(len(values), 6)):
            text = f"{values[i]:.8f}".encode() + b"\0" if i < len(values) else b""
            data += struct.pack("<4i", len(text), len(text), 77, len(text)) + text + b"\0" * (-len(text) % 4)
    return data


def mosaic(
    path: Path,
    volume: np.ndarray,
    number: int = 1,
    *,
    corner: Sequence[float] = (-100.0, -90.0, 10.0),
    orientation: Sequence[float] = AXIAL,
    step: float = 3.0,
    normal: Sequence[float] | None = None,
    csa: bool = True,
    count: bool = True,
    **tags: Any,
) -> Path:
    """Siemens mosaic of a volume (z, y, x) whose first slice has its first voxel at *corner*."""
    n, rows, columns = volume.shape
    across = int(np.ceil(np.sqrt(n)))
    picture = np.zeros((rows * across, columns * across), volume.dtype)
    for k in range(n):
        r, c = divmod(k, across)
        picture[r * rows : (r + 1) * rows, c * columns : (c + 1) * columns] = volume[k]
    row, column = np.array(orientation[:3]), np.array(orientation[3:])
    spacing = (0.5, 0.8)
    whole = (
        np.array(corner)
        - row * spacing[1] * (picture.shape[1] - columns) / 2
        - column * spacing[0] * (picture.shape[0] - rows) / 2
    )
    dataset = header(
        number, Modality="MR", SOPClassUID="1.2.840.10008.5.1.4.1.1.4", SpacingBetweenSlices=step,
        ImageType=["ORIGINAL", "PRIMARY", "M", "MOSAIC"], ImagePositionPatient=[round(float(v), 8) for v in whole],
        ImageOrientationPatient=[round(float(v), 10) for v in orientation], **tags,
    )  # fmt: skip
    describe_pixels(dataset, picture[None])
    if count:
        dataset.private_block(0x0019, "SIEMENS MR HEADER", create=True).add_new(0x0A, "US", n)
    if csa:
        vector = np.cross(row, column) if normal is None else normal
        block = dataset.private_block(0x0029, "SIEMENS CSA HEADER", create=True)
        block.add_new(0x10, "OB", csa_header(EchoLinePosition=[1.0], SliceNormalVector=list(vector)))
    return write(path, dataset, picture[None])
