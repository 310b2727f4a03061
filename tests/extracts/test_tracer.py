from __future__ import annotations

import base64
import hashlib
from pathlib import Path

import pytest

from tests.extracts import trees
from workbench import extracts
from workbench.errors import EntryFileError, PathNotFound
from workbench.extracts.tracer import compare, read_report, trace


def _digest(*contents: bytes) -> str:
    return base64.b64encode(hashlib.sha3_256(b"".join(contents)).digest()).decode()


def test_bytes_are_hashed_in_the_order_of_names_through_links(tmp_path: Path) -> None:
    root, lake = trees.dataset_service(tmp_path)
    place = lake / trees.SUBJECT_A / trees.STUDY_1 / "1011"
    for name, content in (("b.dcm", b"second"), ("a.dcm", b"third"), ("2.25.1.dcm", b"first")):
        (place / name).write_bytes(content)
    extract = extracts.open_extract(root, link_roots=[lake])
    found = {traced.path: traced for traced in trace(extract)}
    assert len(found) == 4
    first = found[f"{trees.SUBJECT_A}/{trees.STUDY_1}/1011"]
    assert (first.digest, first.n_files) == (_digest(b"first", b"third", b"second"), 3)
    assert (first.patient_id, first.study_key) == (trees.SUBJECT_A, trees.STUDY_1)


def test_a_name_is_not_part_of_it_but_its_order_is(tmp_path: Path) -> None:
    root = trees.datmat(tmp_path)
    scan = root / "EXAMPLE_PROJECT" / "SUBJ01" / "SUBJ01_MR_1" / "2_t2_tse_tra"
    (scan / "2.25.3001.dcm").write_bytes(b"one")
    before = next(iter(trace(extracts.open_extract(root)))).digest
    (scan / "2.25.3001.dcm").rename(scan / "2.25.3000.dcm")
    assert next(iter(trace(extracts.open_extract(root)))).digest == before
    (scan / "2.25.3000.dcm").rename(scan / "3.dcm")
    assert next(iter(trace(extracts.open_extract(root)))).digest != before


def test_a_report_is_compared(tmp_path: Path) -> None:
    root, lake = trees.dataset_service(tmp_path)
    extract = extracts.open_extract(root, link_roots=[lake])
    expected = {traced.path.rpartition("/")[2]: traced.digest for traced in trace(extract)}
    assert compare(extract, expected) == []
    expected["1011"] = "x"
    del expected["2011"]
    assert [(f.code, f.path.rpartition("/")[2]) for f in compare(extract, expected)] == [
        ("trace-differs", "1011"),
        ("trace-absent", "2011"),
    ]


def test_a_series_of_the_report_that_is_not_here_is_told(tmp_path: Path) -> None:
    extract = extracts.open_extract(trees.datmat(tmp_path))
    expected = {traced.path: traced.digest for traced in trace(extract)} | {"gone/a": "x", "gone/b": "y"}
    assert [(f.code, f.path, f.count) for f in compare(extract, expected)] == [
        ("series-folder-missing", "gone/a", 2),
    ]


REPORTS = {
    "object": '{"P1/S1": "a=", "P1/S2/": "b="}',
    "rows": '[{"path": "P1/S1", "digest": "a="}, {"path": "P1/S2", "digest": "b=", "n_files": 3}]',
    "our own": '{"series": [{"path": "P1/S1", "digest": "a="}, {"path": "P1/S2", "digest": "b="}], "findings": []}',
    "csv": "digest,path\na=,P1/S1\nb=,P1/S2\n",
    "csv of Excel": "\ufeffpath,digest\r\nP1/S1,a=\r\nP1/S2,b=\r\n",
}


@pytest.mark.parametrize("shape", REPORTS)
def test_reports_are_read_in_the_forms_they_come_in(tmp_path: Path, shape: str) -> None:
    (tmp_path / "report").write_bytes(REPORTS[shape].encode())
    assert read_report(tmp_path / "report") == {"P1/S1": "a=", "P1/S2": "b="}


@pytest.mark.parametrize(
    "text", ["", "{", "{}", "[]", '["a"]', '{"P1": 3}', "name,sum\na,b\n", "path,digest\nP1\n", "[1]"]
)
def test_what_is_no_report_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "report.json").write_text(text)
    with pytest.raises(EntryFileError, match=r"report\.json"):
        read_report(tmp_path / "report.json")


def test_a_report_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(PathNotFound):
        read_report(tmp_path / "absent.json")
