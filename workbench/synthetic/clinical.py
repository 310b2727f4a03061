"""Clinical values as each node writes them: its own names, its own codes, its own gaps.

=================  ========================  =================  =======================
variable           aurora (eForm)            boreal (Parquet)   cedro (CSV)
=================  ========================  =================  =======================
sex                MALE, FEMALE              Male, Female       masculino, feminino
diagnosis          Lung cancer               Lung Cancer        cancro do pulmão
stage              II                        Stage II           II
t, n category      cT2, cN1                  T2, N1             T2, N1
vital_status       ALIVE, DEAD               Alive, Dead        vivo, falecido
numbers            JSON numbers              doubles            decimal comma
=================  ========================  =================  =======================
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from workbench.synthetic.plan import NodePlan, PatientPlan

Value = str | int | float | None


@dataclass(frozen=True)
class Dialect:
    """How a node names variables and codes."""

    #: Our variable -> the node's name, in the node's order.
    columns: Mapping[str, str]
    #: Our variable -> our value -> the node's value; values not listed stay.
    codes: Mapping[str, Mapping[str, str]]


#: What every node writes, by node.
DIALECTS: Final[Mapping[str, Dialect]] = {
    "aurora": Dialect(
        {
            "baseline_date": "inclusion_criteria.baseline_date",
            "age_at_diagnosis": "inclusion_criteria.age_at_diagnosis",
            "sex": "patient_data.gender",
            "diagnosis": "disease.diagnosis",
            "stage": "disease.clinical_stage",
            "t_category": "disease.ct_category",
            "n_category": "disease.cn_category",
            "psa": "laboratory.psa",
            "ki67_percent": "laboratory.ki67",
            "vital_status": "follow_up.vital_status",
            "survival_months": "follow_up.survival_months",
        },
        {
            "sex": {"M": "MALE", "F": "FEMALE"},
            "diagnosis": {"lung": "Lung cancer", "breast": "Breast cancer", "prostate": "Prostate cancer"},
            "t_category": {f"T{i}": f"cT{i}" for i in range(1, 5)},
            "n_category": {f"N{i}": f"cN{i}" for i in range(3)},
            "vital_status": {"alive": "ALIVE", "dead": "DEAD"},
        },
    ),
    "boreal": Dialect(
        {
            "sex": "gender",
            "age_at_diagnosis": "age_at_diagnosis",
            "diagnosis": "primary_diagnosis",
            "stage": "ajcc_clinical_stage",
            "t_category": "ajcc_clinical_t",
            "n_category": "ajcc_clinical_n",
            "psa": "psa_ng_ml",
            "ki67_percent": "ki_67_percent",
            "vital_status": "vital_status",
            "survival_months": "overall_survival_months",
        },
        {
            "sex": {"M": "Male", "F": "Female"},
            "diagnosis": {"lung": "Lung Cancer", "breast": "Breast Cancer", "prostate": "Prostate Cancer"},
            "stage": {stage: f"Stage {stage}" for stage in ("I", "II", "III", "IV")},
            "vital_status": {"alive": "Alive", "dead": "Dead"},
        },
    ),
    "cedro": Dialect(
        {
            "sex": "sexo",
            "age_at_diagnosis": "idade_diagnóstico",
            "diagnosis": "diagnóstico",
            "stage": "estádio",
            "t_category": "categoria_T",
            "n_category": "categoria_N",
            "psa": "psa_ng_ml",
            "ki67_percent": "ki67_percentagem",
            "vital_status": "estado_vital",
            "survival_months": "sobrevivência_meses",
        },
        {
            "sex": {"M": "masculino", "F": "feminino"},
            "diagnosis": {"lung": "cancro do pulmão", "breast": "cancro da mama", "prostate": "cancro da próstata"},
            "vital_status": {"alive": "vivo", "dead": "falecido"},
        },
    ),
}

#: eForm page -> label; eForm variable -> label and type, as a clinical data manager would enter them.
_PAGES: Final = {
    "inclusion_criteria": "Inclusion criteria", "patient_data": "Patient data", "disease": "Disease",
    "laboratory": "Laboratory", "follow_up": "Follow-up",
}  # fmt: skip
_FORM: Final = {
    "baseline_date": ("Baseline date", "datepicker"),
    "age_at_diagnosis": ("Age at baseline", "integer"),
    "gender": ("Gender", "radio"),
    "diagnosis": ("Diagnosis", "select"),
    "clinical_stage": ("Clinical stage", "select"),
    "ct_category": ("Clinical T", "select"),
    "cn_category": ("Clinical N", "select"),
    "psa": ("PSA (ng/mL)", "number"),
    "ki67": ("Ki-67 (%)", "number"),
    "vital_status": ("Vital status", "radio"),
    "survival_months": ("Survival (months)", "number"),
}


def written_values(node: NodePlan, patient: PatientPlan) -> dict[str, Value]:
    """Values of a patient in the node's words by the node's names; None where the node gives none."""
    dialect = DIALECTS[node.name]
    row: dict[str, Value] = {}
    for variable, column in dialect.columns.items():
        value = patient.clinical[variable]
        if variable == "age_at_diagnosis" and node.age_unit == "months":
            value = patient.age_months
        if value is None or variable in patient.gaps:
            row[column] = None
        else:
            row[column] = dialect.codes.get(variable, {}).get(str(value), value)
    return row


def eforms(node: NodePlan) -> bytes:
    """``eforms.json`` of a dataset-service node: one form of pages per patient, missing answers left out."""
    forms = []
    for patient in node.patients:
        pages: dict[str, dict[str, Any]] = {}
        for name, value in written_values(node, patient).items():
            page, variable = name.split(".")
            data = pages.setdefault(page, {})
            if value is not None:
                label, kind = _FORM[variable]
                data[variable] = {"var_label": label, "value": value, "value_type": kind}
        forms.append(
            {
                "subjectName": patient.patient_id,
                "eForm": {
                    "metaproject": f"Synthetic {patient.cancer.title()}",
                    "chaimeleon_patient_id": patient.patient_id,
                    "pages": [
                        {"page_name": page, "page_label": _PAGES[page], "page_data": data, "lists": []}
                        for page, data in pages.items()
                    ],
                },
            }
        )
    return (json.dumps(forms, indent=1) + "\n").encode("ascii")


def parquet(node: NodePlan) -> bytes:
    """Clinical table of an idc node: one row per patient, patients in ``dicom_patient_id``."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = _rows(node)
    columns: dict[str, Any] = {"dicom_patient_id": pa.array([patient_id for patient_id, _ in rows], pa.string())}
    for variable, column in DIALECTS[node.name].columns.items():
        kind = pa.float64() if variable in _NUMBERS else pa.string()
        columns[column] = pa.array([row[column] for _, row in rows], kind)
    buffer = io.BytesIO()
    pq.write_table(pa.table(columns), buffer, compression="none")
    return buffer.getvalue()


