"""A static figure of a series: three planes in true millimetres, masks outlined."""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from workbench.arrays.cells import at_cells, cells, lean
from workbench.errors import UsageError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Display windows (centre, width) by unit of the values, where neither caller nor header names one.
WINDOWS: Final = {"[hnsf'U]": (40.0, 400.0)}
#: Outline colours, told apart by people with colour vision deficiencies (Okabe and Ito 2008).
COLOURS: Final = ("#E69F00", "#56B4E9", "#009E73", "#F0E442", "#D55E00", "#CC79A7", "#0072B2")
_OPPOSITE: Final = {"left": "L", "right": "R", "anterior": "A", "posterior": "P", "superior": "S", "inferior": "I"}


def figure(
    dataset: xr.Dataset,
    *,
    at: dict[str, float] | None = None,
    window: tuple[float, float] | None = None,
    title: str | None = None,
    segments: list[str] | None = None,
    width: float = 10.0,
) -> Figure:
    """Figure of three planes through a point, pixels true to scale, masks outlined.

    Parameters
    ----------
    dataset : xarray.Dataset
        A series as opened by ``engine="dicom"`` or ``cohort.load``; ``mask`` is outlined where present.
    at : dict, optional
        Point in mm, any of ``z``, ``y``, ``x``, and levels of further dimensions. Default: the middle of the
        largest segment, else of the image; the first level of further dimensions.
    window : (float, float), optional
        Centre and width of the grey window. Default: by unit (CT 40/400), the header's, else the 1st to 99.5th
        percentile of the shown slices.
    title : str, optional
        Above the figure; by default modality and series description.
    segments : list of str, optional
        Names of segments to outline; all by default.
    width : float
        Inches.

    Returns
    -------
    matplotlib.figure.Figure
        Not registered with pyplot; shows itself in a notebook.

    Examples
    --------
    >>> import xarray as xr
    >>> from pydicom.data import get_testdata_file
    >>> ds = xr.open_dataset(get_testdata_file("CT_small.dcm"), engine="dicom")
    >>> len(ds.patient.figure().axes)
    1
    """
    volume, point = _volume(dataset, dict(at or {}))
    masks = _masks(dataset, segments)
    for dim in ("z", "y", "x"):
        if dim not in point:
            point[dim] = _middle(volume, masks, dim)
    index = {dim: int(np.abs(volume[dim].values - point[dim]).argmin()) for dim in ("z", "y", "x")}
    flat = volume.sizes["z"] == 1 or dataset.attrs.get("geometry") in ("unplaced", "projection")
    planes = ["z"] if flat else ["z", "y", "x"]
    pictures = {dim: volume.isel({dim: index[dim]}).values for dim in planes}
    low, high = _limits(dataset, window, pictures, volume)

    rasters = {dim: _raster(dataset, volume, dim, index) for dim in planes}
    drawn, axes = _panels(list(rasters.values()), width)
    for ax, dim in zip(axes, planes, strict=True):
        _plane(ax, volume, rasters[dim], pictures[dim], (low, high))
        for number, (name, mask) in enumerate(masks.items()):
            inside = np.asarray(mask.isel({dim: index[dim]}).values, dtype=bool)
            _outline(ax, rasters[dim], inside, COLOURS[number % len(COLOURS)], name)
        unit = volume[dim].attrs.get("units", "")
        ax.set_title(f"{dim} = {volume[dim].values[index[dim]]:.1f} {unit}", color="0.8", fontsize=9)
    drawn.suptitle(title if title is not None else _title(dataset), color="white", fontsize=11)
    if masks:
        _legend(drawn, list(masks))
    return drawn


def _panels(rasters: list[_Raster], width: float) -> tuple[Figure, list[Axes]]:
    """Figure of a height that fits, and one axes per plane; two flat planes stand above each other."""
    across = [float(np.ptp(raster.across)) for raster in rasters]
    down = [float(np.ptp(raster.along)) for raster in rasters]
    flat = len(rasters) == 3 and down[1] + down[2] < down[0]
    columns = [across[0], max(across[1:])] if flat else across
    # Room for the title, the legend and the labels of the axes.
    height = min(1.6 * width, width * (down[0] if flat else max(down)) / sum(columns) + 1.3)
    drawn = _SelfShowing()(figsize=(width, height), layout="constrained")
    drawn.set_facecolor("black")
    if flat:
        grid = drawn.add_gridspec(2, 2, width_ratios=columns, height_ratios=down[1:])
        places = [grid[:, 0], grid[0, 1], grid[1, 1]]
    else:
        grid = drawn.add_gridspec(1, len(rasters), width_ratios=columns)
        places = [grid[0, i] for i in range(len(rasters))]
    return drawn, [drawn.add_subplot(place) for place in places]


