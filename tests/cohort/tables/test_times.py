from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import workbench as wb
from tests.cohort.made import image, mask
from tests.factories import describe_pixels, header, pixels, write
from workbench.cohort.tables.times import RULES, label, offset_days, place
from workbench.extracts.record import StudyRef
from workbench.findings import CODES


def placed(
    rows: list[dict[str, Any]], studies: tuple[StudyRef, ...] = (), keys: tuple[str, ...] = ()
) -> tuple[dict[str, tuple[str, str]], dict[str, str]]:
    """Timepoint and rule by series, and the message of each finding by code."""
    findings = place(rows, studies, keys or ("",) * len(rows))
    told = {row["SeriesInstanceUID"]: (row["timepoint"], row["timepoint_rule"]) for row in rows}
    return told, {finding.code: finding.message for finding in findings}


def test_studies_are_numbered_by_date_within_each_patient() -> None:
    rows = [
        image("P1", "later", StudyDate="20200601"),
        image("P1", "first", StudyDate="20200101"),
        image("P2", "other", StudyDate="20190101"),
    ]
    told, found = placed(rows)
    assert told == {"later.1": ("2", "date"), "first.1": ("1", "date"), "other.1": ("1", "date")}
    assert found == {}
    assert rows[0]["date"] == "2020-06-01"


def test_a_study_of_annotations_alone_is_no_timepoint() -> None:
    rows = [
        image("P1", "ct", "ct.1", StudyDate="20200301"),
        mask("P1", "drawn", ["ct.1"], StudyDate="20200101"),
        image("P1", "ct2", "ct2.1", StudyDate="20200601"),
    ]
    told, _ = placed(rows)
    assert told["ct.1"][0] == "1"
    assert told["ct2.1"][0] == "2"
    assert told["drawn.seg"] == ("1", "refers to")


def test_a_timepoint_table_goes_before_dates_and_offsets() -> None:
    rows = [image("P1", "a", StudyDate="20200101"), image("P1", "b", StudyDate="20200601")]
    studies = (StudyRef("a", "P1", timepoint="01", offset="0"), StudyRef("b", timepoint="02", offset="150"))
    told, found = placed(rows, studies)
    assert told == {"a.1": ("1", "declared"), "b.1": ("2", "declared")}
    assert found == {}


def test_a_table_that_names_the_folder_of_a_study_is_understood() -> None:
    rows = [image("P1", "1.2.3", StudyDate="20200101"), image("P2", "1.2.4", StudyDate="20200101")]
    studies = (StudyRef("visit", "P1", timepoint="T0"), StudyRef("visit", "P2", timepoint="T1"))
    told, _ = placed(rows, studies, ("visit", "visit"))
    assert [timepoint for timepoint, _ in told.values()] == ["T0", "T1"]


def test_what_the_layout_declares_holds_without_a_table() -> None:
    told, _ = placed([image("P1", "a", StudyDate="20200101", declared_timepoint="baseline")])
    assert told["a.1"] == ("baseline", "declared")


def test_offsets_go_before_dates() -> None:
    rows = [image("P1", "a", StudyDate="20200601"), image("P1", "b", StudyDate="20200101")]
    studies = (StudyRef("a", offset="-1", offset_unit="months"), StudyRef("b", offset="2", offset_unit="weeks"))
    told, _ = placed(rows, studies)
    assert told == {"a.1": ("1", "offset"), "b.1": ("2", "offset")}
    assert rows[1]["offset_days"] == 14.0


def test_offsets_and_dates_are_not_mixed() -> None:
    rows = [image("P1", "a"), image("P1", "b"), image("P1", "c", StudyDate="19000101")]
    told, found = placed(rows, (StudyRef("a", offset="10"), StudyRef("b", offset="5")))
    assert told == {"b.1": ("1", "offset"), "a.1": ("2", "offset"), "c.1": ("3", "undated")}
    assert "timepoint-unordered" in found


def test_dates_of_day_one_tie_and_are_ordered_by_time() -> None:
    rows = [
        image("P1", "a", StudyDate="20200101", StudyTime="170000"),
        image("P1", "b", StudyDate="20200101", StudyTime="083000"),
        image("P1", "c", StudyDate="20200201", StudyTime="010000"),
    ]
    told, found = placed(rows)
    assert [told[uid][0] for uid in ("b.1", "a.1", "c.1")] == ["1", "2", "3"]
    assert found == {"timepoint-tie": "2 studies on one day, in the order of their times"}


