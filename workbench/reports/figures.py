"""A figure as one embedded picture with alternative text and caption."""

from __future__ import annotations

import html
import io
import sys
from typing import TYPE_CHECKING, Any

from workbench.errors import UsageError
from workbench.reports.html import embedded
from workbench.reports.tables import Html

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MIME = {"svg": "image/svg+xml", "png": "image/png"}


def figure(drawn: Figure, *, alt: str, caption: str, kind: str = "svg") -> Html:
    """An HTML figure with the picture embedded as SVG or PNG; the matplotlib figure is closed.

    Parameters
    ----------
    drawn : matplotlib.figure.Figure
        What was drawn.
    alt : str
        What the picture shows, for who cannot see it.
    caption : str
        What stands below it.
    kind : {"svg", "png"}
        ``svg`` for charts, ``png`` for pictures of many pixels.

    Raises
    ------
    UsageError
        Where alternative text or caption is empty.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> 'alt="an empty chart"' in figure(Figure(), alt="an empty chart", caption="Nothing yet").text
    True
    """
    return picture(rendered(drawn, kind=kind), alt=alt, caption=caption, kind=kind)


def picture(content: bytes, *, alt: str, caption: str, kind: str) -> Html:
    """The HTML of a picture's bytes."""
    if not alt.strip() or not caption.strip():
        raise UsageError("a figure needs alternative text and a caption", remedy="give alt=... and caption=...")
    return Html(
        f'<figure class="wb-figure"><img src="{embedded(content, mime=_MIME[kind])}" alt="{html.escape(alt)}">'
        f"<figcaption>{html.escape(caption)}</figcaption></figure>"
    )


def rendered(drawn: Any, *, kind: str) -> bytes:
    """Bytes of a drawn figure; the same figure gives the same bytes."""
    import matplotlib as mpl

    if kind not in _MIME:
        raise UsageError(f"a figure cannot be {kind!r}", remedy="use svg or png")
    stream = io.BytesIO()
    metadata: dict[str, Any] = {"Date": None, "Creator": None} if kind == "svg" else {"Software": None}
    with mpl.rc_context({"svg.hashsalt": "workbench", "svg.fonttype": "path"}):
        drawn.savefig(stream, format=kind, dpi=160, bbox_inches="tight", metadata=metadata)
    if "matplotlib.pyplot" in sys.modules:
        from matplotlib import pyplot

        pyplot.close(drawn)
    return stream.getvalue()
