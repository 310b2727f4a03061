"""Processes that help this one: started clean, without running the caller's script again, gone when this one is."""

from __future__ import annotations

import multiprocessing
import os
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing.util import Finalize
from typing import Any, Final, TypeVar

R = TypeVar("R")

#: Seconds after which a process looks again whether the one that asked is there.
LOOK_EVERY_S: Final = 1.0


class Pool:
    """Processes started clean ("spawn"), each after an initializer.

    Parameters
    ----------
    workers : int
        How many.
    start : callable, optional
        Run in each of them before anything else.
    given : tuple
        Its arguments.

    Raises
    ------
    BrokenProcessPool
        From the results, where a process died.
    """

    def __init__(self, workers: int, *, start: Callable[..., None] | None = None, given: tuple[Any, ...] = ()) -> None:
        self._pool = ProcessPoolExecutor(
            workers,
            mp_context=multiprocessing.get_context("spawn"),
            initializer=_start,
            initargs=(start, given),
        )

    def submit(self, call: Callable[..., R], *given: Any) -> Future[R]:
        """The result to come of a call in one of the processes; all of it must be picklable."""
        with _no_main_module():
            return self._pool.submit(call, *given)

    def end(self) -> None:
        """Wait for what runs, and drop what waits."""
        self._pool.shutdown(wait=True, cancel_futures=True)


def _start(start: Callable[..., None] | None, given: tuple[Any, ...]) -> None:
    from workbench.options import options

    options.progress = "off"
    over = threading.Event()
    threading.Thread(target=_end_with_parent, args=(over,)).start()
    # Before the interpreter waits for its threads.
    Finalize(None, over.set, exitpriority=100)
    if start is not None:
        start(*given)


def _end_with_parent(over: threading.Event) -> None:
    """End this process when the one that asked is gone, also by kill -9: nobody takes its results any more."""
    parent = multiprocessing.parent_process()
    while parent is not None and not over.wait(LOOK_EVERY_S):
        if not parent.is_alive():
            os._exit(1)


@contextmanager
def _no_main_module() -> Iterator[None]:
    """Start processes without running the caller's script again: a script needs no ``if __name__`` guard."""
    main = sys.modules["__main__"]
    kept = {name: getattr(main, name) for name in ("__file__", "__spec__") if hasattr(main, name)}
    try:
        for name in kept:
            setattr(main, name, None)
        yield
    finally:
        for name, value in kept.items():
            setattr(main, name, value)
