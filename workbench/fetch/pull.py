"""A selection of a DICOMweb archive -> an extract folder: resumable, verified, whole or not there."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from workbench.arguments import checked
from workbench.errors import FetchError, UsageError
from workbench.fetch.arrivals import Arrivals, Received
from workbench.fetch.query import SERIES, STUDY, Query, first_value, matches
from workbench.fetch.server import Server
from workbench.options import options
from workbench.progress import task

#: Series that are asked for and verified together at most.
AHEAD: Final = 2
#: Tags of results: what identifies, what is counted, what is shown.
_STUDY_FIELDS: Final = ("00201206", "00201208")
_SERIES_FIELDS: Final = ("00201209", "00080060", "0008103E", "00180015")
_UID: Final = frozenset("0123456789.")


@dataclass(frozen=True, slots=True)
class SelectedSeries:
    """One series that the server holds and the query selects."""

    #: StudyInstanceUID.
    study_uid: str
    #: SeriesInstanceUID.
    series_uid: str
    #: Modality, as the server says.
    modality: str
    #: Instances, as the server says; None where it does not.
    n_instances: int | None

    @property
    def folder(self) -> str:
        """Where it goes: no name of a patient, no number of theirs."""
        return f"{self.study_uid}/{self.series_uid}"


@dataclass(frozen=True, slots=True)
class Fetched:
    """A finished pull."""

    #: The extract folder; open it with ``wb.open_cohort``.
    path: Path
    #: Studies, series and instances in it.
    n_studies: int
    n_series: int
    n_instances: int
    #: Instances received now; the others were there from an earlier, interrupted pull.
    n_received: int
    #: Bytes in it.
    n_bytes: int
    #: What the server said that does not fit together, one line each.
    remarks: tuple[str, ...] = ()


@checked
def selection(url: str, *, query: Query | Mapping[str, str] | Iterable[str]) -> list[SelectedSeries]:
    """Series of a DICOMweb server that a query selects, by UID; nothing is pulled.

    Parameters
    ----------
    url : str
        Base address, what stands before ``/studies``.
    query : Query, mapping or iterable of ``KEYWORD=VALUE``
        See :meth:`Query.of`.

    Raises
    ------
    UsageError
        The address or the query cannot be used.
    FetchError
        The server does not answer, or refuses.
    """
    return list(_selected(Server(url), _asked(query)))


@checked
def dicomweb(
    url: str, *, query: Query | Mapping[str, str] | Iterable[str], out: str | Path, everything: bool = False
) -> Fetched:
    """Extract folder with what a query selects on a DICOMweb server, byte for byte as the server stores it.

    Files arrive in a hidden folder beside *out*, which gets its name when all of them are there and verified, so a
    pull that was interrupted is never taken for an extract; the same call goes on where it was. Files lie at
    ``<StudyInstanceUID>/<SeriesInstanceUID>/<SOPInstanceUID>.dcm``; ``manifest-sha256.txt`` and ``fetch.json`` stand
    beside them.

    Parameters
    ----------
    url : str
        Base address, what stands before ``/studies``; https, or http on this machine. Credentials come from the
        environment, see :mod:`workbench.fetch.server`.
    query : Query, mapping or iterable of ``KEYWORD=VALUE``
        See :meth:`Query.of`.
    out : path
        Folder to make; it must not exist, or be the finished pull of the same selection.
    everything : bool, default False
        Allow a query without conditions, which is all the server holds; with conditions it is refused.

    Raises
    ------
    UsageError
        The address, the query or the folder cannot be used.
    FetchError
        The server does not answer, refuses, or sent what is not whole. What arrived is kept.
    WriteError
        The folder cannot be written.

    Examples
    --------
    ``wb.fetch.dicomweb("https://pacs.example/dicom-web", query=["Modality=CT"], out="extracts/pacs")``
    """
    asked = _asked(query)
    if not asked and not everything:
        raise UsageError(
            "a query without conditions selects all the server holds", remedy="narrow it, or everything=True"
        )
    if asked and everything:
        raise UsageError(
            "a query with conditions does not select everything", remedy="leave the query or everything out"
        )
    server = Server(url)
    arrivals = Arrivals(Path(out))
    with arrivals:
        chosen = list(_selected(server, asked))
        if not chosen:
            raise FetchError("nothing on the server fits the query", remedy="widen it; values match whole, or with *")
        arrivals.refuse_others({one.folder for one in chosen})
        total = sum(one.n_instances or 0 for one in chosen) or None
        remarks: list[str] = []
        with task("pulling", total, unit="objects") as advance:
            for one, instances in _listed(server, chosen):
                if one.n_instances is not None and one.n_instances != len(instances):
                    remarks.append(f"{one.series_uid}: {one.n_instances} objects announced, {len(instances)} listed")
                _series(server, arrivals, one, instances, advance)
        return _finish(arrivals, server, asked, chosen, remarks)


def _asked(query: Query | Mapping[str, str] | Iterable[str]) -> Query:
    if isinstance(query, str):
        return Query.of([query])
    return query if isinstance(query, Query) else Query.of(query)


def _selected(server: Server, query: Query) -> Iterator[SelectedSeries]:
    for study in server.search("studies", query.study, _STUDY_FIELDS):
        if not matches(study, query.study, STUDY):
            continue
        study_uid = _uid(study, "0020000D")
        for series in server.search(f"studies/{study_uid}/series", query.series, _SERIES_FIELDS):
            if matches(series, query.series, SERIES):
                count = first_value(series, "00201209")
                yield SelectedSeries(
                    study_uid,
                    _uid(series, "0020000E"),
                    first_value(series, "00080060"),
                    int(count) if count.isdecimal() and len(count) < 10 else None,
                )


def _uid(item: Mapping[str, Any], tag: str) -> str:
    """A UID of an answer, which becomes the name of a file: digits and dots, or refused."""
    value = first_value(item, tag).strip()
    if not value or len(value) > 64 or not set(value) <= _UID or not value[0].isdecimal() or ".." in value:
        raise FetchError("the server names an object by what is no UID", remedy="ask who runs it")
    return value


def _listed(server: Server, chosen: list[SelectedSeries]) -> Iterator[tuple[SelectedSeries, list[str]]]:
    for one in chosen:
        path = f"studies/{one.study_uid}/series/{one.series_uid}/instances"
        found = server.search(path, {}, (), expected=one.n_instances)
        yield one, sorted({_uid(item, "00080018") for item in found})


def _series(server: Server, arrivals: Arrivals, one: SelectedSeries, instances: list[str], advance: Any) -> None:
    """Bring what is missing of one series, and verify all of it."""
    wanted = {f"{one.folder}/{uid}.dcm": uid for uid in instances}
    missing = [name for name in wanted if not arrivals.has(name)]
    advance(len(wanted) - len(missing))
    for attempt in (1, 2):
        for received in _downloads(server, arrivals, one, wanted, missing):
            arrivals.note(received)
            if attempt == 1:
                advance(1)
        odd = arrivals.odd(one.folder, wanted, one)
        if not odd:
            return
        # What arrived and is not what it should be is asked for once more.
        missing = arrivals.drop(odd)
    raise FetchError(
        f"{len(missing)} object(s) of a series do not arrive as they should: {odd[missing[0]]}",
        series=one.series_uid, remedy="ask who runs the server; what arrived is kept",
    )  # fmt: skip


def _downloads(
    server: Server, arrivals: Arrivals, one: SelectedSeries, wanted: Mapping[str, str], missing: list[str]
) -> Iterator[Received]:
    """Objects as they arrive; after a failure no other is begun, and those on the way are kept."""

    def bring(name: str) -> Received:
        path = f"studies/{one.study_uid}/series/{one.series_uid}/instances/{wanted[name]}"
        digest, size = hashlib.sha256(), 0
        with arrivals.aside(name) as place:
            for piece in server.download(path, place):
                digest.update(piece)
                size += len(piece)
        return Received(name, size, digest.hexdigest())

    waiting = iter(missing)
    failed: BaseException | None = None
    with ThreadPoolExecutor(max_workers=min(options.workers, 4)) as pool:
        running: set[Future[Received]] = set()
        while True:
            while failed is None and len(running) < 2 * pool._max_workers and (name := next(waiting, None)):
                running.add(pool.submit(bring, name))
            if not running:
                break
            done, running = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                if (error := future.exception()) is not None:
                    failed = failed or error
                else:
                    yield future.result()
    if failed is not None:
        raise failed


def _finish(
    arrivals: Arrivals, server: Server, query: Query, chosen: list[SelectedSeries], remarks: list[str]
) -> Fetched:
    files = arrivals.finish({
        "format": 1,
        "server": server.name,
        "query": query.shown(),
        "studies": len({one.study_uid for one in chosen}),
        "series": len(chosen),
        "by_modality": dict(sorted(Counter(one.modality or "?" for one in chosen).items())),
        "remarks": remarks,
    })  # fmt: skip
    return Fetched(
        arrivals.out,
        len({one.study_uid for one in chosen}),
        len(chosen),
        len(files),
        arrivals.n_received,
        sum(file.size for file in files),
        tuple(remarks),
    )
