"""``workbench fetch``: bring a selection from an archive into an extract folder."""

from __future__ import annotations

from collections import Counter

import click

from workbench.cli.shared import print_json


@click.group(
    "fetch", epilog="Example: workbench fetch dicomweb https://pacs.example/dicom-web --query Modality=CT --out pacs"
)
def command() -> None:
    """Bring a selection from an archive into an extract folder."""


@command.command(
    "dicomweb",
    epilog="Example: workbench fetch dicomweb https://pacs.example/dicom-web --query Modality=CT "
    "--query StudyDate=20190101-20191231 --out extracts/pacs",
)
@click.argument("url")
@click.option("--query", "conditions", multiple=True, metavar="KEYWORD=VALUE",
              help="Condition by DICOM keyword, on studies or series; may be repeated. Wildcards * and ?.")  # fmt: skip
@click.option("--out", metavar="FOLDER", help="Extract folder to make.")
@click.option("--dry-run", is_flag=True, help="Count what the query selects; pull nothing.")
@click.option("--everything", is_flag=True, help="Allow a query without conditions: all that the server holds.")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def dicomweb(
    url: str, conditions: tuple[str, ...], out: str | None, dry_run: bool, everything: bool, as_json: bool
) -> None:
    """Pull what a query selects on the DICOMweb server at URL into an extract folder, verified.

    URL is what stands before /studies. An interrupted pull goes on where it was when the same command is run again;
    until it is whole there is no folder of that name. Credentials come from the environment alone:
    WORKBENCH_DICOMWEB_TOKEN, or WORKBENCH_DICOMWEB_USER and WORKBENCH_DICOMWEB_PASSWORD; WORKBENCH_DICOMWEB_CA names
    a file of certificates to trust.
    """
    from workbench import fetch

    query = fetch.Query.of(conditions)
    if query and everything:
        raise click.UsageError("a query with conditions does not select everything: leave --query or --everything out")
    if dry_run:
        if not query and not everything:
            raise click.UsageError("a query without conditions selects all the server holds; add --everything")
        found = fetch.selection(url, query=query)
        counts = Counter(one.modality or "?" for one in found)
        instances = sum(one.n_instances or 0 for one in found)
        n_studies = len({one.study_uid for one in found})
        if as_json:
            print_json({"studies": n_studies, "series": len(found), "objects": instances, "by_modality": counts})
            return
        kinds = ", ".join(f"{modality} {count}" for modality, count in sorted(counts.items()))
        click.echo(f"{n_studies} studies, {len(found)} series ({kinds}), {instances} objects; nothing was pulled")
        return
    if out is None:
        raise click.UsageError("name the folder to make with --out, or only count with --dry-run")
    done = fetch.dicomweb(url, query=query, out=out, everything=everything)
    if as_json:
        print_json({
            "path": str(done.path), "studies": done.n_studies, "series": done.n_series, "objects": done.n_instances,
            "received_now": done.n_received, "bytes": done.n_bytes, "remarks": done.remarks,
        })  # fmt: skip
        return
    for remark in done.remarks:
        click.echo(f"! {remark}", err=True)
    click.echo(
        f"{done.path}: {done.n_studies} studies, {done.n_series} series, {done.n_instances} objects, "
        f"{done.n_bytes / 1e6:.1f} MB; {done.n_received} received now"
    )
    click.echo(f"open it: workbench open {out}")
