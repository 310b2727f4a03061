"""Layout ``plain``: DICOM files anywhere below a folder, any names, perhaps clinical tables beside them.

Patients, studies and series come from headers alone, so the whole folder is listed as one place to look.
"""

from __future__ import annotations

from collections import Counter
from itertools import islice
from pathlib import Path, PurePosixPath

from workbench.dicom.headers.walk import is_dicom
from workbench.errors import EmptyExtract, UnsafePath
from workbench.extracts import clinical
from workbench.extracts.reading import ReadOptions
from workbench.extracts.record import Extract, SeriesRef
from workbench.extracts.tree import MAX_DEPTH, Sample, Tree, join

NAME = "plain"
#: Options it understands.
ACCEPTS = clinical.OPTIONS
#: Files whose first bytes are looked at, at most, until one is DICOM: of likely and of unlikely names each.
LOOK = 2000
#: Suffixes that DICOM files hardly ever have.
_UNLIKELY = frozenset(
    (
        *(".csv", ".tsv", ".txt", ".md", ".json", ".xml", ".html", ".pdf", ".parquet", ".xlsx", ".xls", ".docx"),
        *(".png", ".jpg", ".jpeg", ".gif", ".nii", ".nrrd", ".mha", ".npy", ".gz", ".zip"),
        *(".py", ".sh", ".log", ".yaml", ".yml", ".toml", ".ipynb"),
    )
)


def detect(sample: Sample, /) -> bool:
    """Whether any file below the root is DICOM by its first bytes."""
    return first_dicom(sample.tree) is not None


def first_dicom(tree: Tree) -> str | None:
    """Path of the first file that is DICOM by content; None after a bounded look in vain.

    Parameters
    ----------
    tree : Tree
        Where to look; the whole of it is walked, and up to 2 × 2000 files are opened.
    """
    left = {False: LOOK, True: LOOK}
    for path in tree.files():
        unlikely = PurePosixPath(path).suffix.lower() in _UNLIKELY
        if left[unlikely]:
            left[unlikely] -= 1
            if is_dicom_file(tree.full(path)):
                return path
        elif not any(left.values()):
            return None
    return None


def is_dicom_file(path: Path) -> bool:
    """Whether a file's first bytes are DICOM; one that cannot be read is not."""
    try:
        with path.open("rb") as file:
            return is_dicom(file.read(132))
    except OSError:
        return False


def read(root: Path, how: ReadOptions, /, *, node: str, allowed_roots: tuple[Path, ...]) -> Extract:
    """The extract as one place to look for images, with the clinical tables beside them.

    Tables (CSV, TSV, Parquet, XLSX) are taken from the root, or from the folders in it where the root has none. The
    root may be a single DICOM file.

    Raises
    ------
    EmptyExtract
        No file is DICOM, and there is no clinical table.
    """
    if root.is_file():
        return _one_file(root, node, allowed_roots)
    tree = Tree(root, allowed_roots)
    imaged = first_dicom(tree) is not None
    looking = Tree(root, allowed_roots)
    listed = _tables(looking) if how.tables else []
    if not imaged and not listed:
        raise nothing_found(tree, "looked for any DICOM file, by content")
    # Tables without images are a release too, where the caller says that the folder is one.
    tables = clinical.read_clinical(looking, listed, how)
    if not imaged and not tables.clinical:
        raise nothing_found(tree, "looked for any DICOM file, by content, and for clinical tables")
    return Extract(
        node=node,
        dataset_id=root.name,
        layout=NAME,
        root=root,
        allowed_roots=allowed_roots,
        series=(SeriesRef(".", recursive=True),),
        clinical=tables.clinical,
        studies=tables.studies,
        nodes=tables.nodes,
        tables=tables.files,
        findings=(*looking.findings, *tables.findings),
    )


def nothing_found(tree: Tree, looked_for: str) -> EmptyExtract | UnsafePath:
    """The error for a tree without anything to open: what is there instead, and what to do."""
    suffixes = Counter(PurePosixPath(path).suffix.lower() or "no suffix" for path in islice(tree.files(), LOOK))
    outward = [finding.path for finding in tree.findings if finding.code == "link-outside"]
    if outward:
        return UnsafePath(
            "nothing to open but links that leave the allowed roots",
            file=outward[0],
            remedy="if their target belongs to the extract, allow it with link_roots=[...] (--link-root)",
        )
    there = ", ".join(f"{count} {suffix}" for suffix, count in suffixes.most_common(4))
    what = f"no DICOM among the files ({there})" if there else "folder without files"
    remedy = f"{looked_for}: name the folder that a node handed over"
    if clinical.SUFFIXES & suffixes.keys():
        remedy += "; tables alone are opened with layout='plain' (--layout plain)"
    unreadable = [finding for finding in tree.findings if finding.code == "file-unreadable"]
    if any(finding.code == "folder-too-deep" for finding in tree.findings):
        what = f"no DICOM within {MAX_DEPTH} levels" + (f" among the files ({there})" if there else "")
        remedy = f"{looked_for}: name a deeper folder"
    elif unreadable:
        first, more = unreadable[0], len(unreadable) - 1
        what = f"no DICOM that can be read: {first.path}: {first.message}" + (f" ({more} more)" if more else "")
    return EmptyExtract(what, file=tree.root.name, remedy=remedy)


def _one_file(path: Path, node: str, allowed_roots: tuple[Path, ...]) -> Extract:
    if not is_dicom_file(path):
        raise EmptyExtract("file is not DICOM", file=path.name, remedy="name a DICOM file, or an unpacked folder")
    return Extract(
        node=node,
        dataset_id=path.parent.name,
        layout=NAME,
        root=path.parent,
        allowed_roots=allowed_roots,
        series=(SeriesRef(path.name),),
    )


def _tables(tree: Tree) -> list[str]:
    top = tree.folder()
    here = _in_folder(tree, ".")
    if any(not name.startswith("_") for name in here):
        return here
    return here + [path for name in top.folders for path in _in_folder(tree, name)]


def _in_folder(tree: Tree, folder: str) -> list[str]:
    suffixes = clinical.SUFFIXES | clinical.WORKBOOKS
    return [join(folder, name) for name in tree.folder(folder).files if PurePosixPath(name).suffix.lower() in suffixes]
