"""Cells of an axis: no voxel is stretched over a missing slice."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from tests import factories
from workbench.arrays.cells import at_cells, cells, lean


@pytest.mark.parametrize(
    ("coordinate", "width", "edges", "voxel"),
    [
        ([0, 2, 4], 2, [-1, 1, 3, 5], [0, 1, 2]),
        ([0, 2, 4], None, [-1, 1, 3, 5], [0, 1, 2]),
        ([0, 2, 8], 2, [-1, 1, 3, 7, 9], [0, 1, -1, 2]),
        ([0, 2, 8], None, [-2, 1, 4, 6, 10], [0, 1, -1, 2]),
        ([0, 1, 3], 2, [-1, 0.5, 2, 4], [0, 1, 2]),
        ([5], None, [4.5, 5.5], [0]),
        ([5], 3, [3.5, 6.5], [0]),
        ([0, 2.01, 4], 2, [-1, 1, 3.005, 5], [0, 1, 2]),
    ],
)
def test_neighbours_meet_half_way_and_holes_stay_open(
    coordinate: list[float], width: float | None, edges: list[float], voxel: list[int]
) -> None:
    found, which = cells(np.array(coordinate, float), width=width)
    assert found.tolist() == pytest.approx(edges, abs=0.011)
    assert which.tolist() == voxel


def test_values_of_open_stretches_are_masked() -> None:
    voxel = np.array([0, -1, 1])
    picture = np.array([[1.0, 2], [3, 4]])
    found = at_cells(picture, voxel, axis=0)
    assert np.ma.getmaskarray(found).tolist() == [[False] * 2, [True] * 2, [False] * 2]
    assert at_cells(picture > 0, voxel, axis=0).tolist() == [[True] * 2, [False] * 2, [True] * 2]
    assert at_cells(picture, np.array([0, 1]), axis=0).tolist() == picture.tolist()


def test_lean_is_the_drift_per_mm(tmp_path: Path) -> None:
    factories.stack(tmp_path, lean=(0.1, 0.25, 0), orientation=factories.AXIAL)
    assert lean(xr.open_dataset(tmp_path, engine="dicom")) == pytest.approx({"y": 0.25, "x": 0.1})


def test_straight_stacks_do_not_lean(tmp_path: Path) -> None:
    factories.stack(tmp_path, orientation=factories.turned(20, 10, 5))
    assert lean(xr.open_dataset(tmp_path, engine="dicom")) == {"y": 0, "x": 0}
