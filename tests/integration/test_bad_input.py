"""What hospitals and users really hand over: each is a typed error or a finding, and the rest still opens."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

import workbench as wb
from tests.running import run
from workbench.errors import EmptyExtract, EntryFileError, ExtractError, PathNotFound, UnsafePath, WorkbenchError


@pytest.fixture
def plain(small_federation: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "cedro"
    shutil.copytree(small_federation / "extracts" / "cedro", folder)
    return folder


@pytest.fixture
def service(small_federation: Path, tmp_path: Path) -> Path:
    shutil.copytree(small_federation / "datalake", tmp_path / "datalake", symlinks=True)
    shutil.copytree(small_federation / "extracts" / "aurora", tmp_path / "extracts" / "aurora", symlinks=True)
    return tmp_path / "extracts" / "aurora"


def images(folder: Path) -> list[Path]:
    return sorted(p for p in folder.rglob("*") if p.is_file() and p.suffix in ("", ".dcm"))


def found(cohort: wb.Cohort, code: str) -> list[dict]:
    return cohort.sql(f"select * from findings where code = '{code}'").to_dict("records")


def test_a_path_that_does_not_exist() -> None:
    with pytest.raises(PathNotFound) as caught:
        wb.open_cohort("no/such/folder")
    assert caught.value.remedy


@pytest.mark.parametrize("content", [[], ["notes.txt", "table.xlsx"]])
def test_a_folder_without_dicom(tmp_path: Path, content: list[str]) -> None:
    for name in content:
        (tmp_path / name).write_text("nothing of interest")
    with pytest.raises(EmptyExtract) as caught:
        wb.open_cohort(tmp_path)
    assert caught.value.remedy


def test_a_file_cut_in_the_middle_is_named_and_the_rest_opens(plain: Path) -> None:
    victim = images(plain)[5]
    n = int(wb.open_cohort(plain).series["n_instances"].sum())
    victim.write_bytes(victim.read_bytes()[: victim.stat().st_size // 2])
    cohort = wb.open_cohort(plain)
    (finding,) = found(cohort, "file-truncated")
    assert finding["path"] == victim.relative_to(plain).as_posix()
    assert finding["remedy"]
    assert int(cohort.series["n_instances"].sum()) == n - 1


@pytest.mark.parametrize("keep", [0, 10, 131, 140, 300])
def test_a_file_cut_within_its_header_never_stops_the_rest(plain: Path, keep: int) -> None:
    victim = next(p for p in images(plain) if p.suffix == ".dcm")
    victim.write_bytes(victim.read_bytes()[:keep])
    cohort = wb.open_cohort(plain)
    codes = {f["code"] for f in cohort.sql("select * from findings where path <> ''").to_dict("records")
             if f["path"] == victim.relative_to(plain).as_posix()}  # fmt: skip
    assert codes & {"file-truncated", "header-unreadable", "file-not-dicom", "identity-missing"}
    assert len(cohort.patients) == 4


def test_text_renamed_dcm(plain: Path) -> None:
    (plain / "letter.dcm").write_text("Dear colleague, please find enclosed the images.")
    (finding,) = found(wb.open_cohort(plain), "file-not-dicom")
    assert finding["path"] == "letter.dcm"


def test_an_index_that_names_a_folder_which_is_not_there(service: Path) -> None:
    index = json.loads((service / "index.json").read_text())
    index[0]["series"].append({"folderName": "0000", "tags": []})
    (service / "index.json").write_text(json.dumps(index))
    cohort = wb.open_cohort(service, link_roots=[service.parent.parent / "datalake"])
    (finding,) = found(cohort, "series-folder-missing")
    assert "0000" in finding["path"] + finding["message"]
    assert len(cohort.patients) == 4


@pytest.mark.parametrize("text", ["", "{", "[1, 2]", '[{"studyId": "x"}]', "null"])
def test_an_index_that_cannot_be_read(service: Path, text: str) -> None:
    (service / "index.json").write_text(text)
    with pytest.raises(EntryFileError) as caught:
        wb.open_cohort(service, link_roots=[service.parent.parent / "datalake"])
    assert "index.json" in str(caught.value)


def test_a_link_that_leaves_the_allowed_roots_is_not_followed(plain: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.mkdir()
    shutil.copy(images(plain)[0], secret / "other.dcm")
    (plain / "shortcut").symlink_to(secret, target_is_directory=True)
    cohort = wb.open_cohort(plain)
    assert [f["path"] for f in found(cohort, "link-outside")] == ["shortcut"]
    assert not cohort.sql("select path from instances where path like 'shortcut%'")["path"].tolist()
    allowed = wb.open_cohort(plain, link_roots=[secret])
    assert allowed.sql("select path from instances where path like 'shortcut%'")["path"].tolist() == [
        "shortcut/other.dcm"
    ]


def test_a_study_link_out_of_the_roots_is_an_error_that_names_it(service: Path, tmp_path: Path) -> None:
    with pytest.raises(UnsafePath) as caught:
        wb.open_cohort(service)
    assert caught.value.file
    assert caught.value.remedy


def test_links_in_a_circle_end(plain: Path) -> None:
    (plain / "again").symlink_to(plain, target_is_directory=True)
    n = len(images(plain.resolve()))
    assert n
    assert len(wb.open_cohort(plain).patients) == 4


CSV = {
    "latin-1": ("patient_id,sex,notes\n{0},feminino,Évora\n{1},masculino,São João\n", "latin-1"),
    "with a BOM": ("patient_id,sex\n{0},F\n{1},M\n", "utf-8-sig"),
    "utf-16": ("patient_id,sex\n{0},F\n{1},M\n", "utf-16"),
    "semicolons and decimal commas": ("patient_id;sex;age\n{0};F;61,5\n{1};M;70,0\n", "utf-8"),
    "tabs": ("patient_id\tsex\n{0}\tF\n{1}\tM\n", "utf-8"),
}


@pytest.mark.parametrize("case", CSV)
def test_a_clinical_csv_of_any_dialect(plain: Path, case: str) -> None:
    patients = sorted(wb.open_cohort(plain).patients["patient_id"])[:2]
    text, encoding = CSV[case]
    (plain / "clinical.csv").write_bytes(text.format(*patients).encode(encoding))
    cohort = wb.open_cohort(plain)
    clinical = cohort.clinical.set_index("patient_id")
    assert clinical.loc[patients, "sex"].tolist() == ["female", "male"]
    if "decimal" in case:
        assert clinical.loc[patients, "age_at_diagnosis"].tolist() == [61.5, 70.0]


def test_duplicate_patient_rows_are_kept_and_named(plain: Path) -> None:
    patient = sorted(wb.open_cohort(plain).patients["patient_id"])[0]
    (plain / "clinical.csv").write_text(f"patient_id,psa\n{patient},4.5\n{patient},9.1\n")
    cohort = wb.open_cohort(plain)
    assert found(cohort, "rows-per-patient-unclear")
    assert sorted(cohort.values.query("variable == 'psa'")["value"]) == ["4.5", "9.1"]
    assert cohort.clinical.set_index("patient_id").loc[patient, "psa"] == 4.5


@pytest.mark.parametrize("content", [b"", b"\x00\x01\x02" * 100, b"patient_id\n", b"a,b\n1,2,3\n4\n"])
def test_a_table_that_is_no_table_never_stops_the_images(plain: Path, content: bytes) -> None:
    (plain / "clinical.csv").write_bytes(content)
    assert len(wb.open_cohort(plain).series) == 8


def test_a_file_nobody_may_read(plain: Path) -> None:
    if os.geteuid() == 0:
        victim = plain / "gone"
        victim.symlink_to(plain / "nowhere")
        assert [f["path"] for f in found(wb.open_cohort(plain), "link-dangling")] == ["gone"]
        return
    victim = images(plain)[0]
    victim.chmod(0)
    assert found(wb.open_cohort(plain), "file-unreadable")


def test_a_name_that_is_not_utf8(plain: Path) -> None:
    source = images(plain)[0]
    odd = os.path.join(os.fsencode(plain), b"caf\xe9.dcm")
    with open(odd, "wb") as file:
        file.write(source.read_bytes())
    assert found(wb.open_cohort(plain), "file-unreadable")


def test_the_command_line_says_what_where_and_what_to_do(tmp_path: Path) -> None:
    missing = run("open", str(tmp_path / "nothing here"))
    assert missing.returncode == 2
    assert "nothing here" in missing.stderr
    assert "Traceback" not in missing.stderr
    empty = run("open", str(tmp_path))
    assert empty.returncode == 1
    assert "Traceback" not in empty.stderr


def test_an_unwritable_cache_names_the_remedy(plain: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    monkeypatch.setenv("WORKBENCH_CACHE", str(blocked / "cache"))
    done = run("open", str(plain))
    assert done.returncode == 1
    assert "WORKBENCH_CACHE" in done.stderr
    assert "Traceback" not in done.stderr


def test_every_error_of_an_extract_is_one_of_ours() -> None:
    for error in (EmptyExtract, EntryFileError, UnsafePath):
        assert issubclass(error, ExtractError)
        assert issubclass(error, WorkbenchError)


def test_no_message_holds_a_patients_name(plain: Path) -> None:
    victim = next(p for p in images(plain) if p.suffix == ".dcm")
    data = victim.read_bytes()
    victim.write_bytes(data[: len(data) // 2])
    cohort = wb.open_cohort(plain)
    messages = " ".join(cohort.sql("select message from findings")["message"])
    for name in cohort.sql("select distinct patient_id from series")["patient_id"]:
        assert name not in messages
