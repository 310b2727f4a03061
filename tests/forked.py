"""Reads data that may do harm in children of a process that has imported everything once.

``python -m tests.forked`` answers a folder per line of standard input with a line of JSON: what a fresh child saw when
it read the folder, how long it took, how large it grew, how it ended.
"""

from __future__ import annotations

import faulthandler
import hashlib
import json
import os
import re
import resource
import signal
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from tests.hostile import NAME, PATIENT, PICTURE, part10

#: A child that has not ended by then hangs, seconds by the clock: many, for a machine with much else to do.
PATIENCE = 90
#: Address space a child may take beyond what it has, so that no file can exhaust the machine.
HEADROOM = 3 << 30
#: Frames larger than this are not filled before they are read: a refusal must cost no memory, bytes.
LARGE = 1 << 26
#: What is read within so many seconds is read again, to see whether every pixel is written.
QUICK = 0.5
#: Events of ``sys.addaudithook`` that change the file system.
_CHANGES = frozenset(("os.mkdir", "os.rename", "os.link", "os.symlink", "os.remove", "os.rmdir", "os.truncate",
                      "shutil.copyfile", "os.chmod", "os.utime"))  # fmt: skip


@dataclass
class Outcome:
    """What reading a folder came to."""

    #: Finding codes, names of error classes, and ``picture`` or ``other-values`` where a frame was loaded.
    words: list[str] = field(default_factory=list)
    #: What must never happen, each in a line.
    faults: list[str] = field(default_factory=list)
    #: Seconds of the slower of the two ways of reading, by the processor's clock: it does not count what else is
    #: running on the machine, and what waits without working ends by the alarm.
    seconds: float = 0.0
    #: Largest resident size of the child, MB, everything it had imported included.
    peak_mb: float = 0.0


def warm_up() -> None:
    """Import what reading needs, by reading a sound file."""
    import imagecodecs

    for name in ("jpeg8_decode", "ljpeg_decode", "jpegls_decode", "jpeg2k_decode", "htj2k_decode", "dicomrle_decode"):
        getattr(imagecodecs, name)
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "a.dcm").write_bytes(part10())
        outcome = Outcome()
        _read(Path(folder), outcome)
        if set(outcome.words) != {"picture", "single-slice"} or outcome.faults:
            raise AssertionError(f"a sound file gives {outcome}")


def limited(patience: float) -> None:
    """Bound this process: address space, time, no core file; a crash says where."""
    with open("/proc/self/statm") as file:
        size = int(file.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size + HEADROOM, size + HEADROOM))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    faulthandler.enable()
    faulthandler.dump_traceback_later(patience, exit=True)


