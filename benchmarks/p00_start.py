"""How long the light entrances take: ``workbench --help`` and ``workbench open`` of an indexed cohort.

Beside them, in the same run, a Python that only starts and one that imports pandas and xarray: what a command
that is not careful with its imports pays before it says a word.

Run: python -m benchmarks.p00_start
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.measure import interleaved, record

ROUNDS = 7


def main() -> None:
    with tempfile.TemporaryDirectory() as scratch:
        import os

        os.environ["WORKBENCH_CACHE"] = str(Path(scratch, "cache"))
        from workbench.synthetic import write_federation

        out = Path(scratch, "federation")
        write_federation(out)
        opening = ["-m", "workbench", "open", str(out / "extracts" / "*"), "--link-root", str(out / "datalake")]
        first = run(opening)
        # Correct before fast: the indexed cohort prints what the fresh one printed.
        assert run(opening) == first
        assert "aurora" in first
        assert "Verbs" in run(["-m", "workbench", "--help"])
        commands = {
            "python -c pass": ["-c", "pass"],
            "workbench --help": ["-m", "workbench", "--help"],
            "workbench open (24 patients, indexed)": opening,
            "python -c 'import pandas, xarray'": ["-c", "import pandas, xarray"],
        }
        timings = interleaved({name: lambda c=command: run(c) for name, command in commands.items()}, ROUNDS)
    record("p00_start", timings, baseline="python -c 'import pandas, xarray'")


def run(arguments: list[str]) -> str:
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=True).stdout


if __name__ == "__main__":
    main()
