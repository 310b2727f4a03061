"""Missing slices become NaN, never a number."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from tests import factories
from workbench.errors import IrregularGeometry

OBLIQUE = factories.turned(20, -35, 10)


def opened(folder: Path, depths: Any = (0, 2, 4, 8, 10), **options: Any) -> xr.Dataset:
    factories.stack(folder, depths, **options)
    ds = xr.open_dataset(folder, engine="dicom")
    orientation = options.get("orientation", factories.AXIAL)
    return ds.assign_attrs(ImageOrientationPatient=[float(v) for v in orientation])


def test_missing_slice_is_nan_and_observed_says_so(tmp_path: Path) -> None:
    filled = opened(tmp_path, orientation=OBLIQUE).patient.fill_gaps()
    assert filled["observed"].values.tolist() == [True, True, True, False, True, True]
    assert filled["image"].dtype == np.float32
    assert np.isnan(filled["image"].values[3]).all()
    assert (filled["image"].values[4] == factories.pixels(4)).all()
    assert filled["sop_instance_uid"].values.tolist()[2:5] == [factories.uid(3), "", factories.uid(4)]
    assert np.isnan(filled["InstanceNumber"].values[3])
    assert "stored_slope" not in filled["image"].attrs


def test_filled_grid_is_that_of_the_whole_series(tmp_path: Path) -> None:
    filled = opened(tmp_path / "a", orientation=OBLIQUE).patient.fill_gaps()
    whole = opened(tmp_path / "b", (0, 2, 4, 6, 8, 10), orientation=OBLIQUE)
    assert filled.attrs["geometry"] == "regular"
    assert filled.patient.affine == pytest.approx(whole.patient.affine, abs=1e-6)
    assert filled["z"].values == pytest.approx(whole["z"].values, abs=2e-5)
    assert filled["position"].values == pytest.approx(whole["position"].values, abs=1e-6)
    assert filled.attrs["slice_spacing_mm"] == pytest.approx(2)


def test_filled_image_can_be_exported_and_resampled(tmp_path: Path) -> None:
    filled = opened(tmp_path).patient.fill_gaps()
    assert filled.patient.to_nifti().shape == (8, 6, 6)
    finer = filled.patient.resample({"z": 1.0})
    assert np.isnan(finer["image"].values).all(axis=(1, 2)).tolist() == [False] * 5 + [True] * 3 + [False] * 3


def test_masks_are_false_and_labels_zero_there(tmp_path: Path) -> None:
    ds = opened(tmp_path)
    ds["mask"] = (("segment", "z", "y", "x"), np.ones((2, 5, 6, 8), bool))
    ds["label"] = (("z", "y", "x"), np.ones((5, 6, 8), np.uint8))
    filled = ds.patient.fill_gaps()
    assert filled["mask"].dtype == bool
    assert filled["mask"].values.all(axis=(0, 2, 3)).tolist() == filled["observed"].values.tolist()
    assert filled["label"].dtype == np.uint8
    assert set(filled["label"].values[3].ravel()) == {0}


def test_further_dims_are_filled_too(tmp_path: Path) -> None:
    for i, level in enumerate((0.0, 1000.0)):
        factories.stack(tmp_path / str(i), (0, 2, 6), first=1 + 10 * i, DiffusionBValue=level, Modality="MR")
    ds = xr.open_dataset(tmp_path, engine="dicom")
    ds.attrs["ImageOrientationPatient"] = list(factories.AXIAL)
    filled = ds.patient.fill_gaps()
    assert filled["image"].dims == ("b_value", "z", "y", "x")
    assert np.isnan(filled["image"].values[:, 2]).all()
    assert (filled["image"].values[1, 3] == factories.pixels(13)).all()


def test_tilted_series_with_a_gap_becomes_sheared(tmp_path: Path) -> None:
    filled = opened(tmp_path, lean=(0, 0.3, 0)).patient.fill_gaps()
    whole = opened(tmp_path / "b", (0, 2, 4, 6, 8, 10), lean=(0, 0.3, 0))
    assert (filled.attrs["geometry"], filled.attrs["geometry_flags"]) == ("sheared", "")
    assert filled.patient.affine == pytest.approx(whole.patient.affine, abs=1e-6)


def test_series_without_gaps_is_all_observed(tmp_path: Path) -> None:
    ds = opened(tmp_path, (0, 2, 4))
    filled = ds.patient.fill_gaps()
    assert filled["observed"].values.all()
    assert filled["image"].dtype == np.int16


def test_part_picked_from_a_whole_series_is_filled(tmp_path: Path) -> None:
    filled = opened(tmp_path, (0, 2, 4, 6)).isel(z=[0, 3], x=slice(2, None)).patient.fill_gaps()
    assert filled.attrs["geometry"] == "regular"
    holey = opened(tmp_path / "b", (0, 2, 4, 6, 8)).isel(z=[0, 1, 4], x=slice(2, None))
    filled = holey.patient.fill_gaps()
    assert filled["observed"].values.tolist() == [True, True, False, False, True]
    assert filled.patient.origin == pytest.approx([-8.4, 20, 30])


@pytest.mark.parametrize(("depths", "finding"), [((0, 2, 5), "spacing-uneven"), ((0,), "single-slice")])
def test_what_is_not_a_gap_is_refused(depths: tuple[float, ...], finding: str, tmp_path: Path) -> None:
    with pytest.raises(IrregularGeometry, match=finding):
        opened(tmp_path, depths).patient.fill_gaps()
