"""A static figure of survival: curves with intervals, and the numbers at risk under the axis."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from workbench.arguments import checked
from workbench.errors import UsageError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from workbench.measure.kaplan_meier import Survival

#: Colours told apart by people with colour vision deficiencies (Okabe and Ito 2008), the pale ones left out.
COLOURS: Final = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
INK: Final = "#22303c"
#: Most times under which the numbers at risk are given.
MOST_TICKS: Final = 7
#: Steps of an axis in months: parts of a year, years, and five of them.
MONTHS: Final = (1, 2, 3, 6, 12, 24, 60, 120)


@checked
def survival_figure(
    survival: Survival,
    *,
    times: tuple[float, ...] | None = None,
    unit: str = "",
    title: str | None = None,
    intervals: bool = True,
    width: float = 7.0,
) -> Figure:
    """Figure: share without the event over time per group, ticks where patients are censored, numbers at risk below.

    Parameters
    ----------
    survival : Survival
        Result of :func:`workbench.measure.kaplan_meier`; at most six groups.
    times : tuple of float, optional
        Where the numbers at risk are given. Default: the ticks of the axis.
    unit : str
        Unit of the time, for the label.
    title : str, optional
        Above the figure.
    intervals : bool, default True
        Whether intervals are shaded.
    width : float
        Inches.

    Returns
    -------
    matplotlib.figure.Figure
        Not registered with pyplot; shows itself in a notebook.

    Raises
    ------
    UsageError
        More groups than can be told apart.

    Examples
    --------
    >>> import pandas as pd
    >>> from workbench.measure.kaplan_meier import kaplan_meier
    >>> table = pd.DataFrame({"months": [1.0, 2, 2, 4, 5], "died": [1, 1, 0, 1, 0]})
    >>> drawn = survival_figure(kaplan_meier(table, time="months", event="died", patient=None), unit="months")
    >>> [text.get_text() for text in drawn.axes[1].texts]
    ['all', '5', '5', '4', '2', '2', '1']
    """
    from workbench.arrays.shown_figure import shown_figure

    names = survival.groups["group"].tolist()
    if len(names) > len(COLOURS):
        raise UsageError(f"{len(names)} groups cannot be told apart", remedy=f"draw at most {len(COLOURS)}")
    size = (width, 0.62 * width + 0.24 * len(names))
    drawn = shown_figure(figsize=size, layout="constrained", facecolor="white")
    grid = drawn.add_gridspec(2, 1, height_ratios=[0.55 * width, 0.24 * len(names) + 0.1], hspace=0.02)
    above = drawn.add_subplot(grid[0])
    below = drawn.add_subplot(grid[1], sharex=above)
    for name, colour in zip(names, COLOURS, strict=False):
        _curve(above, survival, name, colour, intervals=intervals)
    end = float(survival.curve["time"].max()) or 1.0
    above.set(xlim=(0, 1.02 * end), ylim=(0, 1.04), ylabel="without the event")
    above.set_xlabel(_label(survival.time, unit))
    ticks = _ticks(end, in_months="month" in f"{survival.time} {unit}".lower())
    above.set_xticks(ticks)
    for side in ("top", "right"):
        above.spines[side].set_visible(False)
    if len(names) > 1:
        above.legend(frameon=False, loc="best", fontsize=9)
    if title:
        drawn.suptitle(title, color=INK, fontsize=11)
    _at_risk(below, survival, list(times) if times is not None else ticks)
    return drawn


def _label(time: str, unit: str) -> str:
    """What the axis says; the unit once, also where the name of the column ends with it."""
    name = time.replace("_", " ")
    if not unit:
        return name
    named = name.removesuffix(f" {unit}")
    return f"{named} ({unit})" if named != unit else unit


def _ticks(end: float, *, in_months: bool) -> list[float]:
    """Times from 0 to *end*: whole months, half years or years where they are months, else round numbers."""
    from matplotlib.ticker import MaxNLocator

    fitting = [step for step in MONTHS if 2 * step <= end and end / step < MOST_TICKS] if in_months else []
    every = np.arange(0, 1.02 * end, fitting[0]) if fitting else MaxNLocator(MOST_TICKS - 1).tick_values(0, end)
    return [float(tick) for tick in every if 0 <= tick <= 1.02 * end]


def _curve(axes: Axes, survival: Survival, name: str, colour: str, *, intervals: bool) -> None:
    part = survival.curve[survival.curve["group"] == name]
    when, level = part["time"].to_numpy(), part["survival"].to_numpy()
    axes.step(when, level, where="post", color=colour, linewidth=1.6, label=name)
    if intervals:
        low, high = (np.where(np.isnan(part[end]), level, part[end]) for end in ("low", "high"))
        axes.fill_between(when, low, high, step="post", color=colour, alpha=0.15, linewidth=0)
    lost = part["censored"].to_numpy() > 0
    axes.plot(when[lost], level[lost], linestyle="none", marker="|", color=colour, markersize=7)


def _at_risk(axes: Axes, survival: Survival, times: list[float]) -> None:
    """Rows of numbers at risk, one per group, under the times they are of."""
    names = survival.groups["group"].tolist()
    table = survival.at(times)
    axes.set_ylim(len(names) - 0.4, -0.9)
    axes.axis("off")
    axes.set_title("at risk", loc="left", fontsize=9, color=INK, pad=2)
    for row, (name, colour) in enumerate(zip(names, COLOURS, strict=False)):
        axes.annotate(
            name, (0, row), xycoords=("axes fraction", "data"), xytext=(-14, 0), textcoords="offset points", ha="right",
            va="center", color=colour, fontsize=9,
        )  # fmt: skip
        for time, number in table.loc[table["group"] == name, ["time", "at_risk"]].itertuples(index=False):
            axes.text(time, row, f"{int(number)}", ha="center", va="center", color=INK, fontsize=9)
