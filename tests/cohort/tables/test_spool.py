from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from workbench.cohort.tables import spool
from workbench.options import options

SCHEMA = pa.schema([("row", pa.int64()), ("text", pa.string())])


def batches(count: int) -> list[pa.RecordBatch]:
    return [
        pa.RecordBatch.from_pylist([{"row": n, "text": f"t{n}"}, {"row": -n, "text": None}], SCHEMA)
        for n in range(count)
    ]


@pytest.mark.parametrize("limit", [0, 100, 10**9])
@pytest.mark.parametrize("count", [0, 1, 50])
def test_the_table_is_the_same_in_memory_and_on_disk(monkeypatch: pytest.MonkeyPatch, limit: int, count: int) -> None:
    monkeypatch.setattr(spool, "IN_MEMORY", limit)
    table = spool.spooled(iter(batches(count)), SCHEMA)
    assert table == pa.Table.from_batches(batches(count), SCHEMA)
    assert table.num_rows == 2 * count


def test_no_file_is_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spool, "IN_MEMORY", 0)
    table = spool.spooled(iter(batches(9)), SCHEMA)
    assert list(Path(options.cache_folder("spool")).iterdir()) == []
    assert table["text"][2].as_py() == "t1"
