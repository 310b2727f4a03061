from __future__ import annotations

import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from tests.extracts import trees
from workbench import extracts
from workbench.errors import ChangedFile, PathNotFound, UsageError
from workbench.extracts.clinical import batches
from workbench.extracts.columns import (
    DATE_COLUMNS,
    EPISODE_COLUMNS,
    ID_COLUMNS,
    NAME_COLUMNS,
    OFFSET_COLUMNS,
    OFFSET_UNIT_COLUMNS,
    PATIENT_COLUMNS,
    STUDY_COLUMNS,
    STUDY_DATE_COLUMNS,
    STUDY_FACTS,
    TIMEPOINT_COLUMNS,
)
from workbench.extracts.reading import ReadOptions
from workbench.extracts.record import StudyRef
from workbench.extracts.rows import Clinical, ClinicalRow
from workbench.extracts.survey import survey
from workbench.extracts.tables import Table
from workbench.findings import Finding

NAMES = (
    *(*PATIENT_COLUMNS, *ID_COLUMNS, *NAME_COLUMNS, *TIMEPOINT_COLUMNS, *STUDY_COLUMNS, *EPISODE_COLUMNS),
    *(*DATE_COLUMNS, *STUDY_DATE_COLUMNS, *STUDY_FACTS, *OFFSET_COLUMNS, *OFFSET_UNIT_COLUMNS),
)


def table(header: str, *rows: str) -> Table:
    return Table.of("t.csv", header.split(","), [row.split(",") for row in rows])


def rows(of: Table) -> list[ClinicalRow]:
    return list(Clinical([partial(batches, of, survey(of, ReadOptions()))]))


def values(of: Table) -> list[tuple[str, str, str, str, int]]:
    return [(row.patient_id, row.timepoint, row.variable, row.value, row.row) for row in rows(of)]


def findings(of: Table) -> list[Finding]:
    return list(survey(of, ReadOptions()).findings(of))


def codes(of: Table) -> list[str]:
    return [finding.code for finding in findings(of)]


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
    for name in NAMES:
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
    (finding,) = findings(of)
    assert (finding.code, finding.count) == ("rows-per-patient-unclear", 2)
    assert "rows 2 and 4" in finding.message


def test_different_rows_of_a_patient_are_kept_with_their_numbers() -> None:
    of = table("patient_id,psa", "P1,4", "P2,5", "P1,6")
    assert [row[-1] for row in values(of)] == [2, 3, 4]
    (finding,) = findings(of)
    assert (finding.code, finding.count) == ("rows-per-patient-unclear", 1)
    assert "rows 2, 4" in finding.message


def test_different_rows_at_one_timepoint_are_unclear_too() -> None:
    assert codes(table("patient_id,visit,psa", "P1,1,4", "P1,1,5")) == ["rows-per-patient-unclear"]


def test_rows_without_a_patient_are_left_out_and_named() -> None:
    of = table("patient_id,psa", ",4", "P1,5")
    assert values(of) == [("P1", "", "psa", "5", 3)]
    assert codes(of) == ["clinical-unreadable"]
    assert findings(of)[0].message.startswith("row 2:")


def test_messages_hold_no_values() -> None:
    of = table("Ana,1961", "P1,SECRET", "P1,OTHER", ",x")
    messages = " ".join(finding.message for finding in findings(of))
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


def test_a_misspelt_id_column_joins_no_values_to_the_wrong_patient(tmp_path: Path) -> None:
    root = trees.plain(tmp_path, "patient_id,study_code,psa\nA1,A2,1\nA2,A1,2\n")
    with pytest.raises(UsageError, match="did you mean 'study_code'"):
        extracts.open_extract(root, id_column="study_cod")


def test_a_table_without_the_id_column_that_others_have_is_a_serious_finding(tmp_path: Path) -> None:
    root = trees.plain(tmp_path, "patient_id,study_code,psa\nA1,A2,1\nA2,A1,2\n")
    beside = tmp_path / "beside.csv"
    beside.write_text("patient_id,age\nA1,61\n")
    extract = extracts.open_extract(root, id_column="study_code", clinical=[beside])
    (finding,) = [f for f in extract.findings if f.code.startswith("id-column")]
    assert (finding.code, finding.severity, Path(finding.path).name) == ("id-column-absent", "serious", "beside.csv")
    assert {(row.patient_id, row.value) for row in extract.clinical if row.variable == "psa"} == {
        ("A2", "1"), ("A1", "2"),
    }  # fmt: skip


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
    (finding,) = findings(of)
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


