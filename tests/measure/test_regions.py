"""Region growing from a place in the patient."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.measure.volumes import volume
from workbench.errors import NotMeasurable, OutsideImage, UsageError
from workbench.measure import grow

SPACING = (3, 2, 1)


def two_spheres() -> np.ndarray:
    z, y, x = np.indices((9, 14, 30))
    values = np.zeros((9, 14, 30))
    for centre in ((4, 7, 7), (4, 7, 22)):
        far = sum(((i - c) * s) ** 2 for i, c, s in zip((z, y, x), centre, SPACING, strict=True))
        values[far <= 36] = 100 + (centre[2] == 22)
    return values


@pytest.mark.parametrize("degrees", [(0, 0, 0), (15, -25, 40)])
def test_a_region_grows_from_a_place_in_the_patient_and_stops_at_the_edge(degrees: Any) -> None:
    values = two_spheres()
    ds = volume(values, SPACING, degrees)
    seed = ds.patient.to_patient([4, 7, 8])
    assert (grow(ds, seed, tolerance=5).values == (values == 100)).all()
    assert (grow(ds, ds.patient.to_patient([4, 7, 22]), tolerance=0).values == (values == 101)).all()


def test_a_tolerance_as_large_as_the_step_crosses_it() -> None:
    values = two_spheres()
    ds = volume(values, SPACING)
    assert grow(ds, ds.patient.to_patient([4, 7, 8]), tolerance=100).all()
    assert (grow(ds, ds.patient.to_patient([4, 7, 8]), tolerance=99.9).values == (values == 100)).all()


def test_corners_join_only_where_asked() -> None:
    values = np.zeros((2, 2, 4))
    values[0, 0, :2] = values[0, 1, 2] = values[1, 0, 3] = 9
    ds = volume(values)
    seed = ds.patient.to_patient([0, 0, 0])
    counts = [int(grow(ds, seed, tolerance=1, connectivity=n).sum()) for n in (1, 2, 3)]
    assert counts == [2, 3, 4]


def test_unsigned_numbers_do_not_wrap_around() -> None:
    ds = volume(np.array([[[3, 250, 1], [0, 255, 2]]] * 2, dtype="uint8"))
    assert grow(ds, ds.patient.to_patient([0, 0, 0]), tolerance=10).values[0].tolist() == [
        [True, False, False],
        [True, False, False],
    ]


def test_the_mask_says_where_it_grew_from() -> None:
    ds = volume(two_spheres(), SPACING)
    said = grow(ds, ds.patient.to_patient([4, 7, 8]), tolerance=5).attrs
    assert (said["region_value"], said["region_tolerance"], said["region_units"]) == (100, 5, "[hnsf'U]")


def test_what_cannot_grow_is_refused() -> None:
    values = two_spheres()
    values[0, 0, 0] = np.nan
    ds = volume(values, SPACING)
    inside = ds.patient.to_patient([4, 7, 8])
    with pytest.raises(OutsideImage):
        grow(ds, ds.patient.to_patient([4, 7, 200]), tolerance=5)
    with pytest.raises(NotMeasurable, match="no value"):
        grow(ds, ds.patient.to_patient([0, 0, 0]), tolerance=5)
    with pytest.raises(UsageError, match="tolerance"):
        grow(ds, inside, tolerance=-1)
    with pytest.raises(UsageError, match="connectivity"):
        grow(ds, inside, tolerance=1, connectivity=6)
    with pytest.raises(UsageError, match=r"not \(z, y, x\)"):
        grow(ds["image"].expand_dims(time=2), inside, tolerance=1)
