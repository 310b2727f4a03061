from __future__ import annotations

import csv
import io
import os
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.tries import tries
from workbench.extracts.delimited import MAX_BROKEN, MAX_BYTES, MAX_RECORD
from workbench.extracts.tables import Table, read_table

ENCODINGS = ("utf-8", "utf-8-sig", "utf-16", "cp1252")


def read(folder: Path, content: str | bytes, *, name: str = "t.csv") -> Table:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_table(path, file=name)


def codes(table: Table) -> list[str]:
    return [finding.code for finding in table.findings]


def cells(table: Table) -> list[tuple[str, ...]]:
    return [row.cells for row in table]


def numbered(table: Table) -> list[tuple[int, tuple[str, ...]]]:
    return [(row.number, row.cells) for row in table]


def raw(table: Table) -> dict[tuple[int, str], str]:
    """Row number and column name -> the cell as it stands in the file, where it was rewritten."""
    return {
        (row.number, name): before
        for row in table
        for name, cell, before in zip(table.header, row.cells, row.raw, strict=True)
        if cell != before
    }


names = st.text("abcdefgh_ñé ", min_size=1, max_size=8).map(str.strip).filter(bool)
# Any separator, quotes and line ends may stand in a cell.
words = st.text('abcXYZ áéñ,;|\t"\n-', max_size=8).map(str.strip)
numbers = st.integers(-9999, 9999).map(lambda n: f"{n / 100:.2f}") | st.just("")


@st.composite
def tables(draw: st.DrawFn) -> tuple[list[str], list[list[str]], set[int]]:
    """Header, rows, and which columns hold numbers with a decimal mark."""
    header = draw(st.lists(names, min_size=2, max_size=5, unique=True))
    numeric = draw(st.sets(st.integers(1, len(header) - 1)))
    row = st.tuples(
        st.integers(1, 99).map("P{}".format), *(numbers if i in numeric else words for i in range(1, len(header)))
    )
    return header, [list(cells) for cells in draw(st.lists(row, min_size=1, max_size=6))], numeric


@settings(max_examples=tries(150), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    table=tables(),
    separator=st.sampled_from(",;|\t"),
    decimal_comma=st.booleans(),
    encoding=st.sampled_from(ENCODINGS),
    line_end=st.sampled_from(["\n", "\r\n"]),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
)
def test_a_table_written_in_any_dialect_gives_the_same_rows(
    tmp_path: Path,
    table: tuple[list[str], list[list[str]], set[int]],
    separator: str,
    decimal_comma: bool,
    encoding: str,
    line_end: str,
    quoting: int,
) -> None:
    header, rows, numeric = table
    decimal_comma = decimal_comma and separator != ","
    written = [
        [cell.replace(".", ",") if decimal_comma and i in numeric else cell for i, cell in enumerate(row)]
        for row in rows
    ]
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=separator, lineterminator=line_end, quoting=quoting)  # type: ignore[arg-type]
    writer.writerows([header, *written])
    found = read(tmp_path, text.getvalue().encode(encoding))
    assert list(found.header) == header
    assert cells(found) == [tuple(row) for row in rows]
    assert "clinical-unreadable" not in codes(found)
    assert ("clinical-dialect" in codes(found)) == (separator != ",")
    if encoding == "utf-16":
        assert "clinical-encoding" in codes(found)
    if encoding.startswith("utf-8"):
        assert "clinical-encoding" not in codes(found)


def test_decimal_comma_becomes_a_point_where_the_whole_column_has_it(tmp_path: Path) -> None:
    table = read(tmp_path, "id;a;b;c;d\n1;1,5;1.5;3;1,5 x\n2;NA;2,5;4;2,5\n3;-0,25;;;\n")
    assert cells(table) == [
        ("1", "1.5", "1.5", "3", "1,5 x"),
        ("2", "NA", "2,5", "4", "2.5"),
        ("3", "-0.25", "", "", ""),
    ]
    assert codes(table) == ["clinical-dialect"]
    assert "2 column(s)" in table.findings[0].message
    assert raw(table) == {(2, "a"): "1,5", (3, "d"): "2,5", (4, "a"): "-0,25"}


def test_comma_in_a_quoted_cell_of_a_comma_file_stays(tmp_path: Path) -> None:
    table = read(tmp_path, 'id,a\n1,"1,5"\n')
    assert cells(table) == [("1", "1,5")]
    assert codes(table) == []


