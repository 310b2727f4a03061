"""Real-world value maps: stored numbers -> measured quantities, as objects describe them (PS3.3 C.7.6.16.2.11)."""

from __future__ import annotations

import json
import math
from collections import Counter
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa

from workbench.dicom.values.scaling import Lut
from workbench.dicom.values.stated import Floats, distinct, values

#: Largest range that is kept as a table of values; a wider one keeps its line and its limits.
LARGEST_TABLE: Final = 1 << 17


@dataclass(frozen=True, eq=False)
class RealWorldMap:
    """One real-world value map."""

    #: First and last stored number that it maps; beyond them there is no value.
    first: float
    last: float
    #: The line, where there is no table.
    slope: float | None
    intercept: float | None
    #: Values from first to last, where there is no line.
    lut: tuple[float, ...] | None
    #: UCUM code of the values.
    units: str
    #: LUT Label.
    label: str

    @property
    def usable(self) -> bool:
        """It says how to compute values, for numbers in a range."""
        if not (math.isfinite(self.first) and math.isfinite(self.last) and self.first <= self.last):
            return False
        if self.lut is not None:
            return len(self.lut) == self.last - self.first + 1
        return self.slope is not None and self.intercept is not None and self.slope != 0

    def covers(self, low: float, high: float) -> bool:
        """Every number from *low* to *high* has a value."""
        return self.first <= low and high <= self.last


@dataclass(frozen=True, eq=False)
class Choice:
    """A quantity that every row of a part has exactly one map for."""

    #: How it is asked for: the label, or the units where there is none.
    name: str
    #: UCUM code of its values.
    units: str
    #: The map of each row.
    maps: tuple[RealWorldMap, ...]

    def covers(self, low: float, high: float) -> bool:
        """Every number from *low* to *high* has a value in every row."""
        return all(one.covers(low, high) for one in {id(one): one for one in self.maps}.values())


@dataclass(frozen=True, eq=False)
class Applied:
    """Maps of a part in the form that reading takes."""

    #: Slope and intercept of each row, used where it has no table.
    slope: Floats
    intercept: Floats
    #: Table of each row; None where the line holds, or altogether where no row has one.
    luts: tuple[Lut | None, ...] | None
    #: First and last stored number with a value, by row, where neither line nor table says it.
    limits: tuple[tuple[float, float] | None, ...] | None


def choices(part: pa.Table) -> tuple[tuple[Choice, ...], tuple[str, ...]]:
    """The quantities of *part* by real-world maps, and the names of maps that cannot be used.

    Examples
    --------
    >>> text = '[{"first": 0, "last": 9, "slope": 2, "intercept": 0, "lut": null, "units": "um2/s", "label": "ADC"}]'
    >>> found, unusable = choices(pa.table({"real_world_values": [text]}))
    >>> found[0].name, found[0].units, unusable
    ('ADC', 'um2/s', ())
    """
    texts = distinct(part, "real_world_values")
    if not any(texts):
        return (), ()
    parsed = {text: tuple(map(_parsed, json.loads(text))) if text else () for text in texts}
    rows = [parsed[text] for text in values(part, "real_world_values")]
    keys = dict.fromkeys((one.label, one.units) for maps in parsed.values() for one in maps)
    plain = Counter(label or units for label, units in keys)
    found, unusable = [], []
    for label, units in keys:
        name = label or units
        if plain[name] > 1:
            name = f"{name} ({units})"
        own = [[one for one in maps if (one.label, one.units) == (label, units)] for maps in rows]
        if all(len(maps) == 1 and maps[0].usable for maps in own):
            found.append(Choice(name, units, tuple(maps[0] for maps in own)))
        else:
            unusable.append(name)
    return tuple(found), tuple(unusable)


def _parsed(entry: dict[str, Any]) -> RealWorldMap:
    table = entry.get("lut")
    first, last, slope, intercept = (entry.get(name) for name in ("first", "last", "slope", "intercept"))
    return RealWorldMap(
        math.nan if first is None else float(first),
        math.nan if last is None else float(last),
        None if slope is None else float(slope),
        None if intercept is None else float(intercept),
        None if table is None else tuple(float(value) for value in table),
        str(entry.get("units") or "").strip(),
        str(entry.get("label") or "").strip(),
    )


def applied(maps: tuple[RealWorldMap, ...], low: int, high: int, *, floating: bool) -> Applied:
    """Maps in the form that reading takes; numbers without a value become NaN.

    Parameters
    ----------
    maps : tuple of RealWorldMap
        Map of each row.
    low, high : int
        Smallest and largest stored number that the header allows.
    floating : bool
        Stored numbers are floats: their range is not declared.

    Examples
    --------
    >>> adc = RealWorldMap(0, 2, 0.5, 1.0, None, "um2/s", "ADC")
    >>> table = applied((adc,), 0, 4095, floating=False).luts[0]
    >>> table.first, table.table.tolist()
    (-1, [nan, 1.0, 1.5, 2.0, nan])
    """
    # By identity: a map may hold a long table, and rows share theirs.
    forms = {key: _form(one, low, high, floating) for key, one in {id(one): one for one in maps}.items()}
    slope = np.array([1.0 if one.slope is None else one.slope for one in maps])
    intercept = np.array([one.intercept or 0.0 for one in maps])
    luts = tuple(forms[id(one)][0] for one in maps)
    limits = tuple(forms[id(one)][1] for one in maps)
    return Applied(slope, intercept, luts if any(luts) else None, limits if any(limits) else None)


def _form(one: RealWorldMap, low: int, high: int, floating: bool) -> tuple[Lut | None, tuple[float, float] | None]:
    covers = not floating and one.covers(low, high)
    if one.lut is not None:
        return _fenced(int(one.first), np.array(one.lut)), None
    if covers:
        return None, None
    if floating:
        return None, (one.first, one.last)
    first, last = max(math.ceil(one.first), low), min(math.floor(one.last), high)
    if first > last:
        return Lut(low, np.array([np.nan], np.float32)), None
    if last - first >= LARGEST_TABLE:
        return None, (one.first, one.last)
    numbers = np.arange(first, last + 1, dtype=np.float64)
    return _fenced(first, numbers * (one.slope or 0.0) + (one.intercept or 0.0)), None


def _fenced(first: int, table: Floats) -> Lut:
    """Table with NaN on either side: what lies beyond its ends takes their value."""
    return Lut(first - 1, np.concatenate([[np.nan], table, [np.nan]]).astype(np.float32))
