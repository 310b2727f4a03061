"""A series planned -> the facts of it that the cohort's tables keep, whoever handed it over; and those kept before."""

from __future__ import annotations

import hashlib
import json
import math
import os
import time
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from workbench import __version__
from workbench.cohort.tables.grids import of_part
from workbench.dicom.index import write_parquet
from workbench.dicom.series import Series, rows_by_series, rows_of, series_of, usable
from workbench.dicom.stacks.frame_table import with_frames
from workbench.dicom.stacks.stack import Plan
from workbench.errors import WriteError
from workbench.findings import Finding
from workbench.options import options
from workbench.processes import Pool
from workbench.progress import task

#: Raised by one whenever a plan, or what is kept of it, changes its meaning.
FORMAT: Final = 1
#: Header values of the first instance that speak for the series.
FIRST: Final = (
    "path", "PatientID", "PatientSex", "PatientAge", "StudyInstanceUID", "Modality", "SeriesDescription",
    "StudyDescription", "SeriesNumber", "BodyPartExamined", "Manufacturer", "ManufacturerModelName", "StudyDate",
    "StudyTime",
)  # fmt: skip
#: What tells that a file is what it was.
_OF_FILE: Final = ("path", "size", "stamp", "header_digest")
#: Series, and images in them, from which on other processes help: below, starting them takes longer.
MANY_SERIES: Final = 1000
MANY_IMAGES: Final = 50_000
#: Series that a process is given at once.
AT_ONCE: Final = 64
#: Facts of series of other states are forgotten when all are more than so many times those of now.
MOST_KNOWN: Final = 2
#: Seconds after which a running planning keeps what it has.
KEEP_EVERY_S: Final = 20.0
_KEY: Final = b"workbench.planned"


@dataclass(frozen=True)
class PlannedSeries:
    """What planning tells of one series; the same whichever node handed it over."""

    #: SeriesInstanceUID.
    uid: str
    #: ``image``, or what else it is.
    kind: str
    #: Header values of its first instance.
    first: dict[str, Any]
    #: Instances, each once; frames, of images alone; bytes of its files.
    n_instances: int
    n_frames: int
    bytes: int
    #: Whether its frames can be decoded here.
    decodable: bool
    #: Parts as in the cohort's table of them, without node, series and number.
    parts: tuple[dict[str, Any], ...] = ()
    #: What is irregular, with the series named.
    findings: tuple[Finding, ...] = ()

    @classmethod
    def of(cls, series: Series) -> PlannedSeries:
        """Facts of a planned series."""
        rows = series.rows
        first = {name: rows[name][0].as_py() for name in FIRST}
        return cls(
            series.uid, series.kind, first, rows.num_rows, series.n_frames if series.kind == "image" else 0,
            int(np.sum(rows["size"].to_numpy())), series.decodable,
            tuple(_part(series, plan) for plan in series.plans), (*_identity(series, first["path"]), *series.findings),
        )  # fmt: skip

    @classmethod
    def read(cls, text: str) -> PlannedSeries:
        """What :meth:`written` wrote."""
        held = json.loads(text)
        held["parts"] = tuple(held["parts"])
        held["findings"] = tuple(Finding(**finding) for finding in held["findings"])
        return cls(**held)

    def written(self) -> str:
        """As JSON."""
        held = {**vars(self), "findings": [asdict(finding) for finding in self.findings]}
        return json.dumps(held, separators=(",", ":"))


