"""A folder tree becomes the header table: by content, resumable, unchanged files left alone."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from pydicom.dataset import Dataset

from tests import factories
from tests.conftest import ROOT
from tests.strategies import Element, part10
from workbench.dicom import scan as module
from workbench.dicom.index import HeaderIndex
from workbench.dicom.scan import scan
from workbench.dicom.walk import EXPLICIT_LE
from workbench.errors import WriteError


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of files opened by the scan, in order."""
    names: list[str] = []
    real = os.open

    def counting(path: Any, *args: Any, **options: Any) -> int:
        names.append(os.path.basename(os.fspath(path)))
        return real(path, *args, **options)

    monkeypatch.setattr(os, "open", counting)
    return names


def codes(found: Any) -> list[tuple[str, str]]:
    return [(finding.code, finding.path) for finding in found.findings]


def statuses(found: Any) -> dict[str, str]:
    return dict(zip(found.table["path"].to_pylist(), found.table["status"].to_pylist(), strict=True))


def test_dicom_is_told_by_content_not_by_suffix(tmp_path: Path) -> None:
    factories.image(tmp_path / "image.txt", 1)
    factories.image(tmp_path / "IM0001", 2)
    (tmp_path / "notes.dcm").write_text("not an image")
    (tmp_path / "notes.txt").write_text("patient;age\n1;2\n")
    (tmp_path / "empty.dcm").write_bytes(b"")
    found = scan(tmp_path)
    assert found.instances["path"].to_pylist() == ["IM0001", "image.txt"]
    assert codes(found) == [("file-not-dicom", "empty.dcm"), ("file-not-dicom", "notes.dcm")]


def test_numbers_that_look_like_an_element_are_not_dicom(tmp_path: Path) -> None:
    (tmp_path / "counts.bin").write_bytes(b"\x02\0\0\0" * 200)
    assert statuses(scan(tmp_path)) == {"counts.bin": "not-dicom"}


def test_one_open_and_one_read_per_file(tmp_path: Path, opened: list[str]) -> None:
    factories.stack(tmp_path)
    found = scan(tmp_path)
    assert len(opened) == found.n_read == 6
    assert found.n_fallback == 0


def test_header_longer_than_the_first_read_is_read_on(tmp_path: Path) -> None:
    data = part10(
        [
            Element(0x00080018, "UI", b"1.2"),
            Element(0x00091001, "OB", bytes(300_000)),
            Element(0x0020000E, "UI", b"1.3"),
            Element(0x00280010, "US", b"\1\0"),
            Element(0x00280011, "US", b"\1\0"),
            Element(0x00280100, "US", b"\x10\0"),
        ],
        EXPLICIT_LE,
    )
    (tmp_path / "a").write_bytes(data)
    found = scan(tmp_path)
    assert found.instances["SeriesInstanceUID"].to_pylist() == ["1.3"]
    assert found.n_fallback == 0


def test_file_cut_in_its_pixels_is_a_finding_that_names_the_series(tmp_path: Path) -> None:
    paths = factories.stack(tmp_path)
    paths[2].write_bytes(paths[2].read_bytes()[:-10])
    found = scan(tmp_path)
    assert codes(found) == [("file-truncated", "0002.dcm")]
    assert found.findings[0].series_uid == factories.SERIES
    assert found.instances.num_rows == 5


def test_file_cut_in_its_header_is_a_finding_that_names_the_series(tmp_path: Path) -> None:
    paths = factories.stack(tmp_path)
    data = paths[2].read_bytes()
    paths[2].write_bytes(data[: data.index(b"\x28\x00\x10\x00US") + 9])
    found = scan(tmp_path)
    assert codes(found) == [("file-truncated", "0002.dcm")]
    assert found.findings[0].series_uid == factories.SERIES


