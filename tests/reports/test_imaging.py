from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from workbench.reports import imaging
from workbench.reports.collector import Results, results
from workbench.reports.parameters import CommonParams
from workbench.reports.profile import baseline, missing


@pytest.fixture
def cohort(fake_cohort: ModuleType, tmp_path: Path) -> Any:
    a = fake_cohort.write_extract(tmp_path / "a", node="A", patients=6, without_images=5)
    b = fake_cohort.write_extract(tmp_path / "b", node="B", patients=3, modalities=["CT", "CT", "MR"], no_stage=True)
    return fake_cohort.open_cohort([a, b])


@pytest.fixture
def empty(fake_cohort: ModuleType, tmp_path: Path) -> Any:
    return fake_cohort.open_cohort([fake_cohort.write_extract(tmp_path / "e", node="E", patients=0, findings=False)])


def recorded(cohort: Any) -> Results:
    done = results(CommonParams(extract=[Path("x")]))
    names = list(cohort.variables["variable"])
    gaps = missing(baseline(cohort.patients, cohort.clinical, variables=names, group_by="node"))
    imaging.record_findings(done, cohort, gaps)
    imaging.record_checks(done, cohort, gaps)
    return done


def test_overview_counts_each_node_and_the_pooled_row_is_their_sum(cohort: Any) -> None:
    held = imaging.overview(cohort).set_index("node")
    assert held.loc["A", ["patients", "with_images", "studies", "image_series", "label_series"]].tolist() == [
        6, 5, 5, 10, 5,
    ]  # fmt: skip
    assert held.loc["B", ["patients", "image_series", "images"]].tolist() == [3, 9, 360]
    for name in ("patients", "studies", "image_series", "label_series", "images"):
        assert held.loc["All", name] == held.loc["A", name] + held.loc["B", name]


def test_key_numbers_are_those_of_the_tables(cohort: Any) -> None:
    assert imaging.key_numbers(cohort) == {"patients": 9, "studies": 8, "series": 19, "findings": 6}


def test_modalities_count_series_and_distinct_patients(cohort: Any) -> None:
    held = imaging.modalities(cohort).set_index(["modality", "node"])
    assert held.loc[("CT", "B"), ["series", "studies", "patients"]].tolist() == [6, 3, 3]
    assert held.loc[("MR", "A"), "series"] == 0
    assert held.loc[("CT", "All"), "patients"] == 8
    shown = imaging.modalities_in_words(imaging.modalities(cohort)).set_index("Modality")
    assert shown.loc["CT", "B"] == "6 (3)"
    assert shown.loc["MR", "A"] == "–"


def test_geometry_counts_every_image_series_once(cohort: Any) -> None:
    held = imaging.geometry(cohort)
    assert held["series"].sum() == 19
    assert held.set_index(["modality", "geometry"]).loc[("CT", "gaps"), "series"] == 3


def test_unknown_verdict_is_shown_and_not_lost(cohort: Any) -> None:
    cohort.series.loc[cohort.series["kind"] == "image", "geometry"] = "spiral"
    assert imaging.geometry(cohort)["series"].sum() == 19


def test_spacing_gives_quartiles_in_millimetres(cohort: Any) -> None:
    held = imaging.spacing(cohort).set_index(["modality", "node", "quantity"])
    assert held.loc[("CT", "B", "between slices"), ["n", "q1", "median", "q3"]].tolist() == [6, 3.0, 3.5, 4.0]
    shown = imaging.spacing_in_words(imaging.spacing(cohort))
    assert shown["Between slices (mm)"].tolist()[1] == "3.50 [3.00, 4.00]"


def test_findings_come_most_serious_first_with_gaps_in_between(cohort: Any) -> None:
    found = recorded(cohort)._content["findings"]
    assert [item["severity"] for item in found] == ["serious", "serious", "attention"]
    assert found[-1]["code"] == "report:missing-at-group"
    assert found[-1]["node"] == "B"


def test_checks_count_what_fulfils_them(cohort: Any) -> None:
    checks = {item["id"]: item for item in recorded(cohort)._content["checks"]}
    images = checks["patients-with-images"]
    assert (images["numerator"], images["denominator"], images["status"]) == (8, 9, "fail")
    even = checks["slices-even"]
    assert (even["numerator"], even["denominator"], even["status"]) == (14, 19, "fail")
    assert checks["labels-with-images"]["status"] == "pass"


def test_label_whose_images_are_not_here_fails_its_check(cohort: Any) -> None:
    place = cohort.series.index[cohort.series["kind"] == "structure-set"][0]
    cohort.series.at[place, "refers_to"] = ["1.2.3"]
    checks = {item["id"]: item for item in recorded(cohort)._content["checks"]}
    assert checks["labels-with-images"]["status"] == "fail"


def test_empty_cohort_has_zero_rows_and_checks_that_do_not_apply(empty: Any) -> None:
    assert imaging.overview(empty)["patients"].tolist() == [0]
    assert imaging.modalities(empty).empty
    assert imaging.geometry_in_words(imaging.geometry(empty)).empty
    assert imaging.spacing_in_words(imaging.spacing(empty)).empty
    assert {item["status"] for item in recorded(empty)._content["checks"]} <= {"n.a.", "fail"}
    assert "Nothing was noticed" in recorded(empty).findings().text
