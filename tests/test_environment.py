"""environment.yml says what pyproject.toml says."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent
#: Packages whose name on conda-forge differs.
CONDA_NAMES = {
    "duckdb": "python-duckdb",
    "jupyter-client": "jupyter_client",
    "matplotlib": "matplotlib-base",
    "nbconvert": "nbconvert-core",
}
#: Names on package indices that are other projects than one expects.
UNRELATED = ("mamba", "boa", "pixi", "micromamba", "conda")


def _project() -> dict[str, object]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def _environment() -> dict[str, object]:
    return yaml.safe_load((ROOT / "environment.yml").read_text())


def _split(requirement: str) -> tuple[str, str]:
    match = re.fullmatch(r"([A-Za-z0-9_.-]+?)\s*((?:[<>=!~].*)?)", requirement)
    assert match, requirement
    return match[1], match[2]


def test_core_dependencies_are_the_same_with_the_same_ranges() -> None:
    project = _project()
    expected = {"pip": "", "python": str(project["requires-python"])}
    for requirement in project["dependencies"]:
        name, version = _split(requirement)
        expected[CONDA_NAMES.get(name, name)] = version
    listed = dict(_split(line) for line in _environment()["dependencies"] if isinstance(line, str))
    assert listed == expected


def test_only_conda_forge_and_only_this_project_from_pip() -> None:
    environment = _environment()
    assert environment["channels"] == ["conda-forge"]
    assert [line for line in environment["dependencies"] if isinstance(line, dict)] == [{"pip": ["-e ."]}]


def test_no_script_installs_an_unrelated_namesake() -> None:
    files = [ROOT / "Makefile", ROOT / ".ci" / "run", ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    for file in files:
        for line in file.read_text().splitlines():
            if "pip install" in line:
                assert not set(re.findall(r"[\w.-]+", line)) & set(UNRELATED), f"{file.name}: {line}"
