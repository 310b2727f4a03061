"""Stored numbers -> values, slice by slice while each is still in cache: a line or a look-up table."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from workbench.errors import DicomError

#: Pixels computed at a time, so that what is wider than the result stays in cache and small.
BLOCK_PIXELS: Final = 1 << 15
_UNSIGNED: Final = {size: np.dtype(f"u{size}") for size in (1, 2, 4, 8)}


@dataclass(frozen=True, eq=False)
class Lut:
    """A look-up table from stored numbers to values (Modality LUT, real-world value map) or to colours (palette)."""

    #: Stored number of the first entry; what lies below takes the first entry's value (PS3.3 C.11.1.1.1).
    first: int
    #: Values, (entries,) float32; of a palette (entries, 3), red, green and blue as uint8 or uint16.
    table: NDArray[Any]

    @property
    def coloured(self) -> bool:
        """It is a palette."""
        return self.table.ndim == 2


def apply_map(
    stored: NDArray[Any],
    slope: float,
    intercept: float,
    out: NDArray[Any],
    *,
    checked: bool,
    lut: Lut | None = None,
    limits: tuple[float, float] | None = None,
) -> None:
    """Write ``stored * slope + intercept``, or *lut*'s values, into *out*, (rows, columns[, channel]).

    Floats are computed in float64 and rounded once. Integers are computed exactly. *stored* may be a view of *out*
    where both have the same item size.

    Parameters
    ----------
    stored : array
        Numbers as stored, shape of *out*; without the channel where *lut* is a palette.
    slope, intercept : float
        The line; not used where there is a table.
    out : array
        Where the values go.
    checked : bool
        Look whether every value fits the dtype of *out*.
    lut : Lut, optional
        Table that gives the values.
    limits : (float, float), optional
        First and last stored number that has a value; NaN beyond, in floats.

    Raises
    ------
    DicomError
        A value does not fit the dtype of *out* (only looked for where *checked*); a look-up table on floats.

    Examples
    --------
    >>> out = np.empty(3, np.float32)
    >>> apply_map(np.array([0, 5, 9]), 1.0, 0.0, out, checked=False, lut=Lut(4, np.array([1.5, 2.5], np.float32)))
    >>> out.tolist()
    [1.5, 2.5, 2.5]
    """
    if lut is not None:
        _look_up(stored, lut, out, checked)
    elif out.dtype.kind == "f":
        # Before the line is drawn: the numbers may lie where the values go.
        beyond = None if limits is None else ~((stored >= limits[0]) & (stored <= limits[1]))
        _line(stored, slope, intercept, out)
        if beyond is not None:
            out[beyond] = np.nan
    else:
        _whole_line(stored, int(slope), int(intercept), out, checked)


def _blocks(stored: NDArray[Any], out: NDArray[Any]) -> Iterator[tuple[NDArray[Any], NDArray[Any]]]:
    """Both arrays, some rows at a time."""
    step = max(1, BLOCK_PIXELS // max(1, stored[:1].size)) if stored.ndim > 1 else BLOCK_PIXELS
    for start in range(0, len(stored), step):
        yield stored[start : start + step], out[start : start + step]


def _line(stored: NDArray[Any], slope: float, intercept: float, out: NDArray[Any]) -> None:
    try:
        with np.errstate(over="raise"):
            if slope == 1 and intercept == 0:
                out[...] = stored
                return
            for part, target in _blocks(stored, out):
                values = np.multiply(part, slope, dtype=np.float64)
                values += intercept
                target[...] = values
    except FloatingPointError as error:
        raise DicomError(f"values are beyond the range of {out.dtype}", remedy="open with values='stored'") from error


def _look_up(stored: NDArray[Any], lut: Lut, out: NDArray[Any], checked: bool) -> None:
    if stored.dtype.kind == "f":
        raise DicomError("look-up table for pixels that are not whole numbers", remedy="open with values='stored'")
    limits = np.iinfo(out.dtype) if out.dtype.kind in "iu" else None
    for part, target in _blocks(stored, out):
        places = np.subtract(part, lut.first, dtype=np.int64)
        values = lut.table.take(places, axis=0, mode="clip")
        if limits is not None and checked:
            fits = (values >= limits.min) & (values <= limits.max) & (values == np.floor(values))
            if not fits.all():
                raise DicomError(
                    f"values of the look-up table do not fit {out.dtype}", remedy="open with dtype='float32'"
                )
        target[...] = values


def _whole_line(stored: NDArray[Any], step: int, offset: int, out: NDArray[Any], checked: bool) -> None:
    if checked and stored.size:
        _require_fit(stored, step, offset, out.dtype)
    if step == 1 and offset == 0:
        out[...] = stored
    elif step == 1 and stored.dtype.kind in "iu" and stored.dtype.itemsize == out.dtype.itemsize:
        # The check above, or the declared range, vouches that the sum fits; then unsigned arithmetic, which wraps,
        # gives its bits whatever the signs of the two types.
        size = out.dtype.itemsize
        unsigned = _UNSIGNED[size]
        np.add(stored.view(unsigned), unsigned.type(offset % (1 << 8 * size)), out=out.view(unsigned))
    else:
        for part, target in _blocks(stored, out):
            values = np.multiply(part, step, dtype=np.int64)
            values += offset
            target[...] = values


def _require_fit(stored: NDArray[Any], step: int, offset: int, dtype: np.dtype[Any]) -> None:
    """Raise where a value lies beyond *dtype*; an end that the stored type itself cannot reach is not looked for."""
    limits, possible = _limits(dtype), _limits(stored.dtype)
    low, high = (0, 1) if step >= 0 else (1, 0)
    if (possible[low] * step + offset >= limits[0] or _reached(stored, low) * step + offset >= limits[0]) and (
        possible[high] * step + offset <= limits[1] or _reached(stored, high) * step + offset <= limits[1]
    ):
        return
    found = sorted((_reached(stored, 0) * step + offset, _reached(stored, 1) * step + offset))
    raise DicomError(
        f"values from {found[0]} to {found[1]} do not fit {dtype}",
        remedy=f"open with dtype={_wide(*found)!r}, or values='stored'",
    )


def _wide(low: int, high: int) -> str:
    """Name of a whole-number dtype that holds both ends, of a real one where none does."""
    names = ("int32", "uint32", "int64")
    return next((name for name in names if np.iinfo(name).min <= low and high <= np.iinfo(name).max), "float32")


@cache
def _limits(dtype: np.dtype[Any]) -> tuple[int, int]:
    facts = np.iinfo(dtype)
    return int(facts.min), int(facts.max)


def _reached(stored: NDArray[Any], end: int) -> int:
    return int(stored.max() if end else stored.min())
