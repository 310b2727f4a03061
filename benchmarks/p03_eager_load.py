"""A series from files to array with affine, against SimpleITK and a raw read of the same bytes; equal first.

Run: python -m benchmarks.p03_eager_load
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import numpy as np
import SimpleITK as sitk  # noqa: N813
import xarray as xr

from benchmarks.data import write_ct
from benchmarks.measure import interleaved, record
from workbench.options import options


def ours(folder: Path) -> xr.Dataset:
    return xr.open_dataset(folder, engine="dicom").load()


def with_simpleitk(folder: Path) -> sitk.Image:
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(folder)))
    return reader.Execute()


def raw(paths: list[Path], shape: tuple[int, ...], offset: int) -> np.ndarray:
    """Every file's pixels straight into a new array, nothing else."""
    out = np.empty(shape, np.int16)
    for target, path in zip(out, paths, strict=True):
        fd = os.open(path, os.O_RDONLY)
        os.preadv(fd, [target.reshape(-1).view(np.uint8).data], offset)
        os.close(fd)
    return out


def main() -> None:
    options.progress = "off"
    with tempfile.TemporaryDirectory() as scratch:
        folder = write_ct(Path(scratch, "series"))
        dataset, image = ours(folder), with_simpleitk(folder)
        np.testing.assert_array_equal(dataset["image"].values, sitk.GetArrayViewFromImage(image))
        np.testing.assert_allclose(dataset.patient.affine[:3, 3], image.GetOrigin(), atol=1e-6)
        shape = dataset["image"].shape
        paths = sorted(folder.iterdir())
        offset = paths[0].stat().st_size - 2 * shape[1] * shape[2]
        timings = interleaved(
            {
                "workbench open_dataset + load": lambda: ours(folder),
                "SimpleITK names + Execute": lambda: with_simpleitk(folder),
                "raw read of the pixels": lambda: raw(paths, shape, offset),
            },
            rounds=7,
        )
    record("p03_eager_load", timings, baseline="SimpleITK names + Execute")


if __name__ == "__main__":
    main()