def test_unit_date_offset_and_episode_stand_beside_each_value(tmp_path: Path) -> None:
    header = "patient_id,date,days_from_diagnosis,episode,psa,psa_unit,age"
    root = trees.plain(tmp_path, f"{header}\nP1,2020-05-01,12,Relapse,4.2,ng/mL,61\nP1,2021-05-01,377,Relapse,5,,62\n")
    extract = extracts.open_extract(root)
    assert extract.findings == ()
    assert [
        (row.variable, row.value, row.unit, row.date, row.offset, row.offset_unit, row.episode)
        for row in extract.clinical
    ] == [
        ("psa", "4.2", "ng/mL", "2020-05-01", "12", "days", "Relapse"),
        ("age", "61", "", "2020-05-01", "12", "days", "Relapse"),
        ("psa", "5", "", "2021-05-01", "377", "days", "Relapse"),
        ("age", "62", "", "2021-05-01", "377", "days", "Relapse"),
    ]


def test_table_of_studies_says_when_they_were_and_gives_no_values(tmp_path: Path) -> None:
    header = "PatientID,StudyUID,StudyDate,StudyDescription,Episode,Imaging Timepoint"
    root = trees.plain(tmp_path)
    (root / "timepoints.csv").write_text(
        f"{header}\nP1,2.25.1,2020-05-01,MR,Diagnosis,1\nP1,2.25.2,2021,MR,Relapse,2\n"
    )
    extract = extracts.open_extract(root)
    assert extract.findings == ()
    assert {row.table for row in extract.clinical} == {"clinical"}
    assert extract.studies == (
        StudyRef("2.25.1", "P1", "1", "Diagnosis", "2020-05-01", source="timepoints.csv:2"),
        StudyRef("2.25.2", "P1", "2", "Relapse", "2021", source="timepoints.csv:3"),
    )


def test_study_with_two_timepoints_is_told(tmp_path: Path) -> None:
    root = trees.plain(tmp_path, "PatientID,StudyInstanceUID,Timepoint,note\nP1,2.25.1,1,a\nP1,2.25.1,1,b\n,,3,c\n")
    (nameless, unclear) = extracts.open_extract(root).findings
    assert (nameless.code, nameless.message) == ("clinical-unreadable", "row 4: no study; 1 row(s) left out")
    assert "one study" in unclear.message


def test_table_that_changed_after_it_was_opened_is_not_read_on(tmp_path: Path) -> None:
    root = trees.plain(tmp_path)
    extract = extracts.open_extract(root)
    assert len(extract.clinical) == 2
    (root / "clinical.csv").write_text("patient_id,age\nP9,61\nP2,70\nP3,1\n")
    with pytest.raises(ChangedFile, match="open the extract again"):
        list(extract.clinical)


def test_header_of_several_rows_is_read_when_it_is_said(tmp_path: Path) -> None:
    root = trees.plain(tmp_path, "patient,,tumor\n#,#,1\nid,age,volume\nP1,61,3.5\nP2,62,4\n")
    extract = extracts.open_extract(root, header=3)
    assert extract.findings == ()
    assert [(row.patient_id, row.variable, row.value, row.row) for row in extract.clinical][:2] == [
        ("P1", "patient.#.age", "61", 4),
        ("P1", "tumor.1.volume", "3.5", 4),
    ]
    for header in (0, -1):
        with pytest.raises(UsageError, match="at least one row"):
            extracts.open_extract(root, header=header)


WIDE, VERY_WIDE = 40, 5_000
#: What a child process needs beyond what is loaded when it starts, in MiB.
ROOM = 120


@pytest.mark.slow
@pytest.mark.parametrize("shape", ["wide", "very wide", "one patient", "short rows"])
def test_memory_stays_flat_however_long_a_table_is(tmp_path: Path, shape: str) -> None:
    line = {
        "wide": lambda n: f"P{n}," + ",".join(f"{n * i % 997 / 10}" for i in range(WIDE)),
        "very wide": lambda n: f"P{n}," + ",".join(f"{n * i % 997 / 10}" for i in range(VERY_WIDE)),
        "one patient": lambda n: f"P1,{n}" + ",12.5" * (WIDE - 1),
        "short rows": lambda n: f"P{n},{n % 7}",
    }[shape]
    rows, width = {"short rows": (1_500_000, 1), "very wide": (1_500, VERY_WIDE)}.get(shape, (150_000, WIDE))
    path = tmp_path / "t.csv"
    with path.open("w") as file:
        file.write("patient_id," + ",".join(f"v{i}" for i in range(width)) + "\n")
        file.writelines(line(n) + "\n" for n in range(rows))
    code = """
import resource, sys
from pathlib import Path
import numpy, pyarrow
from workbench.extracts.clinical import read_clinical
from workbench.extracts.reading import ReadOptions
from workbench.extracts.tree import Tree

peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
before = peak()
root = Path(sys.argv[1])
read = read_clinical(Tree(root, (root,)), ["t.csv"], ReadOptions())
print(sum(batch.num_rows for batch in read.clinical.batches()), peak() - before)
"""
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True)
    values, grown = map(int, done.stdout.split())
    assert values == rows * width
    assert grown < ROOM


