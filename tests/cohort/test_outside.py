"""Nothing is written beside the data."""

from __future__ import annotations

from pathlib import Path

import pytest

import workbench as wb
from tests import factories
from workbench.errors import UsageError


@pytest.fixture
def cohort(tmp_path: Path) -> wb.Cohort:
    factories.stack(tmp_path / "sites" / "n" / "A", [0, 2, 4], PatientID="A")
    return wb.open_cohort(tmp_path / "sites" / "n", layout="plain")


@pytest.mark.parametrize("place", ["sites/n/store.zarr", "sites/n/A/deeper/s", "sites/n", "link/s", "sites/x/../n/s"])
def test_stores_and_lock_files_within_an_extract_are_refused(cohort: wb.Cohort, tmp_path: Path, place: str) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "sites" / "n", target_is_directory=True)
    before = sorted((tmp_path / "sites").rglob("*"))
    for write in (cohort.cache, cohort.lock):
        with pytest.raises(UsageError, match=r"within the extract n,.*outside the extracts"):
            write(tmp_path / place)
    assert sorted((tmp_path / "sites").rglob("*")) == before


def test_beside_an_extract_is_no_part_of_it(cohort: wb.Cohort, tmp_path: Path) -> None:
    assert len(cohort.cache(tmp_path / "sites" / "n.zarr")) == 1
    assert cohort.lock(tmp_path / "sites" / "n.json").is_file()
