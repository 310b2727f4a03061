"""The self-contained page of an executed notebook: no script, nothing fetched, readable on paper and on a phone."""

from __future__ import annotations

import base64
from functools import cache
from importlib.resources import files
from typing import Any, Final

from workbench.reports.record import Status

#: What the page may load: nothing but what is embedded in it.
CSP: Final = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"

#: nbconvert's lab page without its scripts, fonts and 280 kB of style: ours alone.
_TEMPLATE: Final = """
{%- extends 'lab/index.html.j2' -%}
{%- block html_head -%}
<meta charset="utf-8" />
<meta http-equiv="Content-Security-Policy" content="{{ resources.wb.csp }}" />
<meta name="viewport" content="width=device-width, initial-scale=1" />
<meta name="referrer" content="no-referrer" />
<title>{{ resources.wb.title | escape }}</title>
<link rel="icon" href="data:," />
<style>{{ resources.wb.css }}</style>
{%- endblock html_head -%}
{%- block data_widget_view scoped -%}{%- endblock -%}
{%- block data_javascript scoped -%}{%- endblock -%}
{%- block data_mermaid scoped -%}{%- endblock -%}
{%- block footer -%}</html>{%- endblock -%}
"""

#: Kinds of output a page can show, the best first.
_SHOWN: Final = ("text/html", "text/markdown", "image/svg+xml", "image/png", "image/jpeg", "text/plain")
_TAGS: Final = frozenset(
    [
        "a",
        "abbr",
        "b",
        "blockquote",
        "br",
        "caption",
        "code",
        "col",
        "colgroup",
        "dd",
        "details",
        "div",
        "dl",
        "dt",
        "em",
        "figcaption",
        "figure",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "hr",
        "i",
        "img",
        "kbd",
        "li",
        "ol",
        "p",
        "pre",
        "q",
        "s",
        "section",
        "small",
        "span",
        "strong",
        "sub",
        "summary",
        "sup",
        "table",
        "tbody",
        "td",
        "tfoot",
        "th",
        "thead",
        "tr",
        "u",
        "ul",
        "wbr",
    ]
)
_ATTRIBUTES: Final = {
    "*": ["class", "id", "title", "lang"],
    "col": ["span"],
    "td": ["colspan", "rowspan", "headers"],
    "th": ["colspan", "rowspan", "scope", "headers"],
    "details": ["open"],
    "div": ["role", "tabindex", "aria-label"],
    "span": ["role", "aria-hidden", "aria-label"],
}


def to_html(notebook: Any, *, title: str = "", status: Status = "ok") -> str:
    """One HTML page, UTF-8 text, of an executed notebook; code hidden, every image embedded, no outside reference.

    Parameters
    ----------
    notebook : NotebookNode
        The executed notebook (nbformat 4).
    title : str
        Title of the page, as the browser's tab shows it.
    status : str
        How the run ended; anything but ``ok`` stands in the title.

    Examples
    --------
    >>> import nbformat
    >>> nb = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("# A title <script>no()</script>")])
    >>> page = to_html(nb, title="One report")
    >>> "<script" in page, "<title>One report</title>" in page
    (False, True)
    """
    import nbformat
    from jinja2 import DictLoader
    from nbconvert import HTMLExporter
    from traitlets.config import Config

    config = Config()
    config.HTMLExporter.embed_images = True
    config.HTMLExporter.sanitize_html = True
    config.HTMLExporter.exclude_input = True
    config.HTMLExporter.exclude_input_prompt = True
    config.HTMLExporter.exclude_output_prompt = True
    config.HTMLExporter.exclude_anchor_links = True
    config.NbConvertBase.display_data_priority = list(_SHOWN)
    exporter = HTMLExporter(
        config=config,
        template_name="lab",
        template_file="report.html.j2",
        extra_loaders=[DictLoader({"report.html.j2": _TEMPLATE})],
    )
    for name in HTMLExporter.class_trait_names():
        if name.endswith("_url"):
            setattr(exporter, name, "")
    exporter.register_filter("clean_html", clean)
    shown = title if status == "ok" else f"[{status}] {title}"
    copied = nbformat.from_dict(_without_noise(notebook))
    page, _ = exporter.from_notebook_node(copied, {"wb": {"title": shown, "css": style(), "csp": CSP}})
    return str(page)


def clean(text: str | bytes) -> str:
    """HTML with nothing in it that runs or loads: an allow-list of tags and attributes; images only as data.

    Examples
    --------
    >>> clean('<img src="https://example.org/x.png" alt="x"><b onclick="y()">z</b>')
    '<img alt="x"><b>z</b>'
    """
    import bleach  # type: ignore[import-untyped]

    source = text.decode() if isinstance(text, bytes) else str(text)
    return str(
        bleach.clean(
            source,
            tags=_TAGS,
            attributes={**_ATTRIBUTES, "img": _image_attribute, "a": _link_attribute},
            protocols={"http", "https", "mailto", "data"},
            strip=True,
        )
    )


@cache
def style() -> str:
    """The style sheet of every page."""
    return (files("workbench.reports") / "assets" / "report.css").read_text(encoding="utf-8")


def embedded(content: bytes, *, mime: str) -> str:
    """A ``data:`` address that holds *content*."""
    return f"data:{mime};base64,{base64.b64encode(content).decode('ascii')}"


def _image_attribute(tag: str, name: str, value: str) -> bool:
    return name in ("alt", "width", "height") or (name == "src" and value.startswith("data:image/"))


def _link_attribute(tag: str, name: str, value: str) -> bool:
    return name == "href" and not value.strip().lower().startswith("data:")


def _without_noise(notebook: Any) -> dict[str, Any]:
    """The notebook as plain data, without what a page cannot show: empty cells, widgets, standard error."""
    cells = []
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            outputs = [item for item in cell["outputs"] if _is_shown(item)]
            if not outputs:
                continue
            cells.append({**cell, "outputs": outputs})
        else:
            cells.append(dict(cell))
    metadata = {name: value for name, value in notebook["metadata"].items() if name != "widgets"}
    return {**notebook, "cells": cells, "metadata": metadata}


def _is_shown(output: Any) -> bool:
    return output.get("name") != "stderr" and ("data" not in output or any(kind in output["data"] for kind in _SHOWN))
