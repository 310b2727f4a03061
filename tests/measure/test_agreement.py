"""Agreement of two masks: values worked by hand, against a brute force, and against peers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import factories
from tests.measure.volumes import box, mask, segments, volume
from tests.tries import tries
from workbench.arrays import from_array
from workbench.errors import GridMismatch, IrregularGeometry, UsageError
from workbench.measure import agreement

SHAPE = (12, 14, 16)


def values(a: xr.DataArray, b: xr.DataArray, **options: Any) -> dict[str, float]:
    table = agreement(a, b, **options)
    return dict(zip(table["feature"], table["value"], strict=True))


def test_two_voxels_two_millimetres_apart() -> None:
    # Surface of a voxel: 8 pieces of equal area at its corners. Four corners are 1 mm from the other's, four 2 mm.
    a, b = box(SHAPE, (5, 6), (6, 7), (7, 8)), box(SHAPE, (5, 6), (6, 7), (9, 10))
    found = values(mask(a), mask(b))
    assert found["dice"] == found["jaccard"] == 0
    assert found["surface_dice"] == pytest.approx(0.5)
    assert found["hausdorff"] == found["hausdorff_95"] == pytest.approx(2)
    assert found["mean_surface_distance"] == pytest.approx(1.5)
    assert (found["volume_a"], found["volume_b"], found["volume_difference"]) == pytest.approx((6, 6, 0))


def test_half_a_volume_and_one_slice_more() -> None:
    # Numbers from the tests of the published implementation (google-deepmind/surface-distance): means of 0.322 and
    # 0.339 from either side, Hausdorff 2.0, surface Dice 0.836, Dice 0.990.
    a, b = box((100, 100, 100), (0, 50), (0, 100), (0, 100)), box((100, 100, 100), (0, 51), (0, 100), (0, 100))
    found = values(mask(a, (2, 1, 1)), mask(b, (2, 1, 1)))
    assert found["dice"] == pytest.approx(100 / 101)
    assert found["jaccard"] == pytest.approx(50 / 51)
    assert found["hausdorff"] == found["hausdorff_95"] == pytest.approx(2)
    assert found["surface_dice"] == pytest.approx(0.836, abs=5e-4)
    assert 0.322 < found["mean_surface_distance"] < 0.339
    assert found["volume_difference_percent"] == pytest.approx(2)


@pytest.mark.parametrize("degrees", [(0, 0, 0), (20, -35, 50)])
@pytest.mark.parametrize(("axis", "step"), [(0, 3.0), (1, 2.0), (2, 1.0)])
def test_a_shifted_box_is_apart_by_the_voxels_own_millimetres(
    degrees: tuple[float, ...], axis: int, step: float
) -> None:
    a = box(SHAPE, (3, 7), (3, 7), (3, 7))
    b = np.roll(a, 2, axis=axis)
    found = values(mask(a, degrees=degrees), mask(b, degrees=degrees), tolerance_mm=2 * step)
    assert found["dice"] == pytest.approx(0.5)
    assert found["jaccard"] == pytest.approx(1 / 3)
    assert found["hausdorff"] == pytest.approx(2 * step)
    # The whole face that moved is further than anything else, and more than 5 % of the surface.
    assert found["hausdorff_95"] == pytest.approx(2 * step)
    # A tolerance equal to the distance forgives it, whatever the rounding of a turned grid.
    assert found["surface_dice"] == 1


def test_ninety_five_percent_are_of_the_area_and_not_of_the_pieces() -> None:
    # One far voxel beside a large box: below 5 % of the area, so that it shows in the largest distance alone.
    a = box((20, 20, 30), (2, 18), (2, 18), (2, 18))
    b = a.copy()
    b[10, 10, 27] = True
    found = values(mask(a, (1, 1, 1)), mask(b, (1, 1, 1)))
    assert found["hausdorff"] == pytest.approx(10.0)
    assert found["hausdorff_95"] == 0


def test_a_mask_agrees_with_itself() -> None:
    a = mask(box(SHAPE, (3, 7), (2, 9), (0, 5)))
    found = values(a, a, tolerance_mm=0)
    assert (found["dice"], found["jaccard"], found["surface_dice"]) == (1, 1, 1)
    assert [found[name] for name in ("hausdorff", "hausdorff_95", "mean_surface_distance")] == [0, 0, 0]
    assert found["volume_difference"] == found["volume_difference_percent"] == 0


blobs = st.integers(0, 2**32 - 1).map(lambda seed: np.random.default_rng(seed).random((5, 6, 7)) < 0.25)


@given(blobs, blobs)
@settings(max_examples=tries(25), deadline=None)
def test_agreement_is_symmetric(one: np.ndarray, other: np.ndarray) -> None:
    there, back = values(mask(one), mask(other)), values(mask(other), mask(one))
    for name in ("dice", "jaccard", "surface_dice", "hausdorff", "hausdorff_95", "mean_surface_distance"):
        assert there[name] == pytest.approx(back[name], nan_ok=True)
    assert there["volume_difference"] == -back["volume_difference"]


def brute_force(
    a: np.ndarray, b: np.ndarray, spacing: tuple[float, float, float], tolerance: float
) -> dict[str, float]:
    """The same cell by cell: each 2x2x2 block has a mesh of its own, every piece is set against every other."""
    from skimage.measure import marching_cubes, mesh_surface_area

    sides = []
    for each in (a, b):
        padded = np.pad(each, 1)
        places, areas = [], []
        for z, y, x in np.ndindex(tuple(size - 1 for size in padded.shape)):
            cell = padded[z : z + 2, y : y + 2, x : x + 2]
            if cell.any() and not cell.all():
                cell = ~cell if cell.sum() > 4 else cell
                areas.append(
                    mesh_surface_area(*marching_cubes(cell * 1.0, 0.5, spacing=spacing, method="lorensen")[:2])
                )
                places.append((z, y, x))
        sides.append((np.array(places) * spacing, np.array(areas)))
    (p, u), (q, v) = sides
    apart = np.linalg.norm(p[:, None] - q[None], axis=-1)
    to_b, to_a = apart.min(axis=1), apart.min(axis=0)
    both, weights = np.concatenate([to_b, to_a]), np.concatenate([u, v])

    def percentile(x: np.ndarray, w: np.ndarray) -> float:
        return min(value for value in np.unique(x) if w[x <= value].sum() >= 0.95 * w.sum() * (1 - 1e-9))

    return {
        "dice": 2 * (a & b).sum() / (a.sum() + b.sum()),
        "surface_dice": weights[both <= tolerance + 1e-9].sum() / weights.sum(),
        "hausdorff": both.max(),
        "hausdorff_95": max(percentile(to_b, u), percentile(to_a, v)),
        "mean_surface_distance": np.average(both, weights=weights),
    }


@pytest.mark.parametrize("seed", range(6))
def test_equals_a_brute_force_over_all_cells(seed: int) -> None:
    from scipy.ndimage import gaussian_filter

    draw = np.random.default_rng(seed)
    spacing = (2.5, 0.7, 1.1)
    a, b = (gaussian_filter(draw.normal(size=(9, 14, 12)), 1.5) > 0.05 for _ in range(2))
    expected = brute_force(a, b, spacing, 1.5)
    found = values(mask(a, spacing, (10, 20, 30)), mask(b, spacing, (10, 20, 30)), tolerance_mm=1.5)
    assert {name: found[name] for name in expected} == pytest.approx(expected, rel=1e-6)


def test_overlap_and_hausdorff_are_those_of_simpleitk_where_definitions_agree() -> None:
    import SimpleITK as sitk  # noqa: N813

    # Its Hausdorff distance is between sets of voxels: that of the surfaces where no body holds the other.
    a, b = box(SHAPE, (2, 6), (3, 9), (4, 10)), box(SHAPE, (4, 8), (3, 9), (6, 12))
    ours = values(mask(a, degrees=(5, 25, -10)), mask(b, degrees=(5, 25, -10)))
    theirs = [volume(each.astype("uint8"), degrees=(5, 25, -10)).patient.to_simpleitk() for each in (a, b)]
    overlap, distance = sitk.LabelOverlapMeasuresImageFilter(), sitk.HausdorffDistanceImageFilter()
    overlap.Execute(*theirs)
    distance.Execute(*theirs)
    assert ours["dice"] == pytest.approx(overlap.GetDiceCoefficient())
    assert ours["jaccard"] == pytest.approx(overlap.GetJaccardCoefficient())
    assert ours["hausdorff"] == pytest.approx(distance.GetHausdorffDistance())


def test_segments_are_matched_by_name() -> None:
    one, two = box(SHAPE, (2, 6), (2, 6), (2, 6)), box(SHAPE, (6, 9), (6, 9), (6, 9))
    table = agreement(segments({"GTV": one, "LUNG": two, "CORD": one}), segments({"LUNG": two, "GTV": one, "EYE": two}))
    dice = table[table["feature"] == "dice"].set_index("segment")
    assert dice["value"].to_dict() == pytest.approx({"GTV": 1, "LUNG": 1, "CORD": np.nan, "EYE": np.nan}, nan_ok=True)
    assert dice["reason"].to_dict() == {
        "GTV": "", "LUNG": "", "CORD": "the segment is only in a", "EYE": "the segment is only in b",
    }  # fmt: skip


def test_names_that_differ_are_matched_by_a_mapping() -> None:
    one = box(SHAPE, (2, 6), (2, 6), (2, 6))
    a, b = segments({"GTV": one, "CORD": one}), segments({"gtv_1": one, "eye": one})
    table = agreement(a, b, match={"GTV": "gtv_1"})
    assert set(table["segment"]) == {"GTV"}
    assert table["value"].iloc[0] == 1
    with pytest.raises(UsageError, match="no segment 'lesion' in b"):
        agreement(a, b, match={"GTV": "lesion"})


def test_names_that_are_not_unique_are_refused() -> None:
    one = box(SHAPE, (2, 6), (2, 6), (2, 6))
    twice = segments({"GTV": one, "CORD": one}).assign_coords(segment=["GTV", "GTV"])
    with pytest.raises(UsageError, match="several segments"):
        agreement(twice, twice)


def test_one_segment_of_each_of_two_readers() -> None:
    one = box(SHAPE, (2, 6), (2, 6), (2, 6))
    table = agreement(
        segments({"GTV": one, "X": one}).sel(segment="GTV"), segments({"lesion": one}).sel(segment="lesion")
    )
    assert table["value"].iloc[0] == 1
    assert set(table["segment"]) == {"GTV"}


def test_empty_masks_have_reasons_and_never_a_distance() -> None:
    some, none = mask(box(SHAPE, (2, 6), (2, 6), (2, 6))), mask(np.zeros(SHAPE))
    table = agreement(some, none).set_index("feature")
    assert table.loc[["dice", "jaccard", "surface_dice"], "value"].tolist() == [0, 0, 0]
    far = table.loc[["hausdorff", "hausdorff_95", "mean_surface_distance"]]
    assert far["value"].isna().all()
    assert set(far["reason"]) == {"mask b is empty"}
    assert table.loc["volume_difference_percent", "value"] == -100
    assert agreement(none, some).set_index("feature").loc["volume_difference_percent", "reason"] == "mask a is empty"
    both = agreement(none, none).set_index("feature")
    assert both["value"].isna().sum() == 7
    assert set(both.loc[both["value"].isna(), "reason"]) == {"both masks are empty", "mask a is empty"}


def test_every_missing_number_has_a_reason_and_no_other() -> None:
    one = box(SHAPE, (2, 6), (2, 6), (2, 6))
    table = agreement(segments({"a": one, "b": np.zeros(SHAPE)}), segments({"a": one, "b": one, "c": one}))
    assert (table["value"].isna() == (table["reason"] != "")).all()


def test_other_grids_and_frames_are_refused() -> None:
    a = box(SHAPE, (2, 6), (2, 6), (2, 6))
    with pytest.raises(GridMismatch, match="grids differ"):
        agreement(mask(a), mask(a, (3, 2, 1.1)))
    with pytest.raises(GridMismatch, match="grids differ"):
        agreement(mask(a), mask(a).isel(z=slice(1, None)))
    other = from_array(a, np.eye(4)[:, [2, 1, 0, 3]], frame_of_reference_uid="1.2.3")["image"]
    unstated = from_array(a, np.eye(4)[:, [2, 1, 0, 3]])["image"]
    with pytest.raises(GridMismatch, match="FrameOfReferenceUID"):
        agreement(other, unstated)
    assert agreement(other, unstated, check_frame=False)["value"].iloc[0] == 1


def test_slices_with_a_gap_are_refused_by_the_name_of_the_finding(tmp_path: Path) -> None:
    factories.stack(tmp_path, (0, 2, 4, 8, 10))
    ds = xr.open_dataset(tmp_path, engine="dicom")
    with_mask = ds.assign(mask=ds["image"] > 2000)
    with pytest.raises(IrregularGeometry, match="slices-missing"):
        agreement(with_mask, with_mask)


def test_tilted_slices_are_measured_where_they_are(tmp_path: Path) -> None:
    factories.stack(tmp_path, (0, 2, 4, 6, 8), lean=(0, 0.5, 0))
    ds = xr.open_dataset(tmp_path, engine="dicom")
    assert ds.attrs["geometry"] == "sheared"
    one = np.zeros(ds["image"].shape, dtype=bool)
    one[1, 2, 3] = True
    a, b = (ds.assign(mask=ds["image"].copy(data=each)) for each in (one, np.roll(one, 1, axis=0)))
    # From slice to slice: 2 mm up and 1 mm along.
    table = agreement(a, b).set_index("feature")["value"]
    assert table["hausdorff"] == pytest.approx(5**0.5)
    assert table["volume_a"] == pytest.approx(2 * 0.5 * 0.8)
    # An array taken out of its Dataset says nothing of the lean, and what to give instead is told.
    with pytest.raises(IrregularGeometry, match=r"array alone.*give the Dataset"):
        agreement(a["mask"], b["mask"])


@pytest.mark.parametrize("tolerance", [-1, np.nan, np.inf, True])
def test_an_impossible_tolerance_is_refused(tolerance: Any) -> None:
    a = mask(box(SHAPE, (2, 6), (2, 6), (2, 6)))
    with pytest.raises(UsageError, match="tolerance_mm"):
        agreement(a, a, tolerance_mm=tolerance)


def test_fractions_and_labels_are_no_masks() -> None:
    a = mask(box(SHAPE, (2, 6), (2, 6), (2, 6)))
    with pytest.raises(UsageError, match=r"fraction >= 0\.5"):
        agreement(a, a.astype("float32"))


def test_settings_name_the_definitions() -> None:
    a = mask(box(SHAPE, (2, 6), (2, 6), (2, 6)))
    one, other = agreement(a, a), agreement(a, a, tolerance_mm=3)
    assert "1809.04430" in one.attrs["settings"]["definitions"]["surface"]
    assert other.attrs["settings"]["tolerance_mm"] == 3
    assert one.attrs["settings_digest"] != other.attrs["settings_digest"]
