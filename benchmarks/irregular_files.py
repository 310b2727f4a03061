"""Single files for ``irregular_inputs``: images, enhanced CT, dose, mosaic; and what is true of each frame."""

from __future__ import annotations

import struct
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.sequence import Sequence as Items
from pydicom.uid import (
    CTImageStorage,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    JPEGLSLossless,
)

AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
CORONAL = (1.0, 0.0, 0.0, 0.0, 0.0, -1.0)
SAGITTAL = (0.0, 1.0, 0.0, 0.0, 0.0, -1.0)
SPACING = (0.5, 0.8)
ORIGIN = (-10.0, 20.0, 30.0)
EVEN = tuple(2.0 * k for k in range(6))
CLASSES = {
    "CT": CTImageStorage, "MR": "1.2.840.10008.5.1.4.1.1.4", "PT": "1.2.840.10008.5.1.4.1.1.128",
    "CR": "1.2.840.10008.5.1.4.1.1.1", "US": "1.2.840.10008.5.1.4.1.1.6.1",
    "RTDOSE": "1.2.840.10008.5.1.4.1.1.481.2", "enhanced CT": "1.2.840.10008.5.1.4.1.1.2.1",
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Frame:
    """One image: what is true of it, or what a reader says of it."""

    #: Physical values (rows, columns[, channels]).
    values: NDArray[np.float64]
    #: Centre of the first voxel, LPS mm; None where unknown.
    position: tuple[float, ...] | None = None
    #: Direction cosines of a row and of a column; None where unknown.
    orientation: tuple[float, ...] | None = None
    #: mm between rows, mm between columns; None where unknown.
    spacing: tuple[float, ...] | None = None
    #: What tells it from other images at its place, by name.
    keys: dict[str, float] = field(default_factory=dict)


def picture(number: int, size: int = 8) -> NDArray[np.int16]:
    """Stored numbers of image *number*: 100 * number + running index."""
    return (100 * number + np.arange(size * size)).reshape(size, size).astype(np.int16)


def header(modality: str, number: int, **tags: Any) -> Dataset:
    """Header of one image; a tag given as None is left out."""
    dataset = Dataset()
    values = {
        "SOPClassUID": CLASSES[modality], "SOPInstanceUID": f"2.25.77{number}", "StudyInstanceUID": "2.25.1",
        "SeriesInstanceUID": "2.25.2", "FrameOfReferenceUID": "2.25.3", "Modality": modality.split()[-1],
        "PatientName": "SYNTHETIC", "PatientID": "SYNTHETIC", "PatientBirthDate": "", "PatientSex": "", "StudyID": "1",
        "StudyDate": "20200101", "StudyTime": "120000", "AccessionNumber": "", "ReferringPhysicianName": "",
        "SeriesNumber": 1, "Manufacturer": "Synthetic", "PositionReferenceIndicator": "", "SamplesPerPixel": 1,
        "ImageType": ["ORIGINAL", "PRIMARY", "AXIAL"], "InstanceNumber": number, "SliceThickness": 2,
        "PhotometricInterpretation": "MONOCHROME2", "ImageOrientationPatient": list(AXIAL),
        "ImagePositionPatient": list(ORIGIN), "PixelSpacing": list(SPACING),
    }  # fmt: skip
    if modality == "CT":
        values |= {"RescaleSlope": 1, "RescaleIntercept": 0, "RescaleType": "HU"}
    for keyword, value in (values | tags).items():
        if value is not None:
            setattr(dataset, keyword, value)
    return dataset


def save(path: Path, dataset: Dataset, stored: NDArray[Any], syntax: str = ExplicitVRLittleEndian, *,
         preamble: bool = True) -> None:  # fmt: skip
    """Write *dataset* with the pixels (rows, columns[, 3]) or (frames, rows, columns)."""
    colour = dataset.SamplesPerPixel == 3
    frames = stored if stored.ndim == (4 if colour else 3) else stored[None]
    dataset.Rows, dataset.Columns = frames.shape[1:3]
    bits = 8 * stored.dtype.itemsize
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = bits, bits, bits - 1
    dataset.PixelRepresentation = int(stored.dtype.kind == "i")
    if syntax == JPEGLSLossless:
        import imagecodecs

        # JPEG-LS knows no sign: the header tells it.
        unsigned = [np.ascontiguousarray(frame).view(np.uint16) for frame in frames]
        dataset.PixelData = encapsulate([imagecodecs.jpegls_encode(frame) for frame in unsigned])
    else:
        order = ">" if syntax == ExplicitVRBigEndian else "<"
        dataset.PixelData = frames.astype(frames.dtype.newbyteorder(order)).tobytes()
    dataset["PixelData"].VR = "OB" if bits == 8 or syntax == JPEGLSLossless else "OW"
    with warnings.catch_warnings():
        # Odd headers are what these files are for.
        warnings.simplefilter("ignore")
        if not preamble:
            FileDataset(str(path), dataset).save_as(path, implicit_vr=True, little_endian=True)
            return
        dataset.file_meta = FileMetaDataset()
        dataset.file_meta.TransferSyntaxUID = syntax
        dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
        dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
        dataset.save_as(path, enforce_file_format=True)


def place(depth: float, orientation: Sequence[float] = AXIAL, lean: float = 0.0) -> tuple[float, ...]:
    """Position *depth* mm along the normal from the origin; *lean* is the drift along a column per mm."""
    row, column = np.array(orientation[:3]), np.array(orientation[3:])
    point = np.array(ORIGIN) + depth * (np.cross(row, column) + lean * column)
    return tuple(round(float(v), 6) for v in point)


def item(**values: Any) -> Items:
    dataset = Dataset()
    for keyword, value in values.items():
        setattr(dataset, keyword, value)
    return Items([dataset])


def multi_frame(
    folder: Path,
    depths: Sequence[float] = EVEN,
    *,
    slopes: Sequence[float] = (1.0,) * 6,
    placed: bool = True,
) -> list[Frame]:
    """One enhanced CT object whose functional groups say where each frame is and how it is scaled."""
    stored = np.stack([picture(1 + k) for k in range(len(depths))])
    loose = ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "SliceThickness")
    dataset = header("enhanced CT", 1, NumberOfFrames=len(depths), **dict.fromkeys(loose))
    dataset.ImageType, dataset.DimensionOrganizationType = ["ORIGINAL", "PRIMARY", "VOLUME", "NONE"], "3D"
    dataset.ContentDate, dataset.ContentTime = "20200101", "120000"
    shared = item(PixelMeasuresSequence=item(PixelSpacing=list(SPACING), SliceThickness=2.0))
    if placed:
        shared[0].PlaneOrientationSequence = item(ImageOrientationPatient=list(AXIAL))
    dataset.SharedFunctionalGroupsSequence = shared
    frames, per_frame = [], []
    for k, (depth, slope) in enumerate(zip(depths, slopes, strict=False)):
        scaling = item(RescaleSlope=slope, RescaleIntercept=-5, RescaleType="HU")
        group = item(PixelValueTransformationSequence=scaling, FrameContentSequence=item(DimensionIndexValues=[k + 1]))
        position = place(depth) if placed else None
        if placed:
            group[0].PlanePositionSequence = item(ImagePositionPatient=list(place(depth)))
        per_frame.append(group[0])
        frames.append(Frame(stored[k] * slope - 5.0, position, AXIAL if placed else None, SPACING))
    dataset.PerFrameFunctionalGroupsSequence = Items(per_frame)
    dataset.DimensionOrganizationSequence = item(DimensionOrganizationUID="2.25.9")
    dataset.DimensionIndexSequence = item(DimensionIndexPointer=0x00200032, FunctionalGroupPointer=0x00209113,
                                          DimensionOrganizationUID="2.25.9")  # fmt: skip
    save(folder / "enhanced.dcm", dataset, stored)
    return frames


