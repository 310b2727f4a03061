"""Time zones that headers and tables state: they order studies of one day, and change no day.

A day is the one at the place where it was written down. Where a patient's images and tables state offsets from UTC
that are more than an hour apart, another place or a system that writes UTC may have had another day: that is told.
One hour is what summer time makes at one place.

Source: DICOM PS3.3 C.12.1.1 Timezone Offset From UTC (0008,0201), PS3.5 6.2 DT; ISO 8601.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from workbench.cohort.vocabulary.tables import variables
from workbench.findings import Finding

#: Minutes by which offsets of one place may differ over the year.
SUMMER_TIME: Final = 60
#: Minutes east of Greenwich: the furthest there are (PS3.3 C.12.1.1: -1200 to +1400).
_WEST, _EAST = -12 * 60, 14 * 60
#: An offset alone, or behind a time of day.
_OFFSET: Final = r"(?:(?P<utc>[Zz])|(?P<sign>[+-])(?P<hours>\d\d):?(?P<minutes>\d\d))"
_ALONE: Final = re.compile(_OFFSET)
_DATED: Final = re.compile(
    r"\d{4}-\d\d?-\d\d?[T ](?P<time>\d\d(?::?\d\d(?::?\d\d(?:[.,]\d+)?)?)?)\s*" + _OFFSET
    + r"|\d{8}(?P<packed>\d{2,6}(?:\.\d+)?)"
    + _OFFSET.replace("<", "<packed_")
)  # fmt: skip
#: What a text with an offset holds, for a first sieve over whole columns.
_SIEVE: Final = r"[0-9]([Zz]|\s*[+-][0-9]{2}:?[0-9]{2})$"


def minutes_of(text: str) -> int | None:
    """Minutes east of Greenwich of an offset as DICOM or ISO 8601 spell it; None for anything else.

    Examples
    --------
    >>> minutes_of("+0200"), minutes_of("-05:30"), minutes_of("Z"), minutes_of("CET")
    (120, -330, 0, None)
    """
    match = _ALONE.fullmatch(text.strip())
    return None if match is None else _minutes(*match.group("utc", "sign", "hours", "minutes"))


def stated(text: str) -> int | None:
    """Offset beside the time of a date, minutes; None where there is none.

    Midnight on the dot is a day written as a time, which no zone makes another: it counts as stating none.

    Examples
    --------
    >>> stated("2024-03-01T23:30:00+02:00"), stated("20240301233000-0500"), stated("2024-03-01T00:00:00Z")
    (120, -300, None)
    """
    match = _DATED.fullmatch(text.strip())
    if match is None:
        return None
    time = match["time"] or match["packed"]
    if not time.strip("0:.,"):
        return None
    found = match.group("utc", "sign", "hours", "minutes")
    if not any(found):
        found = match.group("packed_utc", "packed_sign", "packed_hours", "packed_minutes")
    return _minutes(*found)


def _minutes(utc: str | None, sign: str | None, hours: str | None, minutes: str | None) -> int | None:
    if utc:
        return 0
    if int(minutes or 0) > 59:
        return None
    found = (int(hours or 0) * 60 + int(minutes or 0)) * (-1 if sign == "-" else 1)
    return found if _WEST <= found <= _EAST else None


def spelt(minutes: int) -> str:
    """An offset in one spelling.

    Examples
    --------
    >>> spelt(-330), spelt(0)
    ('-05:30', '+00:00')
    """
    return f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"


def zones_of(instances: pa.Table) -> dict[str, int]:
    """SeriesInstanceUID -> minutes east of Greenwich, of series whose headers state one offset."""
    if "TimezoneOffsetFromUTC" not in instances.schema.names:
        return {}
    zones = instances["TimezoneOffsetFromUTC"]
    rows = instances.select(["SeriesInstanceUID"]).append_column("zone", zones).filter(pc.is_valid(zones))
    found: dict[str, set[int | None]] = defaultdict(set)
    for uid, zone in zip(*(column.to_pylist() for column in rows.group_by(rows.schema.names).aggregate([]).columns),
                         strict=True):  # fmt: skip
        found[uid].add(minutes_of(zone))
    return {uid: zone for uid, several in found.items() for zone in several if len(several) == 1 and zone is not None}


class Zones:
    """Gathers what is stated of each patient: offsets of images, and those in tables as batches stream by."""

    def __init__(self) -> None:
        self._of: dict[str, Counter[int]] = defaultdict(Counter)
        self._dates = pa.array([name for name, one in variables().items() if one.type == "date"], pa.string())

    def image(self, patient: str, minutes: int) -> None:
        """Take in the offset of a series."""
        self._of[patient][minutes] += 1

    def look(self, batch: pa.RecordBatch) -> None:
        """Take in offsets of the days beside values, and of values that are days."""
        of_dates = pc.is_in(batch["variable"], self._dates)
        for column, rows in (("raw_date", None), ("raw_value", of_dates)):
            wanted = pc.match_substring_regex(batch[column], _SIEVE)
            some = batch.filter(wanted if rows is None else pc.and_(wanted, rows))
            for patient, text in zip(some["patient_id"].to_pylist(), some[column].to_pylist(), strict=True):
                if (minutes := stated(text)) is not None:
                    self._of[patient][minutes] += 1

    def findings(self) -> list[Finding]:
        """Patients whose days may differ by one."""
        found = []
        for patient, minutes in sorted(self._of.items()):
            if max(minutes) - min(minutes) > SUMMER_TIME:
                several = ", ".join(spelt(one) for one in sorted(minutes))
                message = f"offsets {several}: days as written may differ by one"
                found.append(Finding("time-zones-differ", message, patient_id=patient, count=len(minutes)))
        return found
