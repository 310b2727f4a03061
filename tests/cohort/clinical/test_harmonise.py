from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.cohort.clinical.harmonise import VALUES, Harmonised, Value, fold, from_headers, harmonise
from workbench.cohort.vocabulary.mapping import Mappings, mappings
from workbench.extracts import ClinicalRow
from workbench.extracts.record import Clinical


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


def test_the_text_for_no_code_is_no_category_and_is_counted() -> None:
    values, findings = harmonise(
        [ClinicalRow("p", "diagnosis", "NOT FOUND"), ClinicalRow("q", "diagnosis", "Not found")]
    )
    assert [(v.value, v.rule) for v in values] == [(None, "not-found"), (None, "not-found")]
    assert [(f.code, f.message, f.count) for f in findings] == [("code-not-found", "diagnosis", 2)]


def test_a_finding_names_the_file_and_its_first_row_and_no_value() -> None:
    rows = [ClinicalRow(str(n), "sex", "zebra" if n > 3 else "M", table="t", file="t.csv", row=n) for n in range(2, 6)]
    (finding,) = harmonise(rows)[1]
    assert (finding.code, finding.message, finding.path, finding.count) == (
        "value-unmapped",
        "sex: first in row 4",
        "t.csv",
        2,
    )


def test_what_breaks_its_schema_is_a_finding_with_the_row() -> None:
    rows = [ClinicalRow(str(n), "ecog", text, file="t.csv", row=n) for n, text in ((2, "1"), (3, "1.5"), (4, "9"))]
    (finding,) = harmonise(rows)[1]
    assert (finding.code, finding.path, finding.count) == ("value-implausible", "t.csv", 2)
    assert "row 3" in finding.message


def test_swapped_columns_are_a_finding_and_nothing_is_swapped_back() -> None:
    rows = []
    for number, (sex, age) in enumerate((("61", "M"), ("58", "F"), ("70", "F")), start=2):
        rows += [
            ClinicalRow(str(number), "sex", sex, table="t", file="t.csv", row=number),
            ClinicalRow(str(number), "age", age, table="t", file="t.csv", row=number),
        ]
    values, findings = harmonise(rows)
    assert [f.message for f in findings if f.code == "columns-swapped"] == [
        "the columns age and sex hold what belongs to the other; first in row 2"
    ]
    assert [v.value for v in values if v.variable == "sex"] == ["61", "58", "70"]


@pytest.mark.parametrize(("held", "cell"), [("birth_date", "F"), ("sex", "1961-05-01")])
def test_a_column_that_holds_what_belongs_to_an_empty_one_is_a_finding(held: str, cell: str) -> None:
    rows = [
        ClinicalRow(str(number), name, cell if name == held else "", table="patient", file="t.csv", row=number)
        for number in (2, 3)
        for name in ("sex", "birth_date")
    ]
    other = {"sex": "birth_date", "birth_date": "sex"}[held]
    (finding,) = [finding for finding in harmonise(rows)[1] if finding.code == "columns-swapped"]
    assert finding.message == f"the column {held} holds what belongs to {other}, which is empty; first in row 2"


def test_a_column_of_unknown_words_beside_an_empty_one_is_not_called_swapped() -> None:
    rows = [ClinicalRow("1", "sex", "xyz", table="t"), ClinicalRow("1", "birth_date", "", table="t")]
    assert [finding.code for finding in harmonise(rows)[1]] == ["value-unmapped"]


def test_day_numbers_of_a_spreadsheet_are_told_per_variable_and_not_read() -> None:
    rows = [
        ClinicalRow("1", name, text, table="t", file="t.csv", row=row, date="43900")
        for name in ("date_of_diagnosis", "date_of_last_contact")
        for row, text in ((2, "2019-05-01"), (3, "43831"))
    ]
    values, findings = harmonise([*rows, ClinicalRow("1", "psa", "43831", table="t", file="t.csv", row=3)])
    told = [(f.message, f.count) for f in findings if f.code == "day-number-suspected"]
    assert ("date_of_diagnosis: looks like Excel day numbers; first in row 3", 1) in told
    assert ("date_of_last_contact: looks like Excel day numbers; first in row 3", 1) in told
    assert [message for message, _ in told if message.startswith("day of the rows")]
    assert len(told) == 3
    assert [value.value for value in values if value.raw_value == "43831"][:2] == [None, None]


