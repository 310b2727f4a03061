"""``workbench lab`` in a real browser: the first notebook opens, runs and shows its figures."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import absent

ROOT = Path(__file__).resolve().parent.parent.parent
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip

pytestmark = [pytest.mark.slow, pytest.mark.browser]


@pytest.fixture(scope="module")
def chromium() -> str:
    found = shutil.which("chromium") or shutil.which("google-chrome")
    if found is None:
        absent("Chromium", "browser")
    assert found is not None
    return found


@pytest.fixture
def lab(federation: Path, tmp_path: Path) -> Iterator[str]:
    """Address of a running lab in a user's folder; nothing but the command starts it."""
    (tmp_path / "demo").mkdir()
    for name in ("extracts", "datalake"):
        shutil.copytree(federation / name, tmp_path / "demo" / name, symlinks=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = tmp_path / "lab.log"
    environment = {**os.environ, **{f"JUPYTER_{k}_DIR": str(tmp_path / k) for k in ("CONFIG", "DATA", "RUNTIME")}}
    with log.open("w") as out:
        server = subprocess.Popen(
            [sys.executable, "-m", "workbench", "lab", "--no-browser", "--port", str(port)],
            cwd=tmp_path, env=environment, stdout=out, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
    try:
        for _ in range(600):
            match = re.search(rf"http://127\.0\.0\.1:{port}/lab\S*", log.read_text())
            if match:
                break
            assert server.poll() is None, log.read_text()
            server_wait(0.1)
        else:
            pytest.fail(f"the lab did not start: {log.read_text()}")
        yield match[0]
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(30)


def server_wait(seconds: float) -> None:
    import time

    time.sleep(seconds)


def test_the_first_notebook_opens_and_runs(lab: str, chromium: str) -> None:
    from playwright.sync_api import sync_playwright

    trouble: list[str] = []
    foreign: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        page = browser.new_page(viewport={"width": 1400, "height": 1000})
        page.on("pageerror", lambda error: trouble.append(str(error)))
        page.on("request", lambda request: foreign.append(request.url) if "127.0.0.1" not in request.url
                and not request.url.startswith(("data:", "blob:")) else None)  # fmt: skip
        page.goto(lab)
        page.get_by_role("heading", name="A first look at a federated cohort").wait_for(timeout=60_000)
        notebook = page.locator(".jp-NotebookPanel")
        # Cells that are run before the kernel answers are dropped.
        notebook.locator('.jp-Notebook-ExecutionIndicator[data-status="idle"]').wait_for(
            timeout=120_000, state="attached"
        )
        page.locator(".lm-MenuBar-itemLabel", has_text="Run").first.click()
        page.locator('[data-command="runmenu:run-all"]').click()
        notebook.locator("img").nth(1).wait_for(timeout=240_000, state="attached")
        assert notebook.locator(".jp-RenderedText[data-mime-type='application/vnd.jupyter.stderr']").count() == 0
        assert page.locator(".Toastify__toast").count() == 0
        browser.close()
    assert trouble == []
    assert foreign == []
