from __future__ import annotations

from pathlib import Path

import pytest

from tests.extracts import trees
from workbench import extracts
from workbench.errors import UsageError
from workbench.extracts.clinical import ID_COLUMNS, NAME_COLUMNS, PATIENT_COLUMNS, TIMEPOINT_COLUMNS, long_rows
from workbench.extracts.tables import Table


def table(header: str, *rows: str) -> Table:
    numbered = tuple((number, tuple(row.split(","))) for number, row in enumerate(rows, start=2))
    return Table("t.csv", tuple(header.split(",")), numbered)


def values(of: Table) -> list[tuple[str, str, str, str, int]]:
    return [(row.patient_id, row.timepoint, row.variable, row.value, row.row) for row in long_rows(of)[0]]


def codes(of: Table) -> list[str]:
    return [finding.code for finding in long_rows(of)[1]]


@pytest.mark.parametrize(
    "name", ["patient_id", "PatientID", "Patient ID", "subject", "dicom_patient_id", "Num patient"]
)
def test_patient_column_is_told_by_its_name(name: str) -> None:
    of = table(f"age,{name}", "61,P1")
    assert values(of) == [("P1", "", "age", "61", 2)]
    assert codes(of) == []


def test_first_column_is_taken_otherwise_and_noted() -> None:
    of = table("code,age", "P1,61")
    assert values(of) == [("P1", "", "age", "61", 2)]
    assert codes(of) == ["id-column-guessed"]


def test_better_name_wins_over_earlier_column() -> None:
    assert values(table("subject,patient_id", "x,P1")) == [("P1", "", "subject", "x", 2)]


def test_names_in_the_tables_are_in_the_form_that_is_compared() -> None:
    for name in (*PATIENT_COLUMNS, *ID_COLUMNS, *NAME_COLUMNS, *TIMEPOINT_COLUMNS):
        assert name == "".join(filter(str.isalnum, name)).casefold()


def test_timepoint_column_labels_rows_and_is_no_variable() -> None:
    of = table("patient_id,Time point,psa", "P1,1,4.2", "P1,2,3.1")
    assert values(of) == [("P1", "1", "psa", "4.2", 2), ("P1", "2", "psa", "3.1", 3)]
    assert codes(of) == []


def test_empty_cell_is_an_empty_value() -> None:
    assert values(table("patient_id,psa", "P1,")) == [("P1", "", "psa", "", 2)]


def test_identical_rows_are_counted_once() -> None:
    of = table("patient_id,psa", "P1,4", "P2,5", "P1,4", "P1,4")
    assert [row[-1] for row in values(of)] == [2, 3]
    (finding,) = long_rows(of)[1]
    assert (finding.code, finding.count) == ("rows-per-patient-unclear", 2)
    assert "rows 2 and 4" in finding.message


def test_different_rows_of_a_patient_are_kept_with_their_numbers() -> None:
    of = table("patient_id,psa", "P1,4", "P2,5", "P1,6")
    assert [row[-1] for row in values(of)] == [2, 3, 4]
    (finding,) = long_rows(of)[1]
    assert (finding.code, finding.count) == ("rows-per-patient-unclear", 1)
    assert "rows 2, 4" in finding.message


def test_different_rows_at_one_timepoint_are_unclear_too() -> None:
    assert codes(table("patient_id,visit,psa", "P1,1,4", "P1,1,5")) == ["rows-per-patient-unclear"]


def test_rows_without_a_patient_are_left_out_and_named() -> None:
    of = table("patient_id,psa", ",4", "P1,5")
    assert values(of) == [("P1", "", "psa", "5", 3)]
    assert codes(of) == ["clinical-unreadable"]
    assert long_rows(of)[1][0].message.startswith("row 2:")


def test_messages_hold_no_values() -> None:
    of = table("Ana,1961", "P1,SECRET", "P1,OTHER", ",x")
    messages = " ".join(finding.message for finding in long_rows(of)[1])
    assert messages
    assert not any(word in messages for word in ("Ana", "1961", "SECRET", "P1"))


