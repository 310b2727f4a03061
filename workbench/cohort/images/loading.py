"""A series of the cohort -> arrays, through the header table kept in the cache."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.arrays import accessor as _accessor  # noqa: F401  registers ds.patient
from workbench.arrays.build import build
from workbench.arrays.label_files import OnePerUid, named_as_masks
from workbench.arrays.masks import LabelFile, MaskOptions, told, with_masks
from workbench.arrays.tree import lazy_tree
from workbench.cohort.database.database import Database
from workbench.cohort.tables.instances import masks_of, of_series
from workbench.cohort.tables.store import Stored
from workbench.dicom.headers.stamps import identity_of
from workbench.dicom.series import choose, choose_part
from workbench.errors import SeriesNotFound, UsageError
from workbench.findings import Finding

if TYPE_CHECKING:
    import xarray as xr

    from workbench.cohort.cohort import Cohort
    from workbench.labels.choosing import Select


def holds(extract: Stored, series_uid: str) -> bool:
    """Whether an extract has a series."""
    return bool(extract.read("series", columns=["path"], filters=[("SeriesInstanceUID", "=", series_uid)]).num_rows)


def nifti_dataset(
    root: Path, path: str, series_uid: str, *, modality: str | None, values: str = "physical", dtype: str | None = None
) -> xr.Dataset:
    """Lazy Dataset of a series that is a NIfTI file.

    Raises
    ------
    DicomError
        It cannot be loaded; says why.
    """
    from workbench.arrays.nifti_image import open_nifti, read_header

    image = read_header(root.joinpath(*path.split("/")), name=path)
    attrs = {"Modality": modality} if modality else {}
    return open_nifti(image, series_uid=series_uid, attrs=attrs, values=values, dtype=dtype)


def check_part(part: int | None, series_uid: str) -> None:
    """Refuse another part than the one that a NIfTI series has."""
    if part not in (None, 1):
        raise SeriesNotFound(f"no part {part}: there is 1", series=series_uid, remedy="leave part out")


def load(
    extract: Stored,
    series_uid: str,
    *,
    part: int | None,
    masks: bool | Select,
    how: Mapping[str, Any],
    values: str,
    dtype: str | None,
    database: Database,
) -> xr.Dataset:
    """Lazy Dataset of one series, with its masks where asked for.

    Parameters
    ----------
    masks : bool, "newest" or mapping
        Whether, or which; see :func:`workbench.labels.choosing.chosen`.
    how : mapping
        Further fields of :class:`workbench.arrays.masks.MaskOptions`.
    """
    options = None if masks is False else MaskOptions(select=None if masks is True else masks, **how)
    if options is None and (given := [name for name, value in how.items() if value is not None]):
        raise UsageError(f"{', '.join(given)} without masks", remedy="load with masks=True")
    [(patient, path, resource, modality)] = database.rows(
        "select patient_id, path, resource, Modality from series where node = ? and SeriesInstanceUID = ?",
        [extract.node, series_uid],
    )
    if resource == "NIFTI":
        plan = None
        check_part(part, series_uid)
        dataset = nifti_dataset(extract.root, path, series_uid, modality=modality, values=values, dtype=dtype)
    else:
        series = choose(of_series(extract, series_uid), extract.root, series=series_uid, where=extract.node)
        plan = choose_part(series, part)
        dataset = _of(extract, build(series, plan, extract.root, values=values, dtype=dtype))
    dataset.attrs |= {"node": extract.node, "patient_id": patient}
    if options is not None:
        objects, findings = label_files(extract, series_uid)
        files = [*objects, *nifti_files(extract, series_uid, database)]
        if not files:
            findings.append(Finding("label-absent", "no segmentation or structure set refers to the series"))
        dataset, further = with_masks(dataset, plan, files, options=options)
        dataset = told(dataset, [*findings, *further])
    return dataset


def check_masks(masks: bool | Select, **how: Any) -> None:
    """Refuse what says which masks, and how, before the first of many series is read with it."""
    MaskOptions(select=None if isinstance(masks, bool) else masks, **how)
    if how.get("names") is not None:
        from workbench.labels.names import name_table

        name_table(how["names"])


def _of(extract: Stored, dataset: xr.Dataset) -> xr.Dataset:
    """Dataset that knows where links of its extract may lead, for whoever looks beside its files."""
    dataset.encoding["link_roots"] = list(extract.link_roots)
    return dataset


def label_files(extract: Stored, series_uid: str) -> tuple[list[LabelFile], list[Finding]]:
    """Segmentations and structure sets that refer to a series, in order of path, and which of them are two in one."""
    columns = ["path", "size", "identity", "kind", "referenced_series", "SOPInstanceUID", "header_digest"]
    table = masks_of(extract, columns)
    found = OnePerUid()
    for row in sorted(table.to_pylist(), key=lambda row: row["path"]):
        if series_uid in (row["referenced_series"] or ()):
            place = extract.root.joinpath(*row["path"].split("/"))
            found.add(LabelFile(place, row["path"], (row["size"], row["identity"])), row)
    return list(found.files.values()), found.findings


def nifti_files(extract: Stored, series_uid: str, database: Database) -> list[LabelFile]:
    """NIfTI files named as masks in the folder of a series, and in the one above where that is of one patient alone.

    Whose mask it is, a NIfTI file does not say: one that lies among the images of several patients is not taken.
    """
    paths = database.rows(
        "select path from all_series where node = ? and SeriesInstanceUID = ?", [extract.node, series_uid]
    )
    found: dict[str, LabelFile] = {}
    for place in dict.fromkeys(place for (path,) in paths for place in (path, path.rpartition("/")[0] or ".")):
        files = named_as_masks(extract.root / place, root=extract.root)
        if files and _of_one_patient(extract.node, place, database):
            found |= {file.name: file for file in files}
    listed = database.rows(
        """select path, kind = 'segmentation' and list_contains(refers_to, ?) from all_series
        where node = ? and resource = 'NIFTI'""",
        [series_uid, extract.node],
    )
    for path, refers in listed:
        # What is listed as an image is none of its own masks.
        found.pop(path, None)
        if refers:
            place = extract.root.joinpath(*path.split("/"))
            facts = place.stat() if place.is_file() else None
            found[path] = LabelFile(place, path, (facts.st_size, identity_of(facts)) if facts else (-1, -1))
    return list(found.values())


def _of_one_patient(node: str, folder: str, database: Database) -> bool:
    within = "" if folder == "." else "and (path = ? or starts_with(path, ?))"
    asked = [node] if folder == "." else [node, folder, f"{folder}/"]
    counted = database.rows(f"select count(distinct patient_id) from all_series where node = ? {within}", asked)
    return bool(counted[0][0] == 1)


def datatree(extracts: Sequence[Stored], database: Database) -> xr.DataTree:
    """Lazy DataTree ``/node/patient/study/series[/part-N]`` of every image series that can be loaded."""
    return _tree(extracts, database, 0, "", [])


def datatree_of(cohort: Cohort, node: str, patient: str, timepoint: str | None = None) -> xr.DataTree:
    """Lazy DataTree ``/study/series[/part-N]`` of one patient, or of one case of theirs."""
    condition, asked = "and s.node = ? and s.patient_id = ?", [node, patient]
    if timepoint is not None:
        condition, asked = f"{condition} and s.timepoint = ?", [*asked, timepoint]
    return _tree(cohort.extracts, cohort._database, 2, condition, asked)


def _tree(
    extracts: Sequence[Stored], database: Database, above: int, condition: str, asked: Sequence[str]
) -> xr.DataTree:
    """Tree without its first *above* levels."""
    rows = database.rows(
        f"""
        select s.node, s.patient_id, coalesce(s.StudyInstanceUID, 'study-unknown'), s.SeriesInstanceUID,
            greatest(s.n_parts, 1), coalesce(p.part, 1), coalesce(p.loadable, true)
        from series s left join parts p using (node, SeriesInstanceUID) where s.kind = 'image' {condition}
        order by s.node, s.patient_id, s.StudyDate, s.StudyInstanceUID, s.SeriesNumber, s.SeriesInstanceUID, p.part""",
        asked,
    )
    by_node: dict[str, list[Stored]] = {}
    for extract in extracts:
        by_node.setdefault(extract.node, []).append(extract)
    openers: dict[str, Callable[[], xr.Dataset]] = {}
    failed: list[str] = []
    for node, patient, study, uid, n_parts, part, loadable in rows:
        if not loadable:
            failed.append(f"{node} {uid}: {_why_not(database, node, uid)}")
            continue
        steps = [_segment(name) for name in (node, patient, study, uid)][above:]
        name = "/" + "/".join(steps if n_parts == 1 else [*steps, f"part-{part}"])
        openers[name] = partial(_opened, by_node[node], uid, part, database)
    return lazy_tree(openers, not_loaded=failed)


def _opened(holders: Sequence[Stored], uid: str, part: int, database: Database) -> xr.Dataset:
    extract = next((one for one in holders if len(holders) == 1 or holds(one, uid)), holders[0])
    return load(extract, uid, part=part, masks=False, how={}, values="physical", dtype=None, database=database)


def _why_not(database: Database, node: str, uid: str) -> str:
    """What the findings say of a series that cannot be loaded."""
    told = database.rows(
        "select title from findings where node = ? and series_uid = ? and severity = 'serious' order by code limit 1",
        [node, uid],
    )
    return str(told[0][0]) if told else "cannot be loaded"


def _segment(name: str) -> str:
    """A name as one step of a tree path."""
    return name.replace("/", "_").replace(os.sep, "_") or "unknown"
