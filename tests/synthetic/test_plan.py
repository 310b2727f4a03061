from __future__ import annotations

from dataclasses import replace

import pytest

from workbench.synthetic.draws import make_plan
from workbench.synthetic.plan import Placement, centred, uid


def test_point_follows_step_rows_and_columns():
    place = Placement((1.0, 2.0, 3.0), (1.0, 0.0, 0.0), (0.0, 0.96, 0.28), (0.0, -0.84, 2.88), (2.0, 4.0), (5, 6, 7))
    assert place.point(0) == (1.0, 2.0, 3.0)
    assert place.point(0, 0, 1) == (5.0, 2.0, 3.0)
    assert place.point(0, 1, 0) == pytest.approx((1.0, 3.92, 3.56))
    assert place.point(1) == pytest.approx((1.0, 1.16, 5.88))
    assert place.slice_spacing == pytest.approx(3.0)
    assert place.voxel_volume == pytest.approx(24.0)


def test_centred_puts_the_middle_of_the_stack_there():
    place = Placement((0.0, 0.0, 0.0), (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 3.0), (2.0, 2.0), (5, 8, 8))
    moved = centred(place, (10.0, -20.0, 30.0))
    assert moved.point(2, 3.5, 3.5) == (10.0, -20.0, 30.0)
    assert replace(moved, origin=place.origin) == place


def test_uids_are_valid_and_differ_by_role():
    uids = {uid(0, "series", n) for n in range(200)}
    assert len(uids) == 200
    assert all(len(value) <= 64 and value.startswith("2.25.") for value in uids)
    assert not [value for value in uids if value.split(".")[2].startswith("0")]


def test_patient_is_the_same_whatever_the_number_of_patients():
    few, many = make_plan(patients=3, seed=4), make_plan(patients=24, seed=4)
    for small, large in zip(few.nodes, many.nodes, strict=True):
        assert replace(small.patients[0], gaps=frozenset()) == replace(large.patients[0], gaps=frozenset())


def test_pseudonyms_are_unique():
    people = [p.patient_id for node in make_plan(patients=300, seed=0).nodes for p in node.patients]
    assert len(set(people)) == 300
