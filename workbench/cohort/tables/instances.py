"""An extract's instances, a row per file, kept so that those of one series are found without the others."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from workbench.cohort.tables.label_sources import KINDS

if TYPE_CHECKING:
    from workbench.cohort.tables.store import Stored

#: Rows of the stored table that are read together: of one series some hundreds are wanted.
GROUP: Final = 4096
#: Extracts whose tables' directories are remembered.
REMEMBERED: Final = 64


def in_groups(instances: pa.Table) -> pa.Table:
    """Instances in the order they are kept in: masks before images, each by series and path."""
    masks = pc.is_in(instances["kind"], pa.array(KINDS))
    keys = pa.table({
        "image": pc.invert(masks), "series": instances["SeriesInstanceUID"], "path": instances["path"],
    })  # fmt: skip
    order = pc.sort_indices(keys, sort_keys=[(name, "ascending") for name in keys.column_names])
    return instances.take(order)


def of_series(extract: Stored, series_uid: str) -> pa.Table:
    """Instances of one series, in order of path.

    Raises
    ------
    ChangedFile
        The table is no longer there.
    """
    return _read(extract, filter=pc.field("SeriesInstanceUID") == series_uid)


def masks_of(extract: Stored, columns: list[str]) -> pa.Table:
    """Segmentations and structure sets: some columns.

    Raises
    ------
    ChangedFile
        The table is no longer there.
    """
    return _read(extract, columns=columns, filter=pc.field("kind").isin(KINDS))


def _read(extract: Stored, **which: Any) -> pa.Table:
    place = extract.table("instances")
    try:
        facts = place.stat()
        return _dataset(place, facts.st_size, facts.st_mtime_ns).to_table(**which)
    except FileNotFoundError:
        raise extract.gone() from None


@lru_cache(REMEMBERED)
def _dataset(place: Path, size: int, mtime_ns: int) -> ds.Dataset:
    """The table with what its file says of its groups of rows, which takes longer to read than one of them."""
    found = ds.dataset(place, format="parquet")
    for fragment in found.get_fragments():
        fragment.ensure_complete_metadata()
    return found
