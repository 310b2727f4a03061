"""NIfTI images as series of a cohort."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from nibabel.nifti1 import Nifti1Image

from tests import factories
from workbench.cohort import Cohort, open_cohort
from workbench.cohort.tables.nifti_series import derived_uid
from workbench.cohort.tables.store import store
from workbench.errors import DicomError, SeriesNotFound, UsageError
from workbench.extracts import open_extract

#: RAS of the stack that ``factories.stack`` writes: voxels of 0.8 x 0.5 x 2 mm from (-10, 20, 30) LPS.
AFFINE = np.array([[-0.8, 0, 0, 10], [0, -0.5, 0, -20], [0, 0, 2.0, 30], [0, 0, 0, 1]])
NUMBERS = np.stack([factories.pixels(number).T for number in range(1, 7)], axis=2)


def _nifti(path: Path, numbers: np.ndarray = NUMBERS, affine: np.ndarray = AFFINE, **header: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Nifti1Image(numbers, affine)
    for name, value in header.items():
        getattr(image.header, f"set_{name}")(*value)
    image.to_filename(path)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two subjects, one with a mask; a table."""
    root = tmp_path / "north"
    _nifti(root / "P1" / "T1" / "a.nii.gz")
    _nifti(root / "P2" / "T1" / "b.nii")
    labels = np.zeros(NUMBERS.shape, "uint8")
    labels[2:4, 1:3, 1:4] = 1
    _nifti(root / "P1" / "tumour" / "t.nii.gz", labels)
    (root / "participants.csv").write_text("FOLDER_NAME,AGE,SEX\nP1,55,F\nP2,61,M\n")
    return root


def _opened(root: Path, **how: Any) -> Cohort:
    return Cohort([store(open_extract(root, **how))])


def test_images_are_series_with_their_geometry_and_a_uid_of_their_own(folder: Path) -> None:
    cohort = _opened(folder, modalities={"T1": "MR"}, masks=["tumour"])
    series = cohort.series.set_index("path")
    row = series.loc["P1/T1/a.nii.gz"]
    assert (row["patient_id"], row["Modality"], row["kind"], row["resource"]) == ("P1", "MR", "image", "NIFTI")
    assert (row["n_slices"], row["Rows"], row["Columns"], row["geometry"], row["plane"]) == (
        6,
        6,
        8,
        "regular",
        "axial",
    )
    assert (row["slice_spacing_mm"], row["timepoint"], row["SeriesDescription"]) == (2.0, "1", "T1")
    assert row["SeriesInstanceUID"] == derived_uid("north", "north", "P1/T1/a.nii.gz")
    assert row["SeriesInstanceUID"].startswith("2.25.")
    assert len(cohort.sql("select * from parts")) == 2
    assert list(cohort.patients["patient_id"]) == ["P1", "P2"]
    assert cohort.studies["n_series"].tolist() == [2, 1]


def test_the_same_file_at_another_node_is_another_series(folder: Path) -> None:
    uids = {node: set(_opened(folder, node=node).series["SeriesInstanceUID"]) for node in ("north", "south")}
    assert not uids["north"] & uids["south"]


def test_loading_gives_what_dicom_of_the_same_voxels_gives(folder: Path, tmp_path: Path) -> None:
    cohort = _opened(folder)
    uid = derived_uid("north", "north", "P1/T1/a.nii.gz")
    ours = cohort.load(uid)
    factories.stack(tmp_path / "dicom")
    theirs = open_cohort(str(tmp_path / "dicom")).load(factories.SERIES)
    assert ours["image"].dims == theirs["image"].dims
    assert ours["image"].dtype == theirs["image"].dtype
    np.testing.assert_array_equal(ours["image"].values, theirs["image"].values)
    for name in ("z", "y", "x", "affine", "position"):
        np.testing.assert_allclose(ours[name].values, theirs[name].values, atol=1e-4, err_msg=name)
    assert (ours.attrs["geometry"], ours.attrs["space"], ours.attrs["patient_id"]) == ("regular", "LPS", "P1")
    assert ours["image"].attrs["units"] == ""
    assert not ours["image"].variable._in_memory


