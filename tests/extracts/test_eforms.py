from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.extracts.eforms import read_eforms


def read(form: Any, *, subject: str = "P1") -> tuple[dict[str, str], list[str]]:
    rows, findings = read_eforms(json.dumps([{"subjectName": subject, "eForm": form}]).encode())
    return {row.variable: row.value for row in rows}, [finding.code for finding in findings]


def page(data: Any, lists: Any = ()) -> dict[str, Any]:
    return {"pages": [{"page_name": "lab", "page_label": "Lab", "page_data": data, "lists": lists}]}


def test_variable_of_a_page_is_named_by_page_and_variable() -> None:
    form = page({"psa": {"value": 4.25, "unit": "ng/mL"}, "note": {"value": None}, "done": {"value": True}})
    assert read(form) == ({"lab.psa": "4.25", "lab.note": "", "lab.done": "true"}, [])
    rows, _ = read_eforms(json.dumps([{"subjectName": "P1", "eForm": form}]).encode())
    assert (rows[0].unit, rows[0].table, rows[0].file, rows[0].row) == ("ng/mL", "lab", "eforms.json", 0)


def test_flat_form_is_its_columns() -> None:
    assert read({"age": "61", "stage": " II "}) == ({"age": "61", "stage": "II"}, [])


@pytest.mark.parametrize("form", [{}, None])
def test_empty_form_gives_nothing(form: Any) -> None:
    assert read(form) == ({}, [])


@pytest.mark.parametrize("form", [[1], "text", {"pages": "x"}, {"a": {"b": 1}}])
def test_unknown_shape_is_a_finding_and_kept_raw(form: Any) -> None:
    values, codes = read(form)
    assert codes == ["eform-shape-unknown"]
    kept = values["eForm"]
    assert kept == form or json.loads(kept) == form


def test_odd_page_is_kept_raw_and_the_others_are_read() -> None:
    form = page({"psa": {"value": 4}})
    form["pages"] += [{"page_label": "nameless"}, {"page_name": "odd", "page_data": {"x": {"label": "no value"}}}]
    values, codes = read(form)
    assert codes == ["eform-shape-unknown"]
    assert values["lab.psa"] == "4"
    assert json.loads(values["eForm.pages[1]"]) == {"page_label": "nameless"}
    assert json.loads(values["odd.x"]) == {"label": "no value"}


def test_lists_are_numbered_rows() -> None:
    form = page({}, [{"drug": {"value": "a"}}, [{"drug": {"value": "b"}}, "c"]])
    rows, findings = read_eforms(json.dumps([{"subjectName": "P1", "eForm": form}]).encode())
    assert [(row.variable, row.value, row.row) for row in rows] == [
        ("lab.drug", "a", 1),
        ("lab.drug", "b", 2),
        ("lab.lists", "c", 3),
    ]
    assert findings == ()


@pytest.mark.parametrize("text", ["{", '{"a": 1}', "[1, ", "\xff"])
def test_file_that_cannot_be_read_is_a_finding(text: str) -> None:
    rows, findings = read_eforms(text.encode("latin-1"))
    assert rows == ()
    assert [finding.code for finding in findings] == ["clinical-unreadable"]


def test_entry_without_subject_is_named_and_the_rest_read() -> None:
    items = [{"eForm": {"a": "1"}}, 5, {"subjectName": "P1", "eForm": {"a": "2"}}]
    rows, findings = read_eforms(json.dumps(items).encode())
    assert [row.value for row in rows] == ["2"]
    assert [finding.message[:10] for finding in findings] == ["eforms.jso"] * 2
    assert "eforms.json[1]" in findings[1].message


@pytest.mark.parametrize(("second", "kept"), [("1", 1), ("2", 2)])
def test_repeated_subject_is_a_finding(second: str, kept: int) -> None:
    items = [{"subjectName": "P1", "eForm": {"a": value}} for value in ("1", second)]
    rows, findings = read_eforms(json.dumps(items).encode())
    assert len(rows) == kept
    assert [finding.code for finding in findings] == ["rows-per-patient-unclear"]


def test_form_of_another_patient_is_a_finding() -> None:
    form = {**page({"a": {"value": 1}}), "chaimeleon_patient_id": "P2"}
    assert read(form)[1] == ["patient-id-mismatch"]


json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=4) | st.integers(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["subjectName", "eForm", "pages", "page_name", "page_data", "lists", "value", "unit", "x"]),
            inner,
            max_size=5,
        )
    ),
    max_leaves=20,
)


@given(json_values)
def test_any_json_is_read_or_noted(value: Any) -> None:
    rows, findings = read_eforms(json.dumps(value).encode())
    assert all(isinstance(row.value, str) and row.patient_id for row in rows)
    _, of_one = read_eforms(json.dumps([{"subjectName": "P1", "eForm": value}]).encode())
    assert isinstance(findings, tuple)
    assert {finding.code for finding in of_one} <= {"eform-shape-unknown", "patient-id-mismatch"}


def test_half_a_character_is_a_finding_and_a_whole_one_is_not() -> None:
    _, broken = read_eforms(b'[{"subjectName": "P1", "eForm": {"a": "\\ud83d"}}]')
    assert [finding.code for finding in broken] == ["clinical-unreadable"]
    rows, whole = read_eforms(b'[{"subjectName": "P1", "eForm": {"a": "\\ud83d\\ude00"}}]')
    assert (rows[0].value, whole) == ("\U0001f600", ())


def test_messages_hold_no_values() -> None:
    secret = "1961-05-04"
    items = [{"subjectName": "P1", "eForm": [secret]}, {"subjectName": 5, "eForm": {"d": secret}}]
    _, findings = read_eforms(json.dumps(items).encode())
    _, broken = read_eforms(f'[{{"d": "{secret}" oops'.encode())
    assert findings
    assert broken
    assert not any(secret in finding.message for finding in (*findings, *broken))
