"""Which dtype holds stored numbers and values: the smallest integer that does, else float32, never float64."""

from __future__ import annotations

from itertools import product
from typing import Any, Final

import numpy as np
import pyarrow as pa

from workbench.dicom.values.stated import distinct
from workbench.errors import UsageError

#: Whole slopes and intercepts beyond this are computed as floats, so that no product overflows.
LARGEST_WHOLE: Final = 1 << 30


def stored_dtype(bits_allocated: int, *, signed: bool, floating: bool = False) -> np.dtype[Any]:
    """Dtype of stored numbers: 1 bit is unpacked to uint8, odd sizes take the next larger one.

    Examples
    --------
    >>> stored_dtype(12, signed=True).name, stored_dtype(1, signed=True).name
    ('int16', 'uint8')
    """
    size = next((size for size in (1, 2, 4) if bits_allocated <= 8 * size), 8)
    if floating:
        return np.dtype(f"f{max(4, size)}")
    return np.dtype(f"{'i' if signed and bits_allocated > 1 else 'u'}{size}")


def precision(bits_allocated: int, bits_stored: int, high_bit: int) -> int:
    """Bits that carry the number: BitsStored where it fits the other two, else all.

    Examples
    --------
    >>> precision(16, 12, 11), precision(16, 12, 40)
    (12, 16)
    """
    return bits_stored if 0 < bits_stored <= high_bit + 1 <= bits_allocated else bits_allocated


def asked(dtype: str) -> np.dtype[Any]:
    """The number type of that name.

    Raises
    ------
    UsageError
        It is none.

    Examples
    --------
    >>> asked("int16")
    dtype('int16')
    """
    try:
        wanted = np.dtype(dtype)
    except TypeError:
        wanted = np.dtype(object)
    if wanted.kind not in "iuf":
        raise UsageError(f"dtype cannot be {dtype!r}", remedy="use a number type such as 'int16' or 'float32'")
    return wanted


def settled(
    wanted: np.dtype[Any] | None, chosen: np.dtype[Any], checked: bool, *, whole: bool
) -> tuple[np.dtype[Any], bool]:
    """The dtype asked for, or the chosen one; and whether reads must check that values fit.

    Raises
    ------
    UsageError
        Whole numbers are asked for and the values are none.
    """
    if wanted is None:
        return chosen, checked
    if wanted.kind in "iu" and not whole:
        raise UsageError(f"values are not whole numbers and do not fit {wanted}", remedy="use dtype='float32'")
    return wanted, wanted.kind in "iu"


def stored_range(part: pa.Table) -> tuple[int, int]:
    """Smallest and largest stored number that the headers of *part* allow."""
    names = ("BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation")
    low, high = 0, 0
    for allocated, stored, high_bit, sign in product(*(distinct(part, name) for name in names)):
        allocated = allocated or 16
        stored = stored or allocated
        bits = min(64, precision(allocated, stored, stored - 1 if high_bit is None else high_bit))
        low = min(low, -(1 << (bits - 1)) if sign == 1 else 0)
        high = max(high, (1 << (bits - 1)) - 1 if sign == 1 else (1 << bits) - 1)
    return low, high


def integer_dtype(low: int, high: int, slope: int, intercept: int) -> tuple[np.dtype[Any], bool]:
    """Smallest dtype for the range the header declares, and whether reads must check for values beyond it.

    A 16-bit CT with intercept -1024 declares a range just beyond int16 that no scanner uses; doubling the memory
    of every such series would serve nobody, so int16 is taken and every read looks whether it holds.

    Examples
    --------
    >>> integer_dtype(0, 4095, 1, -1024), integer_dtype(-32768, 32767, 1, -1024)
    ((dtype('int16'), False), (dtype('int16'), True))
    >>> integer_dtype(0, 2**32 - 1, 1, 0), integer_dtype(0, 2**16 - 1, 1, 100_000)
    ((dtype('uint32'), False), (dtype('int32'), False))
    """
    ends = sorted((low * slope + intercept, high * slope + intercept))
    for name in ("uint8", "int16", "uint16"):
        limits = np.iinfo(name)
        if limits.min <= ends[0] and ends[1] <= limits.max:
            return np.dtype(name), False
    narrow = np.iinfo(np.int16)
    if abs(slope) == 1 and high - low < 1 << 16 and ends[0] <= narrow.max and ends[1] >= narrow.min:
        return np.dtype("int16"), True
    for name in ("int32", "uint32", "int64"):
        limits = np.iinfo(name)
        if limits.min <= ends[0] and ends[1] <= limits.max:
            return np.dtype(name), False
    return np.dtype("int64"), True
