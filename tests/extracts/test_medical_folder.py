from __future__ import annotations

from pathlib import Path

import pytest

from tests.extracts import trees
from workbench import extracts
from workbench.errors import EmptyExtract, UsageError

MR = {"T1": "MR", "T2": "MR"}


def _told(extract: extracts.Extract) -> list[tuple[str, str, int]]:
    return [(f.code, f.path, f.count) for f in extract.findings]


def test_every_image_is_a_subject_and_a_modality_at_the_one_timepoint(tmp_path: Path) -> None:
    extract = extracts.open_extract(trees.medical_folder(tmp_path), modalities=MR)
    assert extract.layout == "medical-folder"
    assert [(ref.path, ref.patient_id, ref.series_key, ref.modality) for ref in extract.series] == [
        ("subject-01/T1/a.nii.gz", "subject-01", "T1", "MR"),
        ("subject-01/T2/b.nii.gz", "subject-01", "T2", "MR"),
        ("subject-02/T1/c.nii", "subject-02", "T1", "MR"),
    ]
    assert {(ref.resource, ref.timepoint, ref.mask) for ref in extract.series} == {("NIFTI", "1", False)}
    assert [(row.patient_id, row.variable, row.value) for row in extract.clinical][:2] == [
        ("subject-01", "AGE", "55"),
        ("subject-01", "SEX", "F"),
    ]


def test_a_modality_that_some_subjects_lack_is_told(tmp_path: Path) -> None:
    extract = extracts.open_extract(trees.medical_folder(tmp_path), modalities=MR)
    assert _told(extract) == [("modality-missing", "subject-02", 1)]


def test_folders_that_are_no_dicom_modality_are_told_until_the_caller_says_what_they_are(tmp_path: Path) -> None:
    root = trees.medical_folder(tmp_path)
    assert ("modality-unknown", ".", 3) in _told(extracts.open_extract(root))
    assert "modality-unknown" not in trees.codes(extracts.open_extract(root, modalities=MR))
    (root / "subject-01" / "CT").mkdir()
    (root / "subject-01" / "CT" / "d.nii").write_bytes(b"")
    assert [ref.modality for ref in extracts.open_extract(root).series if ref.series_key == "CT"] == ["CT"]


def test_folders_named_as_masks_are_masks(tmp_path: Path) -> None:
    root = trees.medical_folder(tmp_path)
    extract = extracts.open_extract(root, modalities={"T1": "MR"}, masks=["T2"])
    assert [ref.mask for ref in extract.series] == [False, True, False]
    # Nothing to draw at a subject is no gap.
    assert _told(extract) == []


@pytest.mark.parametrize("what", [{"masks": ["T9"]}, {"modalities": {"T9": "MR"}}])
def test_a_name_that_no_folder_has_is_refused(tmp_path: Path, what: dict[str, object]) -> None:
    with pytest.raises(UsageError, match=r"no modality folder 'T9'.*T1, T2"):
        extracts.open_extract(trees.medical_folder(tmp_path), **what)  # type: ignore[arg-type]


def test_two_images_in_a_folder_are_not_opened(tmp_path: Path) -> None:
    root = trees.medical_folder(tmp_path)
    (root / "subject-01" / "T1" / "z.nii").write_bytes(b"")
    extract = extracts.open_extract(root, modalities=MR)
    assert ("ambiguous-image", "subject-01/T1", 2) in _told(extract)
    assert [ref.path for ref in extract.series] == ["subject-01/T2/b.nii.gz", "subject-02/T1/c.nii"]
    assert ("modality-missing", "subject-01", 1) not in _told(extract)


@pytest.mark.parametrize(
    ("place", "folder"),
    [
        ("subject-01/loose.nii", "subject-01"),
        ("subject-01/T1/deep/x.nii", "subject-01/T1/deep"),
        ("x.dat", "."),
        ("subject-02/T1/notes.doc", "subject-02/T1"),
    ],
)
def test_files_at_other_levels_are_counted(tmp_path: Path, place: str, folder: str) -> None:
    root = trees.medical_folder(tmp_path)
    (root / place).parent.mkdir(parents=True, exist_ok=True)
    (root / place).write_bytes(b"")
    extract = extracts.open_extract(root, layout="medical-folder", modalities=MR)
    assert ("file-ignored-by-layout", folder, 1) in _told(extract)
    assert len(extract.series) == 3


def test_dicom_or_deeper_images_make_it_another_layout(tmp_path: Path) -> None:
    root = trees.medical_folder(tmp_path)
    assert extracts.detect(root) == "medical-folder"
    trees.image(root / "subject-01" / "T1" / "IM1.dcm")
    assert extracts.detect(root) == "plain"


