from __future__ import annotations

from pathlib import Path

import pytest

import workbench as wb
from workbench.cohort.opening import expand
from workbench.errors import EmptyExtract, PathNotFound, UnsafePath, UsageError
from workbench.findings import CODES


def test_a_pattern_stands_for_folders_in_order(tmp_path: Path) -> None:
    for name in ("b", "a", "c"):
        (tmp_path / name).mkdir()
    (tmp_path / "file").write_text("")
    assert [path.name for path in expand(str(tmp_path / "*"))] == ["a", "b", "c"]


def test_a_folder_whose_name_holds_pattern_signs_is_itself(tmp_path: Path) -> None:
    odd = tmp_path / "site [1]"
    odd.mkdir()
    assert expand(odd) == [odd]


def test_a_pattern_that_matches_nothing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(PathNotFound):
        wb.open_cohort(str(tmp_path / "nothing" / "*"))


def test_no_path_at_all_is_misuse() -> None:
    with pytest.raises(UsageError):
        wb.open_cohort([])


def test_an_empty_folder_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(EmptyExtract) as caught:
        wb.open_cohort(tmp_path)
    assert caught.value.remedy


def test_two_extracts_of_one_name_ask_for_names(federation: Path, tmp_path: Path) -> None:
    import shutil

    twin = tmp_path / "boreal"
    shutil.copytree(federation / "extracts" / "boreal" / "clinical", twin / "clinical")
    (twin / "IM").write_bytes(next((federation / "extracts" / "boreal").rglob("*.dcm")).read_bytes())
    boreal = federation / "extracts" / "boreal"
    with pytest.raises(UsageError, match="node"):
        wb.open_cohort([boreal, twin], layout=None)
    cohort = wb.open_cohort([boreal, twin], node={str(twin): "borealis"})
    assert cohort.nodes == ["boreal", "borealis"]
    found = cohort.findings.set_index("code")
    for code in ("same-patient-id", "series-duplicated"):
        row = found.loc[code]
        assert (row["severity"], row["what"], row["remedy"]) == (
            CODES[code].severity, CODES[code].title, CODES[code].remedy,
        )  # fmt: skip


def test_the_same_extract_twice_is_misuse(federation: Path) -> None:
    boreal = federation / "extracts" / "boreal"
    with pytest.raises(UsageError, match="twice"):
        wb.open_cohort([boreal, boreal])


def test_one_name_for_several_extracts_is_misuse(federation: Path) -> None:
    with pytest.raises(UsageError):
        wb.open_cohort([federation / "extracts" / "boreal", federation / "extracts" / "cedro"], node="one")


def test_a_lake_that_was_not_named_is_unsafe_and_the_message_says_how_to_name_it(federation: Path) -> None:
    with pytest.raises(UnsafePath) as caught:
        wb.open_cohort(federation / "extracts" / "aurora")
    assert "link" in str(caught.value)


@pytest.mark.parametrize("kind", [str, Path])
@pytest.mark.parametrize("by_path", [False, True])
def test_one_link_root_is_one_folder_and_not_its_letters(tmp_path: Path, kind: type, by_path: bool) -> None:
    root = tmp_path / "extract"
    root.mkdir()
    (root / "age.csv").write_text("patient_id,age\nP1,61\n")
    lake = kind(tmp_path / "lake")
    given = {str(root): lake} if by_path else lake
    roots = wb.open_cohort(root, layout="plain", link_roots=given).link_roots
    assert set(roots) - {root} == {tmp_path / "lake"}


def test_a_folder_of_tables_alone_says_how_to_open_it(tmp_path: Path) -> None:
    (tmp_path / "age.csv").write_text("patient_id,age\nP1,61\n")
    with pytest.raises(EmptyExtract, match="layout='plain'") as caught:
        wb.open_cohort(tmp_path)
    assert "--layout plain" in str(caught.value)


def test_trust_that_does_not_exist_yet_is_refused() -> None:
    with pytest.raises(UsageError):
        wb.open_cohort(".", trust="sealed")


def test_a_mapping_of_ones_own_names_columns_and_its_change_is_noticed(federation: Path, tmp_path: Path) -> None:
    where = federation / "extracts" / "cedro"
    mine = tmp_path / "mine.csv"
    mine.write_text("source,variable,values\nsexo,sex,masculino=other|feminino=female\n")
    assert set(wb.open_cohort(where, mapping=mine).clinical["sex"]) == {"other", "female"}
    mine.write_text("source,variable,values\nsexo,sex,\n")
    assert set(wb.open_cohort(where, mapping={where: mine}).clinical["sex"]) == {"male", "female"}
    mine.write_text("source,variable\nsexo,sexx\n")
    with pytest.raises(UsageError, match="row 2"):
        wb.open_cohort(where, mapping=mine)