def test_masks_of_the_subject_lie_on_its_images(folder: Path) -> None:
    cohort = _opened(folder, masks=["tumour"])
    uid = derived_uid("north", "north", "P1/T1/a.nii.gz")
    dataset = cohort.load(uid, masks=True)
    assert dataset["mask"].dims == ("segment", "z", "y", "x")
    assert int(dataset["mask"].sum()) == 2 * 2 * 3
    assert cohort.series.set_index("path")["n_labels"]["P1/T1/a.nii.gz"] == 1
    other = cohort.load(derived_uid("north", "north", "P2/T1/b.nii"), masks=True)
    assert "mask" not in other


def test_a_mask_on_another_grid_is_a_finding_where_it_is_drawn(folder: Path) -> None:
    _nifti(folder / "P1" / "tumour" / "t.nii.gz", np.ones((3, 3, 3), "uint8"), AFFINE + np.diag([0.3, 0, 0, 0]))
    cohort = _opened(folder, masks=["tumour"])
    dataset = cohort.load(derived_uid("north", "north", "P1/T1/a.nii.gz"), masks=True)
    assert "label-grid-differs" in dataset.attrs["findings"]


def test_images_are_in_the_tree_and_in_selections(folder: Path) -> None:
    cohort = _opened(folder, modalities={"T1": "MR"})
    assert len(cohort.to_datatree().leaves) == 3
    assert len(cohort.where("modality = 'MR'").series) == 2
    with pytest.raises(SeriesNotFound, match="no part 2"):
        cohort.load(derived_uid("north", "north", "P2/T1/b.nii"), part=2)


def test_masked_images_are_measured(folder: Path) -> None:
    from workbench.measure.cohort_cases import cases

    found = cases(_opened(folder, masks=["tumour"]))
    assert [case.patient_id for case in found] == ["P1"]
    _nifti(folder / "P1" / "T1" / "a.nii.gz", NUMBERS + 1)
    assert cases(_opened(folder, masks=["tumour"]))[0].image_digest != found[0].image_digest


def test_an_image_that_cannot_be_used_is_told_and_does_not_cost_the_rest(folder: Path) -> None:
    (folder / "P2" / "T1" / "b.nii").write_bytes(b"no image")
    other = AFFINE.copy()
    other[0, 3] += 9
    _nifti(folder / "P3" / "T1" / "c.nii", sform=(AFFINE, 1), qform=(other, 1))
    cohort = _opened(folder)
    found = cohort.sql("select code, path, message from findings")
    told = {(row.code, row.path) for row in found.itertuples()}
    assert {("nifti-unreadable", "P2/T1/b.nii"), ("nifti-forms-disagree", "P3/T1/c.nii")} <= told
    assert cohort.sql("select * from parts").set_index("SeriesInstanceUID")["loadable"].sum() == 2
    for path in ("P2/T1/b.nii", "P3/T1/c.nii"):
        with pytest.raises(DicomError):
            cohort.load(derived_uid("north", "north", path))
    tree = cohort.to_datatree()
    assert len(tree.attrs["not_loaded"]) == 2


def test_a_changed_image_is_told_when_it_is_opened_again(folder: Path) -> None:
    before = _opened(folder)
    assert _opened(folder).extracts[0].reused
    _nifti(folder / "P2" / "T1" / "b.nii", NUMBERS[:4])
    after = _opened(folder)
    assert not after.extracts[0].reused
    assert before.extracts[0].digest != after.extracts[0].digest


