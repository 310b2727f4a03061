"""Enhanced PET: what its values are, and the factor that makes standardised uptake values of them.

An enhanced PET has no Units (0054,1001). Each frame has a real-world value map whose unit is from PS3.16 CID 84
(PS3.3 A.56.4: mandatory); beside it a rescale of unspecified type may stand. Corrections: PS3.3 C.8.22.6; dose, in
MBq there, and injection: C.8.22.4.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa

from workbench.dicom.values.clock import read_datetime
from workbench.dicom.values.real_world import Choice, choices
from workbench.dicom.values.stated import floats, words
from workbench.dicom.values.suv_clock import COARSEST_S, Dated
from workbench.dicom.values.suv_facts import SuvFacts
from workbench.dicom.values.units import PET_UNITS, SUV_TYPES

#: Largest dose taken for megabecquerels; beyond it the number is in becquerels.
LARGEST_DOSE_MBQ: Final = 1e5
ACTIVITY: Final = "bq/ml"
#: Unit of an uptake value, lower case -> its name.
UPTAKE: Final = {unit.lower(): name for name, unit, _ in SUV_TYPES.values()}


@dataclass(frozen=True, eq=False)
class Quantity:
    """What the values of an enhanced PET are."""

    #: UCUM unit.
    units: str
    #: The real-world map that gives them; None where the rescale does.
    choice: Choice | None


def quantity(part: pa.Table, low: int, high: int) -> Quantity | None:
    """The quantity that an enhanced PET holds; None where it does not say, or several and not which.

    Parameters
    ----------
    part : pyarrow.Table
        Header rows, one per frame.
    low, high : int
        Smallest and largest stored number that the header allows.

    Notes
    -----
    The one real-world map that reaches all stored numbers; of several the one whose line is the rescale; without any
    a RescaleType that is one of the units of PET (PS3.3 C.8.9.1.1.3).
    """
    found, unusable = choices(part)
    reaching = [choice for choice in found if choice.units and choice.covers(low, high)]
    if len(reaching) > 1:
        slope, intercept = floats(part, "RescaleSlope"), floats(part, "RescaleIntercept")
        reaching = [choice for choice in reaching if _is_line(choice, slope, intercept)]
    if len(reaching) == 1:
        return Quantity(reaching[0].units, reaching[0])
    types = words(part, "RescaleType")
    if not found and not unusable and len(types) == 1 and (name := next(iter(types))) in PET_UNITS:
        return Quantity(PET_UNITS[name], None)
    return None


def _is_line(choice: Choice, slope: np.ndarray, intercept: np.ndarray) -> bool:
    """Whether the rescale of every row is the line of its map."""
    if any(one.slope is None or one.intercept is None for one in choice.maps):
        return False
    lines = np.array([(one.slope, one.intercept) for one in choice.maps], np.float64)
    return bool(np.allclose(lines[:, 0], slope, rtol=1e-6) and np.allclose(lines[:, 1], intercept, rtol=1e-6))


def uptake_name(units: str) -> str:
    """Name of the uptake value of that unit; empty where it is none, or does not say which.

    Examples
    --------
    >>> uptake_name("{SUVbw}g/ml"), uptake_name("g/ml"), uptake_name("Bq/ml")
    ('SUVbw', '', '')
    """
    return UPTAKE.get(units.lower(), "")


def corrected_to(facts: SuvFacts) -> Dated | None:
    """The instant that the images are corrected to; None, and the reason with *facts*, where there is none."""
    if facts.text("AttenuationCorrected").upper() == "NO":
        facts.refuses("images are not corrected for attenuation", tag="AttenuationCorrected")
    decay = facts.text("DecayCorrected").upper()
    if decay == "NO":
        facts.refuses("images are not corrected for decay", tag="DecayCorrected")
    if decay in ("", "NO"):
        return None
    stated = facts.text("DecayCorrectionDateTime")
    if not stated:
        return None
    instant = read_datetime(stated)
    if instant is None or instant.resolution > COARSEST_S:
        facts.refuses("DecayCorrectionDateTime cannot be read to the minute", tag="DecayCorrectionDateTime")
        return None
    step = "corrected to: DecayCorrectionDateTime"
    return Dated(np.full(facts.part.num_rows, instant.seconds), instant.offset, step)


def dose_bq(facts: SuvFacts) -> float:
    """Injected dose in Bq; the reason is with *facts* where it cannot be right."""
    dose = facts.number("RadionuclideTotalDose")
    if dose <= 0:
        facts.refuses("RadionuclideTotalDose is not above zero", tag="RadionuclideTotalDose")
    elif dose > LARGEST_DOSE_MBQ:
        facts.refuses("RadionuclideTotalDose is too large for megabecquerels, perhaps Bq", tag="RadionuclideTotalDose")
    return dose * 1e6
