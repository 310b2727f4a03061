"""Stored numbers -> values, slice by slice while each is still in cache: a line or a look-up table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.errors import DicomError


@dataclass(frozen=True, eq=False)
class Lut:
    """A look-up table from stored numbers to values (Modality LUT or real-world value map)."""

    #: Stored number of the first entry; what lies below takes the first entry's value (PS3.3 C.11.1.1.1).
    first: int
    #: Values, (entries,) float32.
    table: NDArray[np.float32]


def apply_map(stored: NDArray[Any], slope: float, intercept: float, out: NDArray[Any], *, checked: bool) -> None:
    """Write ``stored * slope + intercept`` into *out*, (rows, columns), while the slice is in cache.

    Floats are computed in float64 and rounded once. Integers are computed exactly.

    Raises
    ------
    DicomError
        A value does not fit the dtype of *out* (only looked for where *checked*).
    """
    if out.dtype.kind == "f":
        out[...] = stored * slope + intercept
        return
    step, offset = int(slope), int(intercept)
    if checked and stored.size:
        limits = np.iinfo(out.dtype)
        ends = sorted((int(stored.min()) * step + offset, int(stored.max()) * step + offset))
        if ends[0] < limits.min or ends[1] > limits.max:
            raise DicomError(
                f"values from {ends[0]} to {ends[1]} do not fit {out.dtype}",
                remedy="open with dtype='int32', or values='stored'",
            )
    if step == 1 and offset == 0:
        out[...] = stored
    elif step == 1 and stored.dtype.kind in "iu" and stored.dtype.itemsize == out.dtype.itemsize:
        # The check above, or the declared range, vouches that the sum fits; then unsigned arithmetic, which wraps,
        # gives its bits whatever the signs of the two types.
        size = out.dtype.itemsize
        unsigned = np.dtype(f"u{size}")
        np.add(stored.view(unsigned), unsigned.type(offset % (1 << 8 * size)), out=out.view(unsigned))
    else:
        out[...] = stored.astype(np.int64) * step + offset
