"""A cohort in hand while its extract was opened anew: what it holds answers, the rest says what to do."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import workbench as wb
from tests import factories

Ask = Callable[[wb.Cohort, Path], Any]
#: What needs no table on disk.
HELD: dict[str, Ask] = {
    "series": lambda cohort, _: len(cohort.series),
    "findings": lambda cohort, _: len(cohort.findings),
    "sql": lambda cohort, _: cohort.sql("select count(*) from series"),
}
#: What reads a table on disk.
READ: dict[str, Ask] = {
    "where": lambda cohort, _: len(cohort.where("modality = 'CT'").patients),
    "attrition": lambda cohort, _: cohort.attrition(["modality = 'CT'"]),
    "split": lambda cohort, _: cohort.split(fractions={"a": 0.5, "b": 0.5}),
    "load": lambda cohort, _: cohort.load(cohort.series["SeriesInstanceUID"][0]),
    "instances": lambda cohort, _: cohort.sql("select count(*) from instances"),
    "where instances": lambda cohort, _: cohort.where("SeriesInstanceUID in (select SeriesInstanceUID from instances)"),
    "lock": lambda cohort, folder: cohort.lock(folder / "cohort.lock.json"),
    "check": lambda cohort, _: cohort.check(),
    "duplicates": lambda cohort, _: cohort.duplicates(pixels=True),
    "stored": lambda cohort, folder: cohort.cache(folder / "store.zarr"),
    "pickled": lambda cohort, _: pickle.loads(pickle.dumps(cohort)).series,
}


@pytest.fixture
def stale(tmp_path: Path) -> wb.Cohort:
    """A cohort whose extract has got an image since, and was opened again."""
    factories.stack(tmp_path / "site" / "a", range(3))
    cohort = wb.open_cohort(tmp_path / "site")
    factories.image(tmp_path / "site" / "b" / "1.dcm", 1, SeriesInstanceUID="1.2.9", SOPInstanceUID="1.2.9.1")
    assert len(wb.open_cohort(tmp_path / "site").series) == 2
    return cohort


@pytest.mark.parametrize("name", HELD)
def test_what_it_holds_is_what_it_was(stale: wb.Cohort, tmp_path: Path, name: str) -> None:
    HELD[name](stale, tmp_path)
    assert len(stale.series) == 1


@pytest.mark.parametrize("name", READ)
def test_what_is_read_says_that_the_cohort_must_be_opened_again(stale: wb.Cohort, tmp_path: Path, name: str) -> None:
    with pytest.raises(wb.errors.WorkbenchError, match="open the cohort again") as caught:
        READ[name](stale, tmp_path)
    assert "parquet" not in str(caught.value)
