"""Rows of a plan -> references: where each frame lies, its map, its tile."""

from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa

from tests import factories
from workbench.dicom.pixels.frame_refs import frame_refs
from workbench.dicom.scan import scan
from workbench.dicom.series import iterate_series
from workbench.dicom.values.scaling import Lut
from workbench.dicom.values.value_map import value_map


def rows_of(folder: Path) -> pa.Table:
    return next(iterate_series(scan(folder).table, folder)).plans[0].rows


def test_names_are_relative_and_paths_lead_to_the_file(tmp_path: Path) -> None:
    factories.image(tmp_path / "deep" / "er" / "a")
    rows = rows_of(tmp_path)
    (ref,) = frame_refs(rows, tmp_path, value_map(rows))
    assert ref.name == "deep/er/a"
    assert Path(ref.path).samefile(tmp_path / "deep" / "er" / "a")


def test_a_row_without_tile_columns_is_a_whole_picture(tmp_path: Path) -> None:
    factories.image(tmp_path / "a")
    rows = rows_of(tmp_path)
    (ref,) = frame_refs(rows, tmp_path, value_map(rows))
    assert (ref.crop, ref.lut, ref.stored_shape) == (None, None, (6, 8))


def test_tiles_are_crops_where_the_row_has_them(tmp_path: Path) -> None:
    factories.stack(tmp_path, range(2))
    rows = rows_of(tmp_path)
    for name, values in {
        "tile_row": [3, None], "tile_column": [4, None], "stored_rows": [6, None], "stored_columns": [8, None],
    }.items():  # fmt: skip
        if name in rows.column_names:
            rows = rows.drop_columns([name])
        rows = rows.append_column(name, pa.array(values, pa.int64()))
    tile, whole = frame_refs(rows, tmp_path, value_map(rows))
    assert (tile.crop, tile.stored_shape) == ((3, 4, 6, 8), (6, 8))
    assert (whole.crop, whole.stored_shape) == (None, (6, 8))


def test_look_up_tables_and_limits_go_with_their_rows(tmp_path: Path) -> None:
    factories.stack(tmp_path, range(2))
    rows = rows_of(tmp_path)
    table = Lut(0, np.arange(5, dtype=np.float32))

    values = replace(value_map(rows), luts=(None, table), limits=((0.0, 4.0), None))
    refs = frame_refs(rows, tmp_path, values)
    assert [ref.lut for ref in refs] == [None, table]
    assert [ref.limits for ref in refs] == [(0.0, 4.0), None]


def test_references_pickle_small(tmp_path: Path) -> None:
    factories.stack(tmp_path, range(20))
    rows = rows_of(tmp_path)
    refs = frame_refs(rows, tmp_path, value_map(rows))
    data = pickle.dumps(refs)
    assert pickle.loads(data) == refs
    assert len(data) < 20 * 200
