"""NIfTI and SimpleITK: the same voxels at the same places."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings

from tests import factories, strategies
from tests.tries import tries
from workbench.arrays import from_array
from workbench.errors import IrregularGeometry, MissingExtra, UsageError, WriteError

OBLIQUE = factories.turned(20, -35, 10)


def opened(folder: Path, depths: Any = (0, 2, 4), **options: Any) -> xr.Dataset:
    factories.stack(folder, depths, **options)
    ds = xr.open_dataset(folder, engine="dicom")
    return ds.assign_attrs(ImageOrientationPatient=[float(v) for v in options.get("orientation", factories.AXIAL)])


@settings(deadline=None, max_examples=tries(60))
@given(strategies.affines())
def test_nifti_affine_takes_voxels_to_the_same_places_in_ras(affine: np.ndarray) -> None:
    ds = from_array(np.arange(24, dtype="int16").reshape(2, 3, 4), affine)
    image = ds.patient.to_nifti()
    for z, y, x in np.ndindex(2, 3, 4):
        place = (image.affine @ [x, y, z, 1])[:3] * [-1, -1, 1]
        assert place == pytest.approx(ds.patient.to_patient([z, y, x]), abs=1e-6)
        assert np.asarray(image.dataobj)[x, y, z] == ds["image"].values[z, y, x]
    # A quaternion in float32 near a half turn keeps its angle to some 1e-3 rad; sform has it exactly.
    assert image.get_qform() == pytest.approx(image.get_sform(), abs=2e-3 * max(1.0, float(np.abs(affine).max())))
    assert (int(image.header["sform_code"]), int(image.header["qform_code"])) == (1, 1)


@pytest.mark.parametrize("name", ["ct.nii", "ct.nii.gz"])
@pytest.mark.parametrize("dtype", ["int16", "int32", "uint8", "uint16", "float32"])
def test_file_holds_the_same_numbers_in_the_same_type(name: str, dtype: str, tmp_path: Path) -> None:
    values = np.random.default_rng(1).integers(0, 200, (3, 4, 5)).astype(dtype)
    from_array(values, np.eye(4)).patient.to_nifti(tmp_path / name)
    back = nibabel.load(tmp_path / name)
    assert back.get_data_dtype() == dtype
    assert (values == np.asarray(back.dataobj).T).all()
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert back.header.get_xyzt_units()[0] == "mm"


def test_equal_images_make_equal_files(tmp_path: Path) -> None:
    ds = opened(tmp_path / "data", orientation=OBLIQUE)
    for name in ("a.nii.gz", "b.nii.gz"):
        ds.patient.to_nifti(tmp_path / name)
    assert (tmp_path / "a.nii.gz").read_bytes() == (tmp_path / "b.nii.gz").read_bytes()
    assert b"P1" not in nibabel.load(tmp_path / "a.nii.gz").header.binaryblock


def test_cropped_series_is_exported_where_it_is(tmp_path: Path) -> None:
    ds = opened(tmp_path, (0, 2, 4, 6), orientation=OBLIQUE)
    image = ds.isel(z=slice(1, None, 2), x=slice(3, None)).patient.to_nifti()
    assert image.affine[:3, 3] * [-1, -1, 1] == pytest.approx(ds.patient.to_patient([1, 0, 3]), abs=1e-6)
    assert image.header.get_zooms() == pytest.approx((0.8, 0.5, 4))


def test_masks_and_further_dims_become_the_fourth(tmp_path: Path) -> None:
    for i, level in enumerate((0.0, 1000.0)):
        factories.stack(tmp_path / str(i), (0, 2, 4), first=1 + 10 * i, DiffusionBValue=level, Modality="MR")
    ds = xr.open_dataset(tmp_path, engine="dicom")
    ds["mask"] = (("segment", "z", "y", "x"), np.ones((3, 3, 6, 8), bool))
    image = ds.patient.to_nifti()
    assert image.shape == (8, 6, 3, 2)
    assert (factories.pixels(12) == np.asarray(image.dataobj)[..., 1, 1].T).all()
    mask = ds.patient.to_nifti(variable="mask")
    assert (mask.shape, mask.get_data_dtype()) == ((8, 6, 3, 3), np.uint8)
    five = ds.assign(image=ds["image"].expand_dims(echo_time=2))
    with pytest.raises(UsageError, match=r"echo_time, b_value, z, y, x.*ds.isel\(echo_time=0\)"):
        five.patient.to_nifti()


@pytest.mark.parametrize("call", ["to_nifti", "to_simpleitk"])
@pytest.mark.parametrize(
    ("depths", "options", "finding"),
    [
        ((0, 2, 6), {}, "slices-missing"),
        ((0, 2, 5), {}, "spacing-uneven"),
        ((0,), {}, "single-slice"),
        ((0, 2, 4), {"lean": (0, 0.3, 0)}, "gantry-tilt"),
        ((0, 2, 4), {"ImagePositionPatient": None}, "unplaced"),
    ],
)
def test_irregular_grids_are_refused_by_their_finding(
    call: str, depths: Any, options: dict[str, Any], finding: str, tmp_path: Path
) -> None:
    ds = opened(tmp_path, depths, **options)
    with pytest.raises(IrregularGeometry, match=f"{finding}.*{call} needs"):
        getattr(ds.patient, call)()


def test_nothing_is_left_of_a_file_that_cannot_be_written(tmp_path: Path) -> None:
    ds = opened(tmp_path / "data")
    (tmp_path / "taken.nii").mkdir()
    with pytest.raises(WriteError):
        ds.patient.to_nifti(tmp_path / "taken.nii")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "taken.nii"]
    with pytest.raises(UsageError, match=r"named \.nii or \.nii\.gz"):
        ds.patient.to_nifti(tmp_path / "ct.mha")


def test_unknown_variables_and_colour_are_refused(tmp_path: Path) -> None:
    ds = opened(tmp_path)
    with pytest.raises(UsageError, match="no variable 'mask'"):
        ds.patient.to_nifti(variable="mask")
    colour = from_array(np.zeros((2, 2, 2)), np.eye(4)).drop_vars("image")
    colour["image"] = (("z", "y", "x", "channel"), np.zeros((2, 2, 2, 3), np.uint8))
    for call in (colour.patient.to_nifti, colour.patient.to_simpleitk):
        with pytest.raises(UsageError, match="colour"):
            call()


@settings(deadline=None, max_examples=tries(60))
@given(strategies.affines())
def test_simpleitk_has_the_same_places(affine: np.ndarray) -> None:
    pytest.importorskip("SimpleITK")
    ds = from_array(np.arange(24, dtype="int16").reshape(2, 3, 4), affine)
    image = ds.patient.to_simpleitk()
    assert image.GetOrigin() == pytest.approx(affine[:3, 3], abs=1e-12)
    for z, y, x in ((0, 0, 0), (1, 2, 3)):
        place = image.TransformIndexToPhysicalPoint((x, y, z))
        assert place == pytest.approx(ds.patient.to_patient([z, y, x]), abs=1e-6)
        assert image[x, y, z] == ds["image"].values[z, y, x]


def test_simpleitk_reads_the_series_as_we_export_it(tmp_path: Path) -> None:
    sitk = pytest.importorskip("SimpleITK")
    paths = factories.stack(tmp_path, (0, 2, 4), orientation=OBLIQUE)
    theirs = sitk.ReadImage([str(path) for path in paths])
    ours = xr.open_dataset(tmp_path, engine="dicom").patient.to_simpleitk()
    assert (sitk.GetArrayFromImage(ours) == sitk.GetArrayFromImage(theirs)).all()
    for what in ("GetOrigin", "GetSpacing", "GetDirection"):
        assert getattr(ours, what)() == pytest.approx(getattr(theirs, what)(), abs=1e-5), what


def test_simpleitk_takes_one_volume() -> None:
    pytest.importorskip("SimpleITK")
    ds = from_array(np.zeros((2, 2, 2), "int16"), np.eye(4))
    ds["mask"] = (("segment", "z", "y", "x"), np.ones((1, 2, 2, 2), bool))
    with pytest.raises(UsageError, match=r"one volume.*ds.isel\(segment=0\)"):
        ds.patient.to_simpleitk(variable="mask")
    assert ds.isel(segment=0).patient.to_simpleitk(variable="mask").GetPixelIDTypeAsString() == "8-bit unsigned integer"


def test_without_simpleitk_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "SimpleITK", None)
    with pytest.raises(MissingExtra, match=r"\[simpleitk\]"):
        from_array(np.zeros((2, 2, 2)), np.eye(4)).patient.to_simpleitk()


@pytest.mark.parametrize(("times", "units", "step"), [([0, 2.5], "s", 2.5), ([0, 500], "ms", 0.5), ([0, 1], "1", 1.0)])
def test_an_even_time_is_the_step_of_the_fourth_axis(times: list[float], units: str, step: float) -> None:
    from workbench.arrays import from_array

    axes = np.array([[0, 0, 1.0, 0], [0, 1, 0, 0], [2, 0, 0, 0], [0, 0, 0, 1]])
    one = from_array(np.zeros((3, 4, 5), "int16"), axes)
    series = one.assign(image=one["image"].expand_dims(time=times))
    series["time"].attrs["units"] = units
    header = series.patient.to_nifti().header
    assert header.get_zooms()[3] == pytest.approx(step)
    assert header.get_xyzt_units()[1] == ("unknown" if units == "1" else "sec")


@pytest.mark.parametrize("path", [5, [], b"a.nii", {"a": 1}])
def test_what_is_no_path_is_refused(path: Any, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="path cannot be"):
        opened(tmp_path).patient.to_nifti(path)


def test_folders_on_the_way_are_made(tmp_path: Path) -> None:
    opened(tmp_path / "data").patient.to_nifti(tmp_path / "new" / "deep" / "a.nii")
    assert nibabel.load(tmp_path / "new" / "deep" / "a.nii").shape == (8, 6, 3)


def test_one_slice_of_several_keeps_its_place_and_step(tmp_path: Path) -> None:
    image = opened(tmp_path).isel(z=[1]).patient.to_nifti()
    assert image.shape == (8, 6, 1)
    assert image.header.get_zooms() == pytest.approx((0.8, 0.5, 2.0))
    assert image.affine[2, 3] == 32


def test_a_variable_that_cannot_be_exported_is_named(tmp_path: Path) -> None:
    ds = opened(tmp_path)
    for export in (ds.patient.to_nifti, ds.patient.to_simpleitk):
        with pytest.raises(UsageError, match=r"(no variable|variable cannot be) \['image'\]"):
            export(variable=["image"])
    with pytest.raises(UsageError, match=r"image has no axis z.*isel\(z=\[k\]\)"):
        ds.isel(z=1).patient.to_nifti()
    with pytest.raises(UsageError, match=r"image holds <U\d.*astype"):
        ds.assign(image=ds["image"].astype(str)).patient.to_nifti()
    with pytest.raises(UsageError, match="image holds float16"):
        ds.astype("float16").patient.to_nifti()
