"""The charts of a profile: calm colours, numbers written in, units on every axis.

Each function takes a table of :mod:`workbench.reports.profile` or :mod:`workbench.reports.imaging` and gives a
matplotlib figure; matplotlib is loaded only then.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from workbench.reports.imaging import VERDICTS
from workbench.reports.profile import POOLED, label

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Text, lines, empty cells.
INK, LINE, PAPER = "#22303c", "#c9d3db", "#f4f7f9"
#: Images and clinical data both; images alone; clinical data alone; neither.
HELD: Final = ("#2f6f8f", "#8fb8c9", "#d8b365", "#c9d3db")
#: One colour per geometry verdict: even volumes cool, what needs a look warm, the rest grey.
GEOMETRY: Final = {
    "regular": "#2f6f8f",
    "sheared": "#d8b365",
    "gaps": "#b5483a",
    "variable": "#d98d6a",
    "single": "#aab8c2",
    "projection": "#c9d3db",
    "unplaced": "#7d6b91",
}
_BLUES: Final = ("#f4f7f9", "#cfe0e8", "#8fb8c9", "#2f6f8f", "#1d4a63")
_WARMS: Final = ("#f4f7f9", "#f0dfc4", "#e0b987", "#c47a55", "#8f3b2e")
#: Width of a page's text, inches.
_WIDTH: Final = 8.6
#: Variables in the heat map at most.
_MOST: Final = 40


def who_has_what(patients: pd.DataFrame) -> Figure:
    """Patients per node (bars, counts) by what was handed over for them: images, clinical data, both."""
    nodes = sorted(set(patients["node"].astype(str)))
    images = patients["has_imaging"].fillna(False).astype(bool)
    clinical = patients["has_clinical"].fillna(False).astype(bool)
    kinds = (
        ("images and clinical data", images & clinical),
        ("images only", images & ~clinical),
        ("clinical data only", ~images & clinical),
        ("neither", ~images & ~clinical),
    )
    counts = [
        (name, [int((mask & (patients["node"].astype(str) == node)).sum()) for node in nodes]) for name, mask in kinds
    ]
    figure, axes = _axes(height=0.9 + 0.42 * max(1, len(nodes)))
    _stack(axes, nodes, [(name, HELD[place], row) for place, (name, row) in enumerate(counts)])
    axes.set_xlabel("patients")
    return figure


def missing_map(gaps: pd.DataFrame) -> Figure:
    """Heat map: missing values in per cent of patients, a row per variable, a column per group."""
    columns = list(dict.fromkeys(gaps["group"]))
    wide = gaps.pivot(index="variable", columns="group", values="percent").reindex(columns=columns)
    wide = wide.loc[list(dict.fromkeys(gaps["variable"]))]
    if len(wide) > _MOST:
        wide = wide.sort_values(columns[-1], ascending=False, kind="stable").head(_MOST)
    texts = [[f"{value:.0f}" if value == value else "" for value in row] for row in wide.to_numpy(dtype=float)]
    return _grid(
        wide.to_numpy(dtype=float),
        [label(str(name)) for name in wide.index],
        columns,
        texts,
        colours=_WARMS,
        top=100.0,
        bar="missing (% of patients)",
    )


def modality_map(held: pd.DataFrame) -> Figure:
    """Heat map: image series (number, colour) and patients (in brackets), a row per modality, a column per node."""
    held = held[held["node"] != POOLED]
    nodes, rows = list(dict.fromkeys(held["node"])), list(dict.fromkeys(held["modality"]))
    series = held.pivot(index="modality", columns="node", values="series").reindex(index=rows, columns=nodes)
    patients = held.pivot(index="modality", columns="node", values="patients").reindex(index=rows, columns=nodes)
    values = series.to_numpy(dtype=float)
    texts = [
        [f"{int(n):,} ({int(p):,})" if n else "–" for n, p in zip(first, second, strict=True)]
        for first, second in zip(values, patients.to_numpy(dtype=float), strict=True)
    ]
    top = float(values.max()) if values.size else 1.0
    return _grid(values, rows, nodes, texts, colours=_BLUES, top=max(top, 1.0), bar="image series")


def geometry_bars(held: pd.DataFrame) -> Figure:
    """Image series per modality (bars, counts) by the verdict on their geometry."""
    rows = list(dict.fromkeys(held["modality"]))
    counts = held.set_index(["modality", "geometry"])["series"].to_dict()
    found = [
        name for name in [*VERDICTS, *sorted(set(held["geometry"]) - set(VERDICTS))] if name in set(held["geometry"])
    ]
    parts = [
        (VERDICTS.get(name, name), GEOMETRY.get(name, "#7d6b91"), [int(counts.get((row, name), 0)) for row in rows])
        for name in found
    ]
    figure, axes = _axes(height=0.9 + 0.42 * max(1, len(rows)))
    _stack(axes, rows, parts)
    axes.set_xlabel("image series")
    return figure


def _axes(*, height: float, width: float = _WIDTH) -> tuple[Figure, Axes]:
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context({"font.size": 9, "font.family": "sans-serif", "text.color": INK}):
        figure = Figure(figsize=(width, height), facecolor="white")
        axes = figure.add_subplot()
    axes.tick_params(length=0, labelsize=9, colors=INK)
    axes.xaxis.label.set_color(INK)
    for side in axes.spines.values():
        side.set_visible(False)
    return figure, axes


def _stack(axes: Axes, rows: Sequence[str], parts: Sequence[tuple[str, str, Sequence[int]]]) -> None:
    """Horizontal stacked bars, the first row on top, each part's count written in where there is room."""
    from matplotlib.ticker import MaxNLocator

    lefts = [0] * len(rows)
    longest = max([1, *(sum(values) for values in zip(*(part[2] for part in parts), strict=True))])
    for name, colour, values in parts:
        if not any(values):
            continue
        axes.barh(rows, values, left=lefts, height=0.62, color=colour, edgecolor="white", linewidth=1.2, label=name)
        for place, value in enumerate(values):
            if value / longest > 0.035:
                shade = "white" if _dark(colour) else INK
                axes.text(
                    lefts[place] + value / 2, place, f"{value:,}", ha="center", va="center", color=shade, fontsize=9
                )
        lefts = [left + value for left, value in zip(lefts, values, strict=True)]
    for place, total in enumerate(lefts):
        axes.text(
            total + longest * 0.012, place, f"{total:,}", ha="left", va="center", color=INK, fontsize=9, weight="bold"
        )
    axes.set_ylim(len(rows) - 0.45, -0.55)
    axes.set_xlim(0, longest * 1.08)
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    axes.grid(axis="x", color=LINE, linewidth=0.6)
    axes.set_axisbelow(True)
    if any(lefts):
        axes.legend(
            loc="lower left", bbox_to_anchor=(0, 1.0), ncols=4, frameon=False, fontsize=9, handlelength=1.0,
            columnspacing=1.4, borderaxespad=0.3, labelcolor=INK,
        )  # fmt: skip
    else:
        axes.text(0.5, 0.5, "nothing to show", transform=axes.transAxes, ha="center", color=INK)


