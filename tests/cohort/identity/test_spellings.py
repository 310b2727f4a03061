"""Ids that images and tables spell otherwise are hinted at, counted, never named and never joined."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import workbench as wb
from tests.cohort.test_lock import _series
from workbench.cohort.identity.spellings import folded, nearly_alike


@pytest.mark.parametrize(
    ("of_images", "of_tables"),
    [("007", "7"), ("P2", "p2"), ("pat-01", "pat_01"), ("pat 01", "PAT1"), ("P.3", "P/3"),
     ("ＡＢ１", "ab1"), ("0", "00")],
)  # fmt: skip
def test_spellings_of_one_id(of_images: str, of_tables: str) -> None:
    (found,) = nearly_alike([of_images, "other"], [of_tables, "another"])
    assert (found.code, found.count, found.patient_id) == ("patient-ids-alike", 1, "")
    assert of_images not in found.message.split()


@pytest.mark.parametrize(("one", "other"), [("1-2", "12"), ("P1", "P10"), ("10", "100"), ("A1", "B1"), ("-", "_")])
def test_ids_that_are_two(one: str, other: str) -> None:
    assert nearly_alike([one], [other]) == []


@given(st.text("abC019-_ .", max_size=8))
def test_folding_again_changes_nothing(text: str) -> None:
    assert folded(folded(text)) == folded(text) == folded(f" {text.upper()}_")


def test_a_table_with_other_spellings_joins_nothing_and_is_told(tmp_path: Path) -> None:
    for number, patient in ((11, "007"), (13, "P2"), (15, "same")):
        _series(tmp_path / "north" / patient, patient, number, slices=1)
    (tmp_path / "north" / "clinical.csv").write_text("patient_id,sex\n7,M\np2,F\nsame,F\n")
    cohort = wb.open_cohort(tmp_path / "north")
    told = cohort.findings.set_index("code").loc["patient-ids-alike"]
    assert told["count"] == 2
    assert "2 patient(s)" in told["where"]
    assert len(cohort.patients) == 5
    assert cohort.patients.query("has_imaging and has_clinical")["patient_id"].tolist() == ["same"]
