from __future__ import annotations

from pathlib import Path

import pytest

from workbench.cohort.clinical.harmonise import harmonise
from workbench.cohort.vocabulary.mapping import mappings
from workbench.errors import PathNotFound, UsageError
from workbench.extracts import ClinicalRow


def written(folder: Path, *lines: str, header: str = "source,variable,when,unit,values,rule") -> Path:
    path = folder / "mine.csv"
    path.write_text("\n".join((header, *lines)) + "\n", encoding="utf-8")
    return path


def test_a_users_mapping_goes_first_and_adds_to_ours(tmp_path: Path) -> None:
    mine = mappings("plain", written(tmp_path, "Sexo,sex,,,1=male|2=female,", "glob,psa,,ug/L,,"))
    values, findings = harmonise(
        [ClinicalRow("p", "sexo", "2"), ClinicalRow("p", "Glob", "4"), ClinicalRow("p", "edad", "61")], mapping=mine
    )
    assert [(v.variable, v.value, v.unit, v.mapping) for v in values] == [
        ("sex", "female", "", "mine.csv:2"),
        ("psa", "4", "ng/mL", "mine.csv:3"),
        ("age_at_diagnosis", "61", "a", "vocabulary"),
    ]
    assert findings == []


def test_a_condition_on_another_column_of_the_row_decides(tmp_path: Path) -> None:
    mine = mappings(
        "plain",
        written(
            tmp_path,
            "size,tumor_max_dimension,organ=lung|pulmón,mm,,",
            "size,prostate_volume,organ=prostate,cm3,,",
            "organ,,,,,ignore",
        ),
    )
    rows = []
    for number, (organ, size) in enumerate(
        (("Lung", "21"), ("prostate", "40"), ("skin", "3"), ("PULMON", "5")), start=2
    ):
        rows += [
            ClinicalRow("p", "size", size, table="t", file="t.csv", row=number),
            ClinicalRow("p", "organ", organ, table="t", file="t.csv", row=number),
        ]
    values, findings = harmonise(rows, mapping=mine)
    assert [v.variable for v in values if v.raw_variable == "size"] == [
        "tumor_max_dimension", "prostate_volume", "size", "tumor_max_dimension",
    ]  # fmt: skip
    assert [(f.code, f.message) for f in findings] == [("variable-unmapped", "size: first in row 4")]


def test_one_column_may_give_several_values(tmp_path: Path) -> None:
    mine = mappings("plain", written(tmp_path, "cT8,ct_category,,,,", "cT8,tnm_edition,,,*=8,"))
    values, _ = harmonise([ClinicalRow("p", "cT8", "2a"), ClinicalRow("q", "cT8", "")], mapping=mine)
    assert [(v.patient_id, v.variable, v.value) for v in values] == [
        ("p", "ct_category", "cT2a"), ("p", "tnm_edition", "8"), ("q", "ct_category", None), ("q", "tnm_edition", None),
    ]  # fmt: skip


def test_patterns_come_after_exact_names(tmp_path: Path) -> None:
    mine = mappings("plain", written(tmp_path, "psa_*,psa,,,,", "psa_note,,,,,ignore"))
    values, findings = harmonise([ClinicalRow("p", "psa_note", "x"), ClinicalRow("p", "PSA-pre", "4")], mapping=mine)
    assert [(v.variable, v.rule) for v in values] == [("psa_note", "as it came"), ("psa", "number")]
    assert findings == []


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("Sexo,sexx,,,,", r"row 2: no variable 'sexx' .*did you mean sex"),
        ("Sexo,,,,,", r"row 2: no variable .*or give the rule ignore"),
        (",sex,,,,", "row 2: no source"),
        ("Sexo,sex,,,male,", "row 2: a value without its meaning"),
        ("Sexo,sex,,,1=male|1=female,", "row 2: a value stands twice"),
        ("Sexo,sex,organ,,,", "row 2: a condition that is none"),
        ("Sexo,sex,,,,guess", "row 2: unknown rule 'guess'"),
        ("x,psa,,cm,,", r"row 2: unit 'cm' is unknown or does not fit.*ng/mL"),
        ("x,sex,,,,,,,,,", "row 2: more cells than the header"),
    ],
)
def test_a_faulty_row_is_refused_with_its_number_and_a_remedy(tmp_path: Path, line: str, said: str) -> None:
    with pytest.raises(UsageError, match=said) as caught:
        mappings("plain", written(tmp_path, line))
    assert caught.value.file == "mine.csv"
    assert caught.value.remedy


def test_a_file_that_is_no_mapping_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="header row must name source"):
        mappings("plain", written(tmp_path, header="a,b"))
    with pytest.raises(UsageError, match="did you mean 'values'"):
        mappings("plain", written(tmp_path, header="source,variable,value"))
    with pytest.raises(PathNotFound):
        mappings("plain", tmp_path / "absent.csv")
    (tmp_path / "latin.csv").write_bytes("source,variable\nsexo é,sex\n".encode("latin-1"))
    with pytest.raises(UsageError, match="not UTF-8"):
        mappings("plain", tmp_path / "latin.csv")


def test_a_mapping_is_known_by_its_content(tmp_path: Path) -> None:
    before = mappings("plain", written(tmp_path, "a,sex,,,,")).digest
    assert mappings("plain", written(tmp_path, "a,sex,,,,")).digest == before
    assert mappings("plain", written(tmp_path, "b,sex,,,,")).digest != before
    assert mappings("plain").digest != before


@pytest.mark.parametrize("layout", ["../../codes", "cdm.csv", "", "sealed"])
def test_a_layout_without_a_mapping_has_the_vocabularys_names(layout: str) -> None:
    assert mappings(layout).names == ()
    assert mappings(layout).rules("", "sexo")[0].variables == ("sex",)