def test_separator_is_told_from_the_whole_file(tmp_path: Path) -> None:
    table = read(tmp_path, "id;size, mm;psa\n1;3,5;4,2\n2;4;5,1\n")
    assert table.header == ("id", "size, mm", "psa")
    assert cells(table)[0] == ("1", "3.5", "4.2")


def test_tab_in_a_tsv_is_as_expected(tmp_path: Path) -> None:
    assert codes(read(tmp_path, "id\ta\n1\t2\n", name="t.tsv")) == []
    assert codes(read(tmp_path, "id\ta\n1\t2\n", name="t.csv")) == ["clinical-dialect"]


def test_excel_separator_line_is_obeyed_and_counted(tmp_path: Path) -> None:
    table = read(tmp_path, "sep=;\r\nid;a\r\n1;2\r\n")
    assert numbered(table) == [(3, ("1", "2"))]


def test_latin_1_is_read_and_noted(tmp_path: Path) -> None:
    table = read(tmp_path, "id,ciudad\n1,Málaga\n".encode("latin-1"))
    assert cells(table) == [("1", "Málaga")]
    assert codes(table) == ["clinical-encoding"]


def test_bytes_that_windows_1252_lacks_are_latin_1(tmp_path: Path) -> None:
    table = read(tmp_path, b"id,a\n1,\x81\xe1\n")
    assert cells(table)[0][1].endswith("á")
    assert "Latin-1" in table.findings[0].message


def test_byte_order_mark_is_not_part_of_the_first_name(tmp_path: Path) -> None:
    table = read(tmp_path, "id,a\n1,2\n".encode("utf-8-sig"))
    assert table.header == ("id", "a")
    assert codes(table) == []


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b" \r\n\n",
        b"id,a\n",
        b"id\n1\n2\n",
        b"PK\x03\x04\x14\x00\x06\x00\x08\x00,\x00\n\x00",
        b"\xff\xfei\x00d",
        b'"id,a\n1,2\n',
        bytes(range(256)) * 4,
    ],
)
def test_what_is_no_table_is_a_finding(tmp_path: Path, content: bytes) -> None:
    table = read(tmp_path, content)
    assert "clinical-unreadable" in codes(table)
    assert all(finding.path == "t.csv" and finding.message for finding in table.findings)


def test_ragged_rows_are_named_and_the_rest_kept(tmp_path: Path) -> None:
    table = read(tmp_path, "id,a,b\n1,2,3\n2,3\n3,4,5,6\n4,5,6,\n")
    assert numbered(table) == [(2, ("1", "2", "3")), (5, ("4", "5", "6"))]
    (finding,) = table.findings
    assert (finding.code, finding.count) == ("clinical-unreadable", 2)
    assert finding.message.startswith("row 3:")


def test_trailing_separators_are_no_column(tmp_path: Path) -> None:
    table = read(tmp_path, "id;a;;\n1;2;;\n2;3\n")
    assert table.header == ("id", "a")
    assert cells(table) == [("1", "2"), ("2", "3")]
    assert codes(table) == ["clinical-dialect"]


def test_column_without_a_name_is_kept_where_it_holds_something(tmp_path: Path) -> None:
    table = read(tmp_path, "id,,b,\n1,x,3,y\n2,,4,\n")
    assert table.header == ("id", "column_2", "b", "column_4")
    assert codes(table) == []


def test_name_that_stands_twice_gets_its_position(tmp_path: Path) -> None:
    table = read(tmp_path, "id,a,a\n1,2,3\n")
    assert table.header == ("id", "a", "a_3")
    assert codes(table) == ["clinical-unreadable"]


def test_rows_with_nul_bytes_are_named_and_the_rest_kept(tmp_path: Path) -> None:
    table = read(tmp_path, b"id,a\n1,2\n2,\0\n3,4\n")
    assert numbered(table) == [(2, ("1", "2")), (4, ("3", "4"))]
    assert table.findings[0].message.startswith("row 3:")


def test_quote_that_is_never_closed_costs_one_row(tmp_path: Path) -> None:
    table = read(tmp_path, 'id,a\n1,2\n2,"x\n3,4\n4,"y"\n')
    assert [row[0] for row in cells(table)] == ["1", "3", "4"]
    assert table.findings[0].message.startswith("row 3:")


def test_reading_ends_after_very_many_broken_rows(tmp_path: Path) -> None:
    table = read(tmp_path, "id,a\n1,2\n" + '2,"x"y\n' * (MAX_BROKEN + 50) + "3,4\n")
    assert numbered(table) == [(2, ("1", "2"))]
    assert "left unread" in table.findings[-1].message