def test_studies_that_no_time_tells_apart_are_one_timepoint() -> None:
    rows = [image("P1", "a", StudyDate="20200101", StudyTime="0800"), image("P1", "b", StudyDate="20200101")]
    told, found = placed(rows)
    assert [timepoint for timepoint, _ in told.values()] == ["1", "1"]
    assert found == {"timepoint-tie": "2 studies on one day, not told apart, for 1 of them state no time"}
    rows.append(image("P1", "c", StudyDate="20200101", StudyTime="0900"))
    assert placed(rows)[1] == {"timepoint-tie": "3 studies on one day, not told apart, for 1 of them state no time"}
    none = [image("P1", name, StudyDate="20200101") for name in "ab"]
    assert placed(none)[1] == {"timepoint-tie": "2 studies on one day, no time tells them apart"}


def test_where_nothing_is_known_there_is_one_timepoint() -> None:
    told, found = placed([image("P1", "a"), image("P1", "b"), image("P2", "c")])
    assert told == {"a.1": ("1", "nothing known"), "b.1": ("1", "nothing known"), "c.1": ("1", "one study")}
    assert set(found) == {"timepoint-unordered"}


def test_declared_timepoints_against_the_dates_are_told() -> None:
    rows = [image("P1", "a", StudyDate="20200601"), image("P1", "b", StudyDate="20200101")]
    told, found = placed(rows, (StudyRef("a", timepoint="T0"), StudyRef("b", timepoint="T1")))
    assert told["a.1"] == ("T0", "declared")
    assert "1 declared" in found["timepoint-conflict"]


def test_two_statements_of_one_study_are_told_and_the_first_holds() -> None:
    rows = [image("P1", "a", StudyDate="20200601")]
    told, found = placed(rows, (StudyRef("a", "P1", timepoint="1"), StudyRef("a", "P1", timepoint="2")))
    assert told["a.1"] == ("1", "declared")
    assert "timepoint-conflict" in found


def test_a_date_in_the_table_that_is_not_the_headers_is_told() -> None:
    rows = [image("P1", "a", StudyDate="20200101")]
    _, found = placed(rows, (StudyRef("a", timepoint="1", date="2020-01-17"),))
    assert set(found) == {"study-date-differs"}
    assert rows[0]["date"] == "2020-01-01"


def test_the_table_dates_what_headers_do_not() -> None:
    rows = [image("P1", "a"), image("P1", "b")]
    told, _ = placed(rows, (StudyRef("a", date="2020-05-01"), StudyRef("b", date="2020-04-30T23:59:00-05:00")))
    assert told == {"a.1": ("2", "date"), "b.1": ("1", "date")}
    assert rows[1]["date"] == "2020-04-30"


def test_a_derived_timepoint_never_takes_a_declared_ones_name() -> None:
    rows = [image("P1", "a", StudyDate="20200601"), image("P1", "b", StudyDate="20200101")]
    told, _ = placed(rows, (StudyRef("a", timepoint="1"),))
    assert told == {"a.1": ("1", "declared"), "b.1": ("derived 1", "date")}


def test_rows_about_studies_that_are_not_here_are_counted() -> None:
    _, found = placed([image("P1", "a")], (StudyRef("a", timepoint="1"), StudyRef("gone", timepoint="2")))
    assert found == {"timepoint-unused": "1 rows"}


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (mask("P1", "b"), ("2", "same study")),
        (mask("P1", "x", StudyDate="20200101"), ("1", "same day")),
        (mask("P1", "x", ["a.1", "b.1"]), ("", "unplaced")),
        (mask("P1", "x", declared_timepoint="02"), ("2", "declared")),
        (mask("P2", "x", kind="report"), ("1", "one timepoint")),
        (mask("P3", "x"), ("", "unplaced")),
    ],
)
def test_an_annotation_belongs_to_the_timepoint_of_its_images(row: dict[str, Any], expected: tuple[str, str]) -> None:
    images = [image("P1", "a", StudyDate="20200101"), image("P1", "b", StudyDate="20200601"), image("P2", "c")]
    told, _ = placed([*images, row])
    assert told[row["SeriesInstanceUID"]] == expected


def test_an_annotation_that_cannot_be_placed_is_told_where_there_are_images() -> None:
    images = [image("P1", "a", StudyDate="20200101"), image("P1", "b", StudyDate="20200601")]
    assert "timepoint-unplaced" in placed([*images, mask("P1", "x")])[1]
    assert "timepoint-unplaced" not in placed([mask("P3", "x")])[1]


