"""Images on other grids against SimpleITK's resampler, and projections of lazy series; the same values first.

Run: python -m benchmarks.p13_resampling

The ratio of each case is to its peer, the first line of its table.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK
import xarray as xr

from benchmarks.data import write_ct
from benchmarks.measure import interleaved, record
from workbench.arrays import from_array
from workbench.options import options

SHAPE = (120, 256, 256)
UPRIGHT = np.array([[0, 0, 0.8, -100], [0, 0.8, 0, -100], [1.5, 0, 0, 30], [0, 0, 0, 1]])


def turned(degrees: tuple[float, float]) -> Any:
    """The upright grid turned about its middle, first about z, then about x."""
    (c, s), (d, t) = ((np.cos(a), np.sin(a)) for a in np.deg2rad(degrees))
    about_z, about_x = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]]), np.array([[1, 0, 0], [0, d, -t], [0, t, d]])
    affine = UPRIGHT.copy()
    middle = UPRIGHT @ [*(np.array(SHAPE) - 1) / 2, 1]
    affine[:3, :3] = about_x @ about_z @ UPRIGHT[:3, :3]
    affine[:3, 3] += (middle - affine @ [*(np.array(SHAPE) - 1) / 2, 1])[:3]
    return affine


def with_simpleitk(source: xr.Dataset, target: xr.Dataset, interpolator: int) -> Callable[[], Any]:
    image, grid = source.patient.to_simpleitk(), target.patient.to_simpleitk()

    def call() -> Any:
        found = SimpleITK.Resample(
            image, grid, SimpleITK.Transform(), interpolator, float("nan"), SimpleITK.sitkFloat32
        )
        return SimpleITK.GetArrayViewFromImage(found).copy()

    return call


def compare(name: str, target: Any, method: Any, interpolator: int) -> None:
    values = np.random.default_rng(3).integers(-1000, 1000, SHAPE).astype(np.int16)
    source = from_array(values, UPRIGHT, frame_of_reference_uid="1.2")
    other = from_array(np.zeros(SHAPE, np.uint8), target, frame_of_reference_uid="1.2")
    peer = with_simpleitk(source, other, interpolator)
    ours, theirs = source.patient.resample_like(other, method=method)["image"].values, peer()
    # At the outermost half voxel and where two voxels are equally near, rounding decides.
    differ = ~(np.isclose(ours, theirs, atol=0.2) | (np.isnan(ours) & np.isnan(theirs)))
    assert differ.mean() < (2e-4 if method == "linear" else 2e-3), differ.mean()
    calls: dict[str, Callable[[], Any]] = {
        "SimpleITK Resample": peer,
        "workbench resample_like": lambda: source.patient.resample_like(other, method=method),
    }
    print(f"\n{name}, {method}")
    record(f"p13_{name}_{method}", interleaved(calls, rounds=7), baseline="SimpleITK Resample")


def projections() -> None:
    with tempfile.TemporaryDirectory() as scratch:
        folder = write_ct(Path(scratch, "ct"))
        lazy = xr.open_dataset(folder, engine="dicom", cache=False)
        by_dask = xr.open_dataset(folder, engine="dicom", chunks={})
        eager = lazy.load()
        lazy = xr.open_dataset(folder, engine="dicom", cache=False)
        expected = eager["image"].values.max(axis=0)
        for dataset in (eager, lazy, by_dask):
            assert (dataset.patient.mip().values == expected).all()
        calls: dict[str, Callable[[], Any]] = {
            "numpy max of the loaded array": lambda: eager["image"].values.max(axis=0),
            "mip, loaded": lambda: eager.patient.mip(),
            "mip, lazy": lambda: lazy.patient.mip(),
            "dask max": lambda: by_dask["image"].max("z").values,
            "mip, dask": lambda: by_dask.patient.mip(),
        }
        print("\nlargest value along z")
        record("p13_mip", interleaved(calls, rounds=7), baseline="numpy max of the loaded array")


def main() -> None:
    options.progress = "off"
    for name, target in (("oblique", turned((20, 10))), ("about_z", turned((20, 0)))):
        for method, interpolator in (("linear", SimpleITK.sitkLinear), ("nearest", SimpleITK.sitkNearestNeighbor)):
            compare(name, target, method, interpolator)
    compare("shifted", UPRIGHT + np.array([[0, 0, 0, 0.3]] * 3 + [[0] * 4]), "linear", SimpleITK.sitkLinear)
    projections()


if __name__ == "__main__":
    main()
