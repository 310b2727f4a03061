"""Layout ``medical-folder``: Fed-BioMed's MedicalFolder, NIfTI images at ``<subject>/<modality>/<one file>``.

Images have no UID, no study and no date: a series is a subject and a modality. A table with one row per subject is
usual, and which of its columns names the subject is a setting of the platform that is not stored.
Source: fedbiomed/fedbiomed, ``docs/user-guide/datasets/medical-folder-dataset.md`` and
``_medical_folder_controller.py``.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Final

from workbench.errors import EmptyExtract, UsageError
from workbench.extracts import clinical
from workbench.extracts.nifti_names import is_nifti, sidecar
from workbench.extracts.reading import ReadOptions
from workbench.extracts.record import Extract, SeriesRef
from workbench.extracts.tables import read_table
from workbench.extracts.tree import Sample, Tree, depth, join
from workbench.findings import Finding

NAME = "medical-folder"
#: Options it understands.
ACCEPTS = clinical.OPTIONS | {"modalities", "masks"}
#: Level of the images.
LEVEL: Final = 3
#: The only timepoint there is.
TIMEPOINT: Final = "1"
#: Columns that name the subject where nothing else tells: the platform's tutorials use this one.
USUAL: Final = "FOLDER_NAME"
#: DICOM modalities of images (PS3.3 C.7.3.1.1.1): a folder named so needs no explanation.
MODALITIES: Final = frozenset(("CT", "MR", "PT", "NM", "US", "MG", "CR", "DX", "XA", "RF", "IO", "PX", "OCT", "RTDOSE"))
_TABLES: Final = clinical.SUFFIXES | clinical.WORKBOOKS
#: Files that may lie anywhere beside images.
_BESIDE: Final = _TABLES | {".json", ".txt", ".md", ".html", ".pdf"}


def detect(sample: Sample, /) -> bool:
    """Whether there are NIfTI files, each at ``subject/modality/file``, and no other images.

    A sample of the folders is looked at, so a stray file further down the list does not change the layout: reading
    tells it.
    """
    found = False
    for level in (1, 2):
        for path in sample.folders(level):
            for name in sample.tree.folder(path).files:
                if PurePosixPath(name).suffix.lower() in _BESIDE:
                    continue
                if level != LEVEL - 1 or not is_nifti(name):
                    return False
                found = True
    if not found or not all(map(_beside, sample.root_files)):
        return False
    below = (path for level in range(LEVEL, sample.LEVELS + 1) for path in sample.folders(level))
    return all(_beside(name) for path in below for name in sample.tree.folder(path).files)


def _beside(name: str) -> bool:
    return PurePosixPath(name).suffix.lower() in _BESIDE


def read(root: Path, how: ReadOptions, /, *, node: str, allowed_roots: tuple[Path, ...]) -> Extract:
    """The extract with one series per subject and modality, sorted by path; no image is opened.

    ``how.modalities`` maps modality folders to DICOM codes, ``how.masks`` names those that hold masks.

    Raises
    ------
    EmptyExtract
        No NIfTI file where images stand.
    UsageError
        A modality that no subject has; or the column of the subject cannot be told.
    """
    tree = Tree(root, allowed_roots)
    findings: list[Finding] = []
    series: list[SeriesRef] = []
    ignored: dict[str, int] = {}
    subjects = tree.folder().folders
    seen: Counter[str] = Counter()
    for path in tree.files():
        if depth(path) != LEVEL and not _beside(path):
            folder = path.rpartition("/")[0] or "."
            ignored[folder] = ignored.get(folder, 0) + 1
    for subject in subjects:
        for modality in tree.folder(subject).folders:
            place = join(subject, modality)
            files = tree.folder(place).files
            images = [name for name in files if is_nifti(name)]
            if others := sum(not _beside(name) and not is_nifti(name) for name in files):
                ignored[place] = ignored.get(place, 0) + others
            if images:
                seen[modality] += 1
            if len(images) > 1:
                message = f"{len(images)} NIfTI files"
                findings.append(Finding("ambiguous-image", message, patient_id=subject, path=place, count=len(images)))
            elif images:
                series.append(_series(join(place, images[0]), subject, modality, how))
    if not seen:
        raise EmptyExtract(
            "no NIfTI file at <subject>/<modality>/<file>",
            file=root.name,
            remedy="name the folder that holds the subjects",
        )
    _check_named(seen, how)
    findings += [
        Finding("file-ignored-by-layout", f"{count} file(s)", path=folder, count=count)
        for folder, count in sorted(ignored.items())
    ]
    findings += _missing(series, findings, seen, how)
    findings += _unknown(series)
    tables = [name for name in tree.folder().files if PurePosixPath(name).suffix.lower() in _TABLES]
    column = how.id_column or _column(tree, tables, set(subjects)) if tables and how.tables else None
    listed = tables if how.tables else []
    tables_read = clinical.read_clinical(tree, listed, replace(how, id_column=column))
    beside = [path for ref in series if tree.full(path := sidecar(ref.path)).is_file()]
    return Extract(
        node=node,
        dataset_id=root.name,
        layout=NAME,
        root=root,
        allowed_roots=allowed_roots,
        series=tuple(series),
        clinical=tables_read.clinical,
        studies=tables_read.studies,
        nodes=tables_read.nodes,
        tables=(*tables_read.files, *beside),
        declared={"subjects": len(subjects)},
        findings=(*tree.findings, *findings, *tables_read.findings),
    )


def _series(path: str, subject: str, modality: str, how: ReadOptions) -> SeriesRef:
    code = how.modalities.get(modality, modality if modality in MODALITIES else "")
    return SeriesRef(
        path,
        patient_id=subject,
        study_key=subject,
        series_key=modality,
        resource="NIFTI",
        modality=code,
        mask=modality in how.masks,
        timepoint=TIMEPOINT,
    )


def _check_named(seen: Counter[str], how: ReadOptions) -> None:
    """Refuse a name of a modality folder that no subject has."""
    unknown = [name for name in (*how.modalities, *how.masks) if name not in seen]
    if unknown:
        there = ", ".join(sorted(seen))
        raise UsageError(f"no modality folder {unknown[0]!r}", remedy=f"folders are: {there}")


def _missing(series: list[SeriesRef], findings: list[Finding], seen: Counter[str], how: ReadOptions) -> list[Finding]:
    """Subjects that lack a modality which others have; a mask may be absent because there is nothing to draw."""
    had: dict[str, set[str]] = {}
    for ref in series:
        had.setdefault(ref.patient_id, set()).add(ref.series_key)
    for finding in findings:
        if finding.code == "ambiguous-image":
            had.setdefault(finding.patient_id, set()).add(finding.path.rpartition("/")[2])
    return [
        Finding("modality-missing", f"no {modality}", patient_id=subject, path=subject)
        for modality in sorted(seen)
        if modality not in how.masks
        for subject in sorted(had)
        if modality not in had[subject]
    ]


def _unknown(series: list[SeriesRef]) -> list[Finding]:
    counted = Counter(ref.series_key for ref in series if not ref.modality and not ref.mask)
    if not counted:
        return []
    names = ", ".join(sorted(counted))
    return [Finding("modality-unknown", f"folders {names}", path=".", count=counted.total())]


def _column(tree: Tree, tables: list[str], subjects: set[str]) -> str | None:
    """The only column whose values cover the names of the subjects' folders.

    Raises
    ------
    UsageError
        Several do, or none does and none is named as usual.
    """
    for name in tables:
        if name.startswith("_") or PurePosixPath(name).suffix.lower() in clinical.WORKBOOKS:
            continue
        table = read_table(tree.full(name), file=name)
        if not table.n_rows:
            continue
        found: list[set[str]] = [set() for _ in table.header]
        for row in table:
            for names, cell in zip(found, row.cells, strict=True):
                if cell in subjects:
                    names.add(cell)
        covering = [column for column, names in zip(table.header, found, strict=True) if names == subjects]
        if len(covering) == 1:
            return covering[0]
        if USUAL in table.header and (USUAL in covering or not covering):
            return USUAL
        usual = re.compile(r"(?i)(subject|participant|patient|folder|case).*|.*id")
        # In a table without a header the first row is a patient's: only names of columns are shown.
        likely = covering or [column for column in table.header if usual.fullmatch(column)]
        what = "several columns cover" if covering else "no column covers"
        remedy = f"name one with id_column=...{': ' if likely else ''}{', '.join(likely)}"
        raise UsageError(f"{what} the names of the subjects' folders", file=name, remedy=remedy)
    return None
