from __future__ import annotations

import pandas as pd
import pytest

from workbench.reports.tables import table


def test_text_is_escaped_everywhere() -> None:
    frame = pd.DataFrame({"<b>": ["<i>"]})
    text = table(frame, caption="<u>", units={"<b>": "<s>"}).text
    assert not any(tag in text for tag in ("<b>", "<i>", "<u>", "<s>"))


def test_numbers_stand_to_the_right_and_words_to_the_left() -> None:
    for value in (1234, "3 (5 %)", "74.0 [56.0, 620] †", "<0.01", "3 of 4"):
        assert '<td class="wb-n">' in table(pd.DataFrame({"name": ["a"], "value": [value]}), caption="c").text
    for value in ("2 of 40 slices missing", "2-D work", "a", "2020-01-01: x"):
        assert "<td>" in table(pd.DataFrame({"name": ["a"], "value": [value]}), caption="c").text


def test_missing_cell_is_a_dash() -> None:
    assert table(pd.DataFrame({"a": ["x"], "b": [float("nan")]}), caption="c").text.count("–") == 1


def test_empty_table_says_none() -> None:
    assert ">none</td>" in table(pd.DataFrame({"a": []}), caption="c").text


def test_rows_beyond_the_limit_are_counted_not_hidden() -> None:
    text = table(pd.DataFrame({"a": range(12)}), caption="c", limit=10).text
    assert text.count("<tr>") == 11
    assert "2 more rows" in text


def test_group_column_becomes_heading_rows() -> None:
    text = table(pd.DataFrame({"g": ["x", "x", "y"], "a": [1, 2, 3]}), caption="c", group="g").text
    assert text.count('class="wb-group"') == 2


@pytest.mark.parametrize("word", ["a" * 70, "1.2.840.113619.2.55.3.604688119", "folder/with/a/very/long/path.dcm"])
def test_long_word_may_break_at_its_signs(word: str) -> None:
    text = table(pd.DataFrame({"a": ["x"], "b": [word]}), caption="c").text
    assert "<wbr>" in text
    assert word in text.replace("<wbr>", "")


def test_second_line_of_a_cell_stands_small_below() -> None:
    assert "<td>a<small>b</small></td>" in table(pd.DataFrame({"x": ["y"], "b": ["a\nb"]}), caption="c").text
