"""Intensities of a segment: statistics, histogram, intensity-volume histogram."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.measure.refused import Refused, Values, ratio
from workbench.measure.settings import MOST_BINS, BinMethod, Settings

Floats = NDArray[np.float64]
_CONSTANT = "all intensities are the same"
_TOO_MANY = f"more than {MOST_BINS} bins"
_NO_CORE = "no intensity lies between the 10th and the 90th percentile"


def counted(values: NDArray[Any], mask: NDArray[np.bool_], settings: Settings) -> tuple[NDArray[np.bool_], int]:
    """Voxels of a segment whose intensity counts (z, y, x), and how many have none at all (NaN, infinite).

    Re-segmentation as IBSI 2.6: within the range, and within so many standard deviations of the mean of the segment;
    where both are asked for, a voxel must meet both.
    """
    if values.dtype.kind == "f":
        valid = mask & np.isfinite(values)
        missing = int(np.count_nonzero(mask)) - int(np.count_nonzero(valid))
    else:
        valid, missing = mask, 0
    kept = valid
    if settings.resegment_range is not None:
        low, high = settings.resegment_range
        if low is not None:
            kept = kept & (values >= low)
        if high is not None:
            kept = kept & (values <= high)
    if settings.resegment_sigma is not None and valid.any():
        inside = values[valid].astype(np.float64)
        reach = settings.resegment_sigma * inside.std()
        kept = kept & (values >= inside.mean() - reach) & (values <= inside.mean() + reach)
    return kept, missing


def intensity_features(x: Floats) -> Values:
    """First-order statistics of intensities (n,), IBSI 3.3.

    Notes
    -----
    Variance, skewness and kurtosis are of the population (divided by n); kurtosis is the excess over 3. Percentiles
    are interpolated linearly between ranks. ``robust_mean_abs_dev`` is of what lies from the 10th to the 90th
    percentile; ``median_abs_dev`` is the mean distance to the median, as IBSI defines it. ``coeff_of_variation`` and
    ``quartile_coeff`` mean little where zero is arbitrary, as in Hounsfield units.

    Examples
    --------
    >>> found = intensity_features(np.array([1.0, 2.0, 3.0, 6.0]))
    >>> found["mean"], found["variance"], found["median"]
    (3.0, 3.5, 2.5)
    """
    mean = float(x.mean())
    off = x - mean
    square = off * off
    variance = float(square.mean())
    deviation = float(np.sqrt(variance))
    low, q1, median, q3, high = (float(v) for v in np.percentile(x, [10, 25, 50, 75, 90]))
    smallest, largest = float(x.min()), float(x.max())
    core = x[(x >= low) & (x <= high)]
    constant = smallest == largest
    energy = float(x @ x)
    return {
        "mean": mean,
        "variance": 0.0 if constant else variance,
        "skewness": Refused(_CONSTANT) if constant else float((square * off).mean()) / deviation**3,
        "kurtosis": Refused(_CONSTANT) if constant else float((square * square).mean()) / variance**2 - 3,
        "median": median,
        "minimum": smallest,
        "percentile_10": low,
        "percentile_90": high,
        "maximum": largest,
        "interquartile_range": q3 - q1,
        "range": largest - smallest,
        "mean_abs_dev": float(np.abs(off).mean()),
        "robust_mean_abs_dev": float(np.abs(core - core.mean()).mean()) if len(core) else Refused(_NO_CORE),
        "median_abs_dev": float(np.abs(x - median).mean()),
        "coeff_of_variation": ratio(deviation, mean, "the mean is zero"),
        "quartile_coeff": ratio(q3 - q1, q3 + q1, "the quartiles sum to zero"),
        "energy": energy,
        "root_mean_square": float(np.sqrt(energy / len(x))),
    }


def discretised(x: Floats, method: BinMethod, size: float | None, low: float | None) -> tuple[Floats, int] | Refused:
    """Number of the bin of each intensity (n,), from 1 on, and how many bins there are; IBSI 2.7.

    Parameters
    ----------
    x : array (n,)
        Intensities.
    method : {"number", "width", "none"}
        So many bins between the smallest and the largest; so wide from *low* on; or intensities that are whole
        numbers from 1 on already.
    size : float, optional
        Number or width of the bins.
    low : float, optional
        Lower end of the first bin of a fixed width.

    Examples
    --------
    >>> discretised(np.array([0.0, 4.9, 5.0, 10.0]), "number", 2, None)
    (array([1., 1., 2., 2.]), 2)
    """
    if method == "none":
        if not (x == np.floor(x)).all() or x.min() < 1:
            return Refused("bin_method='none' needs whole numbers from 1 on")
        return (x, int(x.max())) if x.max() <= MOST_BINS else Refused(_TOO_MANY)
    assert size is not None
    if method == "width":
        assert low is not None
        bins = np.floor((x - low) / size) + 1
        return (bins, int(bins.max())) if bins.max() <= MOST_BINS else Refused(_TOO_MANY)
    smallest, largest = float(x.min()), float(x.max())
    if smallest == largest:
        return Refused(_CONSTANT)
    return np.minimum(np.floor(size * (x - smallest) / (largest - smallest)) + 1, size), int(size)


def histogram_features(bins: Floats, count: int) -> Values:
    """Statistics of discretised intensities (n,) and of their histogram over *count* bins, IBSI 3.4.

    Notes
    -----
    Of several equally full bins the mode is the one nearest to the mean, the lower of two as near. Gradients are
    central differences of the counts, one-sided at both ends; of several equal ones the first bin is named.
    """
    found: Values = {f"ih_{name}": v for name, v in intensity_features(bins).items() if name not in _NOT_BINNED}
    counts = _counts(bins - 1, count)
    share = counts / counts.sum()
    fullest = np.flatnonzero(counts == counts.max()) + 1
    filled = share[share > 0]
    found |= {
        "ih_n_bins": float(count),
        "ih_mode": float(fullest[np.argmin(np.abs(fullest - bins.mean()))]),
        "ih_entropy": max(0.0, -float(filled @ np.log2(filled))),
        "ih_uniformity": float(share @ share),
    }
    names = ("ih_max_gradient", "ih_max_gradient_level", "ih_min_gradient", "ih_min_gradient_level")
    if count < 2:
        return found | dict.fromkeys(names, Refused("one bin has no gradient"))
    slope = np.gradient(counts)
    steepest, lowest = int(slope.argmax()), int(slope.argmin())
    numbers = (float(slope[steepest]), steepest + 1.0, float(slope[lowest]), lowest + 1.0)
    return found | dict(zip(names, numbers, strict=True))


_NOT_BINNED = ("energy", "root_mean_square")


def volume_histogram_features(x: Floats, settings: Settings) -> Values:
    """Intensity-volume histogram of intensities (n,), IBSI 3.5: volume fractions 0..1, intensities at them.

    With ``ivh_method="number"`` intensities are numbers of bins (1 to 1000 by default), with "width" the centres of
    bins in the unit of the image, with "none" (whole numbers only) the intensities themselves.

    Notes
    -----
    The intensity fraction runs from the first to the last level: of the re-segmentation range where it states an end,
    else of the segment. Where even the last level holds more volume than asked for, the level above it is given.
    """
    names = ("ivh_volume_at_10", "ivh_volume_at_90", "ivh_intensity_at_10", "ivh_intensity_at_90",
             "ivh_volume_difference", "ivh_intensity_difference")  # fmt: skip
    levels = _levels(x, settings)
    if isinstance(levels, Refused):
        return dict.fromkeys(names, levels)
    level, counts, step = levels
    if len(level) < 2:
        return dict.fromkeys(names, Refused(_CONSTANT))
    intensity = (level - level[0]) / (level[-1] - level[0])
    volume = 1 - (np.cumsum(counts) - counts) / counts.sum()

    def volume_at(fraction: float) -> float:
        return float(volume[np.searchsorted(intensity, fraction - 1e-12)])

    def intensity_at(fraction: float) -> float:
        below = np.flatnonzero(volume <= fraction)
        return float(level[below[0]]) if len(below) else float(level[-1] + step)

    v10, v90, i10, i90 = volume_at(0.1), volume_at(0.9), intensity_at(0.1), intensity_at(0.9)
    return dict(zip(names, (v10, v90, i10, i90, v10 - v90, i10 - i90), strict=True))


def _levels(x: Floats, settings: Settings) -> tuple[Floats, Floats, float] | Refused:
    """Every level of the histogram, how many intensities are at it, and the step between levels."""
    method, size = settings.ivh_method, settings.ivh_size
    low, high = settings.resegment_range or (None, None)
    if method == "number":
        binned = discretised(x, method, size, low)
        if isinstance(binned, Refused):
            return binned
        bins, count = binned
        return np.arange(1.0, count + 1), _counts(bins - 1, count), 1.0
    if method == "none":
        if not (x == np.floor(x)).all():
            return Refused("ivh_method='none' needs whole numbers")
        first = float(np.ceil(low)) if low is not None else float(x.min())
        last = float(np.floor(high)) if high is not None else float(x.max())
        if last - first >= MOST_BINS:
            return Refused(_TOO_MANY)
        return np.arange(first, last + 1), _counts(x - first, int(last - first) + 1), 1.0
    assert size is not None
    assert low is not None
    last = high if high is not None else float(x.max())
    if (last - low) / size >= MOST_BINS:
        return Refused(_TOO_MANY)
    counts = _counts(np.floor((x - low) / size), int(np.ceil((last - low) / size)) + 1)
    centres: Floats = low + (np.arange(len(counts), dtype=np.float64) + 0.5) * size
    return centres, counts, size


def _counts(numbers: Floats, length: int) -> Floats:
    """How many of the whole numbers (n,) are 0, 1, 2, ..., at least *length* of them."""
    return np.bincount(numbers.astype(np.int64), minlength=length).astype(np.float64)


def ivh_unit(settings: Settings, image_unit: str) -> str:
    """UCUM unit of intensities of the intensity-volume histogram."""
    return "1" if settings.ivh_method == "number" else image_unit
