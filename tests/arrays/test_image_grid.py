"""Where the voxels are now: after opening, cropping, thinning out, flipping."""

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
from workbench.arrays.image_grid import even_grid, from_array, grid_attrs, image_grid, orientation_words
from workbench.errors import IrregularGeometry, UsageError

OBLIQUE = factories.turned(20, -35, 10)


def opened(folder: Path, depths: Any = (0, 2, 4, 6, 8, 10), **options: Any) -> xr.Dataset:
    factories.stack(folder, depths, **options)
    ds = xr.open_dataset(folder, engine="dicom")
    orientation = options.get("orientation", factories.AXIAL)
    return ds.assign_attrs(ImageOrientationPatient=[float(v) for v in orientation])


def test_grid_of_an_opened_series_is_its_affine_coordinate(tmp_path: Path) -> None:
    ds = opened(tmp_path, orientation=OBLIQUE)
    grid = image_grid(ds)
    assert grid.affine == pytest.approx(ds["affine"].values, abs=1e-12)
    assert (grid.kind, grid.shape) == ("regular", (6, 6, 8))
    assert grid.frame_of_reference_uid == factories.FRAME
    for axis, values in grid.coordinates().items():
        assert (values == ds[axis].values).all()


@pytest.mark.parametrize("lean", [(0, 0, 0), (0, 0.3, 0)])
@pytest.mark.parametrize(
    "part",
    [
        {"z": slice(2, 5)},
        {"y": slice(1, 4), "x": slice(3, None)},
        {"z": slice(None, None, 2), "x": slice(1, None, 3)},
        {"z": slice(None, None, -1)},
        {"y": slice(None, None, -2)},
        {"z": [3]},
        {"z": slice(4, 1, -1), "y": [2], "x": slice(5, None, -1)},
    ],
)
def test_affine_follows_what_isel_left(part: dict[str, Any], lean: tuple[float, float, float], tmp_path: Path) -> None:
    ds = opened(tmp_path, lean=lean, frames=None)
    numbers = {axis: np.arange(ds.sizes[axis])[part.get(axis, slice(None))] for axis in ("z", "y", "x")}
    left = image_grid(ds.isel(part))
    assert left.kind == ("sheared" if any(lean) else "regular")
    assert left.affine is not None
    for index in np.ndindex(*left.shape):
        whole = [numbers[axis][i] for axis, i in zip(("z", "y", "x"), index, strict=True)]
        expected = (ds["affine"].values @ [*whole, 1])[:3]
        assert (left.affine @ [*index, 1])[:3] == pytest.approx(expected, abs=1e-9)


def test_picking_slices_unevenly_makes_gaps(tmp_path: Path) -> None:
    ds = opened(tmp_path)
    assert image_grid(ds.isel(z=[0, 1, 3])).kind == "gaps"
    assert image_grid(ds.isel(z=[0, 1, 3])).affine is None
    assert image_grid(ds.isel(z=[1, 3, 5])).kind == "regular"


def test_a_part_of_a_series_with_gaps_can_be_regular(tmp_path: Path) -> None:
    ds = opened(tmp_path, (0, 2, 4, 8, 10), orientation=OBLIQUE)
    assert (image_grid(ds).kind, image_grid(ds).n_gaps) == ("gaps", 1)
    part = image_grid(ds.isel(z=slice(0, 3), x=slice(2, None)))
    assert part.kind == "regular"
    row = np.array(OBLIQUE[:3])
    assert part.affine is not None
    assert part.affine[:3, 3] == pytest.approx(ds["position"].values[0] + 2 * 0.8 * row, abs=1e-6)


def test_uneven_columns_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="axis x is not evenly spaced"):
        image_grid(opened(tmp_path).isel(x=[0, 1, 4]))


