"""Images on other grids: exact for what is linear in space, equal to SimpleITK, NaN where there was nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import factories, strategies
from tests.tries import tries
from workbench.arrays import affine_slabs, from_array
from workbench.errors import GridMismatch, IrregularGeometry, UsageError

FRAME = "1.2.3"
UPRIGHT = np.array([[0, 0, 1.0, -5], [0, 1, 0, 7], [2, 0, 0, 9], [0, 0, 0, 1]])
SLOPE = np.array([0.3, -0.2, 0.5])


def places(affine: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """LPS mm of every voxel centre, (z, y, x, 3)."""
    numbers = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), axis=-1)
    return numbers @ affine[:3, :3].T + affine[:3, 3]


def ramp(affine: np.ndarray, shape: tuple[int, int, int]) -> xr.Dataset:
    """Intensity that is an affine function of the place."""
    return from_array((places(affine, shape) @ SLOPE + 7).astype(np.float32), affine, frame_of_reference_uid=FRAME)


def noise(affine: np.ndarray, shape: tuple[int, int, int], dtype: str = "int16") -> xr.Dataset:
    values = np.random.default_rng(3).integers(-1000, 1000, shape).astype(dtype)
    return from_array(values, affine, frame_of_reference_uid=FRAME)


def opened(folder: Path, depths: Any = (0, 2, 4, 6, 8, 10), **options: Any) -> xr.Dataset:
    factories.stack(folder, depths, **options)
    ds = xr.open_dataset(folder, engine="dicom")
    orientation = options.get("orientation", factories.AXIAL)
    return ds.assign_attrs(ImageOrientationPatient=[float(v) for v in orientation])


@settings(deadline=None, max_examples=tries(60))
@given(strategies.affines(sheared=True), strategies.affines(), st.sampled_from(["linear", "cubic"]))
def test_linear_function_of_the_place_is_reproduced(source: np.ndarray, target: np.ndarray, method: str) -> None:
    shape, new_shape = (9, 10, 11), (4, 5, 6)
    # Middle on middle, so that the two overlap whatever their turn.
    target[:3, 3] += places(source, shape).mean(axis=(0, 1, 2)) - places(target, new_shape).mean(axis=(0, 1, 2))
    ds = ramp(source, shape)
    other = from_array(np.zeros(new_shape), target, frame_of_reference_uid=FRAME)
    result = ds.patient.resample_like(other, method=method)["image"]
    where = places(target, new_shape)
    numbers = ds.patient.to_voxel(where.reshape(-1, 3)).reshape(*new_shape, 3)
    margin = 0 if method == "linear" else 3
    inside = ((numbers >= margin) & (numbers <= np.array(shape) - 1 - margin)).all(axis=-1)
    outside = ((numbers < -0.501) | (numbers > np.array(shape) - 0.499)).any(axis=-1)
    assert result.dtype == np.float32
    error = np.abs(result.values - (where @ SLOPE + 7))[inside]
    assert error.max(initial=0) < (1e-3 if method == "linear" else 0.05)
    assert np.isnan(result.values[outside]).all()
    assert not np.isnan(result.values[inside]).any()


@pytest.mark.parametrize(
    ("method", "peer", "margin", "tolerance"),
    [
        ("linear", "sitkLinear", -0.49, 2e-3),
        ("nearest", "sitkNearestNeighbor", -0.49, 0),
        ("cubic", "sitkBSpline", 4, 0.05),
    ],
)
def test_agrees_with_simpleitk(method: str, peer: str, margin: int, tolerance: float) -> None:
    sitk = pytest.importorskip("SimpleITK")
    orientation = np.array(factories.turned(12, -7, 25)).reshape(2, 3)
    affine = np.eye(4)
    affine[:3, :3] = np.stack([2.5 * np.cross(*orientation), 0.7 * orientation[1], 0.9 * orientation[0]], axis=1)
    affine[:3, 3] = (-30, 12, 5)
    ds = noise(affine, (20, 40, 36))
    other_orientation = np.array(factories.turned(-5, 10, 3)).reshape(2, 3)
    target = np.eye(4)
    target[:3, :3] = np.stack([2.2 * np.cross(*other_orientation), *(1.1 * other_orientation[::-1])], axis=1)
    middle = places(affine, (20, 40, 36)).mean(axis=(0, 1, 2))
    target[:3, 3] = middle - target[:3, :3] @ np.array([13.1, 14.1, 12.1])
    other = from_array(np.zeros((27, 29, 25), "int16"), target, frame_of_reference_uid=FRAME)
    ours = ds.patient.resample_like(other, method=method)["image"].values
    source = sitk.Cast(ds.patient.to_simpleitk(), sitk.sitkFloat32)
    theirs = sitk.Resample(
        source, other.patient.to_simpleitk(), sitk.Transform(), getattr(sitk, peer), float("nan"), sitk.sitkFloat32
    )
    numbers = ds.patient.to_voxel(places(target, (27, 29, 25)).reshape(-1, 3)).reshape(27, 29, 25, 3)
    inside = ((numbers > margin) & (numbers < np.array([20, 40, 36]) - 1 - margin)).all(axis=-1)
    assert inside.sum() > 500
    peer_values = sitk.GetArrayFromImage(theirs)
    assert np.abs(ours - peer_values)[inside].max() <= tolerance
    assert (np.isnan(ours) == np.isnan(peer_values)).all()
    assert 0 < np.isnan(ours).mean() < 0.5


def test_on_its_own_grid_nothing_changes() -> None:
    ds = noise(UPRIGHT, (5, 6, 7))
    for method in ("nearest", "linear"):
        assert (ds.patient.resample_like(ds, method=method)["image"].values == ds["image"].values).all()


def test_coordinates_are_those_of_the_other_to_the_last_digit(tmp_path: Path) -> None:
    ds = opened(tmp_path / "a", orientation=factories.turned(20, 0, 0))
    other = opened(tmp_path / "b", (1, 4, 7), orientation=factories.turned(0, 5, 0), PixelSpacing=[0.7, 0.7])
    result = ds.patient.resample_like(other)
    for name in ("z", "y", "x", "affine", "position", "frame_of_reference_uid"):
        assert (result[name].values == other[name].values).all(), name
        assert result[name].dims == other[name].dims
    xr.align(result["image"], other["image"], join="exact")
    assert result.attrs["pixel_spacing_mm"] == pytest.approx([0.7, 0.7])
    assert result.attrs["Modality"] == "CT"
    assert "sop_instance_uid" not in result.coords
    assert result["series_instance_uid"].item() == factories.SERIES


def test_target_with_a_gap_gets_its_values_slice_by_slice(tmp_path: Path) -> None:
    other = opened(tmp_path, (0, 2, 6))
    affine = other.attrs  # the grid of the target has no affine
    assert affine["geometry"] == "gaps"
    ds = ramp(np.array([[0, 0, 1.0, -12], [0, 1, 0, 18], [1, 0, 0, 28], [0, 0, 0, 1]]), (14, 8, 12))
    result = ds.patient.resample_like(other, check_frame=False)
    where = other["position"].values[:, None, None] + places(np.diag([0, 0, 0, 1.0]), (1, 6, 8))
    where = where + 0.5 * np.arange(6)[:, None, None] * [0, 1, 0] + 0.8 * np.arange(8)[:, None] * [1, 0, 0]
    assert result["image"].values == pytest.approx(where @ SLOPE + 7, abs=1e-3)
    assert result.attrs["geometry"] == "gaps"
    assert "affine" not in result.coords


def test_outside_is_nan_and_false() -> None:
    ds = noise(UPRIGHT, (4, 4, 4))
    ds["mask"] = (("segment", "z", "y", "x"), np.ones((1, 4, 4, 4), bool))
    ds["label"] = (("z", "y", "x"), np.full((4, 4, 4), 3, np.uint8))
    moved = UPRIGHT.copy()
    moved[0, 3] += 2
    other = from_array(np.zeros((4, 4, 4)), moved, frame_of_reference_uid=FRAME)
    for method in ("linear", "nearest"):
        result = ds.patient.resample_like(other, method=method)
        assert np.isnan(result["image"].values[..., 2:]).all()
        assert (result["image"].values[..., :2] == ds["image"].values[..., 2:]).all()
        assert (result["mask"].dtype, result["mask"].dims) == (bool, ("segment", "z", "y", "x"))
        assert result["mask"].values[..., :2].all()
        assert not result["mask"].values[..., 2:].any()
        assert result["label"].dtype == np.uint8
        assert set(result["label"].values[..., 2:].ravel()) == {0}


def test_an_image_ends_at_the_edge_of_its_outermost_voxels() -> None:
    ds = from_array(np.array([[[5, 6, 8]]], "int16"), np.eye(4)[:, [2, 1, 0, 3]], frame_of_reference_uid=FRAME)
    fine = np.diag([0.25, 1, 1, 1.0])[:, [2, 1, 0, 3]]
    fine[0, 3] = -0.75
    other = from_array(np.zeros((1, 1, 15)), fine, frame_of_reference_uid=FRAME)
    nearest = ds.patient.resample_like(other, method="nearest")["image"].values.ravel()
    linear = ds.patient.resample_like(other)["image"].values.ravel()
    x = np.arange(15) * 0.25 - 0.75
    inside = (x >= -0.5) & (x <= 2.5)
    assert (np.isfinite(nearest) == inside).all()
    assert (np.isfinite(linear) == inside).all()
    assert linear[inside] == pytest.approx(np.interp(x, [0, 1, 2], [5, 6, 8])[inside])


def test_integers_stay_integers_with_nearest_inside() -> None:
    ds = noise(UPRIGHT, (6, 6, 6))
    inner = ds.isel(x=slice(1, 4))
    assert ds.patient.resample_like(inner, method="nearest")["image"].dtype == np.int16
    assert inner.patient.resample_like(ds, method="nearest")["image"].dtype == np.float32
    assert ds.patient.resample_like(inner)["image"].dtype == np.float32


def test_nan_reaches_only_what_it_has_a_weight_in() -> None:
    ds = noise(UPRIGHT, (5, 4, 4), "float32")
    ds["image"].values[2] = np.nan
    half = ds.patient.resample({"z": 1.0})["image"]
    gone = np.isnan(half.values).all(axis=(1, 2))
    assert gone.tolist() == [False, False, False, True, True, True, False, False, False]
    assert (half.values[2] == ds["image"].values[1]).all()
    with pytest.raises(UsageError, match="cubic needs every voxel"):
        ds.patient.resample({"z": 1.0}, method="cubic")


def test_further_dims_and_colour_are_resampled_volume_by_volume() -> None:
    ds = noise(UPRIGHT, (3, 4, 5)).drop_vars("image").assign_coords(b_value=[0, 1000])
    values = np.random.default_rng(4).integers(0, 255, (2, 3, 4, 5, 3), dtype=np.uint8)
    ds["image"] = (("b_value", "z", "y", "x", "channel"), values)
    finer = ds.patient.resample({"x": 0.5})["image"]
    assert finer.dims == ("b_value", "z", "y", "x", "channel")
    assert (finer.values[..., ::2, :] == values).all()
    assert finer["b_value"].values.tolist() == [0, 1000]


def test_resample_keeps_middle_and_stays_inside() -> None:
    ds = ramp(UPRIGHT, (6, 7, 8))
    result = ds.patient.resample(0.7)
    assert result.patient.spacing == pytest.approx({"z": 0.7, "y": 0.7, "x": 0.7})
    assert not np.isnan(result["image"].values).any()
    assert result["image"].shape == (15, 9, 11)
    for axis in ("z", "y", "x"):
        assert float(result[axis].mean()) == pytest.approx(float(ds[axis].mean()), abs=1e-4)
    assert result["image"].values == pytest.approx(places(result.patient.affine, (15, 9, 11)) @ SLOPE + 7, abs=1e-3)


def test_resample_leaves_axes_that_are_not_named() -> None:
    result = noise(UPRIGHT, (3, 4, 5)).patient.resample({"z": 0.5})
    assert result.patient.spacing == {"z": 0.5, "y": 1.0, "x": 1.0}
    assert result["image"].shape == (9, 4, 5)


@settings(deadline=None, max_examples=tries(60))
@given(st.integers(1, 60), st.floats(0.1, 5), st.floats(0.1, 5))
def test_resample_fits_as_many_voxels_as_there_is_room_for(n: int, old: float, new: float) -> None:
    affine = np.diag([old, 1, 1, 1.0])[:, [2, 1, 0, 3]]
    ds = from_array(np.zeros((1, 1, n), "int16"), affine)
    x = ds.patient.resample({"x": new})["x"].values
    length = (n - 1) * old
    assert len(x) == int(np.floor(length / new + 1e-6)) + 1
    assert x[0] + x[-1] == pytest.approx(length, abs=1e-4)
    assert x[0] > -1e-3


def test_sheared_series_stays_sheared_until_straightened(tmp_path: Path) -> None:
    ds = opened(tmp_path, lean=(0, 0.25, 0))
    finer = ds.patient.resample({"z": 1.0})
    assert (finer.attrs["geometry"], finer.patient.spacing["z"]) == ("sheared", pytest.approx(1.0))
    assert finer.attrs["shear_deg"] == pytest.approx(ds.attrs["shear_deg"], abs=1e-3)


@pytest.mark.parametrize("lean", [(0, 0.25, 0), (0, -0.6, 0), (0.3, 0.2, 0)])
def test_straight_volume_has_the_values_of_the_tilted_one_at_the_same_places(lean: tuple[float, ...]) -> None:
    affine = np.array([[0, 0, 0.8, -10], [0, 0.5, 0, 20], [2, 0, 0, 30], [0, 0, 0, 1.0]])
    affine[:3, 0] += 2 * np.array(lean)
    ds = ramp(affine, (6, 8, 9))
    straight = ds.patient.straighten()
    assert straight.attrs["geometry"] == "regular"
    assert straight.patient.spacing == pytest.approx({"z": 2.0, "y": 0.5, "x": 0.8})
    assert straight["z"].values == pytest.approx(ds["z"].values)
    values = straight["image"].values
    where = places(straight.patient.affine, values.shape)
    numbers = ds.patient.to_voxel(where.reshape(-1, 3)).reshape(*values.shape, 3)
    between = ((numbers > -1e-6) & (numbers < np.array([6, 8, 9]) - 1 + 1e-6)).all(axis=-1)
    assert values[between] == pytest.approx((where @ SLOPE + 7)[between], abs=1e-3)
    # Every slice is there whole, and nothing beside it.
    n_known = np.isfinite(values).sum(axis=(1, 2))
    assert n_known.min() >= 8 * 9 - 1
    assert n_known.max() <= 9 * 10
    assert values[np.linalg.norm(where - affine[:3, 3], axis=-1) < 1e-9] == pytest.approx(affine[:3, 3] @ SLOPE + 7)


def test_straight_series_is_left_alone(tmp_path: Path) -> None:
    ds = opened(tmp_path)
    assert ds.patient.straighten() is ds


def test_frames_of_reference_must_agree() -> None:
    ds = noise(UPRIGHT, (3, 4, 5))
    other = from_array(np.zeros((3, 4, 5)), UPRIGHT, frame_of_reference_uid="1.9")
    with pytest.raises(GridMismatch, match=r"FrameOfReferenceUID\. pass check_frame=False"):
        ds.patient.resample_like(other)
    result = ds.patient.resample_like(other, check_frame=False)
    assert result["frame_of_reference_uid"].item() == "1.9"


def test_images_that_do_not_meet_are_refused() -> None:
    far = UPRIGHT.copy()
    far[0, 3] += 500
    with pytest.raises(GridMismatch, match="do not overlap"):
        noise(UPRIGHT, (3, 4, 5)).patient.resample_like(noise(far, (3, 4, 5)))


@pytest.mark.parametrize("depths", [(0, 2, 6), (0, 2, 5), (0,)])
def test_uneven_source_is_refused_by_its_finding(depths: tuple[float, ...], tmp_path: Path) -> None:
    ds = opened(tmp_path, depths)
    names = {3: "slices-missing", 1: "single-slice"}
    expected = "spacing-uneven" if depths[-1] == 5 else names[len(depths)]
    for call in (ds.patient.resample, ds.patient.straighten, lambda: ds.patient.resample_like(ds)):
        with pytest.raises(IrregularGeometry, match=expected):
            call()


def test_only_the_slices_that_are_needed_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    ds = opened(tmp_path)
    inner = ds.isel(z=slice(2, 3))
    names: list[str] = []
    real = os.open
    monkeypatch.setattr(os, "open", lambda path, *a, **o: names.append(Path(path).name) or real(path, *a, **o))
    result = ds.patient.resample_like(inner, method="nearest")
    assert (result["image"].values[0] == factories.pixels(3)).all()
    assert set(names) <= {"0001.dcm", "0002.dcm", "0003.dcm"}


def test_slabs_give_what_one_piece_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    ds = noise(UPRIGHT, (12, 9, 8))
    whole = ds.patient.resample(0.6)["image"]
    monkeypatch.setattr(affine_slabs, "SLAB_VOXELS", 1)
    pieces = ds.patient.resample(0.6)["image"]
    assert np.abs(whole - pieces).max() < 1e-3


def test_spacing_may_be_three_numbers_along_z_y_and_x() -> None:
    patient = noise(UPRIGHT, (6, 5, 4)).patient
    by_axis = patient.resample({"z": 1.5, "y": 0.5, "x": 2})
    for three in ((1.5, 0.5, 2), [1.5, 0.5, 2], np.array([1.5, 0.5, 2])):
        assert patient.resample(three).identical(by_axis)


def test_tilted_slices_are_moved_as_the_general_way_moves_them(monkeypatch: pytest.MonkeyPatch) -> None:
    tilted = UPRIGHT.copy()
    tilted[:3, 0] = [0.4, -0.3, 2]
    ds = noise(tilted, (8, 7, 6))
    for method in ("linear", "nearest"):
        fast = ds.patient.straighten(method=method)["image"].values
        with monkeypatch.context() as patch:
            patch.setattr(affine_slabs, "aligned_axes", lambda *_: None)
            general = ds.patient.straighten(method=method)["image"].values
        np.testing.assert_allclose(fast, general, atol=1e-2)


def test_axes_in_another_order_give_the_same_values() -> None:
    ds = noise(UPRIGHT, (6, 5, 4))
    turned = ds.transpose("x", "z", "y", ...)
    assert turned.patient.resample(0.7)["image"].dims == ("x", "z", "y")
    xr.testing.assert_allclose(turned.patient.resample(0.7).transpose("z", "y", "x", ...), ds.patient.resample(0.7))


def test_misuse_is_named() -> None:
    patient = noise(UPRIGHT, (3, 4, 5)).patient
    wrong: list[Any] = [0, -1, float("nan"), float("inf"), 1e-300, 1e300, "1", True, None, 1j, (1, 1), (1, "1", 1)]
    wrong += [{"z": 0}, {"z": None}, {"z": "1"}, np.ones((3, 1))]
    for spacing in wrong:
        with pytest.raises(UsageError, match="spacing cannot be"):
            patient.resample(spacing)
    with pytest.raises(UsageError, match="no axis b"):
        patient.resample({"b": 1})
    with pytest.raises(UsageError, match="method cannot be"):
        patient.resample(1.0, method="quintic")
    others: list[Any] = [5, "image", None, np.zeros((3, 4, 5)), noise(UPRIGHT, (3, 4, 5))["image"]]
    for other in others:
        with pytest.raises(UsageError, match=r"wants the Dataset of a series, not .*ds instead of ds\['image'\]"):
            patient.resample_like(other)
    with pytest.raises(UsageError, match="no axis z"):
        patient.resample_like(xr.Dataset())


def test_more_voxels_than_memory_are_refused_before_they_are_asked_for() -> None:
    patient = noise(UPRIGHT, (3, 4, 5)).patient
    with pytest.raises(
        UsageError, match=r"4000001x3000001x4000001 voxels at 1e-06 mm need 2e\+11 GB, this machine has"
    ):
        patient.resample(1e-6)
    with pytest.raises(UsageError, match="take a larger spacing"):
        patient.resample({"z": 1e-6, "y": 1e-5})


def test_empty_axis_is_named() -> None:
    ds = noise(UPRIGHT, (3, 4, 5))
    for call in (lambda d: d.patient.resample(1), lambda d: ds.patient.resample_like(d), lambda d: d.patient.mip()):
        with pytest.raises(UsageError, match="axis y is empty"):
            call(ds.isel(y=slice(0, 0)))


def test_values_between_which_there_are_none_are_refused() -> None:
    with pytest.raises(UsageError, match="image holds complex128"):
        noise(UPRIGHT, (3, 4, 5), "complex128").patient.resample(0.5)
