"""docs/extracts.md says what the code says."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from workbench import extracts
from workbench.findings import CODES

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "extracts.md").read_text("utf-8")
ROWS = [line.strip("|\n").split(" | ") for line in re.findall(r"^\|.*$", PAGE, re.M)][2:]


def test_every_layout_has_its_row_in_the_order_of_detection() -> None:
    named = [re.search(r"`([^`]+)`", row[1])[1] for row in ROWS]  # type: ignore[index]
    assert named == list(extracts.LAYOUTS)


def test_every_trap_that_is_told_is_a_finding() -> None:
    told = {code for row in ROWS for code in re.findall(r"`([^`]+)`", row[3])}
    assert told
    assert told <= set(CODES)


def test_every_finding_of_the_common_data_model_is_on_the_page() -> None:
    made = {
        node.args[0].value
        for path in (ROOT / "workbench" / "extracts" / "cdm").glob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "Finding" and isinstance(node.args[0], ast.Constant)
    }
    general = {"clinical-encoding", "clinical-unreadable", "file-ignored-by-layout"}
    assert {str(code) for code in made} - general <= set(re.findall(r"`([a-z-]+)`", PAGE))


def test_links_lead_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", PAGE):
        assert (ROOT / "docs" / target).exists(), target
