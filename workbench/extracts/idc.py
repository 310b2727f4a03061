"""Layout ``idc``: what the download tools of the NCI Imaging Data Commons leave on disk.

``<collection>/<PatientID>/<StudyInstanceUID>/<Modality>_<SeriesInstanceUID>/<uuid>.dcm``, perhaps an ``*.s5cmd``
manifest, and clinical tables. The template is the user's to change, so folder names are hints and headers decide.
Source: ImagingDataCommons/idc-index, ``idc_index/index.py`` and ``tests/*.s5cmd``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from workbench.errors import EmptyExtract
from workbench.extracts import clinical
from workbench.extracts.reading import ReadOptions
from workbench.extracts.record import Extract, SeriesRef
from workbench.extracts.tree import Sample, Tree, depth, join
from workbench.findings import Finding

NAME = "idc"
#: Options it understands.
ACCEPTS = clinical.OPTIONS
#: ``<Modality>_<SeriesInstanceUID>``: the UID after the underscore tells it from other layouts.
_SERIES = re.compile(r"[A-Z][A-Z0-9]{1,15}_(?=.{5,64}$)\d+(\.\d+){2,}")
#: ``cp s3://<bucket>/<series uuid>/* .``, one or two blanks before the dot.
_MANIFEST_LINE = re.compile(rb"\s*(cp|sync)\s+s3://\S+/\S+\s+\S+")
_TABLES = clinical.SUFFIXES | clinical.WORKBOOKS
#: Suffixes of files that are never images.
_BESIDE = _TABLES | {".s5cmd", ".txt", ".md", ".json", ".html", ".pdf", ".xml"}


def detect(sample: Sample, /) -> bool:
    """Whether there is a manifest in the root, or a ``<Modality>_<UID>`` folder four levels down.

    Three levels down as well: then the root is one collection.
    """
    if any(name.endswith(".s5cmd") for name in sample.root_files):
        return True
    return any(_SERIES.fullmatch(PurePosixPath(path).name) for level in (4, 3) for path in sample.folders(level))


def read(root: Path, how: ReadOptions, /, *, node: str, allowed_roots: tuple[Path, ...]) -> Extract:
    """The extract with one series per ``<Modality>_<UID>`` folder, sorted by path; no image is opened.

    Other folders that hold files are listed too, without patient or study: their headers decide.

    Raises
    ------
    EmptyExtract
        Neither a series folder, nor a manifest, nor another folder with files.
    """
    tree = Tree(root, allowed_roots)
    series = tuple(_series(tree))
    top = tree.folder()
    manifests = [name for name in top.files if name.endswith(".s5cmd")]
    findings: list[Finding] = []
    declared: dict[str, str | int] = {}
    if manifests:
        listed = _count(tree, manifests, findings)
        declared["series"] = listed
        if listed > len(series):
            message = f"{listed} series in the manifest, {len(series)} folder(s) on disk"
            findings.append(Finding("series-folder-missing", message, path=manifests[0], count=listed - len(series)))
    elif not series:
        raise EmptyExtract(
            "no <Modality>_<SeriesInstanceUID> folder and no *.s5cmd manifest",
            file=root.name,
            remedy="name the folder that holds the collection",
        )
    beside = _tables(tree) if how.tables else []
    tables = clinical.read_clinical(tree, beside, how)
    collections = {ref.path.split("/")[0] for ref in series if depth(ref.path) == 4}
    return Extract(
        node=node,
        dataset_id=collections.pop() if len(collections) == 1 else root.name,
        layout=NAME,
        root=root,
        allowed_roots=allowed_roots,
        series=series,
        clinical=tables.clinical,
        studies=tables.studies,
        nodes=tables.nodes,
        tables=(*manifests, *tables.files),
        declared=declared,
        findings=(*tree.findings, *findings, *tables.findings),
    )


def _series(tree: Tree) -> Iterator[SeriesRef]:
    pending = ["."]
    while pending:
        here = pending.pop()
        parts = here.split("/")
        if _SERIES.fullmatch(parts[-1]):
            patient, study = parts[-3:-1] if len(parts) in (3, 4) else ("", "")
            yield SeriesRef(here, patient_id=patient, study_key=study, series_key=parts[-1])
            continue
        folder = tree.folder(here)
        if any(PurePosixPath(name).suffix.lower() not in _BESIDE for name in folder.files):
            yield SeriesRef(here)
        pending.extend(reversed(tree.below(here, folder)))


def _count(tree: Tree, manifests: list[str], findings: list[Finding]) -> int:
    """Series that the manifests name."""
    lines: set[bytes] = set()
    for name in manifests:
        try:
            with tree.full(name).open("rb") as file:
                lines.update(line.split()[1] for line in file if _MANIFEST_LINE.match(line))
        except OSError as error:
            findings.append(Finding("file-unreadable", error.strerror or "not readable", path=name))
    return len(lines)


def _tables(tree: Tree) -> list[str]:
    top = tree.folder()
    beside = [name for name in top.files if _is_table(name) and PurePosixPath(name).stem.lower().endswith("_clinical")]
    if "clinical" not in top.folders:
        return beside
    return beside + [join("clinical", name) for name in tree.folder("clinical").files if _is_table(name)]


def _is_table(name: str) -> bool:
    return PurePosixPath(name).suffix.lower() in _TABLES
