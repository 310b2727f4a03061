from __future__ import annotations

import os
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from workbench.cohort.tables import spool
from workbench.cohort.tables.spool import Spool
from workbench.errors import WriteError
from workbench.options import options

SCHEMA = pa.schema([("row", pa.int64()), ("text", pa.string())])


def batches(count: int) -> list[pa.RecordBatch]:
    return [
        pa.RecordBatch.from_pylist([{"row": n, "text": f"t{n}"}, {"row": -n, "text": None}], SCHEMA)
        for n in range(count)
    ]


def filled(count: int) -> Spool:
    made = Spool(SCHEMA)
    for batch in batches(count):
        made.add(batch)
    return made


def files() -> list[Path]:
    return sorted(Path(options.cache_folder("spool")).iterdir())


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKBENCH_CACHE", str(tmp_path / "cache"))


@pytest.fixture(params=[(0, 1), (0, 7), (100, 3), (10**9, 1)])
def limits(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bytes in memory, and rows of a group: all on disk, some, none."""
    monkeypatch.setattr(spool, "IN_MEMORY", request.param[0])
    monkeypatch.setattr(spool, "GROUP_ROWS", request.param[1])


@pytest.mark.usefixtures("limits")
@pytest.mark.parametrize("count", [0, 1, 50])
def test_rows_are_the_same_wherever_they_lie(tmp_path: Path, count: int) -> None:
    expected = pa.Table.from_batches(batches(count), SCHEMA)
    with filled(count) as made:
        assert made.num_rows == 2 * count
        assert made.table() == expected
        with duckdb.connect() as connection:
            asked = made.ask(connection).query("given", "select count(*), sum(row), count(text) from given").fetchall()
        assert asked == [(2 * count, 0 if count else None, count)]
        made.write(tmp_path / "kept.parquet")
    assert pq.read_table(tmp_path / "kept.parquet") == expected
    assert files() == []


@pytest.mark.usefixtures("limits")
def test_nothing_stays_of_rows_that_were_not_kept() -> None:
    with filled(9):
        pass
    made = filled(9)
    del made
    assert files() == []


def test_what_another_process_left_a_day_ago_is_removed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spool, "IN_MEMORY", 0)
    folder = Path(options.cache_folder("spool"))
    for name, age in (("left.parquet", spool.LEFT_BEHIND_S + 60), ("in use.parquet", 60)):
        (folder / name).write_bytes(b"PAR1")
        facts = (folder / name).stat()
        os.utime(folder / name, (facts.st_atime, facts.st_mtime - age))
    with filled(1):
        names = {path.name for path in files()}
    assert "left.parquet" not in names
    assert "in use.parquet" in names


def test_a_full_disk_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spool, "IN_MEMORY", 0)
    monkeypatch.setattr(spool, "GROUP_ROWS", 1)
    made = filled(1)

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(made._writer, "write_table", full)
    with pytest.raises(WriteError, match="No space left on device"):
        made.add(batches(1)[0])
    made.close()
    assert files() == []
