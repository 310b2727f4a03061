"""Tables in the cache: built once, reused while nothing changed, whole at any time."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

import workbench as wb
from workbench.cohort.tables.store import TABLES
from workbench.errors import WorkbenchError, WriteError
from workbench.options import options


@pytest.fixture
def extract(small_federation: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "boreal"
    shutil.copytree(small_federation / "extracts" / "boreal", folder)
    return folder


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "cache"
    monkeypatch.setenv("WORKBENCH_CACHE", str(folder))
    return folder


@pytest.fixture(scope="module")
def built(small_federation: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, str]:
    """An extract that no test changes, a cache that holds it, and how its cohort prints."""
    extract, folder = small_federation / "extracts" / "boreal", tmp_path_factory.mktemp("built")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WORKBENCH_CACHE", str(folder))
        return extract, folder, repr(wb.open_cohort(extract))


@pytest.fixture
def known(built: tuple[Path, Path, str], cache: Path) -> tuple[Path, str]:
    """The extract and how its cohort prints; the cache of the test holds it already."""
    extract, folder, printed = built
    shutil.copytree(folder, cache)
    assert wb.open_cohort(extract).extracts[0].reused
    return extract, printed


def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Paths of the headers read from now on."""
    from workbench.dicom import scan

    seen: list[str] = []
    read = scan._read

    def counted(reader: Any, entries: Any) -> Any:
        seen.extend(entry.path for entry in entries)
        return read(reader, entries)

    monkeypatch.setattr(scan, "_read", counted)
    return seen


