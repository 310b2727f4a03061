"""The first template, on a fake cohort: plain papermill, odd cohorts, what a browser makes of the page."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from workbench.reports.runner import report
from workbench.reports.templates import find_template


def plain(folder: Path, **parameters: Any) -> bytes:
    """Bytes of results.json after plain papermill in *folder*."""
    import papermill

    folder.mkdir()
    papermill.execute_notebook(
        str(find_template("cohort-profile").notebook),
        str(folder / "out.ipynb"),
        parameters=parameters,
        cwd=str(folder),
        progress_bar=False,
    )
    return (folder / "results.json").read_bytes()


@pytest.mark.slow
def test_plain_papermill_gives_the_runners_bytes(extract: Path, tmp_path: Path) -> None:
    made = report("cohort-profile", extract, out=tmp_path / "reports", group_by="sex")
    assert made.status == "ok", made.record
    assert (
        plain(tmp_path / "plain", extract=str(extract), group_by="sex") == (made.folder / "results.json").read_bytes()
    )


@pytest.mark.slow
def test_plain_papermill_refuses_a_misspelt_parameter(extract: Path, tmp_path: Path) -> None:
    import papermill

    with pytest.raises(papermill.PapermillExecutionError, match="did you mean group_by"):
        plain(tmp_path / "plain", extract=str(extract), group_bye="sex")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("nodes", "parameters"),
    [
        ([{"node": "A", "patients": 0, "findings": False}], {}),
        ([{"node": "A", "patients": 1}], {"where": "modality = 'PT'"}),
        ([{"node": "A", "patients": 3}], {"where": "modality = 'XX'"}),
        ([{"node": "A", "patients": 4, "modalities": []}, {"node": "B", "patients": 3, "no_stage": True}], {}),
        ([{"node": "A", "patients": 4}, {"node": "B", "patients": 3}], {"nodes": ["B"], "variables": ["stage"]}),
    ],
    ids=["empty", "one-patient", "nothing-selected", "no-images-and-all-missing", "one-node-of-two"],
)
def test_odd_cohort_ends_well(
    fake_cohort: ModuleType, tmp_path: Path, nodes: list[dict[str, Any]], parameters: dict[str, Any]
) -> None:
    folders = [fake_cohort.write_extract(tmp_path / said["node"], **said) for said in nodes]
    made = report("cohort-profile", folders, out=tmp_path / "reports", **parameters)
    assert made.status == "ok", made.record
    if parameters.get("nodes"):
        assert made.record["nodes"] == ["B"]
        assert made.results["key_numbers"]["patients"] == 3
    notebook = json.loads((made.folder / "report.ipynb").read_text())
    noise = [output for cell in notebook["cells"] for output in cell.get("outputs", []) if output.get("name")]
    assert noise == []


@pytest.mark.browser
@pytest.mark.slow
def test_page_and_index_fit_a_phone_and_paper_without_the_network(extract: Path, tmp_path: Path) -> None:
    from workbench.reports.contents import write_index

    browser_path = shutil.which("chromium") or shutil.which("google-chrome")
    if browser_path is None or importlib.util.find_spec("playwright") is None:
        absent = "browser" in os.environ.get("WORKBENCH_REQUIRE", "").split(",")
        (pytest.fail if absent else pytest.skip)("Chromium and the playwright package are needed")
    from playwright.sync_api import sync_playwright

    made = report("cohort-profile", extract, out=tmp_path / "reports", title="A title")
    index = write_index(tmp_path / "reports")
    with sync_playwright() as play:
        options = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = play.chromium.launch(executable_path=browser_path, args=options)
        context = browser.new_context(offline=True, viewport={"width": 400, "height": 800})
        page = context.new_page()
        asked: list[str] = []
        said: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda message: said.append(message.text))
        page.goto(made.html.as_uri())
        assert page.evaluate("document.documentElement.scrollWidth") <= 400
        page.goto(index.as_uri())
        assert page.evaluate("document.documentElement.scrollWidth") <= 400
        page.fill("#filter", "nothing like it")
        assert page.locator(".runs tbody tr:visible").count() == 0
        page.keyboard.press("Escape")
        assert page.locator(".runs tbody tr:visible").count() == 1
        page.click("text=A title")
        page.wait_for_url("**/report.html")
        browser.close()
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
    assert said == []
    paper = tmp_path / "page.pdf"
    subprocess.run(
        [browser_path, "--headless", "--disable-gpu", *options, f"--user-data-dir={tmp_path / 'profile'}",
         "--no-pdf-header-footer", f"--print-to-pdf={paper}", made.html.as_uri()],
        check=True, capture_output=True, timeout=120,
    )  # fmt: skip
    assert paper.stat().st_size > 10_000
