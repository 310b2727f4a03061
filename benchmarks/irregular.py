"""What SimpleITK, highdicom, pydicom and the workbench give on irregular input, as a Markdown table.

Every input of ``irregular_inputs`` is written, read by each of the four as a user would type it, and compared with
the truth, image by image: values, place in the patient, direction, pixel spacing, and what tells images at one place
apart. Each reader runs in a process of its own with a time limit, so that a crash costs one cell and not the table.

- **right**: every image once, at its place, with its values;
- **said**: not that, but a warning or finding says so (of the workbench only a finding named for that input counts);
- **refused**: an error;
- **silently wrong**: not right, and nothing said.

Run: python -m benchmarks.irregular [--only NAME ...] [--into docs/dicom.md]
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import tempfile
import warnings
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from benchmarks.irregular_inputs import CASES, Case
from benchmarks.irregular_readers import READERS, Answer, Refusal
from benchmarks.irregular_truth import VERDICTS, Outcome, judge, refused

#: Seconds one reader may take for one input.
LIMIT_S: Final = 60
#: What the memory row is worked out for.
LARGE: Final = (300, 512, 512)
#: Marks in a page between which the table stands.
BEGIN: Final = "<!-- measured: begin -->"
END: Final = "<!-- measured: end -->"


def serve(name: str, pipe: Any) -> None:
    """Read folder after folder with one reader, until None comes."""
    pipe.send("ready")
    while (folder := pipe.recv()) is not None:
        pipe.send(attempt(name, Path(folder)))


def attempt(name: str, folder: Path) -> Answer | Refusal:
    """A reader's answer with every warning it gave, also what a C++ library printed to stderr; or its error."""
    kept = os.dup(2)
    result: Any = None
    error: Refusal | None = None
    with tempfile.TemporaryFile() as stderr, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        os.dup2(stderr.fileno(), 2)
        try:
            result = READERS[name].read(folder)
        except Exception as raised:
            error = Refusal(type(raised).__name__, str(raised))
        finally:
            os.dup2(kept, 2)
            os.close(kept)
        stderr.seek(0)
        printed = stderr.read().decode(errors="replace").strip()
    if error is not None:
        return error
    # Deprecations speak of the library, not of the data.
    python = [str(warning.message) for warning in caught if not issubclass(warning.category, DeprecationWarning)]
    answer = READERS[name].describe(result)
    return replace(answer, said=(*answer.said, *(text for text in (printed, *python) if text)))


class Child:
    """One reader in a process of its own, started again where it crashed or took too long."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._context = multiprocessing.get_context("spawn")
        self._start()

    def _start(self) -> None:
        self._pipe, other = self._context.Pipe()
        self._process = self._context.Process(target=serve, args=(self.name, other), daemon=True)
        self._process.start()
        other.close()
        # A child that cannot even begin is a fault of this script, not of the reader.
        if not self._pipe.poll(LIMIT_S) or self._pipe.recv() != "ready":
            raise RuntimeError(f"no process for {self.name}")

    def read(self, folder: Path) -> Answer | Refusal:
        """The answer, or the error."""
        try:
            self._pipe.send(str(folder))
            if self._pipe.poll(LIMIT_S):
                answer: Answer | Refusal = self._pipe.recv()
                return answer
            error = Refusal("no answer", f"within {LIMIT_S} s")
        except (EOFError, OSError):
            self._process.join()
            error = Refusal("crash", f"the process ended with {self._process.exitcode}")
        self._process.kill()
        self._start()
        return error

    def close(self) -> None:
        self._pipe.send(None)
        self._process.join(5)


def run(cases: Sequence[Case]) -> dict[str, dict[str, Outcome]]:
    """Outcome by input and reader."""
    table: dict[str, dict[str, Outcome]] = {}
    with tempfile.TemporaryDirectory() as scratch:
        os.environ["WORKBENCH_CACHE"] = str(Path(scratch, "cache"))
        children = {name: Child(name) for name in READERS}
        for case in cases:
            folder = Path(scratch, case.name)
            folder.mkdir()
            truth = case.write(folder)
            table[case.name] = {}
            for name, child in children.items():
                answer = child.read(folder)
                codes = case.codes if name == "workbench" else None
                table[case.name][name] = (
                    refused(answer) if isinstance(answer, Refusal) else judge(truth, answer, codes=codes)
                )
        for child in children.values():
            child.close()
    return table


def as_markdown(cases: Sequence[Case], table: dict[str, dict[str, Outcome]]) -> str:
    """The table, how often each verdict fell, and what a large volume takes by the dtype that came."""
    versions = ", ".join(f"{name} {version(name)}" for name in ("SimpleITK", "highdicom", "pydicom"))
    lines = [
        f"Measured {datetime.now(UTC).date().isoformat()} by `python -m benchmarks.irregular`; {versions}.", "",
        f"| input | truth | {' | '.join(READERS)} |", "|" + "---|" * (2 + len(READERS)),
    ]  # fmt: skip
    for case in cases:
        cells = (f"**{outcome.verdict}**: {outcome.words}" for outcome in table[case.name].values())
        lines.append(f"| {case.title} | {case.truth} | {' | '.join(cells)} |")
    if "implicit" in table:
        lines.append(f"| the even series, {'×'.join(map(str, LARGE))} (worked out) | 157 MB stored | {memory(table)} |")
    lines += ["", f"| of {len(cases)} inputs | {' | '.join(READERS)} |", "|" + "---|" * (1 + len(READERS))]
    for verdict in VERDICTS:
        counts = (sum(row[name].verdict == verdict for row in table.values()) for name in READERS)
        lines.append(f"| {verdict} | {' | '.join(map(str, counts))} |")
    return "\n".join(lines) + "\n"


def memory(table: dict[str, dict[str, Outcome]]) -> str:
    """Cells of what the array of a large even CT takes, by the dtype each reader gave for the small one."""
    import numpy as np

    voxels = LARGE[0] * LARGE[1] * LARGE[2]
    dtypes = [table["implicit"][name].dtype for name in READERS]
    return " | ".join(f"{voxels * np.dtype(t).itemsize / 1e6:.0f} MB {t}" if t else "refused" for t in dtypes)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=[case.name for case in CASES], default=[], metavar="NAME")
    parser.add_argument("--into", type=Path, help="put the table between the marks of this page")
    arguments = parser.parse_args()
    cases = [case for case in CASES if not arguments.only or case.name in arguments.only]
    text = as_markdown(cases, run(cases))
    print(text, end="")
    if arguments.into:
        before, _, rest = arguments.into.read_text("utf-8").partition(BEGIN)
        _, end, after = rest.partition(END)
        if not end:
            parser.error(f"{arguments.into} has no {BEGIN} ... {END}")
        arguments.into.write_text(f"{before}{BEGIN}\n{text}{END}{after}", "utf-8")


if __name__ == "__main__":
    main()
