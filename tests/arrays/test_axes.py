"""What the coordinates z, y and x say, and refusals where they say nothing."""

from __future__ import annotations

import numpy as np
import pytest

from workbench.arrays import from_array
from workbench.arrays.axes import numbers_along, plane_along_axes, plane_spacing, stated_matrix
from workbench.errors import UsageError


def test_numbers_count_the_axis_as_it_was_opened() -> None:
    ds = from_array(np.zeros((2, 8, 8)), np.eye(4)).isel(y=slice(2, 8, 2), x=slice(None, None, -1))
    along = ds["y"].attrs["direction"]
    assert numbers_along(ds, "y", 0.0, 1.0) == (2.0, 2.0)
    assert numbers_along(ds, "x", 0.0, 1.0) == (7.0, -1.0)
    assert np.abs(along).sum() == 1
    with pytest.raises(UsageError, match="not evenly spaced"):
        numbers_along(ds.isel(x=[0, 1, 5]), "x", 0.0, 1.0)


def test_spacing_follows_the_voxels_that_are_left() -> None:
    ds = from_array(np.zeros((2, 8, 8)), np.diag([0.7, 0.7, 2, 1])[:, [2, 1, 0, 3]])
    assert plane_spacing(ds) == (0.7, 0.7)
    assert plane_spacing(ds.isel(y=slice(None, None, 2))) == pytest.approx((1.4, 0.7))
    assert np.isnan(plane_spacing(ds.drop_vars("y"))[0])


def test_directions_that_are_no_axes_say_nothing() -> None:
    ds = from_array(np.zeros((2, 4, 4)), np.eye(4)).drop_vars(["affine", "position"])
    assert plane_along_axes(ds) is not None
    ds["y"].attrs["direction"] = ds["x"].attrs["direction"]
    assert plane_along_axes(ds) is None


def test_matrix_with_nan_is_none() -> None:
    ds = from_array(np.zeros((2, 4, 4)), np.eye(4))
    assert stated_matrix(ds) is not None
    assert stated_matrix(ds.assign_coords(affine=ds["affine"] * np.nan)) is None
