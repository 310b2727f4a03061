"""Which map makes values of stored numbers: rescale, table, dose scaling, real-world map, SUV, Philips scale."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from workbench.dicom.values.dtypes import stored_range
from workbench.dicom.values.enhanced_pet import quantity
from workbench.dicom.values.luts import ModalityLuts, frame_luts, modality_luts
from workbench.dicom.values.palettes import has_palette, palettes
from workbench.dicom.values.pet import SuvFactors, suv_factors
from workbench.dicom.values.real_world import Choice, applied, choices
from workbench.dicom.values.scaling import Lut
from workbench.dicom.values.stated import Floats, distinct, floats, words
from workbench.dicom.values.suv_files import is_enhanced
from workbench.dicom.values.units import SUV_UNITS, named_unit, stated_unit
from workbench.errors import DicomError, SuvUnavailable, UsageError
from workbench.findings import Finding

#: Parametric Map Storage: its one real-world map is what its numbers mean (PS3.3 A.75).
PARAMETRIC_MAP: Final = "1.2.840.10008.5.1.4.1.1.30"
#: Kinds of value that a missing rescale slope makes unknown.
_NEEDS_SLOPE: Final = ("hounsfield", "activity", "suv", "counts")


@dataclass(frozen=True)
class Pixels:
    """What the header says of the stored numbers of a part."""

    #: BitsAllocated, the largest.
    bits: int
    #: Some are signed.
    signed: bool
    #: More than one sample per pixel.
    colour: bool
    #: Float or Double Float Pixel Data.
    floating: bool
    #: Smallest and largest number the bits allow.
    low: int
    high: int

    @classmethod
    def of(cls, part: pa.Table) -> Pixels:
        """Of the header rows of a part."""
        low, high = stored_range(part)
        return cls(
            bits=max((int(bits or 16) for bits in distinct(part, "BitsAllocated")), default=16),
            signed=1 in distinct(part, "PixelRepresentation"),
            colour=(next(iter(distinct(part, "SamplesPerPixel")), 1) or 1) > 1,
            floating=any(distinct(part, "pixel_float")),
            low=low,
            high=high,
        )


@dataclass(frozen=True, eq=False)
class Rule:
    """A value map before its dtype is chosen; without slope it leaves the numbers as stored."""

    #: UCUM unit; empty where unknown.
    units: str
    #: As in ``ValueMap``.
    value_kind: str
    #: What is irregular.
    findings: tuple[Finding, ...] = ()
    #: Slope and intercept of each row; None where the numbers are left as stored.
    slope: Floats | None = None
    intercept: Floats | None = None
    #: Table of each row; None where no row has one.
    luts: tuple[Lut | None, ...] | None = None
    #: First and last number with a value, by row; None where every number has one or a table says.
    limits: tuple[tuple[float, float] | None, ...] | None = None
    #: Name of the real-world map or kind of SUV.
    label: str = ""
    #: What was used, in words.
    steps: tuple[str, ...] = ()
    #: Values are no whole numbers, or some may be NaN.
    real: bool = False
    #: Rows of the part.
    rows: int = 0


def same(numbers: Floats) -> bool:
    """All numbers are one.

    Examples
    --------
    >>> same(np.array([2.0, 2.0])), same(np.array([]))
    (True, False)
    """
    return bool(len(numbers) and (numbers == numbers[0]).all())


def rule_of(part: pa.Table, pixels: Pixels, values: str, root: str | os.PathLike[str] | None) -> Rule:
    """The map that *values* asks for.

    Parameters
    ----------
    part : pyarrow.Table
        Header rows, one per frame.
    pixels : Pixels
        What they say of the stored numbers.
    values, root
        As in :func:`workbench.dicom.values.value_map.value_map`, which says what is raised.
    """
    if not isinstance(values, str):
        raise UsageError(f"values cannot be {values!r}", remedy="use 'physical', 'stored' or 'suv'")
    n = part.num_rows
    fixed = pixels.colour or has_palette(part)
    if values == "physical" and fixed and not pixels.colour and root is not None:
        return _coloured(part, pixels, root)
    if values == "stored" or (fixed and values == "physical"):
        return Rule("1", "colour" if pixels.colour else "stored", rows=n)
    if values == "physical":
        return _physical(part, pixels, root)
    base, colon, label = values.partition(":")
    maps = () if fixed else choices(part)[0]
    modality = next(iter(distinct(part, "Modality")), None)
    if base == "real-world" and (colon or len(maps) == 1):
        for choice in maps:
            if choice.name == label or not colon:
                return _real_world(choice, pixels)
    elif values == "suv" and modality == "PT" and not fixed:
        return _uptake(part, pixels, root)
    elif values == "suv" and modality != "PT":
        raise UsageError("values cannot be 'suv': not a PET series", remedy=f"use {_offered(part, maps, fixed)}")
    elif values == "quantitative" and _philips_mr(part) and not fixed:
        return _quantitative(part)
    raise UsageError(f"values cannot be {values!r} for this series", remedy=f"use {_offered(part, maps, fixed)}")


def _offered(part: pa.Table, maps: tuple[Choice, ...], fixed: bool) -> str:
    """The texts that a part takes for ``values``."""
    names = ["physical", "stored"]
    names += ["real-world"] * (len(maps) == 1) + [f"real-world:{choice.name}" for choice in maps]
    if not fixed and "PT" in distinct(part, "Modality"):
        names.append("suv")
    if not fixed and _philips_mr(part):
        names.append("quantitative")
    return " or ".join(repr(name) for name in names)


def _physical(part: pa.Table, pixels: Pixels, root: str | os.PathLike[str] | None) -> Rule:
    """Physical values by rescale, look-up table, dose scaling or the one real-world map."""
    n = part.num_rows
    units, kind, findings = stated_unit(part)
    if any(distinct(part, "ModalityLUTSequence")):
        return _looked_up(part, None if root is None else modality_luts(part, root), findings)
    if root is not None and (tables := frame_luts(part, root)) is not None:
        return _looked_up(part, tables, findings)
    if is_enhanced(part) and (held := quantity(part, pixels.low, pixels.high)) is not None:
        if held.choice is not None:
            return _real_world(held.choice, pixels)
        units, kind, findings = held.units, _kind_of(held.units), ()
    slope, intercept = floats(part, "RescaleSlope"), floats(part, "RescaleIntercept")
    if kind == "dose":
        slope, intercept = floats(part, "DoseGridScaling"), np.zeros(n)
        unscaled = int(np.isnan(slope).sum())
        if unscaled:
            return _left(Finding("dose-unscaled", f"DoseGridScaling missing in {unscaled} of {n} images", count=n), n=n)
    flat = int((slope == 0).sum())
    if flat:
        return _left(*findings, Finding("rescale-impossible", f"{flat} of {n} images", count=flat), n=n)
    missing = np.isnan(slope)
    rescaled = bool(((slope != 1) & ~missing).any() or (np.nan_to_num(intercept) != 0).any())
    if not rescaled and (found := _default_real_world(part, pixels)) is not None:
        if isinstance(found, Rule):
            return found
        findings = (*findings, found)
    halved = int((np.isnan(intercept) & ~missing).sum())
    if halved:
        text = f"RescaleIntercept missing or no number in {halved} of {n} images"
        return _left(*findings, Finding("units-unknown", text, count=halved), n=n)
    if lost := int((missing & (rescaled | ~np.isnan(intercept))).sum()):
        return _left(*findings, _no_slope(lost, n), n=n)
    if missing.any() and kind.startswith(_NEEDS_SLOPE) and "NM" not in distinct(part, "Modality"):
        text = f"RescaleSlope missing in {int(missing.sum())} of {n} images"
        return _left(*findings, Finding("units-unknown", text, count=n), n=n)
    if (
        (units, kind) == ("1", "signal")
        and _philips_mr(part)
        and not np.isnan(floats(part, "philips_scale_slope")).all()
    ):
        # The number the console shows: not comparable between series (DICOM page 5.5).
        kind = "display"
    slope, intercept = np.where(missing, 1.0, slope), np.nan_to_num(intercept)
    return Rule(units, kind, findings, slope, intercept, rows=n)


def _coloured(part: pa.Table, pixels: Pixels, root: str | os.PathLike[str]) -> Rule:
    """Colours by the files' own palettes; where one has none that can be used, indices and a finding."""
    n = part.num_rows
    found = palettes(part, root)
    if found.unusable or pixels.floating:
        finding = Finding("palette-unusable", found.reason or "pixels are not whole numbers", count=found.unusable or n)
        return Rule("1", "stored", (finding,), rows=n)
    return Rule("1", "colour", luts=found.luts, rows=n)


