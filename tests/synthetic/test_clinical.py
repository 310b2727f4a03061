from __future__ import annotations

import csv
import io
import json

import pyarrow.parquet as pq
import pytest

from workbench.synthetic import clinical
from workbench.synthetic.draws import make_plan


@pytest.fixture(scope="module")
def nodes():
    return {node.name: node for node in make_plan(patients=24, seed=0).nodes}


def test_every_node_leaves_some_values_out(nodes):
    for node in nodes.values():
        cells = [value for patient in node.patients for value in clinical.written_values(node, patient).values()]
        gaps = sum(len(patient.gaps) for patient in node.patients)
        assert 0.08 < gaps / (len(cells) - sum(value is None for value in cells) + gaps) < 0.18


def test_nothing_else_is_changed_than_words(nodes):
    back = {
        name: {variable: {v: k for k, v in codes.items()} for variable, codes in dialect.codes.items()}
        for name, dialect in clinical.DIALECTS.items()
    }
    for name, node in nodes.items():
        for patient in node.patients:
            row = clinical.written_values(node, patient)
            for variable, column in clinical.DIALECTS[name].columns.items():
                if variable in patient.gaps:
                    assert row[column] is None
                else:
                    assert back[name].get(variable, {}).get(row[column], row[column]) == patient.clinical[variable]


def test_eforms_have_pages_and_leave_missing_answers_out(nodes):
    forms = json.loads(clinical.eforms(nodes["aurora"]))
    by_subject = {form["subjectName"]: form["eForm"] for form in forms}
    for patient in nodes["aurora"].patients:
        form = by_subject[patient.patient_id]
        assert form["chaimeleon_patient_id"] == patient.patient_id
        answers = {
            f"{page['page_name']}.{name}": answer["value"]
            for page in form["pages"]
            for name, answer in page["page_data"].items()
        }
        written = clinical.written_values(nodes["aurora"], patient)
        assert answers == {name: value for name, value in written.items() if value is not None}
    genders = {answer["value"] for form in forms for page in form["eForm"]["pages"]
               for name, answer in page["page_data"].items() if name == "gender"}  # fmt: skip
    assert genders == {"MALE", "FEMALE"}


def test_parquet_has_one_row_per_patient_and_numbers_as_numbers(nodes):
    table = pq.read_table(io.BytesIO(clinical.parquet(nodes["boreal"])))
    assert table.column("dicom_patient_id").to_pylist() == [p.patient_id for p in nodes["boreal"].patients]
    assert str(table.schema.field("age_at_diagnosis").type) == "double"
    assert table.column("ajcc_clinical_stage").null_count >= 1


def test_spreadsheet_has_semicolons_decimal_commas_and_latin_1_accents(nodes):
    content = clinical.spreadsheet(nodes["cedro"])
    with pytest.raises(UnicodeDecodeError):
        content.decode("utf-8")
    rows = list(csv.DictReader(io.StringIO(content.decode("latin-1"), newline=""), delimiter=";"))
    assert next(iter(rows[0])) == "patient_id"
    assert len(rows) == len(nodes["cedro"].patients)
    survival = [row["sobrevivência_meses"] for row in rows if row["sobrevivência_meses"]]
    assert survival
    assert all("," in cell and "." not in cell for cell in survival)
    assert "cancro da próstata" in {row["diagnóstico"] for row in rows}


def test_prostate_patients_are_men_with_psa_and_breast_patients_have_ki67(nodes):
    for node in nodes.values():
        for patient in node.patients:
            assert (patient.clinical["psa"] is not None) == (patient.cancer == "prostate")
            assert (patient.clinical["ki67_percent"] is not None) == (patient.cancer == "breast")
            assert patient.sex == {"prostate": "M", "breast": "F"}.get(patient.cancer, patient.sex)
