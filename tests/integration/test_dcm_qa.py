"""Eight real MR series, GE 4-D and Siemens mosaics, give the voxels and the affine of their reference NIfTI files."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import xarray as xr

#: Series folder -> reference, as dcm2niix must write it.
PAIRS = {
    "20180918GE/mr_0004": "DCM2NIIX_regression_test_4",
    "20180918GE/mr_0005": "DCM2NIIX_regression_test_5",
    "20180918GE/mr_0006": "DCM2NIIX_regression_test_6",
    "20180918GE/mr_0007": "DCM2NIIX_regression_test_7",
    "20180918Si/mr_0003": "EPI_PE=AP_3",
    "20180918Si/mr_0004": "EPI_PE=PA_4",
    "20180918Si/mr_0005": "EPI_PE=RL_5",
    "20180918Si/mr_0006": "EPI_PE=LR_6",
}


@pytest.mark.data
@pytest.mark.parametrize(("folder", "reference"), PAIRS.items())
def test_series_equals_its_reference(folder: str, reference: str, data_dir: Path) -> None:
    source = data_dir / "dcm_qa_nih"
    dataset = xr.open_dataset(source / "In" / folder, engine="dicom")
    ours = nib.as_closest_canonical(dataset.patient.to_nifti())
    theirs = nib.as_closest_canonical(nib.load(source / "Ref" / f"{reference}.nii"))
    np.testing.assert_array_equal(np.asarray(ours.dataobj), np.asarray(theirs.dataobj))
    # NIfTI keeps its affine in float32: 6 digits of the 118 mm the corner lies from the centre.
    np.testing.assert_allclose(ours.affine, theirs.affine, atol=1e-5)
    assert dataset["image"].dtype == theirs.get_data_dtype()
    by_number = "time-order-from-instance-number" in dataset.attrs["findings"]
    # Nothing but InstanceNumber orders the GE series in time; each mosaic has a time of its own.
    assert by_number is folder.startswith("20180918GE")
    assert dataset["image"].dims == ("time", "z", "y", "x")
