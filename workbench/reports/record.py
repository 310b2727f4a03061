"""The record of one run: ``run.json``, written atomically, and what it says about who is running."""

from __future__ import annotations

import hashlib
import json
import math
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal, get_args

from workbench.writing import write_text

Status = Literal["planned", "running", "ok", "failed", "timeout", "dead_kernel", "cancelled", "refused", "interrupted"]

#: Every status a record may carry.
STATUSES: Final[tuple[str, ...]] = get_args(Status)
#: Name and version of the record's shape.
SCHEMA: Final = "workbench-run/1"
#: Folder of unfinished runs, below the output folder.
WORK: Final = ".work"


@dataclass(frozen=True, slots=True)
class Run:
    """One finished run of a report."""

    #: First 16 hex digits of the run's digest.
    run_id: str
    #: Id of the template.
    template: str
    #: How it ended.
    status: Status
    #: Folder with ``run.json``, ``report.ipynb``, ``report.html``, ``results.json``, ``figures/``.
    folder: Path
    #: Whether a finished run was found and no kernel started.
    reused: bool = False
    #: Content of ``run.json``.
    record: dict[str, Any] = field(default_factory=dict, repr=False)

    @property
    def html(self) -> Path:
        """The self-contained page."""
        return self.folder / "report.html"

    @property
    def results_json(self) -> Path:
        """The numbers."""
        return self.folder / "results.json"

    @property
    def results(self) -> dict[str, Any]:
        """Content of ``results.json``; empty where the run did not get that far."""
        return read_json(self.results_json) or {}

    @property
    def exit_code(self) -> int:
        """What a command line returns for it: 0 where it is ok, else 1; 130 where it was cancelled."""
        return {"ok": 0, "cancelled": 130}.get(self.status, 1)


def canonical(value: Any) -> str:
    """JSON text that is the same for the same content: sorted keys, fixed float text, no NaN.

    Examples
    --------
    >>> canonical({"b": 0.1 + 0.2, "a": float("nan")})
    '{"a": null, "b": 0.3}'
    """
    return json.dumps(_fixed(value), sort_keys=True, ensure_ascii=False, allow_nan=False)


def digest(value: Any) -> str:
    """Sha256 (64 hex) over the canonical JSON of a value."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()


def file_digest(path: Path) -> str:
    """Sha256 (64 hex) of a file's bytes."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def write_json(path: Path, value: Any) -> None:
    """Write canonical JSON, indented, atomically."""
    text = json.dumps(_fixed(value), sort_keys=True, ensure_ascii=False, allow_nan=False, indent=1)
    write_text(path, f"{text}\n")


def read_json(path: Path) -> dict[str, Any] | None:
    """Content of a JSON object file, or None where it is absent or broken."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) else None


def owner() -> dict[str, Any]:
    """Who runs: process id with its start time and the machine's boot id, so a stale owner is told from a live one."""
    return {"pid": os.getpid(), "started": _started(os.getpid()), "boot": _boot()}


def alive(who: Any) -> bool:
    """Whether the owner in a ``running`` record still runs."""
    if not isinstance(who, dict) or not isinstance(who.get("pid"), int) or who.get("boot") != _boot():
        return False
    try:
        os.kill(who["pid"], 0)
    except ProcessLookupError:
        return False
    except OSError:
        pass  # it runs, under another user
    return bool(_started(who["pid"]) == who.get("started"))


def _boot() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def _started(pid: int) -> str:
    """Start time of a process in clock ticks since boot: field 22 of /proc/PID/stat (proc(5)); empty elsewhere."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""


def _fixed(value: Any) -> Any:
    if isinstance(value, bool) or value is None or isinstance(value, str | int):
        return value
    if isinstance(value, float):
        return float(f"{value:.12g}") + 0.0 if math.isfinite(value) else None
    if isinstance(value, dict):
        return {str(key): _fixed(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_fixed(item) for item in value]
    if isinstance(value, set | frozenset):
        return sorted(_fixed(item) for item in value)
    if hasattr(value, "item"):
        return _fixed(value.item())
    return str(value)