def test_a_lost_axis_is_refused_with_the_way_to_keep_it(tmp_path: Path) -> None:
    ds = opened(tmp_path)
    with pytest.raises(UsageError, match=r"no axis z.*isel\(z=\[k\]\)"):
        image_grid(ds.isel(z=2))
    with pytest.raises(UsageError, match="axis y is empty"):
        image_grid(ds.isel(y=slice(0, 0)))


def test_cropped_tilted_slices_with_a_gap_have_no_known_place(tmp_path: Path) -> None:
    ds = opened(tmp_path, (0, 2, 6, 8), lean=(0, 0.3, 0))
    assert image_grid(ds).flags == ("sheared",)
    with pytest.raises(IrregularGeometry, match="cropped in the plane"):
        image_grid(ds.isel(y=slice(2, None)))


def test_without_directions_only_the_slices_are_placed(tmp_path: Path) -> None:
    ds = opened(tmp_path, (0, 2, 7))
    del ds.attrs["ImageOrientationPatient"], ds["y"].attrs["direction"]
    grid = image_grid(ds)
    assert (grid.kind, grid.placed) == ("variable", False)
    with pytest.raises(IrregularGeometry, match="variable: the directions of rows and columns are not in this Dataset"):
        ds.patient.to_voxel([0, 0, 0])


def test_unplaced_images_have_a_shape_and_nothing_else(tmp_path: Path) -> None:
    grid = image_grid(opened(tmp_path, (0, 2), ImagePositionPatient=None))
    assert (grid.kind, grid.placed, grid.affine) == ("unplaced", False, None)
    assert np.isnan(grid.positions).all()
    assert grid.describe() == "8x6x2 without a place"


@settings(deadline=None, max_examples=tries(60))
@given(strategies.affines(sheared=True), st.tuples(*[st.integers(1, 4)] * 3))
def test_array_with_its_affine_gives_the_affine_back(affine: np.ndarray, shape: tuple[int, int, int]) -> None:
    ds = from_array(np.zeros(shape), affine)
    assert ds.patient.affine == pytest.approx(affine, abs=1e-9)
    assert ds.attrs["geometry"] == "sheared"
    bare = ds.drop_vars(["position", "axis"])
    assert bare.patient.affine == pytest.approx(affine, abs=2e-5)


@settings(deadline=None, max_examples=tries(60))
@given(strategies.affines())
def test_coordinates_ascend_with_the_index(affine: np.ndarray) -> None:
    grid = even_grid(affine, (3, 3, 3))
    for axis, values in grid.coordinates().items():
        assert np.diff(values) == pytest.approx(grid.spacing["zyx".index(axis)], abs=3e-5)
    assert grid.kind == "regular"
    assert grid_attrs(grid)["obliquity_deg"] <= 55


def test_array_that_cannot_be_placed_is_refused() -> None:
    with pytest.raises(UsageError, match="cannot be inverted"):
        from_array(np.zeros((2, 2, 2)), np.zeros((4, 4)))
    with pytest.raises(UsageError, match="4x4 affine"):
        from_array(np.zeros((2, 2)), np.eye(4))
    slanted = np.eye(4)
    slanted[0, 1] = 0.5
    with pytest.raises(UsageError, match="not at right angles"):
        from_array(np.zeros((2, 2, 2)), slanted[:, [2, 1, 0, 3]])


def test_arithmetic_that_drops_the_attributes_keeps_the_grid(tmp_path: Path) -> None:
    ds = opened(tmp_path)
    bare = (ds * 2).drop_attrs()
    assert (bare.patient.affine == ds.patient.affine).all()


def test_describe_says_size_and_spacing() -> None:
    affine = np.diag([1.0, 1.0, 2.0, 1.0])[:, [2, 1, 0, 3]]
    assert even_grid(affine, (3, 4, 5)).describe() == "5x4x3 at 1.00x1.00x2.00 mm"
    assert even_grid(np.eye(4), (3, 4, 5)).describe() == "5x4x3 at 1.00 mm"


