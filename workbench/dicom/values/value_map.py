"""Stored numbers -> quantities: the map, the dtype that holds the result, the unit.

Integers stay integers where one integer map holds for the part; otherwise float32, never float64.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa

from workbench.dicom.values.dtypes import (
    LARGEST_WHOLE,
    asked,
    integer_dtype,
    precision,
    settled,
    stored_dtype,
)
from workbench.dicom.values.scaling import Lut
from workbench.dicom.values.stated import Floats
from workbench.dicom.values.value_rules import Pixels, Rule, rule_of, same
from workbench.findings import Finding

__all__ = ["ValueMap", "precision", "stored_dtype", "value_map"]


@dataclass(frozen=True, eq=False)
class ValueMap:
    """How stored numbers of one part become values: ``stored * slope + intercept``, or a table's entry."""

    #: Slope of each row.
    slope: Floats
    #: Intercept of each row.
    intercept: Floats
    #: dtype that holds the values.
    dtype: np.dtype[Any]
    #: Values beyond the dtype are possible by the header and looked for on every read.
    checked: bool
    #: UCUM unit; empty where unknown.
    units: str
    #: ``hounsfield``, ``activity``, ``counts``, ``suv``, ``dose``, ``signal``, ``display``, ``quantitative``,
    #: ``real-world``, ``stored`` or ``colour``.
    value_kind: str
    #: What is irregular.
    findings: tuple[Finding, ...]
    #: Look-up table or palette of each row, used instead of slope and intercept; None where no row has one.
    luts: tuple[Lut | None, ...] | None = None
    #: First and last stored number that has a value, by row, where a real-world map ends and no table says so.
    limits: tuple[tuple[float, float] | None, ...] | None = None
    #: Name of the real-world map or SUV type that was used; empty where neither was.
    label: str = ""
    #: How the values were worked out, in words, where that takes more than slope and intercept.
    steps: tuple[str, ...] = ()

    @property
    def identity(self) -> bool:
        """Stored numbers are the values."""
        return self.luts is None and bool((self.slope == 1).all() and (self.intercept == 0).all())

    @property
    def constant(self) -> bool:
        """One slope and intercept hold for all rows."""
        return self.luts is None and same(self.slope) and same(self.intercept)


def value_map(
    part: pa.Table,
    *,
    stored: bool = False,
    dtype: str | None = None,
    values: str = "physical",
    root: str | os.PathLike[str] | None = None,
) -> ValueMap:
    """Value map of the rows of one part: slope, intercept or table of each row, the dtype and the unit of the values.

    Parameters
    ----------
    part : pyarrow.Table
        Header rows, one per frame, in plan order; columns may be missing.
    stored : bool, default False
        Leave numbers as stored; the same as ``values="stored"``.
    dtype : str, optional
        dtype to use instead of the one chosen.
    values : str, default "physical"
        ``physical``; ``stored``; ``real-world`` or ``real-world:LABEL``, a real-world value map of the object;
        ``quantitative``, the comparable signal of Philips MR; ``suv``, standardised uptake of PET.
    root : path, optional
        Folder that the rows' paths are relative to. Only with it are files opened, for modality look-up tables and
        palettes.

    Raises
    ------
    UsageError
        *dtype* is no number type, or a whole one for values that are not whole; *values* is not one of the choices
        that this part has.
    SuvUnavailable
        The headers do not allow an honest SUV.
    DicomError
        Philips MR without its private scale slope, for ``quantitative``.

    Notes
    -----
    Modality LUT and rescale: PS3.3 C.11.1. Real-world values: C.7.6.16.2.11; one is the default where the rescale is
    absent or identity and exactly one reaches all stored numbers. Dose: C.8.8.3. SUV: ``pet.py``.
    Philips MR: ``(stored * RS + RI) / (RS * SS)`` with rescale slope, rescale intercept and scale slope (Chenevert et
    al., Transl Oncol 2014;7:65; dcm2niix, Philips/README).

    Examples
    --------
    >>> part = pa.table({
    ...     "Modality": ["CT"], "RescaleSlope": [1.0], "RescaleIntercept": [-1024.0], "BitsStored": [12],
    ... })
    >>> found = value_map(part)
    >>> found.dtype.name, found.units, found.intercept.tolist()
    ('int16', "[hnsf'U]", [-1024.0])
    """
    wanted = None if dtype is None else asked(dtype)
    pixels = Pixels.of(part)
    asked_for = "stored" if stored else values
    return _finished(rule_of(part, pixels, asked_for, root), pixels, wanted)


def _finished(rule: Rule, pixels: Pixels, wanted: np.dtype[Any] | None) -> ValueMap:
    """The rule with the dtype that holds its values."""
    if rule.slope is None or rule.intercept is None:
        own, checked = _as_stored(pixels, wanted) if rule.luts is None else _as_coloured(rule.luts, wanted)
        slope, intercept = np.ones(rule.rows), np.zeros(rule.rows)
    else:
        slope, intercept = rule.slope, rule.intercept
        whole = not pixels.floating and not rule.real
        own, checked = _chosen(rule, pixels, slope, intercept, wanted, whole=whole)
    base = ValueMap(slope, intercept, own, checked, rule.units, rule.value_kind, rule.findings)
    return replace(base, luts=rule.luts, limits=rule.limits, label=rule.label, steps=rule.steps)


def _as_stored(pixels: Pixels, wanted: np.dtype[Any] | None) -> tuple[np.dtype[Any], bool]:
    low, high = pixels.low, pixels.high
    fitting, checked = integer_dtype(low, high, 1, 0)
    own = np.dtype("float32") if pixels.floating else stored_dtype(pixels.bits, signed=pixels.signed)
    if not pixels.colour and not pixels.floating and not (np.iinfo(own).min <= low and high <= np.iinfo(own).max):
        own = fitting
    return settled(wanted, own, checked and own == fitting, whole=not pixels.floating)


def _as_coloured(luts: tuple[Lut | None, ...], wanted: np.dtype[Any] | None) -> tuple[np.dtype[Any], bool]:
    """The dtype of the palettes' entries, which is one for all rows."""
    own = next(lut.table.dtype for lut in luts if lut is not None)
    return settled(wanted, own, False, whole=True)


def _chosen(
    rule: Rule, pixels: Pixels, slope: Floats, intercept: Floats, wanted: np.dtype[Any] | None, *, whole: bool
) -> tuple[np.dtype[Any], bool]:
    """The dtype of mapped values: an integer where every value is whole by one integer map or by tables of integers."""
    if whole and rule.luts is not None:
        tables = list({id(lut): lut for lut in rule.luts if lut is not None}.values())
        ends = [(float(lut.table.min()), float(lut.table.max())) for lut in tables]
        if None not in rule.luts and all(low.is_integer() and high.is_integer() for low, high in ends):
            low, high = int(min(low for low, _ in ends)), int(max(high for _, high in ends))
            return settled(wanted, *integer_dtype(low, high, 1, 0), whole=True)
        whole = False
    if whole and same(slope) and same(intercept):
        first, second = float(slope[0]), float(intercept[0])
        if all(value.is_integer() and abs(value) < LARGEST_WHOLE for value in (first, second)):
            chosen = integer_dtype(pixels.low, pixels.high, int(first), int(second))
            return settled(wanted, *chosen, whole=True)
    return settled(wanted, np.dtype("float32"), False, whole=False)
