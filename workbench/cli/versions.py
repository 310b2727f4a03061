"""``workbench versions``: what a bug report needs, and nothing of the machine's owner."""

from __future__ import annotations

import platform
import re
from importlib.metadata import PackageNotFoundError, requires, version

import click

from workbench import __version__
from workbench.cli.shared import print_json


@click.command("versions", epilog="Example: workbench versions --json")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def command(as_json: bool) -> None:
    """Print the versions of the workbench, Python and every dependency."""
    found = {
        "workbench": __version__,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
    }
    for requirement in sorted(requires("cancer-imaging-workbench") or ()):
        name = re.split(r"[<>=!~;\[ ]", requirement, maxsplit=1)[0]
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    if as_json:
        print_json(found)
        return
    width = max(len(name) for name in found)
    for name, text in found.items():
        click.echo(f"{name:{width}}  {text}")