def test_id_column_is_used_in_any_spelling(tmp_path: Path) -> None:
    root = trees.plain(tmp_path, "patient_id,Hospital Code,age\nx,P1,61\n")
    for name in ("Hospital Code", "hospital_code"):
        extract = extracts.open_extract(root, id_column=name)
        assert {row.patient_id for row in extract.clinical} == {"P1"}
        assert extract.findings == ()


def test_id_column_that_is_nowhere_is_an_error_with_a_hint(tmp_path: Path) -> None:
    root = trees.plain(tmp_path, "codigo,age\nP1,61\n")
    with pytest.raises(UsageError, match="did you mean 'codigo'"):
        extracts.open_extract(root, id_column="codgo")
    with pytest.raises(UsageError) as caught:
        extracts.open_extract(root, id_column="zzz")
    assert "codigo" not in str(caught.value)


def test_id_column_of_another_extract_gives_way_to_a_known_name(tmp_path: Path) -> None:
    extract = extracts.open_extract(trees.plain(tmp_path), id_column="codigo")
    assert {row.patient_id for row in extract.clinical} == {"P1", "P2"}
    assert trees.codes(extract) == ["id-column-guessed"]


def test_one_broken_table_does_not_cost_the_others(tmp_path: Path) -> None:
    root = trees.plain(tmp_path)
    (root / "a.csv").write_bytes(b"\0\1\2")
    extract = extracts.open_extract(root)
    assert [(f.code, f.path) for f in extract.findings] == [("clinical-unreadable", "a.csv")]
    assert len(extract.clinical) == 2


@pytest.mark.parametrize(
    ("header", "taken"),
    [
        ("patient_name,subject_id,age", "subject_id"),
        ("PatientName,PatientID,age", "PatientID"),
        ("name,id,age", "id"),
        ("Name,Case,age", "Case"),
        ("subjectName,participant_id,age", "participant_id"),
        ("patient_name,code,age", "code"),
        ("nombre,codigo paciente,age", "codigo paciente"),
        ("Nachname,Patientennummer,age", "Patientennummer"),
        ("surname,mrn,age", "mrn"),
    ],
)
def test_a_name_is_no_patient_id_where_an_id_is_there(header: str, taken: str) -> None:
    of = table(header, *(",".join(f"{name} {row}" for name in header.split(",")) for row in "ab"))
    assert [row[0] for row in values(of)] == [f"{taken} {row}" for row in "ab" for _ in range(2)]


@pytest.mark.parametrize("name", ["patient_name", "PatientName", "name", "subjectName", "Nombre del paciente", "Nom"])
def test_a_name_column_is_the_last_resort_and_noted(name: str) -> None:
    of = table(f"age,{name}", "61,P1")
    assert values(of) == [("P1", "", "age", "61", 2)]
    (finding,) = long_rows(of)[1]
    assert finding.code == "id-column-guessed"
    assert "names" in finding.message


def test_an_id_of_whatever_is_taken_and_noted() -> None:
    of = table("age,id", "61,P1")
    assert values(of) == [("P1", "", "age", "61", 2)]
    assert codes(of) == ["id-column-guessed"]


def test_rewritten_numbers_keep_the_cell_as_it_stands(tmp_path: Path) -> None:
    root = trees.plain(tmp_path, "patient_id;psa;n\nP1;4,2;3\nP2;5,0;4\n")
    rows = extracts.open_extract(root).clinical
    assert [(row.variable, row.value, row.raw) for row in rows] == [
        ("psa", "4.2", "4,2"),
        ("n", "3", ""),
        ("psa", "5.0", "5,0"),
        ("n", "4", ""),
    ]


def test_patient_ids_are_never_rewritten(tmp_path: Path) -> None:
    root = trees.plain(tmp_path, "patient_id;n\n1,5;3\n2,5;4\n")
    assert [row.patient_id for row in extracts.open_extract(root).clinical] == ["1,5", "2,5"]