def test_line_ends_in_a_quoted_cell_count_as_one_row(tmp_path: Path) -> None:
    assert [row.number for row in read(tmp_path, 'id,a\n1,"x\ny"\n\n2,z\n')] == [2, 4]


def test_file_that_cannot_be_read_is_a_finding(tmp_path: Path) -> None:
    assert codes(read_table(tmp_path / "gone.csv", file="gone.csv")) == ["clinical-unreadable"]


def test_messages_hold_no_values(tmp_path: Path) -> None:
    table = read(tmp_path, b"Ana 1961,x\n2,SECRET,9\nSECRET\n")
    assert table.findings
    assert not any(word in finding.message for finding in table.findings for word in ("SECRET", "Ana", "1961"))


@settings(max_examples=tries(200), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.binary(max_size=60) | st.text('ab1;,|\t"\r\n\0 ', max_size=60).map(str.encode),
    st.sampled_from([".csv", ".parquet"]),
)
def test_any_bytes_give_even_rows_or_a_finding(tmp_path: Path, data: bytes, suffix: str) -> None:
    table = read(tmp_path, data, name=f"t{suffix}")
    assert all(len(row) == len(table.header) for row in cells(table))
    assert cells(table) or "clinical-unreadable" in codes(table)


def test_parquet_cells_become_text(tmp_path: Path) -> None:
    utc = datetime(2020, 5, 1, 12, 30, tzinfo=UTC)
    columns = {
        "id": pa.array(["1", "2"]),
        "n": pa.array([61, None], pa.int64()),
        "x": pa.array([1.5, float("nan")]),
        "day": pa.array([date(2020, 5, 1), None]),
        "stamp": pa.array([datetime(2020, 5, 1), utc.replace(tzinfo=None)], pa.timestamp("ns")),
        "zone": pa.array([utc, None], pa.timestamp("ns", tz="UTC")),
        "span": pa.array([timedelta(days=1), None], pa.duration("ns")),
        "clock": pa.array([time(1, 2), None], pa.time64("us")),
        "bool": pa.array([True, None]),
        "dict": pa.array(["a", "b"]).dictionary_encode(),
        "list": pa.array([["á", "b"], None]),
        "bytes": pa.array([b"x", None]),
    }
    pq.write_table(pa.table(columns), tmp_path / "t.parquet")
    table = read_table(tmp_path / "t.parquet", file="t.parquet")
    assert codes(table) == []
    assert dict(zip(table.header, cells(table)[0], strict=True)) == {
        "id": "1",
        "n": "61",
        "x": "1.5",
        "day": "2020-05-01",
        "stamp": "2020-05-01",
        "zone": "2020-05-01 12:30:00+00:00",
        "span": "1 day, 0:00:00",
        "clock": "01:02:00",
        "bool": "True",
        "dict": "a",
        "list": '["á", "b"]',
        "bytes": "x",
    }
    assert cells(table)[1][1:4] == ("", "", "")


