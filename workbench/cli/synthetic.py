"""``workbench synthetic``: a federation to practise on."""

from __future__ import annotations

import click

from workbench.options import options


@click.command("synthetic", epilog="Example: workbench synthetic practice --patients 12 --seed 7 --truth answers.json")
@click.argument("out", metavar="[FOLDER]", default=lambda: options.output("synthetic"))
@click.option("--patients", default=24, show_default=True, help="Patients over all three hospitals.")
@click.option("--faults", default="default", show_default=True, metavar="NAMES",
              help="Faults to plant, separated by commas; or default, all, none. See --list-faults.")  # fmt: skip
@click.option("--seed", default=0, show_default=True, help="The same seed writes the same files.")
@click.option("--truth", metavar="FILE.json", help="Write the answer key: what was planted where.")
@click.option("--list-faults", is_flag=True, help="List the faults and end.")
def command(out: str, patients: int, faults: str, seed: int, truth: str | None, list_faults: bool) -> None:
    """Write three hospitals' extracts with planted tumours, clinical gaps and faults into FOLDER (synthetic)."""
    from workbench.synthetic import DEFAULT_FAULTS, FAULTS, write_federation

    if list_faults:
        for name, fault in FAULTS.items():
            click.echo(f"{name:22} {'*' if fault.default else ' '} {fault.description} -> {', '.join(fault.codes)}")
        click.echo("* planted by default")
        return
    chosen = DEFAULT_FAULTS if faults == "default" else faults
    key = write_federation(out, patients=patients, seed=seed, faults=chosen, truth=truth)
    for name, node in key["nodes"].items():
        click.echo(f"{name}: {node['patients']} patients, {node['studies']} studies, {node['instances']} objects")
    click.echo(f"next: workbench open {out}/extracts/* --link-root {out}/datalake")
