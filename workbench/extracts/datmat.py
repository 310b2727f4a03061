"""Layout ``datmat``: what datmat fetches from an XNAT archive (Health-RI).

``<project>/<subject>/<experiment>/<scan_id>_<scan_type>/<file>`` (scheme ``eucaimdir``), or below the scan
``<RESOURCE>/files/<file>`` (scheme ``eucaimresdir``); both may lie in one folder. Labels are XNAT's: the subject is
the patient, the experiment is meant to be one study, and the scan's name is a hint only.
Source: datmat 0.2.0, ``plugins/eucaim.py``, ``eucaimres.py``, ``structureddirectory.py``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from workbench.errors import EmptyExtract
from workbench.extracts import clinical
from workbench.extracts.nifti_names import is_nifti, sidecar
from workbench.extracts.reading import ReadOptions
from workbench.extracts.record import Extract, SeriesRef
from workbench.extracts.tree import Folder, Sample, Tree, join
from workbench.findings import Finding

NAME = "datmat"
#: Options it understands.
ACCEPTS = clinical.OPTIONS
#: Levels at which scans stand: below the destination of the download, or below one project.
LEVELS = (4, 3)
#: ``<scan_id>_<scan_type>``: the id begins with a figure and has no underscore, the type may hold anything.
_SCAN = re.compile(r"\d[^_]*_.+")
_FILES = "files"
#: Files that are never images.
_BESIDE = clinical.SUFFIXES | clinical.WORKBOOKS | {".json", ".txt", ".md", ".xml", ".html", ".pdf", ".bval", ".bvec"}


def detect(sample: Sample, /) -> bool:
    """Whether scans stand four levels down, or three where the root is one project.

    A scan is a folder named ``<scan_id>_<scan_type>`` with a number first, or any that holds ``<RESOURCE>/files``.
    """
    return _level(sample) is not None


def _level(sample: Sample) -> int | None:
    """Level of the scans; None where there are none."""
    for level in LEVELS:
        if any(_SCAN.fullmatch(PurePosixPath(path).name) for path in sample.folders(level)):
            return level
        resources = (PurePosixPath(path) for path in sample.folders(level + 2))
        if any(path.name == _FILES and "_" in path.parts[level - 1] for path in resources):
            return level
    return None


def read(root: Path, how: ReadOptions, /, *, node: str, allowed_roots: tuple[Path, ...]) -> Extract:
    """The extract with one series per scan and resource, sorted by path; no image is opened.

    A NIfTI file is a series of its own. One table at the level of the project is taken as clinical, which is told.

    Raises
    ------
    EmptyExtract
        No folder with files where scans stand.
    """
    tree = Tree(root, allowed_roots)
    level = _level(Sample(tree)) or LEVELS[0]
    findings: list[Finding] = []
    series = tuple(ref for scan in _folders(tree, level, findings) for ref in _scan(tree, scan, level, findings))
    if not series:
        raise EmptyExtract(
            "no <project>/<subject>/<experiment>/<scan_id>_<scan_type> folder with files",
            file=root.name,
            remedy="name the folder that datmat wrote to",
        )
    listed = _table(tree, level, findings) if how.tables else []
    tables = clinical.read_clinical(tree, listed, how)
    projects = {ref.path.split("/")[0] for ref in series} if level == LEVELS[0] else {root.name}
    return Extract(
        node=node,
        dataset_id=projects.pop() if len(projects) == 1 else root.name,
        layout=NAME,
        root=root,
        allowed_roots=allowed_roots,
        series=series,
        clinical=tables.clinical,
        studies=tables.studies,
        nodes=tables.nodes,
        tables=(*tables.files, *_sidecars(tree, series)),
        findings=(*tree.findings, *findings, *tables.findings),
    )


def _folders(tree: Tree, level: int, findings: list[Finding], here: str = ".") -> Iterator[str]:
    """Paths of the folders so many levels further down, sorted; images on the way to them are told."""
    folder = tree.folder(here)
    loose = [name for name in folder.files if PurePosixPath(name).suffix.lower() not in _BESIDE]
    if loose:
        message = f"{len(loose)} file(s) above the level of scans"
        findings.append(Finding("file-ignored-by-layout", message, path=here, count=len(loose)))
    for name in folder.folders:
        path = join(here, name)
        if level == 1:
            yield path
        else:
            yield from _folders(tree, level - 1, findings, path)


def _scan(tree: Tree, scan: str, level: int, findings: list[Finding]) -> Iterator[SeriesRef]:
    """Places of one scan: its own files, and those of its resources."""
    subject, experiment, name = scan.split("/")[level - 3 :]
    top = tree.folder(scan)
    flat = list(_images(scan, top, subject, experiment, name, tag=""))
    yield from flat
    resources = []
    for resource in top.folders:
        place = join(scan, resource)
        inner = tree.folder(place)
        if _FILES in inner.folders:
            place = join(place, _FILES)
            inner = tree.folder(place)
        found = list(_images(place, inner, subject, experiment, name, tag=resource))
        resources += found
        yield from found
    if any(ref.resource == "DICOM" for ref in flat) and any("DICOM" in ref.tags for ref in resources):
        message = "its files lie in the scan's folder and below a resource too"
        findings.append(Finding("scan-in-both-schemes", message, patient_id=subject, path=scan))


def _images(place: str, folder: Folder, subject: str, experiment: str, name: str, *, tag: str) -> Iterator[SeriesRef]:
    """One place to look for DICOM, and each NIfTI file."""
    tags = (tag,) if tag else ()
    nifti = [file for file in folder.files if is_nifti(file)]
    others = [f for f in folder.files if f not in nifti and PurePosixPath(f).suffix.lower() not in _BESIDE]
    if others or (tag and folder.folders):
        yield SeriesRef(
            place, recursive=bool(tag), patient_id=subject, study_key=experiment, series_key=name, tags=tags
        )
    for file in nifti:
        yield SeriesRef(
            join(place, file),
            patient_id=subject,
            study_key=experiment,
            series_key=name,
            tags=tags,
            resource="NIFTI",
        )


def _sidecars(tree: Tree, series: tuple[SeriesRef, ...]) -> list[str]:
    """JSON files beside NIfTI images: they say what DICOM headers would."""
    beside = (sidecar(ref.path) for ref in series if ref.resource == "NIFTI")
    return [path for path in beside if tree.full(path).is_file()]


def _table(tree: Tree, level: int, findings: list[Finding]) -> list[str]:
    """The one table in the root and the projects, taken by its place alone."""
    places = ["."] if level != LEVELS[0] else [".", *tree.folder().folders]
    suffixes = clinical.SUFFIXES | clinical.WORKBOOKS
    found = [
        join(place, name)
        for place in places
        for name in tree.folder(place).files
        if PurePosixPath(name).suffix.lower() in suffixes
    ]
    if len(found) > 1:
        message = f"{len(found)} tables beside the subjects: none was taken"
        findings.append(Finding("clinical-table-unclear", message, path=found[0], count=len(found)))
        return []
    if found:
        findings.append(Finding("clinical-table-taken", "it is the only one beside the subjects", path=found[0]))
    return found
