"""Compressed series from files to array with affine, against SimpleITK; equal first. Two cores or more.

Run: python -m benchmarks.p05_compressed
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import SimpleITK as sitk  # noqa: N813

from benchmarks.data import write_ct
from benchmarks.measure import interleaved, machine, record
from benchmarks.p03_eager_load import ours, with_simpleitk
from workbench.options import options

#: Name of the syntax -> what is claimed of it, times as fast as SimpleITK.
TARGETS = {"jpegls": 2.5, "jpegll": 4.0, "jpeg2000": 1.3}


def main() -> None:
    options.progress = "off"
    threads = sitk.ProcessObject.GetGlobalDefaultNumberOfThreads()
    print(f"threads: workbench {options.workers}, SimpleITK {threads}; cores {machine()['cores']}")
    if machine()["cores"] < 2:
        print("fewer than two cores: the result is not used")
    with tempfile.TemporaryDirectory() as scratch:
        for syntax, target in TARGETS.items():
            folder = write_ct(Path(scratch, syntax), slices=100, syntax=syntax)
            dataset, image = ours(folder), with_simpleitk(folder)
            np.testing.assert_array_equal(dataset["image"].values, sitk.GetArrayViewFromImage(image))
            np.testing.assert_allclose(dataset["affine"].values[:3, 3], image.GetOrigin(), atol=1e-6)
            del dataset, image
            timings = interleaved(
                {
                    "workbench open_dataset + load": lambda folder=folder: ours(folder),
                    "SimpleITK names + Execute": lambda folder=folder: with_simpleitk(folder),
                },
                rounds=5,
            )
            print(f"{syntax}, target {target}")
            record(f"p05_{syntax}", timings, baseline="SimpleITK names + Execute")


if __name__ == "__main__":
    main()
