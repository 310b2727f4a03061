from __future__ import annotations

import pickle

import numpy as np
import pytest
import xarray as xr

from tests.labels.objects import FRAME, oblique, stack, uid
from workbench.dicom.stacks.geometry import Grid
from workbench.errors import GridMismatch, LabelError, UsageError
from workbench.labels.plain_array import masks_of

GRID = stack()
UIDS = [uid(number) for number in range(4)]


def labels_on(grid: Grid = GRID) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 3, grid.shape)


def labelled(values: np.ndarray, grid: Grid = GRID, **coords: object) -> xr.DataArray:
    """DataArray ([segment,] z, y, x) with the coordinates of a grid."""
    dims = ("z", "y", "x") if values.ndim == 3 else ("segment", "z", "y", "x")
    places = dict(zip("zyx", grid.coordinates(), strict=True))
    return xr.DataArray(values, dims=dims, coords={**places, "sop_instance_uid": ("z", UIDS), **coords})


@pytest.mark.parametrize("dtype", ["u1", "i2", "i8", "u4"])
def test_each_label_but_0_is_a_segment(dtype: str) -> None:
    labels = labels_on().astype(dtype)
    masks = masks_of(labels, grid=GRID, names={2: "liver"})
    assert [(s.number, s.name, s.kind) for s in masks.segments] == [(1, "label 1", "ARRAY"), (2, "liver", "ARRAY")]
    np.testing.assert_array_equal(masks.data, np.stack([labels == 1, labels == 2]))
    layers = pickle.loads(pickle.dumps(masks.layers))
    np.testing.assert_array_equal(layers.read(1, np.array([2, 0])), labels[[2, 0]] == 2)


def test_yes_and_no_is_one_segment_or_one_each() -> None:
    one = labels_on() == 1
    assert masks_of(one, grid=GRID).data.tolist() == [one.tolist()]
    two = np.stack([one, ~one])
    masks = masks_of(two, grid=GRID, names=["a", "b"])
    assert [s.name for s in masks.segments] == ["a", "b"]
    np.testing.assert_array_equal(masks.data, two)


def test_coordinates_of_the_segments_travel() -> None:
    array = labelled(
        np.stack([labels_on() == 1, labels_on() == 2]), segment=["a", "b"], segment_code=("segment", ["SCT:1", "SCT:2"])
    )
    masks = masks_of(array, grid=GRID)
    assert [(s.name, s.code) for s in masks.segments] == [("a", "SCT:1"), ("b", "SCT:2")]
    (second,) = masks_of(array.isel(segment=1), grid=GRID).segments
    assert (second.name, second.code) == ("b", "SCT:2")


@pytest.mark.parametrize("orientation", [stack(), stack(orientation=oblique())], ids=["axial", "oblique"])
def test_a_cropped_and_turned_array_is_placed_by_its_coordinates(orientation: Grid) -> None:
    labels = labels_on(orientation)
    array = labelled(labels, orientation).transpose("x", "z", "y")
    part = array.isel(z=slice(1, None, 2), y=slice(None, None, -1), x=slice(2, 7))
    masks = masks_of(part, grid=orientation, sop_instance_uids=UIDS)
    expected = np.zeros_like(labels)
    expected[1::2, :, 2:7] = labels[1::2, :, 2:7]
    np.testing.assert_array_equal(masks.data, np.stack([expected == 1, expected == 2]))


def test_an_axis_that_runs_the_other_way_is_turned() -> None:
    labels = labels_on()
    z, y, x = GRID.coordinates()
    against = ("y", -y[::-1], {"orientation": "posterior-to-anterior"})
    array = xr.DataArray(labels[:, ::-1], dims=("z", "y", "x"), coords={"z": z, "y": against, "x": x})
    np.testing.assert_array_equal(masks_of(array, grid=GRID).data[0], labels == 1)
    across = array.assign_coords(y=("y", y, {"orientation": "right-to-left"}))
    with pytest.raises(GridMismatch, match="axis y runs right-to-left"):
        masks_of(across, grid=GRID)


@pytest.mark.parametrize("shift", [{"z": 1.0}, {"y": 0.25}, {"x": 0.4}, {"x": 8.0}])
def test_other_places_are_refused(shift: dict[str, float]) -> None:
    array = labelled(labels_on())
    moved = array.assign_coords({axis: array[axis] + mm for axis, mm in shift.items()})
    with pytest.raises(GridMismatch, match="grids differ"):
        masks_of(moved, grid=GRID)


def test_every_other_voxel_of_the_plane_is_another_grid() -> None:
    with pytest.raises(GridMismatch, match="other steps along x"):
        masks_of(labelled(labels_on()).isel(x=slice(None, None, 2)), grid=GRID)


def test_other_images_and_other_frames_are_refused() -> None:
    array = labelled(labels_on())
    with pytest.raises(GridMismatch, match="SOPInstanceUID"):
        masks_of(array, grid=GRID, sop_instance_uids=UIDS[::-1])
    elsewhere = array.assign_coords(frame_of_reference_uid=f"{FRAME}.9")
    with pytest.raises(GridMismatch, match="check_frame=False"):
        masks_of(elsewhere, grid=GRID)
    assert masks_of(elsewhere, grid=GRID, check_frame=False).segments


def test_an_array_of_another_shape_is_refused() -> None:
    with pytest.raises(GridMismatch, match=r"\(4, 8, 9\) for an image of shape \(4, 8, 10\)"):
        masks_of(labels_on()[..., 1:], grid=GRID)
    with pytest.raises(UsageError, match="time, z, y, x"):
        masks_of(labelled(np.stack([labels_on() == 1])).rename(segment="time"), grid=GRID)


def test_real_numbers_are_no_labels_unless_they_are_fractions() -> None:
    values = np.linspace(0, 1, 320, dtype=np.float32).reshape(GRID.shape)
    with pytest.raises(LabelError, match="whole numbers or yes and no"):
        masks_of(values, grid=GRID)
    masks = masks_of(values, grid=GRID, fraction="occupancy")
    assert (masks.kind, masks.fractional_type) == ("fraction", "occupancy")
    np.testing.assert_array_equal(masks.data[0], values)
    with pytest.raises(LabelError, match="between 0 and 1"):
        masks_of(values * 2, grid=GRID, fraction="occupancy")


def test_values_that_are_no_labels_are_refused() -> None:
    with pytest.raises(LabelError, match="a label is -1"):
        masks_of(labels_on() - 1, grid=GRID)
    with pytest.raises(LabelError, match="boolean"):
        masks_of(np.stack([labels_on()]), grid=GRID)
    with pytest.raises(UsageError, match="names for 2 segments"):
        masks_of(labels_on(), grid=GRID, names=["a"])


def test_nothing_drawn_is_a_finding() -> None:
    assert [f.code for f in masks_of(np.zeros(GRID.shape, int), grid=GRID).findings] == ["label-empty"]
    assert [f.code for f in masks_of(np.zeros(GRID.shape, bool), grid=GRID).findings] == ["label-empty"]
