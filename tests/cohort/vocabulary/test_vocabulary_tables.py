"""The shipped vocabulary is whole, and says what the reference says."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path

import pytest

from workbench.cohort.clinical.rules import READERS
from workbench.cohort.clinical.rules.units import factor, ucum
from workbench.cohort.vocabulary.folding import bare, fold, fold_name
from workbench.cohort.vocabulary.mapping import mappings
from workbench.cohort.vocabulary.tables import (
    TYPES,
    all_codes,
    all_conflicts,
    coded_values,
    lookup,
    names,
    shared_questions,
    shipped,
    variables,
    words,
)

LANGUAGES = ("en", "es", "pt", "ca", "it", "fr", "de", "nl")


@pytest.fixture(scope="module")
def eucaim(reference_dir: Path) -> Path:
    return reference_dir / "eucaim"


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


@pytest.mark.data
def test_every_variable_of_the_reference_is_shipped(eucaim: Path) -> None:
    for row in rows(eucaim / "variables.csv"):
        variable = variables()[row["name"]]
        assert variable.description == row["meaning"] or variable.name in ("age_at_diagnosis",)
        assert variable.trap == row["trap"]
        assert variable.dicom_tag == row["dicom_tag"]
        told = {code for given in variable.codes.values() for code in given}
        for column in ("explorer_key_old", "explorer_key_new", "snomed", "loinc", "radlex"):
            assert not row[column] or row[column] in told


@pytest.mark.data
def test_every_code_of_the_reference_is_shipped(eucaim: Path) -> None:
    ours = Counter((c.value_set, c.code, c.system, c.label) for c in all_codes())
    theirs = Counter((r["variable"], r["code"], r["system"], r["label"]) for r in rows(eucaim / "codes.csv"))
    assert ours == theirs
    assert sum(ours.values()) == 292


def test_every_variable_is_complete() -> None:
    for variable in variables().values():
        assert variable.type in TYPES
        assert variable.reader in READERS
        assert variable.description
        assert (variable.type == "number") == bool(variable.unit)
        if variable.type == "number":
            assert ucum(variable.unit) == variable.unit, variable.name
        if variable.type == "category":
            assert variable.value_sets


def test_no_name_is_of_two_variables() -> None:
    listed = Counter(fold_name(alias) for v in variables().values() for alias in v.aliases)
    assert [name for name, count in listed.items() if count > 1] == []


def test_names_of_earlier_days_stay() -> None:
    for name, variable in (
        ("gender", "sex"), ("idade", "age_at_diagnosis"), ("stage", "stage_clinical"), ("t_category", "ct_category"),
        ("cancer_type", "diagnosis"), ("os_months", "survival_months"), ("estado_vital", "vital_status"),
    ):  # fmt: skip
        assert names()[name] == variable


@pytest.mark.parametrize("value_set", ["sex", "vital_status", "boolean"])
@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_of_the_partners_has_its_words(value_set: str, language: str) -> None:
    said = {
        row["value"] for row in shipped("spellings.csv") if (row["value_set"], row["language"]) == (value_set, language)
    }
    assert len(said - {""}) >= 2


def test_a_word_of_a_value_set_means_one_thing() -> None:
    for value_set in {row["value_set"] for row in shipped("spellings.csv") if row["value"]}:
        meant: dict[str, set[str]] = {}
        for row in shipped("spellings.csv"):
            if row["value_set"] == value_set and row["value"]:
                for word in row["spellings"].split("|"):
                    meant.setdefault(fold(word), set()).add(row["value"])
        assert {word: values for word, values in meant.items() if len(values) > 1} == {}, value_set


@pytest.mark.parametrize(
    "code",
    [
        "COM1001366",
        "EUCAIM_Hyper-Ontology_V1.0.COM1001366",
        "https://cancerimage.eu/ontology/EUCAIM#COM1001366",
        "248153007",
        "SNOMEDCT248153007",
        "sct:248153007",
    ],
)
def test_a_code_is_understood_in_each_spelling(code: str) -> None:
    assert lookup(variables()["sex"], code) == "male"


def test_one_key_for_two_questions_is_no_name_of_either() -> None:
    assert shared_questions() == {"img1005459": ("birads", "pirads")}
    assert "img1005459" not in names()


def test_a_code_with_one_digit_more_is_another() -> None:
    tiers = coded_values("interoperability_level")
    assert (tiers["SPEC10000011"], tiers["SPEC1000011"]) == ("Tier 1C+", "Tier 2")


def test_codes_are_bared_of_what_stands_before_them_only() -> None:
    assert bare("SNOMEDCT") == "SNOMEDCT"
    assert bare(" RID10312 ") == "RID10312"


def test_conflicts_name_variables_and_say_how_they_are_read() -> None:
    known = {*variables(), "any", "interoperability_level"}
    for conflict in all_conflicts():
        assert set(conflict.variables) <= known
        assert conflict.what
        assert conflict.reading
        assert conflict.source
    codes = {code for conflict in all_conflicts() for code in conflict.codes}
    assert {"IMG1005459", "CLIN1000227", "12921003", "816092008", "NOT FOUND"} <= codes


def test_units_are_of_pint() -> None:
    for row in shipped("units.csv"):
        assert factor(row["ucum"], row["ucum"]) == 1.0
        assert row["source"]


@pytest.mark.parametrize("layout", ["dataset-service", "cdm", "idc", "medical-folder", "plain"])
def test_every_shipped_mapping_is_valid_and_tells_its_sources(layout: str) -> None:
    assert mappings(layout).names == (f"{layout}.csv",)
    for row in shipped(f"mappings/{layout}.csv"):
        assert row["origin"], row


def test_accents_never_matter() -> None:
    assert words("diagnosis")[fold("Cáncer de Próstata")] == "prostate cancer"
    assert fold("MÄNNLICH") == fold("mannlich")
