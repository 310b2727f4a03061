"""Excel workbooks as nodes hand them over, and as nobody should."""

from __future__ import annotations

import datetime as dt
import io
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
from openpyxl import Workbook
from openpyxl.utils.datetime import CALENDAR_MAC_1904

from tests.extracts import trees
from workbench import extracts
from workbench.extracts import Extract, workbooks
from workbench.extracts.workbooks import open_workbook


def book(*sheets: list[list[Any]]) -> Workbook:
    made = Workbook()
    made.remove(made.active)
    for rows in sheets:
        sheet = made.create_sheet()
        for row in rows:
            sheet.append(row)
    return made


def opened(folder: Path, of: Workbook, **how: Any) -> Extract:
    """An extract whose only table is this workbook."""
    root = trees.plain(folder)
    (root / "clinical.csv").unlink()
    of.save(root / "clinical.xlsx")
    return extracts.open_extract(root, **how)


def cells(extract: Extract) -> dict[tuple[str, str], str]:
    return {(row.patient_id, row.variable): row.value for row in extract.clinical}


def told(extract: Extract) -> list[tuple[str, str]]:
    return [(finding.code, finding.message) for finding in extract.findings]


WRITTEN: dict[str, tuple[Any, str, str]] = {
    "whole number": (61, "General", "61"),
    "whole number as a float": (61.0, "General", "61"),
    "decimals": (4.2, "General", "4.2"),
    "a sum of decimals": (0.1 + 0.2, "General", "0.3"),
    "shown with two decimals": (4.2, "0.00", "4.2"),
    "id of zeros": (42, "00000", "00042"),
    "share": (0.35, "0%", "35%"),
    "a day": (dt.date(2020, 5, 1), "DD/MM/YYYY", "2020-05-01"),
    "a day at midnight": (dt.datetime(2020, 5, 1), "DD/MM/YYYY", "2020-05-01"),
    "a day with its time": (dt.datetime(2020, 5, 1, 12, 30), "DD/MM/YYYY hh:mm", "2020-05-01T12:30:00"),
    "a day before the leap day that never was": (dt.date(1900, 1, 15), "DD/MM/YYYY", "1900-01-15"),
    "time of day": (dt.time(8, 5), "hh:mm", "08:05:00"),
    "more hours than a day has": (dt.timedelta(hours=36, minutes=5), "[h]:mm", "36:05:00"),
    "truth": (True, "General", "TRUE"),
    "text": ("  Málaga ", "General", "Málaga"),
    "text of digits": ("007", "General", "007"),
    "right to left": ("חיובי", "General", "חיובי"),
}


#: Days that a calendar from 1904 on does not have.
BEFORE_1904 = ("a day before the leap day that never was",)


@pytest.mark.parametrize(
    ("epoch", "case"),
    [(1900, case) for case in WRITTEN] + [(1904, case) for case in WRITTEN if case not in BEFORE_1904],
)
def test_cells_are_what_a_person_wrote(tmp_path: Path, case: str, epoch: int) -> None:
    value, form, expected = WRITTEN[case]
    made = book([["patient_id", "value", "other"], ["P1", None, "x"]])
    if epoch == 1904:
        made.epoch = CALENDAR_MAC_1904
    cell = made.worksheets[0]["B2"]
    cell.value = value
    cell.number_format = form
    extract = opened(tmp_path, made)
    assert cells(extract)["P1", "value"] == expected
    assert told(extract) == []


def test_every_sheet_is_a_table(tmp_path: Path) -> None:
    made = book([["patient_id", "age"], ["P1", 61]], [["patient_id", "psa"], ["P1", 4.2]], [])
    extract = opened(tmp_path, made)
    assert [(row.table, row.variable, row.value, row.row) for row in extract.clinical] == [
        ("clinical: Sheet", "age", "61", 2),
        ("clinical: Sheet1", "psa", "4.2", 2),
    ]
    assert (extract.tables, told(extract)) == (("clinical.xlsx",), [])


def test_sheet_of_studies_says_when_they_were(tmp_path: Path) -> None:
    studies = [["StudyInstanceUID", "PatientID", "Timepoint", "StudyDate"], ["2.25.1", "P1", 1, dt.date(2020, 5, 1)]]
    extract = opened(tmp_path, book([["patient_id", "age"], ["P1", 61]], studies))
    (study,) = extract.studies
    assert (study.study_key, study.timepoint, study.date, study.source) == (
        "2.25.1",
        "1",
        "2020-05-01",
        "clinical.xlsx:2",
    )


def test_hidden_sheet_is_told_and_not_loaded(tmp_path: Path) -> None:
    made = book([["patient_id", "age"], ["P1", 61]], [["patient_id", "name"], ["P1", "SECRET"]])
    for state in ("hidden", "veryHidden"):
        made.worksheets[1].sheet_state = state
        extract = opened(tmp_path / state, made)
        assert told(extract) == [("sheet-left-out", "sheet 2 is hidden")]
        assert set(cells(extract).values()) == {"61"}


