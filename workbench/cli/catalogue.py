"""``workbench catalogue``: what the federation and the public archive hold."""

from __future__ import annotations

from typing import Any

import click

from workbench.cli.shared import extract_options, open_cohort, print_json


@click.group("catalogue", epilog="Example: workbench catalogue idc --condition lung --modality CT --max-gb 5")
def command() -> None:
    """What the extracts at hand and the public Imaging Data Commons hold."""


def _search_options(function: Any) -> Any:
    for decorate in reversed((
        click.option("--condition", metavar="TEXT", help="Part of the name of a disease or tumour location."),
        click.option("--modality", multiple=True, metavar="CODE", help="DICOM modality; may be repeated."),
        click.option("--body-part", metavar="NAME", help="Part of the body."),
        click.option("--maker", metavar="NAME", help="Who built the device."),
        click.option("--licence", metavar="TEXT", help="Beginning of the licence's name, or 'commercial'."),
        click.option("--collection", multiple=True, metavar="NAME", help="Collection; may be repeated."),
        click.option("--max-gb", type=float, metavar="N", help="Whole patients that fit in N·10⁹ bytes together."),
        click.option("--where", metavar="SQL", help="A further condition on the table series."),
        click.option("--annotations", is_flag=True, help="Count segmentations, reports and the like too."),
        click.option("--by", default="collection", show_default=True, metavar="COLUMN", help="Count by this column."),
        click.option("--json", "as_json", is_flag=True, help="Print as JSON."),
    )):  # fmt: skip
        function = decorate(function)
    return function


@command.command(
    "idc", epilog="Example: workbench catalogue idc --condition lung --modality CT --licence commercial --max-gb 5 "
    "--manifest lung.s5cmd",
)  # fmt: skip
@_search_options
@click.option("--manifest", metavar="FILE.s5cmd", help="Write what was found as a list for the archive's downloader.")
@click.option("--dirt", is_flag=True, help="Count what is odd in the headers of the archive, and how it is taken.")
def public(manifest: str | None, dirt: bool, by: str, as_json: bool, **search: Any) -> None:
    """Search the index of the Imaging Data Commons, offline."""
    from workbench.cohort import catalogue

    archive = catalogue.idc()
    if dirt:
        _print(archive.dirt(), as_json)
        return
    found = _found(archive, search)
    written = None if manifest is None else found.manifest(manifest)
    _tell(found, by, as_json, {} if written is None else {"manifest": str(written)})
    if written is not None and not as_json:
        click.echo(f"written: {written}")


@command.command("extracts", epilog="Example: workbench catalogue extracts demo/extracts/* --link-root demo/datalake")
@extract_options
@click.option("--by", default="Modality", show_default=True, metavar="COLUMN", help="Count by this column.")
@click.option("--with-idc", is_flag=True, help="Beside the Imaging Data Commons.")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def local(by: str, with_idc: bool, as_json: bool, **options: Any) -> None:
    """What each node handed over, side by side."""
    from workbench.cohort import catalogue

    held = catalogue.extracts(open_cohort(**options))
    if with_idc:
        held = catalogue.together(held, catalogue.idc())
    _print(held.holdings(by).reset_index(), as_json)


@command.command("describe", epilog="Example: workbench catalogue describe demo/extracts/* --link-root demo/datalake")
@extract_options
@click.option("--audience", type=click.Choice(["local", "shareable"]),
              help="For whom: shareable hides what rests on few patients.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def describe(audience: Any, as_json: bool, **given: Any) -> None:
    """What EXTRACTs tell of the record of a dataset in the federation's catalogue, field by field.

    Nothing is written: a record is made from this by a person, and leaves as any result does.
    """
    from workbench.cohort import catalogue

    told = catalogue.describe(open_cohort(**given), audience=audience)
    if as_json:
        missing = {node: told.missing(node) for node in told.nodes}
        print_json({"min_count": told.min_count, "missing": missing, "notes": told.notes, "fields": told.cells()})
    else:
        click.echo(repr(told))


@command.command("sql", epilog='Example: workbench catalogue sql "select maker, count(*) from series group by 1"')
@click.argument("query")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def sql(query: str, as_json: bool) -> None:
    """Ask the index of the Imaging Data Commons in SQL: series, collections, prior_versions, versions."""
    from workbench.cohort import catalogue

    _print(catalogue.idc().sql(query), as_json)


def _found(archive: Any, search: dict[str, Any]) -> Any:
    for name in ("modality", "collection"):
        search[name] = list(search[name]) or None
    return archive.search(search.pop("condition"), **search)


def _tell(found: Any, by: str, as_json: bool, more: dict[str, Any]) -> None:
    counts = found.counts(by)
    if as_json:
        print_json({
            "searched": found.said, "series": found.n_series, "patients": found.n_patients, "bytes": found.n_bytes,
            "not_for_commercial_use": found.n_non_commercial, "counts": counts.to_dict("records"), **more,
        })  # fmt: skip
        return
    click.echo(repr(found))
    if len(counts):
        click.echo(counts.head(30).to_string(index=False))
    if len(counts) > 30:
        click.echo(f"... and {len(counts) - 30} more")


def _print(table: Any, as_json: bool) -> None:
    if as_json:
        print_json(table.to_dict("records"))
    else:
        click.echo(table.to_string(index=False, max_colwidth=60))
