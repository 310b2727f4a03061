"""Morphology in millimetres: against a brute force of balls, on anisotropic and turned grids."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import factories
from tests.measure.volumes import box, mask, segments, volume
from tests.tries import tries
from workbench.errors import IrregularGeometry, UsageError
from workbench.measure import closing, dilate, erode, fill_holes, largest_part, opening, remove_small

SPACING = (3.0, 0.7, 1.1)
BALLS = (dilate, erode, opening, closing)
blobs = st.integers(0, 2**32 - 1).map(lambda seed: np.random.default_rng(seed).random((4, 6, 5)) < 0.5)
radii = st.sampled_from([0.7, 1.1, 1.5, 2.2, 3.0, 4.0])


#: Voxels that the largest ball reaches along z, y and x.
ROOM = ((2, 2), (6, 6), (4, 4))


def brute_dilate(array: np.ndarray, mm: float) -> np.ndarray:
    """Union of balls: every voxel against every other."""
    from scipy.spatial.distance import cdist

    places = np.indices(array.shape).reshape(3, -1).T * SPACING
    apart = cdist(places, places[array.ravel()])
    return (apart <= mm + 1e-9).any(axis=1).reshape(array.shape)


def wide(array: np.ndarray) -> np.ndarray:
    return np.pad(array, ROOM)


def narrow(array: np.ndarray) -> np.ndarray:
    return array[2:-2, 6:-6, 4:-4]


@given(blobs, radii)
@settings(max_examples=tries(15), deadline=None)
def test_balls_are_those_of_a_brute_force(array: np.ndarray, mm: float) -> None:
    given_ = mask(array, SPACING, (10, 20, 30))
    assert (dilate(given_, mm=mm).values == brute_dilate(array, mm)).all()
    # Eroded is what a grown background leaves; there is background without end around the image.
    eroded = ~brute_dilate(~wide(array), mm)
    assert (erode(given_, mm=mm).values == narrow(eroded)).all()
    assert (opening(given_, mm=mm).values == narrow(brute_dilate(eroded, mm))).all()
    assert (closing(given_, mm=mm).values == narrow(~brute_dilate(~brute_dilate(wide(array), mm), mm))).all()


@given(blobs, radii)
@settings(max_examples=tries(25), deadline=None)
def test_opening_only_removes_and_closing_only_adds_and_twice_is_once(array: np.ndarray, mm: float) -> None:
    given_ = mask(array, SPACING)
    opened, closed = opening(given_, mm=mm), closing(given_, mm=mm)
    assert not (opened & ~given_).any()
    assert not (given_ & ~closed).any()
    assert (opening(opened, mm=mm) == opened).all()


def test_thick_slices_are_reached_only_by_a_ball_that_is_as_large() -> None:
    dot = mask(box((5, 9, 9), (2, 3), (4, 5), (4, 5)), SPACING)
    assert dilate(dot, mm=2.9).values.any(axis=(1, 2)).tolist() == [False, False, True, False, False]
    assert dilate(dot, mm=3.0).values.any(axis=(1, 2)).tolist() == [False, True, True, True, False]


def test_a_radius_that_is_a_multiple_of_the_spacing_takes_the_last_voxel() -> None:
    dot = mask(box((3, 15, 3), (1, 2), (7, 8), (1, 2)), SPACING)
    for number in range(1, 7):
        grown = dilate(dot, mm=0.7 * number).values[1, :, 1]
        assert int(grown.sum()) == 2 * number + 1


def test_segments_are_worked_on_one_by_one_and_keep_their_names() -> None:
    one, other = box((5, 9, 9), (1, 4), (2, 7), (2, 7)), box((5, 9, 9), (2, 3), (4, 5), (4, 5))
    both = segments({"GTV": one, "CORD": other, "NOTHING": np.zeros((5, 9, 9))})
    grown = dilate(both, mm=2)
    assert grown.dims == ("segment", "z", "y", "x")
    assert grown["segment"].values.tolist() == ["GTV", "CORD", "NOTHING"]
    assert (grown.sel(segment="CORD").values == dilate(mask(other), mm=2).values).all()
    assert not grown.sel(segment="NOTHING").any()


@pytest.mark.parametrize("function", [*(lambda m, f=f: f(m, mm=2) for f in BALLS), largest_part, fill_holes,
                                      lambda m: remove_small(m, mm3=10)])  # fmt: skip
def test_what_is_given_comes_back_and_is_not_changed(function: Callable[[Any], Any]) -> None:
    array = box((5, 9, 9), (1, 4), (2, 7), (2, 7))
    array[2, 4, 4] = False
    ds = volume(np.zeros((5, 9, 9))).assign(mask=mask(array).assign_attrs(long_name="segmentation"))
    changed = function(ds)
    assert isinstance(changed, xr.Dataset)
    assert changed["mask"].attrs == {**mask(array).attrs, "long_name": "segmentation"}
    assert changed.drop_vars("mask").identical(ds.drop_vars("mask"))
    assert (changed["mask"].values == function(ds["mask"]).values).all()
    assert (ds["mask"].values == array).all()
    assert changed["mask"].dtype == bool


def test_the_largest_part_is_left() -> None:
    array = box((5, 9, 9), (1, 4), (2, 5), (2, 5))
    whole = array.copy()
    array[0, 8, 8] = array[0, 8, 7] = True
    assert (largest_part(mask(array)).values == whole).all()
    assert not largest_part(mask(np.zeros((5, 9, 9)))).any()


def test_parts_that_share_a_corner_are_one_unless_faces_are_asked_for() -> None:
    array = np.zeros((3, 4, 4), dtype=bool)
    array[0, 0, 0] = array[1, 1, 1] = array[1, 1, 2] = True
    assert int(largest_part(mask(array)).sum()) == 3
    assert int(largest_part(mask(array), connectivity=1).sum()) == 2


def test_small_parts_go_by_volume_and_not_by_voxels() -> None:
    array = np.zeros((3, 4, 9), dtype=bool)
    array[1, 1, 0], array[1, 1, 3:5] = True, True
    voxel = 3 * 2 * 1
    assert int(remove_small(mask(array), mm3=2 * voxel).sum()) == 2
    assert int(remove_small(mask(array), mm3=voxel).sum()) == 3
    assert not remove_small(mask(array), mm3=2 * voxel + 0.1).any()


def test_holes_are_filled_and_open_ones_only_by_slice() -> None:
    shell = box((5, 7, 7), (1, 4), (1, 6), (1, 6))
    shell[2, 3, 3] = False
    assert bool(fill_holes(mask(shell)).values[2, 3, 3])
    tube = box((5, 7, 7), (1, 4), (1, 6), (1, 6))
    tube[:, 3, 3] = False
    assert not fill_holes(mask(tube)).values[2, 3, 3]
    filled = fill_holes(mask(tube), by_slice=True).values
    assert filled[1:4, 3, 3].all()
    assert not filled[0].any()


@pytest.mark.parametrize("function", BALLS)
@pytest.mark.parametrize("mm", [0, -1, 0.5, np.nan, np.inf, True])
def test_a_radius_below_the_voxels_is_refused_rather_than_nothing_done(function: Any, mm: float) -> None:
    with pytest.raises(UsageError, match="mm"):
        function(mask(np.ones((3, 3, 3)), (3, 2, 2)), mm=mm)


def test_uneven_and_tilted_slices_are_refused_by_the_name_of_the_finding(tmp_path: Path) -> None:
    factories.stack(tmp_path / "gap", (0, 2, 4, 8, 10))
    factories.stack(tmp_path / "tilt", (0, 2, 4, 6), lean=(0, 0.5, 0))
    for name, finding in (("gap", "slices-missing"), ("tilt", "gantry-tilt")):
        ds = xr.open_dataset(tmp_path / name, engine="dicom")
        with pytest.raises(IrregularGeometry, match=finding):
            dilate(ds.assign(mask=ds["image"] > 2000), mm=2)
    # A tilted voxel has a volume all the same.
    assert int(remove_small(ds.assign(mask=ds["image"] > 2000), mm3=1)["mask"].sum()) == int((ds["image"] > 2000).sum())


def test_other_arguments_are_refused() -> None:
    some = mask(np.ones((3, 3, 3)))
    for call in (lambda: largest_part(some, connectivity=26), lambda: remove_small(some, mm3=0)):
        with pytest.raises(UsageError):
            call()
    with pytest.raises(UsageError, match="not boolean"):
        dilate(some.astype("uint8"), mm=2)
    with pytest.raises(UsageError, match="no variable 'mask'"):
        dilate(volume(np.zeros((3, 3, 3))), mm=2)
