from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
import xarray as xr

import workbench as wb
from tests import factories
from workbench.errors import AmbiguousSeries, SeriesNotFound, UsageError, WorkbenchError
from workbench.options import options
from workbench.synthetic import write_federation


@pytest.fixture(scope="module")
def truth(federation: Path) -> dict:
    return write_federation(federation)


def test_every_planted_lesion_comes_back_voxel_for_voxel(cohort: wb.Cohort, truth: dict) -> None:
    for lesion in truth["lesions"]:
        series = cohort.series.set_index("SeriesInstanceUID").loc[lesion["series_uid"]]
        loaded = cohort.load(lesion["series_uid"], masks=True, part=1 if series["n_parts"] > 1 else None)
        mask = loaded["mask"].any("segment").values
        assert int(mask.sum()) == lesion["n_voxels"]
        slices, rows, columns = np.nonzero(mask)
        places = (
            loaded["position"].values[slices]
            + np.outer(rows, _axis(loaded, "y"))
            + np.outer(columns, _axis(loaded, "x"))
        )
        np.testing.assert_allclose(places.mean(axis=0), lesion["centroid_mm"], atol=0.01)


def _axis(loaded, name: str) -> np.ndarray:
    """One step along an in-plane axis, LPS mm; for the gap series from a regular one it is read off the affine."""
    if "affine" in loaded.coords:
        return loaded["affine"].sel(voxel=name).values[:3]
    step = loaded.attrs["pixel_spacing_mm"][0 if name == "y" else 1]
    return np.eye(3)[1 if name == "y" else 0] * step


def test_a_split_series_asks_for_its_part(cohort: wb.Cohort) -> None:
    uid = cohort.series.query("n_parts > 1")["SeriesInstanceUID"].iloc[0]
    with pytest.raises(AmbiguousSeries, match="part"):
        cohort.load(uid)
    main, localiser = cohort.load(uid, part=1), cohort.load(uid, part=2)
    assert main.sizes["z"] > localiser.sizes["z"] == 1
    assert main.attrs["n_parts"] == 2


def test_a_series_of_a_cohort_knows_its_files(cohort: wb.Cohort, truth: dict, tmp_path: Path) -> None:
    # One of each node: links lead into a data lake in some layouts.
    lesions = {lesion["node"]: lesion for lesion in truth["lesions"]}
    assert len(lesions) > 1
    for node, lesion in lesions.items():
        uid = lesion["series_uid"]
        part = 1 if cohort.series.set_index("SeriesInstanceUID").loc[uid, "n_parts"] > 1 else None
        drawn = cohort.load(uid, masks=True, part=part)
        found = cohort.load(uid, part=part).patient.masks()
        np.testing.assert_array_equal(found["mask"].any("segment").values, drawn["mask"].any("segment").values)
        if "affine" in drawn.coords:
            path = wb.labels.to_seg(drawn["mask"], tmp_path / f"{node}.dcm", images=drawn, codes="SCT:108369006",
                                    algorithm="MANUAL")  # fmt: skip
            np.testing.assert_array_equal(drawn.patient.masks(path)["mask"].values, drawn["mask"].values)


def test_a_series_opens_through_links_where_the_user_allows_it(cohort: wb.Cohort, monkeypatch: Any) -> None:
    (node,) = (extract for extract in cohort.extracts if extract.layout == "dataset-service" and extract.link_roots)
    uid = cohort.series.query("node == @node.node and kind == 'image' and n_parts == 1")["SeriesInstanceUID"].iloc[0]
    with pytest.raises(WorkbenchError, match="link_roots"):
        xr.open_dataset(node.root, engine="dicom", series=uid)
    found = xr.open_dataset(node.root, engine="dicom", series=uid, link_roots=node.link_roots)
    assert found["image"].identical(cohort.load(uid)["image"])
    tree = xr.open_datatree(node.root, engine="dicom", link_roots=[str(root) for root in node.link_roots])
    assert any(uid in path for path in tree.groups)
    monkeypatch.setattr(options, "link_roots", node.link_roots)
    assert xr.open_dataset(node.root, engine="dicom", series=uid)["image"].identical(found["image"])
    with pytest.raises(UsageError, match="link_roots"):
        xr.open_dataset(node.root, engine="dicom", link_roots="lake")


def test_a_series_that_is_not_there_or_not_an_image(cohort: wb.Cohort) -> None:
    with pytest.raises(SeriesNotFound):
        cohort.load("1.2.3")
    label = cohort.series.query("kind != 'image'")["SeriesInstanceUID"].iloc[0]
    with pytest.raises(SeriesNotFound, match="not an image"):
        cohort.load(label)


def test_a_series_outside_the_selection_is_not_loaded(cohort: wb.Cohort) -> None:
    uid = cohort.series.query("Modality == 'MR'")["SeriesInstanceUID"].iloc[0]
    with pytest.raises(SeriesNotFound):
        cohort.where("modality = 'CT'").load(uid)