def _left(*findings: Finding, n: int = 0) -> Rule:
    """Numbers left as stored, of unknown unit."""
    return Rule("", "stored", findings, rows=n)


def _looked_up(part: pa.Table, found: ModalityLuts | None, findings: tuple[Finding, ...]) -> Rule:
    """Values by the files' own look-up tables; None where no file may be opened."""
    n = part.num_rows
    if found is None:
        with_lut = pc.sum(part["ModalityLUTSequence"]).as_py()
        text = f"modality LUT in {with_lut} images is not applied"
        return _left(*findings, Finding("units-unknown", text, count=with_lut), n=n)
    if found.unread:
        return _left(Finding("modality-lut-unread", f"{found.unread} of {n} images", count=found.unread), n=n)
    types = found.types | (words(part, "RescaleType") if None in found.luts else frozenset())
    units, kind, findings = named_unit(set(types), n)
    slope, intercept = (floats(part, name) for name in ("RescaleSlope", "RescaleIntercept"))
    by_line = np.array([lut is None for lut in found.luts])
    if lost := int((by_line & np.isnan(slope) & ~np.isnan(intercept)).sum()):
        return _left(*findings, _no_slope(lost, n), n=n)
    slope, intercept = np.where(np.isnan(slope), 1.0, slope), np.nan_to_num(intercept)
    return Rule(units, kind, findings, slope, intercept, found.luts, rows=n)


