"""The convention: dims, coordinates in mm, affine, dtype, attributes."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from tests import factories
from workbench.arrays.opening import open_series
from workbench.errors import DicomError, IrregularGeometry, UnstackableSeries, UnsupportedSyntax, UsageError
from workbench.measure import features


def opened(folder: Path, **options: Any) -> xr.Dataset:
    return xr.open_dataset(folder, engine="dicom", **options)


def assert_plain(attrs: dict[Any, Any]) -> None:
    """Only what JSON and netCDF know: str, int, float and flat lists of one of these."""
    json.dumps(attrs, allow_nan=False)
    for value in attrs.values():
        kinds = {type(item) for item in value} if isinstance(value, list) else {type(value)}
        assert kinds <= {str} or kinds <= {int} or kinds <= {float}, value


def test_upright_axial_series_has_the_lps_numbers_for_coordinates(tmp_path: Path) -> None:
    factories.stack(tmp_path)
    ds = opened(tmp_path)
    assert ds["image"].dims == ("z", "y", "x")
    assert ds["z"].values.tolist() == [30, 32, 34, 36, 38, 40]
    assert ds["y"].values.tolist() == [20, 20.5, 21, 21.5, 22, 22.5]
    assert ds["x"].values.tolist() == pytest.approx([-10 + 0.8 * i for i in range(8)])
    assert {ds[dim].attrs["units"] for dim in ("z", "y", "x")} == {"mm"}
    orientations = [ds[dim].attrs["orientation"] for dim in ("z", "y", "x")]
    assert orientations == ["inferior-to-superior", "anterior-to-posterior", "right-to-left"]


def test_affine_takes_a_voxel_to_its_place(tmp_path: Path) -> None:
    orientation = factories.turned(20, -35, 10)
    factories.stack(tmp_path, orientation=orientation)
    ds = opened(tmp_path)
    affine = ds["affine"]
    assert affine.dims == ("world", "voxel")
    assert (affine["world"].values.tolist(), affine["voxel"].values.tolist()) == (list("xyz1"), list("zyx1"))
    row, column = np.array(orientation[:3]), np.array(orientation[3:])
    for z, y, x in ((0, 0, 0), (5, 3, 7)):
        expected = ds["position"].values[z] + row * 0.8 * x + column * 0.5 * y
        assert (affine.values @ [z, y, x, 1])[:3] == pytest.approx(expected, abs=1e-6)
    assert ds["position"].dims == ("z", "axis")
    assert ds.attrs["plane"] == "axial"


def test_position_projected_on_an_axis_is_its_coordinate(tmp_path: Path) -> None:
    orientation = factories.turned(20, -35, 10)
    factories.stack(tmp_path, orientation=orientation)
    ds = opened(tmp_path)
    normal = np.cross(orientation[:3], orientation[3:])
    assert ds["z"].values == pytest.approx(ds["position"].values @ normal, abs=1e-5)
    assert ds["y"].values[0] == pytest.approx(ds["position"].values[0] @ orientation[3:], abs=1e-5)


def test_gap_keeps_true_positions_and_has_no_affine(tmp_path: Path) -> None:
    factories.stack(tmp_path, (0, 2, 4, 8, 10))
    ds = opened(tmp_path)
    assert ds["z"].values.tolist() == [30, 32, 34, 38, 40]
    assert "affine" not in ds.coords
    assert "position" in ds.coords
    assert (ds.attrs["geometry"], ds.attrs["findings"]) == ("gaps", "slices-missing")


def test_integers_stay_integers_and_the_map_stays_in_attrs(tmp_path: Path) -> None:
    factories.stack(tmp_path, RescaleIntercept=-1024, BitsStored=12, HighBit=11, frames=np.full((6, 8), 7, "<i2"))
    image = opened(tmp_path)["image"]
    assert image.dtype == np.int16
    assert (image.values == -1017).all()
    assert (image.attrs["stored_slope"], image.attrs["stored_intercept"]) == (1.0, -1024.0)
    assert (image.attrs["units"], image.attrs["value_kind"]) == ("[hnsf'U]", "hounsfield")


def test_maps_that_differ_make_float32(tmp_path: Path) -> None:
    factories.stack(tmp_path, Modality="PT", Units="BQML", per_slice={"RescaleSlope": [1, 1.5, 2, 2.5, 3, 3.5]})
    image = opened(tmp_path)["image"]
    assert image.dtype == np.float32
    assert image.attrs["units"] == "Bq/mL"
    assert "stored_slope" not in image.attrs


def test_stored_values_on_request(tmp_path: Path) -> None:
    factories.stack(tmp_path, RescaleSlope=0.5)
    image = opened(tmp_path, values="stored")["image"]
    assert (image.dtype, image.attrs["value_kind"]) == (np.int16, "stored")
    assert (image.values[2] == factories.pixels(3)).all()
    with pytest.raises(UsageError, match="values cannot be"):
        opened(tmp_path, values="raw")


def test_dtype_on_request(tmp_path: Path) -> None:
    factories.stack(tmp_path)
    assert opened(tmp_path, dtype="float64")["image"].values.dtype == np.float64
    with pytest.raises(UsageError):
        opened(tmp_path, dtype="nonsense")
    with pytest.raises(DicomError, match="do not fit uint8"):
        opened(tmp_path, dtype="uint8")["image"].load()


def test_b_values_lead_the_dimensions(tmp_path: Path) -> None:
    for i, level in enumerate((0.0, 1000.0)):
        factories.stack(tmp_path / str(i), first=1 + 10 * i, DiffusionBValue=level, Modality="MR")
    ds = opened(tmp_path)
    assert ds["image"].dims == ("b_value", "z", "y", "x")
    assert ds["b_value"].values.tolist() == [0, 1000]
    assert ds["sop_instance_uid"].dims == ("b_value", "z")
    assert (ds["image"].sel(b_value=1000).isel(z=2).values == factories.pixels(13)).all()


def test_ragged_stack_is_nan_and_present_says_where(tmp_path: Path) -> None:
    for i, level in enumerate((0.0, 1000.0)):
        factories.stack(tmp_path / str(i), first=1 + 10 * i, DiffusionBValue=level)
    (tmp_path / "1" / "0002.dcm").unlink()
    ds = opened(tmp_path)
    assert ds["image"].dtype == np.float32
    assert ds["present"].dims == ("b_value", "z")
    assert ds["present"].values.sum() == 11
    values = ds["image"].values
    assert np.isnan(values[1, 2]).all()
    assert not np.isnan(values).any(axis=(2, 3))[0].any()
    assert (values[1, 3] == factories.pixels(14)).all()
    assert ds["sop_instance_uid"].values[1, 2] == ""


def test_what_is_constant_is_scalar_and_what_varies_is_per_slice(tmp_path: Path) -> None:
    factories.stack(tmp_path, KVP=120, per_slice={"TriggerTime": [1, 2, 3, 4, 5, None]})
    ds = opened(tmp_path)
    assert (ds["KVP"].dims, float(ds["KVP"])) == ((), 120)
    assert ds["TriggerTime"].dims == ("z",)
    assert np.isnan(ds["TriggerTime"].values[-1])
    assert ds["InstanceNumber"].values.tolist() == [1, 2, 3, 4, 5, 6]
    assert ds["InstanceNumber"].dtype.kind == "i"
    assert ds["sop_instance_uid"].values[3] == factories.uid(4)
    assert ds["series_instance_uid"].item() == factories.SERIES
    assert ds["frame_of_reference_uid"].item() == factories.FRAME


@pytest.mark.parametrize(
    "tags",
    [
        {},
        {"ImagePositionPatient": None},
        {"PixelSpacing": None},
        {"WindowCenter": [40, 50], "WindowWidth": [400, 80], "Manufacturer": "Café"},
        {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.1.2", "ImagePositionPatient": None, "PixelSpacing": None},
    ],
)
def test_attributes_are_plain(tags: dict[str, Any], tmp_path: Path) -> None:
    factories.stack(tmp_path, (0, 2, 4, 8), **tags)
    ds = opened(tmp_path)
    assert_plain(ds.attrs)
    for variable in ds.variables.values():
        assert_plain(variable.attrs)


def test_unplaced_images_have_slice_numbers_for_z(tmp_path: Path) -> None:
    factories.stack(tmp_path, (0, 2, 4), ImagePositionPatient=None)
    ds = opened(tmp_path)
    assert (ds["z"].values.tolist(), ds["z"].attrs["units"]) == ([0, 1, 2], "1")
    assert ds["y"].attrs["units"] == "mm"
    assert "position" not in ds.coords
    assert ds.attrs["geometry"] == "unplaced"


def test_colour_has_a_channel_and_no_quantity(tmp_path: Path) -> None:
    picture = np.random.default_rng(2).integers(0, 256, (1, 6, 8, 3), dtype=np.uint8)
    factories.image(tmp_path / "a", frames=picture, Modality="SC")
    image = opened(tmp_path)["image"]
    assert image.dims == ("z", "y", "x", "channel")
    assert image.attrs["value_kind"] == "colour"
    assert (image.values == picture).all()


def test_multi_frame_frames_are_numbered_from_one(tmp_path: Path) -> None:
    factories.image(tmp_path / "a", frames=np.stack([factories.pixels(i) for i in range(3)]))
    ds = opened(tmp_path)
    assert ds["frame_number"].values.tolist() == [1, 2, 3]
    assert (ds["image"].isel(z=2).values == factories.pixels(2)).all()


def test_conflicting_instances_are_refused_naming_both(tmp_path: Path) -> None:
    factories.stack(tmp_path)
    factories.image(tmp_path / "other.dcm", 3)
    with pytest.raises(UnstackableSeries, match=r"0002\.dcm.*other\.dcm"):
        opened(tmp_path)


def test_same_position_is_refused_naming_both(tmp_path: Path) -> None:
    factories.stack(tmp_path)
    factories.image(tmp_path / "other.dcm", 3, SOPInstanceUID="1.9", ImagePositionPatient=[-10, 20, 34])
    with pytest.raises(UnstackableSeries, match=r"0002\.dcm.*other\.dcm"):
        opened(tmp_path)


def test_undecodable_syntax_is_refused_when_opened(tmp_path: Path) -> None:
    path = factories.image(tmp_path / "a", syntax=factories.LOSSLESS["jpeg-ls"])
    path.write_bytes(path.read_bytes().replace(b"1.2.840.10008.1.2.4.80", b"1.2.840.10008.1.2.4.99"))
    with pytest.raises(UnsupportedSyntax, match="no decoder here"):
        opened(tmp_path)


def test_opening_reads_headers_once_and_a_slice_opens_one_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    factories.stack(tmp_path)
    names: list[str] = []
    real = os.open
    monkeypatch.setattr(os, "open", lambda path, *args, **o: names.append(str(path)) or real(path, *args, **o))
    ds = opened(tmp_path)
    assert len(names) == 6
    names.clear()
    assert (ds["image"].isel(z=4).values == factories.pixels(5)).all()
    assert [Path(name).name for name in names] == ["0004.dcm"]


def test_eager_load_needs_little_more_than_the_array(tmp_path: Path) -> None:
    picture = np.zeros((512, 512), "<i2")
    factories.stack(tmp_path, range(60), frames=picture)
    script = textwrap.dedent(
        """
        import resource, sys
        import xarray as xr
        image = xr.open_dataset(sys.argv[1], engine="dicom")["image"]
        image.isel(z=slice(0, 9)).load()
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        loaded = image.load()
        after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        print((after - before) * 1024 / loaded.nbytes)
        """
    )
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, check=True)
    assert float(done.stdout) <= 1.15


def test_tags_of_several_numbers_have_a_dimension_of_their_own(tmp_path: Path) -> None:
    factories.stack(
        tmp_path, (0, 2, 4), FocalSpots=0.7, AcquisitionMatrix=[256, 0, 0, 134],
        per_slice={"ReconstructionFieldOfView": [[1.5, 2.5], [1.5, 3.5], None]},
    )  # fmt: skip
    asked = ["PixelSpacing", "ImagePositionPatient", "FocalSpots", "AcquisitionMatrix", "ReconstructionFieldOfView"]
    dataset = open_series(tmp_path, tags=asked)
    assert dataset.PixelSpacing.dims == ("PixelSpacing_value",)
    assert dataset.PixelSpacing.values.tolist() == [0.5, 0.8]
    assert dataset.ImagePositionPatient.dims == ("z", "ImagePositionPatient_value")
    assert dataset.ImagePositionPatient.values[:, 2].tolist() == [30, 32, 34]
    assert (dataset.FocalSpots.dims, float(dataset.FocalSpots)) == ((), 0.7)
    assert dataset.AcquisitionMatrix.dtype == np.int64
    assert dataset.AcquisitionMatrix.values.tolist() == [256, 0, 0, 134]
    found = dataset.ReconstructionFieldOfView.values
    assert found[:2].tolist() == [[1.5, 2.5], [1.5, 3.5]]
    assert np.isnan(found[2]).all()


def test_tags_of_several_numbers_in_a_ragged_series(tmp_path: Path) -> None:
    factories.stack(tmp_path / "a", (0, 2, 4), EchoTime=10)
    factories.stack(tmp_path / "b", (0, 2), EchoTime=30, first=10)
    dataset = open_series(tmp_path, tags=["PixelSpacing", "ImagePositionPatient"])
    assert dataset.PixelSpacing.values.tolist() == [0.5, 0.8]
    assert dataset.ImagePositionPatient.dims == ("echo_time", "z", "ImagePositionPatient_value")
    assert np.isnan(dataset.ImagePositionPatient.values[1, 2]).all()


@pytest.mark.parametrize("spacing", [[1e-300, 1e-300], [1, 1e-12], [1e-20, 1]])
def test_a_spacing_that_no_voxel_has_counts_as_missing(tmp_path: Path, spacing: list[float]) -> None:
    factories.stack(tmp_path, PixelSpacing=spacing)
    dataset = opened(tmp_path)
    assert (dataset.attrs["geometry"], "unplaced" in dataset.patient.findings) == ("unplaced", True)
    assert not np.isfinite(list(dataset.patient.spacing.values())).all()
    masked = dataset.patient.masks(np.ones(dataset["image"].shape, bool))
    with pytest.raises(IrregularGeometry):
        features(masked)
