"""When a PET was measured and when its tracer was injected: the two instants the decay of a dose runs between.

Scan start: QIBA's vendor-neutral pseudo-code for SUV (series time where it is not after the acquisition, else GE's
private scan time, else back from the frame times) and Fritsak et al., arXiv 2410.13348, for GE's frame times.
PS3.3 C.8.9.1.1.5: all images of a series are decay corrected to one time.
"""

from __future__ import annotations

import math
from typing import Final, NamedTuple

import numpy as np

from workbench.dicom.values.clock import DAY, Instant, combined, read_datetime, read_time, read_zone
from workbench.dicom.values.stated import Floats, distinct, floats, values
from workbench.dicom.values.suv_facts import SuvFacts
from workbench.findings import Finding

#: Two clock readings this near are one, s: series times are written in whole seconds beside acquisition times with
#: fractions, and a real series is 5 microseconds "after" its acquisition (calculate-suv's Siemens test header).
ROUNDING_S: Final = 1.0
#: A reading that leaves more than this open cannot date a decay, s.
COARSEST_S: Final = 60.0
#: Longest interval between injection and scan, in half-lives: a thousandth of the dose is left, no scanner images it;
#: a date shifted by a day is beyond it for F-18, Ga-68, C-11 and every shorter nuclide, a late scan with Zr-89 is not.
LONGEST_HALF_LIVES: Final = 10.0
#: Relative difference of SUV at which frame times are taken to agree, and above which a difference is told.
AGREEING, WORTH_TELLING = 0.001, 0.01


class Dated(NamedTuple):
    """One instant for the part, or one per row, and how it was found."""

    #: The instant of each row, s; NaN where it could not be found.
    seconds: Floats
    #: Seconds that its clock is ahead of UTC; None where not said.
    offset: float | None
    #: What was used, in words.
    step: str
    #: What is irregular.
    findings: tuple[Finding, ...] = ()


def mean_time(duration_s: Floats, half_life_s: float) -> Floats:
    """Seconds after the start of each frame at which a decaying activity has its mean over the frame.

    Parameters
    ----------
    duration_s : array
        Length of each frame, s.
    half_life_s : float
        Half-life of the nuclide, s.

    Notes
    -----
    ``ln(x / (1 - exp(-x))) / lambda`` with ``x = lambda * duration`` (PS3.3 C.8.9.4.1.5, example 2).

    Examples
    --------
    >>> float(mean_time(np.array([120.0]), 6586.2)[0].round(5))
    59.93685
    """
    rate = math.log(2) / half_life_s
    x = rate * duration_s
    with np.errstate(divide="ignore", invalid="ignore"):
        mean: Floats = np.where(x > 0, np.log(x / -np.expm1(-x)) / rate, np.nan)
    return mean


def acquisition_starts(facts: SuvFacts) -> Floats:
    """Start of each row's acquisition, s; NaN where it is not stated to the minute."""
    part = facts.part
    known: dict[tuple[str | None, ...], float] = {}
    starts = []
    for stated in zip(*(values(part, f"Acquisition{name}") for name in ("Date", "Time", "DateTime")), strict=True):
        if stated not in known:
            instant = combined(stated[0], stated[1])
            if instant is None and (whole := read_datetime(stated[2])) is not None and whole.offset is None:
                instant = whole
            known[stated] = instant.seconds if instant and instant.resolution <= COARSEST_S else math.nan
        starts.append(known[stated])
    return np.array(starts, np.float64)


def scan_start(facts: SuvFacts, half_life_s: float) -> Dated | None:
    """The instant images corrected to START are corrected to; None, and the reason with *facts*, where unknown."""
    n = facts.part.num_rows
    acquired = acquisition_starts(facts)
    series = _series_start(facts)
    frames, why_not = _from_frames(facts, acquired, half_life_s)
    if series is not None and series <= acquired.min() + ROUNDING_S:
        step = "scan start: series date and time, not later than the first acquisition"
        return Dated(np.full(n, series), _zone(facts), step, _doubt(series, frames, half_life_s, facts))
    private = facts.optional("ge_scan_datetime")
    if private:
        instant = read_datetime(private)
        if instant is None or instant.resolution > COARSEST_S:
            facts.refuses("GE scan date and time cannot be read", tag="ge_scan_datetime")
            return None
        if instant.seconds > acquired.min() + ROUNDING_S:
            facts.refuses("GE scan date and time is later than the first acquisition", tag="ge_scan_datetime")
            return None
        return Dated(
            np.full(n, instant.seconds),
            _first_of(instant.offset, _zone(facts)),
            "scan start: GE private scan date and time (0009,xx0D)",
        )
    late = series is not None and bool(np.isfinite(acquired).all())
    if late and frames is not None:
        finding = Finding("suv-start-from-frames", "series time is later than the first acquisition", count=n)
        return Dated(
            np.full(n, frames), _zone(facts), "scan start: back from acquisition and frame reference times", (finding,)
        )
    if late:
        facts.refuses(f"series time is later than the first acquisition, and {why_not}", tag="SeriesTime")
        return None
    _lacking(facts, acquired, with_series=series is None)
    return None


