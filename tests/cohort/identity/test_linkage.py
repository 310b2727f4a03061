"""The same pseudonym at two nodes is two patients, unless a linkage table says otherwise."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import workbench as wb
from tests.factories import describe_pixels, header, pixels, write
from workbench.errors import UsageError


def image(
    folder: Path, patient: str, number: int, *, instance: str = "", picture: int = 1, z: float = 0.0, sex: str = "M"
) -> None:
    dataset = header(
        1, PatientID=patient, PatientSex=sex, SeriesInstanceUID=f"1.2.{number}", StudyInstanceUID=f"1.3.{number}",
        SOPInstanceUID=instance or f"1.2.{number}.{z:.0f}", ImagePositionPatient=[0.0, 0.0, z],
    )  # fmt: skip
    frames = pixels(picture)[np.newaxis] if picture else np.zeros((1, 6, 8), "<i2")
    describe_pixels(dataset, frames)
    write(folder / patient / f"S{number}" / f"{z:.0f}.dcm", dataset, frames)


def made(folder: Path) -> list[Path]:
    """North has P1 (M, 60) and P2; south has P1 (F, 60.5), another person's, and Q9, who is north's P2."""
    north, south = folder / "north", folder / "south"
    image(north, "P1", 11, picture=1)
    image(north, "P2", 12, picture=2, sex="F")
    image(south, "P1", 21, picture=3, sex="F")
    image(south, "Q9", 22, picture=4, sex="F")
    (north / "clinical.csv").write_text("patient_id,sex,age_at_diagnosis\nP1,M,60\nP2,F,40\n")
    (south / "clinical.csv").write_text("patient_id,sex,age_at_diagnosis\nP1,F,60.5\nQ9,F,47\n")
    return [north, south]


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two nodes that no test changes."""
    return made(tmp_path_factory.mktemp("pristine"))


@pytest.fixture
def nodes(tmp_path: Path) -> list[Path]:
    """The same, to be changed."""
    return made(tmp_path)


def table(folder: Path, *rows: str) -> Path:
    path = folder / "links.csv"
    path.write_text("node,patient_id,person\n" + "".join(f"{row}\n" for row in rows))
    return path


def told(cohort: wb.Cohort, code: str) -> list[tuple[str, str, str]]:
    rows = cohort.sql(f"select node, patient_id, message from findings where code = '{code}' and node like '%, %'")
    return [tuple(row) for row in rows.itertuples(index=False)]


def test_without_a_table_the_same_pseudonym_is_two_patients(pristine: list[Path]) -> None:
    cohort = wb.open_cohort(pristine)
    assert len(cohort.patients) == 4
    assert "person_id" not in cohort.patients
    assert told(cohort, "same-patient-id") == [("north, south", "P1", "the same patient id stands at 2 nodes")]
    assert told(cohort, "value-conflict") == []


def test_a_table_says_who_is_who(pristine: list[Path], tmp_path: Path) -> None:
    links = table(tmp_path, "north,P2,A", "south,Q9,A", "elsewhere,P1,B")
    patients = wb.open_cohort(pristine, linkage=links).patients
    assert len(patients) == 4
    assert patients.set_index(["node", "patient_id"])["person_id"].dropna().to_dict() == {
        ("north", "P2"): "A", ("south", "Q9"): "A",
    }  # fmt: skip


def test_rows_that_name_nobody_are_told(pristine: list[Path], tmp_path: Path) -> None:
    links = table(tmp_path, "north,P2,A", "south,q9,A", "south,QQ,B", "north,P02,C", "nort,P1,D")
    found = wb.open_cohort(pristine, linkage=links).sql(
        "select node, code, severity, message, patient_id, count from findings where code like 'linkage%' order by all"
    )
    rows = [tuple(row) for row in found.itertuples(index=False)]
    text = "row(s) of the linkage table name"
    alike = "but for case, leading zeros or signs 1 would"
    assert rows == [
        ("north", "linkage-unused", "serious", f"1 {text} no patient of the node; {alike}", "", 1),
        ("north, south", "linkage-elsewhere", "note", f"1 {text} nodes that were not opened", "", 1),
        ("south", "linkage-unused", "serious", f"2 {text} no patient of the node; {alike}", "", 2),
    ]


def test_a_table_all_of_whose_rows_link_is_no_finding(pristine: list[Path], tmp_path: Path) -> None:
    cohort = wb.open_cohort(pristine, linkage=table(tmp_path, "north,P2,A", "south,Q9,A"))
    assert not cohort.findings["code"].str.startswith("linkage").any()


def test_a_narrowed_cohort_still_says_that_rows_link_nobody(pristine: list[Path], tmp_path: Path) -> None:
    links = table(tmp_path, "north,P2,A", "south,q9,A", "east,P1,D")
    cohort = wb.open_cohort(pristine, linkage=links).where("node = 'south'")
    codes = set(cohort.findings["code"])
    assert {"linkage-unused", "linkage-elsewhere"} <= codes


