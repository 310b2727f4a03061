"""The first slice of any series of a cohort of 1,000 series, after the cohort is open; and what opening costs.

Run: python -m benchmarks.p08_cohort_slice
"""

from __future__ import annotations

import io
import os
import tempfile
from pathlib import Path
from statistics import median

import numpy as np
import pydicom

from benchmarks.data import write_ct
from benchmarks.measure import interleaved, record
from workbench.options import options

SERIES, SLICES, SIZE = 1000, 10, 64


def write_extract(folder: Path) -> list[str]:
    """Series that differ in UIDs and patient alone, one hundred patients; gives the series UIDs."""
    template = write_ct(folder.parent / "template", slices=SLICES, size=SIZE)
    files = [pydicom.dcmread(path) for path in sorted(template.iterdir())]
    uids = []
    for number in range(SERIES):
        target = folder / f"patient-{number % 100:03d}" / f"series-{number:04d}"
        target.mkdir(parents=True)
        uids.append(f"2.25.7{number:05d}")
        for i, ds in enumerate(files):
            ds.PatientID, ds.StudyInstanceUID = f"P{number % 100:03d}", f"2.25.6{number % 100:05d}"
            ds.SeriesInstanceUID, ds.SOPInstanceUID = uids[-1], f"{uids[-1]}.{i}"
            ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
            buffer = io.BytesIO()
            ds.save_as(buffer, enforce_file_format=True)
            (target / f"{i}.dcm").write_bytes(buffer.getvalue())
    (folder / "clinical.csv").write_text("patient_id,age\n" + "".join(f"P{n:03d},60\n" for n in range(100)))
    return uids


def main() -> None:
    options.progress = "off"
    with tempfile.TemporaryDirectory() as scratch:
        os.environ["WORKBENCH_CACHE"] = str(Path(scratch, "cache"))
        from workbench.cohort import open_cohort

        extract = Path(scratch, "node")
        uids = write_extract(extract)
        cohort = open_cohort(str(extract))
        assert len(cohort.series) == SERIES
        every = np.random.Generator(np.random.PCG64(0)).permutation(uids)
        expected = pydicom.dcmread(next((Path(scratch) / "template").iterdir())).pixel_array.shape
        assert cohort.load(every[0])["image"].isel(z=0).values.shape == expected
        turn = iter(every[1:])
        timings = interleaved(
            {
                "cohort.load(uid).image.isel(z=0)": lambda: cohort.load(next(turn))["image"].isel(z=0).values,
                "open_cohort, indexed": lambda: open_cohort(str(extract)),
            },
            rounds=25,
        )
    record("p08_cohort_slice", timings, baseline="open_cohort, indexed")
    print(f"first slice: {1e3 * median(timings['cohort.load(uid).image.isel(z=0)']):.1f} ms (target: under 50 ms)")


if __name__ == "__main__":
    main()
