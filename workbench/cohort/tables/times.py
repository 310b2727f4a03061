"""When images were taken: each series of an extract belongs to one imaging timepoint, by a rule that is recorded.

The rules, first that applies: what the extract declares (timepoint table or layout), offsets since the node's zero,
study dates. Days are calendar days as they were written down; a time zone beside a time is never reckoned into
another day, and days and offsets are never compared with each other. Studies of one day are in the order of their
times, brought to UTC where each of them states its zone.
"""

from __future__ import annotations

import itertools
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from types import MappingProxyType
from typing import Any, Final

from workbench.extracts.record import StudyRef
from workbench.findings import Finding

#: Rule -> what it means; the values of ``series.timepoint_rule``.
RULES: Final = {
    "declared": "the extract says so: a timepoint table, or its layout",
    "offset": "rank of the study's offset since the node's zero",
    "date": "rank of the study's date, studies of one day by their time",
    "one study": "the only imaging study of the patient, without a date",
    "nothing known": "several imaging studies without dates: counted as one timepoint",
    "undated": "imaging study without a date beside dated ones: after them",
    "refers to": "annotation: timepoint of the images it refers to",
    "same study": "annotation: timepoint of the images of its study",
    "same day": "annotation: timepoint of the images of its day",
    "one timepoint": "annotation of a patient with one imaging timepoint",
    "unplaced": "annotation that belongs to no imaging timepoint",
}
#: Days of one unit of an offset, by spelling: UCUM, plain words, codes of the EUCAIM hyper-ontology. A month is a
#: twelfth of 365.25 days.
DAYS: Final = {
    **dict.fromkeys(("", "d", "day", "days", "com1000153"), 1.0),
    **dict.fromkeys(("wk", "w", "week", "weeks"), 7.0),
    **dict.fromkeys(("mo", "m", "month", "months", "com1000154"), 365.25 / 12),
    **dict.fromkeys(("a", "y", "yr", "year", "years", "com1000151"), 365.25),
    **dict.fromkeys(("h", "hour", "hours"), 1 / 24),
}

_NONE: Final[Mapping[str, int]] = MappingProxyType({})


def day(text: str) -> date | None:
    """Calendar day as written, of a DICOM or ISO 8601 date or date and time; None for anything else.

    The time and its zone, where there are any, change nothing: the day is the one at the place of the examination.

    Examples
    --------
    >>> day("20240301"), day("2024-03-01T23:30:00+02:00")
    (datetime.date(2024, 3, 1), datetime.date(2024, 3, 1))
    >>> day("03/01/2024") is None  # January or March: not guessed
    True
    """
    match = re.fullmatch(r"(\d{4})(-?)(\d\d)\2(\d\d)(?:[T ].*|Z|[+-]\d\d:\d\d)?", (text or "").strip())
    if match is None:
        return None
    try:
        return date(int(match[1]), int(match[3]), int(match[4]))
    except ValueError:
        return None


def offset_days(text: str, unit: str = "") -> float | None:
    """Days of an offset as stated; None where the number or its unit is not understood.

    Examples
    --------
    >>> offset_days("-3", "weeks"), offset_days("14"), offset_days("soon")
    (-21.0, 14.0, None)
    """
    plain = re.fullmatch(r"[+-]?\d{1,7}(\.\d{1,9})?", text.strip())
    factor = DAYS.get(unit.strip().casefold())
    if plain is None or factor is None:
        return None
    return round(float(text) * factor, 3)


def label(timepoint: str) -> str:
    """One spelling of a timepoint: whole numbers without zeros before them or a decimal point.

    Examples
    --------
    >>> label(" 02 "), label("1.0"), label("T0")
    ('2', '1', 'T0')
    """
    return re.sub(r"^0*(\d+)(\.0+)?$", r"\1", timepoint.strip())


@dataclass(eq=False)
class _Visit:
    """Images of one study, or of one declared timepoint in it."""

    study: str
    declared: str
    day: date | None = None
    #: Time of day as DICOM spells it; empty where unknown.
    time: str = ""
    #: Minutes east of Greenwich of that time; None where that is not stated, or differs.
    zone: int | None = None
    offset: float | None = None
    timepoint: str = ""
    rule: str = ""
    rows: list[dict[str, Any]] = field(default_factory=list)


