"""``workbench wheelhouse``: everything to install from, for a place without network."""

from __future__ import annotations

from dataclasses import asdict

import click

from workbench.cli.shared import print_json
from workbench.wheelhouse import PLATFORM, make_wheelhouse


@click.command("wheelhouse", epilog="Example: workbench wheelhouse --out wheelhouse --extras dicomweb")
@click.option("--out", default="wheelhouse", show_default=True, metavar="FOLDER", help="Folder to make.")
@click.option("--extras", default="", metavar="NAMES", help="Extras to bring too, separated by commas.")
@click.option("--platform", default=PLATFORM, show_default=True, metavar="TAG",
              help="Newest platform of the wheels: manylinux_2_N_x86_64 for glibc 2.N or newer.")  # fmt: skip
@click.option("--python", metavar="PATH", help="Interpreter of the version it is for; by default this one.")
@click.option("--project", metavar="PATH", help="Source tree or wheel of the workbench; by default this one.")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def command(out: str, extras: str, platform: str, python: str | None, project: str | None, as_json: bool) -> None:
    """Bring the wheels of the workbench and all it needs into a folder, with constraints.txt and install.sh.

    Run it on a connected machine with the Python version of the place without network; carry the folder there and run
    install.sh in it.
    """
    names = [name.strip() for name in extras.split(",") if name.strip()]
    made = make_wheelhouse(out, extras=names, platform=platform, python=python, project=project)
    if as_json:
        print_json(asdict(made))
        return
    click.echo(f"{made.n_wheels} wheels, {made.size / 1e6:.0f} MB, for Python {made.python} on {made.platform}")
    click.echo(f"there: sh {made.folder}/install.sh FOLDER")
