"""Synthetic series for the benchmarks, the same bytes for the same arguments."""

from __future__ import annotations

from pathlib import Path

import numpy as np

#: Encoded transfer syntax -> name used on the command line.
SYNTAXES = {
    "explicit": "1.2.840.10008.1.2.1",
    "implicit": "1.2.840.10008.1.2",
    "jpegls": "1.2.840.10008.1.2.4.80",
    "jpegll": "1.2.840.10008.1.2.4.70",
    "jpeg2000": "1.2.840.10008.1.2.4.90",
}


def write_ct(folder: Path, *, slices: int = 300, size: int = 512, syntax: str = "explicit") -> Path:
    """A CT series of int16 slices with noise, intercept -1024, 1 mm apart, file names in no useful order."""
    import imagecodecs
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.encaps import encapsulate

    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.Generator(np.random.PCG64(1))
    yy, xx = np.mgrid[:size, :size] - size / 2
    body = (np.hypot(yy * 1.2, xx) < size * 0.42).astype(np.int16) * 1064
    encoders = {
        "jpegls": lambda a: imagecodecs.jpegls_encode(a),
        "jpegll": lambda a: imagecodecs.ljpeg_encode(a, bitspersample=16),
        "jpeg2000": lambda a: imagecodecs.jpeg2k_encode(a, level=0, reversible=True, codecformat="j2k"),
    }
    order = random.permutation(slices)
    for number in range(slices):
        pixels = (body + random.integers(-40, 40, body.shape, dtype=np.int16)).clip(0).astype(np.uint16)
        ds = Dataset()
        ds.file_meta = FileMetaDataset()
        ds.file_meta.TransferSyntaxUID = SYNTAXES[syntax]
        ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.2"
        ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = f"2.25.1000{number}"
        ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.FrameOfReferenceUID = "2.25.1", "2.25.2", "2.25.3"
        ds.Modality, ds.PatientID, ds.PatientName = "CT", "BENCH", "BENCH"
        ds.Manufacturer, ds.SeriesDescription, ds.StudyDate = "Synthetic", "Thorax 1.0", "20200101"
        ds.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
        ds.InstanceNumber, ds.SeriesNumber = number + 1, 2
        ds.ImagePositionPatient, ds.ImageOrientationPatient = [-180, -180, float(number)], [1, 0, 0, 0, 1, 0]
        ds.PixelSpacing, ds.SliceThickness = [0.7, 0.7], 1.0
        ds.Rows = ds.Columns = size
        ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
        ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 16, 15, 0
        ds.RescaleSlope, ds.RescaleIntercept, ds.RescaleType = 1, -1024, "HU"
        if syntax in encoders:
            ds.PixelData = encapsulate([encoders[syntax](pixels)])
            ds["PixelData"].VR = "OB"
        else:
            ds.PixelData = pixels.tobytes()
            ds["PixelData"].VR = "OW"
        ds.save_as(folder / f"IM{order[number]:05d}.dcm", enforce_file_format=True, implicit_vr=syntax == "implicit",
                   little_endian=True)  # fmt: skip
    return folder
