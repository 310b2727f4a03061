"""Putting a finished folder under its final name, and knowing later what of it is ours.

Everything is written into a hidden sibling folder and renamed; a marker file lists what was written, so that a
second run recognises a whole federation, and removes nothing that somebody else put there.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any, Final

from workbench.errors import UsageError
from workbench.writing import write_text

#: Name of the marker file.
MARKER: Final = ".workbench-synthetic.json"


def staging_folder(out: Path) -> Path:
    """An empty hidden folder beside *out*, to write into."""
    staging = out.parent / f".{out.name}.{os.getpid()}.partial"
    if staging.exists():
        shutil.rmtree(staging)
    staging.mkdir(parents=True)
    return staging


def listing(root: Path) -> dict[str, int]:
    """Files (size in bytes) and links (-1) below a folder, POSIX paths relative to it; the marker left out."""
    found: dict[str, int] = {}
    for folder, names, files in os.walk(root):
        for name in (*names, *files):
            path = Path(folder) / name
            relative = path.relative_to(root).as_posix()
            if path.is_symlink():
                found[relative] = -1
            elif name in files and relative != MARKER:
                found[relative] = path.stat().st_size
    return dict(sorted(found.items()))


def recorded(out: Path) -> dict[str, Any] | None:
    """What the marker says; None where *out* is absent or empty.

    Raises
    ------
    UsageError
        Where *out* is a file, or holds something but no marker of ours.
    """
    if not out.exists() and not out.is_symlink():
        return None
    if not out.is_dir():
        raise UsageError("not a folder", file=str(out), remedy="name a new or empty folder")
    if not any(out.iterdir()):
        return None
    try:
        record = json.loads((out / MARKER).read_text(encoding="utf-8"))
        if isinstance(record, dict) and isinstance(record.get("files"), dict):
            return record
    except (OSError, ValueError):
        pass
    raise UsageError("folder is not empty", file=str(out), remedy="name a new or empty folder")


def is_whole(out: Path, record: dict[str, Any]) -> bool:
    """Whether every file that was written is still there in its size."""
    if not record.get("complete"):
        return False
    return all(_size(out / relative) == size for relative, size in record["files"].items())


def put(staging: Path, out: Path, record: dict[str, Any], old: dict[str, Any] | None) -> None:
    """Move a finished folder to its final name, in place of what an earlier run wrote there.

    Parameters
    ----------
    staging : Path
        What was written.
    out : Path
        Final name.
    record : dict
        Contents of the marker.
    old : dict, optional
        Marker of the earlier run.

    Raises
    ------
    UsageError
        Where files of somebody else stand among those to replace; nothing was touched then.
    """
    if old is None:
        write_json(staging / MARKER, record)
        if out.exists():
            out.rmdir()
        os.replace(staging, out)
        return
    ours = {*old["files"], *record["files"]}
    branches = _branches(ours)
    strangers = [f"{branch}/{name}" for branch in branches for name in listing(out / branch)]
    strangers = [name for name in strangers if name not in ours]
    if strangers:
        raise UsageError(
            f"{len(strangers)} files among the earlier run's were not written by it, first {strangers[0]}",
            file=str(out),
            remedy="move them away, or name another folder",
        )
    # While branches are exchanged the marker vouches for nothing but still knows whose the files are.
    write_json(out / MARKER, {**record, "complete": False, "files": dict.fromkeys(sorted(ours), 0)})
    for branch in branches:
        if (out / branch).is_dir():
            shutil.rmtree(out / branch)
        if (staging / branch).exists():
            (out / branch).parent.mkdir(parents=True, exist_ok=True)
            os.replace(staging / branch, out / branch)
    write_json(out / MARKER, record)


def write_json(path: Path, content: object) -> None:
    """Write JSON with sorted keys under a temporary name, then rename."""
    write_text(path, json.dumps(content, indent=1, sort_keys=True) + "\n")


def _branches(files: set[str]) -> list[str]:
    """The folders that are replaced as a whole: one below ``extracts/``, else at the top."""
    parts = (name.split("/") for name in files)
    return sorted({"/".join(p[:2]) if p[0] == "extracts" else p[0] for p in parts})


def _size(path: Path) -> int | None:
    if path.is_symlink():
        return -1
    try:
        return path.stat().st_size if path.is_file() else None
    except OSError:
        return None
