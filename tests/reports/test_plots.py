from __future__ import annotations

import re
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from workbench.reports import imaging, plots
from workbench.reports.figures import rendered
from workbench.reports.profile import baseline, missing


@pytest.fixture(params=[0, 1, 25])
def cohort(fake_cohort: ModuleType, tmp_path: Path, request: pytest.FixtureRequest) -> Any:
    folders = [
        fake_cohort.write_extract(tmp_path / node, node=node, patients=request.param, no_stage=node == "B")
        for node in (["A", "B"] if request.param != 1 else ["A"])
    ]
    return fake_cohort.open_cohort(folders)


def texts(figure: Any) -> list[str]:
    return [item.get_text() for axes in figure.axes for item in axes.texts]


def test_every_chart_can_be_drawn_for_empty_small_and_large_cohorts(cohort: Any) -> None:
    gaps = missing(baseline(cohort.patients, cohort.clinical, variables=["sex", "stage"], group_by="node"))
    for figure in (
        plots.who_has_what(cohort.patients),
        plots.missing_map(gaps),
        plots.modality_map(imaging.modalities(cohort)),
        plots.geometry_bars(imaging.geometry(cohort)),
    ):
        assert rendered(figure, kind="svg").startswith(b"<?xml")


def test_bars_carry_their_counts(fake_cohort: ModuleType, tmp_path: Path) -> None:
    cohort = fake_cohort.open_cohort(
        [fake_cohort.write_extract(tmp_path / "a", node="A", patients=7, without_images=3)]
    )
    assert texts(plots.who_has_what(cohort.patients)) == ["6", "1", "7"]


def test_heat_map_carries_the_per_cent_of_each_cell(fake_cohort: ModuleType, tmp_path: Path) -> None:
    folders = [fake_cohort.write_extract(tmp_path / node, node=node, patients=4, no_stage=node == "B") for node in "AB"]
    cohort = fake_cohort.open_cohort(folders)
    gaps = missing(baseline(cohort.patients, cohort.clinical, variables=["stage"], group_by="node"))
    figure = plots.missing_map(gaps)
    assert texts(figure) == ["0", "100", "50"]
    assert figure.axes[1].get_ylabel() == "missing (% of patients)"


def test_colours_are_all_hexadecimal() -> None:
    assert all(re.fullmatch("#[0-9a-f]{6}", colour) for colour in (*plots.HELD, *plots.GEOMETRY.values()))
    assert set(plots.GEOMETRY) == set(imaging.VERDICTS)