def _series_start(facts: SuvFacts) -> float | None:
    stated = {name: distinct(facts.part, name) for name in ("SeriesDate", "SeriesTime")}
    if any(len(found) > 1 for found in stated.values()):
        for name, found in stated.items():
            if len(found) > 1:
                facts.refuses(f"{name} differs between images", tag=name)
        return None
    instant = combined(stated["SeriesDate"][0], stated["SeriesTime"][0])
    return instant.seconds if instant is not None and instant.resolution <= COARSEST_S else None


def _lacking(facts: SuvFacts, acquired: Floats, *, with_series: bool) -> None:
    """Name the dates and times without which no scan start is known."""
    groups = {"Series": with_series, "Acquisition": bool(np.isnan(acquired).any())}
    for name in (f"{owner}{kind}" for owner, wanted in groups.items() if wanted for kind in ("Date", "Time")):
        stated = values(facts.part, name)
        absent = sum(not value for value in stated)
        if absent:
            facts.lacks(name, absent)
        elif name.endswith("Time") and all(read_time(value) is None for value in stated):
            facts.refuses(f"{name} cannot be read", tag=name)
    if not facts.reasons:
        facts.refuses("date or time of series or acquisition cannot be read to the minute", tag="SeriesTime")


def _from_frames(facts: SuvFacts, acquired: Floats, half_life_s: float) -> tuple[float | None, str]:
    """Scan start by the frames' own times, or why they do not tell.

    Frame Reference Time is the offset from the scan start to the frame's mean time, with GE to the frame's start.
    """
    part = facts.part
    maker = str(next((one for one in distinct(part, "Manufacturer") if one), "")).strip().upper()
    reference = floats(part, "FrameReferenceTime") / 1000
    within = np.zeros(part.num_rows)
    if not maker.startswith("GE"):
        within = mean_time(floats(part, "ActualFrameDuration") / 1000, half_life_s)
        reference = np.where(reference > 0, reference, np.nan)
    starts = acquired - reference + within
    if not np.isfinite(starts).all():
        return None, "frame times do not tell the scan start (FrameReferenceTime, ActualFrameDuration)"
    agreeing = max(ROUNDING_S, half_life_s * math.log2(1 + AGREEING))
    apart = float(np.ptp(starts))
    if apart > agreeing:
        return None, f"frame times give scan starts {apart:.0f} s apart"
    if float((starts - acquired).max()) > agreeing:
        return None, "frame times give a scan start after the acquisition"
    if "PHILIPS" in maker and np.ptp(reference) == 0 and float((acquired - starts).max()) > agreeing:
        # A Philips file states the start of the whole scan as AcquisitionTime of a late bed (calculate-suv's test
        # header PHILIPS_BQML, which its own SUV factor confirms); one bed alone does not tell which it is.
        return None, "one bed position of a Philips scan does not tell whether its acquisition time is the scan's"
    return float(np.median(starts)), ""


def _doubt(series: float, frames: float | None, half_life_s: float, facts: SuvFacts) -> tuple[Finding, ...]:
    """A finding where frames at different times agree on another scan start than the series time."""
    if frames is None or len(distinct(facts.part, "FrameReferenceTime")) < 2:
        return ()
    difference = abs(math.exp2((frames - series) / half_life_s) - 1)
    if difference <= WORTH_TELLING:
        return ()
    text = f"frame times put the scan start {frames - series:+.0f} s from the series time; SUV would differ by "
    return (Finding("suv-start-doubtful", f"{text}{100 * difference:.0f} %", count=facts.part.num_rows),)


