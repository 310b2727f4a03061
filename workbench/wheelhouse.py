"""Everything the workbench needs as files, for a place without network: wheels, what they must be, how to install.

Made on a connected machine by pip, from wherever pip is told to look there; nothing of that is written down: names,
versions and SHA-256 alone.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from workbench.errors import ToolError, UsageError, WriteError
from workbench.progress import task
from workbench.writing import write_text

#: The project's own name, as a wheel of it is named.
PROJECT: Final = "cancer-imaging-workbench"
#: Systems with glibc 2.28 or newer: Debian 10, Ubuntu 20.04, RHEL 8.
PLATFORM: Final = "manylinux_2_28_x86_64"
#: manylinux_2_N_ARCH (PEP 600): wheels for any glibc up to 2.N run there.
_PLATFORM: Final = re.compile(r"manylinux_2_([0-9]{1,2})_(x86_64|aarch64)")
#: Older names of some of them (PEP 600).
_OLDER: Final = {5: "manylinux1", 12: "manylinux2010", 17: "manylinux2014"}
#: name-version(-build)-python-abi-platform.whl (PEP 427).
_WHEEL: Final = re.compile(r"([^-]+)-([^-]+)(?:-[0-9][^-]*)?-[^-]+-[^-]+-[^-]+\.whl")
_INSTALL: Final = """\
#!/bin/sh
# Installs the workbench into a new environment from the wheels beside this file; asks no network.
#   PYTHON=python{python} sh install.sh [FOLDER]
set -eu
here=$(cd "$(dirname "$0")" && pwd)
target=${{1:-"$HOME/workbench-env"}}
python=${{PYTHON:-python{python}}}
"$python" -c 'import sys; sys.exit(sys.version_info[:2] != ({major}, {minor}))' || {{
  echo "Python {python} is needed: PYTHON=... sh install.sh" >&2
  exit 2
}}
"$python" -m venv "$target"
# No settings of this machine: no index, no further places, no variables.
PIP_CONFIG_FILE=/dev/null "$target/bin/python" -m pip --isolated --disable-pip-version-check install --quiet \\
  --no-index --find-links "$here/wheels" --no-deps --require-hashes -r "$here/constraints.txt"
