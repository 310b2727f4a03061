"""10,000 patients at each of 3 nodes: opened from the index, narrowed, counted; peak memory of a fresh process.

Run: python -m benchmarks.p15_cohort_scale [PATIENTS]

The questions' answers are counted from the generator's rules first. Each measured process opens the cohort anew;
processor seconds stand beside the wall clock.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

from benchmarks.crowd import write_patients

CONDITION = "Modality = 'CT' and age_at_diagnosis >= 50"
CHILD = """
import json, sys, time
from benchmarks.measure import peak_mb
found, marks = {}, {}
def mark(name, call):
    wall, processor = time.perf_counter(), time.process_time()
    result = call()
    marks[name] = [time.perf_counter() - wall, time.process_time() - processor]
    return result
import workbench as wb
cohort = mark("open", lambda: wb.open_cohort(sys.argv[1:]))
narrowed = mark("where", lambda: cohort.where(CONDITION))
rows = lambda c, q: c._database.rows(q)
found["patients"] = mark("count patients", lambda: rows(cohort, "select count(*) from patients")[0][0])
found["kept"] = mark("count where", lambda: rows(narrowed, "select count(*) from patients")[0][0])
found["by sex"] = mark("group clinical", lambda: dict(rows(cohort, "select sex, count(*) from clinical group by all")))
mark("where again", lambda: narrowed.where("sex = 'female'"))
mark("attrition", lambda: cohort.attrition(["Modality = 'CT'", "age_at_diagnosis >= 50", "sex = 'female'"]))
found["reused"] = [extract.reused for extract in cohort.extracts]
print(json.dumps({"found": found, "marks": marks, "peak_MB": peak_mb()}))
"""


def main(patients: int, rounds: int = 5) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        places = [str(path) for path in write_patients(Path(scratch, "extracts"), patients=patients)]
        environment = {**os.environ, "WORKBENCH_CACHE": str(Path(scratch, "cache")), "WORKBENCH_PROGRESS": "off"}

        def run() -> dict[str, dict[str, list[float]]]:
            command = [sys.executable, "-c", f"CONDITION = {CONDITION!r}\n{CHILD}", *places]
            done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
            return json.loads(done.stdout)  # type: ignore[no-any-return]

        first = run()
        kept = 3 * sum(p % 3 == 0 and 30 + p * 7 % 60 >= 50 for p in range(patients))
        sexes = {"male": 3 * ((patients + 1) // 2), "female": 3 * (patients // 2)}
        runs = [run() for _ in range(rounds)]
        for one in (first, *runs):
            found: dict[str, object] = dict(one["found"])
            assert (found["patients"], found["kept"], found["by sex"]) == (3 * patients, kept, sexes), found
        assert all(all(one["found"]["reused"]) for one in runs)
        wall, processor = first["marks"]["open"]
        print(f"built: {wall:.1f} s by the clock, {processor:.1f} s by the processor")
        for name in runs[0]["marks"]:
            wall, processor = (median(one["marks"][name][i] for one in runs) for i in (0, 1))
            print(f"{name:20} {wall:7.3f} s by the clock {processor:7.3f} s by the processor")
        print(f"peak {max(int(one['peak_MB']) for one in runs)} MB")  # type: ignore[call-overload]


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000)
