"""What the command line prints where the audience is others: no pseudonym, no file, no count of few patients."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import workbench as wb
from tests import factories
from tests.running import run
from workbench.options import options

#: Verbs whose whole answer is of single series and files.
OF_SERIES = (["scan"], ["scan", "--json"], ["check", "--tracer"], ["check", "--tracer", "--json"])


@pytest.fixture(scope="module")
def north(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six patients with a CT, one of whom has an MR, of three images: a finding of one patient."""
    root = tmp_path_factory.mktemp("audience") / "north"
    for number in range(7):
        patient = f"SECRET{min(number, 5)}"
        own = {"PatientID": patient, "StudyInstanceUID": f"1.2.4.{number}", "SeriesInstanceUID": f"1.2.3.{number}",
               "Modality": "MR" if number == 6 else "CT", "StudyDate": "20200101"}  # fmt: skip
        for place in (0, 1, 3) if number == 3 else range(3):
            at = {"ImagePositionPatient": [0, 0, 2.0 * place], "SOPInstanceUID": f"1.2.3.{number}.{place + 1}"}
            factories.image(root / patient / f"{number}.{place}.dcm", place + 1, **own, **at)
    return root


def test_as_json_a_cohort_tells_no_more_than_as_text(north: Path) -> None:
    whole = json.loads(run("open", str(north), "--json").stdout)
    assert whole["nodes"][0]["by_modality"] == {"CT": 6, "MR": 1}
    assert "SECRET3" in json.dumps(whole)
    options.audience = "shareable"
    text = run("open", str(north), "--json").stdout
    assert "SECRET" not in text
    told = json.loads(text)
    assert (told["audience"], told["min_count"]) == ("shareable", 5)
    (row,) = told["nodes"]
    assert (row["patients"], row["studies"], row["series"]) == (6, "–", "≥6")
    assert row["by_modality"] == {"CT": 6, "MR": "<5"}
    summary = wb.open_cohort(north).summary(audience="shareable")
    assert [tuple(finding.values()) for finding in told["findings"]] == list(summary.findings)
    assert {finding["patients"] for finding in told["findings"]} <= {"<5", "–", "6"}


@pytest.mark.parametrize("verb", OF_SERIES, ids=" ".join)
def test_lists_of_series_and_files_are_for_nobody_else(north: Path, verb: list[str]) -> None:
    options.audience = "shareable"
    done = run(verb[0], str(north), *verb[1:])
    assert done.returncode == 2
    assert done.stdout == ""
    assert "cannot be shared" in done.stderr
    assert "SECRET" not in done.stderr


@pytest.mark.parametrize("form", [[], ["--by-node"]])
def test_a_check_as_json_names_nobody(north: Path, form: list[str]) -> None:
    options.audience = "shareable"
    done = run("check", str(north), "--json", *form)
    assert done.returncode == 0
    assert "SECRET" not in done.stdout
    rows = json.loads(done.stdout)["checks"]
    assert not any(row["examples"] for row in rows)
    # Seven series of six patients: one of them has a second.
    assert 7 not in {row["n"] for row in rows}
