"""Seeded mutations of real files, read whole: no crash, no hang, no error that is not ours, no frame beyond its size.

``python -m tests.mutations --count 20000 --seed 1`` runs cases 0 to 19,999 of seed 1 and prints what failed;
``--only 17`` runs that one case alone and says what was done to which file; ``--keep FILE`` also writes it there.
"""

from __future__ import annotations

import argparse
import collections
import faulthandler
import gzip
import os
import re
import shutil
import signal
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from tests.damage import mutated
from tests.forked import limited, place, warm_up, written_whole

#: Files larger than this are left out: a case should take milliseconds.
LARGEST: Final = 600_000
#: Cases per child, so that one crash costs little.
BATCH: Final = 250
#: Seconds after which a case hangs.
PATIENCE: Final = 20
#: A frame may take this many times what the header declares; a process needs some memory for itself besides.
TIMES_DECLARED: Final = 4
OWN_MEMORY: Final = 64 << 20


def sources(data: Path | None) -> list[tuple[str, bytes]]:
    """Real files, each with a name: of the pydicom and nibabel packages, and of the folder of real data."""
    import nibabel
    import pydicom.data

    found = _files(Path(pydicom.data.__file__).parent / "test_files")
    found += _files(Path(nibabel.__file__).parent / "nicom" / "tests" / "data")
    if data is not None:
        for name in ("highdicom", "dcmqi", "rt-utils"):
            found += _files(data / name)
        sarcoma = _files(data / "sts" / "dicom")
        found += sarcoma[:: max(1, len(sarcoma) // 12)]
        qa = _files(data / "dcm_qa_nih" / "In")
        found += qa[:: max(1, len(qa) // 12)] + _mosaics(qa)
    read = ((path.name, _content(path)) for path in found)
    return [(name, content) for name, content in read if 132 < len(content) <= LARGEST]


def _files(folder: Path) -> list[Path]:
    return sorted(p for p in folder.rglob("*") if p.is_file() and p.suffix in (".dcm", ".gz", "", ".IMA", ".dicom"))


def _mosaics(paths: list[Path]) -> list[Path]:
    return [path for path in paths if b"MOSAIC" in path.read_bytes()[:4096]][:4]


def _content(path: Path) -> bytes:
    data = path.read_bytes()
    return gzip.decompress(data) if path.suffix == ".gz" else data


def made(seed: int, number: int, files: list[tuple[str, bytes]]) -> tuple[str, bytes, list[str]]:
    """Case *number* of *seed*: the file's name, the mutated file, and what was done to it."""
    random = np.random.default_rng((seed, number))
    name, content = files[random.integers(len(files))]
    data, done = mutated(content, random)
    return name, data, done


def _status(name: str) -> int:
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) << 10 for line in file if line.startswith(name))


def read_case(folder: Path, number: int, data: bytes) -> tuple[str, str]:
    """Read one file as a user would, and its first and last frame.

    Returns
    -------
    tuple of str
        What it came to in a word, and what is wrong with that; empty where nothing is.
    """
    from workbench.errors import WorkbenchError

    path = folder / f"{number}.dcm"
    path.write_bytes(data)
    # Peak memory counts from here (proc(5), clear_refs).
    Path("/proc/self/clear_refs").write_text("5")
    before, start = _status("VmRSS"), time.process_time()
    try:
        word, declared = _load(folder)
        fault = ""
    except WorkbenchError as error:
        word, declared, fault = type(error).__name__, 0, ""
    except Exception as error:
        word, declared, fault = "not ours", 0, place(error)
    finally:
        path.unlink()
    grown, seconds = _status("VmHWM") - before, time.process_time() - start
    if not fault and grown > TIMES_DECLARED * max(declared, len(data)) + OWN_MEMORY:
        fault = f"memory grew by {grown >> 20} MB, declared are {declared >> 10} kB in a file of {len(data) >> 10} kB"
    if not fault and seconds > 2:
        fault = f"took {seconds:.1f} s"
    return word, fault


def _load(folder: Path) -> tuple[str, int]:
    """Load first and last frame of every part, and give what happened and the most bytes a part declares for them."""
    from workbench.arrays.build import build
    from workbench.dicom.scan import scan
    from workbench.dicom.series import iterate_series, named
    from workbench.errors import WorkbenchError

    found = scan(folder)
    words, most = {finding.code for finding in found.findings}, 0
    failed: WorkbenchError | None = None
    loaded = False
    for series in iterate_series(named(found.table), folder):
        words.update(finding.code for finding in series.findings)
        for plan in series.plans[:3]:
            bits = max(8, *(value or 16 for value in plan.rows["BitsAllocated"].to_pylist()))
            samples = max(value or 1 for value in plan.rows["SamplesPerPixel"].to_pylist())
            try:
                image = build(series, plan, folder, reader=written_whole)["image"]
                inner = 3 if "channel" in image.dims else 2
                ends = [image[(end,) * (image.ndim - inner)] for end in (0, -1)]
                if "channel" in image.dims and samples == 1:
                    # A palette declares what comes out: three numbers of a pixel, of 8 or 16 bits.
                    samples, bits = 3, max(bits, 8 * image.dtype.itemsize)
                declared = int(np.prod(plan.grid.shape[1:])) * samples * bits // 8
                most = max(most, 2 * declared)
                for frame in ends:
                    if frame.nbytes > TIMES_DECLARED * declared:
                        raise AssertionError(f"frame of {frame.nbytes} bytes, declared are {declared}")
                    frame.values  # noqa: B018
                loaded = True
            except WorkbenchError as error:
                failed = error
    if loaded:
        return "loaded", most
    return type(failed).__name__ if failed else min(words, default="nothing"), most


def _batch(seed: int, numbers: range, files: list[tuple[str, bytes]], out: int) -> None:
    """Run cases in this process; a line per case, and one before it so that a crash is told."""
    limited(PATIENCE)
    warnings.simplefilter("error")
    warnings.simplefilter("ignore", DeprecationWarning)
    with tempfile.TemporaryDirectory() as folder:
        for number in numbers:
            os.write(out, f"{number}\n".encode())
            faulthandler.cancel_dump_traceback_later()
            faulthandler.dump_traceback_later(PATIENCE, exit=True)
            word, fault = read_case(Path(folder), number, made(seed, number, files)[1])
            os.write(out, f"{number}\t{word}\t{' '.join(fault.split())}\n".encode())


@dataclass
class Summary:
    """What the cases came to."""

    #: Word -> number of cases.
    words: collections.Counter[str]
    #: Case -> what is wrong with it.
    faults: dict[int, str]

    def report(self, seed: int) -> str:
        """A few lines."""
        total = sum(self.words.values())
        lines = [f"{total} cases of seed {seed}: " + ", ".join(f"{n} {word}" for word, n in self.words.most_common())]
        lines += [f"  case {number}: {fault}" for number, fault in sorted(self.faults.items())]
        if self.faults:
            one = min(self.faults)
            lines.append(f"reproduce: python -m tests.mutations --seed {seed} --only {one} --keep case.dcm")
        return "\n".join(lines)


def run(seed: int, numbers: range, files: list[tuple[str, bytes]], jobs: int) -> Summary:
    """Run cases in forked children, *jobs* side by side."""
    summary = Summary(collections.Counter(), {})
    waiting = [range(i, min(i + BATCH, numbers.stop)) for i in range(numbers.start, numbers.stop, BATCH)][::-1]
    running: dict[int, tuple[range, int, int]] = {}
    while waiting or running:
        while waiting and len(running) < jobs:
            batch = waiting.pop()
            out, errors = os.memfd_create("out"), os.memfd_create("errors")
            pid = os.fork()
            if pid == 0:
                os.dup2(errors, 2)
                try:
                    _batch(seed, batch, files, out)
                except BaseException as error:
                    os.write(2, place(error).encode("utf-8", "replace"))
                    os._exit(3)
                os._exit(0)
            running[pid] = batch, out, errors
        pid, status = os.wait()
        batch, out, errors = running.pop(pid)
        last = _take(summary, out)
        if status:
            how = signal.Signals(status & 0x7F).name if status & 0x7F else f"exit {status >> 8}"
            where = os.pread(errors, 1 << 16, 0).decode("utf-8", "replace")
            summary.words["ended the process"] += 1
            summary.faults[last] = f"the process ended with {how}: " + " < ".join(_lines(where))
            if last + 1 < batch.stop:
                waiting.append(range(last + 1, batch.stop))
        os.close(out)
        os.close(errors)
    return summary


def _lines(where: str) -> Iterator[str]:
    yield from re.findall(r'/((?:workbench|pydicom|imagecodecs)/\S+", line \d+)', where)[:5] or [where[-300:]]


def _take(summary: Summary, out: int) -> int:
    """Add the lines of a batch; the number of the case it was at last."""
    text = os.pread(out, os.fstat(out).st_size, 0).decode("utf-8", "replace")
    last = -1
    for line in text.splitlines():
        number, *rest = line.split("\t")
        last = int(number)
        if rest:
            summary.words[rest[0]] += 1
            if rest[1]:
                summary.faults[last] = rest[1]
    return last


def main(arguments: list[str] | None = None) -> int:
    """Run from the command line; 1 where something failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutations", description=__doc__)
    parser.add_argument("--count", type=int, default=2000, help="number of cases")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", type=int, help="one case")
    parser.add_argument("--keep", type=Path, help="write that case's file here")
    parser.add_argument("--data", type=Path, help="folder of real data")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    given = parser.parse_args(arguments)
    root = Path(__file__).resolve().parent.parent
    data = given.data or Path(os.environ.get("WORKBENCH_DATA", root.parent / "shared" / "data"))
    files = sources(data if data.is_dir() else None)
    cache = tempfile.mkdtemp()
    os.environ.update(WORKBENCH_CACHE=cache, WORKBENCH_PROGRESS="off")
    warm_up()
    if given.only is not None:
        name, content, done = made(given.seed, given.only, files)
        print(f"{name}, {len(content)} bytes: " + "; ".join(done))
        if given.keep:
            given.keep.write_bytes(content)
    numbers = range(given.count) if given.only is None else range(given.only, given.only + 1)
    summary = run(given.seed, numbers, files, given.jobs)
    shutil.rmtree(cache)
    print(f"{len(files)} files. " + summary.report(given.seed))
    return 1 if summary.faults else 0


if __name__ == "__main__":
    sys.exit(main())