def test_an_unchanged_extract_is_reused(extract: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = wb.open_cohort(extract)
    seen = reads(monkeypatch)
    second = wb.open_cohort(extract)
    assert (first.extracts[0].reused, second.extracts[0].reused) == (False, True)
    assert seen == []
    assert first.extracts[0].digest == second.extracts[0].digest
    assert repr(first) == repr(second)


def test_only_a_changed_file_is_read_again(extract: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = wb.open_cohort(extract).extracts[0]
    changed = sorted(extract.rglob("*.dcm"))[3]
    os.utime(changed, ns=(1, 1))
    seen = reads(monkeypatch)
    after = wb.open_cohort(extract).extracts[0]
    assert seen == [changed.relative_to(extract).as_posix()]
    assert not after.reused
    assert after.digest == before.digest


def test_a_removed_file_is_forgotten(extract: Path, cache: Path) -> None:
    n = int(wb.open_cohort(extract).series["n_instances"].sum())
    sorted(extract.rglob("*.dcm"))[0].unlink()
    assert int(wb.open_cohort(extract).series["n_instances"].sum()) == n - 1


def test_a_changed_clinical_table_changes_the_cohort_and_the_digest(extract: Path, cache: Path) -> None:
    before = wb.open_cohort(extract)
    assert "clinical-missing" not in set(before.findings["code"])
    table = next(extract.rglob("*.parquet"))
    rows = pq.read_table(table)
    pq.write_table(rows.slice(1), table)
    after = wb.open_cohort(extract)
    assert "clinical-missing" in set(after.findings["code"])
    assert after.extracts[0].digest != before.extracts[0].digest


def test_an_open_cohort_stays_what_it_was_when_the_extract_is_opened_anew(extract: Path, cache: Path) -> None:
    before = wb.open_cohort(extract)
    n = int(before.sql("select sum(n_instances) as n from series")["n"].item())
    sorted(extract.rglob("*.dcm"))[0].unlink()
    wb.open_cohort(extract)
    assert int(before.series["n_instances"].sum()) == n
    uid = before.series.query("kind == 'image'")["SeriesInstanceUID"].iloc[0]
    for ask in (lambda: before.load(uid), lambda: before.sql("select count(*) from instances")):
        with pytest.raises(WorkbenchError, match="open the cohort again"):
            ask()


@pytest.mark.parametrize("name", TABLES)
def test_tables_another_process_replaced_are_an_error_of_ours(known: tuple[Path, str], name: str) -> None:
    opened = wb.open_cohort(known[0]).extracts[0]
    opened.table(name).unlink()
    with pytest.raises(WorkbenchError, match="open the cohort again"):
        wb.Cohort([opened])


def test_tables_that_vanish_while_they_are_written_are_an_error_of_ours(
    extract: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from workbench.dicom import index

    write = index.write_parquet

    def write_and_lose(table: object, path: Path, **how: Any) -> None:
        write(table, path, **how)  # type: ignore[arg-type]
        if path.name.startswith("series-"):
            path.unlink()

    monkeypatch.setattr(index, "write_parquet", write_and_lose)
    with pytest.raises(WorkbenchError, match="open it again"):
        wb.open_cohort(extract)


def test_the_digest_does_not_depend_on_where_the_extract_lies(extract: Path, cache: Path, tmp_path: Path) -> None:
    moved = tmp_path / "elsewhere" / "boreal"
    shutil.copytree(extract, moved)
    assert wb.open_cohort(extract).extracts[0].digest == wb.open_cohort(moved).extracts[0].digest


def test_the_cache_is_readable_by_its_owner_alone(extract: Path, cache: Path) -> None:
    wb.open_cohort(extract)
    assert stat.S_IMODE(cache.stat().st_mode) == 0o700


def test_nothing_is_written_beside_the_data(extract: Path, cache: Path) -> None:
    before = sorted(extract.rglob("*"))
    wb.open_cohort(extract)
    assert sorted(extract.rglob("*")) == before


def test_a_full_disk_is_a_clear_error_and_leaves_nothing_half_written(
    extract: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(table: object, where: Path, **options: object) -> None:
        Path(where).write_bytes(b"PAR1 half")
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(pq, "write_table", full)
        with pytest.raises(WriteError, match="No space left on device"):
            wb.open_cohort(extract)
    assert [path for path in cache.rglob("*") if path.is_file()] == []
    assert len(wb.open_cohort(extract).patients) == 4


@pytest.mark.parametrize("name", ["series-*.parquet", "instances-*.parquet", "extract.json", "headers.parquet"])
@pytest.mark.parametrize("damage", ["removed", "emptied", "cut"])
def test_a_damaged_cache_is_built_again(known: tuple[Path, str], cache: Path, name: str, damage: str) -> None:
    extract, expected = known
    (file,) = cache.rglob(name)
    if damage == "removed":
        file.unlink()
    else:
        file.write_bytes(b"" if damage == "emptied" else file.read_bytes()[:-20])
    assert repr(wb.open_cohort(extract)) == expected


def test_an_interrupted_scan_goes_on_where_it_was(extract: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from workbench.dicom import scan

    read, done = scan._read, []

    def until(reader: Any, entries: Any) -> Any:
        if done:
            raise KeyboardInterrupt
        done.extend(entries)
        return read(reader, entries)

    with monkeypatch.context() as patch:
        patch.setattr(scan, "PORTION", 100)
        patch.setattr(scan, "_read", until)
        with pytest.raises(KeyboardInterrupt):
            wb.open_cohort(extract)
    seen = reads(monkeypatch)
    cohort = wb.open_cohort(extract)
    n = len(list(extract.rglob("*.dcm")))
    assert len(seen) == n - 100
    assert int(cohort.series["n_instances"].sum()) == n


@pytest.mark.slow
def test_killed_at_any_moment_the_next_opening_is_right(extract: Path, tmp_path: Path) -> None:
    expected = repr(wb.open_cohort(extract))
    code = (
        "import sys, workbench.dicom.scan as scan, workbench as wb\n"
        "scan.PART_FILES = 40\n"
        "print('go', flush=True)\n"
        f"wb.open_cohort({str(extract)!r})\n"
    )
    for attempt, delay in enumerate((0.02, 0.1, 0.25, 0.5, 0.8, 1.1)):
        cache = tmp_path / f"cache{attempt}"
        environment = {**os.environ, "WORKBENCH_CACHE": str(cache)}
        child = subprocess.Popen([sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE)
        assert child.stdout is not None
        child.stdout.readline()
        time.sleep(delay)
        child.send_signal(signal.SIGKILL)
        child.wait()
        child.stdout.close()
        old, options.cache = options.cache, cache
        try:
            assert repr(wb.open_cohort(extract)) == expected
        finally:
            options.cache = old


def test_another_way_of_reading_is_another_state(extract: Path, cache: Path) -> None:
    table = extract / "boreal_clinical.csv"
    table.write_text("code_a,code_b,age\nA1,B1,61\n")
    patients = [set(wb.open_cohort(extract, id_column=name).values["patient_id"]) for name in ("code_a", "code_b")]
    assert ("A1" in patients[0], "B1" in patients[0]) == (True, False)
    assert ("A1" in patients[1], "B1" in patients[1]) == (False, True)


def test_a_cohort_with_little_memory_answers_the_same(extract: Path, cache: Path) -> None:
    expected = repr(wb.open_cohort(extract).where("modality = 'CT'"))
    options.memory = "256MB"  # type: ignore[assignment]
    small = wb.open_cohort(extract).where("modality = 'CT'")
    assert repr(small) == expected
    limit = small._database.rows("select current_setting('memory_limit')")[0][0]
    assert limit == "122.0 MiB"
