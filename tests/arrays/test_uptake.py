"""SUV: the image times its factor, or the reason why not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from tests import factories
from workbench.arrays import from_array
from workbench.errors import SuvUnavailable, UsageError


def pet(shape: tuple[int, int, int] = (2, 1, 2)) -> xr.Dataset:
    ds = from_array(np.full(shape, 5000, "int32"), np.eye(4), units="Bq/mL")
    ds["image"].attrs |= {"value_kind": "activity", "stored_slope": 1.0, "stored_intercept": 0.0}
    return ds.assign_attrs(Modality="PT")


def test_factor_per_slice_is_multiplied_slice_by_slice() -> None:
    result = pet().assign_coords(suv_factor=("z", [2e-4, 4e-4])).patient.suv()
    assert result["image"].values[:, 0, 0].tolist() == pytest.approx([1, 2])
    assert result["image"].dtype == np.float32
    assert (result["image"].attrs["units"], result["image"].attrs["value_kind"]) == ("{SUVbw}g/mL", "suv")
    assert "stored_slope" not in result["image"].attrs
    assert "suv_factor" not in result.coords


def test_factor_per_frame_keeps_the_order_of_dims() -> None:
    ds = pet()
    ds["image"] = ds["image"].expand_dims(time=3)
    factor = (("time", "z"), np.array([[1, 2], [3, 4], [5, 6]]) / 5000)
    result = ds.assign_coords(suv_factor=factor).patient.suv()
    assert result["image"].dims == ("time", "z", "y", "x")
    assert result["image"].values[:, :, 0, 0].tolist() == pytest.approx(np.array([[1, 2], [3, 4], [5, 6]]))


def test_another_kind_keeps_its_name_and_unit() -> None:
    ds = pet().assign_coords(suv_factor=xr.Variable((), 1e-3, {"kind": "SUVlbm"}))
    attrs = ds.patient.suv()["image"].attrs
    assert (attrs["units"], attrs["long_name"]) == ("{SUVlbm}g/mL", "PET SUVlbm")


def test_suv_stays_suv() -> None:
    once = pet().assign_coords(suv_factor=1e-3).patient.suv()
    assert once.patient.suv() is once


def test_unavailable_says_what_is_missing() -> None:
    told = "PatientWeight missing in 212 of 212 files"
    ds = pet().assign_attrs(suv_unavailable=told, suv_missing="PatientWeight; RadionuclideTotalDose")
    with pytest.raises(SuvUnavailable, match=f"SUV not available: {told}") as caught:
        ds.patient.suv()
    assert caught.value.missing == ("PatientWeight", "RadionuclideTotalDose")


def test_without_a_factor_there_is_no_suv() -> None:
    with pytest.raises(SuvUnavailable, match="no coordinate suv_factor"):
        pet().patient.suv()
    with pytest.raises(UsageError, match="no SUV for modality CT"):
        pet().assign_attrs(Modality="CT").patient.suv()
    stored = pet()
    stored["image"].attrs["value_kind"] = "stored"
    with pytest.raises(UsageError, match="stored numbers"):
        stored.patient.suv()


def test_lazy_stays_lazy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    factories.stack(tmp_path, (0, 2, 4), Modality="PT", Units="BQML")
    ds = xr.open_dataset(tmp_path, engine="dicom").assign_coords(suv_factor=("z", [0.1, 0.2, 0.4]))
    ds.attrs.pop("suv_unavailable", None)
    names: list[str] = []
    real = os.open
    monkeypatch.setattr(os, "open", lambda path, *a, **o: names.append(Path(path).name) or real(path, *a, **o))
    result = ds.patient.suv()
    assert names == []
    assert result["image"].isel(z=2).values == pytest.approx(factories.pixels(3) * 0.4, rel=1e-6)
    assert names == ["0002.dcm"]
