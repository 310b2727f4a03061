"""Frames whose numbers are entries of a palette: coloured in every syntax, frame by frame, in crops and threads."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
import xarray as xr
from pydicom.encaps import encapsulate
from pydicom.pixels import apply_color_lut

from tests import factories
from tests.dicom.values.test_palettes import palette, some
from workbench.dicom.pixels.frames import FrameRef, frame_refs, read_frame, read_frames
from workbench.dicom.scan import scan
from workbench.dicom.stacks.frame_table import frame_rows
from workbench.dicom.values.value_map import value_map

PICTURES = np.random.default_rng(3).integers(0, 40, (12, 6, 8)).astype("u1")


def write(path: Path, syntax: str, pictures: np.ndarray = PICTURES, *, dtype: str = "u1") -> Path:
    """One file of all pictures with a palette of 40 entries."""
    dataset = factories.header(
        Modality="US", SOPClassUID="1.2.840.10008.5.1.4.1.1.3.1", RescaleSlope=None, RescaleIntercept=None,
        ImagePositionPatient=None, **palette(some(40, dtype)),
    )  # fmt: skip
    factories.describe_pixels(dataset, pictures)
    dataset.PhotometricInterpretation = "PALETTE COLOR"
    if syntax == factories.JPEGBaseline8Bit:
        dataset.PixelData = encapsulate([factories.code_stream(picture, syntax) for picture in pictures])
    return factories.write(path, dataset, pictures, syntax=syntax)


def refs_of(folder: Path) -> tuple[FrameRef, ...]:
    rows = frame_rows(scan(folder).instances)
    return frame_refs(rows, folder, value_map(rows, root=folder))


@pytest.mark.parametrize("dtype", ["u1", "u2"])
# Not big endian, whose palette in words the factory does not write: tests/dicom/values/test_palettes.py has one.
@pytest.mark.parametrize("name", [name for name in factories.LOSSLESS if name != "big-endian"])
def test_every_syntax_gives_the_same_colours(name: str, dtype: str, tmp_path: Path) -> None:
    write(tmp_path / "a", factories.LOSSLESS[name], dtype=dtype)
    refs = refs_of(tmp_path)
    out = np.empty((12, 6, 8, 3), dtype)
    read_frames(refs, out, checked=False)
    assert (out == some(40, dtype)[PICTURES]).all()


@pytest.mark.parametrize("name", ["explicit", "rle", "jpeg-2000"])
def test_indices_of_twelve_bits_in_sixteen_choose_their_colour(name: str, tmp_path: Path) -> None:
    write(tmp_path / "a", factories.LOSSLESS[name], PICTURES.astype("<u2"))
    out = np.empty((12, 6, 8, 3), np.uint8)
    read_frames(refs_of(tmp_path), out, checked=False)
    assert (out == some(40)[PICTURES]).all()


def test_frames_read_alone_and_after_pickling_are_the_same(tmp_path: Path) -> None:
    write(tmp_path / "a", factories.LOSSLESS["jpeg-ls"])
    refs = refs_of(tmp_path)
    out = np.empty((6, 8, 3), np.uint8)
    read_frame(pickle.loads(pickle.dumps(refs[7])), out, checked=False)
    assert (out == some(40)[PICTURES[7]]).all()
    # What is stored is one sample, whatever is read.
    assert (refs[7].samples, refs[7].uncoloured.samples, refs[7].uncoloured.frame_bytes) == (3, 1, 48)


@pytest.mark.parametrize("name", ["explicit", "rle"])
def test_dataset_is_lazy_by_frame_and_by_part_of_a_frame(name: str, tmp_path: Path, monkeypatch: Any) -> None:
    import workbench.dicom.pixels.frames as frames

    write(tmp_path / "a", factories.LOSSLESS[name])
    dataset = xr.open_dataset(tmp_path, engine="dicom")
    image = dataset["image"]
    assert (image.dims[-3:], image.shape[-3:], image.dtype) == (("y", "x", "channel"), (6, 8, 3), np.uint8)
    assert (image.attrs["value_kind"], image.attrs["units"]) == ("colour", "1")
    assert "stored_slope" not in image.attrs
    read = []
    for name_of in ("read_native", "read_compressed"):
        one = getattr(frames, name_of)

        def counted(file: Any, ref: FrameRef, out: Any, *, checked: bool, one: Any = one) -> None:
            read.append(ref.frame)
            one(file, ref, out, checked=checked)

        monkeypatch.setattr(frames, name_of, counted)
    (along,) = [dim for dim in image.dims[:-3] if image.sizes[dim] == 12]
    expected = some(40)[PICTURES]
    assert (image.isel({along: 5}).values.reshape(6, 8, 3) == expected[5]).all()
    assert read == [5]
    crop = image.isel({along: 2, "y": slice(1, 4), "x": [0, 7], "channel": 1})
    assert (crop.values.reshape(3, 2) == expected[2, 1:4][:, [0, 7], 1]).all()
    assert read == [5, 2]


def test_a_series_of_palette_images_is_one_coloured_stack(tmp_path: Path) -> None:
    for k in range(3):
        factories.image(
            tmp_path / f"{k}", k + 1, frames=PICTURES[k], ImagePositionPatient=[0, 0, 2.0 * k],
            PhotometricInterpretation="PALETTE COLOR", RescaleSlope=None, RescaleIntercept=None, **palette(some(40)),
        )  # fmt: skip
    dataset = xr.open_dataset(tmp_path, engine="dicom")
    assert (dataset["image"].dims, len(dataset.attrs["findings"])) == (("z", "y", "x", "channel"), 0)
    assert (dataset["image"].values == some(40)[PICTURES[:3]]).all()
    stored = xr.open_dataset(tmp_path, engine="dicom", values="stored")["image"]
    assert (stored.dims, (stored.values == PICTURES[:3]).all()) == (("z", "y", "x"), True)


def test_palette_that_is_missing_is_a_finding_of_the_series(tmp_path: Path) -> None:
    factories.image(tmp_path / "a", PhotometricInterpretation="PALETTE COLOR")
    dataset = xr.open_dataset(tmp_path, engine="dicom")
    assert "palette-unusable" in dataset.attrs["findings"]
    assert (dataset["image"].dims, dataset["image"].attrs["value_kind"]) == (("z", "y", "x"), "stored")


def test_real_ultrasound_equals_pydicom() -> None:
    path = pydicom.examples.get_path("palette_color")
    dataset = pydicom.dcmread(path)
    image = xr.open_dataset(path, engine="dicom")["image"]
    assert (image.values[0] == apply_color_lut(dataset.pixel_array, dataset)).all()
