"""98 segments on a 300x512x512 series: open, one segment, all as a label map; equal to highdicom first.

Run: python -m benchmarks.p09_masks [--dense]    (--dense: frames without a voxel are written too, 29,400 of them)
"""

from __future__ import annotations

import multiprocessing
import sys
import tempfile
import warnings
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from benchmarks.data import write_ct
from benchmarks.measure import interleaved, peak_mb, record
from benchmarks.seg_data import labels, write_seg
from workbench.options import options

warnings.simplefilter("ignore")


def with_highdicom(path: Path) -> NDArray[Any]:
    """Label map (z, y, x) by highdicom, slices ascending."""
    import highdicom as hd

    volume = hd.seg.segread(path).get_volume(combine_segments=True, dtype=np.uint8)
    return np.asarray(volume.array if volume.affine[2, 0] > 0 else volume.array[::-1])


def one_with_highdicom(opened: Any, number: int) -> NDArray[Any]:
    """One segment (z, y, x) by highdicom, of an object that is open."""
    volume = opened.get_volume(segment_numbers=[number], combine_segments=True, dtype=np.uint8)
    return np.asarray(volume.array if volume.affine[2, 0] > 0 else volume.array[::-1])


def open_with_highdicom(path: Path) -> Any:
    """The object, opened by highdicom; lazily, as far as it can."""
    import highdicom as hd

    return hd.seg.segread(path, lazy_frame_retrieval=True)


def _peak(kind: str, path: Path, images: Path, answers: Any) -> None:
    """Most memory of a process that makes one label map, MB."""
    options.progress = "off"
    if kind == "workbench":
        found = xr.open_dataset(images, engine="dicom").patient.masks(path).patient.label_map()
    else:
        found = with_highdicom(path)
    answers.put((kind, peak_mb(), int(found.shape[0])))


def main() -> None:
    import highdicom as hd

    options.progress = "off"
    with tempfile.TemporaryDirectory() as scratch:
        images = write_ct(Path(scratch, "ct"))
        truth = labels()
        path = write_seg(Path(scratch, "seg.dcm"), images, truth, omit="--dense" not in sys.argv)
        dataset = xr.open_dataset(images, engine="dicom")
        masked = dataset.patient.masks(path)
        opened = open_with_highdicom(path)
        print(f"{opened.NumberOfFrames} frames, {path.stat().st_size / 1e6:.0f} MB, highdicom {hd.__version__}")

        np.testing.assert_array_equal(masked.patient.label_map().values, truth)
        theirs = with_highdicom(path)
        # Its volume begins and ends with the frames that are there.
        filled = np.flatnonzero(truth.any(axis=(1, 2)))
        np.testing.assert_array_equal(theirs[theirs.any(axis=(1, 2))], truth[filled])
        for number in (1, 50, 98):
            place = masked["segment_number"].values.tolist().index(number)
            np.testing.assert_array_equal(masked["mask"].isel(segment=place).values, truth == number)

        ours, others = cycle(range(98)), cycle(np.unique(truth[truth > 0]).tolist())
        parts = {
            "p09_masks_open": {
                "workbench masks(path)": lambda: dataset.patient.masks(path),
                "highdicom segread, lazy": lambda: open_with_highdicom(path),
            },
            "p09_masks_one": {
                "workbench isel(segment=k).values": lambda: masked["mask"].isel(segment=next(ours)).values,
                "highdicom get_volume of one segment": lambda: one_with_highdicom(opened, next(others)),
            },
            "p09_masks_label_map": {
                "workbench masks + label_map": lambda: dataset.patient.masks(path).patient.label_map(),
                "highdicom segread + get_volume": lambda: with_highdicom(path),
            },
        }
        for name, calls in parts.items():
            timings = interleaved(calls, rounds=5)
            record(name, timings, baseline=list(calls)[1])
        context = multiprocessing.get_context("spawn")
        for kind in ("workbench", "highdicom"):
            answers = context.Queue()
            child = context.Process(target=_peak, args=(kind, path, images, answers))
            child.start()
            _, megabytes, _ = answers.get()
            child.join()
            print(f"{kind}: label map with a peak of {megabytes} MB")


if __name__ == "__main__":
    main()
