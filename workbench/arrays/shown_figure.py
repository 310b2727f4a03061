"""Figures that show themselves in a notebook, without pyplot and its global state."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def shown_figure(**options: Any) -> Figure:
    """Empty figure that a notebook shows where a cell ends with it; *options* are those of matplotlib's Figure.

    Examples
    --------
    >>> hasattr(shown_figure(figsize=(4, 3)), "_repr_png_")
    True
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    class ShownFigure(Figure):
        """A figure that shows itself in a notebook."""

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            FigureCanvasAgg(self)

        def _repr_png_(self) -> bytes:
            buffer = BytesIO()
            self.savefig(buffer, format="png", dpi=110, facecolor=self.get_facecolor())
            return buffer.getvalue()

    return ShownFigure(**options)
