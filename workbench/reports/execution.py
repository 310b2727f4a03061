"""Executing a report's notebook in a kernel of its own, and telling afterwards what really happened.

Papermill marks cells as completed that never ran when a cell times out or the kernel dies, and records no exception
for either; so the status comes from the exception that ended the run, and the notebook is repaired here.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench.reports.kernel import den
from workbench.reports.record import Status
from workbench.reports.templates import Template

_ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_HEADING = re.compile(r"^## +(?P<title>.+?) *$", re.MULTILINE)
#: Lines of a traceback that the banner repeats.
_TRACEBACK_LINES = 30


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one execution ended."""

    #: The executed, repaired notebook.
    notebook: Any
    #: How it ended.
    status: Status
    #: ``{"class", "cell", "section"}`` of what ended it; empty where nothing did.
    error: dict[str, Any]
    #: Seconds per section, in order.
    durations: dict[str, float]
    #: The interrupt that ended it, to be raised again once everything is written.
    interrupt: KeyboardInterrupt | None = None


def execute(template: Template, parameters: Mapping[str, Any], *, folder: Path, label: str) -> Outcome:
    """Run a template's notebook with papermill; always comes back with a notebook and a status.

    Parameters
    ----------
    template : Template
        The template.
    parameters : mapping
        JSON-safe parameters.
    folder : Path
        Working directory of the kernel; ``report.ipynb`` is written there.
    label : str
        What the progress line says.
    """
    import nbformat
    import papermill
    from nbclient.exceptions import CellTimeoutError, DeadKernelError

    status: Status = "ok"
    error: dict[str, Any] = {}
    interrupt: KeyboardInterrupt | None = None
    output = folder / "report.ipynb"
    nb: Any = None
    seen: list[Any] = []
    with den() as own, _quiet(), _steps(label) as step:
        try:
            nb = papermill.execute_notebook(
                str(template.notebook),
                str(output),
                parameters=dict(parameters),
                kernel_name="python3",
                language="python",
                progress_bar=False,
                request_save_on_cell_execute=False,
                start_timeout=120,
                execution_timeout=template.cell_timeout_s or None,
                kernel_manager_class=own.manager_class(),
                shutdown_kernel="immediate",
                resources={"metadata": {"path": str(folder)}},
                on_notebook_start=lambda notebook: seen.append(notebook),
                on_cell_executed=step,
            )
        except papermill.PapermillExecutionError as failure:
            status, error = "failed", {"class": str(failure.ename)}
        except CellTimeoutError:
            status, error = "timeout", {"class": "CellTimeoutError"}
        except DeadKernelError:
            status, error = "dead_kernel", {"class": "DeadKernelError"}
        except KeyboardInterrupt as stop:
            status, error, interrupt = "cancelled", {"class": "KeyboardInterrupt"}, stop
            _drop_tasks()
        except RuntimeError as failure:
            # nbclient raises a plain RuntimeError where the kernel never answers or dies while starting.
            status, error = "dead_kernel", {"class": type(failure).__name__}
    if nb is None:
        # What was executed so far; the template itself where no kernel ever answered.
        nb = seen[0] if seen else nbformat.read(template.notebook, as_version=4)
    _tidy(nb)
    if status != "ok":
        error |= _repair(nb, status, error)
    nbformat.write(nb, output)
    return Outcome(nb, status, error, _durations(nb), interrupt)


def _drop_tasks() -> None:
    """End the client's waiting tasks after an interrupt, which would else complain when the process ends."""
    import asyncio

    from jupyter_core.utils import ensure_event_loop

    loop = ensure_event_loop()
    if loop.is_running():
        return  # inside a notebook the client runs in a thread of its own, which ends with it
    tasks = asyncio.all_tasks(loop)
    for task in tasks:
        task.cancel()
    if tasks:
        loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))


@contextmanager
def _quiet() -> Iterator[None]:
    """Papermill logs absolute paths and repeats tracebacks; both are in the record already."""
    import logging

    loggers = [logging.getLogger(name) for name in ("papermill", "traitlets")]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)