def _no_slope(lost: int, n: int) -> Finding:
    """An intercept on its own, or images that are not rescaled beside others that are: values of no kind."""
    text = f"RescaleSlope missing or no number in {lost} of {n} images that are rescaled"
    return Finding("rescale-impossible", text, count=lost)


def _default_real_world(part: pa.Table, pixels: Pixels) -> Rule | Finding | None:
    """The real-world map that gives physical values unasked; a finding where there are maps and none is the one."""
    found, unusable = choices(part)
    if not found and not unusable:
        return None
    if not found:
        return Finding("real-world-unusable", ", ".join(unusable), count=len(unusable))
    alone = len(found) == 1 and (pixels.floating or distinct(part, "SOPClassUID") == [PARAMETRIC_MAP])
    reaching = [choice for choice in found if alone or choice.covers(pixels.low, pixels.high)]
    if len(reaching) == 1:
        return _real_world(reaching[0], pixels)
    names = ", ".join(choice.name for choice in found)
    return Finding("real-world-choice", names, count=len(found))


def _real_world(choice: Choice, pixels: Pixels) -> Rule:
    form = applied(choice.maps, pixels.low, pixels.high, floating=pixels.floating)
    n = len(choice.maps)
    findings = () if choice.units else (Finding("units-unknown", f"real-world map {choice.name}", count=n),)
    if pixels.floating and form.luts is not None:
        raise DicomError("real-world map is a table, pixels are not whole numbers", remedy="open with values='stored'")
    fenced = form.luts is not None or form.limits is not None
    return Rule(
        choice.units, _kind_of(choice.units), findings, form.slope, form.intercept, form.luts, form.limits,
        choice.name, (f"real-world value map {choice.name}",), real=fenced, rows=n,
    )  # fmt: skip


