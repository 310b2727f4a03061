"""Places and voxels: conversions both ways, and values at a place."""

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
from workbench.arrays import from_array
from workbench.errors import IrregularGeometry, OutsideImage, UsageError

OBLIQUE = factories.turned(20, -35, 10)


def opened(folder: Path, depths: Any = (0, 2, 4, 6, 8, 10), **options: Any) -> xr.Dataset:
    factories.stack(folder, depths, **options)
    ds = xr.open_dataset(folder, engine="dicom")
    orientation = options.get("orientation", factories.AXIAL)
    return ds.assign_attrs(ImageOrientationPatient=[float(v) for v in orientation])


def numbered(affine: np.ndarray, shape: tuple[int, int, int] = (4, 5, 6)) -> xr.Dataset:
    return from_array(np.arange(np.prod(shape)).reshape(shape), affine)


@settings(deadline=None, max_examples=tries(100))
@given(strategies.affines(sheared=True), st.lists(st.tuples(*[st.floats(-9, 9)] * 3), min_size=1, max_size=5))
def test_to_voxel_undoes_to_patient(affine: np.ndarray, indices: list[tuple[float, float, float]]) -> None:
    ds = numbered(affine)
    places = ds.patient.to_patient(indices)
    assert places.shape == (len(indices), 3)
    assert ds.patient.to_voxel(places) == pytest.approx(np.array(indices), abs=1e-6)


@settings(deadline=None, max_examples=tries(60))
@given(strategies.affines(), st.tuples(*[st.floats(-0.45, 0.45)] * 3), st.tuples(*[st.integers(0, 3)] * 3))
def test_a_place_within_a_voxel_finds_that_voxel(
    affine: np.ndarray, shift: tuple[float, float, float], voxel: tuple[int, int, int]
) -> None:
    ds = numbered(affine)
    place = ds.patient.to_patient(np.add(voxel, shift))
    assert ds.patient.sel_mm(place)["image"].item() == ds["image"].values[voxel]


def test_place_on_tilted_slices_is_dropped_perpendicularly(tmp_path: Path) -> None:
    # 5 mm slices drift by 1.5 mm each: 2 mm above slice 1 is still over the same row of it.
    ds = opened(tmp_path, (0, 5, 10), lean=(0, 0.3, 0))
    x, y, z = ds["position"].values[1] + [0, 0.5 * 3, 2]
    assert ds.patient.sel_mm(x=x, y=y, z=z)["image"].item() == factories.pixels(2)[3, 0]


def test_one_place_reads_one_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    ds = opened(tmp_path, orientation=OBLIQUE)
    names: list[str] = []
    real = os.open
    monkeypatch.setattr(os, "open", lambda path, *a, **o: names.append(str(path)) or real(path, *a, **o))
    place = ds.patient.to_patient([3, 2, 5])
    assert ds.patient.sel_mm(place)["image"].values == factories.pixels(4)[2, 5]
    assert [Path(name).name for name in names] == ["0003.dcm"]


def test_several_places_come_along_one_dimension(tmp_path: Path) -> None:
    ds = opened(tmp_path, orientation=OBLIQUE)
    indices = np.array([[0, 0, 0], [5, 5, 7], [2, 3, 4]])
    picked = ds.patient.sel_mm(ds.patient.to_patient(indices))
    assert picked["image"].dims == ("point",)
    assert picked["image"].values.tolist() == [factories.pixels(z + 1)[y, x] for z, y, x in indices]
    assert picked["sop_instance_uid"].values.tolist() == [factories.uid(z + 1) for z, _, _ in indices]


def test_cropped_series_is_searched_as_it_is_now(tmp_path: Path) -> None:
    ds = opened(tmp_path, orientation=OBLIQUE)
    place = ds.patient.to_patient([3, 4, 5])
    part = ds.isel(z=slice(2, None), y=slice(3, None), x=slice(None, None, -1))
    assert part.patient.sel_mm(place)["image"] == factories.pixels(4)[4, 5]
    assert part.patient.to_voxel(place) == pytest.approx([1, 1, 2], abs=1e-4)


