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
from workbench.dicom import reading
from workbench.dicom import scan as module
from workbench.dicom.headers.stamps import identity_of
from workbench.dicom.headers.walk import EXPLICIT_LE
from workbench.dicom.index import HeaderIndex
from workbench.dicom.listing import Place
from workbench.dicom.pixels.frame_refs import frame_refs
from workbench.dicom.scan import scan
from workbench.dicom.series import iterate_series
from workbench.dicom.values.value_map import value_map
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

    def read(*args: Any, **options: Any) -> Any:
        nonlocal count
        count += 1
        if count > after:
            raise KeyboardInterrupt
        return real(*args, **options)

    return read


@pytest.mark.parametrize("after", [0, 1, 7, 11])
def test_interrupted_scan_goes_on_where_it_was(
    after: int, series: tuple[Path, HeaderIndex], monkeypatch: pytest.MonkeyPatch, opened: list[str]
) -> None:
    data, index = series
    with monkeypatch.context() as patch:
        patch.setattr(reading, "read_file", interrupting(after, reading.read_file))
        with pytest.raises(KeyboardInterrupt):
            scan(data, index=index)
    opened.clear()
    found = scan(data, index=index)
    assert (found.n_read, found.n_reused) == (12 - after, after)
    assert len([name for name in opened if name.endswith(".dcm")]) == 12 - after
    factories.assert_same_table(found.table, scan(data).table)
    assert not index.interrupted


