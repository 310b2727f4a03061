"""Shape against solids whose measures are known, and against meshes computed another way."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy.spatial.distance import pdist

from tests import factories
from tests.measure import solids
from tests.tries import tries
from workbench.measure.features import features
from workbench.measure.in_slice import in_slice_diameters
from workbench.measure.mesh import mesh_of
from workbench.measure.shape import moments

GRIDS = {
    "cubes": ((1.0, 1.0, 1.0), solids.AXIAL),
    "fine": ((0.7, 0.7, 0.7), solids.AXIAL),
    "thick slices": ((2.5, 0.8, 0.8), solids.AXIAL),
    "three spacings": ((2.0, 0.5, 0.9), solids.AXIAL),
    "coronal": ((2.0, 0.8, 0.8), factories.CORONAL),
    "oblique": ((1.5, 0.8, 0.9), factories.turned(20, -35, 50)),
}


def shape_of(mask: np.ndarray, spacing: Sequence[float], orientation: Sequence[float] = solids.AXIAL) -> dict:
    table = features(solids.dataset(mask, spacing=spacing, orientation=orientation), groups="shape")
    assert (table["reason"] == "").all()
    return dict(zip(table["feature"], table["value"], strict=True))


def independent(mask: np.ndarray, spacing: Sequence[float], orientation: Sequence[float]) -> tuple[float, float]:
    """Volume and area of the mesh in the patient: scikit-image for the area, the divergence theorem for the volume."""
    from skimage.measure import marching_cubes, mesh_surface_area

    corners, faces, _, _ = marching_cubes(np.pad(mask, 3).astype(float), 0.5)
    world = corners.astype(float) @ solids.affine(spacing, orientation)[:3, :3].T
    a, b, c = np.moveaxis(world[faces], 1, 0)
    normals = np.cross(b - a, c - a) / 2
    return abs(float((normals * (a + b + c) / 3).sum() / 3)), float(mesh_surface_area(world, faces))


@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize("radius", [10, 14.3])
def test_a_ball_has_its_volume_and_the_surface_of_its_mesh(grid: str, radius: float) -> None:
    spacing, orientation = GRIDS[grid]
    # In voxels of the coarsest axis.
    radius *= max(spacing)
    mask = solids.ball(radius, spacing)
    found = shape_of(mask, spacing, orientation)
    assert found["volume"] == pytest.approx(4 / 3 * np.pi * radius**3, rel=0.01)
    assert found["volume_voxels"] == pytest.approx(4 / 3 * np.pi * radius**3, rel=0.01)
    volume, area = independent(mask, spacing, orientation)
    assert found["volume"] == pytest.approx(volume, rel=1e-6)
    assert found["surface_area"] == pytest.approx(area, rel=1e-6)
    assert found["sphericity"] == pytest.approx((36 * np.pi * volume**2) ** (1 / 3) / area, rel=1e-6)
    assert found["diameter_3d"] == pytest.approx(2 * radius, rel=0.05)
    assert found["major_axis"] == pytest.approx(2 * radius * np.sqrt(4 / 5), rel=0.02)
    assert found["elongation"] == pytest.approx(1, rel=0.02)
    assert found["flatness"] == pytest.approx(1, rel=0.02)


@pytest.mark.parametrize(("z", "least", "most"), [(1.0, 1.08, 1.10), (2.0, 1.11, 1.13)])
def test_a_mesh_overestimates_the_surface_of_a_ball(z: float, least: float, most: float) -> None:
    for radius in (20, 40):
        mesh = mesh_of(solids.ball(radius, (z, 1.0, 1.0)), (z, 1.0, 1.0))
        assert least < mesh.area() / (4 * np.pi * radius**2) < most


@pytest.mark.parametrize("grid", GRIDS)
def test_a_box_has_its_volume_sides_and_axes(grid: str) -> None:
    spacing, orientation = GRIDS[grid]
    sides = (20, 30, 40)
    mask = solids.box(*sides)
    found = shape_of(mask, spacing, orientation)
    lengths = np.array(sides) * spacing
    assert found["volume_voxels"] == pytest.approx(lengths.prod(), rel=1e-12)
    assert found["volume"] == pytest.approx(lengths.prod(), rel=0.01)
    volume, area = independent(mask, spacing, orientation)
    assert found["volume"] == pytest.approx(volume, rel=1e-6)
    assert found["surface_area"] == pytest.approx(area, rel=1e-6)
    assert [found[f"extent_{axis}"] for axis in "zyx"] == pytest.approx(lengths)
    # The variance of n evenly spaced points is (n^2 - 1) / 12 steps squared; of a sample, by n - 1.
    n = np.prod(sides)
    axes = sorted(4 * np.sqrt((np.square(sides) - 1) / 12 * n / (n - 1)) * spacing)
    assert [found["least_axis"], found["minor_axis"], found["major_axis"]] == pytest.approx(axes)
    assert found["n_parts"] == 1
    assert found["volume_density_hull"] == pytest.approx(1, abs=0.001)


@pytest.mark.parametrize("grid", GRIDS)
def test_the_centroid_is_in_patient_millimetres(grid: str) -> None:
    spacing, orientation = GRIDS[grid]
    found = shape_of(solids.box(3, 4, 5, around=2), spacing, orientation)
    middle = solids.affine(spacing, orientation) @ (3, 3.5, 4, 1)
    assert [found[f"centroid_{axis}"] for axis in "xyz"] == pytest.approx(middle[:3])


def test_shape_does_not_depend_on_the_direction_of_the_grid() -> None:
    mask = np.random.default_rng(5).random((9, 10, 11)) < 0.6
    there = shape_of(mask, (2, 0.7, 0.9), factories.turned(10, 20, 30))
    here = shape_of(mask, (2, 0.7, 0.9))
    for name in here:
        if not name.startswith("centroid"):
            assert there[name] == pytest.approx(here[name], rel=1e-9), name


def parts_of(mask: np.ndarray) -> float:
    return features(solids.dataset(mask), groups="shape").set_index("feature").loc["n_parts", "value"]


def test_parts_touch_at_a_corner_or_are_two() -> None:
    mask = np.zeros((6, 6, 6), bool)
    mask[1, 1, 1] = mask[2, 2, 2] = True
    mask[1, 2, 4] = True
    assert parts_of(mask) == 2
    mask[1, 2, 3] = True
    assert parts_of(mask) == 1


def test_one_voxel_has_no_axes_and_says_so() -> None:
    mask = np.zeros((5, 5, 5), bool)
    mask[2, 2, 2] = True
    table = features(solids.dataset(mask), groups="shape").set_index("feature")
    for name in ("elongation", "flatness", "volume_density_ellipsoid", "area_density_ellipsoid"):
        assert np.isnan(table.loc[name, "value"])
        assert "one voxel thick" in table.loc[name, "reason"]
    assert table.loc["volume_voxels", "value"] == 1
    assert table.loc["volume", "value"] == pytest.approx(1 / 6)
    assert table.loc["diameter_in_slice", "value"] == 1


def test_a_segment_at_the_edge_of_the_image_has_a_closed_surface() -> None:
    inner = shape_of(solids.box(4, 5, 6), (1, 1, 2))
    edge = shape_of(np.ones((4, 5, 6), bool), (1, 1, 2))
    assert edge["surface_area"] == pytest.approx(inner["surface_area"])


def test_intensities_shift_the_centre_of_mass() -> None:
    mask, values = np.ones((2, 2, 2), bool), np.ones((2, 2, 2), np.float32)
    values[:, :, 1] = 3
    table = features(solids.dataset(mask, values, spacing=(1, 1, 4)), groups="shape").set_index("feature")
    # Centre at 2 mm, weighed at (0 * 1 + 4 * 3) / 4 = 3 mm.
    assert table.loc["com_shift", "value"] == pytest.approx(1)
    expected = 2 * table.loc["volume", "value"]
    assert table.loc["integrated_intensity", "value"] == pytest.approx(expected)
    assert table.loc["integrated_intensity", "unit"] == "[hnsf'U].mm3"


masks = arrays.arrays(bool, st.tuples(*[st.integers(1, 6)] * 3)).filter(np.any)


@settings(max_examples=tries(60), deadline=None)
@given(masks)
def test_moments_are_those_of_the_voxel_centres(mask: np.ndarray) -> None:
    spacing = (2.0, 0.5, 1.5)
    centre, covariance = moments(mask, spacing)
    points = np.argwhere(mask) * spacing
    np.testing.assert_allclose(centre, points.mean(axis=0), atol=1e-12)
    if len(points) > 1:
        np.testing.assert_allclose(covariance, np.cov(points.T), atol=1e-12)


def corners_in_slice(part: np.ndarray, spacing: Sequence[float]) -> np.ndarray:
    """All points halfway between a voxel inside and one outside, in one slice."""
    padded = np.pad(part, 1)
    points = []
    for axis in (0, 1):
        edge = np.argwhere(np.diff(padded.astype(int), axis=axis)).astype(float) - 1
        edge[:, axis] += 0.5
        points.append(edge)
    return np.concatenate(points) * spacing


@settings(max_examples=tries(80), deadline=None)
@given(masks, st.sampled_from([(1.0, 1.0), (0.5, 1.5)]))
def test_in_slice_diameters_are_those_of_every_part_in_every_slice(
    mask: np.ndarray, spacing: tuple[float, float]
) -> None:
    from scipy.ndimage import label

    longest = 0.0
    for plane in mask:
        parts, n = label(plane, np.ones((3, 3)))
        for number in range(1, n + 1):
            longest = max(longest, float(pdist(corners_in_slice(parts == number, spacing)).max()))
    found, across = in_slice_diameters(mask, spacing)
    assert found == pytest.approx(longest, rel=1e-12)
    assert 0 < across <= found + 1e-9


def test_the_perpendicular_is_worked_by_hand() -> None:
    # A diamond of radius 2 voxels: 5 mm across both ways.
    y, x = np.mgrid[-3:4, -3:4]
    diamond = (abs(y) + abs(x) <= 2)[None]
    assert in_slice_diameters(diamond, (1, 1)) == pytest.approx((5, 5))
    # Pixels of 3 mm by 1 mm: 15 mm long, 5 mm across.
    assert in_slice_diameters(diamond, (3, 1)) == pytest.approx((15, 5))


def test_a_diameter_does_not_cross_a_gap() -> None:
    mask = np.zeros((1, 5, 30), bool)
    mask[0, 2, :3] = mask[0, 2, -4:] = True
    assert in_slice_diameters(mask, (1, 1))[0] == pytest.approx(4)


@settings(max_examples=tries(40), deadline=None)
@given(masks)
def test_a_mesh_is_closed(mask: np.ndarray) -> None:
    mesh = mesh_of(mask, (1, 2, 3))
    a, b, c = np.moveaxis(mesh.vertices[mesh.faces], 1, 0)
    # The vector areas of a closed surface sum to zero.
    np.testing.assert_allclose(np.cross(b - a, c - a).sum(axis=0), 0, atol=1e-9)
