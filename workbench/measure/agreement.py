"""How far two masks agree: two readers, or a reader and a model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from workbench.arguments import checked
from workbench.errors import UsageError
from workbench.measure.crop import Region, region
from workbench.measure.given import GivenMasks, masks_of
from workbench.measure.refused import Refused, ratio
from workbench.measure.settings import digest
from workbench.measure.surfaces import nearest, surface_pieces, weighted_percentile

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

    from workbench.arrays import ImageGrid

#: Columns of the table.
COLUMNS: Final = ("segment", "feature", "value", "unit", "reason")
#: Feature -> UCUM unit, in the order of the table.
UNITS: Final = {
    "dice": "1",
    "jaccard": "1",
    "surface_dice": "1",
    "hausdorff": "mm",
    "hausdorff_95": "mm",
    "mean_surface_distance": "mm",
    "volume_a": "mm3",
    "volume_b": "mm3",
    "volume_difference": "mm3",
    "volume_difference_percent": "%",
}
#: Where each definition is from; part of the table's settings.
SOURCES: Final = {
    "surface": "pieces of 2x2x2 cells weighted by marching-cubes area (Nikolov et al. 2018, arXiv 1809.04430)",
    "hausdorff_95": "larger of the two directed area-weighted 95th percentiles",
    "mean_surface_distance": "area-weighted mean over both surfaces together",
    "volume_difference": "b minus a; per cent of a",
}
#: Distance that rounding of coordinates explains, mm.
_ROUNDING: Final = 1e-6


@dataclass(frozen=True)
class _Pair:
    """Two masks of one segment, each in its own box; None where empty."""

    a: Region | None
    b: Region | None


@checked
def agreement(
    a: xr.DataArray | xr.Dataset,
    b: xr.DataArray | xr.Dataset,
    *,
    tolerance_mm: float = 1.0,
    match: Mapping[str, str] | None = None,
    check_frame: bool = True,
) -> pd.DataFrame:
    """One row per segment and feature: overlap (1), distances of surfaces (mm), volumes (mm3) and their difference.

    Features: ``dice``, ``jaccard``; ``surface_dice``, the share of both surfaces that lies within *tolerance_mm* of the
    other; ``hausdorff`` and ``hausdorff_95``, the largest distance between the surfaces and the larger of the two
    directed 95th percentiles; ``mean_surface_distance`` over both surfaces; ``volume_a``, ``volume_b``,
    ``volume_difference`` (b minus a) and ``volume_difference_percent`` (of a).

    Parameters
    ----------
    a, b : DataArray or Dataset
        Boolean masks (z, y, x) or (segment, z, y, x) on the same grid, or Datasets with such a ``mask``. *a* is the
        reference of the difference in per cent; all else is symmetric.
    tolerance_mm : float, default 1.0
        Distance between surfaces that counts as none, mm.
    match : mapping, optional
        Name of a segment in *a* -> its name in *b*, where they differ. By default segments of the same name belong
        together; with a mapping only those named in it are compared.
    check_frame : bool, default True
        Whether the frames of reference must be stated and the same.

    Returns
    -------
    pandas.DataFrame
        Columns ``segment`` (name in *a*), ``feature``, ``value``, ``unit`` (UCUM) and ``reason``: why a value is NaN.
        Where one mask is empty the overlaps are 0 and distances have no value; where both are, overlaps have none
        either. A segment that only one side has is a segment with reasons and no values. ``attrs["settings"]`` names
        tolerance and definitions, ``attrs["settings_digest"]`` their digest.

    Raises
    ------
    GridMismatch
        The masks are on other grids or in other frames of reference.
    IrregularGeometry
        Slices missing, uneven, alone or without a place. Tilted slices are measured where they are; give Datasets then,
        since an array alone does not say how they lean.
    UsageError
        Not boolean masks, names that are not unique, a negative tolerance.

    Notes
    -----
    A surface is made of the pieces within each cell of 2x2x2 voxel centres, placed at its middle and weighted
    by the area of the marching-cubes triangles in it: the definition of Nikolov et al. (arXiv 1809.04430). Distances
    are from piece to nearest piece, so they are whole steps of the grid; counts of border voxels (other tools) give
    other percentiles and means, above all on thick slices. A surface is closed where the mask meets the image's edge.

    Examples
    --------
    >>> from workbench.arrays import from_array
    >>> ds = from_array(np.zeros((6, 8, 8)), np.eye(4)[:, [2, 1, 0, 3]], frame_of_reference_uid="1.2")
    >>> box = np.zeros((6, 8, 8), bool)
    >>> box[1:5, 1:5, 1:5] = True
    >>> a, b = ds["image"].copy(data=box), ds["image"].copy(data=np.roll(box, 2, axis=2))
    >>> agreement(a, b).set_index("feature").loc[["dice", "hausdorff", "volume_difference"], ["value", "unit"]]
                       value unit
    feature
    dice                 0.5    1
    hausdorff            2.0   mm
    volume_difference    0.0  mm3
    """
    import pandas as pd

    from workbench.arrays.same_grid import require_same_grid

    if isinstance(tolerance_mm, (bool, str)) or not np.isfinite(tolerance_mm) or tolerance_mm < 0:
        raise UsageError(f"tolerance_mm cannot be {tolerance_mm!r}", remedy="give millimetres, 0 or more")
    one, other = masks_of(a, "a"), masks_of(b, "b")
    grid = one.grid("agreement", sheared=True)
    require_same_grid(one.place, other.place, check_frame=check_frame)
    rows: list[tuple[Any, ...]] = []
    for name, left, right in _pairs(one, other, match):
        if left is None or right is None:
            absent = Refused(f"the segment is only in {'b' if left is None else 'a'}")
            values: dict[str, float | Refused] = dict.fromkeys(UNITS, absent)
        else:
            values = _compared(_Pair(region(left, grid), region(right, grid)), grid, float(tolerance_mm))
        for feature, unit in UNITS.items():
            value = values[feature]
            number, reason = (np.nan, value.reason) if isinstance(value, Refused) else (value, "")
            rows.append((name, feature, number, unit, reason))
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    table["value"] = table["value"].astype("float64")
    said = {"tolerance_mm": float(tolerance_mm), "definitions": SOURCES}
    table.attrs |= {"settings": said, "settings_digest": digest(said)}
    return table


def _pairs(
    one: GivenMasks, other: GivenMasks, match: Mapping[str, str] | None
) -> Iterator[tuple[str, xr.DataArray | None, xr.DataArray | None]]:
    """Segments that belong together, in the order of *a*, then those that only *b* has."""
    a, b = one.segments(), other.segments()
    if not (one.dim and other.dim):
        if match is not None:
            raise UsageError("match= wants several segments on both sides", remedy="leave it out")
        if len(a) > 1 or len(b) > 1:
            raise UsageError("one mask against several segments", remedy="select one: mask.sel(segment=...)")
        ((name, left),), ((second, right),) = a.items(), b.items()
        yield name or second, left, right
        return
    if match is not None:
        for side, there, wanted in (("a", a, list(match)), ("b", b, list(match.values()))):
            if unknown := [name for name in wanted if name not in there]:
                raise UsageError(f"no segment {unknown[0]!r} in {side}", remedy=f"there are: {', '.join(there)}")
        yield from ((name, a[name], b[second]) for name, second in match.items())
        return
    yield from ((name, left, b.get(name)) for name, left in a.items())
    yield from ((name, None, right) for name, right in b.items() if name not in a)


def _compared(pair: _Pair, grid: ImageGrid, tolerance: float) -> dict[str, float | Refused]:
    voxel = float(np.prod(grid.spacing))
    counts = [int(each.mask.sum()) if each is not None else 0 for each in (pair.a, pair.b)]
    common = _common(pair)
    volume_a, volume_b = (count * voxel for count in counts)
    values: dict[str, float | Refused] = {
        "dice": ratio(2 * common, sum(counts), "both masks are empty"),
        "jaccard": ratio(common, sum(counts) - common, "both masks are empty"),
        "volume_a": volume_a,
        "volume_b": volume_b,
        "volume_difference": volume_b - volume_a,
        "volume_difference_percent": ratio(100 * (volume_b - volume_a), volume_a, "mask a is empty"),
    }
    return values | _surfaces(pair, grid, tolerance)


def _common(pair: _Pair) -> int:
    """Voxels that both masks hold."""
    if pair.a is None or pair.b is None:
        return 0
    boxes = list(zip(pair.a.box, pair.b.box, strict=True))
    if any(max(p.start, q.start) >= min(p.stop, q.stop) for p, q in boxes):
        return 0
    parts = []
    for number, one in enumerate((pair.a, pair.b)):
        cut = tuple(
            slice(max(p.start, q.start) - (p, q)[number].start, min(p.stop, q.stop) - (p, q)[number].start)
            for p, q in boxes
        )
        parts.append(one.mask[cut])
    return int(np.count_nonzero(parts[0] & parts[1]))


def _surfaces(pair: _Pair, grid: ImageGrid, tolerance: float) -> dict[str, float | Refused]:
    if pair.a is None or pair.b is None:
        both = pair.a is None and pair.b is None
        reason = Refused("both masks are empty" if both else f"mask {'a' if pair.a is None else 'b'} is empty")
        distances: dict[str, float | Refused] = dict.fromkeys(
            ("hausdorff", "hausdorff_95", "mean_surface_distance"), reason
        )
        return distances | {"surface_dice": reason if both else 0.0}
    (places_a, areas_a), (places_b, areas_b) = _pieces(pair.a, pair.b, grid)
    to_b, to_a = nearest(places_a, places_b), nearest(places_b, places_a)
    distance, area = np.concatenate([to_b, to_a]), np.concatenate([areas_a, areas_b])
    return {
        "surface_dice": float(area[distance <= tolerance + _ROUNDING].sum() / area.sum()),
        "hausdorff": float(distance.max()),
        "hausdorff_95": max(weighted_percentile(to_b, areas_a, 95), weighted_percentile(to_a, areas_b, 95)),
        "mean_surface_distance": float(distance @ area / area.sum()),
    }


def _pieces(a: Region, b: Region, grid: ImageGrid) -> list[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Pieces of both surfaces, placed from the corner of *a*: small numbers keep equal distances equal."""
    assert grid.affine is not None
    axes = grid.affine[:3, :3]
    found = []
    for each in (a, b):
        places, areas = surface_pieces(each.mask, axes)
        start = np.array([own.start - first.start for own, first in zip(each.box, a.box, strict=True)])
        found.append((places + axes @ start, areas))
    return found
