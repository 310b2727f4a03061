"""Peak memory of a cohort run: bounded by processes times the largest case, whatever the number of cases.

Run: python -m benchmarks.p14_cohort_memory
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.data import write_ct
from benchmarks.measure import machine, peak_mb, versions

#: Cases of the larger cohort.
CASES = 200
SLICES, SIZE = 24, 128
#: Of the last case, which is the largest: a grid of this many times as many voxels.
LARGE = 2


def write_case(folder: Path, number: int, *, large: bool = False) -> None:
    """One patient: a CT and a SEG of two balls on it, as large as the number says."""
    import pydicom

    from benchmarks.seg_data import write_seg

    size = SIZE * LARGE if large else SIZE
    images = write_ct(folder / "ct", slices=SLICES, size=size)
    for path in images.iterdir():
        ds = pydicom.dcmread(path)
        ds.PatientID, ds.PatientName = f"CASE{number:04d}", f"CASE{number:04d}^"
        ds.StudyInstanceUID, ds.SeriesInstanceUID = f"2.25.1{number:04d}", f"2.25.2{number:04d}"
        ds.FrameOfReferenceUID = f"2.25.3{number:04d}"
        ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = f"2.25.4{number:04d}{ds.InstanceNumber:03d}"
        ds.save_as(path)
    z, y, x = np.ogrid[:SLICES, :size, :size]
    labels = np.zeros((SLICES, size, size), np.uint8)
    for label, centre in ((1, size * 0.35), (2, size * 0.65)):
        radius = 4 + number % 5
        labels[(z - SLICES / 2) ** 2 + (y - size / 2) ** 2 + (x - centre) ** 2 <= radius**2] = label
    path = write_seg(folder / "seg.dcm", images, labels)
    made = pydicom.dcmread(path)
    made.SeriesInstanceUID, made.SOPInstanceUID = f"2.25.5{number:04d}", f"2.25.6{number:04d}"
    made.file_meta.MediaStorageSOPInstanceUID = made.SOPInstanceUID
    made.save_as(path)


def child(folder: str, workers: int) -> None:
    """One run, its peak memory and what it measured."""
    import resource

    import workbench as wb

    wb.options.progress = "off"
    cohort = wb.open_cohort(folder, layout="plain")
    opened = peak_mb()
    start = time.perf_counter()
    table = wb.measure.features(cohort, workers=workers, resume=False)
    seconds = time.perf_counter() - start
    found = table[table["feature"] == "n_voxels"]
    print(json.dumps({
        "cases": table.attrs["cases"], "segments": len(found), "voxels": int(found["value"].sum()), "seconds": seconds,
        "opened_MB": opened, "peak_MB": peak_mb(),
        "largest_worker_MB": round(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024) if workers > 1 else 0,
    }))  # fmt: skip


def expected(numbers: range) -> int:
    """Voxels of the balls, counted apart from any file."""
    z, y, x = np.mgrid[-12:12, -10:11, -10:11]
    radii = np.array([4 + n for n in range(5)])[:, None, None, None]
    shifted = [((z**2 + y**2 + (x + off) ** 2)[None] <= radii**2).sum((1, 2, 3)) for off in _offsets()]
    return int(sum(sum(one[n % 5] for one in shifted) for n in numbers))


def _offsets() -> list[float]:
    return [round(SIZE * at) - SIZE * at for at in (0.35, 0.65)]


def main() -> None:
    result = {}
    with tempfile.TemporaryDirectory() as scratch:
        few, many, last = Path(scratch, "few"), Path(scratch, "many"), Path(scratch, "large")
        for number in range(CASES):
            write_case(many / f"{number:04d}", number)
        few.mkdir()
        for number in range(20):
            os.symlink(many / f"{number:04d}", few / f"{number:04d}")
        write_case(last / "0000", 4, large=True)
        for name, folder, workers in (
            ("20 cases, in this process", few, 1), ("200 cases, in this process", many, 1),
            ("20 cases, two processes", few, 2), ("200 cases, two processes", many, 2),
            ("one case of four times the voxels", last, 1),
        ):  # fmt: skip
            environment = os.environ | {
                "WORKBENCH_CACHE": str(Path(scratch, "cache")), "WORKBENCH_LINK_ROOTS": str(many)
            }  # fmt: skip
            done = subprocess.run(
                [sys.executable, "-m", "benchmarks.p14_cohort_memory", str(folder), str(workers)],
                capture_output=True, text=True, check=True, env=environment,
            )  # fmt: skip
            facts = json.loads(done.stdout.splitlines()[-1])
            if folder != last:
                n = 20 if folder == few else CASES
                assert (facts["cases"], facts["voxels"]) == (n, expected(range(n))), facts
            print(f"{name:36} {facts['seconds']:6.1f} s, opened {facts['opened_MB']} MB, peak {facts['peak_MB']} MB, "
                  f"largest process {facts['largest_worker_MB']} MB")  # fmt: skip
            result[name] = facts
    folder = Path(__file__).parent / "results"
    folder.mkdir(exist_ok=True)
    record = {"name": "p14_cohort_memory", "machine": machine(), "versions": versions(), "runs": result}
    (folder / "p14_cohort_memory.json").write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        child(sys.argv[1], int(sys.argv[2]))
    else:
        main()
