from __future__ import annotations

from pathlib import Path

import pytest

import workbench as wb
from tests.cohort.made import Made, cohort_of, image
from workbench.errors import UsageError
from workbench.extracts.record import ClinicalRow
from workbench.options import options


def shown(cohort: wb.Cohort) -> str:
    summary = cohort.summary(audience="shareable")
    return repr(summary) + summary._repr_html_()


def made(n: int, start: int = 0, modality: str = "CT") -> list[dict[str, object]]:
    return [
        image(f"P{i:04d}", f"{start}.{i}", Modality=modality, StudyDate="20200101") for i in range(start, start + n)
    ]


def test_it_names_no_patient_series_or_file(cohort: wb.Cohort) -> None:
    text = shown(cohort)
    for table, column in (("patients", "patient_id"), ("series", "SeriesInstanceUID"), ("instances", "path")):
        for value in cohort.sql(f"select distinct {column} from {table} where {column} <> ''")[column]:
            assert value not in text
    for message in cohort.sql("select distinct message from findings where message <> ''")["message"]:
        assert message not in text


def test_conditions_are_told_by_their_columns_alone(cohort: wb.Cohort) -> None:
    patient = cohort.patients["patient_id"].iloc[0]
    text = shown(cohort.where(f"patient_id <> '{patient}' and MODALITY = 'CT'").sample(6, stratify="sex <> 'Jane'"))
    assert patient not in text
    assert "Jane" not in text
    assert "narrowed: a condition on patient_id, Modality; sample by patient" in text


def test_counts_of_few_patients_are_hidden_and_no_total_gives_them_away(tmp_path: Path) -> None:
    north = Made([*made(12), *made(3, 12, "MR")])  # type: ignore[list-item]
    south = Made(made(3))  # type: ignore[arg-type]
    both = cohort_of(tmp_path, {"north": north, "south": south})
    rows = {row["node"]: row for row in both.summary(audience="shareable").rows}
    assert rows["north"]["patients"] == 15
    assert rows["north"]["by_modality"] == {"CT": 12, "MR": "<5"}
    assert rows["north"]["series"] == "≥12"
    assert rows["south"]["patients"] == "<5"
    assert rows["south"]["studies"] == "–"
    assert rows["all"]["patients"] == "≥15"
    assert rows["all"]["series"] == rows["all"]["by_modality"]["CT"] == "≥12"


def test_the_patients_count_and_not_their_series(tmp_path: Path) -> None:
    rows = [image("P1", "a", f"s{i}") for i in range(30)] + [image(f"Q{i}", f"q{i}", Modality="MR") for i in range(9)]
    (row,) = cohort_of(tmp_path, {"north": Made(rows)}).summary(audience="shareable").rows
    assert row["by_modality"] == {"CT": "–", "MR": 9}
    assert row["series"] == "≥9"


def test_totals_are_shown_where_nothing_is_hidden(tmp_path: Path) -> None:
    nodes = {name: Made(made(7)) for name in ("north", "south")}  # type: ignore[arg-type]
    rows = cohort_of(tmp_path, nodes).summary(audience="shareable").rows
    assert rows[-1]["patients"] == rows[-1]["series"] == 14


def test_the_threshold_is_an_option(tmp_path: Path) -> None:
    cohort = cohort_of(tmp_path, {"north": Made(made(7))})  # type: ignore[arg-type]
    options.min_count = 10
    assert cohort.summary(audience="shareable").rows[0]["patients"] == "<10"
    assert "fewer than 10 patients" in shown(cohort)


def test_the_audience_is_an_option_and_local_by_default(cohort: wb.Cohort) -> None:
    assert "patient " in repr(cohort)
    assert repr(cohort) == repr(cohort.summary(audience="local"))
    options.audience = "shareable"
    assert cohort._repr_html_() == cohort.summary(audience="shareable")._repr_html_()
    assert "patient " + cohort.patients["patient_id"].iloc[0] not in repr(cohort)
    with pytest.raises(UsageError):
        cohort.summary(audience="public")  # type: ignore[arg-type]


