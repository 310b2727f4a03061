"""One progress bar for everything that takes more than a second.

A bar on a terminal and in a notebook, plain lines elsewhere (log files, batch jobs), nothing when quiet.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator, Sized
from contextlib import contextmanager
from typing import Protocol, TypeVar

from workbench.options import options

T = TypeVar("T")

#: Seconds between two plain lines where there is no terminal.
LINE_INTERVAL_S = 5.0


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
    done = 0
    spoke = time.monotonic()

    def advance(n: int = 1) -> None:
        nonlocal done, spoke
        done += n
        now = time.monotonic()
        if now - spoke >= LINE_INTERVAL_S:
            spoke = now
            of = f" of {total}" if total is not None else ""
            print(f"{label}: {done}{of} {unit}", file=sys.stderr, flush=True)

    yield advance