def place(
    rows: Sequence[dict[str, Any]], studies: Sequence[StudyRef], keys: Sequence[str], zones: Mapping[str, int] = _NONE
) -> list[Finding]:
    """Give every series its ``timepoint``, ``timepoint_rule``, ``date``, ``offset_days`` and ``episode``.

    Parameters
    ----------
    rows : sequence of dict
        Rows of the table of series of one extract; ``declared_timepoint`` is what the layout says.
    studies : sequence of StudyRef
        What tables of the extract say of studies.
    keys : sequence of str
        Study folder of each row, as the layout names it.
    zones : mapping, optional
        SeriesInstanceUID -> minutes east of Greenwich of its times, where its headers state them.

    Returns
    -------
    list of Finding
        Ties, and where what is declared and what follows from dates disagree.
    """
    told = _Told(studies)
    by_patient: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row, key in zip(rows, keys, strict=True):
        ref = told.of(row["patient_id"], row["StudyInstanceUID"] or "", key)
        stated = day(ref.date) if ref else None
        taken = day(row["StudyDate"] or "")
        if stated and taken and stated != taken:
            told.other_day[row["patient_id"]].add(row["StudyInstanceUID"] or key)
        when = taken or stated
        row["date"] = when.isoformat() if when else None
        row["offset_days"] = offset_days(ref.offset, ref.offset_unit) if ref else None
        row["episode"] = (ref.episode if ref else "") or row.get("episode") or ""
        row["declared_timepoint"] = (ref.timepoint if ref else "") or row["declared_timepoint"] or ""
        by_patient[row["patient_id"]].append(row)
    findings = told.findings()
    for patient, own in sorted(by_patient.items()):
        visits = _visits(own, zones)
        findings += _number(patient, visits)
        findings += _annotations(patient, own, visits)
    return findings


class _Told:
    """What tables say of studies, found by UID or by patient and folder."""

    def __init__(self, studies: Iterable[StudyRef]) -> None:
        self._by_key: dict[tuple[str, str], StudyRef] = {}
        self._used: set[tuple[str, str]] = set()
        self._days: dict[str, int] = defaultdict(int)
        self._twice: dict[str, int] = defaultdict(int)
        #: Patient -> studies whose date in the table is another one than in the headers.
        self.other_day: dict[str, set[str]] = defaultdict(set)
        for ref in studies:
            key = (ref.patient_id, ref.study_key)
            known = self._by_key.setdefault(key, ref)
            if (known.timepoint, known.offset) != (ref.timepoint, ref.offset):
                self._twice[ref.patient_id] += 1
            elif known.date != ref.date:
                self._days[ref.patient_id] += 1

    def of(self, patient: str, uid: str, folder: str) -> StudyRef | None:
        for key in ((patient, uid), ("", uid), (patient, folder), ("", folder)):
            if key[1] and (found := self._by_key.get(key)) is not None:
                self._used.add(key)
                return found
        return None

    def findings(self) -> list[Finding]:
        found = [
            Finding("study-date-differs", f"{len(uids)} studies", patient_id=patient, count=len(uids))
            for patient, uids in sorted(self.other_day.items())
        ]
        found += [
            Finding("timepoint-conflict", "tables state two timepoints for one study", patient_id=patient, count=count)
            for patient, count in sorted(self._twice.items())
        ]
        found += [
            Finding("timepoint-conflict", "tables state two dates for one study", patient_id=patient, count=count)
            for patient, count in sorted(self._days.items())
        ]
        if unused := len(self._by_key.keys() - self._used):
            found.append(Finding("timepoint-unused", f"{unused} rows", count=unused))
        return found


def _visits(rows: Iterable[dict[str, Any]], zones: Mapping[str, int]) -> list[_Visit]:
    visits: dict[tuple[str, str], _Visit] = {}
    for row in rows:
        if row["kind"] != "image":
            continue
        key = (row["StudyInstanceUID"] or "", label(row["declared_timepoint"]))
        visit = visits.setdefault(key, _Visit(*key))
        visit.rows.append(row)
    for visit in visits.values():
        days = [row["date"] for row in visit.rows if row["date"]]
        visit.day = date.fromisoformat(min(days)) if days else None
        visit.time = min((row["StudyTime"] for row in visit.rows if row["StudyTime"]), default="")
        stated = {zones.get(row["SeriesInstanceUID"]) for row in visit.rows if row["StudyTime"]}
        visit.zone = stated.pop() if len(stated) == 1 else None
        visit.offset = min((row["offset_days"] for row in visit.rows if row["offset_days"] is not None), default=None)
    return list(visits.values())


def _number(patient: str, visits: list[_Visit]) -> list[Finding]:
    """Timepoint and rule of each visit of one patient."""
    if not visits:
        return []
    findings = []
    ranks, clock, tied = _ranks(visits)
    taken = {visit.declared for visit in visits if visit.declared}
    for visit in visits:
        rank = str(ranks[visit])
        if visit.declared:
            visit.timepoint, visit.rule = visit.declared, "declared"
        else:
            visit.timepoint = f"derived {rank}" if rank in taken else rank
            visit.rule = _rule(visit, clock, len(visits))
        for row in visit.rows:
            row["timepoint"], row["timepoint_rule"] = visit.timepoint, visit.rule
    derived = [visit for visit in visits if not visit.declared]
    for several in tied:
        if any(visit in derived for visit in several):
            timeless = sum(not visit.time for visit in several)
            how = "no time tells them apart"
            if len({ranks[v] for v in several}) > 1:
                how = "in the order of their times"
            elif 0 < timeless < len(several):
                how = f"not told apart, for {timeless} of them state no time"
            text = f"{len(several)} studies on one day, {how}"
            findings.append(Finding("timepoint-tie", text, patient_id=patient, count=len(several)))
    if unordered := [visit for visit in derived if visit.rule in ("undated", "nothing known")]:
        text = f"{len(unordered)} of {len(visits)} studies without a date"
        findings.append(Finding("timepoint-unordered", text, patient_id=patient, count=len(unordered)))
    if clock and (wrong := _against(visits, ranks)):
        text = f"{wrong} declared timepoints are not in the order of the studies' {clock}s"
        findings.append(Finding("timepoint-conflict", text, patient_id=patient, count=wrong))
    return findings


