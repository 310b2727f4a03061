"""What may be asked, and what a result must be."""

from __future__ import annotations

import pytest

from workbench.errors import UsageError
from workbench.fetch.query import SERIES, STUDY, Query, matches


def test_conditions_go_to_the_level_they_are_searched_at() -> None:
    query = Query.of(["PatientID=P1", "Modality=CT", "SeriesDescription=*thorax*"])
    assert query.study == {"PatientID": "P1", "ModalitiesInStudy": "CT"}
    assert query.series == {"Modality": "CT", "SeriesDescription": "*thorax*"}


def test_a_wildcard_is_not_asked_of_the_modalities_in_a_study() -> None:
    assert Query.of(["Modality=C*"]).study == {}


def test_a_condition_that_everything_fits_is_none() -> None:
    assert not Query.of(["Modality=*"])


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("Modality", "KEYWORD=VALUE"),
        ("PatientWeight=70", "PatientWeight"),
        ("Modality=", "no usable value"),
        ("StudyDate=2019", "no date"),
        ("StudyInstanceUID=1.2/../3", "no UID"),
        ("PatientID=a\nb", "no usable value"),
    ],
)
def test_what_cannot_be_asked_is_refused_by_name(given: str, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        Query.of([given])


@pytest.mark.parametrize("given", [[3], {"Modality": 3}, {3: "CT"}])
def test_what_is_no_text_is_no_query(given: object) -> None:
    with pytest.raises(UsageError):
        Query.of(given)  # type: ignore[arg-type]


def test_a_refused_value_is_not_shown() -> None:
    with pytest.raises(UsageError) as caught:
        Query.of(["StudyInstanceUID=Muster^Erika"])
    assert "Erika" not in str(caught.value)


def test_what_is_kept_of_a_query_names_nobody() -> None:
    shown = Query.of(
        {"PatientID": "4711", "PatientName": "MUSTER*", "StudyDate": "20190101-", "Modality": "CT"}
    ).shown()
    assert shown["Modality"] == "CT"
    assert {shown["PatientID"], shown["PatientName"], shown["StudyDate"]} == {"(not kept)"}


def item(**values: object) -> dict[str, object]:
    tags = {**STUDY, **SERIES}
    return {tags[keyword]: {"Value": [value]} for keyword, value in values.items()}


@pytest.mark.parametrize(
    ("found", "asked", "holds"),
    [
        (item(Modality="CT"), {"Modality": "ct"}, True),
        (item(Modality="MR"), {"Modality": "CT"}, False),
        (item(Modality="MR"), {"Modality": "C*"}, True),
        ({}, {"Modality": "CT"}, True),
        (item(SeriesInstanceUID="1.2"), {"SeriesInstanceUID": "1.1,1.2"}, True),
        (item(SeriesInstanceUID="1.3"), {"SeriesInstanceUID": "1.1,1.2"}, False),
        (item(SeriesDate="20190630"), {"SeriesDate": "20190101-20190630"}, True),
        (item(SeriesDate="20190701"), {"SeriesDate": "20190101-20190630"}, False),
        (item(SeriesDate="20180101"), {"SeriesDate": "20190101-"}, False),
    ],
)
def test_results_that_are_not_what_was_asked_are_told_apart(
    found: dict[str, object], asked: dict[str, str], holds: bool
) -> None:
    assert matches(found, asked, SERIES) is holds
