"""``ds.patient``: affine and spacing, refused where there are none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from tests import factories
from workbench.errors import IrregularGeometry, UsageError


def opened(folder: Path, depths: Any = (0, 2, 4), **options: Any) -> xr.Dataset:
    factories.stack(folder, depths, **options)
    return xr.open_dataset(folder, engine="dicom")


def test_affine_is_a_plain_matrix(tmp_path: Path) -> None:
    affine = opened(tmp_path).patient.affine
    assert affine.tolist() == pytest.approx(np.array([[0, 0, 0.8, -10], [0, 0.5, 0, 20], [2, 0, 0, 30], [0, 0, 0, 1]]))
    assert affine.dtype == np.float64


def test_spacing_is_by_axis(tmp_path: Path) -> None:
    assert opened(tmp_path).patient.spacing == {"z": 2.0, "y": 0.5, "x": 0.8}


@pytest.mark.parametrize(
    ("options", "verdict"),
    [
        ({"depths": (0, 2, 8)}, "gaps"),
        ({"depths": (0, 2, 4.7)}, "variable"),
        ({"depths": (0,)}, "single"),
        ({"ImagePositionPatient": None}, "unplaced"),
    ],
)
def test_affine_is_refused_by_the_name_of_the_verdict(options: dict[str, Any], verdict: str, tmp_path: Path) -> None:
    ds = opened(tmp_path, **options)
    with pytest.raises(IrregularGeometry, match=verdict) as caught:
        _ = ds.patient.affine
    assert caught.value.series == factories.SERIES
    assert np.isnan(ds.patient.spacing["z"])
    assert ds.patient.spacing["y"] == 0.5


def test_unknown_spacing_is_nan(tmp_path: Path) -> None:
    ds = opened(tmp_path, PixelSpacing=None)
    assert all(np.isnan(value) for value in ds.patient.spacing.values())


def test_affine_survives_zarr(tmp_path: Path) -> None:
    ds = opened(tmp_path / "data", orientation=factories.turned(20, 10, 5))
    ds.to_zarr(tmp_path / "out.zarr", consolidated=False)
    back = xr.open_zarr(tmp_path / "out.zarr", consolidated=False)
    assert (back.patient.affine == ds.patient.affine).all()
    assert back.patient.spacing == ds.patient.spacing


def test_figure_needs_an_image() -> None:
    with pytest.raises(UsageError, match="no variable 'image'"):
        xr.Dataset().patient.figure()
