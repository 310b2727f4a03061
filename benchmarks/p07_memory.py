"""Peak memory of one eager load, each in a child process of its own, against the bytes of the array.

Run: python -m benchmarks.p07_memory
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.data import write_ct
from benchmarks.measure import machine, peak_mb, versions
from workbench.options import options

#: Highest peak above what the process held before the load, in arrays.
TARGET = 1.15


def child(folder: str) -> None:
    """Load, once a single slice has brought in everything that is imported on first use."""
    import xarray as xr

    options.progress = "off"
    dataset = xr.open_dataset(folder, engine="dicom")
    dataset["image"].isel(z=0).load()
    before = peak_mb()
    del dataset
    image = xr.open_dataset(folder, engine="dicom").load()["image"]
    print(
        json.dumps(
            {"before_MB": before, "peak_MB": peak_mb(), "array_MB": image.nbytes / 1e6, "dtype": str(image.dtype)}
        )
    )


def main() -> None:
    result = {}
    with tempfile.TemporaryDirectory() as scratch:
        for syntax, slices in (("explicit", 300), ("implicit", 300), ("jpegls", 100), ("jpeg2000", 100)):
            folder = write_ct(Path(scratch, syntax), slices=slices, syntax=syntax)
            done = subprocess.run(
                [sys.executable, "-m", "benchmarks.p07_memory", str(folder)], capture_output=True, text=True, check=True
            )
            facts = json.loads(done.stdout.splitlines()[-1])
            ratio = (facts["peak_MB"] - facts["before_MB"]) / facts["array_MB"]
            word = "met" if ratio <= TARGET else "not met"
            print(f"{syntax:10} array {facts['array_MB']:.0f} MB {facts['dtype']}, before {facts['before_MB']} MB, "
                  f"peak {facts['peak_MB']} MB: {ratio:.2f} arrays above, {word}")  # fmt: skip
            result[syntax] = facts | {"ratio": ratio}
    folder = Path(__file__).parent / "results"
    folder.mkdir(exist_ok=True)
    record = {"name": "p07_memory", "machine": machine(), "versions": versions(), "loads": result}
    (folder / "p07_memory.json").write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        child(sys.argv[1])
    else:
        main()
