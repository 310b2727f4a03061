"""``workbench lab``: JupyterLab on the notebooks, on this machine alone."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote

import click

from workbench.errors import PathNotFound
from workbench.options import options
from workbench.shipped import shipped

FIRST_NOTEBOOK = "01-first-look.ipynb"


@click.command("lab", epilog="Example: workbench lab --no-browser --port 8890")
@click.argument("folder", default="notebooks")
@click.option("--port", type=int, help="Port to listen on; by default the first free one from 8888.")
@click.option("--no-browser", is_flag=True, help="Only print the address.")
def command(folder: str, port: int | None, no_browser: bool) -> None:
    """Open JupyterLab on the notebooks in FOLDER; they are copied there first where it does not exist.

    Listens on 127.0.0.1 only, asks nobody for news or updates.
    """
    notebooks = Path(folder)
    if not notebooks.exists():
        shutil.copytree(shipped("notebooks"), notebooks)
        click.echo(f"copied the notebooks to {notebooks}")
    if not notebooks.is_dir():
        raise PathNotFound("not a folder", file=folder, remedy="name a folder of notebooks")
    first = notebooks / FIRST_NOTEBOOK
    arguments = [
        sys.executable, "-m", "jupyterlab",
        "--ip=127.0.0.1",
        f"--ServerApp.root_dir={Path.cwd()}",
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
        # The extension manager would ask a package index.
        "--LabApp.extension_manager=readonly",
    ]  # fmt: skip
    if first.exists() and not notebooks.is_absolute():
        # As the address to open and to print; a file given as an argument would only be opened.
        arguments.append(f"--LabApp.default_url=/lab/tree/{quote(first.as_posix())}")
    if port is not None:
        arguments += [f"--port={port}", "--ServerApp.port_retries=0"]
    if no_browser:
        arguments.append("--no-browser")
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        # Containers run as root; the server still listens on this machine alone.
        arguments.append("--allow-root")
    try:
        code = subprocess.call(arguments, env=_environment())
    except KeyboardInterrupt:
        code = 0
    sys.exit(code)


def _environment() -> dict[str, str]:
    """The user's environment, with the news toast (a request to the network) switched off."""
    config = options.cache_folder("lab", "config")
    page = config / "labconfig" / "page_config.json"
    page.parent.mkdir(exist_ok=True)
    disabled = {"@jupyterlab/apputils-extension:announcements": True}
    page.write_text(json.dumps({"disabledExtensions": disabled}) + "\n", "utf-8")
    before = os.environ.get("JUPYTER_CONFIG_PATH")
    path = os.pathsep.join([str(config), before] if before else [str(config)])
    return {**os.environ, "JUPYTER_CONFIG_PATH": path}
