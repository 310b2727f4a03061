from __future__ import annotations

import re
from typing import Any

import nbformat
import pytest

from workbench.reports.html import clean, to_html


def notebook(*outputs: dict[str, str], markdown: str = "# Title") -> Any:
    cell = nbformat.v4.new_code_cell("secret_code = 1")
    cell.outputs = [nbformat.v4.new_output("display_data", data) for data in outputs]
    return nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell(markdown), cell])


def loads(page: str) -> list[str]:
    """Everything the page would fetch."""
    found = re.findall(r"""(?:src|href|action|data|poster)\s*=\s*["']([^"']*)["']""", page)
    found += re.findall(r"url\(\s*['\"]?([^)'\"]*)", page) + re.findall(r"@import\s+([^;]*)", page)
    return [item for item in found if not item.startswith(("data:", "#"))]


def test_page_runs_nothing_and_loads_nothing() -> None:
    page = to_html(
        notebook(
            {"text/html": '<script>x()</script><b onclick="y()">bold</b><img src="https://example.org/a.png" alt="a">'},
            {"application/javascript": "alert(1)"},
            {"text/html": '<iframe src="https://example.org"></iframe><link rel="stylesheet" href="x.css">'},
            {"application/vnd.jupyter.widget-view+json": "{}", "text/plain": "a widget"},
            {"text/vnd.mermaid": "graph TD", "text/plain": "a graph"},
        ),
        title="T",
    )
    assert loads(page) == []
    assert not re.search(r"<script|<iframe|onclick|alert\(1\)|@import", page)
    assert "<b>bold</b>" in page
    assert "default-src 'none'" in page


def test_code_is_hidden_and_the_title_shown() -> None:
    page = to_html(notebook({"text/plain": "42"}), title="A & B")
    assert "secret_code" not in page
    assert "42" in page
    assert "<title>A &amp; B</title>" in page


def test_embedded_picture_keeps_its_alternative_text() -> None:
    picture = '<figure><img src="data:image/png;base64,iVBORw0KGgo=" alt="what it shows"></figure>'
    page = to_html(notebook({"text/html": picture}))
    assert 'alt="what it shows"' in page
    assert 'src="data:image/png;base64,iVBORw0KGgo="' in page


@pytest.mark.parametrize("href", ["javascript:x()", "data:text/html,<script>x()</script>", "vbscript:x"])
def test_link_that_would_run_something_is_removed(href: str) -> None:
    cleaned = clean(f'<a href="{href}">link</a>')
    assert "javascript" not in cleaned
    assert "vbscript" not in cleaned
    assert "data:text" not in cleaned


def test_failed_run_says_so_in_its_title() -> None:
    assert "<title>[failed] T</title>" in to_html(notebook(), title="T", status="failed")


def test_page_is_made_for_paper_and_small_screens() -> None:
    page = to_html(notebook())
    assert "@page { size: A4" in page
    assert 'name="viewport"' in page
    assert "overflow-x: auto" in page
