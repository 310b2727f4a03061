"""All segments in one map."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tests import factories
from tests.labels import objects
from tests.tries import tries
from workbench.arrays.label_map import label_map
from workbench.errors import LabelError, UsageError
from workbench.labels import seg_layers

SHAPE = (4, 8, 10)


def dataset(masks: np.ndarray, names: list[str] | None = None) -> xr.Dataset:
    names = names or [f"s{number}" for number in range(1, len(masks) + 1)]
    coords = {"segment": names, "z": np.arange(masks.shape[1]) * 2.0}
    return xr.Dataset({"mask": (("segment", "z", "y", "x"), masks)}, coords)


@settings(max_examples=tries(30), deadline=None)
@given(arrays(np.uint8, (3, 4, 5), elements=st.integers(0, 4)))
def test_segments_that_do_not_overlap_come_back_from_the_map(labels: np.ndarray) -> None:
    masks = np.stack([labels == number for number in range(1, 5)])
    found = label_map(dataset(masks))
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found.values, labels)


def test_the_map_says_which_number_is_which_segment() -> None:
    masks = np.zeros((2, 1, 2, 2), bool)
    ds = dataset(masks, ["liver", "spleen"]).assign_coords(segment_code=("segment", ["SCT:10200004", "SCT:78961009"]))
    found = label_map(ds)
    assert found.name == "label"
    assert found.attrs["label_names"].splitlines() == ["liver", "spleen"]
    assert found.attrs["label_code"].splitlines() == ["SCT:10200004", "SCT:78961009"]
    assert found.coords["z"].equals(ds["z"])
    assert "segment" not in found.coords


def test_more_than_255_segments_need_16_bits() -> None:
    masks = np.zeros((300, 1, 1, 300), bool)
    masks[np.arange(300), 0, 0, np.arange(300)] = True
    found = label_map(dataset(masks))
    assert found.dtype == np.uint16
    assert found.values.ravel().tolist() == list(range(1, 301))


@pytest.fixture
def overlapping() -> xr.Dataset:
    masks = np.zeros((3, 2, 3, 4), bool)
    masks[0, 1, :, :2], masks[1, 1, :, 1:3], masks[2, 1, :, 2:] = True, True, True
    return dataset(masks, ["a", "b", "c"])


def test_overlap_is_refused_naming_both(overlapping: xr.Dataset) -> None:
    with pytest.raises(LabelError, match=r"'a' and 'b' overlap \(3 voxels on slice 1\).*order"):
        label_map(overlapping)


@pytest.mark.parametrize(
    ("order", "row"),
    [(["b"], [1, 2, 2, 3]), (["a", "c"], [1, 1, 3, 3]), (["c", "b", "a"], [1, 2, 3, 3]), ([2, "a"], [1, 2, 2, 3])],
)
def test_the_order_says_which_wins(overlapping: xr.Dataset, order: list[str | int], row: list[int]) -> None:
    assert label_map(overlapping, order=order).values[1].tolist() == [row] * 3


def test_an_order_that_leaves_an_overlap_open_is_refused(overlapping: xr.Dataset) -> None:
    with pytest.raises(LabelError, match="'b' and 'c'"):
        label_map(overlapping, order=["a"])


@pytest.mark.parametrize("order", [["d"], [0], [4], "a"])
def test_an_order_of_what_is_not_there_is_refused(overlapping: xr.Dataset, order: list[str | int] | str) -> None:
    with pytest.raises(UsageError):
        label_map(overlapping, order=order)


def test_a_name_of_several_segments_does_not_say_which(overlapping: xr.Dataset) -> None:
    with pytest.raises(UsageError, match=r"\[1, 2\]"):
        label_map(overlapping.assign_coords(segment=["a", "a", "c"]), order=["a"])


def test_without_masks_there_is_no_map() -> None:
    with pytest.raises(UsageError, match=r"patient\.masks"):
        label_map(xr.Dataset())
    with pytest.raises(UsageError, match=r"dims segment, slice, y, x, not segment, z, y, x"):
        label_map(dataset(np.zeros((1, 1, 2, 2), bool)).rename(z="slice"))
    with pytest.raises(UsageError, match="threshold"):
        label_map(dataset(np.zeros((1, 1, 2, 2), np.float32)))


def test_lazy_masks_are_mapped_from_their_frames_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    labels = np.zeros(SHAPE, np.uint8)
    labels[1, 2:4], labels[2:, 5:], labels[2, :2] = 1, 2, 3
    for index, place in enumerate(objects.stack().positions):
        factories.image(
            tmp_path / "images" / f"{index}.dcm", index + 1, frames=factories.pixels(index, SHAPE[1:]),
            SOPInstanceUID=objects.uid(index), SeriesInstanceUID=objects.SERIES, FrameOfReferenceUID=objects.FRAME,
            ImagePositionPatient=list(place), PixelSpacing=list(objects.stack().pixel_spacing),
        )  # fmt: skip
    masks = np.stack([labels == number for number in (1, 2, 3)])
    path = objects.write_seg(tmp_path / "seg.dcm", objects.stack(), masks)
    found = xr.open_dataset(tmp_path / "images", engine="dicom").patient.masks(path)
    read: list[int] = []
    real = seg_layers.SegLayers.read
    monkeypatch.setattr(seg_layers.SegLayers, "read", lambda *a: read.extend(a[2].tolist()) or real(*a))
    np.testing.assert_array_equal(found.patient.label_map().values, labels)
    assert sorted(read) == [1, 2, 2, 3]
    part = found.isel(segment=[2, 1], z=[3, 2])
    np.testing.assert_array_equal(part.patient.label_map().values, np.choose(labels[[3, 2]], [0, 9, 2, 1]))
    assert found.chunk({"z": 2}).patient.label_map().equals(found.patient.label_map())
