from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.labels.objects import box
from tests.tries import tries
from workbench.labels.polygon import fill_contours

SHAPE = (9, 11)

quarter = st.integers(-8, 48).map(lambda n: n / 4)
coarse = st.lists(st.tuples(quarter, quarter), min_size=3, max_size=9).map(np.array)


def slow(contours: list[np.ndarray], shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Inside an odd number of contours, and on the path of one: the definition, point by point, in exact fractions."""
    inside, path = np.zeros(shape, dtype=bool), np.zeros(shape, dtype=bool)
    for contour in contours:
        exact = [(Fraction(float(y)), Fraction(float(x))) for y, x in contour]
        for row, column in np.ndindex(shape):
            for (y0, x0), (y1, x1) in zip(exact, [*exact[1:], exact[0]], strict=True):
                beside = (x1 - x0) * (row - y0) - (y1 - y0) * (column - x0)
                within = min(y0, y1) <= row <= max(y0, y1) and min(x0, x1) <= column <= max(x0, x1)
                path[row, column] |= beside == 0 and within
                if (y0 > row) != (y1 > row):
                    inside[row, column] ^= bool(x0 + (row - y0) * (x1 - x0) / (y1 - y0) < column)
    return inside, path


@settings(max_examples=tries(60), deadline=None)
@given(st.lists(coarse, min_size=1, max_size=3))
def test_fill_equals_the_definition_point_by_point(contours: list[np.ndarray]) -> None:
    inside, path = slow(contours, SHAPE)
    np.testing.assert_array_equal(fill_contours(contours, shape=SHAPE), inside | path)


@settings(max_examples=tries(60), deadline=None)
@given(st.lists(st.tuples(st.floats(-4, 14), st.floats(-4, 14)), min_size=3, max_size=12))
def test_fill_equals_scikit_image_off_the_path(points: list[tuple[float, float]]) -> None:
    from skimage.measure import grid_points_in_poly

    vertices = np.round(np.array(points), 3)
    off_path = ~slow([vertices], SHAPE)[1]
    expected = grid_points_in_poly(SHAPE, vertices)
    np.testing.assert_array_equal(fill_contours([vertices], shape=SHAPE)[off_path], expected[off_path])


@settings(max_examples=tries(40), deadline=None)
@given(coarse, st.integers(0, 8))
def test_neither_start_nor_direction_of_a_contour_matters(vertices: np.ndarray, start: int) -> None:
    expected = fill_contours([vertices], shape=SHAPE)
    turned = np.roll(vertices, start, axis=0)
    np.testing.assert_array_equal(fill_contours([turned], shape=SHAPE), expected)
    np.testing.assert_array_equal(fill_contours([turned[::-1]], shape=SHAPE), expected)
    closed = np.concatenate([vertices, vertices[:1]])
    np.testing.assert_array_equal(fill_contours([closed], shape=SHAPE), expected)


def test_centre_on_the_contour_belongs_to_the_region() -> None:
    assert fill_contours([box(1, 2, 3, 5)], shape=SHAPE).sum() == 3 * 4


def test_contour_within_a_contour_is_a_hole() -> None:
    ring = fill_contours([box(0.5, 0.5, 7.5, 7.5), box(2.5, 2.5, 4.5, 4.5)], shape=SHAPE)
    assert ring.sum() == 7 * 7 - 2 * 2
    assert not ring[3:5, 3:5].any()


def test_island_in_a_hole_is_filled() -> None:
    rings = [box(0.5, 0.5, 7.5, 7.5), box(1.5, 1.5, 6.5, 6.5), box(3.5, 3.5, 4.5, 4.5)]
    assert fill_contours(rings, shape=SHAPE).sum() == 49 - 25 + 1


def test_keyhole_is_a_hole_with_its_channel_in_the_region() -> None:
    outer, inner = box(0.5, 0.5, 7.5, 7.5), box(2.5, 2.5, 4.5, 4.5)
    keyhole = np.concatenate([outer, outer[:1], inner[:1], inner[::-1], outer[:1]])
    expected = fill_contours([outer, inner], shape=SHAPE)
    np.testing.assert_array_equal(fill_contours([keyhole], shape=SHAPE), expected)


def test_contours_that_touch_leave_no_line_between_them() -> None:
    both = fill_contours([box(1, 1, 4, 4), box(1, 4, 4, 8)], shape=SHAPE)
    np.testing.assert_array_equal(both, fill_contours([box(1, 1, 4, 8)], shape=SHAPE))


@pytest.mark.parametrize("noise", [1e-9, -1e-9])
def test_rounding_noise_does_not_decide_on_a_border(noise: float) -> None:
    np.testing.assert_array_equal(
        fill_contours([box(1, 2, 3, 5) + noise], shape=SHAPE), fill_contours([box(1, 2, 3, 5)], shape=SHAPE)
    )


def test_part_outside_the_image_is_cut_off() -> None:
    assert fill_contours([box(-5.5, -5.5, 1.5, 2.5)], shape=SHAPE).sum() == 2 * 3
    assert fill_contours([box(-1e12, -1e12, 1e12, 1e12)], shape=SHAPE).all()
    assert not fill_contours([box(20, 20, 30, 30)], shape=SHAPE).any()
