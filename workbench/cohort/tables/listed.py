"""What an extract's listing says of places, against what the headers of the images in them say."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

import pyarrow as pa

from workbench.dicom.listing import Place
from workbench.dicom.scan import scan
from workbench.extracts.composed import images_layout, tables_layout
from workbench.extracts.record import Extract, SeriesRef
from workbench.findings import Finding

#: Layouts whose study key is a folder that stands for one study.
ONE_STUDY_EACH: Final = frozenset({"datmat", "dataset-service"})
#: Layouts whose folders are named by UID, and how a series folder gives its own.
NAMED_BY_UID: Final = {"idc": re.compile(r"[A-Z0-9]+_(\d+(?:\.\d+)+)")}
#: Layouts whose folder names follow a template of the user's: the headers say who a patient is.
HEADERS_DECIDE: Final = frozenset({"idc"})
#: Layouts that say nowhere how many images a series has.
UNCOUNTED: Final = frozenset({"datmat"})
#: The dataset service's nodes write the project of an image into this element, as text or as bytes
#: (chaimeleon-eu/dataset-service, ``dicom.py``).
PROJECT: Final = {"dataset-service": (0x70D1, 0x2000)}
#: What the project's first two words may be there.
_CANCERS: Final = frozenset(f"{organ} cancer" for organ in ("lung", "colon", "rectum", "breast", "prostate"))
_COLUMNS: Final = ("path", "SeriesInstanceUID", "StudyInstanceUID", "InstanceNumber", "NumberOfFrames", "kind")


class Places:
    """Which listed place a file belongs to.

    Examples
    --------
    >>> places = Places([SeriesRef("a", recursive=True), SeriesRef("a/b"), SeriesRef("c/x.dcm")])
    >>> [getattr(places.of(path), "path", None) for path in ("a/1", "a/b/1", "a/b/c/1", "c/x.dcm", "c/y.dcm")]
    ['a', 'a/b', 'a', 'c/x.dcm', None]
    """

    def __init__(self, refs: Iterable[SeriesRef]) -> None:
        self._by_path = {ref.path: ref for ref in refs}

    def of(self, path: str) -> SeriesRef | None:
        """The nearest place that holds a file; None where it is in none."""
        if (own := self._by_path.get(path)) is not None:
            return own
        direct, folder = True, path
        while folder != ".":
            folder = folder.rpartition("/")[0] or "."
            ref = self._by_path.get(folder)
            if ref is not None and (direct or ref.recursive):
                return ref
            direct = False
        return None


def cancer_of(project: str) -> str:
    """Cancer type that a project names with its first two words; empty where they are none.

    Examples
    --------
    >>> cancer_of("Prostate Cancer retrospective"), cancer_of("Demo")
    ('prostate cancer', '')
    """
    words = " ".join(project.casefold().split()[:2])
    return words if words in _CANCERS else ""


def cancers_of(extract: Extract, instances: pa.Table) -> dict[str, str]:
    """Cancer type by series, from the project in its first file; empty for layouts without one.

    Parameters
    ----------
    extract : Extract
        As its adapter listed it.
    instances : pyarrow.Table
        Usable rows of the header table.
    """
    tag = PROJECT.get(images_layout(extract))
    if tag is None or not instances.num_rows:
        return {}
    first: dict[str, str] = {}
    for uid, path in zip(instances["SeriesInstanceUID"].to_pylist(), instances["path"].to_pylist(), strict=True):
        first.setdefault(uid, path)
    # One file speaks for a series: written as bytes, the element takes the slow way through a header.
    found = scan(
        extract.root,
        places=[Place(path) for path in first.values()],
        allowed_roots=extract.allowed_roots,
        tags=[tag],
        label=f"{extract.node}: projects",
    )
    projects = dict(zip(found.table["path"].to_pylist(), found.table.column(-1).to_pylist(), strict=True))
    named = {uid: cancer_of(projects.get(path) or "") for uid, path in first.items()}
    return {uid: cancer for uid, cancer in named.items() if cancer}


@dataclass(slots=True)
class _Found:
    """What the headers of one place, or of one series, say."""

    patient_id: str
    path: str
    studies: set[str] = field(default_factory=set)
    numbers: set[int] = field(default_factory=set)


def patient_of(extract: Extract, ref: SeriesRef | None, header: str) -> str:
    """Patient of a series by its listing and its headers; empty where neither names one."""
    listed = ref.patient_id if ref else ""
    return header or listed if images_layout(extract) in HEADERS_DECIDE else listed or header


def against_headers(extract: Extract, places: Places, instances: pa.Table) -> list[Finding]:
    """Where folders and headers of an extract differ, by the checks that its layout needs.

    Parameters
    ----------
    extract : Extract
        As its adapter listed it.
    places : Places
        Of its series.
    instances : pyarrow.Table
        Usable rows of the header table.
    """
    layout = images_layout(extract)
    findings = _studies_of_tables(extract, instances) if tables_layout(extract) == "cdm" else []
    if layout not in ONE_STUDY_EACH | set(NAMED_BY_UID) | UNCOUNTED:
        return findings
    studies: dict[tuple[str, str], _Found] = {}
    series: dict[str, _Found] = {}
    named: dict[str, tuple[SeriesRef, set[str], set[str]]] = {}
    columns = [instances[name].to_pylist() for name in _COLUMNS]
    for path, series_uid, study_uid, number, frames, kind in zip(*columns, strict=True):
        ref = places.of(path)
        if ref is None:
            continue
        if ref.study_key:
            key = ref.patient_id, ref.study_key
            found = studies.setdefault(key, _Found(ref.patient_id, ref.path))
            found.studies.add(study_uid or "")
        if kind == "image" and number is not None and (frames or 1) == 1:
            series.setdefault(series_uid, _Found(ref.patient_id, ref.path)).numbers.add(number)
        if layout in NAMED_BY_UID and ref.series_key:
            _, its_series, its_studies = named.setdefault(ref.path, (ref, set(), set()))
            its_series.add(series_uid)
            its_studies.add(study_uid or "")
    if layout in ONE_STUDY_EACH:
        findings += _several_studies(studies.values())
    if layout in NAMED_BY_UID:
        findings += _other_uids(named.values(), NAMED_BY_UID[layout])
    if layout in UNCOUNTED:
        findings += _gaps(series)
    return findings


def _studies_of_tables(extract: Extract, instances: pa.Table) -> list[Finding]:
    """Studies that only the images have, and those that only the tables have."""
    told = {ref.study_key: ref for ref in extract.studies}
    there = dict(zip(instances["StudyInstanceUID"].to_pylist(), instances["path"].to_pylist(), strict=True))
    if not told:
        return []
    findings = [
        Finding("study-not-in-cdm", "no row of image_study", path=path.rpartition("/")[0] or ".")
        for uid, path in there.items()
        if uid and uid not in told
    ]
    return findings + [
        Finding("study-without-images", f"named in {ref.source}", patient_id=ref.patient_id, path=ref.source)
        for uid, ref in told.items()
        if uid not in there
    ]


def _several_studies(found: Iterable[_Found]) -> list[Finding]:
    return [
        Finding(
            "experiment-not-one-study", f"{len(one.studies)} studies under one study folder",
            patient_id=one.patient_id, path=one.path, count=len(one.studies),
        )
        for one in found
        if len(one.studies) > 1
    ]  # fmt: skip


def _other_uids(named: Iterable[tuple[SeriesRef, set[str], set[str]]], pattern: re.Pattern[str]) -> list[Finding]:
    findings = []
    for ref, series, studies in named:
        told = pattern.fullmatch(ref.series_key)
        differing = [what for what, ours, theirs in (
            ("series", told[1] if told else "", series),
            ("study", ref.study_key if re.fullmatch(r"[\d.]+", ref.study_key) else "", studies),
        ) if ours and theirs != {ours}]  # fmt: skip
        if differing:
            message = f"another {' and '.join(differing)} UID in the headers"
            findings.append(Finding("folder-uid-mismatch", message, patient_id=ref.patient_id, path=ref.path))
    return findings


def _gaps(series: dict[str, _Found]) -> list[Finding]:
    """Series whose instance numbers jump, unless they all jump by the same."""
    findings = []
    for uid, found in series.items():
        numbers = sorted(found.numbers)
        steps: dict[int, int] = defaultdict(int)
        for lower, upper in pairwise(numbers):
            steps[upper - lower] += 1
        if len(steps) < 2:
            continue
        usual = min(steps)
        absent = sum((step // usual - 1) * times for step, times in steps.items() if step % usual == 0)
        message = f"{len(numbers)} images numbered {numbers[0]} to {numbers[-1]}"
        findings.append(
            Finding(
                "series-incomplete-suspected", message, patient_id=found.patient_id, series_uid=uid,
                path=found.path, count=max(1, absent),
            )
        )  # fmt: skip
    return findings
