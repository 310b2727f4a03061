"""NIfTI images in the convention of DICOM series: places against nibabel, values against its own."""

from __future__ import annotations

import gzip
import pickle
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nibabel.nifti1 import Nifti1Image

from workbench.arrays.image_grid import image_grid
from workbench.arrays.nifti_image import open_nifti, read_header
from workbench.errors import ChangedFile, IrregularGeometry, NiftiError, UsageError

NUMBERS = np.arange(5 * 4 * 3, dtype="int16").reshape(5, 4, 3)
AXIAL = np.array([[-0.8, 0, 0, 10], [0, -0.5, 0, 20], [0, 0, 2.0, 30], [0, 0, 0, 1]])


def _write(path: Path, numbers: np.ndarray = NUMBERS, affine: np.ndarray | None = AXIAL, **header: Any) -> Path:
    image = Nifti1Image(numbers, affine)
    for name, value in header.items():
        getattr(image.header, f"set_{name}")(*value)
    image.to_filename(path)
    return path


@pytest.mark.parametrize("suffix", ["nii", "nii.gz"])
@pytest.mark.parametrize("axes", [(-1, -1, 1), (1, -1, 1), (-1, 1, -1), (1, 1, 1), (1, -1, -1)])
def test_every_voxel_is_where_nibabel_has_it(tmp_path: Path, suffix: str, axes: tuple[int, int, int]) -> None:
    affine = AXIAL.copy()
    affine[:3, :3] = np.diag([0.8, 0.5, 2.0]) @ np.diag(axes)
    path = _write(tmp_path / f"a.{suffix}", affine=affine)
    dataset = open_nifti(read_header(path))
    theirs = nibabel.load(path)
    assert dataset["image"].dims == ("z", "y", "x")
    assert dataset["image"].dtype == np.dtype("int16")
    to_lps = np.diag([-1, -1, 1, 1])
    ours = dataset["affine"].values
    values = dataset["image"].values
    for (i, j, k), number in np.ndenumerate(np.asarray(theirs.dataobj)):
        world = to_lps @ theirs.affine @ [i, j, k, 1]
        z, y, x = np.rint(np.linalg.solve(ours, world))[:3].astype(int)
        assert values[z, y, x] == number
    assert np.linalg.det(ours[:3, :3][:, ::-1]) > 0


@given(st.tuples(*[st.floats(-180, 180)] * 3), st.permutations(range(3)), st.integers(0, 7))
def test_turned_images_keep_their_places(
    tmp_path_factory: pytest.TempPathFactory, angles: tuple[float, ...], order: list[int], signs: int
) -> None:
    from scipy.spatial.transform import Rotation

    turn = Rotation.from_euler("xyz", angles, degrees=True).as_matrix()
    flips = np.diag([-1.0 if signs >> axis & 1 else 1.0 for axis in range(3)])
    affine = np.eye(4)
    affine[:3, :3] = turn @ np.eye(3)[:, order] @ flips @ np.diag([0.8, 0.5, 2.0])
    affine[:3, 3] = (5, -7, 11)
    path = _write(tmp_path_factory.mktemp("turned") / "a.nii", affine=affine)
    image = read_header(path)
    assert image.grid.kind == "regular"
    assert image.grid.slice_spacing == pytest.approx(2.0, abs=1e-4)
    grid = image_grid(open_nifti(image))
    first = np.diag([-1, -1, 1, 1]) @ nibabel.load(path).affine @ [0, 0, 2 if image.turned else 0, 1]
    np.testing.assert_allclose(grid.positions[0], first[:3], atol=1e-3)


@pytest.mark.parametrize("suffix", ["nii", "nii.gz"])
def test_any_part_reads_as_the_whole_does(tmp_path: Path, suffix: str) -> None:
    affine = AXIAL * np.array([1, -1, 1, 1])
    dataset = open_nifti(read_header(_write(tmp_path / f"a.{suffix}", affine=affine)))
    whole = dataset["image"].values
    for part in (
        {"z": 1},
        {"y": slice(1, 3), "x": [4, 0]},
        {"z": slice(None, None, -1)},
        {"z": [2, 0], "y": 3},
        {"x": []},
    ):
        np.testing.assert_array_equal(dataset["image"].isel(part).values, dataset["image"].copy(data=whole).isel(part))
    again = pickle.loads(pickle.dumps(dataset))
    np.testing.assert_array_equal(again["image"].values, whole)


@pytest.mark.parametrize(
    ("stored", "slope", "inter", "dtype"),
    [
        ("int16", 1, 0, "int16"),
        ("uint8", 1, -1024, "int16"),
        ("int16", 2, 5, "int32"),
        ("int16", 0.5, 0, "float32"),
        ("uint8", 1, 0, "uint8"),
        ("float32", 1, 0, "float32"),
        ("float64", 1, 0, "float32"),
        ("int32", 1, 0, "int32"),
    ],
)
def test_values_are_those_of_the_header_in_the_smallest_type(
    tmp_path: Path, stored: str, slope: float, inter: float, dtype: str
) -> None:
    numbers = NUMBERS.astype(stored)
    path = tmp_path / "a.nii"
    image = Nifti1Image(numbers, AXIAL)
    image.header.set_slope_inter(slope, inter)
    with path.open("wb") as file:
        # nibabel rescales when it writes an image: here the stored numbers are what counts.
        image.header["magic"] = b"n+1"
        image.header["vox_offset"] = 352
        file.write(image.header.binaryblock + bytes(4) + numbers.tobytes(order="F"))
    dataset = open_nifti(read_header(path))
    assert dataset["image"].dtype == np.dtype(dtype)
    expected = nibabel.load(path).get_fdata()
    np.testing.assert_allclose(dataset["image"].values, expected.T, rtol=1e-6)
    assert dataset["image"].attrs["units"] == ""
    stored_numbers = open_nifti(read_header(path), values="stored")["image"].values
    np.testing.assert_array_equal(stored_numbers, numbers.T)


