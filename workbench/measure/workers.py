"""Cases spread over processes; a process that dies costs the case it died of, and no other."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import sys
import threading
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing.util import Finalize
from typing import TYPE_CHECKING, Final

from workbench.errors import WorkbenchError
from workbench.measure.case_rows import Request, Row, measure_case, refusal
from workbench.measure.cohort_cases import Case

if TYPE_CHECKING:
    from workbench.cohort import Cohort

#: Cases handed out per process, measured or waiting: few, so that little is lost when one dies.
AHEAD: Final = 2

#: Seconds after which a process looks again whether the one that asked is there.
LOOK_EVERY_S: Final = 1.0
#: What a worker process measures in, or why it cannot: set once by :func:`_start`.
_here: list[tuple[Cohort, Request] | WorkbenchError] = []


def run(cohort: Cohort, request: Request, cases: Sequence[Case], workers: int) -> Iterator[tuple[Case, list[Row]]]:
    """Each case with its rows, in the order they are finished.

    Parameters
    ----------
    cohort, request
        As in :func:`workbench.measure.case_rows.measure_case`.
    cases : sequence of Case
        What to measure.
    workers : int
        Processes; with 1, or one case, none is started.

    Notes
    -----
    Memory: processes times the largest case, about 250 MB of libraries each.
    """
    if workers == 1 or len(cases) < 2:
        for case in cases:
            yield case, measure_case(cohort, case, request)
        return
    waiting = deque(cases)
    while waiting:
        suspects = yield from _pooled(cohort, request, waiting, min(workers, len(waiting)))
        for case in suspects:
            # Alone in a process: only the case that kills it again is to blame.
            again = deque([case])
            if (yield from _pooled(cohort, request, again, 1)):
                yield case, [refusal("the measuring process was ended, as a rule for want of memory")]


def _pooled(
    cohort: Cohort, request: Request, waiting: deque[Case], workers: int
) -> Generator[tuple[Case, list[Row]], None, list[Case]]:
    """Cases with rows while the processes live; returns those that were handed out when one died."""
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(
        workers, mp_context=context, initializer=_start, initargs=(pickle.dumps((cohort, request)),)
    )
    handed: dict[Future[list[Row]], Case] = {}
    try:
        while waiting or handed:
            while waiting and len(handed) < workers * AHEAD:
                case = waiting.popleft()
                with _no_main_module():
                    handed[pool.submit(_work, case)] = case
            done, _ = wait(handed, return_when=FIRST_COMPLETED)
            for future in done:
                rows = future.result()
                yield handed.pop(future), rows
        return []
    except BrokenProcessPool:
        return list(handed.values())
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _start(packed: bytes) -> None:
    from workbench.options import options

    options.progress = "off"
    over = threading.Event()
    threading.Thread(target=_end_with_parent, args=(over,)).start()
    # Before the interpreter waits for its threads.
    Finalize(None, over.set, exitpriority=100)
    try:
        _here.append(pickle.loads(packed))
    except WorkbenchError as error:
        # Raised where the work is asked for, or the pool would only say that it broke.
        _here.append(error)


def _end_with_parent(over: threading.Event) -> None:
    """End this process when the one that asked is gone, also by kill -9: nobody takes its results any more."""
    parent = multiprocessing.parent_process()
    while parent is not None and not over.wait(LOOK_EVERY_S):
        if not parent.is_alive():
            os._exit(1)


def _work(case: Case) -> list[Row]:
    here = _here[0]
    if isinstance(here, WorkbenchError):
        raise here
    return measure_case(here[0], case, here[1])


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
