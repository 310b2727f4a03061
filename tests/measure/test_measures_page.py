"""docs/measures.md names every feature with its tag, and every group."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd
import pytest

import workbench as wb
from workbench.errors import UsageError
from workbench.measure.definitions import FAMILIES, TEXTURES

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "measures.md").read_text("utf-8")


def test_the_page_lists_every_feature_with_its_group_and_tag() -> None:
    listed = re.findall(r"^\| (\w+) \| `(\w+)` \| (?:`(\w+)`|–) \|", PAGE, re.M)
    families = [family for family in FAMILIES if family != "volume"]
    assert listed == [(family, d.name, d.ibsi) for family in families for d in FAMILIES[family]]


def test_the_page_names_every_group() -> None:
    (groups,) = re.findall(r"\| group \| what \|\n((?:\|.*\n)+)", PAGE)
    named = {name for line in groups.splitlines() for name in re.findall(r"`(\w+)`", line.split("|")[1])}
    assert named == {*FAMILIES, *TEXTURES, "texture"}


@pytest.mark.slow
def test_the_example_of_site_effects_works_on_the_demo(cohort: wb.Cohort) -> None:
    (example,) = re.findall(r"## Site effects\n\n```python\n(.*?)```", PAGE, re.S)
    lines = example.replace("wb.measure.sites(", "found = wb.measure.sites(")
    held = {"wb": wb, "cohort": cohort}
    exec(lines.replace("wb.measure.site_differences(", "differences = wb.measure.site_differences("), held)
    assert held["found"].set_index("feature").loc["mean", "partial_r2"] > 0
    assert set(held["differences"]["node_a"]) == {"aurora", "boreal"}
    # What the page warns of: a merge forgets what the table says of itself.
    table = cohort.clinical
    assert [(variable, node) for variable, node, _ in table.attrs["doubts"]] == [("age_at_diagnosis", "cedro")]
    told = wb.measure.table_one(table, variables=["age_at_diagnosis"]).table.loc[1, "reason"]
    assert told.startswith("unit-suspected at cedro: age_at_diagnosis: ")
    table["died"] = table["vital_status"].map({"dead": True, "alive": False})
    found = wb.measure.cox(table, time="survival_months", event="died", covariates=["age_at_diagnosis"], strata="node")
    assert found.table.loc[0, "reason"] == ""
    assert found.warnings[0].startswith("unit-suspected at cedro")
    curves = wb.measure.kaplan_meier(table, time="survival_months", event="died")
    assert not [text for text in curves.warnings if "unit" in text]


def test_a_table_without_rows_says_so() -> None:
    empty = pd.DataFrame({"node": [], "patient_id": [], "feature": [], "value": [], "weeks": [], "died": []})
    calls = [
        lambda: wb.measure.sites(empty), lambda: wb.measure.site_differences(empty),
        lambda: wb.measure.table_one(empty),
        lambda: wb.measure.kaplan_meier(empty, time="weeks", event="died"),
        lambda: wb.measure.cox(empty, time="weeks", event="died", covariates=["value"]),
    ]  # fmt: skip
    for call in calls:
        with pytest.raises(UsageError, match="the table is empty"):
            call()
