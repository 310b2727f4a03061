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


def test_findings_are_codes(tmp_path: Path) -> None:
    assert opened(tmp_path, (0, 2, 8), lean=(0, 0.25, 0)).patient.findings == ("gantry-tilt", "slices-missing")
    assert xr.Dataset().patient.findings == ()
    assert xr.Dataset(attrs={"findings": ["a", "b"]}).patient.findings == ("a", "b")


def test_spacing_of_an_unplaced_image_follows_its_voxels(tmp_path: Path) -> None:
    ds = opened(tmp_path, ImagePositionPatient=None).isel(y=slice(None, None, 2))
    assert ds.patient.spacing["y"] == 1.0


def test_properties_say_where_the_voxels_are(tmp_path: Path) -> None:
    orientation = factories.turned(20, 10, 5)
    patient = opened(tmp_path, orientation=orientation).patient
    assert patient.shape == (3, 6, 8)
    assert patient.origin == pytest.approx([-10, 20, 30])
    row, column = np.array(orientation[:3]), np.array(orientation[3:])
    assert patient.direction == pytest.approx(np.stack([np.cross(row, column), column, row], axis=1), abs=1e-6)
    assert patient.orientation == {
        "z": "inferior-to-superior",
        "y": "anterior-to-posterior",
        "x": "right-to-left",
    }


def test_properties_follow_a_crop(tmp_path: Path) -> None:
    patient = opened(tmp_path).isel(z=slice(1, None), x=slice(2, None, 2)).patient
    assert patient.shape == (2, 6, 3)
    assert patient.origin == pytest.approx([-8.4, 20, 32])
    assert patient.spacing == pytest.approx({"z": 2.0, "y": 0.5, "x": 1.6})


def test_unplaced_images_have_no_directions(tmp_path: Path) -> None:
    patient = opened(tmp_path, ImagePositionPatient=None).patient
    assert np.isnan(patient.origin).all()
    assert np.isnan(patient.direction).all()
    assert patient.orientation == {"z": "", "y": "", "x": ""}


def test_the_door_loads_no_heavy_library() -> None:
    import subprocess
    import sys

    script = (
        "import sys, workbench.arrays.accessor\n"
        "print(sorted({'scipy', 'nibabel', 'SimpleITK', 'matplotlib', 'pydicom'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_method_names_where_its_documentation_is() -> None:
    from workbench.arrays.accessor import PatientAccessor

    methods = [name for name, value in vars(PatientAccessor).items() if callable(value) and not name.startswith("_")]
    assert {"sel_mm", "resample_like", "to_nifti", "index"} <= set(methods)
    for name in methods:
        assert "see :func:`workbench.arrays." in (getattr(PatientAccessor, name).__doc__ or ""), name
