from __future__ import annotations

import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.extracts import trees
from workbench import extracts
from workbench.errors import EmptyExtract
from workbench.extracts.tree import MAX_DEPTH


def test_folders_give_patient_study_and_series(tmp_path: Path) -> None:
    extract = extracts.open_extract(trees.idc(tmp_path))
    assert [(ref.patient_id, ref.study_key, ref.series_key) for ref in extract.series] == [
        ("EX-0001", "2.25.5001", "CT_2.25.5101"),
        ("EX-0001", "2.25.5001", "SEG_2.25.5102"),
        ("EX-0002", "2.25.5002", "MR_2.25.5103"),
    ]
    assert extract.series[0].path == "example_collection/EX-0001/2.25.5001/CT_2.25.5101"
    assert extract.dataset_id == "example_collection"
    assert extract.declared == {"series": 3}
    assert extract.findings == ()


def test_root_may_be_the_collection_itself(tmp_path: Path) -> None:
    extract = extracts.open_extract(trees.idc(tmp_path) / "example_collection")
    assert extract.layout == "idc"
    assert [ref.patient_id for ref in extract.series] == ["EX-0001", "EX-0001", "EX-0002"]
    assert extract.dataset_id == "example_collection"


@pytest.mark.parametrize("name", ["2_t2_tse_tra", "301_SEG", "CT_1", "ct_1.2.3.4", "CT_1.2.3x", "CT_1.2"])
def test_other_layouts_with_an_underscore_are_not_idc(tmp_path: Path, name: str) -> None:
    trees.image(tmp_path / "project" / "subject" / "study" / name / "1.dcm")
    assert extracts.detect(tmp_path) == ("datmat" if name[0].isdigit() else "plain")


def test_no_image_is_opened_while_listing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = trees.idc(tmp_path)
    opened = trees.watch(monkeypatch)
    extracts.open_extract(root)
    assert {Path(path).name for path in opened} == {"manifest.s5cmd"}


def test_series_of_the_manifest_that_are_not_on_disk_are_counted(tmp_path: Path) -> None:
    root = trees.idc(tmp_path)
    with (root / "manifest.s5cmd").open("a") as file:
        file.write("cp s3://idc-open-data/0000-4/* .\ncp s3://idc-open-data/0000-4/* .\n")
    extract = extracts.open_extract(root)
    assert extract.declared == {"series": 4}
    assert [(f.code, f.count, f.path) for f in extract.findings] == [("series-folder-missing", 1, "manifest.s5cmd")]


def test_manifest_alone_opens_with_nothing_but_its_count(tmp_path: Path) -> None:
    (tmp_path / "m.s5cmd").write_text("cp s3://idc-open-data/0000-1/* .\ncp s3://idc-open-data/0000-2/*  .\n")
    extract = extracts.open_extract(tmp_path)
    assert (extract.layout, extract.series, extract.declared) == ("idc", (), {"series": 2})
    assert trees.codes(extract) == ["series-folder-missing"]


def test_folders_outside_the_template_are_listed_without_a_patient(tmp_path: Path) -> None:
    root = trees.idc(tmp_path)
    trees.image(root / "loose" / "1.dcm")
    trees.image(root / "2.dcm")
    extract = extracts.open_extract(root)
    loose = [ref for ref in extract.series if not ref.patient_id]
    assert [ref.path for ref in loose] == [".", "loose"]
    assert len(extract.series) == 5


def test_forced_on_a_folder_without_series_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(EmptyExtract, match="Modality"):
        extracts.open_extract(tmp_path, layout="idc")


@pytest.mark.parametrize("place", ["clinical/example.parquet", "example_clinical.parquet", "clinical/example.csv"])
def test_clinical_table_is_read_from_its_usual_places(tmp_path: Path, place: str) -> None:
    root = trees.idc(tmp_path)
    path = root / place
    path.parent.mkdir(exist_ok=True)
    if place.endswith(".csv"):
        path.write_text("row,dicom_patient_id,age\n7,EX-0001,61\n8,EX-0002,\n")
    else:
        pq.write_table(
            pa.table({"row": [7, 8], "dicom_patient_id": ["EX-0001", "EX-0002"], "age": pa.array([61, None], "int64")}),
            path,
        )
    extract = extracts.open_extract(root)
    assert [(row.patient_id, row.variable, row.value, row.row) for row in extract.clinical] == [
        ("EX-0001", "row", "7", 2),
        ("EX-0001", "age", "61", 2),
        ("EX-0002", "row", "8", 3),
        ("EX-0002", "age", "", 3),
    ]
    assert extract.findings == ()
    assert place in extract.tables
    assert len(extract.series) == 3


def test_folder_linked_out_is_a_finding_and_not_entered(tmp_path: Path) -> None:
    root = trees.idc(tmp_path)
    outside = tmp_path / "outside"
    trees.image(outside / "2.25.5003" / "CT_2.25.5104" / "1.dcm")
    (root / "example_collection" / "EX-0003").symlink_to(outside)
    extract = extracts.open_extract(root)
    assert [(f.code, f.path) for f in extract.findings] == [("link-outside", "example_collection/EX-0003")]
    assert len(extract.series) == 3
    allowed = extracts.open_extract(root, link_roots=[outside])
    assert [ref.patient_id for ref in allowed.series][-1] == "EX-0003"


@pytest.mark.data
def test_reference_manifest_is_counted(tmp_path: Path, reference_dir: Path) -> None:
    manifest = reference_dir / "eucaim" / "examples" / "idc" / "manifest.s5cmd"
    (tmp_path / "manifest.s5cmd").write_bytes(manifest.read_bytes())
    trees.image(tmp_path / "example_collection" / "EX-0001" / "2.25.5001" / "CT_2.25.5101" / "a.dcm")
    trees.image(tmp_path / "example_collection" / "EX-0001" / "2.25.5001" / "SEG_2.25.5102" / "b.dcm")
    extract = extracts.open_extract(tmp_path)
    assert extract.declared == {"series": 2}
    assert [ref.series_key for ref in extract.series] == ["CT_2.25.5101", "SEG_2.25.5102"]
    assert extract.findings == ()


def test_folders_too_deep_down_are_a_finding(tmp_path: Path) -> None:
    root = trees.idc(tmp_path)
    deep = root.joinpath(*["d"] * (MAX_DEPTH + 1))
    trees.image(deep / "1.dcm")
    extract = extracts.open_extract(root)
    assert [(f.code, f.path) for f in extract.findings] == [("folder-too-deep", "/".join(["d"] * MAX_DEPTH))]
    assert len(extract.series) == 3


def test_folders_whose_name_is_not_utf_8_are_a_finding(tmp_path: Path) -> None:
    root = trees.idc(tmp_path)
    trees.image(Path(os.fsdecode(os.fsencode(root) + b"/example_collection/caf\xe9/2.25.1/CT_2.25.9999/1.dcm")))
    extract = extracts.open_extract(root)
    assert [(f.code, f.path) for f in extract.findings] == [("file-unreadable", "example_collection/caf\\udce9")]
    assert len(extract.series) == 3