class TestAMappingOfOnesOwn:
    def made(self, folder: Path, lines: str, *rows: ClinicalRow) -> tuple[list[Value], list[str]]:
        path = folder / "mine.csv"
        path.write_text(f"source,variable,when,unit\n{lines}\n")
        values, findings = harmonise(rows, mapping=mappings("plain", path))
        return values, [f"{finding.code} {finding.message}" for finding in findings]

    def test_a_unit_column_that_is_not_there_leaves_the_number_unmapped(self, tmp_path: Path) -> None:
        rows = [ClinicalRow("1", "wt", "154", table="t", row=2), ClinicalRow("1", "wt_u", "lb", table="t", row=2)]
        values, told = self.made(tmp_path, "wt,weight,,column:wt_unit", *rows)
        assert [(v.variable, v.value) for v in values if v.raw_variable == "wt"] == [("weight", None)]
        assert "unit-unknown weight: first in row 2" in told
        assert "mapping-unused mine.csv, row 2: 'wt' has no column 'wt_unit' beside it for its unit" in told

    def test_a_unit_column_that_is_there_is_used(self, tmp_path: Path) -> None:
        rows = [ClinicalRow("1", "wt", "154", table="t", row=2), ClinicalRow("1", "wt_u", "lb", table="t", row=2)]
        values, told = self.made(tmp_path, "wt,weight,,column:wt_u", *rows)
        (weight,) = [v for v in values if v.variable == "weight"]
        assert round(float(weight.value or "nan"), 1) == 69.9
        assert not [line for line in told if line.startswith("mapping-unused")]

    def test_a_unit_that_stands_beside_the_value_already_needs_no_column(self, tmp_path: Path) -> None:
        rows = [ClinicalRow("1", "wt", "154", unit="lb", table="t"), ClinicalRow("2", "wt", "70", table="t")]
        values, told = self.made(tmp_path, "wt,weight,,column:wt_unit", *rows)
        assert [v.value for v in values][1] == "70"
        assert not [line for line in told if line.startswith(("mapping-unused", "unit-unknown"))]

    @pytest.mark.parametrize(
        ("line", "why"),
        [
            ("wieght,weight,,", "no column 'wieght'"),
            ("wt,weight,nocol=1,", "'wt' has no column 'nocol' beside it"),
            ("wt,weight,arm=b,", "no value of 'wt' came under it"),
        ],
    )
    def test_a_row_that_never_applied_is_told(self, tmp_path: Path, line: str, why: str) -> None:
        rows = [ClinicalRow("1", "wt", "70", table="t", row=2), ClinicalRow("1", "arm", "a", table="t", row=2)]
        assert f"mapping-unused mine.csv, row 2: {why}" in self.made(tmp_path, line, *rows)[1]


def test_values_keep_when_they_were_taken() -> None:
    row = ClinicalRow(
        "p", "psa", "4", date="20190501", offset="2", offset_unit="weeks", timepoint="1", episode="Relapse"
    )
    value = harmonise([row])[0][0]
    assert (value.date, value.offset_days, value.timepoint, value.episode) == ("2019-05-01", 14, "1", "Relapse")
    assert (value.raw_date, value.raw_offset, value.raw_offset_unit) == ("20190501", "2", "weeks")


def test_days_beside_values_are_ordered_by_their_own_column() -> None:
    rows = [ClinicalRow("p", "psa", "4", date=day, table="t") for day in ("01/09/2016", "16/05/2018")]
    assert [v.date for v in harmonise(rows)[0]] == ["2016-09-01", "2018-05-16"]


def many(count: int) -> Iterator[pa.RecordBatch]:
    """Batches of rows of three columns, cut where rows of the table are not."""
    rows = []
    for number in range(2, count + 2):
        for name, text in (("organ", "prostate"), ("size", str(number % 90)), ("sex", "MF"[number % 2])):
            rows.append(ClinicalRow(str(number), name, text, table="t", file="t.csv", row=number))
            if len(rows) == 1000:
                yield from Clinical.of(rows).batches()
                rows = []
    if rows:
        yield from Clinical.of(rows).batches()


