"""Statistics, histograms and neighbourhoods against direct computation."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from tests.measure import solids
from tests.tries import tries
from workbench.measure.features import features
from workbench.measure.intensity import (
    discretised,
    histogram_features,
    intensity_features,
    volume_histogram_features,
)
from workbench.measure.neighbourhood import PEAK_RADIUS, local_features, peak_margin, spatial_features
from workbench.measure.refused import Refused
from workbench.measure.settings import Settings

numbers = arrays.arrays(np.float64, st.integers(2, 60), elements=st.integers(-1000, 1000).map(float))


@settings(max_examples=tries(60), deadline=None)
@given(numbers.filter(lambda x: x.min() < x.max()))
def test_statistics_are_those_of_scipy(x: np.ndarray) -> None:
    found = intensity_features(x)
    assert found["mean"] == pytest.approx(x.mean())
    assert found["variance"] == pytest.approx(x.var())
    assert found["skewness"] == pytest.approx(scipy.stats.skew(x), abs=1e-9)
    assert found["kurtosis"] == pytest.approx(scipy.stats.kurtosis(x), abs=1e-9)
    assert found["interquartile_range"] == pytest.approx(scipy.stats.iqr(x))
    assert found["median_abs_dev"] == pytest.approx(np.abs(x - np.median(x)).mean())
    assert found["root_mean_square"] == pytest.approx(np.sqrt((x**2).mean()))


def test_two_voxels_have_nothing_between_their_percentiles() -> None:
    assert isinstance(intensity_features(np.array([0.0, 1.0]))["robust_mean_abs_dev"], Refused)


def test_large_offsets_keep_their_variance() -> None:
    x = np.array([0.0, 1.0, 2.0, 3.0])
    assert intensity_features(x + 1e8)["variance"] == pytest.approx(1.25, rel=1e-12)
    assert intensity_features(x + 1e8)["skewness"] == pytest.approx(0, abs=1e-12)


def test_bins_of_a_number_and_of_a_width() -> None:
    x = np.array([0.0, 24.9, 25.0, 99.0, 100.0])
    bins, count = discretised(x, "number", 4, None)
    assert (bins.tolist(), count) == ([1, 1, 2, 4, 4], 4)
    bins, count = discretised(x, "width", 25, -50.0)
    assert (bins.tolist(), count) == ([3, 3, 4, 6, 7], 7)


def test_intensities_that_are_no_bins_are_refused() -> None:
    for x in ([0.0, 1.0], [1.5, 2.0], [-1.0, 3.0]):
        assert isinstance(discretised(np.array(x), "none", None, None), Refused)


def test_bins_beyond_all_memory_are_refused() -> None:
    x = np.array([1.0, 2e9])
    settings = Settings(ivh_method="width", ivh_size=1e-3, resegment_range=(0, None))
    found = [discretised(x, "none", None, None), discretised(x, "width", 1e-3, 0.0)]
    found += volume_histogram_features(x, Settings(ivh_method="none")).values()
    found += volume_histogram_features(x, settings).values()
    assert len(found) == 14
    assert all(isinstance(each, Refused) and "more than" in each.reason for each in found)


def test_a_histogram_worked_by_hand() -> None:
    # Counts 2, 0, 4, 4 over four bins.
    found = histogram_features(np.repeat([1.0, 3.0, 4.0], [2, 4, 4]), 4)
    assert found["ih_n_bins"] == 4
    # Mean 3.0: of bins 3 and 4, equally full, the nearer.
    assert found["ih_mode"] == 3
    assert found["ih_entropy"] == pytest.approx(-(0.2 * np.log2(0.2) + 2 * 0.4 * np.log2(0.4)))
    assert found["ih_uniformity"] == pytest.approx(0.04 + 0.16 + 0.16)
    # Gradients -2, 1, 2, 0.
    assert (found["ih_max_gradient"], found["ih_max_gradient_level"]) == (2, 3)
    assert (found["ih_min_gradient"], found["ih_min_gradient_level"]) == (-2, 1)


def test_an_intensity_volume_histogram_worked_by_hand() -> None:
    x = np.array([0.0, 1.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0])
    found = volume_histogram_features(x, Settings(ivh_method="none"))
    # At a tenth of the way, intensity 1: nine of ten voxels reach it. At nine tenths, intensity 9: one does.
    assert (found["ivh_volume_at_10"], found["ivh_volume_at_90"]) == pytest.approx((0.9, 0.1))
    # One tenth of the volume reaches 9, nine tenths reach 1.
    assert (found["ivh_intensity_at_10"], found["ivh_intensity_at_90"]) == (9, 1)
    wide = volume_histogram_features(x, Settings(ivh_method="width", ivh_size=2, resegment_range=(0, None)))
    # Bins of 2 from 0 on: centres 1, 3, 5, 7, 9, 11 hold 3, 2, 2, 1, 1, 1.
    assert wide["ivh_intensity_at_10"] == 11
    assert wide["ivh_volume_at_10"] == pytest.approx(0.7)


def brute_peaks(values: np.ndarray, kept: np.ndarray, spacing: tuple) -> tuple[float, float]:
    places = np.argwhere(np.ones(values.shape)) * spacing
    flat = values.ravel()
    peaks = {}
    for index in np.flatnonzero(kept.ravel()):
        near = np.linalg.norm(places - places[index], axis=1) <= PEAK_RADIUS
        peaks[index] = np.nanmean(flat[near])
    largest = max(flat[i] for i in peaks)
    return max(peak for i, peak in peaks.items() if flat[i] == largest), max(peaks.values())


@settings(max_examples=tries(20), deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([(2.0, 2.0, 2.0), (5.0, 1.5, 3.0), (8.0, 8.0, 8.0)]))
def test_peaks_are_means_over_a_sphere_of_a_cubic_centimetre(seed: int, spacing: tuple) -> None:
    random = np.random.default_rng(seed)
    values = random.integers(-1000, 3000, (7, 8, 9)).astype(np.float32)
    values[random.random(values.shape) < 0.05] = np.nan
    inner = (slice(2, 5), slice(1, 6), slice(3, 7))
    kept = (random.random((3, 5, 4)) < 0.6) & np.isfinite(values[inner])
    kept[1, 2, 2] = True
    values[inner][1, 2, 2] = 5000
    whole = np.zeros(values.shape, bool)
    whole[inner] = kept
    found = local_features(values, inner, kept, spacing)
    expected = brute_peaks(values.astype(np.float64), whole, spacing)
    assert (found["local_peak"], found["global_peak"]) == pytest.approx(expected, rel=1e-9)


def test_a_peak_looks_beyond_the_segment() -> None:
    mask, values = np.zeros((9, 9, 9), bool), np.zeros((9, 9, 9), np.float32)
    mask[4, 4, 4] = True
    values[4, 4, 4], values[4, 4, 5] = 81, 81
    found = features(solids.dataset(mask, values, spacing=(2, 2, 2)), groups="local").set_index("feature")["value"]
    offsets = np.stack(np.meshgrid(*[np.arange(-3, 4) * 2.0] * 3), axis=-1)
    inside = int((np.linalg.norm(offsets, axis=-1) <= PEAK_RADIUS).sum())
    assert peak_margin((2, 2, 2)) == (3, 3, 3)
    assert found["local_peak"] == pytest.approx(162 / inside)


@settings(max_examples=tries(20), deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([(1.0, 1.0, 1.0), (3.0, 0.5, 0.8)]))
def test_autocorrelation_is_that_of_all_pairs(seed: int, spacing: tuple) -> None:
    random = np.random.default_rng(seed)
    values = random.integers(0, 50, (3, 5, 4)).astype(np.int16)
    kept = random.random(values.shape) < 0.6
    kept[0, 0, :2], values[0, 0, :2] = True, (1, 9)
    places, x = np.argwhere(kept) * spacing, values[kept].astype(float)
    apart = np.linalg.norm(places[:, None] - places[None], axis=-1)
    np.fill_diagonal(apart, np.inf)
    weights, off, n = 1 / apart, x - x.mean(), len(x)
    moran = n / weights.sum() * (off @ weights @ off) / (off @ off)
    geary = (n - 1) / (2 * weights.sum()) * (weights * (x[:, None] - x[None]) ** 2).sum() / (off @ off)
    found = spatial_features(values, kept, spacing)
    assert (found["moran_i"], found["geary_c"]) == pytest.approx((moran, geary), rel=1e-9, abs=1e-12)
