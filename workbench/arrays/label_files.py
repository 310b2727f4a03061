"""Which files hold masks of a series: those that are named, or those in and beside its folder that refer to it."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import xarray as xr

from workbench.arrays.opening import headers_of
from workbench.dicom.headers.stamps import identity_of
from workbench.errors import EmptyExtract, LabelError, PathNotFound, UsageError
from workbench.findings import Finding
from workbench.labels import describe

#: Files looked at beside the folder of a series, where that itself holds no masks.
MOST_BESIDE: Final = 5000
#: Names of NIfTI files.
NIFTI: Final = (".nii", ".nii.gz")
#: Words by which a NIfTI file that nobody named is taken for a mask; others may be images, and are left alone.
MASK_WORDS: Final = frozenset(
    (
        "mask",
        "masks",
        "seg",
        "segs",
        "segmentation",
        "segmentations",
        "label",
        "labels",
        "labelmap",
        "roi",
        "rois",
        "gtv",
        "ctv",
        "ptv",
        "lesion",
        "lesions",
        "tumor",
        "tumors",
        "tumour",
        "tumours",
        "contour",
        "contours",
        "annotation",
        "annotations",
    )
)
_KINDS: Final = ("segmentation", "structure-set")

Paths = str | os.PathLike[str] | Sequence[str | os.PathLike[str]]


@dataclass(frozen=True, slots=True)
class LabelFile:
    """A segmentation or structure set that refers to a series, or a NIfTI mask."""

    #: Where it is.
    path: Path
    #: What to call it in findings, relative to its extract.
    name: str
    #: Bytes, and which file it was, when it was indexed; None where it was not.
    indexed: tuple[int, int] | None = None

    @property
    def is_nifti(self) -> bool:
        """Whether it is named as NIfTI files are."""
        return self.path.name.lower().endswith(NIFTI)

    def changed(self) -> bool:
        """Whether the file is not, or no longer, the one that was indexed."""
        if self.indexed is None:
            return False
        try:
            facts = self.path.stat()
        except OSError:
            return True
        return (facts.st_size, identity_of(facts)) != self.indexed


@dataclass(slots=True)
class OnePerUid:
    """Label files, one of each SOPInstanceUID: the first; another that differs from it is a finding."""

    #: SOPInstanceUID -> file.
    files: dict[str, LabelFile] = field(default_factory=dict)
    #: Those that carry the UID of another.
    findings: list[Finding] = field(default_factory=list)
    _facts: dict[str, tuple[Any, Any]] = field(default_factory=dict)

    def add(self, file: LabelFile, row: Mapping[str, Any]) -> None:
        """Take a file, whose row of the header table is given."""
        uid, facts = row["SOPInstanceUID"], (row["size"], row["header_digest"])
        first = self.files.setdefault(uid, file)
        if self._facts.setdefault(uid, facts) != facts:
            text = f"another file carries the same SOPInstanceUID; {first.name} is drawn"
            self.findings.append(Finding("conflicting-instance", text, path=file.name))


def files_of(source: Paths | None, dataset: xr.Dataset) -> tuple[list[LabelFile], list[Finding]]:
    """Label files of a series, and what is irregular about them.

    Parameters
    ----------
    source : path or paths, optional
        A file is taken whatever it refers to, and the finding says so; of a folder, the objects that refer to the
        series and the NIfTI files. Without it: the folder that the Dataset was opened from and everything below, with
        NIfTI files named as masks, and if that holds none, the files and folders right beside it.
    dataset : xarray.Dataset
        The series.

    Raises
    ------
    UsageError
        Nothing is named, and the Dataset does not say where it was opened from.
    PathNotFound
    """
    series = str(dataset["series_instance_uid"].item()) if "series_instance_uid" in dataset.coords else ""
    instances = frozenset(_instances(dataset))
    if source is None:
        return _around(dataset, series, instances)
    found: list[LabelFile] = []
    findings: list[Finding] = []
    several = [source] if isinstance(source, (str, os.PathLike)) else source
    if any("\0" in os.fspath(path) for path in several):
        raise PathNotFound("no such file or folder", remedy="check the path")
    # A file that is named twice is one file.
    for path in {os.path.realpath(path): path for path in several}.values():
        place = Path(path)
        if not place.exists():
            raise PathNotFound("no such file or folder", file=place.name, remedy="check the path")
        if place.is_dir():
            objects, told = _below([place], place, series, instances, _link_roots(dataset))
            here = [*objects, *_nifti(place)]
            found += here
            findings += told
            if not here and not told:
                findings.append(Finding("label-absent", "no mask of the series in the folder", path=place.name))
        else:
            file = LabelFile(place, place.name)
            found.append(file)
            findings += [] if file.is_nifti else _other_series(file, series, instances)
    # Nor is one that is in a folder which is named, too.
    return list({os.path.realpath(file.path): file for file in reversed(found)}.values())[::-1], findings


def _link_roots(dataset: xr.Dataset) -> list[Path]:
    """Folders that links could lead to when the Dataset was opened."""
    return [Path(root) for root in dataset.encoding.get("link_roots", ())]


def _instances(dataset: xr.Dataset) -> list[str]:
    if "sop_instance_uid" not in dataset.coords:
        return []
    return [str(uid) for uid in dataset["sop_instance_uid"].values.ravel() if uid]


def _nifti(folder: Path) -> list[LabelFile]:
    files = sorted(p for p in folder.rglob("*") if p.name.lower().endswith(NIFTI) and p.is_file())
    return [LabelFile(path, path.relative_to(folder).as_posix()) for path in files]


def named_as_masks(folder: Path, *, root: Path) -> list[LabelFile]:
    """NIfTI files of a folder whose name has a word for a mask in it; their place is compared when they are read.

    Parameters
    ----------
    folder : Path
        Folder of the images, or one beside it; folders in it are not looked into.
    root : Path
        What names are relative to.
    """
    found = []
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        file = LabelFile(path, Path(os.path.relpath(path, root)).as_posix())
        words = re.findall(r"[a-z]+", path.name.lower())
        if file.is_nifti and MASK_WORDS & set(words) and path.is_file() and not path.is_symlink():
            facts = path.stat()
            found.append(LabelFile(path, file.name, (facts.st_size, identity_of(facts))))
    return found


def _other_series(file: LabelFile, series: str, instances: frozenset[str]) -> list[Finding]:
    """Finding of an object that was drawn on another series, or does not say on which."""
    try:
        held = describe(file.path, name=file.name)
    except LabelError:
        # Reading its masks will say why.
        return []
    if series in held.referenced_series_uids or instances & set(held.referenced_instance_uids):
        return []
    what = "was drawn on another series" if held.referenced_series_uids else "names no series of images"
    text = f"{what}; it is placed by position"
    return [Finding("label-source-missing", text, series_uid=held.series_uid, path=file.name)]


def _around(dataset: xr.Dataset, series: str, instances: frozenset[str]) -> tuple[list[LabelFile], list[Finding]]:
    files = dataset.encoding.get("files")
    opened = dataset.encoding.get("source") or (files.folder() if files is not None else "")
    if not opened:
        raise UsageError(
            "this Dataset does not say where it was opened from",
            remedy="name the label objects: ds.patient.masks(path)",
        )
    place = Path(str(opened))
    if not place.exists():
        raise PathNotFound("the folder that the Dataset was opened from is gone", remedy="name the label objects")
    folder = place if place.is_dir() else place.parent
    roots = _link_roots(dataset)
    found, findings = _below([folder], folder, series, instances, roots)
    found += named_as_masks(folder, root=folder)
    if not found:
        beside = _beside(folder)
        found, further = _below(beside, folder.parent, series, instances, roots) if beside else ([], [])
        findings += further
    if not found:
        findings.append(Finding("label-absent", "no segmentation or structure set here refers to the series"))
    return found, findings


def _beside(folder: Path) -> list[Path]:
    """Files right beside a folder, and in the folders right beside it."""
    found: list[Path] = []
    places = sorted(one for one in folder.parent.iterdir() if one != folder and not one.name.startswith("."))
    for one in places:
        inside = [one] if one.is_file() else [p for p in one.iterdir() if p.is_file()] if one.is_dir() else []
        found += sorted(inside)
        if len(found) > MOST_BESIDE:
            raise UsageError(
                f"more than {MOST_BESIDE} files beside the folder of the series",
                remedy="name the label objects: ds.patient.masks(path)",
            )
    return found


def _below(
    paths: Sequence[Path], root: Path, series: str, instances: frozenset[str], link_roots: Sequence[Path] = ()
) -> tuple[list[LabelFile], list[Finding]]:
    """Label objects among files and below folders that refer to the series; what refers to nothing is a finding."""
    try:
        table, base, _ = headers_of(list(paths) if len(paths) > 1 else paths[0], link_roots=link_roots)
    except EmptyExtract:
        return [], []
    columns = ["path", "size", "identity", "kind", "referenced_series", "SOPInstanceUID", "header_digest"]
    rows = [row for row in table.select(columns).to_pylist() if row["kind"] in _KINDS]
    found = OnePerUid()
    findings: list[Finding] = []
    for row in sorted(rows, key=lambda row: str(row["path"])):
        path = base.joinpath(*row["path"].split("/"))
        name = Path(os.path.relpath(path, root)).as_posix()
        file = LabelFile(path, name, (row["size"], row["identity"]))
        named = row["referenced_series"] or ()
        if series in named:
            found.add(file, row)
        elif not named:
            # Without a series it may still name the images, frame by frame or contour by contour.
            try:
                held = describe(path, name=name)
            except LabelError as error:
                findings.append(Finding("label-unreadable", error.what, path=name))
                continue
            if instances & set(held.referenced_instance_uids):
                found.add(file, row)
            else:
                text = "names no series of images; name the file to place it by position"
                findings.append(Finding("label-source-missing", text, series_uid=held.series_uid, path=name))
    return list(found.files.values()), [*findings, *found.findings]
