"""Pieces of surfaces: places, areas, closed at the edge."""

from __future__ import annotations

import numpy as np
import pytest

from tests.measure.volumes import affine, box
from workbench.measure.surfaces import nearest, piece_areas, surface_pieces, weighted_percentile


def test_areas_of_single_cells_worked_by_hand() -> None:
    areas = piece_areas(np.diag([3.0, 2.0, 1.0]))
    assert areas[0] == areas[255] == 0
    # One corner cut off: half the cross product of edges (-1.5, 1, 0) and (-1.5, 0, 0.5).
    corner = 0.5 * np.linalg.norm(np.cross([-1.5, 1, 0], [-1.5, 0, 0.5]))
    assert [areas[1 << bit] for bit in range(8)] == pytest.approx([corner] * 8)
    # The lower slice inside: a face of 2 by 1 mm.
    assert areas[0b00001111] == pytest.approx(2.0)
    # The first column along x inside: a face of 3 by 2 mm.
    assert areas[0b01010101] == pytest.approx(6.0)


def test_areas_are_those_of_the_published_table() -> None:
    # google-deepmind/surface-distance, lookup tables: sums of the lengths of the normals, in units of 0.125 x sqrt(3)
    # where all triangles are corners. Its numbers count voxels from the other end.
    areas = piece_areas(np.eye(3))
    published = {1: 0.2165, 3: 0.7071, 6: 0.4330, 7: 1.1495, 22: 0.6495, 23: 1.2990, 24: 0.4330, 27: 1.5731, 30: 1.3660,
                 60: 1.4142, 249: 0.4330, 233: 0.6495}  # fmt: skip
    ours = {code: areas[int(f"{code:08b}"[::-1], 2)] for code in published}
    assert ours == pytest.approx(published, abs=1e-4)


def test_the_surface_of_a_mask_is_that_of_its_background() -> None:
    areas = piece_areas(np.diag([3.0, 2.0, 1.0]))
    assert areas == pytest.approx(areas[::-1])


@pytest.mark.parametrize("degrees", [(0, 0, 0), (30, 40, 50)])
def test_all_pieces_together_are_the_mesh(degrees: tuple[float, ...]) -> None:
    from skimage.measure import marching_cubes, mesh_surface_area

    solid = box((9, 10, 11), (0, 4), (3, 9), (2, 11))
    solid[2, 5, 5] = False
    corners, faces, _, _ = marching_cubes(np.pad(solid, 1).astype(float), 0.5, spacing=(3, 2, 1), method="lorensen")
    _, areas = surface_pieces(solid, affine((3, 2, 1), degrees)[:3, :3])
    assert areas.sum() == pytest.approx(mesh_surface_area(corners, faces), rel=1e-6)


def test_places_are_the_corners_of_voxels() -> None:
    places, _ = surface_pieces(np.ones((1, 1, 1), dtype=bool), np.diag([4.0, 2.0, 1.0]))
    assert sorted(map(tuple, places)) == [(z, y, x) for z in (-2, 2) for y in (-1, 1) for x in (-0.5, 0.5)]


def test_the_nearest_of_several_places() -> None:
    assert nearest(np.array([[0.0, 0, 0], [0, 0, 9]]), np.array([[0.0, 3, 4], [0, 0, 10]])).tolist() == [5, 1]


def test_a_percentile_reached_exactly_is_taken() -> None:
    assert weighted_percentile(np.arange(100.0), np.ones(100), 95) == 94
    assert weighted_percentile(np.array([5.0, 1.0]), np.array([1.0, 99.0]), 95) == 1
    assert weighted_percentile(np.array([5.0, 1.0]), np.array([1.0, 99.0]), 100) == 5
