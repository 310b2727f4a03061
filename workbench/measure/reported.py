"""What others measured: the structured reports of a cohort as one table, each number beside its segment."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from workbench.arguments import checked
from workbench.errors import WorkbenchError
from workbench.findings import Finding
from workbench.progress import task

if TYPE_CHECKING:
    import pandas as pd

    from workbench.cohort import Cohort
    from workbench.labels import Segment

_OBJECTS: Final = """
select i.node, s.patient_id, coalesce(s.timepoint, '') as timepoint, i.kind, i.path, i.SOPInstanceUID,
    i.SeriesInstanceUID
from instances i
join series s on s.node = i.node and s.SeriesInstanceUID = i.SeriesInstanceUID
where i.kind in ('report', 'segmentation')
order by i.node, s.patient_id, timepoint, i.path
"""
#: What says whose measurement it is, before the columns of the report.
_WHOSE: Final = ("node", "patient_id", "timepoint", "path")


@checked
def reported(cohort: Cohort) -> pd.DataFrame:
    """Measurements in the structured reports (TID 1500) of a cohort: one row per number, joined to its segment.

    Parameters
    ----------
    cohort : Cohort
        Reports that refer to its series, and the segmentations among them.

    Returns
    -------
    pandas.DataFrame
        ``node``, ``patient_id``, ``timepoint`` (the case), ``path`` of the report, then the columns of
        :meth:`workbench.labels.measurements.MeasurementReport.table`: tracking, finding, site, quantity, ``value``,
        ``unit`` (UCUM), ``referenced_sop_uid``, ``referenced_segment``, and with it ``segment`` and ``segment_code``.
        A report that cannot be read, and what was left unread of one, is a row without a number, with its reason.

    Notes
    -----
    Templates: DICOM PS3.16 TID 1500, 1410, 1411, 1501.

    Examples
    --------
    >>> table = reported(cohort)  # doctest: +SKIP
    >>> table[["patient_id", "segment", "quantity", "derivation", "value", "unit"]]  # doctest: +SKIP
    """
    import pandas as pd

    from workbench.labels.measurements import MeasurementReport, read_measurements

    objects = cohort.sql(_OBJECTS)
    roots = {extract.node: extract.root for extract in cohort.extracts}
    reports = objects[objects["kind"] == "report"].to_dict("records")
    drawn = {(row["node"], row["SOPInstanceUID"]): row for row in objects.to_dict("records") if row["kind"] != "report"}
    tables = [MeasurementReport((), (), ()).table()]
    with task("reading reports", len(reports), unit="reports") as advance:
        for row in reports:
            try:
                report = read_measurements(_place(roots[row["node"]], row["path"]), name=row["path"])
            except WorkbenchError as error:
                report = MeasurementReport((), (), (Finding("measurements-unread", error.what),))
            named = {(row["node"], one.referenced_sop_uid) for one in report.measurements}
            segments = [s for key in sorted(named & drawn.keys()) for s in _segments(drawn[key], roots)]
            tables.append(_told(report.table(segments), report.findings, row))
            advance(1)
    columns = [*_WHOSE, *tables[0].columns]
    found = pd.concat([table for table in tables[1:] if len(table)] or tables[:1], ignore_index=True)
    return found.reindex(columns=columns)


def _place(root: Path, path: str) -> Path:
    return root.joinpath(*path.split("/"))


def _segments(row: dict[str, Any], roots: dict[str, Path]) -> tuple[Segment, ...]:
    """Segments of a segmentation; none where it cannot be read, which loading it will say."""
    from workbench.labels import describe

    try:
        return describe(_place(roots[row["node"]], row["path"]), name=row["path"]).segments
    except WorkbenchError:
        return ()


def _told(table: pd.DataFrame, findings: tuple[Finding, ...], row: dict[str, Any]) -> pd.DataFrame:
    """Rows of one report with whose they are, and a row for each thing that was not read."""
    import pandas as pd

    blank: dict[str, Any] = {
        name: "" for name in table.columns if name not in ("value", "group", "referenced_segment")
    } | {"value": float("nan"), "group": 0, "referenced_segment": 0, "series_uid": row["SeriesInstanceUID"],
         "source_uid": row["SOPInstanceUID"]}  # fmt: skip
    unread = [blank | {"reason": f"{finding.code}: {finding.message}"} for finding in findings]
    if unread:
        more = pd.DataFrame(unread, columns=table.columns)
        table = pd.concat([table, more], ignore_index=True) if len(table) else more
    for place, name in enumerate(_WHOSE):
        table.insert(place, name, row[name])
    return table
