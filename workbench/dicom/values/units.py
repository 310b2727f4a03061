"""Which unit the values of a part have, by what its headers state; unknown is an empty unit and a finding."""

from __future__ import annotations

from typing import Final

import pyarrow as pa

from workbench.dicom.values.stated import distinct, words
from workbench.findings import Finding

#: PET Units (0054,1001) -> UCUM (PS3.3 C.8.9.1.1.3); what is not listed stays unknown.
PET_UNITS: Final = {
    "BQML": "Bq/mL",
    "CNTS": "{counts}",
    "GML": "g/mL",
    "CM2ML": "cm2/mL",
    "CPS": "{counts}/s",
    "PROPCNTS": "1",
    "PROPCPS": "1",
    "NONE": "1",
    "CM2": "cm2",
    "PCNT": "%",
    "MGMINML": "mg/min/mL",
    "UMOLMINML": "umol/min/mL",
    "MLMING": "mL/min/g",
    "MLG": "mL/g",
    "1CM": "/cm",
    "UMOLML": "umol/mL",
    "MLMINML": "mL/min/mL",
    "MLML": "mL/mL",
    "STDDEV": "1",
}
#: RescaleType (0028,1054) and ModalityLUTType (0028,3004) -> UCUM (PS3.3 C.11.1.1.2). OD holds thousandths;
#: Philips MR writes "normalized" for signal (mrtrix3 issue 2499) and "mrad" for phase (dcm2niix issue 975).
RESCALE_UNITS: Final = {
    "HU": "[hnsf'U]",
    "OD": "10*-3.{OD}",
    "US": "1",
    "MGML": "mg/mL",
    "PCT": "%",
    "Z_EFF": "{Z_eff}",
    "ED": "10*23/mL",
    "EDW": "1",
    "HU_MOD": "{HU_MOD}",
    "NORMALIZED": "1",
    "MRAD": "mrad",
}
#: What the numbers of a modality are, where nothing else says so.
MODALITY_UNITS: Final = {
    "MR": "1", "US": "1", "CR": "1", "DX": "1", "MG": "1", "XA": "1", "RF": "1", "OT": "1", "SC": "1",
}  # fmt: skip
#: DoseUnits (3004,0002) -> UCUM (PS3.3 C.8.8.3).
DOSE_UNITS: Final = {"GY": "Gy", "RELATIVE": "1"}
#: SUVType (0054,1006) -> name of the quantity, its UCUM unit, and the PET Units that fit it (PS3.3 C.8.9.1; units as
#: in PS3.16 CID 85, with the annotation in front).
SUV_TYPES: Final = {
    "BW": ("SUVbw", "{SUVbw}g/mL", "GML"),
    "LBM": ("SUVlbm", "{SUVlbm}g/mL", "GML"),
    "LBMJAMES128": ("SUVlbm(James128)", "{SUVlbm(James128)}g/mL", "GML"),
    "LBMJANMA": ("SUVlbm(Janma)", "{SUVlbm(Janma)}g/mL", "GML"),
    "IBW": ("SUVibw", "{SUVibw}g/mL", "GML"),
    "BSA": ("SUVbsa", "{SUVbsa}cm2/mL", "CM2ML"),
}
#: Name of the quantity -> UCUM unit.
SUV_UNITS: Final = {name: unit for name, unit, _ in SUV_TYPES.values()}

#: Unit, kind of value, and what is irregular about them.
Unit = tuple[str, str, tuple[Finding, ...]]


def stated_unit(part: pa.Table) -> Unit:
    """UCUM unit of the rescaled values of *part*, their kind, and findings.

    Parameters
    ----------
    part : pyarrow.Table
        Header rows of one modality.

    Examples
    --------
    >>> stated_unit(pa.table({"Modality": ["CT"], "RescaleType": ["HU"], "ImageType": ["ORIGINAL"]}))
    ("[hnsf'U]", 'hounsfield', ())
    """
    modality = next(iter(distinct(part, "Modality")), None) or ""
    if modality == "PT":
        return _pet(part)
    if modality == "RTDOSE":
        return _dose(part)
    types = words(part, "RescaleType")
    if modality == "CT" and types <= {"", "HU"}:
        localiser = "LOCALIZER" in (next(iter(distinct(part, "ImageType")), None) or "").split("\\")
        return ("1", "signal", ()) if localiser else ("[hnsf'U]", "hounsfield", ())
    if types != {""}:
        return named_unit(types, part.num_rows)
    if modality == "NM":
        return "{counts}", "counts", ()
    if modality in MODALITY_UNITS:
        return MODALITY_UNITS[modality], "signal", ()
    return _unknown(f"no unit stated for modality {modality or 'unknown'}", part.num_rows)


def named_unit(types: set[str], n: int) -> Unit:
    """Unit that RescaleType or ModalityLUTType of *n* images gives; unknown where they differ or are not defined."""
    if len(types) == 1 and (name := next(iter(types))) in RESCALE_UNITS:
        return RESCALE_UNITS[name], "hounsfield" if name == "HU" else "signal", ()
    return _unknown("rescale type missing, mixed or not known", n)


def _pet(part: pa.Table) -> Unit:
    stated = words(part, "Units")
    code = next(iter(stated)) if len(stated) == 1 else ""
    if code not in PET_UNITS:
        return _unknown("PET Units missing, mixed or not known", part.num_rows)
    if code == "CM2ML":
        return PET_UNITS[code], "suv-bsa", ()
    if code == "GML":
        types = words(part, "SUVType")
        if len(types) > 1:
            return _unknown("SUV types differ between images", part.num_rows)
        suv_type = next(iter(types))
        return PET_UNITS[code], "suv" if suv_type in ("", "BW") else f"suv-{suv_type.lower()}", ()
    kinds = {"BQML": "activity", "CNTS": "counts", "CPS": "counts", "PROPCNTS": "counts", "PROPCPS": "counts"}
    return PET_UNITS[code], kinds.get(code, "signal"), ()


def _dose(part: pa.Table) -> Unit:
    stated = words(part, "DoseUnits")
    code = next(iter(stated)) if len(stated) == 1 else ""
    if code in DOSE_UNITS:
        return DOSE_UNITS[code], "dose", ()
    unit, _, findings = _unknown("DoseUnits missing, mixed or not known", part.num_rows)
    return unit, "dose", findings


def _unknown(text: str, n: int) -> Unit:
    return "", "signal", (Finding("units-unknown", text, count=n),)
