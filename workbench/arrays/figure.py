"""A static figure of a series: three planes in true millimetres, masks outlined."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from workbench.arrays.arguments import finite_number
from workbench.arrays.axes import AXES
from workbench.arrays.cells import at_cells, cells, lean
from workbench.arrays.planes import grey_range, middle, outlined, shown
from workbench.errors import UsageError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Narrowest and widest figure, inches.
WIDTHS: Final = (1.0, 100.0)
#: Outline colours, told apart by people with colour vision deficiencies (Okabe and Ito 2008).
COLOURS: Final = ("#E69F00", "#56B4E9", "#009E73", "#F0E442", "#D55E00", "#CC79A7", "#0072B2")
#: Planes lower than this share of their width are flat.
FLAT: Final = 0.1
#: UCUM unit -> how it is read; 1 says nothing.
UNIT_SYMBOLS: Final = {"[hnsf'U]": "HU", "1": ""}
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
        A series as opened by ``engine="dicom"`` or ``cohort.load``; ``mask`` is outlined where present. Of one slice
        (``isel(z=k)``, ``isel(y=k)``) that plane is drawn.
    at : dict, optional
        Point in mm, any of ``z``, ``y``, ``x``, and levels of further dimensions. Default: the middle of the
        largest segment, else of the image; the first level of further dimensions, which the title names.
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

    Raises
    ------
    UsageError
        No image, nothing left of it, fewer than two axes, or an argument that is none.
    OutsideImage
        *at* is beyond the image.

    Examples
    --------
    >>> import xarray as xr
    >>> from pydicom.data import get_testdata_file
    >>> ds = xr.open_dataset(get_testdata_file("CT_small.dcm"), engine="dicom")
    >>> len(ds.patient.figure().axes)
    1
    """
    inches = finite_number(width, name="width", remedy="give inches")
    if not WIDTHS[0] <= inches <= WIDTHS[1]:
        raise UsageError(f"a figure {inches:g} inches wide", remedy="give 1 to 100 inches")
    what = shown(dataset, at)
    volume, planes, point = what.volume, what.planes, what.point
    masks = outlined(dataset, segments)
    for dim in AXES:
        if dim not in point:
            point[dim] = middle(volume, masks, dim)
    index = {dim: int(np.abs(volume[dim].values - point[dim]).argmin()) for dim in AXES}
    pictures = {dim: volume.isel({dim: [index[dim]]}).values.squeeze(AXES.index(dim)) for dim in planes}
    limits = grey_range(dataset, window, list(pictures.values()), colour="channel" in volume.dims)
    rasters = {dim: _raster(dataset, volume, dim, index) for dim in planes}
    drawn, axes = _panels(list(rasters.values()), inches)
    for ax, dim in zip(axes, planes, strict=True):
        _plane(ax, volume, rasters[dim], pictures[dim], limits)
        for number, (name, mask) in enumerate(masks.items()):
            inside = np.asarray(mask.isel({dim: [index[dim]]}).values, dtype=bool).squeeze(AXES.index(dim))
            _outline(ax, rasters[dim], inside, COLOURS[number % len(COLOURS)], name)
        if ax is axes[0] and "channel" not in volume.dims and volume.dtype != bool:
            _window(ax, limits, volume)
        if dim in dataset["image"].coords:
            unit = volume[dim].attrs.get("units", "")
            ax.set_title(f"{dim} = {volume[dim].values[index[dim]]:.1f} {unit}", color="0.8", fontsize=9)
    drawn.suptitle(_title(dataset, what.levels) if title is None else str(title), color="white", fontsize=11)
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
    from workbench.arrays.shown_figure import shown_figure

    drawn = shown_figure(figsize=(width, height), layout="constrained")
    drawn.set_facecolor("black")
    if flat:
        grid = drawn.add_gridspec(2, 2, width_ratios=columns, height_ratios=down[1:])
        places = [grid[:, 0], grid[0, 1], grid[1, 1]]
    else:
        grid = drawn.add_gridspec(1, len(rasters), width_ratios=columns)
        places = [grid[0, i] for i in range(len(rasters))]
    return drawn, [drawn.add_subplot(place) for place in places]


