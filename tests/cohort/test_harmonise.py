from __future__ import annotations

import pytest

from workbench.cohort.harmonise import Value, fold, from_headers, harmonise
from workbench.extracts import ClinicalRow


def one(variable: str, value: str) -> Value:
    return harmonise([ClinicalRow("p", variable, value)])[0][0]


@pytest.mark.parametrize("spelling", ["M", "male", "MALE", "masculino", "männlich", " Male ", "248153007"])
def test_spellings_of_one_code_become_one_value(spelling: str) -> None:
    assert one("patient_data.gender", spelling).value == "male"


@pytest.mark.parametrize(
    "name", ["age_at_diagnosis", "idade_diagnóstico", "inclusion_criteria.age_at_baseline", "Alter"]
)
def test_names_of_one_variable_become_one_variable(name: str) -> None:
    value = one(name, "61")
    assert (value.variable, value.value, value.unit) == ("age_at_diagnosis", "61", "a")


def test_raw_value_name_and_rule_stay_beside_the_harmonised_one() -> None:
    value = one("patient_data.gender", "FEMALE")
    assert (value.raw_variable, value.raw_value, value.rule) == ("patient_data.gender", "FEMALE", "code")


@pytest.mark.parametrize(
    ("text", "value"), [("7.25", "7.25"), ("7,25", "7.25"), ("1e2", "100"), ("042Y", "42"), ("018M", "1.5")]
)
def test_numbers_and_dicom_ages_are_read(text: str, value: str) -> None:
    assert one("age", text).value == value


@pytest.mark.parametrize("text", ["1,234", "about 60", "inf", "1_0", "１２", "0x10", "5-7"])
def test_a_number_that_could_mean_two_things_is_not_guessed(text: str) -> None:
    values, findings = harmonise([ClinicalRow("p", "psa", text)])
    assert values[0].value is None
    assert values[0].raw_value == text
    assert [f.code for f in findings] == ["value-unmapped"]


@pytest.mark.parametrize("text", ["", "NA", "n/a", "unknown", "None", "N-A"])
def test_spellings_of_missing_are_missing_and_no_finding(text: str) -> None:
    values, findings = harmonise([ClinicalRow("p", "stage", text)])
    assert values[0].value is None
    assert findings == []


def test_an_unknown_variable_keeps_its_name_and_is_listed() -> None:
    values, findings = harmonise([ClinicalRow("p", "shoe_size", "43"), ClinicalRow("q", "shoe_size", "40")])
    assert [(v.variable, v.value) for v in values] == [("shoe_size", "43"), ("shoe_size", "40")]
    assert [(f.code, f.message, f.count) for f in findings] == [("variable-unmapped", "shoe_size", 2)]


def test_an_unknown_code_stays_as_it_came_and_is_counted_without_its_value() -> None:
    values, findings = harmonise([ClinicalRow("p", "sex", "zebra")])
    assert values[0].value == "zebra"
    assert [(f.code, f.message) for f in findings] == [("value-unmapped", "sex")]


@pytest.mark.parametrize(("ages", "unit"), [((732, 640, 801), "months"), ((22300, 19500, 25000), "days")])
def test_ages_in_another_unit_are_suspected_and_not_converted(ages: tuple[int, ...], unit: str) -> None:
    values, findings = harmonise([ClinicalRow(str(i), "age_at_diagnosis", str(age)) for i, age in enumerate(ages)])
    assert [v.value for v in values] == [str(age) for age in ages]
    assert [f.code for f in findings] == ["unit-suspected"]
    assert unit in findings[0].message


def test_a_single_impossible_number_is_implausible_not_a_unit() -> None:
    rows = [ClinicalRow(str(i), "age_at_diagnosis", age) for i, age in enumerate(("61", "58", "70", "611"))]
    findings = harmonise(rows)[1]
    assert [(f.code, f.count) for f in findings] == [("value-implausible", 1)]
    assert "611" not in findings[0].message


def test_headers_give_sex_and_age_at_imaging() -> None:
    values = from_headers("p", sex="F", age="061Y", file="a.dcm")
    assert [(v.variable, v.value, v.table) for v in values] == [
        ("sex", "female", "DICOM header"),
        ("age_at_imaging", "61", "DICOM header"),
    ]
    assert from_headers("p", sex="", age="", file="a.dcm") == []


def test_folding_ignores_case_accents_and_blanks() -> None:
    assert fold("  CATEGORIA_T ") == fold("catégoria_t")
