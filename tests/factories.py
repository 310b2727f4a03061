"""Small DICOM series of every shape, written with pydicom."""

from __future__ import annotations

import warnings
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    UID,
    CTImageStorage,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

SERIES = "1.2.826.0.1.3680043.8.498.77"
STUDY = "1.2.826.0.1.3680043.8.498.76"
FRAME = "1.2.826.0.1.3680043.8.498.75"
AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
CORONAL = (1.0, 0.0, 0.0, 0.0, 0.0, -1.0)
SAGITTAL = (0.0, 1.0, 0.0, 0.0, 0.0, -1.0)

#: Syntaxes that pydicom does not know (PS3.6 table A-1).
JPEG_XL = UID("1.2.840.10008.1.2.4.110")
DEFLATED_FRAMES = UID("1.2.840.10008.1.2.8.1")
PLAIN_FRAMES = UID("1.2.840.10008.1.2.1.98")
#: Syntaxes that keep every number, each with its short name.
LOSSLESS = {
    "implicit": ImplicitVRLittleEndian,
    "explicit": ExplicitVRLittleEndian,
    "big-endian": ExplicitVRBigEndian,
    "deflated": DeflatedExplicitVRLittleEndian,
    "jpeg-57": JPEGLossless,
    "jpeg-70": JPEGLosslessSV1,
    "jpeg-ls": JPEGLSLossless,
    "jpeg-2000": JPEG2000Lossless,
    "rle": RLELossless,
    "jpeg-xl": JPEG_XL,
    "deflated-frames": DEFLATED_FRAMES,
    "plain-frames": PLAIN_FRAMES,
}


def uid(number: int) -> str:
    """SOPInstanceUID of image *number*."""
    return f"{SERIES}.{number}"


def pixels(number: int, shape: tuple[int, int] = (6, 8), dtype: str = "<i2") -> np.ndarray:
    """Picture whose numbers tell the slice: 1000 * number + running index."""
    return (1000 * number + np.arange(shape[0] * shape[1])).reshape(shape).astype(dtype)


def header(number: int = 1, **tags: Any) -> Dataset:
    """Data set of one axial CT image without pixels; *tags* replace or, with None, remove elements."""
    dataset = Dataset()
    values: dict[str, Any] = {
        "SOPClassUID": CTImageStorage, "SOPInstanceUID": uid(number), "SeriesInstanceUID": SERIES,
        "StudyInstanceUID": STUDY, "FrameOfReferenceUID": FRAME, "Modality": "CT", "PatientID": "P1",
        "ImageType": ["ORIGINAL", "PRIMARY", "AXIAL"], "InstanceNumber": number, "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2", "RescaleSlope": 1, "RescaleIntercept": 0,
        "ImageOrientationPatient": list(AXIAL), "ImagePositionPatient": [0.0, 0.0, 0.0], "PixelSpacing": [0.5, 0.8],
        "SliceThickness": 2,
    }  # fmt: skip
    for keyword, value in (values | tags).items():
        if value is not None:
            setattr(dataset, keyword, value)
    return dataset


def describe_pixels(dataset: Dataset, frames: np.ndarray, *, bits_stored: int | None = None) -> None:
    """Set the image pixel module for frames (n, rows, columns[, samples])."""
    n, dataset.Rows, dataset.Columns = frames.shape[:3]
    if n > 1:
        dataset.NumberOfFrames = n
    bits = frames.dtype.itemsize * 8
    dataset.BitsAllocated, dataset.BitsStored = bits, bits_stored or bits
    dataset.HighBit = dataset.BitsStored - 1
    dataset.PixelRepresentation = int(frames.dtype.kind == "i")
    if frames.ndim == 4:
        dataset.SamplesPerPixel, dataset.PhotometricInterpretation = frames.shape[3], "RGB"
        dataset.PlanarConfiguration = 0


