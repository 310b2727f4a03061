from __future__ import annotations

import pytest

from workbench import progress
from workbench.options import options


@pytest.fixture(autouse=True)
def _restore() -> object:
    before = dict(options._set)
    yield
    options._set = before


def test_off_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    options.progress = "off"
    assert list(progress.track(range(3), "reading")) == [0, 1, 2]
    assert capsys.readouterr() == ("", "")


def test_lines_where_there_is_no_terminal(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "LINE_INTERVAL_S", 0.0)
    options.progress = "auto"
    with progress.task("reading", 4) as advance:
        advance(1)
        advance(3)
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.splitlines() == ["reading: 1 of 4 files", "reading: 4 of 4 files"]


def test_lines_are_not_written_more_often_than_the_interval(capsys: pytest.CaptureFixture[str]) -> None:
    options.progress = "lines"
    for _ in progress.track(range(1000), "reading"):
        pass
    assert capsys.readouterr().err == ""


def test_a_bar_leaves_nothing_behind_on_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    options.progress = "bar"
    assert sum(progress.track([1, 2, 3], "reading")) == 6
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("mode", ["bar", "lines", "off"])
def test_an_error_inside_a_task_comes_through(mode: str) -> None:
    options.progress = mode
    with pytest.raises(RuntimeError, match="inside"), progress.task("reading", 2):
        raise RuntimeError("inside")
