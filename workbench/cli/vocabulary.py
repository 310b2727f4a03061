"""``workbench vocabulary``: clinical variables, their codes in every spelling, known conflicts. Works offline."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from workbench.cli.shared import print_json

if TYPE_CHECKING:
    from workbench.cohort.vocabulary.listing import Listing


@click.group("vocabulary", epilog="Example: workbench vocabulary search prostate")
def command() -> None:
    """Look up clinical variables, their codes and words."""


@command.command("search", epilog="Example: workbench vocabulary search SNOMEDCT399068003 --json")
@click.argument("term")
@click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True, help="Rows at most.")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def find(term: str, limit: int, as_json: bool) -> None:
    """Find TERM in names, meanings, words, labels and codes, best fits first."""
    from workbench.cohort import vocabulary

    _print(vocabulary.search(term, limit=limit), as_json)


@command.command("show", epilog="Example: workbench vocabulary show psa")
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def show(name: str, as_json: bool) -> None:
    """Show the variable NAME: meaning, unit, codes, where layouts keep it, its values, conflicts."""
    from workbench.cohort import vocabulary

    variable = vocabulary.variable(name)
    codes, conflicts = vocabulary.codes(variable.name), vocabulary.conflicts(variable.name)
    if as_json:
        told: dict[str, Any] = {field: getattr(variable, field) for field in variable.__slots__}
        told = {name: dict(value) if hasattr(value, "items") else value for name, value in told.items()}
        print_json(told | {"values": list(codes), "conflicts": list(conflicts)})
        return
    click.echo(repr(variable))
    for title, listing in (("values", codes), ("conflicts", conflicts)):
        if len(listing):
            click.echo(f"\n{title}\n{listing!r}")


@command.command("conflicts", epilog="Example: workbench vocabulary conflicts pirads")
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def contradictions(name: str | None, as_json: bool) -> None:
    """List where sources contradict one another, and how it is read here; of the variable NAME, or of all."""
    from workbench.cohort import vocabulary

    _print(vocabulary.conflicts(name), as_json)


def _print(listing: Listing, as_json: bool) -> None:
    if as_json:
        print_json(list(listing))
    else:
        click.echo(repr(listing))