def code_stream(frame: np.ndarray, syntax: str) -> bytes:
    """One frame compressed with imagecodecs; the sign is lost, as in the field, and the header restores it."""
    import imagecodecs

    unsigned = np.ascontiguousarray(frame).view(f"u{frame.dtype.itemsize}")
    encoders: dict[str, Callable[[np.ndarray], bytes]] = {
        JPEGBaseline8Bit: imagecodecs.jpeg8_encode,
        JPEGLossless: imagecodecs.ljpeg_encode,
        JPEGLosslessSV1: imagecodecs.ljpeg_encode,
        JPEGLSLossless: imagecodecs.jpegls_encode,
        JPEG2000Lossless: lambda array: imagecodecs.jpeg2k_encode(array, level=0, codecformat="j2k", reversible=True),
        RLELossless: run_lengths,
        JPEG_XL: lambda array: imagecodecs.jpegxl_encode(array, lossless=True),
        DEFLATED_FRAMES: lambda array: zlib.compress(array.astype(array.dtype.newbyteorder("<")).tobytes(), wbits=-15),
        PLAIN_FRAMES: lambda array: array.astype(array.dtype.newbyteorder("<")).tobytes(),
    }
    return bytes(encoders[syntax](unsigned))


def run_lengths(frame: np.ndarray) -> bytes:
    """RLE code stream of one frame, by pydicom."""
    from pydicom.pixels import get_encoder

    facts = {
        "rows": frame.shape[0], "columns": frame.shape[1], "samples_per_pixel": 1, "number_of_frames": 1,
        "bits_allocated": frame.dtype.itemsize * 8, "bits_stored": frame.dtype.itemsize * 8,
        "pixel_representation": 0, "photometric_interpretation": "MONOCHROME2",
    }  # fmt: skip
    return bytes(get_encoder(RLELossless).encode(frame, **facts))