def test_cut_parquet_is_a_finding(tmp_path: Path) -> None:
    pq.write_table(pa.table({"id": ["1"], "a": ["2"]}), tmp_path / "t.parquet")
    data = (tmp_path / "t.parquet").read_bytes()
    assert codes(read(tmp_path, data[: len(data) // 2], name="t.parquet")) == ["clinical-unreadable"]
    assert codes(read(tmp_path, b"", name="t.parquet")) == ["clinical-unreadable"]


@pytest.mark.data
@pytest.mark.parametrize("name", ["2021-clb-oropharynx.raw.csv", "2021-usz-oropharynx.csv"])
def test_real_hospital_tables_are_read_whole(data_dir: Path, name: str) -> None:
    path = data_dir / "lydata" / name
    with path.open(encoding="utf-8-sig", newline="") as file:
        expected = [[cell.strip() for cell in row] for row in csv.reader(file) if any(row)]
    table = read_table(path, file=name)
    named = [i for i, cell in enumerate(expected[0]) if cell or any(row[i] for row in expected[1:])]
    assert [list(row) for row in cells(table)] == [[row[i] for i in named] for row in expected[1:]]


EUROPEAN = {
    "dots group, comma divides": (
        ["1.234,5", "2.500", "12,5", "-1.234.567,25", "1,234", "", "NA"],
        ["1234.5", "2500", "12.5", "-1234567.25", "1.234", "", "NA"],
    ),
    "a leading zero groups nothing": (["0,125", "1,234"], ["0.125", "1.234"]),
    "words with dots are no numbers": (["1.234,5", "n.a."], ["1234.5", "n.a."]),
}


@pytest.mark.parametrize("case", EUROPEAN)
def test_european_column_is_read_throughout_and_its_cells_kept(tmp_path: Path, case: str) -> None:
    written, expected = EUROPEAN[case]
    table = read(tmp_path, "id;a\n" + "".join(f"{n};{cell}\n" for n, cell in enumerate(written)))
    assert [row[1] for row in cells(table)] == expected
    rewritten = {(n + 2, "a"): cell for n, cell in enumerate(written) if cell != expected[n]}
    assert raw(table) == rewritten
    assert "decimal comma in 1 column(s)" in table.findings[0].message


UNCLEAR = {
    "thousands or decimals": ["1,234", "12,500", "1,234,567"],
    "dots that group nothing": ["1.234,5", "2.50"],
    "a dot behind a leading zero": ["1.234,5", "0.500"],
    "dates": ["1.234,5", "12.03.2020"],
    "groups of both kinds": ["1.234,5", "1,234,567"],
    "commas that group beside one that divides": ["1,234,567", "12,5"],
    "lists": ["1,2,3", "1,2"],
    "commas and points": ["1,5", "1.5"],
}


@pytest.mark.parametrize("separator", [";", "\t", "|"])
@pytest.mark.parametrize("case", UNCLEAR)
def test_column_whose_commas_are_unclear_is_left_as_it_came_and_said(tmp_path: Path, case: str, separator: str) -> None:
    lines = [["id", "a", "b"], *([str(n), cell, "1,5"] for n, cell in enumerate(UNCLEAR[case]))]
    table = read(tmp_path, "".join(separator.join(line) + "\n" for line in lines))
    assert [row[1] for row in cells(table)] == UNCLEAR[case]
    assert {row[2] for row in cells(table)} == {"1.5"}
    assert {name for _, name in raw(table)} == {"b"}
    (finding,) = table.findings
    assert finding.code == "clinical-dialect"
    assert "decimal comma in 1 column(s)" in finding.message
    assert "unclear in 1 column(s)" in finding.message


def test_unclear_commas_are_said_of_a_tsv_too(tmp_path: Path) -> None:
    assert codes(read(tmp_path, "id\ta\n1\t1,234\n", name="t.tsv")) == ["clinical-dialect"]


def test_points_alone_are_decimal_points(tmp_path: Path) -> None:
    table = read(tmp_path, "id;a\n1;2.500\n2;1.250\n")
    assert cells(table) == [("1", "2.500"), ("2", "1.250")]
    assert table.findings[0].message == "semicolon separates columns"


@pytest.mark.parametrize("name", ["t.csv", "t.parquet"])
def test_pipe_in_the_place_of_a_table_is_never_opened(tmp_path: Path, name: str) -> None:
    os.mkfifo(tmp_path / name)
    (finding,) = read_table(tmp_path / name, file=name).findings
    assert (finding.code, finding.message) == ("clinical-unreadable", "not a regular file")


def test_table_beyond_the_largest_size_is_left_unread(tmp_path: Path) -> None:
    with (tmp_path / "t.csv").open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    assert "larger than 16 GiB" in read_table(tmp_path / "t.csv", file="t.csv").findings[0].message


def test_line_without_an_end_is_no_table(tmp_path: Path) -> None:
    table = read(tmp_path, "id,a\n" + "x" * (MAX_RECORD + 1))
    assert codes(table) == ["clinical-unreadable"]
    assert "longer than" in table.findings[0].message


def test_record_that_quotes_stretch_without_end_costs_no_memory_and_one_row(tmp_path: Path) -> None:
    endless = '2,"' + '\n","' * (MAX_RECORD // 4 + 10)
    table = read(tmp_path, "id,a\n1,2\n" + endless)
    assert numbered(table)[0] == (2, ("1", "2"))
    assert "row 3:" in table.findings[0].message


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf_16_without_a_mark_is_read_and_noted(tmp_path: Path, encoding: str) -> None:
    table = read(tmp_path, "id,città\n1,Forlì\n".encode(encoding))
    assert (table.header, cells(table)) == (("id", "città"), [("1", "Forlì")])
    assert codes(table) == ["clinical-encoding"]


def test_names_in_any_script_stay_as_they_are(tmp_path: Path) -> None:
    table = read(tmp_path, "מטופל,年齢,\u202eعمر\nא1,61,٦١\n")
    assert table.header == ("מטופל", "年齢", "\u202eعمر")
    assert cells(table) == [("א1", "61", "٦١")]
    assert codes(table) == []


def test_time_zones_stay_as_stated(tmp_path: Path) -> None:
    stamps = ("2020-05-01T12:00:00+02:00", "2020-05-01T12:00:00Z", "20200501120000.000000-0500")
    table = read(tmp_path, "id,when\n" + "".join(f"{n},{stamp}\n" for n, stamp in enumerate(stamps)))
    assert [row[1] for row in cells(table)] == list(stamps)


def test_rows_of_a_header_are_joined_without_repeats(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("patient,,tumor,note\n#,#,1,note\nid,age,volume,note\nP1,61,3.5,x\n")
    table = read_table(path, file="t.csv", header=3)
    assert table.header == ("patient.#.id", "patient.#.age", "tumor.1.volume", "note")
    assert numbered(table) == [(4, ("P1", "61", "3.5", "x"))]


def test_fewer_rows_than_the_header_is_said_to_have(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("id,age\nP1,61\n")
    assert "header=" in read_table(path, file="t.csv", header=3).findings[0].message


DEEP = {
    "groups of columns": "patient,patient,patient,tumor,tumor\nid,sex,age,t,n\nP1,M,61,1,0\n",
    "words above numbers": "id,psa,age\nID,ng/mL,years\n" + "".join(f"{n},{n}.5,{n + 50}\n" for n in range(9)),
    "an entity, an element, a standard and an example": "id,psa,age\npatient,lab,patient\nid,value,age\n"
    "text,LOINC,UCUM\nP0,4.2,61\n" + "".join(f"{n},{n}.5,{n + 50}\n" for n in range(9)),
}


@pytest.mark.parametrize("text", DEEP.values(), ids=DEEP.keys())
def test_header_that_looks_deeper_is_told_and_not_guessed(tmp_path: Path, text: str) -> None:
    table = read(tmp_path, text)
    assert table.header[0] == text.split(",")[0]
    assert "header-rows-suspected" in codes(table)


FLAT = {
    "words": "id,sex,stage\n" + "P,M,II\n" * 9,
    "numbers": "id,psa,age\n" + "P,4.2,61\n" * 9,
    "first row missing": "id,psa,age\nP,NA,unknown\n" + "P,4.2,61\n" * 9,
    "one odd cell": "id,psa,age,n\nP,low,61,3\n" + "P,4.2,61,3\n" * 9,
}


@pytest.mark.parametrize("text", FLAT.values(), ids=FLAT.keys())
def test_usual_header_is_not_suspected(tmp_path: Path, text: str) -> None:
    assert codes(read(tmp_path, text)) == []


@pytest.mark.data
@pytest.mark.parametrize("name", ["2021-clb-oropharynx.csv", "2021-usz-oropharynx.csv"])
def test_real_header_of_three_rows(data_dir: Path, name: str) -> None:
    path = data_dir / "lydata" / name
    assert "header-rows-suspected" in codes(read_table(path, file=name))
    table = read_table(path, file=name, header=3)
    assert table.findings == ()
    assert {"patient.#.age", "tumor.1.t_stage"} <= set(table.header)
    assert table.n_rows == {"2021-clb-oropharynx.csv": 263, "2021-usz-oropharynx.csv": 287}[name]


@pytest.mark.parametrize("remarks", ["# made by x\n", "# made by x, on a day\n#\n", "\n# a; b\n\n"])
def test_remarks_above_the_header_are_left_out_and_told(tmp_path: Path, remarks: str) -> None:
    table = read(tmp_path, f"{remarks}patient_id,age,psa\nP1,61,4\nP2,62,5\n")
    assert table.header == ("patient_id", "age", "psa")
    above = remarks.count("\n")
    assert numbered(table) == [(above + 2, ("P1", "61", "4")), (above + 3, ("P2", "62", "5"))]
    assert codes(table) == ["clinical-dialect"]
    assert "above the header left out" in table.findings[0].message


def test_a_header_that_begins_with_a_number_sign_is_a_header(tmp_path: Path) -> None:
    assert read(tmp_path, "#,age\n1,61\n").header == ("#", "age")
    assert read(tmp_path, "#patient_id,age\nP1,61\n").findings == ()


def test_what_stands_above_the_header_is_named_where_nothing_else_explains_it(tmp_path: Path) -> None:
    table = read(tmp_path, "made by x\npatient_id,age\nP1,61\n")
    assert any("above the header" in finding.message for finding in table.findings)
