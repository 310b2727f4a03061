"""Intensities and where they are: local peaks and spatial autocorrelation, both by Fourier transform."""

from __future__ import annotations

from math import pi
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from workbench.measure.crop import Box
from workbench.measure.refused import Refused, Values

Floats = NDArray[np.float64]
#: Radius of a sphere of 1 cm3, mm.
PEAK_RADIUS: Final = (3 * 1000 / (4 * pi)) ** (1 / 3)


def peak_margin(spacing: tuple[float, float, float]) -> tuple[int, int, int]:
    """Voxels around a segment that its local peaks look at, along z, y and x.

    Examples
    --------
    >>> peak_margin((5.0, 2.0, 2.0))
    (1, 3, 3)
    """
    z, y, x = (int(PEAK_RADIUS / mm) for mm in spacing)
    return z, y, x


def local_features(
    values: NDArray[Any], inner: Box, kept: NDArray[np.bool_], spacing: tuple[float, float, float]
) -> Values:
    """Local and global intensity peak, IBSI 3.2: means over a sphere of 1 cm3.

    Parameters
    ----------
    values : array (z, y, x)
        Image, with a margin of :func:`peak_margin` around the segment where the image goes on.
    inner : tuple of slice
        Box of the segment within *values*.
    kept : array (z, y, x) of bool
        Voxels of the segment that count, in its box.
    spacing : tuple of float
        Distance of voxel centres, mm.

    Notes
    -----
    A voxel belongs to the sphere when its centre lies within 6.2035 mm. The mean takes all voxels of the image, also
    outside the segment; those without a value and those beyond the edge of the image are left out of it. Of several
    voxels with the largest intensity the highest peak counts.
    """
    from scipy.signal import fftconvolve

    known = np.isfinite(values)
    numbers = np.where(known, values, 0).astype(np.float64)
    # About the mean, so that Fourier rounding is that of the contrast, not of the offset.
    middle = float(numbers[inner][kept].mean())
    numbers = np.where(known, numbers - middle, 0.0)
    reach = [np.arange(-n, n + 1) * mm for n, mm in zip(peak_margin(spacing), spacing, strict=True)]
    z, y, x = np.meshgrid(*reach, indexing="ij")
    sphere = (z**2 + y**2 + x**2 <= PEAK_RADIUS**2).astype(np.float64)
    total = fftconvolve(numbers, sphere, mode="same")[inner]
    count = np.rint(fftconvolve(known.astype(np.float64), sphere, mode="same")[inner])
    means = np.where(kept, total / np.maximum(count, 1), -np.inf)
    inside = np.where(kept, numbers[inner], -np.inf)
    return {
        "local_peak": float(means[inside == inside.max()].max()) + middle,
        "global_peak": float(means.max()) + middle,
    }


def spatial_features(values: NDArray[Any], kept: NDArray[np.bool_], spacing: tuple[float, float, float]) -> Values:
    """Moran's I and Geary's C of the voxels that count, weighted by the inverse of their distance, IBSI 3.1.

    Parameters
    ----------
    values, kept : array (z, y, x)
        Intensities in the box of a segment, and which of them count.
    spacing : tuple of float
        Distance of voxel centres, mm.

    Notes
    -----
    Exact over all pairs of voxels: sums over pairs are sums over displacements of correlations, which a Fourier
    transform gives at once. Memory is some 100 bytes for each of eight times the voxels of the box.
    """
    from scipy.fft import irfftn, next_fast_len, rfftn

    n = int(np.count_nonzero(kept))
    x = values[kept].astype(np.float64)
    if n < 2 or x.min() == x.max():
        return dict.fromkeys(("moran_i", "geary_c"), Refused("fewer than two different intensities"))
    x -= x.mean()
    centred = np.zeros(kept.shape)
    centred[kept] = x
    shape = [next_fast_len(2 * side - 1, real=True) for side in kept.shape]
    offsets = [np.fft.fftfreq(side, 1 / side) * mm for side, mm in zip(shape, spacing, strict=True)]
    distance = np.sqrt(sum(off**2 for off in np.meshgrid(*offsets, indexing="ij", sparse=True)))
    distance[0, 0, 0] = np.inf
    weights = rfftn(1 / distance)

    def neighbours(field: Floats) -> Floats:
        """Weighted sum over all other voxels, at each voxel of the segment."""
        spread: Floats = irfftn(rfftn(field, shape) * weights, shape)[tuple(slice(side) for side in kept.shape)][kept]
        return spread

    nearby = neighbours(kept.astype(np.float64))
    total, square = float(nearby.sum()), float(x @ x)
    products = float(x @ neighbours(centred))
    # Pairs counted both ways: sum of w (a - b)^2 = 2 sum of w a^2 - 2 sum of w a b.
    differences = 2 * float((x * x) @ nearby) - 2 * products
    return {
        "moran_i": n / total * products / square,
        "geary_c": (n - 1) / (2 * total) * differences / square,
    }