class Plans:
    """What is known of an extract's series from earlier openings, in its folder of the cache.

    Parameters
    ----------
    folder : Path
        Folder in the cache that belongs to this extract alone.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._signature = json.dumps([FORMAT, __version__]).encode()

    @property
    def path(self) -> Path:
        """The finished table."""
        return self.folder / "planned.parquet"

    def read(self) -> dict[str, str]:
        """Facts of series as text, by the state of their files; what cannot be read counts as not there."""
        known: dict[str, str] = {}
        for path in (self.path, *self._parts()):
            with suppress(OSError, pa.ArrowInvalid):
                table = pq.read_table(path)
                if (table.schema.metadata or {}).get(_KEY) == self._signature:
                    known.update(zip(table["state"].to_pylist(), table["facts"].to_pylist(), strict=True))
        return known

    @property
    def interrupted(self) -> bool:
        """Whether parts of an unfinished planning are waiting."""
        return bool(self._parts())

    def add(self, facts: dict[str, str]) -> None:
        """Keep what a running planning has; a cache that is full costs only that."""
        with suppress(WriteError):
            self._write(facts, self.folder / f"planned-{len(self._parts()):05d}-{os.getpid()}.parquet")

    def finish(self, facts: dict[str, str]) -> None:
        """Keep all facts, and forget those of earlier states."""
        with suppress(WriteError):
            self._write(facts, self.path)
            for part in self._parts():
                part.unlink(missing_ok=True)

    def _parts(self) -> list[Path]:
        return sorted(self.folder.glob(f"planned-{'[0-9]' * 5}-*.parquet"))

    def _write(self, facts: dict[str, str], path: Path) -> None:
        table = pa.table({"state": list(facts), "facts": list(facts.values())}, metadata={_KEY: self._signature})
        write_parquet(table, path)


def plan_all(table: pa.Table, root: Path, *, label: str, plans: Plans | None = None) -> Iterator[PlannedSeries]:
    """Every series of a header table, planned, in order of first path.

    Parameters
    ----------
    table : pyarrow.Table
        Header table as :func:`workbench.dicom.scan.scan` gives it.
    root : Path
        Folder its paths are relative to.
    label : str
        What the progress bar says.
    plans : Plans, optional
        What is known from before: series whose files are what they were are not planned again.
    """
    table = usable(table)
    series = list(rows_by_series(table))
    states = _states(table, series)
    known = plans.read() if plans is not None else {}
    todo = [number for number, state in enumerate(states) if state not in known]
    facts = {state: known[state] for state in states if state in known}
    fresh: dict[str, str] = {}
    kept_at = time.monotonic()
    with task(label, len(series), unit="series") as advance:
        advance(len(series) - len(todo))
        try:
            with closing(_planned(table, root, series, todo)) as made:
                for number, text in made:
                    fresh[states[number]] = text
                    advance(1)
                    if plans is not None and time.monotonic() - kept_at > KEEP_EVERY_S:
                        plans.add(fresh)
                        facts.update(fresh)
                        fresh, kept_at = {}, time.monotonic()
        except KeyboardInterrupt:
            if plans is not None and fresh:
                plans.add(fresh)
            raise
    facts.update(fresh)
    # A cohort of a lock file leaves series out: what is known of them stays for those who open all, within limits.
    crowded = len(known) > MOST_KNOWN * len(facts)
    if plans is not None and (todo or crowded or plans.interrupted):
        plans.finish(facts if crowded else known | facts)
    for state in states:
        yield PlannedSeries.read(facts[state])


Rows = Sequence[tuple[str, NDArray[np.int64]]]


def _states(table: pa.Table, series: Rows) -> list[str]:
    """A digest for each series of what tells that its files are what they were."""
    columns = [table[name].cast(pa.string()) for name in _OF_FILE]
    lines = pc.binary_join_element_wise(*columns, "\0", null_handling="replace", null_replacement="")
    texts = lines.to_pylist()
    return [
        hashlib.blake2b("\n".join([uid, *(texts[row] for row in rows.tolist())]).encode(), digest_size=20).hexdigest()
        for uid, rows in series
    ]


def _planned(table: pa.Table, root: Path, series: Rows, todo: Sequence[int]) -> Generator[tuple[int, str], None, None]:
    """Each series to do with its facts, as they are finished."""
    images = sum(len(series[number][1]) for number in todo)
    if options.workers > 1 and (len(todo) >= MANY_SERIES or images >= MANY_IMAGES):
        done = set()
        with suppress(BrokenProcessPool):
            for number, text in _side_by_side(table, root, series, todo):
                done.add(number)
                yield number, text
        # A process that died, as a rule for want of memory: the rest is planned here.
        todo = [number for number in todo if number not in done]
    for start in range(0, len(todo), AT_ONCE):
        numbers = todo[start : start + AT_ONCE]
        yield from zip(numbers, _plan_each(*_together(table, series, numbers), root), strict=True)


def _side_by_side(table: pa.Table, root: Path, series: Rows, todo: Sequence[int]) -> Iterator[tuple[int, str]]:
    """As :func:`_planned`, in several processes."""
    workers = min(options.workers, 8)
    pool = Pool(workers)
    waiting = [todo[start : start + AT_ONCE] for start in range(0, len(todo), AT_ONCE)][::-1]
    handed: dict[Future[list[str]], Sequence[int]] = {}
    try:
        while waiting or handed:
            while waiting and len(handed) < workers + 2:
                numbers = waiting.pop()
                rows, lengths = _together(table, series, numbers)
                handed[pool.submit(_plan_some, _packed(rows), lengths, root)] = numbers
            done, _ = wait(handed, return_when=FIRST_COMPLETED)
            for future in done:
                yield from zip(handed.pop(future), future.result(), strict=True)
    finally:
        pool.end()


def _packed(rows: pa.Table) -> bytes:
    """Rows as bytes, those alone: a pickled slice would hold the whole table."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, rows.schema) as stream:
        stream.write_table(rows)
    packed: bytes = sink.getvalue().to_pybytes()
    return packed


