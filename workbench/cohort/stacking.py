"""Image series of a cohort as one array on a common grid."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from workbench.errors import UsageError, WorkbenchError
from workbench.options import options
from workbench.progress import track

if TYPE_CHECKING:
    import xarray as xr

    from workbench.arrays.stacking import Box, Floats, Stacked
    from workbench.cohort.cohort import Cohort
    from workbench.labels.choosing import Select

#: Columns of ``series`` that label a case, with the names they get.
_LABELS = {
    "node": "node", "patient_id": "patient_id", "timepoint": "timepoint", "SeriesInstanceUID": "series_uid",
    "Modality": "modality",
}  # fmt: skip


@dataclass(frozen=True)
class _Wanted:
    """What is made of each series."""

    cohort: Cohort
    around: str | Mapping[str, Sequence[float]]
    masks: bool | Select
    how: dict[str, Any]
    prepare: Callable[[xr.Dataset], xr.Dataset] | None
    method: Any

    def load(self, row: dict[str, Any]) -> xr.Dataset:
        masks = True if self.around == "mask" and self.masks is False else self.masks
        dataset = self.cohort.load(row["SeriesInstanceUID"], node=row["node"], part=1, masks=masks, **self.how)
        return dataset if self.prepare is None else self.prepare(dataset)

    def place(self, dataset: xr.Dataset, uid: str) -> tuple[Floats, Floats]:
        """Middle of the box of a case, and what it should hold, LPS mm."""
        from workbench.arrays.same_grid import require_even
        from workbench.arrays.stacking import extent, middle, one_mask

        grid = require_even(dataset, "stack", sheared=True)
        if self.around == "mask":
            return extent(one_mask(dataset), grid)
        if self.around == "image":
            assert grid.affine is not None
            size = np.abs(grid.affine[:3, :3]) @ np.array(grid.shape)
            return middle(grid), size
        assert isinstance(self.around, Mapping)
        point = self.around.get(uid)
        if point is None or np.shape(point) != (3,):
            raise UsageError("no place is given for the series", series=uid, remedy="around={series_uid: (x, y, z)}")
        return np.asarray(point, dtype=np.float64), np.zeros(3)


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

    if not isinstance(around, Mapping) and around not in ("mask", "image"):
        raise UsageError(f"around cannot be {around!r}", remedy="use 'mask', 'image' or {series_uid: (x, y, z)}")
    known = known_method(method)
    rows = [row for row in cohort.series.to_dict("records") if row["kind"] == "image"]
    if not rows:
        raise UsageError("the cohort has no image series", remedy="widen the selection")
    given = {"names": names, "threshold": threshold, "resample": resample}
    how = {name: value for name, value in given.items() if value is not None}
    wanted = _Wanted(cohort, around, masks, how, prepare, known)
    count = options.workers if workers is None else workers
    if not isinstance(count, int) or isinstance(count, bool) or count < 1:
        raise UsageError(f"workers cannot be {workers!r}", remedy="use a whole number of 1 or more")
    places: list[tuple[Floats, Floats] | str | None] = [None] * len(rows)
    if size_mm is None:
        if isinstance(around, Mapping):
            raise UsageError("size_mm is needed where places are given", remedy="for example size_mm=80")
        # How large the box must be shows only when every mask was looked at.
        places = list(_each(lambda row: _place(wanted, row), rows, count, "looking for places"))
        sizes = [place[1] for place in places if isinstance(place, tuple)]
        largest = np.max(sizes, axis=0) if sizes else np.full(3, 1.0)
        margin = 2 * MARGIN_MM if around == "mask" else 0.0
        size_mm = tuple(float(size) + margin for size in largest[::-1])
    box = Box.of(spacing, size_mm)
    require_room(len(rows), box)
    work = list(zip(rows, places, strict=True))
    cases: list[Stacked] = list(_each(lambda item: _case(wanted, box, *item), work, count, "stacking"))
    labels = {name: [row.get(column) or "" for row in rows] for column, name in _LABELS.items()}
    where = around if isinstance(around, str) else "given places"
    return stacked(cases, labels, box, around=where, method=method)


def _each(work: Callable[[Any], Any], items: Sequence[Any], workers: int, label: str) -> Any:
    with ThreadPoolExecutor(workers) as pool:
        yield from track(pool.map(work, items), label, total=len(items), unit="series")


def _place(wanted: _Wanted, row: dict[str, Any]) -> tuple[Floats, Floats] | str:
    from workbench.arrays.stacking import reason_of

    try:
        return wanted.place(wanted.load(row), row["SeriesInstanceUID"])
    except WorkbenchError as error:
        return reason_of(error)


def _case(wanted: _Wanted, box: Box, row: dict[str, Any], place: tuple[Floats, Floats] | str | None) -> Stacked:
    from workbench.arrays.stacking import Stacked, on_box, reason_of

    if isinstance(place, str):
        return Stacked(None, reason=place)
    try:
        dataset = wanted.load(row)
        centre, _ = place or wanted.place(dataset, row["SeriesInstanceUID"])
        return on_box(dataset, box, centre, method=wanted.method)
    except WorkbenchError as error:
        return Stacked(None, reason=reason_of(error))
