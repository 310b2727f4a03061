"""Numbers and ages as hospitals write them, with comparator and unit."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from workbench.cohort.clinical.rules.read import UNIT_UNKNOWN, UNMAPPED, Given, Read
from workbench.cohort.clinical.rules.units import factor, ucum

#: Signs of a limit -> how they are kept. The words are those of laboratory systems.
COMPARATORS: Final = {"<": "<", "<=": "<=", "≤": "<=", "=<": "<=", ">": ">", ">=": ">=", "≥": ">=", "=>": ">="}
_WHOLE: Final = re.compile(
    r"(?P<sign><=|>=|=<|=>|[<>≤≥])?\s*(?P<number>[+-]?(?:[0-9]+(?:[.,][0-9]*)?|[.,][0-9]+)(?:[eE][+-]?[0-9]{1,2})?)"
    r"\s*(?P<unit>[^\s0-9.,].*)?"
)
#: "1,234" may be a thousand or one and a bit.
_UNCLEAR: Final = re.compile(r"[+-]?[0-9]{1,3},[0-9]{3}")
#: DICOM age string: three digits (fewer are seen) and a unit in either case. PS3.5 6.2, AS.
_AGE: Final = re.compile(r"([0-9]{1,3})([DWMYdwmy])")
_AGE_UNITS: Final = {"D": "d", "W": "wk", "M": "mo", "Y": "a"}


@dataclass(frozen=True, slots=True)
class Number:
    """A number with what stands around it."""

    value: float
    comparator: str
    unit: str


def parse(text: str) -> Number | None:
    """Number, comparator and unit of a text; None for what is none or could mean two numbers.

    Examples
    --------
    >>> parse("<0,1 ng/ml"), parse("1,234"), parse("about 60")
    (Number(value=0.1, comparator='<', unit='ng/ml'), None, None)
    """
    match = _WHOLE.fullmatch(text)
    if match is None or (not text.isascii() and not match["number"].isascii()):
        return None
    written = match["number"]
    if _UNCLEAR.fullmatch(written):
        return None
    value = float(written.replace(",", "."))
    return Number(value, COMPARATORS.get(match["sign"] or "", ""), (match["unit"] or "").strip())


def written(number: float) -> str:
    """Number as text, ten significant digits.

    Examples
    --------
    >>> written(61.0), written(1 / 3)
    ('61', '0.3333333333')
    """
    return f"{number:.10g}"


def convert(given: Given, number: Number) -> Read:
    """The number in the variable's unit; unmapped where its own is not known or no unit of this quantity."""
    stated = number.unit or given.unit
    if not stated:
        if given.variable.unit_stated:
            return Read(None, UNIT_UNKNOWN)
        return Read(written(number.value), "number", number.comparator)
    unit = ucum(stated)
    by = None if unit is None else factor(unit, given.variable.unit or "1")
    if unit is None or by is None:
        return Read(None, UNIT_UNKNOWN)
    if by == 1.0:
        return Read(written(number.value), "number", number.comparator)
    return Read(written(number.value * by), f"converted from {unit}", number.comparator)


def read_number(given: Given) -> list[Read]:
    """A number in the variable's unit."""
    number = parse(given.text)
    if number is None:
        return [Read(None, UNMAPPED)]
    if number.unit and ucum(number.unit) is None:
        # Words after a number are a remark or a unit that nobody knows: neither is guessed at.
        return [Read(None, UNIT_UNKNOWN if re.fullmatch(r"[a-zA-Z%µ][a-zA-Z%/µ^.\[\]]*", number.unit) else UNMAPPED)]
    return [convert(given, number)]


def read_age(given: Given) -> list[Read]:
    """An age in years from a number, a number with a unit, or a DICOM age string.

    Examples
    --------
    >>> from workbench.cohort.vocabulary import variable
    >>> [read_age(Given(variable("age_at_imaging"), text))[0].value for text in ("042Y", "018M", "73.5", "61 Jahre")]
    ['42', '1.5', '73.5', '61']
    """
    match = _AGE.fullmatch(given.text)
    if match is None:
        return read_number(given)
    unit = _AGE_UNITS[match[2].upper()]
    by = factor(unit, "a")
    assert by is not None
    return [Read(written(int(match[1]) * by), "age string")]
