"""How four readers are used on a folder, each as a user would type it, and what they give in one form."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from benchmarks.irregular_files import Frame


@dataclass(frozen=True)
class Answer:
    """What a reader gave."""

    #: Its images, each with the place it says it has.
    frames: tuple[Frame, ...]
    #: Shape of each array it gave.
    shapes: tuple[tuple[int, ...], ...]
    #: dtype of its values.
    dtype: str
    #: mm between slices that it states, None where it states none.
    step: float | None
    #: Warnings, or finding codes.
    said: tuple[str, ...] = ()


@dataclass(frozen=True)
class Refusal:
    """The error a reader raised."""

    #: Name of the error's class.
    kind: str
    #: Its message.
    message: str


def with_simpleitk(folder: Path) -> Any:
    """Image of ``ImageSeriesReader`` with the file names of ``GetGDCMSeriesFileNames``."""
    import SimpleITK as sitk  # noqa: N813

    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(folder)))
    return reader.Execute()


def of_simpleitk(image: Any) -> Answer:
    import SimpleITK as sitk  # noqa: N813

    array = sitk.GetArrayFromImage(image)
    n = image.GetDimension()
    direction = np.array(image.GetDirection()).reshape(n, n)[:3, :3]
    orientation = (*direction[:, 0], *direction[:, 1])
    spacing = image.GetSpacing()
    frames = []
    for k, values in enumerate(array.reshape(-1, *array.shape[n - 2 :])):
        index = (0, 0, k % image.GetSize()[2], *(0,) * (n - 3))
        position = image.TransformIndexToPhysicalPoint(index)[:3]
        frames.append(Frame(values.astype(float), position, orientation, (spacing[1], spacing[0])))
    return Answer(tuple(frames), (array.shape,), str(array.dtype), spacing[2] if len(frames) > 1 else None)


def with_highdicom(folder: Path) -> Any:
    """Volume of ``get_volume_from_series``, or of ``Image.get_volume`` for a multi-frame object."""
    import highdicom
    import pydicom

    paths = sorted(folder.iterdir())
    first = pydicom.dcmread(paths[0], stop_before_pixels=True, force=True)
    if "NumberOfFrames" in first:
        return highdicom.imread(paths[0]).get_volume()
    return highdicom.image.get_volume_from_series([pydicom.dcmread(path) for path in paths])


def of_highdicom(volume: Any) -> Answer:
    direction, affine, spacing = volume.direction, volume.affine, volume.spacing
    orientation = (*direction[:, 2], *direction[:, 1])
    frames = tuple(
        Frame(values.astype(float), tuple(affine[:3, 3] + k * affine[:3, 0]), orientation, tuple(spacing[1:]))
        for k, values in enumerate(volume.array)
    )
    step = spacing[0] if len(frames) > 1 else None
    return Answer(frames, (volume.array.shape,), str(volume.array.dtype), step)


def with_pydicom(folder: Path) -> tuple[NDArray[Any], Any, float | None]:
    """Images sorted by z, rescaled and stacked, the step from the first two slices: what tutorials do."""
    import pydicom
    from pydicom.pixels import apply_modality_lut

    datasets = [pydicom.dcmread(path) for path in sorted(folder.iterdir())]
    if len(datasets) == 1:
        ds = datasets[0]
        return apply_modality_lut(ds.pixel_array, ds), ds, _of_shared_groups(ds)
    datasets.sort(key=lambda ds: float(ds.ImagePositionPatient[2]))
    array = np.stack([apply_modality_lut(ds.pixel_array, ds) for ds in datasets])
    first, second = (np.array(ds.ImagePositionPatient, float) for ds in datasets[:2])
    return array, datasets[0], abs(second[2] - first[2])


def _of_shared_groups(ds: Any) -> float | None:
    """The recipe for enhanced objects: lengths from the shared groups, the corner from the first frame."""
    if "SharedFunctionalGroupsSequence" not in ds:
        return None
    shared = ds.SharedFunctionalGroupsSequence[0]
    plane = shared.get("PlaneOrientationSequence")
    first = ds.PerFrameFunctionalGroupsSequence[0].get("PlanePositionSequence")
    ds.PixelSpacing = shared.PixelMeasuresSequence[0].PixelSpacing
    if plane and first:
        ds.ImageOrientationPatient = plane[0].ImageOrientationPatient
        ds.ImagePositionPatient = first[0].ImagePositionPatient
    return float(shared.PixelMeasuresSequence[0].SliceThickness)


def of_pydicom(result: tuple[NDArray[Any], Any, float | None]) -> Answer:
    array, ds, step = result
    colour = ds.SamplesPerPixel == 3
    images = array.reshape(-1, *array.shape[-3 if colour else -2 :])
    position, orientation, spacing = (
        None if ds.get(keyword) is None else tuple(float(v) for v in ds[keyword].value)
        for keyword in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing")
    )
    frames = []
    for k, values in enumerate(images):
        place = position
        if position is not None and orientation is not None and step is not None:
            normal = np.cross(orientation[:3], orientation[3:])
            place = tuple(np.array(position) + k * step * normal * (np.sign(normal[2]) or 1))
        frames.append(Frame(values.astype(float), place, orientation, spacing))
    return Answer(tuple(frames), (array.shape,), str(array.dtype), step)


def with_workbench(folder: Path) -> list[Any]:
    """Datasets of ``xr.open_dataset(folder, engine="dicom")``, part by part where it asks for a part."""
    import xarray as xr

    from workbench.errors import AmbiguousSeries
    from workbench.options import options

    options.progress = "off"
    try:
        return [xr.open_dataset(folder, engine="dicom").load()]
    except AmbiguousSeries:
        first = xr.open_dataset(folder, engine="dicom", part=1)
        return [xr.open_dataset(folder, engine="dicom", part=k + 1).load() for k in range(first.attrs["n_parts"])]


def of_workbench(parts: list[Any]) -> Answer:
    frames = [frame for ds in parts for frame in _frames_of(ds)]
    said = tuple(sorted({code for ds in parts for code in str(ds.attrs["findings"]).split()}))
    step = parts[0].attrs.get("slice_spacing_mm")
    return Answer(tuple(frames), tuple(ds["image"].shape for ds in parts), str(parts[0]["image"].dtype), step, said)


def _frames_of(ds: Any) -> list[Frame]:
    leading = [d for d in ds["image"].dims if d not in ("z", "y", "x", "channel")]
    orientation = tuple(ds.attrs["ImageOrientationPatient"]) if "ImageOrientationPatient" in ds.attrs else None
    if "affine" in ds.coords:
        affine = ds["affine"].values
        orientation = tuple(np.concatenate([affine[:3, c] / np.linalg.norm(affine[:3, c]) for c in (2, 1)]))
    spacing = tuple(ds.attrs["pixel_spacing_mm"]) if "pixel_spacing_mm" in ds.attrs else None
    frames = []
    for index in np.ndindex(*(ds.sizes[d] for d in [*leading, "z"])):
        one = ds.isel(dict(zip([*leading, "z"], index, strict=True)))
        if "present" in ds.coords and not bool(one["present"]):
            continue
        position = tuple(one["position"].values) if "position" in ds.coords else None
        keys = {name: float(one[name]) for name in leading if one[name].dtype.kind in "iuf"}
        frames.append(Frame(one["image"].values.astype(float), position, orientation, spacing, keys))
    return frames


@dataclass(frozen=True)
class Reader:
    """One way to read a folder."""

    #: What a user types.
    read: Callable[[Path], Any]
    #: Its result in the common form.
    describe: Callable[[Any], Answer]


#: Readers in the order of the table's columns.
READERS: Final = {
    "SimpleITK": Reader(with_simpleitk, of_simpleitk),
    "highdicom": Reader(with_highdicom, of_highdicom),
    "pydicom": Reader(with_pydicom, of_pydicom),
    "workbench": Reader(with_workbench, of_workbench),
}