@pytest.mark.parametrize("syntax", list(factories.LOSSLESS))
def test_a_file_cut_anywhere_is_never_taken_for_whole(syntax: str, tmp_path: Path) -> None:
    path = factories.image(tmp_path / "a.dcm", syntax=factories.LOSSLESS[syntax])
    data = path.read_bytes()
    step = max(1, len(data) // 60)
    for cut in range(133, len(data) - 1, step):
        path.write_bytes(data[:cut])
        found = scan(tmp_path)
        images = [row for row in found.instances.to_pylist() if row["kind"] == "image"]
        # What is inflated before it is found short is refused at the latest when it is read.
        assert syntax == "deflated" or images == [], cut
        assert syntax == "deflated" or found.instances.num_rows == 0, cut


def test_more_frames_than_fragments_is_cut_off(tmp_path: Path) -> None:
    factories.image(tmp_path / "a", syntax=factories.LOSSLESS["jpeg-ls"], NumberOfFrames=2_000_000_000)
    assert statuses(scan(tmp_path)) == {"a": "truncated"}


def test_frames_that_cannot_fit_a_deflated_file_are_cut_off(tmp_path: Path) -> None:
    factories.image(tmp_path / "a", syntax=factories.LOSSLESS["deflated"], NumberOfFrames=2_000_000_000)
    assert statuses(scan(tmp_path)) == {"a": "truncated"}


@pytest.mark.parametrize("missing", ["Rows", "Columns"])
def test_image_without_a_size_is_not_usable(missing: str, tmp_path: Path) -> None:
    factories.image(tmp_path / "a", **{missing: None})
    assert statuses(scan(tmp_path)) == {"a": "header-unreadable"}


def test_object_without_identity_is_a_finding(tmp_path: Path) -> None:
    factories.image(tmp_path / "a", SeriesInstanceUID=None)
    assert codes(scan(tmp_path)) == [("identity-missing", "a")]


def test_fifo_is_never_opened(tmp_path: Path) -> None:
    factories.image(tmp_path / "a")
    os.mkfifo(tmp_path / "b.dcm")
    assert scan(tmp_path).table.num_rows == 1


def test_every_syntax_gives_the_same_columns(tmp_path: Path) -> None:
    for name, syntax in factories.LOSSLESS.items():
        factories.image(tmp_path / name, syntax=syntax, SeriesDescription="head")
    table = scan(tmp_path).instances
    assert table.num_rows == len(factories.LOSSLESS)
    for column in ("SeriesDescription", "Rows", "PixelSpacing", "RescaleSlope", "SOPInstanceUID"):
        assert len({str(value) for value in table[column].to_pylist()}) == 1


@pytest.fixture
def series(tmp_path: Path) -> tuple[Path, HeaderIndex]:
    data, cache = tmp_path / "data", tmp_path / "cache"
    cache.mkdir()
    factories.stack(data, range(12))
    return data, HeaderIndex(cache)


def test_unchanged_files_are_not_opened_again(series: tuple[Path, HeaderIndex], opened: list[str]) -> None:
    data, index = series
    first = scan(data, index=index)
    opened.clear()
    second = scan(data, index=index)
    assert opened == []
    assert (second.n_read, second.n_reused) == (0, 12)
    factories.assert_same_table(second.table, first.table)


def test_only_what_changed_is_read_again(series: tuple[Path, HeaderIndex], opened: list[str]) -> None:
    data, index = series
    scan(data, index=index)
    factories.image(data / "0003.dcm", 4, SeriesDescription="changed")
    factories.image(data / "new.dcm", 99)
    (data / "0005.dcm").unlink()
    opened.clear()
    found = scan(data, index=index)
    assert sorted(name for name in opened if name.endswith(".dcm")) == ["0003.dcm", "new.dcm"]
    rows = {row["path"]: row for row in found.table.to_pylist()}
    assert rows["0003.dcm"]["SeriesDescription"] == "changed"
    assert "0005.dcm" not in rows
    assert len(rows) == 12
    assert scan(data, index=index).n_read == 0


def test_what_could_not_be_opened_is_tried_again(
    series: tuple[Path, HeaderIndex], monkeypatch: pytest.MonkeyPatch
) -> None:
    data, index = series
    real = os.open

    def denied(path: Any, *args: Any, **options: Any) -> int:
        if os.fspath(path).endswith("0003.dcm"):
            raise PermissionError(errno.EACCES, "Permission denied")
        return real(path, *args, **options)

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", denied)
        assert codes(scan(data, index=index)) == [("file-unreadable", "0003.dcm")]
    assert codes(scan(data, index=index)) == []


def interrupting(after: int, real: Callable[..., Any]) -> Callable[..., Any]:
    count = 0

    def read(*args: Any) -> Any:
        nonlocal count
        count += 1
        if count > after:
            raise KeyboardInterrupt
        return real(*args)

    return read


@pytest.mark.parametrize("after", [0, 1, 7, 11])
def test_interrupted_scan_goes_on_where_it_was(
    after: int, series: tuple[Path, HeaderIndex], monkeypatch: pytest.MonkeyPatch, opened: list[str]
) -> None:
    data, index = series
    monkeypatch.setattr(module, "PART_FILES", 3)
    with monkeypatch.context() as patch:
        patch.setattr(module, "_read", interrupting(after, module._read))
        with pytest.raises(KeyboardInterrupt):
            scan(data, index=index)
    opened.clear()
    found = scan(data, index=index)
    assert (found.n_read, found.n_reused) == (12 - after, after)
    assert len([name for name in opened if name.endswith(".dcm")]) == 12 - after
    factories.assert_same_table(found.table, scan(data).table)
    assert not index.interrupted


def test_scan_interrupted_behind_its_last_file_is_finished_by_the_next(
    series: tuple[Path, HeaderIndex], monkeypatch: pytest.MonkeyPatch
) -> None:
    data, index = series
    monkeypatch.setattr(module, "PART_FILES", 12)
    with monkeypatch.context() as patch:
        patch.setattr(HeaderIndex, "finish", interrupting(0, HeaderIndex.finish))
        with pytest.raises(KeyboardInterrupt):
            scan(data, index=index)
    assert scan(data, index=index).n_read == 0
    assert index.path.exists()
    assert not index.interrupted


def test_killed_scan_leaves_what_it_had(tmp_path: Path) -> None:
    data, cache = tmp_path / "data", tmp_path / "cache"
    cache.mkdir()
    factories.stack(data, range(40))
    script = textwrap.dedent(
        """
        import sys, time
        from pathlib import Path
        from workbench.dicom import scan as module
        from workbench.dicom.index import HeaderIndex
        module.PART_FILES = 5
        real = module._read
        def slow(*args):
            time.sleep(0.02)
            return real(*args)
        module._read = slow
        module.scan(Path(sys.argv[1]), index=HeaderIndex(Path(sys.argv[2])))
        """
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "WORKBENCH_PROGRESS": "off"}
    child = subprocess.Popen([sys.executable, "-c", script, str(data), str(cache)], env=environment)
    deadline = time.monotonic() + 60
    while len(list(cache.glob("part-*.parquet"))) < 2 and time.monotonic() < deadline and child.poll() is None:
        time.sleep(0.01)
    child.send_signal(signal.SIGKILL)
    child.wait()
    index = HeaderIndex(cache)
    known = index.read()
    assert known is not None
    assert known.num_rows >= 10
    found = scan(data, index=index)
    assert found.n_reused >= 10
    factories.assert_same_table(found.table, scan(data).table)


def test_index_of_another_version_is_read_anew(series: tuple[Path, HeaderIndex]) -> None:
    data, index = series
    table = scan(data, index=index).table
    pq.write_table(table.replace_schema_metadata({b"workbench.headers": b"[0, []]"}), index.path)
    assert scan(data, index=index).n_read == 12


def test_torn_index_is_read_anew(series: tuple[Path, HeaderIndex]) -> None:
    data, index = series
    scan(data, index=index)
    index.path.write_bytes(index.path.read_bytes()[:-100])
    assert scan(data, index=index).n_read == 12
    assert scan(data, index=index).n_read == 0


def test_full_disk_is_a_write_error_and_the_old_index_stays(
    series: tuple[Path, HeaderIndex], monkeypatch: pytest.MonkeyPatch
) -> None:
    data, index = series
    scan(data, index=index)
    before = index.path.read_bytes()
    factories.image(data / "new.dcm", 99)

    def full(table: Any, where: Path, **options: Any) -> None:
        Path(where).write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(pq, "write_table", full)
        with pytest.raises(WriteError):
            scan(data, index=index)
    assert index.path.read_bytes() == before
    assert [path.name for path in index.folder.iterdir()] == ["headers.parquet"]


@pytest.mark.parametrize("name", ["implicit", "explicit"])
def test_structure_set_cut_off_is_a_finding(name: str, tmp_path: Path) -> None:
    contour = Dataset()
    contour.ContourData = [float(i) for i in range(300)]
    roi = Dataset()
    roi.ContourSequence = [contour, contour]
    dataset = factories.header(SOPClassUID="1.2.840.10008.5.1.4.1.1.481.3", Modality="RTSTRUCT")
    dataset.ROIContourSequence = [roi, roi]
    path = factories.write(tmp_path / "a", dataset, syntax=factories.LOSSLESS[name])
    assert statuses(scan(tmp_path)) == {"a": "dicom"}
    data = path.read_bytes()
    for cut in (len(data) - 1, len(data) - 500, len(data) // 2):
        path.write_bytes(data[:cut])
        assert statuses(scan(tmp_path)) == {"a": "truncated"}
