"""``workbench open``: several extracts as one cohort."""

from __future__ import annotations

from typing import Any

import click

from workbench.cli.shared import extract_options, open_cohort, print_json


@click.command(
    "open", epilog="Example: workbench open demo/extracts/* --link-root demo/datalake --where \"modality = 'CT'\""
)
@extract_options
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def command(as_json: bool, **given: Any) -> None:
    """Open EXTRACTs as one cohort; print who holds what, and the findings."""
    cohort = open_cohort(**given)
    if as_json:
        print_json(cohort.summary().shown() or {"nodes": cohort.overview(), "findings": cohort.grouped_findings()})
    else:
        click.echo(repr(cohort))