class TestBesideDicom:
    """A NIfTI resource of a datmat download."""

    @pytest.fixture
    def root(self, tmp_path: Path) -> Path:
        scan = tmp_path / "south" / "PROJECT" / "P1" / "P1_MR_1" / "2_t2"
        factories.stack(scan / "DICOM" / "files")
        _nifti(scan / "NIFTI" / "files" / "t2.nii.gz")
        return tmp_path / "south"

    @staticmethod
    def _sidecar(root: Path, content: object) -> None:
        files = root / "PROJECT" / "P1" / "P1_MR_1" / "2_t2" / "NIFTI" / "files"
        (files / "t2.json").write_text(json.dumps(content))

    def test_both_are_series_of_one_study(self, root: Path) -> None:
        self._sidecar(
            root,
            {
                "00080060": {"vr": "CS", "Value": ["MR"]},
                "00100020": {"vr": "LO", "Value": ["P1"]},
                "00100040": {"vr": "CS", "Value": ["F"]},
                "00180015": {"vr": "CS", "Value": ["PROSTATE"]},
                "00080070": {"vr": "LO"},
            },
        )
        cohort = _opened(root)
        assert cohort.series["resource"].tolist().count("NIFTI") == 1
        assert set(cohort.series["StudyInstanceUID"]) == {factories.STUDY}
        row = cohort.series.set_index("resource").loc["NIFTI"]
        assert (row["Modality"], row["BodyPartExamined"], row["Manufacturer"]) == ("MR", "PROSTATE", None)
        assert (
            list(cohort.sql("select code from findings where code like '%sidecar%' or code like 'patient%'")["code"])
            == []
        )
        assert list(cohort.sql("select value from \"values\" where variable = 'sex'")["value"]) == ["female"]

    @pytest.mark.parametrize("content", [{"Modality": "MR", "EchoTime": 0.1}, [1, 2], "text"])
    def test_json_that_is_not_dicom_json_is_told(self, root: Path, content: object) -> None:
        self._sidecar(root, content)
        assert "sidecar-not-dicom-json" in set(_opened(root).findings["code"])

    def test_another_patient_in_the_json_is_told(self, root: Path) -> None:
        self._sidecar(root, {"00100020": {"vr": "LO", "Value": ["P7"]}})
        assert "patient-id-mismatch" in set(_opened(root).findings["code"])

    def test_a_file_named_as_a_mask_is_one_of_the_images_of_its_experiment(self, root: Path) -> None:
        labels = np.zeros(NUMBERS.shape, "uint8")
        labels[1, 1, 1] = 1
        _nifti(root / "PROJECT" / "P1" / "P1_MR_1" / "2_t2" / "NIFTI" / "files" / "t2_mask.nii.gz", labels)
        cohort = _opened(root)
        assert cohort.series["kind"].tolist().count("segmentation") == 1
        for uid in cohort.series.query("kind == 'image'")["SeriesInstanceUID"]:
            assert int(cohort.load(uid, masks=True)["mask"].sum()) == 1


class TestSaidOfACohort:
    """What a caller says of modality folders, when a cohort is opened."""

    def test_of_one_extract(self, folder: Path) -> None:
        cohort = open_cohort(str(folder), modalities={"T1": "MR"}, masks="tumour")
        assert sorted(cohort.series["Modality"]) == ["MR", "MR", "SEG"]
        again = open_cohort(str(folder), modalities={"T1": "CT"}, masks=["tumour"])
        assert sorted(again.series["Modality"]) == ["CT", "CT", "SEG"]

    def test_of_several_by_their_paths(self, folder: Path, tmp_path: Path) -> None:
        factories.stack(tmp_path / "south")
        both = [str(folder), str(tmp_path / "south")]
        cohort = open_cohort(both, modalities={str(folder): {"T1": "MR"}}, masks={str(folder): ["tumour"]})
        assert sorted(cohort.series["Modality"]) == ["CT", "MR", "MR", "SEG"]
        for what in ({"modalities": {"T1": "MR"}}, {"masks": ["tumour"]}):
            with pytest.raises(UsageError, match="for several extracts"):
                open_cohort(both, **what)  # type: ignore[arg-type]