def write(
    path: Path,
    dataset: Dataset,
    frames: np.ndarray | None = None,
    *,
    syntax: str = ExplicitVRLittleEndian,
    fragments: int = 1,
    has_table: bool = True,
    preamble: bool = True,
) -> Path:
    """Write *dataset* and its frames (n, rows, columns[, samples]); the pixel module is taken from *dataset*."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if frames is not None:
        if syntax in (ImplicitVRLittleEndian, ExplicitVRLittleEndian, DeflatedExplicitVRLittleEndian):
            dataset.PixelData = padded(frames.astype(frames.dtype.newbyteorder("<")).tobytes())
        elif syntax == ExplicitVRBigEndian:
            dataset.PixelData = padded(frames.astype(frames.dtype.newbyteorder(">")).tobytes())
        else:
            streams = [code_stream(frame, syntax) for frame in frames]
            dataset.PixelData = encapsulate(streams, fragments_per_frame=fragments, has_bot=has_table)
        dataset["PixelData"].VR = "OB" if frames.dtype.itemsize == 1 else "OW"
        dataset["PixelData"].is_undefined_length = syntax not in (
            ImplicitVRLittleEndian, ExplicitVRLittleEndian, DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian,
        )  # fmt: skip
    meta = FileMetaDataset()
    with warnings.catch_warnings():
        # Odd values are what these files are for.
        warnings.simplefilter("ignore")
        meta.TransferSyntaxUID = syntax
        meta.MediaStorageSOPClassUID = dataset.get("SOPClassUID") or CTImageStorage
        meta.MediaStorageSOPInstanceUID = dataset.get("SOPInstanceUID", "1.2.3")
        if preamble:
            dataset.file_meta = meta
            if UID(syntax).is_transfer_syntax:
                dataset.save_as(path, enforce_file_format=True)
            else:
                # pydicom writes a syntax it does not know if it is a private one.
                private = syntax.replace("10008", "10009")
                meta.TransferSyntaxUID = private
                dataset.save_as(path, enforce_file_format=True, implicit_vr=False, little_endian=True)
                path.write_bytes(path.read_bytes().replace(private.encode(), syntax.encode(), 1))
        else:
            file = FileDataset(str(path), dataset)
            file.save_as(
                path, implicit_vr=syntax == ImplicitVRLittleEndian, little_endian=syntax != ExplicitVRBigEndian
            )
    return path


def padded(data: bytes) -> bytes:
    """Even number of bytes."""
    return data + b"\0" * (len(data) % 2)


def image(
    path: Path,
    number: int = 1,
    *,
    frames: np.ndarray | None = None,
    bits_stored: int | None = None,
    syntax: str = ExplicitVRLittleEndian,
    fragments: int = 1,
    has_table: bool = True,
    preamble: bool = True,
    **tags: Any,
) -> Path:
    """One image file; *frames* is (rows, columns) or (n, rows, columns[, samples])."""
    frames = pixels(number) if frames is None else frames
    frames = frames[None] if frames.ndim == 2 else frames
    dataset = header(number)
    describe_pixels(dataset, frames, bits_stored=bits_stored)
    with warnings.catch_warnings():
        # Odd values are what these files are for.
        warnings.simplefilter("ignore")
        for keyword, value in tags.items():
            if value is not None:
                setattr(dataset, keyword, value)
            elif keyword in dataset:
                delattr(dataset, keyword)
    return write(
        path, dataset, frames, syntax=syntax, fragments=fragments, has_table=has_table, preamble=preamble
    )  # fmt: skip


def positions(
    depths: Sequence[float],
    *,
    orientation: Sequence[float] = AXIAL,
    origin: Sequence[float] = (-10.0, 20.0, 30.0),
    lean: Sequence[float] = (0.0, 0.0, 0.0),
) -> np.ndarray:
    """Positions (n, 3) of slices at *depths* mm along the normal; *lean* is the in-plane drift per mm of depth."""
    normal = np.cross(orientation[:3], orientation[3:])
    return np.asarray(origin) + np.outer(depths, normal + np.asarray(lean))


def stack(
    folder: Path,
    depths: Sequence[float] = (0, 2, 4, 6, 8, 10),
    *,
    orientation: Sequence[float] = AXIAL,
    origin: Sequence[float] = (-10.0, 20.0, 30.0),
    lean: Sequence[float] = (0.0, 0.0, 0.0),
    order: Sequence[int] | None = None,
    first: int = 1,
    per_slice: dict[str, Sequence[Any]] | None = None,
    **common: Any,
) -> list[Path]:
    """One file per slice; slice *i* (by depth given) holds ``pixels(first + i)``, file names follow *order*."""
    places = positions(depths, orientation=orientation, origin=origin, lean=lean)
    names = list(order) if order is not None else list(range(len(places)))
    paths = []
    for i, place in enumerate(places):
        own = {keyword: values[i] for keyword, values in (per_slice or {}).items()}
        tags = {
            "ImagePositionPatient": [round(float(v), 8) for v in place],
            "ImageOrientationPatient": [round(float(v), 10) for v in orientation],
        }
        paths.append(image(folder / f"{names[i]:04d}.dcm", first + i, **(tags | common | own)))
    return paths


def turned(*degrees: float) -> tuple[float, ...]:
    """Orientation turned about x, y and z, in degrees."""
    a, b, c = np.radians(degrees)
    about_x = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
    about_y = np.array([[np.cos(b), 0, np.sin(b)], [0, 1, 0], [-np.sin(b), 0, np.cos(b)]])
    about_z = np.array([[np.cos(c), -np.sin(c), 0], [np.sin(c), np.cos(c), 0], [0, 0, 1]])
    matrix = about_z @ about_y @ about_x
    return (*matrix[:, 0], *matrix[:, 1])


def assert_same_table(ours: Any, theirs: Any) -> None:
    """Fail where two Arrow tables differ in schema or values; NaN equals NaN."""
    assert ours.schema.equals(theirs.schema)
    assert repr(ours.to_pylist()) == repr(theirs.to_pylist())
