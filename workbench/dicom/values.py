"""Stored numbers -> quantities: the map, the dtype that holds the result, the unit.

Integers stay integers where one integer map holds for the part; otherwise float32, never float64.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from workbench.errors import UsageError
from workbench.findings import Finding

Floats = NDArray[np.float64]

#: PET Units (0054,1001) -> UCUM (PS3.3 C.8.9.1.1.3); what is not listed stays unknown.
PET_UNITS: Final = {
    "BQML": "Bq/mL",
    "CNTS": "{counts}",
    "GML": "g/mL",
    "CPS": "{counts}/s",
    "PROPCNTS": "1",
    "NONE": "1",
}
#: RescaleType (0028,1054) -> UCUM (PS3.3 C.11.1.1.2).
RESCALE_UNITS: Final = {"HU": "[hnsf'U]", "OD": "{OD}", "US": "1", "MGML": "mg/mL", "PCT": "%"}
#: What the numbers of a modality are, where nothing else says so.
MODALITY_UNITS: Final = {
    "MR": "1", "US": "1", "CR": "1", "DX": "1", "MG": "1", "XA": "1", "RF": "1", "OT": "1", "SC": "1",
}  # fmt: skip

#: Whole slopes and intercepts beyond this are computed as floats, so that no product overflows.
_LARGEST_WHOLE: Final = 1 << 30
#: Storage classes whose value map stands in functional groups (PS3.3 A.36, A.38, A.47, A.53, A.56, A.70 to A.75).
FUNCTIONAL_GROUPS: Final = frozenset(
    f"1.2.840.10008.5.1.4.1.1.{end}"
    for end in ("2.1", "2.2", "4.1", "4.3", "4.4", "130", "128.1", "12.1.1", "12.2.1", "13.1.1", "13.1.2", "13.1.3",
                "13.1.4", "13.1.5", "14.1", "14.2", "6.2", "30")
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class ValueMap:
    """How stored numbers of one part become values: ``value = stored * slope + intercept``."""

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
    #: ``hounsfield``, ``activity``, ``suv``, ``signal``, ``stored`` or ``colour``.
    value_kind: str
    #: What is irregular.
    findings: tuple[Finding, ...]

    @property
    def identity(self) -> bool:
        """Stored numbers are the values."""
        return bool((self.slope == 1).all() and (self.intercept == 0).all())

    @property
    def constant(self) -> bool:
        """One map holds for all rows."""
        return len(np.unique(self.slope)) == 1 and len(np.unique(self.intercept)) == 1


def stored_dtype(bits_allocated: int, *, signed: bool, floating: bool = False) -> np.dtype[Any]:
    """Dtype of stored numbers: 1 bit is unpacked to uint8, odd sizes take the next larger one."""
    size = next((size for size in (1, 2, 4) if bits_allocated <= 8 * size), 8)
    if floating:
        return np.dtype(f"f{max(4, size)}")
    return np.dtype(f"{'i' if signed and bits_allocated > 1 else 'u'}{size}")


def precision(bits_allocated: int, bits_stored: int, high_bit: int) -> int:
    """Bits that carry the number: BitsStored where it fits the other two, else all."""
    return bits_stored if 0 < bits_stored <= high_bit + 1 <= bits_allocated else bits_allocated


def value_map(part: pa.Table, *, stored: bool = False, dtype: str | None = None) -> ValueMap:
    """Value map of the rows of one part.

    Parameters
    ----------
    part : pyarrow.Table
        Header rows, in plan order.
    stored : bool, default False
        Leave numbers as stored.
    dtype : str, optional
        dtype to use instead of the one chosen.

    Raises
    ------
    UsageError
        *dtype* is no number type, or a whole one for values that are not whole.
    """
    wanted = None if dtype is None else _asked(dtype)
    n = part.num_rows
    slope = _floats(part, "RescaleSlope", 1.0)
    intercept = _floats(part, "RescaleIntercept", 0.0)
    bits = max(int(v or 16) for v in part["BitsAllocated"].to_pylist())
    signed = any(v == 1 for v in part["PixelRepresentation"].to_pylist())
    samples = part["SamplesPerPixel"][0].as_py() or 1
    floating = any(part["pixel_float"].to_pylist())
    low, high = _stored_range(part)

    def as_stored(units: str, kind: str, findings: tuple[Finding, ...] = ()) -> ValueMap:
        fitting, checked = _integer_dtype(low, high, 1, 0)
        own = np.dtype("float32") if floating else stored_dtype(bits, signed=signed)
        if samples == 1 and not floating and not (np.iinfo(own).min <= low and high <= np.iinfo(own).max):
            own = fitting
        own, checked = _settled(wanted, own, checked and own == fitting, whole=not floating)
        return ValueMap(np.ones(n), np.zeros(n), own, checked, units, kind, findings)

    if samples > 1 or stored:
        return as_stored("1", "colour" if samples > 1 else "stored")
    if "PALETTE COLOR" in part["PhotometricInterpretation"].to_pylist():
        return as_stored("1", "stored")
    units, value_kind, findings = _units(part)
    lut = sum(part["ModalityLUTSequence"].to_pylist())
    if lut:
        text = f"modality LUT in {lut} images is not applied"
        return as_stored("", "stored", (*findings, Finding("units-unknown", text, count=lut)))
    flat = int((slope == 0).sum())
    if flat:
        return as_stored("", "stored", (Finding("rescale-impossible", f"{flat} of {n} images", count=flat),))
    unscaled = part["RescaleSlope"].null_count
    if unscaled and part["SOPClassUID"][0].as_py() in FUNCTIONAL_GROUPS:
        text = "value map in functional groups is not applied"
        return as_stored("", "stored", (Finding("units-unknown", text, count=n),))
    if unscaled and value_kind in ("hounsfield", "activity", "suv"):
        findings = (*findings, Finding("units-unknown", f"RescaleSlope missing in {unscaled} of {n} images", count=n))
        units, value_kind = "", "signal"
    if floating:
        chosen, _ = _settled(wanted, np.dtype("float32"), False, whole=False)
        return ValueMap(slope, intercept, chosen, False, units, value_kind, findings)
    one_map = len(np.unique(slope)) == 1 and len(np.unique(intercept)) == 1
    whole = one_map and all(float(v).is_integer() and abs(v) < _LARGEST_WHOLE for v in (slope[0], intercept[0]))
    if not whole:
        chosen, _ = _settled(wanted, np.dtype("float32"), False, whole=False)
        return ValueMap(slope, intercept, chosen, False, units, value_kind, findings)
    chosen, checked = _settled(wanted, *_integer_dtype(low, high, int(slope[0]), int(intercept[0])), whole=True)
    return ValueMap(slope, intercept, chosen, checked, units, value_kind, findings)


def _asked(dtype: str) -> np.dtype[Any]:
    try:
        wanted = np.dtype(dtype)
    except TypeError:
        wanted = np.dtype(object)
    if wanted.kind not in "iuf":
        raise UsageError(f"dtype cannot be {dtype!r}", remedy="use a number type such as 'int16' or 'float32'")
    return wanted


def _settled(
    wanted: np.dtype[Any] | None, chosen: np.dtype[Any], checked: bool, *, whole: bool
) -> tuple[np.dtype[Any], bool]:
    """The dtype asked for, or the chosen one; and whether reads must check that values fit."""
    if wanted is None:
        return chosen, checked
    if wanted.kind in "iu" and not whole:
        raise UsageError(f"values are not whole numbers and do not fit {wanted}", remedy="use dtype='float32'")
    return wanted, wanted.kind in "iu"


def _stored_range(part: pa.Table) -> tuple[int, int]:
    """Smallest and largest stored number that the headers allow."""
    names = ("BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation")
    low, high = 0, 0
    for allocated, stored, high_bit, sign in set(zip(*(part[name].to_pylist() for name in names), strict=True)):
        allocated = allocated or 16
        stored = stored or allocated
        bits = min(64, precision(allocated, stored, stored - 1 if high_bit is None else high_bit))
        low = min(low, -(1 << (bits - 1)) if sign == 1 else 0)
        high = max(high, (1 << (bits - 1)) - 1 if sign == 1 else (1 << bits) - 1)
    return low, high


def _integer_dtype(low: int, high: int, slope: int, intercept: int) -> tuple[np.dtype[Any], bool]:
    """Smallest dtype for the range the header declares, and whether reads must check for values beyond it.

    A 16-bit CT with intercept -1024 declares a range just beyond int16 that no scanner uses; doubling the memory
    of every such series would serve nobody, so int16 is taken and every read looks whether it holds.
    """
    ends = sorted((low * slope + intercept, high * slope + intercept))
    for name in ("uint8", "int16", "uint16"):
        limits = np.iinfo(name)
        if limits.min <= ends[0] and ends[1] <= limits.max:
            return np.dtype(name), False
    if abs(slope) == 1 and high - low < 1 << 16:
        return np.dtype("int16"), True
    wide = np.iinfo(np.int32)
    return np.dtype("int32"), not (wide.min <= ends[0] and ends[1] <= wide.max)


def _floats(part: pa.Table, column: str, default: float) -> Floats:
    values = part[column].to_numpy(zero_copy_only=False).astype(np.float64)
    return np.where(np.isnan(values), default, values)


def _units(part: pa.Table) -> tuple[str, str, tuple[Finding, ...]]:
    modality = part["Modality"][0].as_py() or ""
    n = part.num_rows
    if modality == "PT":
        stated = {(value or "").upper() for value in part["Units"].to_pylist()}
        if len(stated) == 1 and (code := next(iter(stated))) in PET_UNITS:
            if code == "GML":
                suv_type = (part["SUVType"][0].as_py() or "").upper()
                if suv_type in ("", "BW"):
                    return "g/mL", "suv", ()
                return "g/mL", f"suv-{suv_type.lower()}", ()
            return PET_UNITS[code], "activity" if code == "BQML" else "counts", ()
        return "", "signal", (Finding("units-unknown", "PET Units missing, mixed or not known", count=n),)
    rescale_type = (part["RescaleType"][0].as_py() or "").upper()
    if modality == "CT":
        if rescale_type in ("", "HU"):
            localiser = "LOCALIZER" in (part["ImageType"][0].as_py() or "").split("\\")
            return ("1", "signal", ()) if localiser else ("[hnsf'U]", "hounsfield", ())
        return RESCALE_UNITS.get(rescale_type, ""), "signal", ()
    if rescale_type in RESCALE_UNITS:
        return RESCALE_UNITS[rescale_type], "signal", ()
    if modality in MODALITY_UNITS:
        return MODALITY_UNITS[modality], "signal", ()
    return "", "signal", (Finding("units-unknown", f"no unit stated for modality {modality or 'unknown'}", count=n),)
