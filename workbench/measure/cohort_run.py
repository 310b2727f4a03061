"""The whole cohort to one tidy table: in processes, resumable, a failing case is a row with its reason."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from workbench.arguments import checked
from workbench.errors import UsageError, WriteError
from workbench.measure.case_rows import Request, Row
from workbench.measure.cohort_cases import Case, cases
from workbench.measure.workers import run
from workbench.options import options
from workbench.progress import task
from workbench.writing import write_text

if TYPE_CHECKING:
    import pandas as pd

    from workbench.cohort import Cohort
    from workbench.labels.choosing import Select
    from workbench.labels.names import Names
    from workbench.measure.settings import Settings

#: Columns of the table, in order.
COLUMNS: Final = (
    "node", "patient_id", "timepoint", "series_uid", "modality", "part", "segment", "segment_code", "segment_number",
    "segment_standard", "segment_source_uid", "group", "feature", "value", "unit", "ibsi", "reason",
    "settings_digest", "image_digest", "mask_digest",
)  # fmt: skip

#: Fewer cases than this are not worth the start of a process, which takes as long as measuring some ten of them.
CASES_PER_WORKER: Final = 16


@checked
def volumes(
    cohort: Cohort,
    *,
    masks: bool | Select = True,
    names: Names | None = None,
    threshold: float | None = None,
    resample: Literal["nearest"] | None = None,
    workers: int | None = None,
    resume: bool = True,
) -> pd.DataFrame:
    """Volume of every segment of a cohort, by mesh and by voxels, mm3: a row per segment and feature.

    Parameters, result and errors are those of :func:`features_of_cohort`; images are not read.

    Examples
    --------
    >>> import tempfile
    >>> from workbench import open_cohort
    >>> from workbench.synthetic import write_federation
    >>> folder = tempfile.mkdtemp()
    >>> key = write_federation(folder + "/make-believe", patients=3, faults=[])
    >>> cohort = open_cohort(folder + "/make-believe/extracts/cedro")
    >>> volumes(cohort)[["segment", "feature", "unit"]].values.tolist()
    [['Tumour', 'n_voxels', '1'], ['Tumour', 'volume', 'mm3'], ['Tumour', 'volume_voxels', 'mm3']]
    """
    request = Request(("volume",), None, masks, names, threshold, resample)
    return measured(cohort, request, workers=workers, resume=resume)


@checked
def features_of_cohort(
    cohort: Cohort,
    *,
    groups: str | Sequence[str] = ("shape", "intensity"),
    settings: Settings | None = None,
    masks: bool | Select = True,
    names: Names | None = None,
    threshold: float | None = None,
    resample: Literal["nearest"] | None = None,
    workers: int | None = None,
    resume: bool = True,
) -> pd.DataFrame:
    """Features of every segment of a cohort: one tidy table, a row per segment and feature.

    Parameters
    ----------
    cohort : Cohort
        Its image series that segmentations refer to are measured, every part of them.
    groups, settings
        As in :func:`workbench.measure.features.features`.
    masks, names, threshold, resample
        As in ``cohort.load``: which masks count, further names of segments, fractions into masks, other grids.
    workers : int, optional
        Processes; by default ``options.workers``, or fewer where there are few cases. Each holds one case: memory is
        their number times the largest case.
    resume : bool, default True
        Take what an earlier run, also one that was killed, kept in the cache. Kept results are found by digests of the
        data, the settings and the version: one that no longer fits is never taken.

    Returns
    -------
    pandas.DataFrame
        ``node``, ``patient_id``, ``timepoint`` (the case), ``series_uid``, ``modality``, ``part``, ``segment`` and
        what is known of it (``segment_source_uid``: of which object), ``group``, ``feature``, ``value``, ``unit``
        (UCUM), ``ibsi``, ``reason``, ``settings_digest``, ``image_digest``, ``mask_digest``. What could not be
        measured, and what was irregular about masks, is a row without a feature, with its reason. ``attrs`` say how
        many cases there were (``cases``), of how many nothing could be measured (``cases_failed``), how
        many the cache could not keep (``cases_not_kept``, with ``not_kept_reason``), and which names of segments no
        table of names holds, by node (``unmapped_names``).

    Raises
    ------
    UsageError
        An unknown group, or *workers* is not a whole number above zero.
    MissingExtra
        Textures without mirp.
    """
    from workbench.measure.features import families

    request = Request(tuple(families(groups)), settings, masks, names, threshold, resample)
    return measured(cohort, request, workers=workers, resume=resume)


def measured(cohort: Cohort, request: Request, *, workers: int | None = None, resume: bool = True) -> pd.DataFrame:
    """Measured rows of all cases of a cohort, (row) with :data:`COLUMNS`; order of cases, then of segments.

    Parameters
    ----------
    cohort : Cohort
        Its image series that segmentations refer to are measured.
    request : Request
        What to measure.
    workers : int, optional
        Processes; by default ``options.workers``, or fewer where there are few cases. With 1 everything happens in this
        process.
    resume : bool, default True
        Take the results that an earlier run kept in the cache. They are found by digests of data, settings and
        version, so one that no longer fits is never taken.

    Raises
    ------
    UsageError
        *workers* is not a whole number above zero.
    """
    import pandas as pd

    if workers is not None and (not isinstance(workers, int) or isinstance(workers, bool) or workers < 1):
        raise UsageError(f"workers cannot be {workers!r}", remedy="use a whole number of 1 or more")
    _check(request)
    todo = cases(cohort)
    folder = options.cache_folder("measure", request.digest[:24])
    results: dict[str, list[Row]] = {}
    if resume:
        results = {case.key: rows for case in todo if (rows := _kept(folder, case)) is not None}
    open_cases = [case for case in todo if case.key not in results]
    not_kept: list[str] = []
    count = min(options.workers, max(1, len(open_cases) // CASES_PER_WORKER)) if workers is None else workers
    with task("measuring", len(todo), unit="series") as advance:
        advance(len(results))
        for case, rows in run(cohort, request, open_cases, count):
            results[case.key] = rows
            try:
                write_text(folder / f"{case.key}.json", json.dumps(rows))
            except WriteError as error:
                # A full cache costs the next run, not this one.
                not_kept.append(error.what)
            advance(1)
    settings = {"settings_digest": request.digest}
    rows = [row | about for case in todo for about in [_identified(case) | settings] for row in results[case.key]]
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    table["value"] = table["value"].astype("float64")
    table.attrs["unmapped_names"] = _unmapped(rows)
    table.attrs["cases"] = len(todo)
    table.attrs["cases_not_kept"] = len(not_kept)
    if not_kept:
        table.attrs["not_kept_reason"] = not_kept[0]
    table.attrs["cases_failed"] = sum(all(row["feature"] == "" for row in results[case.key]) for case in todo)
    return table


def _check(request: Request) -> None:
    """What no case could be measured with is the caller's mistake, told before the first."""
    from workbench.arrays.masks import MaskOptions
    from workbench.labels.names import name_table
    from workbench.measure.definitions import TEXTURES
    from workbench.measure.textures import require_mirp

    select = None if isinstance(request.masks, bool) else request.masks
    MaskOptions(select, request.names, request.threshold, request.resample)
    if request.masks is False:
        raise UsageError("masks=False leaves nothing to measure", remedy="use True, 'newest' or a mapping")
    name_table(request.names)
    if set(request.groups) & set(TEXTURES):
        require_mirp()


def _unmapped(rows: Sequence[Row]) -> dict[str, list[str]]:
    """Names of segments without a standard one, by node."""
    found: dict[str, set[str]] = {}
    for row in rows:
        if row["segment"] and not row["segment_standard"]:
            found.setdefault(row["node"], set()).add(row["segment"])
    return {node: sorted(names) for node, names in sorted(found.items())}


def _identified(case: Case) -> Row:
    named = ("node", "patient_id", "timepoint", "series_uid", "modality", "part", "image_digest", "mask_digest")
    return {name: getattr(case, name) for name in named}


def _kept(folder: Path, case: Case) -> list[Row] | None:
    """Result of an earlier run; None where there is none, or no whole one."""
    try:
        rows = json.loads((folder / f"{case.key}.json").read_text("utf-8"))
    except (OSError, ValueError):
        return None
    return rows if isinstance(rows, list) else None
