"""The DataTree of a cohort of 1,000 series: time, and memory held; and the store of its images, opened again.

Run: python -m benchmarks.p18_tree
"""

from __future__ import annotations

import gc
import os
import tempfile
import time
from pathlib import Path

import xarray as xr

from benchmarks.crowd import write_series
from benchmarks.measure import interleaved, record
from workbench.options import options

SERIES, SLICES = 1000, 5


def held_mb() -> float:
    """Memory of this process, MB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def main() -> None:
    options.progress = "off"
    with tempfile.TemporaryDirectory() as scratch:
        os.environ["WORKBENCH_CACHE"] = str(Path(scratch, "cache"))
        import workbench as wb

        extract = write_series(Path(scratch, "node"), series=SERIES, slices=SLICES, size=16)
        cohort = wb.open_cohort(extract, layout="plain")
        few = cohort.sample(10, by="patient", seed=1) if hasattr(cohort, "sample") else cohort
        few.to_datatree()
        gc.collect()
        before = held_mb()
        start = time.perf_counter()
        tree = cohort.to_datatree()
        seconds, grown = time.perf_counter() - start, held_mb() - before
        leaves = list(tree.leaves)
        assert len(leaves) == SERIES
        for leaf in leaves[:: SERIES // 10]:
            uid = leaf.path.rsplit("/", 1)[-1]
            xr.testing.assert_identical(leaf.to_dataset().load(), cohort.load(uid).load())
        print(f"tree of {SERIES} series: {seconds:.2f} s, {grown:.0f} MB more, {held_mb():.0f} MB in all")
        cohort.cache(Path(scratch, "images.zarr"))
        timings = interleaved(
            {
                "cohort.to_datatree()": cohort.to_datatree,
                "open_store(...).tree()": lambda: wb.cohort.open_store(Path(scratch, "images.zarr")).tree(),
                "xr.DataTree of as many empty nodes": lambda: xr.DataTree.from_dict(
                    {f"/n/{i // 5}/{i // 2}/{i}": xr.Dataset() for i in range(SERIES)}
                ),
            },
            rounds=5,
        )
    record("p18_tree", timings, baseline="cohort.to_datatree()")


if __name__ == "__main__":
    main()