@settings(deadline=None, max_examples=tries(60))
@given(strategies.affines(sheared=True), st.tuples(*[st.floats(0, 1)] * 3))
def test_linear_value_of_a_ramp_is_the_ramp(affine: np.ndarray, share: tuple[float, float, float]) -> None:
    shape = (4, 5, 6)
    slope = np.array([0.3, -0.2, 0.5])
    places = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), axis=-1) @ affine[:3, :3].T + affine[:3, 3]
    ds = from_array((places @ slope + 7).astype(np.float32), affine)
    place = ds.patient.to_patient(np.array(share) * (np.array(shape) - 1))
    assert float(ds.patient.sel_mm(place, method="linear")["image"]) == pytest.approx(place @ slope + 7, abs=1e-3)


def test_linear_takes_nothing_from_a_voxel_without_weight() -> None:
    values = np.ones((2, 2, 2), np.float32)
    values[1] = np.nan
    ds = from_array(values, np.eye(4))
    assert ds.patient.sel_mm(ds.patient.to_patient([0, 0.5, 0.5]), method="linear")["image"] == 1
    assert np.isnan(ds.patient.sel_mm(ds.patient.to_patient([0.5, 0.5, 0.5]), method="linear")["image"])


def test_linear_keeps_masks_and_further_dims() -> None:
    ds = numbered(np.eye(4)).assign_coords(b_value=[0, 1000])
    ds["image"] = ds["image"].expand_dims(b_value=2) * xr.DataArray([1, 10], dims="b_value")
    ds["mask"] = (("segment", "z", "y", "x"), (ds["image"].values[:1] > 31))
    place = ds.patient.to_patient([1, 0.25, 2])
    found = ds.patient.sel_mm(place, method="linear")
    assert found["image"].values.tolist() == pytest.approx([33.5, 335])
    assert (found["mask"].dtype, found["mask"].values.tolist()) == (bool, [True])
    assert float(found["z"]) == 1


@pytest.mark.parametrize("method", ["nearest", "linear"])
def test_outside_is_an_error_that_says_where_the_image_is(method: str, tmp_path: Path) -> None:
    ds = opened(tmp_path)
    with pytest.raises(
        OutsideImage, match=r"\(0.0, 21.0, 60.0\) mm is outside .* x -10.0 to -4.4, y 20.0 to 22.5, z 30.0 to 40.0"
    ):
        ds.patient.sel_mm(x=0, y=21, z=60, method=method)
    with pytest.raises(OutsideImage, match=r"\(1 of 2 places\)"):
        ds.patient.sel_mm([[-10, 20, 30], [-11, 20, 30]], method=method)


def test_half_a_voxel_around_belongs_to_the_image(tmp_path: Path) -> None:
    ds = opened(tmp_path)
    assert ds.patient.sel_mm(x=-10.39, y=20, z=29.01)["image"] == factories.pixels(1)[0, 0]
    assert ds.patient.sel_mm(x=-10.39, y=20, z=29.01, method="linear")["image"] == factories.pixels(1)[0, 0]
    for method in ("nearest", "linear"):
        with pytest.raises(OutsideImage, match="outside the image"):
            ds.patient.sel_mm(x=-10.41, y=20, z=30, method=method)


def test_place_in_a_gap_is_an_error(tmp_path: Path) -> None:
    ds = opened(tmp_path, (0, 2, 4, 8, 10), orientation=OBLIQUE)
    normal = np.cross(OBLIQUE[:3], OBLIQUE[3:])
    first = ds["position"].values[0]
    assert ds.patient.sel_mm(first + 4.9 * normal)["image"] == factories.pixels(3)[0, 0]
    assert ds.patient.sel_mm(first + 7.1 * normal)["image"] == factories.pixels(4)[0, 0]
    with pytest.raises(OutsideImage, match="slices are missing there"):
        ds.patient.sel_mm(first + 6 * normal)
    with pytest.raises(IrregularGeometry, match="slices-missing"):
        ds.patient.sel_mm(first, method="linear")
    voxels = ds.patient.to_voxel([first + 7.1 * normal, first + 6 * normal])
    assert voxels[0] == pytest.approx([3, 0, 0], abs=1e-6)
    assert np.isnan(voxels[1, 0])


