"""Positions and orientation become a grid with its verdict; world is LPS mm, voxel centres."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import factories
from tests.factories import AXIAL, CORONAL, SAGITTAL, positions, turned
from tests.strategies import stacks
from workbench.dicom.stacks.geometry import Grid, grid_from, orientation_ok

QUICK = settings(derandomize=True, deadline=None, max_examples=150)


def grid(depths: Any, *, orientation: Any = AXIAL, spacing: tuple[float, float] = (0.5, 0.8), **options: Any) -> Grid:
    places = positions(depths, orientation=orientation, **options)
    return grid_from(places, np.array(orientation), spacing, (6, 8))


def codes(found: Grid) -> list[str]:
    return [finding.code for finding in found.findings]


def test_even_slices_are_regular() -> None:
    found = grid([0, 2, 4, 6])
    assert (found.kind, found.flags, found.slice_spacing, found.n_gaps) == ("regular", (), 2.0, 0)
    assert found.findings == ()
    expected = [[0, 0, 0.8, -10], [0, 0.5, 0, 20], [2, 0, 0, 30], [0, 0, 0, 1]]
    assert found.affine == pytest.approx(np.array(expected))


@pytest.mark.parametrize(
    ("depths", "kind", "gaps"),
    [
        ([0, 2, 4, 8, 10], "gaps", 1),
        ([0, 2, 6, 8, 14], "gaps", 3),
        ([0, 4, 6, 10, 14], "gaps", 3),
        ([0, 2.01, 4, 6.01, 8], "regular", 0),
        ([0, 2.1, 4, 6.1, 8], "variable", 0),
        ([0, 2, 5, 7], "variable", 0),
        ([0, 1, 3, 7, 15], "gaps", 11),
        ([0], "single", 0),
        ([0, 3], "regular", 0),
    ],
)
def test_verdict_on_the_steps(depths: list[float], kind: str, gaps: int) -> None:
    found = grid(depths)
    assert (found.kind, found.n_gaps) == (kind, gaps)
    assert (found.affine is None) == (kind != "regular")


def test_gap_keeps_true_positions_and_names_where() -> None:
    found = grid([0, 2, 4, 8, 10])
    assert found.coordinates()[0].tolist() == [30, 32, 34, 38, 40]
    assert found.slice_spacing == 2
    assert [(f.code, f.count) for f in found.findings] == [("slices-missing", 1)]
    assert "1 of 6 slices missing, from 36.0 mm" in found.findings[0].message


def test_long_gap_between_jittered_slices_is_counted_exactly() -> None:
    depths = np.concatenate([np.arange(30), np.arange(30) + 100.0])
    depths[5] += 0.008
    found = grid(depths)
    assert (found.kind, found.n_gaps) == ("gaps", 70)
    assert found.slice_spacing == pytest.approx(1, abs=1e-3)


def test_tolerance_is_one_per_cent_of_the_step() -> None:
    assert grid([0, 2, 4.019, 6, 8]).kind == "regular"
    assert grid([0, 2, 4.021, 6, 8]).kind == "variable"


def test_tilt_is_sheared_with_its_angle_and_an_exact_affine() -> None:
    lean = (0.0, np.tan(np.radians(15)), 0.0)
    found = grid([0, 2, 4, 6], lean=lean)
    assert (found.kind, found.flags, codes(found)) == ("sheared", (), ["gantry-tilt"])
    assert found.shear_deg == pytest.approx(15)
    assert found.affine is not None
    ends = [found.affine @ [k, 0, 0, 1] for k in range(4)]
    assert np.array(ends)[:, :3] == pytest.approx(found.positions)


def test_tilt_and_gap_are_both_told() -> None:
    found = grid([0, 2, 6, 8], lean=(0.0, 0.3, 0.0))
    assert (found.kind, found.flags) == ("gaps", ("sheared",))
    assert codes(found) == ["slices-missing", "gantry-tilt"]


def test_rounding_of_two_positions_is_not_a_tilt() -> None:
    places = np.array([[0.0, 0, 0], [0.01, 0, 3]])
    assert grid_from(places, np.array(AXIAL), (1, 1), (6, 8)).kind == "regular"


def test_single_slice_has_no_spacing_between_slices() -> None:
    found = grid([0])
    assert np.isnan(found.slice_spacing)
    assert codes(found) == ["single-slice"]


@pytest.mark.parametrize(
    ("orientation", "plane"),
    [(AXIAL, "axial"), (CORONAL, "coronal"), (SAGITTAL, "sagittal"), (turned(20, 0, 0), "axial")],
)
def test_plane_is_named_by_the_normal(orientation: Any, plane: str) -> None:
    assert grid([0, 2, 4], orientation=orientation).plane == plane


def test_obliquity_is_the_angle_to_the_nearest_axis() -> None:
    assert grid([0, 2], orientation=turned(20, 0, 0)).obliquity_deg == pytest.approx(20)
    assert grid([0, 2]).obliquity_deg == 0


@pytest.mark.parametrize(
    "orientation",
    [
        (np.nan,) * 6,
        (1, 0, 0, 1, 0, 0),
        (0,) * 6,
        (2, 0, 0, 0, 1, 0),
        (1, 0.01, 0, 0, 1, 0),
        (1, 0, 0, 0.1, 1, 0),
    ],
)
def test_impossible_orientation_is_unplaced_and_named(orientation: tuple[float, ...]) -> None:
    found = grid_from(positions([0, 2]), np.array(orientation, float), (1, 1), (6, 8))
    assert (found.kind, found.affine, codes(found)) == ("unplaced", None, ["unplaced"])
    assert not orientation_ok(np.array(orientation, float))


@pytest.mark.parametrize("spacing", [(0.0, 1.0), (np.nan, np.nan), (1.0, -1.0)])
def test_impossible_pixel_spacing_is_unplaced(spacing: tuple[float, float]) -> None:
    assert grid([0, 2], spacing=spacing).kind == "unplaced"


def test_missing_position_is_unplaced_with_slice_numbers_for_z() -> None:
    places = positions([0, 2, 4])
    places[1] = np.nan
    found = grid_from(places, np.array(AXIAL), (0.5, 0.8), (2, 3))
    assert found.kind == "unplaced"
    assert "position missing in 1 of 3 images" in found.findings[0].message
    z, y, x = found.coordinates()
    assert (z.tolist(), y.tolist(), x.tolist()) == ([0, 1, 2], [0, 0.5], [0, 0.8, 1.6])


def test_projection_has_no_place_and_that_is_no_finding() -> None:
    found = grid_from(np.full((1, 3), np.nan), np.full(6, np.nan), (0.1, 0.1), (6, 8), projection=True)
    assert (found.kind, found.findings, found.placed) == ("projection", (), False)


@given(stacks())
@QUICK
def test_any_even_stack_gives_its_affine_back(case: dict[str, Any]) -> None:
    orientation = np.array(case["orientation"])
    row, column = orientation[:3], orientation[3:]
    lean = np.tan(np.radians(case["tilt"])) * column
    places = positions(np.arange(case["n"]) * case["step"], orientation=orientation, origin=case["origin"], lean=lean)
    # As written in a header: 16 characters of a decimal string.
    places = np.round(places, 8)
    found = grid_from(places, orientation, case["spacing"], (6, 8))
    assert found.kind == ("sheared" if case["tilt"] else "regular")
    assert found.shear_deg == pytest.approx(case["tilt"], abs=0.01)
    normal = np.cross(row, column)
    expected = np.eye(4)
    expected[:3, 0] = (normal + lean) * case["step"]
    expected[:3, 1], expected[:3, 2] = column * case["spacing"][0], row * case["spacing"][1]
    expected[:3, 3] = case["origin"]
    assert found.affine is not None
    assert np.abs(found.affine - expected).max() < 1e-4
    z, y, x = found.coordinates()
    assert np.abs(np.diff(z) - case["step"]).max() < 1e-4
    corner = found.affine @ [case["n"] - 1, 5, 7, 1]
    assert corner[:3] @ normal == pytest.approx(z[-1], abs=1e-3)
    if not case["tilt"]:
        assert [corner[:3] @ column, corner[:3] @ row] == pytest.approx([y[-1], x[-1]], abs=1e-3)


@given(stacks(), st.lists(st.booleans(), min_size=12, max_size=12))
@QUICK
def test_missing_slices_of_any_stack_are_counted(case: dict[str, Any], kept: list[bool]) -> None:
    numbers = [0, 1, *[i + 2 for i, keep in enumerate(kept) if keep], 20]
    found = grid(np.array(numbers) * case["step"], orientation=case["orientation"], origin=case["origin"])
    assert found.kind == "gaps"
    assert found.n_gaps == 21 - len(numbers)
    assert found.slice_spacing == pytest.approx(case["step"], abs=1e-4)


def test_coordinates_of_equal_grids_are_equal_to_the_last_digit() -> None:
    one = grid([0, 2, 4], origin=(0.1 + 0.2, 0, 0))
    other = grid([0, 2, 4], origin=(0.3, 0, 0))
    assert all((a == b).all() for a, b in zip(one.coordinates(), other.coordinates(), strict=True))


def test_negative_zero_is_not_a_coordinate() -> None:
    found = grid([0, 2], origin=(-0.0, -1e-9, 0.0))
    assert not np.signbit(found.coordinates()[1][0])


def test_factories_turn_keeps_a_right_angle() -> None:
    assert orientation_ok(np.array(factories.turned(10, 20, 30)))
