"""Image series of a cohort as one array on a common grid."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from workbench.errors import NotMeasurable, UsageError, WorkbenchError
from workbench.options import options
from workbench.progress import track

if TYPE_CHECKING:
    import xarray as xr

    from workbench.arrays.stacking import Box, Floats, Stacked
    from workbench.cohort.cohort import Cohort
    from workbench.cohort.images.parts import Part
    from workbench.labels.choosing import Select

#: What labels a case.
_LABELS: Final = ("node", "patient_id", "timepoint", "series_uid", "part", "modality")


@dataclass(frozen=True)
class _Wanted:
    """What is made of each series."""

    cohort: Cohort
    around: str | Mapping[str, Sequence[float]]
    masks: bool | Select
    how: dict[str, Any]
    prepare: Callable[[xr.Dataset], xr.Dataset] | None
    method: Any

    def load(self, row: Part) -> xr.Dataset:
        """Dataset of a series, its masks united and in memory."""
        from workbench.arrays.stacking import united

        masks = True if self.around == "mask" and self.masks is False else self.masks
        dataset = self.cohort.load(row.series_uid, node=row.node, part=row.part, masks=masks, **self.how)
        if self.prepare is not None:
            dataset = _prepared(self.prepare, dataset)
        return united(dataset) if self.around == "mask" or "mask" in dataset else dataset

    def place(self, dataset: xr.Dataset, uid: str) -> _Place:
        """Middle of the box of a case."""
        from workbench.arrays.same_grid import require_even
        from workbench.arrays.stacking import extent, middle, voxel_places

        grid = require_even(dataset, "stack", sheared=True)
        voxels = voxel_places(dataset["mask"].values, grid) if "mask" in dataset else None
        if self.around == "mask":
            assert voxels is not None
            return _Place(*extent(voxels, grid), voxels)
        if self.around == "image":
            assert grid.affine is not None
            return _Place(middle(grid), np.abs(grid.affine[:3, :3]) @ np.array(grid.shape), voxels)
        assert isinstance(self.around, Mapping)
        point = self.around.get(uid)
        if point is None or np.shape(point) != (3,):
            raise UsageError("no place is given for the series", series=uid, remedy="around={series_uid: (x, y, z)}")
        return _Place(np.asarray(point, dtype=np.float64), np.zeros(3), voxels)


def _prepared(prepare: Callable[[xr.Dataset], xr.Dataset], dataset: xr.Dataset) -> xr.Dataset:
    """What the caller's function makes of a Dataset; whatever it raises is the reason of this case alone."""
    try:
        found = prepare(dataset)
    except WorkbenchError:
        raise
    except Exception as error:
        raise NotMeasurable(f"prepare failed: {type(error).__name__}: {error}") from error
    if not hasattr(found, "data_vars") or "image" not in found:
        raise NotMeasurable("prepare gave no Dataset with an image", remedy="return ds, or a changed one")
    return found


@dataclass(frozen=True)
class _Place:
    """Where the box of a case lies."""

    #: Its middle, LPS mm.
    centre: Floats
    #: What it should hold, mm along x, y and z.
    size: Floats
    #: Centres of the mask's voxels (n, 3), LPS mm; None without a mask.
    voxels: Floats | None


def stack(
    cohort: Cohort,
    *,
    spacing: float | Sequence[float],
    around: str | Mapping[str, Sequence[float]],
    size_mm: float | Sequence[float] | None,
    masks: bool | Select,
    names: Any,
    threshold: float | None,
    resample: Any,
    prepare: Callable[[xr.Dataset], xr.Dataset] | None,
    method: str,
    workers: int | None,
) -> xr.Dataset:
    """One array of the image series of a cohort; see :meth:`Cohort.stack`."""
    from workbench.arrays.stacking import MARGIN_MM, Box, known_method, require_room, stacked
    from workbench.cohort.images.loading import check_masks
    from workbench.cohort.images.parts import counted, image_parts

    if not isinstance(around, Mapping) and around not in ("mask", "image"):
        raise UsageError(f"around cannot be {around!r}", remedy="use 'mask', 'image' or {series_uid: (x, y, z)}")
    if prepare is not None and not callable(prepare):
        raise UsageError("prepare is no function", remedy="for example prepare=lambda ds: ds.isel(time=0)")
    known = known_method(method)
    rows = image_parts(cohort)
    if not rows:
        raise UsageError("the cohort has no image series", remedy="widen the selection")
    given = {"names": names, "threshold": threshold, "resample": resample}
    how = {name: value for name, value in given.items() if value is not None}
    check_masks(masks, **how)
    wanted = _Wanted(cohort, around, masks, how, prepare, known)
    unit = counted((row.node, row.series_uid) for row in rows)
    count = options.workers if workers is None else workers
    if not isinstance(count, int) or isinstance(count, bool) or count < 1:
        raise UsageError(f"workers cannot be {workers!r}", remedy="use a whole number of 1 or more")
    if size_mm is None:
        if isinstance(around, Mapping):
            raise UsageError("size_mm is needed where places are given", remedy="for example size_mm=80")
        # How large the box must be shows only when every mask was looked at.
        found = list(_each(lambda row: _size(wanted, row), rows, count, "looking for places", unit))
        sizes = [size for size in found if size is not None]
        largest = np.max(sizes, axis=0) if sizes else np.full(3, 1.0)
        margin = 2 * MARGIN_MM if around == "mask" else 0.0
        size_mm = tuple(float(size) + margin for size in largest[::-1])
    box = Box.of(spacing, size_mm)
    require_room(len(rows), box)
    cases: list[Stacked] = list(_each(lambda row: _case(wanted, box, row), rows, count, "stacking", unit))
    labels = {name: [getattr(row, name) or "" for row in rows] for name in _LABELS}
    where = around if isinstance(around, str) else "given places"
    return stacked(cases, labels, box, around=where, method=method)


def _each(work: Callable[[Any], Any], items: Sequence[Any], workers: int, label: str, unit: str) -> Any:
    with ThreadPoolExecutor(workers) as pool:
        yield from track(pool.map(work, items), label, total=len(items), unit=unit)


def _size(wanted: _Wanted, row: Part) -> Floats | None:
    try:
        return wanted.place(wanted.load(row), row.series_uid).size
    except WorkbenchError:
        # Told when it is its turn to be stacked.
        return None


def _case(wanted: _Wanted, box: Box, row: Part) -> Stacked:
    from workbench.arrays.stacking import Stacked, on_box, reason_of, share_inside

    try:
        dataset = wanted.load(row)
        place = wanted.place(dataset, row.series_uid)
        case = on_box(dataset, box, place.centre, method=wanted.method)
    except WorkbenchError as error:
        return Stacked(None, reason=reason_of(error))
    if place.voxels is None:
        return case
    return replace(case, mask_inside=share_inside(place.voxels, box, place.centre))
