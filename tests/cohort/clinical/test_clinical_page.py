"""docs/clinical.md says what the tables in the code say."""

from __future__ import annotations

import re
from pathlib import Path

import pyarrow as pa

from workbench.cohort.clinical.harmonise import harmonise
from workbench.cohort.clinical.rules import READERS
from workbench.cohort.tables.build import VALUES
from workbench.cohort.vocabulary.mapping import COLUMNS, RULES, mappings
from workbench.cohort.vocabulary.tables import variables
from workbench.extracts import ClinicalRow

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "clinical.md").read_text("utf-8")


def table(first: str) -> list[list[str]]:
    """Rows of the table whose first column has this title."""
    block = re.search(rf"^\| {re.escape(first)} \|.*\n\|[-|]+\|\n((?:\|.*\n)+)", PAGE, re.M)
    assert block is not None, first
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in block[1].splitlines()]


def named(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def test_the_variables_are_those_of_the_vocabulary() -> None:
    def span(low: float | None, high: float | None) -> str:
        return "" if low is None or high is None else f"{low:g} to {high:g}"

    assert table("variable") == [
        [f"`{v.name}`", v.type, f"`{v.reader}`", v.unit, span(v.low, v.high), v.description]
        for v in variables().values()
    ]


def test_the_columns_of_values_are_all_told() -> None:
    told = [name for row in table("column of `cohort.values`") for name in named(row[0])]
    assert sorted(told) == sorted(pa.schema(VALUES).names)


def test_readers_rules_and_columns_of_a_mapping_are_all_told() -> None:
    assert sorted(name for row in table("reader") for name in named(row[0])) == sorted(READERS)
    assert [row[0].strip("`") for row in table("rule")] == list(RULES)
    assert sorted(name for row in table("column") for name in named(row[0])) == sorted(COLUMNS)


def test_variables_that_need_a_unit_are_named() -> None:
    for variable in variables().values():
        if variable.unit_stated:
            assert f"`{variable.name}`" in PAGE.split("## Add a mapping")[0]


def test_the_mapping_shown_can_be_used(tmp_path: Path) -> None:
    shown = re.search(r"```csv\n(.*?)```", PAGE, re.S)
    assert shown is not None
    path = tmp_path / "mine.csv"
    path.write_text(shown[1], encoding="utf-8")
    rows = [
        ClinicalRow("p", name, text, table="t", file="t.csv", row=2)
        for name, text in (
            ("sexe", "1"), ("date d'origine", "01/09/2016"), ("tumor.1.t_stage", "2"), ("tumor.1.stage_prefix", "p"),
            ("marker", "PSA"), ("marker_unit", "ug/L"), ("marker_value", "4"),
        )
    ]  # fmt: skip
    found = {value.variable: value.value for value in harmonise(rows, mapping=mappings("plain", path))[0]}
    assert found["sex"] == "female"
    assert found["date_of_diagnosis"] == "2016-09-01"
    assert found["pt_category"] == "pT2"
    assert found["psa"] == "4"


def test_words_of_rules_that_occur_are_told() -> None:
    rows = [
        ("psa", "4"), ("age", "042Y"), ("sex", "M"), ("stage", "x"), ("gleason", "3+4"), ("shoe", "3"),
        ("t_stage", "2"), ("psa", ""), ("diagnosis", "NOT FOUND"), ("date_of_diagnosis", "2019"),
        ("cause_of_death", "x"),
        ("tumour_size", "3"),
    ]  # fmt: skip
    told = set(named(PAGE[PAGE.index("Words of `rule`") :].split("\n\n")[0]))
    for value in harmonise(ClinicalRow(str(n), name, text) for n, (name, text) in enumerate(rows))[0]:
        assert value.rule in told or value.rule.startswith("derived from "), value.rule
