"""Figures that show themselves in a notebook, without pyplot and its global state."""

from __future__ import annotations

from io import BytesIO
from math import isfinite
from typing import TYPE_CHECKING, Any, Final

from workbench.errors import UsageError

if TYPE_CHECKING:
    from matplotlib.figure import Figure


#: Inches of a side at most: more would not be drawn.
MOST_INCHES: Final = 200.0


def shown_figure(**options: Any) -> Figure:
    """Empty figure that a notebook shows where a cell ends with it; *options* are those of matplotlib's Figure.

    Raises
    ------
    UsageError
        A size in inches that no figure can have.

    Examples
    --------
    >>> hasattr(shown_figure(figsize=(4, 3)), "_repr_png_")
    True
    """
    width, height = options.get("figsize", (1.0, 1.0))
    if not all(isfinite(side) and 0 < side <= MOST_INCHES for side in (width, height)):
        raise UsageError(f"a figure of {width:.6g} x {height:.6g} inches", remedy="give a width of 1 to 100, in inches")
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
