"""The stored header table: whole or not there."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests import factories
from workbench.dicom.index import HeaderIndex, write_parquet
from workbench.dicom.scan import scan
from workbench.errors import WriteError


def table_of(folder: Path) -> pa.Table:
    factories.stack(folder, (0, 2))
    return scan(folder).table


def test_table_comes_back_as_it_was(tmp_path: Path) -> None:
    table = table_of(tmp_path / "data")
    (tmp_path / "cache").mkdir()
    index = HeaderIndex(tmp_path / "cache")
    index.finish(table)
    known = index.read()
    assert known is not None
    factories.assert_same_table(known.replace_schema_metadata(None), table)


def test_nothing_stored_is_none(tmp_path: Path) -> None:
    assert HeaderIndex(tmp_path).read() is None


def test_index_of_another_format_counts_as_not_there(tmp_path: Path) -> None:
    table = table_of(tmp_path / "data")
    pq.write_table(table.replace_schema_metadata({b"workbench.headers": b"[0, []]"}), tmp_path / "headers.parquet")
    assert HeaderIndex(tmp_path).read() is None


@pytest.mark.parametrize("content", [b"", b"PAR1", b"text"])
def test_unreadable_index_counts_as_not_there(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "headers.parquet").write_bytes(content)
    assert HeaderIndex(tmp_path).read() is None


def test_torn_index_counts_as_not_there(tmp_path: Path) -> None:
    index = HeaderIndex(tmp_path)
    index.finish(table_of(tmp_path / "data"))
    data = index.path.read_bytes()
    index.path.write_bytes(data[: len(data) // 2])
    assert index.read() is None
    # A hole in the middle leaves the footer readable.
    index.path.write_bytes(data[:20] + bytes(len(data) // 2) + data[20 + len(data) // 2 :])
    index.read()


def test_parts_are_read_and_forgotten_when_finished(tmp_path: Path) -> None:
    table = table_of(tmp_path / "data")
    index = HeaderIndex(tmp_path)
    index.add_part(table.slice(0, 1))
    index.add_part(table.slice(1, 1))
    known = index.read()
    assert known is not None
    assert known.num_rows == 2
    assert index.interrupted
    index.finish(table)
    assert not index.interrupted
    assert sorted(path.name for path in tmp_path.glob("*.parquet")) == ["headers.parquet"]


def test_full_disk_is_a_write_error_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(table: pa.Table, where: Path, **options: Any) -> None:
        Path(where).write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(pq, "write_table", full)
    with pytest.raises(WriteError, match="No space left") as caught:
        write_parquet(pa.table({"a": [1]}), tmp_path / "out.parquet")
    assert "WORKBENCH_CACHE" in str(caught.value)
    assert list(tmp_path.iterdir()) == []