def _volume(dataset: xr.Dataset, at: dict[str, float]) -> tuple[xr.DataArray, dict[str, float]]:
    """The one volume to show, dims z, y, x[, channel], and the point in it."""
    image = dataset["image"]
    for dim in image.dims:
        if dim in ("z", "y", "x", "channel"):
            continue
        level = at.pop(str(dim), None)
        image = image.isel({dim: 0}) if level is None else image.sel({dim: level}, method="nearest")
    unknown = set(at) - {"z", "y", "x"}
    if unknown:
        raise UsageError(f"no dimension {', '.join(sorted(unknown))} in this series", remedy="use z, y or x")
    return image, at


def _masks(dataset: xr.Dataset, wanted: list[str] | None) -> dict[str, xr.DataArray]:
    """Boolean volumes to outline, by segment name; a fraction is outlined at one half."""
    found: dict[str, xr.DataArray] = {}
    for name, dim in (("mask", "segment"), ("fraction", "fraction_segment")):
        if name not in dataset:
            continue
        for number, label in enumerate(dataset[dim].values):
            volume = dataset[name].isel({dim: number})
            found[_unused(str(label), found)] = volume if name == "mask" else volume >= 0.5
    if wanted is not None:
        missing = set(wanted) - set(found)
        if missing:
            raise UsageError(f"no segment {', '.join(sorted(missing))}", remedy=f"there are: {', '.join(found)}")
        found = {name: found[name] for name in wanted}
    return found


def _unused(name: str, taken: dict[str, Any]) -> str:
    number, candidate = 1, name
    while candidate in taken:
        number += 1
        candidate = f"{name} ({number})"
    return candidate