def test_volumes_are_times_where_the_header_has_seconds_and_volumes_else(tmp_path: Path) -> None:
    numbers = np.arange(5 * 4 * 3 * 2, dtype="int16").reshape(5, 4, 3, 2)
    timed = _write(tmp_path / "a.nii", numbers, xyzt_units=("mm", "msec"), zooms=((0.8, 0.5, 2, 1500),))
    dataset = open_nifti(read_header(timed))
    assert dataset["image"].dims == ("time", "z", "y", "x")
    assert dataset["time"].values.tolist() == [0.0, 1.5]
    plain = open_nifti(read_header(_write(tmp_path / "b.nii", numbers)))
    assert plain["image"].dims[0] == "volume"
    np.testing.assert_array_equal(plain["image"].values, numbers.T)


def test_no_voxel_is_read_until_it_is_asked_for(tmp_path: Path) -> None:
    path = _write(tmp_path / "a.nii")
    cut = path.read_bytes()[:360]
    image = read_header(path)
    path.write_bytes(cut)
    assert open_nifti(image)["image"].shape == (3, 4, 5)
    with pytest.raises(ChangedFile):
        open_nifti(image)["image"].values  # noqa: B018


class TestRefusals:
    """What is not as it should be."""

    def test_forms_that_disagree_are_told_with_both_and_refused(self, tmp_path: Path) -> None:
        other = AXIAL.copy()
        other[0, 3] += 7
        image = read_header(_write(tmp_path / "a.nii", sform=(AXIAL, 1), qform=(other, 1)))
        assert [f.code for f in image.findings] == ["nifti-forms-disagree"]
        assert "sform begins at (10 20 30" in image.findings[0].message
        assert "qform at (17 20 30" in image.findings[0].message
        with pytest.raises(IrregularGeometry, match=r"sform begins at.*qform at"):
            open_nifti(image)

    def test_a_file_that_says_no_place_has_none(self, tmp_path: Path) -> None:
        path = _write(tmp_path / "a.nii", affine=None, zooms=((0.8, 0.5, 2),))
        dataset = open_nifti(read_header(path))
        assert (dataset.attrs["geometry"], dataset.attrs["findings"]) == ("unplaced", "unplaced")
        assert "affine" not in dataset.coords
        assert dataset.attrs["pixel_spacing_mm"] == pytest.approx([0.5, 0.8])

    def test_voxels_that_are_not_at_right_angles_have_no_place(self, tmp_path: Path) -> None:
        sheared = AXIAL.copy()
        sheared[1, 0] = 0.3
        assert read_header(_write(tmp_path / "a.nii", affine=sheared)).grid.kind == "unplaced"
        tilted = AXIAL.copy()
        tilted[1, 2] = 0.4
        assert read_header(_write(tmp_path / "b.nii", affine=tilted)).grid.kind == "sheared"

    @pytest.mark.parametrize("content", [b"", b"no NIfTI", bytes(348), b"\x5c\x01" + bytes(400)])
    @pytest.mark.parametrize("suffix", ["nii", "nii.gz"])
    def test_what_is_no_nifti_is_an_error_of_its_own(self, tmp_path: Path, content: bytes, suffix: str) -> None:
        path = tmp_path / f"a.{suffix}"
        path.write_bytes(gzip.compress(content) if suffix == "nii.gz" else content)
        with pytest.raises(NiftiError):
            read_header(path)

    def test_a_file_that_is_cut_off_is_told_and_refused(self, tmp_path: Path) -> None:
        path = _write(tmp_path / "a.nii")
        path.write_bytes(path.read_bytes()[:-10])
        image = read_header(path)
        assert [f.code for f in image.findings] == ["file-truncated"]
        with pytest.raises(NiftiError, match="bytes of"):
            open_nifti(image)

    def test_a_compressed_file_that_is_cut_off_is_an_error_when_read(self, tmp_path: Path) -> None:
        numbers = np.random.default_rng(1).integers(0, 999, (50, 40, 30)).astype("int16")
        path = _write(tmp_path / "a.nii.gz", numbers)
        path.write_bytes(path.read_bytes()[:-9000])
        with pytest.raises(NiftiError, match="EOFError"):
            open_nifti(read_header(path))["image"].values  # noqa: B018

    def test_colours_and_complex_numbers_are_refused(self, tmp_path: Path) -> None:
        colours = np.zeros((5, 4, 3), [("R", "u1"), ("G", "u1"), ("B", "u1")])
        with pytest.raises(NiftiError, match="whole nor real"):
            read_header(_write(tmp_path / "a.nii", colours))
        with pytest.raises(NiftiError, match="whole nor real"):
            read_header(_write(tmp_path / "b.nii", NUMBERS.astype("complex64")))

    def test_values_that_only_dicom_has_are_refused(self, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match="physical"):
            open_nifti(read_header(_write(tmp_path / "a.nii")), values="suv")

    def test_more_than_memory_holds_is_refused_before_it_is_unpacked(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = tmp_path / "a.nii.gz"
        image = Nifti1Image(NUMBERS, AXIAL)
        header = image.header
        header.set_data_shape((30000, 30000, 30000))
        header["magic"], header["vox_offset"] = b"n+1", 352
        path.write_bytes(gzip.compress(header.binaryblock + bytes(400)))
        from workbench.errors import DicomError

        with pytest.raises(DicomError, match="array of"):
            open_nifti(read_header(path))["image"].isel(z=0, y=0, x=0).values  # noqa: B018
