"""Images of a cohort in a Zarr store: sharded, compressed, each series whole or not there.

``PATH/<node>/<patient>/<study>/<series>[/part-N]`` are Zarr groups that any reader understands; an attribute of the
root lists them, so that opening costs one small file. Written by a digest of the series' files: what changed is
written again, and so is what its seal (:mod:`workbench.cohort.images.seal`) finds damaged.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from workbench import __version__
from workbench.arguments import checked
from workbench.cohort.images.seal import METADATA, digest_of, read_seal, write_seal
from workbench.cohort.images.sealed import REMEDY, read_sealed
from workbench.cohort.questions import small
from workbench.errors import DamagedStore, SeriesNotFound, UsageError, WorkbenchError, WriteError
from workbench.extracts.paths import inside
from workbench.options import options
from workbench.progress import track
from workbench.writing import write_text

if TYPE_CHECKING:
    import xarray as xr

    from workbench.cohort.cohort import Cohort
    from workbench.labels.choosing import Select

#: Attribute of the root group that lists what the store holds; it is written last.
INDEX: Final = "workbench_images"
#: Raised by one whenever what is written changes its meaning.
FORMAT: Final = 2
#: Arrays that masks are written as.
MASKS: Final = ("mask", "fraction")
_GROUP: Final = '{"attributes": {}, "zarr_format": 3, "node_type": "group"}\n'
_REMEDY: Final = "check the free space and the permissions, then run the same again: it goes on where it was"


class ImageStore:
    """Images in a Zarr store; made by ``cohort.cache``, opened again by :func:`open_store`."""

    def __init__(self, path: Path, entries: Sequence[dict[str, Any]], not_written: Sequence[str] = ()) -> None:
        #: Folder of the store.
        self.path = path
        #: One per series and part: node, patient_id, study_uid, series_uid, part, group, digest.
        self.entries: tuple[dict[str, Any], ...] = tuple(entries)
        #: Series that could not be written, with the reason.
        self.not_written: tuple[str, ...] = tuple(not_written)

    def load(self, series_uid: str, *, node: str | None = None, part: int | None = None) -> xr.Dataset:
        """Lazy Dataset of one series, equal to that of ``cohort.load``.

        Raises
        ------
        SeriesNotFound
            It is not in the store, or there are several and nothing says which.
        DamagedStore
            Files of it are missing or damaged; that bytes of an image are, shows when they are read.
        """
        found = [
            entry for entry in self.entries
            if entry["series_uid"] == series_uid and node in (None, entry["node"]) and part in (None, entry["part"])
        ]  # fmt: skip
        if len(found) != 1:
            what = "not in the store" if not found else f"{len(found)} parts or nodes in the store"
            raise SeriesNotFound(what, series=series_uid, remedy="see store.entries; choose with node= and part=")
        return read_sealed(self.path / found[0]["group"], found[0])

    def tree(self) -> xr.DataTree:
        """Lazy DataTree ``/node/patient/study/series[/part-N]``."""
        from workbench.arrays.tree import lazy_tree

        openers = {
            f"/{entry['group']}": partial(read_sealed, self.path / entry["group"], entry) for entry in self.entries
        }
        return lazy_tree(openers, not_loaded=self.not_written)

    def __len__(self) -> int:
        return len(self.entries)

    def __repr__(self) -> str:
        series = len({(entry["node"], entry["series_uid"]) for entry in self.entries})
        patients = len({(entry["node"], entry["patient_id"]) for entry in self.entries})
        if options.audience == "shareable":
            shown = small.beside(series, patients, options.min_count)
            enough = patients if patients >= options.min_count else f"<{options.min_count}"
            return f"images of {shown} series of {enough} patients in {self.path.name}"
        parts = f" in {len(self)} parts" if len(self) != series else ""
        return f"images of {series} series{parts} of {patients} patients in {self.path.name}"


@checked
@checked
def open_store(path: str | os.PathLike[str]) -> ImageStore:
    """Store that ``cohort.cache`` wrote.

    Raises
    ------
    UsageError
        No such store, or one that was never finished.
    DamagedStore
        The list of what it holds is damaged.

    Examples
    --------
    ``wb.cohort.open_store("cohort.zarr").tree()``
    """
    folder = Path(os.path.expanduser(path))
    index = _index(folder)
    if index is None:
        raise UsageError(
            "no finished store of images", file=folder.name, remedy="write it with cohort.cache(path); it goes on"
        )
    return ImageStore(folder, index["entries"], index["not_written"])


def write_store(
    cohort: Cohort, path: str | os.PathLike[str], *, masks: bool | Select, workers: int | None
) -> ImageStore:
    """Write what the store lacks; see :meth:`Cohort.cache`."""
    from workbench.cohort.images.loading import check_masks
    from workbench.cohort.images.parts import counted
    from workbench.cohort.outside import require_outside

    check_masks(masks)
    folder = Path(os.path.abspath(require_outside(path, cohort)))
    count = options.workers if workers is None else workers
    if not isinstance(count, int) or isinstance(count, bool) or count < 1:
        raise UsageError(f"workers cannot be {workers!r}", remedy="use a whole number of 1 or more")
    if folder.is_file() or (folder.exists() and not _is_ours(folder)):
        raise UsageError("it exists and is no Zarr store", file=folder.name, remedy="name another")
    wanted = list(_wanted(cohort, masks))
    if masks is False and any((folder / one["group"] / name).is_dir() for one in wanted for name in MASKS):
        raise UsageError(
            "the store holds masks, and masks=False would remove them",
            file=folder.name,
            remedy="give masks= as when it was written, or name another folder",
        )
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for left in folder.rglob(".*.tmp"):
            shutil.rmtree(left, ignore_errors=True)
    except OSError as error:
        raise WriteError(error.strerror or "not writable", file=folder.name, remedy=_REMEDY) from error
    if not (folder / METADATA).is_file():
        write_text(folder / METADATA, _GROUP)
    known = _without_outdated(folder, {entry["group"]: entry for entry in _known(folder)}, wanted)
    failed: list[str] = []

    def one(entry: dict[str, Any]) -> dict[str, Any] | None:
        group = folder / entry["group"]
        seal = read_seal(group)
        if seal is not None and seal.entry["digest"] == entry["digest"] and seal.is_whole(group, thorough=True):
            return entry
        try:
            dataset = cohort.load(entry["series_uid"], node=entry["node"], part=entry["part"], masks=masks)
            _write(dataset, group, entry)
        except WriteError:
            raise
        except WorkbenchError as error:
            failed.append(f"{entry['node']} {entry['series_uid']}: {error.what}")
            return None
        return entry

    unit = counted((entry["node"], entry["series_uid"]) for entry in wanted)
    with ThreadPoolExecutor(count) as pool:
        done = track(pool.map(one, wanted), "writing images", total=len(wanted), unit=unit)
        written = [entry for entry in done if entry is not None]
    for entry in written:
        _parents(folder, entry["group"])
    # What was asked for and could not be written stays listed only as far as it is there from before; what another
    # cohort wrote stays listed also where it is lost, so that whoever loads it is told.
    missing = {one["group"] for one in wanted if not (folder / one["group"] / METADATA).is_file()}
    entries = [*(known | {entry["group"]: entry for entry in written}).values()]
    entries = sorted((entry for entry in entries if entry["group"] not in missing), key=lambda entry: entry["group"])
    record = {"format": FORMAT, "version": __version__, "entries": entries, "not_written": sorted(failed)}
    record["sum"] = digest_of(record)
    root = {"attributes": {INDEX: json.dumps(record)}, "zarr_format": 3, "node_type": "group"}
    write_text(folder / METADATA, json.dumps(root) + "\n")
    return ImageStore(folder, entries, sorted(failed))


def _is_ours(folder: Path) -> bool:
    """Whether a folder is empty, a Zarr store, or one that lost its root and nothing else."""
    return (folder / METADATA).is_file() or all((one / METADATA).is_file() for one in folder.iterdir())


def _known(folder: Path) -> list[dict[str, Any]]:
    """What a store holds, by its list or, where that is lost, by what is there."""
    try:
        index = _index(folder)
    except DamagedStore:
        index = None
    if index is not None:
        entries: list[dict[str, Any]] = index["entries"]
        return entries
    seals = {place.parent: read_seal(place.parent) for place in folder.rglob(METADATA)}
    return [
        seal.entry for group, seal in seals.items()
        if seal is not None and group == folder / str(seal.entry.get("group"))
    ]  # fmt: skip


def _without_outdated(
    folder: Path, known: dict[str, dict[str, Any]], wanted: list[dict[str, Any]]
) -> dict[str, dict[str, Any]]:
    """What is known, less what lies where its series no longer does: it came into parts, or to another patient."""
    series, groups = {(one["node"], one["series_uid"]) for one in wanted}, {one["group"] for one in wanted}
    kept = {}
    for group, entry in known.items():
        if group in groups or (entry["node"], entry["series_uid"]) not in series:
            kept[group] = entry
        elif inside(os.path.realpath(folder / group), (Path(os.path.realpath(folder)),)):
            shutil.rmtree(folder / group, ignore_errors=True)
    return kept


def _wanted(cohort: Cohort, masks: bool | Select) -> Iterator[dict[str, Any]]:
    """Every series and part of a cohort, with the digest of what it is made of."""
    from workbench.cohort.images.loading import _segment

    files: dict[tuple[str, str], Any] = {}
    rows = cohort._database.rows(
        "select node, SeriesInstanceUID, path, size, mtime_ns, header_digest from instances order by all"
    )
    for node, uid, *state in rows:
        files.setdefault((node, uid), hashlib.sha256()).update(repr(state).encode())
    labels = hashlib.sha256(repr([files[key].hexdigest() for key in sorted(files)]).encode()).hexdigest()
    parts = cohort._database.rows("""
        select s.node, s.patient_id, coalesce(s.StudyInstanceUID, 'study-unknown'), s.SeriesInstanceUID,
            greatest(s.n_parts, 1), coalesce(p.part, 1), s.resource, s.path
        from series s left join parts p using (node, SeriesInstanceUID) where s.kind = 'image'
        order by s.node, s.patient_id, s.StudyDate, s.StudyInstanceUID, s.SeriesInstanceUID, p.part""")
    for node, patient, study, uid, n_parts, part, resource, path in parts:
        steps = [_segment(name) for name in (node, patient, study, uid)]
        facts = _facts(cohort, node, uid, path) if resource == "NIFTI" else files[node, uid].hexdigest()
        of = [FORMAT, __version__, facts, part]
        if masks is not False:
            # Which objects lie on a series is found when it is loaded: any change of any of them counts.
            of += [labels, repr(masks)]
        yield {
            "node": node, "patient_id": patient, "study_uid": study, "series_uid": uid, "part": part,
            "group": "/".join(steps if n_parts == 1 else [*steps, f"part-{part}"]),
            "digest": hashlib.sha256(repr(of).encode()).hexdigest(),
        }  # fmt: skip


def _facts(cohort: Cohort, node: str, uid: str, path: str) -> str:
    """State of the one file of a series that is no DICOM."""
    place = cohort._owner(uid, node).root.joinpath(*path.split("/"))
    try:
        facts = place.stat()
    except OSError:
        return "not there"
    return f"{path} {facts.st_size} {facts.st_mtime_ns}"


def _write(dataset: xr.Dataset, group: Path, entry: dict[str, Any]) -> None:
    """A series as a Zarr group, written aside, sealed and renamed."""
    from workbench.arrays.zarr_layout import encoding

    aside = group.with_name(f".{group.name}.{os.getpid()}.tmp")
    try:
        group.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        dataset.to_zarr(aside, mode="w", encoding=encoding(dataset), consolidated=False, zarr_format=3)
        write_seal(aside, entry)
        if group.exists():
            shutil.rmtree(group)
        os.rename(aside, group)
    except OSError as error:
        raise WriteError(error.strerror or "not writable", file=group.name, remedy=_REMEDY) from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _parents(folder: Path, group: str) -> None:
    """The groups above a series, so that the store is one hierarchy."""
    steps = group.split("/")[:-1]
    for n in range(1, len(steps) + 1):
        place = folder.joinpath(*steps[:n], METADATA)
        if not place.is_file() or place.read_bytes() != _GROUP.encode():
            write_text(place, _GROUP)


def _index(folder: Path) -> dict[str, Any] | None:
    """List of what a store holds; None where it was never finished, or written in another format.

    Raises
    ------
    DamagedStore
        The list is not as it was written.
    """
    try:
        text = (folder / METADATA).read_bytes()
    except OSError:
        return None
    try:
        attributes = json.loads(text)["attributes"]
        if INDEX not in attributes:
            return None
        record: dict[str, Any] = json.loads(attributes[INDEX])
        if record["format"] != FORMAT:
            return None
        whole = record.pop("sum") == digest_of(record)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        whole = False
    if not whole:
        raise DamagedStore(
            "the list of what the store holds is damaged",
            file=folder.name,
            remedy=REMEDY,
        )
    return record
