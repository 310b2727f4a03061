"""Flips and transpositions: every voxel keeps its place and its value."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import factories, strategies
from tests.tries import tries
from workbench.arrays import from_array
from workbench.errors import IrregularGeometry, UsageError

ORIENTATIONS = ("LPS", "RAS", "axial", "coronal", "sagittal", "SAR", "IPL", "PIR")


def opened(folder: Path, depths: Any = (0, 2, 4, 6, 8, 10), **options: Any) -> xr.Dataset:
    factories.stack(folder, depths, **options)
    ds = xr.open_dataset(folder, engine="dicom")
    orientation = options.get("orientation", factories.AXIAL)
    return ds.assign_attrs(ImageOrientationPatient=[float(v) for v in orientation])


@settings(deadline=None, max_examples=tries(80))
@given(strategies.affines(), st.sampled_from(ORIENTATIONS))
def test_every_voxel_keeps_its_place(affine: np.ndarray, orientation: str) -> None:
    ds = from_array(np.arange(24).reshape(2, 3, 4), affine)
    turned = ds.patient.reorient(orientation)
    values = turned["image"].values
    new = np.argwhere(values >= 0)
    # Every value stands there once: it is its own place in the order of the first array.
    old = np.column_stack(np.unravel_index(values.ravel(), ds["image"].shape))
    np.testing.assert_allclose(turned.patient.to_patient(new), ds.patient.to_patient(old), rtol=1e-6, atol=1e-6)
    for axis in ("z", "y", "x"):
        assert (np.diff(turned[axis].values) > 0).all()


@settings(deadline=None, max_examples=tries(80))
@given(strategies.affines(), st.sampled_from(ORIENTATIONS), st.sampled_from(ORIENTATIONS))
def test_round_trip_is_equal(affine: np.ndarray, first: str, second: str) -> None:
    start = from_array(np.arange(24).reshape(2, 3, 4), affine).patient.reorient(first)
    back = start.patient.reorient(second).patient.reorient(first)
    assert (back["image"].values == start["image"].values).all()
    xr.testing.assert_allclose(back, start, atol=1e-6)
    assert back.attrs.keys() == start.attrs.keys()
    assert [back[a].attrs["orientation"] for a in "zyx"] == [start[a].attrs["orientation"] for a in "zyx"]
    for axis in "zyx":
        assert back[axis].attrs["direction"] == pytest.approx(start[axis].attrs["direction"], abs=1e-9)


@pytest.mark.parametrize(
    ("orientation", "words", "plane"),
    [
        ("LPS", ("inferior-to-superior", "anterior-to-posterior", "right-to-left"), "axial"),
        ("RAS", ("inferior-to-superior", "posterior-to-anterior", "left-to-right"), "axial"),
        ("axial", ("inferior-to-superior", "anterior-to-posterior", "right-to-left"), "axial"),
        ("coronal", ("anterior-to-posterior", "superior-to-inferior", "right-to-left"), "coronal"),
        ("sagittal", ("left-to-right", "superior-to-inferior", "anterior-to-posterior"), "sagittal"),
    ],
)
def test_axes_run_where_the_name_says(orientation: str, words: tuple[str, ...], plane: str, tmp_path: Path) -> None:
    turned = opened(tmp_path, orientation=factories.turned(8, -12, 15)).patient.reorient(orientation)
    assert tuple(turned[axis].attrs["orientation"] for axis in "zyx") == words
    assert tuple(turned.patient.orientation[axis] for axis in "zyx") == words
    assert turned.attrs["plane"] == plane


def test_letters_mean_what_nibabel_means(tmp_path: Path) -> None:
    nib = pytest.importorskip("nibabel")
    ds = opened(tmp_path, orientation=factories.turned(8, -12, 15))
    for letters in ("RAS", "LPS", "PIR", "SAL"):
        image = ds.patient.reorient(letters).patient.to_nifti()
        assert "".join(nib.aff2axcodes(image.affine)) == letters


def test_canonical_form_is_nibabels(tmp_path: Path) -> None:
    nib = pytest.importorskip("nibabel")
    ds = opened(tmp_path, orientation=factories.turned(70, 30, -15))
    theirs = nib.as_closest_canonical(ds.patient.to_nifti())
    ours = ds.patient.reorient("RAS").patient.to_nifti()
    assert (np.asarray(ours.dataobj) == np.asarray(theirs.dataobj)).all()
    assert ours.affine == pytest.approx(theirs.affine, abs=1e-6)


def test_per_slice_coordinates_and_masks_go_along(tmp_path: Path) -> None:
    ds = opened(tmp_path)
    ds["mask"] = (("segment", "z", "y", "x"), np.zeros((1, 6, 6, 8), bool))
    ds["mask"].values[0, 4, 1, 7] = True
    sagittal = ds.patient.reorient("sagittal")
    assert sagittal["image"].dims == ("z", "y", "x")
    assert sagittal["mask"].dims == ("segment", "z", "y", "x")
    assert np.argwhere(sagittal["mask"].values).tolist() == [[0, 0, 1, 1]]
    assert sagittal["sop_instance_uid"].dims == ("y",)
    assert sagittal["sop_instance_uid"].values.tolist() == ds["sop_instance_uid"].values[::-1].tolist()
    flipped = ds.patient.reorient("LPI")
    assert flipped["sop_instance_uid"].values.tolist() == ds["sop_instance_uid"].values[::-1].tolist()
    assert flipped["position"].values.tolist() == ds["position"].values[::-1].tolist()


def test_lazy_stays_lazy_and_reads_only_what_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    ds = opened(tmp_path)
    names: list[str] = []
    real = os.open
    monkeypatch.setattr(os, "open", lambda path, *a, **o: names.append(Path(path).name) or real(path, *a, **o))
    coronal = ds.patient.reorient("coronal")
    flipped = ds.patient.reorient("RAI")
    assert names == []
    assert (flipped["image"].isel(z=1).values == factories.pixels(5)[::-1, ::-1]).all()
    assert names == ["0004.dcm"]
    row = coronal["image"].isel(z=2, y=slice(0, 2)).values
    assert (row == np.stack([factories.pixels(6)[2], factories.pixels(5)[2]])).all()
    assert set(names[1:]) == {"0004.dcm", "0005.dcm"}


def test_dask_arrays_stay_dask(tmp_path: Path) -> None:
    ds = opened(tmp_path).chunk({"z": 2})
    coronal = ds.patient.reorient("coronal")
    assert coronal["image"].chunks is not None
    assert (coronal["image"].values == ds.patient.reorient("coronal").compute()["image"].values).all()


def test_gaps_may_be_flipped_but_not_laid_into_the_plane(tmp_path: Path) -> None:
    ds = opened(tmp_path, (0, 2, 6), orientation=factories.turned(5, 5, 5))
    flipped = ds.patient.reorient("RAI")
    assert (flipped.attrs["geometry"], flipped.patient.grid.n_gaps) == ("gaps", 1)
    assert np.diff(flipped["z"].values) == pytest.approx([4, 2], abs=1e-4)
    assert flipped.patient.to_patient([2, 5, 7]) == pytest.approx(ds.patient.to_patient([0, 0, 0]), abs=1e-6)
    with pytest.raises(IrregularGeometry, match=r"reorient\('coronal'\) needs an even grid"):
        ds.patient.reorient("coronal")


def test_tilted_slices_may_be_flipped_but_not_laid_into_the_plane(tmp_path: Path) -> None:
    ds = opened(tmp_path, lean=(0, 0.3, 0))
    flipped = ds.patient.reorient("LAI")
    assert flipped.attrs["geometry"] == "sheared"
    assert flipped.patient.to_patient([5, 5, 0]) == pytest.approx(ds.patient.to_patient([0, 0, 0]), abs=1e-6)
    with pytest.raises(IrregularGeometry, match=r"straighten\(\)"):
        ds.patient.reorient("sagittal")


def test_unplaced_images_have_no_orientation(tmp_path: Path) -> None:
    with pytest.raises(IrregularGeometry, match="unplaced"):
        opened(tmp_path, (0, 2), ImagePositionPatient=None).patient.reorient("LPS")


@pytest.mark.parametrize("orientation", ["LPX", "LRS", "LP", "oblique", ""])
def test_names_that_are_no_orientation_are_refused(orientation: str) -> None:
    with pytest.raises(UsageError, match="orientation cannot be"):
        from_array(np.zeros((2, 2, 2)), np.eye(4)).patient.reorient(orientation)