def test_linked_patients_who_disagree_are_findings(pristine: list[Path], tmp_path: Path) -> None:
    links = table(tmp_path, "north,P1,A", "south,P1,A", "north,P2,B", "south,Q9,B")
    cohort = wb.open_cohort(pristine, linkage=links)
    assert told(cohort, "same-patient-id") == []
    # Ages of 60 and 60.5 are one age; 40 and 47 are not.
    assert sorted((patient, message.partition(":")[0]) for _, patient, message in told(cohort, "value-conflict")) == [
        ("P1", "sex"), ("P2", "age_at_diagnosis"),
    ]  # fmt: skip
    narrowed = cohort.where("patient_id = 'P2'")
    assert [patient for _, patient, _ in told(narrowed, "value-conflict")] == ["P2"]


def test_one_pseudonym_said_to_be_two_persons_stays_a_finding(pristine: list[Path], tmp_path: Path) -> None:
    links = table(tmp_path, "north,P1,A", "south,P1,B")
    assert told(wb.open_cohort(pristine, linkage=links), "same-patient-id")


def test_linked_patients_are_never_split(pristine: list[Path], tmp_path: Path) -> None:
    links = table(tmp_path, "north,P2,A", "south,Q9,A")
    parts = wb.open_cohort(pristine, linkage=links).split(fractions={"train": 0.5, "test": 0.5}, seed=3)
    homes = [
        name
        for name, part in parts.items()
        for key in zip(part.patients["node"], part.patients["patient_id"], strict=True)
        if key in (("north", "P2"), ("south", "Q9"))
    ]
    assert len(homes) == 2
    assert len(set(homes)) == 1


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, "cannot be read"), ("", "lacks"), ("node,person\nnorth,A\n", "lacks"),
        ("node,patient_id,person\nnorth,P1,\n", "row 2"), ("node,patient_id,person\nnorth,P1\n", "row 2"),
        ("node,patient_id,person\nnorth,P1,A\nnorth,P1,B\n", "two persons"),
        ("node,patient_id,person\nelsewhere,P1,A\n", "none of the nodes"),
    ],
)  # fmt: skip
def test_a_table_that_cannot_be_used_is_misuse(
    pristine: list[Path], tmp_path: Path, text: str | None, words: str
) -> None:
    path = tmp_path / "links.csv"
    if text is not None:
        path.write_text(text)
    with pytest.raises(UsageError, match=words) as caught:
        wb.open_cohort(pristine, linkage=path)
    assert "P1" not in str(caught.value)


def test_the_same_instance_at_two_nodes_is_told_with_its_count(nodes: list[Path]) -> None:
    image(nodes[0], "P1", 11, instance="9.9.1", z=1.0, picture=7)
    image(nodes[1], "Q9", 22, instance="9.9.1", z=1.0, picture=7)
    found = wb.open_cohort(nodes).duplicates()
    assert [tuple(row) for row in found[["code", "node", "series_uid", "count"]].itertuples(index=False)] == [
        ("instance-duplicated", "north, south", "1.2.11", 1)
    ]


def test_the_same_pixels_under_two_uids_are_told_where_asked_for(nodes: list[Path]) -> None:
    for z in (1.0, 2.0):
        image(nodes[0], "P2", 12, z=z, picture=int(z) + 10)
        image(nodes[1], "Q9", 22, z=z, picture=int(z) + 10)
    cohort = wb.open_cohort(nodes)
    assert cohort.duplicates().empty
    (row,) = cohort.duplicates(pixels=True).to_dict("records")
    assert (row["code"], row["node"], row["patient_id"], row["series_uid"], row["count"]) == (
        "pixels-duplicated", "north, south", "P2", "1.2.12", 2,
    )  # fmt: skip
    assert row["message"] == "2 image(s) in series 1.2.22 of patient Q9"


def test_empty_images_are_no_duplicates(nodes: list[Path]) -> None:
    image(nodes[0], "P1", 31, picture=0)
    image(nodes[1], "P1", 32, picture=0)
    assert wb.open_cohort(nodes).duplicates(pixels=True).empty


def test_pixels_that_differ_late_are_told_apart(tmp_path: Path) -> None:
    for number in (1, 2):
        frames = np.arange(100 * 100, dtype="<i2").reshape(1, 100, 100)
        frames[0, -1, -1] = number
        dataset = header(1, PatientID="P", SeriesInstanceUID=f"1.2.{number}", SOPInstanceUID=f"1.2.{number}.1")
        describe_pixels(dataset, frames)
        write(tmp_path / "x" / f"{number}.dcm", dataset, frames)
    assert wb.open_cohort(tmp_path / "x").duplicates(pixels=True).empty


def test_orphans_are_listed_on_both_sides(nodes: list[Path]) -> None:
    (nodes[0] / "clinical.csv").write_text("patient_id,sex\nP1,M\nP7,F\n")
    cohort = wb.open_cohort(nodes)
    listed = cohort.sql("select code, patient_id from findings where code in ('clinical-missing', 'imaging-missing')")
    assert sorted(listed.itertuples(index=False, name=None)) == [("clinical-missing", "P2"), ("imaging-missing", "P7")]
    patients = cohort.patients.set_index("patient_id")
    assert not patients.loc["P7", "has_imaging"]
    assert not patients.loc["P2", "has_clinical"]
