"""One progress bar for everything that takes more than a second.

A bar on a terminal and in a notebook, plain lines elsewhere (log files, batch jobs), nothing when quiet. The lines of
a task of more than a second begin early and end with ``done`` or, where it was interrupted, ``stopped``.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterable, Iterator, Sized
from contextlib import contextmanager, suppress
from typing import Protocol, TypeVar

from workbench.options import options

T = TypeVar("T")

#: Seconds between two plain lines where there is no terminal, and before the first.
LINE_INTERVAL_S = 5.0
FIRST_LINE_S = 1.0


class Advance(Protocol):
    """What a running task calls: ``advance(n)`` after *n* more units are done."""

    def __call__(self, n: int = 1, /) -> None: ...


@contextmanager
def task(label: str, total: int | None, *, unit: str = "files") -> Iterator[Advance]:
    """Show progress of one task; yields the function to call with the units done.

    Examples
    --------
    >>> with task("reading", 3) as advance:
    ...     advance(3)
    """
    if options.progress == "off":
        yield lambda n=1: None
    elif options.progress == "lines" or (options.progress == "auto" and not _interactive()):
        yield from _lines(label, total, unit)
    else:
        yield from _bar(label, total, unit)


def track(items: Iterable[T], label: str, *, total: int | None = None, unit: str = "files") -> Iterator[T]:
    """Yield *items* while showing how many are done."""
    if total is None and isinstance(items, Sized):
        total = len(items)
    with task(label, total, unit=unit) as advance:
        for item in items:
            yield item
            advance(1)


def _in_notebook() -> bool:
    kernel = sys.modules.get("ipykernel")
    return kernel is not None and "ipykernel.zmqshell" in sys.modules


def _interactive() -> bool:
    return sys.stderr.isatty() or _in_notebook()


def _bar(label: str, total: int | None, unit: str) -> Iterator[Advance]:
    # tqdm.std, not tqdm.auto: the notebook bar is a widget whose state would be saved with the notebook.
    from tqdm.std import tqdm

    with tqdm(total=total, desc=label, unit=f" {unit}", leave=False, dynamic_ncols=True, delay=0.5) as bar:
        yield lambda n=1: bar.update(n) and None


def _lines(label: str, total: int | None, unit: str) -> Iterator[Advance]:
    """Plain lines: the first one early, one now and then, and at the end that it is done; quick tasks say nothing."""
    lines = _Lines(label, total, unit)
    # A timer, so that a task whose first step is a long one is heard of before that is done.
    early = threading.Timer(FIRST_LINE_S, lines.begin)
    early.daemon = True
    early.start()
    try:
        yield lines.advance
    except BaseException:
        lines.end("stopped at")
        raise
    finally:
        early.cancel()
    lines.end("done:")


class _Lines:
    """What a task says of itself in a log."""

    def __init__(self, label: str, total: int | None, unit: str) -> None:
        self._label, self._unit = label, unit
        self._of = f" of {total}" if total is not None else ""
        self._done = 0
        self._began = self._spoke = time.monotonic()
        self._said = self._ended = False
        self._lock = threading.Lock()

    def begin(self) -> None:
        """Say for the first time how far it is."""
        with self._lock:
            if not self._said and not self._ended:
                self._say(f"{self._label}: {self._done}{self._of} {self._unit}")

    def advance(self, n: int = 1) -> None:
        """Count *n* more units; say so where the last line is long ago."""
        self._done += n
        if time.monotonic() - self._spoke >= LINE_INTERVAL_S:
            with self._lock:
                self._say(f"{self._label}: {self._done}{self._of} {self._unit}")

    def end(self, how: str) -> None:
        """Say how it ended, where anything was said before."""
        with self._lock:
            self._ended = True
            if self._said:
                took = time.monotonic() - self._began
                self._say(f"{self._label}: {how} {self._done}{self._of} {self._unit}, {took:.0f} s")

    def _say(self, line: str) -> None:
        self._said, self._spoke = True, time.monotonic()
        # A log that nobody takes any more is no reason to stop.
        with suppress(OSError, ValueError):
            print(line, file=sys.stderr, flush=True)