def test_a_loaded_series_says_whose_it_is(cohort: wb.Cohort) -> None:
    row = cohort.series.query("kind == 'image' and n_parts == 1").iloc[0]
    loaded = cohort.load(row["SeriesInstanceUID"])
    assert (loaded.attrs["node"], loaded.attrs["patient_id"]) == (row["node"], row["patient_id"])


def test_the_tree_has_every_part_of_every_image_series(cohort: wb.Cohort) -> None:
    tree = cohort.to_datatree()
    assert len(tree.leaves) == int(cohort.series.query("kind == 'image'")["n_parts"].sum())
    assert tree.attrs["not_loaded"] == []
    assert set(tree.children) == {"aurora", "boreal", "cedro"}


def test_missing_slices_keep_true_positions(cohort: wb.Cohort) -> None:
    uid = cohort.series.query("geometry == 'gaps'")["SeriesInstanceUID"].iloc[0]
    loaded = cohort.load(uid)
    assert "affine" not in loaded.coords
    steps = np.diff(loaded["z"].values)
    assert sorted(set(np.round(steps / steps.min()).astype(int))) == [1, 2]


def test_a_tilted_gantry_keeps_its_shear_in_the_affine(cohort: wb.Cohort) -> None:
    uid = cohort.series.query("geometry == 'sheared'")["SeriesInstanceUID"].iloc[0]
    loaded = cohort.load(uid)
    assert loaded.attrs["shear_deg"] == pytest.approx(15, abs=0.01)
    assert "gantry-tilt" in loaded.attrs["findings"]


def _with_lesion(truth: dict) -> str:
    return next(lesion["series_uid"] for lesion in truth["lesions"])


def test_masks_are_chosen_while_loading(cohort: wb.Cohort, truth: dict) -> None:
    uid = _with_lesion(truth)
    part = 1 if cohort.series.set_index("SeriesInstanceUID").loc[uid, "n_parts"] > 1 else None
    every = cohort.load(uid, masks=True, part=part)
    first = str(every["segment"].values[0])
    chosen = cohort.load(uid, masks={"name": first}, part=part, names={first: "Target"})
    assert set(chosen["segment"].values) == {first}
    assert set(chosen["segment_standard"].values) == {"Target"}
    none = cohort.load(uid, masks={"name": "no such segment"}, part=part)
    assert "mask" not in none
    assert "label-not-selected" in none.attrs["findings"]
    assert "mask" in cohort.load(uid, masks="newest", part=part)


def test_how_masks_come_means_nothing_without_masks(cohort: wb.Cohort, truth: dict) -> None:
    with pytest.raises(UsageError, match=r"^threshold without masks"):
        cohort.load(_with_lesion(truth), threshold=0.5)
    with pytest.raises(UsageError, match="cannot be selected"):
        cohort.load(_with_lesion(truth), masks="oldest")


def test_nifti_named_as_a_mask_beside_the_series_is_taken(tmp_path: Path) -> None:
    for first, patient in ((1, "A"), (11, "B")):
        uid = f"2.25.{ord(patient)}"
        factories.stack(
            tmp_path / patient / "ct",
            first=first,
            PatientID=patient,
            SeriesInstanceUID=uid,
            StudyInstanceUID=f"{uid}.1",
        )
    image = wb.open_cohort(tmp_path, layout="plain").load("2.25.65").patient.to_nifti()
    labels = np.zeros(image.shape, np.uint8)
    labels[1:3, 2:4, 2:5] = 3
    mask = nibabel.Nifti1Image(labels, image.affine)
    for place in ("A/tumour_mask.nii.gz", "A/ct/resampled.nii.gz", "mask of whom.nii.gz"):
        mask.to_filename(tmp_path / place)
    found = wb.open_cohort(tmp_path, layout="plain")
    loaded = found.load("2.25.65", masks=True)
    assert [file.name for file in found.nifti_masks("2.25.65")] == ["A/tumour_mask.nii.gz"]
    assert (loaded["segment"].values.tolist(), int(loaded["mask"].sum())) == (["label 3"], 12)
    assert "mask" not in found.load("2.25.66", masks=True)
    table = wb.measure.volumes(found, workers=1)
    assert table["series_uid"].unique().tolist() == ["2.25.65"]
    labels[1, 2, 2] = 0
    nibabel.Nifti1Image(labels, image.affine).to_filename(tmp_path / "A" / "tumour_mask.nii.gz")
    again = wb.measure.volumes(found, workers=1).set_index("feature")["value"]
    assert again["n_voxels"] == 11


def test_a_cache_that_was_deleted_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKBENCH_CACHE", str(tmp_path / "cache"))
    factories.stack(tmp_path / "site", [0, 2, 4], PatientID="A")
    cohort = wb.open_cohort(tmp_path / "site", layout="plain")
    shutil.rmtree(tmp_path / "cache")
    with pytest.raises(WorkbenchError, match=r"cache was deleted.*open the cohort again"):
        cohort.load(factories.SERIES)
