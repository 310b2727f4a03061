"""Measurements of a structured report after TID 1500 as a tidy table, each with what it was measured on.

The content tree is walked as PS3.16 TID 1500 and the templates it includes (300, 1410, 1411, 1419, 1501) lay it out;
concepts are compared with SNOMED's older codes (SRT) taken for the newer (SCT), as pydicom maps them. Every number of
a document is a row, or is counted in a finding. Names of persons and free-text
answers are never read.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from workbench.arguments import checked, short
from workbench.dicom.headers.deflated import header_source
from workbench.errors import LabelError, PathNotFound, UsageError, WorkbenchError
from workbench.findings import Finding
from workbench.labels.header import Origin, cut_off, items, quiet, text
from workbench.labels.plain_array import SEGMENT_DIMS
from workbench.labels.report_content import (
    CONCEPTS,
    answered,
    below,
    coded,
    context,
    named,
    number_of,
    plays,
    region_of,
    said,
    template_of,
    titled,
)
from workbench.labels.segment import Segment

if TYPE_CHECKING:
    import pandas as pd
    from pydicom.dataset import Dataset

#: Templates of measurement groups that are read (PS3.16); groups that state none are read, too.
GROUP_TEMPLATES: Final = ("1410", "1411", "1501", "")
_REMEDY: Final = "ask the node for the object again"
_SR_CLASSES: Final = "1.2.840.10008.5.1.4.1.1.88."


@dataclass(frozen=True, slots=True)
class Measurement:
    """One number, or one coded answer, of a measurement group."""

    #: SeriesInstanceUID of the report.
    series_uid: str
    #: SOPInstanceUID of the report.
    source_uid: str
    #: Number of the group in the report, from 1.
    group: int
    #: Template of the group: ``1410`` planar region, ``1411`` volume, ``1501`` neither; empty where not stated.
    template: str
    #: Tracking identifier and unique identifier of what was measured.
    tracking_id: str
    tracking_uid: str
    #: Tracking unique identifier of the measurement itself; empty where it has none.
    measurement_uid: str
    #: Time point as the report names it.
    time_point: str
    #: What was found there (the report's "Finding"): meaning and ``scheme:value``.
    finding_type: str
    finding_type_code: str
    #: Category of what was found.
    finding_category: str
    #: Finding site, its laterality and topographical modifier.
    site: str
    site_code: str
    laterality: str
    modifier: str
    #: What was measured: meaning and ``scheme:value``.
    quantity: str
    quantity_code: str
    #: Mean, maximum ...: meaning and ``scheme:value``.
    derivation: str
    derivation_code: str
    #: Measurement method.
    method: str
    method_code: str
    #: The number; NaN where there is none.
    value: float
    #: Its unit in UCUM, ``scheme:value`` where it is another scheme's.
    unit: str
    #: Why there is no number; empty where there is one.
    reason: str
    #: Coded answer of a qualitative evaluation: meaning and ``scheme:value``; empty for a number.
    answer: str
    answer_code: str
    #: SOPInstanceUID of the segmentation it was measured on, else of the image.
    referenced_sop_uid: str
    #: SegmentNumber; 0 where no segment is referred to.
    referenced_segment: int
    #: ``SEGMENT``, or the kind of graphic, e.g. ``CIRCLE``; several are joined by ``+``.
    region: str
    #: SeriesInstanceUID of the images that were segmented, where stated.
    referenced_series_uid: str
    #: Name and version of the algorithm; never a person's.
    algorithm: str
    #: ``Person``, ``Device`` or both; never who.
    observer: str


@dataclass(frozen=True, slots=True)
class MeasurementReport:
    """Measurements of one structured report, and what of it was not read."""

    #: Numbers, in the order of the document.
    measurements: tuple[Measurement, ...]
    #: Coded answers (qualitative evaluations), in the order of the document.
    evaluations: tuple[Measurement, ...]
    #: What is irregular or unread.
    findings: tuple[Finding, ...]

    def table(self, segments: Any = ()) -> pd.DataFrame:
        """One row per measurement; with *segments* also the name and code of the segment each was made on.

        Parameters
        ----------
        segments : Dataset, DataArray, path, or iterable of these or of Segment
            The segmentations at hand: a Dataset with masks or its ``mask``, files, or what ``describe(path).segments``
            gives. ``segment`` and ``segment_code`` are empty for what is not among them.

        Raises
        ------
        UsageError
            Nothing that has segments.
        """
        return _table(self.measurements, segments)

    def evaluation_table(self, segments: Any = ()) -> pd.DataFrame:
        """One row per qualitative evaluation, columns as in :meth:`table`."""
        return _table(self.evaluations, segments)


def _segments(given: Any) -> Iterator[Segment]:
    """Segments of masks, of files, or of several of either."""
    if isinstance(given, Segment):
        yield given
    elif isinstance(given, (str, os.PathLike)):
        from workbench.labels.read import describe

        yield from describe(Path(given)).segments
    elif hasattr(given, "coords"):
        for dim in SEGMENT_DIMS:
            if f"{dim}_number" in given.coords:
                names = (dim, *(f"{dim}_{field}" for field in ("number", "code", "source_uid")))
                rows = zip(*(np.atleast_1d(given[name].values).tolist() for name in names), strict=True)
                for name, number, code, uid in rows:
                    yield Segment(int(number), str(name), code=str(code), source_uid=str(uid))
    elif isinstance(given, Iterable):
        for one in given:
            yield from _segments(one)
    else:
        raise UsageError(f"segments cannot be {short(given)}", remedy="give the Dataset with its masks, or a SEG file")


def _table(rows: Iterable[Measurement], segments: Any) -> pd.DataFrame:
    import pandas as pd

    names = [field.name for field in fields(Measurement)]
    table = pd.DataFrame([[getattr(row, name) for name in names] for row in rows], columns=names)
    known = {(segment.source_uid, segment.number): segment for segment in _segments(segments)}
    keys = list(zip(table["referenced_sop_uid"], table["referenced_segment"], strict=True))
    matched = [known.get(key) for key in keys]
    table["segment"] = pd.Series([segment.name if segment else "" for segment in matched], dtype=object)
    table["segment_code"] = pd.Series([segment.code if segment else "" for segment in matched], dtype=object)
    return table


@checked
def read_measurements(path: str | Path, *, name: str = "") -> MeasurementReport:
    """Measurements of a DICOM structured report after TID 1500, with their units, methods and regions.

    Parameters
    ----------
    path : str or Path
        The file.
    name : str, optional
        Name for findings and messages, relative to the extract; by default the file's own.

    Returns
    -------
    MeasurementReport
        ``.table()`` is one row per measurement. What is in a template that is not read is counted in the finding
        ``measurements-unread``.

    Raises
    ------
    PathNotFound
        Where there is no such file.
    LabelError
        Where it is no structured report or cannot be read.

    Notes
    -----
    PS3.16 TID 1500 Measurement Report, TID 1410, 1411 and 1501 measurement groups, TID 300 Measurement.

    Examples
    --------
    >>> report = read_measurements("sr.dcm")  # doctest: +SKIP
    >>> report.table()[["finding_type", "quantity", "derivation", "value", "unit"]]  # doctest: +SKIP
    """
    import pydicom

    name = name or Path(path).name
    if not Path(path).is_file():
        raise PathNotFound("no such file", file=name)
    with quiet():
        try:
            with open(path, "rb") as file:
                dataset = pydicom.dcmread(header_source(file, whole=True), force=True)
            if not text(dataset, "SOPClassUID").startswith(_SR_CLASSES):
                raise LabelError("no structured report", file=name, remedy="name the structured report")
            if cut_off(dataset):
                raise LabelError("the file is cut off", file=name, remedy="ask the node for the file again")
            return _Reading(dataset, name).report()
        except WorkbenchError:
            raise
        except Exception as error:
            # Broken content fails in many ways; its messages may quote values, so only the kind is kept.
            raise LabelError(f"could not be read ({type(error).__name__})", file=name, remedy=_REMEDY) from None


class _Reading:
    """One document while it is read."""

    def __init__(self, dataset: Dataset, name: str) -> None:
        self.dataset = dataset
        self.origin = Origin(text(dataset, "SOPInstanceUID"), text(dataset, "SeriesInstanceUID"), name)
        self.numbers: list[Measurement] = []
        self.answers: list[Measurement] = []
        self.unread: Counter[str] = Counter()

    def report(self) -> MeasurementReport:
        root = self.dataset
        if not plays(root, "report"):
            self._leave(root, "a document that is no measurement report")
            return self._result()
        kinds = [coded(item)[1] for item in items(root, "ContentSequence") if plays(item, "observer_type")]
        observer = ", ".join(dict.fromkeys(kinds))
        number = 0
        for part in items(root, "ContentSequence"):
            if plays(part, "library"):
                continue
            if not plays(part, "measurements"):
                self._leave(part, titled(part))
                continue
            for group in items(part, "ContentSequence"):
                template = template_of(group)
                if not plays(group, "group") or template not in GROUP_TEMPLATES:
                    self._leave(group, f"template {template}" if template else titled(group))
                    continue
                number += 1
                self._group(group, number, template, observer)
        return self._result()

    def _group(self, group: Dataset, number: int, template: str, observer: str) -> None:
        content = items(group, "ContentSequence")
        told = context(content)
        base: dict[str, Any] = {
            "series_uid": self.origin.series_uid, "source_uid": self.origin.source_uid, "group": number,
            "template": template, "tracking_id": said(content, "tracking_id", "TextValue"),
            "tracking_uid": said(content, "tracking_uid", "UID"),
            "time_point": said(content, "time_point", "TextValue"), "measurement_uid": "",
            "finding_category": answered(content, "category")[1], "observer": observer,
            "referenced_series_uid": said(content, "source_series", "UID"),
        }  # fmt: skip
        base["finding_type_code"], base["finding_type"] = answered(content, "finding")
        base |= region_of(content)
        for item in content:
            kind = text(item, "ValueType")
            if kind == "NUM":
                self._measurement(item, base, told)
            elif kind == "CODE":
                self._evaluation(item, base | told)
            else:
                self._leave(item, titled(item))

    def _measurement(self, item: Dataset, base: dict[str, Any], told: dict[str, str]) -> None:
        inner = items(item, "ContentSequence")
        own = base | told | {key: value for key, value in context(inner).items() if value}
        code, meaning = named(item)
        own["measurement_uid"] = said(inner, "tracking_uid", "UID")
        measured: dict[str, Any] = {"quantity_code": code, "quantity": meaning, "answer": "", "answer_code": ""}
        self.numbers.append(Measurement(**own, **measured, **number_of(item)))
        for child in inner:
            if text(child, "ValueType") == "CODE":
                self._evaluation(child, own)
            else:
                self._leave(child, "numbers within a measurement")

    def _evaluation(self, item: Dataset, told: dict[str, Any]) -> None:
        if any(plays(item, role) for role in CONCEPTS):
            return
        code, meaning = named(item)
        answer_code, answer = coded(item)
        measured: dict[str, Any] = {
            "quantity_code": code,
            "quantity": meaning,
            "answer": answer,
            "answer_code": answer_code,
        }
        none: dict[str, Any] = {"value": float("nan"), "unit": "", "reason": "a qualitative evaluation"}
        self.answers.append(Measurement(**told, **measured, **none))

    def _leave(self, item: Dataset, where: str) -> None:
        """Count the numbers in and below an item as unread."""
        if count := sum(text(each, "ValueType") == "NUM" for each in below(item)):
            self.unread[where] += count

    def _result(self) -> MeasurementReport:
        findings = [
            self.origin.finding("measurements-unread", f"{count} numbers in {where}", count=count)
            for where, count in self.unread.items()
        ]
        if not self.numbers and not self.unread:
            findings.append(self.origin.finding("label-empty", "the report holds no measurement"))
        return MeasurementReport(tuple(self.numbers), tuple(self.answers), tuple(findings))
