"""``engine="dicom"``: the entry point, its arguments, and what is written comes back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from tests import factories
from workbench.arrays.backend import DicomBackendEntrypoint
from workbench.errors import AmbiguousSeries, EmptyExtract, PathNotFound, SeriesNotFound, UsageError


def test_engine_is_registered() -> None:
    engine = xr.backends.list_engines()["dicom"]
    assert type(engine).__name__ == "DicomBackendEntrypoint"
    assert type(engine).__module__ == "workbench.arrays.backend"


def test_engine_never_guesses(tmp_path: Path) -> None:
    path = factories.image(tmp_path / "a.dcm")
    assert not DicomBackendEntrypoint().guess_can_open(path)


@pytest.mark.parametrize("as_text", [True, False])
def test_folder_and_file_open(as_text: bool, tmp_path: Path) -> None:
    path = factories.stack(tmp_path)[2]
    folder: Any = str(tmp_path) if as_text else tmp_path
    file: Any = str(path) if as_text else path
    assert xr.open_dataset(folder, engine="dicom").sizes["z"] == 6
    one = xr.open_dataset(file, engine="dicom")
    assert (one["image"].values == factories.pixels(3)).all()


def test_path_with_a_space_and_without_suffix_opens(tmp_path: Path) -> None:
    factories.image(tmp_path / "a folder" / "IM 0001")
    assert xr.open_dataset(tmp_path / "a folder" / "IM 0001", engine="dicom").sizes["z"] == 1


def test_series_is_chosen_by_uid(tmp_path: Path) -> None:
    factories.stack(tmp_path / "a")
    factories.stack(tmp_path / "b", (0, 2), first=20, SeriesInstanceUID="1.2.3")
    assert xr.open_dataset(tmp_path, engine="dicom", series="1.2.3").sizes["z"] == 2
    with pytest.raises(AmbiguousSeries, match=r"1\.2\.3 CT 2"):
        xr.open_dataset(tmp_path, engine="dicom")
    with pytest.raises(SeriesNotFound):
        xr.open_dataset(tmp_path, engine="dicom", series="9.9")


def test_part_is_chosen_by_number(tmp_path: Path) -> None:
    factories.stack(tmp_path / "s")
    factories.image(tmp_path / "l", 50, ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])
    assert xr.open_dataset(tmp_path, engine="dicom", part=1).sizes["z"] == 6
    ds = xr.open_dataset(tmp_path, engine="dicom", part=np.int64(2))
    assert (ds.sizes["z"], ds.attrs["part"], ds.attrs["n_parts"]) == (1, 2, 2)
    with pytest.raises(AmbiguousSeries, match="2 parts"):
        xr.open_dataset(tmp_path, engine="dicom")


def test_what_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(PathNotFound):
        xr.open_dataset(tmp_path / "nothing", engine="dicom")
    with pytest.raises(EmptyExtract, match="no DICOM"):
        xr.open_dataset(tmp_path, engine="dicom")
    (tmp_path / "a.dcm").write_text("text")
    with pytest.raises(EmptyExtract, match="file-not-dicom"):
        xr.open_dataset(tmp_path / "a.dcm", engine="dicom")
    with pytest.raises(TypeError):
        xr.open_dataset(tmp_path, engine="dicom", nonsense=1)


def test_variables_can_be_dropped(tmp_path: Path) -> None:
    factories.stack(tmp_path)
    ds = xr.open_dataset(tmp_path, engine="dicom", drop_variables=["InstanceNumber", "absent"])
    assert "InstanceNumber" not in ds


@pytest.mark.parametrize(
    "option",
    [
        {"decode_times": False},
        {"mask_and_scale": False},
        {"decode_cf": False},
        {"decode_coords": "all"},
        {"decode_timedelta": True},
        {"concat_characters": False},
    ],
)
def test_what_xarray_asks_of_every_backend_changes_nothing(option: dict[str, Any], tmp_path: Path) -> None:
    factories.stack(tmp_path)
    plain = xr.open_dataset(tmp_path, engine="dicom")
    xr.testing.assert_identical(xr.open_dataset(tmp_path, engine="dicom", **option), plain)
    assert len(xr.open_datatree(tmp_path, engine="dicom", **option).leaves) == 1


def test_names_to_drop_are_names(tmp_path: Path) -> None:
    factories.stack(tmp_path)
    assert "KVP" not in xr.open_dataset(tmp_path, engine="dicom", drop_variables="KVP", tags=["KVP"])
    assert "position" not in xr.open_datatree(tmp_path, engine="dicom", drop_variables=["position"]).leaves[0]
    with pytest.raises(UsageError, match="drop_variables is no list of names"):
        xr.open_dataset(tmp_path, engine="dicom", drop_variables=5)


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("", "an empty path"),
        ([b"a"], "not a path"),
        ("somewhere/*.dcm", "no such file.*glob"),
        ("https://example.org/a.dcm", "no such file.*fetch it first"),
    ],
)
def test_paths_that_are_none_say_what_to_give(path: Any, text: str) -> None:
    with pytest.raises(UsageError, match=text):
        xr.open_dataset(path, engine="dicom")


def test_series_is_named_by_a_text(tmp_path: Path) -> None:
    factories.stack(tmp_path)
    with pytest.raises(UsageError, match="series is not a text"):
        xr.open_dataset(tmp_path, engine="dicom", series=["1.2.3"])


def test_a_dicomdir_sends_to_its_folder() -> None:
    from pydicom.data import get_testdata_file

    with pytest.raises(EmptyExtract, match=r"a DICOMDIR.*open the folder it is in"):
        xr.open_dataset(get_testdata_file("DICOMDIR"), engine="dicom")


def test_chunks_make_a_dask_array_of_the_same_values(tmp_path: Path) -> None:
    factories.stack(tmp_path)
    ds = xr.open_dataset(tmp_path, engine="dicom", chunks={})
    assert ds["image"].chunks == ((1,) * 6, (6,), (8,))
    assert (ds["image"].compute().values == xr.open_dataset(tmp_path, engine="dicom")["image"].values).all()


def study(folder: Path) -> None:
    factories.stack(folder / "a")
    factories.stack(folder / "b", (0, 2), first=20, SeriesInstanceUID="1.2.3", Modality="MR")
    factories.image(folder / "l", 50, ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"], SeriesInstanceUID="1.2.3")


def test_study_opens_as_a_tree_with_parts_as_siblings(tmp_path: Path) -> None:
    study(tmp_path)
    tree = xr.open_datatree(tmp_path, engine="dicom")
    found = sorted(node.path for node in tree.subtree if "image" in node.dataset)
    base = f"/{factories.STUDY}"
    assert found == sorted([f"{base}/{factories.SERIES}", f"{base}/1.2.3/part-1", f"{base}/1.2.3/part-2"])
    assert tree.attrs["not_loaded"] == []
    assert not any(node.dataset.sizes for node in tree.subtree if "image" not in node.dataset)


def test_series_that_cannot_be_loaded_does_not_cost_the_tree(tmp_path: Path) -> None:
    study(tmp_path)
    factories.image(tmp_path / "c", 21, frames=factories.pixels(5), SeriesInstanceUID="1.2.3", StudyDescription="x")
    tree = xr.open_datatree(tmp_path, engine="dicom")
    assert len([node for node in tree.subtree if "image" in node.dataset]) == 1
    assert all(text.startswith("1.2.3: ") for text in tree.attrs["not_loaded"])


def test_tree_takes_the_options_of_its_series_and_no_other(tmp_path: Path) -> None:
    study(tmp_path)
    tree = xr.open_datatree(tmp_path, engine="dicom", values="stored", dtype="float32")
    images = [node["image"] for node in tree.subtree if "image" in node.dataset]
    assert {(str(image.dtype), image.attrs["value_kind"]) for image in images} == {("float32", "stored")}
    with pytest.raises((TypeError, UsageError)):
        xr.open_datatree(tmp_path, engine="dicom", nonsense=1)


CASES: dict[str, dict[str, Any]] = {
    "integers": {"RescaleIntercept": -1024, "BitsStored": 12, "HighBit": 11, "frames": np.full((6, 8), 7, "<i2")},
    "slopes": {"per_slice": {"RescaleSlope": [1, 1.5, 2, 2.5, 3, 3.5]}},
    "gap": {"depths": (0, 2, 4, 8, 10, 12)},
    "unplaced": {"ImagePositionPatient": None, "PixelSpacing": None},
    "varying": {
        "per_slice": {"TriggerTime": [1, 2, 3, 4, 5, None], "AcquisitionTime": [f"10153{i}" for i in range(6)]}
    },
}


def assert_same(ours: xr.Dataset, theirs: xr.Dataset) -> None:
    """Equal in values, dtypes, coordinates and attributes."""
    xr.testing.assert_identical(ours.load(), theirs.load())
    for name, variable in theirs.variables.items():
        if variable.dtype.kind in "iufb":
            assert ours[name].dtype == variable.dtype, name


@pytest.mark.parametrize("case", list(CASES))
@pytest.mark.parametrize("zarr_format", [2, 3])
def test_zarr_gives_back_what_was_written(case: str, zarr_format: int, tmp_path: Path) -> None:
    factories.stack(tmp_path / "data", **CASES[case])
    ds = xr.open_dataset(tmp_path / "data", engine="dicom")
    ds.to_zarr(tmp_path / "out.zarr", zarr_format=zarr_format, consolidated=False)
    assert_same(xr.open_zarr(tmp_path / "out.zarr", consolidated=False), ds)


def test_zarr_gives_back_b_values_with_missing_frames(tmp_path: Path) -> None:
    for i, level in enumerate((0.0, 1000.0)):
        factories.stack(tmp_path / "data" / str(i), first=1 + 10 * i, DiffusionBValue=level)
    (tmp_path / "data" / "1" / "0002.dcm").unlink()
    ds = xr.open_dataset(tmp_path / "data", engine="dicom")
    ds.to_zarr(tmp_path / "out.zarr", consolidated=False)
    assert_same(xr.open_zarr(tmp_path / "out.zarr", consolidated=False), ds)


def test_zarr_is_written_slice_by_slice_from_dask(tmp_path: Path) -> None:
    factories.stack(tmp_path / "data")
    ds = xr.open_dataset(tmp_path / "data", engine="dicom", chunks={"z": 1})
    ds.to_zarr(tmp_path / "out.zarr", consolidated=False)
    assert_same(xr.open_zarr(tmp_path / "out.zarr", consolidated=False), ds)


def test_tree_goes_to_zarr_and_back(tmp_path: Path) -> None:
    study(tmp_path / "data")
    tree = xr.open_datatree(tmp_path / "data", engine="dicom")
    tree.to_zarr(tmp_path / "out.zarr", consolidated=False)
    back = xr.open_datatree(tmp_path / "out.zarr", engine="zarr", consolidated=False)
    xr.testing.assert_identical(back.load(), tree.load())


@pytest.mark.parametrize("case", list(CASES))
def test_netcdf_without_its_library_gives_back_what_was_written(case: str, tmp_path: Path) -> None:
    factories.stack(tmp_path / "data", **CASES[case])
    ds = xr.open_dataset(tmp_path / "data", engine="dicom")
    ds.to_netcdf(tmp_path / "out.nc", engine="scipy")
    back = xr.load_dataset(tmp_path / "out.nc", engine="scipy")
    xr.testing.assert_identical(back, ds.load())
    assert back["image"].dtype == ds["image"].dtype
    assert back.patient.findings == ds.patient.findings
    assert back.patient.grid.kind == ds.patient.grid.kind


@pytest.mark.parametrize("case", list(CASES))
def test_netcdf_gives_back_what_was_written(case: str, tmp_path: Path) -> None:
    factories.stack(tmp_path / "data", **CASES[case])
    ds = xr.open_dataset(tmp_path / "data", engine="dicom", tags=["PixelSpacing", "ImagePositionPatient"])
    ds.to_netcdf(tmp_path / "out.nc")
    assert_same(xr.load_dataset(tmp_path / "out.nc"), ds)


def test_netcdf_keeps_unsigned_numbers_and_masks(tmp_path: Path) -> None:
    frames = np.full((1, 6, 8), 65535, np.uint16)
    factories.image(tmp_path / "grey" / "a", frames=frames)
    factories.image(tmp_path / "colour" / "a", frames=np.full((1, 6, 8, 3), 255, np.uint8))
    for name, kind in (("grey", np.uint16), ("colour", np.uint8)):
        ds = xr.open_dataset(tmp_path / name, engine="dicom")
        ds["mask"] = ds.image > 0
        ds.to_netcdf(tmp_path / f"{name}.nc")
        back = xr.load_dataset(tmp_path / f"{name}.nc")
        assert (back.image.dtype, back["mask"].dtype) == (kind, bool)
        assert_same(back, ds)


def test_findings_are_known_after_reopening(tmp_path: Path) -> None:
    factories.stack(tmp_path / "data", (0, 2, 4, 8), lean=(0, 0.25, 0))
    ds = xr.open_dataset(tmp_path / "data", engine="dicom")
    ds.to_netcdf(tmp_path / "out.nc", engine="scipy")
    ds.to_zarr(tmp_path / "out.zarr", consolidated=False)
    for back in (xr.load_dataset(tmp_path / "out.nc"), xr.open_zarr(tmp_path / "out.zarr", consolidated=False)):
        assert back.patient.findings == ("gantry-tilt", "slices-missing")
        assert back.patient.grid.flags == ("sheared",)