@pytest.mark.parametrize("after", [30, 59])
def test_interrupted_reading_of_many_keeps_what_was_read(
    after: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, cache = tmp_path / "data", tmp_path / "cache"
    cache.mkdir()
    factories.stack(data, range(60))
    index = HeaderIndex(cache)
    with monkeypatch.context() as patch:
        patch.setattr(os, "preadv", interrupting(after, os.preadv))
        with pytest.raises(KeyboardInterrupt):
            scan(data, index=index)
    found = scan(data, index=index)
    assert (found.n_read, found.n_reused) == (60 - after, after)
    factories.assert_same_table(found.table, scan(data).table)


def test_portions_are_kept_while_a_scan_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data, cache = tmp_path / "data", tmp_path / "cache"
    cache.mkdir()
    factories.stack(data, range(12))
    monkeypatch.setattr(module, "PART_FILES", 3)
    monkeypatch.setattr(module, "PORTION", 4)
    with monkeypatch.context() as patch:
        patch.setattr(module, "_read", interrupting(2, module._read))
        with pytest.raises(KeyboardInterrupt):
            scan(data, index=HeaderIndex(cache))
    assert scan(data, index=HeaderIndex(cache)).n_reused == 8


def one_by_one(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    with monkeypatch.context() as patch:
        patch.setattr(reading, "FEWEST", 10**9)
        return scan(folder)


@pytest.mark.parametrize("syntax", ["explicit", "implicit", "jpeg-ls"])
def test_many_files_read_together_give_the_table_of_single_ones(
    syntax: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    factories.stack(tmp_path, range(40), syntax=factories.LOSSLESS[syntax], SeriesDescription="head")
    factories.assert_same_table(scan(tmp_path).table, one_by_one(tmp_path, monkeypatch).table)


def mixed(folder: Path) -> None:
    """Ordinary files between those of every other kind."""
    factories.stack(folder, range(40))
    for number, (name, syntax) in enumerate(factories.LOSSLESS.items()):
        factories.image(folder / f"0003-{name}", 100 + number, syntax=syntax, frames=factories.pixels(1))
    factories.image(folder / "0010-no-preamble", 200, preamble=False)
    factories.image(folder / "0011-no-identity", 201, SeriesInstanceUID=None)
    factories.image(folder / "0012-frames", 202, frames=factories.pixels(1)[None].repeat(3, axis=0))
    cut = factories.image(folder / "0013-cut", 203)
    cut.write_bytes(cut.read_bytes()[:-4])
    factories.write(folder / "0014-seg", factories.header(204, SOPClassUID="1.2.840.10008.5.1.4.1.1.66.4"))
    factories.image(folder / "0015-mosaic", 205, ImageType=["ORIGINAL", "PRIMARY", "M", "MOSAIC"])
    (folder / "0016.txt").write_text("notes")
    (folder / "0017-empty").write_bytes(b"")
    long = part10([Element(0x00080018, "UI", b"1.2"), Element(0x00091001, "OB", bytes(30_000))], EXPLICIT_LE)
    for number in range(30):
        (folder / f"0018-long-{number:02d}").write_bytes(long)


def test_files_of_every_kind_read_together_give_the_table_of_single_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mixed(tmp_path)
    ours, theirs = scan(tmp_path), one_by_one(tmp_path, monkeypatch)
    factories.assert_same_table(ours.table, theirs.table)
    assert (ours.findings, ours.n_fallback) == (theirs.findings, theirs.n_fallback)
    assert len(set(ours.table["status"].to_pylist())) > 3


def test_many_ordinary_files_are_opened_once(tmp_path: Path, opened: list[str]) -> None:
    factories.stack(tmp_path, range(40))
    assert len(opened) == 0
    assert scan(tmp_path).n_read == len(opened) == 40


def test_long_headers_are_walked_together_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(40):
        own = [
            Element(0x00080018, "UI", b"1.2.%d" % number),
            Element(0x00091001, "OB", bytes(60_000)),
            Element(0x0020000E, "UI", b"1.3"),
            *(Element(tag, "US", value) for tag, value in ((0x00280010, b"\1\0"), (0x00280011, b"\1\0"))),
            Element(0x00280100, "US", b"\x10\0"),
        ]
        (tmp_path / f"{number:02d}").write_bytes(part10(own, EXPLICIT_LE))
    theirs = one_by_one(tmp_path, monkeypatch)
    monkeypatch.setattr(reading, "read_file", interrupting(0, reading.read_file))
    factories.assert_same_table(scan(tmp_path).table, theirs.table)


def test_a_file_that_grows_or_goes_while_it_is_scanned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data, cache = tmp_path / "data", tmp_path / "cache"
    cache.mkdir()
    paths = factories.stack(data, range(40))
    index = HeaderIndex(cache)
    real = module.list_files

    def then_changed(*args: Any, **options: Any) -> Any:
        listed = real(*args, **options)
        factories.image(paths[3], 4, SeriesDescription="a longer header than before")
        paths[5].unlink()
        paths[7].write_bytes(paths[7].read_bytes()[:600])
        return listed

    with monkeypatch.context() as patch:
        patch.setattr(module, "list_files", then_changed)
        found = statuses(scan(data, index=index))
    assert found["0005.dcm"] == "unreadable"
    assert found["0007.dcm"] != "dicom"
    again = scan(data, index=index)
    factories.assert_same_table(again.table, scan(data).table)
    assert {row["path"]: row["SeriesDescription"] for row in again.table.to_pylist()}["0003.dcm"].startswith("a longer")


def test_a_file_with_several_frames_keeps_what_it_says_of_them(tmp_path: Path) -> None:
    factories.image(tmp_path / "a", 1)
    factories.image(tmp_path / "b", 2, frames=factories.pixels(1)[None].repeat(3, axis=0), FrameTime=40)
    rows = {row["path"]: row for row in scan(tmp_path).table.to_pylist()}
    assert rows["a"]["frames"] is None
    assert rows["b"]["FrameTime"] == 40
    assert rows["b"]["NumberOfFrames"] == 3


def test_user_tags_are_further_columns(tmp_path: Path) -> None:
    factories.image(tmp_path / "a", PatientName="A^B", AcquisitionMatrix=[0, 256, 256, 0], WindowWidth=5)
    table = scan(tmp_path, tags=["PatientName", (0x0018, 0x1310), "WindowWidth", "00080018", 0x00189073]).table
    assert table.column_names[-3:] == ["PatientName", "AcquisitionMatrix", "AcquisitionDuration"]
    assert table.select(table.column_names[-3:]).to_pylist() == [
        {"PatientName": "A^B", "AcquisitionMatrix": [0, 256, 256, 0], "AcquisitionDuration": None}
    ]
    assert len(set(table.column_names)) == len(table.column_names)


@pytest.mark.parametrize("syntax", ["explicit", "implicit", "big-endian", "deflated"])
def test_user_tags_are_the_same_in_every_encoding(syntax: str, tmp_path: Path) -> None:
    dataset = factories.header(
        PatientWeight=71.5, AcquisitionDuration=4.25, PatientName="Ä^B", SpecificCharacterSet="ISO_IR 100",
        SmallestImagePixelValue=65000, SourceImageSequence=[Dataset()], AcquisitionMatrix=[1, 2, 3, 4],
        FrameIncrementPointer=0x00181063, VectorGridData=b"1234",
    )  # fmt: skip
    dataset["SmallestImagePixelValue"].VR = "US"
    dataset.PixelRepresentation = 1
    dataset.add_new(0x00091001, "LO", "ours")
    factories.describe_pixels(dataset, factories.pixels(1)[None])
    factories.write(tmp_path / "a", dataset, factories.pixels(1)[None], syntax=factories.LOSSLESS[syntax])
    tags = ["AcquisitionDuration", "PatientName", "SmallestImagePixelValue", "SourceImageSequence",
            "AcquisitionMatrix", "VectorGridData", "00091001", "PatientBirthDate"]  # fmt: skip
    (row,) = scan(tmp_path, tags=tags).table.to_pylist()
    assert [row[name] for name in tags] == [4.25, "Ä^B", -536, True, [1, 2, 3, 4], True, "ours", None]


def test_an_index_with_user_tags_is_another_one(series: tuple[Path, HeaderIndex], opened: list[str]) -> None:
    data, index = series
    scan(data, index=index)
    with_tags = scan(data, index=index, tags=["PatientName"])
    assert with_tags.n_read == 12
    opened.clear()
    assert scan(data, index=index, tags=["PatientName"]).table.column_names[-1] == "PatientName"
    assert "PatientName" not in scan(data, index=index).table.column_names
    assert scan(data, index=index, tags=["PatientBirthDate"]).n_read == 12
    assert len([name for name in opened if name.endswith(".dcm")]) == 12


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
        module.PART_FILES = module.PORTION = 5
        real = module._read
        def slow(*args):
            time.sleep(0.1)
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


def test_files_under_one_anothers_names_are_read_again_though_sizes_and_times_are_the_same(tmp_path: Path) -> None:
    for number, name in enumerate("AB", 1):
        factories.image(tmp_path / name / "1.dcm", number, PatientID=name, SeriesInstanceUID=f"1.2.{number}")
        os.utime(tmp_path / name / "1.dcm", ns=(10**18, 10**18))
    index = HeaderIndex(tmp_path / "index")
    places = [Place("A"), Place("B")]
    first = scan(tmp_path, places=places, index=index)
    assert first.table["PatientID"].to_pylist() == ["A", "B"]
    (tmp_path / "A").rename(tmp_path / "C")
    (tmp_path / "B").rename(tmp_path / "A")
    (tmp_path / "C").rename(tmp_path / "B")
    again = scan(tmp_path, places=places, index=index)
    assert (again.n_read, again.table["PatientID"].to_pylist()) == (2, ["B", "A"])
    data = (tmp_path / "A" / "1.dcm").read_bytes(), (tmp_path / "B" / "1.dcm").read_bytes()
    for name, content in zip("BA", data, strict=True):
        (tmp_path / name / "1.dcm").write_bytes(content)
        os.utime(tmp_path / name / "1.dcm", ns=(10**18, 10**18))
    assert scan(tmp_path, places=places, index=index).table["PatientID"].to_pylist() == ["A", "B"]


def test_a_backup_by_hard_links_costs_reading_headers_again_and_no_load(tmp_path: Path) -> None:
    factories.stack(tmp_path / "data", range(3))
    index = HeaderIndex(tmp_path / "index")
    table = scan(tmp_path / "data", index=index).table
    for path in (tmp_path / "data").iterdir():
        os.link(path, tmp_path / f"kept-{path.name}")
    plan = next(iterate_series(table, tmp_path / "data")).plans[0]
    refs = frame_refs(plan.rows, tmp_path / "data", value_map(plan.rows))
    assert all(identity_of(os.stat(ref.path)) == ref.identity for ref in refs)
    assert scan(tmp_path / "data", index=index).n_read == 3
