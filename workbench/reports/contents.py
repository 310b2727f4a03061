"""The index: one offline page that lists every run below an output folder, from its records alone."""

from __future__ import annotations

import base64
import hashlib
import html
import os
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from workbench.errors import PathNotFound
from workbench.reports.record import STATUSES, WORK, alive, read_json
from workbench.writing import write_text

_NUMBERS: Final = (("patients", "Patients"), ("studies", "Studies"), ("series", "Series"), ("findings", "Findings"))


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the index."""

    #: Folder of the run, relative to the output folder, POSIX.
    folder: str
    #: One of the record's statuses, or ``broken`` where the record cannot be used.
    status: str
    #: Id of the template, as the record or else the folder says.
    template: str
    #: Title of the report.
    title: str
    #: Nodes reported on.
    nodes: tuple[str, ...]
    #: When it began, ISO 8601; empty where not known.
    started: str
    #: How long it took; None where not known.
    seconds: float | None
    #: Patients, studies, series, findings, as far as results.json has them.
    numbers: Mapping[str, int]
    #: Whether there is a page to open.
    has_page: bool
    #: What ended a run that is not ok.
    note: str


def write_index(out: str | os.PathLike[str]) -> Path:
    """Path of the written ``OUT/index.html``: template, nodes, status, key numbers and link of every run.

    Parameters
    ----------
    out : path
        Output folder of reports.

    Raises
    ------
    PathNotFound
        Where the folder does not exist.
    WriteError
        Where the page cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> write_index(tempfile.mkdtemp()).name
    'index.html'
    """
    folder = Path(out)
    if not folder.is_dir():
        raise PathNotFound("no such output folder", file=str(folder), remedy="run a report first")
    path = folder / "index.html"
    write_text(path, _page(entries(folder)))
    return path


def entries(out: Path) -> list[Entry]:
    """Every run below *out*, by template, title and nodes, the newest of the same first."""
    folders = [run for template in _folders(out) if template.name != WORK for run in _folders(template)]
    # What is still running, or was cut off, is in the work folder.
    folders += _folders(out / WORK) if (out / WORK).is_dir() else []
    found = sorted((_entry(out, run) for run in folders), key=lambda entry: entry.started, reverse=True)
    return sorted(found, key=lambda entry: (entry.template, entry.title, len(entry.nodes), entry.nodes))


def _folders(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.endswith(".older"))
    except OSError:
        return []


def _entry(out: Path, folder: Path) -> Entry:
    record = read_json(folder / "run.json")
    results = read_json(folder / "results.json") or {}
    relative = folder.relative_to(out).as_posix()
    if record is None or record.get("status") not in STATUSES:
        return Entry(relative, "broken", folder.parent.name, folder.name, (), "", None, {}, False, "no usable run.json")
    status = str(record["status"])
    if status == "running" and not alive(record.get("owner")):
        status = "interrupted"
    template, error = record.get("template"), record.get("error")
    nodes, numbers = record.get("nodes"), results.get("key_numbers")
    seconds = record.get("seconds")
    has_page = (folder / "report.html").is_file()
    note = _note(error) if isinstance(error, dict) else ""
    if status == "ok" and not (has_page and results):
        status, note = "broken", "files of the run are missing"
    return Entry(
        folder=relative,
        status=status,
        template=str(template.get("id", "")) if isinstance(template, dict) else folder.parent.name,
        title=str(record.get("title", "")),
        nodes=tuple(str(node) for node in nodes) if isinstance(nodes, list) else (),
        started=str(record.get("started", "")),
        seconds=float(seconds) if isinstance(seconds, int | float) else None,
        numbers={name: number for name, number in numbers.items() if isinstance(number, int)}
        if isinstance(numbers, dict)
        else {},
        has_page=has_page,
        note=note,
    )


def _note(error: Mapping[str, Any]) -> str:
    if error.get("missing"):
        return "not made: " + ", ".join(str(name) for name in error["missing"])
    where = f" in cell {error['cell']}" if error.get("cell") else ""
    return f"{error.get('class', '')}{where}"


def _page(found: list[Entry]) -> str:
    assets = files("workbench.reports") / "assets"
    style = "\n".join((assets / name).read_text(encoding="utf-8") for name in ("report.css", "index.css"))
    script = (assets / "index.js").read_text(encoding="utf-8")
    allowed = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = (
        f"default-src 'none'; style-src 'unsafe-inline'; img-src data:; script-src 'sha256-{allowed}'; "
        "base-uri 'none'; form-action 'none'"
    )
    counts = {status: sum(entry.status == status for entry in found) for status in ("broken", *STATUSES)}
    said = ", ".join(f"{number} {status.replace('_', ' ')}" for status, number in counts.items() if number)
    head = "".join(
        f'<th scope="col"{css}>{name}</th>'
        for name, css in (
            ("Report", ""),
            ("Nodes", ""),
            ("Status", ""),
            *((name, ' class="wb-n"') for _, name in _NUMBERS),
            ("Started (UTC)", ""),
            ("Seconds", ' class="wb-n"'),
        )
    )
    body = (
        "".join(_row(entry) for entry in found)
        or f'<tr><td class="wb-none" colspan="{5 + len(_NUMBERS)}">none</td></tr>'
    )
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Reports</title>
<link rel="icon" href="data:,">
<style>{style}</style>
</head>
<body>
<main>
<h1>Reports</h1>
<p>{len(found)} run{"" if len(found) == 1 else "s"}{f": {html.escape(said)}" if said else ""}.</p>
<div class="bar"><input id="filter" type="search" placeholder="Filter by report, node, status …"
 aria-label="Filter the runs" autocomplete="off"><output id="said" for="filter"></output></div>
<div class="runs"><table>
<caption>Every run below this folder; a run opens by its title.</caption>
<thead><tr>{head}</tr></thead>
<tbody>{body}</tbody>
</table></div>
</main>
<script>{script}</script>
</body>
</html>
"""


def _row(entry: Entry) -> str:
    title = html.escape(entry.title or entry.template)
    link = f'<a href="{quote(f"{entry.folder}/report.html")}">{title}</a>' if entry.has_page else title
    numbers = "".join(
        f'<td class="wb-n" data-name="{name}">{entry.numbers[key]:,}</td>'
        if key in entry.numbers
        else '<td class="wb-n"></td>'
        for key, name in _NUMBERS
    )
    note = f"<small>{html.escape(entry.note)}</small>" if entry.note else ""
    started = html.escape(entry.started[:16].replace("T", " "))
    seconds = f"{entry.seconds:.1f}" if entry.seconds is not None else ""
    return (
        f"<tr><td>{link}<small>{html.escape(entry.template)} · {html.escape(Path(entry.folder).name)}</small></td>"
        f"<td>{html.escape(', '.join(entry.nodes))}</td>"
        f'<td><span class="st st-{entry.status}">{entry.status.replace("_", " ")}</span>{note}</td>{numbers}'
        f'<td>{started}</td><td class="wb-n" data-name="Seconds">{seconds}</td></tr>\n'
    )
