"""``workbench check``: extracts against a profile of minimum attributes."""

from __future__ import annotations

import sys
from typing import Any

import click

from workbench.cli.shared import extract_options, open_cohort, print_json


@click.command(
    "check", epilog="Example: workbench check demo/extracts/* --link-root demo/datalake --profile eucaim-minimum"
)
@extract_options
@click.option("--profile", default="eucaim-minimum", show_default=True, metavar="NAME", help="Which attributes.")
@click.option("--description", metavar="FILE.json",
              help="What the description of the dataset says of its annotations: number_of_annotators, annotator_type, "
              "annotator_experience, annotation_sequence.")  # fmt: skip
@click.option("--tier3", is_flag=True, help="The formats of tier 3 are mandatory: DICOM images, DICOM SEG annotations.")
@click.option("--by-node", is_flag=True, help="A row per check and node.")
@click.option("--strict", is_flag=True, help="End with exit code 1 where a mandatory check fails.")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def command(
    profile: str,
    description: str | None,
    tier3: bool,
    by_node: bool,
    strict: bool,
    as_json: bool,
    **given: Any,
) -> None:
    """Hold EXTRACTs against the minimum attributes; print one row per check, with examples and what to do.

    Checks that fail are no failure of the command: it ends with 0 unless --strict is given.
    """
    checked = open_cohort(**given).check(profile, description=description, tier3=tier3)
    if as_json:
        rows = checked.by_node.to_dict("records") if by_node else checked.cells()
        print_json({"profile": checked.profile, "passed": checked.passed, "checks": rows})
    elif by_node:
        click.echo(checked.by_node.drop(columns="examples").to_string(index=False))
    else:
        click.echo(repr(checked))
    if strict and not checked.passed:
        sys.exit(1)