@dataclass(frozen=True, eq=False)
class _Raster:
    """Where the cells of one plane lie."""

    #: Axis that runs down or up.
    row: str
    #: Axis that runs across.
    column: str
    #: Voxel of each row of cells, -1 where there is none.
    rows: NDArray[np.int64]
    #: Voxel of each column of cells, -1 where there is none.
    columns: NDArray[np.int64]
    #: Corners of the cells along the column axis, (rows + 1, columns + 1) mm.
    across: NDArray[np.float64]
    #: Corners of the cells along the row axis, (rows + 1, columns + 1) mm.
    along: NDArray[np.float64]


def _raster(dataset: xr.Dataset, volume: xr.DataArray, dim: str, index: dict[str, int]) -> _Raster:
    """Cells of the plane across *dim*: missing slices stay open, tilted slices are drawn where they are."""
    row, column = {"z": ("y", "x"), "y": ("z", "x"), "x": ("z", "y")}[dim]
    row_edges, rows = cells(volume[row].values, width=_width(dataset, volume, row))
    column_edges, columns = cells(volume[column].values, width=_width(dataset, volume, column))
    across, along = np.meshgrid(column_edges, row_edges)
    drift, z = lean(dataset), volume["z"].values
    first = _first_depth(dataset) if any(drift.values()) else float(z[0])
    if dim == "z":
        advance = z[index["z"]] - first
        across, along = across + drift[column] * advance, along + drift[row] * advance
    else:
        across = across + drift[column] * (along - first)
    return _Raster(row, column, rows, columns, across, along)


def _width(dataset: xr.Dataset, volume: xr.DataArray, axis: str) -> float | None:
    """Widest cell along an axis, mm: what lies further apart leaves an opening. None: the median step."""
    steps = np.diff(volume[axis].values)
    if axis == "z":
        stated = dataset.attrs.get("slice_spacing_mm")
        # Averages over slices, and every second slice, are further apart than the series says.
        return max(float(stated), float(steps.min())) if stated is not None and len(steps) else stated
    both = dataset.attrs.get("pixel_spacing_mm")
    return None if len(steps) or both is None else float(both[0 if axis == "y" else 1])


def _first_depth(dataset: xr.Dataset) -> float:
    """Depth of the slice for which y and x of a tilted series hold: its first one when it was opened, mm."""
    step, column, row, origin = np.asarray(dataset["affine"].values, dtype=np.float64)[:3].T
    normal = np.cross(row, column)
    return float(origin @ normal) / float(np.linalg.norm(normal)) * (1.0 if step @ normal > 0 else -1.0)


def _is_emission(volume: xr.DataArray) -> bool:
    return str(volume.attrs.get("value_kind", "")).startswith(("suv", "activity", "counts"))


def _plane(ax: Axes, volume: xr.DataArray, raster: _Raster, picture: NDArray[Any], limits: tuple[float, float]) -> None:
    # PET and other emission images are read dark on white.
    inverted = _is_emission(volume)
    colour = at_cells(at_cells(picture, raster.rows, axis=0), raster.columns, axis=1)
    if "channel" in volume.dims:
        colour = np.clip(np.nan_to_num(np.ma.filled(colour, 0) / _white(picture)), 0, 1)
    # What no voxel covers shows the hatched ground: nothing is stretched over a missing slice.
    ax.patch.set(facecolor="0.1", edgecolor="0.45", hatch="////", linewidth=0)
    ax.pcolormesh(
        raster.across, raster.along, colour, cmap="gray_r" if inverted else "gray", vmin=limits[0], vmax=limits[1],
        rasterized=True,
    )  # fmt: skip
    ax.set_aspect("equal")
    ax.set_xlim(raster.across.min(), raster.across.max())
    # In the stored plane rows run down; in the others head is up.
    bottom, top = raster.along.min(), raster.along.max()
    ax.set_ylim((bottom, top) if raster.row == "z" else (top, bottom))
    if _is_flat(ax):
        ax.set_yticks([round((bottom + top) / 2)])
    ax.tick_params(colors="0.6", labelsize=7)
    for spine in ax.spines.values():
        spine.set_color("0.3")
    ax.set_xlabel(f"{raster.column} / mm", color="0.6", fontsize=8)
    ax.set_ylabel(f"{raster.row} / mm", color="0.6", fontsize=8)
    _letters(ax, volume, raster.row, raster.column)


