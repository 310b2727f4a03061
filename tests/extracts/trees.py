"""Small made-up extracts in each layout; image files hold a DICOM preamble and nothing else."""

from __future__ import annotations

import builtins
import io
import json
from pathlib import Path
from typing import Any

import pytest

from tests.extracts.cdm_tables import CDM_DUMP as CDM_DUMP
from tests.extracts.cdm_tables import CDM_FLOW as CDM_FLOW
from workbench.extracts import Extract

SUBJECT_A = "e7c7f146"
SUBJECT_B = "b42dcc20"
STUDY_1 = "225000101"
STUDY_2 = "225000102"
STUDY_3 = "225000201"


def image(path: Path) -> Path:
    """Write the least that is DICOM by content."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(bytes(128) + b"DICM")
    return path


def index_items() -> list[dict[str, Any]]:
    """Three studies, four series, two subjects, as the dataset service writes them."""
    return [
        _study("1", SUBJECT_A, STUDY_1, [("1011", ["Axial", "T2W"]), ("1012", [])]),
        _study("2", SUBJECT_A, STUDY_2, [("1021", [])]),
        _study("3", SUBJECT_B, STUDY_3, [("2011", [])]),
    ]


def _study(number: str, subject: str, study: str, series: list[tuple[str, list[str]]]) -> dict[str, Any]:
    return {
        "studyId": f"aaaa{number}",
        "studyName": "RM PRÓSTATA",
        "subjectName": subject,
        "path": f"{subject}/{study}",
        "series": [{"folderName": name, "tags": tags} for name, tags in series],
        "url": "",
    }


def eforms() -> list[dict[str, Any]]:
    """One eForm of pages per subject."""
    return [_eform(SUBJECT_A, 61, "MALE"), _eform(SUBJECT_B, 70, "FEMALE")]


def _eform(subject: str, age: int, gender: str) -> dict[str, Any]:
    pages = [
        _page("inclusion_criteria", {"age_at_diagnosis": {"var_label": "Age", "value": age, "value_type": "integer"}}),
        _page("patient_data", {"gender": {"var_label": "Gender", "value": gender, "value_type": "radio"}}),
    ]
    form = {"metaproject": "Example Prostate", "chaimeleon_patient_id": subject, "pages": pages}
    return {"subjectName": subject, "eForm": form}


def _page(name: str, data: dict[str, Any]) -> dict[str, Any]:
    return {"page_name": name, "page_label": name, "page_data": data, "lists": []}


def dataset_service(
    base: Path, *, items: list[dict[str, Any]] | None = None, forms: Any = None, linked: bool = True
) -> tuple[Path, Path]:
    """An extract and its data lake; studies are relative links into the lake unless *linked* is false."""
    root, lake = base / "11111111-2222", base / "lake"
    root.mkdir(parents=True)
    for item in index_items():
        subject, study = item["path"].split("/")
        home = (lake if linked else root) / subject / study
        for series in item["series"]:
            image(home / series["folderName"] / "2.25.1.dcm")
        if linked:
            (root / subject).mkdir(exist_ok=True)
            (root / subject / study).symlink_to(Path("../../lake") / subject / study)
    (root / "index.json").write_text(json.dumps(index_items() if items is None else items))
    (root / "eforms.json").write_text(json.dumps(eforms() if forms is None else forms))
    return root, lake


def idc(base: Path) -> Path:
    """A download of the IDC: two patients, three series, a manifest."""
    root = base / "idc"
    for patient, study, series in (
        ("EX-0001", "2.25.5001", "CT_2.25.5101"),
        ("EX-0001", "2.25.5001", "SEG_2.25.5102"),
        ("EX-0002", "2.25.5002", "MR_2.25.5103"),
    ):
        image(root / "example_collection" / patient / study / series / "00000000-0000-4000-8000-0000000000a1.dcm")
    lines = [f"cp s3://idc-open-data/0000-{number}/* {'  .' if number == 2 else '.'}\n" for number in (1, 2, 3)]
    (root / "manifest.s5cmd").write_text("# made up\n" + "".join(lines))
    return root


def plain(base: Path, table: str = "patient_id,age\nP1,61\nP2,70\n", *, name: str = "clinical.csv") -> Path:
    """DICOM at two depths without suffix, and a table."""
    root = base / "plain"
    image(root / "a" / "IM0")
    image(root / "b" / "c" / "IM1")
    (root / name).write_text(table, encoding="utf-8")
    return root


def codes(extract: Extract) -> list[str]:
    """Codes of an extract's findings, in their order."""
    return [finding.code for finding in extract.findings]