def injection(facts: SuvFacts, scan: Dated | None, half_life_s: float) -> Dated | None:
    """The instant of the injection; None, and the reason with *facts*, where it or the scan's is not known.

    RadiopharmaceuticalStartDateTime first; a bare time belongs to the day of the scan, or the day before where it is
    later than the scan's own time.
    """
    full, bare = facts.optional("RadiopharmaceuticalStartDateTime"), facts.optional("RadiopharmaceuticalStartTime")
    if not full and not bare:
        facts.lacks("RadiopharmaceuticalStartDateTime")
        facts.lacks("RadiopharmaceuticalStartTime")
        return None
    if scan is None:
        return None
    n = facts.part.num_rows
    clock = read_time(bare)
    if clock is not None and clock.resolution > COARSEST_S:
        clock = None
    if full:
        instant = read_datetime(full)
        if instant is not None and instant.resolution <= COARSEST_S:
            return _dated_injection(facts, instant, clock.seconds if clock else None, scan)
        if clock is None:
            facts.refuses(
                "RadiopharmaceuticalStartDateTime cannot be read to the minute", tag="RadiopharmaceuticalStartDateTime"
            )
            return None
    if clock is None:
        facts.refuses("RadiopharmaceuticalStartTime cannot be read to the minute", tag="RadiopharmaceuticalStartTime")
        return None
    if scan.offset is not None and scan.offset != _zone(facts):
        _zones_unknown(facts)
        return None
    first = float(scan.seconds.min())
    midnight = first // DAY * DAY
    before = clock.seconds > first - midnight + ROUNDING_S
    when = midnight + clock.seconds - (DAY if before else 0)
    if first - when + DAY <= LONGEST_HALF_LIVES * half_life_s:
        facts.lacks("RadiopharmaceuticalStartDateTime")
        facts.refuses("with this half-life the injection may have been on an earlier day")
        return None
    day = "the day before the scan" if before else "the day of the scan"
    finding = Finding("suv-injection-date", f"taken as {day}", count=n)
    return Dated(np.full(n, when), scan.offset, f"injection: RadiopharmaceuticalStartTime on {day}", (finding,))


def _dated_injection(facts: SuvFacts, instant: Instant, clock: float | None, scan: Dated) -> Dated | None:
    """Injection by its date and time, brought to the clock of the scan where it names its time zone."""
    n = facts.part.num_rows
    step = "injection: RadiopharmaceuticalStartDateTime"
    zone = _zone(facts)
    ahead = 0.0 if instant.offset is None or zone is None else zone - instant.offset
    apart = math.inf if clock is None else abs((instant.seconds + ahead) % DAY - clock)
    same_clock = min(apart, DAY - apart) <= ROUNDING_S if clock is not None else False
    offset = _first_of(instant.offset, zone)
    if offset is not None and scan.offset is not None and (clock is None or same_clock or zone is None):
        return Dated(np.full(n, instant.seconds), offset, f"{step}, time zones taken into account")
    if zone is None and (scan.offset is not None or (instant.offset is not None and not same_clock)):
        _zones_unknown(facts)
        return None
    if clock is not None and not same_clock:
        facts.refuses(
            "RadiopharmaceuticalStartDateTime and RadiopharmaceuticalStartTime give different times of day",
            tag="RadiopharmaceuticalStartDateTime",
        )
        return None
    return Dated(np.full(n, instant.seconds), None, step)


def _zone(facts: SuvFacts) -> float | None:
    """Seconds that the clock of the images' own dates and times is ahead of UTC; None where not stated once."""
    stated = distinct(facts.part, "TimezoneOffsetFromUTC")
    return read_zone(stated[0]) if len(stated) == 1 else None


def _first_of(offset: float | None, otherwise: float | None) -> float | None:
    return otherwise if offset is None else offset


def _zones_unknown(facts: SuvFacts) -> None:
    """One reading in another zone than the other would shift the interval by whole hours, unseen."""
    facts.lacks("TimezoneOffsetFromUTC")
    facts.refuses("one of scan and injection names its time zone, the other does not")


def interval(facts: SuvFacts, scan: Dated, injected: Dated, half_life_s: float) -> Floats:
    """Seconds from injection to scan of each row; the reason is with *facts* where they cannot be right."""
    zones = (scan.offset or 0.0) - (injected.offset or 0.0)
    seconds = scan.seconds - injected.seconds - zones
    if not np.isfinite(seconds).all():
        return seconds
    if float(seconds.min()) < -ROUNDING_S:
        facts.refuses("injection is later than the scan: dates or times were altered apart")
    longest = float(seconds.max()) / half_life_s
    if longest > LONGEST_HALF_LIVES:
        facts.refuses(
            f"{longest:.0f} half-lives between injection and scan (limit {LONGEST_HALF_LIVES:.0f}): "
            "dates or half-life are not right"
        )
    return seconds
