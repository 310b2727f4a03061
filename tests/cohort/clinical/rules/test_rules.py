"""What values mean, as hospitals write them."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.cohort.clinical.harmonise import harmonise
from workbench.cohort.clinical.rules import READERS, Given
from workbench.cohort.clinical.rules.dates import iso, order_of, years_between
from workbench.cohort.clinical.rules.numbers import parse
from workbench.cohort.clinical.rules.units import factor
from workbench.cohort.clinical.values import Value
from workbench.cohort.vocabulary.mapping import mappings
from workbench.cohort.vocabulary.tables import shipped, variables
from workbench.extracts import ClinicalRow


def one(variable: str, text: str, unit: str = "") -> Value:
    return harmonise([ClinicalRow("p", variable, text, unit=unit)])[0][0]


def all_of(variable: str, text: str) -> dict[str, str | None]:
    return {value.variable: value.value for value in harmonise([ClinicalRow("p", variable, text)])[0]}


@pytest.mark.parametrize(
    ("text", "years"),
    [
        ("042Y", "42"),
        ("042y", "42"),
        ("90", "90"),
        ("73.5", "73.5"),
        ("73,5", "73.5"),
        ("018M", "1.5"),
        ("052W", "0.9965776865"),
        ("61 years", "61"),
        ("61 ans", "61"),
        ("732 months", "61"),
        ("732 Monate", "61"),
        ("3653 d", "10.00136893"),
    ],
)
def test_ages_in_any_of_their_forms_are_years(text: str, years: str) -> None:
    assert one("age_at_imaging", text).value == years


@pytest.mark.parametrize("text", ["N-A", "n/a", ""])
def test_no_age_is_missing(text: str) -> None:
    assert (one("age_at_imaging", text).value, one("age_at_imaging", text).rule) == (None, "missing")


def test_an_age_follows_from_birth_date_and_date_of_diagnosis_where_none_is_stated() -> None:
    rows = [
        ClinicalRow("p", "date_of_diagnosis", "2019-07-01"),
        ClinicalRow("p", "birth_date", "1950-07-01"),
        ClinicalRow("q", "birth_date", "1950-07-01"),
        ClinicalRow("q", "date_of_diagnosis", "2019-07-01"),
        ClinicalRow("q", "age_at_diagnosis", "70"),
    ]
    values, findings = harmonise(rows)
    ages = [(v.patient_id, v.value, v.rule) for v in values if v.variable == "age_at_diagnosis"]
    assert ages == [("q", "70", "number"), ("p", "69", "derived from birth_date and date_of_diagnosis")]
    assert [(f.code, f.count) for f in findings] == [("birth-date-exact", 2)]


@pytest.mark.parametrize(
    ("variable", "text", "value"),
    [
        ("ct_category", "T1c", "cT1c"),
        ("ct_category", "1c", "cT1c"),
        ("ct_category", "cT2A", "cT2a"),
        ("ct_category", "x", "cTX"),
        ("ct_category", "Tis", "cTis"),
        ("ct_category", "is", "cTis"),
        ("cn_category", "N2a", "cN2a"),
        ("pn_category", "pN1mi", "pN1mi"),
        ("pm_category", "0", "pM0"),
        ("cm_category", "M1b", "cM1b"),
        ("ct_category", "COM1000370", "cT2a"),
        ("n_category_any", "2", "N2"),
    ],
)
def test_tnm_categories(variable: str, text: str, value: str) -> None:
    assert one(variable, text).value == value


def test_what_stands_with_a_tnm_category_is_its_qualifier() -> None:
    value = one("pt_category", "ypT2a(m)")
    assert (value.value, value.qualifier, value.value_code) == ("pT2a", "y (m)", "COM1000810")


def test_a_value_that_says_pathological_is_pathological_and_is_told() -> None:
    values, findings = harmonise([ClinicalRow("p", "t_stage", "pT3")])
    assert (values[0].variable, values[0].value) == ("pt_category", "pT3")
    assert [f.code for f in findings] == ["tnm-prefix"]


@pytest.mark.parametrize("text", ["T5", "T1z", "N1", "T", "T12", "large"])
def test_what_is_no_t_category_stays_as_it_came(text: str) -> None:
    value = one("ct_category", text)
    assert (value.value, value.rule) == (text, "unmapped")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("Stage IIIA", "IIIA"),
        ("3a", "IIIA"),
        ("iv", "IV"),
        ("Stadium IIb", "IIB"),
        ("estadio II", "II"),
        ("Stade 2", "II"),
        ("0", "0"),
        ("IA2", "IA2"),
        ("2", "II"),
    ],
)
def test_stage_groups(text: str, value: str) -> None:
    assert one("stage", text).value == value


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("3+4", {"gleason_score": "7", "gleason_primary": "3", "gleason_secondary": "4", "isup_grade_group": "2"}),
        (
            "4 + 3 = 7",
            {"gleason_score": "7", "gleason_primary": "4", "gleason_secondary": "3", "isup_grade_group": "3"},
        ),
        ("7 (3+4)", {"gleason_score": "7", "gleason_primary": "3", "gleason_secondary": "4", "isup_grade_group": "2"}),
        ("Gleason 9", {"gleason_score": "9", "isup_grade_group": "5"}),
        ("7", {"gleason_score": "7"}),
        ("6", {"gleason_score": "6", "isup_grade_group": "1"}),
        ("CLIN1026298", {"gleason_score": "7"}),
        ("0+0", {"gleason_score": None}),
        ("3+4=8", {"gleason_score": None}),
        ("11", {"gleason_score": None}),
    ],
)
def test_gleason_gives_the_grade_group_only_where_the_table_determines_it(text: str, found: dict[str, str]) -> None:
    assert all_of("gleason", text) == found


def test_the_gleason_table_is_that_of_the_consensus() -> None:
    groups = {row["pattern"]: row["isup"] for row in shipped("gleason.csv")}
    assert [groups[p] for p in ("3+3", "3+4", "4+3", "4+4", "3+5", "5+3", "4+5", "5+4", "5+5")] == list("123444555")
    assert groups["7"] == groups["2+5"] == groups["5+2"] == ""


@pytest.mark.parametrize(
    ("variable", "text", "value"),
    [
        ("isup", "GG2", "2"),
        ("isup", "grade group 3", "3"),
        ("isup", "COM1001368", "4"),
        ("isup", "0", "0"),
        ("her2_ihc_score", "2+", "2+"),
        ("her2_ihc_score", "+++", "3+"),
        ("her2_ihc_score", "0", "0"),
        ("er_status", "Positivo", "positive"),
        ("er_status", "CLIN1046663", "positive"),
        ("pr_status", "COM1001332", "negative"),
        ("birads", "0", "0"),
        ("birads", "BI-RADS 4a", "4A"),
        ("birads", "ACR 3", "3"),
        ("birads", "IMG1005472", "4B"),
        ("pirads", "PI-RADS 4", "4"),
        ("pirads", "5.0", "5"),
        ("pirads", "X", "X"),
        ("vital_status", "Verstorben", "dead"),
        ("vital_status", "décédé", "dead"),
        ("vital_status", "óbito", "dead"),
        ("no_previous_cancer", "Sí", "true"),
        ("no_previous_cancer", "Nee", "false"),
        ("no_previous_cancer", "não", "false"),
        ("laterality", "izquierda", "left"),
        ("tumour_subsite", "C10.0: vallécule", "C10.0"),
        ("histology_morphology", "M-8140/3", "8140/3"),
    ],
)
def test_words_codes_and_grades(variable: str, text: str, value: str) -> None:
    assert one(variable, text).value == value


@pytest.mark.parametrize("text", ["80%", "90", "weak", "6/8"])
def test_thresholds_of_receptors_are_not_ours_to_decide(text: str) -> None:
    value = one("er_status", text)
    assert (value.value, value.rule) == (text, "unmapped")


def test_one_key_for_two_questions_is_decided_by_the_value() -> None:
    assert [one("IMG1005459", code).variable for code in ("IMG1005477", "IMG1005464")] == ["pirads", "birads"]


def test_a_limit_keeps_its_comparator_and_is_told() -> None:
    values, findings = harmonise([ClinicalRow("p", "psa", "<0,1"), ClinicalRow("q", "psa", "≥ 100")])
    assert [(v.comparator, v.value) for v in values] == [("<", "0.1"), (">=", "100")]
    assert [(f.code, f.count) for f in findings] == [("value-limit", 2)]


@pytest.mark.parametrize(
    ("variable", "text", "unit", "value"),
    [
        ("psa", "4", "ug/L", "4"),
        ("psa", "4", "µg/l", "4"),
        ("psa", "0.004 mg/L", "", "4"),
        ("age", "732", "mo", "61"),
        ("age", "61", "COM1000151", "61"),
        ("tumour_size", "3.1", "cm", "31"),
        ("total_dose", "6600", "cGy", "66"),
        ("weight", "154", "lb", "69.85322498"),
        ("tumor_volume", "4200", "mm3", "4.2"),
    ],
)
def test_a_stated_unit_is_converted(variable: str, text: str, unit: str, value: str) -> None:
    assert one(variable, text, unit).value == value


@pytest.mark.parametrize(("variable", "unit"), [("psa", "furlong"), ("psa", "cm"), ("tumour_size", "")])
def test_a_unit_that_does_not_serve_leaves_the_value_unmapped(variable: str, unit: str) -> None:
    values, findings = harmonise([ClinicalRow("p", variable, "31", unit=unit)])
    assert (values[0].value, values[0].raw_value, values[0].rule) == (None, "31", "unit-unknown")
    assert [f.code for f in findings] == ["unit-unknown"]


def test_a_variable_in_two_units_is_converted_row_by_row_and_told() -> None:
    values, findings = harmonise(
        [ClinicalRow("p", "psa", "4", unit="ng/mL"), ClinicalRow("q", "psa", "400", unit="ng/dL")]
    )
    assert [v.value for v in values] == ["4", "4"]
    assert [f.code for f in findings] == ["units-mixed"]


def test_the_unit_may_stand_in_the_name() -> None:
    assert [one(name, "61").value for name in ("age_months", "tumour size (cm)", "PSA ng/ml")] == [
        "5.083333333",
        "610",
        "61",
    ]


@pytest.mark.parametrize("text", ["2019-05-01", "20190501", "2019-05-01T12:30:00+02:00", "01.05.2019", "2019/5/1"])
def test_dates_that_can_mean_one_day_only(text: str) -> None:
    assert one("date_of_diagnosis", text).value == "2019-05-01"


def dates(*texts: str) -> tuple[list[str | None], list[str]]:
    values, findings = harmonise(ClinicalRow(str(i), "date_of_diagnosis", text) for i, text in enumerate(texts))
    return [v.value for v in values], [f.code for f in findings]


def test_day_and_month_are_told_by_the_whole_column() -> None:
    assert dates("01/09/2016", "16/05/2018") == (["2016-09-01", "2018-05-16"], [])
    assert dates("01/09/2016", "05/16/2018") == (["2016-01-09", "2018-05-16"], [])
    assert dates("01/09/2016", "02/03/2018") == ([None, None], ["value-unmapped", "date-order-unclear"])
    found, told = dates("01/09/2016", "16/05/2018", "05/16/2018")
    assert found == [None, "2018-05-16", "2018-05-16"]
    assert "date-order-unclear" in told


def test_a_year_kept_as_a_number_because_others_are_missing_is_a_year() -> None:
    assert one("year_of_diagnosis", "2019.0").value == "2019"
    assert one("date_of_diagnosis", "20190501.0").value == "2019-05-01"
    assert one("year_of_diagnosis", "2019.5").value is None


def ordered(tmp_path: Path, rule: str, *texts: str) -> tuple[list[str | None], list[tuple[str, int]]]:
    """Dates of a column whose mapping states their order, and what is told of them."""
    path = tmp_path / "mine.csv"
    path.write_text(f"source,variable,rule\nseen,date_of_diagnosis,{rule}\n")
    rows = [ClinicalRow(str(i), "seen", text) for i, text in enumerate(texts)]
    values, findings = harmonise(rows, mapping=mappings("plain", path))
    return [v.value for v in values], [(f.code, f.count) for f in findings]


def test_a_stated_order_that_the_column_disproves_is_told_and_nothing_is_guessed(tmp_path: Path) -> None:
    found = ordered(tmp_path, "mdy", "03/01/2024", "04/05/2024", "13/01/2024", "2024-02-01")
    assert found == ([None, None, None, "2024-02-01"], [("date-order-contradicted", 3)])
    found = ordered(tmp_path, "dmy", "01/03/2024", "01/13/2024")
    assert found == ([None, None], [("date-order-contradicted", 2)])
    found = ordered(tmp_path, "mdy", "03.01.2024", "13.01.2024")
    assert found == ([None, None], [("date-order-contradicted", 2)])


def test_where_both_orders_occur_the_stated_one_decides_and_what_does_not_fit_is_left(tmp_path: Path) -> None:
    found = ordered(tmp_path, "mdy", "03/01/2024", "04/15/2024", "13/01/2024")
    assert found == (["2024-03-01", "2024-04-15", None], [("date-order-contradicted", 1)])


def test_a_stated_order_that_fits_is_followed_also_with_points(tmp_path: Path) -> None:
    assert ordered(tmp_path, "mdy", "03/01/2024", "04/15/2024") == (["2024-03-01", "2024-04-15"], [])
    assert ordered(tmp_path, "mdy", "03.01.2024") == (["2024-03-01"], [])


def test_orders_of_rows_told_apart_by_a_condition_do_not_disprove_each_other(tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_text("source,variable,when,rule\nseen,date_of_diagnosis,at=a,dmy\nseen,date_of_diagnosis,at=b,mdy\n")
    cells = [("a", "13/01/2024"), ("a", "03/01/2024"), ("b", "03/01/2024")]
    rows = [
        ClinicalRow(str(i), name, text, table="t", row=i + 2)
        for i, (place, day) in enumerate(cells)
        for name, text in (("at", place), ("seen", day))
    ]
    values, _ = harmonise(rows, mapping=mappings("plain", path))
    assert [v.value for v in values if v.raw_variable == "seen"] == ["2024-01-13", "2024-01-03", "2024-03-01"]


@pytest.mark.parametrize("text", ["9999-12-31", "31/12/9999", "1899-12-30", "1899-12-31", "19000101", "0001-01-01"])
def test_days_that_programs_write_where_there_is_none_are_none(text: str) -> None:
    assert dates(text, "2019-05-01") == ([None, "2019-05-01"], ["date-placeholder"])
    assert one("year_of_diagnosis", text).value is None


def test_a_placeholder_dates_no_row() -> None:
    values, findings = harmonise([ClinicalRow("p", "psa", "4", date="9999-12-31", file="t.csv", row=2)])
    assert (values[0].value, values[0].date, values[0].raw_date) == ("4", "", "9999-12-31")
    assert [(f.code, f.message) for f in findings] == [("date-placeholder", "day of the rows: first in row 2")]


def test_dates_of_other_centuries_stay_and_are_told() -> None:
    assert dates("1850-01-01", "2019-05-01") == (["1850-01-01", "2019-05-01"], ["value-implausible"])
    assert dates("2180-01-01") == (["2180-01-01"], [])  # moved there by de-identification


@pytest.mark.parametrize("text", ["C99", "C43", "C46.1", "C81.9", "C79"])
def test_topography_that_icd_o_does_not_have_is_not_read(text: str) -> None:
    values, findings = harmonise([ClinicalRow("p", "topography", text)])
    assert (values[0].value, values[0].raw_value) == (None, text)
    assert [f.code for f in findings] == ["value-unmapped"]


def signs(variable: str, *texts: str) -> tuple[list[str | None], list[tuple[str, int]]]:
    values, findings = harmonise(ClinicalRow(str(i), variable, text) for i, text in enumerate(texts))
    return [v.value for v in values], [(f.code, f.count) for f in findings]


@pytest.mark.parametrize("variable", ["er_status", "pr_status", "her2_status", "ki67_status", "hpv_status"])
def test_a_minus_beside_a_plus_is_negative(variable: str) -> None:
    assert signs(variable, "+", "-", "NA", "\u2212") == (["positive", "negative", None, "negative"], [])


def test_a_minus_beside_words_is_an_empty_cell() -> None:
    assert signs("er_status", "positive", "-", "negative") == (["positive", None, "negative"], [])
    assert signs("psa", "4", "-") == (["4", None], [])


def test_a_minus_that_nothing_explains_is_told() -> None:
    assert signs("er_status", "-", "-", "") == ([None, None, None], [("sign-unclear", 2)])
    assert ("sign-unclear", 1) in signs("her2_status", "3+", "-")[1]


def test_a_mapping_says_what_a_minus_means(tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_text("source,variable,values\ner,er_status,-=negative\n")
    values, findings = harmonise([ClinicalRow("p", "er", "-")], mapping=mappings("plain", path))
    assert ([v.value for v in values], findings) == (["negative"], [])


def test_per_cent_that_look_like_fractions_are_told_and_not_mended() -> None:
    found, told = signs("ki67_percent", "0.2", "0.35", "0.9", "0.05", "0")
    assert (found, told) == (["0.2", "0.35", "0.9", "0.05", "0"], [("unit-suspected", 4)])
    assert signs("ki67_percent", "0.5", "35")[1] == []
    assert signs("er_percent", "0.5 %", "0.9%")[1] == []
    assert signs("er_percent", "0", "0")[1] == []


def test_one_column_in_fractions_is_told_beside_another_in_per_cent() -> None:
    rows = [ClinicalRow("p", "ki67", "0.3", table="a"), ClinicalRow("q", "ki67", "30", table="b")]
    assert [f.code for f in harmonise(rows)[1]] == ["unit-suspected"]
    assert harmonise([ClinicalRow("p", "ki67", "0.3", unit="%")])[1] == []


def test_letters_are_told_by_the_whole_column() -> None:
    def sexes(*letters: str) -> list[str | None]:
        return [v.value for v in harmonise(ClinicalRow(str(i), "sexo", a) for i, a in enumerate(letters))[0]]

    assert sexes("H", "M", "M") == ["male", "female", "female"]
    assert sexes("M", "V") == ["male", "female"]
    assert sexes("H", "F") == ["male", "female"]
    assert sexes("M", "F") == ["male", "female"]
    assert sexes("M", "W") == ["male", "female"]


@given(st.dates(min_value=__import__("datetime").date(1900, 1, 1), max_value=__import__("datetime").date(2100, 1, 1)))
def test_every_day_is_read_back_from_each_way_of_writing_it(day: object) -> None:
    want = day.isoformat()  # type: ignore[attr-defined]
    assert iso(f"{day:%Y%m%d}") == iso(f"{day:%d.%m.%Y}") == want
    assert iso(f"{day:%d/%m/%Y}", "dmy") == iso(f"{day:%m/%d/%Y}", "mdy") == want
    assert order_of(f"{day:%d/%m/%Y}") in ("dmy", "unclear", "")


@given(st.text(max_size=20))
def test_no_text_whatever_stops_a_reader(text: str) -> None:
    for variable in variables().values():
        if text.strip():
            assert READERS[variable.reader](Given(variable, text.strip()))
    parse(text)
    years_between(text, text)


@given(st.sampled_from(["a", "mo", "wk", "d"]), st.sampled_from(["a", "mo", "wk", "d"]))
def test_there_and_back_is_the_same(one_unit: str, other: str) -> None:
    there, back = factor(one_unit, other), factor(other, one_unit)
    assert there is not None
    assert back is not None
    assert abs(there * back - 1) < 1e-12
