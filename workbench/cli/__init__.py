"""The command ``workbench``: one file per group of verbs, no logic of its own.

Verbs are loaded when they are called, so that ``workbench --help`` stays quick.
"""

from __future__ import annotations

import signal
import sys
import threading
from importlib import import_module
from types import FrameType
from typing import Final

import click

from workbench import __version__
from workbench.errors import WorkbenchError

#: Verb -> module that holds it and the line shown in the list.
VERBS: Final = {
    "catalogue": ("workbench.cli.catalogue", "Search what the extracts at hand and the public archive hold."),
    "check": ("workbench.cli.check", "Count which minimum attributes extracts have."),
    "demo": ("workbench.cli.demo", "Make a synthetic federation, open it and report on it."),
    "fetch": ("workbench.cli.fetch", "Bring a selection from a PACS into an extract folder."),
    "lab": ("workbench.cli.lab", "Open JupyterLab on the exploration notebooks."),
    "lock": ("workbench.cli.lock", "Write down which instances a cohort is made of."),
    "open": ("workbench.cli.open", "Open extracts as one cohort and print who holds what."),
    "report": ("workbench.cli.report", "List, show and run reports."),
    "scan": ("workbench.cli.scan", "Read the headers below a folder and list the series."),
    "synthetic": ("workbench.cli.synthetic", "Write a make-believe federation with planted truths and faults."),
    "wheelhouse": ("workbench.cli.wheelhouse", "Bring everything to install from, for a place offline."),
    "versions": ("workbench.cli.versions", "Print the versions that matter for a bug report."),
    "vocabulary": ("workbench.cli.vocabulary", "Look up clinical variables, their codes and words."),
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


#: Exit code after Ctrl-C.
INTERRUPTED: Final = 130
#: What ends a command early, and what is said; it returns 128 and the signal's number, as shells have it.
SIGNALS: Final = {signal.SIGINT: "interrupted", signal.SIGTERM: "terminated"}


class _Interrupts:
    """Remembers that Ctrl-C was pressed, or that a batch system ended the job (SIGTERM); both stop in the same way.

    A library in the middle of its C code may turn the KeyboardInterrupt into an error of its own (RuntimeError in
    DuckDB, ImportError where a compiled module is just being imported), so the exception's type does not tell.
    """

    def __init__(self) -> None:
        self.seen: signal.Signals | None = None
        # Who starts a command in the background with Ctrl-C switched off means it; a handler of somebody else stays.
        here = threading.current_thread() is threading.main_thread()
        usual = {signal.SIGINT: (signal.SIG_DFL, signal.default_int_handler), signal.SIGTERM: (signal.SIG_DFL,)}
        self._ours = [number for number, known in usual.items() if here and signal.getsignal(number) in known]

    def __enter__(self) -> _Interrupts:
        for number in self._ours:
            signal.signal(number, self._note)
        return self

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.seen is signal.SIGTERM:
            # It is stopping already; what it keeps on the way is not to be cut off. Nobody waits at a keyboard.
            return
        self.seen = signal.Signals(number)
        signal.default_int_handler(number, frame)

    def __exit__(self, *details: object) -> None:
        # From here on only the interpreter winds up: what was asked for is done or told.
        for number in self._ours:
            signal.signal(number, signal.SIG_IGN)


def main(arguments: list[str] | None = None) -> None:
    """Run the command line; exit codes: 0 fine, 1 failed or refused, 2 misuse, 130 interrupted, 143 terminated."""
    with _Interrupts() as interrupts:
        try:
            code = _run(arguments)
        except BaseException as error:
            if interrupts.seen is None and not isinstance(error, KeyboardInterrupt):
                raise
            code = INTERRUPTED
        if code == INTERRUPTED or (code != 0 and interrupts.seen is not None):
            number = interrupts.seen or signal.SIGINT
            code = 128 + number
            # CPython dies by the signal at exit when the last text it executed (as dataclasses do) ended in
            # KeyboardInterrupt, caught or not; one that ends well clears it (pythonrun.c).
            exec("")
            click.echo(f"{SIGNALS[number]}; what was finished is kept, the same command goes on from there", err=True)
    sys.exit(code)


def _run(arguments: list[str] | None) -> int:
    try:
        workbench.main(args=arguments, standalone_mode=False)
    except click.exceptions.Exit as done:
        return done.exit_code
    except click.ClickException as error:
        error.show()
        return 2
    except click.Abort:
        return INTERRUPTED
    except WorkbenchError as error:
        click.echo(f"error: {error}", err=True)
        return error.exit_code
    except BrokenPipeError:
        # The reader (head, less) has seen enough.
        sys.stderr.close()
    return 0
