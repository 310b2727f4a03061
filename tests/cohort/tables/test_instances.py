"""Instances are kept so that a series is read without the others, however many there are."""

from __future__ import annotations

from pathlib import Path

import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

import workbench as wb
from benchmarks.crowd import write_series
from workbench.cohort.tables import instances
from workbench.cohort.tables.instances import masks_of, of_series
from workbench.errors import ChangedFile


@pytest.fixture
def cohort(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> wb.Cohort:
    """40 series of 5 images, ten rows to a group."""
    monkeypatch.setattr(instances, "GROUP", 10)
    return wb.open_cohort(write_series(tmp_path / "x", series=40, slices=5))


def test_a_series_lies_in_few_groups_of_rows_and_comes_in_order_of_path(cohort: wb.Cohort) -> None:
    [extract] = cohort.extracts
    assert pq.ParquetFile(extract.table("instances")).num_row_groups == 20
    for uid in cohort.series["SeriesInstanceUID"]:
        rows = of_series(extract, uid)
        paths = rows["path"].to_pylist()
        assert (len(paths), paths) == (5, sorted(paths))
        assert set(rows["SeriesInstanceUID"].to_pylist()) == {uid}
        [fragment] = ds.dataset(extract.table("instances")).get_fragments()
        assert len(fragment.split_by_row_group(pc.field("SeriesInstanceUID") == uid)) == 1


def test_masks_come_before_images(federation: Path) -> None:
    extracts = sorted((federation / "extracts").iterdir())
    for extract in wb.open_cohort(extracts, link_roots=[federation / "datalake"]).extracts:
        kinds = pq.read_table(extract.table("instances"))["kind"].to_pylist()
        masks = [kind in ("segmentation", "structure-set") for kind in kinds]
        assert masks == sorted(masks, reverse=True)
        assert masks_of(extract, ["kind"]).num_rows == sum(masks)


def test_a_table_that_is_gone_or_made_anew_is_noticed(cohort: wb.Cohort) -> None:
    [extract] = cohort.extracts
    uid = cohort.series["SeriesInstanceUID"][0]
    assert of_series(extract, uid).num_rows == 5
    place = extract.table("instances")
    table = pq.read_table(place)
    pq.write_table(table, place, row_group_size=3)
    assert of_series(extract, uid).num_rows == 5
    place.unlink()
    with pytest.raises(ChangedFile, match="open the cohort again"):
        of_series(extract, uid)