def test_uneven_slices_reach_half_way_to_their_neighbours(tmp_path: Path) -> None:
    ds = opened(tmp_path, (0, 2, 7))
    assert ds.patient.sel_mm(x=-10, y=20, z=34.4)["image"] == factories.pixels(2)[0, 0]
    assert ds.patient.sel_mm(x=-10, y=20, z=34.6)["image"] == factories.pixels(3)[0, 0]
    assert ds.patient.sel_mm(x=-10, y=20, z=39.4)["image"] == factories.pixels(3)[0, 0]
    with pytest.raises(OutsideImage):
        ds.patient.sel_mm(x=-10, y=20, z=39.6)
    assert ds.patient.to_patient([2, 0, 1]) == pytest.approx([-9.2, 20, 37])
    with pytest.raises(IrregularGeometry, match="spacing-uneven"):
        ds.patient.to_patient([0.5, 0, 0])


def test_single_slice_reaches_half_its_thickness(tmp_path: Path) -> None:
    ds = opened(tmp_path / "a", (0,), SliceThickness=3)
    assert ds.patient.sel_mm(x=-10, y=20, z=31.4)["image"] == factories.pixels(1)[0, 0]
    with pytest.raises(OutsideImage):
        ds.patient.sel_mm(x=-10, y=20, z=31.6)
    bare = opened(tmp_path / "b", (0,), SliceThickness=None)
    assert bare.patient.sel_mm(x=-10, y=20, z=30)["image"] == factories.pixels(1)[0, 0]
    with pytest.raises(OutsideImage):
        bare.patient.sel_mm(x=-10, y=20, z=30.1)


def test_unplaced_image_has_no_places(tmp_path: Path) -> None:
    ds = opened(tmp_path, (0, 2), ImagePositionPatient=None)
    for call in (ds.patient.to_patient, ds.patient.to_voxel, ds.patient.sel_mm):
        with pytest.raises(IrregularGeometry, match="unplaced"):
            call([0, 0, 0])


def test_misuse_is_named(tmp_path: Path) -> None:
    patient = numbered(np.eye(4)).patient
    with pytest.raises(UsageError, match="wants x, y and z"):
        patient.sel_mm(z=1)
    with pytest.raises(UsageError, match="wants x, y and z"):
        patient.sel_mm([0, 0, 0], x=1, y=1, z=1)
    with pytest.raises(UsageError, match="method cannot be"):
        patient.sel_mm([0, 0, 0], method="cubic")
    with pytest.raises(UsageError, match="triples"):
        patient.to_voxel([[0, 0]])
    with pytest.raises(UsageError, match="NaN"):
        patient.to_patient([0, np.nan, 0])


@pytest.mark.parametrize(
    "wrong", ["a", "123", ["1", "2", "3"], [1, 2, "x"], 5, None, 1j, {"x": 1}, [[1, 2, 3], [1]], []]
)
def test_what_is_no_place_is_refused_by_type_and_order(wrong: Any) -> None:
    patient = numbered(np.eye(4)).patient
    with pytest.raises(UsageError, match=r"triples of numbers.*give \(x, y, z\)"):
        patient.to_voxel(wrong)
    with pytest.raises(UsageError, match=r"triples of numbers.*give \(z, y, x\)"):
        patient.to_patient(wrong)


def test_numbers_of_any_kind_are_places() -> None:
    patient = numbered(np.eye(4)).patient
    for place in ([1, 1, 1], np.ones(3, "float32"), np.array([1, 1.0, 1], dtype=object), xr.DataArray([1.0, 1, 1])):
        assert patient.to_voxel(place).tolist() == [1, 1, 1]


def test_lists_along_each_axis_are_no_place() -> None:
    with pytest.raises(UsageError, match=r"one array \(n, 3\)"):
        numbered(np.eye(4)).patient.sel_mm(x=[1, 2], y=[1, 2], z=[1, 2])


def test_axes_in_another_order_give_the_same_voxel(tmp_path: Path) -> None:
    factories.stack(tmp_path)
    ds = xr.open_dataset(tmp_path, engine="dicom")
    turned = xr.open_dataset(tmp_path, engine="dicom").transpose("x", "y", "z", ...)
    assert turned.patient.sel_mm(x=-8.4, y=21, z=34)["image"].item() == ds["image"].values[2, 2, 2]