def _white(picture: NDArray[Any]) -> float:
    """The value of full colour: the largest of the type, or of the integers that floats were made from."""
    if picture.dtype.kind in "iu":
        return float(np.iinfo(picture.dtype).max)
    largest = float(np.nanmax(picture, initial=0.0))
    return next(white for white in (1.0, 255.0, 65535.0, np.inf) if largest <= white)


def _letters(ax: Axes, volume: xr.DataArray, row: str, column: str) -> None:
    """Patient directions at the edges of the plane."""
    style = _on_any_ground() | {"fontsize": 9, "weight": "bold", "transform": ax.transAxes}
    start, _, end = volume[column].attrs.get("orientation", "").partition("-to-")
    if end:
        ax.text(0.02, 0.5, _OPPOSITE[start], ha="left", va="center", **style)
        ax.text(0.98, 0.5, _OPPOSITE[end], ha="right", va="center", **style)
    start, _, end = volume[row].attrs.get("orientation", "").partition("-to-")
    if end and not _is_flat(ax):
        top, bottom = (end, start) if row == "z" else (start, end)
        ax.text(0.5, 0.98, _OPPOSITE[top], ha="center", va="top", **style)
        ax.text(0.5, 0.02, _OPPOSITE[bottom], ha="center", va="bottom", **style)


def _on_any_ground() -> dict[str, Any]:
    """Letters that are read on black and on white: emission images are drawn dark on white."""
    from matplotlib.patheffects import withStroke

    return {"color": "white", "path_effects": [withStroke(linewidth=2.2, foreground="black")]}


def _is_flat(ax: Axes) -> bool:
    """Whether a plane is too low for letters above each other, and for ticks between its ends."""
    (left, right), (bottom, top) = ax.get_xlim(), ax.get_ylim()
    return abs(top - bottom) < FLAT * abs(right - left)


def _window(ax: Axes, limits: tuple[float, float], volume: xr.DataArray) -> None:
    """Level and width of the grey window in the corner; of emission images its ends, as they are read."""
    unit = str(volume.attrs.get("units", ""))
    level, width = (limits[0] + limits[1]) / 2, limits[1] - limits[0]
    told = f"{limits[0]:.3g} to {limits[1]:.3g}" if _is_emission(volume) else f"L {level:.4g}  W {width:.4g}"
    told = f"{told}  {UNIT_SYMBOLS.get(unit, unit)}".rstrip()
    ax.text(0.02, 0.02, told, ha="left", va="bottom", fontsize=7, transform=ax.transAxes, **_on_any_ground())


def _outline(ax: Axes, raster: _Raster, inside: NDArray[np.bool_], colour: str, name: str) -> None:
    """Outline along voxel edges, so that it shows exactly which voxels belong."""
    from matplotlib.collections import LineCollection

    if not inside.any():
        return
    padded = np.pad(np.asarray(at_cells(at_cells(inside, raster.rows, axis=0), raster.columns, axis=1)), 1)
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


def _title(dataset: xr.Dataset, levels: tuple[str, ...]) -> str:
    parts = [*(str(dataset.attrs.get(key, "")) for key in ("Modality", "SeriesDescription")), *levels]
    geometry = str(dataset.attrs.get("geometry", ""))
    if geometry not in ("regular", ""):
        parts.append(f"[{geometry}]")
    return "  ".join(part for part in parts if part)