def test_codes_and_rules_are_those_of_the_tables() -> None:
    for code in ("timepoint-tie", "timepoint-unordered", "timepoint-conflict", "timepoint-unused"):
        assert code in CODES
    assert {"declared", "offset", "date"} <= set(RULES)


@pytest.mark.parametrize("text", ["", "3 weeks", "1e9", "NaN", "--1", "12345678"])
def test_an_offset_that_is_no_plain_number_is_none(text: str) -> None:
    assert offset_days(text) is None
    assert offset_days("1", "fortnights") is None


def test_labels_are_one_spelling() -> None:
    assert [label(text) for text in ("0", "00", "010", "1.5", " V2 ", "")] == ["0", "0", "10", "1.5", "V2", ""]


studies = st.lists(
    st.tuples(
        st.sampled_from(["P1", "P2"]),
        st.sampled_from(["", "20200101", "20200102", "20210101", "20201399"]),
        st.sampled_from(["", "080000", "090000"]),
        st.sampled_from(["image", "segmentation", "report"]),
        st.sampled_from(["", "", "1", "2", "T0"]),
    ),
    max_size=12,
)


@given(studies, st.randoms(use_true_random=False))
def test_every_series_has_one_rule_whatever_the_order_of_rows(given_rows: list[Any], shuffled: Any) -> None:
    def rows() -> list[dict[str, Any]]:
        return [
            image(
                patient,
                f"{patient}.{n // 2}",
                f"{patient}.{n}",
                StudyDate=day,
                StudyTime=time,
                kind=kind,
                declared_timepoint=declared,
            )
            for n, (patient, day, time, kind, declared) in enumerate(given_rows)
        ]

    straight, mixed = rows(), rows()
    shuffled.shuffle(mixed)
    told, _ = placed(straight)
    assert placed(mixed)[0] == told
    for row in straight:
        assert row["timepoint_rule"] in RULES
        assert row["timepoint"] or row["kind"] != "image"


def undated(folder: Path, number: int) -> None:
    """An image of a study whose headers have no date."""
    dataset = header(
        1, PatientID="P1", StudyInstanceUID=f"1.3.{number}", SeriesInstanceUID=f"1.2.{number}",
        SOPInstanceUID=f"1.2.{number}.1", StudyDate="",
    )  # fmt: skip
    frames = pixels(number)[np.newaxis]
    describe_pixels(dataset, frames)
    write(folder / f"{number}.dcm", dataset, frames)


@pytest.mark.parametrize(
    ("column", "first", "second", "rule"),
    [
        ("study_offset_days", "100", "-3", "offset"), ("days_from_diagnosis", "100", "-3", "offset"),
        ("procedure_offset_days", "100", "-3", "offset"), ("study_date", "2020-05-01", "2019-01-01", "date"),
        ("date", "2020-05-01", "2019-01-01", "date"),
    ],
)  # fmt: skip
def test_a_table_of_studies_orders_images_without_dates(
    tmp_path: Path, column: str, first: str, second: str, rule: str
) -> None:
    undated(tmp_path / "north", 1)
    undated(tmp_path / "north", 2)
    table = f"patient_id,study_instance_uid,{column}\nP1,1.3.1,{first}\nP1,1.3.2,{second}\n"
    (tmp_path / "north" / "studies.csv").write_text(table)
    cohort = wb.open_cohort(tmp_path / "north")
    series = cohort.series.set_index("SeriesInstanceUID")
    assert dict(series["timepoint"]) == {"1.2.1": "2", "1.2.2": "1"}
    assert set(series["timepoint_rule"]) == {rule}
    assert not {"timepoint-unordered", "value-conflict", "rows-per-patient-unclear"} & set(cohort.findings["code"])
    assert len(cohort.cases) == 2


def test_the_date_of_a_study_dates_no_value_beside_it(tmp_path: Path) -> None:
    undated(tmp_path / "north", 1)
    table = "patient_id,study_instance_uid,study_date,psa\nP1,1.3.1,2020-05-01,4\nP1,,,5\n"
    (tmp_path / "north" / "studies.csv").write_text(table)
    cohort = wb.open_cohort(tmp_path / "north")
    assert cohort.values.query("variable == 'psa'")[["value", "date"]].values.tolist() == [["4", ""], ["5", ""]]
    assert cohort.cases["date"].astype(str).tolist() == ["2020-05-01"]


def test_two_dates_of_one_study_are_told() -> None:
    studies = (StudyRef("a", date="2020-01-01"), StudyRef("a", date="2020-02-01"))
    assert placed([image("P1", "a")], studies)[1]["timepoint-conflict"] == "tables state two dates for one study"