def _rule(visit: _Visit, clock: str, n: int) -> str:
    if clock and (visit.offset if clock == "offset" else visit.day) is not None:
        return clock
    if clock:
        return "undated"
    return "one study" if n == 1 else "nothing known"


def _ranks(visits: list[_Visit]) -> tuple[dict[_Visit, int], str, list[list[_Visit]]]:
    """Dense rank of each visit, the clock they were ranked by, and visits of one day.

    Studies of one day are told apart by their times where each has one; else they share a rank.
    """
    n_offsets = sum(visit.offset is not None for visit in visits)
    n_days = sum(visit.day is not None for visit in visits)
    clock = "" if not n_offsets + n_days else "offset" if n_offsets >= n_days else "date"
    groups: dict[Any, list[_Visit]] = defaultdict(list)
    for visit in visits:
        groups[visit.offset if clock == "offset" else visit.day if clock else None].append(visit)
    last = groups.pop(None, [])
    ranks: dict[_Visit, int] = {}
    rank = 0
    tied = []
    for _, several in sorted(groups.items()):
        studies = {visit.study for visit in several}
        if len(studies) > 1:
            tied.append(several)
        timed = all(visit.time for visit in several) and len(studies) > 1
        told = _times(several)
        times = sorted(set(told.values())) if timed else [0]
        for visit in several:
            ranks[visit] = rank + 1 + (times.index(told[visit]) if timed else 0)
        rank += len(times)
    ranks |= dict.fromkeys(last, rank + 1)
    return ranks, clock, tied


def _times(visits: list[_Visit]) -> dict[_Visit, Any]:
    """What orders visits of one day: seconds in UTC where each states its zone, else the times as written."""
    seconds = {visit: _seconds(visit) for visit in visits}
    if None in seconds.values():
        return {visit: visit.time for visit in visits}
    return seconds


def _seconds(visit: _Visit) -> float | None:
    """Seconds since midnight in UTC, perhaps of the day before or after; None without a zone, or a time."""
    match = re.fullmatch(r"(\d\d)(?::?(\d\d)(?::?(\d\d(?:\.\d+)?))?)?", visit.time.strip())
    if match is None or visit.zone is None:
        return None
    return int(match[1]) * 3600 + int(match[2] or 0) * 60 + float(match[3] or 0) - visit.zone * 60


def _against(visits: list[_Visit], ranks: dict[_Visit, int]) -> int:
    """Declared timepoints, numbered in one style (1, 2; T0, T1), that go down where the derived ones go up."""
    numbered = []
    for visit in visits:
        match = re.fullmatch(r"(\D*)(\d{1,9})", visit.declared)
        if match and visit.rule == "declared":
            numbered.append((ranks[visit], match[1], int(match[2])))
    if len({style for _, style, _ in numbered}) != 1:
        return 0
    numbers = [number for _, _, number in sorted(numbered)]
    return sum(later < earlier for earlier, later in itertools.pairwise(numbers))


def _annotations(patient: str, rows: list[dict[str, Any]], visits: list[_Visit]) -> list[Finding]:
    """Timepoint of what is no image: that of the images it belongs to."""
    of_series = {row["SeriesInstanceUID"]: visit for visit in visits for row in visit.rows}
    of_study: dict[str, list[_Visit]] = defaultdict(list)
    of_day: dict[str, list[_Visit]] = defaultdict(list)
    for visit in visits:
        of_study[visit.study].append(visit)
        if visit.day:
            of_day[visit.day.isoformat()].append(visit)
    unplaced = 0
    for row in rows:
        if row["kind"] == "image":
            continue
        ways = (
            ("refers to", [of_series[uid] for uid in row["refers_to"] or () if uid in of_series]),
            ("same study", of_study.get(row["StudyInstanceUID"] or "", [])),
            ("same day", of_day.get(row["date"] or "", [])),
            ("one timepoint", visits),
        )
        row["timepoint"], row["timepoint_rule"] = label(row["declared_timepoint"]), "declared"
        if row["timepoint"]:
            continue
        for rule, found in ways:
            timepoints = {visit.timepoint for visit in found}
            if len(timepoints) == 1:
                row["timepoint"], row["timepoint_rule"] = timepoints.pop(), rule
                break
        else:
            row["timepoint_rule"] = "unplaced"
            unplaced += bool(visits)
    if not unplaced:
        return []
    return [Finding("timepoint-unplaced", f"{unplaced} series", patient_id=patient, count=unplaced)]
