"""A release of the size of the published example, 736 studies and 15,022 series, opened on one core.

Memory is that of a process of its own; processor time, because others may use the machine. The peer reads one header
per series with pydicom and keeps it, which is the least that tells what there is. Counts are held to be right first.

Run: python -m benchmarks.p16_secure_node
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

from benchmarks.crowd import MODALITIES, filled, template
from benchmarks.measure import machine, peak_mb, versions

STUDIES, SERIES, PATIENTS = 736, 15_022, 700
#: Files of a series; tiny ones.
SLICES = 4


def write_release(folder: Path) -> Path:
    """``index.json``, ``eforms.json`` and a link per study into a data lake, as the dataset service hands over."""
    data = template()
    root, lake = folder / "release", folder / "datalake"
    items: list[dict[str, Any]] = []
    written = 0
    for study in range(STUDIES):
        patient = study % PATIENTS
        name, key = f"P{patient:07d}", f"S{study:05d}"
        count = SERIES // STUDIES + (study < SERIES % STUDIES)
        folders = []
        for _ in range(count):
            place = lake / name / key / f"{written:06d}"
            place.mkdir(parents=True)
            for index in range(SLICES):
                image = filled(
                    data, patient=patient, study=study, series=written, instance=written * SLICES + index,
                    modality=MODALITIES[written % 3], age=30 + patient % 60, sex="MF"[patient % 2],
                    date=f"20{10 + study % 10}0{1 + study % 9}{10 + study % 18}", number=index + 1, z=float(index),
                )  # fmt: skip
                (place / f"{index}.dcm").write_bytes(image)
            folders.append({"folderName": place.name, "tags": []})
            written += 1
        (root / name).mkdir(parents=True, exist_ok=True)
        (root / name / key).symlink_to(lake / name / key)
        items.append(
            {"studyId": key, "studyName": "CT", "subjectName": name, "path": f"{name}/{key}", "url": "",
             "series": folders}
        )  # fmt: skip
    forms = [
        {"subjectName": f"P{patient:07d}", "eForm": {"age_at_diagnosis": str(40 + patient % 40), "psa": "4.2"}}
        for patient in range(PATIENTS)
    ]
    (root / "index.json").write_text(json.dumps(items))
    (root / "eforms.json").write_text(json.dumps(forms))
    return root


def ours(root: str, what: str) -> dict[str, Any]:
    """Open it, or hold it against the minimum attributes too."""
    import workbench as wb

    cohort = wb.open_cohort(root, link_roots=[Path(root).parent / "datalake"])
    found: dict[str, Any] = {
        "studies": len(cohort.studies), "series": len(cohort.series), "patients": len(cohort.patients),
    }  # fmt: skip
    if what == "check":
        checked = cohort.check()
        found["checked"] = checked["img-modality"].n_ok
    return found


def peer(root: str) -> dict[str, Any]:
    """One header per series, kept."""
    import pydicom

    kept = []
    for item in json.loads(Path(root, "index.json").read_text()):
        for one in item["series"]:
            first = Path(root, item["path"], one["folderName"], "0.dcm")
            kept.append(pydicom.dcmread(first, stop_before_pixels=True))
    return {"series": len({str(one.SeriesInstanceUID) for one in kept})}


def child(root: str, what: str) -> None:
    """One call in a process of its own, on one core."""
    os.sched_setaffinity(0, {sorted(os.sched_getaffinity(0))[-1]})
    start = time.process_time()
    found = peer(root) if what == "pydicom" else ours(root, what)
    print(json.dumps({**found, "cpu_s": round(time.process_time() - start, 1), "peak_MB": peak_mb()}))


def run(root: Path, what: str, cache: Path) -> dict[str, Any]:
    environment = {**os.environ, "WORKBENCH_CACHE": str(cache), "WORKBENCH_PROGRESS": "off", "WORKBENCH_WORKERS": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.p16_secure_node", "--child", str(root), what],
        capture_output=True, text=True, check=True, env=environment,
    )  # fmt: skip
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        root = write_release(folder)
        found = {
            "opened for the first time": run(root, "open", folder / "cache"),
            "opened again": run(root, "open", folder / "cache"),
            "opened and checked": run(root, "check", folder / "cache"),
            "pydicom, one header per series": run(root, "pydicom", folder / "cache"),
        }
        index = sum(path.stat().st_size for path in (folder / "cache").rglob("*") if path.is_file())
    whole = {"studies": STUDIES, "series": SERIES, "patients": PATIENTS}
    for label in ("opened for the first time", "opened again"):
        assert {name: found[label][name] for name in whole} == whole, found[label]
    assert found["opened and checked"]["checked"] == SERIES
    assert found["pydicom, one header per series"]["series"] == SERIES
    print(f"{'':34} {'processor s':>11} {'peak MB':>8}")
    for label, facts in found.items():
        print(f"{label:34} {facts['cpu_s']:11.1f} {facts['peak_MB']:8}")
    print(f"{STUDIES} studies, {SERIES} series, {SERIES * SLICES} files; index in the cache {index / 1e6:.0f} MB")
    folder = Path(__file__).parent / "results"
    folder.mkdir(exist_ok=True)
    told = {"name": "p16_secure_node", "machine": machine(), "versions": versions(), "found": found}
    (folder / "p16_secure_node.json").write_text(json.dumps(told, indent=1) + "\n")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        child(sys.argv[2], sys.argv[3])
    else:
        main()
