"""The header table's series: which there are, their parts, their plans and what is irregular about them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from workbench.dicom.judging import undeclared_frames
from workbench.dicom.pixels.codecs import CODECS, decodable
from workbench.dicom.pixels.readable import unread_pixels
from workbench.dicom.scan import file_findings
from workbench.dicom.stacks.frame_table import frame_rows
from workbench.dicom.stacks.split import MAX_PARTS, drop_duplicates, split
from workbench.dicom.stacks.stack import Plan, make_plan
from workbench.dicom.values.value_map import value_map
from workbench.errors import AmbiguousSeries, SeriesNotFound, UsageError
from workbench.findings import Finding

#: Where a UID is missing: stands for it, with the path where objects must differ.
_NAMELESS: Final = "no-uid:"


@dataclass(frozen=True, eq=False)
class Series:
    """One series of the header table, planned."""

    #: SeriesInstanceUID.
    uid: str
    #: ``image``, or what else it is.
    kind: str
    #: Usable rows, each instance once.
    rows: pa.Table
    #: A plan per part, the largest first; empty where the series is not an image.
    plans: tuple[Plan, ...]
    #: What is irregular, with the series named.
    findings: tuple[Finding, ...]
    #: Whether its frames can be decoded here.
    decodable: bool
    #: SOPInstanceUIDs that stand for different bytes.
    conflicting: frozenset[str]

    @property
    def n_frames(self) -> int:
        """Frames in its files."""
        return int(sum(max(1, value or 1) for value in self.rows["NumberOfFrames"].to_pylist()))


def usable(table: pa.Table) -> pa.Table:
    """Rows of a header table that are DICOM objects with an identity and whole."""
    return _only(table, "status", "dicom")


def _only(table: pa.Table, column: str, value: str) -> pa.Table:
    """Rows with *value* in *column*; the table itself where all have it: filtering copies every column."""
    if pc.unique(table[column]).to_pylist() == [value]:
        return table
    return table.filter(pc.equal(table[column], value))


def named(table: pa.Table) -> pa.Table:
    """The header table with objects without series or instance UID under names made from their paths.

    For files opened on their own, where nothing has to be told apart from another extract.
    """
    found = pc.and_(pc.equal(table["status"], "identity-missing"), pc.equal(table["kind"], "image"))
    sized = pc.greater(pc.multiply(pc.fill_null(table["Rows"], 0), pc.fill_null(table["Columns"], 0)), 0)
    nameless = pc.and_(pc.and_(found, sized), pc.greater_equal(table["pixel_offset"], 0))
    if not pc.any(nameless).as_py():
        return table
    made = pc.binary_join_element_wise(_NAMELESS, table["path"], "")
    for column in ("SeriesInstanceUID", "SOPInstanceUID"):
        given = (
            pc.coalesce(table[column], made) if column == "SOPInstanceUID" else pc.coalesce(table[column], _NAMELESS)
        )
        table = table.set_column(table.schema.get_field_index(column), column, given)
    status = pc.if_else(nameless, "dicom", table["status"])
    return table.set_column(table.schema.get_field_index("status"), "status", status)


def iterate_series(table: pa.Table, root: str | os.PathLike[str], *, uids: set[str] | None = None) -> Iterator[Series]:
    """Every series of a header table, planned, in order of first path.

    Parameters
    ----------
    table : pyarrow.Table
        Header table as :func:`workbench.dicom.scan.scan` gives it.
    root : path
        Folder its paths are relative to.
    uids : set of str, optional
        Only these series.
    """
    table = usable(table)
    if uids is not None and len(uids) == 1 and pc.unique(table["SeriesInstanceUID"]).to_pylist() == [*uids]:
        yield series_of(next(iter(uids)), table, Path(root))
        return
    for uid, rows in rows_by_series(table):
        if uids is None or uid in uids:
            yield series_of(uid, rows_of(table, rows), Path(root))


def rows_by_series(table: pa.Table) -> Iterator[tuple[str, NDArray[np.int64]]]:
    """Each series of a header table in order of first path, and the numbers of its rows."""
    if not table.num_rows:
        return
    encoded = table["SeriesInstanceUID"].combine_chunks().dictionary_encode()
    codes = encoded.indices.to_numpy(zero_copy_only=False)
    order = np.argsort(codes, kind="stable")
    bounds = np.searchsorted(codes[order], np.arange(len(encoded.dictionary) + 1))
    for number, uid in enumerate(encoded.dictionary.to_pylist()):
        yield uid, order[bounds[number] : bounds[number + 1]]


def rows_of(table: pa.Table, rows: NDArray[np.int64]) -> pa.Table:
    """Some rows of a table; where they stand together no column is copied."""
    together = bool((np.diff(rows) == 1).all())
    return table.slice(int(rows[0]), len(rows)) if together else table.take(pa.array(rows))


def series_of(uid: str, rows: pa.Table, root: Path) -> Series:
    """One series, planned, of its usable rows.

    Parameters
    ----------
    uid : str
        SeriesInstanceUID.
    rows : pyarrow.Table
        Its rows of the header table.
    root : Path
        Folder their paths are relative to.
    """
    rows, findings, conflicting = drop_duplicates(rows, root)
    patient = rows["PatientID"][0].as_py() or ""
    kinds = rows["kind"].to_pylist()
    kind = "image" if "image" in kinds else kinds[0]
    if kind != "image":
        return Series(uid, kind, rows, (), tuple(findings), True, frozenset(conflicting))
    images = _only(rows, "kind", "image")
    parts = split(images)
    plans = tuple(plan for part in parts for plan in _plans(part))
    unnamed = sum(str(one).startswith(_NAMELESS) for one in images["SOPInstanceUID"].to_pylist())
    if unnamed or uid == _NAMELESS:
        findings.append(Finding("identity-missing", f"{images.num_rows} files", count=images.num_rows))
    plans = tuple(sorted(plans, key=lambda plan: -plan.n_frames))
    if len(plans) > 1:
        sizes = ", ".join(str(plan.n_frames) for plan in plans[:10]) + (", ..." if len(plans) > 10 else "")
        findings.append(Finding("several-parts", f"{len(plans)} parts of {sizes} images"))
    if len(parts) == MAX_PARTS and (left := frame_rows(images).num_rows - sum(part.num_rows for part in parts)):
        message = f"{left} images are in none of the {MAX_PARTS} largest parts"
        findings.append(Finding("parts-too-many", message, count=left))
    for plan in plans:
        findings.extend(_worth_telling(plan, plans[0]))
        findings.extend(value_map(plan.rows, root=root).findings)
    used = zip(images["TransferSyntaxUID"].to_pylist(), images["SamplesPerPixel"].to_pylist(), strict=True)
    kinds_of_pixels = sorted({(syntax, (samples or 1) > 1) for syntax, samples in used if syntax})
    syntaxes = [syntax for syntax, _ in kinds_of_pixels]
    unknown = sorted({syntax for syntax, colour in kinds_of_pixels if not decodable(syntax, colour=colour)})
    if unknown:
        findings.append(Finding("syntax-not-decodable", f"{', '.join(unknown)}, {images.num_rows} files"))
    if strange := unread_pixels(images):
        findings.append(Finding("syntax-not-decodable", f"{strange}, {images.num_rows} files"))
    findings.extend(undeclared_frames(images))
    findings.extend(_crowded_bits(images))
    lossy = "01" in images["LossyImageCompression"].to_pylist() or any(
        syntax in CODECS and CODECS[syntax].lossy for syntax in syntaxes
    )
    if lossy:
        findings.append(Finding("lossy-compression", f"{images.num_rows} files"))
    named = tuple(replace(finding, series_uid=uid, patient_id=finding.patient_id or patient) for finding in findings)
    return Series(uid, kind, rows, plans, named, not unknown, frozenset(conflicting))


def _crowded_bits(images: pa.Table) -> list[Finding]:
    """Pixels that are said to hold more bits than they are wide."""
    room, *used = (images[name].to_numpy(zero_copy_only=False) for name in ("BitsAllocated", "BitsStored", "HighBit"))
    with np.errstate(invalid="ignore"):
        crowded = (room > 0) & ((used[0] > room) | (used[1] >= room))
    if not (count := int(crowded.sum())):
        return []
    first = int(np.flatnonzero(crowded)[0])
    stored, high = (int(values[first]) if np.isfinite(values[first]) else "no" for values in used)
    text = f"{stored} bits stored, high bit {high}, of {int(room[first])} bits: {count} images"
    return [Finding("bits-contradictory", text, count=count)]


def _plans(part: pa.Table) -> tuple[Plan, ...]:
    """Plan of one part; several multi-frame objects that nothing tells apart are a plan each."""
    plan = make_plan(part)
    objects = pc.unique(part["SOPInstanceUID"]).to_pylist()
    if not plan.refused or len(objects) == part.num_rows or len(objects) < 2:
        return (plan,)
    return tuple(make_plan(part.filter(pc.equal(part["SOPInstanceUID"], uid))) for uid in sorted(objects))


def _worth_telling(plan: Plan, main: Plan) -> list[Finding]:
    """A plan's findings; that a lone localiser beside a stack is a single image is no news."""
    return [finding for finding in plan.findings if plan is main or finding.code != "single-slice"]


