"""Options that several verbs share, and how they print."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from workbench.cohort import Cohort

F = TypeVar("F", bound=Callable[..., Any])


def extract_options(function: F) -> F:
    """Arguments and options that name extracts."""
    for decorate in reversed((
        click.argument("paths", nargs=-1, required=True, metavar="EXTRACT..."),
        click.option("--layout", metavar="NAME", help="Layout of the extracts, where detection should not decide."),
        click.option("--node", metavar="NAME", help="Name of the node; by default the folder's name."),
        click.option("--id-column", metavar="NAME", help="Patient column of the clinical tables."),
        click.option("--link-root", "link_roots", multiple=True, metavar="FOLDER",
                     help="Folder outside the extracts that links in them may lead to; may be repeated."),
        click.option("--linkage", metavar="CSV",
                     help="Table of who is the same person at several nodes: node, patient_id, person."),
        click.option("--lock", metavar="FILE",
                     help="Lock file that `workbench lock` wrote: open exactly what it names."),
        click.option("--where", metavar="SQL", help="Keep the image series for which this condition holds."),
    )):  # fmt: skip
        function = decorate(function)
    return function


def open_cohort(
    paths: tuple[str, ...],
    layout: str | None,
    node: str | None,
    id_column: str | None,
    link_roots: tuple[str, ...],
    linkage: str | None,
    lock: str | None,
    where: str | None,
) -> Cohort:
    """Cohort that the shared options ask for."""
    from workbench.cohort import open_cohort as opening

    cohort = opening(
        paths, layout=layout, node=node, id_column=id_column, link_roots=link_roots, lock=lock, linkage=linkage
    )
    return cohort.where(where) if where else cohort


def print_json(value: Any) -> None:
    """Print *value* as JSON."""
    click.echo(json.dumps(value, indent=1, ensure_ascii=False, default=str))
