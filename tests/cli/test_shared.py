"""What is said of the clinical tables on the command line reaches the cohort."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from workbench.cli.open import command
from workbench.cli.shared import by_extract
from workbench.errors import UsageError


@pytest.fixture
def extract(federation: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(federation / "extracts" / "cedro", tmp_path / "cedro"))


def nodes(*arguments: str) -> list[str]:
    done = CliRunner().invoke(command, [*arguments, "--json"], catch_exceptions=False)
    return [row["node"] for row in json.loads(done.output[done.output.index("{") :])["nodes"]]


def test_tables_outside_with_a_centre_and_two_rows_of_header(extract: Path, tmp_path: Path) -> None:
    table = tmp_path / "marks.csv"
    table.write_text("id,where\ncase,center\nX1,east\nX2,west\n")
    asked = ("--clinical", str(table), "--header", "2", "--id-column", "case", "--node-column", "center")
    for own in extract.glob("*.csv"):
        own.unlink()
    assert nodes(str(extract), *asked) == ["cedro", "east", "west"]
    named = (asked[0], f"{extract}={table}", *asked[2:])
    assert nodes(str(extract), *named) == ["cedro", "east", "west"]


def test_paths_by_extract_are_all_of_them_or_none(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="once and once not"):
        by_extract("clinical", ("north=a.csv", "b.csv"))
    odd = tmp_path / "a=b.csv"
    odd.touch()
    assert by_extract("clinical", (str(odd),)) == [str(odd)]


def test_modality_folders_are_said_on_the_command_line() -> None:
    from workbench.cli.shared import _codes
    from workbench.errors import UsageError

    assert _codes(("T1w=MR", "a=b=CT")) == {"T1w": "MR", "a=b": "CT"}
    with pytest.raises(UsageError, match="FOLDER=CODE"):
        _codes(("T1w",))