@pytest.mark.parametrize("count", [100, 3_000])
def test_batches_come_one_at_a_time_and_cut_no_row_apart(tmp_path: Path, count: int) -> None:
    path = tmp_path / "mine.csv"
    path.write_text("source,variable,when,unit,rule\nsize,prostate_volume,organ=prostate,cm3,\norgan,,,,ignore\n")
    made = Harmonised(Clinical((lambda: many(count),)), mappings("plain", path))
    with pytest.raises(RuntimeError, match="every batch"):
        _ = made.findings
    rows = 0
    for batch in made.batches():
        assert batch.schema == VALUES
        assert batch.num_rows <= 1003
        names = batch["variable"].to_pylist()
        assert names == ["organ", "prostate_volume", "sex"] * (len(names) // 3)
        rows += batch.num_rows
    assert rows == 3 * count
    assert [f.code for f in made.findings] == ["value-implausible"]


@given(
    st.lists(
        st.builds(
            ClinicalRow,
            patient_id=st.sampled_from(["p", "q"]),
            variable=st.sampled_from(
                ["sex", "psa", "T", "gleason", "shoe size", "birth_date", "date_of_diagnosis", ""]
            ),
            value=st.text(max_size=8) | st.sampled_from(["M", "3+4", "7", "1.5", "01/02/2019", "13/02/2019"]),
            unit=st.sampled_from(["", "ng/mL", "mo", "zebra"]),
            date=st.sampled_from(["", "2019-01-01", "01/02/2019"]),
        ),
        max_size=12,
    )
)
def test_nothing_is_dropped_whatever_comes(rows: list[ClinicalRow]) -> None:
    values, findings = harmonise(rows)
    stated = [v for v in values if not v.rule.startswith("derived")]
    assert [(v.patient_id, v.raw_variable, v.raw_value) for v in stated] == [
        (r.patient_id, r.variable, r.value) for r in rows
    ]
    assert all(v.rule for v in values)
    assert sum(f.count for f in findings if f.code == "variable-unmapped") == sum(
        v.rule == "as it came" for v in values
    )


def days(*rows: dict[str, str], date: str = "", mapping: Mappings | None = None) -> dict[tuple[str, int], str]:
    """Day of each value of a table by column and row."""
    cells = [
        ClinicalRow("p", name, text, table="t", file="t.csv", row=number, date=date)
        for number, row in enumerate(rows, start=2)
        for name, text in row.items()
    ]
    return {(value.raw_variable, value.row): value.date for value in harmonise(cells, mapping=mapping)[0]}


def test_the_date_of_a_marker_test_dates_the_markers_of_its_row_and_nothing_else() -> None:
    found = days({"psa": "4", "ki67": "20", "tumor_marker_date": "2020-03-01", "sex": "M"})
    assert found == {("psa", 2): "2020-03-01", ("ki67", 2): "2020-03-01", ("tumor_marker_date", 2): "", ("sex", 2): ""}


@pytest.mark.parametrize("name", ["psa_date", "PSA date", "date_of_psa", "fecha_psa", "psa_datum"])
def test_a_date_named_after_a_column_dates_it_before_the_rows_own(name: str) -> None:
    found = days({"psa": "4", name: "13/03/2020"}, {"psa": "5", name: "04/03/2020"}, {"psa": "6", name: ""},
                 date="2021-01-01")  # fmt: skip
    assert [found["psa", row] for row in (2, 3, 4)] == ["2020-03-13", "2020-03-04", "2021-01-01"]


def test_a_date_named_after_a_variable_dates_its_only_column() -> None:
    assert days({"psa_ng_ml": "4", "psa_date": "2020-03-01"})["psa_ng_ml", 2] == "2020-03-01"
    found = days({"baseline_psa": "4", "psa_level": "5", "psa_date": "2020-03-01"})
    assert (found["baseline_psa", 2], found["psa_level", 2]) == ("", "")


def test_a_date_that_is_none_or_could_be_two_dates_no_value() -> None:
    assert days({"psa": "4", "psa_date": "9999-12-31"})["psa", 2] == ""
    cells = [
        ClinicalRow("p", name, text, table="t", row=2) for name, text in (("psa", "4"), ("psa_date", "03/04/2020"))
    ]
    values, findings = harmonise(cells)
    assert (values[0].date, [f.code for f in findings]) == ("", ["date-order-unclear"])
    assert days({"psa": "4", "date_of_birth": "1950-01-02"})["psa", 2] == ""


def test_a_mapping_states_the_order_of_a_date_that_dates_another(tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_text("source,variable,rule\nmarker_date,tumor_marker_date,dmy\n")
    found = days({"psa": "4", "marker_date": "03/04/2020"}, mapping=mappings("plain", path))
    assert found["psa", 2] == "2020-04-03"
