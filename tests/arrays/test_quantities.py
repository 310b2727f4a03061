"""What the numbers of a Dataset are: SUV, look-up tables, real-world values, padding, and which decoder gave them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
import xarray as xr
from pydicom.dataset import Dataset

from tests import factories, multiframe
from workbench.errors import SeriesNotFound, SuvUnavailable, UsageError

PET = "1.2.840.10008.5.1.4.1.1.128"


def pet(folder: Path, *, weight: float | None = 80.0, dose: float = 2e8, **tags: Any) -> None:
    """Three PET slices in Bq/mL, injected one half-life of 6,600 s before the scan, a slope of its own each."""
    injection = Dataset()
    injection.RadiopharmaceuticalStartTime, injection.RadionuclideTotalDose = "100000", dose
    injection.RadionuclideHalfLife = 6600
    factories.stack(
        folder, (0, 3, 6), Modality="PT", SOPClassUID=PET, Units="BQML", CorrectedImage=["DECY", "ATTN"],
        DecayCorrection="START", PatientWeight=weight, SeriesDate="20240301", SeriesTime="115000",
        AcquisitionDate="20240301", AcquisitionTime="115000", RadiopharmaceuticalInformationSequence=[injection],
        per_slice={"RescaleSlope": [1, 2, 0.5]}, **tags,
    )  # fmt: skip


def opened(folder: Path, **options: Any) -> xr.Dataset:
    return xr.open_dataset(folder, engine="dicom", **options)


def test_pet_carries_its_factor_and_gives_suv_lazily_or_afterwards(tmp_path: Path) -> None:
    pet(tmp_path)
    ds = opened(tmp_path)
    # 80 kg = 80,000 g over the 100 MBq that one half-life leaves of 200.
    assert float(ds["suv_factor"]) == pytest.approx(8e-4)
    assert ds["image"].attrs["units"] == "Bq/mL"
    stored = np.stack([factories.pixels(i) for i in (1, 2, 3)])
    expected = stored * np.array([1, 2, 0.5])[:, None, None] * 8e-4
    np.testing.assert_allclose(ds.patient.suv()["image"].values, expected, rtol=1e-6)
    direct = opened(tmp_path, values="suv")
    np.testing.assert_allclose(direct["image"].values, expected, rtol=1e-6)
    assert direct["image"].attrs["units"] == "{SUVbw}g/mL"
    assert direct["image"].dtype == np.float32


def test_pet_without_a_weight_opens_in_activity_and_refuses_suv_naming_it(tmp_path: Path) -> None:
    pet(tmp_path, weight=None)
    ds = opened(tmp_path)
    assert ds["image"].attrs["units"] == "Bq/mL"
    assert ds.attrs["suv_missing"] == "PatientWeight"
    with pytest.raises(SuvUnavailable) as late:
        ds.patient.suv()
    with pytest.raises(SuvUnavailable) as early:
        opened(tmp_path, values="suv")
    assert late.value.missing == early.value.missing == ("PatientWeight",)


def test_ct_has_no_suv(tmp_path: Path) -> None:
    factories.stack(tmp_path)
    with pytest.raises(UsageError, match="suv"):
        opened(tmp_path, values="suv")
    with pytest.raises(UsageError, match="physical"):
        opened(tmp_path, values="nonsense")


def test_modality_lut_of_each_file_is_applied(tmp_path: Path) -> None:
    for i, path in enumerate(factories.stack(tmp_path, (0, 2), RescaleSlope=None, RescaleIntercept=None)):
        dataset = pydicom.dcmread(path)
        dataset.PixelRepresentation = 0
        dataset.PixelData = (np.arange(48, dtype="<u2") % 4).tobytes()
        lut = Dataset()
        lut.add_new("LUTDescriptor", "US", [4, 0, 16])
        lut.ModalityLUTType = "US"
        lut.add_new("LUTData", "US", [10 + i, 20, 30, 40])
        dataset.ModalityLUTSequence = [lut]
        dataset.save_as(path)
    ds = opened(tmp_path)
    assert ds["image"].values[0, 0, :4].tolist() == [10, 20, 30, 40]
    assert ds["image"].values[1, 0, :4].tolist() == [11, 20, 30, 40]


def parametric(path: Path, *labels: str, ends: tuple[float, float] = (-1e6, 1e6)) -> None:
    """Parametric map with float pixels and a real-world map per label."""
    entries = [
        multiframe.item(
            DoubleFloatRealWorldValueFirstValueMapped=ends[0], DoubleFloatRealWorldValueLastValueMapped=ends[1],
            RealWorldValueSlope=2.0, RealWorldValueIntercept=1.0, LUTLabel=label,
            MeasurementUnitsCodeSequence={"CodeValue": "mm2/s", "CodingSchemeDesignator": "UCUM"},
        )
        for label in labels
    ]  # fmt: skip
    places = factories.positions((0, 2)).tolist()
    multiframe.enhanced(path, places, rescale=None, SOPClassUID=multiframe.PARAMETRIC_MAP, Modality="MR")
    dataset = pydicom.dcmread(path)
    for group in dataset.PerFrameFunctionalGroupsSequence:
        group.RealWorldValueMappingSequence = entries
    del dataset.PixelData, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation
    dataset.BitsAllocated = 32
    dataset.FloatPixelData = np.linspace(-1, 1, 96, dtype="<f4").tobytes()
    dataset.save_as(path)


def test_parametric_map_is_in_the_unit_of_its_only_real_world_map(tmp_path: Path) -> None:
    parametric(tmp_path / "a", "ADC")
    ds = opened(tmp_path)
    assert ds["image"].attrs["units"] == "mm2/s"
    expected = (np.linspace(-1, 1, 96, dtype="f4").astype(float) * 2 + 1).reshape(2, 6, 8)
    np.testing.assert_allclose(ds["image"].values, expected, rtol=1e-6, atol=1e-7)
    assert ds.attrs["geometry"] == "regular"


def test_numbers_beyond_the_ends_of_a_real_world_map_have_no_value(tmp_path: Path) -> None:
    parametric(tmp_path / "a", "ADC", ends=(-0.5, 0.5))
    stored = np.linspace(-1, 1, 96, dtype="f4").astype(float)
    expected = np.where(np.abs(stored) <= 0.5, stored * 2 + 1, np.nan).reshape(2, 6, 8)
    image = opened(tmp_path, values="real-world")["image"]
    np.testing.assert_allclose(image.values, expected, rtol=1e-6, atol=1e-7)


def test_padding_is_marked_in_the_values_of_the_array(tmp_path: Path) -> None:
    factories.stack(tmp_path, RescaleIntercept=-1024, PixelPaddingValue=-2000)
    image = opened(tmp_path)["image"]
    assert image.attrs["pixel_padding_value"] == -3024


def test_decoder_and_loss_are_on_record(tmp_path: Path) -> None:
    factories.stack(
        tmp_path, syntax=factories.LOSSLESS["jpeg-ls"], LossyImageCompression="01", LossyImageCompressionRatio=10
    )
    ds = opened(tmp_path)
    assert ds.attrs["decoder"].startswith("imagecodecs")
    assert (ds.attrs["LossyImageCompression"], ds.attrs["LossyImageCompressionRatio"]) == ("01", "10.0")
    assert "lossy-compression" in ds.attrs["findings"]


def test_projections_say_where_their_millimetres_are_from(tmp_path: Path) -> None:
    tags = {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.1.2", "Modality": "MG", "ImagerPixelSpacing": [0.1, 0.1],
            "ImagePositionPatient": None, "ViewPosition": "CC", "ImageLaterality": "L"}  # fmt: skip
    factories.image(tmp_path / "a", PixelSpacing=None, **tags)
    ds = opened(tmp_path)
    assert ds.attrs["pixel_spacing_source"] == "ImagerPixelSpacing"
    assert ds.attrs["imager_pixel_spacing_mm"] == [0.1, 0.1]
    assert (ds["ViewPosition"].item(), ds["ImageLaterality"].item()) == ("CC", "L")


def test_tags_asked_for_are_coordinates(tmp_path: Path) -> None:
    factories.stack(tmp_path, (0, 2), per_slice={"ExposureTime": [5, 7]}, DataCollectionDiameter=500)
    ds = opened(tmp_path, tags=["ExposureTime", "DataCollectionDiameter", "PatientWeight"])
    assert ds["ExposureTime"].values.tolist() == [5, 7]
    assert ds["DataCollectionDiameter"].item() == 500
    assert "PatientWeight" not in ds.coords
    with pytest.raises(UsageError, match="keyword"):
        opened(tmp_path, tags=["ExposureTme"])


def test_several_paths_are_one_series(tmp_path: Path) -> None:
    paths = factories.stack(tmp_path / "a")
    ds = xr.open_dataset([paths[2], str(paths[0]), paths[1]], engine="dicom")
    assert ds.sizes["z"] == 3
    factories.stack(tmp_path / "b", (0, 2), first=50, SeriesInstanceUID="1.2.9")
    assert xr.open_dataset([tmp_path / "a", tmp_path / "b"], engine="dicom", series="1.2.9").sizes["z"] == 2


def test_images_without_uids_open_with_a_finding(tmp_path: Path) -> None:
    factories.stack(tmp_path, SOPInstanceUID=None, SeriesInstanceUID=None)
    ds = opened(tmp_path)
    assert ds.sizes["z"] == 6
    assert "identity-missing" in ds.attrs["findings"]


def test_a_whole_type_for_a_stack_with_absent_frames_is_refused(tmp_path: Path) -> None:
    for i, b in enumerate((0.0, 800.0)):
        factories.stack(tmp_path / str(i), (0, 2, 4), first=10 * i + 1, Modality="MR", DiffusionBValue=b)
    (tmp_path / "1" / "0001.dcm").unlink()
    assert opened(tmp_path)["image"].dtype == np.float32
    with pytest.raises(UsageError, match="absent"):
        opened(tmp_path, dtype="int16")


def test_pet_in_suv_already_carries_the_factor_one(tmp_path: Path) -> None:
    pet(tmp_path, SUVType="BW")
    for path in tmp_path.iterdir():
        dataset = pydicom.dcmread(path)
        dataset.Units = "GML"
        dataset.save_as(path)
    ds = opened(tmp_path)
    assert ds["image"].attrs["value_kind"] == "suv"
    assert float(ds["suv_factor"]) == 1
    xr.testing.assert_identical(ds.patient.suv(), ds)


def test_what_cannot_be_opened_as_an_image_is_named(tmp_path: Path) -> None:
    dataset = factories.header(SOPClassUID="1.2.840.10008.5.1.4.1.1.481.3", Modality="RTSTRUCT")
    factories.write(tmp_path / "a", dataset)
    with pytest.raises(SeriesNotFound, match=r"structure-set.*masks=True"):
        opened(tmp_path)
    for wrong in (5, None, iter([tmp_path])):
        with pytest.raises(UsageError, match="not a path"):
            opened(wrong)  # type: ignore[arg-type]
    factories.stack(tmp_path / "ct")
    with pytest.raises(UsageError, match="values cannot be"):
        opened(tmp_path / "ct", values=None)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.uint16])
def test_parametric_map_as_highdicom_writes_it_is_an_array_in_its_unit(tmp_path: Path, dtype: type) -> None:
    import highdicom as hd

    from tests.labels import objects

    grid = objects.stack()
    values = np.random.default_rng(0).integers(0, 4000, grid.shape).astype(dtype)
    whole = np.issubdtype(dtype, np.integer)
    slope, intercept = (0.5, 1.0) if whole else (1.0, 0.0)
    mapping = hd.pm.RealWorldValueMapping(
        lut_label="ADC", lut_explanation="diffusion", unit=hd.sr.CodedConcept("um2/s", "UCUM", "um2/s"),
        value_range=(0, 4095) if whole else (0.0, 4095.0), slope=slope, intercept=intercept,
    )  # fmt: skip
    (tmp_path / "map").mkdir()
    hd.pm.ParametricMap(
        objects.images(grid), values, "2.25.1", 5, "2.25.3", 1, "maker", "model", "1", "1",
        contains_recognizable_visual_features=False, real_world_value_mappings=[mapping],
        voi_lut_transformations=[hd.VOILUTTransformation(2000, 4000)],
    ).save_as(tmp_path / "map" / "a.dcm")  # fmt: skip
    ds = xr.open_dataset(tmp_path / "map", engine="dicom")
    np.testing.assert_array_equal(ds["image"].values, values * slope + intercept)
    assert (ds["image"].dims, ds["image"].attrs["units"]) == (("z", "y", "x"), "um2/s")
    np.testing.assert_allclose(ds["position"].values, grid.positions, atol=1e-6)
