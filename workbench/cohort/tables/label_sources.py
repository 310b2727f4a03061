"""Which series a segmentation or structure set is of, where it names images alone; and those that are of none."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from workbench.dicom.scan import Scan
from workbench.errors import WorkbenchError
from workbench.findings import Finding

#: Kinds of objects that are masks.
KINDS: Final = ("segmentation", "structure-set")


def with_sources(scan: Scan, root: Path) -> Scan:
    """Scan whose label objects that name no series, but images of the extract, refer to the series of those.

    Parameters
    ----------
    scan : Scan
        Header table of an extract.
    root : Path
        Folder that its paths are relative to.

    Returns
    -------
    Scan
        An object that cannot be read is a finding; one that names nothing here stays without a series.
    """
    table = scan.table
    columns = [table[name].to_pylist() for name in ("status", "kind", "referenced_series")]
    unnamed = [
        row
        for row, (status, kind, series) in enumerate(zip(*columns, strict=True))
        if status == "dicom" and kind in KINDS and not series
    ]
    if not unnamed:
        return scan
    from workbench.labels import describe

    instances = zip(table["SOPInstanceUID"].to_pylist(), table["SeriesInstanceUID"].to_pylist(), strict=True)
    series_of = dict(instances)
    references: list[Any] = columns[2]
    findings = []
    for row in unnamed:
        path = table["path"][row].as_py()
        try:
            held = describe(root.joinpath(*path.split("/")), name=path)
        except WorkbenchError as error:
            findings.append(Finding("label-unreadable", error.what, path=path))
            continue
        found = (series_of.get(uid) for uid in held.referenced_instance_uids)
        references[row] = sorted({uid for uid in found if uid})
    place = table.schema.get_field_index("referenced_series")
    field = table.schema.field(place)
    filled = table.set_column(place, field, pa.array(references, field.type))
    return replace(scan, table=filled, findings=(*scan.findings, *findings))
