"""A function over every series, case or patient: in threads, or on a dask.distributed cluster."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from workbench.arguments import short
from workbench.errors import UsageError, WorkbenchError
from workbench.options import options
from workbench.progress import Advance, task

if TYPE_CHECKING:
    import pandas as pd

    from workbench.cohort.cohort import Cohort
    from workbench.labels.choosing import Select

#: What a function is applied to -> the columns that name it.
KEYS: Final = {
    "series": ("node", "patient_id", "timepoint", "series_uid", "part"),
    "case": ("node", "patient_id", "timepoint"),
    "patient": ("node", "patient_id"),
}
Key = tuple[Any, ...]


@dataclass(frozen=True)
class Outcome:
    """What became of one."""

    #: What the function gave; None where it failed.
    result: Any
    #: Why it failed; empty where it did not.
    reason: str = ""


#: Tries of a failing one at most: what failed so often fails always.
MOST_RETRIES: Final = 100


def mapped(
    cohort: Cohort,
    function: Callable[..., Any],
    *,
    on: str,
    client: Any,
    masks: bool | Select,
    retries: int,
    workers: int | None,
) -> pd.DataFrame:
    """Results of a function over a cohort; see :meth:`Cohort.map`."""
    from workbench.cohort.images.loading import check_masks
    from workbench.cohort.images.parts import counted, image_parts

    if on not in KEYS:
        raise UsageError(f"on cannot be {on!r}", remedy=f"use {', '.join(KEYS)}")
    if not callable(function):
        raise UsageError("the function is none", remedy="for example lambda ds: float(ds['image'].mean())")
    if not isinstance(retries, int) or isinstance(retries, bool) or not 0 <= retries <= MOST_RETRIES:
        raise UsageError(f"retries cannot be {short(retries)}", remedy=f"use a whole number of 0 to {MOST_RETRIES}")
    count = options.workers if workers is None else workers
    if not isinstance(count, int) or isinstance(count, bool) or count < 1:
        raise UsageError(f"workers cannot be {workers!r}", remedy="use a whole number of 1 or more")
    if masks is not False and on != "series":
        raise UsageError("masks= is for on='series'", remedy="load what you need within the function")
    check_masks(masks)
    parts = image_parts(cohort)
    keys: list[Key] = list(dict.fromkeys(tuple(getattr(part, name) for name in KEYS[on]) for part in parts))
    unit = counted((part.node, part.series_uid) for part in parts) if on == "series" else f"{on}s"
    work = _Work(function, on, masks)
    with task("mapping", len(keys), unit=unit) as advance:
        if client is None:
            found = _in_threads(cohort, work, keys, retries, count, advance)
        else:
            found = _on_cluster(cohort, work, keys, retries, client, advance)
    return _table(on, keys, [found[key] for key in keys])


@dataclass(frozen=True)
class _Work:
    """What is done with each."""

    function: Callable[..., Any]
    on: str
    masks: bool | Select

    def apply(self, cohort: Cohort, key: Key) -> Any:
        try:
            return self._given(cohort, key)
        except SystemExit as end:
            # Else it would end the thread, or the worker, that does the others too.
            raise RuntimeError(f"the function would have ended the program: SystemExit({end.code!r})") from None

    def _given(self, cohort: Cohort, key: Key) -> Any:
        if self.on == "series":
            return self.function(cohort.load(key[3], node=key[0], part=key[4], masks=self.masks))
        from workbench.cohort.images.loading import datatree_of

        return self.function(datatree_of(cohort, *key))


def _in_threads(
    cohort: Cohort, work: _Work, keys: list[Key], retries: int, count: int, advance: Advance
) -> dict[Key, Outcome]:
    def one(key: Key) -> Outcome:
        for left in range(retries, -1, -1):
            try:
                return Outcome(work.apply(cohort, key))
            except Exception as error:
                if not left:
                    return Outcome(None, _reason(error))
        raise AssertionError

    found = {}
    with ThreadPoolExecutor(count) as pool:
        running = {pool.submit(one, key): key for key in keys}
        try:
            for future in as_completed(running):
                found[running[future]] = future.result()
                advance(1)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return found


def _on_cluster(
    cohort: Cohort, work: _Work, keys: list[Key], retries: int, client: Any, advance: Advance
) -> dict[Key, Outcome]:
    """Each key a task of its own: what a worker that dies had in hand, the scheduler gives to another."""
    try:
        from distributed import as_completed as completed
        from distributed.scheduler import KilledWorker
    except ImportError:
        from workbench.errors import MissingExtra

        raise MissingExtra(
            "a cluster needs the extra distributed", remedy='pip install "cancer-imaging-workbench[distributed]"'
        ) from None
    if not hasattr(client, "submit"):
        raise UsageError("client is none of dask.distributed", remedy="client = distributed.Client(address)")
    # A cohort travels as bytes with each task, and is opened once per worker: data scattered beforehand would be lost
    # with the worker that held it.
    packed = pickle.dumps(cohort)
    running = {
        client.submit(_remote, packed, work, key, retries=retries, pure=False, key=f"workbench-map-{id(work)}-{n}"): key
        for n, key in enumerate(keys)
    }
    found = {}
    try:
        for future in completed(list(running)):  # type: ignore[no-untyped-call]
            error = future.exception()
            if error is None:
                found[running[future]] = Outcome(future.result())
            elif isinstance(error, KilledWorker):
                found[running[future]] = Outcome(None, "the workers it was given to died, as a rule for want of memory")
            else:
                found[running[future]] = Outcome(None, _reason(error))
            future.release()
            advance(1)
    except BaseException:
        client.cancel([future for future in running if not future.done()])
        raise
    return found


def _remote(packed: bytes, work: _Work, key: Key) -> Any:
    return work.apply(_opened(packed), key)


@lru_cache(maxsize=4)
def _opened(packed: bytes) -> Cohort:
    """The cohort, opened once in this process."""
    options.progress = "off"
    cohort: Cohort = pickle.loads(packed)
    return cohort


def _reason(error: BaseException) -> str:
    if isinstance(error, WorkbenchError):
        return f"{error.what}. {error.remedy}" if error.remedy else error.what
    text = str(error)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _table(on: str, keys: list[Key], outcomes: list[Outcome]) -> pd.DataFrame:
    import pandas as pd

    table = pd.DataFrame(keys, columns=list(KEYS[on]))
    good = [outcome.result for outcome in outcomes if not outcome.reason]
    if good and all(isinstance(result, Mapping) for result in good):
        for name in dict.fromkeys(name for result in good for name in result):
            # Who a row is about, and whether it failed, is not the function's to say.
            column = f"result_{name}" if name in (*KEYS["series"], "reason") else str(name)
            table[column] = [None if outcome.reason else outcome.result.get(name) for outcome in outcomes]
    else:
        # One object a row, also where each is a list or an array.
        table["result"] = pd.Series([outcome.result for outcome in outcomes], dtype=object)
        if good and all(isinstance(result, (int, float)) and not isinstance(result, bool) for result in good):
            table["result"] = pd.to_numeric(table["result"])
    table["reason"] = [outcome.reason for outcome in outcomes]
    return table
