"""Cases spread over processes; a process that dies costs the case it died of, and no other."""

from __future__ import annotations

import pickle
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures.process import BrokenProcessPool
from typing import TYPE_CHECKING, Final

from workbench.errors import WorkbenchError
from workbench.measure.case_rows import Request, Row, measure_case, refusal
from workbench.measure.cohort_cases import Case
from workbench.processes import Pool

if TYPE_CHECKING:
    from workbench.cohort import Cohort

#: Cases handed out per process, measured or waiting: few, so that little is lost when one dies.
AHEAD: Final = 2

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
    pool = Pool(workers, start=_start, given=(pickle.dumps((cohort, request)),))
    handed: dict[Future[list[Row]], Case] = {}
    try:
        while waiting or handed:
            while waiting and len(handed) < workers * AHEAD:
                case = waiting.popleft()
                handed[pool.submit(_work, case)] = case
            done, _ = wait(handed, return_when=FIRST_COMPLETED)
            for future in done:
                rows = future.result()
                yield handed.pop(future), rows
        return []
    except BrokenProcessPool:
        return list(handed.values())
    finally:
        pool.end()


def _start(packed: bytes) -> None:
    try:
        _here.append(pickle.loads(packed))
    except WorkbenchError as error:
        # Raised where the work is asked for, or the pool would only say that it broke.
        _here.append(error)


def _work(case: Case) -> list[Row]:
    here = _here[0]
    if isinstance(here, WorkbenchError):
        raise here
    return measure_case(here[0], case, here[1])
