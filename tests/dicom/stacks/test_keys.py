"""Images at one position are told apart by the fewest rules; nothing is dropped, guesses are findings."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
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

DEPTHS = (0, 2, 4)


def plans(folder: Path) -> list[Plan]:
    return [make_plan(part) for part in split(scan(folder).instances)]


def volumes(folder: Path, *each: dict[str, Any], per_slice: Sequence[dict[str, Any]] | None = None) -> Plan:
    """One plan of several volumes on the same three places; volume *i* has instance numbers from 10 * i."""
    for i, tags in enumerate(each):
        own = per_slice[i] if per_slice else {}
        factories.stack(folder / str(i), DEPTHS, first=10 * i + 1, per_slice=own, **({"Modality": "MR"} | tags))
    (plan,) = plans(folder)
    return plan


def names(plan: Plan) -> list[str]:
    return [extra.name for extra in plan.extras]


def codes(plan: Plan) -> list[str]:
    return [finding.code for finding in plan.findings]


@pytest.mark.parametrize(
    ("keyword", "values", "dim", "levels"),
    [
        ("DiffusionBValue", [1000.0, 0.0], "b_value", [0, 1000]),
        ("EchoTime", [10, 5], "echo_time", [5, 10]),
        ("FlipAngle", [3, 15], "flip_angle", [3, 15]),
        ("InversionTime", [50, 2000], "inversion_time", [50, 2000]),
        ("TriggerTime", [0, 300], "time", [0, 300]),
        ("TemporalPositionIdentifier", [2, 1], "time", [1, 2]),
        ("FrameReferenceTime", [500, 1500], "time", [500, 1500]),
        ("AcquisitionTime", ["101500", "101530.5"], "time", [0, 30.5]),
        ("AcquisitionNumber", [1, 2], "acquisition", [1, 2]),
        ("KVP", [80, 140], "energy", [80, 140]),
    ],
)
def test_one_rule(keyword: str, values: list[Any], dim: str, levels: list[float], tmp_path: Path) -> None:
    plan = volumes(tmp_path, *({keyword: value} for value in values))
    assert names(plan) == [dim]
    assert plan.extras[0].values.tolist() == levels
    assert (plan.shape[:2], codes(plan)) == ((2, 3), [])


def test_two_rules_make_five_dimensions(tmp_path: Path) -> None:
    tags = [{"EchoTime": e, "FlipAngle": f} for e, f in product((5, 10), (3, 15, 30))]
    plan = volumes(tmp_path, *tags)
    assert names(plan) == ["echo_time", "flip_angle"]
    assert plan.shape[:3] == (2, 3, 3)
    assert codes(plan) == []
    echo = np.array(plan.rows["EchoTime"].to_pylist())[plan.cells]
    assert (echo == np.array([5, 10])[:, None, None]).all()


def test_three_rules(tmp_path: Path) -> None:
    tags = [
        {"DiffusionBValue": b, "EchoTime": e, "TemporalPositionIdentifier": t}
        for b, e, t in product((0.0, 800.0), (5, 10), (1, 2))
    ]
    plan = volumes(tmp_path, *tags)
    assert names(plan) == ["b_value", "echo_time", "time"]
    assert plan.shape[:4] == (2, 2, 2, 3)


def test_magnitude_and_phase_are_one_array_where_they_have_the_same_places(tmp_path: Path) -> None:
    plan = volumes(
        tmp_path, {"ImageType": ["ORIGINAL", "PRIMARY", "M_FFE", "M", "FFE"]},
        {"ImageType": ["ORIGINAL", "PRIMARY", "PHASE MAP", "P", "FFE"]},
    )  # fmt: skip
    assert names(plan) == ["component"]
    assert plan.extras[0].values.tolist() == ["M", "P"]


def test_magnitude_and_phase_with_other_places_are_two_parts(tmp_path: Path) -> None:
    factories.stack(tmp_path / "m", (0, 2, 4), Modality="MR", ImageType=["ORIGINAL", "PRIMARY", "M", "ND"])
    factories.stack(tmp_path / "p", (0, 2), first=11, Modality="MR", ImageType=["ORIGINAL", "PRIMARY", "P", "ND"])
    assert sorted(plan.n_frames for plan in plans(tmp_path)) == [2, 3]


def test_diffusion_directions_are_one_dimension_in_order_of_b_value(tmp_path: Path) -> None:
    directions = [None, [1, 0, 0], [0, 1, 0], [0, 0, 1]]
    tags = [
        {"DiffusionBValue": 0.0 if d is None else 1000.0, **({} if d is None else {"DiffusionGradientOrientation": d})}
        for d in directions
    ]
    plan = volumes(tmp_path, *tags)
    assert names(plan) == ["direction"]
    b = np.array(plan.rows["DiffusionBValue"].to_pylist())[plan.cells]
    assert b[:, 0].tolist() == [0, 1000, 1000, 1000]
    assert codes(plan) == []


def test_slices_with_trigger_times_of_their_own_are_ranked_at_each_position(tmp_path: Path) -> None:
    per_slice = [{"TriggerTime": [0, 1, 2]}, {"TriggerTime": [300, 305, 295]}]
    plan = volumes(tmp_path, {}, {}, per_slice=per_slice)
    assert names(plan) == ["time"]
    assert plan.extras[0].values.tolist() == [1, 300]
    assert np.array(plan.rows["InstanceNumber"].to_pylist())[plan.cells].tolist() == [[1, 2, 3], [11, 12, 13]]
    assert codes(plan) == []


def test_times_that_go_past_midnight_keep_their_order(tmp_path: Path) -> None:
    early = {"AcquisitionDate": "20200101", "AcquisitionTime": "235950"}
    late = {"AcquisitionDate": "20200102", "AcquisitionTime": "000010"}
    plan = volumes(tmp_path, late, early)
    assert plan.extras[0].values.tolist() == [0, 20]
    assert plan.rows["InstanceNumber"].to_pylist()[int(plan.cells[0, 0])] == 11


def test_echoes_by_number_where_time_says_nothing_are_the_last_resort(tmp_path: Path) -> None:
    tags = [{"EchoTime": echo} for echo in (5, 10) for _ in range(2)]
    plan = volumes(tmp_path, *tags)
    assert names(plan) == ["echo_time", "time"]
    assert codes(plan) == ["time-order-from-instance-number"]


def test_a_second_pass_over_one_slice_is_refused_and_not_made_a_half_empty_stack(tmp_path: Path) -> None:
    factories.stack(tmp_path / "a", (0, 2, 4, 6), AcquisitionNumber=1)
    factories.stack(tmp_path / "b", (6, 8, 10, 12), first=11, AcquisitionNumber=2)
    (plan,) = plans(tmp_path)
    assert "6" in plan.refused or "36" in plan.refused
    assert codes(plan) == ["same-position"]


@given(st.integers(2, 4), st.integers(1, 3), st.integers(1, 3), st.data())
@settings(derandomize=True, deadline=None, max_examples=tries(25))
def test_any_grid_of_keys_with_a_frame_lost_comes_back_with_every_frame_in_its_cell(
    tmp_path_factory: pytest.TempPathFactory, n_b: int, n_echo: int, n_time: int, data: Any
) -> None:
    folder = tmp_path_factory.mktemp("keys")
    every = list(product(range(n_b), range(n_echo), range(n_time), range(3)))
    lost = data.draw(st.sampled_from([None, *every]))
    order = data.draw(st.permutations(range(len(every))))
    for number, (b, e, t, z) in enumerate(every):
        if (b, e, t, z) == lost:
            continue
        factories.image(
            folder / f"{order[number]:04d}", number + 1, frames=np.zeros((2, 2), "<i2"), Modality="MR",
            ImagePositionPatient=[0, 0, 3.0 * z], DiffusionBValue=500.0 * b, EchoTime=5.0 * (e + 1),
            TemporalPositionIdentifier=t + 1,
        )  # fmt: skip
    (plan,) = plans(folder)
    assert (plan.cells >= 0).sum() == plan.n_frames == len(every) - (lost is not None)
    wanted = [name for name, n in (("b_value", n_b), ("echo_time", n_echo), ("time", n_time)) if n > 1]
    if lost is None:
        assert names(plan) == wanted
        assert codes(plan) == []
        return
    assert plan.shape[-2:] == (2, 2)
    if names(plan) == wanted:
        assert codes(plan) == ["ragged-stack"]
        where = np.argwhere(plan.cells < 0).tolist()
        kept = [i for i, n in zip(lost[:3], (n_b, n_echo, n_time), strict=True) if n > 1]
        assert where == [[*kept, lost[3]]]
