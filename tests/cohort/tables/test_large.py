"""Clinical tables that are larger than memory should hold: what is opened is the same, and memory stays flat."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

import workbench as wb
from benchmarks.p20_large_table import write_extract
from workbench.cohort.cohort import Cohort
from workbench.cohort.database import engine
from workbench.cohort.database.statements import PUBLIC_TABLES
from workbench.cohort.tables import spool

#: Megabytes that opening a table of ten times the size may take more. Held cell by cell it would be far more than
#: thirty bytes for every byte of the file.
ROOM = 200


def _tables(cohort: Cohort) -> dict[str, pd.DataFrame]:
    found = {name: cohort.sql(f'select * from "{name}"') for name in PUBLIC_TABLES}
    return {name: table.sort_values(list(table), ignore_index=True, key=_text) for name, table in found.items()}


def _text(column: pd.Series) -> pd.Series:
    return column.map(str)


@pytest.mark.parametrize("node_column", [None, "center"])
def test_tables_are_the_same_whether_values_are_held_or_lie_on_disk(
    federation: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, node_column: str | None
) -> None:
    folder = tmp_path / "trial"
    folder.mkdir()
    for item in (federation / "extracts" / "cedro").iterdir():
        (folder / item.name).symlink_to(item)
    rows = [f"P{n},{('east', 'west')[n % 2]},{n % 3}.5,cT{n % 4 + 1},2020-01-{n % 28 + 1:02d}" for n in range(99)]
    (folder / "more.csv").write_text("patient_id,center,psa,ct,date\n" + "\n".join([*rows, rows[0][:-12]]) + "\n")
    links = [federation / "extracts" / "cedro"]
    opened = []
    for number, held in enumerate((10**9, 0)):
        monkeypatch.setenv("WORKBENCH_CACHE", str(tmp_path / f"cache{number}"))
        monkeypatch.setattr(spool, "IN_MEMORY", held)
        monkeypatch.setattr(spool, "GROUP_ROWS", 7)
        monkeypatch.setattr(engine, "VALUES_HELD", held)
        cohort = wb.open_cohort(folder, node_column=node_column, link_roots=links)
        opened.append(cohort)
    whole, on_disk = map(_tables, opened)
    assert len(whole["values"]) > 300
    for name in PUBLIC_TABLES:
        pd.testing.assert_frame_equal(whole[name], on_disk[name])
    pd.testing.assert_frame_equal(opened[0].clinical, opened[1].clinical)
    keys = ["node", "patient_id", "timepoint", "variable"]
    pd.testing.assert_frame_equal(opened[0].values[keys], opened[1].values[keys])
    narrowed = [one.where("modality = 'CT'") for one in opened]
    for one, other in zip(*(_tables(cohort).values() for cohort in narrowed), strict=True):
        pd.testing.assert_frame_equal(one, other)


@pytest.mark.slow
@pytest.mark.parametrize("shape", ["tall", "wide"])
def test_memory_stays_flat_however_large_a_table_is(tmp_path: Path, shape: str) -> None:
    peaks = []
    for size in (2_000_000, 20_000_000):
        root = tmp_path / str(size)
        cells = write_extract(root, shape=shape, size=size)
        environment = {**os.environ, "WORKBENCH_CACHE": str(tmp_path / f"cache{size}"), "WORKBENCH_PROGRESS": "off"}
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.p20_large_table", "--child", str(root), "first"],
            capture_output=True, text=True, check=True, env=environment,
        )  # fmt: skip
        found = json.loads(done.stdout)
        assert found["values"] == cells
        peaks.append(found["peak_MB"])
    assert peaks[1] - peaks[0] < ROOM