def dose(folder: Path) -> list[Frame]:
    stored = np.stack([picture(1 + k).astype(np.uint16) for k in range(6)])
    dataset = header("RTDOSE", 1, NumberOfFrames=6, GridFrameOffsetVector=list(EVEN), DoseGridScaling="0.001",
                     DoseUnits="GY", DoseType="PHYSICAL", DoseSummationType="PLAN", ImageType=None,
                     FrameIncrementPointer=0x3004000C, SliceThickness=None)  # fmt: skip
    save(folder / "dose.dcm", dataset, stored)
    return [Frame(stored[k] * 0.001, place(depth), AXIAL, SPACING) for k, depth in enumerate(EVEN)]


def radiograph(folder: Path) -> list[Frame]:
    dataset = header("CR", 1, ImagePositionPatient=None, ImageOrientationPatient=None, PixelSpacing=None,
                     SliceThickness=None, ImagerPixelSpacing=[0.2, 0.2], ViewPosition="PA")  # fmt: skip
    save(folder / "cr.dcm", dataset, picture(1))
    return [Frame(picture(1).astype(float), spacing=(0.2, 0.2))]


def ultrasound(folder: Path) -> list[Frame]:
    colours = (np.arange(192, dtype=np.uint8).reshape(8, 8, 3) * 37) % 251
    dataset = header("US", 1, ImagePositionPatient=None, ImageOrientationPatient=None, PixelSpacing=None,
                     SliceThickness=None, FrameOfReferenceUID=None, SamplesPerPixel=3, PlanarConfiguration=0,
                     PhotometricInterpretation="RGB")  # fmt: skip
    save(folder / "us.dcm", dataset, colours)
    return [Frame(colours.astype(float))]


