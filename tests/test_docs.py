"""The pages in docs/ say what the tables in the code say."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import workbench.errors as errors
from benchmarks.irregular_inputs import CASES
from benchmarks.irregular_readers import READERS
from benchmarks.irregular_truth import VERDICTS
from workbench.dicom.headers.walk import NATIVE
from workbench.dicom.pixels.codecs import CODECS, DEFLATED_FRAMES, PLAIN_FRAMES
from workbench.dicom.stacks.keys import KEYS
from workbench.findings import CODES

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs" / "dicom.md").read_text("utf-8")


def tables(page: str) -> list[list[dict[str, str]]]:
    """Every table of a page: its rows by column title."""
    found = []
    for block in re.findall(r"(?:^\|.*\n)+", page, re.M):
        title, _, *rows = ([cell.strip() for cell in line.strip("|\n").split("|")] for line in block.splitlines())
        found.append([dict(zip(title, row, strict=True)) for row in rows])
    return found


def table(*columns: str) -> list[dict[str, str]]:
    """The table of the page that has these columns."""
    (found,) = (rows for rows in tables(PAGE) if set(columns) <= set(rows[0]))
    return found


def codes_named() -> set[str]:
    rows = [row for rows in tables(PAGE) for row in rows if row.get("finding")]
    return {code for row in rows for code in re.findall(r"`([^`]+)`", row["finding"])}


def test_every_finding_code_named_exists() -> None:
    assert codes_named() <= set(CODES)


def test_every_finding_that_reading_dicom_can_make_is_named() -> None:
    made = {
        node.value
        for path in (ROOT / "workbench" / "dicom").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value in CODES
    }
    assert codes_named() == made


def test_every_error_named_exists() -> None:
    named = set(re.findall(r"`((?:[A-Z][a-z]+){2,})`", "\n".join(row["at load"] for row in table("at load"))))
    assert named
    assert named <= set(vars(errors))


def test_the_rules_for_more_than_one_image_at_a_place_are_those_of_the_table() -> None:
    rows = table("dimension", "read from")
    columns = [re.findall(r"`([^`]+)`", row["read from"])[0] for row in rows]
    assert [(row["dimension"].strip("`"), column) for row, column in zip(rows, columns, strict=True)] == [
        (key.dim, key.columns[0]) for key in KEYS
    ]


def test_the_transfer_syntaxes_named_are_those_of_the_table() -> None:
    named = re.findall(
        r"1\.2\.840\.10008\.1\.2[.\d]*", "\n".join(row["UID"] for row in table("transfer syntax", "UID"))
    )
    assert sorted(named) == sorted({*CODECS, *NATIVE, DEFLATED_FRAMES, PLAIN_FRAMES})


def test_the_measured_table_is_that_of_the_script() -> None:
    rows = [row for row in table("input", *READERS) if "worked out" not in row["input"]]
    assert [(row["input"], row["truth"]) for row in rows] == [(case.title, case.truth) for case in CASES]
    for row in rows:
        for reader in READERS:
            assert re.match(rf"\*\*({'|'.join(VERDICTS)})\*\*", row[reader])
        assert "silently wrong" not in row["workbench"]


@pytest.mark.parametrize("name", ["dicom.md", "arrays.md", "cohorts.md", "findings.md"])
def test_links_lead_somewhere(name: str) -> None:
    page = ROOT / "docs" / name
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text("utf-8")):
        assert target.startswith("https://") or (page.parent / target).exists(), target
