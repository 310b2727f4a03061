"""Multi-frame objects, mosaics and series of many dimensions as Datasets: right places, right values, nothing lost."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import numpy as np
import pydicom
import pytest
import xarray as xr

from tests import factories, multiframe

PLACES = factories.positions((0, 2, 4)).tolist()


def opened(folder: Path, **options: object) -> xr.Dataset:
    return xr.open_dataset(folder, engine="dicom", **options)


def test_enhanced_frames_in_any_order_are_slices_with_their_own_map(tmp_path: Path) -> None:
    multiframe.enhanced(tmp_path / "a", [PLACES[2], PLACES[0], PLACES[1]], rescale=[(1, -1000), (1.5, 0), (2, 7)])
    ds = opened(tmp_path)
    assert ds.attrs["geometry"] == "regular"
    np.testing.assert_allclose(ds["position"].values, PLACES)
    stored = multiframe.numbered(3).astype(float)
    expected = [stored[1] * 1.5, stored[2] * 2 + 7, stored[0] - 1000]
    np.testing.assert_allclose(ds["image"].values, expected)
    assert ds["image"].attrs["units"] == "[hnsf'U]"
    assert ds["frame_number"].values.tolist() == [2, 3, 1]
    assert len(set(ds["sop_instance_uid"].values.tolist())) == 1


def test_enhanced_object_without_a_place_is_given_in_stored_order_with_its_finding(tmp_path: Path) -> None:
    multiframe.multi_frame(tmp_path / "a", multiframe.numbered(3))
    ds = opened(tmp_path)
    assert ds.attrs["geometry"] == "unplaced"
    assert "multi-frame-unplaced" in ds.attrs["findings"]
    assert (ds.isel(z=1)["image"].values == factories.pixels(2)).all()


def test_gap_in_an_enhanced_object_is_told_and_not_filled(tmp_path: Path) -> None:
    places = factories.positions((0, 2, 6, 8)).tolist()
    multiframe.enhanced(tmp_path / "a", places)
    ds = opened(tmp_path)
    assert (ds.attrs["geometry"], ds.sizes["z"]) == ("gaps", 4)
    assert "affine" not in ds.coords


def test_several_enhanced_objects_of_one_series_are_one_array_over_time(tmp_path: Path) -> None:
    for t in range(2):
        stamps = [{"FrameAcquisitionDateTime": f"2020010203040{t}.0"} for _ in PLACES]
        multiframe.enhanced(tmp_path / f"{t}", PLACES, number=t + 1, per_frame={"FrameContentSequence": stamps})
    ds = opened(tmp_path)
    assert ds["image"].dims == ("time", "z", "y", "x")
    assert ds["time"].values.tolist() == [0, 1]
    assert ds["sop_instance_uid"].dims == ("time",)
    assert ds.attrs["findings"] == ""


def test_five_dimensions_keep_every_image_in_its_cell(tmp_path: Path) -> None:
    for number, (e, t, z) in enumerate(product((5.0, 10.0), (0, 1), range(3)), 1):
        factories.image(
            tmp_path / f"{number}", number, Modality="MR", EchoTime=e, TemporalPositionIdentifier=t + 1,
            ImagePositionPatient=[0, 0, 2.0 * z],
        )  # fmt: skip
    ds = opened(tmp_path)
    assert ds["image"].dims == ("echo_time", "time", "z", "y", "x")
    assert ds["image"].shape[:3] == (2, 2, 3)
    assert (ds["image"].sel(echo_time=10, time=2).isel(z=2).values == factories.pixels(12)).all()
    assert ds["InstanceNumber"].values[1, 1, 2] == 12


def test_what_varies_along_one_dimension_is_a_coordinate_over_that_dimension(tmp_path: Path) -> None:
    for t in range(2):
        factories.stack(
            tmp_path / str(t), (0, 2, 4), first=10 * t + 1, Modality="MR", TemporalPositionIdentifier=t + 1,
            FlipAngle=15, per_slice={"TriggerTime": [100.0 * t] * 3, "SliceThickness": [2, 3, 2]},
        )  # fmt: skip
    ds = opened(tmp_path)
    assert ds["image"].dims[0] == "time"
    assert (ds["FlipAngle"].dims, ds["SliceThickness"].dims) == ((), ("z",))
    assert ds["InstanceNumber"].dims == ("time", "z")


def test_magnitude_and_phase_are_chosen_by_letter(tmp_path: Path) -> None:
    for i, letter in enumerate("PM"):
        factories.stack(
            tmp_path / letter, (0, 2), first=10 * i + 1, Modality="MR", ImageType=["ORIGINAL", "PRIMARY", letter, "ND"]
        )
    ds = opened(tmp_path)
    assert ds["component"].values.tolist() == ["M", "P"]
    assert (ds["image"].sel(component="M").isel(z=0).values == factories.pixels(11)).all()


def test_directions_carry_b_values_and_vectors(tmp_path: Path) -> None:
    for i, direction in enumerate([None, [1, 0, 0], [0, 1, 0]]):
        tags = {} if direction is None else {"DiffusionGradientOrientation": direction}
        factories.stack(
            tmp_path / str(i), (0, 2), first=10 * i + 1, Modality="MR",
            DiffusionBValue=0.0 if direction is None else 800.0, **tags,
        )  # fmt: skip
    ds = opened(tmp_path)
    assert ds["image"].dims == ("direction", "z", "y", "x")
    assert ds["DiffusionBValue"].dims == ("direction",)
    np.testing.assert_array_equal(ds["gradient_direction"].values, [[np.nan] * 3, [0, 1, 0], [1, 0, 0]])


def test_b_value_of_a_private_tag_is_as_good_as_the_public_one(tmp_path: Path) -> None:
    for i, b in enumerate((0, 800)):
        for path in factories.stack(tmp_path / str(i), (0, 2), first=10 * i + 1, Modality="MR"):
            dataset = pydicom.dcmread(path)
            dataset.private_block(0x0019, "SIEMENS MR HEADER", create=True).add_new(0x0C, "IS", str(b))
            dataset.save_as(path)
    ds = opened(tmp_path)
    assert ds["b_value"].values.tolist() == [0, 800]
    assert ds.attrs["findings"] == ""


def test_removed_private_b_values_are_a_finding_and_not_a_guess(tmp_path: Path) -> None:
    for i in range(2):
        factories.stack(
            tmp_path / str(i), (0, 2), first=10 * i + 1, Modality="MR", SeriesDescription="DWI b800",
            ImageType=["ORIGINAL", "PRIMARY", "DIFFUSION", "NONE"],
        )  # fmt: skip
    ds = opened(tmp_path)
    assert {"b-value-unknown", "time-order-from-instance-number"} <= set(ds.patient.findings)
    assert "DiffusionBValue" not in ds.coords


def test_mosaic_is_a_volume_and_several_are_a_time_series(tmp_path: Path) -> None:
    volume = np.arange(5 * 4 * 6, dtype="<i2").reshape(5, 4, 6)
    for t in range(2):
        multiframe.mosaic(tmp_path / str(t), volume + 1000 * t, t + 1, AcquisitionTime=f"10000{t}")
    ds = opened(tmp_path)
    assert ds["image"].dims == ("time", "z", "y", "x")
    np.testing.assert_array_equal(ds["image"].values, [volume, volume + 1000])
    np.testing.assert_allclose(ds["position"].values[0], (-100, -90, 10))
    assert ds.patient.spacing == {"z": 3.0, "y": 0.5, "x": 0.8}
    assert ds["sop_instance_uid"].dims == ("time",)


def test_mosaic_that_cannot_be_taken_apart_is_a_picture_with_its_finding(tmp_path: Path) -> None:
    multiframe.mosaic(tmp_path / "a", np.zeros((5, 4, 6), "<i2"), csa=False, count=False)
    ds = opened(tmp_path)
    assert ds["image"].shape == (1, 12, 18)
    assert "mosaic" in ds.attrs["findings"]


def test_dose_is_a_volume_in_gray(tmp_path: Path) -> None:
    multiframe.dose(tmp_path / "a", [0, 3, 6])
    ds = opened(tmp_path)
    assert (ds.attrs["geometry"], ds["image"].attrs["units"]) == ("regular", "Gy")
    np.testing.assert_allclose(ds["image"].values, multiframe.numbered(3) * 0.001, rtol=1e-6)


def test_cine_runs_over_time(tmp_path: Path) -> None:
    multiframe.multi_frame(
        tmp_path / "a", multiframe.numbered(4), SOPClassUID=multiframe.ULTRASOUND, Modality="US", FrameTime=40
    )
    ds = opened(tmp_path)
    assert ds["image"].dims == ("time", "z", "y", "x")
    assert ds["image"].shape[:2] == (4, 1)
    assert ds["time"].values.tolist() == [0, 40, 80, 120]


def test_planar_nuclear_images_are_told_apart_by_window_and_detector(tmp_path: Path) -> None:
    multiframe.multi_frame(
        tmp_path / "a", multiframe.numbered(4), SOPClassUID=multiframe.NUCLEAR, Modality="NM",
        EnergyWindowVector=[1, 1, 2, 2], DetectorVector=[1, 2, 1, 2],
    )  # fmt: skip
    ds = opened(tmp_path)
    assert ds["image"].dims == ("energy_window", "detector", "z", "y", "x")
    assert (ds["image"].sel(energy_window=2, detector=1).values[0] == factories.pixels(3)).all()


def test_tomosynthesis_slices_are_placed(tmp_path: Path) -> None:
    multiframe.enhanced(tmp_path / "a", PLACES, SOPClassUID=multiframe.TOMOSYNTHESIS, Modality="MG", rescale=None)
    assert opened(tmp_path).attrs["geometry"] == "regular"


def test_frames_that_nothing_tells_apart_keep_their_objects(tmp_path: Path) -> None:
    for i, n in enumerate((3, 2)):
        multiframe.enhanced(tmp_path / str(i), PLACES[:n], number=5, SOPInstanceUID=f"1.2.{i}")
    assert [opened(tmp_path, part=p).sizes["z"] for p in (1, 2)] == [3, 2]


def test_everything_goes_to_zarr_and_back(tmp_path: Path) -> None:
    for i, letter in enumerate("PM"):
        factories.stack(
            tmp_path / "in" / letter, (0, 2), first=10 * i + 1, Modality="MR",
            ImageType=["ORIGINAL", "PRIMARY", letter, "ND"],
        )  # fmt: skip
    ds = opened(tmp_path / "in").load()
    ds.to_zarr(tmp_path / "out.zarr", consolidated=False)
    xr.testing.assert_identical(xr.open_zarr(tmp_path / "out.zarr", consolidated=False).load(), ds)


@pytest.mark.data
def test_legacy_converted_object_equals_its_single_frames(data_dir: Path) -> None:
    folder = data_dir / "dcmqi" / "segmentations" / "24x38x3"
    ds = opened(folder / "multiframe" / "mf.dcm", values="stored")
    singles = sorted(
        (pydicom.dcmread(path) for path in folder.rglob("*.dcm") if "multiframe" not in path.parts),
        key=lambda single: float(single.ImagePositionPatient[2]),
    )
    singles = [single for single in singles if "PixelData" in single]
    assert len(singles) == ds.sizes["z"]
    for k, single in enumerate(singles):
        np.testing.assert_allclose(ds["position"].values[k], [float(v) for v in single.ImagePositionPatient], atol=1e-4)
        assert (ds["image"].values[k] == single.pixel_array).all()