def palette(folder: Path) -> list[Frame]:
    """One ultrasound picture whose numbers are entries of a palette of 64 colours."""
    colours = ((np.arange(64)[:, None] * (1, 2, 3) + (40, 20, 0)) % 256).astype(np.uint8)
    tags: dict[str, Any] = {}
    for name, column in zip(("Red", "Green", "Blue"), colours.T, strict=True):
        tags[f"{name}PaletteColorLookupTableDescriptor"] = [64, 0, 8]
        tags[f"{name}PaletteColorLookupTableData"] = column.tobytes()
    dataset = header("US", 1, ImagePositionPatient=None, ImageOrientationPatient=None, PixelSpacing=None,
                     SliceThickness=None, FrameOfReferenceUID=None, PhotometricInterpretation="PALETTE COLOR",
                     **tags)  # fmt: skip
    indices = np.arange(64, dtype=np.uint8).reshape(8, 8)
    save(folder / "us.dcm", dataset, indices)
    return [Frame(colours[indices].astype(float))]


def mosaic(*, count: bool = True, csa: bool = True, up: bool = True) -> Callable[[Path], list[Frame]]:
    """Six tiles of 8x8 in a 3x3 picture, as Siemens writes functional MR; *up* tells which way the slices go."""

    def write(folder: Path) -> list[Frame]:
        big = np.zeros((24, 24), np.int16)
        for k in range(6):
            big[k // 3 * 8 : k // 3 * 8 + 8, k % 3 * 8 : k % 3 * 8 + 8] = picture(1 + k)
        # The stored corner is the one a single plane of the whole picture's size would have.
        corner = np.array(ORIGIN) - np.array([8 * SPACING[1], 8 * SPACING[0], 0])
        dataset = header("MR", 1, ImageType=["ORIGINAL", "PRIMARY", "M", "ND", "MOSAIC"], SpacingBetweenSlices=2,
                         ImagePositionPatient=corner.tolist(), SliceThickness=1.5, Manufacturer="SIEMENS")  # fmt: skip
        if count:
            dataset.private_block(0x0019, "SIEMENS MR HEADER", create=True).add_new(0x0A, "US", 6)
        if csa:
            entries = {"NumberOfImagesInMosaic": ["6"], "SliceNormalVector": ["0.0", "0.0", "1.0" if up else "-1.0"]}
            dataset.private_block(0x0029, "SIEMENS CSA HEADER", create=True).add_new(0x10, "OB", csa_header(entries))
        save(folder / "mosaic.dcm", dataset, big)
        depths = EVEN if up else [-depth for depth in EVEN]
        return [Frame(picture(1 + k).astype(float), place(depth), AXIAL, SPACING) for k, depth in enumerate(depths)]

    return write


def csa_header(entries: dict[str, list[str]]) -> bytes:
    """Siemens CSA header (SV10) with these entries, as NiBabel's page on the format describes it."""
    out = b"SV10\x04\x03\x02\x01" + struct.pack("<II", len(entries), 77)
    for name, values in entries.items():
        out += struct.pack("<64si4siii", name.encode(), len(values), b"FD\0\0", 3, len(values), 77)
        for text in values:
            data = text.encode() + b"\0"
            out += struct.pack("<4i", len(data), len(data), 77, len(data)) + data + b"\0" * (-len(data) % 4)
    return out + b"\0" * (len(out) % 2)
