"""The table of features: what it holds, what it reads, what it refuses."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from tests import factories
from tests.measure import solids
from workbench.arrays.lazy import LazyImage
from workbench.errors import GridMismatch, IrregularGeometry, UsageError
from workbench.measure.definitions import FAMILIES, TEXTURES, texture_definitions
from workbench.measure.features import COLUMNS, EMPTY, features
from workbench.measure.settings import Settings

OWN = ("shape", "spatial", "local", "intensity", "histogram", "ivh")


def values_of(table: object, column: str = "value") -> dict:
    return dict(zip(table["feature"], table[column], strict=True))


def test_every_feature_of_a_family_is_a_row_with_unit_and_tag() -> None:
    table = features(solids.dataset(solids.ball(5)), groups=OWN)
    assert tuple(table.columns) == COLUMNS
    expected = [(d.group, d.name, d.ibsi) for family in OWN for d in FAMILIES[family]]
    assert list(zip(table["group"], table["feature"], table["ibsi"], strict=True)) == expected
    assert (table["unit"] != "").all()
    assert (table["reason"] == "").all()
    assert np.isfinite(table["value"]).all()


def test_no_feature_has_the_name_or_the_tag_of_another() -> None:
    both = [d for family in OWN for d in FAMILIES[family]] + [d for f in TEXTURES for d in texture_definitions(f)]
    assert len({d.name for d in both}) == len(both)
    tags = [d.ibsi for d in both if d.ibsi]
    assert len(set(tags)) == len(tags)


def test_each_segment_is_measured_alone_and_named() -> None:
    layers = np.zeros((2, 6, 7, 8), bool)
    layers[0, 1:3, 2:4, 2:5] = True
    layers[1, 2:6, 3:5, 0:2] = True
    ds = solids.dataset(layers)
    ds = ds.assign_coords(segment_code=("segment", ["SCT:1", "SCT:2"]))
    table = features(ds)
    assert table["segment"].unique().tolist() == ["segment 0", "segment 1"]
    for index, part in table.groupby("segment_index"):
        alone = features(ds, ds["mask"].isel(segment=index))
        np.testing.assert_array_equal(part["value"], alone["value"])
        assert set(part["segment_code"]) == {f"SCT:{index + 1}"}
    assert values_of(table[table["segment_index"] == 1])["volume_voxels"] == 16


def test_intensities_carry_the_unit_of_the_image() -> None:
    found = values_of(features(solids.dataset(solids.ball(4), units="Bq/mL"), groups=("intensity", "ivh")), "unit")
    assert found["mean"] == "Bq/mL"
    assert found["variance"] == found["energy"] == "Bq2/mL2"
    assert found["skewness"] == "1"
    assert found["ivh_intensity_at_10"] == "1"
    unstated = values_of(features(solids.dataset(solids.ball(4), units="")), "unit")
    assert unstated["mean"] == unstated["variance"] == unstated["integrated_intensity"] == ""
    assert unstated["volume"] == "mm3"


def test_an_empty_segment_is_rows_without_numbers_and_the_reason() -> None:
    table = features(solids.dataset(np.zeros((4, 4, 4), bool)), groups=OWN)
    assert table["value"].isna().all()
    assert set(table["reason"]) == {EMPTY}
    assert len(table) == sum(len(FAMILIES[family]) for family in OWN)


def test_missing_values_are_left_out_and_counted() -> None:
    mask, image = np.ones((3, 3, 3), bool), np.arange(27, dtype=np.float32).reshape(3, 3, 3)
    image[0, 0, 0], image[2, 2, 2] = np.nan, np.inf
    found = values_of(features(solids.dataset(mask, image), groups=("shape", "intensity")))
    assert found["n_missing"] == 2
    assert found["n_voxels_intensity"] == 25
    assert found["n_voxels"] == 27
    assert found["mean"] == 13
    assert found["maximum"] == 25


def test_a_segment_without_any_value_has_shape_and_reasons() -> None:
    table = features(solids.dataset(np.ones((3, 3, 3), bool), np.full((3, 3, 3), np.nan)), groups=OWN)
    found, why = values_of(table), values_of(table, "reason")
    assert found["volume_voxels"] == 27
    assert (found["n_missing"], found["n_voxels_intensity"]) == (27, 0)
    for name in ("mean", "integrated_intensity", "local_peak", "moran_i", "ih_mean", "ivh_volume_at_10"):
        assert np.isnan(found[name])
        assert "no voxel of the segment has a value" in why[name]


def test_resegmentation_takes_intensities_away_and_leaves_shape() -> None:
    mask, image = np.ones((1, 1, 10), bool), np.arange(10, dtype=np.int16).reshape(1, 1, 10)
    ds = solids.dataset(np.pad(mask, ((1, 1), (0, 0), (0, 0))), np.pad(image, ((1, 1), (0, 0), (0, 0))))
    found = values_of(features(ds, settings=Settings(resegment_range=(2, 6))))
    assert (found["n_voxels"], found["n_voxels_intensity"], found["n_resegmented"]) == (10, 5, 5)
    assert (found["minimum"], found["mean"], found["maximum"]) == (2, 4, 6)
    # Mean 4.5, deviation 2.87: one deviation leaves 2 to 7, both together 2 to 6.
    both = values_of(features(ds, settings=Settings(resegment_range=(None, 6), resegment_sigma=1)))
    assert (both["minimum"], both["maximum"]) == (2, 6)


def test_constant_intensities_have_no_skewness() -> None:
    table = features(solids.dataset(np.ones((3, 3, 3), bool), np.full((3, 3, 3), 7, np.int16)), groups=OWN)
    found, why = values_of(table), values_of(table, "reason")
    assert (found["mean"], found["variance"]) == (7, 0)
    for name in ("skewness", "kurtosis", "moran_i", "ih_entropy", "ivh_volume_at_10"):
        assert np.isnan(found[name])
        assert why[name]


def test_settings_and_their_digest_go_with_the_table() -> None:
    ds = solids.dataset(solids.ball(3))
    plain, ranged = features(ds), features(ds, settings=Settings(resegment_range=(0, None)))
    assert plain.attrs["settings"] == Settings().to_dict()
    assert plain.attrs["settings_digest"] == Settings().digest
    assert ranged.attrs["settings"]["resegment_range"] == [0.0, None]
    assert ranged.attrs["settings_digest"] != plain.attrs["settings_digest"]


def test_volume_alone_needs_no_image() -> None:
    ds = solids.dataset(solids.ball(3)).drop_vars("image")
    table = features(ds, groups="volume")
    assert table["feature"].tolist() == ["n_voxels", "volume", "volume_voxels"]
    with pytest.raises(UsageError, match="no variable 'image'"):
        features(ds)


def test_shape_has_the_volumes_once() -> None:
    table = features(solids.dataset(solids.ball(3)), groups=("volume", "shape"))
    assert table["feature"].tolist().count("volume") == 1
    assert set(table["group"]) == {"shape"}


@pytest.mark.parametrize(
    ("depths", "lean", "finding"),
    [
        ((0, 2, 4, 8, 10), (0, 0, 0), "slices-missing"),
        ((0, 2, 4.5, 8, 9), (0, 0, 0), "spacing-uneven"),
        ((0, 2, 4, 6, 8), (0, 0.3, 0), "gantry-tilt"),
        ((0,), (0, 0, 0), "single-slice"),
    ],
)
def test_irregular_slices_are_refused_by_the_name_of_the_finding(
    tmp_path: Path, depths: tuple, lean: tuple, finding: str
) -> None:
    factories.stack(tmp_path, depths, lean=lean)
    ds = xr.open_dataset(tmp_path, engine="dicom")
    for groups in ("volume", "shape", "intensity"):
        with pytest.raises(IrregularGeometry, match=finding):
            features(ds, ds["image"] > 0, groups=groups)


def test_a_mask_on_another_grid_is_refused() -> None:
    mask = solids.ball(4)
    ds = solids.dataset(mask)
    coarser = solids.dataset(mask, spacing=(2, 1, 1))
    turned = solids.dataset(mask, orientation=factories.turned(0, 0, 90))
    for other in (coarser, turned, ds.isel(z=slice(1, None)), ds.isel(z=slice(None, None, -1))):
        with pytest.raises(GridMismatch):
            features(ds, other["mask"])
    with pytest.raises(GridMismatch, match="FrameOfReferenceUID"):
        features(ds, ds["mask"].assign_coords(frame_of_reference_uid="9.9"))
    with pytest.raises(GridMismatch, match="no coordinates"):
        features(ds, ds["mask"].drop_vars(["z", "y", "x"]))


def test_a_mask_computed_from_images_stands_on_their_grid() -> None:
    ds = solids.dataset(solids.ball(4), orientation=factories.turned(10, 20, 30))
    expected = features(ds, groups="shape")["value"]
    for mask in (ds["mask"] & (ds["image"] >= 0), (ds["image"] * 0 + ds["mask"]) > 0.5):
        np.testing.assert_array_equal(features(ds, mask, groups="shape")["value"], expected)
    bare = ds["mask"].copy()
    for axis in "zyx":
        bare[axis].attrs.clear()
    np.testing.assert_array_equal(features(ds, bare, groups="shape")["value"], expected)
    with pytest.raises(GridMismatch, match="elsewhere along x"):
        features(ds, bare.assign_coords(x=bare["x"] + 0.5))


def test_a_crop_of_the_dataset_measures_the_same() -> None:
    mask = solids.ball(4)
    ds = solids.dataset(mask, spacing=(2, 1, 1), orientation=factories.turned(10, 20, 30))
    whole, part = features(ds), features(ds.isel(z=slice(1, None), y=slice(1, -1), x=slice(1, None)))
    np.testing.assert_allclose(part["value"], whole["value"], rtol=1e-9)


def test_what_is_not_a_mask_is_refused() -> None:
    ds = solids.dataset(solids.ball(3))
    with pytest.raises(UsageError, match="not boolean"):
        features(ds, ds["mask"].astype("uint8"))
    with pytest.raises(UsageError, match="no variable 'lesion'"):
        features(ds, "lesion")
    with pytest.raises(UsageError, match="dims"):
        features(ds, ds["mask"].expand_dims(["reader", "segment"]))
    with pytest.raises(UsageError, match="further dimensions: time"):
        features(ds.assign(image=ds["image"].expand_dims(time=2)))
    with pytest.raises(UsageError, match="no group of features 'form'"):
        features(ds, groups="form")
    with pytest.raises(UsageError, match="no group"):
        features(ds, groups=())


def test_only_the_slices_of_the_segment_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    factories.stack(tmp_path, range(0, 40, 2))
    ds = xr.open_dataset(tmp_path, engine="dicom")
    mask = np.zeros(ds["image"].shape, bool)
    mask[7:10, 2:4, 3:6] = True
    ds = ds.assign(mask=(("z", "y", "x"), mask))
    read: list[tuple] = []
    kept = LazyImage._read

    def counting(self: LazyImage, key: tuple) -> np.ndarray:
        read.append(key)
        return kept(self, key)

    monkeypatch.setattr(LazyImage, "_read", counting)
    features(ds, groups="volume")
    assert read == []
    features(ds)
    assert len(read) == 1
    assert np.array_equal(np.arange(20)[read[0][0]], [7, 8, 9])


def test_the_public_name_is_the_function_also_after_its_module_was_imported() -> None:
    import importlib

    import workbench.measure as room

    module = importlib.import_module("workbench.measure.features")
    assert room.features is module.features
    assert callable(room.features)
