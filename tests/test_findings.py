from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from workbench.findings import CODES, Finding, as_markdown

ROOT = Path(__file__).resolve().parent.parent


def test_an_unknown_code_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown finding code"):
        Finding("no-such-code")


def test_a_finding_knows_its_severity_and_remedy() -> None:
    finding = Finding("slices-missing", "1 of 24 slices missing")
    assert finding.severity == "serious"
    assert finding.remedy


def test_the_page_says_what_the_table_says() -> None:
    assert (ROOT / "docs" / "findings.md").read_text("utf-8") == as_markdown()


def test_every_code_used_in_the_package_is_in_the_table_and_the_reverse() -> None:
    text = "\n".join(p.read_text("utf-8") for p in (ROOT / "workbench").rglob("*.py") if p.name != "findings.py")
    used = set(re.findall(r'["\']([a-z0-9]+(?:-[a-z0-9]+)+)["\']', text)) & set(CODES)
    constructed = {
        node.args[0].value
        for path in (ROOT / "workbench").rglob("*.py")
        if path.name != "findings.py"
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "Finding" and node.args
        and isinstance(node.args[0], ast.Constant)
    }  # fmt: skip
    assert constructed <= set(CODES)
    singles = {name for name in CODES if "-" not in name and name in text}
    assert set(CODES) - used - singles == set()
