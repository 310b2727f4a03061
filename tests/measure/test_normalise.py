"""Normalised images: what the numbers become, what is said of them, what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from tests import factories
from tests.measure.volumes import box, mask, volume
from workbench.errors import GridMismatch, NotMeasurable, UsageError
from workbench.measure import grow, percentile, threshold, zscore

VALUES = np.random.default_rng(3).normal(40, 12, (4, 5, 6)).astype("float32")


def test_z_scores_have_mean_zero_and_deviation_one() -> None:
    image = zscore(volume(VALUES))["image"]
    assert image.dtype == np.float32
    assert float(image.mean()) == pytest.approx(0, abs=1e-6)
    assert float(image.std()) == pytest.approx(1, rel=1e-6)


def test_z_scores_by_a_segment_rescale_every_voxel() -> None:
    inside = mask(box(VALUES.shape, (0, 2), (0, 5), (0, 3)))
    image = zscore(volume(VALUES), inside)["image"].values
    part = VALUES[inside.values].astype(float)
    assert image == pytest.approx((VALUES - part.mean()) / part.std(), rel=1e-5)


def test_units_change_and_the_old_scale_goes(tmp_path: Path) -> None:
    factories.stack(tmp_path, RescaleSlope=2, RescaleIntercept=-1000, PixelPaddingValue=1000, PixelRepresentation=1)
    ds = xr.open_dataset(tmp_path, engine="dicom")
    assert {"stored_slope", "pixel_padding_value"} <= set(ds["image"].attrs)
    for changed, method in ((zscore(ds), "z-score"), (percentile(ds), "percentile")):
        attrs = changed["image"].attrs
        assert attrs["units"] == "1"
        assert attrs["value_kind"] == "normalised"
        assert (attrs["normalisation"], attrs["normalisation_units"]) == (method, "[hnsf'U]")
        assert not {"stored_slope", "stored_intercept", "pixel_padding_value"} & set(attrs)
        json.dumps(attrs)
        # All else stays.
        assert changed.attrs == ds.attrs
        assert set(changed.coords) == set(ds.coords)
        assert np.allclose(changed.patient.affine, ds.patient.affine)
    assert ds["image"].attrs["units"] == "[hnsf'U]"


def test_no_uptake_is_made_of_normalised_numbers() -> None:
    ds = volume(VALUES).assign_coords(suv_factor=2.0)
    assert "suv_factor" not in zscore(ds).coords
    assert "suv_factor" not in zscore(ds)["image"].coords


def test_arrays_come_back_as_arrays_and_stay_what_they_were() -> None:
    image = volume(VALUES)["image"]
    found = zscore(image)
    assert isinstance(found, xr.DataArray)
    assert found.dims == image.dims
    assert (image.values == VALUES).all()


def test_voxels_without_a_value_stay_and_do_not_count() -> None:
    holed = VALUES.copy()
    holed[0, 0, :2] = np.nan, np.inf
    image = zscore(volume(holed))["image"].values
    left = holed[np.isfinite(holed)].astype(float)
    assert np.isnan(image[0, 0, 0])
    assert image[1] == pytest.approx((holed[1] - left.mean()) / left.std(), rel=1e-5)


def test_further_dimensions_are_normalised_together() -> None:
    ds = volume(VALUES)
    both = xr.concat([ds["image"], ds["image"] + 100], dim="time")
    image = zscore(both)
    assert float(image.mean()) == pytest.approx(0, abs=1e-6)
    inside = mask(box(VALUES.shape, (1, 3), (1, 3), (1, 3)))
    part = both.values[:, inside.values].astype(float)
    assert zscore(both, inside).values == pytest.approx((both.values - part.mean()) / part.std(), rel=1e-5)


def test_large_numbers_keep_their_differences() -> None:
    ds = volume(np.array([[[2**24 + 1, 2**24 + 3]]], dtype="int32"))
    assert zscore(ds)["image"].values.ravel().tolist() == [-1, 1]


def test_percentiles_are_zero_and_one() -> None:
    ramp = volume(np.arange(101, dtype="int16").reshape(1, 1, 101))
    image = percentile(ramp, 10, 90)["image"].values.ravel()
    assert image[[0, 10, 50, 90, 100]] == pytest.approx([0, 0, 0.5, 1, 1])
    free = percentile(ramp, 10, 90, clip=False)["image"].values.ravel()
    assert free[[0, 10, 90, 100]] == pytest.approx([-0.125, 0, 1, 1.125])
    assert percentile(ramp, 10, 90)["image"].attrs["normalisation_values"] == [10, 90]


def test_the_segment_is_named() -> None:
    inside = mask(box(VALUES.shape, (0, 2), (0, 5), (0, 3))).assign_coords(segment="BRAIN")
    assert zscore(volume(VALUES), inside)["image"].attrs["normalisation_of"] == "BRAIN"


def test_what_cannot_be_normalised_is_refused() -> None:
    flat = volume(np.full((2, 3, 4), 7))
    with pytest.raises(NotMeasurable, match="all voxels are 7"):
        zscore(flat)
    with pytest.raises(NotMeasurable, match="both percentiles are 7"):
        percentile(flat)
    nothing = mask(np.zeros(VALUES.shape))
    for function in (zscore, lambda ds, mask: percentile(ds, mask=mask)):
        with pytest.raises(NotMeasurable, match="no voxel"):
            function(volume(VALUES), nothing)
    with pytest.raises(UsageError, match="percentiles"):
        percentile(volume(VALUES), 99, 1)
    with pytest.raises(GridMismatch):
        zscore(volume(VALUES), mask(np.ones(VALUES.shape), (3, 2, 2)))
    with pytest.raises(UsageError, match="not boolean"):
        zscore(volume(VALUES), volume(VALUES)["image"])
    with pytest.raises(UsageError, match="no variable 'image'"):
        zscore(volume(VALUES).rename(image="other"))


def test_derived_arrays_are_kept_as_they_are(tmp_path: Path) -> None:
    factories.stack(tmp_path / "ct")
    ct = xr.open_dataset(tmp_path / "ct", engine="dicom")
    inside = threshold(ct, (20, None))
    made = {
        "zscore": zscore(ct), "percentile": percentile(ct, mask=inside), "threshold": inside.to_dataset(name="mask"),
        "otsu": threshold(ct, "otsu").to_dataset(name="mask"),
        "window": ct.patient.window(40, 400).to_dataset(name="window"),
        "grown": grow(ct, ct.patient.to_patient([3, 3, 3]), tolerance=9).to_dataset(name="mask"),
    }  # fmt: skip
    for name, dataset in made.items():
        dataset.to_netcdf(tmp_path / f"{name}.nc")
        with xr.open_dataset(tmp_path / f"{name}.nc") as back:
            xr.testing.assert_equal(back.load(), dataset.load())
            variable = next(iter(dataset.data_vars))
            assert back[variable].dtype == dataset[variable].dtype
        dataset.to_zarr(tmp_path / f"{name}.zarr", consolidated=False)
        xr.testing.assert_identical(xr.open_zarr(tmp_path / f"{name}.zarr", consolidated=False).load(), dataset.load())
