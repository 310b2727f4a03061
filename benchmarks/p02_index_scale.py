"""Index of many small instances: built, reopened, refreshed after one changed file; pydicom on a sample beside it.

Run: python -m benchmarks.p02_index_scale [N_SERIES]

Series of 100 files of about 1 kB, 1,000 of them by default. Processor seconds stand beside the wall clock: on a busy
machine they say what a quiet one would take.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pydicom

from benchmarks.crowd import write_series
from benchmarks.measure import interleaved, peak_mb, record
from workbench.dicom.index import HeaderIndex
from workbench.dicom.scan import Scan, scan
from workbench.options import options

TAGS = ["SOPInstanceUID", "SeriesInstanceUID", "Modality", "Rows", "Columns", "InstanceNumber"]
SAMPLE = 2000


def bare_pass(folder: str) -> int:
    """Names, sizes and times of every file, and nothing else: what noticing a change costs at least."""
    count, pending = 0, [folder]
    while pending:
        with os.scandir(pending.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    pending.append(entry.path)
                else:
                    facts = entry.stat()
                    count += bool(facts.st_size and facts.st_mtime_ns)
    return count


def same(one: pa.Table, other: pa.Table) -> bool:
    """Whether two header tables are equal; missing numbers equal missing numbers."""
    if one.schema.names != other.schema.names or one.num_rows != other.num_rows:
        return False
    for a, b in zip(one.columns, other.columns, strict=True):
        a, b = a.combine_chunks(), b.combine_chunks()
        if pa.types.is_fixed_size_list(a.type):
            a, b = a.flatten(), b.flatten()
        if pa.types.is_floating(a.type):
            if not np.array_equal(*(v.to_numpy(zero_copy_only=False) for v in (a, b)), equal_nan=True):
                return False
        elif not a.equals(b):
            return False
    return True


def timed(call: Callable[[], Any]) -> tuple[Any, float, float]:
    """Result, wall seconds, processor seconds."""
    wall, processor = time.perf_counter(), time.process_time()
    result = call()
    return result, time.perf_counter() - wall, time.process_time() - processor


def main(n_series: int) -> None:
    options.progress = "off"
    with tempfile.TemporaryDirectory() as scratch:
        folder, index = write_series(Path(scratch, "data"), series=n_series), HeaderIndex(Path(scratch, "index"))

        def ours() -> Scan:
            return scan(folder, index=index)

        built, wall, processor = timed(ours)
        n = built.table.num_rows
        assert built.n_read == n == n_series * 100
        print(f"built: {n} files, {n / wall:.0f} files/s by the clock, {n / processor:.0f} by the processor; "
              f"peak {peak_mb()} MB; {built.n_fallback} read by pydicom")  # fmt: skip
        step = max(1, n // SAMPLE)
        rows = built.table.select(["path", *TAGS]).take(list(range(0, n, step))).to_pylist()
        paths = [str(folder / row["path"]) for row in rows]
        peers, peer_wall, peer_processor = timed(
            lambda: [pydicom.dcmread(path, stop_before_pixels=True, specific_tags=TAGS) for path in paths]
        )
        for row, peer in zip(rows, peers, strict=True):
            assert [str(row[tag]) for tag in TAGS] == [str(peer.get(tag)) for tag in TAGS], row["path"]
        ratio = peer_processor / len(paths) * n / processor
        print(f"pydicom specific_tags, {len(TAGS)} tags, {len(paths)} files: {len(paths) / peer_wall:.0f} files/s by "
              f"the clock, {len(paths) / peer_processor:.0f} by the processor; ours {ratio:.1f} x by the "
              "processor")  # fmt: skip

        again = ours()
        assert again.n_read == 0
        assert same(again.table, built.table)
        timings = interleaved({
            "reopened: every file looked at, table read": ours,
            "its Parquet read": lambda: pq.read_table(index.path),
            "names, sizes and times alone": lambda: bare_pass(str(folder)),
        }, rounds=7)  # fmt: skip
        record("p02_index_scale_reopen", timings, baseline="its Parquet read")
        least = median(timings["its Parquet read"]) + median(timings["names, sizes and times alone"])
        share = median(timings["reopened: every file looked at, table read"]) / least
        print(f"reopened takes {share:.2f} x the other two together")

        changed = sorted(folder.rglob("*.dcm"))[n // 2]
        clocks = []
        for number in range(5):
            changed.write_bytes(changed.read_bytes()[:-1] + bytes([number]))
            refreshed, wall, processor = timed(ours)
            assert refreshed.n_read == 1
            clocks.append((wall, processor))
        fresh = scan(folder)
        columns = [name for name in fresh.table.column_names if name not in ("mtime_ns", "stamp", "identity")]
        assert same(refreshed.table.select(columns), fresh.table.select(columns))
        print(f"refreshed after one changed file: {median(w for w, _ in clocks):.2f} s by the clock, "
              f"{median(p for _, p in clocks):.2f} s by the processor; peak {peak_mb()} MB")  # fmt: skip


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1000)