def _middle(volume: xr.DataArray, masks: dict[str, xr.DataArray], dim: str) -> float:
    """Coordinate of the slice with most of the largest segment, else the middle slice."""
    if masks:
        largest = max(masks.values(), key=lambda mask: int(mask.sum()))
        counts = largest.sum([other for other in ("z", "y", "x") if other != dim]).values
        if counts.max() > 0:
            return float(volume[dim].values[int(counts.argmax())])
    return float(volume[dim].values[volume.sizes[dim] // 2])


@dataclass(frozen=True, eq=False)
class _Raster:
    """Where the cells of one plane lie."""

    #: Axis that runs down or up.
    row: str
    #: Axis that runs across.
    column: str
    #: Voxel of each row of cells, -1 where there is none.
    rows: NDArray[np.int64]
    #: Corners of the cells along the column axis, (rows + 1, columns + 1) mm.
    across: NDArray[np.float64]
    #: Corners of the cells along the row axis, (rows + 1, columns + 1) mm.
    along: NDArray[np.float64]


def _raster(dataset: xr.Dataset, volume: xr.DataArray, dim: str, index: dict[str, int]) -> _Raster:
    """Cells of the plane across *dim*: missing slices stay open, tilted slices are drawn where they are."""
    row, column = {"z": ("y", "x"), "y": ("z", "x"), "x": ("z", "y")}[dim]
    spacing = dict(zip(("y", "x"), dataset.attrs.get("pixel_spacing_mm", (None, None)), strict=True))
    widths = {"z": dataset.attrs.get("slice_spacing_mm"), **spacing}
    row_edges, rows = cells(volume[row].values, width=widths[row])
    column_edges, _ = cells(volume[column].values, width=widths[column])
    across, along = np.meshgrid(column_edges, row_edges)
    drift, z = lean(dataset), volume["z"].values
    if dim == "z":
        advance = z[index["z"]] - z[0]
        across, along = across + drift[column] * advance, along + drift[row] * advance
    else:
        across = across + drift[column] * (along - z[0])
    return _Raster(row, column, rows, across, along)


def _limits(
    dataset: xr.Dataset,
    window: tuple[float, float] | None,
    pictures: dict[str, NDArray[Any]],
    volume: xr.DataArray,
) -> tuple[float, float]:
    window = window or WINDOWS.get(dataset["image"].attrs.get("units", ""))
    if window is None and "channel" not in volume.dims and dataset["image"].attrs.get("value_kind") != "suv":
        window = _header_window(dataset)
    if window is not None:
        return window[0] - window[1] / 2, window[0] + window[1] / 2
    shown = np.concatenate([np.asarray(picture, dtype=np.float32).ravel() for picture in pictures.values()])
    low, high = (float(v) for v in np.nanpercentile(shown, [1, 99.5]))
    return (low, high) if high > low else (low, low + 1)


def _header_window(dataset: xr.Dataset) -> tuple[float, float] | None:
    try:
        centre, width = (float(str(dataset.attrs[k]).split("\\")[0]) for k in ("WindowCenter", "WindowWidth"))
    except (KeyError, ValueError):
        return None
    return (centre, width) if width > 0 else None


def _plane(ax: Axes, volume: xr.DataArray, raster: _Raster, picture: NDArray[Any], limits: tuple[float, float]) -> None:
    # PET and other emission images are read dark on white.
    inverted = volume.attrs.get("value_kind", "").startswith(("suv", "activity", "counts"))
    shown = at_cells(picture, raster.rows, axis=0)
    if "channel" in volume.dims:
        shown = np.ma.filled(shown, 0) / np.iinfo(picture.dtype).max
    # What no voxel covers shows the hatched ground: nothing is stretched over a missing slice.
    ax.patch.set(facecolor="0.1", edgecolor="0.45", hatch="////", linewidth=0)
    ax.pcolormesh(
        raster.across, raster.along, shown, cmap="gray_r" if inverted else "gray", vmin=limits[0], vmax=limits[1],
        rasterized=True,
    )  # fmt: skip
    ax.set_aspect("equal")
    ax.set_xlim(raster.across.min(), raster.across.max())
    # In the stored plane rows run down; in the others head is up.
    bottom, top = raster.along.min(), raster.along.max()
    ax.set_ylim((bottom, top) if raster.row == "z" else (top, bottom))
    ax.tick_params(colors="0.6", labelsize=7)
    for spine in ax.spines.values():
        spine.set_color("0.3")
    ax.set_xlabel(f"{raster.column} / mm", color="0.6", fontsize=8)
    ax.set_ylabel(f"{raster.row} / mm", color="0.6", fontsize=8)
    _letters(ax, volume, raster.row, raster.column)


def _letters(ax: Axes, volume: xr.DataArray, row: str, column: str) -> None:
    """Patient directions at the edges of the plane."""
    style: dict[str, Any] = {"color": "white", "fontsize": 9, "weight": "bold", "transform": ax.transAxes}
    start, _, end = volume[column].attrs.get("orientation", "").partition("-to-")
    if end:
        ax.text(0.02, 0.5, _OPPOSITE[start], ha="left", va="center", **style)
        ax.text(0.98, 0.5, _OPPOSITE[end], ha="right", va="center", **style)
    start, _, end = volume[row].attrs.get("orientation", "").partition("-to-")
    if end:
        top, bottom = (end, start) if row == "z" else (start, end)
        ax.text(0.5, 0.98, _OPPOSITE[top], ha="center", va="top", **style)
        ax.text(0.5, 0.02, _OPPOSITE[bottom], ha="center", va="bottom", **style)


def _outline(ax: Axes, raster: _Raster, inside: NDArray[np.bool_], colour: str, name: str) -> None:
    """Outline along voxel edges, so that it shows exactly which voxels belong."""
    from matplotlib.collections import LineCollection

    if not inside.any():
        return
    padded = np.pad(np.asarray(at_cells(inside, raster.rows, axis=0)), 1)
    corners = np.stack([raster.across, raster.along], axis=-1)
    r, c = np.nonzero(padded[1:, 1:-1] != padded[:-1, 1:-1])
    level = np.stack([corners[r, c], corners[r, c + 1]], axis=1)
    r, c = np.nonzero(padded[1:-1, 1:] != padded[1:-1, :-1])
    upright = np.stack([corners[r, c], corners[r + 1, c]], axis=1)
    ax.add_collection(LineCollection([*level, *upright], colors=colour, linewidths=1.4, label=name))


def _legend(drawn: Figure, names: list[str]) -> None:
    from matplotlib.lines import Line2D

    handles = [Line2D([], [], color=COLOURS[i % len(COLOURS)], label=name) for i, name in enumerate(names[:12])]
    drawn.legend(handles=handles, loc="outside lower center", ncols=4, frameon=False, labelcolor="white", fontsize=8)


def _title(dataset: xr.Dataset) -> str:
    parts = [str(dataset.attrs.get(key, "")) for key in ("Modality", "SeriesDescription")]
    geometry = str(dataset.attrs.get("geometry", ""))
    if geometry not in ("regular", ""):
        parts.append(f"[{geometry}]")
    return "  ".join(part for part in parts if part)


def _SelfShowing() -> type[Figure]:  # noqa: N802  makes a class
    """Figure class that a notebook shows without pyplot."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    class SliceFigure(Figure):
        """A figure that shows itself in a notebook."""

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            FigureCanvasAgg(self)

        def _repr_png_(self) -> bytes:
            buffer = BytesIO()
            self.savefig(buffer, format="png", dpi=110, facecolor=self.get_facecolor())
            return buffer.getvalue()

    return SliceFigure
