"""One extract of several centres: each is a node of the cohort, by a column of the tables."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import workbench as wb
from workbench.cohort import Cohort
from workbench.errors import UsageError


@pytest.fixture(scope="module")
def trial(small_federation: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An extract whose patients are of two centres, but for one of none. No test changes it."""
    folder = tmp_path_factory.mktemp("trial") / "trial"
    shutil.copytree(small_federation / "extracts" / "cedro", folder)
    for table in folder.glob("*.csv"):
        table.unlink()
    whole = wb.open_cohort(folder)
    patients = sorted(whole.patients["patient_id"])
    rows = [f"{patient},{('east', 'west')[n % 2]},{60 + n}" for n, patient in enumerate(patients[1:])]
    (folder / "marksheet.csv").write_text("\n".join(["patient_id,center,age", *rows, "extra,north,50"]) + "\n")
    return folder


@pytest.fixture
def extract(trial: Path, tmp_path: Path) -> Path:
    """The same, to be changed."""
    return Path(shutil.copytree(trial, tmp_path / "trial"))


def by_node(cohort: Cohort, table: str, column: str) -> set[tuple[str, str]]:
    return set(cohort.sql(f'select distinct node, {column} from "{table}"').itertuples(index=False, name=None))


def test_every_table_carries_the_node_of_the_patient(trial: Path) -> None:
    whole = wb.open_cohort(trial)
    cohort = wb.open_cohort(trial, node_column="center")
    assert whole.nodes == ["trial"]
    assert cohort.nodes == ["east", "north", "trial", "west"]
    assert len(cohort.series) == len(whole.series)
    assert len(cohort.values) == len(whole.values)
    counts = [one.sql("select count(*) n from instances")["n"][0] for one in (whole, cohort)]
    assert counts[0] == counts[1]
    node = {patient: at for at, patient in by_node(cohort, "patients", "patient_id")}
    assert set(node.values()) == set(cohort.nodes)
    for table in ("series", "values", "clinical"):
        assert {node[patient] == at for at, patient in by_node(cohort, table, "patient_id")} == {True}
    owner = dict(cohort.series[["SeriesInstanceUID", "node"]].itertuples(index=False, name=None))
    for table in ("parts", "instances"):
        assert {owner[uid] == at for at, uid in by_node(cohort, table, "SeriesInstanceUID")} == {True}


def test_patients_of_no_centre_stay_with_the_extract_and_are_told(trial: Path) -> None:
    cohort = wb.open_cohort(trial, node_column="center")
    told = cohort.sql("select node, patient_id, message from findings where code = 'centre-unclear'")
    assert list(told["node"]) == ["trial"]
    assert set(told["patient_id"]) == set(cohort.patients.query("node == 'trial'")["patient_id"])
    assert "center" in told["message"][0]


def test_findings_stand_once_with_the_node_they_concern(extract: Path) -> None:
    (extract / "broken.csv").write_bytes(b"\0\1")
    whole = wb.open_cohort(extract).sql("select code, sum(count) n from findings group by code")
    cohort = wb.open_cohort(extract, node_column="center")
    split = cohort.sql("select code, sum(count) n from findings where code <> 'centre-unclear' group by code")
    assert dict(zip(split["code"], split["n"], strict=True)) == dict(zip(whole["code"], whole["n"], strict=True))
    query = "select distinct node from findings where path = 'broken.csv'"
    assert list(cohort.sql(query)["node"]) == ["east, north, trial, west"]
    assert len(cohort.where("node = 'west'").sql(query)) == 1


def test_images_of_a_centre_load(trial: Path) -> None:
    cohort = wb.open_cohort(trial, node_column="center").where("node = 'west' and kind = 'image'")
    uid = cohort.series["SeriesInstanceUID"][0]
    assert cohort.load(uid).attrs["node"] == "west"
    assert set(cohort.to_datatree().children) == {"west"}


def test_opened_again_it_is_reused_and_split_anew_when_the_table_changes(extract: Path) -> None:
    first = wb.open_cohort(extract, node_column="center")
    again = wb.open_cohort(extract, node_column="center")
    assert [one.reused for one in first.extracts] == [False] * 4
    assert [one.reused for one in again.extracts] == [True] * 4
    assert [one.digest for one in first.extracts] == [one.digest for one in again.extracts]
    table = extract / "marksheet.csv"
    table.write_text(table.read_text().replace("west", "south"))
    assert wb.open_cohort(extract, node_column="center").nodes == ["east", "north", "south", "trial"]
    assert wb.open_cohort(extract).nodes == ["trial"]


def test_centre_named_as_another_node_is_refused(trial: Path, tmp_path: Path) -> None:
    other = tmp_path / "west"
    shutil.copytree(trial, other)
    with pytest.raises(UsageError, match="both be node 'west'"):
        wb.open_cohort([other, trial], node_column={str(trial): "center"})


def test_arguments_of_one_extract_are_given_by_path_where_there_are_several(trial: Path, tmp_path: Path) -> None:
    other, table = tmp_path / "other", tmp_path / "labs.csv"
    shutil.copytree(trial, other)
    patient = wb.open_cohort(trial).patients["patient_id"][0]
    table.write_text(f"patient_id,psa\n{patient},4.2\n")
    for name in ("clinical", "index", "links"):
        with pytest.raises(UsageError, match="for several extracts"):
            wb.open_cohort([trial, other], **{name: table})
    cohort = wb.open_cohort([trial, other], clinical={str(other): table})
    assert set(cohort.values.query("raw_variable == 'psa'")["node"]) == {"other"}
    table.write_text(f"patient_id,psa\n{patient},5.1\n")
    changed = wb.open_cohort([trial, other], clinical={str(other): table})
    assert list(changed.values.query("raw_variable == 'psa'")["raw_value"]) == ["5.1"]


def test_lock_of_centres_opens_them_again(extract: Path, tmp_path: Path) -> None:
    cohort = wb.open_cohort(extract, node_column="center").where("node = 'west'")
    cohort.lock(tmp_path / "cohort.lock.json")
    again = wb.open_cohort(extract, node_column="center", lock=tmp_path / "cohort.lock.json")
    assert list(again.series["SeriesInstanceUID"]) == list(cohort.series["SeriesInstanceUID"])
    more = next(extract.rglob("*.dcm"))
    shutil.copy(more, more.with_name("more.dcm"))
    further = wb.open_cohort(extract, node_column="center", lock=tmp_path / "cohort.lock.json")
    assert further.nodes == cohort.nodes
    assert list(further.series["SeriesInstanceUID"]) == list(cohort.series["SeriesInstanceUID"])
