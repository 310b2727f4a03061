"""The command ``workbench``: one file per group of verbs, no logic of its own.

Verbs are loaded when they are called, so that ``workbench --help`` stays quick.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Final

import click

from workbench import __version__
from workbench.errors import WorkbenchError

#: Verb -> module that holds it and the line shown in the list.
VERBS: Final = {
    "demo": ("workbench.cli.demo", "Make a synthetic federation, open it and report on it."),
    "lab": ("workbench.cli.lab", "Open JupyterLab on the exploration notebooks."),
    "open": ("workbench.cli.open", "Open extracts as one cohort and print who holds what."),
    "report": ("workbench.cli.report", "List, show and run reports."),
    "scan": ("workbench.cli.scan", "Read the headers below a folder and list the series."),
    "synthetic": ("workbench.cli.synthetic", "Write a make-believe federation with planted truths and faults."),
    "versions": ("workbench.cli.versions", "Print the versions that matter for a bug report."),
}


class _Verbs(click.Group):
    """A group whose verbs are imported on use."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in VERBS:
            return None
        command = import_module(VERBS[cmd_name][0]).command
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Verbs"):
            formatter.write_dl([(name, text) for name, (_, text) in VERBS.items()])


@click.command(
    cls=_Verbs,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Example: workbench demo",
)
@click.version_option(__version__, "-V", "--version", prog_name="workbench")
def workbench() -> None:
    """Open what several hospitals handed over as one cancer-imaging cohort."""


def main(arguments: list[str] | None = None) -> None:
    """Run the command line; exit codes: 0 fine, 1 failed or refused, 2 misuse, 130 interrupted."""
    try:
        workbench.main(args=arguments, standalone_mode=False)
    except click.exceptions.Exit as done:
        sys.exit(done.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted; what was finished is kept, the same command goes on from there", err=True)
        sys.exit(130)
    except WorkbenchError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(error.exit_code)
    except BrokenPipeError:
        # The reader (head, less) has seen enough.
        sys.stderr.close()
        sys.exit(0)
