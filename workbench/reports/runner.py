"""One run of one report: check, identify, execute aside, rename."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.errors import ReportError, UsageError, WriteError
from workbench.reports.identity import identify, opening_record
from workbench.reports.opening import accept, open_selected, places
from workbench.reports.parameters import CommonParams, json_safe, normalise
from workbench.reports.record import (
    WORK,
    Run,
    Status,
    alive,
    digest,
    file_digest,
    owner,
    read_json,
    write_json,
)
from workbench.reports.templates import Template, find_template
from workbench.writing import write_text

if TYPE_CHECKING:
    from workbench.cohort import Cohort


def report(
    template_id: str,
    cohort: Cohort | str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    *,
    out: str | os.PathLike[str],
    force: bool = False,
    **params: Any,
) -> Run:
    """One finished run of a report on a cohort, or on the paths of one; the same run the command line makes.

    Parameters
    ----------
    template_id : str
        Id of the template, for example ``cohort-profile``.
    cohort : Cohort or path or list of paths
        What to report on. A cohort is opened again in the report's own kernel, from its index: from its paths and
        condition where they say all, else through a lock file in the cache.
    out : path
        Output folder; the run lands in ``OUT/<template>/<run_id>/``.
    force : bool
        Run even where a finished run with the same id is there.
    **params
        Further parameters of the template.

    Returns
    -------
    Run
        Whatever its status; only wrong parameters and unusable paths raise.

    Raises
    ------
    ParameterError
        With every parameter problem.
    UsageError
        Where the cohort was opened with files of the caller's, which the report cannot name.
    TemplateNotFound, ExtractError, WriteError
        Where the template, an extract or the output folder cannot be used.

    Examples
    --------
    >>> import workbench as wb
    >>> wb.report("cohort-profil", ".", out="reports")
    Traceback (most recent call last):
    ...
    workbench.errors.TemplateNotFound: no report template is called 'cohort-profil'. did you mean cohort-profile?
    """
    given = getattr(cohort, "extracts", None)
    return run(template_id, {**places(cohort, params), **params}, out=out, force=force, _given=given)


def run(
    template_id: str,
    raw: Mapping[str, Any],
    *,
    out: str | os.PathLike[str],
    force: bool = False,
    _given: Sequence[Any] | None = None,
) -> Run:
    """One finished run of a report from raw parameters, as the command line, a form or Python gives them.

    A finished run with the same id whose files are all intact is returned as it is, and no kernel starts.

    Raises
    ------
    ParameterError
        With every parameter problem.
    KeyboardInterrupt
        After a run that was stopped by hand has been written down as cancelled.
    """
    template = find_template(template_id)
    params = accept(normalise(template_id, raw))
    # Before anything is written: an extract that cannot be opened, or a node that is not there, raises here.
    cohort = open_selected(params)
    if _given is not None and params.nodes is None:
        _same(_given, cohort.extracts)
    identity = identify(template, params, cohort)
    full = digest(identity)
    final = Path(out) / template.id / full[:16]
    if not force:
        done = _finished(final, template.id, full)
        if done is not None:
            return done
    record = opening_record(template, params, identity)
    return _execute(template, params, record, final)


def _execute(template: Template, params: CommonParams, record: dict[str, Any], final: Path) -> Run:
    """Run in a folder of its own below ``OUT/.work``, then rename it to its final name."""
    from workbench.reports.execution import execute
    from workbench.reports.html import to_html

    work = _work_folder(final)
    began, clock = datetime.now(UTC), time.monotonic()
    record = record | {"status": "running", "owner": owner(), "started": began.isoformat(timespec="seconds")}
    outcome = None
    try:
        write_json(work / "run.json", record)
        label = f"{template.id} · {', '.join(record['nodes']) or 'no node'}"
        outcome = execute(template, json_safe(params), folder=work, label=label)
        status: Status = outcome.status
        error = dict(outcome.error)
        missing = _missing(template, outcome.notebook, work) if status == "ok" else []
        if missing:
            status, error = "failed", {"code": "report:incomplete", "missing": missing}
        write_text(work / "report.html", to_html(outcome.notebook, title=_page_title(record), status=status))
        write_text(work / "log.txt", _log(record, status, error, outcome.durations))
    except OSError as failure:
        _discard(work)
        raise WriteError(
            f"the run cannot be written: {failure.strerror}", remedy="check the space and the output folder"
        ) from failure
    except Exception:
        _discard(work)
        raise
    except KeyboardInterrupt:
        # Stopped outside the kernel's own time (while the page was made): what is there is kept as cancelled.
        status, error = "cancelled", {"class": "KeyboardInterrupt"}
        _close(work, final, record, status, error, clock, {})
        raise
    done = _close(work, final, record, status, error, clock, outcome.durations)
    if outcome.interrupt is not None:
        raise outcome.interrupt
    return Run(record["run_id"], template.id, status, final, record=done)


def _close(
    work: Path,
    final: Path,
    record: dict[str, Any],
    status: Status,
    error: dict[str, Any],
    clock: float,
    durations: Mapping[str, float],
) -> dict[str, Any]:
    """Write the final record and give the folder its final name."""
    outputs = {
        path.relative_to(work).as_posix(): file_digest(path)
        for path in sorted(work.rglob("*"))
        if path.is_file() and path.name != "run.json"
    }
    record = {name: value for name, value in record.items() if name != "owner"} | {
        "status": status,
        "error": error or None,
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "seconds": round(time.monotonic() - clock, 3),
        "durations": dict(durations),
        "outputs": outputs,
    }
    write_json(work / "run.json", record)
    _move(work, final)
    return record


def _discard(work: Path) -> None:
    """Remove a work folder, and the folder of work folders where it was the last."""
    shutil.rmtree(work, ignore_errors=True)
    with contextlib.suppress(OSError):
        work.parent.rmdir()


def _move(work: Path, final: Path) -> None:
    """Rename the work folder to its final name; an older run of that name steps aside first."""
    final.parent.mkdir(parents=True, exist_ok=True)
    for _ in range(5):
        older = work.with_name(f"{work.name}.older")
        with contextlib.suppress(FileNotFoundError):
            os.rename(final, older)
        try:
            os.rename(work, final)
        except OSError:
            continue  # another run of the same id came in between
        finally:
            shutil.rmtree(older, ignore_errors=True)
        with contextlib.suppress(OSError):
            work.parent.rmdir()
        return
    raise WriteError("the finished run could not be given its final name", file=final.name)


def _work_folder(final: Path) -> Path:
    """A fresh folder below ``OUT/.work``; what dead owners of the same run left there is removed."""
    base = final.parent.parent / WORK
    try:
        base.mkdir(parents=True, exist_ok=True)
        for left in base.glob(f"{final.name}.*"):
            if not alive((read_json(left / "run.json") or {}).get("owner")):
                shutil.rmtree(left, ignore_errors=True)
        work = base / f"{final.name}.{secrets.token_hex(4)}"
        work.mkdir(mode=0o755)
    except OSError as error:
        raise WriteError(
            f"the output folder cannot be written to: {error.strerror}",
            file=str(final.parent.parent),
            remedy="name another one with out=... (--out)",
        ) from error
    return work.resolve()


def _finished(final: Path, template_id: str, full: str) -> Run | None:
    """The finished run in *final*, where it is ok, of this very digest, and none of its files is missing or changed."""
    record = read_json(final / "run.json")
    if record is None or record.get("status") != "ok":
        return None
    if record.get("digest") != full:
        raise ReportError(
            f"two different runs share the id {final.name}", remedy="use another output folder", file=final.name
        )
    outputs = record.get("outputs")
    if not isinstance(outputs, dict) or not outputs:
        return None
    for name, expected in outputs.items():
        path = final / name
        if not path.is_file() or file_digest(path) != expected:
            return None
    return Run(full[:16], template_id, "ok", final, reused=True, record=record)


def _missing(template: Template, notebook: Any, work: Path) -> list[str]:
    """What the template declares and the run did not make."""
    results = read_json(work / "results.json")
    if results is None:
        return ["results.json"]
    headings = {
        line[3:].strip()
        for cell in notebook.cells
        if cell.cell_type == "markdown"
        for line in cell.source.splitlines()
        if line.startswith("## ")
    }
    made = {kind: {item["name"] for item in results.get(kind, [])} for kind in ("tables", "figures")}
    return [
        *(f"section {name}" for name in template.sections if name not in headings),
        *(f"table {name}" for name in template.tables if name not in made["tables"]),
        *(f"figure {name}" for name in template.figures if name not in made["figures"]),
    ]


def _same(given: Sequence[Any], opened: Sequence[Any]) -> None:
    """Check that a cohort, opened again from its paths alone, is still the one that was given."""
    facts = [sorted((info.node, info.layout, info.digest) for info in extracts) for extracts in (given, opened)]
    if facts[0] != facts[1]:
        raise UsageError(
            "the cohort cannot be opened again from its paths as it was opened",
            remedy="give link_roots=... to the report too, or open the cohort anew where its extracts changed",
        )


def _page_title(record: Mapping[str, Any]) -> str:
    return f"{record['title']} · {', '.join(record['nodes'])}" if record["nodes"] else str(record["title"])


def _log(record: Mapping[str, Any], status: Status, error: Mapping[str, Any], durations: Mapping[str, float]) -> str:
    lines = [f"{record['started']} {record['template']['id']} {record['run_id']} started"]
    lines += [f"{seconds:9.3f} s  {section}" for section, seconds in durations.items()]
    lines += [f"status {status}", *(f"{name}: {value}" for name, value in error.items())]
    return "\n".join(lines) + "\n"