def _kind_of(units: str) -> str:
    """Kind of value of a real-world unit."""
    if "SUV" in units:
        return "suv" if "SUVbw" in units else "suv-other"
    kinds = {"[hnsf'U]": "hounsfield", "Bq/ml": "activity", "Bq/mL": "activity", "{counts}": "counts"}
    return kinds.get(units, "real-world")


def _uptake(part: pa.Table, pixels: Pixels, root: str | os.PathLike[str] | None) -> Rule:
    """Standardised uptake: the factor of each row on top of its rescale."""
    found = suv_factors(part, root=root)
    if isinstance(found, SuvUnavailable):
        raise found
    n = part.num_rows
    if is_enhanced(part):
        return _times(_physical(part, pixels, root), found)
    slope = floats(part, "RescaleSlope")
    missing = int((np.isnan(slope)).sum())
    if missing:
        raise SuvUnavailable(
            f"SUV not available: RescaleSlope missing in {missing} of {n} images", missing=("RescaleSlope",)
        )
    if (slope == 0).any() or any(distinct(part, "ModalityLUTSequence")):
        raise SuvUnavailable("SUV not available: pixels are not rescaled by a slope", tag="RescaleSlope")
    return Rule(
        SUV_UNITS[found.kind], _kind_of_uptake(found.kind), found.findings, slope * found.factor,
        np.nan_to_num(floats(part, "RescaleIntercept")) * found.factor,
        label=found.kind, steps=found.steps, real=True, rows=n,
    )  # fmt: skip


def _kind_of_uptake(name: str) -> str:
    return "suv" if name == "SUVbw" else f"suv-{name.removeprefix('SUV').lower()}"


def _times(rule: Rule, found: SuvFactors) -> Rule:
    """Uptake: the physical values of *rule* times the factor of each row."""
    if rule.slope is None or rule.intercept is None:
        raise SuvUnavailable("SUV not available: stored numbers do not become values", tag="RescaleSlope")
    made: dict[tuple[int, float], Lut] = {}
    luts: list[Lut | None] = []
    for lut, factor in zip(rule.luts or (), found.factor.tolist(), strict=False):
        if lut is not None:
            # Frames of one table and one factor share what comes of them.
            key = id(lut), factor
            lut = made.get(key) or made.setdefault(key, Lut(lut.first, (lut.table * factor).astype(np.float32)))
        luts.append(lut)
    return replace(
        rule, units=SUV_UNITS[found.kind], value_kind=_kind_of_uptake(found.kind),
        findings=(*rule.findings, *found.findings), slope=rule.slope * found.factor,
        intercept=rule.intercept * found.factor, luts=tuple(luts) or None, label=found.kind,
        steps=(*rule.steps, *found.steps), real=True, rows=len(found.factor),
    )  # fmt: skip


def _philips_mr(part: pa.Table) -> bool:
    makers = words(part, "Manufacturer")
    return distinct(part, "Modality") == ["MR"] and all("PHILIPS" in maker for maker in makers)


def _quantitative(part: pa.Table) -> Rule:
    """Philips MR in the numbers the reconstruction gave, comparable between series of a scanner."""
    n = part.num_rows
    slope, intercept, scale = (
        floats(part, name) for name in ("RescaleSlope", "RescaleIntercept", "philips_scale_slope")
    )
    for name, found in (("philips_scale_slope (2005,xx0E)", scale), ("RescaleSlope", slope)):
        absent = int((np.isnan(found) | (found == 0)).sum())
        if absent:
            raise DicomError(
                f"{name} missing in {absent} of {n} images",
                tag=name.partition(" ")[0],
                remedy="open with values='physical' for the numbers as displayed",
            )
    divisor = slope * scale
    steps = ("(stored * rescale slope + rescale intercept) / (rescale slope * Philips scale slope)",)
    return Rule("1", "quantitative", (), 1 / scale, np.nan_to_num(intercept) / divisor, steps=steps, real=True, rows=n)
