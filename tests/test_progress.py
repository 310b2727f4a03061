from __future__ import annotations

import io
import sys
import time

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
    assert said.err.splitlines() == [
        "reading: 1 of 4 files",
        "reading: 4 of 4 files",
        "reading: done: 4 of 4 files, 0 s",
    ]


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


def test_the_first_line_comes_before_the_first_step_is_done(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "FIRST_LINE_S", 0.01)
    options.progress = "lines"
    heard = ""
    with progress.task("a long step", None, unit="steps") as advance:
        for _ in range(500):
            heard += capsys.readouterr().err
            if heard:
                break
            time.sleep(0.01)
        advance(1)
    assert heard == "a long step: 0 steps\n"
    assert capsys.readouterr().err == "a long step: done: 1 steps, 0 s\n"


def test_a_task_that_is_interrupted_says_where_it_stopped(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "LINE_INTERVAL_S", 0.0)
    options.progress = "lines"

    def interrupted() -> None:
        with progress.task("reading", 9) as advance:
            advance(2)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert capsys.readouterr().err.splitlines()[-1] == "reading: stopped at 2 of 9 files, 0 s"


def test_a_closed_log_stops_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "LINE_INTERVAL_S", 0.0)
    options.progress = "lines"
    closed = io.StringIO()
    closed.close()
    monkeypatch.setattr(sys, "stderr", closed)
    with progress.task("reading", 2) as advance:
        advance(2)
