"""Header rows -> frame rows: one row per frame, with the frame's own place, value map and key values."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from workbench.dicom.stacks.functional import unpack

#: Header columns that describe one frame and therefore say nothing of the frames of a multi-frame object.
_OF_ONE_FRAME = ("ImagePositionPatient",)


def frame_rows(instances: pa.Table) -> pa.Table:
    """One row per frame of the given instances, in order of instance and frame.

    Parameters
    ----------
    instances : pyarrow.Table
        Header rows, one per instance.

    Returns
    -------
    pyarrow.Table
        The header columns, where the object describes its frames with the frame's own values; ``frame`` (0-based
        within its file); ``described`` whether the object said anything of its frames; further columns of
        ``functional.frame_facts`` where some object has them.
    """
    instances = with_frames(instances)
    if "frame" in instances.column_names:
        return instances
    n = instances.num_rows
    frames = np.maximum(pc.fill_null(instances["NumberOfFrames"], 1).to_numpy(zero_copy_only=False), 1)
    facts = instances["frames"].to_pylist() if "frames" in instances.column_names else [None] * n
    rows = instances.drop_columns(["frames"]) if "frames" in instances.column_names else instances
    single = np.flatnonzero((frames == 1) & np.array([not fact for fact in facts]))
    parts = [(int(single[0]), _plain(rows.take(pa.array(single))))] if len(single) else []
    for i, fact in enumerate(facts):
        if fact:
            parts.append((i, _described(rows.slice(i, 1), unpack(fact))))
        elif frames[i] > 1:
            parts.append((i, _undescribed(rows.slice(i, 1), int(frames[i]))))
    # In order of instance; single-frame instances stand together.
    return pa.concat_tables([table for _, table in sorted(parts, key=lambda part: part[0])], promote_options="default")


def with_frames(instances: pa.Table) -> pa.Table:
    """The instances as frame rows, where each is one frame that its own header describes; else as they are.

    Parameters
    ----------
    instances : pyarrow.Table
        Header rows, one per instance, of any series.
    """
    if instances.schema.get_field_index("frame") >= 0:
        return instances
    if (pc.max(instances["NumberOfFrames"]).as_py() or 1) > 1:
        return instances
    at = instances.schema.get_field_index("frames")
    if at < 0:
        return _plain(instances)
    facts = instances.column(at)
    if facts.null_count < len(facts) and pc.max(pc.binary_length(facts)).as_py():
        return instances
    return _plain(instances.remove_column(at))


def _plain(rows: pa.Table) -> pa.Table:
    rows = rows.append_column("frame", pa.array(np.zeros(rows.num_rows, np.int64)))
    return rows.append_column("described", pa.array(np.ones(rows.num_rows, bool)))


def in_order(rows: pa.Table, order: NDArray[np.int64]) -> pa.Table:
    """The rows in another order; the table itself where they stand in it, since a copy takes as much memory again."""
    return rows if np.array_equal(order, np.arange(rows.num_rows)) else rows.take(pa.array(order))


def _repeated(row: pa.Table, n: int) -> pa.Table:
    """A row *n* times. Columns that hold the same share their memory: most of them are empty."""
    zeros = pa.array(np.zeros(n, np.int64))
    row = row.combine_chunks()
    made: dict[tuple[pa.DataType, str], pa.ChunkedArray] = {}
    columns = []
    for field, column in zip(row.schema, row.columns, strict=True):
        same = (field.type, repr(column[0].as_py()))
        if same not in made:
            made[same] = column.take(zeros)
        columns.append(made[same])
    return pa.table(columns, schema=row.schema).append_column("frame", pa.array(np.arange(n)))


def _described(row: pa.Table, facts: pa.Table) -> pa.Table:
    rows = _repeated(row, facts.num_rows)
    if "tile_row" in facts.column_names:
        # All tiles of a mosaic come from the one frame of their file.
        rows = rows.set_column(rows.schema.get_field_index("frame"), "frame", pa.array(np.zeros(len(facts), np.int64)))
    for name in facts.column_names:
        column: Any = facts[name]
        at = rows.schema.get_field_index(name)
        rows = (
            rows.append_column(name, column) if at < 0 else rows.set_column(at, name, column.cast(rows.field(at).type))
        )
    return rows.append_column("described", pa.array(np.ones(rows.num_rows, bool)))


def _undescribed(row: pa.Table, n: int) -> pa.Table:
    rows = _repeated(row, n)
    for name in _OF_ONE_FRAME:
        at = rows.schema.get_field_index(name)
        width = rows.field(at).type.list_size
        nowhere = pa.FixedSizeListArray.from_arrays(pa.array(np.full(n * width, np.nan)), width)
        rows = rows.set_column(at, name, nowhere)
    return rows.append_column("described", pa.array(np.zeros(n, bool)))
