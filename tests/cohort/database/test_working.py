"""Connections that go on in the cache where memory ends."""

from __future__ import annotations

import os
from pathlib import Path

import duckdb
import pytest

from workbench.cohort.database import working
from workbench.cohort.database.working import connected
from workbench.options import options


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKBENCH_CACHE", str(tmp_path / "cache"))


def setting(connection: duckdb.DuckDBPyConnection, name: str) -> str:
    return str(connection.execute(f"select current_setting('{name}')").fetchall()[0][0])


def left() -> list[str]:
    return sorted(path.name for path in Path(options.cache_folder("spill")).iterdir())


@pytest.mark.parametrize(
    ("memory", "opening", "limit"),
    [("4GB", False, "1.8 GiB"), ("4GB", True, "286.1 MiB"), ("400MB", True, "190.7 MiB"), (None, True, "286.1 MiB")],
)
def test_the_limit_is_half_of_what_the_options_say_and_less_while_opening(
    monkeypatch: pytest.MonkeyPatch, memory: str | None, opening: bool, limit: str
) -> None:
    if memory is not None:
        monkeypatch.setenv("WORKBENCH_MEMORY", memory)
    with connected(opening=opening) as connection:
        assert setting(connection, "memory_limit") == limit


def test_every_connection_goes_on_in_a_folder_of_its_own() -> None:
    with connected() as one, connected() as other:
        assert setting(one, "temp_directory") != setting(other, "temp_directory")
        assert setting(one, "temp_directory").startswith(str(options.cache / "spill"))


def test_what_does_not_fit_goes_on_on_disk_and_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(working, "OF_OPENING", 64_000_000)
    with connected(opening=True) as connection:
        run = connection.execute
        run("set threads = 1; set enable_external_access = false; set lock_configuration = true")
        rows = run("select count(*) from (select n, md5(n::varchar) t from range(1500000) r(n) order by t)").fetchall()
        assert rows == [(1_500_000,)]
        assert run("""select count(*) from (
            select md5((n % 700000)::varchar) t, count(*) from range(1400000) r(n) group by t)""").fetchall() == [
            (700_000,)
        ]
        assert len(left()) == 1
    assert left() == []


def test_what_a_process_left_that_is_no_more_is_removed_after_a_day() -> None:
    folder = Path(options.cache_folder("spill"))
    gone = max(int(name) for name in os.listdir("/proc") if name.isdigit()) + 10**6
    for name, age in ((f"{gone}-1", 2), (f"{gone}-2", 0), (f"{os.getpid()}-3", 2)):
        (folder / name).mkdir()
        (folder / name / "duckdb_temp").write_bytes(b"x")
        at = (folder / name).stat().st_mtime - age * working.LEFT_BEHIND_S
        os.utime(folder / name, (at, at))
    connected(opening=True).close()
    assert left() == sorted([f"{gone}-2", f"{os.getpid()}-3"])
