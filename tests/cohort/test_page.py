"""What docs/cohorts.md shows is what comes out."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import workbench as wb
from workbench.cohort.tables.times import RULES

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "cohorts.md").read_text("utf-8")


def blocks() -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", PAGE, re.S | re.M)


def test_the_rules_are_those_of_the_table() -> None:
    shown = dict(re.findall(r"^\| `([a-z ]+)` \| (.*) \|$", PAGE, re.M))
    assert {rule: shown.get(rule) is not None for rule in RULES} == dict.fromkeys(RULES, True)


def test_the_conditions_are_understood_where_the_tables_have_the_variables(cohort: wb.Cohort) -> None:
    section = PAGE.partition("## Questions")[2].partition("\n\nHow a study")[0]
    there = {name.casefold() for table in (cohort.series, cohort.clinical) for name in table.columns}
    asked = [text for text in re.findall(r"`([^`]+)`", section) if " " in text]
    assert len(asked) >= 16
    for condition in asked:
        if condition.split()[0].casefold() in there:
            cohort.where(condition)


def test_the_page_runs_as_written(
    federation: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "demo").symlink_to(federation, target_is_directory=True)
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for block in blocks():
        exec(compile(block, "docs/cohorts.md", "exec"), names)
    flow, cohort = names["flow"], names["cohort"]
    assert isinstance(cohort, wb.Cohort)
    assert repr(flow).rpartition("\n")[0] in PAGE
    head = cohort.cases[["node", "timepoint", "rule", "date", "modalities", "n_series", "n_labels"]].head(3)
    assert head.to_string() in PAGE
