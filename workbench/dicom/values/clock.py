"""DICOM dates and times as instants that can be subtracted.

Forms: PS3.5 6.2 (DA, TM, DT). Components may be missing from the right; a reading says how much it leaves open.
"""

from __future__ import annotations

import re
from datetime import date
from typing import Final, NamedTuple

#: Seconds of a day.
DAY: Final = 86400.0

_DATE: Final = re.compile(r"(\d{4})(?:(\d\d)(\d\d)|\.(\d\d)\.(\d\d))")
_TIME: Final = re.compile(r"(\d\d)(?::?(\d\d)(?::?(\d\d)(?:\.(\d{1,6}))?)?)?")
_ZONE: Final = re.compile(r"([+-])(\d\d)(\d\d)$")


class Clock(NamedTuple):
    """A time of day."""

    #: Seconds since midnight, by the earliest reading.
    seconds: float
    #: Seconds that the text leaves open: 1 and less where seconds are stated, 60 or 3600 where they are not.
    resolution: float


class Instant(NamedTuple):
    """A date and time."""

    #: Seconds since the first of January of the year 1, on the clock that wrote it, by the earliest reading.
    seconds: float
    #: Seconds that the text leaves open.
    resolution: float
    #: Seconds that its clock is ahead of UTC; None where the text does not say.
    offset: float | None = None


def read_date(text: str | None) -> float | None:
    """Midnight that begins a DA value, in seconds since the first of January of the year 1; None where it is no date.

    The form ``YYYY.MM.DD`` of old files is read too (PS3.5 6.2, note on ACR-NEMA).

    Examples
    --------
    >>> read_date("20240301") - read_date("20240229"), read_date("20240230")
    (86400.0, None)
    """
    match = _DATE.fullmatch((text or "").strip())
    if match is None:
        return None
    year, *rest = (int(part) for part in match.groups() if part is not None)
    try:
        return (date(year, rest[0], rest[1]).toordinal() - 1) * DAY
    except ValueError:
        return None


def read_time(text: str | None) -> Clock | None:
    """Time of day of a TM value; None where it is none. ``HH:MM:SS`` of old files is read too.

    Examples
    --------
    >>> read_time("101530.25"), read_time("1015"), read_time("2460")
    (Clock(seconds=36930.25, resolution=1e-06), Clock(seconds=36900.0, resolution=60.0), None)
    """
    match = _TIME.fullmatch((text or "").strip())
    if match is None:
        return None
    hours, minutes, seconds, fraction = match.groups()
    if int(hours) > 23 or int(minutes or 0) > 59 or int(seconds or 0) > 60:
        return None
    total = 3600.0 * int(hours) + 60 * int(minutes or 0) + int(seconds or 0) + float(f"0.{fraction or 0}")
    return Clock(total, 3600.0 if minutes is None else 60.0 if seconds is None else 1.0 if fraction is None else 1e-6)


def read_datetime(text: str | None) -> Instant | None:
    """Instant of a DT value with at least a date; None where it is none.

    Examples
    --------
    >>> one, other = read_datetime("20240301093000+0100"), read_datetime("20240301083000+0000")
    >>> one.seconds - one.offset == other.seconds - other.offset
    True
    """
    stripped = (text or "").strip()
    zone = _ZONE.search(stripped)
    offset = None
    if zone is not None:
        # The standard's range is -12 to +14 hours; -0000 is not used.
        offset = read_zone(zone[0])
        if offset is None:
            return None
        stripped = stripped[: zone.start()]
    day = read_date(stripped[:8])
    if day is None:
        return None
    if len(stripped) == 8:
        return Instant(day, DAY, offset)
    clock = read_time(stripped[8:])
    return None if clock is None else Instant(day + clock.seconds, clock.resolution, offset)


def read_zone(text: str | None) -> float | None:
    """Seconds that a clock of this zone (``+0100``) is ahead of UTC; None where it is no zone.

    Examples
    --------
    >>> read_zone("+0100"), read_zone("-0330"), read_zone("CET")
    (3600.0, -12600.0, None)
    """
    zone = _ZONE.fullmatch((text or "").strip())
    if zone is None or int(zone[2]) > 14 or int(zone[3]) > 59:
        return None
    return (1 if zone[1] == "+" else -1) * (3600.0 * int(zone[2]) + 60 * int(zone[3]))


def combined(day: str | None, time: str | None) -> Instant | None:
    """Instant of a DA and a TM value; None where either is missing or cannot be read.

    Examples
    --------
    >>> combined("20240301", "0100").seconds - combined("20240229", "230000").seconds
    7200.0
    """
    midnight, clock = read_date(day), read_time(time)
    return None if midnight is None or clock is None else Instant(midnight + clock.seconds, clock.resolution)
