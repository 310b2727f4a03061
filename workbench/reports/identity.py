"""What makes a run the same run: its id, and the record it starts with."""

from __future__ import annotations

import contextlib
import hashlib
import platform
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

import workbench
from workbench.reports.parameters import PLACES, CommonParams, json_safe
from workbench.reports.record import SCHEMA, digest, file_digest
from workbench.reports.templates import Template

#: Version of the way a run's id is made.
_ID_SCHEME: Final = 1
#: Packages whose versions a record names.
_PACKAGES: Final = (
    "duckdb",
    "highdicom",
    "matplotlib",
    "nbconvert",
    "numpy",
    "pandas",
    "papermill",
    "pydicom",
    "xarray",
)


def identify(template: Template, params: CommonParams, cohort: Any) -> dict[str, Any]:
    """Everything a run's id is made of: template, parameters, digests of the extracts, the package itself.

    The data's digests stand for the places they are at.
    """
    inputs = [
        {
            "node": info.node,
            "dataset_id": info.dataset_id,
            "layout": info.layout,
            "trust": info.trust,
            "digest": info.digest,
            "n_files": info.n_files,
        }
        for info in sorted(cohort.extracts, key=lambda info: (info.node, info.dataset_id, info.digest))
    ]
    return {
        "scheme": _ID_SCHEME,
        "template": template.digest(),
        "parameters": {name: value for name, value in json_safe(params).items() if name not in PLACES}
        | _locked(params),
        "inputs": inputs,
        "workbench": {"version": workbench.__version__, "source": source_digest()},
    }


def opening_record(template: Template, params: CommonParams, identity: dict[str, Any]) -> dict[str, Any]:
    """The record of a run before it starts: what will run on what, never where."""
    full, inputs = digest(identity), identity["inputs"]
    return {
        "schema": SCHEMA,
        "run_id": full[:16],
        "digest": full,
        "template": {"id": template.id, "title": template.title, "digest": identity["template"]},
        "title": params.title or template.title,
        "nodes": sorted({str(item["node"]) for item in inputs}),
        "audience": "local",
        "parameters": _recorded(params),
        "inputs": inputs,
        "seed": params.seed,
        "engine": "cold",
        "workbench": identity["workbench"],
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "packages": _versions(),
    }


@cache
def source_digest() -> str:
    """Sha256 (64 hex) of the installed package's source, so that an edit during development makes new runs."""
    root = Path(workbench.__file__).resolve().parent
    total = hashlib.sha256()
    for path in sorted(root.rglob("*")):
        inside = path.relative_to(root)
        if path.is_file() and inside.parts[0] != "_shipped" and "__pycache__" not in inside.parts:
            total.update(f"{inside.as_posix()}\0{file_digest(path)}\n".encode())
    return total.hexdigest()


def _locked(params: CommonParams) -> dict[str, str]:
    """What stands for a lock file in the id: the digest of what it says, wherever it lies."""
    if params.lock is None:
        return {}
    from workbench.cohort.lock import read_lock

    return {"lock": str(read_lock(params.lock)["sha256"])}


def _recorded(params: CommonParams) -> dict[str, Any]:
    """Parameters as the record keeps them: of paths, only the last name."""
    recorded = json_safe(params)
    for name in PLACES:
        given = recorded[name]
        recorded[name] = [Path(item).name for item in given] if isinstance(given, list) else given and Path(given).name
    return recorded


def _versions() -> dict[str, str]:
    found = {}
    for name in _PACKAGES:
        with contextlib.suppress(PackageNotFoundError):
            found[name] = version(name)
    return found