def test_words_for_directions() -> None:
    assert orientation_words(np.array([1.0, 0, 0])) == "right-to-left"
    assert orientation_words(np.array([0, -1.0, 0.2])) == "posterior-to-anterior"


@settings(deadline=None, max_examples=tries(40))
@given(strategies.affines(), st.tuples(*[st.integers(2, 4)] * 3))
def test_an_image_alone_keeps_its_place(affine: np.ndarray, shape: tuple[int, int, int]) -> None:
    alone = from_array(np.zeros(shape), affine)["image"].to_dataset()
    assert "affine" not in alone.coords
    assert alone.patient.affine == pytest.approx(affine, abs=1e-4)


def test_a_tilted_image_alone_has_no_place_rather_than_a_wrong_one(tmp_path: Path) -> None:
    alone = opened(tmp_path, lean=(0, 0.25, 0))[["image"]]
    with pytest.raises(IrregularGeometry, match="an operation dropped the place"):
        _ = alone.patient.affine


def test_averages_stand_in_the_middle_of_what_they_average(tmp_path: Path) -> None:
    image = opened(tmp_path)["image"]
    coarse = image.drop_vars(["sop_instance_uid"]).coarsen(z=2, y=2, x=2).mean().to_dataset()
    assert coarse.patient.spacing == pytest.approx({"z": 4.0, "y": 1.0, "x": 1.6})
    assert coarse.patient.origin == pytest.approx([-9.6, 20.25, 31.0])


def test_values_in_between_stand_where_the_coordinates_say(tmp_path: Path) -> None:
    between = opened(tmp_path)[["image"]].drop_vars("sop_instance_uid").interp(z=[31.0, 32.0, 33.0])
    assert between.patient.spacing == pytest.approx({"z": 1.0, "y": 0.5, "x": 0.8})
    assert between.patient.origin == pytest.approx([-10, 20, 31])


@pytest.mark.parametrize("axis", ["z", "y", "x"])
def test_voxels_added_without_a_place_are_refused(axis: str) -> None:
    ds = from_array(np.zeros((3, 4, 4)), np.eye(4)).pad({axis: 1})
    with pytest.raises(UsageError, match=rf"an operation changed the grid: 2 of \d voxels along {axis}.*resample"):
        image_grid(ds)


@pytest.mark.parametrize("axis", ["z", "y", "x"])
def test_a_coordinate_that_is_gone_is_not_made_up(axis: str) -> None:
    with pytest.raises(UsageError, match=f"no coordinate {axis}"):
        image_grid(from_array(np.zeros((3, 4, 4)), np.eye(4)).drop_vars(axis))


def test_z_that_contradicts_the_slices_is_refused() -> None:
    ds = from_array(np.zeros((3, 4, 4)), np.eye(4))
    with pytest.raises(UsageError, match=r"z and the positions of the slices are 5\.00 mm apart"):
        image_grid(ds.assign_coords(z=ds["z"] + 5))


def test_two_places_in_one_dataset_are_refused() -> None:
    moved = np.eye(4)
    moved[0, 3] = 3
    a, b = (from_array(np.zeros((3, 4, 4)), affine) for affine in (np.eye(4), moved))
    both = xr.concat([a, b], dim="visit", join="override", coords="different", compat="equals", data_vars="all")
    with pytest.raises(UsageError, match=r"differs along visit.*isel\(visit=0\)"):
        image_grid(both)
    repeated = xr.concat([a, a], dim="visit", coords="different", compat="equals", data_vars="all")
    assert image_grid(repeated).affine == pytest.approx(np.eye(4))


def test_a_matrix_that_was_thinned_out_is_not_used() -> None:
    thin = from_array(np.zeros((4, 4, 4)), np.eye(4)).thin(2)
    assert thin["affine"].shape == (2, 2)
    assert thin.patient.spacing == {"z": 2.0, "y": 2.0, "x": 2.0}
