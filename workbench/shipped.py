"""Folders that travel with the package: templates and notebooks."""

from __future__ import annotations

from pathlib import Path

from workbench.errors import PathNotFound


def shipped(name: str) -> Path:
    """Folder of what is shipped under *name*: inside an installed wheel, else beside the package in a checkout.

    Raises
    ------
    PathNotFound
        The installation is incomplete.
    """
    package = Path(__file__).resolve().parent
    for folder in (package / "_shipped" / name, package.parent / name):
        if folder.is_dir():
            return folder
    raise PathNotFound(f"{name} are missing from the installation", remedy="install the package again")
