"""Options that several verbs share, and how they print."""

from __future__ import annotations

import json
import os
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
        click.option("--node-column", metavar="NAME",
                     help="Column of the clinical tables that names the centre: each centre is a node then."),
        click.option("--header", type=click.IntRange(min=1), metavar="ROWS",
                     help="Rows of the clinical tables' header, where it has several."),
        click.option("--clinical", multiple=True, metavar="[EXTRACT=]PATH",
                     help="Clinical table outside the extract, or a folder of them; may be repeated."),
        click.option("--index", multiple=True, metavar="[EXTRACT=]FILE",
                     help="A filtered index.json of an extract of the dataset service."),
        click.option("--links", multiple=True, metavar="[EXTRACT=]FILE",
                     help="Table of whose rows are whose, for tables of the common data model that name no patient."),
        click.option("--modality", "modalities", multiple=True, metavar="FOLDER=CODE",
                     help="DICOM modality of a modality folder of a MedicalFolder; may be repeated."),
        click.option("--masks", multiple=True, metavar="FOLDER",
                     help="Modality folder of a MedicalFolder that holds masks; may be repeated."),
        click.option("--link-root", "link_roots", multiple=True, metavar="FOLDER",
                     help="Folder outside the extracts that links in them may lead to; may be repeated."),
        click.option("--linkage", metavar="CSV",
                     help="Table of who is the same person at several nodes: node, patient_id, person."),
        click.option("--lock", metavar="FILE",
                     help="Lock file that `workbench lock` wrote: open exactly what it names."),
        click.option("--mapping", multiple=True, metavar="[EXTRACT=]FILE.csv",
                     help="Your own names and words of clinical variables."),
        click.option("--where", metavar="SQL", help="Keep the image series for which this condition holds."),
    )):  # fmt: skip
        function = decorate(function)
    return function


def open_cohort(
    paths: tuple[str, ...],
    layout: str | None,
    node: str | None,
    id_column: str | None,
    node_column: str | None,
    header: int | None,
    clinical: tuple[str, ...],
    index: tuple[str, ...],
    links: tuple[str, ...],
    modalities: tuple[str, ...],
    masks: tuple[str, ...],
    link_roots: tuple[str, ...],
    linkage: str | None,
    lock: str | None,
    mapping: tuple[str, ...],
    where: str | None,
) -> Cohort:
    """Cohort that the shared options ask for."""
    from workbench.cohort import open_cohort as opening

    several = by_extract("clinical", clinical)
    cohort = opening(
        paths,
        layout=layout,
        node=node,
        id_column=id_column,
        node_column=node_column,
        header=header,
        clinical=several,
        index=one_path("index", by_extract("index", index)),
        links=one_path("links", by_extract("links", links)),
        modalities=_codes(modalities),
        masks=masks,
        link_roots=link_roots,
        mapping=one_path("mapping", by_extract("mapping", mapping)),
        lock=lock,
        linkage=linkage,
    )
    return cohort.where(where) if where else cohort


def by_extract(option: str, given: tuple[str, ...]) -> list[str] | dict[str, list[str]]:
    """Paths, or paths by extract where each is written ``EXTRACT=PATH``.

    Raises
    ------
    UsageError
        Some name their extract and some do not.

    Examples
    --------
    >>> by_extract("clinical", ("a.csv", "b.csv")), by_extract("clinical", ("north=a.csv", "south=b.csv"))
    (['a.csv', 'b.csv'], {'north': ['a.csv'], 'south': ['b.csv']})
    """
    from workbench.errors import UsageError

    # A path that is there may hold the sign itself.
    there = (os.path.lexists(os.path.expanduser(item)) for item in given)
    parts = [(item, "", "") if whole else item.partition("=") for item, whole in zip(given, there, strict=True)]
    named = [bool(sign) for _, sign, _ in parts]
    if any(named) and not all(named):
        raise UsageError(f"--{option} names an extract once and once not", remedy="write each as EXTRACT=PATH")
    if not any(named):
        return list(given)
    found: dict[str, list[str]] = {}
    for extract, _, path in parts:
        found.setdefault(extract, []).append(path)
    return found


def _codes(given: tuple[str, ...]) -> dict[str, str]:
    """Modality by folder of options written ``FOLDER=CODE``."""
    from workbench.errors import UsageError

    parts = [item.rpartition("=") for item in given]
    if not all(folder and code for folder, _, code in parts):
        raise UsageError("--modality names no folder and code", remedy="write it as FOLDER=CODE: --modality T1w=MR")
    return {folder: code for folder, _, code in parts}


def one_path(option: str, given: list[str] | dict[str, list[str]]) -> str | dict[str, str] | None:
    """The one path of an extract."""
    from workbench.errors import UsageError

    lists = list(given.values()) if isinstance(given, dict) else [given]
    if any(len(paths) > 1 for paths in lists):
        raise UsageError(f"--{option} more than once for an extract", remedy="name one file")
    if isinstance(given, dict):
        return {extract: paths[0] for extract, paths in given.items()}
    return given[0] if given else None


def refuse_sharing(what: str) -> None:
    """Refuse to print what names single series or files, where the audience is others.

    Raises
    ------
    UsageError
        ``options.audience`` is ``shareable``.
    """
    from workbench.errors import UsageError
    from workbench.options import options

    if options.audience == "shareable":
        raise UsageError(
            f"{what} names single series and files, and cannot be shared", remedy="set WORKBENCH_AUDIENCE=local"
        )


def print_json(value: Any) -> None:
    """Print *value* as JSON."""
    click.echo(json.dumps(value, indent=1, ensure_ascii=False, default=str))