@contextmanager
def _steps(label: str) -> Iterator[Any]:
    """Progress by cells executed, as a hook the notebook client calls."""
    from workbench.progress import task

    with task(label, None, unit="cells") as advance:

        def executed(cell: Any, cell_index: int, execute_reply: Any) -> None:
            advance(1)

        yield executed


def _tidy(nb: Any) -> None:
    """Drop what is only true on this machine or during this run; papermill's own banners give way to ours."""
    for name in ("input_path", "output_path", "environment_variables"):
        nb.metadata.get("papermill", {}).pop(name, None)
    nb.cells = [cell for cell in nb.cells if "papermill-error-cell-tag" not in cell.metadata.get("tags", [])]


def _repair(nb: Any, status: Status, error: Mapping[str, Any]) -> dict[str, Any]:
    """Mark cells that never ran, set the flag, put our banner on top; returns cell number and section."""
    ended = _ended_at(nb)
    for number, cell in enumerate(nb.cells):
        metadata = cell.metadata.setdefault("papermill", {})
        if number == ended:
            metadata["status"], metadata["exception"] = "failed", True
        elif cell.cell_type == "code" and cell.get("execution_count") is None:
            metadata["status"] = "not_run"
    nb.metadata.setdefault("papermill", {})["exception"] = True
    where = {"cell": ended + 1 if ended is not None else None, "section": _section(nb, ended)}
    nb.cells.insert(0, _banner(nb, status, str(error.get("class", "")), where, ended))
    return where


def _ended_at(nb: Any) -> int | None:
    """Position of the cell at which the run ended: the one with an error output, else the first that did not finish."""
    first_open = None
    for number, cell in enumerate(nb.cells):
        if cell.cell_type != "code":
            continue
        if any(output.output_type == "error" for output in cell.outputs):
            return number
        if first_open is None and cell.source.strip() and cell.get("execution_count") is None:
            first_open = number
    return first_open


def _section(nb: Any, upto: int | None) -> str:
    """The last second-level heading at or before a cell; empty where there is none."""
    title = ""
    for cell in nb.cells[: (upto if upto is not None else -1) + 1]:
        if cell.cell_type == "markdown":
            for match in _HEADING.finditer(cell.source):
                title = match["title"]
    return title


def _banner(nb: Any, status: Status, kind: str, where: Mapping[str, Any], ended: int | None) -> Any:
    import nbformat

    words = {
        "failed": "A cell ended with an error",
        "timeout": "A cell took longer than it may",
        "dead_kernel": "The kernel died",
        "cancelled": "The run was stopped by hand",
    }
    lines: list[str] = []
    if ended is not None:
        for output in nb.cells[ended].get("outputs", []):
            if output.output_type == "error":
                lines = _ANSI.sub("", "\n".join(output.traceback)).splitlines()[-_TRACEBACK_LINES:]
    at = f"cell {where['cell']}" if where["cell"] else "before the first cell"
    section = f", section “{html.escape(where['section'])}”" if where["section"] else ""
    text = f"<strong>This report is not complete: {status}.</strong> {words.get(status, '')} ({kind}; {at}{section})."
    text += " What stands below was made before that; do not use its numbers."
    if lines:
        text += f"<pre>{html.escape(chr(10).join(lines))}</pre>"
    cell = nbformat.v4.new_code_cell("", metadata={"tags": ["workbench-banner"], "papermill": {"status": "banner"}})
    cell.outputs = [nbformat.v4.new_output("display_data", {"text/html": f'<div class="wb-banner">{text}</div>'})]
    return cell


def _durations(nb: Any) -> dict[str, float]:
    seconds: dict[str, float] = {}
    title = "Start"
    for cell in nb.cells:
        if cell.cell_type == "markdown":
            for match in _HEADING.finditer(cell.source):
                title = match["title"]
        with suppress(TypeError, ValueError):
            spent = float(cell.metadata.get("papermill", {}).get("duration"))
            seconds[title] = round(seconds.get(title, 0.0) + spent, 3)
    return seconds