def watch(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Paths that are opened from now on."""
    opened: list[str] = []
    real = io.open

    def spy(file: Any, *args: Any, **kwargs: Any) -> Any:
        opened.append(str(file))
        return real(file, *args, **kwargs)

    monkeypatch.setattr(builtins, "open", spy)
    monkeypatch.setattr(io, "open", spy)
    return opened


#: Scans of the reference example, by subject, experiment and scan, with their files.
SCANS = (
    ("SUBJ01", "SUBJ01_MR_1", "2_t2_tse_tra", ("2.25.3001.dcm", "2.25.3002.dcm")),
    ("SUBJ01", "SUBJ01_MR_1", "301_SEG", ("2.25.3901.dcm",)),
    ("SUBJ01", "SUBJ01_MR_2", "2-MR1_t2_tse_tra", ("2.25.3101.dcm",)),
    ("SUBJ02", "SUBJ02_CT_1", "4_THORAX_1.0_B70f", ("2.25.4001.dcm",)),
)


def datmat(base: Path, *, resources: bool = False, project: str = "EXAMPLE_PROJECT") -> Path:
    """A download by datmat: files right in the scan folder, or below its resources, with a NIfTI and its JSON."""
    root = base / "dest"
    for subject, experiment, scan, files in SCANS:
        place = root / project / subject / experiment / scan
        for name in files:
            image(place.joinpath(*(("DICOM", "files") if resources else ()), name))
    if resources:
        nifti = root / project / "SUBJ01" / "SUBJ01_MR_1" / "2_t2_tse_tra" / "NIFTI" / "files"
        nifti.mkdir(parents=True)
        (nifti / "t2.nii.gz").write_bytes(b"no image is opened while listing")
        (nifti / "t2.json").write_text("{}")
    return root


def from_tree(base: Path, text: str, *, lake: tuple[str, Path] | None = None) -> Path:
    """Folders and files as a listing with ``|--`` draws them; its first folder. *lake* maps where links lead."""
    stack: list[Path] = []
    top: Path | None = None
    for line in text.splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        drawn = line.replace("`--", "|--")
        depth = drawn.index("|--") // 4 + 1 if "|--" in drawn else 0
        name = drawn.split("|-- ")[-1].split("      ")[0].strip()
        name, _, link = (part.strip() for part in name.partition("->"))
        path = stack[depth - 1] / name if depth else base / name.rstrip("/")
        del stack[depth:]
        top = top or path
        if link:
            target = lake[1] / Path(link).relative_to(lake[0]) if lake else Path(link)
            target.mkdir(parents=True, exist_ok=True)
            path.symlink_to(target)
        elif name.endswith("/"):
            path.mkdir(parents=True, exist_ok=True)
        elif name.endswith(".dcm"):
            image(path)
        else:
            path.write_text("{}" if name.endswith(".json") else "")
        stack.append(path)
    assert top is not None
    return top


def cdm(base: Path, tables: dict[str, str] | None = None, **changes: str) -> Path:
    """An export of the common data model; *changes* replace the text of a table by its entity."""
    root = base / "export"
    for name, text in (CDM_FLOW if tables is None else tables).items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    for name, text in changes.items():
        path = next(iter(sorted(root.rglob(f"{name}*.csv"))), root / f"{name}.csv")
        path.write_text(text, encoding="utf-8")
    return root


def medical_folder(base: Path, table: str = "FOLDER_NAME,AGE,SEX\nsubject-01,55,F\nsubject-02,61,M\n") -> Path:
    """Two subjects, three images that are none, a table."""
    root = base / "cohort"
    for place in ("subject-01/T1/a.nii.gz", "subject-01/T2/b.nii.gz", "subject-02/T1/c.nii"):
        (root / place).parent.mkdir(parents=True, exist_ok=True)
        (root / place).write_bytes(b"no image is opened while listing")
    if table:
        (root / "participants.csv").write_text(table)
    return root
