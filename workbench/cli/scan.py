"""``workbench scan``: headers below a folder, without any layout."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from workbench.cli.shared import print_json, refuse_sharing


@click.command("scan", epilog="Example: workbench scan demo/extracts/cedro")
@click.argument("path")
@click.option("--out", metavar="FILE.parquet", help="Write the header table, one row per file, as Parquet.")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def command(path: str, out: str | None, as_json: bool) -> None:
    """Read the DICOM headers below PATH; list the series, their geometry and what is irregular."""
    refuse_sharing("a scan")
    from workbench.arrays.opening import headers_of
    from workbench.dicom.index import write_parquet
    from workbench.dicom.scan import file_findings
    from workbench.dicom.series import iterate_series

    table, root, on_the_way = headers_of(path)
    if out is not None:
        write_parquet(table, Path(out))
    series = [_row(one) for one in iterate_series(table, root)]
    findings = [{"code": f.code, "path": f.path, "message": f.message} for f in (*on_the_way, *file_findings(table))]
    if as_json:
        print_json({"files": table.num_rows, "series": series, "findings": findings})
        return
    click.echo(f"{table.num_rows} files, {len(series)} series")
    for row in series:
        size = "x".join(str(n) for n in row["shape"])
        click.echo(f"{row['SeriesInstanceUID']}  {row['Modality'] or '?':8} {row['files']:5} files  "
                   f"{size:16} {row['geometry']:9} {' '.join(row['findings'])}".rstrip())  # fmt: skip
    for finding in findings:
        click.echo(f"{finding['code']}: {finding['path']} {finding['message']}".rstrip())


def _row(series: Any) -> dict[str, Any]:
    plan = series.plans[0] if series.plans else None
    return {
        "SeriesInstanceUID": series.uid,
        "Modality": series.rows["Modality"][0].as_py(),
        "kind": series.kind,
        "files": series.rows.num_rows,
        "parts": len(series.plans),
        "shape": list(plan.shape) if plan else [],
        "geometry": plan.grid.kind if plan else series.kind,
        "findings": sorted({finding.code for finding in series.findings}),
    }
