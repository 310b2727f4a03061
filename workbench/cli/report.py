"""``workbench report``: list, show, run, index."""

from __future__ import annotations

import sys
from typing import Any

import click

from workbench.cli.shared import print_json
from workbench.options import options


@click.group("report", epilog="Example: workbench report run cohort-profile demo/extracts/* --link-root demo/datalake")
def command() -> None:
    """List, show and run reports."""


@command.command("list", epilog="Example: workbench report list --json")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def list_(as_json: bool) -> None:
    """List the report templates."""
    from workbench.reports import list_templates

    templates = list_templates()
    if as_json:
        print_json([{"id": t.id, "title": t.title, "summary": t.summary} for t in templates])
        return
    for template in templates:
        click.echo(f"{template.id:20} {template.summary}")


@command.command("show", epilog="Example: workbench report show cohort-profile")
@click.argument("template")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def show(template: str, as_json: bool) -> None:
    """Show what a report holds and the parameters it takes."""
    from workbench.reports import find_template

    found = find_template(template)
    schema = found.model().model_json_schema()
    if as_json:
        print_json({"id": found.id, "title": found.title, "sections": list(found.sections), "parameters": schema})
        return
    click.echo(f"{found.title}\n{found.summary}\n\nsections: {', '.join(found.sections)}\n\nparameters")
    for name, field in found.model().model_fields.items():
        default = "required" if field.is_required() else f"default {field.get_default(call_default_factory=True)!r}"
        click.echo(f"  {name:16} {field.description or ''} ({default})")


@command.command(
    "run", epilog="Example: workbench report run cohort-profile demo/extracts/cedro -p title='Cedro' --out reports"
)
@click.argument("template")
@click.argument("paths", nargs=-1, metavar="[EXTRACT]...")
@click.option("--param", "-p", "assignments", multiple=True, metavar="NAME=VALUE", help="A parameter; may be repeated.")
@click.option("--link-root", "link_roots", multiple=True, metavar="FOLDER",
              help="Folder outside the extracts that links in them may lead to; may be repeated.")  # fmt: skip
@click.option("--lock", metavar="FILE",
              help="Lock file that `workbench lock` wrote: report on exactly what it names.")  # fmt: skip
@click.option(
    "--out",
    default=lambda: options.output("reports"),
    show_default="reports",
    metavar="FOLDER",
    help="Where the runs and the index go.",
)
@click.option("--force", is_flag=True, help="Run even where the same run is already there.")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def run(
    template: str,
    paths: tuple[str, ...],
    assignments: tuple[str, ...],
    link_roots: tuple[str, ...],
    lock: str | None,
    out: str,
    force: bool,
    as_json: bool,
) -> None:
    """Run a report on EXTRACTs.

    The notebook also runs with plain papermill; what that lacks: status, banner for time-outs, HTML, index, reuse.
    """
    from workbench.errors import ParameterError
    from workbench.reports import parse_assignments, write_index
    from workbench.reports import run as run_report

    given, problems = parse_assignments(assignments)
    raw: dict[str, Any] = dict(given)
    if problems:
        raise ParameterError("\n".join(["parameters not understood:", *(f"  {p}" for p in problems)]))
    for name, given_twice in (("extract", paths), ("link_roots", link_roots), ("lock", lock)):
        if name in raw and given_twice:
            raise ParameterError(f"{name} is given twice", remedy=f"leave out -p {name}=...")
    if paths:
        raw["extract"] = list(paths)
    if link_roots:
        raw["link_roots"] = list(link_roots)
    if lock is not None:
        raw["lock"] = lock
    try:
        done = run_report(template, raw, out=out, force=force)
    except KeyboardInterrupt:
        # The run has been written down as cancelled; the index shows it.
        write_index(out)
        raise
    index = write_index(out)
    if as_json:
        print_json({"run_id": done.run_id, "status": done.status, "folder": str(done.folder), "index": str(index)})
    else:
        click.echo(f"{done.status}: {done.folder / 'report.html'}\nindex: {index}")
        if done.status != "ok":
            click.echo(f"reason: {_reason(done.record.get('error') or {})}", err=True)
    sys.exit(done.exit_code)


def _reason(error: dict[str, Any]) -> str:
    """What went wrong, in one line; the page and the log tell more."""
    if error.get("missing"):
        return f"not made: {', '.join(str(name) for name in error['missing'])}"
    where = f" in cell {error['cell']}" if error.get("cell") else ""
    return f"{error.get('class') or 'unknown'}{where}; see the top of the page and log.txt"


@command.command("index", epilog="Example: workbench report index reports")
@click.argument("out", default=lambda: options.output("reports"))
def index(out: str) -> None:
    """Write the index page over all runs below OUT."""
    from workbench.reports import write_index

    click.echo(write_index(out))
