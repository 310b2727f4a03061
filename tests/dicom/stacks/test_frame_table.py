"""One row per frame: with the frame's own values where the object gives them, and none it does not give."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa

from tests import factories, multiframe
from workbench.dicom.scan import scan
from workbench.dicom.stacks.frame_table import frame_rows
from workbench.dicom.stacks.split import numbers

PLACES = factories.positions((0, 2, 4)).tolist()


def rows(folder: Path) -> pa.Table:
    return frame_rows(scan(folder).instances)


def test_single_frames_are_a_row_each(tmp_path: Path) -> None:
    factories.stack(tmp_path)
    table = rows(tmp_path)
    assert table.num_rows == 6
    assert table["frame"].to_pylist() == [0] * 6
    assert "frames" not in table.column_names


def test_frames_have_their_own_places(tmp_path: Path) -> None:
    multiframe.enhanced(tmp_path / "a", PLACES, rescale=[(1, 0), (2, 0), (3, 0)])
    table = rows(tmp_path)
    assert table["frame"].to_pylist() == [0, 1, 2]
    assert numbers(table, "ImagePositionPatient").tolist() == PLACES
    assert table["RescaleSlope"].to_pylist() == [1, 2, 3]
    assert len(set(table["SOPInstanceUID"].to_pylist())) == 1


def test_frames_that_are_not_described_have_no_place(tmp_path: Path) -> None:
    factories.image(tmp_path / "a", frames=np.zeros((3, 4, 4), "<i2"))
    table = rows(tmp_path)
    assert np.isnan(numbers(table, "ImagePositionPatient")).all()
    assert table["described"].to_pylist() == [False] * 3


def test_several_kinds_stand_in_one_table(tmp_path: Path) -> None:
    factories.stack(tmp_path / "a", (0, 2))
    multiframe.enhanced(tmp_path / "b", PLACES, number=7)
    multiframe.mosaic(tmp_path / "c", np.zeros((4, 2, 3), "<i2"), number=8)
    factories.image(tmp_path / "d", 9, frames=np.zeros((2, 4, 4), "<i2"))
    table = rows(tmp_path)
    assert table.num_rows == 2 + 3 + 4 + 2
    tiles = table["tile_row"].to_pylist()
    assert sum(tile is not None for tile in tiles) == 4
    assert sorted(set(table["Rows"].to_pylist())) == [2, 4, 6]


def test_rows_that_are_frames_already_stay_as_they_are(tmp_path: Path) -> None:
    factories.stack(tmp_path)
    table = rows(tmp_path)
    assert frame_rows(table) is table
