"""Boxes of millimetres about a place, whatever the plane of the image."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.tries import tries
from workbench.arrays import from_array
from workbench.arrays.image_grid import image_grid
from workbench.arrays.stacking import (
    Box,
    extent,
    middle,
    on_box,
    require_room,
    share_inside,
    stacked,
    united,
    voxel_places,
)
from workbench.errors import GridMismatch, LabelError, UsageError


def rotation(angles: tuple[float, float, float]) -> np.ndarray:
    a, b, c = angles
    rx = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
    ry = np.array([[np.cos(b), 0, np.sin(b)], [0, 1, 0], [-np.sin(b), 0, np.cos(b)]])
    rz = np.array([[np.cos(c), -np.sin(c), 0], [np.sin(c), np.cos(c), 0], [0, 0, 1]])
    return rx @ ry @ rz


def ramp(turn: np.ndarray, spacing: tuple[float, float, float], shape: tuple[int, int, int], at: np.ndarray):
    """Image whose values are a linear function of the place in the patient, so interpolation is exact."""
    affine = np.eye(4)
    affine[:3, :3] = turn @ np.diag(spacing)[::-1]
    affine[:3, 3] = at
    index = np.stack(np.meshgrid(*(np.arange(n) for n in shape), indexing="ij"), axis=-1)
    places = index @ affine[:3, :3].T + affine[:3, 3]
    return from_array((places @ [1.0, 2.0, 3.0]).astype("float32"), affine, frame_of_reference_uid="1.2")


@settings(max_examples=tries(25))
@given(
    angles=st.tuples(*[st.floats(-3.1, 3.1)] * 3),
    spacing=st.tuples(*[st.floats(0.7, 3.0)] * 3),
    at=st.tuples(*[st.floats(-200, 200)] * 3),
)
def test_values_stand_at_their_place_in_the_patient(
    angles: tuple[float, float, float], spacing: tuple[float, float, float], at: tuple[float, float, float]
) -> None:
    ds = ramp(rotation(angles), spacing, (24, 22, 20), np.array(at))
    centre = middle(image_grid(ds)) + np.array([0.3, -0.2, 0.1])
    box = Box.of((1.5, 1.0, 1.0), (6.0, 7.0, 8.0))
    found = on_box(ds, box, centre, method="linear")
    z, y, x = (box.axes[name] for name in "zyx")
    expected = (centre @ [1.0, 2.0, 3.0]) + 3 * z[:, None, None] + 2 * y[None, :, None] + 1 * x[None, None, :]
    assert found.image is not None
    np.testing.assert_allclose(found.image, expected, rtol=1e-4, atol=0.02)


def test_axes_are_the_patients_and_lie_about_the_middle() -> None:
    box = Box.of(2.0, (6, 8, 4))
    assert box.shape == (3, 4, 2)
    assert box.axes["z"].tolist() == [-2, 0, 2]
    assert box.axes["x"].tolist() == [-1, 1]
    grid = box.about(np.array([10.0, 20.0, 30.0]), "")
    assert grid.affine is not None
    np.testing.assert_allclose(grid.affine @ [0, 0, 0, 1], [10 - 1, 20 - 3, 30 - 2, 1])
    np.testing.assert_allclose(grid.affine[:3, 0], [0, 0, 2])


def test_the_box_of_a_mask_reaches_to_the_faces_of_its_voxels() -> None:
    grid = image_grid(ramp(np.eye(3), (2.0, 1.0, 0.5), (10, 10, 10), np.zeros(3)))
    mask = np.zeros((10, 10, 10), bool)
    mask[2:5, 3:4, 6:8] = True
    centre, size = extent(voxel_places(mask, grid), grid)
    np.testing.assert_allclose(size, [1.0, 1.0, 6.0])
    np.testing.assert_allclose(centre, [3.25, 3.0, 6.0])


def test_segments_are_united() -> None:
    ds = ramp(np.eye(3), (1.0, 1.0, 1.0), (4, 4, 4), np.zeros(3))
    masks = np.zeros((3, 4, 4, 4), bool)
    masks[0, 1, 1, 1] = masks[2, 2, 2, 2] = masks[2, 1, 1, 1] = True
    found = united(ds.assign(mask=(("segment", "z", "y", "x"), masks)))
    assert found["mask"].dims == ("z", "y", "x")
    np.testing.assert_array_equal(found["mask"].values, masks.any(axis=0))
    with pytest.raises(LabelError, match="empty"):
        united(ds.assign(mask=(("segment", "z", "y", "x"), masks[1:2])))
    with pytest.raises(LabelError, match="no mask"):
        united(ds)


def test_outside_the_image_there_is_nothing() -> None:
    ds = ramp(np.eye(3), (1.0, 1.0, 1.0), (4, 4, 4), np.zeros(3))
    found = on_box(ds, Box.of(1.0, 8.0), np.full(3, 1.5), method="linear")
    assert found.image is not None
    assert np.isfinite(found.image).sum() == 64
    with pytest.raises(GridMismatch):
        on_box(ds, Box.of(1.0, 4.0), np.full(3, 500.0), method="linear")


def test_a_mask_cut_by_the_box_says_how_much_lies_within() -> None:
    ds = ramp(np.eye(3), (1.0, 1.0, 1.0), (10, 10, 10), np.zeros(3))
    mask = np.zeros((10, 10, 10), bool)
    mask[2:8, 4, 4] = True
    box, centre = Box.of(1.0, (3.0, 3.0, 3.0)), np.array([4.0, 4.0, 4.0])
    found = on_box(ds.assign(mask=(("z", "y", "x"), mask)), box, centre, method="linear")
    assert found.mask is not None
    assert found.mask.sum() == 3
    assert share_inside(voxel_places(mask, image_grid(ds)), box, centre) == pytest.approx(0.5)


def test_a_case_without_an_image_keeps_its_reason() -> None:
    from workbench.arrays.stacking import Stacked

    box = Box.of(1.0, 2.0)
    cases = [Stacked(np.ones((2, 2, 2), np.float32), units="[hnsf'U]"), Stacked(None, reason="slices are missing")]
    found = stacked(cases, {"patient_id": ["A", "B"]}, box, around="image", method="linear")
    assert found["reason"].values.tolist() == ["", "slices are missing"]
    assert np.isnan(found["image"].values[1]).all()
    assert found["image"].attrs["units"] == "[hnsf'U]"


def test_values_of_several_units_have_none_in_common() -> None:
    from workbench.arrays.stacking import Stacked

    box = Box.of(1.0, 1.0)
    cases = [Stacked(np.ones((1, 1, 1), np.float32), units=unit) for unit in ("[hnsf'U]", "g/mL")]
    assert stacked(cases, {}, box, around="image", method="linear")["image"].attrs["units"] == ""


@pytest.mark.parametrize("value", [0, -1, np.nan, "2", (1, 2), None, True])
def test_what_is_no_length_is_refused(value: object) -> None:
    with pytest.raises(UsageError):
        Box.of(value, 10)
    with pytest.raises(UsageError):
        Box.of(1.0, value)


def test_what_does_not_fit_into_the_memory_is_refused() -> None:
    with pytest.raises(UsageError, match="memory"):
        require_room(10**6, Box.of(0.5, 500.0))
