"""What the README shows is what the commands print."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import workbench as wb
from workbench.cli import VERBS

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text("utf-8")


def blocks(language: str = "") -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.S | re.M)


def test_the_overview_shown_is_the_one_printed(federation: Path) -> None:
    shown = next(block for block in blocks() if block.startswith("node "))
    arguments = ["open", str(federation / "extracts" / "*"), "--link-root", str(federation / "datalake")]
    said = subprocess.run([sys.executable, "-m", "workbench", *arguments], capture_output=True, text=True, check=True)
    for line in shown.splitlines():
        assert line == "..." or line in said.stdout.splitlines()


def test_the_tour_runs_as_written(federation: Path, tmp_path: Path) -> None:
    code = "\n".join(block for block in blocks("python"))
    (tmp_path / "demo").symlink_to(federation, target_is_directory=True)
    subprocess.run([sys.executable, "-W", "error::UserWarning", "-c", code], cwd=tmp_path, check=True)


def test_every_verb_named_is_one_of_ours_and_every_link_leads_somewhere() -> None:
    for verb in re.findall(r"(?:^|/)workbench (\w+)", README, re.M):
        assert verb in VERBS
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        assert target.startswith("https://") or (ROOT / target).exists(), target


def test_what_is_said_to_be_here_is_here() -> None:
    assert wb.extracts.LAYOUTS.keys() == {"dataset-service", "cdm", "idc", "medical-folder", "datmat", "plain"}