Lengths = Sequence[tuple[str, int]]


def _together(table: pa.Table, series: Rows, numbers: Sequence[int]) -> tuple[pa.Table, Lengths]:
    """Rows of some series, one after another, and how many each has."""
    rows = rows_of(table, np.concatenate([series[number][1] for number in numbers]))
    return rows, [(series[number][0], len(series[number][1])) for number in numbers]


def _plan_some(packed: bytes, lengths: Lengths, root: Path) -> list[str]:
    """Facts of series whose rows follow one another, sent from another process."""
    return list(_plan_each(pa.ipc.open_stream(packed).read_all().combine_chunks(), lengths, root))


def _plan_each(table: pa.Table, lengths: Lengths, root: Path) -> Iterator[str]:
    # Rows of frames are made for all of them at once where each file is one frame: for each series alone it takes long.
    table, start = with_frames(table), 0
    for uid, length in lengths:
        yield PlannedSeries.of(series_of(uid, table.slice(start, length), root)).written()
        start += length


def _identity(series: Series, path: str) -> list[Finding]:
    """What is wrong with the patient and study that a series' headers name."""
    named = {value for value in series.rows["PatientID"].to_pylist() if value}
    studies = {value for value in series.rows["StudyInstanceUID"].to_pylist() if value}
    found = []
    if not named:
        found.append(Finding("patient-id-missing", "counted as a patient of its own per study"))
    if len(named) > 1:
        found.append(Finding("patient-id-mixed", f"{len(named)} patient ids in one series", count=len(named)))
    if len(studies) > 1:
        found.append(Finding("study-mixed", f"{len(studies)} studies in one series", count=len(studies)))
    return [replace(finding, series_uid=series.uid, path=path) for finding in found]


def _part(series: Series, plan: Plan) -> dict[str, Any]:
    return {
        **of_part(plan.grid),
        "n_frames": plan.n_frames,
        "ImageType": plan.rows["ImageType"][0].as_py(),
        "extra_dim": ", ".join(extra.name for extra in plan.extras) or None,
        "n_extra": math.prod(len(extra.values) for extra in plan.extras) if plan.extras else None,
        "single_orientation": len(series.plans) == 1,
        "unique_positions": not plan.refused,
        "loadable": not plan.refused and series.decodable and not series.conflicting,
    }
