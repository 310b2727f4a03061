"""One array of 100 lesions on a common grid, beside a SimpleITK loop that does the same.

Run: python -m benchmarks.p17_stack [CASES]

Both sides go from files to the array: read image and mask, find the box of the mask, interpolate linearly about its
middle. Ours reads the masks from DICOM SEG; SimpleITK, which cannot, from NIfTI files of the same masks written before.
Voxels are equal first.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

import numpy as np

from benchmarks import p14_cohort_memory
from benchmarks.measure import interleaved, record
from workbench.options import options

SPACING, SIZE_MM = 1.0, 48.0
#: Of each image: slices, and rows and columns.
SLICES, SIZE = 80, 256


def by_simpleitk(folder: Path, cases: int) -> np.ndarray:
    """Array (case, z, y, x) float32, NaN outside."""
    import SimpleITK as sitk  # noqa: N813

    n = int(SIZE_MM / SPACING)
    result = np.empty((cases, n, n, n), np.float32)
    reader = sitk.ImageSeriesReader()
    for number in range(cases):
        reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(folder / f"{number:04d}" / "ct")))
        image = sitk.Cast(reader.Execute(), sitk.sitkFloat32)
        mask = sitk.ReadImage(str(folder.parent / "masks" / f"{number:04d}.nii.gz"))
        z, y, x = np.nonzero(sitk.GetArrayViewFromImage(mask))
        middle = [(int(axis.min()) + int(axis.max())) / 2 for axis in (x, y, z)]
        centre = np.array(mask.TransformContinuousIndexToPhysicalPoint(middle))
        grid = sitk.Image(n, n, n, sitk.sitkFloat32)
        grid.SetSpacing([SPACING] * 3)
        grid.SetOrigin((centre - (n - 1) / 2 * SPACING).tolist())
        found = sitk.Resample(image, grid, sitk.Transform(), sitk.sitkLinear, float("nan"), sitk.sitkFloat32)
        result[number] = sitk.GetArrayViewFromImage(found)
    return result


def main() -> None:
    options.progress = "off"
    cases = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    with tempfile.TemporaryDirectory() as scratch:
        os.environ["WORKBENCH_CACHE"] = str(Path(scratch, "cache"))
        import workbench as wb

        folder = Path(scratch, "node")
        p14_cohort_memory.SLICES, p14_cohort_memory.SIZE = SLICES, SIZE
        for number in range(cases):
            p14_cohort_memory.write_case(folder / f"{number:04d}", number)
        cohort = wb.open_cohort(folder, layout="plain")
        (folder.parent / "masks").mkdir()
        for uid, patient in cohort.series.query("kind == 'image'")[["SeriesInstanceUID", "patient_id"]].to_numpy():
            loaded = cohort.load(uid, masks=True)
            union = loaded[["mask"]].any("segment").astype("uint8")["mask"]
            loaded.drop_vars("mask").assign(image=union).patient.to_nifti(
                folder.parent / "masks" / f"{patient[4:]}.nii.gz"
            )

        def by_workbench(workers: int) -> np.ndarray:
            found = cohort.stack(spacing=SPACING, size_mm=SIZE_MM, workers=workers)
            values: np.ndarray = found["image"].values
            return values

        ours, theirs = by_workbench(2), by_simpleitk(folder, cases)
        # In the half voxel beyond the outermost centres ITK gives up on some sides: compared where both have a value.
        both = np.isfinite(ours) & np.isfinite(theirs)
        assert both.mean() > 0.9, both.mean()
        np.testing.assert_allclose(ours[both], theirs[both], atol=0.05)
        timings = interleaved(
            {
                "workbench, two threads": lambda: by_workbench(2),
                "workbench, one thread": lambda: by_workbench(1),
                "SimpleITK loop": lambda: by_simpleitk(folder, cases),
            },
            rounds=5,
        )
    record("p17_stack", timings, baseline="workbench, two threads")


if __name__ == "__main__":
    main()
