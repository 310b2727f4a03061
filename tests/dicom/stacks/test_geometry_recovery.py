"""Any geometry written into files comes back: affine to 1e-4 mm, verdict, and every frame in its place."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import factories, multiframe
from tests.tries import tries
from workbench.dicom.scan import scan
from workbench.dicom.series import iterate_series


@dataclass(frozen=True)
class Truth:
    """A stack as it was written."""

    orientation: tuple[float, ...]
    origin: tuple[float, float, float]
    step: float
    n: int
    lean: tuple[float, float]
    missing: frozenset[int]
    b_values: tuple[float, ...]
    order: tuple[int, ...]
    drift: float

    @property
    def places(self) -> np.ndarray:
        row, column = np.array(self.orientation[:3]), np.array(self.orientation[3:])
        depth = self.step * np.arange(self.n) * (1 + self.drift * np.arange(self.n))
        along = np.cross(row, column) + self.lean[0] * row + self.lean[1] * column
        return np.array(self.origin) + np.outer(depth, along)

    @property
    def kept(self) -> list[int]:
        return [k for k in range(self.n) if k not in self.missing]

    @property
    def kind(self) -> str:
        if self.drift:
            return "variable"
        if self.missing:
            return "gaps"
        return "sheared" if self.leaning else "regular"

    @property
    def leaning(self) -> bool:
        return bool(np.hypot(*self.lean) > 0)


@st.composite
def truths(draw: st.DrawFn) -> Truth:
    angle = st.floats(-180, 180)
    place = st.floats(-400, 400)
    n = draw(st.integers(3, 9))
    inner = draw(st.lists(st.integers(1, n - 2), max_size=max(0, (n - 3) // 2), unique=True))
    # At least one pair of neighbours must be left, or the even grid would be a coarser one.
    kind = draw(st.sampled_from(["even", "even", "lean", "drift"]))
    missing = frozenset(k for k in inner if k > 1 and kind != "drift")
    lean = (draw(st.floats(0.05, 0.5)), draw(st.floats(-0.5, -0.05))) if kind == "lean" else (0.0, 0.0)
    b_values = draw(st.sampled_from([(0.0,), (0.0, 800.0), (0.0, 50.0, 1000.0)]))
    many = (n - len(missing)) * len(b_values)
    return Truth(
        factories.turned(draw(angle), draw(angle), draw(angle)),
        (draw(place), draw(place), draw(place)),
        draw(st.floats(0.4, 8)), n, lean,
        missing, b_values, tuple(draw(st.permutations(range(many)))),
        0.02 if kind == "drift" else 0.0,
    )  # fmt: skip


def write(folder: Path, truth: Truth) -> None:
    number = 0
    for b in truth.b_values:
        for k in truth.kept:
            factories.image(
                folder / f"{truth.order[number]:03d}", 1000 + truth.order[number], frames=np.zeros((2, 3), "<i2"),
                Modality="MR", DiffusionBValue=b, SliceThickness=99, SpacingBetweenSlices=77,
                ImagePositionPatient=[round(float(v), 6) for v in truth.places[k]],
                ImageOrientationPatient=[round(float(v), 10) for v in truth.orientation],
            )  # fmt: skip
            number += 1


def check(folder: Path, truth: Truth) -> None:
    (series,) = iterate_series(scan(folder).table, folder)
    (plan,) = series.plans
    grid = plan.grid
    assert (grid.kind, "sheared" in grid.flags) == (truth.kind, truth.kind == "gaps" and truth.leaning)
    assert plan.cells.size == plan.n_frames == len(truth.kept) * len(truth.b_values)
    np.testing.assert_allclose(grid.positions, truth.places[truth.kept], atol=1e-4)
    if truth.kind in ("regular", "sheared"):
        assert grid.affine is not None
        np.testing.assert_allclose(grid.affine[:3, 0], np.diff(truth.places, axis=0)[0], atol=1e-4)
        np.testing.assert_allclose(grid.affine[:3, 1], np.array(truth.orientation[3:]) * 0.5, atol=1e-4)
        np.testing.assert_allclose(grid.affine[:3, 2], np.array(truth.orientation[:3]) * 0.8, atol=1e-4)
        np.testing.assert_allclose(grid.affine[:3, 3], truth.places[0], atol=1e-4)
    else:
        assert grid.affine is None
    if truth.kind == "gaps":
        assert grid.n_gaps == len(truth.missing)
        assert grid.slice_spacing == pytest.approx(truth.step, abs=1e-4)
    if len(truth.b_values) > 1:
        assert [extra.name for extra in plan.extras] == ["b_value"]
        assert plan.extras[0].values.tolist() == list(truth.b_values)
        b = np.array(plan.rows["DiffusionBValue"].to_pylist())[plan.cells]
        assert (b == np.array(truth.b_values)[:, None]).all()


@given(truths())
@settings(derandomize=True, deadline=None, max_examples=tries(60))
def test_any_stack_of_files(tmp_path_factory: Any, truth: Truth) -> None:
    folder = tmp_path_factory.mktemp("stack")
    write(folder, truth)
    check(folder, truth)


@given(truths())
@settings(derandomize=True, deadline=None, max_examples=tries(40))
def test_any_stack_in_one_enhanced_object(tmp_path_factory: Any, truth: Truth) -> None:
    folder = tmp_path_factory.mktemp("enhanced")
    every = [(truth.places[k].round(6).tolist(), b) for b in truth.b_values for k in truth.kept]
    shuffled = [every[i] for i in truth.order]
    multiframe.enhanced(
        folder / "a", [place for place, _ in shuffled], frames=np.zeros((len(every), 2, 3), "<i2"),
        orientation=truth.orientation, SOPClassUID=multiframe.ENHANCED_MR, Modality="MR",
        per_frame={"MRDiffusionSequence": [{"DiffusionBValue": b} for _, b in shuffled]},
    )  # fmt: skip
    check(folder, truth)


@given(truths(), st.data())
@settings(derandomize=True, deadline=None, max_examples=tries(20))
def test_one_image_twice_under_another_uid_is_refused_and_named(tmp_path_factory: Any, truth: Truth, data: Any) -> None:
    folder = tmp_path_factory.mktemp("twice")
    write(folder, truth)
    victim = data.draw(st.sampled_from(truth.kept))
    factories.image(
        folder / "again", 9999, frames=np.ones((2, 3), "<i2"), Modality="MR", DiffusionBValue=truth.b_values[0],
        ImagePositionPatient=[round(float(v), 6) for v in truth.places[victim]],
        ImageOrientationPatient=[round(float(v), 10) for v in truth.orientation],
    )  # fmt: skip
    (series,) = iterate_series(scan(folder).table, folder)
    (plan,) = series.plans
    assert "no tag separates them" in plan.refused
    assert "again" in plan.refused
    np.testing.assert_allclose(plan.grid.positions, truth.places[truth.kept], atol=1e-4)