PIP_CONFIG_FILE=/dev/null "$target/bin/python" -m pip --isolated --disable-pip-version-check check
"$target/bin/workbench" --version
echo "installed: $target/bin/workbench"
"""


@dataclass(frozen=True, slots=True)
class Wheelhouse:
    """What was made."""

    #: Its folder.
    folder: str
    #: Python it is for, e.g. ``3.11``.
    python: str
    #: Newest platform tag of its wheels.
    platform: str
    extras: tuple[str, ...]
    n_wheels: int
    #: Bytes of all wheels.
    size: int


def make_wheelhouse(
    out: str | os.PathLike[str],
    *,
    extras: Sequence[str] = (),
    platform: str = PLATFORM,
    python: str | os.PathLike[str] | None = None,
    project: str | os.PathLike[str] | None = None,
) -> Wheelhouse:
    """Folder with the wheels of the workbench and everything it needs, ``constraints.txt`` and ``install.sh``.

    Parameters
    ----------
    out : path
        Folder to make; what an earlier, interrupted run brought is not fetched again.
    extras : sequence of str
        Extras of the workbench to bring too, e.g. ``["dicomweb"]``.
    platform : str
        Newest platform of the wheels, ``manylinux_2_N_x86_64`` for systems with glibc 2.N or newer.
    python : path, optional
        Interpreter the wheels are for, with pip; by default the one that runs. Which packages are needed depends on
        it, so it must be of the version that the other place has.
    project : path, optional
        Source tree or wheel of the workbench; by default the tree it runs from.

    Returns
    -------
    Wheelhouse

    Raises
    ------
    UsageError
        A platform or extra that is none; no source tree; not on Linux.
    ToolError
        pip failed; says what it said, without addresses.
    WriteError

    Examples
    --------
    ``make_wheelhouse("wheelhouse", extras=["dicomweb"])``
    """
    tags = platform_tags(platform)
    if not sys.platform.startswith("linux"):
        raise UsageError("a wheelhouse is made on Linux", remedy="run this in a container of the same Python")
    source = _source(project)
    interpreter = os.fspath(python) if python is not None else sys.executable
    version = _version(interpreter)
    folder = Path(out).expanduser()
    wheels = folder / "wheels"
    _begin(folder, wheels)
    named = f"[{','.join(sorted(set(extras)))}]" if extras else ""
    with task("wheelhouse", 3, unit="steps") as advance:
        own = _own_wheel(interpreter, source, wheels)
        _require_extras(own, extras)
        advance(1)
        arguments = ["--only-binary", ":all:", "--implementation", "cp", "--python-version", version]
        arguments += [item for tag in tags for item in ("--platform", tag)]
        _pip(interpreter, "download", "--dest", str(wheels), *arguments, f"{own}{named}")
        advance(1)
        needed = _needed(interpreter, wheels, f"{own}{named}", arguments)
        for wheel in wheels.iterdir():
            if wheel.name not in needed:
                wheel.unlink()
        lines = [_line(wheels / name) for name in sorted(needed, key=str.casefold)]
        advance(1)
    made = Wheelhouse(
        str(folder), version, platform, tuple(sorted(set(extras))), len(lines),
        sum(wheel.stat().st_size for wheel in wheels.iterdir()),
    )  # fmt: skip
    major, minor = version.split(".")
    install = folder / "install.sh"
    write_text(install, _INSTALL.format(python=version, major=major, minor=minor))
    install.chmod(0o755)
    told = {name: value for name, value in asdict(made).items() if name != "folder"}
    write_text(folder / "wheelhouse.json", json.dumps(told, indent=1) + "\n")
    # Last: without it nothing is installed, so a wheelhouse that is not whole is not taken for one.
    write_text(folder / "constraints.txt", "\n".join(lines) + "\n")
    return made


def platform_tags(platform: str) -> list[str]:
    """Tags of all wheels that run on a platform, the newest first.

    Raises
    ------
    UsageError

    Examples
    --------
    >>> platform_tags("manylinux_2_6_x86_64")
    ['manylinux_2_6_x86_64', 'manylinux_2_5_x86_64', 'manylinux1_x86_64']
    """
    match = _PLATFORM.fullmatch(platform)
    if match is None or int(match[1]) < 5:
        raise UsageError(f"platform {platform!r} is not known", remedy=f"use manylinux_2_N_x86_64, as in {PLATFORM}")
    tags = []
    for minor in range(int(match[1]), 4, -1):
        tags.append(f"manylinux_2_{minor}_{match[2]}")
        if minor in _OLDER and (match[2] == "x86_64" or minor == 17):
            tags.append(f"{_OLDER[minor]}_{match[2]}")
    return tags


def _source(project: str | os.PathLike[str] | None) -> Path:
    place = Path(project) if project is not None else Path(__file__).resolve().parent.parent
    place = place.expanduser()
    if place.suffix == ".whl" and place.is_file():
        return place.resolve()
    pyproject = place / "pyproject.toml"
    if not pyproject.is_file() or f'"{PROJECT}"' not in pyproject.read_text("utf-8"):
        raise UsageError(
            "no source tree of the workbench", file=place.name, remedy="run it in a checkout, or give --project"
        )
    return place.resolve()


def _version(interpreter: str) -> str:
    code = "import sys; print('%d.%d' % sys.version_info[:2])"
    try:
        done = subprocess.run([interpreter, "-c", code], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        raise UsageError("the interpreter does not run", remedy="give a Python with pip by --python") from None
    return done.stdout.strip()


def _begin(folder: Path, wheels: Path) -> None:
    """Make the folder, or go on in one that was begun; any other is left alone."""
    known = {"wheels", "constraints.txt", "install.sh", "wheelhouse.json"}
    try:
        wheels.mkdir(parents=True, exist_ok=True)
        if {entry.name for entry in folder.iterdir() if not entry.name.endswith(".tmp")} - known:
            raise UsageError("the folder holds something else", file=folder.name, remedy="name a new folder")
        (folder / "constraints.txt").unlink(missing_ok=True)
    except OSError as error:
        raise WriteError(f"could not be made: {error.strerror}", file=folder.name, remedy="name another") from error


def _own_wheel(interpreter: str, source: Path, wheels: Path) -> Path:
    """The wheel of the workbench itself among the others."""
    stem = PROJECT.replace("-", "_")
    for old in wheels.glob(f"{stem}-*.whl"):
        old.unlink()
    if source.suffix == ".whl":
        copy = wheels / source.name
        copy.write_bytes(source.read_bytes())
        return copy
    _pip(interpreter, "wheel", "--no-deps", "--wheel-dir", str(wheels), str(source))
    return next(wheels.glob(f"{stem}-*.whl"))


def _require_extras(wheel: Path, extras: Sequence[str]) -> None:
    """Refuse extras that the workbench does not have: pip would only warn of them.

    Raises
    ------
    UsageError
    """
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        metadata = archive.read(name).decode("utf-8", "replace")
    known = re.findall(r"^Provides-Extra: (\S+)$", metadata, re.MULTILINE)
    for extra in extras:
        if extra not in known:
            raise UsageError(f"no extra is named {extra!r}", remedy=f"use of: {', '.join(sorted(known))}")


def _needed(interpreter: str, wheels: Path, wanted: str, arguments: list[str]) -> set[str]:
    """Names of the wheels that the workbench needs, found without looking anywhere else."""
    report = _pip(
        interpreter, "install", "--dry-run", "--ignore-installed", "--quiet", "--report", "-", "--no-index",
        "--find-links", str(wheels), "--target", str(wheels / "none"), *arguments, wanted,
    )  # fmt: skip
    found = json.loads(report)["install"]
    return {item["download_info"]["url"].rpartition("/")[2].replace("%2B", "+") for item in found}


def _pip(interpreter: str, command: str, *arguments: str) -> str:
    """Standard output of pip.

    Raises
    ------
    ToolError
    """
    # What is found without looking anywhere must not be mixed with what this machine's settings add.
    closed = {"PIP_CONFIG_FILE": os.devnull} if "--no-index" in arguments else {}
    environment = {name: value for name, value in os.environ.items() if not closed or not name.startswith("PIP_")}
    done = subprocess.run(
        [interpreter, "-m", "pip", "--disable-pip-version-check", "--no-input", command, *arguments],
        capture_output=True, text=True, env={**environment, **closed},
    )  # fmt: skip
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if line.startswith("ERROR:")] or ["it gave no reason"]
        raise ToolError(
            f"pip {command} failed: {without_addresses(said[-1])[:400]}",
            remedy="see that pip reaches its index here, then run the same command again: it goes on from there",
        )
    return done.stdout


def without_addresses(text: str) -> str:
    """The text without URLs and absolute paths, which may hold names, tokens and hosts.

    Examples
    --------
    >>> without_addresses("ERROR: no match at https://me:secret@host/simple/x (from /home/me/y)")
    'ERROR: no match at ... (from ...)'
    """
    return re.sub(r"(?:[A-Za-z][A-Za-z0-9+.-]*://|(?<![\w.])/)[^\s)'\"]+", "...", text)


def _line(wheel: Path) -> str:
    """Name, version and digest of a wheel, as pip checks them."""
    match = _WHEEL.fullmatch(wheel.name)
    if match is None:
        raise ToolError(f"no name of a wheel: {wheel.name}", remedy="make the wheelhouse in a new folder")
    with wheel.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    name = re.sub(r"[-_.]+", "-", match[1]).lower()
    return f"{name}=={match[2]} --hash=sha256:{digest}"