def test_a_timeline_is_of_one_patient_and_not_for_others(cohort: wb.Cohort) -> None:
    options.audience = "shareable"
    with pytest.raises(UsageError, match="one patient"):
        cohort.timeline(cohort.patients["patient_id"].iloc[0])


def second(n: int, first: int = 0) -> list[dict[str, object]]:
    return [image(f"P{i:04d}", f"again.{i}", Modality="CT", StudyDate="20210101") for i in range(first, first + n)]


@pytest.mark.parametrize(("more", "shown"), [(0, 6), (1, "–"), (2, "–"), (4, "–"), (5, 11)])
def test_how_few_have_a_second_study_is_not_told(tmp_path: Path, more: int, shown: int | str) -> None:
    cohort = cohort_of(tmp_path, {"north": Made([*made(6), *second(more)])})  # type: ignore[list-item]
    (row,) = cohort.summary(audience="shareable").rows
    assert (row["patients"], row["studies"], row["series"]) == (6, shown, shown)
    flow = cohort.attrition([("all", "true")]).shareable()
    start = flow.table.query("node == 'north'").iloc[0]
    assert (start["cases"], start["series"]) == (shown, shown)


def test_nor_by_those_whom_a_step_excluded(tmp_path: Path) -> None:
    rows = [*made(20), *second(12), *made(10, 20, "MR"), *second(2, 20)]
    for row in rows[32:]:
        row["Modality"] = "MR"
    flow = cohort_of(tmp_path, {"north": Made(rows)}).attrition([("CT", "modality = 'CT'")])  # type: ignore[arg-type]
    assert flow.table.query("node == 'all'")["cases"].tolist() == [44, 32]
    assert flow.shareable().table.query("node == 'all'")["cases"].tolist() == [44, "–"]
    assert flow.shareable().table.query("node == 'all'")["patients_excluded"].tolist() == [0, 10]


def test_no_zero_is_the_total_of_what_is_hidden(tmp_path: Path) -> None:
    def tables() -> Made:
        return Made([], [ClinicalRow(f"P{i}", "sex", "F", table="t", file="t.csv", row=i) for i in range(9)])

    rows = cohort_of(tmp_path, {"north": tables(), "south": tables()}).summary(audience="shareable").rows
    assert [row["patients"] for row in rows] == [9, 9, 18]
    assert {row[name] for row in rows for name in ("studies", "series")} == {"–"}


def test_what_is_no_longer_as_locked_names_nobody_to_others(tmp_path: Path) -> None:
    from workbench.cohort.lock import Change

    change = Change("north", "selection", 2, ("SECRET1", "SECRET2"))
    assert str(change) == "north: 2 series or patient(s) selected otherwise (SECRET1, SECRET2)"
    options.audience = "shareable"
    assert str(change) == "north: series or patient(s) selected otherwise"
    assert str(Change("north", "missing", 3, ("SECRET/1.dcm",))) == "north: instance(s) missing"
    assert "(header" in str(Change("north", "said", 1, ("header: 2 when locked, 1 now",)))


QUERIES = (
    "select error(patient_id) from patients",
    "select strptime(patient_id, '%Y') from patients",
    "select patient_id::int from patients",
    "select json_extract(patient_id, '$.a') from patients",
    "select interval_from(patient_id) from patients",
)


@pytest.mark.parametrize("query", QUERIES)
def test_no_error_of_a_query_repeats_a_value(tmp_path: Path, query: str) -> None:
    from workbench.errors import QueryError

    cohort = cohort_of(tmp_path, {"north": Made([image("SECRET0", "1")])})
    with pytest.raises(QueryError) as caught:
        cohort.sql(query)
    assert "SECRET0" not in str(caught.value)
    with pytest.raises(QueryError) as caught:
        wb.catalogue.extracts(cohort).sql(query.replace("patient_id", "PatientID").replace("patients", "series"))
    assert "SECRET0" not in str(caught.value)
    with pytest.raises(QueryError) as caught:
        cohort.where(f"({query.removeprefix('select ').removesuffix(' from patients')}) is null")
    assert "SECRET0" not in str(caught.value)
