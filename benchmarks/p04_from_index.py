"""A series from its stored header index to array with affine, against a raw read of the same bytes; equal first.

Run: python -m benchmarks.p04_from_index
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import xarray as xr

from benchmarks.data import write_ct
from benchmarks.measure import interleaved, record
from benchmarks.p03_eager_load import raw, with_simpleitk
from workbench.arrays.build import build
from workbench.dicom.index import HeaderIndex
from workbench.dicom.scan import scan
from workbench.dicom.series import choose, choose_part
from workbench.options import options


def from_table(table: object, folder: Path, **how: str) -> xr.Dataset:
    series = choose(table, folder, series=None, where="series")
    return build(series, choose_part(series, None), folder, **how).load()


def main() -> None:
    import SimpleITK as sitk  # noqa: N813

    options.progress = "off"
    with tempfile.TemporaryDirectory() as scratch:
        folder = write_ct(Path(scratch, "series"))
        index = HeaderIndex(Path(scratch, "index"))
        index.folder.mkdir()
        scan(folder, index=index)
        table = index.read()
        image = with_simpleitk(folder)
        dataset = from_table(index.read(), folder)
        np.testing.assert_array_equal(dataset["image"].values, sitk.GetArrayViewFromImage(image))
        np.testing.assert_allclose(dataset["affine"].values[:3, 3], image.GetOrigin(), atol=1e-6)
        shape = dataset["image"].shape
        paths = sorted(folder.iterdir())
        offset = paths[0].stat().st_size - 2 * shape[1] * shape[2]
        del dataset, image
        timings = interleaved(
            {
                "workbench: read index, plan, load": lambda: from_table(index.read(), folder),
                "workbench: index in memory, plan, load": lambda: from_table(table, folder),
                "the same, stored numbers": lambda: from_table(table, folder, values="stored"),
                "raw read of the pixels": lambda: raw(paths, shape, offset),
            },
            rounds=11,
        )
    record("p04_from_index", timings, baseline="raw read of the pixels")


if __name__ == "__main__":
    main()
