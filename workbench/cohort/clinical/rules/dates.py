"""Dates as hospitals write them -> ISO 8601. Day and month are told apart by the whole column, never by one cell."""

from __future__ import annotations

import re
from datetime import date, timedelta
from functools import cache
from typing import Final

from workbench.cohort.clinical.rules.read import PLACEHOLDER, UNMAPPED, Given, Read
from workbench.cohort.vocabulary.tables import shipped

#: ISO date, whole or without day or month, with or without a time; the zone of a time, or of a day (XML Schema),
#: changes no day.
_ISO: Final = re.compile(r"([0-9]{4})(?:-([0-9]{1,2})(?:-([0-9]{1,2})(?:[T ].*|Z|[+-][0-9]{2}:[0-9]{2})?)?)?")
_YEAR_FIRST: Final = re.compile(r"([0-9]{4})[/.]([0-9]{1,2})[/.]([0-9]{1,2})(?: .*)?")
#: DICOM DA and DT (PS3.5 6.2).
_DICOM: Final = re.compile(r"([0-9]{4})([0-9]{2})([0-9]{2})(?:[0-9]{2,6}(?:\.[0-9]+)?(?:[+-][0-9]{4})?)?")
#: A year or a day that was kept as a number because other cells of its column are empty: 2019.0.
_GAPS: Final = re.compile(r"[0-9]{4}(?:[0-9]{4})?\.0+")
#: Day and month in either order, then the year.
MIXED: Final = re.compile(r"([0-9]{1,2})([/.-])([0-9]{1,2})[/.-]([0-9]{4})(?: .*)?")


#: Orders of day and month before a year.
WAYS: Final = ("dmy", "mdy")


def order_of(text: str) -> str:
    """What one cell says of its column: ``dmy``, ``mdy``, ``unclear``, or empty for a date that needs no order.

    Examples
    --------
    >>> order_of("16/05/2018"), order_of("5/16/2018"), order_of("01/09/2016"), order_of("2016-09-01")
    ('dmy', 'mdy', 'unclear', '')
    """
    match = MIXED.fullmatch(text)
    if match is None:
        return ""
    first, second = int(match[1]), int(match[3])
    if match[2] == "." or first > 12 >= second:
        # A point between day and month is written in countries that put the day first.
        return "dmy" if second <= 12 else "mdy"
    if second > 12 >= first:
        return "mdy"
    return "" if first == second else "unclear"


def proof_of(text: str) -> str:
    """The only order in which a cell is a date: ``dmy``, ``mdy``, or empty where both or neither give one.

    Examples
    --------
    >>> proof_of("16/05/2018"), proof_of("5/16/2018"), proof_of("01.09.2016")
    ('dmy', 'mdy', '')
    """
    match = MIXED.fullmatch(text)
    if match is None:
        return ""
    first, second = int(match[1]), int(match[3])
    return "dmy" if first > 12 >= second else "mdy" if second > 12 >= first else ""


def iso(text: str, order: str = "") -> str | None:
    """ISO 8601 date of a text, as exact as it is written; None where it is none or could be two.

    Parameters
    ----------
    text : str
        A date: ISO, DICOM, or day and month in either order before the year.
    order : str
        ``dmy`` or ``mdy`` where the column or its mapping has told: a cell that it does not fit is none; without it
        a cell that could be two dates is none.

    Examples
    --------
    >>> iso("20190501"), iso("01.05.2019"), iso("2019-05"), iso("01/05/2019"), iso("01/05/2019", "dmy")
    ('2019-05-01', '2019-05-01', '2019-05', None, '2019-05-01')
    >>> iso("13/01/2024", "mdy") is None  # no thirteenth month, and the order is stated
    True
    """
    if _GAPS.fullmatch(text):
        text = text.partition(".")[0]
    for pattern in (_ISO, _YEAR_FIRST, _DICOM):
        match = pattern.fullmatch(text)
        if match is not None:
            return _checked(*match.groups())
    match = MIXED.fullmatch(text)
    if match is None:
        return None
    # An order that is stated holds for every cell: one it does not fit is none, never read the other way.
    way = order if order in WAYS else order_of(text)
    first, _, second, year = match.groups()
    if way == "unclear":
        return None
    if way == "mdy":
        first, second = second, first
    return _checked(year, second, first)


def _checked(year: str, month: str | None, day: str | None) -> str | None:
    try:
        date(int(year), int(month or 1), int(day or 1))
    except ValueError:
        return None
    return "-".join([year, *(f"{int(part):02}" for part in (month, day) if part)])


@cache
def placeholders() -> frozenset[str]:
    """Days that programs write where there is none."""
    return frozenset(row["date"] for row in shipped("placeholder_dates.csv"))


def read_date(given: Given) -> list[Read]:
    """An ISO date; a day that stands for none is none.

    Examples
    --------
    >>> from workbench.cohort.vocabulary import variable
    >>> [read_date(Given(variable("date_of_diagnosis"), text))[0].rule for text in ("2019-05-01", "31/12/9999")]
    ['date', 'placeholder']
    """
    found = iso(given.text, given.order)
    if found in placeholders():
        return [Read(None, PLACEHOLDER)]
    return [Read(found, "date") if found else Read(None, UNMAPPED)]


def read_year(given: Given) -> list[Read]:
    """A calendar year, of a year or of a date."""
    found = iso(given.text, given.order)
    if found in placeholders():
        return [Read(None, PLACEHOLDER)]
    return [Read(found[:4], "number" if len(found) == 4 else "year of a date") if found else Read(None, UNMAPPED)]


def years_between(birth: str, day: str) -> float | None:
    """Years from one ISO date to another; None where one is no whole date or they stand in the wrong order.

    Examples
    --------
    >>> round(years_between("1950-07-01", "2019-07-01"), 2), years_between("1950", "2019-07-01")
    (69.0, None)
    """
    try:
        days = (date.fromisoformat(day) - date.fromisoformat(birth)).days
    except ValueError:
        return None
    return days / 365.25 if days >= 0 else None


def after(day: str, days: float) -> str | None:
    """The ISO date so many days after another; None where the first is no whole date.

    Examples
    --------
    >>> after("2019-05-01", 366)
    '2020-05-01'
    """
    try:
        return (date.fromisoformat(day) + timedelta(days=round(days))).isoformat()
    except (ValueError, OverflowError):
        return None