def test_tables_outside_the_extract_are_read_besides_those_in_it(tmp_path: Path) -> None:
    root = trees.plain(tmp_path / "images")
    beside = tmp_path / "tables"
    beside.mkdir()
    (beside / "labs.csv").write_text("patient_id,psa\nP1,4.2\n")
    (beside / "notes.txt").write_text("none of ours")
    expected = [("P1", "age"), ("P2", "age"), ("P1", "psa")]
    for given in (beside / "labs.csv", [beside / "labs.csv"], beside, str(beside)):
        extract = extracts.open_extract(root, clinical=given)
        assert [(row.patient_id, row.variable) for row in extract.clinical] == expected
        assert extract.tables == ("clinical.csv", "../../tables/labs.csv")
        assert (extract.root / extract.tables[1]).is_file()
        assert extract.findings == ()


def test_tables_outside_go_with_layouts_whose_own_are_no_tables(tmp_path: Path) -> None:
    root, lake = trees.dataset_service(tmp_path)
    table = tmp_path / "labs.csv"
    table.write_text(f"patient_id,psa\n{trees.SUBJECT_A},4.2\n")
    extract = extracts.open_extract(root, link_roots=[lake], clinical=table)
    assert [row.table for row in extract.clinical] == ["inclusion_criteria", "patient_data"] * 2 + ["labs"]


def test_table_outside_that_is_named_itself_is_loaded_whatever_its_name(tmp_path: Path) -> None:
    root = trees.plain(tmp_path / "images")
    (tmp_path / "_labs.csv").write_text("patient_id,psa\nP1,4.2\n")
    extract = extracts.open_extract(root, clinical=tmp_path / "_labs.csv")
    assert len(extract.clinical) == 3
    assert [(f.code, f.message) for f in extract.findings] == [
        ("csv-not-anonymised-suspected", "table was loaded, for it was named")
    ]


def test_what_is_not_there_is_an_error_that_names_it(tmp_path: Path) -> None:
    root = trees.plain(tmp_path / "images")
    with pytest.raises(PathNotFound, match=r"gone\.csv"):
        extracts.open_extract(root, clinical=tmp_path / "gone.csv")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="no clinical table in the folder"):
        extracts.open_extract(root, clinical=[tmp_path / "empty"])
    with pytest.raises(UsageError, match="empty path"):
        extracts.open_extract(root, clinical=[""])


def test_model_tables_outside_are_read_as_such(tmp_path: Path) -> None:
    root = trees.plain(tmp_path / "images")
    model = tmp_path / "model"
    model.mkdir()
    header = "Identifier,patient_managing_organization,patient_diagnostic_category,patient_birth_sex"
    (model / "patient_20260102_030405_records.csv").write_text(f"{header}\nP1,,,SNOMEDCT248153007\n")
    extract = extracts.open_extract(root, clinical=model)
    assert ("P1", "patient.patient_birth_sex") in {(row.patient_id, row.variable) for row in extract.clinical}
    assert (extract.layout, extract.root) == ("plain", root)


CENTRES = "patient_id,center,age\nP1,RUMC,61\nP2,PCNN,70\nP3,,50\nP4,RUMC,1\nP4,ZGT,2\n"


def test_centre_of_each_patient_is_told_by_the_column_asked_for(tmp_path: Path) -> None:
    root = trees.plain(tmp_path, CENTRES)
    assert extracts.open_extract(root).nodes == {}
    extract = extracts.open_extract(root, node_column="Center")
    assert extract.nodes == {"P1": "RUMC", "P2": "PCNN"}
    assert ("P1", "center", "RUMC") in {(row.patient_id, row.variable, row.value) for row in extract.clinical}
    (unclear,) = [finding for finding in extract.findings if finding.code == "centre-unclear"]
    assert (unclear.patient_id, unclear.count) == ("P4", 2)


def test_centre_column_that_is_nowhere_or_of_something_else_is_an_error(tmp_path: Path) -> None:
    root = trees.plain(tmp_path, CENTRES)
    with pytest.raises(UsageError, match="did you mean 'center'"):
        extracts.open_extract(root, node_column="centre")
    (root / "clinical.csv").write_text("patient_id,code\n" + "".join(f"P{n},{n}\n" for n in range(600)))
    with pytest.raises(UsageError, match="more than 500 different values"):
        extracts.open_extract(root, node_column="code")
