from __future__ import annotations

import csv
from importlib.resources import files
from pathlib import Path

import pytest

from workbench.errors import PathNotFound, UsageError
from workbench.labels.names import name_table, standard_name, unmapped

ROWS = list(csv.DictReader(files("workbench.labels").joinpath("names.csv").read_text(encoding="utf-8").splitlines()))


@pytest.mark.parametrize(
    ("name", "standard"),
    [
        ("GTV", "GTV"), ("gtv_1", "GTV"), ("GTV-12", "GTV"), ("GTV_Mass", "GTV"), ("GTVp", "GTVp"), ("gtv p 2", "GTVp"),
        ("GTVnd", "GTVn"), ("GTV N1", "GTVn"), ("CTV", "CTV"), ("ptv 2", "PTV"), ("lung_l", "Lung_L"),
        ("LungL", "Lung_L"), ("Lung-Right", "Lung_R"), ("L LUNG", "Lung_L"), ("Liver", "Liver"), ("HÍGADO", "Liver"),
        ("Speiseröhre", "Esophagus"), ("spinal_cord", "SpinalCord"), ("kidney_left", "Kidney_L"),
    ],
)  # fmt: skip
def test_a_name_is_known_whatever_its_case_accents_and_punctuation(name: str, standard: str) -> None:
    assert standard_name(name) == standard


@pytest.mark.parametrize("name", ["", "GTV-PET-old", "tumour", "not GTV", "lung", "GTV liver", "***", "#"])
def test_a_part_of_a_name_is_never_enough(name: str) -> None:
    assert standard_name(name) == ""


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["standard"])
def test_every_row_has_its_source_and_knows_its_own_spellings(row: dict[str, str]) -> None:
    assert row["source"].strip()
    assert standard_name(row["standard"]) == row["standard"]
    for spelling in row["spellings"].split("|"):
        assert standard_name(spelling.replace("#", "3")) == row["standard"]


def test_what_is_left_out_is_listed_once_in_order() -> None:
    assert unmapped(["heart", "Lesion B", "GTV", "Lesion A", "Lesion B"]) == ("Lesion B", "Lesion A")


def test_the_users_names_come_first_and_extend_the_table() -> None:
    extra = {"Lesion *": "GTV", "gtv_1": "GTVp", "Node #": "GTVn"}
    names = ["LESION-b", "GTV 1", "GTV 2", "node7", "node", "liver"]
    assert [standard_name(name, extra=extra) for name in names] == ["GTV", "GTVp", "GTV", "GTVn", "", "Liver"]
    assert unmapped(names, extra=extra) == ("node",)


def test_the_users_table_is_a_csv(tmp_path: Path) -> None:
    table = tmp_path / "names.csv"
    table.write_text("standard,spellings\nGTV,tumor|läsion\n", encoding="utf-8-sig")
    assert standard_name("Läsion", extra=table) == "GTV"
    assert name_table(str(table)).standard("Tumor") == "GTV"


@pytest.mark.parametrize("text", ["name,to\na,b\n", "standard,spellings\nGTV\n", "standard,spellings\nA,x\nB,X\n", ""])
def test_a_table_that_is_not_clear_is_refused_by_its_name(tmp_path: Path, text: str) -> None:
    table = tmp_path / "mine.csv"
    table.write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match=r"mine\.csv"):
        name_table(table)


def test_a_table_that_is_not_text_or_not_there_is_refused(tmp_path: Path) -> None:
    table = tmp_path / "mine.csv"
    table.write_bytes(b"standard,spellings\nGTV,l\xe4sion\n")
    with pytest.raises(UsageError, match="UTF-8"):
        name_table(table)
    with pytest.raises(PathNotFound):
        name_table(tmp_path / "none.csv")
