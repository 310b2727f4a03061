"""Masks by threshold: bounds, Otsu, what they carry."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from tests.measure.volumes import box, mask, volume
from workbench.errors import GridMismatch, NotMeasurable, UsageError
from workbench.measure import threshold

RAMP = np.arange(24, dtype="int16").reshape(2, 3, 4)


def test_a_number_is_the_lowest_that_counts() -> None:
    found = threshold(volume(RAMP), 10)
    assert (found.values == (RAMP >= 10)).all()
    assert found.dtype == bool
    assert found.name == "mask"


def test_a_range_holds_both_ends_and_may_be_open() -> None:
    ds = volume(RAMP)
    assert (threshold(ds, (5, 9)).values == ((RAMP >= 5) & (RAMP <= 9))).all()
    assert (threshold(ds, (None, 9)).values == (RAMP <= 9)).all()
    assert (threshold(ds, (5, None)).values == (RAMP >= 5)).all()


def test_otsu_parts_two_peaks_and_is_scikit_images() -> None:
    from skimage.filters import threshold_otsu

    draw = np.random.default_rng(1)
    values = np.concatenate([draw.uniform(0, 10, 300), draw.uniform(90, 100, 300)]).reshape(6, 10, 10)
    found = threshold(volume(values), "otsu")
    assert int(found.sum()) == 300
    assert found.attrs["threshold_above"] == float(threshold_otsu(values))


def test_otsu_within_a_mask_looks_at_nothing_else() -> None:
    values = np.zeros((2, 4, 4), dtype="int16")
    values[:, :, 2:], values[:, :2, 2:] = 100, 200
    inside = mask(values > 0)
    found = threshold(volume(values), "otsu", mask=inside)
    assert (found.values == (values == 200)).all()
    assert (threshold(volume(values), (None, 150), mask=inside).values == (values == 100)).all()


def test_the_mask_stands_where_the_image_does_and_says_how_it_was_made() -> None:
    ds = volume(RAMP)
    found = threshold(ds, (5, None))
    assert all((found[axis].values == ds[axis].values).all() for axis in "zyx")
    assert found.attrs["units"] == "1"
    said = {name: value for name, value in found.attrs.items() if name.startswith("threshold")}
    assert said == {"threshold": "range", "threshold_low": 5.0, "threshold_units": "[hnsf'U]"}
    json.dumps(found.attrs)
    assert "units" in ds["image"].attrs


def test_voxels_without_a_value_are_outside() -> None:
    values = RAMP.astype("float32")
    values[0, 0, :2] = np.nan, np.inf
    assert not threshold(volume(values), (None, 100)).values[0, 0, :2].any()
    assert not threshold(volume(values), 1).values[0, 0, :2].any()


@pytest.mark.parametrize("at", ["triangle", True, (1, 2, 3), (None, None), (9, 5), (np.nan, 3), ("a", "b"), None])
def test_other_thresholds_are_refused(at: Any) -> None:
    with pytest.raises(UsageError, match=r"threshold|at cannot be"):
        threshold(volume(RAMP), at)


def test_otsu_of_one_value_is_refused() -> None:
    with pytest.raises(NotMeasurable, match="all voxels are 3"):
        threshold(volume(np.full((2, 2, 2), 3)), "otsu")


def test_a_mask_of_another_grid_is_refused_even_where_no_histogram_is_needed() -> None:
    with pytest.raises(GridMismatch):
        threshold(volume(RAMP), 3, mask=mask(box((2, 3, 4), (0, 1), (0, 1), (0, 1)), (3, 2, 9)))