def _grid(
    values: Any,
    rows: Sequence[str],
    columns: Sequence[str],
    texts: Sequence[Sequence[str]],
    *,
    colours: Sequence[str],
    top: float,
    bar: str,
) -> Figure:
    """A heat map with its numbers written in; column names on top."""
    import numpy as np
    from matplotlib.colors import LinearSegmentedColormap
    from matplotlib.ticker import MaxNLocator

    longest = max([len(name) for name in columns] or [4])
    figure, axes = _axes(
        width=min(_WIDTH, 2.6 + max(0.75, 0.085 * longest) * max(1, len(columns)) + 1.2),
        height=0.75 + 0.3 * max(1, len(rows)),
    )
    if not rows or not columns:
        axes.set_xticks([])
        axes.set_yticks([])
        axes.text(0.5, 0.5, "nothing to show", transform=axes.transAxes, ha="center", color=INK)
        return figure
    shades = LinearSegmentedColormap.from_list("calm", list(colours)).with_extremes(bad=PAPER)
    mesh = axes.pcolormesh(
        np.ma.masked_invalid(values), cmap=shades, vmin=0, vmax=top, edgecolors="white", linewidth=1.5
    )
    for row, cells in enumerate(texts):
        for column, text in enumerate(cells):
            dark = values[row][column] > 0.55 * top
            axes.text(
                column + 0.5, row + 0.5, text, ha="center", va="center", fontsize=8.5, color="white" if dark else INK
            )
    axes.set_ylim(len(rows), 0)
    axes.set_xticks([place + 0.5 for place in range(len(columns))], columns)
    axes.set_yticks([place + 0.5 for place in range(len(rows))], rows)
    axes.xaxis.tick_top()
    if len(columns) > 1 and longest * len(columns) > 60:
        for tick in axes.get_xticklabels():
            tick.set(rotation=30, ha="left")
    scale = figure.colorbar(mesh, ax=axes, fraction=0.035, pad=0.03, ticks=MaxNLocator(4, integer=True))
    scale.outline.set_visible(False)
    scale.ax.tick_params(length=0, labelsize=8, colors=INK)
    scale.set_label(bar, color=INK, fontsize=9)
    return figure


def _dark(colour: str) -> bool:
    """Whether white text reads better on it: relative luminance (Rec. 709 weights) below one half."""
    red, green, blue = (int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue < 0.5
