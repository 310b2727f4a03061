"""What features depend on besides image and mask, in one place, with a digest."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal

from workbench.arguments import check_fields, is_number, short
from workbench.errors import UsageError

#: Raised by one whenever the same settings would give another number.
FORMAT: Final = 1
#: Bins beyond this many are a slip of the settings, and would not fit into memory.
MOST_BINS: Final = 10_000_000

BinMethod = Literal["number", "width", "none"]


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Settings of :func:`workbench.measure.features`; they go into its result, with their digest.

    Names follow the IBSI reference manual (arXiv 1612.07003, chapter 2). Nothing is interpolated: resample the
    Dataset before, with ``ds.patient.resample``.

    Raises
    ------
    UsageError
        A value that is not one, or two that do not go together.

    Examples
    --------
    >>> Settings(resegment_range=(-1000, 400), bin_method="width", bin_size=25).bin_size
    25.0
    >>> Settings(bin_method="width", bin_size=25)
    Traceback (most recent call last):
        ...
    workbench.errors.UsageError: bins of a fixed width need a lower bound. give resegment_range=(low, high)
    """

    #: Intensities that count, both ends included; None at an end leaves it open. Shape is of the whole mask.
    resegment_range: tuple[float | None, float | None] | None = None
    #: Intensities further than this many standard deviations from the mean of the segment do not count.
    resegment_sigma: float | None = None
    #: Bins of histogram and textures: so many, so wide (from the lower bound on), or whole numbers as they are.
    bin_method: BinMethod = "number"
    #: Number or width (in the unit of the image) of these bins; None with "none".
    bin_size: float | None = 32
    #: The same for the intensity-volume histogram.
    ivh_method: BinMethod = "number"
    #: Number or width of these bins; None with "none".
    ivh_size: float | None = 1000
    #: Texture matrices of the 13 directions merged into one, or the features of each averaged (glcm, glrlm).
    texture_aggregation: Literal["merge", "average"] = "merge"
    #: Chebyshev distance of neighbours, voxels (glcm, ngldm).
    texture_distance: float = 1.0

    def __post_init__(self) -> None:
        check_fields(self, "bin_method", "ivh_method", "texture_aggregation")
        if self.resegment_range is not None:
            object.__setattr__(self, "resegment_range", _range(self.resegment_range))
        if self.resegment_sigma is not None:
            object.__setattr__(self, "resegment_sigma", _positive("resegment_sigma", self.resegment_sigma))
        for which in ("bin", "ivh"):
            self._check_bins(which)
        object.__setattr__(self, "texture_distance", _positive("texture_distance", self.texture_distance))

    def _check_bins(self, which: str) -> None:
        method, size = getattr(self, f"{which}_method"), getattr(self, f"{which}_size")
        if method == "none":
            object.__setattr__(self, f"{which}_size", None)
            return
        size = _positive(f"{which}_size", size)
        if method == "number" and (size != int(size) or size < 2):
            raise UsageError(f"{which}_size cannot be {size!r} bins", remedy="use a whole number of 2 or more")
        if method == "number" and size > MOST_BINS:
            raise UsageError(f"{which}_size cannot be {size!r} bins", remedy=f"use {MOST_BINS} at most")
        if method == "width" and (self.resegment_range is None or self.resegment_range[0] is None):
            raise UsageError("bins of a fixed width need a lower bound", remedy="give resegment_range=(low, high)")
        object.__setattr__(self, f"{which}_size", size)

    def to_dict(self) -> dict[str, Any]:
        """All settings as plain JSON types."""
        said: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        return said

    @property
    def digest(self) -> str:
        """SHA-256 of the settings."""
        return digest(self.to_dict())


def digest(said: Mapping[str, Any]) -> str:
    """SHA-256 of plain settings, whatever their order.

    Examples
    --------
    >>> digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1})
    True
    """
    return hashlib.sha256(json.dumps({"format": FORMAT, **said}, sort_keys=True).encode()).hexdigest()


def _number(name: str, value: Any) -> float:
    if not is_number(value) or not math.isfinite(value):
        raise UsageError(f"{name} cannot be {short(value)}", remedy="give a number")
    return float(value)


def _positive(name: str, value: Any) -> float:
    number = _number(name, value)
    if number <= 0:
        raise UsageError(f"{name} cannot be {value!r}", remedy="give a number above 0")
    return number


def _range(value: Any) -> tuple[float | None, float | None]:
    remedy = "give (low, high), with None for an open end"
    if not isinstance(value, tuple | list) or len(value) != 2:
        raise UsageError(f"resegment_range cannot be {short(value)}", remedy=remedy)
    low, high = (None if end is None else _number("resegment_range", end) for end in value)
    if (low is None and high is None) or (low is not None and high is not None and low >= high):
        raise UsageError(f"resegment_range cannot be {value!r}", remedy=remedy)
    return low, high