def test_legend_beside_a_table_is_told_and_not_loaded(tmp_path: Path) -> None:
    made = book([["variable", "meaning"], ["age", "years"]], [["patient_id", "age"], ["P1", 61]])
    extract = opened(tmp_path, made)
    (finding,) = extract.findings
    assert (finding.code, finding.message[:8]) == ("sheet-left-out", "sheet 1 ")
    assert list(cells(extract)) == [("P1", "age")]


def test_errors_and_formulas_without_a_value_are_missing_and_told(tmp_path: Path) -> None:
    made = book([["patient_id", "a", "b"], ["P1", "#N/A", "=1+1"], ["P2", "#DIV/0!", 3]])
    extract = opened(tmp_path, made)
    assert cells(extract) == {("P1", "a"): "", ("P1", "b"): "", ("P2", "a"): "", ("P2", "b"): "3"}
    assert [(f.code, f.count) for f in extract.findings] == [("cell-error", 2), ("cell-error", 1)]


def test_formula_gives_the_value_kept_with_it(tmp_path: Path) -> None:
    made = book([["patient_id", "a"], ["P1", "=1+1"]])
    plain, kept = io.BytesIO(), tmp_path / "kept.xlsx"
    made.save(plain)
    with zipfile.ZipFile(plain) as before, zipfile.ZipFile(kept, "w") as after:
        for name in before.namelist():
            after.writestr(name, before.read(name).replace(b"<v></v>", b"<v>2</v>").replace(b"<v />", b"<v>2</v>"))
    (sheet,) = open_workbook(kept)
    assert (list(sheet)[1], sheet.uncalculated) == ((2, ("P1", "2")), 0)


def test_merged_cells_each_have_the_value_of_the_first(tmp_path: Path) -> None:
    rows = [["patient", None, "tumour", None], ["id", "visit", "t", "n"], ["P1", 1, 2, 0], [None, 2, 3, None]]
    made = book(rows)
    for area in ("A1:B1", "C1:D1", "A3:A4", "D3:D4"):
        made.worksheets[0].merge_cells(area)
    extract = opened(tmp_path, made, header=2)
    assert [(row.patient_id, row.variable, row.value) for row in extract.clinical] == [
        ("P1", "patient.visit", "1"),
        ("P1", "tumour.t", "2"),
        ("P1", "tumour.n", "0"),
        ("P1", "patient.visit", "2"),
        ("P1", "tumour.t", "3"),
        ("P1", "tumour.n", "0"),
    ]
    assert "4 merged area(s)" in str(told(extract))


def test_column_without_a_name_is_kept_wherever_it_begins(tmp_path: Path) -> None:
    made = book([["patient_id", "a"], ["P1", 1], ["P2", 2, None, "far"]])
    assert cells(opened(tmp_path, made)) == {
        ("P1", "a"): "1",
        ("P1", "column_4"): "",
        ("P2", "a"): "2",
        ("P2", "column_4"): "far",
    }


def test_what_excel_keeps_beside_an_open_workbook_is_passed_over(tmp_path: Path) -> None:
    root = trees.plain(tmp_path)
    (root / "~$clinical.xlsx").write_bytes(b"\x05user")
    assert extracts.open_extract(root).findings == ()


def parts(sheet: bytes, **others: bytes) -> dict[str, bytes]:
    """A workbook of one sheet, as Excel writes it."""
    made = io.BytesIO()
    book([["patient_id", "a"], ["P1", 1]]).save(made)
    with zipfile.ZipFile(made) as archive:
        found = {name: archive.read(name) for name in archive.namelist()}
    return {**found, "xl/worksheets/sheet1.xml": sheet, **{k.replace("__", "/"): v for k, v in others.items()}}