def choose(table: pa.Table, root: str | os.PathLike[str], *, series: str | None, where: str) -> Series:
    """The one image series asked for.

    Parameters
    ----------
    series : str or None
        SeriesInstanceUID; may be left out where there is only one image series.
    where : str
        What to call the place in messages.

    Raises
    ------
    SeriesNotFound, AmbiguousSeries
    """
    images = _only(usable(table), "kind", "image")
    uids = pc.unique(images["SeriesInstanceUID"]).to_pylist()
    if series is None:
        if not uids:
            kinds = sorted({*pc.unique(usable(table)["kind"]).to_pylist()})
            if "segmentation" in kinds or "structure-set" in kinds:
                told, remedy = " and ".join(kinds), "open its images; cohort.load(uid, masks=True) draws it on them"
            else:
                told, remedy = " and ".join(kinds) or "nothing usable", "name a folder that holds images"
            raise SeriesNotFound(f"no image series found, but {told}", file=where, remedy=remedy)
        if len(uids) > 1:
            listed = "; ".join(_label(images, uid) for uid in uids[:5]) + (" ..." if len(uids) > 5 else "")
            raise AmbiguousSeries(
                f"{len(uids)} series: {listed}", file=where, remedy="choose one with series=..., or open a tree"
            )
        series = uids[0]
    elif series not in uids:
        raise SeriesNotFound("no such image series", file=where, series=series, remedy="see the series listed there")
    chosen = next(iterate_series(images, root, uids={series}))
    unusable = file_findings(_unusable(table, series)) if usable(table) is not table else []
    return replace(chosen, findings=(*chosen.findings, *unusable)) if unusable else chosen


