"""One slice of a lazy series, against reading its file; equal to the eager slice first, files opened counted.

Run: python -m benchmarks.p06_single_slice
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import cycle
from pathlib import Path
from statistics import median
from unittest.mock import patch

import numpy as np
import xarray as xr

from benchmarks.data import write_ct
from benchmarks.measure import interleaved, record
from workbench.options import options


@contextmanager
def opened_files() -> Iterator[list[str]]:
    """Names of the files opened meanwhile."""
    names: list[str] = []
    real = os.open

    def counting(path: str, *args: int, **options: int) -> int:
        names.append(os.fspath(path))
        return real(path, *args, **options)

    with patch("os.open", counting):
        yield names


def main() -> None:
    options.progress = "off"
    with tempfile.TemporaryDirectory() as scratch:
        folder = write_ct(Path(scratch, "series"))
        dataset = xr.open_dataset(folder, engine="dicom")
        eager = xr.open_dataset(folder, engine="dicom").load()
        image = dataset["image"]
        for k in (0, 150, 299):
            with opened_files() as names:
                found = image.isel(z=k).values
            assert len(names) == 1, names
            np.testing.assert_array_equal(found, eager["image"].values[k])
        with opened_files() as names:
            np.testing.assert_array_equal(image.isel(y=200).values, eager["image"].values[:, 200])
        assert len(names) == 300
        paths, planes = cycle(sorted(folder.iterdir())), cycle(range(300))
        timings = interleaved(
            {
                "workbench isel(z=k).values": lambda: image.isel(z=next(planes)).values,
                "workbench sel(z=mm).values": lambda: image.sel(z=float(next(planes)), method="nearest").values,
                "reading the file": lambda: next(paths).read_bytes(),
                "workbench isel(y=k), one row of 300 files": lambda: image.isel(y=next(planes)).values,
            },
            rounds=101,
        )
    record("p06_single_slice", timings, baseline="reading the file")
    above = median(timings["workbench isel(z=k).values"]) - median(timings["reading the file"])
    print(f"a slice takes {above * 1e3:.2f} ms above reading its file (target: at most 2 ms)")


if __name__ == "__main__":
    main()
