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
from tests.tries import tries
from workbench.dicom.stacks.geometry import Grid, grid_from, orientation_ok

QUICK = settings(derandomize=True, deadline=None, max_examples=tries(150))


def grid(
    depths: Any,
    *,
    orientation: Any = AXIAL,
    spacing: tuple[float, float] = (0.5, 0.8),
    thickness: Any = None,
    **options: Any,
) -> Grid:
    """Grid of slices at *depths*; one thickness for all, or one for each."""
    places = positions(depths, orientation=orientation, **options)
    stated = None if thickness is None else np.broadcast_to(np.asarray(thickness, float), len(places))
    return grid_from(places, np.array(orientation), spacing, (6, 8), slice_thickness=stated)


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
        ([0, 1, 3, 7, 15], "variable", 0),
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
    found = grid(depths, thickness=1)
    assert (found.kind, found.n_gaps) == ("gaps", 70)
    assert found.slice_spacing == pytest.approx(1, abs=1e-3)


#: Thin slices in the middle, thick ones around: positions that are all multiples of the thinnest.
PLANNING = [0, 5, 10, 15, 17.5, 20, 22.5, 27.5, 32.5]


@pytest.mark.parametrize(
    ("thickness", "kind", "gaps"),
    [
        # Constant: thinner slices of the same series are missing, however many.
        (2.5, "gaps", 5),
        (5, "gaps", 5),
        # Following the steps: whichever of two neighbours the step between them belongs to, and half-way between.
        ([5, 5, 5, 5, 2.5, 2.5, 2.5, 5, 5], "variable", 0),
        ([5, 5, 5, 2.5, 2.5, 2.5, 2.5, 5, 5], "variable", 0),
        # The same with a tenth of the thickness between slices, and overlapping by half.
        ([4.5, 4.5, 4.5, 4.5, 2.25, 2.25, 2.25, 4.5, 4.5], "variable", 0),
        ([10, 10, 10, 10, 5, 5, 5, 10, 10], "variable", 0),
        # Not said, not a thickness, not of these steps: five are missing and nine are there.
        (None, "gaps", 5),
        (np.nan, "gaps", 5),
        (0, "gaps", 5),
        ([5, 5, 5, 5, 2.5, np.nan, 2.5, 5, 5], "gaps", 5),
        ([2.5, 2.5, 2.5, 2.5, 5, 5, 5, 2.5, 2.5], "gaps", 5),
    ],
)
def test_thickness_tells_variable_series_from_missing_slices(thickness: Any, kind: str, gaps: int) -> None:
    found = grid(PLANNING, thickness=thickness)
    assert (found.kind, found.n_gaps, found.affine is None) == (kind, gaps, True)
    assert codes(found) == ["slices-missing" if gaps else "spacing-uneven"]


def test_missing_slices_among_slices_of_one_thickness_of_two_are_still_uneven() -> None:
    # Twenty millimetres between slices of five: no thickness explains it, and no single spacing either.
    found = grid([0, 2.5, 5, 10, 15, 35, 40], thickness=[2.5, 2.5, 5, 5, 5, 5, 5])
    assert found.kind == "variable"


def test_without_thickness_slices_are_missing_only_while_fewer_than_are_there() -> None:
    assert grid([0, 2, 8]).kind == "gaps"
    assert grid([0, 2, 10]).kind == "variable"
    assert grid([0, 2, 10], thickness=2).kind == "gaps"


@given(stacks(), st.lists(st.integers(1, 4), min_size=2, max_size=12), st.sampled_from(["first", "second", "mean"]))
@QUICK
def test_any_series_whose_thickness_follows_its_steps_is_variable(
    case: dict[str, Any], multiples: list[int], owner: str
) -> None:
    multiples = [1, *multiples]
    steps = np.array(multiples, float)
    # Of each pair of neighbours: the step is the thickness of the first, of the second, or the mean of both.
    thickness = {
        "first": np.append(steps, steps[-1]),
        "second": np.insert(steps, 0, steps[0]),
        "mean": np.repeat(steps, 2)[: len(steps) + 1],
    }[owner]
    depths = np.insert(np.cumsum(steps if owner != "mean" else (thickness[1:] + thickness[:-1]) / 2), 0, 0)
    found = grid(
        depths * case["step"],
        orientation=case["orientation"],
        origin=case["origin"],
        thickness=thickness * case["step"],
    )
    even = len(set(np.diff(depths).round(9))) == 1
    assert found.kind == ("regular" if even else "variable")


@given(stacks(), st.lists(st.integers(1, 4), min_size=2, max_size=12))
@QUICK
def test_any_series_of_one_thickness_has_gaps(case: dict[str, Any], multiples: list[int]) -> None:
    multiples = [1, 1, *multiples, 2]
    depths = np.insert(np.cumsum(multiples), 0, 0) * case["step"]
    found = grid(depths, orientation=case["orientation"], origin=case["origin"], thickness=case["step"])
    assert (found.kind, found.n_gaps) == ("gaps", sum(multiples) - len(multiples))


def moved(depths: Any, shifts: dict[int, tuple[float, float]]) -> Grid:
    """Grid of axial slices, some of them *shifts* mm along x and y from their place."""
    places = positions(depths)
    for k, shift in shifts.items():
        places[k, :2] += shift
    return grid_from(places, np.array(AXIAL), (0.5, 0.8), (6, 8))


@pytest.mark.parametrize(
    ("shifts", "told"),
    [
        ({2: (3.0, 4.0)}, "1 of 6 slices displaced within their planes by up to 5.00 mm, at 34.0 mm"),
        ({4: (0.0, -1.0), 5: (0.0, -2.0)}, "2 of 6 slices displaced within their planes by up to 2.00 mm, at 38.0, 40"),
        ({0: (0.5, 0.0)}, "1 of 6 slices displaced within their planes by up to 0.50 mm, at 30.0 mm"),
        # A patient who moved half-way: the upper half is away from the lower.
        (
            {3: (7.0, 0), 4: (7.0, 0), 5: (7.0, 0)},
            "3 of 6 slices displaced within their planes by up to 7.00 mm, at 36",
        ),
    ],
)
def test_slices_displaced_in_their_planes_are_named_with_the_distance(
    shifts: dict[int, tuple[float, float]], told: str
) -> None:
    found = moved([0, 2, 4, 6, 8, 10], shifts)
    assert (found.kind, found.affine, codes(found)) == ("variable", None, ["slices-displaced"])
    assert told in found.findings[0].message
    assert found.findings[0].count == len(shifts)


def test_displaced_slices_at_uneven_steps_are_told_of_both() -> None:
    found = moved([0, 2, 4, 7, 9], {1: (1.0, 0.0)})
    assert codes(found) == ["slices-displaced", "spacing-uneven"]
    assert "steps from 2.000 to 3.000 mm" in found.findings[1].message


def test_displaced_slices_of_a_tilted_series_are_measured_from_the_tilt() -> None:
    places = positions([0, 2, 4, 6, 8], lean=(0.0, 0.3, 0.0))
    places[1, 0] += 2
    found = grid_from(places, np.array(AXIAL), (1, 1), (6, 8))
    assert "1 of 5 slices displaced within their planes by up to 2.00 mm, at 32.0 mm" in found.findings[0].message


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
    found = grid(
        np.array(numbers) * case["step"], orientation=case["orientation"], origin=case["origin"], thickness=case["step"]
    )
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