@pytest.mark.parametrize(
    ("table", "patients"),
    [
        ("who,AGE\nsubject-01,55\nsubject-02,61\n", {"subject-01", "subject-02"}),
        ("AGE,FOLDER_NAME\n55,subject-01\n", {"subject-01"}),
        ("site,who\nA,subject-02\nA,subject-01\nB,subject-03\n", {"subject-01", "subject-02", "subject-03"}),
    ],
)
def test_the_column_whose_values_cover_the_folders_names_the_subject(
    tmp_path: Path, table: str, patients: set[str]
) -> None:
    extract = extracts.open_extract(trees.medical_folder(tmp_path, table), modalities=MR)
    assert {row.patient_id for row in extract.clinical} == patients


def test_a_column_that_cannot_be_told_is_an_error_naming_the_candidates(tmp_path: Path) -> None:
    root = trees.medical_folder(tmp_path, "patient_id,other_id,AGE\nsubject-01,subject-01,5\nsubject-02,subject-02,6\n")
    with pytest.raises(UsageError, match=r"several columns cover.*patient_id, other_id"):
        extracts.open_extract(root)
    assert len(extracts.open_extract(root, id_column="other_id").clinical) == 4
    root = trees.medical_folder(tmp_path, "patient_id,AGE\nsubject-01,5\n")
    with pytest.raises(UsageError, match=r"no column covers.*patient_id"):
        extracts.open_extract(root)


def test_without_a_table_nothing_is_asked(tmp_path: Path) -> None:
    extract = extracts.open_extract(trees.medical_folder(tmp_path, ""), modalities=MR)
    assert (len(extract.clinical), extract.tables) == (0, ())


def test_no_image_is_opened_while_listing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = trees.medical_folder(tmp_path)
    opened = trees.watch(monkeypatch)
    extracts.open_extract(root)
    assert {Path(path).name for path in opened} <= {"participants.csv"}


def test_subject_linked_out_is_a_finding_and_not_entered(tmp_path: Path) -> None:
    root = trees.medical_folder(tmp_path)
    (tmp_path / "outside" / "T1").mkdir(parents=True)
    (tmp_path / "outside" / "T1" / "x.nii").write_bytes(b"")
    (root / "subject-03").symlink_to(tmp_path / "outside")
    extract = extracts.open_extract(root, modalities=MR)
    assert ("link-outside", "subject-03", 1) in _told(extract)
    assert len(extract.series) == 3


def test_a_folder_without_images_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EmptyExtract, match="<subject>/<modality>/<file>"):
        extracts.open_extract(tmp_path, layout="medical-folder")


@pytest.mark.data
def test_reference_tree_opens(tmp_path: Path, reference_dir: Path) -> None:
    example = reference_dir / "eucaim" / "examples" / "medical_folder"
    root = trees.from_tree(tmp_path, (example / "tree.txt").read_text("utf-8"))
    (root / "participants.csv").write_bytes((example / "participants.csv").read_bytes())
    extract = extracts.open_extract(root, modalities=MR)
    assert [ref.path for ref in extract.series] == [
        "subject-01/T1/subject-01_T1.nii.gz", "subject-01/T2/subject-01_T2.nii.gz", "subject-02/T1/subject-02_T1.nii",
    ]  # fmt: skip
    assert {row.patient_id for row in extract.clinical} == {"subject-01", "subject-02", "subject-03"}
    assert _told(extract) == [("modality-missing", "subject-02", 1)]


def test_centres_and_tables_outside_are_read_as_of_any_layout(tmp_path: Path) -> None:
    root = trees.medical_folder(tmp_path, "FOLDER_NAME,center\nsubject-01,east\nsubject-02,west\n")
    labs = tmp_path / "labs.csv"
    labs.write_text("FOLDER_NAME,psa\nsubject-01,4.2\n")
    extract = extracts.open_extract(root, node_column="center", clinical=labs)
    assert extract.nodes == {"subject-01": "east", "subject-02": "west"}
    assert ("subject-01", "psa") in {(row.patient_id, row.variable) for row in extract.clinical}


@pytest.mark.parametrize("place", ["dicom/P1/CT/1", "dicom/P1/CT/image/1", "dicom/P1/CT/a/b/1"])
def test_images_further_down_make_it_another_layout(tmp_path: Path, place: str) -> None:
    root = trees.medical_folder(tmp_path)
    assert extracts.detect(root) == "medical-folder"
    trees.image(root / place)
    assert extracts.detect(root) == "plain"