def spreadsheet(node: NodePlan) -> bytes:
    """Clinical table of a plain node as a spreadsheet exports it: semicolons, decimal commas, Latin-1."""
    columns = list(DIALECTS[node.name].columns.values())
    lines = [";".join(["patient_id", *columns])]
    for patient_id, row in _rows(node):
        cells = ("" if row[c] is None else str(row[c]) for c in columns)
        lines.append(";".join([patient_id, *(_comma(row[c], cell) for c, cell in zip(columns, cells, strict=True))]))
    return ("\r\n".join(lines) + "\r\n").encode("latin-1")


#: Variables that are numbers.
_NUMBERS: Final = ("age_at_diagnosis", "psa", "ki67_percent", "survival_months")


def _comma(value: Value, cell: str) -> str:
    return cell.replace(".", ",") if isinstance(value, float) else cell


def _rows(node: NodePlan) -> list[tuple[str, dict[str, Value]]]:
    """Rows of a node's table; a repeated patient has a second row with an earlier end of follow-up."""
    survival = DIALECTS[node.name].columns["survival_months"]
    rows = []
    for patient in node.patients:
        row = written_values(node, patient)
        rows.append((patient.patient_id, row))
        if patient.patient_id in node.repeated_rows:
            rows.append((patient.patient_id, {**row, survival: 1.5}))
    return rows
