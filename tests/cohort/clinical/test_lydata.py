"""Two European hospitals in one language, and one hospital's raw table against what was published of it."""

from __future__ import annotations

import csv
import shutil
from collections import Counter
from pathlib import Path

import pandas as pd
import pytest

import workbench as wb
from workbench.cohort.clinical.harmonise import Harmonised
from workbench.cohort.vocabulary.mapping import mappings
from workbench.extracts.opening import open_extract

pytestmark = pytest.mark.data
MAPPING = Path(__file__).with_name("lyon.csv")
#: Variable -> column of the published table, and the words of ours where they differ.
PUBLISHED = {
    "sex": ("sex", {}),
    "age_at_diagnosis": ("age", {}),
    "alcohol_abuse": ("alcohol_abuse", {"true": "True", "false": "False"}),
    "nicotine_abuse": ("nicotine_abuse", {"true": "True", "false": "False"}),
    "pack_years": ("pack_years", {}),
    "hpv_status": ("hpv_status", {"positive": "True", "negative": "False"}),
    "neck_dissection": ("neck_dissection", {"true": "True", "false": "False"}),
    "tnm_edition": ("tnm_edition", {}),
    "tumour_subsite": ("subsite", {}),
    "tumour_crosses_midline": ("extension", {"true": "True", "false": "False"}),
    # The published categories carry no letters behind the number; X is written as -1. The table's N is the
    # pathological one of the eighth edition.
    "ct_category": ("t_stage", {}),
    "pn_category": ("n_stage", {}),
    "cm_category": ("m_stage", {"cMX": "-1"}),
}
CATEGORIES = ("ct_category", "pn_category", "cm_category")


@pytest.fixture(scope="module")
def lydata(data_dir: Path) -> Path:
    return data_dir / "lydata"


@pytest.fixture(scope="module")
def ours(lydata: Path, tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    """Lyon's raw table in our language: variable, patient, value."""
    folder = tmp_path_factory.mktemp("raw") / "lyon"
    folder.mkdir()
    shutil.copy(lydata / "2021-clb-oropharynx.raw.csv", folder / "clinical.csv")
    extract = open_extract(folder, layout="plain", id_column="Num patient")
    made = Harmonised(extract.clinical, mappings("plain", MAPPING))
    return pd.concat([batch.to_pandas() for batch in made.batches()], ignore_index=True)


@pytest.fixture(scope="module")
def theirs(lydata: Path) -> dict[str, dict[str, str]]:
    """The published table: patient -> column -> text."""
    with (lydata / "2021-clb-oropharynx.csv").open(encoding="utf-8", newline="") as lines:
        rows = list(csv.reader(lines))
    names = rows[2][:20]
    return {row[0]: dict(zip(names, row, strict=False)) for row in rows[3:]}


def plain(variable: str, value: str | None, words: dict[str, str]) -> str:
    """Our value as the published table writes it."""
    if value is None:
        return ""
    value = words.get(value, value)
    if variable in CATEGORIES and value not in words.values():
        # cT4a -> 4, pN2b -> 2
        return value[2]
    return value


def same(left: str, right: str) -> bool:
    try:
        return float(left) == float(right)
    except ValueError:
        return left == right


def test_from_the_raw_table_a_mapping_reaches_the_published_one(
    ours: pd.DataFrame, theirs: dict[str, dict[str, str]]
) -> None:
    agreed: dict[str, tuple[int, int]] = {}
    for variable, (column, words) in PUBLISHED.items():
        values = ours[ours["variable"] == variable]
        assert len(values) == len(theirs) == 263, variable
        given = [None if pd.isna(value) else value for value in values["value"]]
        hits = sum(
            same(plain(variable, value, words), theirs[patient][column])
            for patient, value in zip(values["patient_id"], given, strict=True)
        )
        agreed[variable] = (hits, len(values))
    for variable, (hits, count) in agreed.items():
        print(f"{variable:24} {hits:4} of {count}")
    assert {variable: hits for variable, (hits, count) in agreed.items() if hits < 0.99 * count} == {}


def test_days_beyond_twelve_agree_and_all_others_stand_day_first_where_the_published_table_turns_them(
    ours: pd.DataFrame, theirs: dict[str, dict[str, str]]
) -> None:
    """The raw column writes 16/05/2018, so 01/09/2016 is the first of September; the published table says January."""
    dates = ours[ours["variable"] == "date_of_diagnosis"].set_index("patient_id")["value"]
    kinds: Counter[str] = Counter()
    for patient, value in dates.items():
        published = theirs[patient]["diagnose_date"]
        year, month, day = value.split("-")
        turned = f"{year}-{day}-{month}"
        kinds["same" if published == value else "turned" if published == turned else "other"] += 1
        if int(day) > 12:
            assert published == value
    print("date_of_diagnosis", dict(kinds))
    assert kinds["other"] == 0
    assert kinds["same"] + kinds["turned"] == 263


def test_what_the_mapping_names_not_is_listed_and_nothing_is_dropped(lydata: Path, ours: pd.DataFrame) -> None:
    with (lydata / "2021-clb-oropharynx.raw.csv").open(encoding="utf-8-sig", newline="") as lines:
        header = next(csv.reader(lines))
    # 99 columns beside the patient; cT_TNM8 gives two values.
    assert len(ours) == 263 * (len(header) - 1 + 1)
    assert set(ours.loc[ours["rule"] == "as it came", "variable"]) >= {"type histo", "CUR_type"}


def test_every_value_tells_where_it_came_from(ours: pd.DataFrame) -> None:
    sexes = ours[ours["variable"] == "sex"]
    assert set(sexes["raw_variable"]) == {"sexe"}
    assert set(zip(sexes["raw_value"], sexes["value"], strict=True)) == {("0", "male"), ("1", "female")}
    assert set(sexes["rule"]) == {"mapping"}
    assert set(sexes["mapping"]) == {"lyon.csv:2"}
    assert set(sexes["value_code"]) == {"248153007", "248152002"}
    assert sorted(sexes["row"]) == list(range(2, 265))


def test_both_hospitals_open_as_one_clinical_table(lydata: Path, tmp_path: Path) -> None:
    for node in ("usz", "clb"):
        folder = tmp_path / node
        folder.mkdir()
        shutil.copy(lydata / f"2021-{node}-oropharynx.csv", folder / "clinical.csv")
    folders = [tmp_path / "usz", tmp_path / "clb"]
    clinical = wb.open_cohort(folders, layout="plain", id_column="patient.#.id", header=3).clinical
    assert clinical.groupby("node").size().to_dict() == {"clb": 263, "usz": 287}
    shared = (
        "sex", "age_at_diagnosis", "date_of_diagnosis", "alcohol_abuse", "nicotine_abuse", "hpv_status",
        "neck_dissection", "tnm_edition", "tumour_subsite", "n_category_any", "m_category_any",
    )  # fmt: skip
    for variable in shared:
        filled = clinical[variable].notna().groupby(clinical["node"]).mean()
        assert (filled > 0.95).all(), variable
    assert clinical["sex"].value_counts().to_dict() == {"male": 435, "female": 115}
    # Zurich says of each tumour whether its category is clinical or pathological.
    of_zurich = clinical[clinical["node"] == "usz"]
    assert (int(of_zurich["ct_category"].notna().sum()), int(of_zurich["pt_category"].notna().sum())) == (203, 84)
    assert set(of_zurich["laterality"]) == {"left", "right", "midline"}
    # Zurich writes C01.9, Lyon C01: one place.
    assert "C01.9" not in set(clinical["tumour_subsite"])
