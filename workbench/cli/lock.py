"""``workbench lock``: the lock file of a cohort."""

from __future__ import annotations

from typing import Any

import click

from workbench.cli.shared import extract_options, open_cohort
from workbench.options import options


@click.command(
    "lock",
    epilog="Example: workbench lock demo/extracts/* --link-root demo/datalake --where \"modality = 'CT'\" "
    "--out cohort.lock.json; then: workbench open demo/extracts/* --link-root demo/datalake --lock cohort.lock.json",
)
@extract_options
@click.option(
    "--out",
    default=lambda: options.output("cohort.lock.json"),
    show_default="cohort.lock.json",
    metavar="FILE",
    help="Where to write it.",
)
@click.option("--rehash", is_flag=True, help="Read the files whole and note their SHA-256.")
def command(out: str, rehash: bool, **given: Any) -> None:
    """Write which instances of the EXTRACTs a cohort is made of, with digests.

    The file holds pseudonyms, UIDs and relative paths as the nodes gave them: keep it where the extracts may be kept.
    """
    click.echo(open_cohort(**given).lock(out, rehash=rehash))
