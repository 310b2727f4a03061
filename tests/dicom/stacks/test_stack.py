"""One part becomes a plan: which frame goes where, and what is irregular."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import factories
from tests.tries import tries
from workbench.dicom.scan import scan
from workbench.dicom.stacks.split import split
from workbench.dicom.stacks.stack import Plan, make_plan


def plan_of(folder: Path) -> Plan:
    parts = split(scan(folder).instances)
    assert len(parts) == 1
    return make_plan(parts[0])


def numbers(plan: Plan) -> list[Any]:
    """InstanceNumber in each cell, None where there is no frame."""
    values = [*plan.rows["InstanceNumber"].to_pylist(), None]
    return np.array(values, dtype=object)[plan.cells].tolist()


def codes(plan: Plan) -> list[str]:
    return [finding.code for finding in plan.findings]


def test_slices_ascend_along_the_normal_whatever_the_numbers_say(tmp_path: Path) -> None:
    factories.stack(tmp_path, (10, 0, 4, 2, 8, 6))
    plan = plan_of(tmp_path)
    assert numbers(plan) == [2, 4, 3, 6, 5, 1]
    assert plan.grid.kind == "regular"


@pytest.mark.parametrize(
    ("depths", "options", "kind"),
    [
        ((0, 2, 4, 8, 10), {}, "gaps"),
        ((0, 2, 4, 6), {"lean": (0, 0.268, 0)}, "sheared"),
        ((0, 2.2, 4, 6), {}, "variable"),
        ((0,), {}, "single"),
        ((0, 2), {"ImagePositionPatient": None}, "unplaced"),
        ((0, 2), {"ImageOrientationPatient": None}, "unplaced"),
        ((0, 2), {"ImageOrientationPatient": [1, 0, 0, 1, 0, 0]}, "unplaced"),
        ((0, 2), {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.1.2", "ImagePositionPatient": None}, "projection"),
    ],
)
def test_verdict_table(depths: tuple[float, ...], options: dict[str, Any], kind: str, tmp_path: Path) -> None:
    factories.stack(tmp_path, depths, **options)
    plan = plan_of(tmp_path)
    assert plan.grid.kind == kind
    assert plan.refused == ""
    assert (plan.cells >= 0).sum() == plan.n_frames == len(depths)


def b_values(folder: Path, levels: tuple[float, ...] = (0, 1000), **common: Any) -> None:
    for i, level in enumerate(levels):
        factories.stack(folder / str(i), first=1 + 10 * i, DiffusionBValue=float(level), **common)


def test_two_b_values_are_a_dimension(tmp_path: Path) -> None:
    b_values(tmp_path)
    plan = plan_of(tmp_path)
    assert plan.extras
    assert (plan.extras[0].name, plan.extras[0].values.tolist(), plan.extras[0].units) == (
        "b_value",
        [0, 1000],
        "s/mm2",
    )
    assert numbers(plan) == [[1, 2, 3, 4, 5, 6], [11, 12, 13, 14, 15, 16]]
    assert plan.grid.kind == "regular"
    assert codes(plan) == []


@pytest.mark.parametrize(
    ("keyword", "values", "name", "levels"),
    [
        ("EchoTime", (10, 80), "echo_time", [10, 80]),
        ("FlipAngle", (5, 15), "flip_angle", [5, 15]),
        ("TriggerTime", (0, 500), "time", [0, 500]),
        ("TemporalPositionIdentifier", (1, 2), "time", [1, 2]),
        ("AcquisitionTime", ("235959.5", "000000"), "time", [0, 86399.5]),
        ("AcquisitionTime", ("101500", "101530.25"), "time", [0, 30.25]),
    ],
)
def test_every_rule_makes_its_dimension(
    keyword: str, values: tuple[Any, Any], name: str, levels: list[float], tmp_path: Path
) -> None:
    for i, value in enumerate(values):
        factories.stack(tmp_path / str(i), (0, 2, 4), first=1 + 10 * i, **{keyword: value})
    plan = plan_of(tmp_path)
    assert plan.extras
    assert plan.extras[0].name == name
    assert plan.extras[0].values.tolist() == pytest.approx(levels)


def test_ragged_stack_keeps_every_frame_and_is_a_finding(tmp_path: Path) -> None:
    b_values(tmp_path)
    (tmp_path / "1" / "0002.dcm").unlink()
    plan = plan_of(tmp_path)
    assert numbers(plan) == [[1, 2, 3, 4, 5, 6], [11, 12, None, 14, 15, 16]]
    assert codes(plan) == ["ragged-stack"]
    assert plan.findings[0].count == 1


def test_same_position_without_a_key_is_refused_naming_both(tmp_path: Path) -> None:
    factories.stack(tmp_path)
    factories.image(tmp_path / "extra.dcm", 3, SOPInstanceUID="1.9", ImagePositionPatient=[-10, 20, 34])
    plan = plan_of(tmp_path)
    assert codes(plan) == ["same-position"]
    assert "34.00 mm" in plan.refused
    assert "0002.dcm" in plan.refused
    assert "extra.dcm" in plan.refused


def test_time_order_from_instance_number_is_the_last_resort_with_its_finding(tmp_path: Path) -> None:
    # Numbered volume by volume, the second volume's files named before the first's.
    factories.stack(tmp_path / "b", (0, 2, 4), first=1)
    factories.stack(tmp_path / "a", (0, 2, 4), first=4)
    plan = plan_of(tmp_path)
    assert numbers(plan) == [[1, 2, 3], [4, 5, 6]]
    assert plan.extras
    assert plan.extras[0].name == "time"
    assert codes(plan) == ["time-order-from-instance-number"]


def test_positions_that_differ_in_the_last_digit_keep_the_time_order(tmp_path: Path) -> None:
    factories.stack(tmp_path / "a", (0, 2, 4), first=1, origin=(0, 0, 1e-6))
    factories.stack(tmp_path / "b", (0, 2, 4), first=4, origin=(0, 0, 0))
    assert numbers(plan_of(tmp_path)) == [[1, 2, 3], [4, 5, 6]]


def test_mosaic_is_not_taken_for_a_volume(tmp_path: Path) -> None:
    factories.stack(tmp_path, (0, 2), ImageType=["ORIGINAL", "PRIMARY", "M", "MOSAIC"])
    plan = plan_of(tmp_path)
    assert plan.grid.kind == "unplaced"
    assert "mosaic" in codes(plan)


def test_unplaced_images_stand_in_order_of_instance_number(tmp_path: Path) -> None:
    factories.stack(tmp_path, (0, 2, 4), order=(2, 0, 1), ImagePositionPatient=None)
    assert numbers(plan_of(tmp_path)) == [1, 2, 3]


def test_frames_of_a_multi_frame_object_stand_in_stored_order(tmp_path: Path) -> None:
    factories.image(tmp_path / "a", frames=np.zeros((5, 4, 4), "<i2"))
    plan = plan_of(tmp_path)
    assert plan.rows["frame"].to_pylist() == [0, 1, 2, 3, 4]
    assert plan.grid.kind == "unplaced"
    assert codes(plan) == ["multi-frame-unplaced"]
    assert plan.shape == (5, 4, 4)


@given(
    st.permutations(range(6)),
    st.sampled_from(["plain", "gap", "b", "time", "noise"]),
)
@settings(derandomize=True, deadline=None, max_examples=tries(25))
def test_order_of_files_never_matters(tmp_path_factory: Any, order: list[int], shape: str) -> None:
    folder = tmp_path_factory.mktemp("order")
    depths = (0, 2, 4, 8, 10, 12) if shape == "gap" else (0, 2, 4, 6, 8, 10)
    # Orientations that differ in the last digits: one of them must be chosen the same way every time.
    noise = {"ImageOrientationPatient": [[1, 0, i * 1e-5, 0, 1, 0] for i in range(6)]} if shape == "noise" else {}
    plans = []
    for name, names in (("a", list(range(6))), ("b", list(order))):
        factories.stack(folder / name / "0", depths, order=names, per_slice=noise)
        if shape in ("b", "time"):
            extra = {"DiffusionBValue": 1000.0} if shape == "b" else {}
            factories.stack(folder / name / "1", depths, order=names, first=11, **extra)
        if shape == "b":
            factories.stack(folder / name / "0", depths, order=names, DiffusionBValue=0.0)
        plans.append(plan_of(folder / name))
    one, other = plans
    assert numbers(one) == numbers(other)
    assert one.grid.kind == other.grid.kind
    assert (one.grid.positions == other.grid.positions).all()
    if one.grid.affine is not None:
        assert other.grid.affine is not None
        assert (one.grid.affine == other.grid.affine).all()


def test_thickness_in_the_headers_tells_variable_series_from_missing_slices(tmp_path: Path) -> None:
    depths, following = (0, 2.5, 5, 10, 15, 20, 25), [2.5, 2.5, 5, 5, 5, 5, 5]
    for name, thickness in (("variable", following), ("constant", [2.5] * 7)):
        factories.stack(tmp_path / name, depths, per_slice={"SliceThickness": thickness})
    kinds = {
        name: make_plan(scan(tmp_path / name).instances).grid.kind for name in ("variable", "constant")
    }  # fmt: skip
    assert kinds == {"variable": "variable", "constant": "gaps"}


def test_thickness_that_images_at_one_place_do_not_share_tells_nothing(tmp_path: Path) -> None:
    depths = (0, 2.5, 5, 10, 15, 20, 25)
    for b, thickness in ((0, [2.5, 2.5, 5, 5, 5, 5, 5]), (800, [2.5] * 7)):
        factories.stack(
            tmp_path, depths, first=1 + b, order=range(b, b + 7), Modality="MR", DiffusionBValue=float(b),
            per_slice={"SliceThickness": thickness},
        )  # fmt: skip
    plan = make_plan(scan(tmp_path).instances)
    # Four slices of eleven would be missing, fewer than are there.
    assert (plan.grid.kind, plan.grid.n_gaps, plan.cells.shape) == ("gaps", 4, (2, 7))
