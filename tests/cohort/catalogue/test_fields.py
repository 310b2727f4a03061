"""The table of fields, and the page that shows it."""

from __future__ import annotations

from pathlib import Path

from workbench.cohort.catalogue.fields import fields


def test_each_field_stands_once_with_its_level_and_its_profile() -> None:
    names = [field.field for field in fields()]
    assert len(names) == len(set(names)) == 47
    assert {field.level for field in fields()} == {"M", "R", "O"}
    assert {field.source for field in fields()} == {"DCAT", "EUCAIM", "HealthDCAT-AP"}
    assert all(field.says for field in fields())


def test_the_page_lists_the_fields_of_the_table() -> None:
    page = (Path(__file__).resolve().parents[3] / "docs" / "catalogue.md").read_text("utf-8")
    told = {"": "a person", "declared": "what the extract declares"}
    listed = [line for line in page.splitlines() if line.startswith("| `") and ":" in line.split("|")[1]]
    assert listed == [
        f"| `{one.field}` | {one.level} | {one.says} | {told.get(one.how, 'the cohort')} |" for one in fields()
    ]
