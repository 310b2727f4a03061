"""A static flow diagram: boxes one below the other, and beside the arrows what was left out."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import wrap
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from matplotlib.figure import Figure

INK: Final = "#22303c"
#: Inches of a box and of the arrow below it.
BOX, GAP = 0.72, 0.55


def flow_figure(boxes: Sequence[tuple[str, str, str]], sides: Sequence[str], *, width: float) -> Figure:
    """Figure of steps.

    Parameters
    ----------
    boxes : sequence of (title, line, small line)
        Of each step.
    sides : sequence of str
        Text beside the arrow to each step but the first.
    width : float
        Inches.

    Examples
    --------
    >>> drawn = flow_figure([("start", "20 patients", ""), ("CT", "12 patients", "")], ["excluded: 8"], width=5)
    >>> [text.get_text() for text in drawn.axes[0].texts if text.get_text()]
    ['start', '20 patients', 'CT', '12 patients', 'excluded: 8']
    """
    from matplotlib.patches import FancyBboxPatch

    from workbench.arrays.shown_figure import shown_figure

    height = len(boxes) * (BOX + GAP) - GAP + 0.3
    drawn = shown_figure(figsize=(width, height), facecolor="white")
    axes = drawn.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, width), ylim=(height, 0))
    axes.axis("off")
    across = 0.6 * width
    for number, (title, line, small) in enumerate(boxes):
        top = 0.15 + number * (BOX + GAP)
        axes.add_patch(FancyBboxPatch((0.15, top), across, BOX, boxstyle="round,pad=0,rounding_size=0.06",
                                      facecolor="#f2f6fa", edgecolor=INK, linewidth=0.8))  # fmt: skip
        middle = 0.15 + across / 2
        short = wrap(title, 52) or [""]
        axes.text(middle, top + 0.17, short[0] + (" ..." if len(short) > 1 else ""), ha="center", va="center",
                  fontsize=9.5, fontweight="bold", color=INK)  # fmt: skip
        axes.text(middle, top + (0.38 if small else 0.45), line, ha="center", va="center", fontsize=8.5, color=INK)
        axes.text(middle, top + 0.57, small, ha="center", va="center", fontsize=7.5, color="#51606e")
    for number, side in enumerate(sides):
        top = 0.15 + number * (BOX + GAP) + BOX
        middle = 0.15 + across / 2
        axes.annotate("", (middle, top + GAP), (middle, top), arrowprops={"arrowstyle": "-|>", "color": INK})
        axes.plot([middle, across + 0.3], [top + GAP / 2] * 2, color=INK, linewidth=0.8)
        axes.text(across + 0.36, top + GAP / 2, side, va="center", fontsize=8, color=INK)
    return drawn
