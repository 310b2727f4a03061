from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from workbench.errors import UsageError
from workbench.reports.collector import Results, results
from workbench.reports.parameters import CommonParams


@pytest.fixture
def found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Results:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("WORKBENCH_RESULTS", raising=False)
    return results(CommonParams(extract=[Path("/secret/place")]))


def test_results_land_in_the_working_directory_without_places(found: Results, tmp_path: Path) -> None:
    assert found.save() == tmp_path / "results.json"
    content = (tmp_path / "results.json").read_text()
    assert json.loads(content)["schema"] == "workbench-results/1"
    assert "/secret" not in content


def test_environment_names_another_folder(found: Results, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKBENCH_RESULTS", str(tmp_path / "there"))
    assert found.save() == tmp_path / "there" / "results.json"


def test_columns_are_typed_and_missing_values_are_null(found: Results) -> None:
    frame = pd.DataFrame({"n": [1, 2], "x": [0.1 + 0.2, np.nan], "t": ["a", None], "b": [True, False]})
    frame["d"] = pd.to_datetime(["2020-01-02", None])
    found.table("one", frame, caption="One", units={"x": "mm"}, patients="n")
    table = json.loads(found.save().read_text())["tables"][0]
    assert [column["type"] for column in table["columns"]] == ["integer", "number", "text", "boolean", "date"]
    assert table["columns"][1]["unit"] == "mm"
    assert table["rows"] == [[1, 0.3, "a", True, "2020-01-02T00:00:00"], [2, None, None, False, None]]
    assert table["patients"] == "n"


def test_same_content_gives_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from matplotlib.figure import Figure

    written = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        monkeypatch.chdir(tmp_path / name)
        done = results(CommonParams(extract=[tmp_path / name]))
        done.table("one", pd.DataFrame({"x": [1.5]}), caption="One")
        figure = Figure()
        figure.add_subplot().plot([1, 2], [3, 4])
        done.figure("line", figure, alt="a line", caption="A line")
        done.save()
        written.append(
            [path.read_bytes() for path in (Path("results.json"), Path("figures/line.svg"))],
        )
    assert written[0] == written[1]


@pytest.mark.parametrize(
    ("numerator", "denominator", "status"),
    [(10, 10, "pass"), (9, 10, "pass-with-rows"), (8, 10, "pass-with-rows"), (7, 10, "fail"), (0, 0, "n.a.")],
)
def test_check_status_follows_share_and_threshold(
    found: Results, numerator: int, denominator: int, status: str
) -> None:
    got = found.check(
        "c", category="completeness", numerator=numerator, denominator=denominator, threshold=0.8, note="things"
    )
    assert got == status
    assert f">{status}</span>" in found.checks().text


def test_name_twice_or_no_caption_is_refused(found: Results) -> None:
    found.table("one", pd.DataFrame({"x": [1]}), caption="One")
    with pytest.raises(UsageError, match="already"):
        found.table("one", pd.DataFrame({"x": [1]}), caption="One")
    with pytest.raises(UsageError, match="caption"):
        found.table("two", pd.DataFrame({"x": [1]}), caption=" ")


def test_figure_without_alternative_text_is_refused(found: Results) -> None:
    from matplotlib.figure import Figure

    with pytest.raises(UsageError, match="alternative text"):
        found.figure("f", Figure(), alt="", caption="x")


def test_findings_shown_first_are_at_most_five_and_say_what_is_left(found: Results) -> None:
    for number in range(7):
        found.finding("slices-missing", severity="serious", title=f"finding <{number}>", node="A")
    text = found.findings(limit=5).text
    assert text.count("<li") == 5
    assert "2 more" in text
    assert "finding &lt;0&gt;" in text