def packed(path: Path, content: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in content.items():
            archive.writestr(name, data)
    return path


HEAD = b'<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>'
TAIL = b"</sheetData></worksheet>"
INLINE = b'<c t="inlineStr"><is><t>%s</t></is></c>'
NAMES = b'<row r="1">' + INLINE % b"patient_id" + INLINE % b"a" + b"</row>"
CELL = b"<c><v>1</v></c>"
ENTITIES = (
    b'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">'
    + b"".join(b'<!ENTITY %c "%s">' % (98 + i, b"&%c;" % (97 + i) * 10) for i in range(9))
    + b"]>"
)
BOMBS = {
    "one endless row": HEAD + NAMES + b'<row r="2">' + CELL * 2_000_000 + b"</row>" + TAIL,
    "rows of nothing": HEAD + NAMES + b"<row/>" * 2_000_000 + TAIL,
    "rows of nothing with a prefix": HEAD + NAMES + b"<x:row />" * 2_000_000 + TAIL,
    "a row far below": HEAD + NAMES + b'<row r="99999999999"><c><v>1</v></c></row>' + TAIL,
    "far columns": HEAD + NAMES + b"".join(b'<row><c r="XFD%d"><v>1</v></c></row>' % n for n in range(2, 9000)) + TAIL,
    "entities": ENTITIES + HEAD + NAMES.replace(b"patient_id", b"&j;") + TAIL,
    "cut": (HEAD + NAMES)[:-9],
    "no XML": b"\0\1\2",
}


@pytest.mark.slow
@pytest.mark.parametrize("bomb", BOMBS)
def test_bomb_ends_in_a_finding_within_bounds(tmp_path: Path, bomb: str) -> None:
    root = trees.plain(tmp_path)
    packed(root / "bomb.xlsx", parts(BOMBS[bomb]))
    code = """
import resource, sys
import openpyxl, numpy, pyarrow
from workbench import extracts
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
before = peak()
extract = extracts.open_extract(sys.argv[1])
print(len(extract.clinical), {f.code for f in extract.findings if f.path == "bomb.xlsx"} or "", peak() - before)
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(root)], capture_output=True, text=True, check=True, timeout=200
    )
    values, *codes, grown = done.stdout.split()
    assert int(values) >= 2
    assert "clinical-unreadable" in str(codes)
    assert int(grown) < 300


@pytest.mark.parametrize(
    ("limit", "size"), [("MAX_FILE", 1000), ("MAX_SHEET", 1000), ("MAX_REST", 100), ("MAX_MEMBERS", 3)]
)
def test_workbook_beyond_a_limit_is_left_unread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str, size: int
) -> None:
    rows = [["patient_id", "a"], *([f"P{n}", n] for n in range(100))]
    assert told(opened(tmp_path / "a", book(rows))) == []
    monkeypatch.setattr(workbooks, limit, size)
    extract = opened(tmp_path / "b", book(rows))
    ((code, message),) = told(extract)
    assert (code, message[:19]) == ("clinical-unreadable", "workbook too large:")
    assert not extract.clinical


def shared(path: Path) -> Path:
    """A workbook whose texts are shared, as Excel keeps them."""
    cells = b'<row r="1"><c r="A1" t="s"><v>0</v></c><c r="B1" t="s"><v>1</v></c></row><row r="2"><c><v>7</v></c></row>'
    content = parts(HEAD + cells + TAIL)
    kind = b"application/vnd.openxmlformats-officedocument.spreadsheetml.sharedStrings+xml"
    entry = b'<Override PartName="/xl/sharedStrings.xml" ContentType="' + kind + b'"/></Types>'
    types = content["[Content_Types].xml"].replace(b"</Types>", entry)
    texts = b"<si><t>patient_id</t></si><si><t>a</t></si></sst>"
    texts = HEAD.replace(b"worksheet", b"sst").replace(b"<sheetData>", texts)
    return packed(path, {**content, "[Content_Types].xml": types, "xl/sharedStrings.xml": texts})


def test_shared_texts_are_read_up_to_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = shared(tmp_path / "t.xlsx")
    (sheet,) = open_workbook(path)
    assert list(sheet) == [(1, ("patient_id", "a")), (2, ("7",))]
    monkeypatch.setattr(workbooks, "MAX_TEXTS", 10)
    with pytest.raises(workbooks.NotATable, match="too large"):
        open_workbook(path)


def test_part_in_the_place_of_a_sheet_is_refused(tmp_path: Path) -> None:
    content = parts(HEAD + NAMES + TAIL)
    types = content["[Content_Types].xml"].replace(b"/xl/styles.xml", b"/xl/worksheets/styles.xml")
    path = packed(tmp_path / "t.xlsx", {**content, "[Content_Types].xml": types})
    with pytest.raises(workbooks.NotATable):
        open_workbook(path)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600)])
def test_what_is_no_workbook_is_a_finding(tmp_path: Path, content: bytes) -> None:
    root = trees.plain(tmp_path)
    (root / "t.xlsx").write_bytes(content)
    extract = extracts.open_extract(root)
    assert [(f.code, f.path) for f in extract.findings] == [("clinical-unreadable", "t.xlsx")]
    assert len(extract.clinical) == 2


@pytest.mark.parametrize("suffix", [".xls", ".ods", ".xlsb"])
def test_other_workbooks_are_named_with_what_to_do(tmp_path: Path, suffix: str) -> None:
    root = trees.plain(tmp_path)
    (root / f"t{suffix}").write_bytes(b"x")
    (finding,) = extracts.open_extract(root).findings
    assert (finding.code, finding.path) == ("clinical-unreadable", f"t{suffix}")
    assert "save it as .xlsx" in finding.message


def test_pipe_in_the_place_of_a_workbook_is_never_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "t.xlsx")
    with pytest.raises(OSError, match="not a regular file"):
        open_workbook(tmp_path / "t.xlsx")


def test_messages_hold_no_values(tmp_path: Path) -> None:
    made = book([["Ana 1961", "x"], ["SECRET", "#N/A"]], [["SECRET", "y"], ["1", "2"]])
    made.worksheets[1].title = "SECRET"
    assert "SECRET" not in str(opened(tmp_path, made).findings)