def place(error: BaseException) -> str:
    """What an error is and the line of the package it comes from."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [f for f in frames if "/workbench/" in f.filename] or list(frames)
    at = f"{own[-1].filename.rpartition('/workbench/')[2]}:{own[-1].lineno}" if own else ""
    return f"{type(error).__name__} at {at}: {str(error)[:200]}"


def _guard(outcome: Outcome, messages: list[str], step: Callable[[], None]) -> None:
    """Run *step*; an error of ours is a word, any other a fault."""
    from workbench.errors import WorkbenchError

    try:
        step()
    except WorkbenchError as error:
        outcome.words.append(type(error).__name__)
        messages.append(str(error))
    except Exception as error:
        outcome.faults.append(place(error))


def _timed(outcome: Outcome, messages: list[str], way: Callable[[], None]) -> None:
    start = time.process_time()
    _guard(outcome, messages, way)
    outcome.seconds = max(outcome.seconds, time.process_time() - start)


def written_whole(ref: Any, out: np.ndarray, *, checked: bool) -> None:
    """Read a frame into memory of two different contents: what was not written shows, and is a fault."""
    from workbench.dicom.pixels.frames import read_frame

    if out.nbytes > LARGE:
        read_frame(ref, out, checked=checked)
        return
    memory = out.reshape(-1).view(np.uint8)
    memory[:] = 0x55
    read_frame(ref, out, checked=checked)
    first = memory.copy()
    memory[:] = 0xAA
    read_frame(ref, out, checked=checked)
    if not np.array_equal(first, memory):
        raise AssertionError(f"{int((first != memory).sum())} of {memory.size} bytes of a frame were never written")


def _read(folder: Path, outcome: Outcome) -> None:
    """Scan, series by series, then as a user opens it; a frame of each is loaded."""
    import xarray as xr

    from workbench.arrays.build import build
    from workbench.dicom.pixels.frames import read_frame
    from workbench.dicom.scan import scan
    from workbench.dicom.series import iterate_series

    messages: list[str] = []

    def load(dataset: xr.Dataset) -> Any:
        image = dataset["image"]
        values = image[(0,) * (image.ndim - (3 if "channel" in image.dims else 2))].values
        return PICTURE.shape == values.shape and bool((values == PICTURE).all())

    def by_series(reader: Any = read_frame) -> None:
        found = scan(folder)
        told = list(found.findings)
        for series in iterate_series(found.table, folder):
            told.extend(series.findings)
            for plan in series.plans[:3]:
                _guard(outcome, messages, lambda: load(build(series, plan, folder, reader=reader)))  # noqa: B023
        outcome.words.extend(finding.code for finding in told)
        messages.extend(finding.message for finding in told)

    def as_a_user() -> None:
        outcome.words.append("picture" if load(xr.open_dataset(folder, engine="dicom")) else "other-values")

    _timed(outcome, messages, by_series)
    _timed(outcome, messages, as_a_user)
    if outcome.seconds < QUICK:
        _guard(outcome, messages, lambda: by_series(written_whole))
    outcome.words = sorted(set(outcome.words))
    outcome.faults += [f"message tells a name or id: {text}" for text in messages if _personal(text)]


def _personal(text: str) -> bool:
    return any(part.lower() in text.lower() for part in (*NAME.split("^"), PATIENT))


def _watch(changes: list[str]) -> None:
    """Note what this process writes from now on."""
    writing = os.O_WRONLY | os.O_RDWR | os.O_CREAT

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event in _CHANGES:
            changes.append(f"{event} {arguments[:2]}")
        elif event == "open" and isinstance(arguments[2], int) and arguments[2] & writing:
            changes.append(f"opened for writing: {arguments[0]}")

    sys.addaudithook(hook)


def _child(folder: Path, answer: int) -> None:
    outcome, changes = Outcome(), []
    limited(PATIENCE)
    _watch(changes)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", DeprecationWarning)
        _read(folder, outcome)
    outcome.faults += changes
    os.write(answer, json.dumps(asdict(outcome)).encode())


def in_a_child(folder: Path) -> Outcome:
    """Read a folder in a fork of this process."""
    came, answer = os.pipe()
    errors = os.memfd_create("errors")
    pid = os.fork()
    if pid == 0:
        os.dup2(errors, 2)
        try:
            _child(folder, answer)
        except BaseException as error:
            os.write(2, place(error).encode("utf-8", "replace"))
            os._exit(3)
        os._exit(0)
    os.close(answer)
    with os.fdopen(came, "rb") as file:
        text = file.read()
    _, status, usage = os.wait4(pid, 0)
    said = os.pread(errors, 1 << 16, 0).decode("utf-8", "replace")
    os.close(errors)
    outcome = Outcome(**json.loads(text)) if text else Outcome()
    if status:
        ended = f"signal {signal.Signals(status & 0x7F).name}" if status & 0x7F else f"exit {status >> 8}"
        outcome.faults.append(f"child ended with {ended}: {_last_lines(said)}")
    if _personal(said):
        outcome.faults.append("standard error tells a name or id")
    outcome.peak_mb = usage.ru_maxrss / 1024
    return outcome


def _last_lines(said: str) -> str:
    lines = [re.sub(r'File ".*/workbench/', "", line).strip() for line in said.splitlines() if "File " in line]
    return " < ".join(lines[:4]) or said[-300:]


def contents(folder: Path) -> str:
    """Digest of a tree: names, kinds, sizes, times, and what is in its files."""
    digest = hashlib.blake2b()
    for parent, folders, files in os.walk(os.fsencode(folder)):
        folders.sort()
        for name in sorted(files):
            path = os.path.join(parent, name)
            facts = os.lstat(path)
            digest.update(repr((path, facts.st_mode, facts.st_size, facts.st_mtime_ns)).encode())
            if os.path.isfile(path) and not os.path.islink(path):
                with open(path, "rb") as file:
                    digest.update(hashlib.file_digest(file, "blake2b").digest())
        facts = os.lstat(parent)
        digest.update(repr((parent, facts.st_mtime_ns)).encode())
    return digest.hexdigest()


class Reader:
    """A process that answers what a fresh child of it sees in a folder; its own folder must stay empty.

    Parameters
    ----------
    home : Path
        Empty folder: where it stands, its home, cache and temporary files.
    """

    def __init__(self, home: Path) -> None:
        root = Path(__file__).resolve().parent.parent
        places = dict.fromkeys(("HOME", "TMPDIR", "XDG_CACHE_HOME", "WORKBENCH_CACHE"), str(home))
        self.home = home
        self.process = subprocess.Popen(
            [sys.executable, "-B", "-m", "tests.forked"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            cwd=home, env={**os.environ, **places, "PYTHONPATH": str(root), "WORKBENCH_PROGRESS": "off"},
        )  # fmt: skip
        self._answer()

    def _answer(self) -> str:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise AssertionError("the reading process ended")
        return line

    def read(self, folder: Path) -> Outcome:
        """What a child sees in *folder*; that anything was written, there or elsewhere, is a fault."""
        assert self.process.stdin is not None
        before = contents(folder), contents(self.home)
        print(json.dumps(str(folder)), file=self.process.stdin, flush=True)
        outcome = Outcome(**json.loads(self._answer()))
        if (contents(folder), contents(self.home)) != before:
            outcome.faults.append("something was written")
        return outcome

    def close(self) -> None:
        """End the process."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait(30)
        assert self.process.stdout is not None
        self.process.stdout.close()


def main() -> None:
    """Answer folders until standard input ends."""
    warm_up()
    print("ready", flush=True)
    for line in sys.stdin:
        print(json.dumps(asdict(in_a_child(Path(json.loads(line))))), flush=True)


if __name__ == "__main__":
    main()
