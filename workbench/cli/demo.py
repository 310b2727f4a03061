"""``workbench demo``: the whole journey on synthetic data."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from workbench.options import options


@click.command("demo", epilog="Example: workbench demo practice --patients 30 --seed 7")
@click.argument("out", default=lambda: options.output("demo"), metavar="[FOLDER]")
@click.option("--patients", default=24, show_default=True, help="Patients over all three hospitals.")
@click.option("--seed", default=0, show_default=True, help="The same seed writes the same files.")
def command(out: str, patients: int, seed: int) -> None:
    """Write three make-believe hospitals into FOLDER, open them as one cohort, and report on each and on all."""
    from workbench.cohort import open_cohort
    from workbench.reports import report, write_index
    from workbench.synthetic import write_federation

    click.echo("1. three hospitals hand over their extracts")
    key = write_federation(out, patients=patients, seed=seed)
    extracts = {name: Path(out, node["path"]) for name, node in key["nodes"].items()}
    lakes = [str(Path(out, lake)) for node in key["nodes"].values() for lake in node["link_roots"]]
    for name, folder in extracts.items():
        click.echo(f"   {folder}  ({key['nodes'][name]['layout']})")

    click.echo("\n2. opened as one cohort")
    cohort = open_cohort(list(extracts.values()), link_roots=lakes)
    click.echo(repr(cohort))

    click.echo("\n3. cohort profile, one per hospital and one of all")
    reports = str(Path(out, "reports"))
    runs = []
    for name, folder in extracts.items():
        runs.append(report("cohort-profile", folder, out=reports, link_roots=lakes, title=f"Cohort profile of {name}"))
        click.echo(f"   {runs[-1].status}: {name}")
    runs.append(
        report("cohort-profile", list(extracts.values()), out=reports, link_roots=lakes, title="Cohort profile, pooled")
    )
    click.echo(f"   {runs[-1].status}: pooled")
    index = write_index(reports)
    click.echo(f"\nreports: {index}")
    click.echo("next: make lab   (or: workbench lab)")
    if any(run.status != "ok" for run in runs):
        sys.exit(1)
