"""Shape and intensity of a lesion in a large CT, and of the sarcoma series, beside mirp where it is installed.

Run: python -m benchmarks.p10_features [FOLDER_OF_THE_SARCOMA_SERIES [--sarcoma-only]]

mirp is 1.4 GB and not part of the test environment: run it with the Python of an environment that has both.
"""

from __future__ import annotations

import importlib.util
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from benchmarks.data import write_ct
from benchmarks.measure import interleaved, record
from workbench.cohort import open_cohort
from workbench.measure.cohort_run import features_of_cohort
from workbench.measure.features import features
from workbench.measure.textures import _quiet
from workbench.options import options

#: What mirp computes as its families of morphology and statistics.
GROUPS = ("shape", "spatial", "intensity")
#: Where definitions are the same but numbers are not: mirp takes a sample of voxels of large segments for these two.
APPROXIMATE = {"morph_moran_i", "morph_geary_c"}


def lesion(shape: tuple[int, ...], spacing: tuple[float, ...], radius_mm: float) -> np.ndarray:
    """A ball in the middle of the image."""
    offsets = [(np.arange(n) - n / 2) * mm for n, mm in zip(shape, spacing, strict=True)]
    z, y, x = np.meshgrid(*offsets, indexing="ij", sparse=True)
    return np.asarray(z**2 + y**2 + x**2 <= radius_mm**2)


def write_nifti(ds: xr.Dataset, folder: Path) -> tuple[Path, Path]:
    """Image and mask as mirp reads them, uncompressed."""
    import nibabel

    folder.mkdir(parents=True)
    spacing = ds.patient.grid.spacing
    affine = np.diag([*spacing[::-1], 1.0])
    paths = folder / "image.nii", folder / "mask.nii"
    for path, values in zip(
        paths, (ds["image"].values.astype(np.float32), ds["mask"].values.astype(np.uint8)), strict=True
    ):
        nibabel.save(nibabel.Nifti1Image(values.T, affine), path)
    return paths


def by_mirp(image: Path, mask: Path) -> dict[str, float]:
    """IBSI tag -> value, of morphology and statistics."""
    from mirp import extract_features

    with _quiet():
        found = extract_features(image=str(image), mask=str(mask), base_feature_families=["morph", "stat"])
    return {name: float(v) for name, v in found[0].iloc[0].items() if name.startswith(("morph_", "stat_"))}


def compared(ds: xr.Dataset, theirs: dict[str, float]) -> int:
    """Number of features that mirp and we both give, and that agree; the rest is printed."""
    table = features(ds, groups=GROUPS)
    ours = dict(zip(table["ibsi"], table["value"], strict=True))
    agree = 0
    for tag in sorted(set(ours) & set(theirs)):
        if np.isclose(ours[tag], theirs[tag], rtol=1e-4, atol=1e-6):
            agree += 1
        else:
            print(f"  {tag}: {ours[tag]:.6g}, mirp {theirs[tag]:.6g}")
            assert tag in APPROXIMATE, tag
    return agree


def large_ct(scratch: Path, has_mirp: bool) -> None:
    folder = write_ct(scratch / "series")
    spacing = (1.0, 0.7, 0.7)
    mask = lesion((300, 512, 512), spacing, 22.7)
    print(f"lesion of {int(mask.sum())} voxels in 512x512x300")
    ds = xr.open_dataset(folder, engine="dicom")
    ds = ds.assign(mask=(("z", "y", "x"), mask))
    calls: dict[str, Callable[[], Any]] = {
        "workbench, shape and intensity, from files": lambda: features(ds),
        "workbench, with Moran's I and Geary's C": lambda: features(ds, groups=GROUPS),
        "workbench, volume": lambda: features(ds, groups="volume"),
    }
    baseline = "workbench, shape and intensity, from files"
    rounds = 7
    if has_mirp:
        paths = write_nifti(ds, scratch / "nifti")
        print(f"{compared(ds, by_mirp(*paths))} features equal to mirp's")
        baseline, rounds = "mirp, morphology and statistics, from NIfTI", 3
        calls[baseline] = lambda: by_mirp(*paths)
    record("p10_features", interleaved(calls, rounds), baseline=baseline)


def sarcoma(folder: Path, scratch: Path, has_mirp: bool) -> None:
    import nibabel

    cases = []
    for path in sorted(folder.glob("dicom/*/*/image")):
        patient, kind = path.parts[-3:-1]
        ds = xr.open_dataset(path, engine="dicom")
        nifti = nibabel.load(folder / "nifti" / patient / f"{kind}_mask.nii.gz")
        mask = np.asarray(nifti.dataobj).T.astype(bool)
        axes = np.diag([-1.0, -1.0, 1.0, 1.0]) @ nifti.affine @ np.eye(4)[:, [2, 1, 0, 3]]
        flips = [i for i in range(3) if axes[:3, i] @ ds["affine"].values[:3, i] < 0]
        cases.append(ds.assign(mask=(("z", "y", "x"), np.flip(mask, flips).copy())))
    print(f"{len(cases)} sarcoma series")

    def ours() -> None:
        for ds in cases:
            features(ds, groups=GROUPS)

    if has_mirp:
        paths = [write_nifti(ds, scratch / "nifti" / f"sarcoma {i}") for i, ds in enumerate(cases)]
        agree, seconds = [], 0.0
        for ds, pair in zip(cases, paths, strict=True):
            start = time.perf_counter()
            theirs = by_mirp(*pair)
            seconds += time.perf_counter() - start
            agree.append(compared(ds, theirs))
        print(f"{min(agree)} to {max(agree)} features of each equal to mirp's")
        # Minutes: once is enough to tell.
        print(f"mirp, morphology and statistics, from NIfTI, one pass: {seconds:.1f} s")
    timings = interleaved({"workbench, from files": ours}, 5)
    record("p10_features_sarcoma", timings, baseline="workbench, from files")


def sarcoma_cohort(folder: Path) -> None:
    """The same series as users have them: a folder of DICOM, contours in structure sets, one call."""
    import nibabel

    cohort = open_cohort(folder / "dicom", layout="plain")

    def whole(workers: int) -> pd.DataFrame:
        return features_of_cohort(cohort, groups=GROUPS, workers=workers, resume=False)

    table = whole(2)
    assert (table.attrs["cases"], table.attrs["cases_failed"]) == (21, 0)
    counted = sorted(table.loc[table["feature"] == "n_voxels", "value"].astype(int))
    masks = [nibabel.load(path) for path in folder.glob("nifti/*/*_mask.nii.gz")]
    assert counted == sorted(int((np.asarray(mask.dataobj) > 0).sum()) for mask in masks)
    print(f"{table.attrs['cases']} series, {len(table)} rows; voxels are those of the NIfTI masks")
    calls = {f"workbench, features(cohort), {n} process": partial(whole, n) for n in (1, 2)}
    record("p10_features_sarcoma_cohort", interleaved(calls, 5), baseline=next(iter(calls)))


def main() -> None:
    options.progress = "off"
    warnings.simplefilter("ignore")
    has_mirp = importlib.util.find_spec("mirp") is not None
    with tempfile.TemporaryDirectory() as scratch:
        if "--sarcoma-only" not in sys.argv:
            large_ct(Path(scratch), has_mirp)
        if len(sys.argv) > 1:
            sarcoma_cohort(Path(sys.argv[1]))
            sarcoma(Path(sys.argv[1]), Path(scratch), has_mirp)


if __name__ == "__main__":
    main()
