from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.extracts import trees
from workbench import extracts
from workbench.errors import EmptyExtract, UnsafePath


def _keys(extract: extracts.Extract) -> list[tuple[str, str, str]]:
    return [(ref.patient_id, ref.study_key, ref.series_key) for ref in extract.series]


def test_folders_give_patient_experiment_and_scan(tmp_path: Path) -> None:
    extract = extracts.open_extract(trees.datmat(tmp_path))
    assert (extract.layout, extract.dataset_id) == ("datmat", "EXAMPLE_PROJECT")
    assert _keys(extract) == [scan[:3] for scan in trees.SCANS]
    assert extract.series[0].path == "EXAMPLE_PROJECT/SUBJ01/SUBJ01_MR_1/2_t2_tse_tra"
    assert extract.findings == ()


def test_resources_are_places_of_their_own_and_a_nifti_file_a_series(tmp_path: Path) -> None:
    extract = extracts.open_extract(trees.datmat(tmp_path, resources=True))
    assert extract.layout == "datmat"
    stem = "EXAMPLE_PROJECT/SUBJ01/SUBJ01_MR_1/2_t2_tse_tra"
    assert [(ref.path, ref.resource, ref.tags) for ref in extract.series[:2]] == [
        (f"{stem}/DICOM/files", "DICOM", ("DICOM",)),
        (f"{stem}/NIFTI/files/t2.nii.gz", "NIFTI", ("NIFTI",)),
    ]
    assert [key for key, ref in zip(_keys(extract), extract.series, strict=True) if ref.resource == "DICOM"] == [
        scan[:3] for scan in trees.SCANS
    ]
    assert extract.findings == ()


def test_both_schemes_list_the_same_patients_studies_and_scans(tmp_path: Path) -> None:
    flat = extracts.open_extract(trees.datmat(tmp_path / "flat"))
    deep = extracts.open_extract(trees.datmat(tmp_path / "deep", resources=True))
    assert set(_keys(flat)) == set(_keys(deep))


def test_scan_fetched_in_both_schemes_is_told(tmp_path: Path) -> None:
    trees.datmat(tmp_path)
    extract = extracts.open_extract(trees.datmat(tmp_path, resources=True))
    assert trees.codes(extract) == ["scan-in-both-schemes"] * 4
    assert extract.findings[0].path == "EXAMPLE_PROJECT/SUBJ01/SUBJ01_MR_1/2_t2_tse_tra"
    assert len(extract.series) == 9


def test_root_may_be_the_project_itself(tmp_path: Path) -> None:
    for resources in (False, True):
        root = trees.datmat(tmp_path / str(resources), resources=resources) / "EXAMPLE_PROJECT"
        extract = extracts.open_extract(root)
        assert (extract.layout, extract.dataset_id) == ("datmat", "EXAMPLE_PROJECT")
        assert set(_keys(extract)) == {scan[:3] for scan in trees.SCANS}


def test_experiments_that_look_like_scans_do_not_shift_the_levels(tmp_path: Path) -> None:
    trees.image(tmp_path / "P" / "001" / "001_MR_1" / "7_t1" / "a.dcm")
    assert _keys(extracts.open_extract(tmp_path)) == [("001", "001_MR_1", "7_t1")]


def test_a_uid_after_the_underscore_is_another_layout(tmp_path: Path) -> None:
    trees.image(tmp_path / "collection" / "patient" / "2.25.1" / "CT_2.25.3.4" / "1.dcm")
    assert extracts.detect(tmp_path) == "idc"


def test_scan_ids_without_a_figure_are_known_by_their_resources(tmp_path: Path) -> None:
    trees.image(tmp_path / "P" / "S" / "S_MR" / "OT_loc" / "DICOM" / "files" / "1.dcm")
    assert extracts.detect(tmp_path) == "datmat"


def test_order_in_which_folders_were_made_changes_nothing(tmp_path: Path) -> None:
    first = trees.datmat(tmp_path / "a", resources=True)
    second = tmp_path / "b" / "dest"
    second.mkdir(parents=True)
    for path in sorted((p for p in first.rglob("*") if p.is_file()), reverse=True):
        target = second / path.relative_to(first)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
    assert extracts.open_extract(first).series == extracts.open_extract(second).series


def test_no_file_is_opened_while_listing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = trees.datmat(tmp_path, resources=True)
    opened = trees.watch(monkeypatch)
    extracts.open_extract(root)
    assert opened == []


@pytest.mark.parametrize("place", [".", "EXAMPLE_PROJECT"])
def test_the_one_table_beside_the_subjects_is_taken_and_told(tmp_path: Path, place: str) -> None:
    root = trees.datmat(tmp_path)
    (root / place / "clinical.csv").write_text("subject,age\nSUBJ01,61\n")
    extract = extracts.open_extract(root)
    assert [(row.patient_id, row.variable, row.value) for row in extract.clinical] == [("SUBJ01", "age", "61")]
    path = "clinical.csv" if place == "." else f"{place}/clinical.csv"
    assert [(f.code, f.path) for f in extract.findings] == [("clinical-table-taken", path)]


def test_of_several_tables_none_is_taken(tmp_path: Path) -> None:
    root = trees.datmat(tmp_path)
    for name in ("a.csv", "b.csv"):
        (root / name).write_text("subject,age\nSUBJ01,61\n")
    extract = extracts.open_extract(root)
    assert len(extract.clinical) == 0
    assert [(f.code, f.count) for f in extract.findings] == [("clinical-table-unclear", 2)]


def test_images_above_the_scans_are_counted_and_not_opened(tmp_path: Path) -> None:
    root = trees.datmat(tmp_path)
    trees.image(root / "EXAMPLE_PROJECT" / "SUBJ01" / "loose.dcm")
    extract = extracts.open_extract(root)
    assert [(f.code, f.path, f.count) for f in extract.findings] == [
        ("file-ignored-by-layout", "EXAMPLE_PROJECT/SUBJ01", 1)
    ]
    assert len(extract.series) == 4


def test_folder_linked_out_is_a_finding_and_not_entered(tmp_path: Path) -> None:
    root = trees.datmat(tmp_path)
    outside = tmp_path / "outside"
    trees.image(outside / "9_t1" / "1.dcm")
    (root / "EXAMPLE_PROJECT" / "SUBJ02" / "SUBJ02_MR_9").symlink_to(outside)
    extract = extracts.open_extract(root)
    assert trees.codes(extract) == ["link-outside"]
    assert len(extract.series) == 4
    assert len(extracts.open_extract(root, link_roots=[outside]).series) == 5


def test_forced_on_a_folder_without_scans_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(EmptyExtract, match="scan_id"):
        extracts.open_extract(tmp_path, layout="datmat")
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "b").symlink_to("/etc")
    with pytest.raises((EmptyExtract, UnsafePath)):
        extracts.open_extract(tmp_path, layout="datmat")


@pytest.mark.data
def test_reference_trees_open(tmp_path: Path, reference_dir: Path) -> None:
    text = (reference_dir / "eucaim" / "examples" / "datmat" / "tree.txt").read_text("utf-8")
    flat, deep = text.split("\n\n")
    first = trees.from_tree(tmp_path / "flat", flat)
    extract = extracts.open_extract(first)
    assert _keys(extract) == [scan[:3] for scan in trees.SCANS]
    second = trees.from_tree(tmp_path / "deep", deep)
    assert [(ref.resource, ref.series_key) for ref in extracts.open_extract(second).series] == [
        ("DICOM", "2_t2_tse_tra"),
        ("NIFTI", "2_t2_tse_tra"),
    ]
