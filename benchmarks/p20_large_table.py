"""An extract whose clinical CSV has 300 MB, opened for the first time and again; memory beside that of pandas.

Two shapes: many rows of few columns, and few rows of many columns. Each opening is a process of its own, which tells
its most memory and its seconds. The peer reads the same file with ``pandas.read_csv`` and melts it to the long form,
which is less than ours does (no variable is named, no value read). Counts are held to be right first.

Run: python -m benchmarks.p20_large_table [megabytes]
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.crowd import filled, template
from benchmarks.measure import machine, peak_mb, versions

MEGABYTES = 300
#: Patients with images, out of those of the table.
IMAGED = 3
#: Columns of the wide table beside the patient.
WIDE = 12_000


def write_extract(folder: Path, *, shape: str, size: int) -> int:
    """A few small images and one table of *size* bytes; the number of cells that say something."""
    data = template()
    for patient in range(IMAGED):
        place = folder / f"P{patient:07d}"
        place.mkdir(parents=True)
        for index in range(2):
            image = filled(
                data, patient=patient, study=patient, series=patient, instance=patient * 2 + index, modality="CT",
                age=60, sex="M", date="20200102", number=index + 1, z=float(index),
            )  # fmt: skip
            (place / f"{index}.dcm").write_bytes(image)
    write = _tall if shape == "tall" else _wide
    return write(folder / "clinical.csv", size)


def _tall(path: Path, size: int) -> int:
    """A row per visit: 20,000 patients, a day, a marker, a stage and a note that no two rows share."""
    rows = 0
    with path.open("w") as file:
        written = file.write("patient_id,date,psa,t_category,note\n")
        while written < size:
            patient, day = rows % 20_000, rows // 20_000
            text = (
                f"P{patient:07d},{2000 + day // 336 % 25}-{day // 28 % 12 + 1:02d}-{day % 28 + 1:02d},"
                f"{rows % 9973 / 100},cT{rows % 4 + 1},visit {rows} of the follow-up\n"
            )
            written += file.write(text)
            rows += 1
    return rows * 3


def _wide(path: Path, size: int) -> int:
    """A row per patient, as a table of features: a number in every column."""
    rows = 0
    with path.open("w") as file:
        names = ["patient_id", "psa", *(f"feature_{number}" for number in range(1, WIDE))]
        written = file.write(",".join(names) + "\n")
        while written < size:
            cells = [f"{(rows * 7919 + number * 104729) % 99991 / 100:.2f}" for number in range(WIDE)]
            written += file.write(f"P{rows:07d}," + ",".join(cells) + "\n")
            rows += 1
    return rows * WIDE


def ours(root: str) -> dict[str, Any]:
    import workbench as wb

    cohort = wb.open_cohort(root)
    told = cohort.sql('select count(*) as n from "values" where "table" <> \'DICOM header\'')
    return {
        "values": int(told["n"][0]), "patients": len(cohort.patients), "cases": len(cohort.clinical),
        "findings": len(cohort.findings),
    }  # fmt: skip


def peer(root: str) -> dict[str, Any]:
    import pandas as pd

    table = pd.read_csv(Path(root, "clinical.csv"), dtype=str)
    keys = [name for name in ("patient_id", "date") if name in table]
    return {"values": len(table.melt(id_vars=keys))}


def child(root: str, what: str) -> None:
    """One call in a process of its own."""
    start, used = time.perf_counter(), time.process_time()
    found = peer(root) if what == "pandas" else ours(root)
    seconds, cpu = time.perf_counter() - start, time.process_time() - used
    print(json.dumps({**found, "seconds": round(seconds, 1), "cpu_s": round(cpu, 1), "peak_MB": peak_mb()}))


def run(root: Path, what: str, cache: Path) -> dict[str, Any]:
    environment = {**os.environ, "WORKBENCH_CACHE": str(cache), "WORKBENCH_PROGRESS": "off"}
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.p20_large_table", "--child", str(root), what],
        capture_output=True, text=True, check=True, env=environment,
    )  # fmt: skip
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def main(megabytes: int = MEGABYTES) -> None:
    told: dict[str, dict[str, Any]] = {}
    for shape in ("tall", "wide"):
        for share in (10, 1):
            with tempfile.TemporaryDirectory() as name:
                root, cache = Path(name, "extract"), Path(name, "cache")
                cells = write_extract(root, shape=shape, size=megabytes * 10**6 // share)
                label = f"{shape}, {megabytes // share} MB"
                told[f"{label}: opened for the first time"] = run(root, "first", cache)
                told[f"{label}: opened again"] = run(root, "again", cache)
                told[f"{label}: pandas, read and melted"] = run(root, "pandas", cache)
                told[f"{label}: opened again"]["cache_MB"] = (
                    sum(path.stat().st_size for path in cache.rglob("*") if path.is_file()) // 10**6
                )
                for what, found in told.items():
                    assert not what.startswith(label) or found["values"] == cells, (what, found, cells)
    print(f"{'':44} {'seconds':>9} {'processor s':>12} {'peak MB':>8}")
    for label, found in told.items():
        print(f"{label:44} {found['seconds']:9.1f} {found['cpu_s']:12.1f} {found['peak_MB']:8}")
    folder = Path(__file__).parent / "results"
    folder.mkdir(exist_ok=True)
    record = {"name": "p20_large_table", "machine": machine(), "versions": versions(), "found": told}
    (folder / "p20_large_table.json").write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        child(sys.argv[2], sys.argv[3])
    else:
        main(*map(int, sys.argv[1:2]))
