from __future__ import annotations

import dataclasses
import subprocess
import sys

import pytest

import workbench as wb
from workbench.errors import UsageError


def found(term: str) -> list[tuple[str, str]]:
    return [(row["variable"], row["value"]) for row in wb.vocabulary.search(term)]


def test_a_word_is_found_in_names_meanings_and_labels_whole_words_first() -> None:
    answer = wb.vocabulary.search("prostate")
    rows = [(row["variable"], row["value"]) for row in answer]
    assert rows.index(("diagnosis", "prostate cancer")) < rows.index(("psa", ""))
    assert rows.index(("psa", "")) < rows.index(("ct_category", ""))  # only its trap speaks of the prostate


@pytest.mark.parametrize(
    "term", ["399068003", "SNOMEDCT399068003", "próstata", "Prostatakrebs", "cancro della prostata"]
)
def test_codes_and_words_of_any_language_find_the_same(term: str) -> None:
    assert {"prostate cancer", "prostate"} & {value for _, value in found(term)}


@pytest.mark.parametrize(
    ("term", "variable"), [("2857-1", "psa"), ("(0010,0040)", "sex"), ("CLIN1000227", "psa"), ("RID10311", "modality")]
)
def test_numbers_of_each_system_are_found(term: str, variable: str) -> None:
    assert variable in {name for name, _ in found(term)}


@pytest.mark.parametrize("term", ["C61", "c61", "C61.9"])
def test_topography_codes_are_found(term: str) -> None:
    assert ("topography", "C61") in found(term)
    assert ("topography", "C34") in found("bronchus")
    assert found("C99") == []


def test_several_words_must_all_be_found() -> None:
    assert ("vital_status", "dead") in found("dead")
    assert found("dead alive zebra") == []
    assert repr(wb.vocabulary.search("zebra")) == "nothing found"


def test_the_answer_prints_itself_and_cannot_be_changed() -> None:
    answer = wb.vocabulary.search("sex", limit=3)
    assert len(answer) == 3
    assert repr(answer).splitlines()[0].split()[:3] == ["kind", "variable", "value"]
    assert "<table>" in answer._repr_html_()
    assert list(answer.frame().columns) == list(answer.columns)
    with pytest.raises(dataclasses.FrozenInstanceError):
        answer.rows = ()  # type: ignore[misc]


def test_html_is_escaped() -> None:
    from workbench.cohort.vocabulary.listing import Listing

    assert "<b>" not in Listing(("a",), (("<b>",),))._repr_html_()


@pytest.mark.parametrize("term", ["", "  ", None, 3])
def test_nothing_to_look_for_is_refused(term: object) -> None:
    with pytest.raises(UsageError, match=r"nothing to look for|give a text"):
        wb.vocabulary.search(term)  # type: ignore[arg-type]


def test_a_variable_is_found_under_any_of_its_names_and_codes() -> None:
    for name in ("psa", "PSA total", "CLIN1033410", "EUCAIM_Hyper-Ontology_V1.0.CLIN1033410", "2857-1"):
        assert wb.vocabulary.variable(name).name == "psa"
    with pytest.raises(UsageError, match="did you mean age_at_diagnosis"):
        wb.vocabulary.variable("age_at_diagnosi")


def test_a_variable_prints_what_one_must_know() -> None:
    said = repr(wb.vocabulary.variable("pirads"))
    assert "IMG1005457" in said
    assert "mind: key collision with BI-RADS" in said


def test_codes_and_conflicts_of_a_variable() -> None:
    assert {row["code"] for row in wb.vocabulary.codes("body_part") if row["value"] == "pelvis"} == {
        "12921003", "816092008", "BP1000092",
    }  # fmt: skip
    assert wb.vocabulary.conflicts("psa")[0]["conflict"] == "two codes for one test"
    assert len(wb.vocabulary.conflicts()) > 20


def test_looking_up_needs_no_heavy_library() -> None:
    heavy = ("pandas", "pint", "pandera", "xarray", "pydicom")
    code = f"import sys, workbench as wb; wb.vocabulary.search('psa'); print([m for m in {heavy} if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("name", "hint"), [("gleson", "did you mean gleason"), ("nope", "workbench vocabulary search")]
)
def test_only_names_that_are_really_alike_are_suggested(name: str, hint: str) -> None:
    with pytest.raises(UsageError, match=hint) as caught:
        wb.vocabulary.variable(name)
    assert "node" not in str(caught.value)
