"""The digital phantom of IBSI 1 and its reference values."""

from __future__ import annotations

import csv
from pathlib import Path

import nibabel
import numpy as np
import pytest
import xarray as xr

from workbench.arrays import from_array

#: NIfTI (RAS) to LPS, and its voxel order (x, y, z) to ours.
LPS, TURNED = np.diag([-1.0, -1.0, 1.0, 1.0]), np.eye(4)[:, [2, 1, 0, 3]]


@pytest.fixture(scope="module")
def reference(data_dir: Path) -> dict[str, tuple[float, float]]:
    """Tag -> value and tolerance, of the features that have them."""
    with open(data_dir / "ibsi1" / "reference_values.csv", newline="") as file:
        rows = list(csv.DictReader(file, delimiter=";"))
    assert len(rows) == 487
    return {
        row["tag"]: (float(row["reference value"]), float(row["tolerance"])) for row in rows if row["reference value"]
    }


@pytest.fixture(scope="module")
def phantom(data_dir: Path) -> xr.Dataset:
    image, mask = (nibabel.load(data_dir / "ibsi1" / f"{name}.nii.gz") for name in ("phantom", "mask"))
    values = np.asarray(image.dataobj).T.astype(np.int16)
    ds = from_array(values, LPS @ image.affine @ TURNED, units="1")
    return ds.assign(mask=ds["image"].copy(data=np.asarray(mask.dataobj).T.astype(bool)))