def _unusable(table: pa.Table, uid: str) -> pa.Table:
    """Rows of files that cannot be used and belong to a series, or say nothing of theirs."""
    own = pc.fill_null(pc.equal(table["SeriesInstanceUID"], uid), True)
    return table.filter(pc.and_(own, pc.not_equal(table["status"], "dicom")))


def _label(images: pa.Table, uid: str) -> str:
    rows = images.filter(pc.equal(images["SeriesInstanceUID"], uid))
    return f"{uid} {rows['Modality'][0].as_py() or '?'} {rows.num_rows}"


def choose_part(series: Series, part: int | None) -> Plan:
    """Plan of part number *part* (1 is the largest); the only one may be left out.

    Raises
    ------
    AmbiguousSeries, SeriesNotFound
    """
    n = len(series.plans)
    if part is None:
        if n > 1:
            sizes = "; ".join(f"{i} with {_describe(plan)}" for i, plan in enumerate(series.plans, 1))
            raise AmbiguousSeries(
                f"series has {n} parts that must not be stacked: {sizes}",
                series=series.uid,
                remedy="choose one with part=1 ...",
            )
        part = 1
    if isinstance(part, bool) or not isinstance(part, (int, np.integer)):
        raise UsageError("part is not a whole number", series=series.uid, remedy="parts count from 1")
    if not 1 <= part <= n:
        raise SeriesNotFound(
            f"part {part} of a series with {n} part(s)", series=series.uid, remedy="parts count from 1"
        )
    return series.plans[part - 1]


def _describe(plan: Plan) -> str:
    image_type: Any = plan.rows["ImageType"][0].as_py() or ""
    rows, columns = plan.grid.shape[1:]
    return f"{plan.n_frames} image(s) of {rows}x{columns} {image_type.replace(chr(92), '/')}".strip()
